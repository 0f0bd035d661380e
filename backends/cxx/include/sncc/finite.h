// Numbers that are none: what a simulation's states become where they explode.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>

#include "engine.h"
#include "list.h"

namespace sncc {

// Whether no number is infinite or none. By their bits and without a branch, so that many are looked at at once.
template <typename Real>
bool are_finite(const Real* numbers, std::int64_t count) {
    using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
    static_assert(sizeof(Real) == sizeof(Bits), "float or double");
    constexpr Bits exponent = sizeof(Real) == 4 ? Bits(0x7f800000u) : static_cast<Bits>(0x7ff0000000000000u);
    Bits found = 0;
    for (std::int64_t j = 0; j < count; ++j) {
        Bits bits;
        std::memcpy(&bits, numbers + j, sizeof bits);
        found |= static_cast<Bits>((bits & exponent) == exponent);
    }
    return found == 0;
}

// A number that is infinite or none: its population, -1 where all are finite, what it is, as in "the state `v`", and the neuron.
struct NotFinite {
    int population;
    const char* what;
    std::int64_t neuron;
};
SNCC_COLD inline std::string said(const NotFinite& found, const char* population, std::int64_t step, std::int64_t sample) {
    return std::string(found.what) + " of `" + population + "` is not finite in neuron " + std::to_string(found.neuron) + " at step " + std::to_string(step) +
           " of sample " + std::to_string(sample);
}

// The first number that is infinite or none, -1 where all are finite. Where one of `first`, if that is given, is infinite, these may be so.
template <typename Real>
SNCC_COLD std::int64_t find_not_finite(const Real* numbers, const Real* first, std::int64_t count) {
    bool may_be_infinite = false;
    for (std::int64_t j = 0; first && j < count; ++j) may_be_infinite |= std::isinf(first[j]);
    for (std::int64_t j = 0; j < count; ++j)
        if (std::isnan(numbers[j]) || (std::isinf(numbers[j]) && !may_be_infinite)) return j;
    return -1;
}
template <typename Real>
std::int64_t first_not_finite(const Real* numbers, const Real* first, std::int64_t count) {
    return are_finite(numbers, count) ? -1 : find_not_finite(numbers, first, count);
}

// Looks at the neurons' states after a run. Throws Failure that names population, state, neuron and the run's time.
// A state that begins infinite, such as the time of a last spike, may be so.
SNCC_COLD inline void check_states(const Description& about, Engine& engine, const Simulation& run) {
    if (engine.states_are_finite(about)) return;
    for (int p = 0; p < about.population_count; ++p)
        for (int k = 0; k < about.populations[p].state_count; ++k) {
            const PopulationDescription& population = about.populations[p];
            const List<double> values = engine.state_of(p, k, population.size);
            if (are_finite(values.data(), population.size)) continue;
            bool may_be_infinite = false;
            for (const double value : engine.first_state_of(run, p, k, population.size)) may_be_infinite |= std::isinf(value);
            for (std::size_t j = 0; j < values.size(); ++j) {
                if (std::isfinite(values[j]) || (std::isinf(values[j]) && may_be_infinite)) continue;
                const std::int64_t end = engine.step_count(), begin = end - run.steps;
                char when[120];
                std::snprintf(when, sizeof when, "after steps %lld to %lld (%g s to %g s)", static_cast<long long>(begin + 1), static_cast<long long>(end),
                              static_cast<double>(begin) * about.step / 1000, static_cast<double>(end) * about.step / 1000);
                throw Failure(Code::numerical, std::string("the state `") + population.states[k].name + "` of `" + population.name + "` is not finite: it is " +
                                                   (std::isnan(values[j]) ? "nan" : values[j] > 0 ? "inf" : "-inf") + " in neuron " + std::to_string(j) + ' ' + when +
                                                   ". A shorter step, another method or smaller weights may help; a stored state can be restored");
            }
        }
}

}  // namespace sncc
