// Synapses on the device: made on the host from its rows, by target, and what is one number for each of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sncc/cuda_memory.h"
#include "sncc/cuda_neurons.h"
#include "sncc/synapse_store.h"

namespace sncc {
namespace cuda {

// Whether sources are looked up by their spikes: where a word of 32 targets has an entry of every second source on average, what says where a
// source's entries stand takes no more than twice the entries, of which few are read in a step; sparser columns are as quickly looked through.
inline bool looked_up_by_spikes(double synapses, double sources, double targets) {
    const char* const forced = std::getenv("SNCC_CUDA_DELIVERY");  // push or pull: for tests and measurements
    if (forced) return std::strcmp(forced, "push") == 0;
    return 2 * synapses >= sources * std::ceil(targets / 32);
}

// The columns of one connection's synapses; `numbers` says where the numbers of each stand among the host's rows.
template <typename Real>
class DeviceColumns {
public:
    explicit DeviceColumns(DeviceMemory& memory)
        : slices_(memory, "the synapses' offsets"), lengths_(memory, "the synapses' offsets"), narrow_(memory, "the synapses' sources"),
          wide_(memory, "the synapses' sources"), delays_(memory, "the synapses' delays"), starts_(memory, "the synapses by source"),
          places_of_(memory, "the synapses by source"), ascending_(memory, "the synapses by source"), numbered_(memory, "the synapses' numbers") {}

    // `by_delay`: the longest delays first; `by_source`: they are read in the order of the sources, too.
    void build(const neurons::SynapseStore<Real>& store, bool delayed, bool by_delay, bool by_source, ThreadPool& pool) {
        const CompressedRows& rows = store.synapses.parts[0];
        if (rows.synapses() >= none) throw Failure(Code::memory, "a connection of more than 2^32 - 1 synapses");
        const neurons::ReverseIndex index = neurons::reverse(rows);
        const std::int64_t targets = rows.range.size(), words = (targets + 31) / 32;
        std::vector<std::uint32_t> lengths(static_cast<std::size_t>(words * 32), 0);
        for (std::int64_t j = 0; j < targets; ++j)
            lengths[static_cast<std::size_t>(j)] = static_cast<std::uint32_t>(index.offsets[static_cast<std::size_t>(j) + 1] - index.offsets[static_cast<std::size_t>(j)]);
        std::vector<std::uint64_t> slices(static_cast<std::size_t>(words) + 1, 0);
        for (std::int64_t w = 0; w < words; ++w) {
            const auto first = lengths.begin() + w * 32;
            slices[static_cast<std::size_t>(w) + 1] = slices[static_cast<std::size_t>(w)] + 32ull * *std::max_element(first, first + 32);
        }
        places_ = static_cast<std::size_t>(slices.back());
        numbers_.assign(places_, none);
        const bool is_narrow = store.synapses.sources() <= 0x10000;
        std::vector<std::uint16_t> narrow(is_narrow ? places_ : 0, 0), delays(delayed ? places_ : 0, 0);
        std::vector<std::uint32_t> wide(is_narrow ? 0 : places_, 0), ascending(by_delay && by_source ? places_ : 0, 0);
        if (!ascending.empty() && places_ >= none) throw Failure(Code::memory, "a connection of too many synapses");
        pool.run(static_cast<int>(words), [&](int word, int) {
            std::vector<std::uint64_t> column;
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
                std::vector<std::size_t> order(column.size());
                for (std::size_t e = 0; e < order.size(); ++e) order[e] = e;
                std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return column[a] < column[b]; });
                const std::size_t first = static_cast<std::size_t>(slices[static_cast<std::size_t>(word)]) + static_cast<std::size_t>(j % 32);
                for (std::size_t e = 0; e < order.size(); ++e) ascending[first + 32 * e] = static_cast<std::uint32_t>(first + 32 * order[e]);
            }
        });
        slices_.put(slices), lengths_.put(lengths);
        slices_of_ = std::move(slices);
        if (is_narrow)
            narrow_.put(narrow);
        else
            wide_.put(wide);
        if (delayed) delays_.put(delays);
        if (!ascending.empty()) ascending_.put(ascending);
        view_ = {slices_.data(), lengths_.data(), is_narrow ? narrow_.data() : nullptr, is_narrow ? nullptr : wide_.data(), delayed ? delays_.data() : nullptr,
                 nullptr, nullptr, 0, ascending.empty() ? nullptr : ascending_.data(), nullptr};
    }
    // Beside the columns, what a word of targets has of each source.
    void look_up_by_spikes(const neurons::SynapseStore<Real>& store, ThreadPool& pool) {
        const CompressedRows& rows = store.synapses.parts[0];
        const std::int64_t sources = store.synapses.sources(), words = (rows.range.size() + 31) / 32;
        std::vector<std::uint32_t> starts(static_cast<std::size_t>(words * (sources + 1)), 0), places(static_cast<std::size_t>(rows.synapses()));
        std::vector<std::uint32_t> of_words(static_cast<std::size_t>(words) + 1, 0);
        for (std::uint64_t k = 0; k < rows.synapses(); ++k) ++of_words[rows.target(k) / 32 + 1];
        for (std::size_t w = 1; w < of_words.size(); ++w) of_words[w] += of_words[w - 1];
        pool.run(static_cast<int>(words), [&](int word, int) {
            std::uint32_t* const from = starts.data() + word * (sources + 1);
            // A source's entries by place: several onto one target as they stand in its column, the order in which a row is delivered.
            std::vector<std::uint64_t> found;
            for (std::size_t place = slices_of_[static_cast<std::size_t>(word)]; place < slices_of_[static_cast<std::size_t>(word) + 1]; ++place)
                if (numbers_[place] != none) found.push_back(source_of(rows, numbers_[place]) << 32 | static_cast<std::uint32_t>(place));
            std::stable_sort(found.begin(), found.end(), [](std::uint64_t a, std::uint64_t b) { return (a >> 32) < (b >> 32); });
            const std::uint32_t begin = of_words[static_cast<std::size_t>(word)];
            for (std::size_t k = 0; k < found.size(); ++k) {
                places[begin + k] = static_cast<std::uint32_t>(found[k]);
                ++from[(found[k] >> 32) + 1];
            }
            from[0] = begin;
            for (std::int64_t i = 0; i < sources; ++i) from[i + 1] += from[i];
        });
        starts_.put(starts), places_of_.put(places);
        view_.starts = starts_.data(), view_.places = places_of_.data(), view_.sources = sources;
    }
    // Beside the columns, which synapse each is: for those that draw numbers.
    void number() {
        numbered_.put(numbers_);
        view_.numbers = numbered_.data();
    }
    bool can_be_looked_up() const { return places_ < none; }
    const Columns<Real>& view() const { return view_; }

    void send(const Untouched<Real>& from, DeviceArray<Real>& to, ThreadPool& pool) const {
        std::vector<Real> values(places_, Real(0));
        for_places(pool, [&](std::size_t place) { values[place] = from[numbers_[place]]; });
        to.put(values);
    }
    void fetch(const DeviceArray<Real>& from, Untouched<Real>& to, ThreadPool& pool) const {
        std::vector<Real> values(places_);
        from.take(values.data(), places_);
        for_places(pool, [&](std::size_t place) { to[numbers_[place]] = values[place]; });
    }

