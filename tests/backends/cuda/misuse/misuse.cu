// Wrong calls of the API, by name; each prints what CUDA answers.
#include <cstring>

#include "../programs/run.h"

__global__ void fill(const __grid_constant__ Arguments a) { a.x[threadIdx.x] = 1; }
__global__ void whole_grid(const __grid_constant__ Arguments a) {
    cooperative_groups::this_grid().sync();
    a.x[threadIdx.x] = 1;
}
__global__ void half_a_warp(const __grid_constant__ Arguments a) {
    if (threadIdx.x < 16) a.x[0] = static_cast<float>(__shfl_sync(0x0000ffffu, 1, 0));
}
__global__ void wide_copy(const __grid_constant__ Arguments a) {
    __pipeline_memcpy_async(smem, a.x, 12);
    __pipeline_commit();
    __pipeline_wait_prior(0);
}
__global__ void odd_copy(const __grid_constant__ Arguments a) {
    __pipeline_memcpy_async(smem, a.x + 1, 16);
    __pipeline_commit();
    __pipeline_wait_prior(0);
}
__global__ void deadlock(const __grid_constant__ Arguments a) {
    if (threadIdx.x < 32) __syncthreads();
    else if (blockIdx.x == 0) cooperative_groups::this_grid().sync();
    a.x[0] = 1;
}

// As many blocks of one warp along y.
cudaError_t run_along_y(void (*kernel)(Arguments), unsigned blocks, const Arguments& arguments) {
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(1, blocks);
    config.blockDim = dim3(32);
    return cudaLaunchKernelEx(&config, kernel, arguments);
}

int main(int count, char** words) {
    if (count < 2) return 2;
    const auto is = [&](const char* name) { return std::strcmp(words[1], name) == 0; };
    float* const x = on_device(std::vector<float>(64, 0));
    const Arguments a = {x, nullptr, nullptr, 64};
    cudaError_t error = cudaSuccess;
    if (is("grid barrier in an ordinary launch")) error = run(whole_grid, {2, 32}, a);
    if (is("more blocks along y than a grid has")) error = run_along_y(fill, 65536, a);
    if (is("more blocks than are resident")) error = run(whole_grid, {2000, 1024, 0, true}, a);
    if (is("more shared memory than was asked for")) error = run(fill, {1, 32, 60 * 1024}, a);
    if (is("more threads than a block has")) error = run(fill, {1, 2048}, a);
    if (is("no blocks")) error = run(fill, {0, 32}, a);
    if (is("blocks that do not fill clusters")) error = run(fill, {3, 32, 0, false, 2}, a);
    if (is("a cluster of 16 blocks")) error = run(fill, {16, 32, 0, false, 16}, a);
    if (is("more clusters than are resident")) error = run(whole_grid, {2 * 132, 1024, 0, true, 8}, a);
    if (is("a cluster that no part of the device has room for")) error = run(fill, {8, 1024, 0, false, 8}, a);
    if (is("more shared memory than a block has beside its own")) error = cudaFuncSetAttribute(fill, cudaFuncAttributeMaxDynamicSharedMemorySize, 220 * 1024);
    if (is("a warp function for half a warp")) error = run(half_a_warp, {1, 32}, a);
    if (is("an asynchronous copy of 12 bytes")) error = run(wide_copy, {1, 1, 64}, a);
    if (is("an asynchronous copy of 16 bytes from an odd place")) error = run(odd_copy, {1, 1, 64}, a);
    if (is("a barrier that half of the block waits at")) error = run(deadlock, {1, 64, 0, true}, a);
    if (is("a copy in the wrong direction")) {
        float y[4];
        error = cudaMemcpy(y, x, sizeof y, cudaMemcpyHostToDevice);
    }
    if (is("a copy past the end")) {
        std::vector<float> y(80);
        error = cudaMemcpy(y.data(), x, 80 * sizeof(float), cudaMemcpyDeviceToHost);
    }
    if (is("free of what was not allocated")) error = cudaFree(x + 1);
    if (is("free twice")) error = cudaFree(x) ? cudaErrorUnknown : cudaFree(x);
    if (is("a stream that is gone")) {
        cudaStream_t stream;
        cudaStreamCreate(&stream);
        cudaStreamDestroy(stream);
        error = cudaStreamSynchronize(stream);
    }
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaStreamCreate(&stream);
    if (is("the end of a capture that nobody began")) error = cudaStreamEndCapture(stream, &graph);
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    if (is("a capture beside other threads that use the legacy stream")) error = run(fill, {1, 32, 0, false, 1, stream}, a);
    if (is("pinned memory while a stream captures")) {
        float* host = nullptr;
        error = cudaMallocHost(&host, sizeof *host);
    }
    if (is("waiting for a stream that captures")) error = cudaStreamSynchronize(stream);
    if (is("a copy by the legacy stream beside a capture")) {
        float y[4];
        error = cudaMemcpy(y, x, sizeof y, cudaMemcpyDeviceToHost);
    }
    if (is("a graph of what was spoilt")) {
        cudaFree(x);
        error = cudaStreamEndCapture(stream, &graph);
    }
    cudaStream_t other = nullptr;
    cudaEvent_t event = nullptr;
    cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (is("a capture whose other stream is not waited for") || is("the end of a capture in its other stream")) {
        cudaEventRecord(event, stream);
        cudaStreamWaitEvent(other, event);
        cudaMemsetAsync(x, 0, 4, other);
        error = cudaStreamEndCapture(is("the end of a capture in its other stream") ? other : stream, &graph);
    }
    if (is("an event of before the capture")) {
        cudaEventRecord(event, other);
        error = cudaStreamWaitEvent(stream, event);
    }
    if (is("an event of a capture that has ended")) cudaEventRecord(event, stream);
    cudaStreamEndCapture(stream, &graph);
    if (is("an event of a capture that has ended")) error = cudaStreamWaitEvent(other, event);
    if (is("more memory than there is")) {
        float* more = nullptr;
        error = cudaMalloc(&more, std::size_t(1) << 40);
    }
    if (error == cudaSuccess) error = cudaDeviceSynchronize();
    std::printf("%s: %s\n", cudaGetErrorName(error), cudaGetErrorString(error));
    return error != cudaSuccess;
}
