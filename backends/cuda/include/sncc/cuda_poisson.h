// Poisson counts of a simulation: the thresholds of a mean are computed once, not by every neuron in every step.
#pragma once

#include "sncc/cuda_push.h"

namespace sncc {
namespace cuda {

// Those of the word's neurons; a warp has one table for its first word and one for all others.
template <typename Network>
__device__ inline PoissonThresholds& thresholds_of(const Step<Network>& s, int population, int word) {
    return s.room.poisson[s.warp][word - s.first_word(population) < s.warps ? 0 : 1];
}

// Before a step's counts: tables of the own words of a population, of which neuron j has the mean `mean(j)`. Where it is another for its
// neighbours, these compute their own thresholds.
template <typename Network, typename Mean>
__device__ inline void tabulate(const Step<Network>& s, int population, std::int64_t size, const Mean& mean) {
    s.for_words(population, size, [&](int word) {
        PoissonThresholds& table = thresholds_of(s, population, word);
        const double all = mean(word * 32);
        const bool differs = table.mean != all;
        __syncwarp();
        if (differs && s.lane == 0) {
            table.mean = all, table.size = 0;
            const double each = all / poisson_parts(all);
            double p = m_exp(-each), sum = p;
            for (int k = 0; table.size >= 0; ++k) {
                const double threshold = std::floor(sum * 4294967296.0 + 0.5);
                if (threshold >= 4294967296.0) break;
                if (k < PoissonThresholds::most)
                    table.thresholds[k] = static_cast<std::uint32_t>(threshold), table.size = k + 1;
                else
                    table.size = PoissonThresholds::none;
                p = p * each / (k + 1);
                sum = sum + p;
            }
        }
        __syncwarp();
    });
}

// The count of neuron j.
template <typename Network>
__device__ inline int poisson_count(const Step<Network>& s, int population, std::uint32_t stream, int j, double mean) {
    const PoissonThresholds& table = thresholds_of(s, population, j / 32);
    const std::uint32_t element = static_cast<std::uint32_t>(j), step = static_cast<std::uint32_t>(s.n);
    if (table.mean != mean || table.size < 0) return sncc::poisson_count(s.v.seed, stream, element, step, s.v.trial, mean);
    int found = 0;
    for (int r = 0; mean > 0 && r < poisson_parts(mean); ++r) {
        const std::uint32_t word = poisson_word(s.v.seed, stream_of_repeat(stream, static_cast<std::uint32_t>(r)), element, step, s.v.trial);
        for (int k = 0; k < table.size && word >= table.thresholds[k]; ++k) ++found;
    }
    return found;
}

}  // namespace cuda
}  // namespace sncc
