// What a thread of a neuron-parallel simulation sees: the network in device memory, its own neurons, spikes of other neurons.
//
// A block owns a tile of words of 32 neurons, its warps a word each in turn, and all synapses onto them: so no float is added atomically,
// and a neuron adds its inputs in the order (arrival step, connection, source), as in the C++ half. `Network` is emitted.
#pragma once

#include <cstdint>

#include "sncc/cuda_block.h"
#include "sncc/neuron_tables.h"
#include "sncc/poisson.h"

namespace sncc {
namespace cuda {

// Spikes of a population, or of a source, in the steps from `first` on: a bit a neuron and, where one may spike several times in a
// step, how often. Nothing where nobody reads them.
struct SpikeRows {
    std::uint32_t* bits;
    std::uint32_t* counts;
    std::int64_t words, neurons;  // of a row of bits, of one of counts
    std::int64_t first;

    __device__ std::uint32_t count(std::int64_t n, std::int64_t i) const {
        return counts ? counts[(n - first) * neurons + i] : (bits[(n - first) * words + i / 32] >> (i % 32)) & 1u;
    }
};

// Synapses by target: entry e of neuron j stands at slices[j / 32] + 32 · e + j % 32, so that the lanes of a warp read neighbours. Entries
// ascend by source; with a delay per synapse, of spikes, the longest delays come first.
template <typename Real>
struct Columns {
    const std::uint64_t* slices;
    const std::uint32_t* lengths;  // of the columns
    const std::uint16_t* narrow;   // sources, where there are at most 2^16
    const std::uint32_t* wide;     // elsewhere
    const std::uint16_t* delays;   // steps; null: the connection's
    // Where the longest delays come first and values are delivered too: which place is next by source; else null.
    const std::uint32_t* ascending;
    const std::uint32_t* numbers;  // of the synapses in the user's order, where one draws; else null

    // No kernel writes these: they stay in the nearest cache, whatever the threads meet.
    __device__ std::uint64_t begin(std::int64_t j) const { return __ldg(slices + j / 32) + static_cast<std::uint64_t>(j % 32); }
    __device__ std::uint64_t end(std::int64_t j) const { return begin(j) + 32ull * __ldg(lengths + j); }
    __device__ std::uint32_t source(std::uint64_t place) const { return narrow ? __ldg(narrow + place) : __ldg(wide + place); }
    __device__ int delay(std::uint64_t place) const { return __ldg(delays + place); }
    __device__ std::uint64_t by_source(std::uint64_t place) const { return ascending ? __ldg(ascending + place) : place; }
};

// The same synapses by tile of targets and source, for deliveries by spikes: what source i has in a tile, the t-th that has any neuron of the
// population, is starts[t · (sources + 1) + i] .. [.. + i + 1], in the order of its row.
template <typename Real>
struct TileRows {
    const std::uint32_t* starts;
    const std::uint16_t* targets;  // counted from the tile's first neuron of the population
    const std::uint16_t* delays;   // steps; null: the connection's
    const Real* weights;           // null: one for all, or they change and stand in the column
    const std::uint32_t* places;   // in the columns, where these are needed too
    std::int64_t sources;
    int first_tile;
};

template <typename Real>
struct ConnectArguments;

// A connection as deliveries see it; numbers of other tables are -1 where there is nothing.
template <typename Real>
struct ConnectionView {
    neurons::Format format;
    Columns<Real> columns;
    TileRows<Real> rows;
    const Real* weights;  // of the columns' synapses, of a matrix (rows of `stride`) or of a vector; null: `one` for all
    Real one;
    std::int64_t stride;
    int source, source_population, target_population;
    std::int64_t source_first, source_size, target_first, target_size;
    int delay, least, most;  // steps; least and most of the synapses' own delays
    int values, gain, input;
    bool signal, masked, delayed;
    int sum;        // with a delay per synapse: connections of the same one are summed in a step before they are added to their input; else -1
    bool ends_sum;  // the last of them adds it
    bool handed_on; // by meetings; else what is summed goes in at once
    bool pushed;    // delivered by spikes; else each target looks through its column
    bool counted;   // all synapses have one weight: what arrives is counted ahead
    const ConnectArguments<Real>* made;  // its rows are drawn again at each spike (cuda_made_rows.h); else null

