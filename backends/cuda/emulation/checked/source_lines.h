// The source line of an address in this library, by its debugging information.
#pragma once

#include <string>

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

// "file.h:12", or with what it was inlined into: "file.h:12 in kernel.cu:40". Without addr2line: the module and the offset.
std::string source_line(const void* return_address);

}  // namespace sncc_emulation

#pragma GCC visibility pop
