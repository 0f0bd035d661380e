// Synapses on the device, by target, and what is one number for each of them: made on the host from its rows, or by kernels (cuda_connector.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "sncc/cuda_memory.h"
#include "sncc/cuda_neurons.h"
#include "sncc/list.h"
#include "sncc/synapse_store.h"

namespace sncc {
namespace cuda {

// Whether sources are looked up by their spikes: where a tile of targets has an entry of every second source on average, what says where a
// source's entries stand takes no more than twice the entries, of which few are read in a step; sparser columns are as quickly looked through.
inline bool looked_up_by_spikes(double synapses, double sources_and_tiles) {
    const char* const forced = std::getenv("SNCC_CUDA_DELIVERY");  // push or pull: for tests and measurements
    if (forced) return std::strcmp(forced, "push") == 0;
    return 2 * synapses >= sources_and_tiles;
}

// The columns of one connection's synapses; `numbers` says where the numbers of each stand among the host's rows.
template <typename Real>
class DeviceColumns {
public:
    explicit DeviceColumns(DeviceMemory& memory)
        : slices_(memory, "the synapses' offsets"), lengths_(memory, "the synapses' offsets"), narrow_(memory, "the synapses' sources"),
          wide_(memory, "the synapses' sources"), delays_(memory, "the synapses' delays"), ascending_(memory, "the synapses by source"), numbered_(memory, "the synapses' numbers") {}

    // `by_delay`: the longest delays first; `by_source`: they are read in the order of the sources, too.
    void build(const neurons::SynapseStore<Real>& store, bool delayed, bool by_delay, bool by_source, ThreadPool& pool) {
        const CompressedRows& rows = store.synapses.parts[0];
        if (rows.synapses() >= none) throw Failure(Code::memory, "a connection of more than 2^32 - 1 synapses");
        const neurons::ReverseIndex index = neurons::reverse(rows);
        const std::int64_t targets = rows.range.size(), words = (targets + 31) / 32;
        List<std::uint32_t> lengths(static_cast<std::size_t>(words * 32), 0);
        for (std::int64_t j = 0; j < targets; ++j)
            lengths[static_cast<std::size_t>(j)] = static_cast<std::uint32_t>(index.offsets[static_cast<std::size_t>(j) + 1] - index.offsets[static_cast<std::size_t>(j)]);
        const List<std::uint64_t> slices = slices_of(lengths);
        places_ = static_cast<std::size_t>(slices.back());
        numbers_.assign(places_, none);
        const bool is_narrow = store.synapses.sources() <= 0x10000;
        List<std::uint16_t> narrow(is_narrow ? places_ : 0, 0), delays(delayed ? places_ : 0, 0);
        List<std::uint32_t> wide(is_narrow ? 0 : places_, 0), ascending(by_delay && by_source ? places_ : 0, 0);
        if (!ascending.empty() && places_ >= none) throw Failure(Code::memory, "a connection of too many synapses");
        pool.run(static_cast<int>(words), [&](int word, int) {
            List<std::uint64_t> column;
            for (std::int64_t j = std::int64_t(word) * 32; j < std::min<std::int64_t>(targets, word * 32 + 32); ++j) {
                const std::uint64_t* const entries = index.entries.data();
                column.assign(entries + index.offsets[static_cast<std::size_t>(j)], entries + index.offsets[static_cast<std::size_t>(j) + 1]);
                const auto delay = [&](std::uint64_t entry) { return store.delays.of(0, entry & 0xFFFFFFFFu); };
                if (by_delay) std::stable_sort(column.begin(), column.end(), [&](std::uint64_t a, std::uint64_t b) { return delay(a) > delay(b); });
                std::size_t place = static_cast<std::size_t>(slices[static_cast<std::size_t>(word)]) + static_cast<std::size_t>(j % 32);
                for (const std::uint64_t entry : column) {
                    numbers_[place] = static_cast<std::uint32_t>(entry);
                    if (is_narrow)
                        narrow[place] = static_cast<std::uint16_t>(entry >> 32);
                    else
                        wide[place] = static_cast<std::uint32_t>(entry >> 32);
                    if (delayed) delays[place] = static_cast<std::uint16_t>(delay(entry));
                    place += 32;
                }
                if (ascending.empty()) continue;
                List<std::size_t> order(column.size());
                for (std::size_t e = 0; e < order.size(); ++e) order[e] = e;
                std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return column[a] < column[b]; });
                const std::size_t first = static_cast<std::size_t>(slices[static_cast<std::size_t>(word)]) + static_cast<std::size_t>(j % 32);
                for (std::size_t e = 0; e < order.size(); ++e) ascending[first + 32 * e] = static_cast<std::uint32_t>(first + 32 * order[e]);
            }
        });
        slices_.put(slices), lengths_.put(lengths);
        if (is_narrow)
            narrow_.put(narrow);
        else
            wide_.put(wide);
        if (delayed) delays_.put(delays);
        if (!ascending.empty()) ascending_.put(ascending);
        view_ = {slices_.data(), lengths_.data(), is_narrow ? narrow_.data() : nullptr, is_narrow ? nullptr : wide_.data(), delayed ? delays_.data() : nullptr,
                 ascending.empty() ? nullptr : ascending_.data(), nullptr};
    }
    // For kernels that put the synapses there themselves: columns of so many, from so many sources. What is behind them stays the caller's.
    void make(const List<std::uint32_t>& lengths, std::int64_t sources, bool delayed) {
        const List<std::uint64_t> slices = slices_of(lengths);
        places_ = static_cast<std::size_t>(slices.back());
        if (places_ >= none) throw Failure(Code::memory, "a connection of too many synapses");
        numbers_.clear();
        const bool is_narrow = sources <= 0x10000;
        slices_.put(slices), lengths_.put(lengths);
        is_narrow ? narrow_.reserve(places_ + 1) : wide_.reserve(places_ + 1);
        if (delayed) delays_.reserve(places_ + 1);
        view_ = {slices_.data(), lengths_.data(), is_narrow ? narrow_.data() : nullptr, is_narrow ? nullptr : wide_.data(), delayed ? delays_.data() : nullptr, nullptr, nullptr};
    }
    // What has to be found for so many, at least.
    std::size_t missing(std::size_t synapses, std::int64_t sources) const { return numbered_.missing(synapses) + (sources <= 0x10000 ? narrow_.missing(synapses) : wide_.missing(synapses)); }
    std::size_t missing_delays(std::size_t synapses) const { return delays_.missing(synapses); }
    // Room for which synapse each is; from the device, where kernels put it there.
    std::uint32_t* numbers_room() {
        numbered_.reserve(places_ + 1);
        return numbered_.data();
    }
    std::uint16_t* narrow() const { return view_.narrow ? narrow_.data() : nullptr; }
    std::uint32_t* wide() const { return view_.wide ? wide_.data() : nullptr; }
    std::uint16_t* delays() const { return view_.delays ? delays_.data() : nullptr; }
    std::size_t places() const { return places_; }
    // Whether another one, made in the other way, is the same.
    bool is(const DeviceColumns& other) const {
        have_numbers();
        const auto same = [&](const auto& own, const auto& others, bool there, bool otherwise) { return there == otherwise && (!there || own.copy(places_) == others.copy(places_)); };
        return places_ == other.places_ && numbers_ == other.numbers_ && lengths_.copy(lengths_.size() - 1) == other.lengths_.copy(lengths_.size() - 1) &&
               same(narrow_, other.narrow_, view_.narrow, other.view_.narrow) && same(wide_, other.wide_, view_.wide, other.view_.wide) && same(delays_, other.delays_, view_.delays, other.view_.delays);
    }
    // Beside the columns, which synapse each is: for those that draw numbers.
    void number() {
        if (!numbers_.empty()) numbered_.put(numbers_);
        view_.numbers = numbered_.data();
    }
    // Of the first `synapses` of the host's rows.
    List<std::uint32_t> places_of_synapses(std::uint64_t synapses, ThreadPool& pool) const {
        if (places_ >= none) throw Failure(Code::memory, "a connection of too many synapses");
        List<std::uint32_t> places(static_cast<std::size_t>(synapses));
        for_places(pool, [&](std::size_t place) { places[numbers_[place]] = static_cast<std::uint32_t>(place); });
        return places;
    }
    const Columns<Real>& view() const { return view_; }

