// Draws from distributions: each a function of a counter, so a number depends on nothing but what it is for.
#pragma once

#include <cstdint>

#include "math.h"
#include "philox.h"
#include "platform.h"

namespace sncc {

// Which number: `stream` hashes the user's name and the purpose, `number` tells several draws of one expression apart.
struct Draw {
    std::uint64_t seed;
    std::uint32_t stream, element, step, trial;

    SNCC_HOST_DEVICE SNCC_INLINE PhiloxWords words(std::uint32_t number) const {
        return philox(seed, stream + number * 0x9E3779B9u, element, step, trial);
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

}  // namespace sncc
