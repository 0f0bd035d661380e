// A network whose neurons, of one sample, are spread over threads, but for the loop over time: how it is built, set, started and stored.
// neuron_workers.h runs it on a CPU; the CUDA half keeps it on the host and runs it on a GPU.
// It is the same for every network, and compiled once: what differs is in tables (neuron_tables.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "neuron_builder.h"
#include "sncc/call.h"
#include "sncc/finite.h"
#include "sncc/fpu.h"
#include "sncc/list.h"
#include "synapse_numbers.h"

namespace sncc {
namespace neurons {

template <typename Real>
class NeuronEngine : public Engine {
public:
    explicit NeuronEngine(const Tables<Real>& net, int threads, int most_workers = 1 << 20, bool on_cpu = true)
        : m_(net, threads, most_workers, on_cpu), pairs_(static_cast<std::size_t>(net.connections_count) + 1) {
        for (int k = 0; k < m_.net.parameters; ++k) {
            const ParameterInfo& info = m_.net.parameters_info[k];
            m_.numbers.own.emplace_back(static_cast<std::size_t>(std::max<std::int64_t>(info.size, 0)), 0.0);
            m_.numbers.shared.push_back(info.shared);
        }
    }

    // -------------------------------------------------------------------------------------------- connectivity
    SNCC_COLD void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override {
        if (connection < 0 || connection >= m_.net.connections_count) throw Failure(Code::argument, "no connection of that number");
        pairs_[static_cast<std::size_t>(connection)] = {{pre, pre + count}, {post, post + count}, true};
    }
    SNCC_COLD void build(std::uint64_t seed, const Description& about) override {
        about_ = &about;
        Builder<Real>(m_, pairs_, seed, about).build();
        pairs_ = List<HandedOver>(pairs_.size());
        making_.seed = seed, m_.make_synapses = making_;
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (!m_.store(c).is_counted()) set_early_numbers(c);
        hazards_ = std::make_unique<Hazards<Real>>(m_);
    }
    SNCC_COLD std::int64_t synapse_count(int connection) override {
        check_compressed(connection);
        return static_cast<std::int64_t>(m_.synapse_count(connection));
    }
    SNCC_COLD void synapses(int connection, std::int64_t* pre, std::int64_t* post) override {
        check_compressed(connection);
        m_.for_each_synapse(connection, [&](const Placed& s) { pre[s.number] = s.i, post[s.number] = s.j; });
    }

    SNCC_COLD void get_synapse_state(int connection, int state, double* values) override {
        if (!started_) start(Simulation{}), started_ = false;  // the first values
        if (state < 0) {  // its weights
            const int f = m_.net.connections[connection].weight_field;
            m_.for_each_synapse(connection, [&](const Placed& s) { values[s.number] = static_cast<double>(m_.synapse_numbers(f, s.part)[s.at]); });
            return;
        }
        for (int f = 0, number = 0; f < m_.net.synapse_fields; ++f) {
            const SynapseFieldInfo& field = m_.net.synapse_fields_info[f];
            if (field.connection != connection || !field.initial || number++ != state) continue;
            m_.for_each_synapse(connection, [&](const Placed& s) { values[s.number] = static_cast<double>(m_.synapse_numbers(f, s.part)[s.at]); });
        }
    }

    // Of dense or one_to_one synapses, or one number of all, set before there were any.
    SNCC_COLD void set_early_numbers(int connection) {
        for (int f = 0; f < m_.net.synapse_fields; ++f) {
            const int k = m_.net.synapse_fields_info[f].parameter;
            if (m_.net.synapse_fields_info[f].connection != connection || k < 0 || m_.net.parameters_info[k].size < 0) continue;
            const List<double> values = m_.numbers.own[static_cast<std::size_t>(k)];
            NeuronEngine::set_parameter(k, values.data());
        }
    }

