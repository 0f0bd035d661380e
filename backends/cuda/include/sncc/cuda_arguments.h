// What the host hands to the kernels. `Network` is emitted: the layout of states, the sizes, the shapes of parameters.
#pragma once

#include <cstdint>

#include "sncc/bfloat16.h"
#include "sncc/cuda_block.h"
#include "sncc/table_rows.h"

namespace sncc {
namespace cuda {

struct Shape {
    int rows, columns;
    bool shared, learnt, weight;
    double rate, scale, lower, upper;
    bool keeps_sign;
    bool apart;  // a square matrix without a neuron's weight to itself: its diagonal is zero

    std::int64_t stride() const { return (columns + 15) / 16 * 16; }
    std::int64_t size() const { return rows * stride(); }
    // Where one number for all stands: beside the diagonal where that is zero.
    int place_of_one() const { return shared && apart ? 1 : 0; }
};

// A weight of which a launch copies so many bytes into each block's shared memory, where it has so many steps; as many of its `rows` as have
// room, where these are not 0.
struct CopiedWeights {
    std::int64_t bytes, steps, rows;
};

// Where in a block's shared memory the copies of a connection's synapses begin (-1: there are none), how many there are, and bytes of what each
// of them has: its target, and, where these are not 0, its delay, the number of its weight's place, its weight.
struct CopiedSynapses {
    std::int32_t at;
    std::uint32_t count;
    int delay, element, weight;

