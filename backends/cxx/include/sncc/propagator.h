// Entries of matrix exponentials, in double: what exact propagators are made of. Used by derive alone.
#pragma once

#include <cmath>

#include "math.h"
#include "platform.h"

namespace sncc {
namespace detail {

// exp of an n x n matrix by scaling, an 18-term series and squaring.
template <int N>
SNCC_HOST_DEVICE inline void matrix_exponential(const double (&matrix)[N][N], double (&result)[N][N]) {
    double norm = 0;
    for (int i = 0; i < N; ++i) {
        double sum = 0;
        for (int j = 0; j < N; ++j) sum += m_abs(matrix[i][j]);
        norm = m_max(norm, sum);
    }
    int halvings = 0;
    double factor = 1;
    while (norm * factor > 0.25 && halvings < 60) factor *= 0.5, ++halvings;
    double product[N][N];
    for (int i = 0; i < N; ++i)
        for (int j = 0; j < N; ++j) result[i][j] = i == j;
    for (int k = 18; k > 0; --k) {
        for (int i = 0; i < N; ++i)
            for (int j = 0; j < N; ++j) {
                double sum = 0;
                for (int l = 0; l < N; ++l) sum += matrix[i][l] * factor * result[l][j];
                product[i][j] = sum / k + (i == j);
            }
        for (int i = 0; i < N; ++i)
            for (int j = 0; j < N; ++j) result[i][j] = product[i][j];
    }
    for (; halvings > 0; --halvings) {
        for (int i = 0; i < N; ++i)
            for (int j = 0; j < N; ++j) {
                double sum = 0;
                for (int l = 0; l < N; ++l) sum += result[i][l] * result[l][j];
                product[i][j] = sum;
            }
        for (int i = 0; i < N; ++i)
            for (int j = 0; j < N; ++j) result[i][j] = product[i][j];
    }
}

}  // namespace detail

// Divided difference of x -> exp(step x) at the points, equal ones included: the corner of exp(step J), J bidiagonal
// with the points on the diagonal and ones above (Opitz 1964). Shifted by the mean, so the norm stays small.
template <int Points, typename... Values>
SNCC_HOST_DEVICE inline double expdd(double step, Values... values) {
    const double points[Points] = {static_cast<double>(values)...};
    double centre = 0;
    for (double point : points) centre += point / Points;
    double matrix[Points][Points] = {}, result[Points][Points];
    for (int k = 0; k < Points; ++k) {
        matrix[k][k] = (points[k] - centre) * step;
        if (k + 1 < Points) matrix[k][k + 1] = step;
    }
    detail::matrix_exponential(matrix, result);
    return result[0][Points - 1] * m_exp(centre * step);
}

// Entry (I, J) of exp(step A), A of size N given row by row.
template <int N, int I, int J, typename... Values>
SNCC_HOST_DEVICE inline double expm(double step, Values... values) {
    const double entries[N * N] = {static_cast<double>(values)...};
    double matrix[N][N], result[N][N];
    for (int i = 0; i < N; ++i)
        for (int j = 0; j < N; ++j) matrix[i][j] = entries[i * N + j] * step;
    detail::matrix_exponential(matrix, result);
    return result[I][J];
}

// Derivative of that entry by A[K, L]: the upper right block of exp of [[A, E], [0, A]].
template <int N, int I, int J, int K, int L, typename... Values>
SNCC_HOST_DEVICE inline double expmd(double step, Values... values) {
    const double entries[N * N] = {static_cast<double>(values)...};
    double matrix[2 * N][2 * N] = {}, result[2 * N][2 * N];
    for (int i = 0; i < N; ++i)
        for (int j = 0; j < N; ++j) matrix[i][j] = matrix[N + i][N + j] = entries[i * N + j] * step;
    matrix[K][N + L] = step;
    detail::matrix_exponential(matrix, result);
    return result[I][N + J];
}

}  // namespace sncc
