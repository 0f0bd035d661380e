// Random numbers without state: Philox4x32-10 (Salmon et al. 2011) of a key, the seed, and a counter that names the
// draw. A number therefore depends on neither order, batch, threads nor machine.
#pragma once

#include <cstdint>

#include "math.h"
#include "platform.h"

namespace sncc {

struct PhiloxWords {
    std::uint32_t words[4];
};

SNCC_HOST_DEVICE SNCC_INLINE PhiloxWords philox(std::uint64_t seed, std::uint32_t stream, std::uint32_t element,
                                                std::uint32_t step, std::uint32_t trial) {
    std::uint32_t c0 = stream, c1 = element, c2 = step, c3 = trial;
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
#if defined(__CUDA_ARCH__)
#pragma unroll
#else
    SNCC_UNROLL
#endif
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = std::uint64_t(0xD2511F53u) * c0;
        const std::uint64_t p1 = std::uint64_t(0xCD9E8D57u) * c2;
        c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
        c1 = static_cast<std::uint32_t>(p1);
        c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c3 = static_cast<std::uint32_t>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

namespace detail {

// In (0, 1), never 0 or 1: the middle of one of 2^23 or 2^52 equal intervals. The double refines the float's interval
// by a second word, so a network's precision changes its numbers by rounding only.
template <typename Real>
struct Uniform;
template <>
struct Uniform<float> {
    static SNCC_HOST_DEVICE SNCC_INLINE float of(std::uint32_t high, std::uint32_t) {
        // Signed, as vector units convert signed integers.
        return (static_cast<float>(static_cast<std::int32_t>(high >> 9)) + 0.5f) * 0x1p-23f;
    }
};
template <>
struct Uniform<double> {
    static SNCC_HOST_DEVICE SNCC_INLINE double of(std::uint32_t high, std::uint32_t low) {
        // The bits of a number in [1, 2): no conversion from 64-bit integers, which AVX2 lacks.
        const std::uint64_t fraction = (std::uint64_t(high) << 20) | (low >> 12);
        return (bits_as<double>(fraction | 0x3FF0000000000000u) - 1.0) + 0x1p-53;
    }
};

}  // namespace detail

// Uniform in (0, 1). Words 0 and 2 of the draw; words 1 and 3 give the second.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real uniform(const PhiloxWords& draw) {
    return detail::Uniform<Real>::of(draw.words[0], draw.words[2]);
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real second_uniform(const PhiloxWords& draw) {
    return detail::Uniform<Real>::of(draw.words[1], draw.words[3]);
}

template <typename Real>
struct NormalPair {
    Real first, second;
};

// Two independent standard normals, by Box and Muller: radius from one uniform, angle from the other. A quarter turn is
// split off exactly before the angle meets pi.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE NormalPair<Real> normal_pair(const PhiloxWords& draw) {
    using Integer = typename detail::Format<Real>::Integer;
    const Real radius = m_sqrt(Real(-2) * m_log(uniform<Real>(draw)));
    const Real quarters = Real(4) * second_uniform<Real>(draw);
    const Real shifted = quarters + detail::Format<Real>::round;
    const Integer n = detail::bits_as<Integer>(shifted) - detail::bits_as<Integer>(detail::Format<Real>::round);
    const Real r = (quarters - (shifted - detail::Format<Real>::round)) * detail::Format<Real>::half_pi_high;
    return {radius * detail::sin_turned(n + 1, r), radius * detail::sin_turned(n, r)};
}

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real normal(const PhiloxWords& draw) {
    return normal_pair<Real>(draw).first;
}

}  // namespace sncc
