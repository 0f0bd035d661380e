// One step of a worker's own neurons: deliveries, updates and synapses' own updates, in the order of the Program.
#pragma once

#include <algorithm>

#include "neuron_hazards.h"

namespace sncc {
namespace neurons {

// Own neurons of one population in the arrays of its group: what an emitted update loops over. Positions are multiples of
// 64 from the population's first; the last range ends at a multiple of 16.
template <typename Network>
struct Segment {
    using Real = typename Network::Real;

    const typename Network::Arrays& a;
    typename Network::State& s;
    std::int64_t n;  // the step, counted from the initial state
    Real t;
    std::uint64_t seed;
    std::uint32_t trial;
    int population;
    std::int64_t begin, end;  // positions in the group
    std::int64_t first;       // index in the population of the neuron at `begin`
    Worker& worker;
    bool listed;

    static constexpr int chunk = 512;
    int count(std::int64_t position) const { return static_cast<int>(std::min<std::int64_t>(chunk, end - position)); }
    std::uint32_t element(std::int64_t position) const { return static_cast<std::uint32_t>(first + position - begin); }
    // Lists the neurons whose mask, from `position`, is not zero.
    void list(const Real* mask, std::int64_t position) const {
        if (!listed) return;
        const PopulationInfo& info = Network::populations_info()[population];
        const std::int64_t index = first + position - begin;
        const int own = static_cast<int>(std::min<std::int64_t>(count(position), info.size - index));
        SpikeHistory& spikes = worker.spikes[static_cast<std::size_t>(population)];
        if (info.counts)
            spikes.append_counts(n, mask, index, own);
        else
            spikes.append(n, mask, index, own);
    }
};

// A worker's synapses of one connection, for an emitted update of synapses.
template <typename Network>
class SynapseLoop {
    using Real = typename Network::Real;

public:
    SynapseLoop(Memory<Network>& memory, int update, const Worker& worker, std::int64_t n, std::int64_t run_step, Real t)
        : n(n), t(t), m_(memory), update_(Network::synapse_updates()[update]), connection_(Network::connections()[update_.connection]),
          worker_(worker), run_step_(run_step), part_(static_cast<std::size_t>(worker.index)), store_(memory.store(update_.connection)),
          rows_(store_.synapses.parts[part_]) {}

    const std::int64_t n;
    const Real t;

    Real* synapse(int field) const { return m_.synapse_fields[static_cast<std::size_t>(field)].parts[part_].data(); }
    Real shared_weight() const { return m_.shared_weights[static_cast<std::size_t>(update_.connection)]; }
    // Of source neurons, by their index; and of own target neurons, by their index in the range.
    const Real* pre(int field) const { return m_.fields[static_cast<std::size_t>(field)]; }
    const Real* pre_ago(int field, std::int64_t steps) const { return steps == 0 ? pre(field) : m_.field_at(field, n - steps); }
    Real* post(int field) const { return m_.fields[static_cast<std::size_t>(field)] + rows_.range.begin; }

