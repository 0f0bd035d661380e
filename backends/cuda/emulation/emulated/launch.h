// Kernel launches: cudaLaunchKernelEx, its attributes, and what is asked about a kernel before a launch.
#pragma once

#include <memory>
#include <tuple>
#include <utility>

#include "host_api.h"
#include "threads.h"

#pragma GCC visibility push(hidden)

enum cudaLaunchAttributeID {
    cudaLaunchAttributeIgnore = 0,
    cudaLaunchAttributeCooperative = 2,
    cudaLaunchAttributeClusterDimension = 4,
};

struct cudaFuncAttributes {
    size_t sharedSizeBytes;
    int maxThreadsPerBlock;
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
/// A kernel with a copy of its arguments: `run(record)` is one thread's call.
struct Call {
    void (*run)(const void* record);
    std::shared_ptr<const void> record;
    std::size_t bytes;
};
template <class... Parameters>
struct Record {
    void (*kernel)(Parameters...);
    std::tuple<std::remove_cv_t<Parameters>...> arguments;

    static void run(const void* record) {
        const Record& own = *static_cast<const Record*>(record);
        std::apply(own.kernel, own.arguments);
    }
};
cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, const Call& call);
cudaError_t set_kernel_attribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t blocks_per_multiprocessor(int* blocks, const void* kernel, int threads, size_t dynamic_bytes);
cudaError_t resident_clusters(int* clusters, const void* kernel, const cudaLaunchConfig_t& config);
}  // namespace sncc_emulation

/// Launch `kernel` with a copy of `arguments`, as CUDA takes it: the caller's may change as soon as this returns.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments) {
    using Record = sncc_emulation::Record<Parameters...>;
    static_assert((sizeof(Parameters) + ...) <= 32764, "what a kernel's parameters may take");
    auto record = std::make_shared<const Record>(Record{kernel, {std::forward<Arguments>(arguments)...}});
    return sncc_emulation::launch(*config, (const void*)kernel, {&Record::run, record, sizeof(Record)});
}

template <class T>
cudaError_t cudaFuncSetAttribute(T* kernel, cudaFuncAttribute attribute, int value) {
    return sncc_emulation::set_kernel_attribute((const void*)kernel, attribute, value);
}

template <class T>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, T*) {
    return *attributes = {sncc_emulation::STATIC_SHARED, 1024}, cudaSuccess;
}

template <class T>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, T* kernel, int threads, size_t dynamic_bytes) {
    return sncc_emulation::blocks_per_multiprocessor(blocks, (const void*)kernel, threads, dynamic_bytes);
}

template <class T>
cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, T* kernel, const cudaLaunchConfig_t* config) {
    return sncc_emulation::resident_clusters(clusters, (const void*)kernel, *config);
}

#pragma GCC visibility pop
