// A ballot brings a warp's threads together but orders no memory.
// expect: race: .* at ballot_orders_nothing.cu:HERE .*without a barrier of the warp between
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    float* const shared = reinterpret_cast<float*>(smem);
    const int t = static_cast<int>(threadIdx.x);
    shared[t] = static_cast<float>(t);
    const unsigned odd = __ballot_sync(0xffffffffu, t % 2);
#ifndef FAULT
    __syncwarp();
#endif
    a.x[t] = shared[31 - t] + static_cast<float>(__popc(odd));  // HERE
}

int main() {
    float* const x = on_device(std::vector<float>(32, 0));
    run(kernel, {1, 32, 128}, {x, nullptr, nullptr, 32});
    return finish(x, 4);
}
