// Numbers copied to shared memory asynchronously.
// expect: an asynchronous copy to it was not waited for: read .* at copy_not_waited_for.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    float* const shared = reinterpret_cast<float*>(smem);
    const int t = static_cast<int>(threadIdx.x);
    __pipeline_memcpy_async(shared + t, a.x + t, 4);
    __pipeline_commit();
#ifndef FAULT
    __pipeline_wait_prior(0);
#endif
    __syncthreads();
    const float value = shared[63 - t];  // HERE
    __pipeline_wait_prior(0);
    a.y[t] = value;
}

int main() {
    float *const x = on_device(std::vector<float>(64, 3)), *const y = on_device(std::vector<float>(64, 0));
    run(kernel, {1, 64, 256}, {x, y, nullptr, 64});
    return finish(y, 4);
}
