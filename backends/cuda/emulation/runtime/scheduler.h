// Running one kernel: what a launch says, and the call that runs it to its end.
#pragma once

#include <string>

#include "../emulated/keywords.h"
#include "../emulated/launch.h"

namespace sncc_emulation {

struct Launch {
    dim3 grid, block;
    bool cooperative = false;
    int cluster = 1;
    bool together = false;  // all blocks are resident at once
    std::size_t dynamic_bytes = 0;
    unsigned int seed = 0;  // of the threads' order; 0: as they are numbered

    int threads() const { return static_cast<int>(block.x * block.y * block.z); }
};

// Runs the call for every thread. Empty, or what stopped the kernel: a deadlock, a divergent barrier, a trap.
__attribute__((visibility("hidden"))) std::string run_kernel(const Launch& launch, const Call& call);

}  // namespace sncc_emulation
