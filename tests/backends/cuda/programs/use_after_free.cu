// A kernel launched after its memory was freed.
// expect: outside of every allocation of the device.*at use_after_free.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    a.y[threadIdx.x] = a.x[threadIdx.x];  // HERE
}

int main() {
    float *const y = on_device(std::vector<float>(32, 1)), *const x = on_device(std::vector<float>(32, 1));
#ifdef FAULT
    cudaFree(x);
#endif
    run(kernel, {1, 32}, {x, y, nullptr, 32});
    return finish(y, 1);
}
