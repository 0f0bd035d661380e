// Streams: what is queued runs as late as CUDA's rules allow, so that what nobody waited for has not happened.
#pragma once

#include <functional>

#include "../emulated/host_api.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

// What a stream that captures is given goes into its graph instead, and runs when that is launched.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> run);
bool captures(cudaStream_t stream);
// Where something is done that may not be while a stream captures: spoils the capture, and says which error that is.
cudaError_t spoil_captures();
void finish(cudaStream_t stream);  // runs all that a stream has queued, and what that waits for
void finish_all();

}  // namespace sncc_emulation

#pragma GCC visibility pop
