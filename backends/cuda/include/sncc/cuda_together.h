// How many blocks a launch may have whose threads meet across the grid: all are resident at once; in which form launches are forced to be.
#pragma once

#include <cstdlib>
#include <cstring>

#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

// Where the environment wants one form: persistent, graph or launches, for tests and measurements.
inline const char* forced_form() { return std::getenv("SNCC_CUDA_FORM"); }
inline bool is_forced(const char* form) { return forced_form() && std::strcmp(forced_form(), form) == 0; }

class Together {
public:
    Together() {
        check(cudaDeviceGetAttribute(&cooperates_, cudaDevAttrCooperativeLaunch, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
    }

    bool may_meet() const { return cooperates_ && (!forced_form() || is_forced("persistent")); }
    // Where a multiprocessor holds so many; 0 where launches cannot meet.
    int most(int resident) const { return may_meet() ? resident * multiprocessors_ : 0; }

private:
    int cooperates_ = 0, multiprocessors_ = 0;
};

}  // namespace cuda
}  // namespace sncc
