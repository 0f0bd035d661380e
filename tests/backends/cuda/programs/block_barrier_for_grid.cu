// A block reads what its neighbour wrote.
// expect: race: read .* at block_barrier_for_grid.cu:HERE .*without a barrier of the grid between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    a.x[i] = static_cast<float>(i);
#ifdef FAULT
    __syncthreads();
#else
    cooperative_groups::this_grid().sync();
#endif
    a.y[i] = a.x[(i + 32) % a.size];  // HERE
}

int main() {
    float *const x = on_device(std::vector<float>(64, 0)), *const y = on_device(std::vector<float>(64, 0));
    run(kernel, {2, 32, 0, true}, {x, y, nullptr, 64});
    return finish(y, 4);
}
