// Device memory: pages that nothing may touch outside of kernels and copies.
#pragma once

#include <cstddef>

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

constexpr std::size_t ARENA_BYTES = std::size_t(64) << 30;  // of addresses, so that freed ones are not soon used again

const char* arena();  // where it starts; null under the address sanitizer
long setting(const char* name, long otherwise);

// Bytes for the device, NaN in float and double; null where it has no more.
void* allocate(std::size_t bytes);
bool release(void* pointer);  // false: not the start of an allocation
bool on_device(const void* pointer, std::size_t bytes);
std::size_t bytes_in_use();
std::size_t bytes_in_all();

class Open {  // device memory may be touched while one of these lives
public:
    Open();
    ~Open();
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
};

}  // namespace sncc_emulation

#pragma GCC visibility pop
