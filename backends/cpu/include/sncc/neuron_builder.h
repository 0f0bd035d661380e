// Builds the memory of a neuron-parallel network: how many workers, which synapses, their numbers, and how long spikes are kept.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "bundler.h"
#include "neuron_hazards.h"
#include "neuron_memory.h"
#include "sncc/initial_values.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

template <typename Real>
class Builder {
public:
    Builder(Memory<Real>& memory, const List<HandedOver>& pairs, std::uint64_t seed, const Description& about)
        : m_(memory), pairs_(pairs), seed_(seed), about_(about) {}

    SNCC_COLD void build() {
        m_.workers = workers();
        for (int p = 0; p < m_.net.populations; ++p) m_.ranges.push_back(ranges_of(info(p).size, m_.workers));
        m_.stores.resize(m_.net.connections_count);
        m_.made.resize(m_.net.connections_count);
        m_.synapse_fields.resize(m_.net.synapse_fields);
        Bundler<Real> bundler(m_);
        bundler.plan();
        sum_at_once();
        refuse_too_much();
        const auto is_bundled = [&](int c) {
            const int b = m_.bundle_of[static_cast<std::size_t>(c)];
            return b >= 0 && m_.bundles[static_cast<std::size_t>(b)].owns;
        };
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (!is_bundled(c)) synapses(c);
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (!is_bundled(c)) numbers(c);
        for (std::size_t b = 0; b < m_.bundles.size(); ++b) {  // one at a time: the rows of all at once would need twice the memory
            if (!m_.bundles[b].owns) continue;
            for (const int c : m_.bundles[b].connections) synapses(c), numbers(c);
            bundler.fill(b);
        }
        for (int f = 0; f < m_.net.fields_count; ++f) m_.fields.push_back(m_.net.field(m_.state.data(), m_.arrays.data(), f));
        plan();
    }

    // What follows from the delays: how often workers meet, and how much is kept of the last steps.
    SNCC_COLD void plan() {
        delays();
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (m_.on_cpu && m_.looks_by_delay(c)) m_.store(c).by_delay.fill(m_.store(c).synapses.parts, m_.store(c).delays, m_.pool);
        histories();
        m_.worker.clear();
        m_.worker.resize(static_cast<std::size_t>(m_.workers));
        for (int w = 0; w < m_.workers; ++w) worker(w);
        m_.states_of.assign(static_cast<std::size_t>(m_.workers), {m_.state.data(), m_.fields});
    }

    // Of a connection whose synapses are elsewhere: here, too.
    SNCC_COLD void have_here(int c) {
        const double bytes = bytes_of(c), left = available_memory();
        if (bytes > left)
            throw Failure(Code::memory, std::string("the synapses of the connection `") + connection(c).name + "` need " + readable_bytes(bytes) + " of the host's memory, " + readable_bytes(left) + " are free");
        build_rows(c);
        numbers(c);
    }

private:
    const PopulationInfo& info(int population) const { return m_.net.populations_info[population]; }
    const ConnectionInfo& connection(int c) const { return m_.net.connections[c]; }

    SNCC_COLD ConnectivityRequest request(int c) const {
        const ConnectionInfo& of = connection(c);
        ConnectivityRequest request;
        request.pattern = of.pattern, request.source = of.source_part, request.target = of.target_part;
        request.seed = seed_, request.stream = of.stream;
        const HandedOver& given = pairs_[static_cast<std::size_t>(c)];
        request.pre = given.pre.data(), request.post = given.post.data(), request.pairs = static_cast<std::int64_t>(given.pre.size());
        return request;
    }
    // What each synapse of a connection has for itself.
    SNCC_COLD void numbers(int c) {
        if (m_.stores[static_cast<std::size_t>(c)].is_counted()) return;
        for (int f = 0; f < m_.net.synapse_fields; ++f)
            if (m_.net.synapse_fields_info[f].connection == c) initial_numbers(f);
        for (int k = 0; k < m_.net.parameters; ++k)
            if (m_.net.parameters_info[k].delays_of == c) initial_delays(c, k);
    }
    bool is_elsewhere(int c) const { return m_.elsewhere && m_.elsewhere->takes(c); }
    bool owns_synapses(int c) const { return connection(c).format == Format::compressed && connection(c).synapses_of < 0; }

