// Elementary functions for float and double: one source, and the same bits, on CPU, GPU and emulation.
// No branches and no calls but fma, so gcc vectorises a loop over them without -ffast-math. The bits agree where the
// compiler contracts nothing (-ffp-contract=off, nvcc -fmad=false), since every fusion is written here.
// Errors stay below 2 ulp for float and 1e-15 for double; infinities, NaN and overflow are those of libm.
#pragma once

#include <cmath>
#include <cstdint>

#include "math_format.h"
#include "platform.h"

namespace sncc {

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_select(bool condition, Real a, Real b) {
    return condition ? a : b;
}

SNCC_HOST_DEVICE SNCC_INLINE float m_abs(float x) { return ::fabsf(x); }
SNCC_HOST_DEVICE SNCC_INLINE double m_abs(double x) { return ::fabs(x); }
SNCC_HOST_DEVICE SNCC_INLINE float m_floor(float x) { return ::floorf(x); }
SNCC_HOST_DEVICE SNCC_INLINE double m_floor(double x) { return ::floor(x); }
SNCC_HOST_DEVICE SNCC_INLINE float m_sqrt(float x) { return ::sqrtf(x); }
SNCC_HOST_DEVICE SNCC_INLINE double m_sqrt(double x) { return ::sqrt(x); }

// a · b + c with one rounding.
SNCC_HOST_DEVICE SNCC_INLINE float m_fma(float a, float b, float c) { return ::fmaf(a, b, c); }
SNCC_HOST_DEVICE SNCC_INLINE double m_fma(double a, double b, double c) { return ::fma(a, b, c); }

// -1, 1, or x itself where it is a zero or NaN.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_sign(Real x) {
    return x > Real(0) ? Real(1) : (x < Real(0) ? Real(-1) : x);
}

// NaN if either is NaN, as in NumPy: a network that fails must not look healthy.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_min(Real a, Real b) {
    return (a >= b) | (b != b) ? b : a;
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_max(Real a, Real b) {
    return (a <= b) | (b != b) ? b : a;  // with b a constant one comparison
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_clip(Real x, Real low, Real high) {
    const Real raised = x < low ? low : x;
    return raised > high ? high : raised;
}
// Zeros have a sign too.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE bool is_negative(Real x) {
    return (x < Real(0)) | ((x == Real(0)) & (Real(1) / x < Real(0)));
}
// x, or a zero with the sign of `sign` where x has the other one.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real with_sign_of(Real x, Real sign) {
    return is_negative(x) == is_negative(sign) ? x : is_negative(sign) ? Real(-0.0) : Real(0);
}

namespace detail {

// x = n ln 2 + r with |r| <= ln(2) / 2; `tail`, far smaller than x, is part of x. For x in [exp_low, exp_high].
template <typename Real>
struct Reduced {
    typename Format<Real>::Integer n;
    Real r;
};
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Reduced<Real> reduce_exponent(Real x, Real tail) {
    using F = Format<Real>;
    using Integer = typename F::Integer;
    const Real shifted = fused(x, F::log2_e, F::round);
    const Real n = shifted - F::round;
    const Real high = fused(n, -F::ln2_high, x);
    return {static_cast<Integer>(bits_as<Integer>(shifted) - bits_as<Integer>(F::round)),
            fused(n, -F::ln2_low, high) + tail};
}

// exp(r) - 1
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real expm1_reduced(Real r) {
    return fused(r * r, Format<Real>::exp_tail(r), r);
}

// 2^n exp(r) - 1, halved until the end because 2^n itself may overflow; where n is 0, r unless a half of it is denormal.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real expm1_scaled(const Reduced<Real>& reduced) {
    const Real half_power = power_of_two<Real>(reduced.n - 1);
    return Real(2) * fused(half_power, expm1_reduced(reduced.r), half_power - Real(0.5));
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real exp_of_sum(Real x, Real tail) {
    using F = Format<Real>;
    const Reduced<Real> reduced = reduce_exponent(m_clip(x, F::exp_low, F::exp_high), tail);
    // Two factors: 2^n alone may overflow or be denormal where the product is neither.
    const typename F::Integer half = reduced.n >> 1;
    return (expm1_reduced(reduced.r) + Real(1)) * power_of_two<Real>(half) * power_of_two<Real>(reduced.n - half);
}

// x = 2^exponent m for positive normal x, with m in [sqrt(1/2), sqrt(2)).
template <typename Real>
struct Scaled {
    typename Format<Real>::Integer exponent;
    Real m;
};
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Scaled<Real> split_exponent(Real x) {
    using F = Format<Real>;
    using Integer = typename F::Integer;
    const Integer bits = bits_as<Integer>(x);
    const Integer above = bits - bits_as<Integer>(Real(0x1.6a09e667f3bcdp-1)) + (F::bias << F::fraction_bits);
    const Integer exponent = (above >> F::fraction_bits) - F::bias;
    return {exponent, bits_as<Real>(static_cast<Integer>(bits - exponent * (Integer(1) << F::fraction_bits)))};
}

// The same for any positive x, denormals included.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Scaled<Real> split_exponent_any(Real x) {
    using F = Format<Real>;
    const bool denormal = x < F::smallest_normal;
    const Real scale = power_of_two<Real>(F::fraction_bits + 1);
    const Scaled<Real> scaled = split_exponent(denormal ? x * scale : x);
    return {scaled.exponent - (denormal ? F::fraction_bits + 1 : 0), scaled.m};
}

