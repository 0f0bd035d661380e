// A warp votes after some of its lanes have ended.
// expect: __ballot_sync in a warp of which lanes have ended, line (HERE)
#include "run.h"

__global__ void kernel(const __grid_constant__ Arguments a) {
    const unsigned t = threadIdx.x;
#ifdef FAULT
    if (t >= 16) return;
    __syncwarp();
#endif
    const unsigned votes = __ballot_sync(0xffffffffu, t % 2 == 1);  // HERE
    a.x[t] = static_cast<float>(__popc(votes));
}

int main() {
    float* const x = on_device(std::vector<float>(32, 0));
    run(kernel, {1, 32}, {x, nullptr, nullptr, 32});
    return finish(x, 4);
}