    // More threads than there is work only wait for each other. What is computed does not depend on it.
    SNCC_COLD int workers() const {
        const int most = std::min(m_.pool.threads(), m_.most_workers);
        if (const char* const forced = std::getenv("SNCC_WORKERS")) return std::max(1, std::min(most, std::atoi(forced)));  // for tests
        double work = 0;
        for (int p = 0; p < m_.net.populations; ++p) work += static_cast<double>(info(p).size);
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (owns_synapses(c)) work += expected_synapses(request(c)) / 64;
        return std::max(1, std::min(most, static_cast<int>(work / 1024)));
    }

    // Of synapses that lie by delay a second time: while the largest bundle is filled from its rows, and for good where those are kept.
    SNCC_COLD double bytes_by_delay() const {
        double largest = 0, kept = 0;
        for (const Bundle<Real>& bundle : m_.bundles) {
            double bytes = 0;
            for (const int c : bundle.connections) {
                const ConnectionInfo& of = connection(c);
                const double count = expected_synapses(request(of.synapses_of >= 0 ? of.synapses_of : c));
                const double rows = static_cast<double>(of.source_neurons) * m_.workers;
                const Shelf& shelf = m_.shelves[static_cast<std::size_t>(shelf_of(c))];
                bytes += count * ((shelf.narrow && !shelf.at_once ? 2.0 : 4.0) + (bundle.weighted ? sizeof(Real) : 0.0)) + rows * (bundle.owns ? 2 : 1) * sizeof(std::uint64_t);
                if (!shelf.at_once) bytes += std::min(count, rows * spanned_steps(of.delays)) * sizeof(Slice) + rows * sizeof(std::uint64_t);
            }
            if (bundle.owns)
                largest = std::max(largest, bytes);
            else
                kept += bytes;
        }
        return largest + kept;
    }
    int shelf_of(int c) const {
        const ConnectionInfo& of = connection(c);
        return m_.lanes[static_cast<std::size_t>(of.source_population >= 0 ? of.input : m_.net.fields_count + of.input)].shelf;
    }
    // The delays of a parameter in steps, as far as some of them tell.
    struct Span {
        double least, most;
    };
    SNCC_COLD Span some_delays(int parameter) const {
        const InitialValues initial(about_.parameters[parameter], seed_);
        Span found{initial(0, 0, 0), initial(0, 0, 0)};
        for (std::uint64_t k = 1; k < 64; ++k) {
            const double delay = initial(k, 0, 0);
            found = {std::min(found.least, delay), std::max(found.most, delay)};
        }
        return {found.least / m_.net.step_ms, found.most / m_.net.step_ms};
    }
    // How many steps apart they are.
    SNCC_COLD double spanned_steps(int parameter) const {
        const Span delays = some_delays(parameter);
        return delays.most - delays.least + 1;
    }

