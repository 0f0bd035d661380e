// Gradients of weights: a warp sums up to 128 neighbouring elements of a presynaptic neuron's row over all samples, and over the steps in
// which the neuron fired. It finds these in words of 32 steps, writes them down, and loads the adjoints of several before it adds the first.
#pragma once

#include "sncc/cuda_block.h"

namespace sncc {
namespace cuda {

constexpr int GATHER_THREADS = 128, GATHER_WARPS = GATHER_THREADS / 32;

// Notes a parameter of which a thread has summed a gradient that is none.
template <typename Real>
__device__ inline void note_overflow(int* overflown, int parameter, Real sum) {
    const Real zero = sum * Real(0);
    if (!(zero == Real(0))) atomicMin(overflown, parameter);
}
// The same for `count` sums, which the threads have made as `for_own` shares them out.
template <typename Real>
__device__ inline void check_sums(int* overflown, int parameter, const Real* sums, int count) {
    for_own(count, [&](int j) { note_overflow(overflown, parameter, sums[j]); });
}

// A parameter, and where it is noted that a sum of its gradient is none.
struct Overflow {
    int* overflown;
    int parameter;

    template <typename Real>
    __device__ void note(Real sum) const { note_overflow(overflown, parameter, sum); }
};

// What every sample left at its end, added up in their order: `size` numbers each.
__device__ inline void sum_over_samples(double* total, const double* sums, std::int64_t size, int samples, bool adds) {
    for_own(static_cast<int>(size), [&](int e) {
        double sum = adds ? total[e] : 0.0;
        for (int b = 0; b < samples; ++b) sum += sums[b * size + e];
        total[e] = sum;
    });
}

// Neighbouring numbers, loaded at once.
template <typename Real, int count>
struct alignas(count * sizeof(Real)) Side {
    Real at[count];
};

// Rows of the tape that a warp's next numbers are added from: up to AT_ONCE, which are loaded before the first one is added.
constexpr int AT_ONCE = 8;

// What one of a source's neurons emitted, as a warp meets it: numbers that came at a step, the rows of the tape `delay` steps later, and how
// many steps the sample still has after that row.
template <typename Number>
struct Emissions {
    std::uint32_t row[AT_ONCE], rest[AT_ONCE];
    Number number[AT_ONCE];
};
struct One {
    template <typename Real>
    __device__ operator Real() const { return Real(1); }
};

// ------------------------------------------------------------------------------------------------ spikes by neuron
// Bits of 32 steps, as the launch before has turned them: of neuron i in sample b, `chunks` words from (i * samples + b) * chunks on.
struct FiredWords {
    const std::uint32_t* words;
    int samples, chunks;

    __device__ std::uint32_t at(std::int64_t i, int m) const { return words[i * (samples * chunks) + m]; }
};
// A source whose neurons emit at most once in a step, or several times: a word of theirs may hold steps with several, and `times` says how many.
struct FiredBits {
    static constexpr bool listed = true;
    FiredWords fired;

    __device__ bool repeats(int) const { return false; }
    __device__ std::uint32_t times(int, std::int64_t, std::int64_t) const { return 1; }
};
struct FiredCounts {
    static constexpr bool listed = true;
    FiredWords fired;
    SpikeCounts counts;  // of the first sample, the next one's `stride` numbers later
    std::int64_t stride;

    __device__ bool repeats(int) const { return true; }
    __device__ std::uint32_t times(int b, std::int64_t n, std::int64_t i) const { return counts.moved(b * stride).fired(n, static_cast<int>(i)); }
};
struct FiredEvents {
    static constexpr bool listed = true;
    FiredWords fired;
    EventRows events;
    int channels;
    std::int64_t most_steps;

    __device__ bool repeats(int m) const { return fired.at(channels, m) != 0; }
    __device__ std::uint32_t times(int b, std::int64_t n, std::int64_t i) const {
        const std::int64_t* const offsets = events.offsets + b * (most_steps + 1) + n - 1;
        std::uint32_t count = 0;
        for (std::int64_t e = offsets[0]; e < offsets[1]; ++e) count += events.indices[e] == static_cast<std::uint32_t>(i);
        return count;
    }
};

// Bits of the steps among the 32 of a chunk that lie `delay` steps or more before a sample's end.
__device__ inline std::uint32_t steps_in_time(std::int64_t steps, std::int64_t delay, int chunk) {
    const std::int64_t there = steps - delay - std::int64_t(32) * chunk;
    return there <= 0 ? 0u : there >= 32 ? 0xffffffffu : (1u << there) - 1u;
}

// The spikes of a neuron that a warp has found and not yet added.
struct alignas(16) SpikeList {
    static constexpr int size = 256;
    std::uint32_t rows[size], rests[size];

