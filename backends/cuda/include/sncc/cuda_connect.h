// Synapses made on the device, from the Philox numbers and in the order of the host's (connectivity_builder.h): how many each source has, then
// their targets row by row, then the same as deliveries by spikes read them (cuda_tiles.h), with weights and delays.
//
// A launch is a stage. A warp draws a row whose targets come out ascending; where pairs come in another order they are counted and placed
// by integer atomics, and each row is sorted: as what is sorted are the targets alone, the result does not depend on who came first.
#pragma once

#include "sncc/cuda_push.h"
#include "sncc/cuda_tiling.h"
#include "sncc/delay_limit.h"
#include "sncc/drawn_indices.h"
#include "sncc/pattern.h"

namespace sncc {
namespace cuda {

constexpr int connect_threads = 256;
constexpr int scanned_at_once = 16;      // numbers of a thread
constexpr unsigned sorted_bytes = 4096;  // of a row, by a warp; a block sorts longer ones

enum class Stage { count, place, sort, sums, sums_before, before, delays, tiles, entries, lengths, keys, sort_keys, columns };

template <typename Real>
struct ConnectArguments {
    Stage stage;
    Pattern pattern;
    PartNeurons source, target;
    std::uint64_t seed;
    std::uint32_t stream;
    Skips skips;            // of a probability
    std::uint32_t* drawn;   // of each warp: a bit for every neuron to choose from
    std::int64_t drawn_words;
    std::uint32_t* counts;  // by source: how many there are; place: where the next one goes
    std::uint32_t* offsets; // by source: where its row begins
    std::uint32_t* rows;    // targets
    std::uint32_t *numbers, *sums;  // to be replaced by the sums of those before; such sums of each block
    std::int64_t size;              // how many numbers, or synapses
    int weight, delay;              // parameters; -1: the connection's
    bool one_weight;                // for all synapses, as they begin
    double weight_of_all;
    bool one_delay;                 // for all synapses
    int least_delay;
    double step;
    int* extremes;  // the least and the most delay
    Tiling tiling;
    int tiles;
    std::uint32_t* starts;
    std::uint16_t *targets, *delays;
    Real* weights;
    // By target (cuda_connect_columns.h).
    bool by_delay;           // the longest first
    std::uint32_t* lengths;  // of columns
    std::uint32_t* begins;   // of their keys
    std::uint64_t* keys;
    const std::uint64_t* slices;
    std::uint16_t *narrow, *column_delays;
    std::uint32_t *wide, *column_numbers;
    Real* column_weights;
    std::uint32_t *places, *row_places;  // of each synapse in the columns: by number, and in the order of deliveries
};

// Warps of all blocks take turns: all lanes call body(k) for k below `count`.
template <typename Body>
__device__ inline void for_each_by_warp(std::int64_t count, const Body& body) {
    const std::int64_t warps = blockDim.x / 32u, first = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / 32u;
    for (std::int64_t k = first; k < count; k += warps * gridDim.x) body(k);
}
template <typename Body>
__device__ inline void for_each_by_thread(std::int64_t count, const Body& body) {
    for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; k < count; k += static_cast<std::int64_t>(blockDim.x) * gridDim.x) body(k);
}

// ------------------------------------------------------------------------------------------------ drawing
// Word w of an element, as WordSequence gives it.
__device__ inline std::uint32_t word_of(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t w) {
    const PhiloxWords draw = philox(seed, stream, element, w / 4, 0);
    const std::uint32_t first = w & 1u ? draw.words[1] : draw.words[0], second = w & 1u ? draw.words[3] : draw.words[2];
    return w & 2u ? second : first;
}

// The numbers below n that an element's skips reach: visit(number, how many came before); all lanes come here, and get how many there are.
template <typename Real, typename Visit>
__device__ inline std::uint32_t skip(const ConnectArguments<Real>& g, std::uint32_t element, std::int64_t n, const Visit& visit) {
    if (g.pattern.number <= 0) return 0;
    const unsigned lane = threadIdx.x % 32u;
    std::int64_t from = 0;
    std::uint32_t listed = 0;
    for (std::uint32_t block = 0; from < n; block += 32) {
        const PhiloxWords draw = philox(g.seed, g.stream, element, block + lane, 0);
        std::uint32_t far[4], ends = 0, own = 0;
#pragma unroll
        for (int w = 0; w < 4; ++w) {
            const bool goes_on = draw.words[w] < g.skips.last();  // no number yet
            far[w] = static_cast<std::uint32_t>(goes_on ? g.skips.size : g.skips.count(draw.words[w]) + 1);
            ends |= (goes_on ? 0u : 1u) << w;
            own += far[w];
        }
        const std::uint32_t after = sum_of_lanes_up_to(own);
        std::int64_t at = from + after - own;
        std::uint32_t there = 0;
#pragma unroll
        for (int w = 0; w < 4; ++w) {
            at += far[w];
            there |= ((ends >> w) & (at <= n ? 1u : 0u)) << w;
        }
        const std::uint32_t count = static_cast<std::uint32_t>(__popc(there)), up_to = sum_of_lanes_up_to(count);
        std::uint32_t rank = listed + up_to - count;
        at = from + after - own;
#pragma unroll
        for (int w = 0; w < 4; ++w) {
            at += far[w];
            if ((there >> w) & 1u) visit(at - 1, rank++);
        }
        from += __shfl_sync(0xffffffffu, after, 31);
        listed += __shfl_sync(0xffffffffu, up_to, 31);
    }
    return listed;
}

// The first `count` different numbers below n of an element's words, ascending, as Chooser gives them. `drawn`: zeros, and zeros again afterwards.
template <typename Real, typename Visit>
__device__ inline std::uint32_t choose(const ConnectArguments<Real>& g, std::uint32_t element, std::int64_t count, std::int64_t n, std::uint32_t* drawn, const Visit& visit) {
    const unsigned lane = threadIdx.x % 32u;
    const bool few = 2 * count <= n;
    const std::int64_t wanted = few ? count : n - count, words = (n + 31) / 32;
    const auto number = [&](std::uint32_t word) { return below(word_of(g.seed, g.stream, element, word + lane), static_cast<std::uint64_t>(n)); };
    const auto is_new = [&](std::uint32_t of) { return !((atomicOr(drawn + of / 32, 1u << (of % 32)) >> (of % 32)) & 1u); };
    std::int64_t has = 0;
    std::uint32_t word = 0;
    for (; has < wanted; word += 32) {
        const std::uint32_t of_lane = number(word);
        if (wanted - has >= 32) {  // none too many
            has += __popc(__ballot_sync(0xffffffffu, is_new(of_lane)));
            continue;
        }
        for (int k = 0; k < 32 && has < wanted; ++k) {
            const std::uint32_t next = __shfl_sync(0xffffffffu, of_lane, k);
            has += __ballot_sync(0xffffffffu, lane == 0 && is_new(next)) ? 1 : 0;
        }
    }
    __syncwarp();
    std::uint32_t listed = 0;
    for (std::int64_t first = 0; first < words; first += 32) {
        const std::int64_t own = first + lane;
        std::uint32_t set = 0;
        if (own < words) {
            set = drawn[own];
            drawn[own] = 0;
            if (!few) set = ~set & (own == n / 32 ? (1u << (n % 32)) - 1 : 0xffffffffu);
        }
        const std::uint32_t there = static_cast<std::uint32_t>(__popc(set)), up_to = sum_of_lanes_up_to(there);
        for (std::uint32_t rank = listed + up_to - there; set != 0; set &= set - 1, ++rank) visit(own * 32 + __ffs(static_cast<int>(set)) - 1, rank);
        listed += __shfl_sync(0xffffffffu, up_to, 31);
    }
    __syncwarp();
    return listed;
}

// Whether each source's targets are drawn for themselves, and ascend.
SNCC_HOST_DEVICE inline bool comes_by_row(const Pattern& pattern) {
    return pattern.kind == PatternKind::probability || (pattern.kind == PatternKind::fan_out && !pattern.repeats);
}

// All pairs of a connection, as numbers in their populations: visit(source, target, which of its row it is), where they come by row, and then
// ends(source, how many it has) by the first lane; else visit(source, target, 0).
template <typename Real, typename Visit, typename Ends>
__device__ inline void for_each_pair(const ConnectArguments<Real>& g, const Visit& visit, const Ends& ends) {
    const PatternKind kind = g.pattern.kind;
    const std::int64_t number = static_cast<std::int64_t>(g.pattern.number);
    if (kind == PatternKind::total) {
        for_each_by_thread(number, [&](std::int64_t k) {
            const DrawnPair pair = drawn_pair(g.seed, g.stream, g.source, g.source.size, g.target, g.target.size, !g.pattern.self_connections, static_cast<std::uint32_t>(k));
            visit(g.source[pair.source], g.target[pair.target], 0u);
        });
        return;
    }
    const bool by_target = kind == PatternKind::fan_in;
    const PartNeurons &elements = by_target ? g.target : g.source, &others = by_target ? g.source : g.target;
    const auto itself = [&](std::int64_t e) { return g.pattern.self_connections ? std::int64_t(-1) : others.find(elements[e]); };
    const auto neuron = [&](std::int64_t candidate, std::int64_t own) { return others[candidate + (own >= 0 && candidate >= own)]; };
    if (g.pattern.repeats && kind != PatternKind::probability) {
        for_each_by_thread(elements.size * number, [&](std::int64_t k) {
            const std::int64_t e = k / number, own = itself(e);
            const std::uint32_t word = word_of(g.seed, g.stream, static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(k % number));
            const std::int64_t other = neuron(below(word, static_cast<std::uint64_t>(others.size - (own >= 0))), own);
            by_target ? visit(other, elements[e], 0u) : visit(elements[e], other, 0u);
        });
        return;
    }
    std::uint32_t* const drawn = g.drawn + (static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / 32u) + threadIdx.x / 32u) * g.drawn_words;
    for_each_by_warp(elements.size, [&](std::int64_t e) {
        const std::int64_t own = itself(e), n = others.size - (own >= 0), neuron_of_row = elements[e];
        const auto found = [&](std::int64_t candidate, std::uint32_t rank) {
            const std::int64_t other = neuron(candidate, own);
            by_target ? visit(other, neuron_of_row, 0u) : visit(neuron_of_row, other, rank);
        };
        const std::uint32_t element = static_cast<std::uint32_t>(e);
        const std::uint32_t count = kind == PatternKind::probability ? skip(g, element, n, found) : choose(g, element, number, n, drawn, found);
        if (!by_target && threadIdx.x % 32u == 0) ends(neuron_of_row, count);
    });
}

