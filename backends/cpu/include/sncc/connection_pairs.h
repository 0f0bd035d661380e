// Pairs of neurons: those of `random(total = …)`, draw after draw, and those handed over for `sparse`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "connectivity.h"
#include "drawn_indices.h"
#include "sncc/list.h"
#include "sncc/philox.h"
#include "sncc/philox_block.h"

namespace sncc {

class ConnectionPairs {
public:
    ConnectionPairs(const ConnectivityRequest& request, const PartIndices& source, const PartIndices& target)
        : request_(request), pattern_(request.pattern), source_(source), target_(target) {}

    // Throws std::invalid_argument where there are not so many pairs.
    void check_total() const {
        const std::int64_t pairs = allowed_pairs();
        if (pattern_.number > 0 && (pairs == 0 || (!pattern_.repeats && pattern_.number > static_cast<double>(pairs))))
            throw std::invalid_argument(std::to_string(static_cast<std::int64_t>(pattern_.number)) + " of " + std::to_string(pairs) + " pairs, each once");
    }

    std::int64_t total() const { return static_cast<std::int64_t>(pattern_.number); }
    // Calls visit(source, target), flat indices, for the draws [begin, end), with repeats.
    template <typename Visit>
    void draws(std::int64_t begin, std::int64_t end, Visit&& visit) const {
        constexpr int block = 256;
        const std::uint64_t sources = static_cast<std::uint64_t>(source_.size()), targets = static_cast<std::uint64_t>(target_.size());
        std::uint32_t i[block], j[block];
        for (std::int64_t first = begin; first < end; first += block) {
            for (int k = 0; k < block; k += 16) {
                std::uint32_t words[64];
                philox_16(request_.seed, request_.stream, static_cast<std::uint32_t>(first + k), 0, 0, words);
                for (int e = 0; e < 16; ++e) {
                    i[k + e] = static_cast<std::uint32_t>((words[e] * sources) >> 32);
                    j[k + e] = static_cast<std::uint32_t>((words[16 + e] * targets) >> 32);
                }
            }
            const int count = static_cast<int>(std::min<std::int64_t>(block, end - first));
            for (int k = 0; k < count; ++k) {
                std::int64_t source = source_[i[k]], target = target_[j[k]];
                if (avoids() && source == target) {
                    const auto [a, b] = drawn(static_cast<std::uint32_t>(first + k));
                    source = source_[a], target = target_[b];
                }
                visit(source, target);
            }
        }
    }

    // Those drawn first that differ, as source << 32 | target, flat indices, sorted.
    List<std::uint64_t> different() const {
        check_total();
        const std::int64_t count = static_cast<std::int64_t>(pattern_.number), allowed = allowed_pairs();
        const bool few = 2 * count <= allowed;
        const std::size_t wanted = static_cast<std::size_t>(few ? count : allowed - count);
        using Drawn = std::pair<std::uint64_t, std::uint32_t>;  // pair, draw
        List<Drawn> all;
        std::uint32_t draw = 0;
        while (all.size() < wanted) {
            const std::size_t more = (wanted - all.size()) * 2 + 8;
            for (std::size_t k = 0; k < more; ++k, ++draw) {
                const auto [i, j] = drawn(draw);
                all.emplace_back(key(source_[i], target_[j]), draw);
            }
            std::sort(all.begin(), all.end());
            all.resize(static_cast<std::size_t>(std::unique(all.begin(), all.end(), [](const Drawn& a, const Drawn& b) { return a.first == b.first; }) - all.begin()));
        }
        std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(wanted), all.end(),
                         [](const Drawn& a, const Drawn& b) { return a.second < b.second; });
        List<std::uint64_t> chosen;
        for (std::size_t k = 0; k < wanted; ++k) chosen.push_back(all[k].first);
        std::sort(chosen.begin(), chosen.end());
        if (few) return chosen;
        List<std::uint64_t> others;
        std::size_t left_out = 0;
        for (std::int64_t i = 0; i < source_.size(); ++i)
            for (std::int64_t j = 0; j < target_.size(); ++j) {
                const std::uint64_t pair = key(source_[i], target_[j]);
                if (left_out < chosen.size() && chosen[left_out] == pair)
                    ++left_out;
                else if (!avoids() || source_[i] != target_[j])
                    others.push_back(pair);
            }
        return others;
    }

    List<std::uint64_t> handed_over() const {
        List<std::uint64_t> pairs;
        pairs.reserve(static_cast<std::size_t>(request_.pairs));
        for (std::int64_t k = 0; k < request_.pairs; ++k) {
            if (source_.find(request_.pre[k]) < 0) throw std::invalid_argument(stranger("source", request_.pre[k]));
            if (target_.find(request_.post[k]) < 0) throw std::invalid_argument(stranger("target", request_.post[k]));
            pairs.push_back(key(request_.pre[k], request_.post[k]));
        }
        if (!std::is_sorted(pairs.begin(), pairs.end())) std::sort(pairs.begin(), pairs.end());
        return pairs;
    }

private:
    bool avoids() const { return !pattern_.self_connections; }

    static std::string stranger(const char* end, std::int64_t neuron) {
        return std::string(end) + " neuron " + std::to_string(neuron) + " is none of those that it joins; indices are those of the whole population";
    }

    static std::uint64_t key(std::int64_t source, std::int64_t target) {
        return static_cast<std::uint64_t>(source) << 32 | static_cast<std::uint64_t>(target);
    }

    DrawnPair drawn(std::uint32_t draw) const {
        return drawn_pair(request_.seed, request_.stream, source_, source_.size(), target_, target_.size(), avoids(), draw);
    }

    std::int64_t allowed_pairs() const {
        std::int64_t pairs = source_.size() * target_.size();
        if (avoids())
            for (std::int64_t i = 0; i < source_.size(); ++i) pairs -= target_.find(source_[i]) >= 0;
        return pairs;
    }

    const ConnectivityRequest& request_;
    const Pattern pattern_;
    const PartIndices source_, target_;
};

}  // namespace sncc
