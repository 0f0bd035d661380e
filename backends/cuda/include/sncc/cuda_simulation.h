// A simulation: one sample in one block, its state kept on the device between runs, spikes and traces taken back.
#pragma once

#include <algorithm>

#include "sncc/archive.h"
#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/engine.h"
#include "sncc/finite.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

template <typename Network>
class Simulator {
    using Real = typename Network::Real;

public:
    explicit Simulator(DeviceMemory& memory) : memory_(memory) {}

    // Steps of the last run that delayed spikes come from; what is under way is lost.
    void set_lead(std::int64_t steps) {
        lead = steps;
        reset();
    }

    // `launch` runs the samples' kernel for the arguments that it is given, in `stream`.
    template <typename Launch>
    void run(const Simulation& s, const Stream& stream, const Launch& launch) {
        const bool fresh = !simulated_ || !s.resume;
        const std::int64_t before = fresh ? 0 : before_;
        SampleArguments<Network> a = {};
        steps_.put(List<std::int32_t>{static_cast<std::int32_t>(s.steps)});
        trials_.put(List<std::uint32_t>{s.trial});
        a.steps = steps_.data(), a.trials = trials_.data();
        a.seed = s.seed, a.most_steps = s.steps, a.lead = lead, a.before = before, a.batch = 1, a.fresh = fresh;
        List<Given> given(Network::sources + 1);
        for (int q = 0; q < Network::sources; ++q) given[static_cast<std::size_t>(q)] = hand_over(a, q, s, fresh);
        for (int p = 0; p < Network::populations; ++p) lay_out_spikes(a, p, s.steps, fresh);
        a.series_lead = std::max<std::int64_t>(lead, 1);
        for (int k = 0; k < Network::series_count; ++k) lay_out_series(a, k, fresh);
        carried_.reserve(1);
        a.carried = carried_.data();
        const List<TraceRecord> records = lay_out_traces(a, s);
        losses_.reserve(1), counts_.reserve(2), outputs_.reserve(Network::output_width);
        rates_.reserve(Network::penalty_size + 1);
        a.losses = losses_.data(), a.counts = counts_.data(), a.outputs = outputs_.data(), a.rates = rates_.data();
        simulated_ = false;  // what the device holds is of no use after a failure
        launch(a);
        check(cudaStreamSynchronize(stream), "cudaStreamSynchronize", "the simulation");  // others of the device may be captured by another thread
        take_traces(s, records);
        if (!s.peeks)
            for (Spikes& spikes : recorded_) spikes = Spikes{};
        for (int p = 0; p < Network::populations; ++p) take_spikes(s, p, before);
        for (int k = 0; k < Network::series_count; ++k) keep_series(a, k);
        for (int q = 0; q < Network::sources; ++q) old_[q] = std::move(given[static_cast<std::size_t>(q)]);
        before_ = before + s.steps;
        simulated_ = true;
    }
    const Spikes& spikes(int population) const { return recorded_[static_cast<std::size_t>(population)]; }
    void reset() { simulated_ = false, before_ = 0; }
    std::int64_t step_count() const { return simulated_ ? before_ : 0; }

    bool states_are_finite(const Description& about) const {
        const List<typename Network::State> states = carried_.copy(1);
        bool finite = true;
        for (int p = 0; p < about.population_count; ++p)
            for (int k = 0; k < about.populations[p].state_count; ++k)
                finite = finite && are_finite(reinterpret_cast<const Real*>(states.data()) + Network::variable(p, k), about.populations[p].size);
        return finite;
    }
    List<double> state_of(int population, int state, std::int64_t size) const {
        const List<typename Network::State> states = carried_.copy(1);
        const Real* const from = reinterpret_cast<const Real*>(states.data()) + Network::variable(population, state);
        return {from, from + size};
    }
    // As a run of no steps leaves it.
    template <typename Launch>
    List<double> first_state_of(Simulation run, int population, int state, std::int64_t size, const Stream& stream, const Launch& launch) const {
        Simulator first(memory_);
        first.lead = lead;
        run.steps = 0, run.resume = false, run.spike_population_count = run.trace_count = 0;
        first.run(run, stream, launch);
        return first.state_of(population, state, size);
    }