    // -------------------------------------------------------------------------------------------- parameters
    SNCC_COLD std::int64_t parameter_size(int k) override {
        const ParameterInfo& info = m_.net.parameters_info[k];
        if (info.size >= 0) return info.size;
        const int connection = info.delays_of >= 0 ? info.delays_of : m_.net.synapse_fields_info[info.synapse_field].connection;
        return static_cast<std::int64_t>(m_.synapse_count(connection));
    }
    SNCC_COLD void set_parameter(int k, const double* values) override {
        const ParameterInfo& info = m_.net.parameters_info[k];
        if (info.delays_of >= 0 && !m_.stores.empty()) refuse_delays(k, values);  // drawn ones are raised when synapses are built
        stale_ = true;
        if (info.size >= 0) std::copy(values, values + info.size, m_.numbers.own[static_cast<std::size_t>(k)].begin());
        if (m_.stores.empty()) return;  // not built: what synapses need is taken from `numbers` then
        for (int f = 0; f < m_.net.synapse_fields; ++f) {  // of each connection that shares them
            const SynapseFieldInfo& field = m_.net.synapse_fields_info[f];
            if (field.parameter != k) continue;
            m_.for_each_synapse(field.connection, [&](const Placed& s) {
                m_.synapse_numbers(f, s.part)[s.at] = static_cast<Real>(values[m_.place(field.connection, k, s.number, s.i, s.j)]);
            });
        }
        if (info.delays_of >= 0) set_delays(k, values);
    }
    SNCC_COLD void get_parameter(int k, double* values) override {
        const ParameterInfo& info = m_.net.parameters_info[k];
        if (info.synapse_field >= 0 && m_.is_made(m_.net.synapse_fields_info[info.synapse_field].connection)) {
            const MadeSynapses& made = *m_.made[static_cast<std::size_t>(m_.net.synapse_fields_info[info.synapse_field].connection)];
            made.rows.for_each(m_.pool, [&](std::size_t part, std::uint32_t i, std::uint64_t number, const std::uint32_t* targets, int count) {
                made.draw(part, i, number, targets, count, values + number);
                for (int e = 0; e < count; ++e) values[number + static_cast<std::uint64_t>(e)] = static_cast<Real>(values[number + static_cast<std::uint64_t>(e)]);
            });
        } else if (info.synapse_field >= 0 && !info.shared) {
            const double none = std::numeric_limits<double>::quiet_NaN();
            if (info.size >= 0) std::fill(values, values + info.size, none);
            for_values(k, [&](const Placed& s, std::uint64_t place) { values[place] = static_cast<double>(m_.synapse_numbers(info.synapse_field, s.part)[s.at]); });
            if (info.size >= 0) synapse_numbers_.fill_places_without_synapse(k, values);
        } else if (info.delays_of >= 0 && !info.shared) {
            for_values(k, [&](const Placed& s, std::uint64_t place) { values[place] = s.delay * m_.net.step_ms; });
        } else {
            std::copy(m_.numbers.own[static_cast<std::size_t>(k)].begin(), m_.numbers.own[static_cast<std::size_t>(k)].end(), values);
        }
    }
    void get_gradient(int, double*) override { untrained(); }
    void set_optimiser_state(int, int, const double*) override { untrained(); }
    void get_optimiser_state(int, int, double*) override { untrained(); }
    void set_optimiser_step(std::int64_t) override { untrained(); }
    std::int64_t optimiser_step() override { return 0; }
    Result run(Mode, const Batch&, double, const Outputs&) override { untrained(); }

