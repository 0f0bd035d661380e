// All steps of a batch in one launch, where the weights change after each: threads meet across the grid between what the samples do in a step
// and the sums over what they left.
#pragma once

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_gather.h"
#include "sncc/cuda_optimise.h"
#include "sncc/cuda_rates.h"
#include "sncc/cuda_sample.h"

extern __shared__ unsigned char smem[];

namespace sncc {
namespace cuda {

template <typename Network>
struct RoundsArguments {
    SampleArguments<Network> samples;
    GatherArguments<Network> gather;
    OptimiseArguments<Network> optimise;
    const typename Network::Scalars* scalars;  // of the optimiser at each step
};

// Calls run(b) for the samples of a block, or of the so many that share each: one, or where there are more than these one after the other. Which
// one stands in shared memory: where it is, is found out anew then, and does not take registers beside what a sample needs of them.
template <int blocks, typename Run>
__device__ inline void run_own_samples(int samples, const Run& run) {
    __shared__ int own;
    if (threadIdx.x == 0) own = static_cast<int>(blockIdx.x) / blocks;
    __syncthreads();
    while (own < samples) {
        run(own);
        __syncthreads();
        if (threadIdx.x == 0) own += static_cast<int>(gridDim.x) / blocks;
        __syncthreads();
    }
}
// Sums over what all samples have left, shared out among all blocks; their states may stand where a warp lists spikes.
template <typename Network>
__device__ inline void sum_together(const GatherArguments<Network>& g, const Round& round) {
    const int warps = static_cast<int>(blockDim.x) / 32;
    SpikeList& list = reinterpret_cast<SpikeList*>(smem)[threadIdx.x / 32];
    for (int block = static_cast<int>(blockIdx.x); block < Network::gather_blocks(warps); block += static_cast<int>(gridDim.x)) {
        Network::sum_gradients(g, round, block, warps, list);
        __syncthreads();
    }
}

// The optimiser's step; no block may change a number before all have seen those that it needs.
template <typename Network, typename Meet>
__device__ inline void step_together(const OptimiseArguments<Network>& g, const typename Network::Scalars& scalars, const Meet& meet) {
    Network::collect_gradients(g);
    if (Network::sums_late || Network::clip == Clip::norm)
        meet();
    else
        __syncthreads();
    if (*g.overflown == all_finite) Network::take_step(g, scalars);
    __syncthreads();
    if (blockIdx.x == 0) Network::derive_numbers(g);
}
// All samples take a step, then the optimiser does. run(b, round) is what a block does of sample b, which so many `blocks` share. Which round it
// is stands in shared memory: what a sample does needs all registers.
template <int blocks, typename Network, typename Run, typename Meet>
__device__ inline void run_in_lockstep(const RoundsArguments<Network>& g, const Run& run, const Meet& meet) {
    __shared__ Round round;
    const bool first = threadIdx.x == 0;
    if (first) round = {};
    for (;;) {
        meet();  // all have the new weights, or the mean rates
        if (first && !round.penalises) round.from = round.to, ++round.to;
        __syncthreads();
        run_own_samples<blocks>(g.samples.batch, [&](int b) { run(b, round); });
        meet();
        if (Network::penalises_late && round.to == g.samples.most_steps && !round.penalises) {
            find_mean_rates(g.samples);
            __syncthreads();
            if (first) round.penalises = true;
            continue;
        }
        sum_together(g.gather, round);
        meet();
        step_together(g.optimise, g.scalars[round.from], meet);
        if (round.to == g.samples.most_steps) return;
    }
}

}  // namespace cuda
}  // namespace sncc
