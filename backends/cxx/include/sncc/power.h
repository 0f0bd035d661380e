// Powers, and the phi functions of exponential integrators; part of math.h.
#pragma once

#include "math.h"

namespace sncc {

namespace detail {

template <unsigned Exponent, typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real multiply_power(Real result, Real square) {
    if constexpr (Exponent == 0) {
        return result;
    } else {
        return multiply_power<Exponent / 2>(Exponent % 2 == 1 ? result * square : result, square * square);
    }
}

// |x|^y -> x^y: the cases in which the logarithm has no value, and the sign.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real power_edges(Real x, Real y, Real power) {
    using Integer = typename Format<Real>::Integer;
    const Real magnitude = m_abs(x);
    const bool integer = m_floor(y) == y;
    const Real half = Real(0.5) * y;
    const bool odd = integer & (m_floor(half) != half);
    const bool negative = bits_as<Integer>(x) < 0;
    const bool huge = magnitude > Format<Real>::largest;
    const Real limit = (y > Real(0)) == huge ? Real(INFINITY) : Real(0);
    Real result = (magnitude == Real(0)) | huge ? limit : power;
    result = magnitude == Real(1) ? Real(1) : result;
    result = negative & odd ? -result : result;
    const bool undefined = (x < Real(0)) & !integer & !huge;
    result = undefined | (x != x) | ((y != y) & (x != Real(1))) ? Real(NAN) : result;
    return y == Real(0) ? Real(1) : result;
}

// log(x) as high + low, to about 1e-18 of itself: y log(x) may be 700, and its absolute error becomes relative.
struct LongReal {
    double high, low;
};
SNCC_HOST_DEVICE SNCC_INLINE LongReal long_log(double x) {
    using F = Format<double>;
    const Scaled<double> scaled = split_exponent_any(x);
    const double f = scaled.m - 1.0;
    const double t = 2.0 + f;
    const double t_low = f - (t - 2.0);
    // s = f / (2 + f), z = s^2, tail = 2/3 z + ...: log(1 + f) = 2 s + s tail
    const double s = f / t;
    const double s_low = (fused(-s, t, f) - s * t_low) / t;
    const double z = s * s;
    const double z_low = fused(s, s, -z) + 2.0 * s * s_low;
    const double third = 0x1.5555555555555p-1, third_low = 0x1.5555555555555p-55;
    const double rest = polynomial(z, 0x1.999999999999fp-2, 0x1.249249248e4abp-2, 0x1.c71c71d805ad7p-3,
                                   0x1.745d09dd8236bp-3, 0x1.3b18be4fd8cd8p-3, 0x1.1017fb81f0c74p-3,
                                   0x1.08812b6ae3792p-3);
    const double tail = z * third;
    const double tail_low = fused(z, third, -tail) + (z * third_low + z_low * third + z * z * rest);
    const double product = s * tail;
    const double product_low = fused(s, tail, -product) + (s * tail_low + s_low * tail);
    const double e = real_of<double>(scaled.exponent);
    const double power = e * F::ln2_high;
    const double power_low = fused(e, F::ln2_high, -power) + e * F::ln2_low;
    // Each sum is exact with its low part, as the terms fall in size.
    const double first = power + 2.0 * s;
    const double second = first + product;
    const double low = ((2.0 * s - (first - power)) + (product - (second - first))) +
                       (power_low + 2.0 * s_low + product_low);
    const double high = second + low;
    return {high, low - (high - second)};
}

SNCC_HOST_DEVICE constexpr double inverse_factorial(int k) { return k < 2 ? 1.0 : inverse_factorial(k - 1) / k; }

// 1 + x / (K + 1) (1 + x / (K + 2) (...)), the series of K! phi_K, to 1e-18 for |x| <= 1.
template <int K, int Term = 1>
SNCC_HOST_DEVICE SNCC_INLINE double phi_series(double x) {
    if constexpr (Term > 18) {
        return 1.0;
    } else {
        constexpr double factor = 1.0 / (K + Term);
        return fused(x * factor, phi_series<K, Term + 1>(x), 1.0);
    }
}

template <int K>
SNCC_HOST_DEVICE SNCC_INLINE double phi_recursion(double x) {
    if constexpr (K == 1) {
        return m_expm1(x) / x;
    } else {
        constexpr double before = inverse_factorial(K - 1);
        return (phi_recursion<K - 1>(x) - before) / x;
    }
}

}  // namespace detail

