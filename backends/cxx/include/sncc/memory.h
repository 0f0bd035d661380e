// How much memory is left, so that a network that does not fit is refused before it is built.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "platform.h"

namespace sncc {

// The number behind a word in a file of the system, or behind nothing; below 0: there is none.
SNCC_COLD inline double number_in(const char* path, const char* word) {
    double number = -1;
    std::FILE* const file = std::fopen(path, "r");
    if (!file) return number;
    char found[128];
    if (*word == 0) {
        if (std::fscanf(file, "%lf", &number) != 1) number = -1;
    } else {
        while (number < 0 && std::fscanf(file, "%127s", found) == 1)
            if (std::strcmp(found, word) == 0 && std::fscanf(file, "%lf", &number) != 1) break;
    }
    std::fclose(file);
    return number;
}

// Bytes that this process may still take: what the system has free, and what its control group allows. Infinite where nothing says.
SNCC_COLD inline double available_memory() {
    double bytes = std::numeric_limits<double>::infinity();
    if (const char* const limit = std::getenv("SNCC_MEMORY_LIMIT")) return std::strtod(limit, nullptr);  // for tests
    if (const double kilobytes = number_in("/proc/meminfo", "MemAvailable:"); kilobytes >= 0) bytes = kilobytes * 1024;
    const double most = number_in("/sys/fs/cgroup/memory.max", ""), now = number_in("/sys/fs/cgroup/memory.current", "");
    if (most < 0 || now < 0) return bytes;  // "max" is no number
    const double files = number_in("/sys/fs/cgroup/memory.stat", "inactive_file");  // given back where memory is short
    return std::min(bytes, std::max(0.0, most - now + std::max(0.0, files)));
}

// Two digits, or as many as a whole number of the unit has; `enough`: rounded up, as for a bound to be set.
SNCC_COLD inline std::string readable_bytes(double bytes, bool enough = false) {
    const char* const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    while (bytes >= 1000 && unit < 5) bytes /= 1000, ++unit;
    const double digit = bytes < 10 && unit > 0 ? 10 : 1;
    if (enough) bytes = std::ceil(bytes * digit) / digit;
    char text[32];
    std::snprintf(text, sizeof text, bytes < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

}  // namespace sncc
