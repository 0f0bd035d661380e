// What another block has written before a barrier of the grid is read by a cache that the barrier does not bring up to date.
// expect: stale: read of device memory .*stale_read_only_load.cu:HERE .*in the same kernel
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    a.x[t] = static_cast<float>(t);
    cooperative_groups::this_grid().sync();
#ifdef FAULT
    const float other = __ldg(a.x + a.size - 1 - t);  // HERE
#else
    const float other = a.x[a.size - 1 - t];
#endif
    a.y[t] = other;
}

int main() {
    const std::vector<float> zeros(64, 0);
    float *const x = on_device(zeros), *const y = on_device(zeros);
    run(kernel, {2, 32, 0, true}, {x, y, nullptr, 64});
    return finish(y, 4);
}
