// Eight bytes are loaded from an address that is no multiple of eight.
// expect: read of 8 bytes at an address that is no multiple of it, at misaligned_number.cu:HERE
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    const int t = static_cast<int>(threadIdx.x);
#ifdef FAULT
    const float* const from = a.x + 2 * t + 1;
#else
    const float* const from = a.x + 2 * t;
#endif
    a.y[t] = *reinterpret_cast<const double*>(from) > 0 ? 1.0f : 0.0f;  // HERE
}

int main() {
    float *const x = on_device(std::vector<float>(66, 1)), *const y = on_device(std::vector<float>(32, 0));
    run(kernel, {1, 32}, {x, y, nullptr, 32});
    return finish(y, 4);
}
