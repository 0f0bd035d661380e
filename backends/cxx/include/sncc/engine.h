// What a backend implements: an engine holds a network's numbers and runs batches and simulations. `Network`
// (network.h) stands before it: it checks arguments, converts units, draws the initial values, keeps one caller out of
// another's way. All numbers that cross this interface are doubles in the consistent system (mV, ms, pA, nS ...), and
// all arrays are dense in C order, in the shape that the user sees.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include "call.h"
#include "list.h"
#include "orthogonal.h"

namespace sncc {

// ------------------------------------------------------------------------------------------------ failures
enum class Code : int { ok = 0, argument = 1, busy = 2, memory = 3, device = 4, numerical = 5 };

class Failure : public std::exception {
public:
    SNCC_COLD Failure(Code code, std::string message) : code_(code), message_(std::move(message)) {}
    SNCC_COLD Failure(Code code, const char* message) : code_(code), message_(message) {}
    Code code() const { return code_; }
    const char* what() const noexcept override { return message_.c_str(); }

private:
    Code code_;
    std::string message_;
};

// ------------------------------------------------------------------------------------------------ what a network has
// Emitted per project as constant tables: NAME_api.cpp defines `description()`, declared in NAME_model.h.
struct SourceDescription {
    const char* name;
    bool signal;  // real values; otherwise events
    std::int64_t size;
    double si;  // SI value of one in the consistent system (signals)
};

struct StateDescription {
    const char* name;
    int variable;  // index among the variables of the population's group
    double si;
};

struct PopulationDescription {
    const char* name;
    int group;
    std::int64_t offset;  // of its first neuron in the group's arrays
    std::int64_t size;
    bool spiking;
    const StateDescription* states;
    int state_count;
};

enum class Storage { compiled, shared, each, made };  // made: kept nowhere, drawn again when they are needed

struct ParameterDescription {
    const char* key;
    std::int64_t size;     // elements: 1 where one number is shared; -1: one per synapse, known after `build`
    std::int64_t columns;  // element e stands at row e / columns, column e % columns
    int synapses;          // the connection whose synapses the first elements are of, all that the user sees; -1: all are
    int bytes;             // of each number in an engine, at least
    double largest;        // magnitude that such a number holds
    Storage storage;
    double si;
    double scale;  // the optimiser works on value / scale
    bool divides;  // equations divide by it: it cannot be 0
    bool learnt;
    std::int64_t turned;  // columns of the matrix of which callers see the transpose; 0: they see it as it is
    double rate;  // factor on the learning rate
    double lower, upper;  // bounds after an optimiser step; infinite where there are none
    double first;  // value of all elements, where there is no function
    double (*initial)(std::uint64_t seed, std::uint32_t element, std::uint32_t i, std::uint32_t j, const double* whole);
    // `whole`, where there are rows: a random matrix of that stream with orthonormal rows or columns.
    std::int64_t whole_rows, whole_columns;
    std::uint32_t stream;
    bool is_normal;  // normal(mean, deviation) of that stream, drawn again outside of [low, high]: many are drawn at once
    double mean, deviation, low, high;
};

inline std::string readable(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

// First values of a parameter. Throws Failure for one that is no number, as where `i / j` divides by zero, or infinite (what a state begins with
// may be, where it is not stored).
class InitialValues {
public:
    InitialValues(const ParameterDescription& about, std::uint64_t seed) : about_(about), seed_(seed) {
        if (about.whole_rows > 0) whole_ = orthogonal(seed, about.stream, static_cast<std::size_t>(about.whole_rows), static_cast<std::size_t>(about.whole_columns));
    }
    double operator()(std::uint64_t element, std::uint64_t i, std::uint64_t j) const {
        const double value = about_.initial ? about_.initial(seed_, static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j), whole_.data()) : about_.first;
        if (!(std::abs(value) <= about_.largest)) refuse(value, i, j);
        return value;
    }

    // Those of the elements from `first` on, where the description allows: the same numbers.
    bool come_many() const { return about_.is_normal; }
    inline void many(std::uint64_t first, int count, double* to) const;  // in initial_values.h

private:
    SNCC_COLD void refuse(double value, std::uint64_t i, std::uint64_t j) const {
        const std::string number = std::isfinite(value) ? readable(value * about_.si) : std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
        throw Failure(Code::argument, std::string(about_.key) + " begins as " + number + " at (" + std::to_string(i) + ", " + std::to_string(j) +
                                          "): its first values are numbers that are finite" +
                                          (std::isfinite(value) ? ", at most " + readable(about_.largest * about_.si) + " in this network's precision" : ""));
    }

    const ParameterDescription& about_;
    std::uint64_t seed_;
    List<double> whole_;
};

// A number of every synapse of a connection. Where neurons stand for synapses, it is a state of that population.
struct SynapseStateDescription {
    const char* name;
    int connection, state;
    double si;
    int population;     // -1: the state of that number of the connection itself
    std::int64_t size;  // -1: as many as the connection has synapses
    bool ahead;         // what it is after a step stands there in the next one
};

struct ReadoutDescription {
    int population;
    std::int64_t outputs;
    bool classes;      // labels are class indices; otherwise target values
    bool step_labels;  // a sample may have one label for each step: no loss that reads labels is taken once a sample
    std::int64_t first, last_first;  // the step after which its window begins, and the last of all losses' windows
};

struct OptimiserDescription {
    double learning_rate;
    int states;
};

struct Description {
    const char* name;
    double step;  // ms
    const SourceDescription* sources;
    int source_count;
    const PopulationDescription* populations;
    int population_count;
    const ParameterDescription* parameters;
    int parameter_count;
    const SynapseStateDescription* synapse_states;
    int synapse_state_count;
    const ReadoutDescription* readout;      // null where the network has no loss
    const OptimiserDescription* optimiser;  // null where it has no training
};

// ------------------------------------------------------------------------------------------------ data
// The same memory as the C header's NAME_source_data and NAME_data; signals are in SI, the engine divides by `si`.
struct SourceData {
    const std::int64_t* starts;
    const std::int64_t* offsets;
    const std::uint32_t* indices;
    const std::int64_t* value_starts;
    const double* values;
};

struct Data {
    std::int64_t samples;
    const std::int32_t* steps;
    const SourceData* sources;
    const std::int32_t* classes;
    const double* targets;
    const std::int64_t* label_starts;
};

struct Result {
    double loss;
    double penalty;
    std::int64_t correct;
    std::int64_t labelled;
};

// Samples of a data set, checked. Sample k of the batch is selection[k]; trials[k] keys its random draws.
struct Batch {
    const Data* data;
    const std::int64_t* selection;
    std::int64_t count;
    const std::uint32_t* trials;  // null: the sample's index in the data set
    std::uint64_t seed;

