// A block ends before a barrier of the grid, which counts all blocks that were launched.
// expect: a grid's barrier that not all threads come to: block 0, thread 0 at a grid's barrier in line (HERE); block 1, thread \d+ at its end
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#ifdef FAULT
    if (blockIdx.x == 1) return;
#endif
    cooperative_groups::this_grid().sync();  // HERE
    a.x[blockIdx.x * blockDim.x + threadIdx.x] = 1;
}

int main() {
    float* const x = on_device(std::vector<float>(64, 0));
    run(kernel, {2, 32, 0, true}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
