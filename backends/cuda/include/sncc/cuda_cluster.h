// A sample that the blocks of a cluster share: each has some neurons of every population in its own shared memory, the first one also the
// readout. What neurons emit, and what goes back to others, stands in device memory, which a meeting of the cluster makes known.
#pragma once

#include "sncc/cuda_sample.h"

namespace sncc {
namespace cuda {

// Whether a number of any block is none, which is then noted; all threads of the cluster come here. each(look) calls
// look(numbers, count, place) for the block's own, whose first one is number `place` of the sample's states or adjoints; `found` is in shared memory.
template <typename Network, typename Cluster, typename Each>
__device__ inline bool fails(const SampleArguments<Network>& g, const Cluster& cluster, int& found, std::int64_t b, std::int64_t n, bool back, const Each& each) {
    using Real = typename Network::Real;
    constexpr int none = 0x7fffffff;
    int* const first = cluster.map_shared_rank(&found, 0);
    const bool notes = cluster.block_rank() == 0 && threadIdx.x == 0;
    cluster.sync();
    if (notes) found = none;
    cluster.sync();
    each([&](const Real* numbers, int count, std::size_t place) {
        for_own(count, [&](int j) {
            const Real zero = numbers[j] * Real(0);
            if (!(zero == Real(0))) atomicMin(first, static_cast<int>(place) + j);
        });
    });
    cluster.sync();
    const int failed = *first;
    cluster.sync();  // a block may end, or look again
    if (failed < none && notes && g.failures[b].phase == 0) g.failures[b] = {back ? 2 : 1, failed, n};
    return failed < none;
}

}  // namespace cuda
}  // namespace sncc