    // -------------------------------------------------------------------------------------------- simulation
    SNCC_COLD void simulate(const Simulation& simulation) override {
        const bool numbers_newer = stale_;
        refresh();
        const FlushDenormals flush;
        if (!started_ || !simulation.resume)
            start(simulation);
        else if (numbers_newer)
            follow(simulation);
        for (int q = 0; q < m_.net.sources; ++q) m_.inputs[static_cast<std::size_t>(q)].hand_over(simulation.data, simulation.sample, q, simulation.steps);
        Course course{simulation, List<char>(m_.net.populations + 1, 0), {}};
        for (int k = 0; k < simulation.spike_population_count; ++k) course.recorded[static_cast<std::size_t>(simulation.spike_populations[k])] = 1;
        course.listed = course.recorded;
        for (int p = 0; p < m_.net.populations; ++p) course.listed[static_cast<std::size_t>(p)] |= m_.needs_list(p);
        for (Worker& worker : m_.worker)
            for (SpikeRecord& record : worker.records) record.clear();
        advance(course, done_, done_ + simulation.steps);
        done_ += simulation.steps;
        for (GivenInput<Real>& input : m_.inputs) input.keep_last(simulation.steps);
        merged_.assign(m_.net.populations + 1, Spikes{});
        for (int p = 0; p < m_.net.populations; ++p) {
            if (!course.recorded[static_cast<std::size_t>(p)]) continue;
            List<const SpikeRecord*> parts;
            for (const Worker& worker : m_.worker) parts.push_back(&worker.records[static_cast<std::size_t>(p)]);
            SpikeRecord::merge(parts, done_ - simulation.steps + 1, merged_[static_cast<std::size_t>(p)]);
        }
    }
    const Spikes& spikes(int population) override {
        if (merged_.empty()) merged_.assign(m_.net.populations + 1, Spikes{});
        return merged_[static_cast<std::size_t>(population)];
    }
    SNCC_COLD void reset() override { started_ = false, done_ = 0; }
    std::int64_t step_count() override { return started_ ? done_ : 0; }
    bool states_are_finite(const Description& about) override {
        bool finite = true;
        for (int p = 0; p < about.population_count; ++p)
            for (int k = 0; k < about.populations[p].state_count; ++k)
                finite = finite && are_finite(m_.net.variable(m_.state.data(), p, k), about.populations[p].size);
        return finite;
    }
    SNCC_COLD List<double> state_of(int population, int state, std::int64_t size) override {
        const Real* const from = m_.net.variable(m_.state.data(), population, state);
        return {from, from + size};
    }
    SNCC_COLD List<double> first_state_of(const Simulation& run, int population, int state, std::int64_t size) override {
        AlignedBuffer<unsigned char> first(m_.net.state_bytes);
        m_.net.start(m_.arrays.data(), run.seed, run.trial, first.data());
        const Real* const from = m_.net.variable(first.data(), population, state);
        return {from, from + size};
    }

    // -------------------------------------------------------------------------------------------- the state as bytes
    SNCC_COLD std::size_t state_size() override {
        if (!started_) start(Simulation{}), started_ = false;  // before a first run some parts have no size yet
        Archive archive(Archive::Mode::count, nullptr, 0);
        keep(archive);
        return archive.position();
    }
    SNCC_COLD void get_state(unsigned char* bytes, std::size_t size) override {
        Archive archive(Archive::Mode::write, bytes, size);
        keep(archive);
    }
    SNCC_COLD void set_state(const unsigned char* bytes, std::size_t size) override {
        if (!started_) start(Simulation{});
        Archive archive(Archive::Mode::read, const_cast<unsigned char*>(bytes), size);
        keep(archive);
        archive.expect_end();
    }

protected:
    [[noreturn]] static void untrained() { throw Failure(Code::argument, "the network has no `train` block"); }
    void check_compressed(int connection) const {
        if (connection < 0 || connection >= m_.net.connections_count || m_.net.connections[connection].format != Format::compressed)
            throw Failure(Code::argument, "no sparse connection of that number");
    }

    // Calls visit(synapse, place in the user's array) for the numbers of a parameter that synapses own.
    SNCC_COLD void for_values(int k, const Call<void(const Placed&, std::uint64_t)>& visit) {
        const ParameterInfo& info = m_.net.parameters_info[k];
        const int connection = info.delays_of >= 0 ? info.delays_of : m_.net.synapse_fields_info[info.synapse_field].connection;
        m_.for_each_synapse(connection, [&](const Placed& s) { visit(s, m_.place(connection, k, s.number, s.i, s.j)); });
    }

