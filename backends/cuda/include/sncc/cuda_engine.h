// The CUDA engine: a block takes a sample through the whole sequence, forwards and back (first launch); a block sums the
// gradient of one presynaptic neuron over all samples (second); the optimiser and what follows from it (third).
//
// `Network` is emitted: the layout of states, what a block does in a step, the shapes of parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "sncc/cuda_memory.h"
#include "sncc/cuda_readout.h"
#include "sncc/engine.h"
#include "sncc/spikes.h"

namespace sncc {
namespace cuda {

struct Shape {
    int rows, columns;
    bool shared, learnt, weight;
    double rate, scale, lower, upper;

    std::int64_t stride() const { return (columns + 15) / 16 * 16; }
    std::int64_t size() const { return rows * stride(); }
};

struct SourceSize {
    std::int64_t size;
    bool signal;
    double si;
};

// A state that is recorded: from number `from` of the states, `size` numbers after every `every` steps.
struct TraceRecord {
    std::int64_t from, size, every, to;
};

template <typename Network>
struct SampleArguments {
    using Real = typename Network::Real;
    const Real* parameters;
    const typename Network::Arrays* arrays;
    typename Network::Workspace* workspaces;  // null: in shared memory
    typename Network::State* carried;         // simulation: the state between runs
    bool fresh;                               // start at the initial state
    bool keeps;                               // the tape, for the way back
    std::uint64_t seed;
    const std::uint32_t* trials;
    const std::int32_t* steps;
    std::int64_t most_steps, before, lead;
    int batch;
    EventRows events[Network::sources + 1];  // offsets of sample b from b * (most_steps + lead + 1) on
    const Real* values[Network::sources + 1];
    std::uint32_t* bits[Network::populations + 1];
    const std::int32_t* classes;
    const double* targets;
    bool label_per_step;
    Real* tape;
    Real* errors;
    double* sums;
    double* losses;
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
    const std::int32_t* steps;
    std::int64_t most_steps;
    int batch;
    const std::int64_t* channel_offsets[Network::sources + 1];
    const std::uint32_t* channel_times[Network::sources + 1];
    const Real* values[Network::sources + 1];
    const std::uint32_t* bits[Network::populations + 1];
    const Real* tape;
    const double* sums;
    double* total;
};

template <typename Network>
struct OptimiseArguments {
    using Real = typename Network::Real;
    Real* parameters;
    typename Network::Arrays* arrays;
    Real* gathered;   // gradients of weights, as operations index them
    Real* gradients;  // of parameters, as the user sees them
    Real* states;     // of the optimiser
    const double* total;
    double* scratch;
    bool collects, steps;
    typename Network::Scalars scalars;
    double learning_rate;
};

template <typename Network>
class CudaEngine final : public Engine {
    using Real = typename Network::Real;

public:
    CudaEngine() {
        int devices = 0;
        check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
        parameters_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
        parameters_.clear();
        arrays_.reserve(1);
        if constexpr (Network::learns) {
            gathered_.reserve(static_cast<std::size_t>(Network::gradient_size) + 16);
            gathered_.clear();
            gradients_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
            gradients_.clear();
            states_.reserve(static_cast<std::size_t>(Network::parameter_size) * Network::optimiser_states + 16);
            states_.clear();
            total_.reserve(static_cast<std::size_t>(Network::sum_size) + 16);
            scratch_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
        }
    }

    // -------------------------------------------------------------------------------------------- parameters
    void set_parameter(int k, const double* values) override {
        copy_in(k, parameters_, Network::parameter_offsets()[k], values);
        stale_ = true;
    }
    void get_parameter(int k, double* values) override { copy_out(k, parameters_, Network::parameter_offsets()[k], values); }
    void get_gradient(int k, double* values) override { copy_out(k, gradients_, Network::parameter_offsets()[k], values); }
    void set_optimiser_state(int k, int state, const double* values) override { copy_in(k, states_, slot(k, state), values); }
    void get_optimiser_state(int k, int state, double* values) override { copy_out(k, states_, slot(k, state), values); }
    void set_optimiser_step(std::int64_t step) override { optimiser_step_ = step; }
    std::int64_t optimiser_step() override { return optimiser_step_; }

