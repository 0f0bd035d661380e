// Every block adds to one number; only one may.
// expect: race: .* at race.cu:HERE .*without a barrier of the grid between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#ifdef FAULT
    if (threadIdx.x == 0) a.x[0] += 1;  // HERE
#else
    if (threadIdx.x == 0 && blockIdx.x == 0) a.x[0] += 2;
#endif
}

int main() {
    float* const x = on_device(std::vector<float>(4, 1));
    run(kernel, {2, 64}, {x, nullptr, nullptr, 4});
    return finish(x, 1);
}