    // body(place, source, target in the range, steps ago), once for each spike
    template <typename Body>
    SNCC_INLINE void for_each(Body&& body) const {
        switch (update_.when) {
            case When::step: every(body); break;
            case When::post: fired(body); break;
            case When::pre: arriving(body);
        }
    }

private:
    template <typename Body>
    SNCC_INLINE void every(Body&& body) const {
        for (std::size_t i = 0; i + 1 < rows_.offsets.size(); ++i)
            for (std::uint64_t k = rows_.offsets[i]; k < rows_.offsets[i + 1]; ++k)
                body(k, static_cast<std::int64_t>(i), static_cast<std::int64_t>(rows_.target(k)), connection_.delays >= 0 ? store_.delays.of(part_, k) : 0);
    }
    template <typename Body>
    SNCC_INLINE void fired(Body&& body) const {
        const SpikesOfStep spikes = worker_.spikes[static_cast<std::size_t>(connection_.target_population)].at(n - update_.post_delay);
        const ReverseIndex& index = store_.reversed[part_];
        for (int s = 0; s < spikes.count; ++s) {
            const std::int64_t j = static_cast<std::int64_t>(spikes.indices[s]) - rows_.range.begin;
            for (std::uint64_t e = index.offsets[static_cast<std::size_t>(j)]; e < index.offsets[static_cast<std::size_t>(j) + 1]; ++e) {
                const std::uint64_t entry = index.entries[e], k = entry & 0xFFFFFFFFu;
                body(k, static_cast<std::int64_t>(entry >> 32), j, connection_.delays >= 0 ? store_.delays.of(part_, k) : 0);
            }
        }
    }
    template <typename Body>
    SNCC_INLINE void arriving(Body&& body) const {
        const std::int64_t most = m_.most_delay_of(update_.connection), least = m_.least_delay_of(update_.connection);
        for (std::int64_t ago = most; ago >= least; --ago)
            m_.for_spikes(connection_, n - ago, run_step_ - ago, [&](const SpikesOfStep& spikes) {
                for (int s = 0; s < spikes.count; ++s) row(spikes.indices[s], ago, body);
            });
    }
    template <typename Body>
    SNCC_INLINE void row(std::uint32_t i, std::int64_t ago, Body&& body) const {
        const std::uint64_t begin = rows_.offsets[i], end = rows_.offsets[i + 1];
        if (connection_.delays >= 0) {
            for (std::uint64_t k = begin; k < end; ++k)
                if (store_.delays.of(part_, k) == ago) body(k, i, rows_.target(k), static_cast<int>(ago));
        } else if (rows_.is_narrow()) {
            const std::uint16_t* const targets = rows_.narrow.data();
            for (std::uint64_t k = begin; k < end; ++k) body(k, i, targets[k], 0);
        } else {
            for (std::uint64_t k = begin; k < end; ++k) body(k, i, rows_.wide[k], 0);
        }
    }

    Memory<Network>& m_;
    const SynapseUpdateInfo& update_;
    const ConnectionInfo& connection_;
    const Worker& worker_;
    std::int64_t run_step_;
    std::size_t part_;
    const SynapseStore<Real>& store_;
    const CompressedRows& rows_;
};

// Deliveries of one step to a worker's own neurons. Step n counts from the initial state, `run_step` from the run's start.
template <typename Network>
class Delivery {
    using Real = typename Network::Real;

public:
    Delivery(Memory<Network>& memory, const Worker& worker) : m_(memory), w_(static_cast<std::size_t>(worker.index)) {
        ends_.assign(m_.lanes.size(), -1);
        for (int c = 0; c < Network::connections_count; ++c)
            if (m_.sums(c)) ends_[static_cast<std::size_t>(m_.lane_of(c))] = c;
        for (const Bundle<Real>& bundle : m_.bundles) {
            const BundlePart<Real>& part = bundle.parts[w_];
            from_.push_back({bundle.weighted ? part.weights.data() : nullptr, m_.shared_weights[static_cast<std::size_t>(bundle.connections[0])]});
            narrow_.push_back(part.narrow.data()), wide_.push_back(part.wide.data());
        }
    }

    void deliver(int number, std::int64_t n, std::int64_t run_step) {
        const ConnectionInfo& c = Network::connections()[number];
        const Range own = m_.own_targets(number, w_);
        if (own.size() <= 0) return;
        Real* const accumulator = m_.fields[static_cast<std::size_t>(c.input)] + own.begin;
        const Real* const factor = c.gain >= 0 ? m_.fields[static_cast<std::size_t>(c.gain)] : nullptr;
        switch (c.format) {
            case Format::dense:
                if constexpr (Network::has_dense) dense(number, c, n, run_step, accumulator, own, factor);
                break;
            case Format::one_to_one:
                if constexpr (Network::has_one_to_one) one_to_one(number, c, n, run_step, accumulator, own, factor);
                break;
            case Format::compressed:
                if (c.signal) {
                    if constexpr (Network::has_signals) values(number, c, n, run_step, accumulator);
                } else if (m_.sums(number)) {
                    if constexpr (Network::has_drawn_delays) summed(number, n, run_step, accumulator, own);
                } else if (c.delays >= 0) {
                    if constexpr (Network::has_drawn_delays) arrivals(number, c, n, run_step, accumulator);
                } else {
                    m_.for_spikes(c, n - c.delay, run_step - c.delay, [&](const SpikesOfStep& spikes) { rows(number, c, accumulator, spikes, factor); });
                }
        }
    }

