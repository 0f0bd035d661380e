// Host emulation of asynchronous copies from global to shared memory: they take effect only at the wait.
#pragma once

#include "cuda_runtime.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {
void copy_later(void* shared, const void* global, std::size_t bytes, std::size_t zero_bytes, int line);
void commit_copies();
void wait_for_copies(unsigned int newest_left);
}  // namespace sncc_emulation

inline void __pipeline_memcpy_async(void* shared, const void* global, std::size_t bytes, std::size_t zero_bytes = 0,
                                    int line = __builtin_LINE()) {
    sncc_emulation::copy_later(shared, global, bytes, zero_bytes, line);
}
inline void __pipeline_commit() { sncc_emulation::commit_copies(); }
inline void __pipeline_wait_prior(unsigned int newest_left) { sncc_emulation::wait_for_copies(newest_left); }

#pragma GCC visibility pop
