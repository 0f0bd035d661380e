// The longest delay that a synapse may have where each has its own: delays are stored in 16 bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

#include "sncc/delays.h"
#include "sncc/engine.h"
#include "sncc/math.h"
#include "sncc/platform.h"

namespace sncc {

constexpr int longest_delay = 0xFFFF;  // steps

// At least `least` of them; what cannot be stored is more than `longest_delay`.
SNCC_HOST_DEVICE SNCC_INLINE int legal_steps(double steps, int least) { return static_cast<int>(!(steps > least) ? least : steps > 1e9 ? 1e9 : steps); }

[[noreturn]] SNCC_COLD inline void refuse_long_delay(const char* connection, double milliseconds, double steps, double step) {
    char text[200];
    std::snprintf(text, sizeof text, "a delay of %g ms is %.0f steps, at most %d are possible: shorten it, or take longer steps than %g ms", milliseconds, steps,
                  longest_delay, step);
    throw Failure(Code::argument, std::string("the connection `") + connection + "`: " + text);
}
// Of `count` delays, ms, and before anything is changed.
inline void refuse_long_delays(const char* connection, const double* values, std::int64_t count, double step) {
    for (std::int64_t e = 0; e < count; ++e)
        if (const double steps = nearest_steps(values[e], step); !(steps <= longest_delay)) refuse_long_delay(connection, values[e], steps, step);
}

}  // namespace sncc
