// A warp's threads write a number each to dynamic shared memory that is one too small.
// expect: write of 4 bytes outside of the 124 bytes of dynamic shared memory, at offset 124, at write_out_of_bounds.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    float* const shared = reinterpret_cast<float*>(smem);
    shared[threadIdx.x] = 1;  // HERE
    __syncthreads();
    a.x[threadIdx.x] = shared[threadIdx.x];
}

int main() {
    float* const x = on_device(std::vector<float>(32, 0));
#ifdef FAULT
    const std::size_t bytes = 31 * sizeof(float);
#else
    const std::size_t bytes = 32 * sizeof(float);
#endif
    run(kernel, {1, 32, bytes}, {x, nullptr, nullptr, 32});
    return finish(x, 4);
}