// x^Exponent by repeated multiplication; with the exponent known, and at run time, to the same bits.
template <int Exponent, typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_ipow(Real x) {
    constexpr unsigned magnitude = Exponent < 0 ? 0u - static_cast<unsigned>(Exponent) : unsigned(Exponent);
    const Real power = detail::multiply_power<magnitude>(Real(1), x);
    return Exponent < 0 ? Real(1) / power : power;
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real m_ipow(Real x, int exponent) {
    Real power = 1;
    for (unsigned left = exponent < 0 ? 0u - static_cast<unsigned>(exponent) : unsigned(exponent); left != 0; left /= 2) {
        power = left % 2 == 1 ? power * x : power;
        x = x * x;
    }
    return exponent < 0 ? Real(1) / power : power;
}

SNCC_HOST_DEVICE SNCC_INLINE double m_pow(double x, double y) {
    const detail::LongReal log = detail::long_log(m_abs(x));
    const double product = y * log.high;
    // Where the product is huge its error does not matter, and the low part may be inf - inf.
    const double low = m_abs(product) < 1000.0 ? detail::fused(y, log.high, -product) + y * log.low : 0.0;
    return detail::power_edges(x, y, detail::exp_of_sum(product, low));
}
SNCC_HOST_DEVICE SNCC_INLINE float m_pow(float x, float y) {
    const double power = m_exp(double(y) * m_log(double(m_abs(x))));
    return detail::power_edges(x, y, static_cast<float>(power));
}

// phi_0 = exp, phi_1(x) = (exp(x) - 1) / x, phi_{K+1}(x) = (phi_K(x) - 1/K!) / x, with phi_K(0) = 1/K!; K <= 4.
// (e^{ah} - e^{bh}) / (a - b) = h e^{bh} phi_1((a - b) h), and phi_K' = phi_K - K phi_{K+1} for K >= 1.
// Errors: 2 ulp for float, 1e-13 for double.
template <int K>
SNCC_HOST_DEVICE SNCC_INLINE double m_phi(double x) {
    static_assert(K >= 0 && K <= 4, "phi_0 to phi_4");
    if constexpr (K == 0) {
        return m_exp(x);
    } else {
        const double large = x > detail::Format<double>::largest ? x : detail::phi_recursion<K>(x);
        if constexpr (K == 1) {
            return x == 0.0 ? 1.0 : large;
        } else {
            constexpr double at_zero = detail::inverse_factorial(K);
            // The series also runs where it is not used, so its argument is kept from overflowing.
            return m_abs(x) < 1.0 ? at_zero * detail::phi_series<K>(m_clip(x, -1.0, 1.0)) : large;
        }
    }
}
template <int K>
SNCC_HOST_DEVICE SNCC_INLINE float m_phi(float x) {
    static_assert(K >= 0 && K <= 4, "phi_0 to phi_4");
    if constexpr (K == 0) {
        return m_exp(x);
    } else if constexpr (K == 1) {
        using F = detail::Format<float>;
        const detail::Reduced<float> reduced = detail::reduce_exponent(m_clip(x, F::expm1_low, F::exp_high), 0.0f);
        const float ratio = detail::expm1_scaled(reduced) / x;
        const float large = x > F::largest ? x : ratio;
        return m_abs(x) < 0x1p-100f ? 1.0f : large;  // what halves then is not denormal
    } else {
        return static_cast<float>(m_phi<K>(static_cast<double>(x)));
    }
}

}  // namespace sncc
