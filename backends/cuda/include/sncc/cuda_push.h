// Deliveries by spikes: a warp looks up the rows of the sources that did spike, and nothing of the others.
//
// What the lanes find is shared out three times, always in order: words of spikes, the spikes in them, the entries of their rows. In the
// end each lane takes the entries of its own neuron one after the other, so that nothing is added atomically and a neuron adds its inputs
// in the order of the sources, as when it reads its column.
#pragma once

#include "sncc/cuda_neurons.h"

namespace sncc {
namespace cuda {

constexpr unsigned all_lanes = 0xffffffffu;

// What the lanes of a warp hold, each so many pieces, as one list. All lanes come to every function.
struct SharedOut {
    unsigned own, end;  // pieces of the calling lane, and where they end in the list
    unsigned total;

    __device__ SharedOut(unsigned count, int lane) : own(count), end(count) {
        for (int distance = 1; distance < 32; distance *= 2) {
            const unsigned before = __shfl_up_sync(all_lanes, end, static_cast<unsigned>(distance));
            if (lane >= distance) end += before;
        }
        total = __shfl_sync(all_lanes, end, 31);
    }
    struct Piece {
        int owner;
        unsigned rank;  // among the owner's
    };
    // Piece `number` of the list; the last where there are fewer.
    __device__ Piece find(unsigned number) const {
        const unsigned at = number < total ? number : total - 1;
        int owner = 0;
        for (int half = 16; half > 0; half /= 2)
            if (__shfl_sync(all_lanes, end, owner + half - 1) <= at) owner += half;
        return {owner, at - (__shfl_sync(all_lanes, end, owner) - __shfl_sync(all_lanes, own, owner))};
    }
};

// The place of the bit that has `rank` set bits below it.
__device__ inline int place_of_bit(std::uint32_t bits, unsigned rank) {
    for (; rank > 0; --rank) bits &= bits - 1;
    return __ffs(static_cast<int>(bits)) - 1;
}

// Spikes of 32 neighbours: how many, and whose the one of that rank is.
__device__ inline unsigned spikes_in(const SpikeRows& spikes, std::int64_t row, std::int64_t word) {
    if (spikes.bits) return static_cast<unsigned>(__popc(spikes.bits[row + word]));
    unsigned sum = 0;
    for (std::int64_t i = word * 32; i < word * 32 + 32 && i < spikes.stride; ++i) sum += spikes.counts[row + i];
    return sum;
}
struct SpikeOf {
    std::uint32_t source, repeat;  // how many of its spikes of this step came before
};
__device__ inline SpikeOf spiking(const SpikeRows& spikes, std::int64_t row, std::int64_t word, unsigned rank) {
    const std::uint32_t first = static_cast<std::uint32_t>(word * 32);
    if (spikes.bits) return {first + static_cast<std::uint32_t>(place_of_bit(spikes.bits[row + word], rank)), 0u};
    std::uint32_t i = first;
    for (; rank >= spikes.counts[row + i]; ++i) rank -= spikes.counts[row + i];
    return {i, rank};
}

// All lanes call body(whether there is one, its spike): the sources that spiked at step n, as often as they did, ascending by lane and call.
template <typename Body>
__device__ inline void for_sources(const SpikeRows& spikes, std::int64_t n, int lane, const Body& body) {
    const std::int64_t row = (n - spikes.first) * spikes.stride, summary = (n - spikes.first) * spikes.summary_stride;
    for (std::int64_t first = 0; first < spikes.summary_stride; first += 32) {
        const std::uint32_t busy = first + lane < spikes.summary_stride ? spikes.summary[summary + first + lane] : 0u;
        if (!__any_sync(all_lanes, busy != 0)) continue;
        const SharedOut words(static_cast<unsigned>(__popc(busy)), lane);
        for (unsigned w = 0; w < words.total; w += 32) {
            const SharedOut::Piece of = words.find(w + static_cast<unsigned>(lane));
            const std::int64_t word = (first + of.owner) * 32 + place_of_bit(__shfl_sync(all_lanes, busy, of.owner), of.rank);
            const SharedOut found(w + static_cast<unsigned>(lane) < words.total ? spikes_in(spikes, row, word) : 0u, lane);
            for (unsigned s = 0; s < found.total; s += 32) {
                const SharedOut::Piece spike = found.find(s + static_cast<unsigned>(lane));
                const std::int64_t there = __shfl_sync(all_lanes, word, spike.owner);
                const bool one = s + static_cast<unsigned>(lane) < found.total;
                body(one, one ? spiking(spikes, row, there, spike.rank) : SpikeOf{0u, 0u});
            }
        }
    }
}

// What a lane has read of a synapse, and how it hands it to the lane whose neuron it is.
template <typename Real>
struct Weighed {
    Real weight;
    __device__ Weighed of(int lane) const { return {__shfl_sync(all_lanes, weight, lane)}; }
};
template <typename Real>
struct WeighedLater {
    Real weight;
    int delay;
    __device__ WeighedLater of(int lane) const { return {__shfl_sync(all_lanes, weight, lane), __shfl_sync(all_lanes, delay, lane)}; }
};
struct Met {
    std::uint32_t place, source, repeat;
    __device__ Met of(int lane) const { return {__shfl_sync(all_lanes, place, lane), __shfl_sync(all_lanes, source, lane), __shfl_sync(all_lanes, repeat, lane)}; }
};

// The synapses onto a word of neurons whose sources spiked at step n. Any lane calls read(place, spike); the lane of the target then
// calls body with what was read, one synapse after the other.
template <typename Real, typename Read, typename Body>
__device__ inline void push(const Columns<Real>& columns, const SpikeRows& spikes, std::int64_t n, int word, int lane, const Read& read, const Body& body) {
    const std::uint32_t* const starts = columns.starts + word * (columns.sources + 1);
    __syncwarp();  // a synapse is read by any lane, and moved by its target's
    for_sources(spikes, n, lane, [&](bool one, const SpikeOf& spike) {
        const std::uint32_t begin = one ? __ldg(starts + spike.source) : 0u, end = one ? __ldg(starts + spike.source + 1) : 0u;
        const SharedOut entries(end - begin, lane);
        for (unsigned e = 0; e < entries.total; e += 32) {
            const SharedOut::Piece entry = entries.find(e + static_cast<unsigned>(lane));
            const std::uint32_t at = __shfl_sync(all_lanes, begin, entry.owner) + entry.rank;
            const SpikeOf from = {__shfl_sync(all_lanes, spike.source, entry.owner), __shfl_sync(all_lanes, spike.repeat, entry.owner)};
            const std::uint32_t place = __ldg(columns.places + at);
            const auto found = read(place, from);
            unsigned own = __ballot_sync(all_lanes, e + static_cast<unsigned>(lane) < entries.total);
            for (unsigned bit = 1; bit < 32; bit *= 2) {
                const unsigned set = __ballot_sync(all_lanes, (place & bit) != 0);
                own &= (static_cast<unsigned>(lane) & bit) != 0 ? set : ~set;
            }
            while (__any_sync(all_lanes, own != 0)) {
                const auto given = found.of(own != 0 ? __ffs(static_cast<int>(own)) - 1 : lane);
                if (own != 0) body(given);
                own &= own - 1;
            }
        }
    });
    __syncwarp();
}

// One step of the synapses of a connection that move by themselves, own target by own target.
template <typename Network, neurons::When when>
struct ColumnLoop {
    using Real = typename Network::Real;
    const Step<Network>& step;
    const ConnectionView<Real>& c;
    int post_delay;

