// What a sample, or a tile of samples, does with synapses in rows: delivery, credit on the way back, gradients of weights.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "sample.h"
#include "sncc/cpu_gather.h"
#include "sncc/list.h"
#include "sncc/platform.h"
#include "synapse_rows.h"

namespace sncc {
namespace cpu {

// `Run` synapses at a time have neighbouring targets and weights.
template <typename Index, Element Place, int Run>
struct RowLoop {
    const std::uint64_t* offsets;
    const Index* targets;
    const std::uint32_t* elements;

    explicit RowLoop(const SynapseRows& rows) : offsets(rows.offsets()), targets(rows.targets(Index())), elements(rows.elements()) {}

    // Calls body(target, element of the weights, number) for the synapses of source i. `Apart`: what the body does to the synapses
    // of a run does not depend on each other.
    template <bool Apart, typename Body>
    SNCC_INLINE void row(std::int64_t i, const Body& body) const {
        for (std::uint64_t k = offsets[i]; k < offsets[i + 1]; k += Run) {
            const std::int64_t target = static_cast<std::int64_t>(targets[k]), first = element(k);
            if constexpr (Run == 1) {
                body(target, first, k);
            } else if constexpr (Apart) {
                SNCC_INDEPENDENT
                for (int o = 0; o < Run; ++o) body(target + o, Place == Element::one ? 0 : first + o, k + static_cast<std::uint64_t>(o));
            } else {
                for (int o = 0; o < Run; ++o) body(target + o, Place == Element::one ? 0 : first + o, k + static_cast<std::uint64_t>(o));
            }
        }
    }
    SNCC_INLINE std::int64_t element(std::uint64_t k) const {
        return Place == Element::one ? 0 : Place == Element::own ? static_cast<std::int64_t>(k) : static_cast<std::int64_t>(elements[k]);
    }
};

// ------------------------------------------------------------------------------------------------ delivery
template <typename Real, typename Weight, typename Loop>
void deliver_synapses(const Loop& loop, Real* into, const Weight* weights, const SpikesOfStep& spikes) {
    for (int s = 0; s < spikes.count; ++s)
        loop.template row<true>(spikes.indices[s], [&](std::int64_t j, std::int64_t e, std::uint64_t) SNCC_INLINE_LAMBDA { into[j] += weights[e]; });
}
template <typename Real, typename Loop>
void deliver_synapse_values(const Loop& loop, Real* into, const Real* weights, const Real* values, std::int64_t sources) {
    if (!values) return;
    for (std::int64_t i = 0; i < sources; ++i) {
        const Real value = values[i];
        if (value == Real(0)) continue;
        loop.template row<true>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t) SNCC_INLINE_LAMBDA { into[j] = m_fma(value, weights[e], into[j]); });
    }
}

// When what is sent over synapse k arrives: calls body(steps later, share of it) for each part. Whole steps of each synapse's own:
template <typename Real>
struct WholeDelays {
    const std::int32_t* steps;
    explicit WholeDelays(const SynapseRows& rows) : steps(rows.delays()) {}
    template <typename Body>
    SNCC_INLINE void parts(std::uint64_t k, const Body& body) const { body(static_cast<std::int64_t>(steps[k]), Real(1)); }
};
// Delays that are learnt, which need not be whole steps: of connection r of those in rows.
template <typename Real, bool rounded>
struct LearntDelays {
    const std::int32_t* steps;
    const Real *rests, *slopes;
    const std::uint32_t* elements;
    LearntDelays(const Parameters<Real>& p, std::size_t r)
        : steps(p.rows[r].delays()), rests(p.rests[r].data()), slopes(p.slopes[r].data()), elements(p.rows[r].delay_elements()) {}
    template <typename Body>
    SNCC_INLINE void parts(std::uint64_t k, const Body& body) const {
        const std::int64_t whole = steps[k];
        body(whole, Real(1) - rests[k]);
        if constexpr (!rounded) body(whole + 1, rests[k]);
    }
};
// The derivative of the shares by the delay; of rounded delays, whose gradient is that of what arrives times when, the shares.
template <typename Real, bool rounded>
struct SlopesOfDelays {
    LearntDelays<Real, rounded> of;
    explicit SlopesOfDelays(const LearntDelays<Real, rounded>& delays) : of(delays) {}
    template <typename Body>
    SNCC_INLINE void parts(std::uint64_t k, const Body& body) const {
        const std::int64_t whole = of.steps[k];
        if constexpr (rounded) {
            body(whole, Real(1));
        } else {
            body(whole, -of.slopes[k]), body(whole + 1, of.slopes[k]);
        }
    }
};

