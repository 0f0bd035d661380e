// Deliveries of one step to a worker's own neurons.
#pragma once

#include <algorithm>

#include "neuron_memory.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

// Step n counts from the initial state, `run_step` from the run's start.
template <typename Real>
class Delivery {
public:
    SNCC_COLD Delivery(Memory<Real>& memory, const Worker& worker) : m_(memory), w_(static_cast<std::size_t>(worker.index)) {
        ends_.assign(m_.lanes.size(), -1);
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (m_.sums(c)) ends_[static_cast<std::size_t>(m_.lane_of(c))] = c;
        for (const Bundle<Real>& bundle : m_.bundles) {
            const BundlePart<Real>& part = bundle.parts[w_];
            from_.push_back({bundle.weighted ? part.weights.data() : nullptr, m_.shared_weights[static_cast<std::size_t>(bundle.connections[0])]});
            narrow_.push_back(part.narrow.data()), wide_.push_back(part.wide.data());
        }
    }

    void deliver(int number, std::int64_t n, std::int64_t run_step) {
        const ConnectionInfo& c = m_.net.connections[number];
        const Range own = m_.own_targets(number, w_);
        if (own.size() <= 0) return;
        Real* const accumulator = states().fields[static_cast<std::size_t>(c.input)] + own.begin;
        const Real* const factor = c.gain >= 0 ? states().fields[static_cast<std::size_t>(c.gain)] : nullptr;
        switch (c.format) {
            case Format::dense:
                dense(number, c, n, run_step, accumulator, own, factor);
                break;
            case Format::one_to_one:
                one_to_one(number, c, n, run_step, accumulator, own, factor);
                break;
            case Format::compressed:
                if (c.signal) {
                    values(number, c, n, run_step, accumulator);
                } else if (m_.sums(number)) {
                    summed(number, n, run_step, accumulator, own);
                } else if (c.delays >= 0) {
                    arrivals(number, c, n, run_step, accumulator);
                } else if (m_.is_made(number)) {
                    m_.for_spikes(c, n - c.delay, run_step - c.delay, [&](const SpikesOfStep& spikes) { made_rows(number, accumulator, spikes, factor); });
                } else if (const SynapseStore<Real>& store = m_.store(number); !store.bits.empty()) {
                    m_.for_spikes(c, n - c.delay, run_step - c.delay, [&](const SpikesOfStep& spikes) { bits_.add(store.bits[w_], spikes); });
                    bits_.deliver(accumulator, own.size(), store.bits[w_].stride(), m_.shared_weights[static_cast<std::size_t>(number)]);
                } else {
                    m_.for_spikes(c, n - c.delay, run_step - c.delay, [&](const SpikesOfStep& spikes) { rows(number, c, accumulator, spikes, factor); });
                }
        }
    }

    // Spikes of populations emitted at step n on their way; their arrivals are all later than the present interval's start.
    void send_emitted(std::int64_t n) {
        for (std::size_t b = 0; b < m_.bundles.size(); ++b)
            if (m_.is_handed_on(m_.bundles[b].connections[0])) send(b, n, 0, n - 1);
        rows_.add(n);
    }

    // Of the spikes of step n what arrives after step `until`: in a run that begins with what another has left.
    void send_again(std::int64_t n, std::int64_t run_step, std::int64_t until) {
        for (std::size_t b = 0; b < m_.bundles.size(); ++b) send(b, n, run_step, until);
        rows_.add(n);
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
        if (!part.is_narrow()) return with_targets(part.wide.data());
        with_targets(part.narrow.data());
    }

    SNCC_NOINLINE void rows(int number, const ConnectionInfo& c, Real* accumulator, const SpikesOfStep& spikes, const Real* factor) {
        if (spikes.count == 0) return;
        with_rows(number, c, [&](const std::uint64_t* offsets, const auto* targets, const auto& weights) {
            deliver_rows(accumulator, offsets, targets, weights, spikes, factor);
        });
    }

    // Rows that are not stored, stretch by stretch.
    SNCC_NOINLINE void made_rows(int number, Real* accumulator, const SpikesOfStep& spikes, const Real* factor) {
        if (spikes.count == 0) return;
        const MadeSynapses& made = *m_.made[static_cast<std::size_t>(number)];
        const Real one = m_.shared_weights[static_cast<std::size_t>(number)];
        std::uint32_t source = 0;
        const auto add = [&](std::uint64_t first, const std::uint32_t* targets, int count) {
            if (!made.weights) {
                const Real weight = factor ? one * factor[source] : one;
                for (int k = 0; k < count; ++k) accumulator[targets[k]] += weight;
                return;
            }
            made.draw(w_, source, first, targets, count, drawn_);
            for (int k = 0; k < count; ++k) {
                const Real weight = static_cast<Real>(drawn_[k]);
                accumulator[targets[k]] += factor ? weight * factor[source] : weight;
            }
        };
        for (int s = 0; s < spikes.count; ++s) {
            source = spikes.indices[s];
            made.rows.row(w_, source, made_, add);
        }
    }

