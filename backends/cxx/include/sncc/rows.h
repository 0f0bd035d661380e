// Sums of rows chosen by spikes: forward delivery, and its counterpart, the gradient of a presynaptic neuron.
// Accumulators are explicit vectors in registers with the spikes innermost. Every entry is summed in the order of
// the list, so results depend neither on the vector's width nor on threads. Arrays per neuron have padded(n) reals.
#pragma once

#include <cstdint>
#include <type_traits>

#include "layout.h"
#include "packed.h"
#include "platform.h"
#include "vector.h"

namespace sncc {

namespace detail {

// Calls body(block, first) for runs of block vectors, the largest first, that cover [first, vectors).
template <int Block, typename Body>
SNCC_INLINE void for_blocks(int first, int vectors, const Body& body) {
    for (; vectors - first >= Block; first += Block) body(std::integral_constant<int, Block>{}, first);
    if constexpr (Block > 1) for_blocks<Block / 2>(first, vectors, body);
}

template <int Block, typename Real>
struct Accumulators {
    Vector<Real> sums[Block];

    SNCC_INLINE void load(const Real* from) {
        SNCC_UNROLL
        for (int v = 0; v < Block; ++v) sums[v] = load_vector(from + v * vector_lanes<Real>);
    }
    SNCC_INLINE void zero() {
        SNCC_UNROLL
        for (int v = 0; v < Block; ++v) sums[v] = Vector<Real>{};
    }
    SNCC_INLINE void add(const Real* from) {
        SNCC_UNROLL
        for (int v = 0; v < Block; ++v) sums[v] += load_vector(from + v * vector_lanes<Real>);
    }
    SNCC_INLINE void add_scaled(Vector<Real> factor, const Real* from) {
        SNCC_UNROLL
        for (int v = 0; v < Block; ++v) sums[v] = multiply_add(factor, load_vector(from + v * vector_lanes<Real>), sums[v]);
    }
    SNCC_INLINE void store(Real* to) const {
        SNCC_UNROLL
        for (int v = 0; v < Block; ++v) store_vector(to + v * vector_lanes<Real>, sums[v]);
    }
};

}  // namespace detail

// accumulator[j] += the sum over k < count of the weights' row indices[k]. An index may occur twice.
template <typename Real>
SNCC_INLINE void add_rows(Real* accumulator, const Real* weights, const TileLayout<Real>& layout,
                          const std::uint32_t* indices, int count) {
    if (count == 0) return;
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        const Real* tile = weights + layout.tile(k);
        Real* target = accumulator + k * tile_width<Real>;
        detail::for_blocks<vector_registers>(
            0, width / vector_lanes<Real>, [&](auto block, int first) SNCC_INLINE_LAMBDA {
                const int offset = first * vector_lanes<Real>;
                detail::Accumulators<decltype(block)::value, Real> sums;
                sums.load(target + offset);
                for (int n = 0; n < count; ++n) sums.add(tile + std::int64_t(indices[n]) * width + offset);
                sums.store(target + offset);
            });
    }
}

// accumulator[j] += the sum over k < count of x[indices[k]] times the weights' row indices[k].
template <typename Real>
SNCC_INLINE void add_scaled_rows(Real* accumulator, const Real* weights, const TileLayout<Real>& layout,
                                 const std::uint32_t* indices, int count, const Real* x) {
    if (count == 0) return;
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        const Real* tile = weights + layout.tile(k);
        Real* target = accumulator + k * tile_width<Real>;
        detail::for_blocks<vector_registers>(
            0, width / vector_lanes<Real>, [&](auto block, int first) SNCC_INLINE_LAMBDA {
                const int offset = first * vector_lanes<Real>;
                detail::Accumulators<decltype(block)::value, Real> sums;
                sums.load(target + offset);
                for (int n = 0; n < count; ++n)
                    sums.add_scaled(broadcast<Real>(x[indices[n]]), tile + std::int64_t(indices[n]) * width + offset);
                sums.store(target + offset);
            });
    }
}

