// Streams, events and pinned memory that free themselves: what copying a batch while the last one computes needs.
#pragma once

#include <cstring>

#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

class Stream {
public:
    explicit Stream(unsigned flags) { check(cudaStreamCreateWithFlags(&stream_, flags), "cudaStreamCreateWithFlags"); }
    ~Stream() { cudaStreamDestroy(stream_); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    operator cudaStream_t() const { return stream_; }

private:
    cudaStream_t stream_ = nullptr;
};

class Event {
public:
    Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags"); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    // Stands for all that `stream` was given so far.
    void record(const Stream& stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
    void let_wait(const Stream& stream) const { check(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent"); }
    void wait(const char* part) const { check(cudaEventSynchronize(event_), "cudaEventSynchronize", part); }

private:
    cudaEvent_t event_ = nullptr;
};

// Host memory that the device copies from and to by itself, as large as the largest that was asked for.
template <typename Value>
class PinnedArray {
public:
    PinnedArray() = default;
    ~PinnedArray() { cudaFreeHost(values_); }
    PinnedArray(const PinnedArray&) = delete;
    PinnedArray& operator=(const PinnedArray&) = delete;

    Value* data() const { return values_; }
    Value& operator[](std::size_t k) const { return values_[k]; }
    std::size_t size() const { return size_; }
    void reserve(std::size_t count) {
        if (count <= size_) return;
        cudaFreeHost(values_);
        values_ = nullptr;
        size_ = 0;
        if (cudaMallocHost(&values_, count * sizeof(Value)) != cudaSuccess) {
            cudaGetLastError();
            throw Failure(Code::memory, "a copy of the batch needs " + std::to_string(count * sizeof(Value)) + " bytes of pinned memory on the host");
        }
        size_ = count;
    }

private:
    Value* values_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace cuda
}  // namespace sncc
