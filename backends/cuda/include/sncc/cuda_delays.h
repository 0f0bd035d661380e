// Connections whose delays need not be whole steps, summed in the order in which the C++ half sums them.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_delivery.h"
#include "sncc/cuda_gather.h"
#include "sncc/delays.h"

namespace sncc {
namespace cuda {

// ------------------------------------------------------------------------------------------------ delivery
template <typename Real, typename Spikes>
__device__ inline void add_interpolated(Real* into, int columns, const Real* weights, int stride, const FractionalDelays<Real>& delays, const Spikes& spikes, std::int64_t n) {
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
// From source `first` on.
template <typename Real, typename Spikes>
__device__ inline void add_interpolated_one_to_one(Real* into, int first, int count, const Real* weights, const FractionalDelays<Real>& delays, const Spikes& spikes,
                                                   std::int64_t n) {
    for_own(count, [&](int j) {
        for (std::int64_t d = delays.most; d >= delays.least; --d)
            for_spikes(spikes, n - d, [&](std::int64_t i) {
                if (i == first + j) into[j] += weights[j] * delays.at(j).part_at(d);
            });
    });
}

// The same of values: each synapse reads what its source was at two steps. A stride of 0: one to one.
template <typename Real>
__device__ inline void add_interpolated_values(Real* into, int sources, int columns, const Real* weights, int stride, const FractionalDelays<Real>& delays,
                                               const ValueRows<Real>& values, std::int64_t n) {
    for_own(columns, [&](int j) {
        Real sum = into[j];
        for (int i = stride ? 0 : j; i < (stride ? sources : j + 1); ++i) {
            const std::int64_t e = static_cast<std::int64_t>(i) * stride + j;
            const auto delay = delays.at(e);
            sum += weights[e] * delay.between(values.row(n - delay.whole)[i], values.row(n - delay.whole - 1)[i]);
        }
        into[j] = sum;
    });
}

// ------------------------------------------------------------------------------------------------ the way back
// The adjoints of a connection's targets, zero before the sample's first step and beyond its end.
template <typename Real>
struct LaterAdjoint {
    Tape<Real> tape;
    std::int64_t column;
    int size, offset;
    std::int64_t steps;

    __device__ Real at(std::int64_t n, int j) const { return n < 1 || n > steps ? Real(0) : tape.row(column, size, n)[offset + j]; }
};
// into[i] += what comes back over the synapses of source i, of which it has `columns`; a stride of 0: one, onto its own number.
template <typename Real, typename Which = ForAll>
__device__ inline void transpose_interpolated(Real* into, int sources, int columns, const Real* weights, int stride, const FractionalDelays<Real>& delays,
                                              const LaterAdjoint<Real>& later, std::int64_t n, const Which& which = {}) {
    for_own(sources, [&](int i) {
        if (!which.fired(n, i)) return;
        Real sum = 0;
        for (int k = 0; k < columns; ++k) {
            const int j = stride ? k : i;
            const std::int64_t e = static_cast<std::int64_t>(i) * stride + j;
            const auto delay = delays.at(e);
            const Real here = later.at(n + delay.whole, j), next = later.at(n + delay.whole + 1, j);
            sum += weights[e] * delay.between(here, next);
        }
        into[i] += sum;
    });
}
// For the neurons that fired at step n, over rounded delays.
template <typename Real, typename Spikes>
__device__ inline void transpose_rounded(Real* into, int sources, int columns, const Real* weights, int stride, const FractionalDelays<Real>& delays,
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
    FractionalDelays<Real> delays;
    KeptAdjoint<Real> kept;
    const std::int32_t* steps;

    // What row `row` of the tape and the next ones give element e, whose target is j, where its sample goes on for `rest` rows.
    __device__ Real at(std::uint32_t row, std::uint32_t rest, std::int64_t e, int j) const {
        const std::uint32_t whole = static_cast<std::uint32_t>(delays.at(e).whole);
        const Real here = whole <= rest ? kept.row(row + whole)[j] : Real(0);
        if constexpr (term == DelayTerm::time) return weights[e] * here;
        return of_two(e, here, whole + 1 <= rest ? kept.row(row + whole + 1)[j] : Real(0));
    }
    // The same of what sample b's source was at step n, which may be one before the first.
    __device__ Real of_step(int b, std::int64_t n, std::int64_t e, int j) const {
        const std::int64_t later = n + delays.at(e).whole;
        const Real here = later >= 1 && later <= steps[b] ? kept.at(b, later)[j] : Real(0);
        return of_two(e, here, later >= 0 && later < steps[b] ? kept.at(b, later + 1)[j] : Real(0));
    }

private:
    __device__ Real of_two(std::int64_t e, Real here, Real next) const {
        if constexpr (term == DelayTerm::weight) return delays.at(e).between(here, next);
        return delays.slope(weights[e], here, next);
    }
};

// The gradient of the elements of the sources, or, one to one (a stride of 0), of all of them: a warp sums up to 32 of a source.
template <typename Real, DelayTerm term, typename Emitted>
__device__ inline void gather_interpolated(SpikeList& list, Real* gradient, int sources, int columns, int stride, int block, const Emitted& emitted,
                                           const DelayedGradient<Real, term>& of, bool adds, const Overflow& overflow) {
    const GatherUnit own(block, stride ? columns : 1, 1);
    if (own.row >= sources) return;
    const bool there = own.column < (stride ? columns : 1);
    const int j = stride ? (there ? own.column : 0) : own.row;
    const std::int64_t e = static_cast<std::int64_t>(own.row) * stride + j;
    Real sum = adds && there ? gradient[e] : Real(0);
    for_emissions(list, emitted, own.row, 0, of.steps, of.kept.steps, [&](const auto& spikes, int count) {
        Real x[AT_ONCE];
        for (int u = 0; u < AT_ONCE; ++u)
            if (u < count) x[u] = of.at(spikes.row[u], spikes.rest[u], e, j);
        for (int u = 0; u < AT_ONCE; ++u)
            if (u < count) sum += x[u];
    });
    if (!there) return;
    gradient[e] = sum;
    overflow.note(sum);
}

// The same of values: a lane sums its element's over all steps.
template <typename Real, DelayTerm term>
__device__ inline void gather_interpolated(SpikeList&, Real* gradient, int sources, int columns, int stride, int block, const ValuesOfBatch<Real>& emitted,
                                           const DelayedGradient<Real, term>& of, bool adds, const Overflow& overflow) {
    const GatherUnit own(block, stride ? columns : 1, 1);
    if (own.row >= sources || own.column >= (stride ? columns : 1)) return;
    const int j = stride ? own.column : own.row;
    const std::int64_t e = static_cast<std::int64_t>(own.row) * stride + j;
    Real sum = adds ? gradient[e] : Real(0);
    for (int b = 0; b < emitted.samples; ++b)
        for (std::int64_t n = emitted.first(of.delays.most); n <= emitted.most && n <= of.steps[b]; ++n) sum += emitted.at(b, n, own.row) * of.of_step(b, n, e, j);
    gradient[e] = sum;
    overflow.note(sum);
}

}  // namespace cuda
}  // namespace sncc
