// Samples of a batch that take turns under a bound on memory, and sequences that are cut in segments: launches for each turn and segment, which
// the host gives to the device at once, as a graph. It is kept for the next batches that are laid out alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "sncc/cuda_graph.h"
#include "sncc/cuda_learner.h"
#include "sncc/cuda_together.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

// Samples that run at once, of their sequences all or a segment, and then the sums over what they have left. Samples that keep nothing leave
// their rates alone; after the last of these the means over all samples are found.
template <typename Network>
struct Stage {
    SampleArguments<Network> samples;
    GatherArguments<Network> gather;
    bool ends_rates;
};

// Samples first .. first + most of all, as if there were no others: inputs and results are theirs, what is kept for the way back every turn's.
template <typename Network>
SampleArguments<Network> turn_of(const SampleArguments<Network>& all, std::int64_t first, std::int64_t most) {
    SampleArguments<Network> a = all;
    a.batch = static_cast<int>(std::min(most, all.batch - first));
    const std::int64_t steps = a.most_steps, labels = first * (a.label_per_step ? steps : 1);
    for (int q = 0; q < Network::sources + Network::thinned; ++q) {
        const int source = q < Network::sources ? q : Network::thinnings()[q - Network::sources].source;
        if (a.events[q].offsets) a.events[q].offsets += first * (steps + 1);
        if (a.values[q]) a.values[q] += first * steps * ((Network::source_sizes()[source].size + 15) / 16 * 16);
    }
    a.steps += first, a.trials += first;
    if (a.classes) a.classes += labels;
    if (a.targets) a.targets += labels * Network::outputs;
    a.losses += first, a.counts += 2 * first, a.outputs += first * Network::output_width, a.rates += first * Network::penalty_size, a.failures += first;
    if (a.step_outputs) a.step_outputs += first * steps * Network::output_width;
    return a;
}

template <typename Network>
class Turns {
public:
    Turns(Learner<Network>& learner, const Stream& stream) : learner_(learner), stream_(stream) {}

    // So many samples at once. `adds`: to what other samples of the batch have left.
    List<Stage<Network>> stages(const SampleArguments<Network>& all, std::int64_t at_once, bool adds) const {
        List<Stage<Network>> list;
        for (std::int64_t first = 0; first < all.batch; first += at_once) {
            SampleArguments<Network> a = turn_of(all, first, at_once);
            for (;;) {
                GatherArguments<Network> g = learner_.gather_arguments(a);
                g.round.adds = adds || first > 0 || a.round.resumes, g.round.adds_sums = adds || first > 0;
                list.push_back({a, g, false});
                if (a.round.origin == 0) break;
                a.round.origin -= a.length, a.round.resumes = true, a.finds_rates = false;
            }
        }
        return list;
    }
    // load() has the driver load the kernels, launch(stage, stream) gives those of a stage to a stream. With `rates_first` all samples run forwards once before.
    template <typename Load, typename Launch>
    void run(const SampleArguments<Network>& all, std::int64_t at_once, bool adds, bool rates_first, const Load& load, const Launch& launch) {
        const Captured wanted = {all, learner_.gather_arguments(all), at_once, adds, rates_first};
        for (Kept& kept : kept_)
            if (kept.graph.is_there() && kept.of == wanted && !is_forced("launches")) return kept.graph.replay(stream_);
        List<Stage<Network>> list;
        if (rates_first) list = forwards(all, at_once);
        for (const Stage<Network>& stage : stages(all, at_once, adds)) list.push_back(stage);
        const auto launch_all = [&](const Stream& stream) {
            for (const Stage<Network>& stage : list) launch(stage, stream);
        };
        if (list.size() == 1 || list.size() > most_stages || is_forced("launches")) return launch_all(stream_);
        load();
        Kept& kept = kept_[next_++ % count];
        try {
            kept.graph.capture(stream_, launch_all);
        } catch (const Failure& failure) {
            if (failure.code() != Code::memory) throw;
            return launch_all(stream_);  // there is no room for it
        }
        kept.of = wanted;
        kept.graph.replay(stream_);
    }

private:
    // What all launches follow from, beside what is read from the device's memory.
    struct Captured {
        SampleArguments<Network> samples;
        GatherArguments<Network> gather;
        std::int64_t at_once;
        bool adds, rates_first;

        bool operator==(const Captured& other) const {  // padding that differs costs a capture
            return std::memcmp(&samples, &other.samples, sizeof samples) == 0 && std::memcmp(&gather, &other.gather, sizeof gather) == 0 && at_once == other.at_once &&
                   adds == other.adds && rates_first == other.rates_first;
        }
    };
    struct Kept {
        Captured of = {};
        Graph graph{"the graph of a batch"};
    };

    static List<Stage<Network>> forwards(const SampleArguments<Network>& all, std::int64_t at_once) {
        List<Stage<Network>> list;
        for (std::int64_t first = 0; first < all.batch; first += at_once) {
            list.push_back({turn_of(all, first, at_once), {}, first + at_once >= all.batch});
            list.back().samples.keeps = false;
        }
        return list;
    }

    static constexpr int count = 4;                   // two batches in turn, and two at the end of an epoch
    static constexpr std::size_t most_stages = 1024;  // of a graph, which holds the arguments of each: of more a launch is the least part

    Learner<Network>& learner_;
    const Stream& stream_;
    Kept kept_[count];
    unsigned next_ = 0;
};

}  // namespace cuda
}  // namespace sncc
