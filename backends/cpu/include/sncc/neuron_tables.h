// Tables that emitted code holds: what the neuron-parallel engine needs to know of a network, by numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pattern.h"
#include "sncc/list.h"
#include "sncc/table_rows.h"

namespace sncc {
namespace neurons {

// A population's neurons in the arrays of its group.
struct PopulationInfo {
    int group;
    std::int64_t offset, size;
    bool spiking, counts;  // counts: a neuron may spike several times in a step
};

enum class Format { dense, one_to_one, compressed };

// Numbers of other tables are -1 where there is nothing. A field is an array per neuron (`Network::field`), at the first
// neuron of its population; a synapse field is an array per synapse.
struct ConnectionInfo {
    const char* name;
    int source, source_population;  // one of them: handed over, or a population
    int target_population;
    std::int64_t source_first, source_size, target_first, target_size;  // what the weight's rows and columns are
    std::int64_t source_neurons;                                        // of the whole source
    int input;  // field: the accumulator
    Format format;
    Pattern pattern;
    PartShape source_part, target_part;
    std::uint32_t stream;
    int synapses_of;   // connection whose synapses these are
    int weight;        // parameter
    int weight_field;  // synapse field; else the weight is one number, or an array of format dense or one_to_one
    bool shared;       // one number for all synapses
    int delay;         // steps; the smallest legal one where every synapse has its own
    int delays;        // parameter (ms)
    bool signal;       // values are delivered, not spikes
    int values;        // field whose values are delivered
    int gain;          // field that multiplies what a source neuron delivers
    bool at_arrival;   // with a delay per synapse: deliver at arrival, as the weight changes, or a gain is read
    bool reversed;     // its synapses are looked up by target
    bool stored;       // else made again for every spike, on a CPU
};

struct SynapseFieldInfo {
    int connection;
    int parameter;  // whose values these are
    int kernel;     // parameter of a kernel that all positions share
    double (*initial)(std::uint64_t seed, std::uint32_t trial, std::uint32_t element, std::uint32_t i, std::uint32_t j, const double* numbers);  // of a state
    const int* reads;  // parameters whose numbers `initial` takes, ended by -1
    bool moves;        // a run sets it; what only follows from numbers it does not

    // Whether every run that goes on from none sets it: a state, or weights that begin at a kernel's.
    bool begins() const { return initial != nullptr || begins_at_kernel(); }
    bool begins_at_kernel() const { return kernel >= 0 && moves; }
};

// A field that others read after its step: values of populations by number.
struct FieldInfo {
    int population;
    int history;  // how many steps ago it is read at most; 0: not at all
};

struct ParameterInfo {
    std::int64_t size;  // as the user sees it; -1: one per synapse
    bool shared;        // one number
    int synapse_field;
    int delays_of;  // connection
};

// Where an array of the states of a group's neurons begins, in bytes.
struct StateArray {
    std::size_t begin;
    int group;
};

enum class Action { deliver, update, synapses };

// deliver: a connection. update: a group, and which of the updates it is; a flow by itself may come before the last of a
// group. synapses: a synapse update.
struct Operation {
    Action action;
    int index;
    int number = 0;
    bool last = true;
};

enum class When { step, pre, post };

struct SynapseUpdateInfo {
    int connection;
    When when;
    int post_delay;
    const int* far;  // fields read of neurons that another worker may own: of the sources, of one neuron for all; ended by -1
    const int* own;  // of the targets
    bool draws;
};

// The numbers of neurons' and connections' parameters, in double; those of synapses lie beside the synapses.
struct Numbers {
    List<List<double>> own;
    List<char> shared;
    double number(int k, std::int64_t j) const { return own[static_cast<std::size_t>(k)][shared[static_cast<std::size_t>(k)] ? 0 : static_cast<std::size_t>(j)]; }
};

template <typename Real>
struct Segment;
template <typename Real>
class SynapseLoop;

// A network as the engine sees it: tables, and the functions that are emitted for it. States and numbers of neurons are structures
// that only those know.
template <typename Real>
struct Tables {
    int parameters, sources, populations, connections_count, operations_count, synapse_updates_count, synapse_fields, fields_count, state_arrays_count;
    double step_ms;
    std::size_t state_bytes, arrays_bytes;
    const PopulationInfo* populations_info;
    const ConnectionInfo* connections;
    const SynapseFieldInfo* synapse_fields_info;
    const FieldInfo* fields_info;
    const StateArray* state_arrays;
    const ParameterInfo* parameters_info;
    const Operation* operations;
    const SynapseUpdateInfo* synapse_updates;
    const SourceSize* source_sizes;
    Real* (*field)(void* state, void* arrays, int number);
    const Real* (*mask)(const void* state, int population);
    const Real* (*variable)(const void* state, int population, int number);
    void (*derive)(const Numbers& numbers, void* arrays);
    void (*start)(const void* arrays, std::uint64_t seed, std::uint32_t trial, void* state);
    void (*update)(int number, const Segment<Real>& segment);
    void (*update_synapses)(int number, const SynapseLoop<Real>& loop, const Numbers& numbers);
};

// Those of an emitted network, but for its updates.
template <typename Network, typename Real = typename Network::Real>
Tables<Real> tables_of() {
    using State = typename Network::State;
    using Arrays = typename Network::Arrays;
    return {Network::parameters, Network::sources, Network::populations, Network::connections_count, Network::operations_count, Network::synapse_updates_count,
            Network::synapse_fields, Network::fields_count, Network::state_arrays_count, Network::step_ms, sizeof(State), sizeof(Arrays), Network::populations_info(), Network::connections(),
            Network::synapse_fields_info(), Network::fields_info(), Network::state_arrays(), Network::parameters_info(), Network::operations(), Network::synapse_updates(), Network::source_sizes(),
            [](void* state, void* arrays, int number) { return Network::field(*static_cast<State*>(state), *static_cast<Arrays*>(arrays), number); },
            [](const void* state, int population) { return Network::mask(*static_cast<const State*>(state), population); },
            [](const void* state, int population, int number) { return Network::variable(*static_cast<const State*>(state), population, number); },
            [](const Numbers& numbers, void* arrays) { Network::derive(numbers, *static_cast<Arrays*>(arrays)); },
            [](const void* arrays, std::uint64_t seed, std::uint32_t trial, void* state) {
                Network::start(*static_cast<const Arrays*>(arrays), seed, trial, *static_cast<State*>(state));
            },
            nullptr, nullptr};
}

}  // namespace neurons
}  // namespace sncc
