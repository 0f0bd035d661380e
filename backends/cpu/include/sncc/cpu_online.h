// e-prop forwards: all samples of a batch in lockstep, each with its eligibility traces, in place of a reverse phase. Memory
// does not grow with the number of steps. Where the loss is one of every step, the weights change after every step.
#pragma once

#include <algorithm>
#include <memory>

#include "sncc/fpu.h"
#include "sncc/memory.h"
#include "sncc/cpu_synapses.h"
#include "sncc/layout.h"
#include "cpu_readout.h"
#include "sncc/list.h"

namespace sncc {
namespace cpu {

// ------------------------------------------------------------------------------------------------ a step's parts
// Calls body(row, first column, where, width) for every row of every tile.
template <typename Real, typename Body>
void for_rows(const TileLayout<Real>& layout, const Body& body) {
    for (int k = 0; k < layout.tiles(); ++k)
        for (int i = 0; i < layout.rows; ++i)
            body(i, k * tile_width<Real>, layout.tile(k) + std::int64_t(i) * layout.width(k), layout.width(k));
}
template <typename Real>
void gather_traces(Real* gradient, const TileLayout<Real>& layout, const Real* signal, const Real* traces) {
    for_rows(layout, [&](int, int first, std::int64_t at, int width) {
        SNCC_INDEPENDENT
        for (int j = 0; j < width; ++j) gradient[at + j] = m_fma(signal[first + j], traces[at + j], gradient[at + j]);
    });
}
// Traces whose number is known when synapses are built: number `trace` of those of update `update`.
template <typename Network>
typename Network::Real* traces_in_rows(Sample<Network>& s, const Parameters<typename Network::Real>& p, int update, std::int64_t trace) {
    return s.traces.data() + p.trace_starts[static_cast<std::size_t>(update)] + trace * room_of_traces(p, Network::late_traces()[update]);
}
template <Element Place, typename Real, typename Loop>
void gather_traces_in_rows(const Loop& loop, Real* gradient, std::int64_t sources, const Real* signal, const Real* traces) {
    WeightGradient<Real, Place> sum(gradient);
    for (std::int64_t i = 0; i < sources; ++i)
        loop.template row<Place != Element::one>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA { sum.add(e, signal[j] * traces[k]); });
}
// Of learnt delays.
template <Element Place, typename Real, typename Loop, typename Delays>
void gather_traces_of_delays(const Loop& loop, const Delays& delays, Real* gradient, std::int64_t sources, const Real* signal, const Real* traces) {
    WeightGradient<Real, Place> sum(gradient);
    for (std::int64_t i = 0; i < sources; ++i)
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t, std::uint64_t k) SNCC_INLINE_LAMBDA { sum.add(delays.elements[k], signal[j] * traces[k]); });
}
template <typename Real>
void gather_numbers(double* sums, int count, const Real* signal, const Real* traces) {
    for (int j = 0; j < count; ++j) sums[j] += static_cast<double>(signal[j]) * static_cast<double>(traces[j]);
}
// into[i] := that of the target of source i, which has at most one; 0 where it has none.
template <typename Real>
void signal_back(const SynapseRows& rows, Real* into, const Real* told) {
    const std::uint64_t* const offsets = rows.offsets();
    for (std::int64_t i = 0; i < rows.sources(); ++i) into[i] = offsets[i] < offsets[i + 1] ? told[rows.target(offsets[i])] : Real(0);
}
// What the targets of a source's synapses, a number for each, come to.
inline double sum_of_targets(const SynapseRows& rows, const double* of_targets, std::int64_t source) {
    double sum = 0;
    for (std::uint64_t k = rows.offsets()[source]; k < rows.offsets()[source + 1]; ++k) sum += of_targets[rows.target(k)];
    return sum;
}
// into[i] := that of synapse number `turn` of source i, or, given what these go `onto`, of its target; 0 where it has no more.
template <typename Real>
void pick(const SynapseRows& rows, const SynapseRows* onto, std::int64_t turn, Real* into, const Real* of) {
    const std::uint64_t* const offsets = rows.offsets();
    for (std::int64_t i = 0; i < rows.sources(); ++i) {
        const std::uint64_t k = offsets[i] + static_cast<std::uint64_t>(turn);
        into[i] = k < offsets[i + 1] ? of[onto ? onto->target(onto->offsets()[rows.target(k)]) : rows.target(k)] : Real(0);
    }
}
// The place of the neuron that source i reaches by its synapse number `turn`, or by what these go `onto`; -1 where it has no more.
struct Reached {
    const SynapseRows& rows;
    const SynapseRows* onto;
    std::int64_t turn;

