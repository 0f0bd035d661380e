// A buffer that is filled again before everybody has read it.
// expect: race: .* at second_barrier.cu:HERE .*without a barrier of the block between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    float* const shared = reinterpret_cast<float*>(smem);
    const int t = static_cast<int>(threadIdx.x);
    float sum = 0;
    for (int round = 0; round < 3; ++round) {
        shared[t] = a.x[t] + static_cast<float>(round);  // HERE
        __syncthreads();
        sum += shared[(t + 32) % 64];
#ifndef FAULT
        __syncthreads();
#endif
    }
    a.x[t] = sum;
}

int main() {
    float* const x = on_device(std::vector<float>(64, 1));
    run(kernel, {1, 64, 256}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
