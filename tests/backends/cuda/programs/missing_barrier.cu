// A block turns its numbers round through shared memory.
// expect: race: .* at missing_barrier.cu:HERE .*without a barrier of the block between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    float* const shared = reinterpret_cast<float*>(smem);
    const int t = static_cast<int>(threadIdx.x);
    shared[t] = a.x[t];
#ifndef FAULT
    __syncthreads();
#endif
    a.x[t] = shared[63 - t];  // HERE
}

int main() {
    std::vector<float> values(64);
    for (int k = 0; k < 64; ++k) values[static_cast<std::size_t>(k)] = static_cast<float>(k);
    float* const x = on_device(values);
    run(kernel, {1, 64, 256}, {x, nullptr, nullptr, 64});
    return finish(x, 4);
}
