// Host emulation of the part of cooperative groups that emitted code uses: block, cluster and grid.
#pragma once

#include "cuda_runtime.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {
void require_cooperative(int line);
unsigned int cluster_block_rank();
unsigned int cluster_block_count();
void* map_shared(const void* address, unsigned int rank, int line);
}  // namespace sncc_emulation

namespace cooperative_groups {

class thread_block {
public:
    void sync(int line = __builtin_LINE()) const { sncc_emulation::block_barrier(line); }
    static unsigned int thread_rank() {
        return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    }
    static unsigned int num_threads() { return blockDim.x * blockDim.y * blockDim.z; }
    static unsigned int size() { return num_threads(); }
    static dim3 group_index() { return blockIdx; }
    static dim3 thread_index() { return threadIdx; }
};

class grid_group {
public:
    void sync(int line = __builtin_LINE()) const { sncc_emulation::grid_barrier(line); }
    static bool is_valid() { return true; }
    static unsigned long long block_rank() {
        return ((unsigned long long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    }
    static unsigned long long num_blocks() { return (unsigned long long)gridDim.x * gridDim.y * gridDim.z; }
    static unsigned long long num_threads() { return num_blocks() * thread_block::num_threads(); }
    static unsigned long long size() { return num_threads(); }
    static unsigned long long thread_rank() {
        return block_rank() * thread_block::num_threads() + thread_block::thread_rank();
    }
};

class cluster_group {
public:
    static void sync(int line = __builtin_LINE()) { sncc_emulation::cluster_barrier(line); }
    static unsigned int block_rank() { return sncc_emulation::cluster_block_rank(); }
    static unsigned int num_blocks() { return sncc_emulation::cluster_block_count(); }
    static unsigned int num_threads() { return num_blocks() * thread_block::num_threads(); }
    static unsigned int thread_rank() {
        return block_rank() * thread_block::num_threads() + thread_block::thread_rank();
    }
    /// The same shared variable in the block `rank` of this cluster.
    template <class T>
    static T* map_shared_rank(T* address, int rank, int line = __builtin_LINE()) {
        return (T*)sncc_emulation::map_shared((const void*)address, (unsigned int)rank, line);
    }
};

inline thread_block this_thread_block() { return {}; }
inline grid_group this_grid(int line = __builtin_LINE()) {
    sncc_emulation::require_cooperative(line);
    return {};
}
inline cluster_group this_cluster() { return {}; }

template <class Group>
inline void sync(const Group& group, int line = __builtin_LINE()) {
    group.sync(line);
}

}  // namespace cooperative_groups

#pragma GCC visibility pop