// The same with weights of 16 bits.
SNCC_INLINE void add_rows(float* accumulator, const Bfloat16* weights, const PackedLayout& layout, const std::uint32_t* indices, int count) {
    if (count == 0) return;
    constexpr int lanes = PackedLayout::lanes;
    for (int k = 0; k < layout.floats().tiles(); ++k) {
        const std::int64_t stride = layout.stride(k);
        const Bfloat16* tile = weights + layout.tile(k);
        float* target = accumulator + k * tile_width<float>;
        const int vectors = layout.vectors(k);
        detail::for_blocks<vector_registers / 2>(0, vectors / 2, [&](auto block, int first) SNCC_INLINE_LAMBDA {
            constexpr int pairs = decltype(block)::value;
            const int offset = first * 2 * lanes;
            detail::Accumulators<2 * pairs, float> sums;
            sums.load(target + offset);
            for (int n = 0; n < count; ++n) {
                const Bfloat16* row = tile + std::int64_t(indices[n]) * stride + offset;
                SNCC_UNROLL
                for (int p = 0; p < pairs; ++p) detail::add_pair(row + p * 2 * lanes, sums.sums[2 * p], sums.sums[2 * p + 1]);
            }
            sums.store(target + offset);
        });
        if (vectors % 2 == 0) continue;
        const int offset = (vectors - 1) * lanes;
        detail::Accumulators<1, float> sum;
        sum.load(target + offset);
        for (int n = 0; n < count; ++n) detail::add_single(tile + std::int64_t(indices[n]) * stride + offset, sum.sums[0]);
        sum.store(target + offset);
    }
}

// What one sample leaves for the gradient: the ascending steps in which presynaptic neuron i fired,
// steps[offsets[i] .. offsets[i + 1]), and mu, [steps][stride of reals].
template <typename Real>
struct SpikeTape {
    const std::int64_t* offsets;
    const std::uint32_t* steps;
    const Real* mu;
};

// For presynaptic rows i in [row_begin, row_end):
// gradient[i, :] += the sum over samples, and steps n in the sample's list of i, of mu[n + delay, :].
// Spikes that arrive at or after n_steps are skipped. The gradient has the layout of the weights. Without Add the
// gradient is written, whatever stood there.
template <bool Add = true, typename Real>
SNCC_INLINE void gather_rows(Real* gradient, const TileLayout<Real>& layout, int row_begin, int row_end,
                             const SpikeTape<Real>* samples, int n_samples, int n_steps, int delay,
                             std::int64_t mu_stride) {
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        const std::int64_t mu_offset = delay * mu_stride + k * tile_width<Real>;
        for (int i = row_begin; i < row_end; ++i) {
            Real* target = gradient + layout.tile(k) + std::int64_t(i) * width;
            detail::for_blocks<vector_registers>(
                0, width / vector_lanes<Real>, [&](auto block, int first) SNCC_INLINE_LAMBDA {
                    const int offset = first * vector_lanes<Real>;
                    detail::Accumulators<decltype(block)::value, Real> sums;
                    if constexpr (Add)
                        sums.load(target + offset);
                    else
                        sums.zero();
                    for (int s = 0; s < n_samples; ++s) {
                        const std::uint32_t* steps = samples[s].steps + samples[s].offsets[i];
                        std::int64_t count = samples[s].offsets[i + 1] - samples[s].offsets[i];
                        while (count > 0 && std::int64_t(steps[count - 1]) + delay >= n_steps) --count;
                        const Real* mu = samples[s].mu + mu_offset + offset;
                        for (std::int64_t n = 0; n < count; ++n) sums.add(mu + steps[n] * mu_stride);
                    }
                    sums.store(target + offset);
                });
        }
    }
}

// The same for values: gradient[i, :] += the sum over the listed steps n of x[n][i] * mu[n + delay, :], of one sample.
template <typename Real>
SNCC_INLINE void gather_scaled_rows(Real* gradient, const TileLayout<Real>& layout, const SpikeTape<Real>& tape, int n_steps,
                                    int delay, std::int64_t mu_stride, const Real* x, std::int64_t x_stride) {
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        for (int i = 0; i < layout.rows; ++i) {
            Real* target = gradient + layout.tile(k) + std::int64_t(i) * width;
            detail::for_blocks<vector_registers>(
                0, width / vector_lanes<Real>, [&](auto block, int first) SNCC_INLINE_LAMBDA {
                    const int offset = first * vector_lanes<Real>;
                    detail::Accumulators<decltype(block)::value, Real> sums;
                    sums.load(target + offset);
                    const Real* mu = tape.mu + delay * mu_stride + k * tile_width<Real> + offset;
                    for (std::int64_t e = tape.offsets[i]; e < tape.offsets[i + 1] && std::int64_t(tape.steps[e]) + delay < n_steps; ++e)
                        sums.add_scaled(broadcast<Real>(x[tape.steps[e] * x_stride + i]), mu + tape.steps[e] * mu_stride);
                    sums.store(target + offset);
                });
        }
    }
}

}  // namespace sncc

#include "products.h"
