// Synapses in rows on the device: what a block does with them within a step, on the way back, and for their gradient.
// No number is added by two threads at once, and each is summed in the order in which the C++ half sums it.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_delivery.h"
#include "sncc/cuda_gather.h"
#include "sncc/cuda_transpose.h"

namespace sncc {
namespace cuda {

// ------------------------------------------------------------------------------------------------ delivery
// The row of source i by all threads, of weights of a type; a target that occurs several times is one thread's. All threads come here.
template <typename Weight, typename Real, typename Own>
__device__ inline void add_row(Real* into, const Own& own, const DeviceRows<Real>& rows, std::int64_t i, std::int64_t delay) {
    const std::uint64_t begin = rows.offsets[i], end = rows.offsets[i + 1];
    for (std::uint64_t k = begin + threadIdx.x; k < end; k += blockDim.x) {
        const std::uint32_t target = rows.targets[k];
        if (!own.has(target) || (k > begin && rows.targets[k - 1] == target)) continue;
        for (std::uint64_t same = k; same < end && rows.targets[same] == target; ++same)
            if (!rows.delays || rows.delays[same] == delay) into[own.place(target)] += rows.template weight<Weight>(same);
    }
    __syncthreads();
}
template <typename Weight, typename Real, typename Own, typename Spikes>
__device__ inline void add_synapses(Real* into, const Own& own, const DeviceRows<Real>& rows, const Spikes& spikes, std::int64_t n, std::int64_t delay) {
    for_spikes(spikes, n, [&](std::int64_t i) { add_row<Weight>(into, own, rows, i, delay); });
}
template <typename Weight, typename Real, typename Spikes>
__device__ inline void add_synapses(Real* into, const DeviceRows<Real>& rows, const Spikes& spikes, std::int64_t n, std::int64_t delay) {
    add_synapses<Weight>(into, Whole{}, rows, spikes, n, delay);
}
// With a delay per synapse: what was emitted longest ago comes first.
template <typename Weight, typename Real, typename Own, typename Spikes>
__device__ inline void add_delayed_synapses(Real* into, const Own& own, const DeviceRows<Real>& rows, const Spikes& spikes, std::int64_t n, std::int64_t least) {
    for (std::int64_t d = rows.most_delay; d >= least; --d) add_synapses<Weight>(into, own, rows, spikes, n - d, d);
}
template <typename Weight, typename Real, typename Spikes>
__device__ inline void add_delayed_synapses(Real* into, const DeviceRows<Real>& rows, const Spikes& spikes, std::int64_t n, std::int64_t least) {
    add_delayed_synapses<Weight>(into, Whole{}, rows, spikes, n, least);
}
// Whether what was emitted so many steps before step n is of an earlier window of truncated credit than that, where there are any; the
// first one has all that was before it.
__device__ inline bool is_of_earlier_window(std::int64_t n, std::int64_t ago, std::int64_t window) { return window > 0 && n > window && ago > (n - 1) % window; }

// A state was before the first of its rows what it starts at; a signal was not there. With a `window` nothing arrives of an earlier one.
template <bool of_state, typename Real>
__device__ inline void add_synapse_values(Real* into, int targets, const DeviceRows<Real>& rows, const ValueRows<Real>& values, std::int64_t n, std::int64_t window = 0) {
    for_own(targets, [&](int j) {
        Real sum = into[j];
        for (std::uint64_t q = rows.incoming_offsets[j]; q < rows.incoming_offsets[j + 1]; ++q) {
            const std::uint32_t k = rows.incoming[q];
            const std::int64_t when = rows.delays ? n - rows.delays[k] : n;
            const Real* x = values.row(of_state && when < values.first ? values.first : when);
            if (x && !is_of_earlier_window(n, n - when, window)) sum = m_fma(x[rows.sources[k]], rows.weight(k), sum);
        }
        into[j] = sum;
    });
}

// ------------------------------------------------------------------------------------------------ the way back
// into[i] += the sum over a source's synapses of weight · adjoint of the target.
template <typename Real, typename Which = ForAll>
__device__ inline void transpose_synapses(Real* into, int sources, const DeviceRows<Real>& rows, const Real* adjoint, const Which& which = {}) {
    for_own(sources, [&](int i) {
        if (!which.fired(1, i)) return;
        Real sum = 0;
        for (std::uint64_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k) sum = m_fma(rows.weight(k), adjoint[rows.targets[k]], sum);
        into[i] += sum;
    });
}
// The same with a delay per synapse: `adjoint` is that of step n, `stride` numbers before the next one's. None comes from before the
// sample's first step, from beyond its end, or, where credit is truncated, from beyond the window.
template <typename Real, typename Which = ForAll>
__device__ inline void transpose_delayed_synapses(Real* into, int sources, const DeviceRows<Real>& rows, const Real* adjoint, std::int64_t stride,
                                                  std::int64_t n, std::int64_t steps, std::int64_t window, const Which& which = {}) {
    for_own(sources, [&](int i) {
        if (!which.fired(n, i)) return;
        Real sum = 0;
        for (std::uint64_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k) {
            const std::int64_t d = rows.delays[k], later = n + d;
            if (later < 1 || later > steps || (window && ((n > 1 ? n : 1) - 1) / window != (later - 1) / window)) continue;
            sum = m_fma(rows.weight(k), adjoint[d * stride + rows.targets[k]], sum);
        }
        into[i] += sum;
    });
}

// ------------------------------------------------------------------------------------------------ gradients
// Weights that are one synapse's each: a block sums the row of source i, a lane per synapse.
template <typename Real, typename Emitted>
__device__ inline void gather_row(SpikeList& list, const DeviceRows<Real>& rows, std::int64_t i, const WeightGradient<Real, Emitted>& of, std::int64_t delay, bool adds,
                                  const Overflow& overflow) {
    const std::uint64_t begin = rows.offsets[i], end = rows.offsets[i + 1];
    for (std::uint64_t first = begin + threadIdx.x / 32 * 32; first < end; first += blockDim.x) {
        const bool is_there = first + threadIdx.x % 32 < end;
        const std::uint64_t k = is_there ? first + threadIdx.x % 32 : begin;  // all lanes look for spikes
        Real& gradient = rows.gradient[rows.element(k)];
        const Real before = adds && is_there ? gradient : Real(0);
        Side<Real, 1> sum = {{before}};
        if constexpr (Emitted::listed) {
            if (rows.delays)
                sum.at[0] = of.add_delayed_to(before, list, i, rows.targets[k], static_cast<std::uint32_t>(rows.delays[k]));
            else
                of.add_to(sum, list, i, rows.targets[k], delay);
        } else {
            sum.at[0] = of.add_alone(before, i, rows.targets[k], rows.delays ? rows.delays[k] : delay);
        }
        if (!is_there) continue;
        gradient = sum.at[0];
        overflow.note(sum.at[0]);
    }
}
// Weights that synapses share: a block sums one element, a part of its synapses a thread, then the parts in their order.
template <typename Real, typename Emitted>
__device__ inline void gather_element(const DeviceRows<Real>& rows, std::int64_t e, const WeightGradient<Real, Emitted>& of, std::int64_t delay, bool adds,
                                      const Overflow& overflow) {
    __shared__ double sums[GATHER_THREADS];
    for_own(GATHER_THREADS, [&](int part) {  // whatever the number of threads
        double sum = 0;
        for (std::uint64_t q = rows.sharing_offsets[e] + static_cast<std::uint64_t>(part); q < rows.sharing_offsets[e + 1]; q += GATHER_THREADS) {
            const std::uint32_t k = rows.sharing[q];
            sum += static_cast<double>(of.add_alone(Real(0), rows.sources[k], rows.targets[k], rows.delays ? rows.delays[k] : delay));
        }
        sums[part] = sum;
    });
    __syncthreads();
    if (threadIdx.x != 0) return;
    double total = adds ? static_cast<double>(rows.gradient[e]) : 0.0;
    for (int t = 0; t < GATHER_THREADS; ++t) total += sums[t];
    rows.gradient[e] = static_cast<Real>(total);
    overflow.note(rows.gradient[e]);
}

}  // namespace cuda
}  // namespace sncc