    // ------------------------------------------------------------------------------------------------ sums of what arrives
    // A worker's sums of all steps to come are to stay in the cache that a core has for itself.
    static constexpr double ring_bytes = 1 << 20;
    SNCC_COLD bool fits_at_once(const Shelf& shelf, double steps) const {
        if (const char* const forced = std::getenv("SNCC_SUM_AT_ONCE")) return shelf.narrow && std::atoi(forced) != 0;  // for tests
        const double widest = static_cast<double>(*std::max_element(shelf.sizes.begin(), shelf.sizes.end()));
        return shelf.narrow && (steps + 2) * widest * sizeof(Real) <= ring_bytes;
    }
    // Where that is to be expected. What is computed does not depend on it.
    SNCC_COLD void sum_at_once() {
        List<double> steps(m_.shelves.size(), 0.0);
        for (int c = 0; c < m_.net.connections_count; ++c) {
            if (!m_.on_cpu || !m_.sums(c)) continue;
            double& most = steps[static_cast<std::size_t>(shelf_of(c))];
            most = std::max(most, some_delays(connection(c).delays).most);
        }
        for (std::size_t s = 0; s < m_.shelves.size(); ++s) m_.shelves[s].at_once = fits_at_once(m_.shelves[s], steps[s]);
    }
    // Its delays are longer than was expected: the synapses will be laid out anew.
    SNCC_COLD void sum_at_arrival(std::size_t shelf) {
        m_.shelves[shelf].at_once = false;
        Bundler<Real> bundler(m_);
        for (std::size_t b = 0; b < m_.bundles.size(); ++b)
            if (m_.bundles[b].shelf == static_cast<int>(shelf)) bundler.restore(b);
    }

    SNCC_COLD double bytes_in_order(int c) const {
        if (!m_.looks_by_delay(c)) return 0.0;
        const double rows = std::max(1.0, static_cast<double>(connection(c).source_neurons) * m_.workers);
        return DelayOrder::bytes_of_each(expected_synapses(request(c)) / rows, spanned_steps(connection(c).delays));
    }
    SNCC_COLD double bytes_of_each(int c) const {
        const ConnectionInfo& of = connection(c);
        int fields = 0;
        for (int f = 0; f < m_.net.synapse_fields; ++f) {
            const int by = m_.net.synapse_fields_info[f].connection;
            fields += by == c || connection(by).synapses_of == c;
        }
        const std::int64_t widest = m_.ranges[static_cast<std::size_t>(of.target_population)][0].size() + 64;
        return bytes_per_synapse(widest, fields, sizeof(Real), of.delays >= 0, of.reversed) + bytes_in_order(c) +
               (of.pattern.has_elements() ? 4.0 : 0.0);
    }
    SNCC_COLD double bytes_of(int c) const {
        const ConnectionInfo& of = connection(c);
        const double count = expected_synapses(request(c));
        const double pairs = static_cast<double>(of.source_neurons) * static_cast<double>(info(of.target_population).size);
        const double bits = m_.may_be_bits(c) && count * BitRows::sparsest >= pairs ? pairs / 8 : 0;
        return count * bytes_of_each(c) + bits + static_cast<double>(of.source_neurons) * 8 * (m_.workers + 1);
    }

    SNCC_COLD void refuse_too_much() const {
        double total = static_cast<double>(m_.net.state_bytes + m_.net.arrays_bytes);
        std::string largest;
        double most = 0;
        for (int c = 0; c < m_.net.connections_count; ++c) {
            if (!owns_synapses(c) || is_elsewhere(c)) continue;
            if (m_.is_made(c)) {
                total += MadeRows::bytes(static_cast<double>(connection(c).source_neurons), m_.workers);
                continue;
            }
            const double bytes = bytes_of(c);
            total += bytes;
            if (bytes <= most) continue;
            most = bytes;
            char number[48];
            std::snprintf(number, sizeof number, "%.3g synapses of %g bytes", expected_synapses(request(c)), bytes_of_each(c));
            largest = std::string("; the largest connection, ") + connection(c).name + ", has " + number;
        }
        total += bytes_by_delay();
        const double left = available_memory();
        if (total > left)
            throw Failure(Code::memory, "the network needs " + readable_bytes(total) + " of memory, " + readable_bytes(left) + " are free" + largest);
    }

