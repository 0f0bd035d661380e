// The machine's vector of reals, for the loops of rows.h: 64 bytes with AVX-512, 32 with AVX, else 16.
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>

#include "platform.h"

#if defined(__GNUC__) && defined(__AVX__)
#include <immintrin.h>
#endif

namespace sncc {

#if defined(__GNUC__) && defined(__AVX512F__)
constexpr int vector_bytes = 64;
constexpr int vector_registers = 16;
#elif defined(__GNUC__) && defined(__AVX__)
constexpr int vector_bytes = 32;
constexpr int vector_registers = 8;
#else
constexpr int vector_bytes = 16;
constexpr int vector_registers = 8;
#endif

template <typename Real>
constexpr int vector_lanes = vector_bytes / static_cast<int>(sizeof(Real));

#if defined(__GNUC__)

template <typename Real>
struct VectorOf;
// Two types each: values in registers, and the same in memory at any boundary of a real.
template <>
struct VectorOf<float> {
    typedef float Value __attribute__((vector_size(vector_bytes)));
    typedef float Memory __attribute__((vector_size(vector_bytes), aligned(sizeof(float)), may_alias));
};
template <>
struct VectorOf<double> {
    typedef double Value __attribute__((vector_size(vector_bytes)));
    typedef double Memory __attribute__((vector_size(vector_bytes), aligned(sizeof(double)), may_alias));
};
template <typename Real>
using Vector = typename VectorOf<Real>::Value;

template <typename Real>
SNCC_INLINE Vector<Real> load_vector(const Real* from) {
    return *reinterpret_cast<const typename VectorOf<Real>::Memory*>(from);
}

template <typename Real>
SNCC_INLINE void store_vector(Real* to, const Vector<Real>& value) {
    *reinterpret_cast<typename VectorOf<Real>::Memory*>(to) = value;
}

template <typename Real>
SNCC_INLINE Vector<Real> broadcast(Real value) {
    return value - Vector<Real>{};  // x - 0 is x for every x, -0 included
}

#else

template <typename Real>
struct Vector {
    Real lanes[vector_lanes<Real>];
    Real& operator[](int lane) { return lanes[lane]; }
    const Real& operator[](int lane) const { return lanes[lane]; }
    friend Vector operator+(Vector a, const Vector& b) {
        for (int lane = 0; lane < vector_lanes<Real>; ++lane) a[lane] += b[lane];
        return a;
    }
    Vector& operator+=(const Vector& b) { return *this = *this + b; }
};

template <typename Real>
SNCC_INLINE Vector<Real> load_vector(const Real* from) {
    Vector<Real> value;
    for (int lane = 0; lane < vector_lanes<Real>; ++lane) value[lane] = from[lane];
    return value;
}

template <typename Real>
SNCC_INLINE void store_vector(Real* to, const Vector<Real>& value) {
    for (int lane = 0; lane < vector_lanes<Real>; ++lane) to[lane] = value[lane];
}

template <typename Real>
SNCC_INLINE Vector<Real> broadcast(Real value) {
    Vector<Real> result;
    for (int lane = 0; lane < vector_lanes<Real>; ++lane) result[lane] = value;
    return result;
}

#endif

// GCC may repeat a load for every use of its value; after this the value stays in its register.
template <typename Value>
SNCC_INLINE void keep_in_register(Value& value) {
#if defined(__GNUC__) && defined(__x86_64__)
    asm("" : "+v"(value));
#else
    static_cast<void>(value);
#endif
}

// a * b + c with one rounding; without FMA hardware slow, but the same numbers.
#if defined(__GNUC__) && defined(__AVX512F__)
SNCC_INLINE Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> c) {
    return _mm512_fmadd_ps(a, b, c);
}
SNCC_INLINE Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> c) {
    return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__GNUC__) && defined(__AVX__) && defined(__FMA__)
SNCC_INLINE Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> c) {
    return _mm256_fmadd_ps(a, b, c);
}
SNCC_INLINE Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> c) {
    return _mm256_fmadd_pd(a, b, c);
}
#else
SNCC_INLINE Vector<float> multiply_add(const Vector<float>& a, const Vector<float>& b, Vector<float> c) {
    for (int lane = 0; lane < vector_lanes<float>; ++lane) c[lane] = std::fma(a[lane], b[lane], c[lane]);
    return c;
}
SNCC_INLINE Vector<double> multiply_add(const Vector<double>& a, const Vector<double>& b, Vector<double> c) {
    for (int lane = 0; lane < vector_lanes<double>; ++lane) c[lane] = std::fma(a[lane], b[lane], c[lane]);
    return c;
}
#endif

namespace detail {

// Of the lanes of a and then b, in groups of 2 * Half: the first half of each group plus its second half.
#if defined(__GNUC__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SNCC_HAS_SHUFFLE 1
#endif
#endif
template <int Half, typename Real, int... Lane>
SNCC_INLINE Vector<Real> add_halves(const Vector<Real>& a, const Vector<Real>& b, std::integer_sequence<int, Lane...>) {
#if defined(SNCC_HAS_SHUFFLE)
    return __builtin_shufflevector(a, b, (Lane / Half * 2 * Half + Lane % Half)...) +
           __builtin_shufflevector(a, b, (Lane / Half * 2 * Half + Lane % Half + Half)...);
#else
    const auto lane_of = [&](int lane) { return lane < vector_lanes<Real> ? a[lane] : b[lane - vector_lanes<Real>]; };
    return Vector<Real>{(lane_of(Lane / Half * 2 * Half + Lane % Half) +
                         lane_of(Lane / Half * 2 * Half + Lane % Half + Half))...};
#endif
}

}  // namespace detail

// Sums the lanes of each of Count vectors (a power of two, at most the lanes): lane k of the result is the sum of
// vectors[k]. Each sum adds lane i and i + half, then halves again, whatever Count is.
template <int Count, typename Real, int Half = vector_lanes<Real> / 2>
SNCC_INLINE Vector<Real> sum_lanes(const Vector<Real> (&vectors)[Count]) {
    static_assert(Count >= 1 && Count <= vector_lanes<Real> && (Count & (Count - 1)) == 0, "a power of two");
    constexpr auto lanes = std::make_integer_sequence<int, vector_lanes<Real>>{};
    if constexpr (Half == 0) {
        return vectors[0];
    } else if constexpr (Count == 1) {
        const Vector<Real> folded[1] = {detail::add_halves<Half, Real>(vectors[0], vectors[0], lanes)};
        return sum_lanes<1, Real, Half / 2>(folded);
    } else {
        Vector<Real> folded[Count / 2];
        for (int k = 0; k < Count / 2; ++k)
            folded[k] = detail::add_halves<Half, Real>(vectors[2 * k], vectors[2 * k + 1], lanes);
        return sum_lanes<Count / 2, Real, Half / 2>(folded);
    }
}

}  // namespace sncc
