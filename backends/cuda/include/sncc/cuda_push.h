// Deliveries by spikes: a block looks up the rows of the sources that did spike, and nothing of the others.
//
// All that is found is found at once, by all threads: words of spikes, the spikes in them, the entries of their rows onto the block's
// tile, each numbered in order (emission step, connection, source, entry) by sums over the block. So a delivery is a chain of a few loads,
// however much there is. What is added to one number is added in the order of the entries; what is only counted, in any.
#pragma once

#include "sncc/cuda_neurons.h"

namespace sncc {
namespace cuda {

constexpr int most_threads = 384;             // of a block
constexpr int most_warps = most_threads / 32;
constexpr unsigned claim_count = 2048;        // a power of two
constexpr unsigned unclaimed = 0xffffffffu;
constexpr int words_at_once = 13, entries_at_once = 4;  // of a thread

// Connections of a block one after the other, as a list of words of spikes.
struct PushList {
    const int* connections;
    const unsigned* ends;  // of each one's words, counted from `base`
    unsigned base;
    int count;
    std::int64_t first;  // steps in which spikes were emitted, or arrive, and how many of them
    int steps;
    bool by_arrival;

    __device__ unsigned words() const { return count > 0 ? ends[count - 1] - base : 0; }
    template <typename Real>
    __device__ std::int64_t emitted(const ConnectionView<Real>& c, int step) const {
        return first + step - (by_arrival ? c.delay : 0);
    }
};

// A spike on its way into the tile.
struct Pushed {
    std::uint32_t source, repeat;  // how many of its spikes of this step came before
    int connection;                // by its place in the list
    int step;                      // which of the list's
};

// From which thresholds on a drawn word counts one more, of one mean; see sncc/poisson.h.
struct PoissonThresholds {
    static constexpr int most = 64, none = -1;
    double mean;  // negative: of none yet
    int size;     // `none`: there are more than `most`
    std::uint32_t thresholds[most];
};

// What the threads of a block share in a step.
struct StepRoom {
    PoissonThresholds poisson[most_warps][2];
    Pushed spikes[most_threads];
    std::uint32_t places[most_threads], ends[most_threads];  // of each spike, where its entries stand less their number, and where they end in the list of all
    unsigned sums[2][most_warps];
    unsigned claims[claim_count];  // which entry is the next to add to a number
};

// Calls body(k) for the entries of a thread; arrays of them stay in registers.
template <typename Body>
__device__ inline void for_each_entry(const Body& body) {
#pragma unroll
    for (unsigned k = 0; k < entries_at_once; ++k) body(k);
}

// The sum of what the threads before the calling one give, and of all. All threads of the block come here and meet once; `sums` is
// free again after another meeting.
__device__ inline unsigned sum_before(unsigned value, unsigned (&sums)[most_warps], unsigned& total) {
    const int warp = static_cast<int>(threadIdx.x / 32u), lane = static_cast<int>(threadIdx.x % 32u), warps = static_cast<int>(blockDim.x / 32u);
    const unsigned end = sum_of_lanes_up_to(value);
    if (lane == 31) sums[warp] = end;
    __syncthreads();
    total = 0;
    unsigned before = 0;
    for (int w = 0; w < warps; ++w) {
        if (w == warp) before = total;
        total += sums[w];
    }
    return before + end - value;
}

// Where a thread stands in the list of words. What belongs to a connection in a step is looked up once.
template <typename Network>
struct WordCursor {
    const Step<Network>& s;
    const PushList& list;
    int step = 0, connection;
    unsigned word, end;               // among those of the step; where the connection's end
    const std::uint32_t *row, *counts;  // the words of its source in this step, and how often its neurons spiked; null: a bit says it
    unsigned first;                   // the connection's first word

