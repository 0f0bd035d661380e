// A sum into device memory that nobody has set to zero.
// expect: uninitialised: read of device memory \(byte \d+ of 128\) at uninitialised_read.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    a.x[threadIdx.x] += 1;  // HERE
}

int main() {
    float* x = nullptr;
    cudaMalloc(&x, 32 * sizeof(float));
#ifndef FAULT
    cudaMemset(x, 0, 32 * sizeof(float));
#endif
    run(kernel, {1, 32}, {x, nullptr, nullptr, 32});
    return finish(x, 4);
}
