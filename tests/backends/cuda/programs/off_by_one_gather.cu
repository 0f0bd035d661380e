// A gather whose list names a neuron more than there are.
// expect: read of 4 bytes outside of every allocation.*at off_by_one_gather.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
#ifdef FAULT
    const int first = 1;
#else
    const int first = 0;
#endif
    float sum = 0;
    for (int i = first; i < a.size + first; ++i)
        sum += a.x[i];  // HERE
    a.y[threadIdx.x] = sum;
}

int main() {
    float *const x = on_device(std::vector<float>(33, 1)), *const y = on_device(std::vector<float>(32, 0));
    run(kernel, {1, 32}, {x, y, nullptr, 33});
    return finish(y, 1);
}
