// How much memory is left, so that a network that does not fit is refused before it is built.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

namespace sncc {

// Bytes that this process may still take: what the system has free, and what its control group allows. Infinite where nothing says.
inline double available_memory() {
    double bytes = std::numeric_limits<double>::infinity();
    if (const char* const limit = std::getenv("SNCC_MEMORY_LIMIT")) return std::strtod(limit, nullptr);  // for tests
    std::ifstream system("/proc/meminfo");
    for (std::string word; system >> word;)
        if (word == "MemAvailable:") {
            double kilobytes = 0;
            if (system >> kilobytes) bytes = kilobytes * 1024;
            break;
        }
    std::ifstream limit("/sys/fs/cgroup/memory.max"), used("/sys/fs/cgroup/memory.current"), parts("/sys/fs/cgroup/memory.stat");
    double most = 0, now = 0;
    if (!(limit >> most && used >> now)) return bytes;  // "max" is no number
    for (std::string word; parts >> word;)
        if (double files = 0; word == "inactive_file" && parts >> files) now -= files;  // given back where memory is short
    return std::min(bytes, std::max(0.0, most - now));
}

inline std::string readable_bytes(double bytes) {
    const char* const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    while (bytes >= 1000 && unit < 5) bytes /= 1000, ++unit;
    char text[32];
    std::snprintf(text, sizeof text, bytes < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

}  // namespace sncc
