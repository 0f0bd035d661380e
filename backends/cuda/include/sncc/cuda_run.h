// Steps of a simulation: the shared memory of a block, what it does between two meetings, a whole run.
#pragma once

#include "sncc/cuda_arrivals.h"

extern __shared__ unsigned char smem[];

namespace sncc {
namespace cuda {

// Operations begin .. end of the steps first + 1 .. last, for the block's own neurons; before the first one what was emitted since step
// `sent` goes into the rings.
template <typename Network>
__device__ inline void run_steps(const NetworkView<Network>& view, BlockRoom<Network>& room, unsigned* cells, std::int64_t first, std::int64_t last, std::int64_t sent,
                                 bool anew, int begin, int end) {
    const Programme<Network>& programme = room.programme;
    if (begin == 0 && view.sends) {
        const Step<Network> step(view, room.push, first);
        DeviceDelivery<Network>(step, room, cells).send_emitted(sent + 1, static_cast<int>(first - sent), first);
        if (anew) plan(room.programme, room.push, step, false);
    }
    int from = 0, to = end == Network::operations_count ? programme.count : 0;  // of what the block does, and of what is counted for it
    while (begin > 0 && from < programme.count && programme.operations[from] < begin) ++from;
    while (to < programme.count && programme.operations[to] < end) ++to;
    const bool is_idle = static_cast<int>(threadIdx.x / 32u) >= view.tile_words;  // without neurons of its own
    const int counted = from < to ? programme.slots[from] : 0, counts = from < to ? (to < programme.count ? programme.slots[to] : programme.counted_count) - counted : 0;
    std::int64_t told = first, ahead_of = first + 1;  // what is counted up to, and from
    for (std::int64_t n = first + 1; n <= last; ++n) {
        const Step<Network> step(view, room.push, n);
        const DeviceDelivery<Network> delivery(step, room, cells);
        if (counts > 0 && n > told) {
            const int steps = static_cast<int>(last - n + 1 < programme.counted_steps ? last - n + 1 : programme.counted_steps);
            delivery.count_ahead(counted, counted + counts, steps);
            told = n + steps - 1;
            ahead_of = n;
        }
        for (int k = from; k < to; ++k) {
            if (is_idle && !programme.together[k]) continue;
            const int operation = programme.operations[k], connection = view.delivers[operation];
            if (connection >= 0)  // in one place, so that the compiler has it once, without a call
                delivery.deliver(connection, programme.slots[k], static_cast<int>(n - ahead_of));
            else
                Network::operation(operation, step);
        }
        if (end == Network::operations_count) step.record();
    }
}

// Shared memory of a block: what its threads share, the network's tables where they fit, then what is counted.
template <typename Network>
struct SharedLayout {
    static constexpr std::size_t room = (sizeof(BlockRoom<Network>) + 15) / 16 * 16, view = (sizeof(NetworkView<Network>) + 15) / 16 * 16;
    static constexpr bool holds_view = room + view <= (96 << 10);
    static constexpr std::size_t cells = room + (holds_view ? view : 0);
};

// Calls run(view, room, cells) with it.
template <typename Network, typename Run>
__device__ inline void with_room(const StepArguments<Network>& g, const Run& run) {
    using Layout = SharedLayout<Network>;
    BlockRoom<Network>& room = *reinterpret_cast<BlockRoom<Network>*>(smem);
    unsigned* const cells = reinterpret_cast<unsigned*>(smem + Layout::cells);
    if constexpr (Layout::holds_view) copy_words(*reinterpret_cast<NetworkView<Network>*>(smem + Layout::room), *g.view);
    __syncthreads();
    const NetworkView<Network>& view = Layout::holds_view ? *reinterpret_cast<const NetworkView<Network>*>(smem + Layout::room) : *g.view;
    for_own(view.counted_cells, [&](int k) { cells[k] = 0; });
    plan(room.programme, room.push, Step<Network>(view, room.push, g.first), g.anew);
    run(view, room, cells);
}

// What lies between two meetings of all threads.
template <typename Network>
__device__ inline void run_phase(const StepArguments<Network>& g) {
    with_room(g, [&](const NetworkView<Network>& view, BlockRoom<Network>& room, unsigned* cells) {
        const std::int64_t since = g.since ? *g.since : 0;
        run_steps(view, room, cells, since + g.first, since + g.last, since + g.sent, g.anew, g.begin, g.end);
    });
}

// The next replay goes on where this one ends.
__device__ inline void advance(const AdvanceArguments& g) {
    if (threadIdx.x == 0) *g.since += g.steps;
}

// A whole run in one cooperative launch: the threads meet before every phase.
template <typename Network, typename Grid>
__device__ inline void run_and_meet(const StepArguments<Network>& g, const Grid& grid) {
    with_room(g, [&](const NetworkView<Network>& view, BlockRoom<Network>& room, unsigned* cells) {
        for (std::int64_t from = g.first; from < g.last; from += view.interval)
            for (int k = 0; k < view.phase_count; ++k) {
                if (k > 0 || from > g.first) grid.sync();
                const std::int64_t to = from + view.interval < g.last ? from + view.interval : g.last;
                run_steps(view, room, cells, from, to, from > g.first ? from - view.interval : g.sent, from == g.first && g.anew, view.phases[k], view.phases[k + 1]);
            }
    });
}

}  // namespace cuda
}  // namespace sncc
