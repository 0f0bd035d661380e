// Streams: what is queued runs as late as CUDA's rules allow, so that what nobody waited for has not happened.
#pragma once

#include <functional>

#include "../emulated/host_api.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

void enqueue(cudaStream_t stream, std::function<void()> run);
void finish(cudaStream_t stream);  // runs all that a stream has queued, and what that waits for
void finish_all();

}  // namespace sncc_emulation

#pragma GCC visibility pop
