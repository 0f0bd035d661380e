// Delays that need not be whole steps: one of k + f steps delivers (1 - f) of the weight at k and f of it at k + 1; some deliver
// all of it at the nearest step, or at k.
#pragma once

#include <cstdint>

#include "sncc/math.h"
#include "sncc/platform.h"

namespace sncc {

// A delay in ms as steps, as its decimal digits say: that many digits of a time and of a step have no exact binary form, so what is by less
// than the last bit of a float beside a whole number of steps, or a half, is taken for it.
constexpr double of_a_float = 1e-7;
SNCC_HOST_DEVICE SNCC_INLINE double nearest_steps(double milliseconds, double step) { return m_floor(milliseconds / step * (1 + of_a_float) + 0.5); }
SNCC_HOST_DEVICE SNCC_INLINE double fractional_steps(double milliseconds, double step) {
    const double steps = milliseconds / step, whole = m_floor(steps + 0.5), beside = steps - whole;
    return (beside < 0 ? -beside : beside) <= of_a_float * whole ? whole : steps;
}

enum class DelayMode { parts, nearest, whole };

// The delays of a connection, in ms and laid out as its weights, and the steps that they are raised to and may reach.
template <typename Real>
struct FractionalDelays {
    const Real* values;
    double step;
    std::int64_t least, most;
    DelayMode mode;

    struct Split {
        std::int64_t whole;
        Real rest;

        // What of a weight arrives d steps after the spike.
        SNCC_HOST_DEVICE Real part_at(std::int64_t d) const { return d == whole ? Real(1) - rest : d == whole + 1 ? rest : Real(0); }
        // What comes back to a weight, from where its two parts arrive.
        SNCC_HOST_DEVICE Real between(Real here, Real next) const { return (Real(1) - rest) * here + rest * next; }
    };
    SNCC_HOST_DEVICE Split at(std::int64_t element) const {
        const double given = fractional_steps(static_cast<double>(values[element]), step), low = static_cast<double>(least), high = static_cast<double>(most - 1);
        const double raised = given < low ? low : given, steps = raised > high ? high : raised;
        if (mode == DelayMode::nearest) return {static_cast<std::int64_t>(nearest_steps(steps, 1)), Real(0)};
        const double whole = m_floor(steps);
        return {static_cast<std::int64_t>(whole), mode == DelayMode::whole ? Real(0) : static_cast<Real>(steps - whole)};
    }
    // The derivative by a delay of the part that arrives at the latter of both steps, and less of the former; none of one that is raised, other
    // than by rounding.
    SNCC_HOST_DEVICE Real slope(std::int64_t element) const {
        return static_cast<double>(values[element]) / step > static_cast<double>(least) - 1e-3 ? static_cast<Real>(1 / step) : Real(0);
    }
};

}  // namespace sncc