// Whether what was emitted so many steps before step n is of an earlier window of truncated credit than that, where there are any; the
// first one has all that was before it.
inline bool is_of_earlier_window(std::int64_t n, std::int64_t ago, std::int64_t window) { return window > 0 && n > window && ago > (n - 1) % window; }

// With a delay per synapse: what was emitted `least` steps ago goes where it arrives, then what arrives now is taken out.
// `now` counts steps from the initial state. With a `window` nothing arrives of an earlier one.
template <typename Real, typename Weight, typename Loop, typename Delays, typename Source>
void deliver_delayed(const Loop& loop, const SynapseRows& rows, const Delays& delays, ArrivalRing<Real>& ring, Real* into, int targets, const Weight* weights,
                     const Source& source, std::int64_t n, std::int64_t now, std::int64_t window = 0) {
    const std::int64_t least = rows.info().delay;
    if (is_of_earlier_window(n, 1, window))  // a window begins
        for (std::int64_t later = 0; later <= rows.most_delay(); ++later) std::fill_n(ring.at(now + later), targets, Real(0));
    const auto send = [&](std::int64_t i, Real value) SNCC_INLINE_LAMBDA {
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
            delays.parts(k, [&](std::int64_t d, Real share) SNCC_INLINE_LAMBDA { ring.at(now - least + d)[j] += weights[e] * value * share; });
        });
    };
    if constexpr (std::is_same<Source, StepValues<Real>>::value) {
        if (const Real* first = source.at(0); first && now == 1)  // a state was before the first step what it starts at
            for (std::int64_t i = 0; i < rows.sources(); ++i)
                if (first[i] != Real(0))
                    loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
                        delays.parts(k, [&](std::int64_t d, Real share) SNCC_INLINE_LAMBDA {
                            for (std::int64_t later = 0; later < d - least; ++later) ring.at(now + later)[j] += weights[e] * first[i] * share;
                        });
                    });
        if (const Real* values = is_of_earlier_window(n, least, window) ? nullptr : source.at(n - least))
            for (std::int64_t i = 0; i < rows.sources(); ++i)
                if (values[i] != Real(0)) send(i, values[i]);
    } else {
        const SpikesOfStep spikes = source.at(n - least);
        for (int s = 0; s < spikes.count; ++s) send(spikes.indices[s], Real(1));
    }
    Real* const arriving = ring.at(now);
    for (int j = 0; j < targets; ++j) into[j] += arriving[j], arriving[j] = 0;
}

// What a source emitted from `least` to `most` steps before step n, a number per neuron, where every synapse has its own delay.
template <typename Real>
struct EmittedBefore {
    const Real* first;
    std::int64_t stride, least;
    // What arrives now of source i over synapse k.
    template <typename Delays>
    SNCC_INLINE Real over(const Delays& delays, std::uint64_t k, std::int64_t i) const {
        Real sum = 0;
        delays.parts(k, [&](std::int64_t d, Real share) SNCC_INLINE_LAMBDA { sum += first[(d - least) * stride + i] * share; });
        return sum;
    }
};
template <typename Real, typename Source>
EmittedBefore<Real> emitted_before(List<Real>& room, const Source& source, std::int64_t n, const SynapseRows& rows, int size, std::int64_t window = 0) {
    const std::int64_t stride = padded(size), least = rows.info().delay;
    room.assign(static_cast<std::size_t>((rows.most_delay() - least + 1) * stride), Real(0));
    for (std::int64_t d = least; d <= rows.most_delay(); ++d) {
        if (is_of_earlier_window(n, d, window)) break;
        Real* const into = room.data() + (d - least) * stride;
        if constexpr (std::is_same<Source, StepValues<Real>>::value) {
            if (const Real* const x = source.at(n - d)) std::copy(x, x + size, into);
        } else {
            const SpikesOfStep spikes = source.at(n - d);
            for (int k = 0; k < spikes.count; ++k) into[spikes.indices[k]] += Real(1);
        }
    }
    return {room.data(), stride, least};
}
// The same delivery by the weights as they are when it arrives, where training changes them within a sequence.
template <typename Real, typename Weight, typename Loop, typename Delays, typename Source>
void deliver_on_arrival(const Loop& loop, const SynapseRows& rows, const Delays& delays, List<Real>& room, Real* into, const Weight* weights, const Source& source,
                        std::int64_t n, std::int64_t window = 0) {
    const EmittedBefore<Real> emitted = emitted_before(room, source, n, rows, static_cast<int>(rows.sources()), window);
    for (std::int64_t i = 0; i < rows.sources(); ++i)
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA { into[j] += weights[e] * emitted.over(delays, k, i); });
}

