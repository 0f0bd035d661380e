// What a thread sees of itself and of its block: indices, shared memory, barriers.
#pragma once

#include <cstddef>

#include "keywords.h"

#pragma GCC visibility push(hidden)

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace sncc_emulation {
/// Most shared memory of a block, in bytes, as on sm_90.
constexpr std::size_t DYNAMIC_SHARED_CAPACITY = 227 * 1024;
// What a kernel is taken to have statically, and what a launch may then take unasked: the rest of 48 KB.
constexpr std::size_t STATIC_SHARED = 9 * 1024, UNASKED_SHARED = 48 * 1024 - STATIC_SHARED;

// `line` is the caller's, by which the two sides of a divergent barrier are told apart.
void block_barrier(int line);
int block_barrier_count(bool predicate, int line);
void warp_barrier(unsigned int mask, int line);
void cluster_barrier(int line);
void grid_barrier(int line);
[[noreturn]] void trap(int line);
}  // namespace sncc_emulation

// The one name that emitted code gives to dynamic shared memory: extern __shared__ unsigned char smem[];
extern thread_local unsigned char smem[sncc_emulation::DYNAMIC_SHARED_CAPACITY] __attribute__((aligned(128)));

inline void __syncthreads(int line = __builtin_LINE()) { sncc_emulation::block_barrier(line); }
inline int __syncthreads_count(int predicate, int line = __builtin_LINE()) {
    return sncc_emulation::block_barrier_count(predicate != 0, line);
}
inline int __syncthreads_or(int predicate, int line = __builtin_LINE()) {
    return sncc_emulation::block_barrier_count(predicate != 0, line) != 0;
}
inline int __syncthreads_and(int predicate, int line = __builtin_LINE()) {
    return sncc_emulation::block_barrier_count(predicate == 0, line) == 0;
}
inline void __syncwarp(unsigned int mask = 0xffffffffu, int line = __builtin_LINE()) {
    sncc_emulation::warp_barrier(mask, line);
}
inline void __trap(int line = __builtin_LINE()) { sncc_emulation::trap(line); }

// The emulation runs one thread at a time: a fence has nothing to do, and orders nothing for the race detector.
inline void __threadfence_block() {}
inline void __threadfence() {}

#pragma GCC visibility pop