    // Those from k on, a multiple of AT_ONCE.
    __device__ void read(Emissions<One>& to, int k) const {
        using Four = Side<std::uint32_t, 4>;
        for (int u = 0; u < AT_ONCE; u += 4) {
            const Four row = *reinterpret_cast<const Four*>(rows + k + u), rest = *reinterpret_cast<const Four*>(rests + k + u);
            for (int v = 0; v < 4; ++v) to.row[u + v] = row.at[v], to.rest[u + v] = rest.at[v];
        }
    }
};

// Calls body(emissions, how many) for all spikes of neuron i that arrive before their sample's end, in the order of samples and steps; all
// lanes of a warp come here. A lane writes down the spikes of 32 steps, behind those of the lanes before it.
template <typename Emitted, typename Body>
__device__ inline void for_emissions(SpikeList& list, const Emitted& emitted, std::int64_t i, std::int64_t delay, const std::int32_t* steps, std::int64_t most_steps, const Body& body) {
    const int lane = static_cast<int>(threadIdx.x) % 32, chunks = emitted.fired.chunks, words = emitted.fired.samples * chunks;
    Emissions<One> next;
    int held = 0;  // in the list
    std::uint32_t ahead = lane < words ? emitted.fired.at(i, lane) : 0;
    for (int first = 0; first < words; first += 32) {
        const int m = first + lane, b = m / chunks, chunk = m % chunks;
        std::uint32_t left = ahead;
        ahead = m + 32 < words ? emitted.fired.at(i, m + 32) : 0;
        const std::int64_t own_steps = left ? steps[b] : 0, before = std::int64_t(32) * chunk;
        left &= steps_in_time(own_steps, delay, chunk);
        const std::uint32_t row = static_cast<std::uint32_t>(b * most_steps + before + delay), rest = static_cast<std::uint32_t>(own_steps - delay - before - 1);
        const bool repeats = left && emitted.repeats(m);
        int own = __popc(left);
        if (repeats) {
            own = 0;
            for (std::uint32_t bits = left; bits; bits &= bits - 1) own += static_cast<int>(emitted.times(b, before + __ffs(static_cast<int>(bits)), i));
        }
        const int end = sum_of_lanes_up_to(own);  // behind the last of this lane's, among those of the 32 lanes
        int at = held + end - own, total = held + __shfl_sync(0xffffffffu, end, 31);
        std::uint32_t more = 0;  // times that the spike of the lowest bit is still to be written down
        for (;;) {
            while (left && at < SpikeList::size) {
                const int s = __ffs(static_cast<int>(left)) - 1;
                if (more == 0) more = repeats ? emitted.times(b, before + s + 1, i) : 1;
                list.rows[at] = row + static_cast<std::uint32_t>(s), list.rests[at] = rest - static_cast<std::uint32_t>(s);
                ++at;
                if (--more == 0) left &= left - 1;
            }
            __syncwarp();
            const int there = total < SpikeList::size ? total : SpikeList::size;
            int k = 0;
#pragma unroll 1
            for (; k + AT_ONCE <= there; k += AT_ONCE) {
                list.read(next, k);
                body(next, AT_ONCE);
            }
            held = there - k;
            const std::uint32_t row_left = lane < held ? list.rows[k + lane] : 0, rest_left = lane < held ? list.rests[k + lane] : 0;
            __syncwarp();
            if (lane < held) list.rows[lane] = row_left, list.rests[lane] = rest_left;
            __syncwarp();
            at -= k, total -= k;
            if (total == held) break;
        }
    }
    for (int u = 0; u < AT_ONCE; ++u)
        if (u < held) next.row[u] = list.rows[u], next.rest[u] = list.rests[u];
    if (held > 0) body(next, held);
    __syncwarp();
}

// ------------------------------------------------------------------------------------------------ values
// Rows of `stride` numbers, of which `lead` are from before the first step; before these it was as in the first of them.
template <typename Real>
struct ValuesOfBatch {
    static constexpr bool listed = false;
    const Real* values;
    std::int64_t stride, rows, lead;
    int samples;
    std::int64_t most;  // steps

