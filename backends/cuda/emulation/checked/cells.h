// What the race detector knows of four bytes of memory, and the rule by which two accesses conflict.
//
// Time is a counter that goes on at every barrier that lets threads go. An access is ordered before the running thread where
// the smallest group that holds both threads (or a larger one) has had a barrier since. Two of the readers since the last write
// are enough: the last one, and of the others the one that is farthest from it (in another block, else another warp, else
// another thread) and not ordered before it. Whoever conflicts with any reader conflicts with one of these two.
#pragma once

#include <cstdint>

#include "../runtime/watch.h"

namespace sncc_emulation {

struct Access {
    std::uint32_t thread, time, place;  // time 0: there was none

    bool there() const { return time != 0; }
};

struct Cell {
    enum Part { write, reader, other_reader, atomic, other_atomic, initialised, pending };

    Access accesses[5];
    std::uint32_t bits;  // four for each part: which of the bytes

    std::uint32_t bytes(int part) const { return bits >> (4 * part) & 15u; }
    void set(int part, std::uint32_t mask) { bits = (bits & ~(15u << (4 * part))) | mask << (4 * part); }
    void add(int part, std::uint32_t mask) { bits |= mask << (4 * part); }
    void put(int part, const Access& access, std::uint32_t mask) { accesses[part] = access, set(part, mask); }
    void drop(int part) { accesses[part].time = 0, set(part, 0); }
};
static_assert(sizeof(Cell) == 64, "one line of the cache");

inline Scope scope_of(std::uint32_t a, std::uint32_t b, std::uint32_t cluster) {
    if (a >> 5 == b >> 5) return warp_scope;
    if (a >> 10 == b >> 10) return block_scope;
    return cluster > 1 && (a >> 10) / cluster == (b >> 10) / cluster ? cluster_scope : grid_scope;
}

inline bool ordered(const Access& before, const Watched& now) {
    return before.thread == now.number || now.released[scope_of(before.thread, now.number, now.cluster)] > before.time;
}

// Remembers an access beside one of its kind: readers beside readers, atomics beside atomics.
inline void remember(Cell& cell, int first, const Access& access, std::uint32_t mask, const Watched& now) {
    const Access last = cell.accesses[first], other = cell.accesses[first + 1];
    const std::uint32_t last_mask = cell.bytes(first), other_mask = cell.bytes(first + 1);
    if (!last.there() || last.thread == access.thread) return cell.put(first, access, mask);
    const bool keep_last = !ordered(last, now), keep_other = other.there() && !ordered(other, now);
    const int far = keep_other ? scope_of(other.thread, now.number, now.cluster) : -1;
    cell.put(first, access, mask);
    if (keep_last && scope_of(last.thread, now.number, now.cluster) >= far)
        cell.put(first + 1, last, last_mask);
    else if (keep_other)
        cell.put(first + 1, other, other_mask);
    else
        cell.drop(first + 1);
}

}  // namespace sncc_emulation
