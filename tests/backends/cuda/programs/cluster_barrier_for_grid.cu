// A block reads what one of another cluster wrote.
// expect: race: read .* at cluster_barrier_for_grid.cu:HERE .*without a barrier of the grid between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    namespace cg = cooperative_groups;
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    a.x[i] = static_cast<float>(i);
#ifdef FAULT
    cg::this_cluster().sync();
#else
    cg::this_grid().sync();
#endif
    a.y[i] = a.x[(i + 64) % a.size];  // HERE
#endif
}

int main() {
    float *const x = on_device(std::vector<float>(128, 0)), *const y = on_device(std::vector<float>(128, 0));
    run(kernel, {4, 32, 0, true, 2}, {x, y, nullptr, 128});
    return finish(y, 4);
}
