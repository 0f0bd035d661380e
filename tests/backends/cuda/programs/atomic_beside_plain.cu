// A counter that all blocks add to atomically and that one of them reads before the others are done.
// expect: race: .*atomic.*without a barrier of the grid between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    if (threadIdx.x == 0) atomicAdd(a.count, 1);
#ifndef FAULT
    cooperative_groups::this_grid().sync();
#endif
    if (threadIdx.x == 0) a.x[blockIdx.x] = static_cast<float>(*a.count);
}

int main() {
    float* const x = on_device(std::vector<float>(4, 0));
    int* const count = on_device(std::vector<int>(1, 0));
    run(kernel, {4, 32, 0, true}, {x, nullptr, count, 4});
    return finish(x, 4);
}
