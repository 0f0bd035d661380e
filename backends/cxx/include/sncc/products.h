// Dense products with tiled weights: real-valued signals, and the adjoint of a connection in backpropagation.
// Vectors of samples are [sample][stride of reals]; 1 to 8 samples go in lockstep, so a weight is loaded once for all.
// Sums are fused (one rounding a term) in an order that depends neither on the vector's width nor on threads.
#pragma once

#include <cstdint>

#include "layout.h"
#include "platform.h"
#include "rows.h"
#include "vector.h"

namespace sncc {

namespace detail {

constexpr int power_of_two_below(int n) {
    int power = 1;
    while (2 * power <= n) power *= 2;
    return power;
}

// Dot products have 64 bytes of partial sums on every machine, so that all add in the same order.
constexpr int dot_parts = 64 / vector_bytes;
template <typename Real>
constexpr int dot_lanes = 64 / static_cast<int>(sizeof(Real));

// Rows in lockstep: about 16 accumulators, and not more results than a vector has lanes.
template <typename Real, int Samples>
constexpr int dot_rows() {
    const int rows = power_of_two_below(16 / (Samples * dot_parts) > 0 ? 16 / (Samples * dot_parts) : 1);
    const int most = vector_lanes<Real> < 8 ? vector_lanes<Real> : 8;
    return rows < most ? rows : most;
}

// The largest power of two that divides the number of results and is not more than a vector's lanes.
template <typename Real>
constexpr int dot_group(int results) {
    int group = 1;
    while (results % (2 * group) == 0 && 2 * group <= vector_lanes<Real>) group *= 2;
    return group;
}

// Part p holds the lanes from p * vector_lanes on of the 64 bytes: halves are folded as in sum_lanes.
template <typename Real>
SNCC_INLINE Vector<Real> fold_parts(const Vector<Real> (&parts)[dot_parts]) {
    if constexpr (dot_parts == 1) {
        return parts[0];
    } else if constexpr (dot_parts == 2) {
        return parts[0] + parts[1];
    } else {
        return (parts[0] + parts[2]) + (parts[1] + parts[3]);
    }
}

template <typename Real, int Rows, int Samples>
SNCC_INLINE void dot_block(Real* out, std::int64_t out_stride, const Real* weights, const TileLayout<Real>& layout,
                           int i, const Real* mu, std::int64_t mu_stride) {
    Vector<Real> sums[Samples * Rows][dot_parts] = {};
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        const Real* row = weights + layout.tile(k) + std::int64_t(i) * width;
        const Real* signal = mu + k * tile_width<Real>;
        for (int j = 0; j < width; j += dot_lanes<Real>) {
            SNCC_UNROLL
            for (int part = 0; part < dot_parts; ++part) {
                const int at = j + part * vector_lanes<Real>;
                Vector<Real> w[Rows];
                SNCC_UNROLL
                for (int r = 0; r < Rows; ++r) {
                    w[r] = load_vector(row + r * width + at);
                    // Measured: with 64 bytes it is slower, as loads no longer mix with the sums.
                    if constexpr (vector_bytes < 64 && Samples > 1) keep_in_register(w[r]);
                }
                SNCC_UNROLL
                for (int s = 0; s < Samples; ++s) {
                    Vector<Real> m = load_vector(signal + s * mu_stride + at);
                    keep_in_register(m);
                    SNCC_UNROLL
                    for (int r = 0; r < Rows; ++r) {
                        Vector<Real>& sum = sums[s * Rows + r][part];
                        sum = multiply_add(w[r], m, sum);
                    }
                }
            }
        }
    }
    // Results in groups, as the lanes of many vectors are summed together at less than half the price.
    constexpr int group = dot_group<Real>(Samples * Rows);
    SNCC_UNROLL
    for (int first = 0; first < Samples * Rows; first += group) {
        Vector<Real> whole[group];
        SNCC_UNROLL
        for (int g = 0; g < group; ++g) whole[g] = fold_parts<Real>(sums[first + g]);
        Real results[vector_lanes<Real>];
        store_vector(results, sum_lanes<group, Real>(whole));
        SNCC_UNROLL
        for (int g = 0; g < group; ++g) out[(first + g) / Rows * out_stride + i + (first + g) % Rows] += results[g];
    }
}

}  // namespace detail

// out[s][i] += the sum over columns j of weights[i, j] * mu[s][j], for every row i. The padding of the weights or of
// mu is zero, and the other is finite there.
template <int Samples, typename Real>
SNCC_INLINE void transpose_product(Real* out, std::int64_t out_stride, const Real* weights,
                                   const TileLayout<Real>& layout, const Real* mu, std::int64_t mu_stride) {
    static_assert(Samples >= 1 && Samples <= 8, "samples in lockstep");
    constexpr int rows = detail::dot_rows<Real, Samples>();
    int i = 0;
    for (; i + rows <= layout.rows; i += rows)
        detail::dot_block<Real, rows, Samples>(out, out_stride, weights, layout, i, mu, mu_stride);
    if constexpr (rows > 1)
        for (; i < layout.rows; ++i)
            detail::dot_block<Real, 1, Samples>(out, out_stride, weights, layout, i, mu, mu_stride);
}