    SNCC_NOINLINE void values(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator) {
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
                    const int ago = std::max(c.delay, delays.of(w_, k));  // spikes may have a shorter one than values
                    const Real* const x = m_.values_of(c, n - ago, run_step - ago);
                    if (x) accumulator[targets[k]] += weights[k] * x[i];
                }
        });
    }

    const States<Real>& states() const { return m_.states_of[w_]; }

    SNCC_NOINLINE void send(std::size_t b, std::int64_t n, std::int64_t run_step, std::int64_t until) {
        const Bundle<Real>& bundle = m_.bundles[b];
        const BundlePart<Real>& part = bundle.parts[w_];
        const std::size_t shelf = static_cast<std::size_t>(bundle.shelf);
        m_.for_spikes(m_.net.connections[bundle.connections[0]], n, run_step, [&](const SpikesOfStep& spikes) {
            if (spikes.count == 0) return;
            if (m_.shelves[shelf].at_once)
                put(part, from_[b], spikes, n, until, m_.rings[w_][shelf]);
            else
                m_.arrivals[w_][shelf].send(static_cast<int>(b), part, spikes, n, until);
        });
    }

    // The rows of spikes of step n, as far as they arrive after step `until`.
    SNCC_INLINE void put(const BundlePart<Real>& part, const WeightsFrom<Real>& from, const SpikesOfStep& spikes, std::int64_t n, std::int64_t until, ArrivalRing<Real>& to) {
        const std::uint32_t* const keys = part.keys.data();
        for (int s = 0; s < spikes.count; ++s) {
            std::uint64_t begin = part.rows[spikes.indices[s]];
            const std::uint64_t end = part.rows[spikes.indices[s] + 1];
            if (until >= n) begin = static_cast<std::uint64_t>(std::lower_bound(keys + begin, keys + end, static_cast<std::uint32_t>((until - n + 1) * to.stride())) - keys);
            rows_.put(keys + begin, from.weights ? from.weights + begin : nullptr, from.one, end - begin, to);
        }
    }

    SNCC_NOINLINE void summed(int number, std::int64_t n, std::int64_t run_step, Real* accumulator, const Range& own) {
        const std::size_t lane = static_cast<std::size_t>(m_.lane_of(number)), shelf = static_cast<std::size_t>(m_.lanes[lane].shelf);
        if (!m_.is_handed_on(number)) {
            send(static_cast<std::size_t>(m_.bundle_of[static_cast<std::size_t>(number)]), n, run_step, n - 1);
            rows_.add(n);
        }
        if (ends_[lane] != number) return;
        Arrivals<Real>& arrivals = m_.arrivals[w_][shelf];
        const std::uint32_t begin = m_.lanes[lane].begins[w_];
        const bool at_once = m_.shelves[shelf].at_once;
        if (!at_once) {
            if (m_.shelves[shelf].narrow)
                arrivals.gather(n, narrow_.data(), from_.data());
            else
                arrivals.gather(n, wide_.data(), from_.data());
        }
        Real* SNCC_RESTRICT const from = at_once ? m_.rings[w_][shelf].sums(n, begin) : arrivals.sums(begin);
        Real* SNCC_RESTRICT const to = accumulator;
        for (std::int64_t j = 0; j < own.size(); ++j) to[j] += from[j], from[j] = 0;
    }

    // A delay per synapse, and the weight (or gain) of the moment of arrival: every spike that may arrive now is looked at.
    SNCC_NOINLINE void arrivals(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator) {
        const SynapseStore<Real>& store = m_.store(number);
        for (std::int64_t ago = store.delays.most; ago >= store.delays.least; --ago) {
            const Real* const factor = c.gain >= 0 ? m_.field_at(c.gain, n - ago) : nullptr;
            m_.for_spikes(c, n - ago, run_step - ago, [&](const SpikesOfStep& spikes) {
                with_rows(number, c, [&](const std::uint64_t* offsets, const auto* targets, const auto& weights) {
                    for (int s = 0; s < spikes.count; ++s) {
                        const std::uint32_t i = spikes.indices[s];
                        store.by_delay.for_delay(w_, store.delays, i, offsets[i], offsets[i + 1], static_cast<int>(ago), [&](std::uint64_t k) { accumulator[targets[k]] += factor ? weights[k] * factor[i] : weights[k]; });
                    }
                });
            });
        }
    }

    SNCC_NOINLINE void dense(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator, const Range& own, const Real* factor) {
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

    SNCC_NOINLINE void one_to_one(int number, const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Real* accumulator, const Range& own, const Real* factor) {
        const AlignedBuffer<Real>& each = m_.vectors[static_cast<std::size_t>(number)];
        const Real one = m_.shared_weights[static_cast<std::size_t>(number)];
        const Real* const weights = each.size() ? each.data() + (own.begin - c.target_first) : nullptr;
        const std::int64_t first = own.begin - c.target_first + c.source_first;  // the source of the first own target
        if (c.signal || m_.takes_mask(number)) {
            const Real* const all = c.signal ? m_.values_of(c, n - c.delay, run_step - c.delay) : m_.net.mask(states().bytes, c.source_population);
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
            add(m_.worker[w_].spikes.at(n - c.delay, c.source_population));
        else
            m_.for_spikes(c, n - c.delay, run_step - c.delay, add);
    }

    Memory<Real>& m_;
    std::size_t w_;
    List<int> ends_;  // by lane: the last connection that is summed in it
    BitDelivery<Real> bits_;
    EmittedRows<Real> rows_;
    MadeRows::Scratch made_;
    double drawn_[MadeRows::stretch];
    List<WeightsFrom<Real>> from_;  // by bundle, like the targets' numbers
    List<const std::uint16_t*> narrow_;
    List<const std::uint32_t*> wide_;
};

}  // namespace neurons
}  // namespace sncc
