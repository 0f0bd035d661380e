// Matrices of weights of 16 bits, laid out so that vectors of floats come of them by a shift and a mask.
#pragma once

#include <cstdint>

#include "bfloat16.h"
#include "layout.h"
#include "platform.h"
#include "vector.h"

namespace sncc {

// Where the weights of a matrix stand: tiles and rows as with floats, and in a row two vectors of floats interleaved, so that a
// shift of 32-bit words gives the one and a mask the other. An odd last vector stands by itself.
struct PackedLayout {
    int rows, columns;

    static constexpr int lanes = vector_lanes<float>;
    constexpr TileLayout<float> floats() const { return {rows, columns}; }
    constexpr int vectors(int k) const { return floats().width(k) / lanes; }
    constexpr int stride(int k) const { return (vectors(k) + 1) / 2 * 2 * lanes; }
    constexpr std::int64_t tile(int k) const { return floats().tile(k); }  // all tiles before it are full, of an even number of vectors
    constexpr std::int64_t index(int i, int j) const {
        const int k = j / tile_width<float>, column = j % tile_width<float>, vector = column / lanes;
        return tile(k) + std::int64_t(i) * stride(k) + vector / 2 * 2 * lanes + column % lanes * 2 + vector % 2;
    }
    constexpr std::int64_t size() const {
        const int last = floats().tiles() - 1;
        return tile(last) + std::int64_t(rows) * stride(last);
    }
};

namespace detail {

#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
typedef std::uint32_t Words __attribute__((vector_size(vector_bytes)));
typedef std::uint32_t WordsInMemory __attribute__((vector_size(vector_bytes), aligned(4), may_alias));
SNCC_INLINE void add_pair(const Bfloat16* from, Vector<float>& first, Vector<float>& second) {
    const Words words = *reinterpret_cast<const WordsInMemory*>(from);
    first += reinterpret_cast<Vector<float>>(words << 16);
    second += reinterpret_cast<Vector<float>>(words & 0xFFFF0000u);
}
SNCC_INLINE void add_single(const Bfloat16* from, Vector<float>& sum) {
    sum += reinterpret_cast<Vector<float>>(*reinterpret_cast<const WordsInMemory*>(from) << 16);
}
#else
SNCC_INLINE void add_single(const Bfloat16* from, Vector<float>& sum) {
    for (int lane = 0; lane < vector_lanes<float>; ++lane) sum[lane] += from[2 * lane];
}
SNCC_INLINE void add_pair(const Bfloat16* from, Vector<float>& first, Vector<float>& second) {
    add_single(from, first), add_single(from + 1, second);
}
#endif

}  // namespace detail

}  // namespace sncc
