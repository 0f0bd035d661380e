// Compressed rows: for every source neuron the targets that one worker owns, ascending, in the narrowest index type.
#pragma once

#include <cstdint>

#include "untouched.h"
#include "sncc/aligned.h"
#include "sncc/list.h"

namespace sncc {

// The neurons [begin, end) of a population that a worker owns.
struct Range {
    std::int64_t begin = 0, end = 0;
    std::int64_t size() const { return end - begin; }
};

// Cuts `size` neurons into ranges of multiples of 64, one per worker, some perhaps empty.
inline List<Range> ranges_of(std::int64_t size, int workers) {
    List<Range> ranges;
    const std::int64_t blocks = (size + 63) / 64;
    for (int w = 0; w < workers; ++w) {
        const std::int64_t begin = blocks * w / workers * 64, end = blocks * (w + 1) / workers * 64;
        ranges.push_back({begin < size ? begin : size, end < size ? end : size});
    }
    return ranges;
}

// Room for so many indices, of 16 bits or of 32.
inline void allocate_indices(Untouched<std::uint16_t>& narrow, Untouched<std::uint32_t>& wide, bool are_narrow, std::size_t count) {
    if (are_narrow)
        narrow = Untouched<std::uint16_t>(count);
    else
        wide = Untouched<std::uint32_t>(count);
}

// Rows of one worker. Targets count from the range's begin; row i is [offsets[i], offsets[i + 1]).
struct CompressedRows {
    Range range;
    Untouched<std::uint64_t> offsets;
    Untouched<std::uint16_t> narrow;  // where the range has at most 2^16 neurons
    Untouched<std::uint32_t> wide;    // elsewhere

    bool is_narrow() const { return range.size() <= 0x10000; }
    std::uint64_t synapses() const { return offsets.size() ? offsets[offsets.size() - 1] : 0; }
    std::uint32_t target(std::uint64_t k) const { return is_narrow() ? narrow[k] : wide[k]; }
    void set(std::uint64_t k, std::uint32_t target) {
        if (is_narrow())
            narrow[k] = static_cast<std::uint16_t>(target);
        else
            wide[k] = target;
    }
    // Turns counts in offsets[1 ..] into offsets, and makes room for the targets.
    void allocate() {
        for (std::size_t i = 1; i < offsets.size(); ++i) offsets[i] += offsets[i - 1];
        make_room();
    }
    void make_room() { allocate_indices(narrow, wide, is_narrow(), synapses() + 1); }
};

// All synapses of a connection: a table of rows per worker, and where the synapses of each source begin in the user's
// order (by source, then target).
struct Synapses {
    List<CompressedRows> parts;
    List<std::uint64_t> starts;             // (sources + 1,)
    List<Untouched<std::uint32_t>> kernel;  // per part the element of a shared kernel; empty where there is none

    std::uint64_t count() const { return starts.empty() ? 0 : starts.back(); }
    std::int64_t sources() const { return starts.empty() ? 0 : static_cast<std::int64_t>(starts.size()) - 1; }
    // Calls visit(part, k, number) for the synapses of sources [first, last): k within the part, number in the user's order.
    template <typename Visit>
    void for_each(std::int64_t first, std::int64_t last, Visit&& visit) const {
        for (std::int64_t i = first; i < last; ++i) {
            std::uint64_t number = starts[static_cast<std::size_t>(i)];
            for (std::size_t p = 0; p < parts.size(); ++p)
                for (std::uint64_t k = parts[p].offsets[static_cast<std::size_t>(i)]; k < parts[p].offsets[static_cast<std::size_t>(i) + 1]; ++k)
                    visit(p, k, number++);
        }
    }
    // After the parts' offsets stand.
    void number() {
        const std::size_t rows = parts.empty() ? 0 : parts[0].offsets.size();
        starts.assign(rows, 0);
        for (std::size_t i = 0; i < rows; ++i)
            for (const CompressedRows& part : parts) starts[i] += part.offsets[i];
    }
};

}  // namespace sncc
