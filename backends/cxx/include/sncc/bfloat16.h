// Weights of 16 bits: the upper half of a float, 8 bits of exponent and 8 of precision, so a number is off by 0.4 % at most.
#pragma once

#include <cstdint>
#include <cstring>

#include "platform.h"

namespace sncc {

struct Bfloat16 {
    std::uint16_t bits;

    Bfloat16() = default;
    // Rounds to the nearest, halves to even.
    explicit Bfloat16(float value) {
        std::uint32_t word;
        std::memcpy(&word, &value, sizeof word);
        bits = static_cast<std::uint16_t>((word + 0x7FFFu + (word >> 16 & 1u)) >> 16);
    }
    explicit Bfloat16(double value) : Bfloat16(static_cast<float>(value)) {}
    explicit Bfloat16(int value) : Bfloat16(static_cast<float>(value)) {}
    SNCC_HOST_DEVICE SNCC_INLINE operator float() const {
        const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16;
        float value;
        std::memcpy(&value, &word, sizeof value);
        return value;
    }
};

}  // namespace sncc