    SNCC_COLD void synapses(int c) {
        const ConnectionInfo& of = connection(c);
        if (!owns_synapses(c)) return;
        if (m_.is_made(c)) return make(c);
        if (of.pattern.kind == PatternKind::sparse && !pairs_[static_cast<std::size_t>(c)].given)
            throw Failure(Code::argument, std::string("the connection `") + of.name + "` is `sparse`: hand its pairs over when loading, connections={\"" + of.name + "\": (pre, post)}");
        if (!is_elsewhere(c)) return build_rows(c);
        try {
            check_random(request(c), m_.pool);
        } catch (const std::invalid_argument& error) {
            throw Failure(Code::argument, std::string("the connection `") + of.name + "`: " + error.what());
        }
        m_.elsewhere->count(c, request(c), m_.stores[static_cast<std::size_t>(c)]);
    }
    SNCC_COLD void build_rows(int c) {
        const ConnectionInfo& of = connection(c);
        SynapseStore<Real>& store = m_.stores[static_cast<std::size_t>(c)];
        try {
            store.synapses = build_synapses(request(c), m_.workers, m_.pool);
        } catch (const std::invalid_argument& error) {
            throw Failure(Code::argument, std::string("the connection `") + of.name + "`: " + error.what());
        }
        if (of.reversed) store.reverse_all(m_.pool);
        const double pairs = static_cast<double>(of.source_neurons) * static_cast<double>(info(of.target_population).size);
        if (m_.may_be_bits(c) && static_cast<double>(store.synapses.count()) * BitRows::sparsest >= pairs) store.to_bits(m_.pool);
    }

    // What it takes to make a connection's synapses when they are needed.
    SNCC_COLD void make(int c) {
        const ConnectionInfo& of = connection(c);
        try {
            check_random(request(c), m_.pool);
        } catch (const std::invalid_argument& error) {
            throw Failure(Code::argument, std::string("the connection `") + of.name + "`: " + error.what());
        }
        m_.made[static_cast<std::size_t>(c)] = std::make_unique<MadeSynapses>(MadeSynapses{{request(c), m_.ranges[static_cast<std::size_t>(of.target_population)], m_.pool}, {}});
        if (of.weight_field >= 0) m_.made[static_cast<std::size_t>(c)]->weights.emplace(about_.parameters[of.weight], seed_);
    }

    SNCC_COLD void initial_numbers(int f) {
        const SynapseFieldInfo& of = m_.net.synapse_fields_info[f];
        if (m_.is_made(of.connection)) return;
        SynapseField<Real>& field = m_.synapse_fields[static_cast<std::size_t>(f)];
        const SynapseStore<Real>& store = m_.store(of.connection);
        store.allocate(field);
        if (of.parameter < 0) return;  // a state, or a kernel's copy: set later
        const InitialValues initial(about_.parameters[of.parameter], seed_);
        store.for_each_stretch(m_.pool, [&](std::size_t part, std::uint64_t k, std::uint64_t number, std::uint32_t i, int count) {
            double drawn[SynapseStore<Real>::stretch];
            first_values(initial, of.connection, of.parameter, part, k, number, i, count, drawn);
            for (int e = 0; e < count; ++e) field.parts[part][k + static_cast<std::uint64_t>(e)] = static_cast<Real>(drawn[e]);
        });
    }

    SNCC_COLD void initial_delays(int c, int parameter) {
        const InitialValues initial(about_.parameters[parameter], seed_);
        const int most = m_.store(c).set_delays(m_.pool, connection(c).delay, [&](std::size_t part, std::uint64_t k, std::uint64_t number, std::uint32_t i, int count, double* steps) {
            first_values(initial, c, parameter, part, k, number, i, count, steps);
            for (int e = 0; e < count; ++e) steps[e] = nearest_steps(steps[e], m_.net.step_ms);
        });
        if (most > longest_delay) refuse_long_delay(connection(c).name, most * m_.net.step_ms, most, m_.net.step_ms);
    }
    // Of synapses of one source that follow one another in a part.
    void first_values(const InitialValues& initial, int c, int parameter, std::size_t part, std::uint64_t k, std::uint64_t number, std::uint32_t i, int count, double* to) const {
        if (initial.come_many() && m_.net.parameters_info[parameter].size < 0) return initial.many(number, count, to);
        const bool matrix = m_.net.parameters_info[parameter].size >= 0;  // its i and j are row and column
        const std::uint64_t columns = static_cast<std::uint64_t>(about_.parameters[parameter].columns);
        for (std::uint64_t e = 0; e < static_cast<std::uint64_t>(count); ++e) {
            const std::uint32_t j = m_.store(c).target(part, k + e);
            const std::uint64_t element = m_.place(c, parameter, number + e, i, j);
            to[e] = matrix ? initial(element, element / columns, element % columns) : initial(element, i, j);
        }
    }

