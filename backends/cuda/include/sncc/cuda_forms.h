// The forms in which steps are launched: all at once, with threads that meet across the grid, or what lies between two such meetings one
// after the other, as a graph that is replayed.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "sncc/cuda_graph.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_run.h"
#include "sncc/cuda_together.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

// Blocks and what each has.
struct LaunchShape {
    int blocks, threads;
    std::size_t shared;

    bool operator==(const LaunchShape& other) const { return blocks == other.blocks && threads == other.threads && shared == other.shared; }
};

template <typename Network>
class Forms {
public:
    Forms(DeviceMemory& memory, const Stream& stream) : stream_(stream), since_(memory, "the place of a replay") {
        check(cudaDeviceGetAttribute(&cooperates_, cudaDevAttrCooperativeLaunch, 0), "cudaDeviceGetAttribute");
    }

    // Steps all.first + 1 .. all.last, all operations. `view`: what stands at all.view. An error of the graph comes before the first step.
    void launch(const NetworkView<Network>& view, const StepArguments<Network>& all, const LaunchShape& shape, int multiprocessors) {
        const bool fits = cooperates_ && shape.blocks <= Network::resident_blocks(shape.threads, shape.shared) * multiprocessors;
        if (fits && !is_forced("graph") && !is_forced("launches")) return Network::launch_run(all, shape.blocks, shape.threads, shape.shared, stream_);
        const std::int64_t replayed = replayed_stretches(view) * view.interval;  // steps
        std::int64_t next = all.first + view.interval;  // the first stretch has its own way to send what was emitted before
        const bool replays = !is_forced("launches") && next + replayed <= all.last;
        if (replays) {
            keep_graph(view, all.view, shape);
            since_.put(&next, 1);
        }
        launch_stretch(view, {all.view, all.first, std::min(all.last, next), all.sent, all.anew, 0, 0, nullptr}, shape, stream_);
        for (; replays && next + replayed <= all.last; next += replayed) graph_.replay(stream_);
        for (; next < all.last; next += view.interval)
            launch_stretch(view, {all.view, next, std::min(all.last, next + view.interval), next - view.interval, false, 0, 0, nullptr}, shape, stream_);
    }

private:
    // What the graph depends on beside what is read from the device's memory.
    struct Captured {
        const NetworkView<Network>* view;
        const std::int64_t* since;
        LaunchShape shape;
        std::int64_t interval, stretches;
        List<int> phases;

        bool operator==(const Captured& other) const {
            return view == other.view && since == other.since && shape == other.shape && interval == other.interval && stretches == other.stretches &&
                   std::equal(phases.begin(), phases.end(), other.phases.begin(), other.phases.end());
        }
    };

    static std::int64_t replayed_stretches(const NetworkView<Network>& view) {
        if (const char* const forced = std::getenv("SNCC_CUDA_REPLAYED")) return std::max(1, std::atoi(forced));  // for tests
        return std::max(1, most_launches / view.phase_count);
    }
    // Captured anew only where something that it was made of has changed.
    void keep_graph(const NetworkView<Network>& view, const NetworkView<Network>* there, const LaunchShape& shape) {
        since_.reserve(1);
        const Captured wanted = {there, since_.data(), shape, view.interval, replayed_stretches(view), List<int>(view.phases, view.phases + view.phase_count + 1)};
        if (graph_.is_there() && wanted == captured_) return;
        Network::load_phase(shape.shared);
        graph_.capture(stream_, [&](const Stream& stream) {
            for (std::int64_t stretch = 0; stretch < wanted.stretches; ++stretch)
                launch_stretch(view, {there, stretch * view.interval, (stretch + 1) * view.interval, (stretch - 1) * view.interval, false, 0, 0, since_.data()}, shape, stream);
            Network::launch_advance({since_.data(), wanted.stretches * view.interval}, stream);
        });
        captured_ = wanted;
    }
    void launch_stretch(const NetworkView<Network>& view, StepArguments<Network> g, const LaunchShape& shape, const Stream& stream) const {
        for (int k = 0; k < view.phase_count; ++k) {
            g.begin = view.phases[k], g.end = view.phases[k + 1];
            Network::launch_phase(g, shape.blocks, shape.threads, shape.shared, stream);
        }
    }

    static constexpr int most_launches = 64;  // of a graph: a call of the host each then costs little

    const Stream& stream_;
    DeviceArray<std::int64_t> since_;
    Graph graph_{"the graph of a run's steps"};
    Captured captured_ = {};
    int cooperates_ = 0;
};

}  // namespace cuda
}  // namespace sncc