    std::uint32_t trial(std::int64_t k) const {
        return trials ? trials[k] : static_cast<std::uint32_t>(selection[k]);
    }
};

// Which samples a batch has: by their places in memory, numbers and random draws.
class SamplesOfBatch {
public:
    explicit SamplesOfBatch(const Batch& batch) : data_(batch.data), seed_(batch.seed), selection_(batch.selection, batch.selection + batch.count) {
        if (batch.trials) trials_.assign(batch.trials, batch.trials + batch.count);
    }
    bool are(const Batch& batch) const {
        const std::size_t count = selection_.size();
        return batch.data == data_ && batch.seed == seed_ && batch.count == static_cast<std::int64_t>(count) && std::equal(selection_.begin(), selection_.end(), batch.selection) &&
               (batch.trials ? trials_.size() == count && std::equal(trials_.begin(), trials_.end(), batch.trials) : trials_.empty());
    }
    Batch batch() const { return {data_, selection_.data(), static_cast<std::int64_t>(selection_.size()), trials_.empty() ? nullptr : trials_.data(), seed_}; }

private:
    const Data* data_;
    std::uint64_t seed_;
    List<std::int64_t> selection_;
    List<std::uint32_t> trials_;
};

// Where the readout's values go: (count, outputs), or, with starts, (steps, outputs) of each sample from row starts[k].
struct Outputs {
    double* values;  // null: nowhere
    const std::int64_t* starts;
};

enum class Mode { evaluate, gradients, train };

// Values of a state after steps every, 2 * every, ..., as (points, size) doubles in the consistent system.
struct Trace {
    int population;
    int state;
    std::int64_t every, first, size;
    double* values;
};

struct Simulation {
    const Data* data;
    std::int64_t sample;
    std::int64_t steps;
    std::uint64_t seed;
    std::uint32_t trial;
    bool resume;  // continue from the last state; otherwise from the initial one
    const int* spike_populations;  // whose spikes are kept for `spikes`
    int spike_population_count;
    const Trace* traces;
    int trace_count;
    bool peeks = false;  // what was recorded of the run before stays
};

struct Spikes {
    List<std::int64_t> steps;  // counted from the initial state, the first step is 1
    List<std::uint32_t> neurons;
};

// ------------------------------------------------------------------------------------------------ the interface
class Engine {
public:
    virtual ~Engine() = default;