// Counts them by source, or places them.
template <typename Real>
__device__ inline void draw_pairs(const ConnectArguments<Real>& g) {
    const bool by_row = comes_by_row(g.pattern), places = g.stage == Stage::place;
    for_each_pair(
        g,
        [&](std::int64_t source, std::int64_t target, std::uint32_t rank) {
            std::uint32_t place = 0;
            if (!by_row)
                place = atomicAdd(g.counts + source, 1u);
            else if (places)
                place = g.offsets[source] + rank;
            if (places) g.rows[place] = static_cast<std::uint32_t>(target);
        },
        [&](std::int64_t source, std::uint32_t count) {
            if (!places) g.counts[source] = count;
        });
}

// ------------------------------------------------------------------------------------------------ sorting
// Sorts by exchanges that all go up (so that no number is needed for what would stand behind the last one), by threads of which the calling one is
// number `rank` of `count`; they meet in meet().
template <typename Number, typename Meet>
__device__ inline void sort_together(Number* numbers, std::uint32_t size, unsigned rank, unsigned count, const Meet& meet) {
    const auto order = [&](std::uint32_t low, std::uint32_t high) {
        if (high >= size) return;
        const Number a = numbers[low], b = numbers[high];
        if (a > b) numbers[low] = b, numbers[high] = a;
    };
    std::uint32_t whole = 1;
    while (whole < size) whole *= 2;
    for (std::uint32_t length = 2; length <= whole; length *= 2) {
        for (std::uint32_t p = rank; p < whole / 2; p += count) {  // the second half of each stretch against the first one's end
            const std::uint32_t first = p / (length / 2) * length, k = p % (length / 2);
            order(first + k, first + length - 1 - k);
        }
        meet();
        for (std::uint32_t far = length / 4; far > 0; far /= 2) {
            for (std::uint32_t p = rank; p < whole / 2; p += count) {
                const std::uint32_t low = p / far * 2 * far + p % far;
                order(low, low + far);
            }
            meet();
        }
    }
}