    std::int64_t operator()(std::int64_t i) const {
        const std::uint64_t k = rows.offsets()[i] + static_cast<std::uint64_t>(turn);
        if (k >= rows.offsets()[i + 1]) return -1;
        return onto ? onto->target(onto->offsets()[rows.target(k)]) : rows.target(k);
    }
};
// into[i] := that of synapse number `turn`, by the rows that it reads its neuron over, of the neuron that i reaches (without rows: in the
// neuron's place); 0 where that has no more, or there is none.
template <typename Real, typename Neuron>
void pick_of_reached(std::int64_t size, const Neuron& reached, const SynapseRows* reading, std::int64_t turn, Real* into, const Real* of) {
    for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t neuron = reached(i);
        into[i] = Real(0);
        if (neuron < 0) continue;
        const std::uint64_t k = reading ? reading->offsets()[neuron] + static_cast<std::uint64_t>(turn) : 0;
        if (!reading) into[i] = of[neuron];
        else if (k < reading->offsets()[neuron + 1]) into[i] = of[reading->target(k)];
    }
}
// into[i] := weight times error of the target, of that synapse.
template <typename Real>
void pick_error(const SynapseRows& rows, std::int64_t turn, Real* into, const Real* weights, const Real* error) {
    const std::uint64_t* const offsets = rows.offsets();
    for (std::int64_t i = 0; i < rows.sources(); ++i) {
        const std::uint64_t k = offsets[i] + static_cast<std::uint64_t>(turn);
        into[i] = k < offsets[i + 1] ? weights[rows.element(k)] * error[rows.target(k)] : Real(0);
    }
}
// into[i] := the steps after which something arrives over that synapse; `rests`: of learnt delays, the part of a step.
template <typename Real>
void pick_delay(const SynapseRows& rows, std::int64_t turn, Real* into, const Real* rests = nullptr) {
    const std::uint64_t* const offsets = rows.offsets();
    for (std::int64_t i = 0; i < rows.sources(); ++i) {
        const std::uint64_t k = offsets[i] + static_cast<std::uint64_t>(turn);
        into[i] = k < offsets[i + 1] ? static_cast<Real>(rows.delays()[k]) + (rests ? rests[k] : Real(0)) : Real(0);
    }
}
// A trace of the last so many steps, of which step n stands in turn n.
template <typename Real>
struct KeptTrace {
    Real* values;
    std::int64_t room, steps;

    Real* at(std::int64_t n) const { return values + (n % steps + steps) % steps * room; }
    // As it was some steps ago, between two steps where a delay is learnt; nothing of what left before the window of truncated credit began.
    Real before(std::int64_t place, std::int64_t n, Real delay, std::int64_t window) const {
        const std::int64_t ago = static_cast<std::int64_t>(delay);
        const Real rest = delay - static_cast<Real>(ago), here = whole_before(place, n, ago, window);
        return rest > Real(0) ? (Real(1) - rest) * here + rest * whole_before(place, n, ago + 1, window) : here;
    }
    Real whole_before(std::int64_t place, std::int64_t n, std::int64_t ago, std::int64_t window) const {
        return window > 0 && n > window && ago > (n - 1) % window ? Real(0) : at(n - ago)[place];
    }
};
template <typename Network>
KeptTrace<typename Network::Real> kept_trace(Sample<Network>& s, const Parameters<typename Network::Real>& p, int update) {
    const LateTraces& late = Network::late_traces()[update];
    return {s.traces.data() + p.trace_starts[static_cast<std::size_t>(update)], room_of_traces(p, late), steps_of_traces(p, late)};
}
// Spikes of a step as a number per neuron.
template <typename Real>
const Real* as_numbers(List<Real>& room, const SpikesOfStep& spikes, int size) {
    room.assign(static_cast<std::size_t>(padded(size)), Real(0));
    for (int k = 0; k < spikes.count; ++k) room[spikes.indices[k]] += Real(1);
    return room.data();
}
template <typename Real>
const Real* values_or_zeros(List<Real>& room, const Real* values, int size) {
    if (values) return values;
    room.assign(static_cast<std::size_t>(padded(size)), Real(0));
    return room.data();
}
// d(mean loss)/d(what readout K sees): of this step, or of the end.
template <int K, typename Network>
void error_of(const Sample<Network>& s, typename Network::Real* into) {
    using Readout = std::tuple_element_t<K, typename Network::Readouts>;
    const auto& r = std::get<K>(s.readings);
    const double scale = s.scale * Readout::factor;
    const double spread = Readout::mean_over_steps ? static_cast<double>(std::max<std::int64_t>(r.labels_there, 1)) : 1.0;
    const typename Network::Real factor = static_cast<typename Network::Real>(scale / spread);
    for (int j = 0; j < Reading<Readout>::width; ++j) into[j] = j < Readout::outputs ? factor * r.error[j] : 0;
}
// How much readout K takes of step n.
template <int K, typename Network>
typename Network::Real reads(const Sample<Network>& s, std::int64_t n) {
    using Readout = std::tuple_element_t<K, typename Network::Readouts>;
    if (!in_window<Readout>(n)) return 0;
    const std::int64_t last = Readout::last < 0 ? s.steps : std::min<std::int64_t>(Readout::last, s.steps);
    return Readout::reduction == Reduction::mean ? static_cast<typename Network::Real>(1.0 / static_cast<double>(last - Readout::first)) : 1;
}