    void send(const Untouched<Real>& from, DeviceArray<Real>& to, ThreadPool& pool) const {
        List<Real> values(places_, Real(0));
        for_places(pool, [&](std::size_t place) { values[place] = from[numbers_[place]]; });
        to.put(values);
    }
    void fetch(const DeviceArray<Real>& from, Untouched<Real>& to, ThreadPool& pool) const {
        List<Real> values(places_);
        from.take(values.data(), places_);
        for_places(pool, [&](std::size_t place) { to[numbers_[place]] = values[place]; });
    }

private:
    static constexpr std::uint32_t none = 0xFFFFFFFFu;  // a place behind a column's end

    template <typename Visit>
    void for_places(ThreadPool& pool, const Visit& visit) const {
        have_numbers();
        constexpr std::size_t at_once = 1 << 16;
        pool.run(static_cast<int>((places_ + at_once - 1) / at_once), [&](int task, int) {
            const std::size_t first = static_cast<std::size_t>(task) * at_once;
            for (std::size_t place = first; place < std::min(places_, first + at_once); ++place)
                if (numbers_[place] != none) visit(place);
        });
    }

    // A word of 32 columns takes as much as its longest.
    static List<std::uint64_t> slices_of(const List<std::uint32_t>& lengths) {
        List<std::uint64_t> slices(lengths.size() / 32 + 1, 0);
        for (std::size_t w = 0; w + 1 < slices.size(); ++w) {
            const auto first = lengths.begin() + static_cast<std::ptrdiff_t>(w * 32);
            slices[w + 1] = slices[w] + 32ull * *std::max_element(first, first + 32);
        }
        return slices;
    }
    // Those that kernels made.
    void have_numbers() const {
        if (numbers_.empty()) numbers_ = numbered_.copy(places_);
    }

    std::size_t places_ = 0;
    mutable List<std::uint32_t> numbers_;
    DeviceArray<std::uint64_t> slices_;
    DeviceArray<std::uint32_t> lengths_;
    DeviceArray<std::uint16_t> narrow_;
    DeviceArray<std::uint32_t> wide_;
    DeviceArray<std::uint16_t> delays_;
    DeviceArray<std::uint32_t> ascending_, numbered_;
    Columns<Real> view_ = {};
};

}  // namespace cuda
}  // namespace sncc