    __device__ Real weight(std::uint64_t place) const { return weights ? weights[place] : one; }
};

// What an operation is that delivers no connection.
constexpr int updates = -1, nothing = -2;

// A state that is recorded: point p (counted from the run's start) at to[(p - first_point) * size].
template <typename Real>
struct TraceView {
    const Real* variable;
    int population;
    std::int64_t every, first, size, first_point;
    Real* to;
};

// The whole network in device memory, for some steps of a run.
template <typename Network>
struct NetworkView {
    using Real = typename Network::Real;
    typename Network::State* state;
    const typename Network::Arrays* arrays;
    std::uint64_t seed;
    std::uint32_t trial;
    std::int64_t run_begin;  // steps before the run
    Real* fields[Network::fields_count + 1];
    const Real* masks[Network::populations + 1];  // what neurons emitted in their last update
    Real* histories[Network::fields_count + 1];
    std::int64_t history_strides[Network::fields_count + 1];
    std::uint64_t history_masks[Network::fields_count + 1];
    Real* rings[2 * Network::fields_count + 1];  // by `sum`: what arrives later, a row per step
    std::int64_t ring_strides[2 * Network::fields_count + 1];
    std::uint64_t ring_masks[2 * Network::fields_count + 1];
    Real* synapse_fields[Network::synapse_fields + 1];
    double numbers[Network::parameters + 1];  // those that are one for all
    SpikeRows populations[Network::populations + 1];
    SpikeRows sources[Network::sources + 1];
    ValueRows<Real> values[Network::sources + 1];
    ConnectionView<Real> connections[Network::connections_count + 1];
    const TraceView<Real>* traces;
    int trace_count;
    int first_words[Network::populations + 1];     // the number of a population's first word among all
    int tile_words;                                // block b owns the words b · tile_words ..
    int delivers[Network::operations_count + 1];   // which connection an operation delivers; `updates`: none, `nothing`: all is done elsewhere
    bool together[Network::operations_count + 1];  // whether all threads of a block come to an operation; else a warp with neurons of its own does it alone
    int counted_cells;                             // of shared memory, for arrivals that are counted
    int phases[Network::operations_count + 2];     // operations at which all threads meet first, ended by the number of operations
    int phase_count;
    std::int64_t interval;                         // steps between meetings
    bool sends;                                    // spikes go into rings
};

// Steps first + 1 .. last, of them operations begin .. end. Spikes of the steps up to `sent` are in the rings that meetings fill; `anew`:
// the rings are empty, all spikes since then go in. A launch that is replayed counts its steps from where `since` says, others from 0.
template <typename Network>
struct StepArguments {
    const NetworkView<Network>* view;
    std::int64_t first, last, sent;
    bool anew;
    int begin, end;
    const std::int64_t* since;
};

// After the last launch of a replay.
struct AdvanceArguments {
    std::int64_t* since;
    std::int64_t steps;
};

struct StepRoom;

// One step, as the calling thread goes through it.
template <typename Network>
struct Step {
    using Real = typename Network::Real;
    const NetworkView<Network>& v;
    StepRoom& room;
    std::int64_t n;  // counted from the initial state
    Real t;
    int warp, warps, lane;  // in the block

    __device__ Step(const NetworkView<Network>& view, StepRoom& shared, std::int64_t number)
        : v(view), room(shared), n(number), t(static_cast<Real>(Network::step_ms * static_cast<double>(number - 1))),
          warp(static_cast<int>(threadIdx.x / 32u)), warps(static_cast<int>(blockDim.x / 32u)), lane(static_cast<int>(threadIdx.x % 32u)) {}

