// A batch on its way to the device: events by step, signals, labels, lengths. It is prepared in pinned memory
// and copied in a stream of its own, so that two of these in turn prepare and copy a batch while the last one computes.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/engine.h"
#include "sncc/philox.h"

namespace sncc {
namespace cuda {

template <typename Network>
class BatchInput {
    using Real = typename Network::Real;

public:
    explicit BatchInput(DeviceMemory& memory) : memory_(memory) {}

    // Copies the batch in `copies`; what `compute` is given from now on has it.
    void upload(SampleArguments<Network>& a, const Batch& batch, const Stream& copies, const Stream& compute) {
        copied_.wait("the batch before the last");  // the pinned memory is free again
        used_.let_wait(copies);                     // and so are the arrays on the device
        copies_ = &copies;
        upload(a, batch);
        copied_.record(copies);
        copied_.let_wait(compute);
    }
    // What `compute` was given so far is the last that needs the batch.
    void release(const Stream& compute) { used_.record(compute); }

private:
    // An array that is prepared on the host and copied.
    template <typename Value>
    struct Staged {
        Staged(DeviceMemory& memory, const char* name) : device(memory, name) {}
        DeviceArray<Value> device;
        PinnedArray<Value> host;
    };
    template <typename Value>
    struct AllStaged {
        AllStaged(DeviceMemory& memory, const char* name) {
            for (int k = 0; k < Network::sources + Network::thinned; ++k) all.push_back(std::make_unique<Staged<Value>>(memory, name));
        }
        Staged<Value>& operator[](int k) const { return *all[static_cast<std::size_t>(k)]; }
        std::vector<std::unique_ptr<Staged<Value>>> all;
    };
    template <typename Value>
    Value* send(Staged<Value>& to, const std::vector<Value>& values) {
        to.host.reserve(values.size() + 1);
        std::copy(values.begin(), values.end(), to.host.data());
        to.device.put(to.host, values.size(), *copies_);
        return to.device.data();
    }

    void upload(SampleArguments<Network>& a, const Batch& batch) {
        const Data& data = *batch.data;
        const std::int64_t count = batch.count;
        std::vector<std::int32_t> steps;
        std::vector<std::uint32_t> trials;
        for (std::int64_t k = 0; k < count; ++k) {
            steps.push_back(data.steps[batch.selection[k]]);
            trials.push_back(batch.trial(k));
        }
        const std::int64_t most = std::max<std::int64_t>(1, *std::max_element(steps.begin(), steps.end()));
        for (int q = 0; q < Network::sources; ++q) upload_source(a, q, q, nullptr, batch, steps, most);
        for (int k = 0; k < (a.learns ? Network::thinned : 0); ++k)
            if (const Thinning& t = Network::thinnings()[k]; t.source >= 0) upload_source(a, t.source, Network::sources + k, &t, batch, steps, most);
        a.steps = send(steps_, steps), a.trials = send(trials_, trials), a.most_steps = most, a.batch = static_cast<int>(count);
        upload_labels(a, batch, steps, most);
    }
    // 1 for the neurons of a source that are left in sample k of the batch; all are without dropout.
    static std::vector<char> kept_of(const Thinning* thinning, std::int64_t size, const Batch& batch, std::int64_t k) {
        std::vector<char> kept(static_cast<std::size_t>(size), 1);
        for (std::size_t i = 0; thinning && i < kept.size(); ++i)
            kept[i] = philox(batch.seed, thinning->stream, static_cast<std::uint32_t>(i), 0, batch.trial(k)).words[0] >= thinning->threshold;
        return kept;
    }
    // Source q, or what dropout leaves of it, as source `to`.
    void upload_source(SampleArguments<Network>& a, int q, int to, const Thinning* thinning, const Batch& batch, const std::vector<std::int32_t>& steps, std::int64_t most) {
        const SourceData& source = batch.data->sources[q];
        const std::int64_t size = Network::source_sizes()[q].size;
        if (Network::source_sizes()[q].signal) {
            const std::int64_t stride = (size + 15) / 16 * 16;
            std::vector<Real> values(static_cast<std::size_t>(batch.count * most * stride), Real(0));
            for (std::int64_t k = 0; k < batch.count; ++k) {
                const double* from = source.values + source.value_starts[batch.selection[k]] * size;
                const std::vector<char> kept = kept_of(thinning, size, batch, k);
                for (std::int64_t n = 0; n < steps[static_cast<std::size_t>(k)]; ++n)
                    for (std::int64_t i = 0; i < size; ++i)
                        values[static_cast<std::size_t>((k * most + n) * stride + i)] =
                            kept[static_cast<std::size_t>(i)] ? static_cast<Real>(from[n * size + i] / Network::source_sizes()[q].si) : Real(0);
            }
            a.values[to] = send(values_[to], values);
            return;
        }
        std::vector<std::int64_t> offsets;
        std::vector<std::uint32_t> indices, left;
        std::vector<std::int64_t> ends;
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const std::int64_t* list = source.offsets + source.starts[batch.selection[k]];
            const std::uint32_t* events = source.indices;
            const std::int64_t length = steps[static_cast<std::size_t>(k)];
            if (thinning) {
                const std::vector<char> kept = kept_of(thinning, size, batch, k);
                ends.assign(1, 0), left.clear();
                for (std::int64_t n = 0; n < length; ++n) {
                    std::copy_if(events + list[n], events + list[n + 1], std::back_inserter(left), [&](std::uint32_t i) { return kept[i] != 0; });
                    ends.push_back(static_cast<std::int64_t>(left.size()));
                }
                list = ends.data(), events = left.data();
            }
            const std::int64_t base = static_cast<std::int64_t>(indices.size()) - list[0];
            for (std::int64_t n = 0; n <= most; ++n) offsets.push_back(base + list[std::min(n, length)]);
            indices.insert(indices.end(), events + list[0], events + list[length]);
        }
        a.events[to] = {send(offsets_[to], offsets), send(indices_[to], indices), 1, most};
    }
    void upload_labels(SampleArguments<Network>& a, const Batch& batch, const std::vector<std::int32_t>& steps, std::int64_t most) {
        const Data& data = *batch.data;
        a.label_per_step = data.label_starts != nullptr;
        const std::int64_t rows = a.label_per_step ? most : 1;
        std::vector<std::int32_t> classes;
        std::vector<double> targets;
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const std::int64_t sample = batch.selection[k];
            const std::int64_t first = data.label_starts ? data.label_starts[sample] : sample;
            for (std::int64_t n = 0; n < rows; ++n) {
                const bool there = !data.label_starts || n < steps[static_cast<std::size_t>(k)];
                if (data.classes) classes.push_back(there ? data.classes[first + n] : -1);
                if (data.targets)
                    for (int j = 0; j < Network::outputs; ++j) targets.push_back(there ? data.targets[(first + n) * Network::outputs + j] : 0.0);
            }
        }
        a.classes = data.classes ? send(classes_, classes) : nullptr;
        a.targets = data.targets ? send(targets_, targets) : nullptr;
    }

    DeviceMemory& memory_;
    const Stream* copies_ = nullptr;
    Event copied_, used_;
    AllStaged<std::int64_t> offsets_{memory_, "the events"};
    AllStaged<std::uint32_t> indices_{memory_, "the events"};
    AllStaged<Real> values_{memory_, "the signals"};
    Staged<std::int32_t> classes_{memory_, "the classes"}, steps_{memory_, "the lengths"};
    Staged<std::uint32_t> trials_{memory_, "the trials"};
    Staged<double> targets_{memory_, "the targets"};
};

}  // namespace cuda
}  // namespace sncc