    SNCC_HOST_DEVICE std::int64_t delays() const { return at + rounded(4); }
    SNCC_HOST_DEVICE std::int64_t elements() const { return delays() + rounded(delay); }
    SNCC_HOST_DEVICE std::int64_t weights() const { return elements() + rounded(element); }
    SNCC_HOST_DEVICE std::int64_t end() const { return weights() + rounded(weight); }

private:
    SNCC_HOST_DEVICE std::int64_t rounded(int each) const { return (std::int64_t(each) * count + 15) / 16 * 16; }
};

// In place of a parameter whose gradient is none: there is none such.
constexpr int all_finite_bytes = 0x7f, all_finite = 0x7f7f7f7f;

// Traces whose number is known when synapses are built, all of one update: for synapses in rows, or (-1) of so many numbers each; along
// rows there are so many for each synapse that a source has at most, and for each of these so many `around`, where a loop is inside of another one.
// Those of `steps` are kept of as many steps as the delays of these rows.
struct LateTraces {
    int rows;
    std::int64_t size;
    int count, along, steps, around = -1;
};

// Where a sample met a number that is none: in a state (1) or, on the way back, in an adjoint (2).
struct FailureRecord {
    std::int64_t phase, place, step;
};

// A state that is recorded: from number `from` of the states, `size` numbers after every `every` steps.
struct TraceRecord {
    std::int64_t from, size, every, to;
};

// What differs between the rounds of a batch: steps of samples in lockstep, between which the weights change, and segments of sequences that are cut.
struct Round {
    std::int64_t from, to;  // forwards in time: the steps are from + 1 .. to; to is 0 where they are all
    std::int64_t origin;    // the tape has the steps after it
    bool resumes;           // goes through a segment once more from its checkpoint, then back
    bool penalises;         // after all steps, in lockstep: penalties over the batch, whose rates are known now
    bool adds;              // gradients to what samples of the batch have left before
    bool adds_sums;         // the same for the sums, which are there when the first steps have gone back
};

template <typename Network>
struct SampleArguments {
    using Real = typename Network::Real;
    const Real* parameters;
    const Bfloat16* halves;        // weights of 16 bits
    const DeviceRows<Real>* rows;  // of connections whose synapses are rows of targets
    const typename Network::Arrays* arrays;
    typename Network::Workspace* workspaces;  // null: in shared memory
    void* slices;                             // the same of what each block of a cluster has of a sample, between steps in lockstep
    std::int32_t copies[Network::copy_count + 1];  // where in its shared memory a block has its own of a weight; -1: it has none
    int copied_rows[Network::copy_count + 1];      // how many, of those of which some may be copied
    CopiedSynapses copied_synapses[Network::rows_count + 1];
    std::int32_t rows_at;  // where `rows` stand with those copies in place of the arrays; -1: nowhere
    int copies_made;
    typename Network::State* carried;         // simulation: the state between runs
    bool fresh;                               // start at the initial state
    bool keeps;                               // the tape, for the way back
    bool looks;                               // at every step for numbers that are none
    bool looks_in_the_end;                    // the same after the last step, where no gradients are computed
    bool learns;                              // computes gradients: with dropout
    FailureRecord* failures;
    std::uint64_t seed;
    const std::uint32_t* trials;
    const std::int32_t* steps;
    std::int64_t most_steps, before, lead;
    int batch, of;  // samples of this launch, and of the batch whose mean the loss is
    // Behind the sources and populations: what dropout leaves of them, connection by connection.
    EventRows events[Network::sources + Network::thinned + 1];  // offsets of sample b from b * (most_steps + lead + 1) on
    const Real* values[Network::sources + Network::thinned + 1];
    std::uint32_t* bits[Network::populations + Network::thinned + 1];
    std::uint32_t* fired;                     // spikes by neuron: a bit for each step
    Real* series[Network::series_count + 1];  // states that synapses deliver: `series_lead` rows from before the first step
    std::int64_t series_lead;
    const std::int32_t* classes;
    const double* targets;
    bool label_per_step;
    Round round;
    // The tape holds `room` steps of each sample, those after the round's origin. Where that is not the whole sequence, it is cut in segments
    // of `length` steps, of which the first round goes back through the last; one that resumes runs another once more from its checkpoint.
    std::int64_t room, length, segments, most_delay;
    typename Network::State* checkpoints;  // the states of sample b at the start of segment k: b * segments + k
    typename Network::Workspace* saved;    // what a sample goes on with between two launches
    std::int32_t* rest;                    // the steps of each sample after the origin
    Real* eligibility;       // traces of sample b from b * trace_width on: `trace_size`, then room for what a source emitted; of each block of a cluster, behind its parts
    Real* sample_gradients;  // from b * gradient_width on, each as the sum from `gathered` on
    const Real* gathered;
    std::int64_t trace_size, trace_width, gradient_width;
    std::int64_t trace_starts[Network::late_trace_count + 1];  // of traces for synapses in rows, update by update
    Real* tape;
    Real* errors;
    double* sums;
    double* losses;
    double* rates;             // of penalised neurons, by sample
    double* mean_rates;        // over the samples
    bool finds_rates;          // these too: all blocks of the launch meet at their samples' ends
    std::int64_t* counts;  // correct, labelled
    Real* outputs;
    Real* step_outputs;
    const TraceRecord* traces;
    int trace_count;
    Real* trace_values;
};

template <typename Network>
struct GatherArguments {
    using Real = typename Network::Real;
    Real* gradient;
    const Real* parameters;
    const DeviceRows<Real>* rows;
    Round round;
    const std::int32_t* steps;            // after its origin
    std::int64_t most_steps;
    std::int64_t room, length;            // the tape's steps of each sample are `room` after the origin; of these the first `length` are gathered
    int batch;
    EventRows events[Network::sources + Network::thinned + 1];
    const Real* values[Network::sources + Network::thinned + 1];
    std::uint32_t* fired;  // spikes by neuron: a bit for each step
    std::uint32_t* bits[Network::populations + Network::thinned + 1];
    const Real* series[Network::series_count + 1];
    std::int64_t series_lead;
    const Real* tape;
    const Real* sample_gradients;
    std::int64_t gradient_width;
    const double* sums;
    double* total;
    int* overflown;  // the first parameter with a gradient that is none
};

// A parameter with a number for every synapse, of which there are `size`, and where its gradient was gathered: behind those known when the code was emitted.
struct LateParameter {
    std::int64_t offset, size, gathered;
    double scale;  // 0: not learnt
};

template <typename Network>
struct OptimiseArguments {
    using Real = typename Network::Real;
    Real* parameters;
    typename Network::Arrays* arrays;
    Real* gathered;   // gradients of weights, as operations index them
    Real* gradients;  // of parameters, as the user sees them
    Real* states;     // of the optimiser
    char* dormant;    // synapses that are to be moved, among those with a number each
    std::uint64_t seed;  // of connectivity
    const DeviceRows<Real>* rows;
    const double* total;
    int* overflown;
    double* scratch;
    LateParameter late[Network::late_count + 1];
    std::int64_t parameter_size;
    bool collects, steps;
    bool meets;  // in between: no block steps before all have collected
    typename Network::Scalars scalars;
    double learning_rate;
};

}  // namespace cuda
}  // namespace sncc
