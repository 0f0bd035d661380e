// A sample that the blocks of a cluster share: each has some neurons of every population in its own shared memory, the first one also the
// readout. What neurons emit, and what goes back to others, stands in device memory, which a meeting of the cluster makes known.
#pragma once

#include "sncc/cuda_online.h"
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

// e-prop forwards in time: calls body(row, column, place) for the elements of a matrix, its rows padded to 16 numbers, that a block has: `own`
// are the columns, of which the first is number 0.
template <typename Body>
__device__ inline void for_elements_of(const Portion& own, int rows, int columns, const Body& body) {
    const std::int64_t stride = (columns + 15) / 16 * 16;
    for (std::int64_t k = threadIdx.x; k < std::int64_t(rows) * own.count; k += blockDim.x) {
        const int i = static_cast<int>(k / own.count), j = static_cast<int>(k % own.count);
        body(i, j, i * stride + own.first + j);
    }
}
// Calls body(source, target, number) for synapses in rows onto the neurons that a block has, of which the first is target number 0. Neighbouring
// threads look at neighbouring synapses, of which a row has those onto own neurons side by side.
template <typename Real, typename Body>
__device__ inline void for_synapses_of(const Portion& own, const DeviceRows<Real>& rows, int sources, const Body& body) {
    for_synapses(rows, sources, [&](int i, int j, std::int64_t k) {
        if (own.has(static_cast<std::uint32_t>(j))) body(i, j - own.first, k);
    });
}
// Signals times traces of these synapses, added to the block's part of the gradient of weights that synapses share, or of a learnt delay that all have.
template <typename Real>
__device__ inline void add_shared_products_of(const Portion& own, Real* part, const DeviceRows<Real>& rows, int elements, const Real* signals, const Real* traces, Real* room) {
    add_shared_sums(part, rows, elements, room, [&](std::uint32_t k) {
        return own.has(rows.targets[k]) ? static_cast<double>(signals[own.place(rows.targets[k])]) * static_cast<double>(traces[k]) : 0.0;
    });
}
template <typename Real>
__device__ inline void add_one_delay_products_of(const Portion& own, Real* part, const DeviceRows<Real>& rows, int sources, const Real* signals, const Real* traces, Real* room) {
    __syncthreads();  // `room` has been read, traces are there
    double sum = 0;
    for_synapses_of(own, rows, sources, [&](int, int j, std::int64_t k) { sum += static_cast<double>(signals[j]) * static_cast<double>(traces[k]); });
    add_block_total(part[0], sum, room);
}
// When all blocks have theirs: what these come to, block by block, whose parts stand `stride` numbers apart.
template <typename Real>
__device__ inline void add_parts(Real* gradient, const Real* parts, int count, int blocks, std::int64_t stride) {
    for_own(count, [&](int e) {
        for (int block = 0; block < blocks; ++block) gradient[e] += parts[block * stride + e];
    });
}
// Number `neuron` of a population of which each block has `most` in its shared memory; `mine` is where they stand in the caller's.
template <typename Real, typename Cluster>
__device__ inline Real of_any_block(const Cluster& cluster, Real* mine, int neuron, int most) {
    return cluster.map_shared_rank(mine, static_cast<unsigned>(neuron / most))[neuron % most];
}
// into[i] := that of the target of source first + i, which has at most one; 0 where it has none.
template <typename Real, typename Cluster>
__device__ inline void signal_back_of(const Cluster& cluster, Real* into, const Portion& own, Real* told, int most, const DeviceRows<Real>& rows) {
    for_own(own.count, [&](int i) {
        const std::uint64_t k = rows.offsets[own.first + i];
        into[i] = k < rows.offsets[own.first + i + 1] ? of_any_block(cluster, told, static_cast<int>(rows.targets[k]), most) : Real(0);
    });
}
// into[i] := that of the target of synapse number `turn` of source first + i, or of the target of this; 0 where it has no more.
template <typename Real, typename Cluster>
__device__ inline void pick_of(const Cluster& cluster, Real* into, const Portion& own, Real* of, int most, int turn, const DeviceRows<Real>& rows, const DeviceRows<Real>* onto) {
    for_turns(own.count, turn, rows, own.first, [&](int i, std::uint64_t k, bool is_there) {
        into[i] = is_there ? of_any_block(cluster, of, static_cast<int>(picked_target(rows, k, onto)), most) : Real(0);
    });
}
// Zeros in numbers of the sample's, by all threads of its `blocks` blocks.
template <typename Number>
__device__ inline void clear_together(Number* numbers, std::int64_t count, int block, int blocks) {
    for (std::int64_t e = std::int64_t(block) * blockDim.x + threadIdx.x; e < count; e += std::int64_t(blocks) * blockDim.x) numbers[e] = 0;
}

}  // namespace cuda
}  // namespace sncc