    __device__ ColumnLoop(const Step<Network>& s, int connection, int delay) : step(s), c(s.v.connections[connection]), post_delay(delay) {}

    // body(place, source, target, steps ago, spikes of the same neuron in this step before), once for each spike
    template <typename Body>
    __device__ void for_each(std::int64_t targets, const Body& body) const {
        if constexpr (when == neurons::When::pre) {
            if (c.pushed) return push_each(targets, body);
        }
        step.for_own(c.target_population, targets, [&](int j) {
            const std::uint64_t begin = c.columns.begin(j), end = c.columns.end(j);
            if constexpr (when == neurons::When::pre) {
                for_arrivals(c, step.spikes(c), step.n, begin, end, [&](std::uint64_t k, std::uint32_t i, int ago, std::uint32_t repeat) { body(k, i, j, ago, repeat); });
            } else {
                std::uint32_t times = 1;
                if constexpr (when == neurons::When::post) times = step.v.populations[c.target_population].count(step.n - post_delay, j);
                for (std::uint32_t repeat = 0; repeat < times; ++repeat)
                    for (std::uint64_t k = begin; k < end; k += 32) body(k, c.columns.source(k), j, c.delayed ? c.columns.delay(k) : 0, repeat);
            }
        });
    }
    template <typename Body>
    __device__ void push_each(std::int64_t targets, const Body& body) const {
        step.for_words(c.target_population, targets, [&](int word) {
            push(c.columns, step.spikes(c), step.n - c.delay, word, step.lane, [](std::uint32_t place, const SpikeOf& spike) { return Met{place, spike.source, spike.repeat}; },
                 [&](const Met& met) { body(met.place, met.source, word * 32 + step.lane, c.delay, met.repeat); });
        });
    }
    // A variable of the source neurons, so many steps ago.
    __device__ const Real* pre_ago(int field, int ago) const { return ago == 0 ? step.v.fields[field] : step.at(field, step.n - ago); }
};

}  // namespace cuda
}  // namespace sncc
