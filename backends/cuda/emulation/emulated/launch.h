// Kernel launches: cudaLaunchKernelEx, its attributes, and what is asked about a kernel before a launch.
#pragma once

#include <functional>
#include <tuple>
#include <utility>

#include "host_api.h"

#pragma GCC visibility push(hidden)

enum cudaLaunchAttributeID {
    cudaLaunchAttributeIgnore = 0,
    cudaLaunchAttributeCooperative = 2,
    cudaLaunchAttributeClusterDimension = 4,
};

union cudaLaunchAttributeValue {
    char pad[64];
    int cooperative;
    struct {
        unsigned int x, y, z;
    } clusterDim;
};

struct cudaLaunchAttribute {
    cudaLaunchAttributeID id;
    cudaLaunchAttributeValue val;
};

struct cudaLaunchConfig_t {
    dim3 gridDim;
    dim3 blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    cudaLaunchAttribute* attrs;
    unsigned int numAttrs;
};

namespace sncc_emulation {
cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body);
cudaError_t set_kernel_attribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t blocks_per_multiprocessor(int* blocks, const void* kernel, int threads, size_t dynamic_bytes);
cudaError_t largest_cluster(int* blocks, const void* kernel, const cudaLaunchConfig_t& config);
}  // namespace sncc_emulation

/// Launch `kernel` with a copy of `arguments`, as CUDA takes it: the caller's may change as soon as this returns.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments) {
    std::tuple<std::remove_cv_t<Parameters>...> copy(std::forward<Arguments>(arguments)...);
    return sncc_emulation::launch(*config, (const void*)kernel, [kernel, copy] { std::apply(kernel, copy); });
}

template <class T>
cudaError_t cudaFuncSetAttribute(T* kernel, cudaFuncAttribute attribute, int value) {
    return sncc_emulation::set_kernel_attribute((const void*)kernel, attribute, value);
}

template <class T>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, T* kernel, int threads, size_t dynamic_bytes) {
    return sncc_emulation::blocks_per_multiprocessor(blocks, (const void*)kernel, threads, dynamic_bytes);
}

template <class T>
cudaError_t cudaOccupancyMaxPotentialClusterSize(int* blocks, T* kernel, const cudaLaunchConfig_t* config) {
    return sncc_emulation::largest_cluster(blocks, (const void*)kernel, *config);
}

#pragma GCC visibility pop
