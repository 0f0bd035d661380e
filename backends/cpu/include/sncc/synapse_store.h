// The synapses of a connection in memory: rows per worker, and beside them weights, delays and states.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "bit_rows.h"
#include "connectivity.h"
#include "delay_limit.h"
#include "delay_order.h"
#include "neuron_tables.h"
#include "sncc/call.h"
#include "sncc/engine.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

// One number per synapse, per worker.
template <typename Real>
struct SynapseField {
    List<Untouched<Real>> parts;
};

// For each of a worker's target neurons its synapses: place in the worker's rows, and source.
struct ReverseIndex {
    List<std::uint64_t> offsets;
    Untouched<std::uint64_t> entries;  // the place in the low 32 bits, the source in the high ones
};

inline ReverseIndex reverse(const CompressedRows& rows) {
    ReverseIndex index;
    const std::uint64_t count = rows.synapses();
    index.offsets.assign(static_cast<std::size_t>(rows.range.size()) + 1, 0);
    for (std::uint64_t k = 0; k < count; ++k) ++index.offsets[rows.target(k) + 1];
    for (std::size_t j = 1; j < index.offsets.size(); ++j) index.offsets[j] += index.offsets[j - 1];
    index.entries = Untouched<std::uint64_t>(count + 1);
    List<std::uint64_t> next(index.offsets.begin(), index.offsets.end());
    for (std::size_t i = 0; i + 1 < rows.offsets.size(); ++i)
        for (std::uint64_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k)
            index.entries[next[rows.target(k)]++] = static_cast<std::uint64_t>(i) << 32 | k;
    return index;
}

// A connection's synapses and what is one number for each of them. Threads may fill different sources at once.
template <typename Real>
class SynapseStore {
public:
    static constexpr std::int64_t sources_at_once = 256;

    Synapses synapses;
    List<BitRows> bits;  // by part, instead of the rows' targets
    List<ReverseIndex> reversed;
    Delays delays;
    DelayOrder by_delay;  // where rows are looked through by it

    bool built() const { return !synapses.parts.empty(); }
    // Its synapses are made elsewhere; here is known how many each source has, and which delays they have.
    bool is_counted() const { return !built() && !synapses.starts.empty(); }

    template <typename Visit>
    void for_each(ThreadPool& pool, Visit&& visit) const {
        for_each_source(pool, [&](std::int64_t i) {
            synapses.for_each(i, i + 1, [&](std::size_t part, std::uint64_t k, std::uint64_t number) { visit(part, k, number, static_cast<std::uint32_t>(i)); });
        });
    }
    // Calls visit(part, k, number, i, count) for stretches of synapses of one source that follow one another in a part.
    static constexpr int stretch = 256;
    template <typename Visit>
    void for_each_stretch(ThreadPool& pool, Visit&& visit) const {
        for_each_source(pool, [&](std::int64_t i) {
            const std::size_t row = static_cast<std::size_t>(i);
            std::uint64_t number = synapses.starts[row];
            for (std::size_t part = 0; part < synapses.parts.size(); ++part)
                for (std::uint64_t k = synapses.parts[part].offsets[row]; k < synapses.parts[part].offsets[row + 1];) {
                    const std::uint64_t count = std::min<std::uint64_t>(stretch, synapses.parts[part].offsets[row + 1] - k);
                    visit(part, k, number, static_cast<std::uint32_t>(i), static_cast<int>(count));
                    k += count, number += count;
                }
        });
    }
    template <typename Visit>
    void for_each_source(ThreadPool& pool, Visit&& visit) const {
        const std::int64_t sources = synapses.sources();
        pool.run(static_cast<int>((sources + sources_at_once - 1) / sources_at_once), [&](int task, int) {
            const std::int64_t first = task * sources_at_once;
            for (std::int64_t i = first; i < std::min(sources, first + sources_at_once); ++i) visit(i);
        });
    }
    std::uint32_t target(std::size_t part, std::uint64_t k) const {
        return static_cast<std::uint32_t>(synapses.parts[part].range.begin) + synapses.parts[part].target(k);
    }
    void allocate(SynapseField<Real>& field) const {
        field.parts.clear();
        for (const CompressedRows& part : synapses.parts) field.parts.emplace_back(part.synapses() + 1);
    }

    // `steps_of(part, k, number, i, count, to)` gives the delays of a stretch of synapses in steps, at least `least`. Gives the longest,
    // which is more than `longest_delay` where they cannot be stored.
    SNCC_COLD int set_delays(ThreadPool& pool, int least, const Call<void(std::size_t part, std::uint64_t k, std::uint64_t number, std::uint32_t i, int count, double* to)>& steps_of) {
        std::atomic<int> lowest{longest_delay}, highest{0};
        const auto fill = [&](auto& arrays, int limit) {
            arrays.clear();
            for (const CompressedRows& part : synapses.parts) arrays.emplace_back(part.synapses() + 1);
            std::mutex mutex;
            for_each_stretch(pool, [&](std::size_t part, std::uint64_t k, std::uint64_t number, std::uint32_t i, int count) {
                double drawn[stretch];
                steps_of(part, k, number, i, count, drawn);
                int low = longest_delay, high = 0;
                for (int e = 0; e < count; ++e) {
                    const int steps = legal_steps(drawn[e], least);
                    low = std::min(low, steps), high = std::max(high, steps);
                    arrays[part][k + static_cast<std::uint64_t>(e)] = static_cast<std::remove_reference_t<decltype(arrays[part][0])>>(std::min(steps, limit));
                }
                if (low >= lowest && high <= highest) return;
                const std::lock_guard<std::mutex> lock(mutex);
                lowest = std::min<int>(lowest, low), highest = std::max<int>(highest, high);
            });
        };
        delays.wide.clear();
        fill(delays.narrow, 0xFF);
        const int most = highest;
        if (most > 0xFF) {
            delays.narrow.clear();
            fill(delays.wide, longest_delay);
        }
        delays.most = most;
        delays.least = std::min<int>(lowest, std::max(most, least));
        return most;
    }

    // Rows of bits instead of rows of targets.
    SNCC_COLD void to_bits(ThreadPool& pool) {
        bits = List<BitRows>(synapses.parts.size());
        pool.run(static_cast<int>(bits.size()), [&](int part, int) {
            CompressedRows& rows = synapses.parts[static_cast<std::size_t>(part)];
            bits[static_cast<std::size_t>(part)] = BitRows(rows);
            rows.narrow = Untouched<std::uint16_t>(), rows.wide = Untouched<std::uint32_t>();
        });
    }
    void reverse_all(ThreadPool& pool) {
        reversed.resize(synapses.parts.size());
        pool.run(static_cast<int>(reversed.size()), [&](int part, int) {
            const CompressedRows& rows = synapses.parts[static_cast<std::size_t>(part)];
            if (rows.synapses() >> 32) throw Failure(Code::memory, "a plastic connection of more than 2^32 synapses");
            reversed[static_cast<std::size_t>(part)] = reverse(rows);
        });
    }
};

// ------------------------------------------------------------------------------------------------ memory
// Bytes per synapse: index, weight and states, delay, reverse index.
inline double bytes_per_synapse(std::int64_t widest_range, int fields, std::size_t real, bool delayed, bool reversed) {
    return (widest_range <= 0x10000 ? 2.0 : 4.0) + static_cast<double>(fields) * static_cast<double>(real) + (delayed ? 1.0 : 0.0) + (reversed ? 8.0 : 0.0);
}

}  // namespace neurons
}  // namespace sncc