    // -------------------------------------------------------------------------------------------- batches
    Result run(Mode mode, const Batch& batch, double learning_rate_factor, const Outputs& outputs) override {
        refresh();
        const bool learns = mode != Mode::evaluate;
        const int count = static_cast<int>(batch.count);
        SampleArguments<Network> a = {};
        upload(a, batch);
        a.keeps = learns;
        a.lead = 0;
        a.fresh = true;
        a.seed = batch.seed;
        const std::size_t rows = static_cast<std::size_t>(count) * static_cast<std::size_t>(a.most_steps);
        if (learns) {
            tape_.reserve(rows * Network::tape_columns + 16);
            errors_.reserve(rows * Network::Reading::width + 16);
            sums_.reserve(static_cast<std::size_t>(count) * Network::sum_size + 16);
        }
        for (int p = 0; p < Network::populations; ++p) {
            bits_[p]->reserve(rows * static_cast<std::size_t>(Network::words(p)) + 16);
            a.bits[p] = bits_[p]->data();
        }
        losses_.reserve(static_cast<std::size_t>(count));
        counts_.reserve(2 * static_cast<std::size_t>(count));
        outputs_.reserve(static_cast<std::size_t>(count) * Network::Reading::width);
        const bool by_step = outputs.values && outputs.starts;
        if (by_step) step_outputs_.reserve(rows * Network::Reading::width);
        a.tape = tape_.data(), a.errors = errors_.data(), a.sums = sums_.data();
        a.losses = losses_.data(), a.counts = counts_.data(), a.outputs = outputs_.data();
        a.step_outputs = by_step ? step_outputs_.data() : nullptr;
        launch_samples(a, count);
        const Result result = read(batch, outputs, a.most_steps);
        if (!learns) return result;
        if (!std::isfinite(result.loss))
            throw Failure(Code::numerical, "the loss is not finite; the weights are as they were before the batch. A smaller learning rate "
                                           "or a gradient clip may help");
        gather(a, count);
        optimise(mode == Mode::train, learning_rate_factor);
        check(cudaDeviceSynchronize(), "the optimiser");
        return result;
    }

    // -------------------------------------------------------------------------------------------- simulation
    void simulate(const Simulation& s) override {
        refresh();
        constexpr std::int64_t lead = Network::most_delay;
        const bool fresh = !simulated_ || !s.resume;
        if (fresh) before_ = 0;
        SampleArguments<Network> a = {};
        const std::int64_t rows = s.steps + lead;
        const std::int32_t steps = static_cast<std::int32_t>(s.steps);
        steps_.put(std::vector<std::int32_t>{steps});
        trials_.put(std::vector<std::uint32_t>{s.trial});
        a.steps = steps_.data(), a.trials = trials_.data();
        a.seed = s.seed, a.most_steps = s.steps, a.lead = lead, a.before = before_, a.batch = 1, a.fresh = fresh;
        for (int q = 0; q < Network::sources; ++q) hand_over(a, q, s, fresh);
        for (int p = 0; p < Network::populations; ++p) {
            const std::size_t words = static_cast<std::size_t>(Network::words(p));
            std::vector<std::uint32_t> old(static_cast<std::size_t>(lead) * words + 1, 0);
            if (!fresh && lead > 0) std::copy(history_[p].begin(), history_[p].end(), old.begin());
            bits_[p]->reserve(static_cast<std::size_t>(rows) * words + 16);
            bits_[p]->put(old.data(), static_cast<std::size_t>(lead) * words);
            a.bits[p] = bits_[p]->data();
        }
        carried_.reserve(1);
        a.carried = carried_.data();
        std::vector<TraceRecord> records;
        std::int64_t numbers = 0;
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& t = s.traces[k];
            records.push_back({Network::variable(t.population, t.state) + t.first, t.size, t.every, numbers});
            numbers += t.size * (s.steps / t.every);
        }
        traces_.put(records);
        trace_values_.reserve(static_cast<std::size_t>(numbers) + 1);
        a.traces = traces_.data(), a.trace_count = s.trace_count, a.trace_values = trace_values_.data();
        losses_.reserve(1), counts_.reserve(2), outputs_.reserve(Network::Reading::width);
        a.losses = losses_.data(), a.counts = counts_.data(), a.outputs = outputs_.data();
        launch_samples(a, 1);
        check(cudaDeviceSynchronize(), "the simulation");
        std::vector<Real> values(static_cast<std::size_t>(numbers) + 1);
        trace_values_.take(values.data(), static_cast<std::size_t>(numbers));
        for (int k = 0; k < s.trace_count; ++k)
            for (std::int64_t e = 0; e < records[k].size * (s.steps / records[k].every); ++e)
                s.traces[k].values[e] = static_cast<double>(values[static_cast<std::size_t>(records[k].to + e)]);
        for (Spikes& spikes : recorded_) spikes = Spikes{};
        for (int p = 0; p < Network::populations; ++p) take_spikes(s, p, rows);
        before_ += s.steps;
        simulated_ = true;
    }
    const Spikes& spikes(int population) override { return recorded_[static_cast<std::size_t>(population)]; }
    void reset() override { simulated_ = false, before_ = 0; }
    std::int64_t step_count() override { return simulated_ ? before_ : 0; }

private:
    std::int64_t slot(int k, int state) const { return Network::parameter_size * state + Network::parameter_offsets()[k]; }