// ------------------------------------------------------------------------------------------------ a batch
template <typename Network>
class Online {
    using Real = typename Network::Real;

public:
    template <typename Engine>
    Result run(Engine& engine, Mode mode, const Batch& batch, double learning_rate_factor) {
        constexpr bool every_step = Network::loss_every_step;
        const std::int64_t tiles = (batch.count + Network::tile - 1) / Network::tile;
        const int chains = static_cast<int>(std::min<std::int64_t>(Network::chains, tiles));
        refuse_too_many(engine.numbers_.parameters.trace_size, batch.count, engine.gradients_.bytes(chains));
        while (static_cast<std::int64_t>(tiles_.size()) < tiles) tiles_.push_back(std::make_unique<Tile<Network>>());
        std::int64_t longest = 1;
        for (std::int64_t k = 0; k < batch.count; ++k) {
            prepare(engine, batch, k);
            longest = std::max<std::int64_t>(longest, sample(k).steps);
        }
        engine.gradients_.make(chains);
        engine.gradients_.clear(chains);
        const bool steps = mode == Mode::train && every_step;
        if (steps) engine.numbers_.keep();
        for (std::int64_t n = 1; n <= longest; ++n) {
            in_chains(engine, chains, tiles, batch, [&](Sample<Network>& s, auto& chain) {
                if (n > s.steps) return;
                s.forget_errors();
                forward_step(engine.numbers_.arrays, engine.numbers_.parameters, s, n);
                Network::trace(engine.numbers_.arrays, engine.numbers_.parameters, s, n, chain.gradient.data(), chain.sums.data());
            });
            for (std::int64_t k = 0; k < batch.count; ++k) {
                const NotFinite found = Network::not_finite(sample(k).state, nullptr);
                if (found.population >= 0) engine.fail_at(found, n, batch.selection[k], steps);
            }
            if (n == longest) penalise(engine, chains, tiles, batch);
            if (!steps) continue;
            engine.gradients_.collect(chains, engine.pool_);
            engine.check_gradients_or_restore();
            engine.optimise(learning_rate_factor, n == longest);
            {
                const FlushDenormals no_longer(false);  // as where parameters are set by hand
                engine.numbers_.refresh();
            }
            engine.gradients_.clear(chains);
        }
        in_chains(engine, chains, tiles, batch, [&](Sample<Network>& s, auto& chain) {
            s.loss = conclude(s);
            Network::trace_end(engine.numbers_.arrays, engine.numbers_.parameters, s, chain.gradient.data(), chain.sums.data());
        });
        Result total{0, 0, 0, 0};
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const auto& r = std::get<0>(sample(k).readings);
            total.loss += sample(k).loss, total.penalty += engine.penalties_.penalty_of(sample(k).rates.data(), false), total.correct += r.correct, total.labelled += r.labelled;
        }
        total.loss /= static_cast<double>(batch.count), total.penalty /= static_cast<double>(batch.count);
        if constexpr (Network::batch_penalties) total.penalty += engine.penalties_.of_means();
        if (!steps) {
            engine.gradients_.collect(chains, engine.pool_);
            engine.gradients_.check();
            if (mode == Mode::train) engine.optimise(learning_rate_factor);
        }
        return total;
    }

