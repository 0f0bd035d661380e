// Random matrices with orthonormal rows or columns, first values of weights: what Gram and Schmidt make of normal draws.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "draws.h"
#include "list.h"

namespace sncc {
namespace detail {
// In eight parts that are added in the end: a vector's lanes, whatever the machine.
inline double inner_product(const double* a, const double* b, std::size_t size) {
    double sums[8] = {};
    std::size_t k = 0;
    for (; k + 8 <= size; k += 8)
        for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[k + lane] * b[k + lane];
    for (std::size_t lane = 0; k < size; ++k, ++lane) sums[lane] += a[k] * b[k];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}
}  // namespace detail

// (rows, columns), row by row: the factor Q of the QR decomposition, R's diagonal positive, of a matrix of normal draws, or of
// its transpose where there are more columns than rows; each element is drawn by its number, row by row.
SNCC_COLD inline List<double> orthogonal(std::uint64_t seed, std::uint32_t stream, std::size_t rows, std::size_t columns) {
    const bool tall = rows >= columns;
    const std::size_t length = tall ? rows : columns, count = tall ? columns : rows;
    const auto place = [&](std::size_t vector, std::size_t k) { return tall ? k * columns + vector : vector * columns + k; };
    List<double> vectors(length * count);
    for (std::size_t v = 0; v < count; ++v) {
        double* const own = vectors.data() + v * length;
        for (std::size_t k = 0; k < length; ++k)
            own[k] = normal<double>(Draw{seed, stream, static_cast<std::uint32_t>(place(v, k)), 0u, 0u}.words(0));
        for (int pass = 0; pass < 2; ++pass)  // once leaves what rounding lost: twice is enough (Giraud et al. 2005)
            for (std::size_t before = 0; before < v; ++before) {
                const double* const other = vectors.data() + before * length;
                const double part = detail::inner_product(own, other, length);
                for (std::size_t k = 0; k < length; ++k) own[k] -= part * other[k];
            }
        const double norm = std::sqrt(detail::inner_product(own, own, length));
        for (std::size_t k = 0; k < length; ++k) own[k] /= norm;
    }
    List<double> matrix(length * count);
    for (std::size_t v = 0; v < count; ++v)
        for (std::size_t k = 0; k < length; ++k) matrix[place(v, k)] = vectors[v * length + k];
    return matrix;
}

}  // namespace sncc
