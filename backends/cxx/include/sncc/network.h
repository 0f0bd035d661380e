// What stands between the C functions of a library and its engine: checks of arguments, units, initial values, one
// caller at a time, and errors as codes with a message.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>

#include "engine.h"
#include "finite.h"
#include "list.h"
#include "memory.h"
#include "synapse_states.h"

namespace sncc {

// Throws Failure where a network's parameters alone do not fit into the memory that is left: before any of it is taken, as a system
// that hands out more than it has ends the process later. To learn a number takes so many bytes more.
SNCC_COLD inline void refuse_too_much(const Description& about, double bytes_to_learn) {
    double total = 0, most = 0;
    const ParameterDescription* largest = nullptr;
    for (int k = 0; k < about.parameter_count; ++k) {
        const ParameterDescription& p = about.parameters[k];
        if (p.size < 0) continue;  // of synapses that are yet to be built
        const double bytes = static_cast<double>(p.size) * (p.bytes + (p.learnt ? bytes_to_learn : 0.0));
        total += bytes;
        if (bytes > most) most = bytes, largest = &p;
    }
    if (!largest) return;
    total += static_cast<double>(largest->size) * sizeof(double);  // first values are handed over as such
    const double left = available_memory();
    if (total <= left) return;
    char number[32];
    std::snprintf(number, sizeof number, "%.3g", static_cast<double>(largest->size));
    throw Failure(Code::memory, "the network needs " + readable_bytes(total) + " of memory for its parameters, " + readable_bytes(left) +
                                    " are free; the largest, " + largest->key + ", has " + number + " numbers");
}

class Network {
public:
    SNCC_COLD Network(const Description& description, std::unique_ptr<Engine> engine, std::uint64_t seed)
        : about_(description), engine_(std::move(engine)), seed_(seed), draw_seed_(seed) {
        for (int k = 0; k < about_.parameter_count; ++k) {
            const ParameterDescription& p = about_.parameters[k];
            if (p.size < 0) continue;  // drawn by `build`
            const InitialValues initial(p, seed);
            const std::uint64_t columns = static_cast<std::uint64_t>(p.columns);
            List<double> values(static_cast<std::size_t>(p.size));
            for (std::uint64_t e = 0; e < values.size(); ++e) refuse_zero(p, values[e] = initial(e, e / columns, e % columns));
            engine_->set_parameter(k, values.data());
        }
    }

    const char* error() const { return error_.c_str(); }
    std::uint64_t seed() const { return seed_; }
    void set_draw_seed(std::uint64_t seed) { draw_seed_ = seed; }

    // Where a number goes that a caller has asked for.
    template <typename T>
    static T& place(T* to) {
        if (!to) throw_null();
        return *to;
    }

    // Runs `work` as the only caller; returns its code, with a message in error().
    template <typename Work>
    int call(Work&& work) noexcept {
        return call_erased([](void* given) { (*static_cast<std::remove_reference_t<Work>*>(given))(); }, &work);
    }

    // -------------------------------------------------------------------------------------------- connectivity
    SNCC_COLD void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) {
        if (count < 0 || (count > 0 && (!pre || !post))) throw Failure(Code::argument, "no pairs");
        if (built_) return engine_->reconnect(connection, pre, post, count);
        engine_->connect(connection, pre, post, count);
    }
    // Happens by itself before the first use.
    SNCC_COLD void build() {
        if (built_) return;
        engine_->build(seed_, about_);
        built_ = true;
    }
    // The magnitude, in SI, that a number of a parameter can have.
    double largest(int k) const { return about_.parameters[k].largest * about_.parameters[k].si; }
    SNCC_COLD std::int64_t parameter_size(int k) {
        if (k < 0 || k >= about_.parameter_count) throw Failure(Code::argument, "no parameter of that number");
        const ParameterDescription& p = about_.parameters[k];
        if (p.synapses >= 0) return synapse_count(p.synapses);
        if (p.size >= 0) return p.size;
        build();
        return engine_->parameter_size(k);
    }
    SNCC_COLD std::int64_t synapse_count(int connection) {
        build();
        return engine_->synapse_count(connection);
    }
    SNCC_COLD void synapses(int connection, std::int64_t* pre, std::int64_t* post, std::int64_t count) {
        if (count != synapse_count(connection)) throw Failure(Code::argument, "the number of synapses does not fit");
        if (count > 0 && (!pre || !post)) throw_null();
        engine_->synapses(connection, pre, post);
    }

