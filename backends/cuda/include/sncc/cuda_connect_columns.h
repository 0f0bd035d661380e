// Synapses made on the device, by target (cuda_columns.h): where targets look through them, or where they change; and the kernel of all stages.
#pragma once

#include "sncc/cuda_connect.h"

extern __shared__ unsigned char smem[];

namespace sncc {
namespace cuda {

// How many synapses each target has.
template <typename Real>
__device__ inline void count_columns(const ConnectArguments<Real>& g) {
    for_each_by_thread(g.size, [&](std::int64_t k) { atomicAdd(g.lengths + g.rows[k], 1u); });
}
// What a column is sorted by: the longest delay, where that comes first, then the synapse's number; its delay goes along.
template <typename Network, typename Real>
__device__ inline void put_keys(const ConnectArguments<Real>& g) {
    for_each_by_thread(g.size, [&](std::int64_t k) {
        const std::uint64_t steps = g.delay >= 0 ? static_cast<std::uint64_t>(delay_of<Network>(g, static_cast<std::uint32_t>(k))) : 0;
        const std::uint64_t first = g.by_delay ? static_cast<std::uint64_t>(longest_delay) - steps : 0;
        g.keys[atomicAdd(g.lengths + g.rows[k], 1u)] = first << 48 | static_cast<std::uint64_t>(k) << 16 | steps;
    });
}
// A warp's lanes take 32 neighbouring columns, whose entries stand side by side; behind a column's end there is nothing.
template <typename Network, typename Real>
__device__ inline void put_columns(const ConnectArguments<Real>& g) {
    const std::int64_t targets = g.target.population, sources = g.source.population;
    for_each_by_warp((targets + 31) / 32, [&](std::int64_t word) {
        const std::int64_t j = word * 32 + threadIdx.x % 32u;
        const std::uint32_t begin = j < targets ? g.begins[j] : 0, end = j < targets ? g.begins[j + 1] : 0;
        std::uint32_t entry = begin;
        for (std::uint64_t place = g.slices[word] + threadIdx.x % 32u; place < g.slices[word + 1]; place += 32, ++entry) {
            const bool there = entry < end;
            const std::uint64_t key = there ? g.keys[entry] : 0;
            const std::uint32_t number = static_cast<std::uint32_t>(key >> 16);
            const std::uint32_t source = there ? static_cast<std::uint32_t>(first_not_before(g.offsets, sources + 1, static_cast<std::int64_t>(number) + 1) - 1) : 0;
            if (g.narrow)
                g.narrow[place] = static_cast<std::uint16_t>(source);
            else
                g.wide[place] = source;
            if (g.column_delays) g.column_delays[place] = static_cast<std::uint16_t>(key);
            if (g.column_numbers) g.column_numbers[place] = there ? number : 0xFFFFFFFFu;
            if (g.column_weights) g.column_weights[place] = there ? weight_of<Network>(g, number, source, static_cast<std::uint32_t>(j)) : Real(0);
            if (g.places && there) g.places[number] = static_cast<std::uint32_t>(place);
        }
    });
}

template <typename Network>
__device__ inline void connect(const ConnectArguments<typename Network::Real>& g) {
    __shared__ unsigned room[most_warps];
    switch (g.stage) {
        case Stage::count:
        case Stage::place: return draw_pairs(g);
        case Stage::sort: return sort_rows(g.rows, g.offsets, g.source.population, reinterpret_cast<std::uint32_t*>(smem));
        case Stage::sums:
        case Stage::sums_before:
        case Stage::before: return scan_stage(g, room);
        case Stage::delays: return find_extreme_delays<Network>(g);
        case Stage::tiles: return count_tiles(g);
        case Stage::entries: return place_entries<Network>(g);
        case Stage::lengths: return count_columns(g);
        case Stage::keys: return put_keys<Network>(g);
        case Stage::sort_keys: return sort_rows(g.keys, g.begins, g.target.population, reinterpret_cast<std::uint64_t*>(smem));
        case Stage::columns: return put_columns<Network>(g);
    }
}

}  // namespace cuda
}  // namespace sncc
