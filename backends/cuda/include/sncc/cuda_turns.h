// Samples of a batch that take turns under a bound on memory, and sequences that are cut in segments: launches for each turn and segment, which
// the host gives to the device at once, as a graph. It is kept for the next batches that are laid out alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "sncc/cuda_graph.h"
#include "sncc/cuda_learner.h"
#include "sncc/cuda_signals.h"
#include "sncc/cuda_together.h"

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
        if (a.events[q].offsets) a.events[q].offsets += first * (steps + 1);
        if (a.values[q]) a.values[q] += first * steps * stride_of_source<Network>(q);
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
    Turns(DeviceMemory& memory, Learner<Network>& learner, const Stream& stream) : learner_(learner), stream_(stream), signals_(memory) {}

    // Of the signals that wait, for so many samples at once.
    void make_room(WaitingSignals<Network>& waiting, std::int64_t at_once, std::int64_t most_steps) { signals_.make_room(waiting, at_once, most_steps); }
    // Gives launch(stage, stream) the stages of all turns and segments, in their order. With `rates_first` all samples run forwards once before.
    template <typename Launch>
    void give(const SampleArguments<Network>& all, const WaitingSignals<Network>& waiting, std::int64_t at_once, bool rates_first, const Stream& stream, const Launch& launch) {
        if (waiting.any) signals_.begin(stream);
        for (int pass = rates_first ? 0 : 1; pass < 2; ++pass)
            for (std::int64_t first = 0; first < all.batch; first += at_once) {
                SampleArguments<Network> a = turn_of(all, first, at_once);
                if (waiting.any) signals_.bring(a, waiting, first, stream);
                if (a.keeps = pass > 0; a.keeps)
                    give_segments(a, first > 0, stream, launch);
                else
                    launch({a, {}, first + at_once >= all.batch}, stream);
                if (waiting.any) signals_.end_turn(stream);
            }
    }
    // The same as one graph, where these are several. load() has the driver load the kernels, launch(stage, stream) gives those of a stage to a stream.
    template <typename Load, typename Launch>
    void run(const SampleArguments<Network>& all, const WaitingSignals<Network>& waiting, std::int64_t at_once, bool rates_first, const Load& load, const Launch& launch) {
        const auto give_all = [&](const Stream& stream) { give(all, waiting, at_once, rates_first, stream, launch); };
        const bool is_one = at_once >= all.batch && all.segments <= 1 && !rates_first;
        if (is_one || is_forced("launches")) return give_all(stream_);
        const Captured wanted = {all, learner_.gather_arguments(all), waiting, at_once, rates_first};
        for (Kept& kept : kept_)
            if (kept.graph.is_there() && kept.of == wanted) return kept.graph.replay(stream_);
        load();
        Kept& kept = kept_[next_++ % count];
        for (const bool again : {false, true}) try {
            kept.graph.capture(stream_, give_all);
            kept.of = wanted;
            return kept.graph.replay(stream_);
        } catch (const Failure& failure) {
            if (failure.code() != Code::memory) throw;
            if (!again) for (Kept& other : kept_) other.graph.drop();  // which leaves room
        }
        give_all(stream_);  // there is no room for it
    }

private:
    // What all launches follow from, beside what is read from the device's memory.
    struct Captured {
        SampleArguments<Network> samples;
        GatherArguments<Network> gather;
        WaitingSignals<Network> waiting;
        std::int64_t at_once;
        bool rates_first;

        bool operator==(const Captured& other) const {  // padding that differs costs a capture
            return std::memcmp(&samples, &other.samples, sizeof samples) == 0 && std::memcmp(&gather, &other.gather, sizeof gather) == 0 &&
                   std::memcmp(&waiting, &other.waiting, sizeof waiting) == 0 && at_once == other.at_once && rates_first == other.rates_first;
        }
    };
    struct Kept {
        Captured of = {};
        Graph graph{"the graph of a batch"};
    };

    // The samples of a turn, segment by segment; `adds` to what others of the batch have left.
    template <typename Launch>
    void give_segments(SampleArguments<Network> a, bool adds, const Stream& stream, const Launch& launch) const {
        for (;;) {
            GatherArguments<Network> g = learner_.gather_arguments(a);
            g.round.adds = adds || a.round.resumes, g.round.adds_sums = adds;
            launch({a, g, false}, stream);
            if (a.round.origin == 0) return;
            a.round.origin -= a.length, a.round.resumes = true, a.finds_rates = false;
        }
    }

    static constexpr int count = 4;  // two batches in turn, and two at the end of an epoch

    Learner<Network>& learner_;
    const Stream& stream_;
    SignalsInTurn<Network> signals_;
    Kept kept_[count];
    unsigned next_ = 0;
};

}  // namespace cuda
}  // namespace sncc
