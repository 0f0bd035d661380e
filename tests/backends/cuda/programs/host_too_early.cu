// The host looks at a result before the copy of it has been waited for.
// expect: stale
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) { a.x[threadIdx.x] = 2; }

int main() {
    std::vector<float> values(32, 1);
    float* const x = on_device(values);
    cudaStream_t stream;
    cudaStreamCreate(&stream);
    run(kernel, {1, 32, 0, false, 1, stream}, {x, nullptr, nullptr, 32});
    cudaMemcpyAsync(values.data(), x, 32 * sizeof(float), cudaMemcpyDeviceToHost, stream);
#ifndef FAULT
    cudaStreamSynchronize(stream);
#endif
    const bool stale = values[0] == 1;
    if (stale) std::fprintf(stderr, "stale\n");
    cudaStreamDestroy(stream);
    return stale;
}
