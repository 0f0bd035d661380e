// The functions that code compiled with -fsanitize=thread calls, in place of libtsan's: accesses go to the race detector while a
// kernel's thread runs; the host's own, also those of its other threads meanwhile, go nowhere. Atomic built-ins (of the host's
// library code) are plain operations.
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../runtime/watch.h"
#include "race_detector.h"

#pragma GCC visibility push(hidden)

using sncc_emulation::watch_access;
using sncc_emulation::Watched;

// The thread of a kernel that runs here, null where it is the host that does.
static Watched* here() {
    const pthread_t kernels = __atomic_load_n(&sncc_emulation::kernel_thread, __ATOMIC_RELAXED);
    return kernels && kernels == pthread_self() ? sncc_emulation::watched : nullptr;
}

// The compiler gives 16 bytes where a multiple of 8 is enough, as for two of 8.
#define SNCC_ACCESS(name, bytes, multiple, write) \
    void __tsan_##name(void* address) { \
        if (!here()) return; \
        if (reinterpret_cast<std::uintptr_t>(address) % (multiple)) sncc_emulation::misaligned(bytes, write, __builtin_return_address(0)); \
        watch_access(address, bytes, write, __builtin_return_address(0)); \
    }
#define SNCC_ACCESSES(bytes) \
    SNCC_ACCESS(read##bytes, bytes, bytes < 8 ? bytes : 8, false) \
    SNCC_ACCESS(write##bytes, bytes, bytes < 8 ? bytes : 8, true) \
    SNCC_ACCESS(unaligned_read##bytes, bytes, 1, false) \
    SNCC_ACCESS(unaligned_write##bytes, bytes, 1, true) \
    SNCC_ACCESS(volatile_read##bytes, bytes, bytes < 8 ? bytes : 8, false) \
    SNCC_ACCESS(volatile_write##bytes, bytes, bytes < 8 ? bytes : 8, true)

#define SNCC_FETCH(bits, type, name, operation) \
    type __tsan_atomic##bits##_fetch_##name(volatile type* a, type value, int) { return operation(a, value, __ATOMIC_SEQ_CST); }
#define SNCC_ATOMICS(bits, type) \
    type __tsan_atomic##bits##_load(const volatile type* a, int) { return __atomic_load_n(a, __ATOMIC_SEQ_CST); } \
    void __tsan_atomic##bits##_store(volatile type* a, type value, int) { __atomic_store_n(a, value, __ATOMIC_SEQ_CST); } \
    type __tsan_atomic##bits##_exchange(volatile type* a, type value, int) { return __atomic_exchange_n(a, value, __ATOMIC_SEQ_CST); } \
    SNCC_FETCH(bits, type, add, __atomic_fetch_add) \
    SNCC_FETCH(bits, type, sub, __atomic_fetch_sub) \
    SNCC_FETCH(bits, type, and, __atomic_fetch_and) \
    SNCC_FETCH(bits, type, or, __atomic_fetch_or) \
    SNCC_FETCH(bits, type, xor, __atomic_fetch_xor) \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type* a, type* expected, type value, int, int) { \
        return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    } \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile type* a, type* expected, type value, int, int) { \
        return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }

extern "C" {

void __tsan_init() {}
SNCC_ACCESSES(1)
SNCC_ACCESSES(2)
SNCC_ACCESSES(4)
SNCC_ACCESSES(8)
SNCC_ACCESSES(16)
void __tsan_read_range(void* address, std::size_t bytes) {
    if (here()) watch_access(address, bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(void* address, std::size_t bytes) {
    if (here()) watch_access(address, bytes, true, __builtin_return_address(0));
}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

// Where each function that a thread is in was called, for the findings.
void __tsan_func_entry(void* caller) {
    Watched* const me = here();
    if (!me) return;
    if (me->depth < Watched::most_calls) me->calls[me->depth] = caller;
    ++me->depth;
}
void __tsan_func_exit() {
    Watched* const me = here();
    if (me && me->depth > 0) --me->depth;
}

SNCC_ATOMICS(8, unsigned char)
SNCC_ATOMICS(16, unsigned short)
SNCC_ATOMICS(32, unsigned int)
SNCC_ATOMICS(64, unsigned long long)
void __tsan_atomic_thread_fence(int) { std::atomic_thread_fence(std::memory_order_seq_cst); }
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"

#pragma GCC visibility pop
