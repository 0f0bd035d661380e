// A kernel that is handed the host's copy of an array.
// expect: read of 4 bytes of memory that is neither the device's nor shared: a kernel cannot use a host pointer.*at host_pointer.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    a.y[threadIdx.x] = a.x[threadIdx.x];  // HERE
}

int main() {
    std::vector<float> values(32, 1);
    float *const x = on_device(values), *const y = on_device(values);
#ifdef FAULT
    run(kernel, {1, 32}, {values.data(), y, nullptr, 32});
#else
    run(kernel, {1, 32}, {x, y, nullptr, 32});
#endif
    static_cast<void>(x);
    return finish(y, 4);
}