    // -------------------------------------------------------------------------------------------- parameters
    SNCC_COLD void get_parameter(int k, double* values, std::int64_t count) {
        get_unscaled(k, values, count);
        for (std::int64_t e = 0; e < count; ++e) values[e] *= about_.parameters[k].si;
    }
    SNCC_COLD void get_unscaled(int k, double* values, std::int64_t count) {
        const ParameterDescription& p = checked(k, values, count);
        take(p, values, count, [&](double* all) { engine_->get_parameter(k, all); });
        const List<double> inner(values, values + (p.turned ? count : 0));
        for (std::int64_t e = 0; e < static_cast<std::int64_t>(inner.size()); ++e) values[e] = inner[inner_place(p, e, count)];
    }
    SNCC_COLD void set_parameter(int k, const double* values, std::int64_t count) { set_scaled(k, values, count, true); }
    SNCC_COLD void set_unscaled(int k, const double* values, std::int64_t count) { set_scaled(k, values, count, false); }
    SNCC_COLD void get_synapse_state(int k, double* values, std::int64_t count) {
        if (k < 0 || k >= about_.synapse_state_count) throw Failure(Code::argument, "no state of synapses of that number");
        const SynapseStateDescription& state = about_.synapse_states[k];
        if (count != (state.size >= 0 ? state.size : synapse_count(state.connection))) throw Failure(Code::argument, std::string(state.name) + ": the number of synapses does not fit");
        if (!values && count > 0) throw_null();
        read_synapse_state(*engine_, state, last_, values, count);
        for (std::int64_t e = 0; e < count; ++e) values[e] *= state.si;
    }
    SNCC_COLD void get_gradient(int k, double* values, std::int64_t count) {
        const ParameterDescription& p = learnt(k, values, count);
        take(p, values, count, [&](double* all) { engine_->get_gradient(k, all); });
        for (std::int64_t e = 0; e < count; ++e) values[e] /= p.si;
    }
    SNCC_COLD void get_optimiser_state(int k, int state, double* values, std::int64_t count) {
        const ParameterDescription& p = learnt(k, values, count);
        check_state(state);
        take(p, values, count, [&](double* all) { engine_->get_optimiser_state(k, state, all); });
    }
    SNCC_COLD void set_optimiser_state(int k, int state, const double* values, std::int64_t count) {
        const ParameterDescription& p = learnt(k, values, count);
        check_state(state);
        for (std::int64_t e = 0; e < count; ++e)
            if (!(std::abs(values[e]) <= p.largest)) throw Failure(Code::argument, "a state of the optimiser gets a number that is not finite");
        List<double> all(values, values + count);
        all.resize(static_cast<std::size_t>(std::max(count, p.size)));
        engine_->set_optimiser_state(k, state, all.data());
    }
    SNCC_COLD void set_optimiser_step(std::int64_t step) {
        if (step < 0) throw Failure(Code::argument, "the optimiser's steps count from 0");
        engine_->set_optimiser_step(step);
    }
    Engine& engine() { return *engine_; }

    // -------------------------------------------------------------------------------------------- batches
    // The samples of the run after the next one; none: forgets them.
    SNCC_COLD void announce(const Data* data, const std::int64_t* selection, std::int64_t count, const std::uint32_t* trials) {
        announced_.reset();
        if (count == 0) return expected_.reset(), engine_->expect({});
        if (!data || !selection || count < 0) throw Failure(Code::argument, "a batch of no samples");
        announced_.emplace(Batch{data, selection, count, trials, draw_seed_});
    }
    SNCC_COLD Result run(Mode mode, const Data* data, const std::int64_t* selection, std::int64_t count, const std::uint32_t* trials,
               double factor, double* outputs, const std::int64_t* output_starts) {
        if (!data || (!selection && count > 0) || count < 1) throw Failure(Code::argument, "a batch of no samples");
        if (mode != Mode::evaluate && !about_.optimiser) throw Failure(Code::argument, "the network has no `train` block");
        if (!std::isfinite(factor) || factor < 0) throw Failure(Code::argument, "the factor on the learning rate is a number from 0");
        if (!about_.readout) throw Failure(Code::argument, "the network has no loss, so it has no readout to evaluate");
        const Batch batch = {data, selection, count, trials, draw_seed_};
        const bool learns = mode != Mode::evaluate;
        std::optional<SamplesOfBatch> next, expected;
        next.swap(announced_), expected.swap(expected_);
        if (!expected || checked_to_learn_ != learns || !expected->are(batch)) {
            engine_->expect({});
            check(*data, selection, count, learns);
        }
        if (outputs && !output_starts) check_windows(*data, selection, count, about_.readout->first);
        build();
        Batch after = {};
        const auto give_next = [&]() -> const Batch* {
            if (!next) return nullptr;
            after = next->batch();
            check(*after.data, after.selection, after.count, learns);
            expected_ = next, checked_to_learn_ = learns;
            return &after;
        };
        engine_->expect(give_next);
        return engine_->run(mode, batch, factor, {outputs, output_starts});
    }

