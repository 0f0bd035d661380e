// First values of many elements at once. Apart from engine.h, which every file of a project includes: vector instructions take long to read.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine.h"
#include "philox_block.h"

namespace sncc {

inline void InitialValues::many(std::uint64_t first, int count, double* to) const {
    for (int begin = 0; begin < count; begin += 16) {
        std::uint32_t words[64];
        double drawn[16];
        philox_16(seed_, about_.stream, static_cast<std::uint32_t>(first) + static_cast<std::uint32_t>(begin), 0, 0, words);
        SNCC_INDEPENDENT
        for (int lane = 0; lane < 16; ++lane)
            drawn[lane] = m_fma(about_.deviation, normal<double>({{words[lane], words[16 + lane], words[32 + lane], words[48 + lane]}}), about_.mean);
        std::copy(drawn, drawn + std::min(16, count - begin), to + begin);
    }
    const double low = std::max(about_.low, -about_.largest), high = std::min(about_.high, about_.largest);
    for (int k = 0; k < count; ++k)
        if (!(to[k] > low && to[k] < high)) to[k] = (*this)(first + static_cast<std::uint64_t>(k), 0, 0);
}

}  // namespace sncc
