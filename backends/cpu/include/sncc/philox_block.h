// Philox for 16 elements at once.
#pragma once

#include <cstdint>

#include "sncc/philox.h"

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
// 16 calls of Philox, for elements that follow one another: a compiler makes far slower multiplications of it. Numbers stand in 64-bit
// lanes, whose upper halves no multiplication reads.
inline void philox_16(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial, std::uint32_t* to) {
    const auto all = [](std::uint32_t value) { return _mm512_set1_epi64(static_cast<long long>(value)); };
    const __m512i m0 = all(0xD2511F53u), m1 = all(0xCD9E8D57u);
    const __m512i first = _mm512_add_epi64(all(element), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    __m512i c0[2], c1[2] = {first, _mm512_add_epi64(first, all(8))}, c2[2], c3[2];
    for (int half = 0; half < 2; ++half) c0[half] = all(stream), c2[half] = all(step), c3[half] = all(trial);
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const __m512i key0 = all(k0), key1 = all(k1);
        for (int half = 0; half < 2; ++half) {
            const __m512i p0 = _mm512_mul_epu32(c0[half], m0), p1 = _mm512_mul_epu32(c2[half], m1);
            c0[half] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), c1[half], key0, 0x96), c1[half] = p1;  // 0x96: exclusive or
            c2[half] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), c3[half], key1, 0x96), c3[half] = p0;
        }
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    const __m512i low = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const auto store = [&](int word, const __m512i* c) { _mm512_storeu_si512(to + 16 * word, _mm512_permutex2var_epi32(c[0], low, c[1])); };
    store(0, c0), store(1, c1), store(2, c2), store(3, c3);
}
#else
inline void philox_16(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial, std::uint32_t* to) {
    for (int lane = 0; lane < 16; ++lane) {
        const PhiloxWords draw = philox(seed, stream, element + static_cast<std::uint32_t>(lane), step, trial);
        for (int word = 0; word < 4; ++word) to[word * 16 + lane] = draw.words[word];
    }
}
#endif

}  // namespace sncc
