// Connections whose delays need not be whole steps: a delay of k + f steps delivers (1 - f) of the weight at k and f of it
// at k + 1; rounded ones deliver at the nearest step. Summed in the order in which the C++ half sums it.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_delivery.h"
#include "sncc/cuda_gather.h"

namespace sncc {
namespace cuda {

// The delays of a connection, in ms and laid out as its weights, and the steps that they are raised to and may reach.
template <typename Real>
struct LearntDelays {
    const Real* values;
    double step;
    std::int64_t least, most;
    bool rounded;

    struct Split {
        std::int64_t whole;
        Real rest;

        // What of a weight arrives d steps after the spike.
        __device__ Real part_at(std::int64_t d) const { return d == whole ? Real(1) - rest : d == whole + 1 ? rest : Real(0); }
    };
    __device__ Split at(std::int64_t element) const {
        const double given = static_cast<double>(values[element]) / step, low = static_cast<double>(least), high = static_cast<double>(most - 1);
        const double raised = given < low ? low : given, steps = raised > high ? high : raised;
        if (rounded) return {static_cast<std::int64_t>(m_floor(steps + 0.5)), Real(0)};
        const double whole = m_floor(steps);
        return {static_cast<std::int64_t>(whole), static_cast<Real>(steps - whole)};
    }
};

// ------------------------------------------------------------------------------------------------ delivery
template <typename Real, typename Spikes>
__device__ inline void add_interpolated(Real* into, int columns, const Real* weights, int stride, const LearntDelays<Real>& delays, const Spikes& spikes, std::int64_t n) {
    for_own(columns, [&](int j) {
        Real sum = into[j];
        for (std::int64_t d = delays.most; d >= delays.least; --d)
            for_spikes(spikes, n - d, [&](std::int64_t i) {
                const std::int64_t e = i * stride + j;
                sum += weights[e] * delays.at(e).part_at(d);
            });
        into[j] = sum;
    });
}
template <typename Real, typename Spikes>
__device__ inline void add_interpolated_one_to_one(Real* into, int count, const Real* weights, const LearntDelays<Real>& delays, const Spikes& spikes, std::int64_t n) {
    for_own(count, [&](int j) {
        for (std::int64_t d = delays.most; d >= delays.least; --d)
            for_spikes(spikes, n - d, [&](std::int64_t i) {
                if (i == j) into[j] += weights[j] * delays.at(j).part_at(d);
            });
    });
}

// ------------------------------------------------------------------------------------------------ the way back
// The adjoints of a connection's targets, zero beyond the sample's end.
template <typename Real>
struct LaterAdjoint {
    Tape<Real> tape;
    std::int64_t column;
    int size, offset;
    std::int64_t steps;

    __device__ Real at(std::int64_t n, int j) const { return n > steps ? Real(0) : tape.row(column, size, n)[offset + j]; }
};
// into[i] += what comes back over the synapses of source i, of which it has `columns`; a stride of 0: one, onto its own number.
template <typename Real, typename Which = ForAll>
__device__ inline void transpose_interpolated(Real* into, int sources, int columns, const Real* weights, int stride, const LearntDelays<Real>& delays,
                                              const LaterAdjoint<Real>& later, std::int64_t n, const Which& which = {}) {
    for_own(sources, [&](int i) {
        if (!which.fired(n, i)) return;
        Real sum = 0;
        for (int k = 0; k < columns; ++k) {
            const int j = stride ? k : i;
            const std::int64_t e = static_cast<std::int64_t>(i) * stride + j;
            const auto delay = delays.at(e);
            const Real here = later.at(n + delay.whole, j), next = later.at(n + delay.whole + 1, j);
            sum += weights[e] * ((Real(1) - delay.rest) * here + delay.rest * next);
        }
        into[i] += sum;
    });
}
// For the neurons that fired at step n, over rounded delays.
template <typename Real, typename Spikes>
__device__ inline void transpose_rounded(Real* into, int sources, int columns, const Real* weights, int stride, const LearntDelays<Real>& delays,
                                         const LaterAdjoint<Real>& later, const Spikes& spikes, std::int64_t n) {
    for_own(sources, [&](int i) {
        for (std::uint32_t left = spikes.fired(n, i); left > 0; --left)
            for (int k = 0; k < columns; ++k) {
                const int j = stride ? k : i;
                const std::int64_t e = static_cast<std::int64_t>(i) * stride + j;
                into[i] += weights[e] * later.at(n + delays.at(e).whole, j);
            }
    });
}

// ------------------------------------------------------------------------------------------------ gradients
// What a spike of step n adds to the gradient of element e, whose target is j: of the weight, of an interpolated delay, or of the time of
// a rounded one.
enum class DelayTerm { weight, delay, time };

template <typename Real, DelayTerm term>
struct DelayedGradient {
    const Real* weights;
    LearntDelays<Real> delays;
    KeptAdjoint<Real> kept;
    const std::int32_t* steps;

    __device__ Real at(int b, std::int64_t n, std::int64_t e, int j) const {
        const auto delay = delays.at(e);
        const Real here = adjoint(b, n + delay.whole, j);
        if constexpr (term == DelayTerm::time) return weights[e] * here;
        const Real next = adjoint(b, n + delay.whole + 1, j);
        if constexpr (term == DelayTerm::weight) return (Real(1) - delay.rest) * here + delay.rest * next;
        return weights[e] * (next - here) / static_cast<Real>(delays.step);
    }
    __device__ Real adjoint(int b, std::int64_t n, int j) const { return n > steps[b] ? Real(0) : kept.at(b, n)[j]; }
};

// When a neuron of a source emitted: from the spikes of a population, the first sample's, the next one's `stride` numbers later; or from times.
template <typename Spikes>
struct EmittedByStep {
    Spikes spikes;
    std::int64_t stride;
    template <typename Body>
    __device__ void for_each(int b, int i, std::int64_t steps, const Body& body) const {
        const Spikes own = spikes.moved(b * stride);
        for (std::int64_t n = 1; n <= steps; ++n)
            for (std::uint32_t left = own.fired(n, i); left > 0; --left) body(n);
    }
};
struct EmittedAt {
    const std::int64_t* offsets;
    const std::uint32_t* times;
    int channels;
    template <typename Body>
    __device__ void for_each(int b, int i, std::int64_t, const Body& body) const {
        const std::int64_t* const list = offsets + static_cast<std::int64_t>(b) * (channels + 1) + i;
        for (std::int64_t k = list[0]; k < list[1]; ++k) body(static_cast<std::int64_t>(times[k]) + 1);
    }
};

// A block sums the gradient of the elements of source i, or, one to one, of all sources.
template <typename Real, DelayTerm term, typename Emitted>
__device__ inline void gather_interpolated(Real* gradient, int columns, int i, int stride, const Emitted& emitted, int samples,
                                           const DelayedGradient<Real, term>& of, bool adds) {
    for_own(columns, [&](int j) {
        const std::int64_t e = static_cast<std::int64_t>(i) * stride + j;
        Real sum = adds ? gradient[e] : Real(0);
        for (int b = 0; b < samples; ++b)
            emitted.for_each(b, stride ? i : j, of.steps[b], [&](std::int64_t n) { sum += of.at(b, n, e, j); });
        gradient[e] = sum;
    });
}

}  // namespace cuda
}  // namespace sncc
