// Counters in shared memory that only some threads set to zero.
// expect: uninitialised: atomic operation of shared memory at atomics.h:\d+.*uninitialised_shared.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    __shared__ int counters[64];
    const int t = static_cast<int>(threadIdx.x);
#ifdef FAULT
    if (t < 63) counters[t] = 0;
#else
    counters[t] = 0;
#endif
    __syncthreads();
    atomicAdd(&counters[(t * 7) % 64], 1);  // HERE
    __syncthreads();
    a.x[t] = static_cast<float>(counters[t]);
}

int main() {
    float* const x = on_device(std::vector<float>(64, 0));
    run(kernel, {1, 64}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
