// Numbers of spikes in a step: Poisson counts from integer thresholds, so that every machine draws the same.
//
// A mean is split into m = max(1, ceil(mean / 16)) equal parts. Part r of neuron e at step n takes one word: word (e div 16) mod 4 of
// the counter (stream + r · 0x9E3779B9, (e div 64) · 16 + e mod 16, n, trial), so that 64 neurons share 16 calls of Philox, a vector of
// them. It counts the k with word >= T_k = floor(C_k · 2^32 + 0.5), C_k the cumulated probability: p_0 = exp(-mean / m), C_0 = p_0,
// p_(k+1) = p_k · (mean / m) / (k + 1), C_(k+1) = C_k + p_(k+1), in float64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "sncc/draws.h"
#include "sncc/math.h"
#include "sncc/philox.h"
#include "sncc/philox_block.h"
#include "sncc/platform.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace sncc {

constexpr int most_poisson_thresholds = 128;

// The thresholds of one mean of at most 16.
class PoissonTable {
public:
    void set(double mean) {
        if (mean == mean_) return;
        mean_ = mean;
        size_ = 0;
        double p = m_exp(-mean), sum = p;
        for (int k = 0; size_ < most; ++k) {
            const double threshold = std::floor(sum * 4294967296.0 + 0.5);
            if (threshold >= 4294967296.0) break;  // no word reaches it
            thresholds_[size_++] = static_cast<std::uint32_t>(threshold);
            p = p * mean / (k + 1);
            sum = sum + p;
        }
    }
    // Adds the counts of whole blocks of 64 words.
    template <typename Real>
    void add_counts(const std::uint32_t* words, int count, Real* to) const {
        for (int first = 0; first < count; first += 64) {
            std::int32_t sums[64];
            count_64(words + first, sums);
            for (int j = 0; j < 64; ++j) to[first + j] += static_cast<Real>(sums[j]);
        }
    }
    // The count of one word, whose mean need not be the table's: only the thresholds up to it are computed.
    static int count(double mean, std::uint32_t word) {
        double p = m_exp(-mean), sum = p;
        int found = 0;
        while (found < most) {
            const double threshold = std::floor(sum * 4294967296.0 + 0.5);
            if (threshold >= 4294967296.0 || word < static_cast<std::uint32_t>(threshold)) break;
            ++found;
            p = p * mean / found;
            sum = sum + p;
        }
        return found;
    }

private:
#if defined(__AVX512F__)
    void count_64(const std::uint32_t* words, std::int32_t* sums) const {
        __m512i word[4], sum[4];
        for (int part = 0; part < 4; ++part) word[part] = _mm512_loadu_si512(words + 16 * part), sum[part] = _mm512_setzero_si512();
        for (int k = 0; k < size_; ++k) {
            const __m512i threshold = _mm512_set1_epi32(static_cast<int>(thresholds_[k]));
            unsigned more = 0;
            for (int part = 0; part < 4; ++part) {
                const __mmask16 reached = _mm512_cmpge_epu32_mask(word[part], threshold);
                sum[part] = _mm512_mask_sub_epi32(sum[part], reached, sum[part], _mm512_set1_epi32(-1));
                more |= reached;
            }
            if (!more) break;
        }
        for (int part = 0; part < 4; ++part) _mm512_storeu_si512(sums + 16 * part, sum[part]);
    }
#else
    void count_64(const std::uint32_t* words, std::int32_t* sums) const {
        for (int j = 0; j < 64; ++j) sums[j] = 0;
        for (int k = 0; k < size_; ++k) {
            std::int32_t more = 0;
            for (int j = 0; j < 64; ++j) {
                const std::int32_t reached = words[j] >= thresholds_[k];
                sums[j] += reached;
                more |= reached;
            }
            if (!more) break;
        }
    }
#endif
    static constexpr int most = most_poisson_thresholds;
    double mean_ = -1;
    int size_ = 0;
    std::uint32_t thresholds_[most];
};

