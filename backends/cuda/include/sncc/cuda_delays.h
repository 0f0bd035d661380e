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

    // What row `row` of the tape and the next ones give element e, whose target is j, where its sample goes on for `rest` rows.
    __device__ Real at(std::uint32_t row, std::uint32_t rest, std::int64_t e, int j) const {
        const auto delay = delays.at(e);
        const std::uint32_t whole = static_cast<std::uint32_t>(delay.whole);
        const Real here = whole <= rest ? kept.row(row + whole)[j] : Real(0);
        if constexpr (term == DelayTerm::time) return weights[e] * here;
        const Real next = whole + 1 <= rest ? kept.row(row + whole + 1)[j] : Real(0);
        if constexpr (term == DelayTerm::weight) return delay.between(here, next);
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

}  // namespace cuda
}  // namespace sncc
