// What the samples of a batch keep in device memory from their forward phase, for the way back and for gradients; how many of them
// a bound on memory lets run at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_parameters.h"
#include "sncc/cuda_rows.h"
#include "sncc/engine.h"
#include "sncc/memory.h"

namespace sncc {
namespace cuda {

// Where the traces of a sample stand: those known when the code was emitted, then those of synapses in rows.
template <typename Network>
void place_traces(SampleArguments<Network>& a, const ParametersOnDevice<Network>& numbers, const Connectivity<Network>& connectivity) {
    a.gathered = numbers.gathered.data(), a.gradient_width = numbers.gradient_size, a.trace_size = Network::trace_size;
    std::int64_t emitted = Network::emitted_size;
    for (int u = 0; u < Network::late_trace_count; ++u) {
        const LateTraces& late = Network::late_traces()[u];
        a.trace_starts[u] = a.trace_size;
        const auto most = [&](int rows) { return rows < 0 ? 1 : connectivity.row(rows).most_of_a_source(); };
        const std::int64_t size = late.rows < 0 ? late.size : room_of(connectivity.row(late.rows));
        a.trace_size += late.count * size * most(late.along) * most(late.around) * (late.steps < 0 ? 1 : connectivity.row(late.steps).most_delay() + 1);
        if (late.rows < 0) continue;
        const SynapseRows& rows = connectivity.row(late.rows);
        if (rows.info().delays >= 0) emitted = std::max<std::int64_t>(emitted, rows.slots() * ((rows.sources() + 15) / 16 * 16));
    }
    a.trace_width = a.trace_size + (Network::cluster > 0 ? Network::cluster * (Network::part_size + emitted) : emitted);
}

// Samples that run at once, steps whose tape is kept at once, and whether signals wait on the host for the turn of their samples.
struct Plan {
    std::int64_t at_once, length;
    bool signals_wait;
};

template <typename Network>
class KeptOfSamples {
    using Real = typename Network::Real;

public:
    explicit KeptOfSamples(DeviceMemory& memory) : memory_(memory) {}

    // How a batch runs within the network's bound on memory, beside `gradient_size` numbers, each sample with traces of `trace_width`; all at once without a bound.
    // Segments are computed twice, so they have to let more samples run. In lockstep none can wait. The device has the signals of all samples
    // where they take at most a quarter of the bound and leave room; else of those that run at once and of the next ones.
    static Plan plan(const Batch& batch, std::int64_t gradient_size, std::int64_t most_delay, std::int64_t trace_width, bool lockstep) {
        std::int64_t steps = 1;
        for (std::int64_t k = 0; k < batch.count; ++k) steps = std::max<std::int64_t>(steps, batch.data->steps[batch.selection[k]]);
        const std::int64_t all = std::max<std::int64_t>(batch.count, 1);
        if (Network::memory == 0 || batch.count == 0) return {all, steps, false};
        const std::int64_t gradients = gradient_size * real, room = Network::memory - gradients, least = lockstep ? batch.count : 1, signals = steps * signals_of_a_step();
        std::int64_t each = 0;
        const auto best_within = [&](std::int64_t left, std::int64_t beside) {  // bytes, beside so many of each sample
            const auto of = [&](std::int64_t length) { return beside + bytes(steps, length, most_delay, trace_width + gradient_size); };
            const auto fit = [&](std::int64_t length) { return std::min(left / of(length), batch.count); };
            each = of(steps);
            Plan best{fit(steps), steps, false};
            for (std::int64_t length = Network::online ? 0 : (steps - 1) / block * block; length > 0; length -= block) {
                each = std::min(each, of(length));
                const std::int64_t faster = 3 * best.at_once / (best.length < steps ? 3 : 2);  // a third of the work is computed again
                if (std::min(fit(length), most_at_once) > std::min(faster, most_at_once)) best = {fit(length), length, false};
            }
            return best;
        };
        Plan best{0, steps, false};
        if (signals * batch.count <= room / 4) best = best_within(room - signals * batch.count, 0);
        if (best.at_once < least) best = best_within(room, signals), best.signals_wait = best.at_once < batch.count;
        if (best.at_once >= least && room > 0) return best;
        throw Failure(Code::memory, "training on " + std::to_string(steps) + " steps takes at least " + readable_bytes(static_cast<double>(least * each + gradients), true) +
                                        " on the GPU, and the network was built with `memory` = " + readable_bytes(static_cast<double>(Network::memory)) + ": build it with more");
    }

