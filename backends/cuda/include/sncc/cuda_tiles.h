// Synapses for deliveries by spikes: by tile of targets, then by source, made on the host from its rows.
#pragma once

#include <algorithm>
#include <vector>

#include "sncc/cuda_columns.h"

namespace sncc {
namespace cuda {

// How neurons are shared out: `first_word` is the number of a population's first word of 32 among all.
struct Tiling {
    int words, first_word;

    int first() const { return first_word / words; }
    int of(std::uint32_t target) const { return (first_word + static_cast<int>(target / 32)) / words - first(); }
    std::uint32_t first_target(int tile) const { return static_cast<std::uint32_t>(std::max((first() + tile) * words - first_word, 0)) * 32; }
    int count(std::int64_t targets) const { return targets > 0 ? of(static_cast<std::uint32_t>(targets - 1)) + 1 : 0; }
};

template <typename Real>
class DeviceTileRows {
public:
    explicit DeviceTileRows(DeviceMemory& memory)
        : starts_(memory, "the synapses by source"), targets_(memory, "the synapses by source"), delays_(memory, "the synapses' delays"), places_(memory, "the synapses by source") {}

    // `columns`: where the synapses stand too; else null.
    void build(const neurons::SynapseStore<Real>& store, const Tiling& tiling, bool delayed, const DeviceColumns<Real>* columns, ThreadPool& pool) {
        const CompressedRows& rows = store.synapses.parts[0];
        if (rows.synapses() > 0xFFFFFFFFu) throw Failure(Code::memory, "a connection of more than 2^32 - 1 synapses");
        tiling_ = tiling;
        const std::size_t sources = static_cast<std::size_t>(store.synapses.sources()), tiles = static_cast<std::size_t>(tiling.count(rows.range.size()));
        starts_of_.assign(tiles * (sources + 1), 0);
        store.for_each_source(pool, [&](std::int64_t i) {
            for (std::uint64_t k = rows.offsets[static_cast<std::size_t>(i)]; k < rows.offsets[static_cast<std::size_t>(i) + 1]; ++k)
                ++starts_of_[static_cast<std::size_t>(tiling.of(rows.target(k))) * (sources + 1) + static_cast<std::size_t>(i)];
        });
        std::uint32_t before = 0;
        for (std::size_t tile = 0; tile < tiles; ++tile)
            for (std::size_t i = 0; i <= sources; ++i) {
                const std::uint32_t count = starts_of_[tile * (sources + 1) + i];
                starts_of_[tile * (sources + 1) + i] = before;
                before += count;
            }
        starts_.put(starts_of_);
        view_ = {starts_.data(), nullptr, nullptr, nullptr, nullptr, static_cast<std::int64_t>(sources), tiling.first()};
        view_.targets = put(targets_, store, pool, [&](std::uint64_t k, int tile) { return static_cast<std::uint16_t>(rows.target(k) - tiling.first_target(tile)); });
        if (delayed) view_.delays = put(delays_, store, pool, [&](std::uint64_t k, int) { return static_cast<std::uint16_t>(store.delays.of(0, k)); });
        if (!columns) return;
        const std::vector<std::uint32_t> places = columns->places_of_synapses(rows.synapses(), pool);
        view_.places = put(places_, store, pool, [&](std::uint64_t k, int) { return places[static_cast<std::size_t>(k)]; });
    }
    // A number of each synapse into `to`, in this order.
    const Real* send(const neurons::SynapseStore<Real>& store, const Untouched<Real>& from, DeviceArray<Real>& to, ThreadPool& pool) const {
        return put(to, store, pool, [&](std::uint64_t k, int) { return from[k]; });
    }
    const TileRows<Real>& view() const { return view_; }

private:
    template <typename Value, typename Make>
    const Value* put(DeviceArray<Value>& to, const neurons::SynapseStore<Real>& store, ThreadPool& pool, const Make& make) const {
        const CompressedRows& rows = store.synapses.parts[0];
        const std::size_t sources = static_cast<std::size_t>(store.synapses.sources()), count = static_cast<std::size_t>(rows.synapses());
        Untouched<Value> values(count + 1);
        store.for_each_source(pool, [&](std::int64_t i) {
            int tile = -1;
            std::size_t at = 0;  // targets ascend within a row
            for (std::uint64_t k = rows.offsets[static_cast<std::size_t>(i)]; k < rows.offsets[static_cast<std::size_t>(i) + 1]; ++k) {
                if (const int next = tiling_.of(rows.target(k)); next != tile) tile = next, at = starts_of_[static_cast<std::size_t>(tile) * (sources + 1) + static_cast<std::size_t>(i)];
                values[at++] = make(k, tile);
            }
        });
        to.reserve(count + 1);
        to.put(values.data(), count);
        return to.data();
    }

    Tiling tiling_ = {1, 0};
    std::vector<std::uint32_t> starts_of_;
    DeviceArray<std::uint32_t> starts_;
    DeviceArray<std::uint16_t> targets_, delays_;
    DeviceArray<std::uint32_t> places_;
    TileRows<Real> view_ = {};
};

}  // namespace cuda
}  // namespace sncc
