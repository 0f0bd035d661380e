// A barrier that only a part of the block comes to.
// expect: divergent barrier: .* in line HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#ifdef FAULT
    if (threadIdx.x < 40) {
        __syncthreads();  // HERE
        a.x[threadIdx.x] = 1;
    } else {
        __syncthreads();
    }
#else
    __syncthreads();
    if (threadIdx.x < 40) a.x[threadIdx.x] = 1;
#endif
}

int main() {
    float* const x = on_device(std::vector<float>(64, 0));
    run(kernel, {1, 64}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
