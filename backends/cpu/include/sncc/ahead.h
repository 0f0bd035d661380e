// Forwards through many steps: block by block of them, and in a block stage by stage. What a block brings to a stage from earlier ones is
// known before its first step, and where many neurons spike it is summed for all its steps, and all samples of the tile, at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sncc/strips.h"
#include "sample.h"

namespace sncc {
namespace cpu {

// Steps of a block; segments between checkpoints are whole blocks.
constexpr std::int64_t steps_ahead = 32;

// A connection from an earlier stage: its weights, its delay, and what gives a sample's lists of spikes.
template <typename Network>
struct Incoming {
    const typename Network::Real* weights;
    TileLayout<typename Network::Real> layout;
    int delay;
    StepLists (*lists_of)(const Sample<Network>&);

    // A sample that ends before them, or that is none, has no spikes in these steps.
    StepLists lists(const Sample<Network>& s, std::int64_t first) const { return s.steps < first ? StepLists() : lists_of(s); }
    // Whether enough neurons spike in these steps.
    bool pays(const Tile<Network>& tile, int count, std::int64_t first, std::int64_t last) const {
        std::int64_t spikes = 0;
        for (int s = 0; s < count; ++s) {
            const StepLists of_sample = lists(tile.samples[s], first);
            for (std::int64_t n = first; n <= last; ++n) spikes += of_sample.at(n - delay).count;
        }
        return pays_in_strips(spikes, count * (last - first + 1), layout.rows, layout.columns);
    }
    // Puts down what each step of each sample adds.
    void list(const Tile<Network>& tile, int count, std::int64_t first, std::int64_t last, RowLists<typename Network::Real>& sums) const {
        std::size_t sum = 0;
        for (int s = 0; s < count; ++s) {
            const StepLists of_sample = lists(tile.samples[s], first);
            for (std::int64_t n = first; n <= last; ++n, ++sum) {
                const SpikesOfStep spikes = of_sample.at(n - delay);
                sums.begins[sum] = spikes.indices, sums.ends[sum] = spikes.indices + spikes.count;
            }
        }
    }
};

// Arrivals k, over these connections in their order.
template <typename Network>
SNCC_NOINLINE void sum_ahead(Tile<Network>& tile, int k, int count, std::int64_t first, std::int64_t last, const Incoming<Network>* connections,
                             int connection_count) {
    using Real = typename Network::Real;
    const int steps = static_cast<int>(last - first + 1);
    const TileLayout<Real> layout{count * steps, connections[0].layout.columns};
    AlignedBuffer<Real>& sums = tile.arrivals[k];
    bool pays = false;
    for (int c = 0; c < connection_count; ++c) pays = pays || connections[c].pays(tile, count, first, last);
    if (pays) {
        if (sums.size() < static_cast<std::size_t>(layout.size())) sums.make(static_cast<std::size_t>(layout.size()));
        tile.joined.make(static_cast<std::size_t>(layout.rows));
        for (int c = 0; c < connection_count; ++c) {
            const Incoming<Network>& from = connections[c];
            from.list(tile, count, first, last, tile.joined);
            const auto row_of = [&](int column_tile, std::int64_t i) { return from.weights + from.layout.tile(column_tile) + i * from.layout.width(column_tile); };
            sum_strips<Real>(c > 0, sums.data(), layout, tile.joined, from.layout.rows, row_of);
        }
    }
    for (int s = 0; s < count; ++s)
        tile.samples[s].arrivals[k] = pays ? Arrivals<Real>{sums.data(), layout, s * steps, first, last} : Arrivals<Real>();
}

// step(stage, s, n) for the steps first .. last of the first `count` samples of a tile, as far as each goes.
template <typename Network, typename Step>
void walk(const Parameters<typename Network::Real>& p, Tile<Network>& tile, int count, std::int64_t first, std::int64_t last, const Step& step) {
    const std::int64_t block = Network::arrivals > 0 ? steps_ahead : last - first + 1;
    for (; first <= last; first += block) {
        const std::int64_t end = std::min(last, first + block - 1);
        for (int stage = 0; stage < Network::stages; ++stage) {
            Network::deliver_ahead(p, tile, count, stage, first, end);
            for (int s = 0; s < count; ++s)
                for (std::int64_t n = first; n <= std::min(end, tile.samples[s].steps); ++n) step(stage, s, n);
        }
    }
}

// Step n of a sample that goes step by step.
template <typename Network>
void forward_step(const typename Network::Arrays& a, const Parameters<typename Network::Real>& p, Sample<Network>& s, std::int64_t n) {
    for (int stage = 0; stage < Network::stages; ++stage) Network::template forward<false>(a, p, s, stage, n, nullptr, 0);
}

}  // namespace cpu
}  // namespace sncc