// ------------------------------------------------------------------------------------------------ the way back
// into[s][i] += the sum over synapses of weight · adjoint of the target, of all samples of a tile.
template <int Samples, typename Real, typename Loop>
void transpose_synapses(const Loop& loop, Real* into, std::int64_t stride, const Real* weights, const Real* adjoint, std::int64_t adjoint_stride,
                        std::int64_t sources) {
    for (std::int64_t i = 0; i < sources; ++i) {
        Real sums[Samples] = {};
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t) SNCC_INLINE_LAMBDA {
            for (int s = 0; s < Samples; ++s) sums[s] = m_fma(weights[e], adjoint[s * adjoint_stride + j], sums[s]);
        });
        for (int s = 0; s < Samples; ++s) into[s * stride + i] += sums[s];
    }
}

// Adjoints of a tile's sample, d steps later; none before its first step, beyond its end, or, where credit is truncated, beyond the window.
template <typename Network>
struct LaterAdjoint {
    Tile<Network>& tile;
    int index;
    SlotPlace slot;
    std::int64_t n, window;

    SNCC_INLINE typename Network::Real operator()(std::int64_t delay, std::int64_t j) const {
        const std::int64_t later = n + delay;
        if (later < 1 || later > tile.samples[index].steps || (window && (std::max<std::int64_t>(n, 1) - 1) / window != (later - 1) / window)) return 0;
        return tile.slot(slot.column, slot.width, later, index)[slot.offset + j];
    }
};

template <typename Real, typename Loop, typename Delays, typename Network>
void transpose_delayed(const Loop& loop, const Delays& delays, Real* into, const Real* weights, const LaterAdjoint<Network>& adjoint, std::int64_t sources) {
    for (std::int64_t i = 0; i < sources; ++i) {
        Real sum = 0;
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
            delays.parts(k, [&](std::int64_t d, Real share) SNCC_INLINE_LAMBDA { sum = m_fma(weights[e] * share, adjoint(d, j), sum); });
        });
        into[i] += sum;
    }
}
// For the listed neurons of the source alone, those that fired at step n.
template <typename Real, typename Loop, typename Delays, typename Network>
void transpose_delayed_at(const Loop& loop, const Delays& delays, Real* into, const Real* weights, const LaterAdjoint<Network>& adjoint, const SpikesOfStep& spikes) {
    for (int s = 0; s < spikes.count; ++s)
        loop.template row<false>(spikes.indices[s], [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
            delays.parts(k, [&](std::int64_t d, Real share) SNCC_INLINE_LAMBDA { into[spikes.indices[s]] += weights[e] * share * adjoint(d, j); });
        });
}

// ------------------------------------------------------------------------------------------------ gradients
// Where the gradient of the weights is summed: element by element, or, for one weight, in double.
template <typename Real, Element Place>
struct WeightGradient {
    Real* into;
    double one = 0;
    explicit WeightGradient(Real* to) : into(to) {}
    ~WeightGradient() {
        if constexpr (Place == Element::one) into[0] += static_cast<Real>(one);
    }
    SNCC_INLINE void add(std::int64_t e, Real value) {
        if constexpr (Place == Element::one)
            one += static_cast<double>(value);
        else
            into[e] += value;
    }
};

