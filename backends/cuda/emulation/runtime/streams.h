// Streams: what is queued runs as late as CUDA's rules allow, so that what nobody waited for has not happened.
#pragma once

#include <cstddef>
#include <functional>

#include "../emulated/host_api.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

// Memory of the host that a copy reads or writes.
struct HostSide {
    const void* start = nullptr;
    std::size_t bytes = 0;
};
// What a stream that captures is given goes into its graph instead, and runs when that is launched.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> run, HostSide host = {});
bool copies_wait_for(const void* start, std::size_t bytes);  // whether one that was given to a stream has not run
bool captures(cudaStream_t stream);
// Where something is done that may not be while a stream captures: spoils the capture, and says which error that is. Another thread's capture is spoilt
// where it is of the mode `global`, or by what concerns the `whole` device.
cudaError_t spoil_captures(bool whole = false);
void finish_before_last();  // all that a wait for the legacy stream runs, but what that was given last
void finish(cudaStream_t stream);  // runs all that a stream has queued, and what that waits for
void finish_all();

}  // namespace sncc_emulation

#pragma GCC visibility pop