// out[i] += the sum over columns j of weights[i, j] * mu[j], for the listed rows i. Padding as above.
template <typename Real>
SNCC_INLINE void transpose_rows(Real* out, const Real* weights, const TileLayout<Real>& layout, const std::uint32_t* indices,
                                int count, const Real* mu) {
    for (int k = 0; k < count; ++k)
        detail::dot_block<Real, 1, 1>(out, 0, weights, layout, static_cast<int>(indices[k]), mu, 0);
}

// accumulator[s][j] += the sum over rows i, ascending, of x[s][i] * weights[i, j].
template <int Samples, typename Real>
SNCC_INLINE void dense_product(Real* accumulator, std::int64_t accumulator_stride, const Real* weights,
                               const TileLayout<Real>& layout, const Real* x, std::int64_t x_stride) {
    static_assert(Samples >= 1 && Samples <= 8, "samples in lockstep");
    constexpr int most = vector_registers / Samples > 0 ? detail::power_of_two_below(vector_registers / Samples) : 1;
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        const Real* tile = weights + layout.tile(k);
        Real* target = accumulator + k * tile_width<Real>;
        detail::for_blocks<most>(0, width / vector_lanes<Real>, [&](auto block, int first) SNCC_INLINE_LAMBDA {
            constexpr int size = decltype(block)::value;
            const int offset = first * vector_lanes<Real>;
            detail::Accumulators<size, Real> sums[Samples];
            SNCC_UNROLL
            for (int s = 0; s < Samples; ++s) sums[s].load(target + s * accumulator_stride + offset);
            for (int i = 0; i < layout.rows; ++i) {
                const Real* row = tile + std::int64_t(i) * width + offset;
                Vector<Real> signal[Samples];
                SNCC_UNROLL
                for (int s = 0; s < Samples; ++s) signal[s] = broadcast<Real>(x[s * x_stride + i]);
                SNCC_UNROLL
                for (int v = 0; v < size; ++v) {
                    Vector<Real> w = load_vector(row + v * vector_lanes<Real>);
                    if constexpr (Samples > 1) keep_in_register(w);
                    SNCC_UNROLL
                    for (int s = 0; s < Samples; ++s) sums[s].sums[v] = multiply_add(signal[s], w, sums[s].sums[v]);
                }
            }
            SNCC_UNROLL
            for (int s = 0; s < Samples; ++s) sums[s].store(target + s * accumulator_stride + offset);
        });
    }
}

namespace detail {

template <int Rows, typename Real>
SNCC_INLINE void outer_block(Real* gradient, const TileLayout<Real>& layout, int k, int i, int row_end, const Real* x,
                             std::int64_t x_stride, const Real* mu, std::int64_t mu_stride, int n_steps) {
    const int width = layout.width(k);
    // Columns outside, rows inside: the columns of mu stay in L1 for all rows.
    for_blocks<vector_registers / Rows>(0, width / vector_lanes<Real>, [&](auto block, int first) SNCC_INLINE_LAMBDA {
        constexpr int size = decltype(block)::value;
        const int offset = first * vector_lanes<Real>;
        const Real* signal = mu + k * tile_width<Real> + offset;
        for (int row = i; row + Rows <= row_end; row += Rows) {
            Real* target = gradient + layout.tile(k) + std::int64_t(row) * width + offset;
            Accumulators<size, Real> sums[Rows];
            SNCC_UNROLL
            for (int r = 0; r < Rows; ++r) sums[r].load(target + r * width);
            for (int n = 0; n < n_steps; ++n) {
                Vector<Real> m[size];
                SNCC_UNROLL
                for (int v = 0; v < size; ++v) {
                    m[v] = load_vector(signal + n * mu_stride + v * vector_lanes<Real>);
                    if constexpr (Rows > 1) keep_in_register(m[v]);
                }
                SNCC_UNROLL
                for (int r = 0; r < Rows; ++r) {
                    const Vector<Real> factor = broadcast<Real>(x[n * x_stride + row + r]);
                    SNCC_UNROLL
                    for (int v = 0; v < size; ++v) sums[r].sums[v] = multiply_add(factor, m[v], sums[r].sums[v]);
                }
            }
            SNCC_UNROLL
            for (int r = 0; r < Rows; ++r) sums[r].store(target + r * width);
        }
    });
}

}  // namespace detail

// For rows i in [row_begin, row_end): gradient[i, :] += the sum over steps n, ascending, of x[n][i] * mu[n][:].
// The gradient has the layout of the weights; x is [steps][stride], mu [steps][stride].
template <typename Real>
SNCC_INLINE void outer_rows(Real* gradient, const TileLayout<Real>& layout, int row_begin, int row_end, const Real* x,
                            std::int64_t x_stride, const Real* mu, std::int64_t mu_stride, int n_steps) {
    constexpr int rows = 4;
    const int blocked = row_begin + (row_end - row_begin) / rows * rows;
    for (int k = 0; k < layout.tiles(); ++k) {
        detail::outer_block<rows>(gradient, layout, k, row_begin, blocked, x, x_stride, mu, mu_stride, n_steps);
        detail::outer_block<1>(gradient, layout, k, blocked, row_end, x, x_stride, mu, mu_stride, n_steps);
    }
}

}  // namespace sncc
