// The synapses that an emitted update of synapses goes through.
#pragma once

#include "neuron_memory.h"

namespace sncc {
namespace neurons {

// A worker's synapses of one connection, for an emitted update of synapses.
template <typename Real>
class SynapseLoop {
public:
    SynapseLoop(Memory<Real>& memory, int update, const Worker& worker, const Simulation& simulation, std::int64_t n, std::int64_t run_step, Real t)
        : n(n), t(t), seed(simulation.seed), trial(simulation.trial), m_(memory), update_(m_.net.synapse_updates[update]), connection_(m_.net.connections[update_.connection]),
          worker_(worker), run_step_(run_step), part_(static_cast<std::size_t>(worker.index)), store_(memory.store(update_.connection)),
          rows_(store_.synapses.parts[part_]) {}

    const std::int64_t n;
    const Real t;
    const std::uint64_t seed;
    const std::uint32_t trial;

    // What tells draws of a synapse apart: its number in the user's order, and how many spikes of this step have gone before.
    std::uint32_t number(std::uint64_t k, std::int64_t i) const {
        const std::size_t row = static_cast<std::size_t>(i);
        std::uint64_t number = store_.synapses.starts[row] + (k - rows_.offsets[row]);
        for (std::size_t part = 0; part < part_; ++part) number += store_.synapses.parts[part].offsets[row + 1] - store_.synapses.parts[part].offsets[row];
        return static_cast<std::uint32_t>(number);
    }
    std::uint32_t repeat() const { return repeat_; }

    Real* synapse(int field) const { return m_.synapse_fields[static_cast<std::size_t>(field)].parts[part_].data(); }
    Real shared_weight() const { return m_.shared_weights[static_cast<std::size_t>(update_.connection)]; }
    // Of source neurons, by their index; and of own target neurons, by their index in the range.
    const Real* pre(int field) const { return m_.states_of[part_].fields[static_cast<std::size_t>(field)]; }
    const Real* pre_ago(int field, std::int64_t steps) const { return steps == 0 ? pre(field) : m_.field_at(field, n - steps); }
    Real one(int field) const { return pre(field)[0]; }  // of the only neuron of a population
    Real* post(int field) const { return m_.states_of[part_].fields[static_cast<std::size_t>(field)] + rows_.range.begin; }

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
        const SpikesOfStep spikes = worker_.spikes.at(n - update_.post_delay, connection_.target_population);
        const ReverseIndex& index = store_.reversed[part_];
        for (int s = 0; s < spikes.count; ++s) {
            count_repeats(spikes, s);
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
                for (int s = 0; s < spikes.count; ++s) {
                    count_repeats(spikes, s);
                    row(spikes.indices[s], ago, body);
                }
            });
    }
    SNCC_INLINE void count_repeats(const SpikesOfStep& spikes, int s) const {
        repeat_ = s > 0 && spikes.indices[s] == spikes.indices[s - 1] ? repeat_ + 1 : 0;
    }
    template <typename Body>
    SNCC_INLINE void row(std::uint32_t i, std::int64_t ago, Body&& body) const {
        const std::uint64_t begin = rows_.offsets[i], end = rows_.offsets[i + 1];
        if (connection_.delays >= 0) {
            store_.by_delay.for_delay(part_, store_.delays, i, begin, end, static_cast<int>(ago), [&](std::uint64_t k) { body(k, i, rows_.target(k), static_cast<int>(ago)); });
        } else if (rows_.is_narrow()) {
            const std::uint16_t* const targets = rows_.narrow.data();
            for (std::uint64_t k = begin; k < end; ++k) body(k, i, targets[k], 0);
        } else {
            for (std::uint64_t k = begin; k < end; ++k) body(k, i, rows_.wide[k], 0);
        }
    }

    Memory<Real>& m_;
    const SynapseUpdateInfo& update_;
    const ConnectionInfo& connection_;
    const Worker& worker_;
    std::int64_t run_step_;
    std::size_t part_;
    const SynapseStore<Real>& store_;
    const CompressedRows& rows_;
    mutable std::uint32_t repeat_ = 0;
};

}  // namespace neurons
}  // namespace sncc
