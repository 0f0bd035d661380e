// What the samples of a batch keep in device memory from their forward phase, for the way back and for gradients; how many of them
// a bound on memory lets run at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/engine.h"

namespace sncc {
namespace cuda {

template <typename Network>
class KeptOfSamples {
    using Real = typename Network::Real;

public:
    explicit KeptOfSamples(DeviceMemory& memory) : memory_(memory) {}

    // As many samples of a batch as the network's bound on memory allows, beside `gradient_size` numbers; all without one.
    static std::int64_t samples_at_once(const Batch& batch, std::int64_t gradient_size) {
        if (Network::memory == 0 || batch.count == 0) return std::max<std::int64_t>(batch.count, 1);
        std::int64_t steps = 1;
        for (std::int64_t k = 0; k < batch.count; ++k) steps = std::max<std::int64_t>(steps, batch.data->steps[batch.selection[k]]);
        const std::int64_t gradients = gradient_size * real, each = bytes(steps), least = Network::online ? batch.count : 1;
        const std::int64_t fit = (Network::memory - gradients) / each;
        if (fit >= least) return std::min(fit, batch.count);
        throw Failure(Code::memory, "training on " + std::to_string(steps) + " steps takes at least " + std::to_string((least * each + gradients) / 1000000 + 1) +
                                        " MB on the GPU, and the network was built with `memory` = " + std::to_string(Network::memory / 1000000) + " MB: build it with more");
    }

    // Where the samples of a batch leave it.
    void lay_out(SampleArguments<Network>& a, bool learns) {
        const std::size_t count = static_cast<std::size_t>(a.batch), rows = count * static_cast<std::size_t>(a.most_steps);
        if (learns) sums_.reserve(count * Network::sum_size + 16);
        if (learns && !Network::online) {
            tape_.reserve(rows * Network::tape_columns + 16);
            errors_.reserve(rows * Network::error_width + 16);
        } else if (learns) {
            traces_.reserve(count * static_cast<std::size_t>(Network::trace_width) + 16);
            sample_gradients_.reserve(count * static_cast<std::size_t>(Network::gradient_size) + 16);
            a.eligibility = traces_.data(), a.sample_gradients = sample_gradients_.data();
        }
        for (int p = 0; p < Network::populations + (learns ? Network::thinned : 0); ++p) {
            bits_[p]->reserve(rows * static_cast<std::size_t>(Network::words(p)) + 16);
            a.bits[p] = bits_[p]->data();
        }
        if (learns) fired_.reserve(count * static_cast<std::size_t>(Network::fired_neurons * chunks(a.most_steps)) + 16);
        a.fired = fired_.data();
        a.series_lead = series_lead;
        for (int k = 0; k < Network::series_count; ++k) {
            series_[k]->reserve(count * static_cast<std::size_t>((a.most_steps + series_lead) * Network::series_stride(k)) + 16);
            a.series[k] = series_[k]->data();
        }
        a.tape = tape_.data(), a.errors = errors_.data(), a.sums = sums_.data();
    }

private:
    static constexpr std::int64_t real = sizeof(Real), series_lead = Network::most_delay > 1 ? Network::most_delay : 1;

    // Words of 32 steps.
    static std::int64_t chunks(std::int64_t steps) { return (steps + 31) / 32; }
    // Of one sample in training, with the signals that are copied for it and, beside them, for the next ones; not its events.
    static std::int64_t bytes(std::int64_t steps) {
        std::int64_t numbers = Network::online ? 0 : Network::tape_columns + Network::error_width, words = 0, from_before = 0;
        for (int p = 0; p < Network::populations + Network::thinned; ++p) words += Network::words(p);
        for (int k = 0; k < Network::series_count; ++k) numbers += Network::series_stride(k), from_before += series_lead * Network::series_stride(k);
        for (int q = 0; q < Network::sources; ++q) numbers += 2 * stride_of_signal(q);
        for (int k = 0; k < Network::thinned; ++k)
            if (Network::thinnings()[k].source >= 0) numbers += 2 * stride_of_signal(Network::thinnings()[k].source);
        if (Network::online) from_before += Network::trace_width + Network::gradient_size;
        return steps * (numbers * real + words * 4) + chunks(steps) * Network::fired_neurons * 4 + from_before * real + (Network::sum_size + Network::penalty_size) * 8;
    }
    static std::int64_t stride_of_signal(int source) { return Network::source_sizes()[source].signal ? (Network::source_sizes()[source].size + 15) / 16 * 16 : 0; }

    DeviceMemory& memory_;
    DeviceArray<Real> tape_{memory_, "the tape of the way back"}, errors_{memory_, "the derivatives of the loss"};
    DeviceArray<double> sums_{memory_, "the sums over time"};
    DeviceArrays<std::uint32_t> bits_{memory_, Network::populations + Network::thinned, "the spikes"};
    DeviceArray<std::uint32_t> fired_{memory_, "the spikes by neuron"};
    DeviceArrays<Real> series_{memory_, Network::series_count, "the states that synapses deliver"};
    DeviceArray<Real> traces_{memory_, "the eligibility traces"}, sample_gradients_{memory_, "the gradients of the samples"};
};

}  // namespace cuda
}  // namespace sncc
