// A quick look at the neurons' states on the device: whether any is infinite or no number.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

namespace sncc {
namespace cuda {

template <typename Real>
struct LookedAt {
    const Real* numbers;
    std::int64_t count;
};

template <typename Real>
struct LookArguments {
    const LookedAt<Real>* arrays;
    int count;
    int* found;  // 0 before the first look
};

constexpr int look_threads = 256;

template <typename Real>
__device__ inline void look_for_none(const LookArguments<Real>& g) {
    bool none = false;
    for (int k = 0; k < g.count; ++k) {
        const LookedAt<Real> array = g.arrays[k];
        for (std::int64_t j = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; j < array.count; j += std::int64_t(gridDim.x) * blockDim.x)
            none |= !(array.numbers[j] * Real(0) == Real(0));
    }
    if (none) atomicOr(g.found, 1);
}

}  // namespace cuda
}  // namespace sncc