// Rows of numbers, each ascending. `room`: shared memory for each warp.
template <typename Number>
__device__ inline void sort_rows(Number* rows, const std::uint32_t* offsets, std::int64_t count, Number* room) {
    constexpr unsigned by_warp = sorted_bytes / sizeof(Number);
    const unsigned lane = threadIdx.x % 32u, warp = threadIdx.x / 32u;
    for_each_by_warp(count, [&](std::int64_t i) {
        const std::uint32_t begin = offsets[i], size = offsets[i + 1] - begin;
        if (size < 2 || size > by_warp) return;
        Number* const own = room + warp * by_warp;
        for (std::uint32_t k = lane; k < size; k += 32) own[k] = rows[begin + k];
        __syncwarp();
        sort_together(own, size, lane, 32u, [] { __syncwarp(); });
        for (std::uint32_t k = lane; k < size; k += 32) rows[begin + k] = own[k];
        __syncwarp();
    });
    for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) {
        const std::uint32_t begin = offsets[i], size = offsets[i + 1] - begin;
        if (size > by_warp) sort_together(rows + begin, size, threadIdx.x, blockDim.x, [] { __syncthreads(); });
    }
}

// ------------------------------------------------------------------------------------------------ sums of all before
// A block replaces its own `scanned_at_once` numbers of each thread by the sums of those before, `first` among them; or only adds them up.
__device__ inline std::uint32_t scan(std::uint32_t* numbers, std::int64_t size, std::uint32_t first, unsigned (&room)[most_warps], bool replaces) {
    std::uint32_t own[scanned_at_once], sum = 0, total;
    const std::int64_t begin = static_cast<std::int64_t>(threadIdx.x) * scanned_at_once;
#pragma unroll
    for (int k = 0; k < scanned_at_once; ++k) {
        own[k] = begin + k < size ? numbers[begin + k] : 0u;
        sum += own[k];
    }
    std::uint32_t before = first + sum_before(sum, room, total);
    if (replaces) {
#pragma unroll
        for (int k = 0; k < scanned_at_once; ++k) {
            if (begin + k < size) numbers[begin + k] = before;
            before += own[k];
        }
    }
    __syncthreads();  // the room is free
    return total;
}
constexpr std::int64_t scanned_by_block = std::int64_t(connect_threads) * scanned_at_once;

