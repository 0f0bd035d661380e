// A simulation that many blocks share: between runs its states stand where one block would leave them, `place` numbers from the first one on.
#pragma once

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_block.h"

namespace sncc {
namespace cuda {

template <typename Network>
__device__ inline void take_from(const SampleArguments<Network>& g, typename Network::Real* own, int count, std::int64_t place) {
    const typename Network::Real* const from = reinterpret_cast<const typename Network::Real*>(g.carried) + place;
    for_own(count, [&](int j) { own[j] = from[j]; });
}
template <typename Network>
__device__ inline void keep_in(const SampleArguments<Network>& g, const typename Network::Real* own, int count, std::int64_t place) {
    typename Network::Real* const to = reinterpret_cast<typename Network::Real*>(g.carried) + place;
    for_own(count, [&](int j) { to[j] = own[j]; });
}
// Copies those of the block's own that are recorded after step n.
template <typename Network>
__device__ inline void record_own(const SampleArguments<Network>& g, std::int64_t n, const typename Network::Real* own, int count, std::int64_t place) {
    for (int k = 0; k < g.trace_count; ++k) {
        const TraceRecord trace = g.traces[k];
        if (n % trace.every != 0) continue;
        const std::int64_t to = trace.to + (n / trace.every - 1) * trace.size;
        for_own(count, [&](int j) {
            const std::int64_t among = place + j - trace.from;
            if (among >= 0 && among < trace.size) g.trace_values[to + among] = own[j];
        });
    }
}

}  // namespace cuda
}  // namespace sncc
