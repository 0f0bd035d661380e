// Device memory that frees itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

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

// One array for each source, or for each population.
template <typename Value>
class DeviceArrays {
public:
    DeviceArrays(int count, const char* what) {
        for (int k = 0; k < count; ++k) all_.push_back(std::make_unique<DeviceArray<Value>>(what));
    }
    DeviceArray<Value>* operator[](int k) const { return all_[static_cast<std::size_t>(k)].get(); }

private:
    std::vector<std::unique_ptr<DeviceArray<Value>>> all_;
};

}  // namespace cuda
}  // namespace sncc