    // The first word of a population that the block owns; it may be negative.
    __device__ int first_word(int population) const { return static_cast<int>(blockIdx.x) * v.tile_words - v.first_words[population]; }
    // The first neuron of a population that the block owns.
    __device__ int first_neuron(int population) const { return max(first_word(population), 0) * 32; }
    __device__ bool owns(int population, std::int64_t size) const {
        const int first = first_word(population);
        return first < (size + 31) / 32 && first + v.tile_words > 0;
    }
    // Words of 32 neurons of a population that the warp owns; all lanes call body(word).
    template <typename Body>
    __device__ void for_words(int population, std::int64_t size, const Body& body) const {
        const int first = first_word(population), end = min(first + v.tile_words, static_cast<int>((size + 31) / 32));
        for (int word = max(first, 0) + warp; word < end; word += warps) body(word);
    }
    // Own neurons of a population below `size`.
    template <typename Body>
    __device__ void for_own(int population, std::int64_t size, const Body& body) const {
        for_words(population, size, [&](int word) {
            const int j = word * 32 + lane;
            if (j < size) body(j);
        });
    }
    template <typename Body>
    __device__ void for_range(int population, int first, int last, const Body& body) const {
        for_own(population, last, [&](int j) {
            if (j >= first) body(j);
        });
    }
    // Own neurons of a population; body(j) says how often each spikes, which is written for those who read it.
    template <typename Body>
    __device__ void for_spiking(int population, std::int64_t size, const Body& body) const {
        const SpikeRows& rows = v.populations[population];
        for_words(population, size, [&](int word) {
            const int j = word * 32 + lane;
            const Real times = j < size ? body(j) : Real(0);
            if (!rows.bits) return;
            const unsigned bits = __ballot_sync(0xffffffffu, times != Real(0));
            if (lane == 0) rows.bits[(n - rows.first) * rows.words + word] = bits;
            if (rows.counts && j < size) rows.counts[(n - rows.first) * rows.neurons + j] = static_cast<std::uint32_t>(times);
        });
        __syncwarp();
    }
    // Keeps a field's values for those that read them in later steps.
    __device__ void keep(int field, int population, std::int64_t size) const {
        Real* const to = at(field, n);
        for_own(population, size, [&](int j) { to[j] = v.fields[field][j]; });
    }
    // A field's values after step `step`; before the first step its first ones.
    __device__ Real* at(int field, std::int64_t step) const {
        const std::uint64_t slot = static_cast<std::uint64_t>(step < 0 ? 0 : step) & v.history_masks[field];
        return v.histories[field] + static_cast<std::int64_t>(slot) * v.history_strides[field];
    }
    // What arrives at step `step` of what is summed so.
    __device__ Real* ring(int sum, std::int64_t step) const {
        return v.rings[sum] + static_cast<std::int64_t>(static_cast<std::uint64_t>(step) & v.ring_masks[sum]) * v.ring_strides[sum];
    }
    __device__ const SpikeRows& spikes(const ConnectionView<Real>& c) const {
        return c.source_population >= 0 ? v.populations[c.source_population] : v.sources[c.source];
    }
    // What a connection's source hands over at step `step`; null: nothing.
    __device__ const Real* values(const ConnectionView<Real>& c, std::int64_t step) const {
        return c.values >= 0 ? at(c.values, step) : v.values[c.source].row(step);
    }
    __device__ void record() const {
        for (int k = 0; k < v.trace_count; ++k) {
            const TraceView<Real>& trace = v.traces[k];
            if ((n - v.run_begin) % trace.every != 0) continue;
            Real* const to = trace.to + ((n - v.run_begin) / trace.every - trace.first_point) * trace.size;
            for_own(trace.population, trace.first + trace.size, [&](int j) {
                if (j >= trace.first) to[j - trace.first] = trace.variable[j];
            });
        }
    }
};

// Calls visit(place, source, steps ago, spikes before this one) for the entries of a column in [place, end) whose source has spiked, as often as it has, in the
// order in which the spikes are listed: several entries of one source are served once for each of its spikes.
template <typename Real, typename Visit>
__device__ inline void for_counted(const ConnectionView<Real>& c, const SpikeRows& spikes, std::int64_t n, std::uint64_t place, std::uint64_t end,
                                   const Visit& visit) {
    while (place < end) {
        const std::uint32_t source = c.columns.source(place);
        const int ago = c.delayed ? c.columns.delay(place) : c.delay;
        const std::uint32_t count = spikes.count(n - ago, source);
        std::uint64_t others = place + 32;
        while (count > 1 && others < end && c.columns.source(others) == source && (!c.delayed || c.columns.delay(others) == ago)) others += 32;
        for (std::uint32_t k = 0; k < count; ++k)
            for (std::uint64_t each = place; each < others; each += 32) visit(each, source, ago, k);
        place = others;
    }
}

// The same, by bits where a source spikes at most once: several entries are looked up at once, so that their loads do not wait for each other.
template <typename Real, typename Visit>
__device__ inline void for_arrivals(const ConnectionView<Real>& c, const SpikeRows& spikes, std::int64_t n, std::uint64_t place, std::uint64_t end,
                                    const Visit& visit) {
    constexpr int at_once = 8;
    if (spikes.counts) return for_counted(c, spikes, n, place, end, visit);
    for (; place < end; place += 32 * at_once) {
        unsigned spiked = 0;
#pragma unroll
        for (int k = 0; k < at_once; ++k) {
            const std::uint64_t entry = place + 32u * static_cast<unsigned>(k), there = entry < end ? entry : end - 32;
            const int ago = c.delayed ? c.columns.delay(there) : c.delay;
            spiked |= (entry < end ? spikes.count(n - ago, c.columns.source(there)) : 0u) << k;
        }
        for (; spiked != 0; spiked &= spiked - 1) {
            const std::uint64_t entry = place + 32u * static_cast<unsigned>(__ffs(static_cast<int>(spiked)) - 1);
            visit(entry, c.columns.source(entry), c.delayed ? c.columns.delay(entry) : c.delay, 0u);
        }
    }
}

}  // namespace cuda
}  // namespace sncc