    // Where the samples of a batch leave it, so many at once.
    void lay_out(SampleArguments<Network>& a, std::int64_t at_once, bool learns, std::int64_t length, std::int64_t most_delay) {
        const std::size_t count = static_cast<std::size_t>(std::min<std::int64_t>(a.batch, at_once)), rows = count * static_cast<std::size_t>(a.most_steps);
        a.length = std::min(length, a.most_steps), a.segments = (a.most_steps + a.length - 1) / a.length, a.most_delay = most_delay;
        const bool cut = a.segments > 1;
        a.round.origin = (a.segments - 1) * a.length, a.round.resumes = false, a.room = a.length + (cut ? most_delay : 0);
        const std::size_t kept = count * static_cast<std::size_t>(a.room);
        if (cut && learns) {
            checkpoints_.reserve(count * static_cast<std::size_t>(a.segments)), saved_.reserve(count), rest_.reserve(count);
            a.checkpoints = checkpoints_.data(), a.saved = saved_.data(), a.rest = rest_.data();
        }
        if (learns) sums_.reserve(count * Network::sum_size + 16);
        if (learns && !Network::online) {
            tape_.reserve(kept * Network::tape_columns + 16);
            errors_.reserve(kept * Network::error_width + 16);
        } else if (learns) {
            traces_.reserve(count * static_cast<std::size_t>(a.trace_width) + 16);
            sample_gradients_.reserve(count * static_cast<std::size_t>(a.gradient_width) + 16);
            a.eligibility = traces_.data(), a.sample_gradients = sample_gradients_.data();
        }
        for (int p = 0; p < Network::populations + (learns ? Network::thinned : 0); ++p) {
            bits_[p]->reserve(rows * static_cast<std::size_t>(Network::words(p)) + 16);
            a.bits[p] = bits_[p]->data();
        }
        if (learns) fired_.reserve(count * static_cast<std::size_t>(Network::fired_neurons * chunks(a.length)) + 16);
        a.fired = fired_.data();
        a.series_lead = series_lead;
        for (int k = 0; k < Network::series_count; ++k) {
            series_[k]->reserve(count * static_cast<std::size_t>((a.most_steps + series_lead) * Network::series_stride(k)) + 16);
            a.series[k] = series_[k]->data();
        }
        a.tape = tape_.data(), a.errors = errors_.data(), a.sums = sums_.data();
    }

private:
    // Segments are of whole words of steps; more samples at once than a card has multiprocessors for gain nothing.
    static constexpr std::int64_t block = 64, most_at_once = 128;
    static constexpr std::int64_t real = sizeof(Real), series_lead = Network::most_delay > 1 ? Network::most_delay : 1;

    // Words of 32 steps.
    static std::int64_t chunks(std::int64_t steps) { return (steps + 31) / 32; }
    // Of one sample in training without its inputs.
    static std::int64_t bytes(std::int64_t steps, std::int64_t length, std::int64_t most_delay, std::int64_t forwards) {
        const std::int64_t on_tape = Network::online ? 0 : Network::tape_columns + Network::error_width;
        std::int64_t numbers = 0, words = 0, from_before = (length + (length < steps ? most_delay : 0)) * on_tape, beside = 0;
        if (length < steps) beside = (steps + length - 1) / length * static_cast<std::int64_t>(sizeof(typename Network::State)) + static_cast<std::int64_t>(sizeof(typename Network::Workspace));
        for (int p = 0; p < Network::populations + Network::thinned; ++p) words += Network::words(p);
        for (int k = 0; k < Network::series_count; ++k) numbers += Network::series_stride(k), from_before += series_lead * Network::series_stride(k);
        if (Network::online) from_before += forwards;
        return steps * (numbers * real + words * 4) + chunks(length) * Network::fired_neurons * 4 + from_before * real + beside + (Network::sum_size + Network::penalty_size) * 8;
    }
    // The signals that are copied for a sample and, beside them, for the next ones; events are not counted.
    static std::int64_t signals_of_a_step() {
        std::int64_t numbers = 0;
        for (int q = 0; q < Network::sources; ++q) numbers += 2 * stride_of_signal(q);
        for (int k = 0; k < Network::thinned; ++k)
            if (Network::thinnings()[k].source >= 0) numbers += 2 * stride_of_signal(Network::thinnings()[k].source);
        return numbers * real;
    }
    static std::int64_t stride_of_signal(int source) { return Network::source_sizes()[source].signal ? (Network::source_sizes()[source].size + 15) / 16 * 16 : 0; }

    DeviceMemory& memory_;
    DeviceArray<Real> tape_{memory_, "the tape of the way back"}, errors_{memory_, "the derivatives of the loss"};
    DeviceArray<double> sums_{memory_, "the sums over time"};
    DeviceArrays<std::uint32_t> bits_{memory_, Network::populations + Network::thinned, "the spikes"};
    DeviceArray<std::uint32_t> fired_{memory_, "the spikes by neuron"};
    DeviceArrays<Real> series_{memory_, Network::series_count, "the states that synapses deliver"};
    DeviceArray<typename Network::State> checkpoints_{memory_, "the states at the starts of segments"};
    DeviceArray<typename Network::Workspace> saved_{memory_, "the samples between segments"};
    DeviceArray<std::int32_t> rest_{memory_, "the steps of segments"};
    DeviceArray<Real> traces_{memory_, "the eligibility traces"}, sample_gradients_{memory_, "the gradients of the samples"};
};

}  // namespace cuda
}  // namespace sncc
