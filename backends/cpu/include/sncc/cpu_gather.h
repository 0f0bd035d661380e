// Gradients of weights, per tile of samples: rows of the adjoint kept for every step, summed over spikes or values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sncc/list.h"
#include "sncc/rows.h"
#include "sncc/strips.h"
#include "sample.h"

namespace sncc {
namespace cpu {

// Where an adjoint stands on the tape: columns before its slot, neurons of its group, the first neuron of the target.
struct SlotPlace {
    std::int64_t column;
    int width, offset;
};

// Steps, counted from the first of those gathered, in which each neuron of a source fired in a sample of the tile.
template <typename Network, typename Lists>
void list_channels(Tile<Network>& tile, int index, const Lists& source, int channels) {
    const std::int64_t count = tile.gathered(index);
    List<std::int64_t>& offsets = tile.channel_offsets[index];
    List<std::uint32_t>& steps = tile.channel_steps[index];
    offsets.assign(static_cast<std::size_t>(channels) + 1, 0);
    if (count == 0) return;
    const StepLists lists = lists_of(source);
    const std::int64_t* first = lists.offsets + tile.from;
    const std::size_t events = static_cast<std::size_t>(first[count] - first[0]);
    if (steps.size() < events + 1) steps.resize(2 * events + 1);
    transpose_spikes(first, lists.indices, static_cast<int>(count), channels, offsets.data(), steps.data());
}

// `first`: nothing has been written to the gradient yet.
template <typename Network, typename Real>
void gather_dense(Tile<Network>& tile, Real* gradient, const TileLayout<Real>& layout, const SlotPlace& slot, int delay,
                  bool first) {
    constexpr int size = Tile<Network>::size;
    SpikeTape<Real> tapes[size];
    std::int64_t spikes = 0;
    for (int s = 0; s < size; ++s) {
        tapes[s] = {tile.channel_offsets[s].data(), tile.channel_steps[s].data(), tile.slot(slot.column, slot.width, tile.from + 1, s) + slot.offset};
        spikes += tapes[s].offsets[layout.rows];
    }
    const int steps = static_cast<int>(tile.steps - tile.from);
    const std::int64_t stride = std::int64_t(size) * slot.width;
    if constexpr (Network::strips)
        if (steps > delay && pays_in_strips(spikes, layout.rows, std::int64_t(size) * (steps - delay), layout.columns)) {
            tile.joined.join(tapes, size, layout.rows, steps - delay);
            return gather_strips(!first, gradient, layout, tile.joined, tapes, size, steps - delay, delay, stride);
        }
    if (first)
        gather_rows<false>(gradient, layout, 0, layout.rows, tapes, size, steps, delay, stride);
    else
        gather_rows<true>(gradient, layout, 0, layout.rows, tapes, size, steps, delay, stride);
}

template <typename Network, typename Real, typename Lists>
void gather_one_to_one(Tile<Network>& tile, int index, Real* gradient, const Lists& source, const SlotPlace& slot, int delay) {
    const std::int64_t last = std::min(tile.to, tile.samples[index].steps - delay);
    for (std::int64_t n = tile.from + 1; n <= last; ++n) {
        const SpikesOfStep spikes = source.at(n);
        const Real* mu = tile.slot(slot.column, slot.width, n + delay, index) + slot.offset;
        for (int k = 0; k < spikes.count; ++k) gradient[spikes.indices[k]] += mu[spikes.indices[k]];
    }
}

// The first step whose values are gathered: those from before the sample, where there are any, arrive in its first steps.
template <typename Network, typename Real>
std::int64_t first_gathered(const Tile<Network>& tile, const StepValues<Real>& values, std::int64_t delay) {
    return tile.from == 0 ? std::max<std::int64_t>(values.first, 1 - delay) : tile.from + 1;
}

template <typename Network, typename Real>
void gather_product(Tile<Network>& tile, int index, Real* gradient, const TileLayout<Real>& layout, const StepValues<Real>& values,
                    const SlotPlace& slot, int delay) {
    const std::int64_t first = first_gathered(tile, values, delay);
    const std::int64_t steps = std::min(tile.to, tile.samples[index].steps - delay) - first + 1;
    if (steps <= 0) return;
    outer_rows(gradient, layout, 0, layout.rows, values.at(first), values.stride,
               tile.slot(slot.column, slot.width, first + delay, index) + slot.offset, std::int64_t(Tile<Network>::size) * slot.width,
               static_cast<int>(steps));
}

// Steps, counted from the first of those gathered, in which each neuron's value is not zero; few are.
template <typename Network, typename Real>
void list_values(Tile<Network>& tile, int index, const StepValues<Real>& values, int channels) {
    const std::int64_t count = tile.gathered(index);
    List<std::int64_t>& offsets = tile.channel_offsets[index];
    List<std::uint32_t>& steps = tile.channel_steps[index];
    offsets.assign(static_cast<std::size_t>(channels) + 1, 0);
    List<std::int64_t> ends(1, 0);
    List<std::uint32_t> listed;
    for (std::int64_t n = 0; n < count; ++n) {
        listed.resize(static_cast<std::size_t>(ends.back()) + static_cast<std::size_t>(channels) + 32);
        ends.push_back(ends.back() + collect(values.at(tile.from + 1 + n), channels, listed.data() + ends.back()));
    }
    if (steps.size() < static_cast<std::size_t>(ends.back()) + 1) steps.resize(2 * static_cast<std::size_t>(ends.back()) + 1);
    transpose_spikes(ends.data(), listed.data(), static_cast<int>(count), channels, offsets.data(), steps.data());
}

// After `list_values`.
template <typename Network, typename Real>
void gather_values(Tile<Network>& tile, int index, Real* gradient, const TileLayout<Real>& layout, const StepValues<Real>& values,
                   const SlotPlace& slot, int delay) {
    if (tile.gathered(index) == 0) return;
    const SpikeTape<Real> tape{tile.channel_offsets[index].data(), tile.channel_steps[index].data(),
                               tile.slot(slot.column, slot.width, tile.from + 1, index) + slot.offset};
    gather_scaled_rows(gradient, layout, tape, static_cast<int>(tile.samples[index].steps - tile.from), delay,
                       std::int64_t(Tile<Network>::size) * slot.width, values.at(tile.from + 1), values.stride);
}

template <typename Network, typename Real>
void gather_product_one_to_one(Tile<Network>& tile, int index, Real* gradient, int count, const StepValues<Real>& values,
                               const SlotPlace& slot, int delay) {
    const std::int64_t last = std::min(tile.to, tile.samples[index].steps - delay);
    for (std::int64_t n = first_gathered(tile, values, delay); n <= last; ++n) {
        const Real* mu = tile.slot(slot.column, slot.width, n + delay, index) + slot.offset;
        const Real* x = values.at(n);
        for (int j = 0; j < count; ++j) gradient[j] = m_fma(x[j], mu[j], gradient[j]);
    }
}

}  // namespace cpu
}  // namespace sncc
