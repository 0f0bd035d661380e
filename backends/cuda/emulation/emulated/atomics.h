// Atomic operations. One thread runs at a time and none is interrupted, so a plain read and write is atomic.
#pragma once

#include <cstddef>

#include "keywords.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {
#ifdef __SANITIZE_THREAD__
/// Tells the race detector of an atomic access; two of them never conflict.
void atomic_access(const void* address, std::size_t bytes);
#define SNCC_EMULATION_UNCHECKED __attribute__((no_sanitize_thread))
#else
inline void atomic_access(const void*, std::size_t) {}
#define SNCC_EMULATION_UNCHECKED
#endif

/// Replace *address by `replacement` and return what was there before.
template <class T>
SNCC_EMULATION_UNCHECKED inline T replace(T* address, T (*replacement)(T, T), T value) {
    atomic_access(address, sizeof(T));
    T before = *address;
    *address = replacement(before, value);
    return before;
}
}  // namespace sncc_emulation

#define SNCC_EMULATION_ATOMIC(name, type, expression)                                       \
    inline type name(type* address, type value) {                                           \
        return sncc_emulation::replace<type>(                                               \
            address, [](type before, type operand) -> type { (void)before; return expression; }, value); \
    }
#define SNCC_EMULATION_INTEGER_ATOMICS(type)                                  \
    SNCC_EMULATION_ATOMIC(atomicMax, type, before < operand ? operand : before) \
    SNCC_EMULATION_ATOMIC(atomicMin, type, operand < before ? operand : before) \
    SNCC_EMULATION_ATOMIC(atomicAnd, type, before & operand)                  \
    SNCC_EMULATION_ATOMIC(atomicOr, type, before | operand)                   \
    SNCC_EMULATION_ATOMIC(atomicXor, type, before ^ operand)                  \
    SNCC_EMULATION_ATOMIC(atomicExch, type, operand)                          \
    inline type atomicCAS(type* address, type expected, type value) {         \
        type before = *address;                                               \
        sncc_emulation::replace<type>(                                        \
            address, [](type, type operand) { return operand; }, before == expected ? value : before); \
        return before;                                                        \
    }
SNCC_EMULATION_INTEGER_ATOMICS(int)
SNCC_EMULATION_INTEGER_ATOMICS(unsigned int)
SNCC_EMULATION_INTEGER_ATOMICS(unsigned long long)
SNCC_EMULATION_ATOMIC(atomicAdd, int, (int)((unsigned int)before + (unsigned int)operand))
SNCC_EMULATION_ATOMIC(atomicSub, int, (int)((unsigned int)before - (unsigned int)operand))
SNCC_EMULATION_ATOMIC(atomicAdd, unsigned int, before + operand)
SNCC_EMULATION_ATOMIC(atomicSub, unsigned int, before - operand)
SNCC_EMULATION_ATOMIC(atomicAdd, unsigned long long, before + operand)
SNCC_EMULATION_ATOMIC(atomicAdd, float, before + operand)
SNCC_EMULATION_ATOMIC(atomicAdd, double, before + operand)
SNCC_EMULATION_ATOMIC(atomicExch, float, operand)
#undef SNCC_EMULATION_INTEGER_ATOMICS
#undef SNCC_EMULATION_ATOMIC
#undef SNCC_EMULATION_UNCHECKED

#pragma GCC visibility pop
