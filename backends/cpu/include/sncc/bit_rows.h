// Rows of bits: of many synapses of one weight, one bit for every pair of neurons. Where a source reaches more than a few percent
// of the targets that is quicker than lists of targets: spikes are counted, 64 targets at once, and a neuron then adds the weight as
// often as it has spikes, which gives what adding it spike by spike gives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "compressed_rows.h"
#include "sncc/list.h"
#include "sncc/lists.h"
#include "sncc/platform.h"

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace sncc {

class BitRows {
public:
    static constexpr int targets_at_once = 512;
#if defined(__AVX512BW__)
    static constexpr int sparsest = 32;  // of so many pairs one is a synapse
#else
    static constexpr int sparsest = 8;
#endif
    BitRows() = default;
    // Each target once in a row.
    explicit BitRows(const CompressedRows& rows) : stride_((rows.range.size() + targets_at_once - 1) / targets_at_once * (targets_at_once / 64)) {
        const std::size_t sources = rows.offsets.size() - 1;
        words_ = Untouched<std::uint64_t>(sources * static_cast<std::size_t>(stride_));
        std::fill(words_.data(), words_.data() + words_.size(), std::uint64_t(0));
        for (std::size_t i = 0; i < sources; ++i)
            for (std::uint64_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k) {
                const std::uint32_t target = rows.target(k);
                words_[i * static_cast<std::size_t>(stride_) + target / 64] |= std::uint64_t(1) << (target % 64);
            }
    }
    std::int64_t stride() const { return stride_; }
    const std::uint64_t* row(std::size_t source) const { return words_.data() + source * static_cast<std::size_t>(stride_); }
    // Calls visit(target) for a row, ascending.
    template <typename Visit>
    void for_each(std::size_t source, Visit&& visit) const {
        for (std::int64_t word = 0; word < stride_; ++word) {
            std::uint32_t bit = 0;
            for (std::uint64_t left = row(source)[word]; left != 0; left >>= 1, ++bit)
                if (left & 1) visit(static_cast<std::uint32_t>(word * 64) + bit);
        }
    }

private:
    std::int64_t stride_ = 0;
    Untouched<std::uint64_t> words_;
};

// Delivers the spikes of a step: adds them list by list, then delivers. One for each worker.
template <typename Real>
class BitDelivery {
public:
    void add(const BitRows& rows, const SpikesOfStep& spikes) {
        for (int s = 0; s < spikes.count; ++s) rows_.push_back(rows.row(spikes.indices[s]));
    }
    // accumulator[target] += weight, for each spike that reaches it.
    void deliver(Real* accumulator, std::int64_t targets, std::int64_t stride, Real weight) {
        constexpr std::size_t most = 255;  // what a byte counts to
        for (std::size_t first = 0; first < rows_.size(); first += most)
            for (std::int64_t word = 0; word < stride; word += words)
                block(rows_.data() + first, static_cast<int>(std::min(most, rows_.size() - first)), word, accumulator + word * 64, targets - word * 64, weight);
        rows_.clear();
    }

private:
    static constexpr int words = BitRows::targets_at_once / 64;

    static void block(const std::uint64_t* const* rows, int count, std::int64_t word, Real* SNCC_RESTRICT to, std::int64_t targets, Real weight) {
        alignas(64) std::uint8_t counts[BitRows::targets_at_once];
        count_spikes(rows, count, word, counts);
        const int size = static_cast<int>(std::min<std::int64_t>(targets, BitRows::targets_at_once));
        int first = 0;
        for (; first + 64 <= size; first += 64) add_64_times(counts + first, weight, to + first);
        for (; first < size; first += 16) add_times<16>(counts + first, weight, to + first);  // arrays end at a multiple of 16
    }

#if defined(__AVX512BW__)
    static void count_spikes(const std::uint64_t* const* rows, int count, std::int64_t word, std::uint8_t* counts) {
        const __m512i minus = _mm512_set1_epi8(-1);
        __m512i sums[words];
        SNCC_UNROLL
        for (int k = 0; k < words; ++k) sums[k] = _mm512_setzero_si512();
        for (int s = 0; s < count; ++s) {
            const std::uint64_t* const row = rows[s] + word;
            __builtin_prefetch(row + words);
            SNCC_UNROLL
            for (int k = 0; k < words; ++k) sums[k] = _mm512_mask_sub_epi8(sums[k], row[k], sums[k], minus);
        }
        SNCC_UNROLL
        for (int k = 0; k < words; ++k) _mm512_store_si512(counts + 64 * k, sums[k]);
    }
#else
    static void count_spikes(const std::uint64_t* const* rows, int count, std::int64_t word, std::uint8_t* counts) {
        std::memset(counts, 0, BitRows::targets_at_once);
        for (int s = 0; s < count; ++s)
            for (int k = 0; k < words; ++k) {
                const std::uint64_t bits = rows[s][word + k];
                for (int j = 0; j < 64; ++j) counts[64 * k + j] = static_cast<std::uint8_t>(counts[64 * k + j] + ((bits >> j) & 1));
            }
    }
#endif
    // to[j] += weight, counts[j] times one after the other.
#if defined(__AVX512BW__)
    static SNCC_INLINE void add_64_times(const std::uint8_t* counts, float weight, float* to) {
        const __m512i times = _mm512_load_si512(counts);
        const __m512 once = _mm512_set1_ps(weight);
        __m512 sums[4];
        for (int q = 0; q < 4; ++q) sums[q] = _mm512_loadu_ps(to + 16 * q);
        __m512i done = _mm512_setzero_si512();
        for (std::uint64_t left = _mm512_cmpgt_epu8_mask(times, done); left; left = _mm512_cmpgt_epu8_mask(times, done)) {
            for (int q = 0; q < 4; ++q) sums[q] = _mm512_mask_add_ps(sums[q], static_cast<__mmask16>(left >> 16 * q), sums[q], once);
            done = _mm512_add_epi8(done, _mm512_set1_epi8(1));
        }
        for (int q = 0; q < 4; ++q) _mm512_storeu_ps(to + 16 * q, sums[q]);
    }
#endif
    template <typename Value>
    static void add_64_times(const std::uint8_t* counts, Value weight, Value* to) { add_times<64>(counts, weight, to); }

    template <int Size>
    static void add_times(const std::uint8_t* SNCC_RESTRICT counts, Real weight, Real* SNCC_RESTRICT to) {
        int most = 0;
        for (int j = 0; j < Size; ++j) most = std::max<int>(most, counts[j]);
        alignas(64) Real sums[Size];
        for (int j = 0; j < Size; ++j) sums[j] = to[j];
        for (int times = 0; times < most; ++times)
            for (int j = 0; j < Size; ++j) sums[j] = counts[j] > times ? sums[j] + weight : sums[j];
        for (int j = 0; j < Size; ++j) to[j] = sums[j];
    }

    List<const std::uint64_t*> rows_;
};

}  // namespace sncc
