// What a block does within a step, whatever the network: rows added for spikes, products, lists of spikes as bits, and
// weights transposed on the way back. Each number is summed by one thread, in the order in which the C++ half sums it.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/philox.h"

namespace sncc {
namespace cuda {

// ------------------------------------------------------------------------------------------------ delivery
// Calls body(source) for the spikes of step n, ascending, as often as a source emitted.
template <typename Body>
__device__ inline void for_spikes(const EventRows& events, std::int64_t n, const Body& body) {
    if (n < events.first || n > events.last) return;
    for (std::int64_t e = events.offsets[n - events.first]; e < events.offsets[n - events.first + 1]; ++e) body(static_cast<std::int64_t>(events.indices[e]));
}
template <typename Body>
__device__ inline void for_spikes(const SpikeBits& spikes, std::int64_t n, const Body& body) {
    if (n < spikes.first) return;
    const std::uint32_t* row = spikes.row(n);
    for (int w = 0; w < spikes.words; ++w)
        for (std::uint32_t left = row[w]; left != 0; left &= left - 1) body(static_cast<std::int64_t>(w * 32 + __ffs(static_cast<int>(left)) - 1));
}
template <typename Body>
__device__ inline void for_spikes(const SpikeCounts& spikes, std::int64_t n, const Body& body) {
    if (n < spikes.first) return;
    for (int i = 0; i < spikes.neurons; ++i)
        for (std::uint32_t left = spikes.fired(n, i); left > 0; --left) body(static_cast<std::int64_t>(i));
}

template <typename Real, typename Weight, typename Spikes>
__device__ inline void add_rows(Real* into, int columns, const Weight* weights, int stride, const Spikes& spikes, std::int64_t n) {
    for_own(columns, [&](int j) {
        Real sum = into[j];
        for_spikes(spikes, n, [&](std::int64_t i) { sum += static_cast<Real>(weights[i * stride + j]); });
        into[j] = sum;
    });
}
template <typename Real>
__device__ inline void add_one_to_one(Real* into, const Real* weights, const EventRows& events, std::int64_t n) {
    if (n < events.first || n > events.last || threadIdx.x != 0) return;
    for (std::int64_t e = events.offsets[n - events.first]; e < events.offsets[n - events.first + 1]; ++e)
        into[events.indices[e]] += weights[events.indices[e]];
}
template <typename Real, typename Spikes>
__device__ inline void add_one_to_one(Real* into, int count, const Real* weights, const Spikes& spikes, std::int64_t n) {
    if (n < spikes.first) return;
    for_own(count, [&](int j) {
        for (std::uint32_t left = spikes.fired(n, j); left > 0; --left) into[j] += weights[j];
    });
}
template <typename Real>
__device__ inline void add_product(Real* into, int columns, int rows, const Real* weights, int stride, const ValueRows<Real>& values, std::int64_t n) {
    const Real* x = values.row(n);
    if (!x) return;
    for_own(columns, [&](int j) {
        Real sum = into[j];
        for (int i = 0; i < rows; ++i) sum = m_fma(x[i], weights[static_cast<std::int64_t>(i) * stride + j], sum);
        into[j] = sum;
    });
}
template <typename Real>
__device__ inline void add_product_one_to_one(Real* into, int count, const Real* weights, const ValueRows<Real>& values, std::int64_t n) {
    const Real* x = values.row(n);
    if (!x) return;
    for_own(count, [&](int j) { into[j] = m_fma(x[j], weights[j], into[j]); });
}

// Writes which of `count` neurons fired as bits; every thread of the block comes here.
template <typename Real>
__device__ inline void list_spikes(const SpikeBits& spikes, std::int64_t n, const Real* mask, int count) {
    std::uint32_t* row = spikes.bits + (n - spikes.first) * spikes.words;
    for (int base = 0; base < spikes.words * 32; base += static_cast<int>(blockDim.x)) {
        const int j = base + static_cast<int>(threadIdx.x);
        const unsigned bits = __ballot_sync(0xffffffffu, j < count && mask[j] != Real(0));
        if (j % 32 == 0 && j / 32 < spikes.words) row[j / 32] = bits;
    }
}

// Dropout: a bit for each of `count` neurons of a source that are left in a sample; every thread of the block comes here.
__device__ inline void draw_kept(const SpikeBits& kept, int count, std::uint64_t seed, std::uint32_t stream, std::uint32_t trial, std::uint32_t threshold) {
    for_own((count + 31) / 32, [&](int w) {
        std::uint32_t bits = 0;
        for (int i = 32 * w; i < 32 * w + 32 && i < count; ++i)
            bits |= std::uint32_t(philox(seed, stream, static_cast<std::uint32_t>(i), 0, trial).words[0] >= threshold) << (i % 32);
        kept.bits[w] = bits;
    });
}
// The spikes of step n, of those neurons alone.
__device__ inline void keep_spikes(const SpikeBits& left, std::int64_t n, const SpikeBits& spikes, const SpikeBits& kept) {
    for_own(left.words, [&](int w) { left.bits[(n - left.first) * left.words + w] = spikes.row(n)[w] & kept.bits[w]; });
}

__device__ inline void keep_spikes(const SpikeCounts& left, std::int64_t n, const SpikeCounts& spikes, const SpikeBits& kept) {
    for_own(left.neurons, [&](int i) { left.counts[(n - left.first) * left.neurons + i] = spikes.fired(n, i) * kept.fired(1, i); });
}
// Writes how often each of `count` neurons fired.
template <typename Real>
__device__ inline void list_spikes(const SpikeCounts& spikes, std::int64_t n, const Real* counts, int count) {
    for_own(count, [&](int j) { spikes.counts[(n - spikes.first) * spikes.neurons + j] = static_cast<std::uint32_t>(counts[j]); });
}

// A population that never spikes: its bits of step n.
__device__ inline void no_spikes(const SpikeBits& spikes, std::int64_t n) {
    for_own(spikes.words, [&](int w) { spikes.bits[(n - spikes.first) * spikes.words + w] = 0; });
}

// ------------------------------------------------------------------------------------------------ reverse
// Credit for all neurons of the source, or, in place of it, for those whose bit is set.
struct ForAll {
    __device__ bool fired(std::int64_t, int) const { return true; }
};
// into[j] += the sum over i of weights[i, j] · adjoint[i]: a learning signal by weights of its own.
template <typename Real, typename Which = ForAll>
__device__ inline void feed_back(Real* into, int columns, int rows, const Real* weights, int stride, const Real* adjoint, const Which& which = {}) {
    for_own(columns, [&](int j) {
        if (!which.fired(1, j)) return;
        Real sum = into[j];
        for (int i = 0; i < rows; ++i) sum = m_fma(adjoint[i], weights[static_cast<std::int64_t>(i) * stride + j], sum);
        into[j] = sum;
    });
}
// into[i] += the sum over j of weights[i, j] · adjoint[j].
template <typename Real>
__device__ inline void transpose_rows(Real* into, int rows, int columns, const Real* weights, int stride, const Real* adjoint) {
    for_own(rows, [&](int i) {
        const Real* row = weights + static_cast<std::int64_t>(i) * stride;
        Real sum = 0;
        for (int j = 0; j < columns; ++j) sum = m_fma(row[j], adjoint[j], sum);
        into[i] += sum;
    });
}
// The same for the neurons i that fired at step n: a warp adds one row at a time, its lanes over the columns.
template <typename Real>
__device__ inline void transpose_rows_at_spikes(Real* into, int rows, int columns, const Real* weights, int stride, const Real* adjoint,
                                                const SpikeBits& spikes, std::int64_t n) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    for (int i = warp; i < rows; i += static_cast<int>(blockDim.x) / 32) {
        if (!spikes.fired(n, i)) continue;
        const Real* row = weights + static_cast<std::int64_t>(i) * stride;
        Real sum = 0;
        for (int j = lane; j < columns; j += 32) sum = m_fma(row[j], adjoint[j], sum);
        for (int half = 16; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, static_cast<unsigned>(half));
        if (lane == 0) into[i] += sum;
    }
}
template <typename Real>
__device__ inline void transpose_one_to_one_at_spikes(Real* into, int count, const Real* weights, const Real* adjoint, const SpikeBits& spikes, std::int64_t n) {
    for_own(count, [&](int j) {
        if (spikes.fired(n, j)) into[j] += weights[j] * adjoint[j];
    });
}
template <typename Real>
__device__ inline void transpose_one_to_one(Real* into, int count, const Real* weights, const Real* adjoint) {
    for_own(count, [&](int j) { into[j] += weights[j] * adjoint[j]; });
}

}  // namespace cuda
}  // namespace sncc
