// What the functions of math.h need to know of float and double: the format's numbers, and polynomials fitted to
// the functions at Chebyshev nodes in 60 digits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "platform.h"

namespace sncc {

namespace detail {

template <typename To, typename From>
SNCC_HOST_DEVICE SNCC_INLINE To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "a reinterpretation");
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

SNCC_HOST_DEVICE SNCC_INLINE float fused(float a, float b, float c) { return ::fmaf(a, b, c); }
SNCC_HOST_DEVICE SNCC_INLINE double fused(double a, double b, double c) { return ::fma(a, b, c); }

// The polynomial c0 + c1 x + ..., by Horner's rule.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real polynomial(Real, Real c0) {
    return c0;
}
template <typename Real, typename... More>
SNCC_HOST_DEVICE SNCC_INLINE Real polynomial(Real x, Real c0, More... more) {
    return fused(polynomial(x, more...), x, c0);
}

template <typename Real>
struct Format;

template <>
struct Format<float> {
    using Integer = std::int32_t;
    static constexpr int fraction_bits = 23;
    static constexpr Integer bias = 127;
    static constexpr float round = 0x1.8p23f;  // adding it rounds to an integer, which then sits in the low bits
    static constexpr float largest = 0x1.fffffep127f;
    static constexpr float smallest_normal = 0x1p-126f;
    static constexpr float exp_low = -104.0f, exp_high = 89.0f;  // beyond: 0 and infinity
    static constexpr float expm1_low = -18.0f;                   // beyond: -1
    static constexpr float log2_e = 0x1.715476p+0f;
    static constexpr float ln2_high = 0x1.62e43p-1f, ln2_low = -0x1.05c61p-29f;
    static constexpr float two_over_pi = 0x1.45f306p-1f;
    static constexpr float half_pi_high = 0x1.921fb6p+0f, half_pi_mid = -0x1.777a5cp-25f;
    static constexpr float half_pi_low = -0x1.ee59dap-50f;
    static constexpr float trigonometric_limit = 0x1p22f;
    static constexpr float tanh_limit = 9.1f;

    // (exp(r) - 1 - r) / r^2 on |r| <= ln(2) / 2
    static SNCC_HOST_DEVICE SNCC_INLINE float exp_tail(float r) {
        return polynomial(r, 0x1p-1f, 0x1.5554dcp-3f, 0x1.555518p-5f, 0x1.120be2p-7f, 0x1.6d117cp-10f);
    }
    // (2 atanh(s) / s - 2) / s^2 at z = s^2, for |s| <= 3 - sqrt(8)
    static SNCC_HOST_DEVICE SNCC_INLINE float log_tail(float z) {
        return polynomial(z, 0x1.55555cp-1f, 0x1.997c1ap-2f, 0x1.2eea02p-2f);
    }
    // (sin(x) - x) / x^3 and (cos(x) - 1 + x^2 / 2) / x^4 at z = x^2, for |x| <= pi / 4
    static SNCC_HOST_DEVICE SNCC_INLINE float sin_tail(float z) {
        return polynomial(z, -0x1.555556p-3f, 0x1.11110ep-7f, -0x1.a013a2p-13f, 0x1.6dbbeep-19f);
    }
    static SNCC_HOST_DEVICE SNCC_INLINE float cos_tail(float z) {
        return polynomial(z, 0x1.555554p-5f, -0x1.6c12cep-10f, 0x1.9bd67p-16f);
    }
};

template <>
struct Format<double> {
    using Integer = std::int64_t;
    static constexpr int fraction_bits = 52;
    static constexpr Integer bias = 1023;
    static constexpr double round = 0x1.8p52;
    static constexpr double largest = 0x1.fffffffffffffp1023;
    static constexpr double smallest_normal = 0x1p-1022;
    static constexpr double exp_low = -746.0, exp_high = 710.0;
    static constexpr double expm1_low = -38.0;
    static constexpr double log2_e = 0x1.71547652b82fep+0;
    static constexpr double ln2_high = 0x1.62e42fefa39efp-1, ln2_low = 0x1.abc9e3b39803fp-56;
    static constexpr double two_over_pi = 0x1.45f306dc9c883p-1;
    static constexpr double half_pi_high = 0x1.921fb54442d18p+0, half_pi_mid = 0x1.1a62633145c07p-54;
    static constexpr double half_pi_low = -0x1.f1976b7ed8fbcp-110;
    static constexpr double trigonometric_limit = 0x1p51;
    static constexpr double tanh_limit = 19.1;

    static SNCC_HOST_DEVICE SNCC_INLINE double exp_tail(double r) {
        return polynomial(r, 0x1p-1, 0x1.5555555555556p-3, 0x1.5555555553d37p-5, 0x1.11111111109a6p-7,
                          0x1.6c16c1789d1d7p-10, 0x1.a01a01a7cebcdp-13, 0x1.a019b8ca26fcfp-16, 0x1.71de0d85293b8p-19,
                          0x1.2891d4ffbb0f9p-22, 0x1.af390ba7e6f47p-26);
    }
    static SNCC_HOST_DEVICE SNCC_INLINE double log_tail(double z) {
        return polynomial(z, 0x1.5555555555558p-1, 0x1.9999999995241p-2, 0x1.2492492e03142p-2, 0x1.c71c62ced2c0cp-3,
                          0x1.7462bb1e32c52p-3, 0x1.39fd8a2d88e7dp-3, 0x1.2b62a0962105p-3);
    }
    static SNCC_HOST_DEVICE SNCC_INLINE double sin_tail(double z) {
        return polynomial(z, -0x1.5555555555555p-3, 0x1.1111111110ba5p-7, -0x1.a01a019e8069ap-13,
                          0x1.71de3792528abp-19, -0x1.ae60069ee3ecfp-26, 0x1.5e09858a97437p-33);
    }
    static SNCC_HOST_DEVICE SNCC_INLINE double cos_tail(double z) {
        return polynomial(z, 0x1.5555555555555p-5, -0x1.6c16c16c1696p-10, 0x1.a01a019f4d0fp-16,
                          -0x1.27e4fa15bdc69p-22, 0x1.1eeb66b6cb12cp-29, -0x1.907c0e977e8bdp-37);
    }
};

// 2^n for a normal result.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real power_of_two(typename Format<Real>::Integer n) {
    using Integer = typename Format<Real>::Integer;
    return bits_as<Real>(static_cast<Integer>((n + Format<Real>::bias) << Format<Real>::fraction_bits));
}

}  // namespace detail
}  // namespace sncc
