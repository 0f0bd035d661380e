// Atomic operations. One thread runs at a time and none is interrupted, so a plain read and write is atomic.
#pragma once

#include "keywords.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {
void begin_atomic();
void end_atomic();

/// While one lives, the thread's accesses are parts of one atomic operation for the race detector; two of these never conflict.
struct AtomicOperation {
#ifdef __SANITIZE_THREAD__
    AtomicOperation() { begin_atomic(); }
    ~AtomicOperation() { end_atomic(); }
#else
    AtomicOperation() {}
#endif
};

/// Replace *address by what `replacement` makes of it and return what was there before.
template <class T>
inline T replace(T* address, T (*replacement)(T, T), T value) {
    const AtomicOperation atomic;
    const T before = *address;
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
        const sncc_emulation::AtomicOperation atomic;                         \
        const type before = *address;                                         \
        if (before == expected) *address = value;                             \
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

#pragma GCC visibility pop
