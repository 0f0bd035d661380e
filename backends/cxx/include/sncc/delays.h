// Delays that need not be whole steps: one of k + f steps delivers (1 - f) of the weight at k and f of it at k + 1; rounded ones deliver
// at the nearest step.
#pragma once

#include <cstdint>

#include "sncc/math.h"
#include "sncc/platform.h"

namespace sncc {

// The delays of a connection, in ms and laid out as its weights, and the steps that they are raised to and may reach.
template <typename Real>
struct FractionalDelays {
    const Real* values;
    double step;
    std::int64_t least, most;
    bool rounded;

    struct Split {
        std::int64_t whole;
        Real rest;

        // What of a weight arrives d steps after the spike.
        SNCC_HOST_DEVICE Real part_at(std::int64_t d) const { return d == whole ? Real(1) - rest : d == whole + 1 ? rest : Real(0); }
        // What comes back to a weight, from where its two parts arrive.
        SNCC_HOST_DEVICE Real between(Real here, Real next) const { return (Real(1) - rest) * here + rest * next; }
    };
    SNCC_HOST_DEVICE Split at(std::int64_t element) const {
        const double given = static_cast<double>(values[element]) / step, low = static_cast<double>(least), high = static_cast<double>(most - 1);
        const double raised = given < low ? low : given, steps = raised > high ? high : raised;
        if (rounded) return {static_cast<std::int64_t>(m_floor(steps + 0.5)), Real(0)};
        const double whole = m_floor(steps);
        return {static_cast<std::int64_t>(whole), static_cast<Real>(steps - whole)};
    }
    // The derivative by a delay of the part that arrives at the latter of both steps, and less of the former; none of one that is raised, other
    // than by rounding.
    SNCC_HOST_DEVICE Real slope(std::int64_t element) const {
        return static_cast<double>(values[element]) / step > static_cast<double>(least) - 1e-3 ? static_cast<Real>(1 / step) : Real(0);
    }
};

}  // namespace sncc