template <typename Real>
__device__ inline void scan_stage(const ConnectArguments<Real>& g, unsigned (&room)[most_warps]) {
    const std::int64_t begin = blockIdx.x * scanned_by_block, blocks = (g.size + scanned_by_block - 1) / scanned_by_block;
    if (g.stage == Stage::sums_before) {
        std::uint32_t before = 0;
        for (std::int64_t b = 0; b < blocks; b += scanned_by_block) before += scan(g.sums + b, blocks - b, before, room, true);
        return;
    }
    const bool replaces = g.stage == Stage::before;
    const std::uint32_t total = scan(g.numbers + begin, g.size - begin, replaces ? g.sums[blockIdx.x] : 0u, room, replaces);
    if (!replaces && threadIdx.x == 0) g.sums[blockIdx.x] = total;
}

// ------------------------------------------------------------------------------------------------ delays, and the order of deliveries
template <typename Network, typename Real>
__device__ inline int delay_of(const ConnectArguments<Real>& g, std::uint32_t number) {
    const double milliseconds = Network::initial(g.delay, g.seed, g.one_delay ? 0u : number, 0u, 0u);
    return legal_steps(nearest_steps(milliseconds, g.step), g.least_delay);
}
template <typename Network, typename Real>
__device__ inline Real weight_of(const ConnectArguments<Real>& g, std::uint32_t number, std::uint32_t source, std::uint32_t target) {
    return static_cast<Real>(g.one_weight ? g.weight_of_all : Network::initial(g.weight, g.seed, number, source, target));
}
template <typename Network, typename Real>
__device__ inline void find_extreme_delays(const ConnectArguments<Real>& g) {
    int least = longest_delay, most = 0;
    for_each_by_thread(g.size, [&](std::int64_t k) {
        const int steps = delay_of<Network>(g, static_cast<std::uint32_t>(k));
        least = min(least, steps), most = max(most, steps);
    });
    atomicMin(g.extremes, least);
    atomicMax(g.extremes + 1, most);
}

// How many synapses each source has in each tile.
template <typename Real>
__device__ inline void count_tiles(const ConnectArguments<Real>& g) {
    for_each_by_warp(g.source.population, [&](std::int64_t i) {
        const std::uint32_t* const row = g.rows + g.offsets[i];
        const std::int64_t size = g.offsets[i + 1] - g.offsets[i];
        for (int tile = static_cast<int>(threadIdx.x % 32u); tile < g.tiles; tile += 32) {
            const std::int64_t end = tile + 1 < g.tiles ? first_not_before(row, size, g.tiling.first_target(tile + 1)) : size;
            const std::int64_t begin = first_not_before(row, size, g.tiling.first_target(tile));
            g.starts[tile * (g.source.population + 1) + i] = static_cast<std::uint32_t>(end - begin);
        }
    });
}
// Every synapse to its place.
template <typename Network, typename Real>
__device__ inline void place_entries(const ConnectArguments<Real>& g) {
    for_each_by_warp(g.source.population, [&](std::int64_t i) {
        const std::uint32_t begin = g.offsets[i], end = g.offsets[i + 1];
        for (std::uint32_t k = begin + threadIdx.x % 32u; k < end; k += 32) {
            const std::uint32_t target = g.rows[k];
            const int tile = g.tiling.of(target);
            const std::uint32_t first = g.tiling.first_target(tile);
            const std::uint32_t before = static_cast<std::uint32_t>(first_not_before(g.rows + begin, end - begin, first));
            const std::uint32_t place = g.starts[tile * (g.source.population + 1) + i] + (k - begin - before);
            g.targets[place] = static_cast<std::uint16_t>(target - first);
            if (g.delays) g.delays[place] = static_cast<std::uint16_t>(delay_of<Network>(g, k));
            if (g.places) g.row_places[place] = g.places[k];
            if (g.weights) g.weights[place] = weight_of<Network>(g, k, static_cast<std::uint32_t>(i), target);
        }
    });
}

}  // namespace cuda
}  // namespace sncc
