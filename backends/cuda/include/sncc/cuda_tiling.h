// How neurons are shared out to blocks.
#pragma once

#include <cstdint>

#include "sncc/platform.h"

namespace sncc {
namespace cuda {

// A tile has so many words of 32 neurons; `first_word` is the number of a population's first word among all.
struct Tiling {
    int words, first_word;

    SNCC_HOST_DEVICE int first() const { return first_word / words; }
    SNCC_HOST_DEVICE int of(std::uint32_t target) const { return (first_word + static_cast<int>(target / 32)) / words - first(); }
    SNCC_HOST_DEVICE std::uint32_t first_target(int tile) const {
        const int word = (first() + tile) * words - first_word;
        return static_cast<std::uint32_t>(word > 0 ? word : 0) * 32;
    }
    SNCC_HOST_DEVICE int count(std::int64_t targets) const { return targets > 0 ? of(static_cast<std::uint32_t>(targets - 1)) + 1 : 0; }
};

}  // namespace cuda
}  // namespace sncc
