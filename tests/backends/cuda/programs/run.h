// What the programs of this folder share: a launch, and the end of main.
#pragma once

#include <cooperative_groups.h>
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <vector>

extern __shared__ unsigned char smem[];

namespace {

struct Arguments {
    float* x;
    float* y;
    int* count;
    int size;
};

struct Shape {
    int blocks, threads;
    std::size_t shared = 0;
    bool cooperative = false;
    int cluster = 1;
    cudaStream_t stream = nullptr;
};

inline cudaError_t run(void (*kernel)(Arguments), const Shape& shape, const Arguments& arguments) {
    cudaLaunchAttribute attributes[2] = {};
    attributes[0].id = cudaLaunchAttributeCooperative;
    attributes[0].val.cooperative = shape.cooperative;
    attributes[1].id = cudaLaunchAttributeClusterDimension;
    attributes[1].val.clusterDim.x = static_cast<unsigned>(shape.cluster);
    attributes[1].val.clusterDim.y = attributes[1].val.clusterDim.z = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(shape.blocks));
    config.blockDim = dim3(static_cast<unsigned>(shape.threads));
    config.dynamicSmemBytes = shape.shared;
    config.stream = shape.stream;
    config.attrs = attributes;
    config.numAttrs = 2;
    return cudaLaunchKernelEx(&config, kernel, arguments);
}

template <typename Value>
Value* on_device(const std::vector<Value>& values) {
    Value* pointer = nullptr;
    cudaMalloc(&pointer, values.size() * sizeof(Value));
    cudaMemcpy(pointer, values.data(), values.size() * sizeof(Value), cudaMemcpyHostToDevice);
    return pointer;
}

// Waits for everything, prints an error, else the first numbers of `x`; the exit code.
inline int finish(const float* x, int count) {
    const cudaError_t error = cudaDeviceSynchronize();
    if (error != cudaSuccess) return std::printf("%s\n", cudaGetErrorString(error)), 1;
    std::vector<float> host(static_cast<std::size_t>(count));
    cudaMemcpy(host.data(), x, host.size() * sizeof(float), cudaMemcpyDeviceToHost);
    for (const float value : host) std::printf("%g ", static_cast<double>(value));
    return 0;
}

}  // namespace
