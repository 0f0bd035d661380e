// A zeroed array on a 64-byte boundary: a vector of AVX-512, and a cache line, never straddle its start.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace sncc {

template <typename Value>
class AlignedBuffer {
    static_assert(std::is_trivially_copyable<Value>::value, "values are zeroed and freed as plain bytes");

public:
    static constexpr std::size_t alignment = 64;

    AlignedBuffer() = default;

    explicit AlignedBuffer(std::size_t size) : size_(size) {
        if (size == 0) return;
        if (size > (static_cast<std::size_t>(-1) - alignment) / sizeof(Value)) throw std::bad_array_new_length();
        values_ = static_cast<Value*>(::operator new(size * sizeof(Value), std::align_val_t(alignment)));
        zero();
    }

    ~AlignedBuffer() { ::operator delete(values_, std::align_val_t(alignment)); }

    AlignedBuffer(AlignedBuffer&& other) noexcept
        : values_(std::exchange(other.values_, nullptr)), size_(std::exchange(other.size_, 0)) {}

    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        std::swap(values_, other.values_);
        std::swap(size_, other.size_);
        return *this;
    }

    AlignedBuffer(const AlignedBuffer&) = delete;
    AlignedBuffer& operator=(const AlignedBuffer&) = delete;

    // So many zeros. What was there is given back first: both are never there at once.
    void make(std::size_t size) {
        *this = AlignedBuffer();
        *this = AlignedBuffer(size);
    }
    void zero() {
        if (size_ != 0) std::memset(static_cast<void*>(values_), 0, size_ * sizeof(Value));
    }

    Value* data() { return values_; }
    const Value* data() const { return values_; }
    std::size_t size() const { return size_; }
    Value& operator[](std::size_t index) { return values_[index]; }
    const Value& operator[](std::size_t index) const { return values_[index]; }
    Value* begin() { return values_; }
    Value* end() { return values_ + size_; }
    const Value* begin() const { return values_; }
    const Value* end() const { return values_ + size_; }

private:
    Value* values_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sncc
