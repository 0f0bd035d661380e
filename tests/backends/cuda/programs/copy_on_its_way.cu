// A copy from memory that is not pinned may still be on its way when the call returns: a stream that does not wait for the legacy one reads too early.
// expect: uninitialised: read of device memory .*copy_on_its_way.cu:HERE
#include "run.h"

__global__ void twice(const __grid_constant__ Arguments a) { a.y[threadIdx.x] = 2 * a.x[threadIdx.x]; }  // HERE

int main() {
    float *const y = on_device(std::vector<float>(32, 0)), *const x = on_device(std::vector<float>(32, 1));
    cudaStream_t stream;
#ifdef FAULT
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
#else
    cudaStreamCreate(&stream);
#endif
    run(twice, {1, 32, 0, false, 1, stream}, {x, y, nullptr, 32});
    cudaStreamSynchronize(stream);
    cudaStreamDestroy(stream);
    return finish(y, 4);
}