    __device__ std::int64_t first(std::int64_t delay) const { return lead ? 1 - delay : 1; }
    __device__ Real at(int b, std::int64_t n, std::int64_t i) const { return values[(b * rows + (n > 1 - lead ? n - 1 + lead : 0)) * stride + i]; }
};
template <typename Real, typename Body>
__device__ inline void for_emissions(SpikeList&, const ValuesOfBatch<Real>& emitted, std::int64_t i, std::int64_t delay, const std::int32_t* steps, std::int64_t most_steps, const Body& body) {
    Emissions<Real> next;
    for (int b = 0; b < emitted.samples; ++b) {
        const std::int64_t end = steps[b] - delay, last = end < emitted.most ? end : emitted.most;
        for (std::int64_t n = emitted.first(delay); n <= last; n += AT_ONCE) {
            const int count = last - n + 1 < AT_ONCE ? static_cast<int>(last - n + 1) : AT_ONCE;
            for (int u = 0; u < AT_ONCE; ++u)
                if (u < count) {
                    next.row[u] = static_cast<std::uint32_t>(b * most_steps + n + u - 1 + delay), next.rest[u] = static_cast<std::uint32_t>(end - n - u);
                    next.number[u] = emitted.at(b, n + u, i);
                }
            if (count == AT_ONCE)
                body(next, AT_ONCE);
            else
                body(next, count);
        }
    }
}

// ------------------------------------------------------------------------------------------------ sums
// Adjoints kept on the tape: a row of `width` numbers for each step of a sample, sample by sample.
template <typename Real>
struct KeptAdjoint {
    const Real* tape;
    int width, offset;
    std::int64_t steps;

    __device__ const Real* row(std::uint32_t k) const { return tape + static_cast<std::int64_t>(k) * width + offset; }
    // Sample b at step n.
    __device__ const Real* at(int sample, std::int64_t n) const { return tape + (sample * steps + n - 1) * width + offset; }
};
// Gradients of weights: what the source emitted times the adjoints of the targets, summed over the samples, in order, and over the steps.
template <typename Real, typename Emitted>
struct WeightGradient {
    Emitted emitted;
    const std::int32_t* steps;
    int samples;
    KeptAdjoint<Real> kept;