    // Spikes of populations emitted at step n on their way; their arrivals are all later than the present interval's start.
    void send_emitted(std::int64_t n) {
        if constexpr (Network::has_drawn_delays) {
            for (std::size_t b = 0; b < m_.bundles.size(); ++b)
                if (m_.is_handed_on(m_.bundles[b].connections[0])) send(b, n, 0, n);
        }
    }

    // Of the spikes of step n what arrives after step `until`: in a run that begins with what another has left.
    void send_again(std::int64_t n, std::int64_t run_step, std::int64_t until) {
        if constexpr (Network::has_drawn_delays) {
            for (std::size_t b = 0; b < m_.bundles.size(); ++b) send(b, n, run_step, until);
        }
    }

private:
    template <typename Run>
    SNCC_INLINE void with_rows(int number, const ConnectionInfo& c, Run&& run) {
        const CompressedRows& part = m_.store(number).synapses.parts[w_];
        const std::uint64_t* const offsets = part.offsets.data();
        const Real* const weights = c.weight_field >= 0 ? m_.synapse_fields[static_cast<std::size_t>(c.weight_field)].parts[w_].data() : nullptr;
        const OneWeight<Real> one{m_.shared_weights[static_cast<std::size_t>(number)]};
        const auto with_targets = [&](const auto* targets) {
            if (weights)
                run(offsets, targets, weights);
            else
                run(offsets, targets, one);
        };
        if constexpr (Network::has_wide_rows) {
            if (!part.is_narrow()) return with_targets(part.wide.data());
        }
        with_targets(part.narrow.data());
    }

    void rows(int number, const ConnectionInfo& c, Real* accumulator, const SpikesOfStep& spikes, const Real* factor) {
        if (spikes.count == 0) return;
        with_rows(number, c, [&](const std::uint64_t* offsets, const auto* targets, const auto& weights) {
            deliver_rows(accumulator, offsets, targets, weights, spikes, factor);
        });
    }

    void values(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator) {
        if (c.delays < 0) {
            const Real* const x = m_.values_of(c, n - c.delay, run_step - c.delay);
            if (!x) return;
            with_rows(number, c, [&](const std::uint64_t* offsets, const auto* targets, const auto& weights) {
                deliver_values(accumulator, offsets, targets, weights, x, c.source_neurons);
            });
            return;
        }
        const Delays& delays = m_.store(number).delays;
        with_rows(number, c, [&](const std::uint64_t* offsets, const auto* targets, const auto& weights) {
            for (std::int64_t i = 0; i < c.source_neurons; ++i)
                for (std::uint64_t k = offsets[i]; k < offsets[i + 1]; ++k) {
                    const int ago = delays.of(w_, k);
                    const Real* const x = m_.values_of(c, n - ago, run_step - ago);
                    if (x) accumulator[targets[k]] += weights[k] * x[i];
                }
        });
    }

    void send(std::size_t b, std::int64_t n, std::int64_t run_step, std::int64_t until) {
        const Bundle<Real>& bundle = m_.bundles[b];
        Arrivals<Real>& to = m_.arrivals[w_][static_cast<std::size_t>(bundle.shelf)];
        m_.for_spikes(Network::connections()[bundle.connections[0]], n, run_step, [&](const SpikesOfStep& spikes) {
            if (spikes.count > 0) to.send(static_cast<int>(b), bundle.parts[w_], spikes, n, until);
        });
    }

    void summed(int number, std::int64_t n, std::int64_t run_step, Real* accumulator, const Range& own) {
        const std::size_t lane = static_cast<std::size_t>(m_.lane_of(number)), shelf = static_cast<std::size_t>(m_.lanes[lane].shelf);
        if (!m_.is_handed_on(number)) send(static_cast<std::size_t>(m_.bundle_of[static_cast<std::size_t>(number)]), n, run_step, n - 1);
        if (ends_[lane] != number) return;
        Arrivals<Real>& arrivals = m_.arrivals[w_][shelf];
        if (m_.shelves[shelf].narrow)
            arrivals.gather(n, narrow_.data(), from_.data());
        else
            arrivals.gather(n, wide_.data(), from_.data());
        Real* SNCC_RESTRICT const from = arrivals.sums(m_.lanes[lane].begins[w_]);
        Real* SNCC_RESTRICT const to = accumulator;
        for (std::int64_t j = 0; j < own.size(); ++j) to[j] += from[j], from[j] = 0;
    }