private:
    static constexpr std::uint32_t none = 0xFFFFFFFFu;  // a place behind a column's end

    template <typename Visit>
    void for_places(ThreadPool& pool, const Visit& visit) const {
        constexpr std::size_t at_once = 1 << 16;
        pool.run(static_cast<int>((places_ + at_once - 1) / at_once), [&](int task, int) {
            const std::size_t first = static_cast<std::size_t>(task) * at_once;
            for (std::size_t place = first; place < std::min(places_, first + at_once); ++place)
                if (numbers_[place] != none) visit(place);
        });
    }

    static std::uint64_t source_of(const CompressedRows& rows, std::uint32_t synapse) {
        const std::uint64_t* const offsets = rows.offsets.data();
        return static_cast<std::uint64_t>(std::upper_bound(offsets, offsets + rows.offsets.size(), std::uint64_t(synapse)) - offsets) - 1;
    }

    std::size_t places_ = 0;
    std::vector<std::uint64_t> slices_of_;
    std::vector<std::uint32_t> numbers_;
    DeviceArray<std::uint64_t> slices_;
    DeviceArray<std::uint32_t> lengths_;
    DeviceArray<std::uint16_t> narrow_;
    DeviceArray<std::uint32_t> wide_;
    DeviceArray<std::uint16_t> delays_;
    DeviceArray<std::uint32_t> starts_, places_of_, ascending_, numbered_;
    Columns<Real> view_ = {};
};

}  // namespace cuda
}  // namespace sncc
