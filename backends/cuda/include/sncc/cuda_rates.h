// Mean firing rates over the samples of a batch, which penalties over the batch need before the way back.
#pragma once

#include <cooperative_groups.h>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_optimise.h"

namespace sncc {
namespace cuda {

// By all threads of the grid, as the host finds them.
template <typename Network>
__device__ inline void find_mean_rates(const SampleArguments<Network>& g) {
    for (int k = 0; k < Network::penalty_count; ++k) {
        const PenaltyOf p = Network::penalty(k);
        for_all(p.size, [&](std::int64_t j) {
            double sum = 0;
            for (int b = 0; b < g.batch; ++b) sum += g.rates[b * Network::penalty_size + p.offset + j];
            g.mean_rates[p.offset + j] = sum / static_cast<double>(g.batch);
        });
    }
}
// Of a launch with a block a sample, all of which have come to their end and are resident.
template <typename Network>
__device__ inline void meet_for_rates(const SampleArguments<Network>& g) {
    cooperative_groups::this_grid().sync();
    find_mean_rates(g);
    cooperative_groups::this_grid().sync();
}

}  // namespace cuda
}  // namespace sncc