    // A delay per synapse, and the weight (or gain) of the moment of arrival: every spike that may arrive now is looked at.
    void arrivals(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator) {
        const Delays& delays = m_.store(number).delays;
        for (std::int64_t ago = delays.most; ago >= delays.least; --ago) {
            const Real* const factor = c.gain >= 0 ? m_.field_at(c.gain, n - ago) : nullptr;
            m_.for_spikes(c, n - ago, run_step - ago, [&](const SpikesOfStep& spikes) {
                with_rows(number, c, [&](const std::uint64_t* offsets, const auto* targets, const auto& weights) {
                    for (int s = 0; s < spikes.count; ++s)
                        for (std::uint64_t k = offsets[spikes.indices[s]]; k < offsets[spikes.indices[s] + 1]; ++k)
                            if (delays.of(w_, k) == ago) accumulator[targets[k]] += factor ? weights[k] * factor[spikes.indices[s]] : weights[k];
                });
            });
        }
    }

    void dense(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator, const Range& own, const Real* factor) {
        const Real* const weights = m_.matrices[static_cast<std::size_t>(number)][w_].data();
        const std::int64_t stride = (own.size() + 15) / 16 * 16;
        if (c.signal) {
            const Real* const x = m_.values_of(c, n - c.delay, run_step - c.delay);
            if (x) deliver_dense_values(accumulator, weights, stride, own.size(), x + c.source_first, c.source_size);
            return;
        }
        m_.for_spikes(c, n - c.delay, run_step - c.delay, [&](const SpikesOfStep& spikes) {
            deliver_dense(accumulator, weights, stride, own.size(), spikes, factor, c.source_first, c.source_size);
        });
    }

    void one_to_one(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator, const Range& own, const Real* factor) {
        const AlignedBuffer<Real>& each = m_.vectors[static_cast<std::size_t>(number)];
        const Real one = m_.shared_weights[static_cast<std::size_t>(number)];
        const Real* const weights = each.size() ? each.data() + (own.begin - c.target_first) : nullptr;
        const std::int64_t first = own.begin - c.target_first + c.source_first;  // the source of the first own target
        if (c.signal || m_.takes_mask(number)) {
            const Real* const all = c.signal ? m_.values_of(c, n - c.delay, run_step - c.delay) : Network::mask(*m_.state.data(), c.source_population);
            if (!all) return;
            const Real* SNCC_RESTRICT const x = all + first;
            Real* SNCC_RESTRICT const to = accumulator;
            if (factor)
                for (std::int64_t j = 0; j < own.size(); ++j) to[j] += x[j] * (weights ? weights[j] : one) * factor[first + j];
            else if (weights)
                for (std::int64_t j = 0; j < own.size(); ++j) to[j] += x[j] * weights[j];
            else
                for (std::int64_t j = 0; j < own.size(); ++j) to[j] += x[j] * one;
            return;
        }
        const auto add = [&](const SpikesOfStep& spikes) {
            for (int s = 0; s < spikes.count; ++s) {
                const std::int64_t j = static_cast<std::int64_t>(spikes.indices[s]) - first;
                if (j < 0 || j >= own.size()) continue;
                const Real weight = weights ? weights[j] : one;
                accumulator[j] += factor ? weight * factor[spikes.indices[s]] : weight;
            }
        };
        if (m_.is_local(number))  // a neuron's own worker owns its target
            add(m_.worker[w_].spikes[static_cast<std::size_t>(c.source_population)].at(n - c.delay));
        else
            m_.for_spikes(c, n - c.delay, run_step - c.delay, add);
    }

    Memory<Network>& m_;
    std::size_t w_;
    std::vector<int> ends_;  // by lane: the last connection that is summed in it
    std::vector<WeightsFrom<Real>> from_;  // by bundle, like the targets' numbers
    std::vector<const std::uint16_t*> narrow_;
    std::vector<const std::uint32_t*> wide_;
};

}  // namespace neurons
}  // namespace sncc