    void copy_in(int k, DeviceArray<Real>& to, std::int64_t offset, const double* values) {
        const Shape& shape = Network::shapes()[k];
        std::vector<Real> padded(static_cast<std::size_t>(shape.size()), shape.shared ? static_cast<Real>(values[0]) : Real(0));
        if (!shape.shared)
            for (int i = 0; i < shape.rows; ++i)
                for (int j = 0; j < shape.columns; ++j)
                    padded[static_cast<std::size_t>(i * shape.stride() + j)] = static_cast<Real>(values[std::int64_t(i) * shape.columns + j]);
        to.put(padded.data(), padded.size(), static_cast<std::size_t>(offset));
    }
    void copy_out(int k, const DeviceArray<Real>& from, std::int64_t offset, double* values) {
        const Shape& shape = Network::shapes()[k];
        std::vector<Real> padded(static_cast<std::size_t>(shape.size()));
        from.take(padded.data(), padded.size(), static_cast<std::size_t>(offset));
        const int rows = shape.shared ? 1 : shape.rows, columns = shape.shared ? 1 : shape.columns;
        for (int i = 0; i < rows; ++i)
            for (int j = 0; j < columns; ++j)
                values[std::int64_t(i) * columns + j] = static_cast<double>(padded[static_cast<std::size_t>(i * shape.stride() + j)]);
    }

    // Numbers per neuron that follow from parameters set by hand: the third launch without its first parts.
    void refresh() {
        if (!stale_) return;
        OptimiseArguments<Network> o = optimiser_arguments();
        Network::launch_optimise(o, 1);
        stale_ = false;
    }
    OptimiseArguments<Network> optimiser_arguments() {
        OptimiseArguments<Network> o = {};
        o.parameters = parameters_.data(), o.arrays = arrays_.data(), o.gathered = gathered_.data(), o.gradients = gradients_.data();
        o.states = states_.data(), o.total = total_.data(), o.scratch = scratch_.data();
        return o;
    }