// Words of neurons first .. first + count of a population; both are multiples of 64.
inline void poisson_words(std::uint64_t seed, std::uint32_t stream, std::uint32_t first, std::uint32_t step, std::uint32_t trial,
                          int count, std::uint32_t* words) {
    for (int block = 0; block < count; block += 64) {
        const std::uint32_t element = (first + static_cast<std::uint32_t>(block)) / 64 * 16;
        philox_16(seed, stream, element, step, trial, words + block);
    }
}

// Into how many equal parts a mean is split.
SNCC_HOST_DEVICE inline int poisson_parts(double mean) { return mean > 16 ? static_cast<int>(std::ceil(mean / 16)) : 1; }

// Calls visit(j) where the count may be more than 0: elsewhere the word is below the first threshold, as exp(-mean) > 1 - mean.
template <typename Visit>
void for_candidates(const double* means, const std::uint32_t* words, int count, Visit&& visit) {
    for (int first = 0; first < count; first += 64) {
        const int size = std::min(64, count - first);
        std::uint8_t may[64];
        for (int j = 0; j < size; ++j) may[j] = static_cast<double>(words[first + j]) + 1.0 >= (1.0 - means[first + j]) * 4294967296.0;
        for (int j = 0; j < size; ++j)
            if (may[j]) visit(first + j);
    }
}

// Counts of neurons first .. first + count (arrays have whole blocks of 64), each with its mean.
template <typename Real>
void poisson_counts(PoissonTable& table, std::uint64_t seed, std::uint32_t stream, std::uint32_t first, std::uint32_t step,
                    std::uint32_t trial, const double* means, int count, std::uint32_t* words, Real* to) {
    const int whole = (count + 63) / 64 * 64;
    std::int64_t others = 0;  // summed, as the compiler vectorises no maximum of doubles
    for (int j = 0; j < count; ++j) others += means[j] != means[0];
    const bool equal = others == 0;
    double most = equal ? means[0] : 0;
    for (int j = 0; j < count && !equal; ++j) most = means[j] > most ? means[j] : most;
    for (int j = 0; j < whole; ++j) to[j] = 0;
    const int parts = poisson_parts(most);
    for (int r = 0; r < parts; ++r) {
        poisson_words(seed, stream_of_repeat(stream, static_cast<std::uint32_t>(r)), first, step, trial, whole, words);
        if (equal) {
            table.set(most / parts);
            table.add_counts(words, whole, to);
            continue;
        }
        const auto add = [&](int j) {
            const int own = poisson_parts(means[j]);
            if (r < own && means[j] > 0) to[j] += static_cast<Real>(PoissonTable::count(means[j] / own, words[j]));
        };
        if (parts == 1)
            for_candidates(means, words, count, add);
        else
            for (int j = 0; j < count; ++j) add(j);
    }
}

// The word of part r of one neuron, with the stream of that part; `element` is its index in its population.
SNCC_HOST_DEVICE inline std::uint32_t poisson_word(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial) {
    const PhiloxWords draw = philox(seed, stream, element / 64 * 16 + element % 16, step, trial);
    const std::uint32_t low = element / 16 % 2 ? draw.words[1] : draw.words[0], high = element / 16 % 2 ? draw.words[3] : draw.words[2];
    return element / 32 % 2 ? high : low;
}

// The count of one neuron.
SNCC_HOST_DEVICE inline int poisson_count(std::uint64_t seed, std::uint32_t stream, std::uint32_t element, std::uint32_t step, std::uint32_t trial,
                                          double mean) {
    if (!(mean > 0)) return 0;
    const int parts = poisson_parts(mean);
    const double each = mean / parts, none = m_exp(-each);
    int found = 0;
    for (int r = 0; r < parts; ++r) {
        const std::uint32_t word = poisson_word(seed, stream_of_repeat(stream, static_cast<std::uint32_t>(r)), element, step, trial);
        double p = none, sum = none;
        for (int k = 0; k < most_poisson_thresholds; ++k) {
            const double threshold = std::floor(sum * 4294967296.0 + 0.5);
            if (threshold >= 4294967296.0 || word < static_cast<std::uint32_t>(threshold)) break;
            ++found;
            p = p * each / (k + 1);
            sum = sum + p;
        }
    }
    return found;
}

}  // namespace sncc