    SNCC_COLD void simulate(const Simulation& s) {
        build();
        if (s.steps < 0) throw Failure(Code::argument, "a negative number of steps");
        if (s.data) check(*s.data, &s.sample, 1, false);
        if (s.spike_population_count > 0 && !s.spike_populations) throw_null();
        for (int k = 0; k < s.spike_population_count; ++k) population(s.spike_populations[k]);
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& t = s.traces[k];
            const PopulationDescription& p = population(t.population);
            if (t.state < 0 || t.state >= p.state_count || t.every < 1 || t.first < 0 || t.size < 0 || t.size > p.size - t.first || !t.values)
                throw Failure(Code::argument, std::string("a trace of ") + p.name + " outside what it has");
        }
        last_.seed = s.seed, last_.trial = s.trial;
        engine_->simulate(s);
        check_states(about_, *engine_, s);
    }
    SNCC_COLD std::int64_t state_size() {
        build();
        return static_cast<std::int64_t>(engine_->state_size());
    }
    SNCC_COLD void get_state(unsigned char* bytes, std::int64_t size) {
        if (size != state_size()) throw Failure(Code::argument, "the state has another size");
        if (!bytes) throw_null();
        engine_->get_state(bytes, static_cast<std::size_t>(size));
    }
    SNCC_COLD void set_state(const unsigned char* bytes, std::int64_t size) {
        build();
        if (!bytes || size < 0) throw Failure(Code::argument, "no state");
        engine_->set_state(bytes, static_cast<std::size_t>(size));
    }
    const Spikes& spikes(int k) {
        population(k);
        return engine_->spikes(k);
    }
    // Traces leave in SI.
    void to_si(const Trace& t, std::int64_t points) {
        const double si = about_.populations[t.population].states[t.state].si;
        for (std::int64_t k = 0; k < points * t.size; ++k) t.values[k] *= si;
    }
    SNCC_COLD void copy_spikes(int k, std::int64_t* steps, std::uint32_t* neurons, std::int64_t count) {
        const Spikes& s = spikes(k);
        if (count != static_cast<std::int64_t>(s.steps.size())) throw Failure(Code::argument, "the number of spikes does not fit");
        if (count == 0) return;
        if (!steps || !neurons) throw_null();
        std::memcpy(steps, s.steps.data(), sizeof(std::int64_t) * s.steps.size());
        std::memcpy(neurons, s.neurons.data(), sizeof(std::uint32_t) * s.neurons.size());
    }

    [[noreturn]] SNCC_COLD static void throw_null() { throw Failure(Code::argument, "a null pointer stands where an array or a number is needed"); }

