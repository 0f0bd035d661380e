// Memory that nobody has touched: its pages come into being where, and when, they are first written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sncc {

// Synapses are read here and there, where the spikes lead: with pages of 4 kB nearly every row would need a walk through the page tables.
constexpr std::size_t huge_page = std::size_t{1} << 21;

inline std::shared_ptr<unsigned char> untouched_bytes(std::size_t bytes) {
    const bool huge = bytes >= 2 * huge_page;
    const std::align_val_t boundary = std::align_val_t(huge ? huge_page : 64);
    const std::shared_ptr<unsigned char> memory(static_cast<unsigned char*>(::operator new(bytes, boundary)),
                                                [boundary](unsigned char* given) { ::operator delete(given, boundary); });
#if defined(__linux__)
    if (huge) madvise(memory.get(), bytes / huge_page * huge_page, MADV_HUGEPAGE);  // a wish: nothing is lost without
#endif
    return memory;
}

// Huge pages for arrays that are smaller than one: they lie in common blocks, each of which lives as long as one of its arrays.
class HugePages {
public:
    std::shared_ptr<unsigned char> take(std::size_t bytes) {
        bytes = (bytes + 63) / 64 * 64;
        if (bytes > left_) {
            left_ = std::max(bytes, block_bytes);
            next_ = untouched_bytes(left_);
        }
        const std::shared_ptr<unsigned char> taken = next_;
        next_ = std::shared_ptr<unsigned char>(next_, next_.get() + bytes);
        left_ -= bytes;
        return taken;
    }

private:
    static constexpr std::size_t block_bytes = 8 * huge_page;

    std::shared_ptr<unsigned char> next_;  // of the last block what is not taken
    std::size_t left_ = 0;
};

template <typename Value>
class Untouched {
public:
    Untouched() = default;
    explicit Untouched(std::size_t size) : Untouched(size, size ? untouched_bytes(size * sizeof(Value)) : nullptr) {}
    Untouched(std::size_t size, HugePages& pages) : Untouched(size, size ? pages.take(size * sizeof(Value)) : nullptr) {}
    Untouched(const Untouched&) = delete;
    Untouched& operator=(const Untouched&) = delete;
    Untouched(Untouched&&) = default;
    Untouched& operator=(Untouched&&) = default;

    Value* data() { return values_; }
    const Value* data() const { return values_; }
    std::size_t size() const { return size_; }
    Value& operator[](std::size_t k) { return values_[k]; }
    const Value& operator[](std::size_t k) const { return values_[k]; }

private:
    Untouched(std::size_t size, std::shared_ptr<unsigned char> memory)
        : memory_(std::move(memory)), values_(reinterpret_cast<Value*>(memory_.get())), size_(size) {}

    std::shared_ptr<unsigned char> memory_;
    Value* values_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sncc
