// Numbers that will be read soon, asked for ahead.
#pragma once

#include <cstdint>

#include "sncc/platform.h"

namespace sncc {

// All lines of values[begin .. end).
template <typename Value>
SNCC_INLINE void fetch(const Value* values, std::uint64_t begin, std::uint64_t end) {
#if defined(__GNUC__)
    for (std::uint64_t k = begin; k < end; k += 64 / sizeof(Value)) __builtin_prefetch(values + k);
    __builtin_prefetch(values + end - 1);
#else
    static_cast<void>(values), static_cast<void>(begin), static_cast<void>(end);
#endif
}

}  // namespace sncc
