// Four numbers are loaded at once from an address that is no multiple of their size.
// build: address
// expect: misaligned_vector.cu:HERE:.*misaligned address .* requires 16 byte alignment
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    const int t = static_cast<int>(threadIdx.x);
#ifdef FAULT
    const float* const from = a.x + 4 * t + 1;
#else
    const float* const from = a.x + 4 * t;
#endif
    const float4 four = *reinterpret_cast<const float4*>(from);  // HERE
    a.y[t] = four.x + four.y + four.z + four.w;
}

int main() {
    float *const x = on_device(std::vector<float>(132, 1)), *const y = on_device(std::vector<float>(32, 0));
    run(kernel, {1, 32}, {x, y, nullptr, 32});
    const int code = finish(y, 4);
    cudaFree(x), cudaFree(y);
    return code;
}