    // Those that are too short or too long.
    SNCC_COLD void refuse_delays(int k, const double* values) {
        const ParameterInfo& info = m_.net.parameters_info[k];
        const ConnectionInfo& c = m_.net.connections[info.delays_of];
        const std::int64_t count = info.shared ? 1 : parameter_size(k);
        const bool leaves_out = !info.shared && c.pattern.kind == PatternKind::dense && !c.pattern.self_connections;
        for (std::int64_t e = 0; e < count; ++e) {
            if (leaves_out && e / c.target_size + c.source_first == e % c.target_size + c.target_first) continue;  // no synapse is there
            refuse_delay(c.name, values[e], c.delay, m_.net.step_ms);
        }
    }

    // Other delays: what is under way is lost, and the simulation begins anew.
    SNCC_COLD void set_delays(int k, const double* values) {
        const int c = m_.net.parameters_info[k].delays_of;
        m_.have_synapses(c);
        Bundler<Real> bundler(m_);
        for (int k = 0; k < m_.net.connections_count; ++k)
            if (const int b = m_.bundle_of[static_cast<std::size_t>(k)]; b >= 0 && &m_.store(k) == &m_.store(c)) bundler.restore(static_cast<std::size_t>(b));
        m_.store(c).set_delays(m_.pool, m_.net.connections[c].delay, [&](std::size_t part, std::uint64_t at, std::uint64_t number, std::uint32_t i, int count, double* steps) {
            for (std::uint64_t e = 0; e < static_cast<std::uint64_t>(count); ++e)
                steps[e] = nearest_steps(values[m_.place(c, k, number + e, i, m_.store(c).target(part, at + e))], m_.net.step_ms);
        });
        Builder<Real>(m_, pairs_, 0, *about_).plan();
        hazards_ = std::make_unique<Hazards<Real>>(m_);
        reset();
    }

    // What follows from the parameters, after any of them changed.
    SNCC_COLD void refresh() {
        if (!stale_) return;
        m_.net.derive(m_.numbers, m_.arrays.data());
        m_.shared_weights.assign(m_.net.connections_count + 1, Real(0));
        m_.matrices.resize(m_.net.connections_count);
        m_.vectors.resize(m_.net.connections_count);
        for (int c = 0; c < m_.net.connections_count; ++c) synapse_numbers_.take_weights(c);
        Bundler<Real>(m_).fill_missing();
        stale_ = false;
    }

    // What follows from numbers alone, where these were set between runs of which one goes on from the other.
    SNCC_COLD virtual void follow(const Simulation& simulation) {
        for (int f = 0; f < m_.net.synapse_fields; ++f)
            if (m_.net.synapse_fields_info[f].initial && !m_.net.synapse_fields_info[f].moves) synapse_numbers_.start(f, simulation);
    }

    SNCC_COLD virtual void start(const Simulation& simulation) {
        refresh();
        m_.state.zero();
        m_.net.start(m_.arrays.data(), simulation.seed, simulation.trial, m_.state.data());
        synapse_numbers_.begin_at_kernels();
        for (int f = 0; f < m_.net.synapse_fields; ++f)
            if (m_.net.synapse_fields_info[f].initial) synapse_numbers_.start(f, simulation);
        m_.clear_arrivals();
        for (std::size_t f = 0; f < m_.histories.size(); ++f)
            if (m_.histories[f].stride > 0) {
                m_.histories[f].values.zero();
                std::copy(m_.fields[f], m_.fields[f] + m_.net.populations_info[m_.net.fields_info[f].population].size, m_.histories[f].at(0));
            }
        for (Worker& worker : m_.worker)
            worker.spikes.clear();
        for (int q = 0; q < m_.net.sources; ++q)
            m_.inputs[static_cast<std::size_t>(q)].start(m_.net.source_sizes[q].signal, m_.net.source_sizes[q].size, m_.net.source_sizes[q].si, m_.most_delay);
        done_ = sent_ = 0;
        started_ = true;
    }

