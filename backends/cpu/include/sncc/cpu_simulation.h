// One sample, recorded: a run goes on where the last one ended, also with what is on its way.
#pragma once

#include <algorithm>
#include <memory>

#include "sncc/ahead.h"
#include "sncc/archive.h"
#include "sncc/cpu_numbers.h"
#include "sncc/cpu_start.h"
#include "sncc/finite.h"
#include "sncc/list.h"

namespace sncc {
namespace cpu {

template <typename Network>
class Simulator {
    using Real = typename Network::Real;

public:
    explicit Simulator(const StoredNumbers<Network>& numbers) : numbers_(numbers) {}

    void run(const Simulation& simulation) {
        if (!is_under_way() || !simulation.resume) start(simulation);
        Sample<Network>& s = *simulated_;
        s.seed = simulation.seed, s.trial = simulation.trial;
        hand_over(s, simulation);
        if (!simulation.peeks)
            for (auto& spikes : recorded_) spikes = Spikes{};
        for (int k = 0; k < Network::series_count; ++k) s.series[k].make_room(simulation.steps);
        for (std::int64_t n = 1; n <= simulation.steps; ++n) {
            forward_step(numbers_.arrays, numbers_.parameters, s, n);
            for (int k = 0; k < simulation.trace_count; ++k) record(s, simulation.traces[k], n);
        }
        for (int k = 0; k < simulation.spike_population_count; ++k) record_spikes(s, simulation.spike_populations[k]);
        s.before += simulation.steps;
        constexpr std::int64_t kept = Network::most_delay;
        for (int k = 0; k < Network::populations; ++k) s.spikes[k].keep_last(kept, 1 - kept);
        for (int k = 0; k < Network::sources; ++k) keep_input(s, k, simulation.steps);
        for (int k = 0; k < Network::series_count; ++k) s.series[k].forget(simulation.steps);
    }
    const Spikes& spikes(int population) const { return recorded_[static_cast<std::size_t>(population)]; }
    void reset() { simulated_.reset(); }
    std::int64_t step_count() const { return is_under_way() ? simulated_->before : 0; }

    bool states_are_finite(const Description& about) const {
        bool finite = true;
        for (int p = 0; p < about.population_count; ++p)
            for (int k = 0; k < about.populations[p].state_count; ++k)
                finite = finite && are_finite(Network::variable(simulated_->state, p, k), about.populations[p].size);
        return finite;
    }
    List<double> state_of(int population, int state, std::int64_t size) const { return copy(*simulated_, population, state, size); }
    SNCC_COLD List<double> first_state_of(const Simulation& run, int population, int state, std::int64_t size) const {
        const std::unique_ptr<Sample<Network>> first(new Sample<Network>);
        start_state(*first, numbers_.arrays, run.seed, run.trial);
        return copy(*first, population, state, size);
    }

    // All that a run moves, as bytes.
    SNCC_COLD void keep(Archive& archive) {
        Simulator read(numbers_);  // takes the place of this one when all of it is there
        Simulator& of = archive.reads() ? read : *this;
        archive.expect(sizeof(typename Network::State));
        for (const SynapseRows& rows : numbers_.parameters.rows) archive.expect(rows.fingerprint(), other_synapses);
        bool started = is_under_way();
        archive.value(started);
        if (started) of.keep_sample(archive);
        if (!archive.reads()) return;
        archive.expect_end();
        simulated_ = std::move(read.simulated_);
        changes_of_delays_ = numbers_.changes_of_delays;
        for (int q = 0; q < Network::sources; ++q) inputs_[q] = std::move(read.inputs_[q]), values_[q] = std::move(read.values_[q]);
    }

private:
    SNCC_COLD void keep_sample(Archive& archive) {
        if (archive.reads()) make_sample();
        Sample<Network>& s = *simulated_;
        archive.value(s.state), archive.value(s.before);
        for (int p = 0; p < Network::populations; ++p) s.spikes[p].keep(archive);
        for (int k = 0; k < Network::series_count; ++k) s.series[k].keep(archive);
        for (int q = 0; q < Network::sources; ++q) inputs_[q].keep(archive), archive.vector(values_[q]);
        if (archive.reads()) clear_rings(s, numbers_.parameters.rows);
        for (int r = 0; r < Network::rows_count; ++r) {
            if (Network::rows()[r].delays < 0) continue;
            archive.expect(s.rings[r].slots, other_delays);
            archive.array(s.rings[r].values.data(), static_cast<std::size_t>(s.rings[r].slots * s.rings[r].stride));
        }
    }
    SNCC_COLD static List<double> copy(const Sample<Network>& s, int population, int state, std::int64_t size) {
        const Real* const from = Network::variable(s.state, population, state);
        return {from, from + size};
    }
    bool is_under_way() const { return simulated_ && changes_of_delays_ == numbers_.changes_of_delays; }

