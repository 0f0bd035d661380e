// The entry of the race detector: an access of the kernel's thread that runs.
#pragma once

#include <cstddef>

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

// `place`: where the code goes on after it. Only while a thread is watched.
void watch_access(const void* address, std::size_t bytes, bool write, const void* place);
// One that the compiler takes to be at a multiple of its size, and that is not.
[[noreturn]] void misaligned(std::size_t bytes, bool write, const void* place);

}  // namespace sncc_emulation

#pragma GCC visibility pop
