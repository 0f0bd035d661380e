// The device's state that all of the host's functions share: one caller at a time, errors that stay.
#pragma once

#include <mutex>
#include <string>

#include "../emulated/host_api.h"

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

extern std::recursive_mutex one_caller;
using Lock = std::lock_guard<std::recursive_mutex>;

bool no_device();
bool allocation_fails();               // this one, as SNCC_EMULATION_FAIL_MALLOC wants
cudaError_t state();                   // cudaSuccess while there is a device and no kernel has failed
cudaError_t give(cudaError_t error);   // remembers an error for cudaGetLastError
void kernel_failed(const std::string& why);  // nothing else succeeds after that, as on a device
void note(const std::string& launch);  // a line for each launch of the host, for tests that count them

}  // namespace sncc_emulation

#pragma GCC visibility pop
