// Sums of rows where many of them are chosen: strip by strip of columns, and in a strip block by block of rows. A block is copied to where
// it stays in L1, and every sum adds what it lists of it before the next one comes: from L2 or L3 a row takes two to three times as long
// to come as to be added. Every sum has the order of its list, as in rows.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "aligned.h"
#include "call.h"
#include "list.h"
#include "rows.h"

namespace sncc {

// 256 bytes of columns with AVX and AVX-512: as many sums as hide how long one addition takes.
constexpr int strip_vectors = vector_bytes == 64 ? 4 : 8;
// Rows of a block, at most. Where few are listed sums would be fetched too often for what half of it adds; where many are, half stays in L1.
constexpr int strip_rows = 256;

// Sum i adds the rows listed from begins[i] to ends[i], ascending.
template <typename Real>
struct RowLists {
    List<const std::uint32_t*> begins, ends, next;  // next: the first that was not added yet
    AlignedBuffer<Real> block{std::size_t(strip_rows) * strip_vectors * vector_lanes<Real>};

    void make(std::size_t sums) { begins.resize(sums), ends.resize(sums), next.resize(sums); }
    std::int64_t listed(int sums) const {
        std::int64_t count = 0;
        for (int i = 0; i < sums; ++i) count += ends[static_cast<std::size_t>(i)] - begins[static_cast<std::size_t>(i)];
        return count;
    }
};

// Whether copying pays, which is per row and block: each row is listed several times, and each sum lists some rows of a block.
inline bool pays_in_strips(std::int64_t listed, std::int64_t sums, std::int64_t rows, int columns) {
    return columns >= 128 && listed >= 8 * rows && 16 * listed >= sums * rows;
}

namespace detail {

template <int Vectors, typename Real>
SNCC_INLINE void add_block(bool adds, Real* sums, std::int64_t width, int count, const std::uint32_t* const* ends, const std::uint32_t** next,
                           std::int64_t first, std::int64_t end, const Real* block) {
    for (int i = 0; i < count; ++i) {
        Accumulators<Vectors, Real> sum;
        if (adds)
            sum.load(sums + i * width);
        else
            sum.zero();
        const std::uint32_t* row = next[i];
        for (; row < ends[i] && *row < end; ++row) sum.add(block + (*row - first) * (Vectors * vector_lanes<Real>));
        next[i] = row;
        sum.store(sums + i * width);
    }
}

}  // namespace detail

// sums[i, :] += the sum of the rows listed for i, of `rows` rows in all; where it does not add it is written, whatever stood there.
// row_of(k, row) is a row's part in column tile k, asked for in the order of rows. One function for all layouts, as it is long.
template <typename Real>
SNCC_NOINLINE void sum_strips(bool adds, Real* sums, const TileLayout<Real>& layout, RowLists<Real>& lists, std::int64_t rows,
                              const Call<const Real*(int, std::int64_t)>& row_of) {
    constexpr int lanes = vector_lanes<Real>;
    const std::int64_t most = 6 * lists.listed(layout.rows) < layout.rows * rows ? strip_rows : strip_rows / 2;
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        detail::for_blocks<strip_vectors>(0, width / lanes, [&](auto strip, int first_vector) SNCC_INLINE_LAMBDA {
            constexpr int vectors = decltype(strip)::value;
            const int column = first_vector * lanes;
            Real* const block = lists.block.data();
            std::memcpy(lists.next.data(), lists.begins.data(), sizeof(lists.begins[0]) * static_cast<std::size_t>(layout.rows));
            for (std::int64_t first = 0; first < rows; first += most) {
                const std::int64_t end = std::min(rows, first + most);
                for (std::int64_t row = first; row < end; ++row)
                    std::memcpy(block + (row - first) * (vectors * lanes), row_of(k, row) + column, sizeof(Real) * vectors * lanes);
                detail::add_block<vectors>(adds || first > 0, sums + layout.tile(k) + column, width, layout.rows, lists.ends.data(),
                                           lists.next.data(), first, end, block);
            }
        });
    }
}

// The spikes of several samples one behind the other, `steps` of each: step n of sample s is row s * steps + n.
template <typename Real>
struct JoinedSpikes : RowLists<Real> {
    List<std::uint32_t> rows;

    void join(const SpikeTape<Real>* samples, int n_samples, int neurons, std::int64_t steps) {
        std::int64_t most = 0;
        for (int s = 0; s < n_samples; ++s) most += samples[s].offsets[neurons];
        if (rows.size() < static_cast<std::size_t>(most)) rows.resize(static_cast<std::size_t>(most));
        this->make(static_cast<std::size_t>(neurons));
        std::uint32_t* to = rows.data();
        for (int i = 0; i < neurons; ++i) {
            this->begins[static_cast<std::size_t>(i)] = to;
            for (int s = 0; s < n_samples; ++s) {
                const std::uint32_t first = static_cast<std::uint32_t>(s * steps);
                const std::uint32_t *n = samples[s].steps + samples[s].offsets[i], *end = samples[s].steps + samples[s].offsets[i + 1];
                for (; n < end && *n < steps; ++n) *to++ = first + *n;
            }
            this->ends[static_cast<std::size_t>(i)] = to;
        }
    }
};

// As `gather_rows` for all rows, of the spikes that `join` has put together: `steps` are those of each sample whose spikes arrive.
template <typename Real>
void gather_strips(bool adds, Real* gradient, const TileLayout<Real>& layout, JoinedSpikes<Real>& spikes, const SpikeTape<Real>* samples,
                   int n_samples, std::int64_t steps, int delay, std::int64_t mu_stride) {
    std::int64_t s = 0, n = 0;
    const auto row_of = [&](int k, std::int64_t row) {
        if (row == 0) s = n = 0;
        const Real* const from = samples[s].mu + (n + delay) * mu_stride + k * tile_width<Real>;
        if (++n == steps) n = 0, ++s;
        return from;
    };
    sum_strips<Real>(adds, gradient, layout, spikes, n_samples * steps, row_of);
}

}  // namespace sncc