private:
    Sample<Network>& sample(std::int64_t k) { return tiles_[static_cast<std::size_t>(k / Network::tile)]->samples[k % Network::tile]; }

    // Before anything of a batch is begun: all its samples keep their traces side by side.
    SNCC_COLD void refuse_too_many(std::int64_t numbers, std::int64_t samples, std::int64_t gradients) {
        const double needed = static_cast<double>(samples) * static_cast<double>(numbers) * sizeof(Real) + static_cast<double>(gradients), kept = most_;
        if (needed <= kept) return;
        const double left = available_memory();
        const std::string takes = "training forwards on " + std::to_string(samples) + (samples > 1 ? " samples" : " sample") + " at once takes " + readable_bytes(needed, true) + " for eligibility traces and gradients, and ";
        if (Network::memory > 0 && needed > static_cast<double>(Network::memory))
            throw Failure(Code::memory, takes + "the network was built with `memory` = " + readable_bytes(static_cast<double>(Network::memory)) + ": take a smaller `batch`, or build it with more");
        if (needed - kept > left)
            throw Failure(Code::memory, takes + readable_bytes(left) + " are free: take a smaller `batch`, fewer outputs or neurons, or leave `online` out: the gradient is the same number");
        most_ = needed;
    }
    // After the last step of all samples, as their rates are known.
    template <typename Engine>
    void penalise(Engine& engine, int chains, std::int64_t tiles, const Batch& batch) {
        if constexpr (Network::penalty_count > 0) {
            if constexpr (Network::batch_penalties) engine.penalties_.begin(batch.count);
            for (std::int64_t k = 0; k < batch.count; ++k) engine.penalties_.count(sample(k), k);
            if constexpr (Network::batch_penalties) engine.penalties_.average(batch.count);
            for (std::int64_t t = 0; t < tiles; ++t) {
                tiles_[static_cast<std::size_t>(t)]->scale = 1.0 / static_cast<double>(batch.count);
                engine.penalties_.set(*tiles_[static_cast<std::size_t>(t)]);
            }
            engine.pool_.run(chains, [&](int chain, int) {
                auto& into = engine.gradients_.chains[static_cast<std::size_t>(chain)];
                for (std::int64_t tile = chain; tile < tiles; tile += chains)
                    for (std::int64_t k = tile * Network::tile; k < std::min(batch.count, (tile + 1) * Network::tile); ++k)
                        Network::trace_penalties(engine.numbers_.parameters, sample(k), tiles_[static_cast<std::size_t>(tile)]->penalty(static_cast<int>(k % Network::tile)),
                                                 into.gradient.data(), into.sums.data());
            });
        }
    }
    template <typename Engine>
    void prepare(Engine& engine, const Batch& batch, std::int64_t k) {
        engine.prepare(*tiles_[static_cast<std::size_t>(k / Network::tile)], static_cast<int>(k % Network::tile), batch, k);
        Sample<Network>& s = sample(k);
        s.scale = 1.0 / static_cast<double>(batch.count);
        const std::size_t room = static_cast<std::size_t>(engine.numbers_.parameters.trace_size);
        if (s.traces.size() < room) s.traces = AlignedBuffer<Real>(room);
        s.traces.zero();
        Network::start_traces(engine.numbers_.arrays, engine.numbers_.parameters, s);
        std::apply([&](auto&... reading) { (count_labels(s, reading), ...); }, s.readings);
    }
    template <typename Reading>
    static void count_labels(const Sample<Network>& s, Reading& r) {
        for (std::int64_t n = 1; n <= s.steps; ++n) r.labels_there += in_window<typename Reading::Readout>(n) && has_loss<typename Reading::Readout>(s, n);
    }
    // The samples of each chain in order, the chains side by side.
    template <typename Engine, typename Work>
    void in_chains(Engine& engine, int chains, std::int64_t tiles, const Batch& batch, const Work& work) {
        engine.pool_.run(chains, [&](int chain, int) {
            for (std::int64_t tile = chain; tile < tiles; tile += chains)
                for (std::int64_t k = tile * Network::tile; k < std::min(batch.count, (tile + 1) * Network::tile); ++k)
                    work(sample(k), engine.gradients_.chains[static_cast<std::size_t>(chain)]);
        });
    }

    List<std::unique_ptr<Tile<Network>>> tiles_;
    double most_ = 0;  // bytes of a batch's traces yet
};

}  // namespace cpu
}  // namespace sncc
