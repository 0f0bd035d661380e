// What a block does within a step, whatever the network: rows added for spikes, products, lists of spikes as bits. Each number is summed
// by one thread, in the order of the C++ half.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/philox.h"

namespace sncc {
namespace cuda {

// Calls body(source) for the spikes of step n, ascending, as often as a source emitted.
template <typename Body>
__device__ inline void for_spikes(const EventRows& events, std::int64_t n, const Body& body) {
    if (n < events.first || n > events.last) return;
    for (std::int64_t e = events.offsets[n - events.first]; e < events.offsets[n - events.first + 1]; ++e) body(static_cast<std::int64_t>(events.indices[e]));
}
template <typename Body>
__device__ inline void for_spikes(const SpikeBits& spikes, std::int64_t n, const Body& body) {
    if (n < spikes.first) return;
    const std::uint32_t* row = spikes.row(n);
    for (int w = 0; w < spikes.words; ++w)
        for (std::uint32_t left = row[w]; left != 0; left &= left - 1) body(static_cast<std::int64_t>(w * 32 + __ffs(static_cast<int>(left)) - 1));
}
template <typename Body>
__device__ inline void for_spikes(const SpikeCounts& spikes, std::int64_t n, const Body& body) {
    if (n < spikes.first) return;
    for (int i = 0; i < spikes.neurons; ++i)
        for (std::uint32_t left = spikes.fired(n, i); left > 0; --left) body(static_cast<std::int64_t>(i));
}

// Calls body(sources, count) for the spikes of step n in the same order, up to `most` at a time, so that what is read for them is read
// at once. All threads of a warp come here; sources are known to all of them.
template <int most>
using Sources = int[most];

template <int most, typename Body>
__device__ inline void for_spikes_together(const EventRows& events, std::int64_t n, const Body& body) {
    if (n < events.first || n > events.last) return;
    const std::int64_t end = events.offsets[n - events.first + 1];
    for (std::int64_t e = events.offsets[n - events.first]; e < end; e += most) {
        Sources<most> sources;
#pragma unroll
        for (int k = 0; k < most; ++k) sources[k] = e + k < end ? static_cast<int>(events.indices[e + k]) : 0;
        body(sources, static_cast<int>(end - e < most ? end - e : most));
    }
}
// Of `words` numbers, which count spikes by `next`: what a lane holds is shared out, empty ones are passed over.
template <int most, typename Next, typename Body>
__device__ inline void for_words_together(const std::uint32_t* row, int words, const Next& next, const Body& body) {
    for (int base = 0; base < words; base += 32) {
        const int own = base + static_cast<int>(threadIdx.x) % 32;
        const std::uint32_t mine = own < words ? row[own] : 0;
        unsigned full = __ballot_sync(0xffffffffu, mine != 0);
        std::uint32_t left = 0;
        int word = 0;
        while ((left | full) != 0) {
            Sources<most> sources;
            int count = 0;
#pragma unroll
            for (int k = 0; k < most; ++k) {
                if (left == 0) {
                    if (full == 0) break;
                    word = __ffs(static_cast<int>(full)) - 1;
                    full &= full - 1;
                    left = __shfl_sync(0xffffffffu, mine, word);
                }
                sources[k] = next(base + word, left);
                ++count;
            }
            body(sources, count);
        }
    }
}
template <int most, typename Body>
__device__ inline void for_spikes_together(const SpikeBits& spikes, std::int64_t n, const Body& body) {
    if (n < spikes.first) return;
    const auto next = [](int word, std::uint32_t& left) {
        const int bit = __ffs(static_cast<int>(left)) - 1;
        left &= left - 1;
        return word * 32 + bit;
    };
    for_words_together<most>(spikes.row(n), spikes.words, next, body);
}
template <int most, typename Body>
__device__ inline void for_spikes_together(const SpikeCounts& spikes, std::int64_t n, const Body& body) {
    if (n < spikes.first) return;
    const auto next = [](int neuron, std::uint32_t& left) {
        --left;
        return neuron;
    };
    for_words_together<most>(spikes.row(n), spikes.neurons, next, body);
}

// The events of one step, of which a lane has read one of the first 32.
struct EventsNow {
    EventRows events;
    std::int64_t begin, end;
    std::uint32_t first;
};
template <int most, typename Body>
__device__ inline void for_spikes_together(const EventsNow& now, std::int64_t, const Body& body) {
    std::uint32_t mine = now.first;
    for (std::int64_t e = now.begin; e < now.end; e += 32) {
        const int lane = static_cast<int>(threadIdx.x) % 32, there = static_cast<int>(now.end - e < 32 ? now.end - e : 32);
        if (e > now.begin) mine = lane < there ? now.events.indices[e + lane] : 0;
        for (int part = 0; part < there; part += most) {
            Sources<most> sources;
#pragma unroll
            for (int k = 0; k < most; ++k) sources[k] = static_cast<int>(__shfl_sync(0xffffffffu, mine, part + k));
            body(sources, there - part < most ? there - part : most);
        }
    }
}
// The events of one step after the other: which the next step's are, and where those of the one after it lie, is read while a step works,
// so that it waits for weights alone.
class EventsAhead {
public:
    __device__ EventsAhead(const EventRows& events, std::int64_t n) : events_(events), n_(n), begin_(start(n)), end_(start(n + 1)), after_(start(n + 2)) { read(); }

