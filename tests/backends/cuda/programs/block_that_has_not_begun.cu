// A block writes into the shared memory of its neighbour in the cluster, which may not have begun.
// expect: write of 4 bytes of the shared memory of block 1 before a barrier of the cluster: .*, at block_that_has_not_begun.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    namespace cg = cooperative_groups;
    float* const own = reinterpret_cast<float*>(smem);
    const unsigned rank = cg::this_cluster().block_rank(), t = threadIdx.x;
    float* const other = cg::this_cluster().map_shared_rank(own, 1);
#ifndef FAULT
    cg::this_cluster().sync();
#endif
    if (rank == 0) other[t] = 3;  // HERE
    cg::this_cluster().sync();
    if (rank == 1) a.x[t] = own[t];
#endif
}

int main() {
    float* const x = on_device(std::vector<float>(64, 0));
    run(kernel, {2, 32, 128, false, 2}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
