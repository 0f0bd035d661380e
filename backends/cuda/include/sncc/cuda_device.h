// What a block does within a step, whatever the network: rows added for spikes, products, lists of spikes as bits, the
// gradient of one presynaptic neuron. Each number is summed by one thread, in the order in which the C++ half sums it.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "sncc/math.h"
#include "sncc/platform.h"

namespace sncc {
namespace cuda {

// Calls body(j) for the numbers below `count` that belong to the calling thread.
template <typename Body>
__device__ inline void for_own(int count, const Body& body) {
    for (int j = static_cast<int>(threadIdx.x); j < count; j += static_cast<int>(blockDim.x)) body(j);
}

// The spikes that a population emitted, as a row of bits per step, from step `first` on.
struct SpikeBits {
    std::uint32_t* bits;
    int words;
    std::int64_t first;

    __device__ const std::uint32_t* row(std::int64_t n) const { return bits + (n - first) * words; }
    __device__ bool fired(std::int64_t n, int neuron) const { return (row(n)[neuron / 32] >> (neuron % 32)) & 1u; }
};

// The events of a source: those of step n are indices[offsets[n - first] .. offsets[n - first + 1]).
struct EventRows {
    const std::int64_t* offsets;
    const std::uint32_t* indices;
    std::int64_t first, last;
};

// The values of a source, a row of `stride` numbers for each of the steps first .. last.
template <typename Real>
struct ValueRows {
    const Real* values;
    std::int64_t stride, first, last;

    __device__ const Real* row(std::int64_t n) const {
        return n < first || n > last ? nullptr : values + (n - first) * stride;
    }
};

// ------------------------------------------------------------------------------------------------ delivery
template <typename Real>
__device__ inline void add_rows(Real* into, int columns, const Real* weights, int stride, const EventRows& events, std::int64_t n) {
    if (n < events.first || n > events.last) return;
    const std::int64_t begin = events.offsets[n - events.first], end = events.offsets[n - events.first + 1];
    for_own(columns, [&](int j) {
        Real sum = into[j];
        for (std::int64_t e = begin; e < end; ++e) sum += weights[static_cast<std::int64_t>(events.indices[e]) * stride + j];
        into[j] = sum;
    });
}
template <typename Real>
__device__ inline void add_rows(Real* into, int columns, const Real* weights, int stride, const SpikeBits& spikes, std::int64_t n) {
    if (n < spikes.first) return;
    const std::uint32_t* row = spikes.row(n);
    for_own(columns, [&](int j) {
        Real sum = into[j];
        for (int w = 0; w < spikes.words; ++w)
            for (std::uint32_t left = row[w]; left != 0; left &= left - 1)
                sum += weights[static_cast<std::int64_t>(w * 32 + __ffs(static_cast<int>(left)) - 1) * stride + j];
        into[j] = sum;
    });
}
template <typename Real>
__device__ inline void add_one_to_one(Real* into, const Real* weights, const EventRows& events, std::int64_t n) {
    if (n < events.first || n > events.last || threadIdx.x != 0) return;
    for (std::int64_t e = events.offsets[n - events.first]; e < events.offsets[n - events.first + 1]; ++e)
        into[events.indices[e]] += weights[events.indices[e]];
}
template <typename Real>
__device__ inline void add_one_to_one(Real* into, int count, const Real* weights, const SpikeBits& spikes, std::int64_t n) {
    if (n < spikes.first) return;
    for_own(count, [&](int j) {
        if (spikes.fired(n, j)) into[j] += weights[j];
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

// ------------------------------------------------------------------------------------------------ reverse
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

// Adjoints kept on the tape: of sample b at step n, tape + (b * steps + n - 1) * width.
template <typename Real>
struct KeptAdjoint {
    const Real* tape;
    int width, offset;
    std::int64_t steps;

    __device__ const Real* at(int sample, std::int64_t n) const { return tape + (sample * steps + n - 1) * width + offset; }
};

// gradient[i, :] = the sum over samples, in order, and over the steps in which neuron i fired. A block does one row.
template <typename Real>
__device__ inline void gather_bits(Real* gradient, int columns, int i, const std::uint32_t* bits, int words, std::int64_t stride,
                                   const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept) {
    for_own(columns, [&](int j) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b) {
            const std::uint32_t* row = bits + b * stride + i / 32;
            for (std::int64_t n = 1; n + delay <= steps[b]; ++n)
                if ((row[(n - 1) * words] >> (i % 32)) & 1u) sum += kept.at(b, n + delay)[j];
        }
        gradient[j] = sum;
    });
}
// Steps (from 0) in which each channel fired: of sample b in times[offsets[b * (channels + 1) + i] ...].
template <typename Real>
__device__ inline void gather_times(Real* gradient, int columns, int i, const std::int64_t* offsets, const std::uint32_t* times, int channels,
                                    const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept) {
    for_own(columns, [&](int j) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b) {
            const std::int64_t* list = offsets + static_cast<std::int64_t>(b) * (channels + 1) + i;
            for (std::int64_t k = list[0]; k < list[1]; ++k)
                if (times[k] + delay < static_cast<std::uint32_t>(steps[b])) sum += kept.at(b, times[k] + 1 + delay)[j];
        }
        gradient[j] = sum;
    });
}
template <typename Real>
__device__ inline void gather_values(Real* gradient, int columns, int i, const Real* values, std::int64_t value_stride, std::int64_t most_steps,
                                     const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept) {
    for_own(columns, [&](int j) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b)
            for (std::int64_t n = 1; n + delay <= steps[b]; ++n)
                sum = m_fma(values[(b * most_steps + n - 1) * value_stride + i], kept.at(b, n + delay)[j], sum);
        gradient[j] = sum;
    });
}

// One-to-one connections: gradient[i], a thread per neuron.
template <typename Real>
__device__ inline void gather_bits_one_to_one(Real* gradient, int count, const std::uint32_t* bits, int words, std::int64_t stride,
                                              const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept) {
    for_own(count, [&](int i) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b)
            for (std::int64_t n = 1; n + delay <= steps[b]; ++n)
                if ((bits[b * stride + (n - 1) * words + i / 32] >> (i % 32)) & 1u) sum += kept.at(b, n + delay)[i];
        gradient[i] = sum;
    });
}
template <typename Real>
__device__ inline void gather_times_one_to_one(Real* gradient, int count, const std::int64_t* offsets, const std::uint32_t* times,
                                               const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept) {
    for_own(count, [&](int i) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b) {
            const std::int64_t* list = offsets + static_cast<std::int64_t>(b) * (count + 1) + i;
            for (std::int64_t k = list[0]; k < list[1]; ++k)
                if (times[k] + delay < static_cast<std::uint32_t>(steps[b])) sum += kept.at(b, times[k] + 1 + delay)[i];
        }
        gradient[i] = sum;
    });
}
template <typename Real>
__device__ inline void gather_values_one_to_one(Real* gradient, int count, const Real* values, std::int64_t value_stride, std::int64_t most_steps,
                                                const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept) {
    for_own(count, [&](int i) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b)
            for (std::int64_t n = 1; n + delay <= steps[b]; ++n)
                sum = m_fma(values[(b * most_steps + n - 1) * value_stride + i], kept.at(b, n + delay)[i], sum);
        gradient[i] = sum;
    });
}

}  // namespace cuda
}  // namespace sncc
