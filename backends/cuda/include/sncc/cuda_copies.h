// Weights that a block copies into its shared memory once a launch, beside its sample's states: which ones a launch has room for, and the
// copying. They are read there in the order in which they are read from the device's memory, so no number depends on it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <cuda_pipeline.h>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_delivery.h"
#include "sncc/cuda_launch.h"

namespace sncc {
namespace cuda {

template <typename Network>
class Copies {
public:
    Copies() {
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&most_of_block_, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&most_, cudaDevAttrMaxSharedMemoryPerMultiprocessor, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&reserved_, cudaDevAttrReservedSharedMemoryPerBlock, 0), "cudaDeviceGetAttribute");
    }

    // Says where a block of a launch has its copies, behind `beside` bytes of its shared memory, and returns all bytes: as many as leave a
    // multiprocessor the blocks that it would have at once without them. A weight is copied where the launch reads more of it than that
    // reads, by the fraction of sources assumed to spike; never where a launch is one step of many, between which weights change. Of a matrix that is
    // read as a whole a part is of use, too: its first rows.
    // `synapses(r)` says what those of connection r are.
    template <typename Synapses>
    std::size_t place(SampleArguments<Network>& a, std::size_t beside, const Synapses& synapses) const {
        const char* const forced = std::getenv("SNCC_CUDA_WEIGHTS");  // shared, device, or bytes of a block: for tests and measurements
        const bool all = forced && std::strcmp(forced, "shared") == 0, none = forced && std::strcmp(forced, "device") == 0;
        std::size_t shared = beside, most = a.round.to > 0 || none ? 0 : room(a.batch, beside, forced != nullptr);
        if (forced && !all) most = std::min(most, static_cast<std::size_t>(std::max(0ll, std::atoll(forced))));
        const std::int64_t steps = a.segments > 1 ? a.length : a.most_steps;
        a.copies_made = 0;
        for (int k = 0; k < Network::copy_count; ++k) {
            const CopiedWeights& weights = Network::copied_weights()[k];
            const std::int64_t left = most > shared && (forced || steps >= weights.steps) ? static_cast<std::int64_t>(most - shared) : 0;
            const std::int64_t rows = std::min<std::int64_t>(weights.rows, weights.rows > 0 ? left / (weights.bytes / weights.rows) : 0);
            const std::int64_t bytes = weights.rows > 0 ? weights.bytes / weights.rows * rows : weights.bytes <= left ? weights.bytes : 0;
            a.copies[k] = bytes > 0 ? static_cast<std::int32_t>(shared) : -1;
            a.copied_rows[k] = static_cast<int>(rows);
            shared += static_cast<std::size_t>(bytes);
            a.copies_made += bytes > 0;
        }
        a.rows_at = -1;
        if constexpr (Network::copies_synapses) place_synapses(a, synapses, shared, most, steps, forced != nullptr);
        return shared;
    }

private:
    // Behind the matrices: the table of the connections, then their synapses, connection by connection, as many as have room.
    template <typename Synapses>
    void place_synapses(SampleArguments<Network>& a, const Synapses& synapses, std::size_t& shared, std::size_t most, std::int64_t steps, bool forced) const {
        const std::size_t table = (sizeof(DeviceRows<typename Network::Real>) * Network::rows_count + 15) / 16 * 16, begin = shared;
        std::int64_t next = static_cast<std::int64_t>(begin + table);
        for (int r = 0; r < Network::rows_count; ++r) {
            const int pays = Network::synapses_pay_after(r);
            CopiedSynapses& copied = a.copied_synapses[r] = synapses(r);
            copied.at = static_cast<std::int32_t>(next);
            if (pays == 0 || copied.count == 0 || copied.end() > static_cast<std::int64_t>(most) || (!forced && steps < pays)) {
                copied.at = -1;
                continue;
            }
            next = copied.end(), shared = static_cast<std::size_t>(next);
            a.rows_at = static_cast<std::int32_t>(begin);
            ++a.copies_made;
        }
    }
    // Of a block with so many bytes beside, its dynamic ones alone; as if it were its multiprocessor's only one where `all` is to be copied.
    std::size_t room(int blocks, std::size_t beside, bool all) const {
        const int wanted = (blocks + multiprocessors_ - 1) / multiprocessors_;
        const int at_once = all || wanted <= 1 ? 1 : std::max(1, std::min(wanted, Network::resident_samples(beside)));
        const std::size_t share = static_cast<std::size_t>(most_ / at_once - reserved_) / 128 * 128;
        const std::size_t most = std::min(share, static_cast<std::size_t>(most_of_block_));
        return most > STATIC_SHARED ? most - STATIC_SHARED : 0;
    }

