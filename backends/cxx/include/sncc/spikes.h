// Lists of spikes: the indices of the neurons that fired, per step, and the steps in which each neuron fired.
#pragma once

#include <cstdint>

#include "platform.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace sncc {

namespace detail {

// No branch on the mask: at 2 % activity a branch per neuron is mispredicted about once per spike.
template <typename Real>
SNCC_INLINE int collect_plain(const Real* mask, int begin, int end, std::uint32_t* out, int count) {
    for (int i = begin; i < end; ++i) {
        out[count] = static_cast<std::uint32_t>(i);
        count += mask[i] != Real(0);
    }
    return count;
}

#if !defined(__AVX512F__) && defined(__AVX2__)
SNCC_INLINE int append_bits(unsigned bits, int first, std::uint32_t* out, int count) {
    for (; bits != 0; bits &= bits - 1) out[count++] = static_cast<std::uint32_t>(first + __builtin_ctz(bits));
    return count;
}
#endif

}  // namespace detail

// Writes the indices of the nonzero entries of mask[0..n), ascending, and returns their number.
// `out` has room for n rounded up to 16, as whole vectors are stored.
inline int collect(const float* mask, int n, std::uint32_t* out) {
    int count = 0;
    int i = 0;
#if defined(__AVX512F__)
    // Compress in a register, then store the whole vector: a compressing store is microcoded on Zen 4.
    __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (; i + 16 <= n; i += 16) {
        const __mmask16 fired = _mm512_cmp_ps_mask(_mm512_loadu_ps(mask + i), _mm512_setzero_ps(), _CMP_NEQ_UQ);
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(fired, index));
        count += __builtin_popcount(fired);
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
#elif defined(__AVX2__)
    for (; i + 8 <= n; i += 8) {
        const __m256 fired = _mm256_cmp_ps(_mm256_loadu_ps(mask + i), _mm256_setzero_ps(), _CMP_NEQ_UQ);
        count = detail::append_bits(static_cast<unsigned>(_mm256_movemask_ps(fired)), i, out, count);
    }
#endif
    return detail::collect_plain(mask, i, n, out, count);
}

inline int collect(const double* mask, int n, std::uint32_t* out) {
    int count = 0;
    int i = 0;
#if defined(__AVX512F__)
    __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (; i + 16 <= n; i += 16) {
        const unsigned low = _mm512_cmp_pd_mask(_mm512_loadu_pd(mask + i), _mm512_setzero_pd(), _CMP_NEQ_UQ);
        const unsigned high = _mm512_cmp_pd_mask(_mm512_loadu_pd(mask + i + 8), _mm512_setzero_pd(), _CMP_NEQ_UQ);
        const __mmask16 fired = static_cast<__mmask16>(low | (high << 8));
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(fired, index));
        count += __builtin_popcount(fired);
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
#elif defined(__AVX2__)
    for (; i + 4 <= n; i += 4) {
        const __m256d fired = _mm256_cmp_pd(_mm256_loadu_pd(mask + i), _mm256_setzero_pd(), _CMP_NEQ_UQ);
        count = detail::append_bits(static_cast<unsigned>(_mm256_movemask_pd(fired)), i, out, count);
    }
#endif
    return detail::collect_plain(mask, i, n, out, count);
}

// Appends the spikes of one step to a list per step: offsets[step + 1] follows from offsets[step].
// `indices` has room for offsets[step] + n rounded up to 16.
template <typename Real>
inline int append_step(const Real* mask, int n, int step, std::int64_t* offsets, std::uint32_t* indices) {
    const int count = collect(mask, n, indices + offsets[step]);
    offsets[step + 1] = offsets[step] + count;
    return count;
}

// Turns lists per step (offsets[steps + 1], indices) into lists of ascending steps per channel:
// channel c fired in channel_steps[channel_offsets[c] .. channel_offsets[c + 1]). A channel that occurs twice in a
// step is listed twice. A counting sort, O(events + channels); channel_offsets has channels + 1 entries.
inline void transpose_spikes(const std::int64_t* offsets, const std::uint32_t* indices, int steps, int channels,
                             std::int64_t* channel_offsets, std::uint32_t* channel_steps) {
    for (int c = 0; c <= channels; ++c) channel_offsets[c] = 0;
    for (std::int64_t k = offsets[0]; k < offsets[steps]; ++k) ++channel_offsets[indices[k] + 1];
    // Entry c + 1 becomes the start of channel c, and moves to its end (the start of c + 1) as events are placed.
    std::int64_t start = 0;
    for (int c = 1; c <= channels; ++c) {
        const std::int64_t count = channel_offsets[c];
        channel_offsets[c] = start;
        start += count;
    }
    for (int step = 0; step < steps; ++step)
        for (std::int64_t k = offsets[step]; k < offsets[step + 1]; ++k)
            channel_steps[channel_offsets[indices[k] + 1]++] = static_cast<std::uint32_t>(step);
}

}  // namespace sncc