    // What is the same for all workers of a run.
    struct Course {
        const Simulation& simulation;
        List<char> recorded, listed;  // by population
    };

    // Runs steps first + 1 .. last.
    virtual void advance(const Course& course, std::int64_t first, std::int64_t last) = 0;

    // What a run moves; the same bytes for any number of workers. Parameters that only the user sets are not part of it.
    SNCC_COLD void keep(Archive& archive) {
        archive.expect(static_cast<std::int64_t>(m_.net.state_bytes));
        archive.expect(m_.net.populations), archive.expect(m_.net.connections_count);
        archive.expect(m_.most_delay, other_delays);
        archive.value(started_), archive.value(done_);
        archive.array(m_.state.data(), m_.state.size());
        for (FieldHistory<Real>& history : m_.histories) archive.array(history.values.data(), history.values.size());
        for (GivenInput<Real>& input : m_.inputs) input.archive(archive);
        if (archive.reads())
            for (Worker& worker : m_.worker) worker.spikes.clear();
        for (int p = 0; p < m_.net.populations; ++p) keep_spikes(archive, p);
        for (std::size_t f = 0; f < m_.synapse_fields.size(); ++f) {
            const SynapseFieldInfo& of = m_.net.synapse_fields_info[f];
            if (!of.moves) continue;
            List<Real> values(static_cast<std::size_t>(m_.store(of.connection).synapses.count()));
            const auto for_each = [&](auto&& visit) {
                m_.for_each_synapse(of.connection, [&](const Placed& s) { visit(m_.synapse_numbers(static_cast<int>(f), s.part)[s.at], values[s.number]); });
            };
            if (!archive.reads()) for_each([](const Real& own, Real& value) { value = own; });
            archive.expect(static_cast<std::int64_t>(values.size()));
            archive.array(values.data(), values.size());
            if (archive.reads()) for_each([](Real& own, const Real& value) { own = value; });
        }
    }

    SNCC_COLD void keep_spikes(Archive& archive, int population) {
        if (!m_.net.populations_info[population].spiking) return;
        for (std::int64_t n = done_ - m_.most_delay - m_.interval + 1; n <= done_; ++n) {
            List<std::uint32_t> indices;
            if (!archive.reads() && n >= 1)
                for (const Worker& worker : m_.worker) {
                    const SpikesOfStep spikes = worker.spikes.at(n, population);
                    indices.append(spikes.indices, spikes.indices + spikes.count);
                }
            archive.vector(indices);
            if (!archive.reads()) continue;
            for (Worker& worker : m_.worker) {
                worker.spikes.begin(n, population);
                const Range& own = m_.range(population, worker.index);
                for (const std::uint32_t index : indices)
                    if (index >= own.begin && index < own.end) worker.spikes.append_list(n, &index, 1);
            }
        }
    }

    // Makes the synapses of a connection that were only counted.
    struct Making {
        NeuronEngine* engine;
        std::uint64_t seed;
        void operator()(int connection) const {
            Builder<Real>(engine->m_, engine->pairs_, seed, *engine->about_).have_here(connection);
            engine->set_early_numbers(connection);
        }
    };

    Memory<Real> m_;
    SynapseNumbers<Real> synapse_numbers_{m_};
    Making making_{this, 0};
    List<HandedOver> pairs_;
    const Description* about_ = nullptr;
    std::unique_ptr<Hazards<Real>> hazards_;
    List<Spikes> merged_;
    bool stale_ = true, started_ = false;
    std::int64_t done_ = 0;       // steps since the initial state
    std::int64_t sent_ = 0;  // steps whose spikes are among the arrivals
};

}  // namespace neurons
}  // namespace sncc
