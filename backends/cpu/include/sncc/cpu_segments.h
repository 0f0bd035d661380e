// Training on long sequences under a memory bound. A sequence is cut into segments. The forward pass keeps the states at the start
// of each, and the tape of the last one alone; the reverse phase runs a segment forwards once more, from the kept states, before
// it goes back through it (Griewank and Walther 2000: one level of checkpoints, each step computed at most twice).
//
// Gradients are gathered in blocks of `gather_steps` steps, from the last to the first, and segments are whole blocks: the same
// numbers are added in the same order whatever the bound.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "sncc/engine.h"
#include "sncc/ahead.h"
#include "sncc/memory.h"
#include "sample.h"

namespace sncc {
namespace cpu {

// Segments of `length` steps; the last may be shorter. Credit comes from up to `delay` steps behind one.
struct Segments {
    std::int64_t steps = 1, length = 1, delay = 0;

    std::int64_t count() const { return (steps + length - 1) / length; }
    std::int64_t origin(std::int64_t segment) const { return segment * length; }
    std::int64_t end(std::int64_t segment) const { return std::min(steps, (segment + 1) * length); }
};

// What a tile keeps of sequences in such segments, counted per sample: rows of the tape and of series, steps ahead, states.
struct Kept {
    std::int64_t rows = 0, series = 0, ahead = 0, states = 0;

    // The room in which one and then the other are kept.
    Kept with(const Kept& o) const { return {std::max(rows, o.rows), std::max(series, o.series), std::max(ahead, o.ahead), std::max(states, o.states)}; }
};
template <typename Network>
Kept kept_of(const Segments& segments) {
    const bool cut = segments.count() > 1;
    return {segments.length + (cut ? segments.delay : 0), segments.steps + Network::most_delay + 1, std::min(segments.steps, steps_ahead), cut ? segments.count() : 0};
}
// Bytes that a tile takes for them.
template <typename Network>
std::int64_t bytes_of(const Kept& kept) {
    const std::int64_t reals = kept.rows * (Network::tape_columns + Tile<Network>::error_width) + kept.series * Network::series_width + kept.ahead * Network::arrival_columns;
    return Tile<Network>::size * (reals * static_cast<std::int64_t>(sizeof(typename Network::Real)) + kept.states * static_cast<std::int64_t>(sizeof(typename Network::State)));
}
template <typename Network>
std::int64_t bytes_of(const Segments& segments) {
    return bytes_of<Network>(kept_of<Network>(segments));
}

[[noreturn]] SNCC_COLD inline void refuse_memory(std::int64_t steps, int threads, std::int64_t needed, std::int64_t memory) {
    throw Failure(Code::memory, "training on " + std::to_string(steps) + " steps takes at least " + readable_bytes(static_cast<double>(needed), true) + " in " +
                                    std::to_string(threads) + (threads > 1 ? " threads" : " thread") + ", and the network was built with `memory` = " +
                                    readable_bytes(static_cast<double>(memory)) + ": build it with more, or " +
                                    (threads > 1 ? "load it with fewer threads" : "take shorter samples"));
}

// Throws Failure where `needed` bytes, some of which are kept from batches before, do not fit into the memory that is left.
SNCC_COLD inline void refuse_too_long(std::int64_t steps, int threads, double needed, double kept) {
    const double left = needed > kept ? available_memory() : needed;
    if (needed - kept > left)
        throw Failure(Code::memory, "training on " + std::to_string(steps) + " steps takes " + readable_bytes(needed) + " in " + std::to_string(threads) +
                                        (threads > 1 ? " threads, and " : " thread, and ") + readable_bytes(left) + " are free: " +
                                        (threads > 1 ? "load the network with fewer threads, " : "") + "build it with a bound, `memory`, or take shorter samples");
}

// The longest segments with which `threads` tiles and the chains' gradients stay within the bound.
template <typename Network>
Segments segments_of(std::int64_t steps, std::int64_t delay, int threads, std::int64_t gradient_bytes) {
    constexpr std::int64_t block = Network::gather_steps;
    Segments segments{steps, steps, delay};
    if (Network::memory == 0) return segments;
    const std::int64_t room = (Network::memory - gradient_bytes) / threads;
    std::int64_t least = bytes_of<Network>(segments);
    for (std::int64_t blocks = (steps + block - 1) / block; least > room && blocks >= 1; --blocks) {
        segments.length = std::min(steps, blocks * block);
        const std::int64_t bytes = bytes_of<Network>(segments);
        if (bytes <= room) return segments;
        least = std::min(least, bytes);
    }
    if (least <= room) return segments;
    refuse_memory(steps, threads, gradient_bytes + threads * least, Network::memory);
}

// States of a tile's samples at the starts of segments.
template <typename Network>
class Checkpoints {
    using State = typename Network::State;

public:
    void begin(const Segments& segments) {
        const std::size_t states = segments.count() > 1 ? static_cast<std::size_t>(segments.count() * Tile<Network>::size) : 0;
        if (states_.size() < states) states_.make(states);
    }
    void keep(std::int64_t segment, int s, const State& state) { at(segment, s) = state; }
    const State& of(std::int64_t segment, int s) { return at(segment, s); }

private:
    State& at(std::int64_t segment, int s) { return states_[static_cast<std::size_t>(segment * Tile<Network>::size + s)]; }

    AlignedBuffer<State> states_;
};

// Makes room for the segment before the tape's first step: the adjoints of that step and of those that are reached from before
// it by a delay move behind the segment.
template <typename Network>
void move_tape(Tile<Network>& tile, const Segments& segments, std::int64_t segment) {
    using Real = typename Network::Real;
    for (std::int64_t k = 0; k < Network::tape_slots; ++k) {
        const std::int64_t row = std::int64_t(Network::slots()[k].width) * Tile<Network>::size;
        Real* first = tile.tape.data() + Network::slots()[k].column * tile.room * Tile<Network>::size;
        std::memmove(first + segments.length * row, first, sizeof(Real) * static_cast<std::size_t>(segments.delay * row));
    }
    tile.origin = segments.origin(segment);
}

}  // namespace cpu
}  // namespace sncc