    // All that a run moves, as bytes, of the synapses that have these fingerprints.
    void keep(Archive& archive, const List<std::int64_t>& synapses) {
        archive.expect(sizeof(typename Network::State));
        for (const std::int64_t fingerprint : synapses) archive.expect(fingerprint, other_synapses);
        archive.expect(lead, other_delays);
        bool started = simulated_;
        archive.value(started);
        if (archive.reads()) reset();
        if (started) keep_run(archive);
        if (!archive.reads()) return;
        archive.expect_end();
        simulated_ = started;
    }

private:
    void keep_run(Archive& archive) {
        archive.value(before_);
        carried_.reserve(1);
        List<typename Network::State> states = archive.reads() ? List<typename Network::State>(1) : carried_.copy(1);
        archive.array(states.data(), 1);
        if (archive.reads()) carried_.put(states.data(), 1);
        for (int p = 0; p < Network::populations; ++p) archive.vector(history_[p]);
        for (int k = 0; k < Network::series_count; ++k) archive.vector(last_values_[k]);
        for (int q = 0; q < Network::sources; ++q) {
            old_[q].events.resize(static_cast<std::size_t>(lead));
            for (List<std::uint32_t>& step : old_[q].events) archive.vector(step);
            archive.vector(old_[q].values);
        }
    }

    // What a source was given in the last `lead` steps.
    struct Given {
        List<List<std::uint32_t>> events;
        List<Real> values;
    };

    Given hand_over(SampleArguments<Network>& a, int q, const Simulation& s, bool fresh) {
        return Network::source_sizes()[q].signal ? hand_over_values(a, q, s, fresh) : hand_over_events(a, q, s, fresh);
    }
    static std::int64_t steps_given(const Simulation& s) { return s.data ? std::min<std::int64_t>(s.steps, s.data->steps[s.sample]) : 0; }

    Given hand_over_values(SampleArguments<Network>& a, int q, const Simulation& s, bool fresh) {
        const std::int64_t size = Network::source_sizes()[q].size, stride = (size + 15) / 16 * 16;
        Given kept;
        if (!fresh) kept.values = old_[q].values;
        kept.values.resize(static_cast<std::size_t>((lead + s.steps) * stride));
        for (std::int64_t n = 0; n < steps_given(s); ++n) {
            const double* from = s.data->sources[q].values + (s.data->sources[q].value_starts[s.sample] + n) * size;
            for (std::int64_t i = 0; i < size; ++i)
                kept.values[static_cast<std::size_t>((lead + n) * stride + i)] = static_cast<Real>(from[i] / Network::source_sizes()[q].si);
        }
        values_[q]->put(kept.values);
        a.values[q] = values_[q]->data();
        kept.values.drop(static_cast<std::size_t>(s.steps * stride));
        return kept;
    }
    Given hand_over_events(SampleArguments<Network>& a, int q, const Simulation& s, bool fresh) {
        Given kept;
        if (!fresh) kept.events = old_[q].events;
        kept.events.resize(static_cast<std::size_t>(lead + s.steps));
        for (std::int64_t n = 0; n < steps_given(s); ++n) {
            const std::int64_t* list = s.data->sources[q].offsets + s.data->sources[q].starts[s.sample] + n;
            kept.events[static_cast<std::size_t>(lead + n)].assign(s.data->sources[q].indices + list[0], s.data->sources[q].indices + list[1]);
        }
        List<std::int64_t> offsets{0};
        List<std::uint32_t> indices;
        for (const auto& step : kept.events) {
            indices.append(step.begin(), step.end());
            offsets.push_back(static_cast<std::int64_t>(indices.size()));
        }
        offsets_[q]->put(offsets), indices_[q]->put(indices);
        a.events[q] = {offsets_[q]->data(), indices_[q]->data(), 1 - lead, s.steps};
        kept.events.drop(static_cast<std::size_t>(s.steps));
        return kept;
    }

