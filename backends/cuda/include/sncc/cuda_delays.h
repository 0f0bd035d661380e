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
template <typename Real, typename Spikes>
__device__ inline void add_interpolated_one_to_one(Real* into, int count, const Real* weights, const FractionalDelays<Real>& delays, const Spikes& spikes, std::int64_t n) {
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

    __device__ Real at(int b, std::int64_t n, std::int64_t e, int j) const {
        const auto delay = delays.at(e);
        const Real here = adjoint(b, n + delay.whole, j);
        if constexpr (term == DelayTerm::time) return weights[e] * here;
        const Real next = adjoint(b, n + delay.whole + 1, j);
        if constexpr (term == DelayTerm::weight) return delay.between(here, next);
        return delays.slope(weights[e], here, next);
    }
    __device__ Real adjoint(int b, std::int64_t n, int j) const { return n > steps[b] ? Real(0) : kept.at(b, n)[j]; }
};

// A block sums the gradient of the elements of source i, or, one to one, of all sources.
template <typename Real, DelayTerm term, typename Emitted>
__device__ inline void gather_interpolated(Real* gradient, int columns, int i, int stride, const Emitted& emitted, int samples,
                                           const DelayedGradient<Real, term>& of, bool adds) {
    for_own(columns, [&](int j) {
        const std::int64_t e = static_cast<std::int64_t>(i) * stride + j;
        Real sum = adds ? gradient[e] : Real(0);
        for (int b = 0; b < samples; ++b)
            emitted.for_each(b, stride ? i : j, 0, of.steps[b], [&](std::int64_t n, int) { sum += of.at(b, n, e, j); });
        gradient[e] = sum;
    });
}

}  // namespace cuda
}  // namespace sncc
