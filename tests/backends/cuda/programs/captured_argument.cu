// A graph is replayed with the arguments that its capture saw, whatever the host has changed since.
// expect: stale
#include "run.h"

__global__ void add(const __grid_constant__ Arguments a) { a.x[threadIdx.x] += static_cast<float>(a.count ? *a.count : a.size); }

int main() {
    std::vector<float> values(32, 0);
    float* const x = on_device(values);
    cudaStream_t stream;
    cudaStreamCreate(&stream);
#ifdef FAULT
    int* const count = nullptr;
#else
    int* const count = on_device(std::vector<int>{0});
#endif
    Arguments a = {x, nullptr, count, 0};
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    run(add, {1, 32, 0, false, 1, stream}, a);
    cudaStreamEndCapture(stream, &graph);
    cudaGraphInstantiateWithFlags(&executable, graph, 0);
    cudaGraphDestroy(graph);
    for (int k = 1; k <= 3; ++k) {
        a.size = k;
        if (count) cudaMemcpy(count, &k, sizeof k, cudaMemcpyHostToDevice);
        cudaGraphLaunch(executable, stream);
        cudaStreamSynchronize(stream);
    }
    cudaGraphExecDestroy(executable);
    cudaMemcpy(values.data(), x, values.size() * sizeof(float), cudaMemcpyDeviceToHost);
    const bool stale = values[31] != 6;
    if (stale) std::fprintf(stderr, "stale\n");
    cudaStreamDestroy(stream);
    return stale;
}
