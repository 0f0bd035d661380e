// The delivery loops: rows of synapses added to the accumulators of a worker's own neurons.
#pragma once

#include <cstdint>

#include "compressed_rows.h"
#include "sncc/lists.h"
#include "sncc/platform.h"

namespace sncc {

template <typename Real>
struct OneWeight {
    Real weight;
    SNCC_INLINE Real operator[](std::uint64_t) const { return weight; }
};

// A row of a spike that comes soon, and where those stand that come later, as no row of a large network is in a cache.
template <typename Index>
SNCC_INLINE void fetch_ahead(const std::uint64_t* offsets, const Index* targets, const SpikesOfStep& spikes, int s) {
#if defined(__GNUC__)
    constexpr int soon = 4, later = 16, lines = 3;
    if (s + later < spikes.count) __builtin_prefetch(offsets + spikes.indices[s + later]);
    if (s + soon < spikes.count) {
        const Index* const row = targets + offsets[spikes.indices[s + soon]];
        for (int line = 0; line < lines; ++line) __builtin_prefetch(row + line * 64 / static_cast<int>(sizeof(Index)));
    }
#else
    static_cast<void>(offsets), static_cast<void>(targets), static_cast<void>(spikes), static_cast<void>(s);
#endif
}

// accumulator[target] += weight · factor, over the row of each spike in the order of the list. A null `factor` is 1.
template <typename Real, typename Index, typename Weights>
SNCC_INLINE void deliver_rows(Real* accumulator, const std::uint64_t* offsets, const Index* targets, const Weights& weights,
                              const SpikesOfStep& spikes, const Real* factor) {
    for (int s = 0; s < spikes.count; ++s) {
        const std::uint32_t source = spikes.indices[s];
        const std::uint64_t begin = offsets[source], end = offsets[source + 1];
        fetch_ahead(offsets, targets, spikes, s);
        if (factor) {
            const Real scale = factor[source];
            for (std::uint64_t k = begin; k < end; ++k) accumulator[targets[k]] += weights[k] * scale;
        } else {
            SNCC_UNROLL
            for (std::uint64_t k = begin; k < end; ++k) accumulator[targets[k]] += weights[k];
        }
    }
}

// The same where a source hands over a value instead of a spike: every source in turn.
template <typename Real, typename Index, typename Weights>
SNCC_INLINE void deliver_values(Real* accumulator, const std::uint64_t* offsets, const Index* targets, const Weights& weights,
                                const Real* values, std::int64_t sources) {
    for (std::int64_t i = 0; i < sources; ++i) {
        const Real value = values[i];
        if (value == Real(0)) continue;
        for (std::uint64_t k = offsets[i]; k < offsets[i + 1]; ++k) accumulator[targets[k]] += weights[k] * value;
    }
}

// A full matrix, rows of `stride` numbers of which `width` are targets: those of the spikes (source `first` has row 0), or all
// times a value.
template <typename Real>
SNCC_INLINE void deliver_dense(Real* SNCC_RESTRICT accumulator, const Real* SNCC_RESTRICT weights, std::int64_t stride, std::int64_t width,
                               const SpikesOfStep& spikes, const Real* factor, std::int64_t first, std::int64_t sources) {
    for (int s = 0; s < spikes.count; ++s) {
        const std::int64_t i = static_cast<std::int64_t>(spikes.indices[s]) - first;
        if (i < 0 || i >= sources) continue;
        const Real* SNCC_RESTRICT const row = weights + i * stride;
        if (factor) {
            const Real scale = factor[spikes.indices[s]];
            for (std::int64_t j = 0; j < width; ++j) accumulator[j] += row[j] * scale;
        } else {
            for (std::int64_t j = 0; j < width; ++j) accumulator[j] += row[j];
        }
    }
}

template <typename Real>
SNCC_INLINE void deliver_dense_values(Real* SNCC_RESTRICT accumulator, const Real* SNCC_RESTRICT weights, std::int64_t stride,
                                      std::int64_t width, const Real* values, std::int64_t sources) {
    for (std::int64_t i = 0; i < sources; ++i) {
        if (values[i] == Real(0)) continue;
        for (std::int64_t j = 0; j < width; ++j) accumulator[j] += weights[i * stride + j] * values[i];
    }
}

}  // namespace sncc
