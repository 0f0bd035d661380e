// A block of a cluster ends while its neighbour may still read its shared memory.
// expect: end of block 1 without a barrier of the cluster after its shared memory was used at block_ends_before_others_read.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    namespace cg = cooperative_groups;
    float* const own = reinterpret_cast<float*>(smem);
    const unsigned rank = cg::this_cluster().block_rank(), t = threadIdx.x;
    own[t] = static_cast<float>(rank);
    cg::this_cluster().sync();
    const float* const other = cg::this_cluster().map_shared_rank(own, 1);
    if (rank == 0) a.x[t] = other[t];  // HERE
#ifndef FAULT
    cg::this_cluster().sync();
#endif
#endif
}

int main() {
    float* const x = on_device(std::vector<float>(64, 0));
    run(kernel, {2, 32, 128, false, 2}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
