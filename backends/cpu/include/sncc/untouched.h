// Memory that nobody has touched: its pages come into being where, and when, they are first written.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sncc {

template <typename Value>
class Untouched {
public:
    Untouched() = default;
    explicit Untouched(std::size_t size) : values_(size ? allocate(size * sizeof(Value)) : nullptr, Free{boundary(size * sizeof(Value))}), size_(size) {}
    Value* data() { return values_.get(); }
    const Value* data() const { return values_.get(); }
    std::size_t size() const { return size_; }
    Value& operator[](std::size_t k) { return values_.get()[k]; }
    const Value& operator[](std::size_t k) const { return values_.get()[k]; }

private:
    // Large arrays are read here and there, where the spikes lead: with pages of 4 kB nearly every row would need a walk through the
    // page tables.
    static constexpr std::size_t huge_page = std::size_t{1} << 21;

    static std::align_val_t boundary(std::size_t bytes) { return std::align_val_t(bytes >= 2 * huge_page ? huge_page : 64); }
    static Value* allocate(std::size_t bytes) {
        void* const values = ::operator new(bytes, boundary(bytes));
#if defined(__linux__)
        if (bytes >= 2 * huge_page) madvise(values, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // a wish: nothing is lost without
#endif
        return static_cast<Value*>(values);
    }
    struct Free {
        std::align_val_t boundary;
        void operator()(Value* values) const { ::operator delete(values, boundary); }
    };
    std::unique_ptr<Value, Free> values_{nullptr, Free{std::align_val_t(64)}};
    std::size_t size_ = 0;
};

}  // namespace sncc
