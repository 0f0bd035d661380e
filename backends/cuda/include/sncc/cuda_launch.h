// CUDA calls whose failure is an error that names them, and the launch of a kernel.
#pragma once

#include <string>

#include <cuda_runtime.h>

#include "sncc/engine.h"

namespace sncc {
namespace cuda {

inline void check(cudaError_t error, const char* call) {
    if (error == cudaSuccess) return;
    cudaGetLastError();
    if (error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice)
        throw Failure(Code::device, "this library needs an NVIDIA GPU with a driver for CUDA " + std::to_string(CUDART_VERSION / 1000) +
                                        "; the CPU backend is there");
    throw Failure(Code::device, std::string(call) + ": " + cudaGetErrorString(error));
}

// Launches `kernel` over a grid of blocks, with one struct of arguments and so much shared memory.
template <typename Arguments>
void launch(void (*kernel)(Arguments), const char* name, int blocks, int threads, std::size_t shared, const Arguments& arguments) {
    if (shared > 48 * 1024)
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), name);
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = shared;
    check(cudaLaunchKernelEx(&config, kernel, arguments), name);
}

}  // namespace cuda
}  // namespace sncc
