// Synapses that are stored nowhere (`stored = false`): at each of its spikes a source's row is drawn again, by a warp of every block with targets in
// it, from the Philox numbers and in the order in which it would have been stored (cuda_connect.h).
//
// A block notes which of its neurons a spike reaches as bits, a word of 32 neurons each; then every neuron adds its weights spike by spike.
// So each number is added to in the order (arrival step, connection, source), as where synapses are stored.
#pragma once

#include "sncc/cuda_connect.h"

namespace sncc {
namespace cuda {

// The words of spikes and ranks stand in place of claims: for each spike the bits of `words` words of own neurons, and how many synapses
// of its row come before the first of these.
struct MadeRoom {
    std::uint32_t* numbers;
    int words, spikes;  // of own neurons; as many spikes as have room

    __device__ MadeRoom(StepRoom& room, int own_words)
        : numbers(room.claims), words(own_words), spikes(min(most_threads, static_cast<int>(claim_count) / (own_words + 1))) {}
    __device__ std::uint32_t* bits(int spike) const { return numbers + spike * words; }
    __device__ std::uint32_t& rank(int spike) const { return numbers[spikes * words + spike]; }
};
constexpr int most_made_words = 512;  // own ones at a time: three spikes have room then

// The targets first .. last (excluded) of a source's row, by all lanes of a warp.
template <typename Real>
__device__ inline void note_row(const ConnectArguments<Real>& g, std::uint32_t* drawn, std::uint32_t source, std::int64_t first, std::int64_t last, std::uint32_t* bits, std::uint32_t& rank) {
    const std::int64_t element = g.source.find(source);
    if (element < 0) return;
    const std::int64_t itself = g.pattern.self_connections ? std::int64_t(-1) : g.target.find(source), candidates = g.target.size - (itself >= 0);
    const auto note = [&](std::int64_t candidate, std::uint32_t before) {
        const std::int64_t target = g.target[candidate + (itself >= 0 && candidate >= itself)];
        if (target < first || target >= last) return;
        atomicOr(bits + (target - first) / 32, 1u << (static_cast<unsigned>(target - first) % 32));
        atomicMin(&rank, before);
    };
    if (g.pattern.kind == PatternKind::probability) {
        const std::int64_t places = first_not_before(g.target, g.target.size, last);  // what is behind them need not be drawn
        skip(g, static_cast<std::uint32_t>(element), places - (itself >= 0 && itself < places), note);
    } else {
        choose(g, static_cast<std::uint32_t>(element), static_cast<std::int64_t>(g.pattern.number), candidates, drawn, note);
    }
}

// What arrives at own words begin .. end of the target. All threads of the block come here.
template <typename Network>
__device__ inline void deliver_made(const Step<Network>& s, const ConnectionView<typename Network::Real>& c, int begin, int end) {
    using Real = typename Network::Real;
    const ConnectArguments<Real>& g = *c.made;
    const MadeRoom room(s.room, end - begin);
    const SpikeRows& spikes = s.spikes(c);
    const std::int64_t row = s.n - c.delay - spikes.first, words = (g.source.population + 31) / 32;
    const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
    std::uint32_t* const drawn = g.drawn + (static_cast<std::int64_t>(blockIdx.x) * most_warps + s.warp) * g.drawn_words;
    const Real* const factor = c.gain >= 0 ? s.v.fields[c.gain] : nullptr;
    Real* const accumulator = s.v.fields[c.input];
    for (std::int64_t from = 0; from < words; from += threads) {
        const std::uint32_t own = from + thread < words ? spikes.bits[row * spikes.words + from + thread] : 0;
        unsigned total;
        __syncthreads();  // the room is free
        const unsigned before = sum_before(static_cast<unsigned>(__popc(own)), s.room.sums[0], total);
        for (unsigned listed = 0; listed < total; listed += static_cast<unsigned>(room.spikes)) {
            const int there = min(static_cast<int>(total - listed), room.spikes);
            int number = static_cast<int>(before) - static_cast<int>(listed);
            for (std::uint32_t left = own; left != 0; left &= left - 1, ++number) {
                const std::uint32_t source = static_cast<std::uint32_t>((from + thread) * 32 + __ffs(static_cast<int>(left)) - 1);
                if (number >= 0 && number < there) s.room.spikes[number] = {source, spikes.counts ? spikes.counts[row * spikes.neurons + source] : 1u, 0, 0};
            }
            for_own(there * room.words, [&](int k) { room.numbers[k] = 0; });
            for_own(there, [&](int k) { room.rank(k) = unclaimed; });
            __syncthreads();
            for (int k = s.warp; k < there; k += s.warps) note_row(g, drawn, s.room.spikes[k].source, std::int64_t(begin) * 32, std::int64_t(end) * 32, room.bits(k), room.rank(k));
            __syncthreads();
            for (int word = begin + s.warp; word < end; word += s.warps) {
                const int j = word * 32 + s.lane;
                if (j >= c.target_size) continue;
                Real sum = accumulator[j];
                for (int k = 0; k < there; ++k) {
                    const std::uint32_t bits = room.bits(k)[word - begin];
                    if (!((bits >> s.lane) & 1u)) continue;
                    const std::uint32_t source = s.room.spikes[k].source;
                    Real weight = c.one;
                    if (g.weight >= 0) {
                        std::uint32_t rank = room.rank(k) + static_cast<std::uint32_t>(__popc(bits & ((1u << s.lane) - 1)));
                        for (int w = 0; w < word - begin; ++w) rank += static_cast<std::uint32_t>(__popc(room.bits(k)[w]));
                        weight = weight_of<Network>(g, g.offsets[source] + rank, source, static_cast<std::uint32_t>(j));
                    }
                    if (factor) weight = weight * factor[source];
                    for (std::uint32_t times = s.room.spikes[k].repeat; times > 0; --times) sum += weight;
                }
                accumulator[j] = sum;
            }
            __syncthreads();  // before other spikes take the room
        }
    }
    for_own(static_cast<int>(claim_count), [&](int k) { s.room.claims[k] = unclaimed; });
    __syncthreads();
}
template <typename Network>
__device__ inline void deliver_made(const Step<Network>& s, const ConnectionView<typename Network::Real>& c) {
    const int first = s.first_word(c.target_population), end = min(first + s.v.tile_words, static_cast<int>((c.target_size + 31) / 32));
    for (int word = max(first, 0); word < end; word += most_made_words) deliver_made(s, c, word, min(word + most_made_words, end));
}

}  // namespace cuda
}  // namespace sncc
