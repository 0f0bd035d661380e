// The shortest and the longest delay that a synapse may have where each has its own: the latter are stored in 16 bits.
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
[[noreturn]] SNCC_COLD inline void refuse_short_delay(const char* connection, double milliseconds, std::int64_t least, double step) {
    char text[160];
    std::snprintf(text, sizeof text, "a delay of %g ms: the smallest of this connection is %g ms (%d %s)", milliseconds, static_cast<double>(least) * step,
                  static_cast<int>(least), least == 1 ? "step" : "steps");
    throw Failure(Code::argument, std::string("the connection `") + connection + "`: " + text);
}
// A delay that is set, ms, before anything is changed.
inline void refuse_delay(const char* connection, double milliseconds, std::int64_t least, double step) {
    const double steps = nearest_steps(milliseconds, step);
    if (!(steps <= longest_delay)) refuse_long_delay(connection, milliseconds, steps, step);
    if (steps < static_cast<double>(least)) refuse_short_delay(connection, milliseconds, least, step);
}

}  // namespace sncc
