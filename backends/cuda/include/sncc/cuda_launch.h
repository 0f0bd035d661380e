// CUDA calls whose failure is an error that names them, and the launch of a kernel.
#pragma once

#include <string>

#include <cuda_runtime.h>

#include "sncc/engine.h"

namespace sncc {
namespace cuda {

// `part`: of the network, that the call was for.
inline void check(cudaError_t error, const char* call, const char* part = nullptr) {
    if (error == cudaSuccess) return;
    cudaGetLastError();
    if (error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice)
        throw Failure(Code::device, "this library needs an NVIDIA GPU with a driver for CUDA " + std::to_string(CUDART_VERSION / 1000) +
                                        "; the CPU backend is there");
    throw Failure(error == cudaErrorMemoryAllocation ? Code::memory : Code::device, std::string(call) + (part ? std::string(" of ") + part : "") + ": " + cudaGetErrorString(error));
}

// Bytes of shared memory that no kernel has more of beside its dynamic ones: both together must fit where a block has its own.
constexpr std::size_t STATIC_SHARED = 9 * 1024;

// Before a kernel is launched, or asked about, with so much dynamic shared memory.
template <typename Arguments>
void allow_shared(void (*kernel)(Arguments), const char* name, std::size_t shared) {
    if (shared + STATIC_SHARED > 48 * 1024)
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
              "cudaFuncSetAttribute", name);
}

// Has the driver load a kernel, which it else does at the first launch: not while a stream captures.
template <typename Arguments>
void load(void (*kernel)(Arguments), const char* name) {
    cudaFuncAttributes attributes;
    check(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes", name);
}

// Blocks of a kernel that a multiprocessor holds at once.
template <typename Arguments>
int resident_blocks(void (*kernel)(Arguments), const char* name, int threads, std::size_t shared) {
    int blocks = 0;
    allow_shared(kernel, name, shared);
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, shared), "cudaOccupancyMaxActiveBlocksPerMultiprocessor", name);
    return blocks;
}

// So many neighbouring blocks are a cluster.
inline cudaLaunchAttribute in_clusters(int blocks) {
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = static_cast<unsigned>(blocks);
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    return attribute;
}
// Clusters of a kernel that the device holds at once: none where no part of it has room for one.
template <typename Arguments>
int resident_clusters(void (*kernel)(Arguments), const char* name, int cluster, int threads, std::size_t shared) {
    int clusters = 0;
    allow_shared(kernel, name, shared);
    cudaLaunchAttribute attribute = in_clusters(cluster);
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(cluster)), config.blockDim = dim3(static_cast<unsigned>(threads)), config.dynamicSmemBytes = shared;
    config.attrs = &attribute, config.numAttrs = 1;
    const cudaError_t error = cudaOccupancyMaxActiveClusters(&clusters, kernel, &config);
    if (error == cudaErrorInvalidClusterSize) return cudaGetLastError(), 0;
    check(error, "cudaOccupancyMaxActiveClusters", name);
    return clusters;
}

// Launches `kernel`, which errors call `name`, over a grid of blocks, with one struct of arguments and so much shared memory.
// Threads of a `cooperative` launch may meet across the grid; all its blocks must fit on the device at once. So many neighbouring blocks are a `cluster`.
template <typename Arguments>
cudaError_t try_launch(void (*kernel)(Arguments), const char* name, int blocks, int threads, std::size_t shared, cudaStream_t stream,
                       const Arguments& arguments, bool cooperative, int cluster) {
    allow_shared(kernel, name, shared);
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    cudaLaunchAttribute attributes[2] = {};
    if (cluster > 1) attributes[config.numAttrs++] = in_clusters(cluster);
    if (cooperative) {
        attributes[config.numAttrs].id = cudaLaunchAttributeCooperative;
        attributes[config.numAttrs++].val.cooperative = 1;
    }
    config.attrs = config.numAttrs > 0 ? attributes : nullptr;
    return cudaLaunchKernelEx(&config, kernel, arguments);
}
template <typename Arguments>
void launch(void (*kernel)(Arguments), const char* name, int blocks, int threads, std::size_t shared, cudaStream_t stream,
            const Arguments& arguments, bool cooperative = false, int cluster = 1) {
    check(try_launch(kernel, name, blocks, threads, shared, stream, arguments, cooperative, cluster), "cudaLaunchKernelEx", name);
}
// The same where the device may refuse such a launch; whether it took it.
template <typename Arguments>
bool is_launched(void (*kernel)(Arguments), const char* name, int blocks, int threads, std::size_t shared, cudaStream_t stream,
                 const Arguments& arguments, bool cooperative, int cluster) {
    const bool taken = try_launch(kernel, name, blocks, threads, shared, stream, arguments, cooperative, cluster) == cudaSuccess;
    if (!taken) cudaGetLastError();
    return taken;
}

}  // namespace cuda
}  // namespace sncc
