// Functions in which the threads of a warp exchange values. Full masks only; none of them orders memory.
#pragma once

#include <cstdint>
#include <cstring>

#include "keywords.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {
/// One 64-bit value per lane.
struct WarpValues {
    std::uint64_t values[32];
    int lanes;
    int lane;
};
WarpValues warp_exchange(std::uint64_t value, unsigned int mask, const char* function, int line);

template <class T>
inline std::uint64_t to_slot(T value) {
    static_assert(sizeof(T) <= 8, "warp functions take values of at most 8 bytes");
    std::uint64_t slot = 0;
    std::memcpy(&slot, &value, sizeof value);
    return slot;
}

template <class T>
inline T from_slot(std::uint64_t slot) {
    T value;
    std::memcpy(&value, &slot, sizeof value);
    return value;
}

/// The value of the lane that `source(lane, first lane of the segment)` names, or the own one where it names none.
template <class T, class Source>
inline T shuffle(unsigned int mask, T value, int width, const char* function, int line, Source source) {
    WarpValues warp = warp_exchange(to_slot(value), mask, function, line);
    int first = warp.lane & ~(width - 1);
    int lane = source(warp.lane, first);
    bool inside = lane >= first && lane < first + width && lane < warp.lanes;
    return inside ? from_slot<T>(warp.values[lane]) : value;
}

template <class T, class Combine>
inline T reduce(unsigned int mask, T value, const char* function, int line, Combine combine) {
    WarpValues warp = warp_exchange(to_slot(value), mask, function, line);
    T result = from_slot<T>(warp.values[0]);
    for (int lane = 1; lane < warp.lanes; ++lane) result = combine(result, from_slot<T>(warp.values[lane]));
    return result;
}
}  // namespace sncc_emulation

template <class T>
inline T __shfl_sync(unsigned int mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
    return sncc_emulation::shuffle(mask, value, width, "__shfl_sync", line,
                                   [=](int, int first) { return first + (source & (width - 1)); });
}
template <class T>
inline T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32, int line = __builtin_LINE()) {
    return sncc_emulation::shuffle(mask, value, width, "__shfl_up_sync", line,
                                   [=](int lane, int) { return lane - (int)delta; });
}
template <class T>
inline T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32, int line = __builtin_LINE()) {
    return sncc_emulation::shuffle(mask, value, width, "__shfl_down_sync", line,
                                   [=](int lane, int) { return lane + (int)delta; });
}
template <class T>
inline T __shfl_xor_sync(unsigned int mask, T value, int lanes, int width = 32, int line = __builtin_LINE()) {
    return sncc_emulation::shuffle(mask, value, width, "__shfl_xor_sync", line,
                                   [=](int lane, int) { return lane ^ lanes; });
}

namespace sncc_emulation {
inline unsigned int ballot(unsigned int mask, bool predicate, const char* function, int line) {
    WarpValues warp = warp_exchange(predicate, mask, function, line);
    unsigned int votes = 0;
    for (int lane = 0; lane < warp.lanes; ++lane) votes |= (unsigned int)warp.values[lane] << lane;
    return votes;
}
}  // namespace sncc_emulation

inline unsigned int __ballot_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
    return sncc_emulation::ballot(mask, predicate != 0, "__ballot_sync", line);
}
inline int __any_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
    return sncc_emulation::ballot(mask, predicate != 0, "__any_sync", line) != 0;
}
inline int __all_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
    return sncc_emulation::ballot(mask, predicate == 0, "__all_sync", line) == 0;
}

// Signed sums wrap, as on the device.
inline unsigned int __reduce_add_sync(unsigned int mask, unsigned int value, int line = __builtin_LINE()) {
    return sncc_emulation::reduce(mask, value, "__reduce_add_sync", line, [](unsigned a, unsigned b) { return a + b; });
}
inline int __reduce_add_sync(unsigned int mask, int value, int line = __builtin_LINE()) {
    return (int)__reduce_add_sync(mask, (unsigned int)value, line);
}
#define SNCC_EMULATION_REDUCE(name, type, expression)                                                      \
    inline type name(unsigned int mask, type value, int line = __builtin_LINE()) {                         \
        return sncc_emulation::reduce(mask, value, #name, line, [](type a, type b) { return expression; }); \
    }
SNCC_EMULATION_REDUCE(__reduce_min_sync, int, b < a ? b : a)
SNCC_EMULATION_REDUCE(__reduce_min_sync, unsigned int, b < a ? b : a)
SNCC_EMULATION_REDUCE(__reduce_max_sync, int, a < b ? b : a)
SNCC_EMULATION_REDUCE(__reduce_max_sync, unsigned int, a < b ? b : a)
SNCC_EMULATION_REDUCE(__reduce_and_sync, unsigned int, a & b)
SNCC_EMULATION_REDUCE(__reduce_or_sync, unsigned int, a | b)
SNCC_EMULATION_REDUCE(__reduce_xor_sync, unsigned int, a ^ b)
#undef SNCC_EMULATION_REDUCE

#pragma GCC visibility pop
