// How many blocks a launch may have whose threads meet across the grid: all are resident at once.
#pragma once

#include <cstdlib>
#include <cstring>

#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

class Together {
public:
    Together() {
        check(cudaDeviceGetAttribute(&cooperates_, cudaDevAttrCooperativeLaunch, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
    }

    // Where a multiprocessor holds so many; 0 where launches cannot meet.
    int most(int resident) const {
        const char* const forced = std::getenv("SNCC_CUDA_FORM");  // persistent, graph or launches: for tests and measurements
        return !cooperates_ || (forced && std::strcmp(forced, "persistent") != 0) ? 0 : resident * multiprocessors_;
    }

private:
    int cooperates_ = 0, multiprocessors_ = 0;
};

}  // namespace cuda
}  // namespace sncc