    // Of neuron i, added to the sums of `count` neighbouring targets from j on, another j for each lane; all lanes of a warp come here.
    template <int count>
    __device__ void add_to(Side<Real, count>& sums, SpikeList& list, std::int64_t i, std::int64_t j, std::int64_t delay) const {
        for_emissions(list, emitted, i, delay, steps, kept.steps, [&](const auto& of, int there) {
            Side<Real, count> x[AT_ONCE];
            for (int u = 0; u < AT_ONCE; ++u)
                if (u < there) x[u] = *reinterpret_cast<const Side<Real, count>*>(kept.row(of.row[u]) + j);
            for (int u = 0; u < AT_ONCE; ++u)
                if (u < there)
                    for (int k = 0; k < count; ++k) sums.at[k] = m_fma(static_cast<Real>(of.number[u]), x[u].at[k], sums.at[k]);
        });
    }
    // The same with a delay of the lane's own.
    __device__ Real add_delayed_to(Real sum, SpikeList& list, std::int64_t i, std::int64_t j, std::uint32_t delay) const {
        for_emissions(list, emitted, i, 0, steps, kept.steps, [&](const auto& of, int there) {
            Real x[AT_ONCE];
            for (int u = 0; u < AT_ONCE; ++u)
                if (u < there && delay <= of.rest[u]) x[u] = kept.row(of.row[u] + delay)[j];
            for (int u = 0; u < AT_ONCE; ++u)
                if (u < there && delay <= of.rest[u]) sum = m_fma(static_cast<Real>(of.number[u]), x[u], sum);
        });
        return sum;
    }
    // One sum, by one thread: a few loads at once.
    __device__ Real add_alone(Real sum, std::int64_t i, std::int64_t j, std::int64_t delay) const {
        if constexpr (Emitted::listed) {
            constexpr int ahead = 4;
            const int chunks = emitted.fired.chunks, words = samples * chunks;
            std::uint32_t rows[ahead] = {};
            int held = 0;
            for (int first = 0; first < words; first += ahead) {
                std::uint32_t bits[ahead];
                for (int u = 0; u < ahead; ++u) bits[u] = first + u < words ? emitted.fired.at(i, first + u) : 0;
                for (int u = 0; u < ahead; ++u) {
                    if (bits[u] == 0) continue;
                    const int m = first + u, b = m / chunks, chunk = m % chunks;
                    const bool repeats = emitted.repeats(m);
                    for (std::uint32_t left = bits[u] & steps_in_time(steps[b], delay, chunk); left; left &= left - 1) {
                        const std::int64_t n = std::int64_t(32) * chunk + __ffs(static_cast<int>(left));
                        for (std::uint32_t more = repeats ? emitted.times(b, n, i) : 1; more > 0; --more) {
                            for (int k = 0; k + 1 < ahead; ++k) rows[k] = rows[k + 1];
                            rows[ahead - 1] = static_cast<std::uint32_t>(b * kept.steps + n - 1 + delay);
                            if (++held < ahead) continue;
                            sum = add_rows(sum, rows, held, j), held = 0;
                        }
                    }
                }
            }
            return add_rows(sum, rows, held, j);
        } else {
            for (int b = 0; b < samples; ++b)
                for (std::int64_t n = emitted.first(delay); n <= emitted.most && n + delay <= steps[b]; ++n) sum = m_fma(emitted.at(b, n, i), kept.at(b, n + delay)[j], sum);
            return sum;
        }
    }

private:
    // The last `count` of the rows.
    template <int most>
    __device__ Real add_rows(Real sum, const std::uint32_t (&rows)[most], int count, std::int64_t j) const {
        Real x[most];
        for (int k = 0; k < most; ++k)
            if (k >= most - count) x[k] = kept.row(rows[k])[j];
        for (int k = 0; k < most; ++k)
            if (k >= most - count) sum = m_fma(Real(1), x[k], sum);
        return sum;
    }
};

// So many sums, one a warp, by blocks of a number of warps.
SNCC_HOST_DEVICE constexpr int blocks_of(int sums, int warps) { return (sums + warps - 1) / warps; }
// The warps of a block among those of a connection: each sums `count · 32` neighbouring elements of a row.
struct GatherUnit {
    int row, column;  // the lane's first
    __device__ GatherUnit(int block, int columns, int count) {
        const int unit = (block * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) / 32, tiles = (columns + 32 * count - 1) / (32 * count);
        row = unit / tiles, column = (unit % tiles * 32 + static_cast<int>(threadIdx.x) % 32) * count;
    }
};

// gradient[i, :] for the rows of a block's warps; `count` columns a lane, of which the tape has the first at a multiple of their size.
template <int count, typename Real, typename Emitted>
__device__ inline void gather_dense(SpikeList& list, Real* gradient, int rows, int columns, int block, const WeightGradient<Real, Emitted>& of, std::int64_t delay, bool adds,
                                    const Overflow& overflow) {
    const GatherUnit own(block, columns, count);
    if (own.row >= rows) return;
    Real* const into = gradient + std::int64_t(own.row) * ((columns + 15) / 16 * 16) + own.column;
    const int there = columns - own.column;
    Side<Real, count> sums = {};
    for (int k = 0; k < count; ++k)
        if (adds && k < there) sums.at[k] = into[k];
    of.add_to(sums, list, own.row, there > 0 ? own.column : 0, delay);
    for (int k = 0; k < count; ++k)
        if (k < there) into[k] = sums.at[k], overflow.note(sums.at[k]);
}
// One-to-one connections: a warp per neuron.
template <typename Real, typename Emitted>
__device__ inline void gather_one_to_one(SpikeList& list, Real* gradient, int count, int block, const WeightGradient<Real, Emitted>& of, std::int64_t delay, bool adds,
                                         const Overflow& overflow) {
    const GatherUnit own(block, 1, 1);
    if (own.row >= count) return;
    Side<Real, 1> sum = {{adds ? gradient[own.row] : Real(0)}};
    of.add_to(sum, list, own.row, own.row, delay);
    if (threadIdx.x % 32 != 0) return;
    gradient[own.row] = sum.at[0];
    overflow.note(sum.at[0]);
}

}  // namespace cuda
}  // namespace sncc