// An integer as a real by adding its bits: AVX2 has no conversion from 64-bit integers.
template <typename Real, typename Integer>
SNCC_HOST_DEVICE SNCC_INLINE Real real_of(Integer n) {
    using F = Format<Real>;
    return bits_as<Real>(static_cast<typename F::Integer>(bits_as<typename F::Integer>(F::round) + n)) - F::round;
}

// log(2^exponent (1 + f)), with log(1 + f) = 2 atanh(s) and s = f / (2 + f); 2 s is f - s f.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real log_scaled(typename Format<Real>::Integer exponent, Real f) {
    using F = Format<Real>;
    const Real s = f / (f + Real(2));
    const Real z = s * s;
    const Real y = fused(-s, f - z * F::log_tail(z), f);
    const Real e = real_of<Real>(exponent);
    return fused(e, F::ln2_high, fused(e, F::ln2_low, y));
}

// Puts the values outside (0, largest] in place of what the arithmetic made of them.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real log_edges(Real x, Real y) {
    const Real inside = x > Format<Real>::largest ? x : y;
    return x > Real(0) ? inside : (x == Real(0) ? Real(-INFINITY) : Real(NAN));
}

}  // namespace detail

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_exp(Real x) {
    return detail::exp_of_sum(x, Real(0));
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_expm1(Real x) {
    using F = detail::Format<Real>;
    const detail::Reduced<Real> reduced = detail::reduce_exponent(m_clip(x, F::expm1_low, F::exp_high), Real(0));
    const Real small = detail::expm1_reduced(reduced.r);
    const Real y = reduced.n == 0 ? small : detail::expm1_scaled(reduced);
    return x == Real(0) ? x : y;  // keeps -0
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_log(Real x) {
    const detail::Scaled<Real> scaled = detail::split_exponent_any(x);
    return detail::log_edges(x, detail::log_scaled(scaled.exponent, scaled.m - Real(1)));
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_log1p(Real x) {
    const Real sum = Real(1) + x;
    const Real added = sum - Real(1);
    const Real lost = (Real(1) - (sum - added)) + (x - added);  // 1 + x = sum + lost, exactly
    const detail::Scaled<Real> scaled = detail::split_exponent(sum);
    // Half and twice, as 2^-exponent alone does not exist for the largest sums.
    const Real inverse = detail::power_of_two<Real>(1 - scaled.exponent);
    const Real f = detail::fused(Real(0.5) * lost, inverse, scaled.m - Real(1));
    const Real y = detail::log_edges(sum, detail::log_scaled(scaled.exponent, f));
    return x == Real(0) ? x : y;
}

namespace detail {

// numerator / (sum + sum_low) from ratio = numerator / sum, by a step of Newton's method: without it the rounding of
// the sum costs half an ulp. `inverse`, of the sum, need only be rough.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real refine_ratio(Real ratio, Real numerator, Real sum, Real sum_low, Real inverse) {
    return fused(fused(-ratio, sum_low, fused(-ratio, sum, numerator)), inverse, ratio);
}

}  // namespace detail

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_tanh(Real x) {
    const Real magnitude = m_abs(x);
    const Real limited = magnitude > detail::Format<Real>::tanh_limit ? detail::Format<Real>::tanh_limit : magnitude;
    const Real t = m_expm1(limited + limited);
    const Real sum = t + Real(2);
    const Real ratio = t / sum;
    // Near 1 the ratio says too little of the inverse, and needs no refinement.
    const Real inverse = t < Real(1000) ? Real(0.5) - Real(0.5) * ratio : Real(0);
    const Real y = detail::refine_ratio(ratio, t, sum, t - (sum - Real(2)), inverse);
    return x < Real(0) ? -y : (x == Real(0) ? x : y);
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_sigmoid(Real x) {
    const Real e = m_exp(-m_abs(x));
    const Real numerator = x < Real(0) ? e : Real(1);
    const Real sum = Real(1) + e;
    const Real ratio = numerator / sum;
    const Real inverse = x < Real(0) ? Real(1) - ratio : ratio;
    return detail::refine_ratio(ratio, numerator, sum, e - (sum - Real(1)), inverse);
}

namespace detail {

// sin and cos of r + n pi / 2 for |r| <= pi / 4, as the function that n turns the sine into.
template <typename Real, typename Integer>
SNCC_HOST_DEVICE SNCC_INLINE Real sin_turned(Integer n, Real r) {
    const Real z = r * r;
    const Real s = fused(r * z, Format<Real>::sin_tail(z), r);
    const Real c = fused(z * z, Format<Real>::cos_tail(z), fused(Real(-0.5), z, Real(1)));
    const Real y = (n & 1) != 0 ? c : s;
    return (n & 2) != 0 ? -y : y;
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real sin_shifted(Real x, int quarters) {
    using F = Format<Real>;
    using Integer = typename F::Integer;
    const Real shifted = fused(x, F::two_over_pi, F::round);
    const Real n = shifted - F::round;
    const Integer quadrant = bits_as<Integer>(shifted) - bits_as<Integer>(F::round) + quarters;
    const Real r = fused(n, -F::half_pi_low, fused(n, -F::half_pi_mid, fused(n, -F::half_pi_high, x)));
    return m_abs(x) <= F::trigonometric_limit ? sin_turned(quadrant, r) : Real(NAN);
}

}  // namespace detail

// Beyond 2^22 (float) or 2^51 (double), where neighbouring arguments are half a radian apart, the result is NaN.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_sin(Real x) {
    const Real y = detail::sin_shifted(x, 0);
    return x == Real(0) ? x : y;
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_cos(Real x) {
    return detail::sin_shifted(x, 1);
}

}  // namespace sncc

#include "power.h"
