// Synapses in rows whose delays are learnt and need not be whole steps, summed in the order in which the C++ half sums them.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_delivery.h"
#include "sncc/cuda_gather.h"
#include "sncc/cuda_synapses.h"
#include "sncc/cuda_transpose.h"
#include "sncc/delays.h"

namespace sncc {
namespace cuda {

// The delays of a connection's synapses.
template <typename Real>
struct LearntDelays {
    FractionalDelays<Real> delays;
    const std::uint32_t* elements;

    __device__ LearntDelays(const DeviceRows<Real>& rows, double step, std::int64_t least, std::int64_t most, DelayMode mode)
        : delays{rows.learnt_delays, step, least, most, mode}, elements(rows.delay_elements) {}
    // Calls body(steps later, share) for each part of what is sent over synapse k.
    template <typename Body>
    __device__ void parts(std::uint64_t k, const Body& body) const {
        const auto split = delays.at(elements[k]);
        body(split.whole, Real(1) - split.rest);
        if (delays.mode == DelayMode::parts) body(split.whole + 1, split.rest);
    }
    // What arrives now over synapse k of source i, which emitted `emitted`, a row of `stride` numbers for each step back, the least delay first.
    __device__ Real sum_over(const DeviceRows<Real>&, const Real* emitted, std::int64_t stride, std::int64_t k, std::int64_t i) const {
        Real sum = 0;
        parts(static_cast<std::uint64_t>(k), [&](std::int64_t d, Real share) { sum += emitted[(d - delays.least) * stride + i] * share; });
        return sum;
    }
    // The derivative by the synapse's delay of what arrives, with its weight.
    __device__ Real slope_over(const DeviceRows<Real>& rows, const Real* emitted, std::int64_t stride, std::int64_t k, std::int64_t i) const {
        const std::uint64_t number = static_cast<std::uint64_t>(k);
        const Real* const here = emitted + (delays.at(elements[number]).whole - delays.least) * stride + i;
        return rows.weight(number) * delays.slope(elements[number]) * (here[stride] - here[0]);
    }
};

// ------------------------------------------------------------------------------------------------ delivery
// What was emitted longest ago comes first; a target that occurs several times is one thread's. All threads come here.
template <typename Real, typename Own, typename Spikes>
__device__ inline void add_learnt_synapses(Real* into, const Own& own, const DeviceRows<Real>& rows, const LearntDelays<Real>& delays, const Spikes& spikes, std::int64_t n) {
    for (std::int64_t d = delays.delays.most; d >= delays.delays.least; --d)
        for_spikes(spikes, n - d, [&](std::int64_t i) {
            const std::uint64_t begin = rows.offsets[i], end = rows.offsets[i + 1];
            for (std::uint64_t k = begin + threadIdx.x; k < end; k += blockDim.x) {
                const std::uint32_t target = rows.targets[k];
                if (!own.has(target) || (k > begin && rows.targets[k - 1] == target)) continue;
                for (std::uint64_t same = k; same < end && rows.targets[same] == target; ++same)
                    into[own.place(target)] += rows.weight(same) * delays.delays.at(delays.elements[same]).part_at(d);
            }
            __syncthreads();
        });
}
// The same of values; a state was before the first of its rows what it starts at; a signal was not there.
template <bool of_state, typename Real>
__device__ inline void add_learnt_values(Real* into, int targets, const DeviceRows<Real>& rows, const LearntDelays<Real>& delays, const ValueRows<Real>& values, std::int64_t n, std::int64_t window = 0) {
    for_own(targets, [&](int j) {
        Real sum = into[j];
        for (std::uint64_t q = rows.incoming_offsets[j]; q < rows.incoming_offsets[j + 1]; ++q) {
            const std::uint32_t k = rows.incoming[q];
            delays.parts(k, [&](std::int64_t d, Real share) {
                const Real* x = values.row(of_state && n - d < values.first ? values.first : n - d);
                if (x && !is_of_earlier_window(n, d, window)) sum = m_fma(x[rows.sources[k]] * share, rows.weight(k), sum);
            });
        }
        into[j] = sum;
    });
}

// ------------------------------------------------------------------------------------------------ forwards in time
// into[i] := the steps after which something arrives over the synapse of source i that is number `turn`.
template <typename Real>
__device__ inline void pick_learnt_delay(Real* into, int size, int turn, const DeviceRows<Real>& rows, const LearntDelays<Real>& delays, int first = 0) {
    for_own(size, [&](int i) {
        const std::uint64_t k = rows.offsets[first + i] + static_cast<std::uint64_t>(turn);
        into[i] = Real(0);
        if (k >= rows.offsets[first + i + 1]) return;
        const auto split = delays.delays.at(delays.elements[k]);
        into[i] = static_cast<Real>(split.whole) + split.rest;
    });
}

// ------------------------------------------------------------------------------------------------ the way back
// As of whole steps of each synapse's own.
template <typename Real, typename Which = ForAll>
__device__ inline void transpose_learnt_synapses(Real* into, int sources, const DeviceRows<Real>& rows, const LearntDelays<Real>& delays, const Real* adjoint,
                                                 std::int64_t stride, std::int64_t n, std::int64_t steps, std::int64_t window, const Which& which = {}) {
    for_own(sources, [&](int i) {
        if (!which.fired(n, i)) return;
        Real sum = 0;
        for (std::uint64_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k)
            delays.parts(k, [&](std::int64_t d, Real share) {
                const std::int64_t later = n + d;
                if (later < 1 || later > steps || (window && ((n > 1 ? n : 1) - 1) / window != (later - 1) / window)) return;
                sum = m_fma(rows.weight(k) * share, adjoint[d * stride + rows.targets[k]], sum);
            });
        into[i] += sum;
    });
}

// ------------------------------------------------------------------------------------------------ gradients
// What synapse k gives the gradient: of its weight, of its delay, or of the times of what arrives after a rounded one.
enum class DelayTerm { weight, delay, time };

template <DelayTerm term, typename Real, typename Emitted>
struct LearntGradient {
    WeightGradient<Real, Emitted> of;
    const DeviceRows<Real>& rows;
    LearntDelays<Real> delays;

