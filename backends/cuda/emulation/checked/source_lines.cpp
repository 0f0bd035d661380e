#include "source_lines.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <vector>

namespace sncc_emulation {
namespace {

// "/a/b/file.cu:12 (discriminator 3)" → "file.cu:12"; empty where the line is not known.
std::string shortened(std::string line) {
    line = line.substr(0, line.find(' '));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    line = line.substr(line.rfind('/') == std::string::npos ? 0 : line.rfind('/') + 1);
    return line.empty() || line.find('?') != std::string::npos ? "" : line;
}

std::string looked_up(const void* address) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return "an unknown place";
    const std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase) - 1;
    char command[4096];
    std::snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx 2>/dev/null", info.dli_fname, static_cast<std::size_t>(offset));
    std::vector<std::string> lines;  // innermost first
    if (std::FILE* const out = popen(command, "r")) {
        char text[4096];
        while (std::fgets(text, sizeof text, out)) {
            const std::string line = shortened(text);
            if (!line.empty() && (lines.empty() || lines.back() != line)) lines.push_back(line);
        }
        pclose(out);
    }
    if (lines.empty()) {
        std::snprintf(command, sizeof command, "%s+0x%zx", info.dli_fname, static_cast<std::size_t>(offset));
        return command;
    }
    return lines.size() > 1 ? lines.front() + " in " + lines.back() : lines.front();
}

}  // namespace

std::string source_line(const void* return_address) {
    static std::map<const void*, std::string> known;
    auto found = known.find(return_address);
    if (found == known.end()) found = known.emplace(return_address, looked_up(return_address)).first;
    return found->second;
}

}  // namespace sncc_emulation