    SNCC_COLD void make_sample() {
        simulated_.reset(new Sample<Network>);
        simulated_->stimulated = true;
        simulated_->clear_readings();
        changes_of_delays_ = numbers_.changes_of_delays;
    }
    SNCC_COLD void start(const Simulation& simulation) {
        make_sample();
        start_state(*simulated_, numbers_.arrays, simulation.seed, simulation.trial);
        for (int p = 0; p < Network::populations; ++p) simulated_->spikes[p].clear(1 - Network::most_delay);
        begin_series(*simulated_);
        clear_rings(*simulated_, numbers_.parameters.rows);
        for (int p = 0; p < Network::populations; ++p)
            for (int n = 0; n < Network::most_delay; ++n) simulated_->spikes[p].append_list(nullptr, 0);
        for (int q = 0; q < Network::sources; ++q) {
            inputs_[q].clear(1 - Network::most_delay);
            for (int n = 0; n < Network::most_delay; ++n) inputs_[q].append_list(nullptr, 0);
            const std::int64_t stride = padded(static_cast<int>(Network::source_sizes()[q].size));
            values_[q].assign(static_cast<std::size_t>(Network::most_delay * stride), Real(0));
        }
    }

    // Input of a run behind what earlier runs left for delays.
    void hand_over(Sample<Network>& s, const Simulation& simulation) {
        const Data* data = simulation.data;
        const std::int64_t given = data ? std::min<std::int64_t>(simulation.steps, data->steps[simulation.sample]) : 0;
        constexpr std::int64_t lead = Network::most_delay;
        for (int q = 0; q < Network::sources; ++q) {
            const std::int64_t size = Network::source_sizes()[q].size, stride = padded(static_cast<int>(size));
            if (Network::source_sizes()[q].signal) {
                values_[q].resize(static_cast<std::size_t>((lead + simulation.steps) * stride));
                std::fill(values_[q].begin() + lead * stride, values_[q].end(), Real(0));
                if (given > 0)
                    copy_values(values_[q].data() + lead * stride, stride, data->sources[q], simulation.sample, size, given,
                                Network::source_sizes()[q].si);
                s.values[q] = {values_[q].data(), stride, 1 - lead, simulation.steps};
                continue;
            }
            for (std::int64_t n = 0; n < simulation.steps; ++n) {
                const std::int64_t* offsets = n < given ? data->sources[q].offsets + data->sources[q].starts[simulation.sample] + n : nullptr;
                if (offsets)
                    inputs_[q].append_list(data->sources[q].indices + offsets[0], offsets[1] - offsets[0]);
                else
                    inputs_[q].append_list(nullptr, 0);
            }
            s.events[q] = inputs_[q].lists();
        }
    }

    void keep_input(Sample<Network>&, int q, std::int64_t steps) {
        constexpr std::int64_t lead = Network::most_delay;
        if (!Network::source_sizes()[q].signal) {
            inputs_[q].keep_last(lead, 1 - lead);
            return;
        }
        const std::int64_t stride = padded(static_cast<int>(Network::source_sizes()[q].size));
        List<Real>& v = values_[q];
        v.drop(static_cast<std::size_t>(steps * stride));
    }

    void record(Sample<Network>& s, const Trace& trace, std::int64_t n) {
        if (n % trace.every != 0) return;
        const Real* from = Network::variable(s.state, trace.population, trace.state) + trace.first;
        double* to = trace.values + (n / trace.every - 1) * trace.size;
        for (std::int64_t j = 0; j < trace.size; ++j) to[j] = static_cast<double>(from[j]);
    }

    void record_spikes(Sample<Network>& s, int population) {
        Spikes& into = recorded_[static_cast<std::size_t>(population)];
        const StepLists lists = s.spikes[population].lists();
        for (std::int64_t n = 1; n <= lists.last; ++n) {
            const SpikesOfStep spikes = lists.at(n);
            for (int k = 0; k < spikes.count; ++k) {
                into.steps.push_back(s.before + n);
                into.neurons.push_back(spikes.indices[k]);
            }
        }
    }

    const StoredNumbers<Network>& numbers_;
    std::unique_ptr<Sample<Network>> simulated_;
    std::int64_t changes_of_delays_ = 0;  // when it began
    EmittedSpikes inputs_[Network::sources + 1];
    List<Real> values_[Network::sources + 1];
    List<Spikes> recorded_{static_cast<std::size_t>(Network::populations) + 1};
};

}  // namespace cpu
}  // namespace sncc
