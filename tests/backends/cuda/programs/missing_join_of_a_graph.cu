// A graph of two streams: a copy in the one, the kernel that needs it in the other.
// expect: uninitialised: read of device memory .* at missing_join_of_a_graph.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    a.y[threadIdx.x] = 2 * a.x[threadIdx.x];  // HERE
}

int main() {
    float *x = nullptr, *host = nullptr, *const y = on_device(std::vector<float>(32, 0));
    cudaMalloc(&x, 32 * sizeof(float));
    cudaMallocHost(&host, 32 * sizeof(float));
    for (int k = 0; k < 32; ++k) host[k] = 4;
    cudaStream_t copies, kernels;
    cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&kernels, cudaStreamNonBlocking);
    cudaEvent_t begun, copied;
    cudaEventCreateWithFlags(&begun, cudaEventDisableTiming);
    cudaEventCreateWithFlags(&copied, cudaEventDisableTiming);
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    cudaStreamBeginCapture(kernels, cudaStreamCaptureModeThreadLocal);
    cudaMemsetAsync(y, 0, 32 * sizeof(float), kernels);
    cudaEventRecord(begun, kernels);
    cudaStreamWaitEvent(copies, begun);
#ifdef FAULT
    run(kernel, {1, 32, 0, false, 1, kernels}, {x, y, nullptr, 32});
#endif
    cudaMemcpyAsync(x, host, 32 * sizeof(float), cudaMemcpyHostToDevice, copies);
    cudaEventRecord(copied, copies);
    cudaStreamWaitEvent(kernels, copied);
#ifndef FAULT
    run(kernel, {1, 32, 0, false, 1, kernels}, {x, y, nullptr, 32});
#endif
    const cudaError_t captured = cudaStreamEndCapture(kernels, &graph);
    if (captured != cudaSuccess) std::fprintf(stderr, "%s\n", cudaGetErrorString(captured));
    cudaGraphInstantiateWithFlags(&executable, graph, 0);
    cudaGraphLaunch(executable, kernels);
    cudaStreamSynchronize(kernels);
    const int code = finish(y, 4);
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
    cudaEventDestroy(begun);
    cudaEventDestroy(copied);
    cudaFreeHost(host);
    cudaStreamDestroy(copies);
    cudaStreamDestroy(kernels);
    return code;
}
