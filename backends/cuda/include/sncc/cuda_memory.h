// Device memory that frees itself; where there is not enough of it, who asked for how much and who holds the rest.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "sncc/cuda_streams.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

// The arrays of one network on the device.
class DeviceMemory {
public:
    // `remedy`: what needs less.
    explicit DeviceMemory(const char* remedy = "a smaller batch needs less") : remedy_(remedy) {}

    struct Part {
        const char* name;
        std::size_t bytes = 0;
    };

    std::shared_ptr<Part> part(const char* name) {
        parts_.push_back(std::make_shared<Part>(Part{name}));
        return parts_.back();
    }
    [[noreturn]] void refuse(const Part& asking, std::size_t bytes) const {
        std::size_t free = 0, total = 0;
        cudaMemGetInfo(&free, &total);
        refuse(asking.name, bytes, free, total, "");
    }
    // Before any of these is asked for: whether there is room for all.
    void expect(const char* what, const List<Part>& parts) const {
        std::size_t free = 0, total = 0, bytes = 0;
        check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
        std::string text;
        for (const Part& part : parts)
            if (part.bytes > 0) text += (bytes ? ", " : "; of these ") + std::to_string(part.bytes) + " for " + part.name, bytes += part.bytes;
        if (bytes > free) refuse(what, bytes, free, total, text);
    }

private:
    [[noreturn]] void refuse(const char* what, std::size_t bytes, std::size_t free, std::size_t total, const std::string& parts) const {
        throw Failure(Code::memory, std::string("no room on the device for ") + what + ": " + std::to_string(bytes) + " bytes asked for, " + std::to_string(free) +
                                        " of " + std::to_string(total) + " free; " + held() + parts + "; " + remedy_);
    }

    // The largest parts that the network has already.
    std::string held() const {
        List<std::pair<std::size_t, std::string>> sizes;
        for (const auto& part : parts_)
            if (part->bytes > 0) sizes.emplace_back(part->bytes, part->name);
        std::sort(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a > b; });
        std::string text = sizes.empty() ? "this network holds nothing yet" : "this network holds ";
        for (std::size_t k = 0; k < std::min<std::size_t>(sizes.size(), 4); ++k)
            text += (k ? ", " : "") + std::to_string(sizes[k].first) + " for " + sizes[k].second;
        return text + (sizes.size() > 4 ? " and less for others" : "");
    }

    const char* remedy_;
    List<std::shared_ptr<Part>> parts_;
};

// An array on the device, as large as the largest that was asked for.
template <typename Value>
class DeviceArray {
public:
    DeviceArray(DeviceMemory& memory, const char* name) : memory_(memory), part_(memory.part(name)) {}
    ~DeviceArray() { release(); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;

    Value* data() const { return values_; }
    std::size_t size() const { return size_; }

    void reserve(std::size_t count) {
        if (count <= size_) return;
        release();
        const std::size_t bytes = count * sizeof(Value);
        const cudaError_t error = cudaMalloc(&values_, bytes);
        if (error == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            values_ = nullptr;
            memory_.refuse(*part_, bytes);
        }
        check(error, "cudaMalloc", part_->name);
        part_->bytes = bytes;
        size_ = count;
    }
    void release() {
        cudaFree(values_);
        values_ = nullptr;
        size_ = 0;
        part_->bytes = 0;
    }
    // What has to be found for so many.
    std::size_t missing(std::size_t count) const { return count > size_ ? count * sizeof(Value) - part_->bytes : 0; }
    void clear() {
        if (size_) check(cudaMemset(values_, 0, size_ * sizeof(Value)), "cudaMemset", part_->name);
    }
    // As part of what a stream does, while the host goes on; the host's side is pinned.
    void put(const PinnedArray<Value>& from, std::size_t count, const Stream& stream) {
        reserve(count + 1);
        if (count) check(cudaMemcpyAsync(values_, from.data(), count * sizeof(Value), cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync", part_->name);
    }
    void take(PinnedArray<Value>& to, std::size_t count, const Stream& stream) const {
        to.reserve(count + 1);
        if (count) check(cudaMemcpyAsync(to.data(), values_, count * sizeof(Value), cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync", part_->name);
    }
    void put(const Value* from, std::size_t count, std::size_t offset = 0) {
        if (count) check(cudaMemcpy(values_ + offset, from, count * sizeof(Value), cudaMemcpyHostToDevice), "cudaMemcpy", part_->name);
    }
    void put(const List<Value>& from) {
        reserve(from.size() + 1);
        put(from.data(), from.size());
    }
    void take(Value* to, std::size_t count, std::size_t offset = 0) const {
        if (count) check(cudaMemcpy(to, values_ + offset, count * sizeof(Value), cudaMemcpyDeviceToHost), "cudaMemcpy", part_->name);
    }

    List<Value> copy(std::size_t count) const {
        List<Value> values(count);
        take(values.data(), count);
        return values;
    }

private:
    DeviceMemory& memory_;
    std::shared_ptr<DeviceMemory::Part> part_;
    Value* values_ = nullptr;
    std::size_t size_ = 0;
};

// One array for each source, or for each population.
template <typename Value>
class DeviceArrays {
public:
    DeviceArrays(DeviceMemory& memory, int count, const char* name) {
        for (int k = 0; k < count; ++k) all_.push_back(std::make_unique<DeviceArray<Value>>(memory, name));
    }
    DeviceArray<Value>* operator[](int k) const { return all_[static_cast<std::size_t>(k)].get(); }

private:
    List<std::unique_ptr<DeviceArray<Value>>> all_;
};

}  // namespace cuda
}  // namespace sncc