    // Connectivity that is not known when the library is built: pairs of `sparse` connections are handed over first, then
    // `build` makes all synapses and draws their numbers. `synapses` gives them by source, then target.
    virtual void connect(int, const std::int64_t*, const std::int64_t*, std::int64_t) { none("connection that takes pairs"); }
    virtual void build(std::uint64_t, const Description&) {}
    // Other synapses, as many as there are, of a connection whose synapses training moves.
    virtual void reconnect(int, const std::int64_t*, const std::int64_t*, std::int64_t) { none("connection whose synapses move"); }
    virtual std::int64_t parameter_size(int) { none("parameter with a number per synapse"); }
    virtual std::int64_t synapse_count(int) { none("sparse connection"); }
    virtual void synapses(int, std::int64_t*, std::int64_t*) { none("sparse connection"); }

    // A state of every synapse of a connection as it is now, in the order of `synapses`.
    virtual void get_synapse_state(int, int, double*) { none("state of every synapse that can be read"); }

    // Stored and compiled parameters alike; `values` has ParameterDescription::size entries.
    virtual void set_parameter(int parameter, const double* values) = 0;
    virtual void get_parameter(int parameter, double* values) = 0;

    // Of a learnt parameter: gradient of the last run(gradients), by the value in the consistent system.
    virtual void get_gradient(int parameter, double* values) = 0;

    // A state of the optimiser for a learnt parameter, in its own numbers.
    virtual void set_optimiser_state(int parameter, int state, const double* values) = 0;
    virtual void get_optimiser_state(int parameter, int state, double* values) = 0;
    virtual void set_optimiser_step(std::int64_t step) = 0;
    virtual std::int64_t optimiser_step() = 0;

    // Runs a batch. `train` takes an optimiser step unless the loss is not finite: then it throws Failure with
    // Code::numerical and leaves all numbers as they were. `learning_rate_factor` is the schedule's.
    virtual Result run(Mode mode, const Batch& batch, double learning_rate_factor, const Outputs& outputs) = 0;

    // Before a run: what gives the batch of the run after it, checked, or null. It may be called when the work is under way, so that
    // the batch is prepared in place of waiting. Nothing: what was prepared will not come.
    virtual void expect(Call<const Batch*()>) {}

    // One sample, recorded. The state, delayed spikes included, stays for the next one.
    virtual void simulate(const Simulation& simulation) = 0;
    virtual const Spikes& spikes(int population) = 0;
    virtual void reset() = 0;
    virtual std::int64_t step_count() = 0;

    // What the last run has made of the neurons' states: whether none is infinite or no number, and one state of a population of
    // that size, as it is, or as the run began where it did not go on from another.
    virtual bool states_are_finite(const Description& about) = 0;
    virtual List<double> state_of(int population, int state, std::int64_t size) = 0;
    virtual List<double> first_state_of(const Simulation& run, int population, int state, std::int64_t size) = 0;

    // The state of the simulation as bytes: states, spikes on their way, numbers of synapses that change during a run.
    virtual std::size_t state_size() = 0;
    virtual void get_state(unsigned char* bytes, std::size_t size) = 0;
    virtual void set_state(const unsigned char* bytes, std::size_t size) = 0;

private:
    [[noreturn]] static void none(const char* what) { throw Failure(Code::argument, std::string("this network has no ") + what); }
};

}  // namespace sncc
