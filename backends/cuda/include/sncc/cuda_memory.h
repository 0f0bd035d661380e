// Device memory that frees itself, and calls whose failure is an error with a name.
#pragma once

#include <string>
#include <vector>

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

// An array on the device, as large as the largest that was asked for.
template <typename Value>
class DeviceArray {
public:
    explicit DeviceArray(const char* what) : what_(what) {}
    ~DeviceArray() { cudaFree(values_); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;

    Value* data() const { return values_; }
    std::size_t size() const { return size_; }

    void reserve(std::size_t count) {
        if (count <= size_) return;
        cudaFree(values_);
        values_ = nullptr;
        size_ = 0;
        const cudaError_t error = cudaMalloc(&values_, count * sizeof(Value));
        if (error == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            std::size_t free = 0, total = 0;
            cudaMemGetInfo(&free, &total);
            throw Failure(Code::memory, std::string(what_) + " needs " + std::to_string(count * sizeof(Value)) + " bytes on the device, of which " +
                                            std::to_string(free) + " were free; a smaller batch needs less");
        }
        check(error, "cudaMalloc");
        size_ = count;
    }
    void clear() {
        if (size_) check(cudaMemset(values_, 0, size_ * sizeof(Value)), "cudaMemset");
    }
    void put(const Value* from, std::size_t count, std::size_t offset = 0) {
        if (count) check(cudaMemcpy(values_ + offset, from, count * sizeof(Value), cudaMemcpyHostToDevice), "cudaMemcpy to the device");
    }
    void put(const std::vector<Value>& from) {
        reserve(from.size() + 1);
        put(from.data(), from.size());
    }
    void take(Value* to, std::size_t count, std::size_t offset = 0) const {
        if (count) check(cudaMemcpy(to, values_ + offset, count * sizeof(Value), cudaMemcpyDeviceToHost), "cudaMemcpy from the device");
    }

private:
    const char* what_;
    Value* values_ = nullptr;
    std::size_t size_ = 0;
};

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