    // All lanes of a warp come here, each with a synapse of source i.
    __device__ Real by_warp(SpikeList& list, std::int64_t i, std::uint64_t k) const {
        return of_two(k, [&](std::int64_t d) {
            if constexpr (Emitted::listed)
                return of.add_delayed_to(Real(0), list, i, rows.targets[k], static_cast<std::uint32_t>(d));
            else
                return of.add_alone(Real(0), i, rows.targets[k], d);
        });
    }
    __device__ Real alone(std::uint64_t k) const {
        return of_two(k, [&](std::int64_t d) { return of.add_alone(Real(0), rows.sources[k], rows.targets[k], d); });
    }

private:
    template <typename Sum>
    __device__ Real of_two(std::uint64_t k, const Sum& sum) const {
        const auto split = delays.delays.at(delays.elements[k]);
        const Real here = sum(split.whole), next = delays.delays.mode == DelayMode::parts ? sum(split.whole + 1) : Real(0);
        if constexpr (term == DelayTerm::time) return rows.weight(k) * here;
        if constexpr (term == DelayTerm::delay) return rows.weight(k) * delays.delays.slope(delays.elements[k]) * (next - here);
        return split.between(here, next);
    }
};

// Numbers that are one synapse's each: a block sums the row of source i, a lane per synapse.
template <DelayTerm term, typename Real, typename Emitted>
__device__ inline void gather_learnt_row(SpikeList& list, Real* gradient, std::int64_t i, const LearntGradient<term, Real, Emitted>& of, bool adds, const Overflow& overflow) {
    const std::uint64_t begin = of.rows.offsets[i], end = of.rows.offsets[i + 1];
    for (std::uint64_t first = begin + threadIdx.x / 32 * 32; first < end; first += blockDim.x) {
        const bool own = first + threadIdx.x % 32 < end;
        const std::uint64_t k = own ? first + threadIdx.x % 32 : begin;  // all lanes look for spikes
        const Real sum = of.by_warp(list, i, k);
        if (!own) continue;
        Real& into = gradient[term == DelayTerm::weight ? of.rows.element(k) : static_cast<std::int64_t>(of.delays.elements[k])];
        into = adds ? into + sum : sum;
        overflow.note(into);
    }
}
// One that `count` synapses share, which which(q) numbers: a block sums it, a part of its synapses a thread, then the parts in their order.
template <DelayTerm term, typename Real, typename Emitted, typename Each>
__device__ inline void gather_learnt_element(Real* gradient, std::uint64_t count, const Each& which, const LearntGradient<term, Real, Emitted>& of, bool adds,
                                             const Overflow& overflow) {
    __shared__ double sums[GATHER_THREADS];
    for_own(GATHER_THREADS, [&](int part) {  // whatever the number of threads
        double sum = 0;
        for (std::uint64_t q = static_cast<std::uint64_t>(part); q < count; q += GATHER_THREADS) sum += static_cast<double>(of.alone(which(q)));
        sums[part] = sum;
    });
    __syncthreads();
    if (threadIdx.x != 0) return;
    double total = adds ? static_cast<double>(*gradient) : 0.0;
    for (int t = 0; t < GATHER_THREADS; ++t) total += sums[t];
    *gradient = static_cast<Real>(total);
    overflow.note(*gradient);
}
// A weight that synapses share, of element e; a delay that all have.
template <typename Real, typename Emitted>
__device__ inline void gather_learnt_weight(std::int64_t e, const LearntGradient<DelayTerm::weight, Real, Emitted>& of, bool adds, const Overflow& overflow) {
    const std::uint64_t begin = of.rows.sharing_offsets[e], end = of.rows.sharing_offsets[e + 1];
    gather_learnt_element(of.rows.gradient + e, end - begin, [&](std::uint64_t q) { return static_cast<std::uint64_t>(of.rows.sharing[begin + q]); }, of, adds, overflow);
}
template <DelayTerm term, typename Real, typename Emitted>
__device__ inline void gather_learnt_delay(Real* gradient, std::int64_t sources, const LearntGradient<term, Real, Emitted>& of, bool adds, const Overflow& overflow) {
    gather_learnt_element(gradient, of.rows.offsets[sources], [](std::uint64_t q) { return q; }, of, adds, overflow);
}

}  // namespace cuda
}  // namespace sncc
