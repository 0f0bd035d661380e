// Where one sample's events, values, spikes, labels and tape stand in the arrays of the batch, and what it records.
#pragma once

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_readout.h"

namespace sncc {
namespace cuda {

// The states of sample b: in the block's shared memory, or in the device's.
template <typename Network>
__device__ inline typename Network::Workspace& workspace_of(const SampleArguments<Network>& g, std::int64_t b, unsigned char* shared) {
    using Workspace = typename Network::Workspace;
    if constexpr (Network::in_shared_memory) return *reinterpret_cast<Workspace*>(shared);
    return g.workspaces ? g.workspaces[b] : *reinterpret_cast<Workspace*>(shared);
}
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
__device__ inline SpikeCounts counts_of(const SampleArguments<Network>& g, int population, std::int64_t b, int neurons) {
    return {g.bits[population] + b * (g.most_steps + g.lead) * neurons, neurons, 1 - g.lead};
}
template <typename Network>
__device__ inline ValueRows<typename Network::Real> series_of(const SampleArguments<Network>& g, int k, std::int64_t b, int stride) {
    return {g.series[k] + b * (g.most_steps + g.series_lead) * stride, stride, 1 - g.series_lead, g.most_steps};
}
// Keeps what a state that is delivered is at step n, of the neurons that a block has; all threads have met after its update.
template <typename Network>
__device__ inline void put_series(const SampleArguments<Network>& g, int k, std::int64_t b, int stride, std::int64_t n, const typename Network::Real* from, const Portion& own) {
    typename Network::Real* const to = g.series[k] + (b * (g.most_steps + g.series_lead) + n - 1 + g.series_lead) * stride + own.first;
    for_own(own.count, [&](int j) { to[j] = from[j]; });
}
// The same with zeros for the neurons that dropout leaves out: the first bit is that of the first of these neurons.
template <typename Network>
__device__ inline void put_series(const SampleArguments<Network>& g, int k, std::int64_t b, int stride, std::int64_t n, const typename Network::Real* from, const Portion& own,
                                  const SpikeBits& kept) {
    typename Network::Real* const to = g.series[k] + (b * (g.most_steps + g.series_lead) + n - 1 + g.series_lead) * stride + own.first;
    for_own(own.count, [&](int j) { to[j] = g.learns && !kept.fired(1, j) ? typename Network::Real(0) : from[j]; });
}
// Of all.
template <typename Network, typename... Kept>
__device__ inline void put_series(const SampleArguments<Network>& g, int k, std::int64_t b, int stride, std::int64_t n, const typename Network::Real* from, int size,
                                  const Kept&... kept) {
    put_series(g, k, b, stride, n, from, Portion{0, size}, kept...);
}
template <typename Network>
__device__ inline Tape<typename Network::Real> tape_of(const SampleArguments<Network>& g, std::int64_t b, std::int64_t origin) {
    if constexpr (Network::memory > 0) return {g.tape, g.batch * g.room, b * g.room - origin};
    return {g.tape, g.batch * g.most_steps, b * g.most_steps};
}
// Before a segment goes back: the adjoints of the one behind it that credit comes from move behind its own; a number is one thread's.
template <typename Network>
__device__ inline void move_tape(const SampleArguments<Network>& g, std::int64_t b, std::int64_t steps, std::int64_t origin) {
    const std::int64_t behind = origin + g.length, there = steps - behind < g.most_delay ? steps - behind : g.most_delay;
    if (there <= 0) return;
    Network::for_slots([&](std::int64_t column, int size) {
        typename Network::Real* const first = g.tape + column * g.batch * g.room + b * g.room * size;
        for_own(size, [&](int j) {
            for (std::int64_t k = there - 1; k >= 0; --k) first[(g.length + k) * size + j] = first[k * size + j];
        });
    });
    __syncthreads();
}
template <typename Network>
__device__ inline Labels labels_of(const SampleArguments<Network>& g, std::int64_t b) {
    const std::int64_t first = b * (g.label_per_step ? g.most_steps : 1);
    return {g.classes ? g.classes + first : nullptr, g.targets ? g.targets + first * Network::outputs : nullptr, g.label_per_step};
}

// Whether a number of the states or adjoints is none, which is then noted; all threads come here.
template <typename Network, typename Struct>
__device__ inline bool fails(const SampleArguments<Network>& g, const Struct& s, int& found, std::int64_t b, std::int64_t n, bool back) {
    using Real = typename Network::Real;
    constexpr int count = static_cast<int>(sizeof(Struct) / sizeof(Real));
    __syncthreads();
    if (threadIdx.x == 0) found = count;
    __syncthreads();
    for_own(count, [&](int k) {
        const Real zero = reinterpret_cast<const Real*>(&s)[k] * Real(0);
        if (!(zero == Real(0))) atomicMin(&found, k);
    });
    __syncthreads();
    const bool failed = found < count;
    if (failed && threadIdx.x == 0 && g.failures[b].phase == 0) g.failures[b] = {back ? 2 : 1, found, n};
    return failed;
}

// Rates of a population's neurons over the sample, kHz.
template <typename Spikes>
__device__ inline void rates_of(double* into, const Spikes& spikes, std::int64_t steps, int count, double step) {
    for_own(count, [&](int j) {
        std::int64_t fired = 0;
        for (std::int64_t n = 1; n <= steps; ++n) fired += spikes.fired(n, j);
        into[j] = static_cast<double>(fired) / (static_cast<double>(steps) * step);
    });
}
// What a spike adds to the loss by the penalty on its neuron's rate.
template <typename Network>
__device__ inline void add_penalty(const SampleArguments<Network>& g, const PenaltyOf& p, std::int64_t b, std::int64_t steps, double step,
                                   typename Network::Real* into, const Portion& own) {
    constexpr double hertz = 1e-3;
    const double* rates = (p.over_batch ? g.mean_rates : g.rates + b * Network::penalty_size) + p.offset + own.first;
    const double factor = p.strength * 2 / (hertz * hertz) / (p.size * (static_cast<double>(steps) * step)) / g.of;
    for_own(own.count, [&](int j) { into[j] += static_cast<typename Network::Real>(factor * (rates[j] - p.target)); });
}
template <typename Network>
__device__ inline void add_penalty(const SampleArguments<Network>& g, const PenaltyOf& p, std::int64_t b, std::int64_t steps, double step,
                                   typename Network::Real* into) {
    add_penalty(g, p, b, steps, step, into, {0, p.size});
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
