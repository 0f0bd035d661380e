// Draws from distributions: each a function of a counter, so a number depends on nothing but what it is for.
#pragma once

#include <cstdint>

#include "math.h"
#include "philox.h"
#include "platform.h"

namespace sncc {

// Of an update that runs for several spikes in one step: the stream of the r-th after the first. Likewise of several draws of one expression.
SNCC_HOST_DEVICE SNCC_INLINE std::uint32_t stream_of_repeat(std::uint32_t stream, std::uint32_t r) { return stream + r * 0x9E3779B9u; }

// Which number: `stream` hashes the user's name and the purpose, `number` tells several draws of one expression apart.
struct Draw {
    std::uint64_t seed;
    std::uint32_t stream, element, step, trial;

    SNCC_HOST_DEVICE SNCC_INLINE PhiloxWords words(std::uint32_t number) const {
        return philox(seed, stream_of_repeat(stream, number), element, step, trial);
    }
};

template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real draw_uniform(const Draw& draw, std::uint32_t number, Real low, Real high) {
    return m_fma(high - low, uniform<Real>(draw.words(number)), low);
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real draw_normal(const Draw& draw, std::uint32_t number, Real mean, Real deviation) {
    return m_fma(deviation, normal<Real>(draw.words(number)), mean);
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real draw_lognormal(const Draw& draw, std::uint32_t number, Real mean, Real deviation) {
    return m_exp(draw_normal(draw, number, mean, deviation));
}
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real draw_exponential(const Draw& draw, std::uint32_t number, Real mean) {
    return -mean * m_log(uniform<Real>(draw.words(number)));
}

// Gamma by squeezed normals (Marsaglia and Tsang 2000): attempt a takes the normal of number + 2a · 2^16 and the uniform of
// number + (2a + 1) · 2^16. A shape below 1 is one more, times the power 1/shape of another uniform.
template <typename Real>
SNCC_HOST_DEVICE SNCC_INLINE Real draw_gamma(const Draw& draw, std::uint32_t number, Real shape, Real scale) {
    const bool small = shape < Real(1);
    const Real d = (small ? shape + Real(1) : shape) - Real(1) / Real(3);
    const Real c = Real(1) / m_sqrt(Real(9) * d);
    Real value = d;
    for (std::uint32_t attempt = 0; attempt < 64; ++attempt) {
        const Real x = normal<Real>(draw.words(number + ((2 * attempt) << 16)));
        const Real u = uniform<Real>(draw.words(number + ((2 * attempt + 1) << 16)));
        const Real root = Real(1) + c * x, v = root * root * root;
        if (v > Real(0) && m_log(u) < Real(0.5) * x * x + d - d * v + d * m_log(v)) {
            value = d * v;
            break;
        }
    }
    const Real power = small ? m_exp(m_log(second_uniform<Real>(draw.words(number + (1u << 16)))) / shape) : Real(1);
    return scale * value * power;
}

// The same for first values, of which a network may have hundreds of kinds: calls, as each inlined would take its time to compile.
struct LoneDraw : Draw {
    SNCC_HOST_DEVICE LoneDraw(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial)
        : Draw{seed, stream, element, step, trial} {}
};
SNCC_HOST_DEVICE SNCC_NOINLINE inline double draw_uniform(const LoneDraw& draw, std::uint32_t number, double low, double high) {
    return draw_uniform<double>(static_cast<const Draw&>(draw), number, low, high);
}
SNCC_HOST_DEVICE SNCC_NOINLINE inline double draw_normal(const LoneDraw& draw, std::uint32_t number, double mean, double deviation) {
    return draw_normal<double>(static_cast<const Draw&>(draw), number, mean, deviation);
}
SNCC_HOST_DEVICE SNCC_NOINLINE inline double draw_lognormal(const LoneDraw& draw, std::uint32_t number, double mean, double deviation) {
    return draw_lognormal<double>(static_cast<const Draw&>(draw), number, mean, deviation);
}
SNCC_HOST_DEVICE SNCC_NOINLINE inline double draw_exponential(const LoneDraw& draw, std::uint32_t number, double mean) {
    return draw_exponential<double>(static_cast<const Draw&>(draw), number, mean);
}
SNCC_HOST_DEVICE SNCC_NOINLINE inline double draw_gamma(const LoneDraw& draw, std::uint32_t number, double shape, double scale) {
    return draw_gamma<double>(static_cast<const Draw&>(draw), number, shape, scale);
}

}  // namespace sncc
