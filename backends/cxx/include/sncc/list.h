// A list that grows: what the engines use of std::vector. A project has lists of some sixty types, which were most of what the compiler
// made of the engine; a first build is as quick as it should be only with less of each.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>

#include "platform.h"

namespace sncc {

template <typename Value>
class List {
public:
    List() = default;
    explicit List(std::size_t count) { resize(count); }
    List(std::size_t count, const Value& value) { append(count, value); }
    template <typename From>
    List(const From* from, const From* end) {
        append(from, end);
    }
    List(std::initializer_list<Value> values) { append(values.begin(), values.end()); }
    List(const List& other) : List(other.begin(), other.end()) {}
    List(List&& other) noexcept : values_(std::exchange(other.values_, nullptr)), size_(std::exchange(other.size_, 0)), room_(std::exchange(other.room_, 0)) {}
    List& operator=(List other) noexcept {
        std::swap(values_, other.values_), std::swap(size_, other.size_), std::swap(room_, other.room_);
        return *this;
    }
    ~List() {
        clear();
        release();
    }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Value* data() { return values_; }
    const Value* data() const { return values_; }
    Value* begin() { return values_; }
    const Value* begin() const { return values_; }
    Value* end() { return values_ + size_; }
    const Value* end() const { return values_ + size_; }
    Value& operator[](std::size_t k) { return values_[k]; }
    const Value& operator[](std::size_t k) const { return values_[k]; }
    Value& back() { return values_[size_ - 1]; }
    const Value& back() const { return values_[size_ - 1]; }

    void clear() { shorten(0); }
    // New values are as `Value()` makes them: numbers are 0.
    void resize(std::size_t count) {
        if (count <= size_) return shorten(count);
        reserve(count);
        if constexpr (std::is_arithmetic<Value>::value || std::is_pointer<Value>::value) {
            std::memset(static_cast<void*>(values_ + size_), 0, (count - size_) * sizeof(Value));
            size_ = count;
        } else {
            for (; size_ < count; ++size_) new (values_ + size_) Value();
        }
    }
    void assign(std::size_t count, const Value& value) {
        clear();
        append(count, value);
    }
    template <typename From>
    void assign(const From* from, const From* end) {
        clear();
        append(from, end);
    }
    // The first values go.
    void drop(std::size_t count) {
        if (count == 0) return;  // a value may lose itself where it is moved to itself
        for (std::size_t k = count; k < size_; ++k) values_[k - count] = std::move(values_[k]);
        shorten(size_ - count);
    }
    void reserve(std::size_t room) {
        if (room > room_) grow(room);
    }
    template <typename... Given>
    Value& emplace_back(Given&&... given) {
        if (size_ == room_) {
            Value kept(std::forward<Given>(given)...);  // it may be made of a value of this list, which moves
            grow(2 * room_ + 4);
            new (values_ + size_) Value(std::move(kept));
        } else {
            new (values_ + size_) Value(std::forward<Given>(given)...);
        }
        return values_[size_++];
    }
    void push_back(const Value& value) { emplace_back(value); }
    void push_back(Value&& value) { emplace_back(std::move(value)); }
    void append(std::size_t count, const Value& value) {
        if (size_ + count > room_) {
            const Value kept(value);  // it may be one of this list, which moves
            reserve_more(count);
            return append(count, kept);
        }
        for (const std::size_t end = size_ + count; size_ < end; ++size_) new (values_ + size_) Value(value);
    }
    template <typename From>
    void append(const From* from, const From* end) {
        const std::size_t count = static_cast<std::size_t>(end - from);
        reserve_more(count);
        if constexpr (std::is_same<From, Value>::value && std::is_trivially_copyable<Value>::value) {
            if (count > 0) std::memcpy(static_cast<void*>(values_ + size_), static_cast<const void*>(from), count * sizeof(Value));
            size_ += count;
        } else {
            for (; from != end; ++from, ++size_) new (values_ + size_) Value(static_cast<Value>(*from));
        }
    }

private:
    static constexpr bool is_wide = alignof(Value) > alignof(std::max_align_t);

    void reserve_more(std::size_t count) {
        if (size_ + count > room_) grow(size_ + count > 2 * room_ ? size_ + count : 2 * room_);
    }
    void shorten(std::size_t count) {
        if constexpr (std::is_trivially_destructible<Value>::value) {
            size_ = count;
        } else {
            destroy(count);
        }
    }
    SNCC_COLD void destroy(std::size_t from) {
        while (size_ > from) values_[--size_].~Value();
    }
    void release() {
        if constexpr (is_wide)
            ::operator delete(static_cast<void*>(values_), std::align_val_t(alignof(Value)));
        else
            ::operator delete(static_cast<void*>(values_));
    }
    SNCC_COLD void grow(std::size_t room) {
        if (room > static_cast<std::size_t>(-1) / 2 / sizeof(Value)) throw std::bad_array_new_length();
        void* memory;
        if constexpr (is_wide)
            memory = ::operator new(room * sizeof(Value), std::align_val_t(alignof(Value)));
        else
            memory = ::operator new(room * sizeof(Value));
        Value* const moved = static_cast<Value*>(memory);
        if constexpr (std::is_trivially_copyable<Value>::value) {
            if (size_ > 0) std::memcpy(memory, static_cast<const void*>(values_), size_ * sizeof(Value));
        } else {
            for (std::size_t k = 0; k < size_; ++k) {
                new (moved + k) Value(std::move(values_[k]));
                values_[k].~Value();
            }
        }
        release();
        values_ = moved, room_ = room;
    }

    Value* values_ = nullptr;
    std::size_t size_ = 0, room_ = 0;
};

template <typename Value>
bool operator==(const List<Value>& a, const List<Value>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t k = 0; k < a.size(); ++k)
        if (!(a[k] == b[k])) return false;
    return true;
}

}  // namespace sncc
