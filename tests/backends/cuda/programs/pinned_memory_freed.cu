// The host gives pinned memory back while the device still copies to it.
// expect: cudaFreeHost of memory that a copy still needs
#include "run.h"

__global__ void fill(const __grid_constant__ Arguments a) { a.x[threadIdx.x] = 1; }

int main() {
    float *const x = on_device(std::vector<float>(32, 0)), *host = nullptr;
    cudaStream_t stream;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMallocHost(&host, 32 * sizeof(float));
    run(fill, {1, 32, 0, false, 1, stream}, {x, nullptr, nullptr, 32});
    cudaMemcpyAsync(host, x, 32 * sizeof(float), cudaMemcpyDeviceToHost, stream);
#ifndef FAULT
    cudaStreamSynchronize(stream);
#endif
    cudaFreeHost(host);
    cudaStreamDestroy(stream);
    return finish(x, 4);
}
