// Synapses for deliveries by spikes: by tile of targets, then by source, made on the host from its rows, or by kernels (cuda_connector.h).
#pragma once

#include <algorithm>

#include "sncc/cuda_columns.h"
#include "sncc/cuda_tiling.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

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
        count_ = tiles * (sources + 1);
        starts_of_.assign(count_, 0);
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
        const List<std::uint32_t> places = columns->places_of_synapses(rows.synapses(), pool);
        view_.places = put(places_, store, pool, [&](std::uint64_t k, int) { return places[static_cast<std::size_t>(k)]; });
    }
    // For kernels that put the synapses there themselves: how many, from so many sources, onto so many targets.
    struct Room {
        std::size_t synapses, sources;
        int tiles;
        bool delayed;

        Room(std::uint64_t count, std::int64_t from, std::int64_t onto, const Tiling& tiling, bool have_delays)
            : synapses(static_cast<std::size_t>(count)), sources(static_cast<std::size_t>(from)), tiles(tiling.count(onto)), delayed(have_delays) {}
        std::size_t starts() const { return static_cast<std::size_t>(tiles) * (sources + 1); }
    };
    List<DeviceMemory::Part> missing(const Room& room) const {
        return {{"the synapses by source", starts_.missing(room.starts() + 1) + targets_.missing(room.synapses + 1)}, {"the synapses' delays", room.delayed ? delays_.missing(room.synapses + 1) : 0}};
    }
    void make(const Room& room, const Tiling& tiling, bool placed = false) {
        tiling_ = tiling;
        starts_of_.clear();
        starts_.reserve(room.starts() + 1), targets_.reserve(room.synapses + 1);
        if (room.delayed) delays_.reserve(room.synapses + 1);
        if (placed) places_.reserve(room.synapses + 1);
        count_ = room.starts();
        view_ = {starts_.data(), targets_.data(), room.delayed ? delays_.data() : nullptr, nullptr, placed ? places_.data() : nullptr, static_cast<std::int64_t>(room.sources), tiling.first()};
    }
    std::uint32_t* starts() const { return starts_.data(); }
    std::uint16_t* targets() const { return targets_.data(); }
    std::uint32_t* places() const { return view_.places ? places_.data() : nullptr; }
    std::uint16_t* delays() const { return view_.delays ? delays_.data() : nullptr; }
    // Whether another one, made in the other way, is the same.
    bool is(const DeviceTileRows& other, std::size_t synapses) const {
        have_starts(), other.have_starts();
        return starts_of_ == other.starts_of_ && view_.sources == other.view_.sources && view_.first_tile == other.view_.first_tile &&
               targets_.copy(synapses) == other.targets_.copy(synapses) && !view_.delays == !other.view_.delays &&
               (!view_.delays || delays_.copy(synapses) == other.delays_.copy(synapses)) && !view_.places == !other.view_.places &&
               (!view_.places || places_.copy(synapses) == other.places_.copy(synapses));
    }
    // A number of each synapse into `to`, in this order.
    const Real* send(const neurons::SynapseStore<Real>& store, const Untouched<Real>& from, DeviceArray<Real>& to, ThreadPool& pool) const {
        have_starts();
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

    // Those that kernels made.
    void have_starts() const {
        if (starts_of_.empty()) starts_of_ = starts_.copy(count_);
    }

    Tiling tiling_ = {1, 0};
    std::size_t count_ = 0;  // of the starts
    mutable List<std::uint32_t> starts_of_;
    DeviceArray<std::uint32_t> starts_;
    DeviceArray<std::uint16_t> targets_, delays_;
    DeviceArray<std::uint32_t> places_;
    TileRows<Real> view_ = {};
};

}  // namespace cuda
}  // namespace sncc
