// Delays of a connection's synapses, and the order in which spikes arrive over them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "compressed_rows.h"
#include "sncc/list.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace neurons {

// Delays in steps: one byte each where all fit.
struct Delays {
    List<Untouched<std::uint8_t>> narrow;
    List<Untouched<std::uint16_t>> wide;
    int least = 0, most = 0;
    bool is_narrow() const { return wide.empty(); }
    int of(std::size_t part, std::uint64_t k) const { return is_narrow() ? narrow[part][k] : wide[part][k]; }
};

// Each row's synapses by delay, for rows that are looked through for those over which a spike arrives now.
class DelayOrder {
public:
    // Bytes that one synapse takes, where rows are so long and delays span so many steps.
    static double bytes_of_each(double row, double steps) { return 4.0 + (has_starts(row, steps) ? 4.0 * (steps + 1) / row : 0.0); }

    SNCC_COLD void fill(const List<CompressedRows>& rows, const Delays& delays, ThreadPool& pool) {
        least_ = delays.least, steps_ = std::max(0, delays.most - delays.least + 1);
        parts_ = List<Part>(rows.size());
        pool.run(static_cast<int>(rows.size()), [&](int part, int) { fill(parts_[static_cast<std::size_t>(part)], rows[static_cast<std::size_t>(part)], delays, static_cast<std::size_t>(part)); });
    }
    // Calls visit(k), ascending, for the synapses [begin, end) of source i that have a delay.
    template <typename Visit>
    SNCC_INLINE void for_delay(std::size_t p, const Delays& delays, std::uint32_t i, std::uint64_t begin, std::uint64_t end, int delay, Visit&& visit) const {
        const Part& part = parts_[p];
        const std::uint32_t* const order = part.order.data() + begin;
        if (part.starts.size()) {
            const std::uint32_t* const starts = part.starts.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(steps_ + 1) + static_cast<std::size_t>(delay - least_);
            for (std::uint32_t e = starts[0]; e < starts[1]; ++e) visit(begin + order[e]);
            return;
        }
        const std::uint32_t* const last = order + (end - begin);
        const std::uint32_t* e = std::lower_bound(order, last, delay, [&](std::uint32_t k, int sought) { return delays.of(p, begin + k) < sought; });
        for (; e < last && delays.of(p, begin + *e) == delay; ++e) visit(begin + *e);
    }

private:
    struct Part {
        Untouched<std::uint32_t> order;   // a row's synapses, counted from its first
        Untouched<std::uint32_t> starts;  // of every row where each delay begins, and where the last one ends; none where that is more than the synapses
    };
    static bool has_starts(double row, double steps) { return steps + 1 <= row; }

    SNCC_COLD void fill(Part& part, const CompressedRows& rows, const Delays& delays, std::size_t p) const {
        const std::size_t sources = rows.offsets.size() - 1, columns = static_cast<std::size_t>(steps_ + 1);
        part.order = Untouched<std::uint32_t>(rows.synapses() + 1);
        const bool starts = sources > 0 && has_starts(static_cast<double>(rows.synapses()) / static_cast<double>(sources), steps_);
        if (starts) part.starts = Untouched<std::uint32_t>(sources * columns);
        List<std::uint32_t> begins(columns);
        for (std::size_t i = 0; i < sources; ++i) {
            const std::uint64_t begin = rows.offsets[i], end = rows.offsets[i + 1];
            begins.assign(columns, 0);
            for (std::uint64_t k = begin; k < end; ++k) ++begins[static_cast<std::size_t>(delays.of(p, k) - least_) + 1];
            for (std::size_t d = 1; d < columns; ++d) begins[d] += begins[d - 1];
            if (starts) std::copy(begins.begin(), begins.end(), part.starts.data() + i * columns);
            for (std::uint64_t k = begin; k < end; ++k) part.order[begin + begins[static_cast<std::size_t>(delays.of(p, k) - least_)]++] = static_cast<std::uint32_t>(k - begin);
        }
    }

    List<Part> parts_;
    int least_ = 0, steps_ = 0;
};

}  // namespace neurons
}  // namespace sncc