// After `list_channels`: the steps of each source neuron in turn, so that its row of the gradient stays in the cache.
template <Element Place, typename Network, typename Real, typename Loop>
void gather_synapses(const Loop& loop, Tile<Network>& tile, Real* gradient, const SlotPlace& slot, std::int64_t delay, std::int64_t sources) {
    WeightGradient<Real, Place> sum(gradient);
    for (std::int64_t i = 0; i < sources; ++i)
        for (int s = 0; s < Tile<Network>::size; ++s) {
            const std::int64_t begin = tile.channel_offsets[s][static_cast<std::size_t>(i)], end = tile.channel_offsets[s][static_cast<std::size_t>(i) + 1];
            for (std::int64_t k = begin; k < end; ++k) {
                const std::int64_t arrival = tile.from + std::int64_t(tile.channel_steps[s][static_cast<std::size_t>(k)]) + 1 + delay;
                if (arrival > tile.samples[s].steps) break;
                const Real* SNCC_RESTRICT const mu = tile.slot(slot.column, slot.width, arrival, s) + slot.offset;
                loop.template row<Place != Element::one>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t) SNCC_INLINE_LAMBDA { sum.add(e, mu[j]); });
            }
        }
}
template <Element Place, typename Network, typename Real, typename Loop>
void gather_synapse_values(const Loop& loop, Tile<Network>& tile, int index, Real* gradient, const StepValues<Real>& values, const SlotPlace& slot,
                           std::int64_t delay, std::int64_t sources) {
    WeightGradient<Real, Place> sum(gradient);
    for (std::int64_t n = first_gathered(tile, values, delay); n <= std::min(tile.to, tile.samples[index].steps - delay); ++n) {
        const Real* const mu = tile.slot(slot.column, slot.width, n + delay, index) + slot.offset;
        const Real* const x = values.at(n);
        for (std::int64_t i = 0; i < sources; ++i)
            if (x[i] != Real(0)) loop.template row<Place != Element::one>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t) SNCC_INLINE_LAMBDA { sum.add(e, x[i] * mu[j]); });
    }
}
// Calls take(source, value, adjoint) for all that sources of synapses with a delay each have sent.
template <typename Network, typename Source, typename Take>
void for_departures(const SynapseRows& rows, Tile<Network>& tile, int index, const Source& source, const SlotPlace& slot, const Take& take) {
    using Real = typename Network::Real;
    if (tile.gathered(index) == 0) return;
    std::int64_t first = tile.from + 1;
    if constexpr (std::is_same<Source, StepValues<Real>>::value)
        if (tile.from == 0 && source.first < 1) first = 1 - rows.most_delay();
    for (std::int64_t n = first; n <= std::min(tile.to, tile.samples[index].steps); ++n) {
        const LaterAdjoint<Network> adjoint{tile, index, slot, n, 0};
        if constexpr (std::is_same<Source, StepValues<Real>>::value) {
            const Real* const x = source.at(std::max(n, source.first));
            for (std::int64_t i = 0; i < rows.sources(); ++i)
                if (x[i] != Real(0)) take(i, x[i], adjoint);
        } else {
            const SpikesOfStep spikes = source.at(n);
            for (int s = 0; s < spikes.count; ++s) take(spikes.indices[s], Real(1), adjoint);
        }
    }
}
template <Element Place, typename Network, typename Real, typename Loop, typename Delays, typename Source>
void gather_delayed(const Loop& loop, const SynapseRows& rows, const Delays& delays, Tile<Network>& tile, int index, Real* gradient, const Source& source, const SlotPlace& slot) {
    WeightGradient<Real, Place> sum(gradient);
    for_departures(rows, tile, index, source, slot, [&](std::int64_t i, Real value, const LaterAdjoint<Network>& adjoint) SNCC_INLINE_LAMBDA {
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
            delays.parts(k, [&](std::int64_t d, Real share) SNCC_INLINE_LAMBDA { sum.add(e, value * share * adjoint(d, j)); });
        });
    });
}
// Of learnt delays.
template <Element Place, typename Network, typename Real, typename Loop, typename Slopes, typename Source>
void gather_delays(const Loop& loop, const SynapseRows& rows, const Slopes& slopes, Tile<Network>& tile, int index, Real* gradient, const Real* weights,
                   const Source& source, const SlotPlace& slot) {
    WeightGradient<Real, Place> sum(gradient);
    for_departures(rows, tile, index, source, slot, [&](std::int64_t i, Real value, const LaterAdjoint<Network>& adjoint) SNCC_INLINE_LAMBDA {
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
            slopes.parts(k, [&](std::int64_t d, Real slope) SNCC_INLINE_LAMBDA { sum.add(slopes.of.elements[k], weights[e] * value * slope * adjoint(d, j)); });
        });
    });
}
// Of both at once, of the same adjoints.
template <Element Place, Element DelayPlace, typename Network, typename Real, typename Loop, typename Source>
void gather_weights_and_delays(const Loop& loop, const SynapseRows& rows, const LearntDelays<Real, false>& delays, Tile<Network>& tile, int index, Real* gradient,
                               Real* of_delays, const Real* weights, const Source& source, const SlotPlace& slot) {
    WeightGradient<Real, Place> sum(gradient);
    WeightGradient<Real, DelayPlace> sum_of_delays(of_delays);
    for_departures(rows, tile, index, source, slot, [&](std::int64_t i, Real value, const LaterAdjoint<Network>& adjoint) SNCC_INLINE_LAMBDA {
        loop.template row<false>(i, [&](std::int64_t j, std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {
            const std::int64_t whole = delays.steps[k];
            const Real rest = delays.rests[k], here = value * adjoint(whole, j), next = value * adjoint(whole + 1, j);
            sum.add(e, (Real(1) - rest) * here + rest * next);
            sum_of_delays.add(delays.elements[k], weights[e] * delays.slopes[k] * (next - here));
        });
    });
}

}  // namespace cpu
}  // namespace sncc
