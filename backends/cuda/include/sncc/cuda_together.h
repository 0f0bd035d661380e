// Whether all rounds of a batch run in one launch, whose blocks are all resident at once, or each in launches of its own.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

template <typename Network>
class Together {
public:
    Together() {
        check(cudaDeviceGetAttribute(&cooperates_, cudaDevAttrCooperativeLaunch, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
    }

    // Blocks with so much shared memory: one a sample, as many as sums over these can use, or all that are resident; 0: not in one launch. `stays`:
    // a sample's states stay in its block's shared memory from round to round.
    int blocks(int samples, int useful, std::size_t shared, bool stays) const {
        const char* const forced = std::getenv("SNCC_CUDA_FORM");  // persistent, graph or launches: for tests and measurements
        if (!cooperates_ || (forced && std::strcmp(forced, "persistent") != 0)) return 0;
        const int most = Network::resident_rounds(shared) * multiprocessors_;
        return stays && samples > most ? 0 : std::min(most, std::max(samples, useful));
    }

private:
    int cooperates_ = 0, multiprocessors_ = 0;
};

}  // namespace cuda
}  // namespace sncc