    // The shortest way between workers sets how often they meet, the longest delay how long spikes are kept.
    SNCC_COLD void delays() {
        const Hazards<Real> hazards(m_);
        m_.interval = hazards.interval();
        m_.most_delay = 1;
        for (int c = 0; c < m_.net.connections_count; ++c) m_.most_delay = std::max(m_.most_delay, m_.most_delay_of(c));
        for (int u = 0; u < m_.net.synapse_updates_count; ++u)
            m_.most_delay = std::max<std::int64_t>(m_.most_delay, m_.net.synapse_updates[u].post_delay);
        m_.inputs.resize(m_.net.sources);
        List<std::int64_t> steps(m_.shelves.size(), 0);
        for (int c = 0; c < m_.net.connections_count; ++c) {
            if (!m_.on_cpu || !m_.sums(c)) continue;
            std::int64_t& longest = steps[static_cast<std::size_t>(m_.lanes[static_cast<std::size_t>(m_.lane_of(c))].shelf)];
            longest = std::max(longest, m_.most_delay_of(c) + m_.interval + 1);
        }
        for (std::size_t s = 0; s < m_.shelves.size(); ++s)
            if (m_.shelves[s].at_once && !fits_at_once(m_.shelves[s], static_cast<double>(steps[s]) / 2)) sum_at_arrival(s);
        m_.arrivals.clear(), m_.rings.clear();
        m_.arrivals.resize(static_cast<std::size_t>(m_.workers)), m_.rings.resize(static_cast<std::size_t>(m_.workers));
        for (std::size_t w = 0; w < m_.arrivals.size(); ++w) {
            m_.arrivals[w].resize(m_.shelves.size()), m_.rings[w].resize(m_.shelves.size());
            for (std::size_t s = 0; s < m_.shelves.size(); ++s) {
                if (steps[s] == 0) continue;
                if (m_.shelves[s].at_once)
                    m_.rings[w][s].allocate(m_.shelves[s].sizes[w], steps[s]);
                else
                    m_.arrivals[w][s].allocate(m_.shelves[s].sizes[w], steps[s]);
            }
        }
    }

    SNCC_COLD void histories() {
        m_.histories.clear();
        m_.histories.resize(m_.net.fields_count);
        for (int f = 0; f < m_.net.fields_count; ++f) {
            const FieldInfo& of = m_.net.fields_info[f];
            if (of.history == 0) continue;
            FieldHistory<Real>& history = m_.histories[static_cast<std::size_t>(f)];
            history.stride = (info(of.population).size + 63) / 64 * 64;
            history.mask = ring_mask(m_.most_delay + m_.interval + 1);
            history.values = AlignedBuffer<Real>(static_cast<std::size_t>(history.stride) * (history.mask + 1));
        }
    }

    SNCC_COLD void worker(int w) {
        Worker& worker = m_.worker[static_cast<std::size_t>(w)];
        worker.index = w;
        worker.records.resize(m_.net.populations);
        worker.tables.resize(m_.net.populations);
        worker.spikes.allocate(m_.net.populations, m_.most_delay + m_.interval);
    }

    Memory<Real>& m_;
    const List<HandedOver>& pairs_;
    std::uint64_t seed_;
    const Description& about_;
};

}  // namespace neurons
}  // namespace sncc
