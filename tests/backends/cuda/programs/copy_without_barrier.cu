// A thread's own asynchronous copies are there after its wait; those of others after a barrier.
// expect: race: .* at copy_without_barrier.cu:HERE .*without a barrier of the block between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    float* const shared = reinterpret_cast<float*>(smem);
    const int t = static_cast<int>(threadIdx.x);
    shared[t] = 0;
    __syncthreads();
    __pipeline_memcpy_async(shared + t, a.x + t, 4);
    __pipeline_commit();
    __pipeline_wait_prior(0);
#ifndef FAULT
    __syncthreads();
#endif
    a.y[t] = shared[63 - t];  // HERE
}

int main() {
    float *const x = on_device(std::vector<float>(64, 3)), *const y = on_device(std::vector<float>(64, 0));
    run(kernel, {1, 64, 256}, {x, y, nullptr, 64});
    return finish(y, 4);
}
