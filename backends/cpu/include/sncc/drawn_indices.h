// Numbers below n from the words of a counter: one after the other, by skips of a probability, or so many different ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "sncc/list.h"
#include "sncc/philox_block.h"

namespace sncc {

// A number below n from a word.
SNCC_HOST_DEVICE SNCC_INLINE std::uint32_t below(std::uint32_t word, std::uint64_t n) { return static_cast<std::uint32_t>((word * n) >> 32); }

// The words of an element: word w is word w mod 4 of the counter (stream, element, w div 4, 0).
class WordSequence {
public:
    WordSequence(std::uint64_t seed, std::uint32_t stream) : seed_(seed), stream_(stream) {}
    // Word number `word` comes next.
    void start(std::uint32_t element, std::uint32_t word = 0) {
        element_ = element, block_ = word / 64 * 16, next_ = end_ = 0;
        if (word % 64 != 0) refill(), next_ = static_cast<int>(word % 64);
    }
    std::uint32_t next() {
        if (next_ == end_) refill();
        return words_[next_++];
    }
    std::uint32_t below(std::uint64_t n) { return sncc::below(next(), n); }

private:
    void refill() {
        philox_16_steps(seed_, stream_, element_, block_, 0, words_);
        block_ += 16, next_ = 0, end_ = 64;
    }
    std::uint64_t seed_;
    std::uint32_t stream_, element_ = 0, block_ = 0;
    int next_ = 0, end_ = 0;
    std::uint32_t words_[64];
};

// Of two neurons, by their numbers in the parts.
struct DrawnPair {
    std::int64_t source, target;
};

// Draw number `draw`, drawn again while a neuron would reach itself where that must not be.
template <typename Part>
SNCC_HOST_DEVICE SNCC_INLINE DrawnPair drawn_pair(std::uint64_t seed, std::uint32_t stream, const Part& source, std::int64_t sources, const Part& target, std::int64_t targets,
                                                  bool avoids_self, std::uint32_t draw) {
    for (std::uint32_t attempt = 0;; ++attempt) {
        const PhiloxWords words = philox(seed, stream, draw, attempt, 0);
        const std::int64_t i = below(words.words[0], static_cast<std::uint64_t>(sources)), j = below(words.words[1], static_cast<std::uint64_t>(targets));
        if (!avoids_self || source[i] != target[j]) return {i, j};
    }
}

// Geometric skips by `size` thresholds, which descend: `count(U)` is the number of k with U < T_k. `sure`: how many that is at least, by a word's
// first 12 bits.
struct Skips {
    static constexpr int buckets = 4096, shift = 20, most = 4096;  // most: thresholds
    const std::uint32_t* thresholds;
    const std::uint16_t* sure;
    std::int64_t size;

    SNCC_HOST_DEVICE SNCC_INLINE std::uint32_t last() const { return thresholds[size - 1]; }
    SNCC_HOST_DEVICE SNCC_INLINE std::int64_t count(std::uint32_t word) const {
        std::int64_t k = sure[word >> shift];
        while (k < size && word < thresholds[k]) ++k;
        return k;
    }
};

class SkipTable {
public:
    explicit SkipTable(double p) {
        const double q = 1.0 - p;
        double power = 1.0;
        std::size_t size = 64;
        while (thresholds_.size() < size) {
            power *= q;
            thresholds_.push_back(static_cast<std::uint32_t>(std::min(std::floor(power * 4294967296.0 + 0.5), 4294967295.0)));
            if (thresholds_.size() == size && size < Skips::most && thresholds_.back() >= (1u << 28)) size *= 2;
        }
        std::size_t k = 0;  // the thresholds descend
        for (int bucket = Skips::buckets - 1; bucket >= 0; --bucket) {
            const std::uint32_t highest = (static_cast<std::uint32_t>(bucket) << Skips::shift) | ((1u << Skips::shift) - 1);
            while (k < thresholds_.size() && highest < thresholds_[k]) ++k;
            sure_[bucket] = static_cast<std::uint16_t>(k);
        }
    }
    std::uint32_t last() const { return thresholds_.back(); }
    std::int64_t length() const { return static_cast<std::int64_t>(thresholds_.size()); }
    std::int64_t count(std::uint32_t word) const { return Skips{thresholds_.data(), sure_, length()}.count(word); }
    const List<std::uint32_t>& thresholds() const { return thresholds_; }
    const std::uint16_t* sure() const { return sure_; }

private:
    List<std::uint32_t> thresholds_;
    std::uint16_t sure_[Skips::buckets];
};

// The first m different numbers below n of a sequence of words, or all others, ascending; with repeats as drawn, sorted.
class Chooser {
public:
    template <typename Visit>
    void choose(WordSequence& words, std::int64_t count, std::int64_t n, bool repeats, Visit&& visit) {
        numbers_.clear();
        if (repeats) {
            for (std::int64_t k = 0; k < count; ++k) numbers_.push_back(words.below(static_cast<std::uint64_t>(n)));
            std::sort(numbers_.begin(), numbers_.end());
            for (const std::uint32_t number : numbers_) visit(number);
            return;
        }
        const bool few = 2 * count <= n;
        const std::int64_t wanted = few ? count : n - count;
        if (static_cast<std::int64_t>(bits_.size()) * 64 < n) bits_.assign(static_cast<std::size_t>(n / 64 + 1), 0);
        while (static_cast<std::int64_t>(numbers_.size()) < wanted) {
            const std::uint32_t number = words.below(static_cast<std::uint64_t>(n));
            std::uint64_t& word = bits_[number / 64];
            const std::uint64_t bit = std::uint64_t(1) << (number % 64);
            if (word & bit) continue;
            word |= bit;
            numbers_.push_back(number);
        }
        const std::int64_t blocks = (n + 63) / 64;
        if (few && wanted * 32 < blocks) {
            std::sort(numbers_.begin(), numbers_.end());
            for (const std::uint32_t number : numbers_) visit(number);
        } else {
            for (std::int64_t block = 0; block < blocks; ++block) {
                std::uint64_t set = bits_[static_cast<std::size_t>(block)];
                if (!few) set = ~set & (block == n / 64 ? (std::uint64_t(1) << (n % 64)) - 1 : ~std::uint64_t(0));
                for (; set != 0; set &= set - 1) visit(static_cast<std::uint32_t>(block * 64 + __builtin_ctzll(set)));
            }
        }
        for (const std::uint32_t number : numbers_) bits_[number / 64] = 0;
    }

private:
    List<std::uint32_t> numbers_;
    List<std::uint64_t> bits_;
};

}  // namespace sncc