    int multiprocessors_ = 0, most_of_block_ = 0, most_ = 0, reserved_ = 0;
};

// Where a block reads a weight: a copy of its own, on the way into its shared memory, or where it stands. All threads come here.
template <typename Network, typename Weight>
__device__ inline const Weight* copied(const SampleArguments<Network>& g, int k, unsigned char* shared, const Weight* weights, int count) {
    if (g.copies[k] < 0) return weights;
    constexpr int together = 16 / sizeof(Weight);  // rows are padded to 16 numbers, and begin where 16 bytes do
    Weight* const copy = reinterpret_cast<Weight*>(shared + g.copies[k]);
    for_own(count / together, [&](int q) { __pipeline_memcpy_async(copy + q * together, weights + q * together, 16); });
    return copy;
}
// The same of a matrix of which some rows may be copied.
template <typename Network, typename Weight>
__device__ inline SplitRows<Weight> copied_rows(const SampleArguments<Network>& g, int k, unsigned char* shared, const Weight* weights, int stride) {
    return {copied(g, k, shared, weights, g.copied_rows[k] * stride), weights, g.copied_rows[k]};
}
// The connections whose synapses are rows, with those that are copied where the copies are. Their numbers may be of 2, 4 or 8 bytes.
__device__ inline void copy_numbers(unsigned char* to, const void* from, std::int64_t bytes) {
    const std::uint16_t* const words = static_cast<const std::uint16_t*>(from);
    if (bytes % 4 != 0 || reinterpret_cast<std::uintptr_t>(from) % 4 != 0)
        for (std::int64_t k = threadIdx.x; k < bytes / 2; k += blockDim.x) reinterpret_cast<std::uint16_t*>(to)[k] = words[k];
    else
        for (std::int64_t k = threadIdx.x; k < bytes / 4; k += blockDim.x) reinterpret_cast<std::uint32_t*>(to)[k] = static_cast<const std::uint32_t*>(from)[k];
}
template <typename Network>
__device__ inline const DeviceRows<typename Network::Real>* copied_synapses(const SampleArguments<Network>& g, unsigned char* shared) {
    using Rows = DeviceRows<typename Network::Real>;
    if (g.rows_at < 0) return g.rows;
    Rows* const table = reinterpret_cast<Rows*>(shared + g.rows_at);
    for (int r = 0; r < Network::rows_count; ++r) {
        Rows rows = g.rows[r];
        const CopiedSynapses& copied = g.copied_synapses[r];
        if (copied.at >= 0) {
            const std::int64_t count = copied.count;
            copy_numbers(shared + copied.at, rows.targets, 4 * count);
            rows.targets = reinterpret_cast<const std::uint32_t*>(shared + copied.at);
            if (copied.delay) {
                copy_numbers(shared + copied.delays(), rows.delays, copied.delay * count);
                rows.delays = reinterpret_cast<const std::int32_t*>(shared + copied.delays());
            }
            if (copied.element) {
                copy_numbers(shared + copied.elements(), rows.elements, copied.element * count);
                rows.elements = reinterpret_cast<const std::uint32_t*>(shared + copied.elements());
            }
            if (copied.weight) {
                copy_numbers(shared + copied.weights(), rows.weights, copied.weight * count);
                rows.weights = shared + copied.weights();
            }
        }
        if (threadIdx.x == 0) table[r] = rows;
    }
    return table;
}
// Until the copies are there, for all threads.
template <typename Network>
__device__ inline void wait_for_copies(const SampleArguments<Network>& g) {
    if (g.copies_made == 0) return;
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
}

}  // namespace cuda
}  // namespace sncc