    // Those of the step that follows the last one taken.
    __device__ EventsNow take() {
        const EventsNow now = {events_, begin_, end_, mine_};
        begin_ = end_, end_ = after_, ++n_;
        read();
        after_ = start(n_ + 2);
        return now;
    }

private:
    // The first event of step n; where there is no such step, that of the nearest.
    __device__ std::int64_t start(std::int64_t n) const {
        const std::int64_t last = events_.last + 1;
        return events_.offsets[(n < events_.first ? events_.first : n > last ? last : n) - events_.first];
    }
    __device__ void read() {
        const std::int64_t e = begin_ + static_cast<std::int64_t>(threadIdx.x % 32);
        mine_ = e < end_ ? events_.indices[e] : 0;
    }

    EventRows events_;
    std::int64_t n_, begin_, end_, after_;
    std::uint32_t mine_ = 0;
};

// A matrix of which a block has the first rows in its shared memory.
template <typename Weight>
struct SplitRows {
    const Weight *copy, *rest;
    int copied;

    __device__ SplitRows operator+(int columns) const { return {copy + columns, rest + columns, copied}; }
};
// A row of it, or of a matrix that lies in one place.
template <typename Weight>
__device__ inline const Weight* row_of(const SplitRows<Weight>& weights, std::int64_t i, int stride) {
    return (i < weights.copied ? weights.copy : weights.rest) + i * stride;
}
template <typename Weight>
__device__ inline const Weight* row_of(const Weight* weights, std::int64_t i, int stride) {
    return weights + i * stride;
}

// into[j] += the weights of the rows of all spikes, in their order. A thread has `own` columns, for which it reads the weights of several
// rows at once before it adds them.
template <int own, typename Real, typename Weights, typename Spikes>
__device__ inline void add_rows(Threads who, Real* into, int columns, const Weights& weights, int stride, const Spikes& spikes, std::int64_t n) {
    constexpr int together = own == 1 ? 16 : own == 2 ? 8 : 4;
    const int first = who.rank();
    if (first < 0 || (first & ~31) >= columns) return;  // none of the warp has a column
    int column[own];
    Real sums[own];
#pragma unroll
    for (int r = 0; r < own; ++r) {
        const int j = first + r * who.count;
        column[r] = j < columns ? j : columns - 1;  // a column too many is added up, but not kept
        sums[r] = j < columns ? into[j] : Real(0);
    }
    for_spikes_together<together>(spikes, n, [&](const Sources<together>& sources, int count) {
        Real added[together][own];
#pragma unroll
        for (int k = 0; k < together; ++k) {
            const auto* const row = row_of(weights, sources[k], stride);
#pragma unroll
            for (int r = 0; r < own; ++r) added[k][r] = k < count ? static_cast<Real>(row[column[r]]) : Real(0);
        }
#pragma unroll
        for (int k = 0; k < together; ++k)
            if (k < count) {
#pragma unroll
                for (int r = 0; r < own; ++r) sums[r] += added[k][r];
            }
    });
#pragma unroll
    for (int r = 0; r < own; ++r)
        if (first + r * who.count < columns) into[column[r]] = sums[r];
}
// The same of more columns than a thread has registers for: `own` at a time, for which the spikes are gone through again.
template <int own, typename Real, typename Weights, typename Spikes>
__device__ inline void add_wide_rows(Threads who, Real* into, int columns, const Weights& weights, int stride, const Spikes& spikes, std::int64_t n) {
    const int at_once = own * who.count;
#pragma unroll 1
    for (int first = 0; first < columns; first += at_once)
        add_rows<own>(who, into + first, columns - first < at_once ? columns - first : at_once, weights + first, stride, spikes, n);
}
template <typename Real>
__device__ inline void add_one_to_one(Real* into, const Real* weights, const EventRows& events, std::int64_t n) {
    if (n < events.first || n > events.last || threadIdx.x != 0) return;
    for (std::int64_t e = events.offsets[n - events.first]; e < events.offsets[n - events.first + 1]; ++e)
        into[events.indices[e]] += weights[events.indices[e]];
}
// Of neurons that a block has, by a thread each.
template <typename Real>
__device__ inline void add_one_to_one(Real* into, const Portion& own, const Real* weights, const EventRows& events, std::int64_t n) {
    if (n < events.first || n > events.last || threadIdx.x != 0) return;
    for (std::int64_t e = events.offsets[n - events.first]; e < events.offsets[n - events.first + 1]; ++e)
        if (own.has(events.indices[e])) into[own.place(events.indices[e])] += weights[events.indices[e]];
}
template <typename Real, typename Spikes>
__device__ inline void add_one_to_one(Real* into, int count, const Real* weights, const Spikes& spikes, std::int64_t n) {
    if (n < spikes.first) return;
    for_own(count, [&](int j) {
        for (std::uint32_t left = spikes.fired(n, j); left > 0; --left) into[j] += weights[j];
    });
}
template <typename Real, typename Weights>
__device__ inline void add_product(Threads who, Real* into, int columns, int rows, const Weights& weights, int stride, const ValueRows<Real>& values, std::int64_t n) {
    const Real* x = values.row(n);
    if (!x) return;
    for_own(who, columns, [&](int j) {
        Real sum = into[j];
#pragma unroll 8
        for (int i = 0; i < rows; ++i) sum = m_fma(x[i], row_of(weights, i, stride)[j], sum);
        into[j] = sum;
    });
}
template <typename Real>
__device__ inline void add_product_one_to_one(Real* into, int count, const Real* weights, const ValueRows<Real>& values, std::int64_t n) {
    const Real* x = values.row(n);
    if (!x) return;
    for_own(count, [&](int j) { into[j] = m_fma(x[j], weights[j], into[j]); });
}

// Writes which of `count` neurons fired as bits; every thread of the block comes here.
template <typename Real>
__device__ inline void list_spikes(Threads who, const SpikeBits& spikes, std::int64_t n, const Real* mask, int count) {
    std::uint32_t* row = spikes.bits + (n - spikes.first) * spikes.words;
    for_own_warps(who, count, [&](int j, bool own) {
        const unsigned bits = __ballot_sync(0xffffffffu, own && mask[j] != Real(0));
        if (j % 32 == 0) row[j / 32] = bits;
    });
}

// Dropout: a bit for each of `count` neurons of a source that are left in a sample; every thread of the block comes here.
__device__ inline void draw_kept(const SpikeBits& kept, int count, std::uint64_t seed, std::uint32_t stream, std::uint32_t trial, std::uint32_t threshold) {
    for_own((count + 31) / 32, [&](int w) {
        std::uint32_t bits = 0;
        for (int i = 32 * w; i < 32 * w + 32 && i < count; ++i)
            bits |= std::uint32_t(philox(seed, stream, static_cast<std::uint32_t>(i), 0, trial).words[0] >= threshold) << (i % 32);
        kept.bits[w] = bits;
    });
}
// The spikes of step n, of those neurons alone: of all, or of so many.
__device__ inline void keep_spikes(const SpikeBits& left, std::int64_t n, const SpikeBits& spikes, const SpikeBits& kept, int count) {
    for_own((count + 31) / 32, [&](int w) { left.bits[(n - left.first) * left.words + w] = spikes.row(n)[w] & kept.bits[w]; });
}
__device__ inline void keep_spikes(const SpikeBits& left, std::int64_t n, const SpikeBits& spikes, const SpikeBits& kept) {
    keep_spikes(left, n, spikes, kept, 32 * left.words);
}
__device__ inline void keep_spikes(const SpikeCounts& left, std::int64_t n, const SpikeCounts& spikes, const SpikeBits& kept, int count) {
    for_own(count, [&](int i) { left.counts[(n - left.first) * left.neurons + i] = spikes.fired(n, i) * kept.fired(1, i); });
}
__device__ inline void keep_spikes(const SpikeCounts& left, std::int64_t n, const SpikeCounts& spikes, const SpikeBits& kept) {
    keep_spikes(left, n, spikes, kept, left.neurons);
}
// Writes how often each of `count` neurons fired.
template <typename Real>
__device__ inline void list_spikes(Threads who, const SpikeCounts& spikes, std::int64_t n, const Real* counts, int count) {
    for_own(who, count, [&](int j) { spikes.counts[(n - spikes.first) * spikes.neurons + j] = static_cast<std::uint32_t>(counts[j]); });
}

// A population that never spikes: its bits of step n.
__device__ inline void no_spikes(const SpikeBits& spikes, std::int64_t n) {
    for_own(spikes.words, [&](int w) { spikes.bits[(n - spikes.first) * spikes.words + w] = 0; });
}

}  // namespace cuda
}  // namespace sncc