private:
    SNCC_COLD int call_erased(void (*work)(void*), void* given) noexcept {
        if (busy_.exchange(true)) return static_cast<int>(Code::busy);
        int code = 0;
        try {
            work(given);
        } catch (const Failure& failure) {
            code = fail(failure.code(), failure.what());
        } catch (const std::bad_alloc&) {
            code = fail(Code::memory, "not enough memory");
        } catch (const std::exception& exception) {
            code = fail(Code::memory, exception.what());
        } catch (...) {
            code = fail(Code::argument, "unknown failure");
        }
        busy_.store(false);
        return code;
    }
    SNCC_COLD int fail(Code code, const char* message) noexcept {
        try {
            error_ = message;
        } catch (...) {
            error_.clear();
        }
        return static_cast<int>(code);
    }
    // Where an engine has element e of what a caller sees.
    static std::size_t inner_place(const ParameterDescription& p, std::int64_t e, std::int64_t count) {
        if (!p.turned) return static_cast<std::size_t>(e);
        const std::int64_t rows = count / p.turned;
        return static_cast<std::size_t>(e % rows * p.turned + e / rows);
    }
    // What an engine gives of a parameter, of which the first elements may be all that the user sees.
    template <typename Give>
    static void take(const ParameterDescription& p, double* values, std::int64_t count, const Give& give) {
        if (p.synapses < 0) return give(values);
        List<double> all(static_cast<std::size_t>(p.size));
        give(all.data());
        std::copy(all.begin(), all.begin() + count, values);
    }
    // `in_si`: given in SI units, else in those that it has in memory.
    SNCC_COLD void set_scaled(int k, const double* values, std::int64_t count, bool in_si) {
        const ParameterDescription& p = checked(k, values, count);
        if (p.storage == Storage::compiled)
            throw Failure(Code::argument, std::string(p.key) + " is compiled in: declare it `adjustable`, give it `each(...)` or learn it");
        if (p.storage == Storage::made) throw Failure(Code::argument, std::string(p.key) + " is not stored: build the network without `stored = false` there");
        const double unit = in_si ? p.si : 1.0;
        List<double> inner(static_cast<std::size_t>(std::max(count, p.size)));
        if (p.synapses >= 0) engine_->get_parameter(k, inner.data());
        for (std::int64_t e = 0; e < count; ++e) {
            refuse_too_large(p, values[e], unit);
            refuse_zero(p, values[e]);
            inner[inner_place(p, e, count)] = values[e] / unit;
        }
        engine_->set_parameter(k, inner.data());
    }
    static void refuse_too_large(const ParameterDescription& p, double value, double unit) {
        if (std::isfinite(value) && std::abs(value) <= p.largest * unit) return;
        const std::string what = !std::isfinite(value) ? " that is not finite" : ": " + readable(value) + " is beyond what its precision holds, " + readable(p.largest * unit);
        throw Failure(Code::argument, std::string(p.key) + " gets a number" + what);
    }
    static void refuse_zero(const ParameterDescription& p, double value) {
        if (p.divides && value == 0) throw Failure(Code::argument, std::string(p.key) + " cannot be 0: an equation divides by it");
    }
    SNCC_COLD const ParameterDescription& checked(int k, const double* values, std::int64_t count) {
        build();
        const std::int64_t size = parameter_size(k);
        const ParameterDescription& p = about_.parameters[k];
        if (!values && size > 0) throw_null();
        if (count != size) throw Failure(Code::argument, std::string(p.key) + " has " + std::to_string(size) + " numbers, not " + std::to_string(count));
        return p;
    }
    SNCC_COLD const ParameterDescription& learnt(int k, const double* values, std::int64_t count) {
        const ParameterDescription& p = checked(k, values, count);
        if (!p.learnt) throw Failure(Code::argument, std::string(p.key) + " is not learnt");
        return p;
    }
    SNCC_COLD void check_state(int state) const {
        if (!about_.optimiser || state < 0 || state >= about_.optimiser->states) throw Failure(Code::argument, "no such state of the optimiser");
    }
    SNCC_COLD const PopulationDescription& population(int k) const {
        if (k < 0 || k >= about_.population_count) throw Failure(Code::argument, "no population of that number");
        return about_.populations[k];
    }

    SNCC_COLD void check(const Data& data, const std::int64_t* selection, std::int64_t count, bool needs_labels) const {
        if (data.samples < 1 || !data.steps) throw Failure(Code::argument, "a data set of no samples");
        for (std::int64_t k = 0; k < count; ++k)
            if (selection[k] < 0 || selection[k] >= data.samples) throw Failure(Code::argument, "a sample outside the data set");
        if (about_.source_count > 0 && !data.sources) throw Failure(Code::argument, "no sources in the data");
        if (needs_labels && !data.classes && !data.targets) throw Failure(Code::argument, "training needs labels");
        if (data.label_starts && about_.readout && !about_.readout->step_labels) throw Failure(Code::argument, "labels for every step, and a loss that is taken once a sample");
        for (int q = 0; q < about_.source_count; ++q)
            for (std::int64_t k = 0; k < count; ++k) check_source(data, q, selection[k]);
        if (data.classes && about_.readout)
            for (std::int64_t k = 0; k < count; ++k) check_classes(data, selection[k]);
        if (about_.readout && (data.classes || data.targets)) check_windows(data, selection, count, about_.readout->last_first);
    }
    // Of samples that end before what a loss sees begins there would be nothing to read.
    static void check_windows(const Data& data, const std::int64_t* selection, std::int64_t count, std::int64_t first) {
        for (std::int64_t k = 0; k < count; ++k)
            if (const std::int64_t steps = data.steps[selection[k]]; steps <= first)
                throw Failure(Code::argument, "sample " + std::to_string(selection[k]) + " has " + std::to_string(steps) +
                                                  " steps, and a loss sees what comes after step " + std::to_string(first));
    }
    void check_source(const Data& data, int q, std::int64_t sample) const {
        const SourceData& source = data.sources[q];
        const SourceDescription& about = about_.sources[q];
        const std::int64_t steps = data.steps[sample];
        if (steps < 0) throw Failure(Code::argument, "a negative number of steps");
        if (about.signal) {
            if (!source.values || !source.value_starts) throw Failure(Code::argument, std::string(about.name) + " has no values");
            return;
        }
        if (!source.offsets || !source.starts) throw Failure(Code::argument, std::string(about.name) + " has no events");
        const std::int64_t* offsets = source.offsets + source.starts[sample];
        if (steps > 0 && offsets[0] < 0) throw Failure(Code::argument, std::string(about.name) + ": an offset below zero");
        for (std::int64_t n = 0; n < steps; ++n)
            if (offsets[n + 1] < offsets[n]) throw Failure(Code::argument, std::string(about.name) + ": offsets that decrease");
        // Equal ones side by side are counted. Two loops without a branch in place of one over each step: batches wait for this.
        const std::uint32_t* const indices = source.indices;
        if (steps > 0 && offsets[steps] > offsets[0] && !indices) throw_null();
        std::uint32_t falls = 0, between_steps = 0, most = 0;
        for (std::int64_t e = offsets[0] + 1; e < offsets[steps]; ++e) falls += indices[e - 1] > indices[e];
        for (std::int64_t e = offsets[0]; e < offsets[steps]; ++e) most = std::max(most, indices[e]);
        for (std::int64_t n = 1; n < steps; ++n)
            if (offsets[n] > offsets[0] && offsets[n + 1] > offsets[n]) between_steps += indices[offsets[n] - 1] > indices[offsets[n]];
        if (falls != between_steps) throw Failure(Code::argument, std::string(about.name) + ": the neurons of a step's events do not ascend");
        for (std::int64_t e = offsets[0]; most >= static_cast<std::uint64_t>(about.size) && e < offsets[steps]; ++e)
            if (source.indices[e] >= static_cast<std::uint64_t>(about.size))
                throw Failure(Code::argument, std::string(about.name) + " has " + std::to_string(about.size) + " neurons, an event names number " + std::to_string(source.indices[e]));
    }
    void check_classes(const Data& data, std::int64_t sample) const {
        const std::int64_t first = data.label_starts ? data.label_starts[sample] : sample;
        const std::int64_t last = data.label_starts ? first + data.steps[sample] : first + 1;
        for (std::int64_t k = first; k < last; ++k)
            if (data.classes[k] < -1 || data.classes[k] >= about_.readout->outputs)
                throw Failure(Code::argument, "label " + std::to_string(data.classes[k]) + " is outside 0 .. " + std::to_string(about_.readout->outputs - 1));
    }

    const Description& about_;
    std::unique_ptr<Engine> engine_;
    std::uint64_t seed_, draw_seed_;  // of connectivity and first weights, and of what batches draw
    std::string error_;
    std::atomic<bool> busy_{false};
    bool built_ = false;
    Simulation last_ = {};  // the seed and the trial of the last run
    std::optional<SamplesOfBatch> announced_, expected_;  // those of the run after the next one; of the next one, which are checked
    bool checked_to_learn_ = false;
};

}  // namespace sncc
