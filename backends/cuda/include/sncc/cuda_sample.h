// Where one sample's events, values, spikes, labels and tape stand in the arrays of the batch, and what it records.
#pragma once

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_readout.h"

namespace sncc {
namespace cuda {

template <typename Network>
__device__ inline EventRows events_of(const SampleArguments<Network>& g, int source, std::int64_t b) {
    return {g.events[source].offsets + b * (g.most_steps + g.lead + 1), g.events[source].indices, 1 - g.lead, g.most_steps};
}
template <typename Network>
__device__ inline ValueRows<typename Network::Real> values_of(const SampleArguments<Network>& g, int source, std::int64_t b, int stride) {
    return {g.values[source] + b * (g.most_steps + g.lead) * stride, stride, 1 - g.lead, g.most_steps};
}
template <typename Network>
__device__ inline SpikeBits spikes_of(const SampleArguments<Network>& g, int population, std::int64_t b, int words) {
    return {g.bits[population] + b * (g.most_steps + g.lead) * words, words, 1 - g.lead};
}
template <typename Network>
__device__ inline Tape<typename Network::Real> tape_of(const SampleArguments<Network>& g, std::int64_t b) {
    return {g.tape, g.batch * g.most_steps, b * g.most_steps};
}
template <typename Network>
__device__ inline Labels labels_of(const SampleArguments<Network>& g, std::int64_t b) {
    const std::int64_t first = b * (g.label_per_step ? g.most_steps : 1);
    return {g.classes ? g.classes + first : nullptr, g.targets ? g.targets + first * Network::outputs : nullptr, g.label_per_step};
}

// Copies the recorded states after step n.
template <typename Network>
__device__ inline void record(const SampleArguments<Network>& g, const typename Network::State& s, std::int64_t n) {
    for (int k = 0; k < g.trace_count; ++k) {
        const TraceRecord trace = g.traces[k];
        if (n % trace.every != 0) continue;
        const std::int64_t to = trace.to + (n / trace.every - 1) * trace.size;
        for_own(static_cast<int>(trace.size),
                [&](int j) { g.trace_values[to + j] = reinterpret_cast<const typename Network::Real*>(&s)[trace.from + j]; });
    }
}

}  // namespace cuda
}  // namespace sncc
