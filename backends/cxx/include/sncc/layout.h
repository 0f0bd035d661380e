// Where weights and gradients lie: tiles of columns, each [row][width], so a row of a tile fits the vector registers.
#pragma once

#include <cstdint>

namespace sncc {

// Columns of a full tile: 1,024 bytes, 16 vectors of AVX-512.
template <typename Real>
constexpr int tile_width = 1024 / static_cast<int>(sizeof(Real));

// Per-neuron arrays and the last tile are padded to 16 reals, so loops have no scalar remainder.
constexpr int padded(int n) { return (n + 15) / 16 * 16; }

template <typename Real>
struct TileLayout {
    int rows;
    int columns;

    constexpr int padded_columns() const { return padded(columns); }
    constexpr int tiles() const { return (columns + tile_width<Real> - 1) / tile_width<Real>; }
    // Columns of tile k, padding included; also the distance between its rows.
    constexpr int width(int k) const {
        return k + 1 < tiles() ? tile_width<Real> : padded_columns() - k * tile_width<Real>;
    }
    // Where tile k starts.
    constexpr std::int64_t tile(int k) const { return std::int64_t(k) * tile_width<Real> * rows; }
    // Where the entry of row i and column j is.
    constexpr std::int64_t index(int i, int j) const {
        const int k = j / tile_width<Real>;
        return tile(k) + std::int64_t(i) * width(k) + j % tile_width<Real>;
    }
    constexpr std::int64_t size() const { return std::int64_t(rows) * padded_columns(); }
};

// From a dense row-major array; the padding becomes zero.
template <typename Real>
inline void to_tiles(Real* tiled, const TileLayout<Real>& layout, const Real* dense) {
    for (int k = 0; k < layout.tiles(); ++k) {
        const int width = layout.width(k);
        const int first = k * tile_width<Real>;
        for (int i = 0; i < layout.rows; ++i) {
            Real* to = tiled + layout.tile(k) + std::int64_t(i) * width;
            const Real* from = dense + std::int64_t(i) * layout.columns;
            for (int j = 0; j < width; ++j) to[j] = first + j < layout.columns ? from[first + j] : Real(0);
        }
    }
}

template <typename Real>
inline void from_tiles(Real* dense, const TileLayout<Real>& layout, const Real* tiled) {
    for (int i = 0; i < layout.rows; ++i)
        for (int j = 0; j < layout.columns; ++j) dense[std::int64_t(i) * layout.columns + j] = tiled[layout.index(i, j)];
}

// Rows and columns exchanged: `to` has the layout {columns, rows}. In blocks of 16 x 16, which stay in L1.
template <typename Real>
inline void transpose_tiles(Real* to, const Real* tiled, const TileLayout<Real>& layout) {
    const TileLayout<Real> across{layout.columns, layout.rows};
    for (int i = 0; i < layout.rows; i += 16) {
        const int rows = layout.rows - i < 16 ? layout.rows - i : 16;
        for (int j = 0; j < layout.columns; j += 16) {
            const int columns = layout.columns - j < 16 ? layout.columns - j : 16;
            const Real* from = tiled + layout.index(i, j);
            const int from_width = layout.width(j / tile_width<Real>);
            Real* into = to + across.index(j, i);
            const int into_width = across.width(i / tile_width<Real>);
            for (int column = 0; column < columns; ++column)
                for (int row = 0; row < rows; ++row) into[column * into_width + row] = from[row * from_width + column];
        }
    }
}

}  // namespace sncc