    void lay_out_spikes(SampleArguments<Network>& a, int p, std::int64_t steps, bool fresh) {
        const std::size_t words = static_cast<std::size_t>(Network::words(p));
        List<std::uint32_t> old(static_cast<std::size_t>(lead) * words + 1, 0);
        if (!fresh && lead > 0) std::copy(history_[p].begin(), history_[p].end(), old.begin());
        bits_[p]->reserve(static_cast<std::size_t>(steps + lead) * words + 16);
        bits_[p]->put(old.data(), static_cast<std::size_t>(lead) * words);
        a.bits[p] = bits_[p]->data();
    }
    void take_spikes(const Simulation& s, int p, std::int64_t before) {
        const std::size_t words = static_cast<std::size_t>(Network::words(p)), rows = static_cast<std::size_t>(s.steps + lead);
        List<std::uint32_t> bits(rows * words + 1);
        bits_[p]->take(bits.data(), rows * words);
        Spikes& recorded = recorded_[static_cast<std::size_t>(p)];
        if (std::find(s.spike_populations, s.spike_populations + s.spike_population_count, p) != s.spike_populations + s.spike_population_count)
            for (std::int64_t n = 1; n <= s.steps; ++n)
                for (std::size_t w = 0; w < words; ++w) {
                    if (Network::counts(p)) {
                        for (std::uint32_t left = bits[static_cast<std::size_t>(n - 1 + lead) * words + w]; left > 0; --left) {
                            recorded.steps.push_back(before + n);
                            recorded.neurons.push_back(static_cast<std::uint32_t>(w));
                        }
                        continue;
                    }
                    for (std::uint32_t left = bits[static_cast<std::size_t>(n - 1 + lead) * words + w]; left != 0; left &= left - 1) {
                        std::uint32_t bit = 0;
                        while (!((left >> bit) & 1u)) ++bit;
                        recorded.steps.push_back(before + n);
                        recorded.neurons.push_back(static_cast<std::uint32_t>(w * 32) + bit);
                    }
                }
        history_[p].assign(bits.end() - 1 - static_cast<std::ptrdiff_t>(static_cast<std::size_t>(lead) * words), bits.end() - 1);
    }

    void lay_out_series(SampleArguments<Network>& a, int k, bool fresh) {
        const std::size_t stride = static_cast<std::size_t>(Network::series_stride(k)), last = static_cast<std::size_t>(a.series_lead) * stride;
        series_[k]->reserve(static_cast<std::size_t>(a.most_steps) * stride + last + 16);
        if (!fresh) series_[k]->put(last_values_[k].data(), last);
        a.series[k] = series_[k]->data();
    }
    // The rows that come before the first of the next run.
    void keep_series(const SampleArguments<Network>& a, int k) {
        const std::size_t stride = static_cast<std::size_t>(Network::series_stride(k)), last = static_cast<std::size_t>(a.series_lead) * stride;
        last_values_[k].resize(last);
        series_[k]->take(last_values_[k].data(), last, static_cast<std::size_t>(a.most_steps) * stride);
    }

    List<TraceRecord> lay_out_traces(SampleArguments<Network>& a, const Simulation& s) {
        List<TraceRecord> records;
        std::int64_t numbers = 0;
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& t = s.traces[k];
            records.push_back({Network::variable(t.population, t.state) + t.first, t.size, t.every, numbers});
            numbers += t.size * (s.steps / t.every);
        }
        traces_.put(records);
        trace_values_.reserve(static_cast<std::size_t>(numbers) + 1);
        a.traces = traces_.data(), a.trace_count = s.trace_count, a.trace_values = trace_values_.data();
        return records;
    }
    void take_traces(const Simulation& s, const List<TraceRecord>& records) {
        for (std::size_t k = 0; k < records.size(); ++k) {
            const std::int64_t count = records[k].size * (s.steps / records[k].every);
            List<Real> values(static_cast<std::size_t>(count));
            trace_values_.take(values.data(), values.size(), static_cast<std::size_t>(records[k].to));
            std::copy(values.begin(), values.end(), s.traces[k].values);
        }
    }

    DeviceMemory& memory_;
    std::int64_t lead = Network::most_delay;
    DeviceArray<typename Network::State> carried_{memory_, "the state between runs"};
    DeviceArray<Real> outputs_{memory_, "the readout"}, trace_values_{memory_, "the traces"};
    DeviceArray<TraceRecord> traces_{memory_, "the traces"};
    DeviceArray<std::int32_t> steps_{memory_, "the length"};
    DeviceArray<std::uint32_t> trials_{memory_, "the trial"};
    DeviceArray<double> losses_{memory_, "the loss"}, rates_{memory_, "the firing rates"};
    DeviceArray<std::int64_t> counts_{memory_, "the counts"};
    DeviceArrays<std::int64_t> offsets_{memory_, Network::sources, "the events"};
    DeviceArrays<std::uint32_t> indices_{memory_, Network::sources, "the events"}, bits_{memory_, Network::populations, "the spikes"};
    DeviceArrays<Real> values_{memory_, Network::sources, "the signals"}, series_{memory_, Network::series_count, "the states that synapses deliver"};
    List<Real> last_values_[Network::series_count + 1];
    Given old_[Network::sources + 1];
    List<std::uint32_t> history_[Network::populations + 1];
    List<Spikes> recorded_{static_cast<std::size_t>(Network::populations) + 1};
    std::int64_t before_ = 0;
    bool simulated_ = false;
};

}  // namespace cuda
}  // namespace sncc
