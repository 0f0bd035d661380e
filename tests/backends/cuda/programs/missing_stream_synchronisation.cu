// A copy in one stream, the kernel that needs it in another.
// expect: uninitialised: read of device memory .* at missing_stream_synchronisation.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    a.y[threadIdx.x] = 2 * a.x[threadIdx.x];  // HERE
}

int main() {
    std::vector<float> values(32, 4);
    float *x = nullptr, *const y = on_device(values);
    cudaMalloc(&x, 32 * sizeof(float));
    cudaStream_t copies, kernels;
    cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&kernels, cudaStreamNonBlocking);
    cudaEvent_t copied;
    cudaEventCreateWithFlags(&copied, cudaEventDisableTiming);
    cudaMemcpyAsync(x, values.data(), 32 * sizeof(float), cudaMemcpyHostToDevice, copies);
    cudaEventRecord(copied, copies);
#ifndef FAULT
    cudaStreamWaitEvent(kernels, copied);
#endif
    run(kernel, {1, 32, 0, false, 1, kernels}, {x, y, nullptr, 32});
    cudaStreamSynchronize(kernels);
    const int code = finish(y, 4);
    cudaEventDestroy(copied);
    cudaStreamDestroy(copies);
    cudaStreamDestroy(kernels);
    return code;
}