    __device__ WordCursor(const Step<Network>& of, const PushList& words, unsigned number) : s(of), list(words), word(number) {
        if (list.steps > 1) step = static_cast<int>(number / list.words()), word = number % list.words();
        int low = 0, high = list.count - 1;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (list.ends[middle] - list.base <= word)
                low = middle + 1;
            else
                high = middle;
        }
        connection = low;
        look_up();
    }
    // So many words on; the list goes on there.
    __device__ void move(unsigned words) {
        word += words;
        if (word < end) return;
        do {
            if (++connection == list.count) connection = 0, word -= end, ++step;
            end = list.ends[connection] - list.base;
        } while (word >= end);
        look_up();
    }
    __device__ const ConnectionView<typename Network::Real>& view() const { return s.v.connections[list.connections[connection]]; }
    __device__ std::uint32_t source(int bit) const { return (word - first) * 32 + static_cast<std::uint32_t>(bit); }
    __device__ std::uint32_t bits() const { return row[word - first]; }
    __device__ std::uint32_t count(int bit) const { return counts ? counts[source(bit)] : 1u; }

private:
    __device__ void look_up() {
        const SpikeRows& rows = s.spikes(view());
        const std::int64_t ago = list.emitted(view(), step) - rows.first;
        first = connection > 0 ? list.ends[connection - 1] - list.base : 0, end = list.ends[connection] - list.base;
        row = rows.bits + ago * rows.words, counts = rows.counts ? rows.counts + ago * rows.neurons : nullptr;
    }
};

// For every synapse onto the block's tile from what spiked in the list's steps, by any thread: fetch(connection, entry, spike) loads it, read(connection,
// what was loaded, spike) makes a Value of it; then all threads call serve(which of them are there, the values), for up to entries_at_once
// of each, numbered by place, then thread. All threads of the block come here.
template <typename Fetched, typename Value, typename Network, typename Fetch, typename Read, typename Serve>
__device__ inline void push(const Step<Network>& s, StepRoom& room, const PushList& list, const Fetch& fetch, const Read& read, const Serve& serve) {
    const unsigned words = list.words() * static_cast<unsigned>(list.steps), threads = blockDim.x, thread = threadIdx.x;
    for (unsigned from = 0, each; from < words; from += threads * each) {
        each = min((words - from + threads - 1) / threads, static_cast<unsigned>(words_at_once));  // of a thread, as few as all can share
        const unsigned own = from + thread * each, has = own < words ? min(words - own, each) : 0;
        const WordCursor<Network> begin_of_own(s, list, has ? own : 0);
        unsigned busy = 0, spikes = 0, total;  // words in which something spiked
        bool repeats = false;
        if (has) {
            WordCursor<Network> at = begin_of_own;
            std::uint32_t bits[words_at_once];
#pragma unroll
            for (unsigned k = 0; k < words_at_once; ++k) {
                bits[k] = 0;
                if (k >= has) continue;
                bits[k] = at.bits(), repeats |= at.counts != nullptr;
                if (k + 1 < has) at.move(1);
            }
#pragma unroll
            for (unsigned k = 0; k < words_at_once; ++k) {
                busy |= (bits[k] != 0 ? 1u : 0u) << k;
                spikes += static_cast<unsigned>(__popc(bits[k]));
            }
        }
        const auto for_spikes = [&](const auto& visit) {  // the few words are read again, from the nearest cache
            for (unsigned left = busy; left != 0; left &= left - 1) {
                WordCursor<Network> at = begin_of_own;
                at.move(static_cast<unsigned>(__ffs(static_cast<int>(left)) - 1));
                for (std::uint32_t bits = at.bits(); bits != 0; bits &= bits - 1) visit(at, __ffs(static_cast<int>(bits)) - 1);
            }
        };
        if (repeats) for_spikes([&](const WordCursor<Network>& at, int bit) { spikes += at.count(bit) - 1; });
        __syncthreads();  // the room is free
        const unsigned first = sum_before(spikes, room.sums[0], total);
        for (unsigned listed = 0; listed < total; listed += threads) {
            unsigned number = first - listed;
            for_spikes([&](const WordCursor<Network>& at, int bit) {
                const std::uint32_t source = at.source(bit);
                for (std::uint32_t repeat = 0, times = at.count(bit); repeat < times; ++repeat, ++number)
                    if (number < threads) room.spikes[number] = {source, repeat, at.connection, at.step};
            });
            __syncthreads();
            std::uint32_t begin = 0, end = 0;
            if (listed + thread < total) {
                const Pushed& spike = room.spikes[thread];
                const TileRows<typename Network::Real>& rows = s.v.connections[list.connections[spike.connection]].rows;
                const std::uint32_t* const start = rows.starts + (static_cast<std::int64_t>(blockIdx.x) - rows.first_tile) * (rows.sources + 1) + spike.source;
                begin = __ldg(start), end = __ldg(start + 1);
            }
            unsigned entries;
            const unsigned before = sum_before(end - begin, room.sums[1], entries);
            room.places[thread] = begin - before, room.ends[thread] = before + end - begin;
            __syncthreads();
            unsigned whole = 1;  // a power of two, more than half of the spikes listed
            while (whole * 2 <= min(total - listed, threads)) whole *= 2;
            for (unsigned e = 0; e < entries; e += threads * entries_at_once) {
                unsigned spike[entries_at_once] = {}, there = 0;
                Fetched fetched[entries_at_once];
                Value values[entries_at_once];
                const auto view = [&](unsigned k) -> const auto& { return s.v.connections[list.connections[room.spikes[spike[k]].connection]]; };
                const auto entry = [&](unsigned k) { return min(e + k * threads + thread, entries - 1); };
                // Step by step for all of them, so that nothing waits for what is looked up for another.
                for (unsigned half = whole; half > 0; half /= 2)
                    for_each_entry([&](unsigned k) {
                        const unsigned next = spike[k] + half;
                        if (next <= threads && room.ends[next - 1] <= entry(k)) spike[k] = next;
                    });
                for_each_entry([&](unsigned k) { fetched[k] = fetch(view(k), room.places[spike[k]] + entry(k), room.spikes[spike[k]]); });
                for_each_entry([&](unsigned k) {
                    values[k] = read(view(k), fetched[k], room.spikes[spike[k]]);
                    if (e + k * threads + thread < entries) there |= 1u << k;
                });
                serve(there, values);
            }
            __syncthreads();  // before other spikes take the room
        }
    }
}

// Calls apply(which, values), by any thread, so that each of those that are there is among them once, those of the same key in their order. All threads of the
// block come here, and see afterwards what was done.
template <typename Value, typename Apply>
__device__ inline void serve_in_order(StepRoom& room, unsigned there, const Value (&values)[entries_at_once], const Apply& apply) {
    const auto claim = [&](unsigned k) -> unsigned& { return room.claims[values[k].key % claim_count]; };
    const auto number = [](unsigned k) { return k * blockDim.x + threadIdx.x; };
    do {
        for_each_entry([&](unsigned k) {
            if ((there >> k) & 1u) atomicMin(&claim(k), number(k));
        });
        __syncthreads();
        unsigned first = 0;
        for_each_entry([&](unsigned k) {
            if (((there >> k) & 1u) && claim(k) == number(k)) first |= 1u << k;
        });
        __syncthreads();
        apply(first, values);
        for_each_entry([&](unsigned k) {
            if ((first >> k) & 1u) claim(k) = unclaimed;
        });
        there &= ~first;
    } while (__syncthreads_or(there != 0));
}

}  // namespace cuda
}  // namespace sncc
