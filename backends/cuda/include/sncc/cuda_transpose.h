// Credit on its way back within a step, whatever the network: sums over a source's synapses, by the weights transposed. Each number is
// summed in a fixed order: by one thread in that of the C++ half, or, over rows of a matrix, by the lanes of a warp.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_delivery.h"

namespace sncc {
namespace cuda {

// Credit for all neurons of the source, or, in place of it, for those whose bit is set.
struct ForAll {
    __device__ bool fired(std::int64_t, int) const { return true; }
};
// into[j] += the sum over i of weights[i, j] · adjoint[i]: a learning signal by weights of its own.
template <typename Real, typename Weights, typename Which = ForAll>
__device__ inline void feed_back(Threads who, Real* into, int columns, int rows, const Weights& weights, int stride, const Real* adjoint, const Which& which = {}) {
    for_own(who, columns, [&](int j) {
        if (!which.fired(1, j)) return;
        Real sum = into[j];
        for (int i = 0; i < rows; ++i) sum = m_fma(adjoint[i], row_of(weights, i, stride)[j], sum);
        into[j] = sum;
    });
}
// 16 bytes that are read at once.
template <typename Real>
struct alignas(16) Quad {
    static constexpr int size = 16 / sizeof(Real);
    Real numbers[size];
};
// Eight numbers of each lane, each summed over the warp: lane 4 k has the sum of number k.
template <typename Real>
__device__ inline Real sum_of_each(Real (&numbers)[8]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int half = 16, left = 4; half >= 4; half /= 2, left /= 2) {
        const bool upper = (lane & half) != 0;
#pragma unroll
        for (int k = 0; k < left; ++k) {
            const Real other = __shfl_xor_sync(0xffffffffu, upper ? numbers[k] : numbers[k + left], half);
            numbers[k] = (upper ? numbers[k + left] : numbers[k]) + other;
        }
    }
    Real sum = numbers[0];
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    return sum + __shfl_xor_sync(0xffffffffu, sum, 1);
}

// into[i] += the sum over j of weights[i, j] · adjoint[j]: a warp takes eight rows at a time, its lanes over the columns. Which: the rows
// that count, by `fired`. Rows are padded to 16 numbers, and begin where 16 bytes do.
template <typename Real, typename Weights, typename Which>
__device__ inline void transpose_rows_at_spikes(Real* into, int rows, int columns, const Weights& weights, int stride, const Real* adjoint, const Which& which,
                                                std::int64_t n) {
    constexpr int together = 8, each = Quad<Real>::size;
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, warps = static_cast<int>(blockDim.x) / 32;
    for (int first = warp * together; first < rows; first += warps * together) {
        const int own = first + lane / 4;  // the row whose sum the lane has
        const bool counts = lane % 4 == 0 && own < rows && which.fired(n, own);
        if (__ballot_sync(0xffffffffu, counts) == 0) continue;
        Real sums[together] = {};
        for (int j = lane * each; j < stride; j += 32 * each) {
            Real a[each];
#pragma unroll
            for (int q = 0; q < each; ++q) a[q] = j + q < columns ? adjoint[j + q] : Real(0);
            Quad<Real> w[together];
#pragma unroll
            for (int k = 0; k < together; ++k) {
                const std::int64_t row = first + k < rows ? first + k : rows - 1;
                w[k] = *reinterpret_cast<const Quad<Real>*>(row_of(weights, row, stride) + j);
            }
#pragma unroll
            for (int k = 0; k < together; ++k) {
#pragma unroll
                for (int q = 0; q < each; ++q) sums[k] = m_fma(w[k].numbers[q], a[q], sums[k]);
            }
        }
        const Real sum = sum_of_each(sums);
        if (counts) into[own] += sum;
    }
}
template <typename Real, typename Weights>
__device__ inline void transpose_rows(Real* into, int rows, int columns, const Weights& weights, int stride, const Real* adjoint) {
    transpose_rows_at_spikes(into, rows, columns, weights, stride, adjoint, ForAll{}, 0);
}
// Own rows of a narrow matrix, which the first `threads` keep in registers for a sample; a lane is given the adjoints by the others.
template <typename Real, int rows, int columns, int threads>
class HeldRows {
    static_assert(columns <= 32, "a column for each lane of a warp");

public:
    __device__ HeldRows(const Real* weights, int stride) {
        if (static_cast<int>(threadIdx.x) >= threads) return;
#pragma unroll
        for (int r = 0; r < own; ++r) {
            const int i = static_cast<int>(threadIdx.x) + r * threads;
#pragma unroll
            for (int k = 0; k < columns; ++k) numbers_[r][k] = i < rows ? weights[static_cast<std::int64_t>(i) * stride + k] : Real(0);
        }
    }
    __device__ void transpose(Real* into, const Real* adjoint) const {
        if (static_cast<int>(threadIdx.x) >= threads) return;
        const int lane = static_cast<int>(threadIdx.x) % 32;
        const Real mine = lane < columns ? adjoint[lane] : Real(0);
#pragma unroll
        for (int r = 0; r < own; ++r) {
            Real sum = 0;
#pragma unroll
            for (int k = 0; k < columns; ++k) sum = m_fma(numbers_[r][k], __shfl_sync(0xffffffffu, mine, k), sum);
            const int i = static_cast<int>(threadIdx.x) + r * threads;
            if (i < rows) into[i] += sum;
        }
    }

private:
    static constexpr int own = (rows + threads - 1) / threads;
    Real numbers_[own][columns];
};
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
