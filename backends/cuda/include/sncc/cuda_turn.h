// Spikes by step turned into spikes by neuron, for the sums of gradients: a block turns those of its sample, 32 steps at a time.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

constexpr int TURN_CHANNELS = 2048;

// 32 steps of a sample: those after step `origin` + 32 · `chunk`.
struct ChunkOfSample {
    int sample, chunk, samples, chunks;
    std::int64_t most_steps, steps;  // of the longest sample, and of this one
    std::int64_t origin;             // steps before the first chunk

    __device__ std::int64_t word(std::int64_t neuron) const { return (neuron * samples + sample) * chunks + chunk; }
};

// `spikes` are those of the first sample; the next one's stand `stride` numbers later.
__device__ inline void turn_spikes(std::uint32_t* fired, const SpikeBits& spikes, std::int64_t stride, int neurons, const ChunkOfSample& of) {
    constexpr int ahead = 4;
    const int warps = static_cast<int>(blockDim.x) / 32;
    const SpikeBits own = spikes.moved(of.sample * stride);
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const std::int64_t n = of.origin + std::int64_t(32) * of.chunk + lane + 1;
    for (int first = static_cast<int>(threadIdx.x) / 32; first < own.words; first += ahead * warps) {
        std::uint32_t words[ahead];
        for (int u = 0; u < ahead; ++u) words[u] = n <= of.steps && first + u * warps < own.words ? own.row(n)[first + u * warps] : 0;
        for (int u = 0; u < ahead && first + u * warps < own.words; ++u) {
            std::uint32_t turned = 0;
            for (int j = 0; j < 32; ++j) {
                const std::uint32_t bits = __ballot_sync(0xffffffffu, static_cast<int>((words[u] >> j) & 1u));
                if (lane == j) turned = bits;
            }
            const int neuron = 32 * (first + u * warps) + lane;
            if (neuron < neurons) fired[of.word(neuron)] = turned;
        }
    }
}
__device__ inline void turn_spikes(std::uint32_t* fired, const SpikeCounts& spikes, std::int64_t stride, int neurons, const ChunkOfSample& of) {
    const SpikeCounts own = spikes.moved(of.sample * stride);
    for_own(neurons, [&](int i) {
        std::uint32_t turned = 0;
        for (int s = 0; s < 32; ++s) {
            const std::int64_t n = of.origin + std::int64_t(32) * of.chunk + s + 1;
            if (n <= of.steps && own.fired(n, i) > 0) turned |= 1u << s;
        }
        fired[of.word(i)] = turned;
    });
}
// Behind the channels stands a word that is not zero where a channel has several events in one of these steps.
__device__ inline void turn_events(std::uint32_t* fired, const EventRows& events, int channels, const ChunkOfSample& of) {
    __shared__ std::uint32_t turned[TURN_CHANNELS];
    __shared__ std::int64_t ends[33];
    __shared__ std::uint32_t again;
    static_assert(sizeof turned + sizeof ends + 16 <= STATIC_SHARED, "what launches leave for it");
    const std::int64_t begin = of.origin + std::int64_t(32) * of.chunk, first_step = begin < of.most_steps ? begin : of.most_steps, there = of.most_steps - first_step;
    const int rows = there < 32 ? static_cast<int>(there) : 32;
    const std::int64_t* const offsets = events.offsets + of.sample * (of.most_steps + 1) + first_step;
    for_own(rows + 1, [&](int s) { ends[s] = offsets[s]; });
    if (threadIdx.x == 0) again = 0;
    for (int base = 0; base < channels; base += TURN_CHANNELS) {
        const int count = channels - base < TURN_CHANNELS ? channels - base : TURN_CHANNELS;
        for_own(count, [&](int k) { turned[k] = 0; });
        __syncthreads();
        for (std::int64_t e = ends[0] + threadIdx.x; e < ends[rows]; e += blockDim.x) {
            const std::int64_t k = static_cast<std::int64_t>(events.indices[e]) - base;
            if (k < 0 || k >= count) continue;
            int s = 0;  // the last step that begins at or before the event
            for (int half = 16; half > 0; half /= 2)
                if (s + half < rows && ends[s + half] <= e) s += half;
            if ((atomicOr(&turned[k], 1u << s) >> s) & 1u) atomicOr(&again, 1u);
        }
        __syncthreads();
        for_own(count, [&](int k) { fired[of.word(base + k)] = turned[k]; });
        __syncthreads();
    }
    if (threadIdx.x == 0) fired[of.word(channels)] = again;
    __syncthreads();
}

}  // namespace cuda
}  // namespace sncc
