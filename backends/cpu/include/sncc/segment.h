// What an emitted update of neurons loops over, and what it calls of the engine, which is compiled apart.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "neuron_tables.h"
#include "sncc/engine.h"

namespace sncc {
namespace neurons {

struct Worker;

// Own neurons of one population in the arrays of its group. Positions are multiples of 64 from the population's first; the
// last range ends at a multiple of 16.
template <typename Real>
struct Segment {
    const void* arrays;
    void* state;
    std::int64_t n;  // the step, counted from the initial state
    Real t;
    std::uint64_t seed;
    std::uint32_t trial;
    int population;
    const PopulationInfo* info;
    std::int64_t begin, end;  // positions in the group
    std::int64_t first;       // index in the population of the neuron at `begin`
    Worker* worker;
    bool listed;

    static constexpr int chunk = 512;
    int count(std::int64_t position) const { return static_cast<int>(std::min<std::int64_t>(chunk, end - position)); }
    std::uint32_t element(std::int64_t position) const { return static_cast<std::uint32_t>(first + position - begin); }
    // Lists the neurons whose mask, from `position`, is not zero.
    void list(const Real* mask, std::int64_t position) const;
    // Counts of spikes of a chunk's neurons, each with its mean.
    void poisson(std::uint32_t stream, std::int64_t position, const double* means, int count, Real* to) const;
};

// The engine of a CPU for a network of such tables.
std::unique_ptr<Engine> make_workers(const Tables<float>& net, int threads);
std::unique_ptr<Engine> make_workers(const Tables<double>& net, int threads);

}  // namespace neurons
}  // namespace sncc
