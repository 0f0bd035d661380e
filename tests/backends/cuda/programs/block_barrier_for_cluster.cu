// A block reads the shared memory of its neighbour in the cluster.
// expect: race: .* at block_barrier_for_cluster.cu:HERE .*without a barrier of the cluster between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    namespace cg = cooperative_groups;
    float* const own = reinterpret_cast<float*>(smem);
    const unsigned rank = cg::this_cluster().block_rank(), t = threadIdx.x;
    own[t] = static_cast<float>(rank);
    cg::this_cluster().sync();
    own[t] += 10;
#ifdef FAULT
    __syncthreads();
#else
    cg::this_cluster().sync();
#endif
    const float* const other = cg::this_cluster().map_shared_rank(own, static_cast<int>(1 - rank));
    a.x[rank * 32 + t] = other[t];  // HERE
    cg::this_cluster().sync();
#endif
}

int main() {
    float* const x = on_device(std::vector<float>(64, 0));
    run(kernel, {2, 32, 128, false, 2}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
