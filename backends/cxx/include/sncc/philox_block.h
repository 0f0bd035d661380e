// Philox 16 times at once, for elements or for steps that follow one another.
#pragma once

#include <cstdint>

#include "philox.h"

#if defined(__AVX512F__)
#if defined(__GNUC__) && !defined(__clang__)  // whose own header leaves the registers unset that it means to be undefined
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#endif

namespace sncc {

#if defined(__AVX512F__)
namespace detail {

inline __m512i in_all_lanes(std::uint32_t value) { return _mm512_set1_epi64(static_cast<long long>(value)); }
inline __m512i counted_from(std::uint32_t first) { return _mm512_add_epi64(in_all_lanes(first), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)); }

// 16 calls of Philox, of counters in the words c0 to c3: a compiler makes far slower multiplications of it. Numbers stand in 64-bit
// lanes, whose upper halves no multiplication reads.
inline void philox_lanes(std::uint64_t seed, __m512i* c0, __m512i* c1, __m512i* c2, __m512i* c3) {
    const __m512i m0 = in_all_lanes(0xD2511F53u), m1 = in_all_lanes(0xCD9E8D57u);
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const __m512i key0 = in_all_lanes(k0), key1 = in_all_lanes(k1);
        for (int half = 0; half < 2; ++half) {
            const __m512i p0 = _mm512_mul_epu32(c0[half], m0), p1 = _mm512_mul_epu32(c2[half], m1);
            c0[half] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), c1[half], key0, 0x96), c1[half] = p1;  // 0x96: exclusive or
            c2[half] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), c3[half], key1, 0x96), c3[half] = p0;
        }
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
}

}  // namespace detail

// Word w of element + k goes to 16 w + k.
inline void philox_16(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial, std::uint32_t* to) {
    using detail::in_all_lanes;
    __m512i c0[2], c1[2] = {detail::counted_from(element), detail::counted_from(element + 8)}, c2[2], c3[2];
    for (int half = 0; half < 2; ++half) c0[half] = in_all_lanes(stream), c2[half] = in_all_lanes(step), c3[half] = in_all_lanes(trial);
    detail::philox_lanes(seed, c0, c1, c2, c3);
    const __m512i low = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const auto store = [&](int word, const __m512i* c) { _mm512_storeu_si512(to + 16 * word, _mm512_permutex2var_epi32(c[0], low, c[1])); };
    store(0, c0), store(1, c1), store(2, c2), store(3, c3);
}
// Word w of step + k goes to 4 k + w.
inline void philox_16_steps(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial, std::uint32_t* to) {
    using detail::in_all_lanes;
    __m512i c0[2], c1[2], c2[2] = {detail::counted_from(step), detail::counted_from(step + 8)}, c3[2];
    for (int half = 0; half < 2; ++half) c0[half] = in_all_lanes(stream), c1[half] = in_all_lanes(element), c3[half] = in_all_lanes(trial);
    detail::philox_lanes(seed, c0, c1, c2, c3);
    const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    for (int half = 0; half < 2; ++half) {
        const __m512i low = _mm512_mask_blend_epi32(0xAAAA, c0[half], _mm512_slli_epi64(c1[half], 32));
        const __m512i high = _mm512_mask_blend_epi32(0xAAAA, c2[half], _mm512_slli_epi64(c3[half], 32));
        _mm512_storeu_si512(to + 32 * half, _mm512_permutex2var_epi64(low, first, high));
        _mm512_storeu_si512(to + 32 * half + 16, _mm512_permutex2var_epi64(low, second, high));
    }
}
#else
inline void philox_16(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial, std::uint32_t* to) {
    for (int lane = 0; lane < 16; ++lane) {
        const PhiloxWords draw = philox(seed, stream, element + static_cast<std::uint32_t>(lane), step, trial);
        for (int word = 0; word < 4; ++word) to[word * 16 + lane] = draw.words[word];
    }
}
inline void philox_16_steps(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial, std::uint32_t* to) {
    std::uint32_t parts[4][16];
    for (std::uint32_t lane = 0; lane < 16; ++lane) {
        const PhiloxWords draw = philox(seed, stream, element, step + lane, trial);
        for (int word = 0; word < 4; ++word) parts[word][lane] = draw.words[word];
    }
    for (int lane = 0; lane < 16; ++lane)
        for (int word = 0; word < 4; ++word) to[4 * lane + word] = parts[word][lane];
}
#endif

}  // namespace sncc