    void upload(SampleArguments<Network>& a, const Batch& batch) {
        const Data& data = *batch.data;
        const std::int64_t count = batch.count;
        std::vector<std::int32_t> steps;
        std::vector<std::uint32_t> trials;
        for (std::int64_t k = 0; k < count; ++k) {
            steps.push_back(data.steps[batch.selection[k]]);
            trials.push_back(batch.trial(k));
        }
        const std::int64_t most = std::max<std::int64_t>(1, *std::max_element(steps.begin(), steps.end()));
        for (int q = 0; q < Network::sources; ++q) upload_source(a, q, batch, steps, most);
        steps_.put(steps), trials_.put(trials);
        a.steps = steps_.data(), a.trials = trials_.data(), a.most_steps = most, a.batch = static_cast<int>(count);
        upload_labels(a, batch, steps, most);
    }
    void upload_source(SampleArguments<Network>& a, int q, const Batch& batch, const std::vector<std::int32_t>& steps, std::int64_t most) {
        const SourceData& source = batch.data->sources[q];
        const std::int64_t size = Network::source_sizes()[q].size;
        if (Network::source_sizes()[q].signal) {
            const std::int64_t stride = (size + 15) / 16 * 16;
            std::vector<Real> values(static_cast<std::size_t>(batch.count * most * stride), Real(0));
            for (std::int64_t k = 0; k < batch.count; ++k) {
                const double* from = source.values + source.value_starts[batch.selection[k]] * size;
                for (std::int64_t n = 0; n < steps[static_cast<std::size_t>(k)]; ++n)
                    for (std::int64_t i = 0; i < size; ++i)
                        values[static_cast<std::size_t>((k * most + n) * stride + i)] =
                            static_cast<Real>(from[n * size + i] / Network::source_sizes()[q].si);
            }
            values_[q]->put(values);
            a.values[q] = values_[q]->data();
            return;
        }
        std::vector<std::int64_t> offsets, channels(static_cast<std::size_t>(size) + 1), all_channels;
        std::vector<std::uint32_t> indices, times;
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const std::int64_t* list = source.offsets + source.starts[batch.selection[k]];
            const std::int64_t length = steps[static_cast<std::size_t>(k)];
            const std::int64_t base = static_cast<std::int64_t>(indices.size()) - list[0];
            for (std::int64_t n = 0; n <= most; ++n) offsets.push_back(base + list[std::min(n, length)]);
            indices.insert(indices.end(), source.indices + list[0], source.indices + list[length]);
            const std::size_t start = times.size();
            times.resize(start + static_cast<std::size_t>(list[length] - list[0]));
            transpose_spikes(list, source.indices, static_cast<int>(length), static_cast<int>(size), channels.data(), times.data() + start);
            for (const std::int64_t offset : channels) all_channels.push_back(static_cast<std::int64_t>(start) + offset);
        }
        offsets_[q]->put(offsets), indices_[q]->put(indices), channel_offsets_[q]->put(all_channels), channel_times_[q]->put(times);
        a.events[q] = {offsets_[q]->data(), indices_[q]->data(), 1, most};
    }
    void upload_labels(SampleArguments<Network>& a, const Batch& batch, const std::vector<std::int32_t>& steps, std::int64_t most) {
        const Data& data = *batch.data;
        a.label_per_step = data.label_starts != nullptr;
        const std::int64_t rows = a.label_per_step ? most : 1;
        std::vector<std::int32_t> classes;
        std::vector<double> targets;
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const std::int64_t sample = batch.selection[k];
            const std::int64_t first = data.label_starts ? data.label_starts[sample] : sample;
            for (std::int64_t n = 0; n < rows; ++n) {
                const bool there = !data.label_starts || n < steps[static_cast<std::size_t>(k)];
                if (data.classes) classes.push_back(there ? data.classes[first + n] : -1);
                if (data.targets)
                    for (int j = 0; j < Network::outputs; ++j) targets.push_back(there ? data.targets[(first + n) * Network::outputs + j] : 0.0);
            }
        }
        classes_.put(classes), targets_.put(targets);
        a.classes = data.classes ? classes_.data() : nullptr;
        a.targets = data.targets ? targets_.data() : nullptr;
    }

    void launch_samples(SampleArguments<Network>& a, int count) {
        a.parameters = parameters_.data();
        a.arrays = arrays_.data();
        std::size_t shared = sizeof(typename Network::Workspace);
        int most = 0;
        check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
        if (shared > static_cast<std::size_t>(most)) {
            workspaces_.reserve(static_cast<std::size_t>(count));
            a.workspaces = workspaces_.data();
            shared = 0;
        }
        Network::launch_samples(a, count, shared);
    }

    Result read(const Batch& batch, const Outputs& outputs, std::int64_t most) {
        check(cudaDeviceSynchronize(), "the samples");
        const std::size_t count = static_cast<std::size_t>(batch.count);
        std::vector<double> losses(count);
        std::vector<std::int64_t> counts(2 * count);
        losses_.take(losses.data(), count), counts_.take(counts.data(), 2 * count);
        Result total{0, 0, 0, 0};
        for (std::size_t k = 0; k < count; ++k)
            total.loss += losses[k], total.correct += counts[2 * k], total.labelled += counts[2 * k + 1];
        total.loss /= static_cast<double>(std::max<std::size_t>(count, 1));
        if (!outputs.values) return total;
        constexpr std::size_t width = Network::Reading::width;
        if (outputs.starts) {
            std::vector<Real> rows(count * static_cast<std::size_t>(most) * width);
            step_outputs_.take(rows.data(), rows.size());
            for (std::size_t k = 0; k < count; ++k)
                for (std::int64_t n = 0; n < batch.data->steps[batch.selection[k]]; ++n)
                    for (int j = 0; j < Network::outputs; ++j)
                        outputs.values[(outputs.starts[k] + n) * Network::outputs + j] =
                            static_cast<double>(rows[(k * static_cast<std::size_t>(most) + static_cast<std::size_t>(n)) * width + static_cast<std::size_t>(j)]);
            return total;
        }
        std::vector<Real> rows(count * width);
        outputs_.take(rows.data(), rows.size());
        for (std::size_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::outputs; ++j)
                outputs.values[k * Network::outputs + static_cast<std::size_t>(j)] = static_cast<double>(rows[k * width + static_cast<std::size_t>(j)]);
        return total;
    }

    void gather(const SampleArguments<Network>& a, int count) {
        GatherArguments<Network> g = {};
        g.gradient = gathered_.data(), g.steps = a.steps, g.most_steps = a.most_steps, g.batch = count;
        for (int q = 0; q < Network::sources; ++q)
            g.channel_offsets[q] = channel_offsets_[q]->data(), g.channel_times[q] = channel_times_[q]->data(), g.values[q] = a.values[q];
        for (int p = 0; p < Network::populations; ++p) g.bits[p] = a.bits[p];
        g.tape = a.tape, g.sums = a.sums, g.total = total_.data();
        Network::launch_gather(g);
    }

    void optimise(bool steps, double learning_rate_factor) {
        if (steps) ++optimiser_step_;
        OptimiseArguments<Network> o = optimiser_arguments();
        o.learning_rate = Network::learning_rate * learning_rate_factor;
        o.scalars = Network::scalars(static_cast<double>(optimiser_step_), o.learning_rate);
        o.collects = true;
        o.steps = steps;
        Network::launch_optimise(o, Network::clip == Clip::norm ? 1 : Network::optimise_blocks);
    }

    void hand_over(SampleArguments<Network>& a, int q, const Simulation& s, bool fresh) {
        constexpr std::int64_t lead = Network::most_delay;
        const Data* data = s.data;
        const std::int64_t given = data ? std::min<std::int64_t>(s.steps, data->steps[s.sample]) : 0;
        const std::int64_t size = Network::source_sizes()[q].size;
        if (Network::source_sizes()[q].signal) {
            const std::int64_t stride = (size + 15) / 16 * 16;
            std::vector<Real>& kept = old_values_[q];
            if (fresh) kept.assign(static_cast<std::size_t>(lead * stride), Real(0));
            kept.resize(static_cast<std::size_t>((lead + s.steps) * stride), Real(0));
            for (std::int64_t n = 0; n < given; ++n)
                for (std::int64_t i = 0; i < size; ++i)
                    kept[static_cast<std::size_t>((lead + n) * stride + i)] = static_cast<Real>(
                        data->sources[q].values[(data->sources[q].value_starts[s.sample] + n) * size + i] / Network::source_sizes()[q].si);
            values_[q]->put(kept);
            a.values[q] = values_[q]->data();
            kept.erase(kept.begin(), kept.begin() + s.steps * stride);
            return;
        }
        std::vector<std::vector<std::uint32_t>>& kept = old_events_[q];
        if (fresh) kept.assign(static_cast<std::size_t>(lead), {});
        for (std::int64_t n = 0; n < s.steps; ++n) {
            kept.emplace_back();
            if (n >= given) continue;
            const std::int64_t* list = data->sources[q].offsets + data->sources[q].starts[s.sample] + n;
            kept.back().assign(data->sources[q].indices + list[0], data->sources[q].indices + list[1]);
        }
        std::vector<std::int64_t> offsets{0};
        std::vector<std::uint32_t> indices;
        for (const auto& step : kept) {
            indices.insert(indices.end(), step.begin(), step.end());
            offsets.push_back(static_cast<std::int64_t>(indices.size()));
        }
        offsets_[q]->put(offsets), indices_[q]->put(indices);
        a.events[q] = {offsets_[q]->data(), indices_[q]->data(), 1 - lead, s.steps};
        kept.erase(kept.begin(), kept.begin() + s.steps);
    }
    void take_spikes(const Simulation& s, int p, std::int64_t rows) {
        const std::size_t words = static_cast<std::size_t>(Network::words(p));
        constexpr std::int64_t lead = Network::most_delay;
        std::vector<std::uint32_t> bits(static_cast<std::size_t>(rows) * words + 1);
        bits_[p]->take(bits.data(), static_cast<std::size_t>(rows) * words);
        bool wanted = false;
        for (int k = 0; k < s.spike_population_count; ++k) wanted = wanted || s.spike_populations[k] == p;
        if (wanted)
            for (std::int64_t n = 1; n <= s.steps; ++n)
                for (std::size_t w = 0; w < words; ++w)
                    for (std::uint32_t left = bits[static_cast<std::size_t>(n - 1 + lead) * words + w]; left != 0; left &= left - 1) {
                        std::uint32_t bit = 0;
                        while (!((left >> bit) & 1u)) ++bit;
                        recorded_[static_cast<std::size_t>(p)].steps.push_back(before_ + n);
                        recorded_[static_cast<std::size_t>(p)].neurons.push_back(static_cast<std::uint32_t>(w * 32) + bit);
                    }
        history_[p].assign(bits.end() - 1 - static_cast<std::ptrdiff_t>(static_cast<std::size_t>(lead) * words), bits.end() - 1);
    }

    template <typename Value>
    static std::vector<std::unique_ptr<DeviceArray<Value>>> several(int count, const char* what) {
        std::vector<std::unique_ptr<DeviceArray<Value>>> all;
        for (int k = 0; k <= count; ++k) all.push_back(std::make_unique<DeviceArray<Value>>(what));
        return all;
    }

    DeviceArray<Real> parameters_{"the parameters"}, gathered_{"the gradients of the weights"}, gradients_{"the gradients"}, states_{"the optimiser"};
    DeviceArray<typename Network::Arrays> arrays_{"the numbers of the neurons"};
    DeviceArray<typename Network::Workspace> workspaces_{"the states of the samples"};
    DeviceArray<typename Network::State> carried_{"the state between runs"};
    DeviceArray<Real> tape_{"what the reverse phase needs of the forward one"}, errors_{"the derivatives of the loss"}, outputs_{"the readout"};
    DeviceArray<Real> step_outputs_{"the readout of every step"}, trace_values_{"the traces"};
    DeviceArray<double> sums_{"the sums over time"}, total_{"the sums over samples"}, scratch_{"the gradients of neurons"}, losses_{"the losses"};
    DeviceArray<double> targets_{"the targets"};
    DeviceArray<std::int32_t> classes_{"the classes"}, steps_{"the lengths"};
    DeviceArray<std::uint32_t> trials_{"the trials"};
    DeviceArray<std::int64_t> counts_{"the counts"};
    DeviceArray<TraceRecord> traces_{"the traces"};
    std::vector<std::unique_ptr<DeviceArray<std::int64_t>>> offsets_ = several<std::int64_t>(Network::sources, "the events");
    std::vector<std::unique_ptr<DeviceArray<std::uint32_t>>> indices_ = several<std::uint32_t>(Network::sources, "the events");
    std::vector<std::unique_ptr<DeviceArray<std::int64_t>>> channel_offsets_ = several<std::int64_t>(Network::sources, "the events");
    std::vector<std::unique_ptr<DeviceArray<std::uint32_t>>> channel_times_ = several<std::uint32_t>(Network::sources, "the events");
    std::vector<std::unique_ptr<DeviceArray<Real>>> values_ = several<Real>(Network::sources, "the signals");
    std::vector<std::unique_ptr<DeviceArray<std::uint32_t>>> bits_ = several<std::uint32_t>(Network::populations, "the spikes");
    std::vector<std::uint32_t> history_[Network::populations + 1];
    std::vector<std::vector<std::uint32_t>> old_events_[Network::sources + 1];
    std::vector<Real> old_values_[Network::sources + 1];
    std::vector<Spikes> recorded_{static_cast<std::size_t>(Network::populations) + 1};
    std::int64_t optimiser_step_ = 0, before_ = 0;
    bool stale_ = true, simulated_ = false;
};

}  // namespace cuda
}  // namespace sncc
