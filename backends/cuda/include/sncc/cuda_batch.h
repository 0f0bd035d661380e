// A batch on its way to the device: events by step, signals, labels, lengths. It is prepared in pinned memory
// and copied in a stream of its own, so that two of these in turn prepare and copy a batch while the last one computes.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_signals.h"
#include "sncc/engine.h"
#include "sncc/list.h"
#include "sncc/philox.h"

namespace sncc {
namespace cuda {

template <typename Network>
class BatchInput {
    using Real = typename Network::Real;

public:
    explicit BatchInput(DeviceMemory& memory) : memory_(memory) {}

    // Writes a batch into pinned memory and copies it in `copies`, but for signals that wait. With `learns` what dropout leaves of the sources comes along.
    void prepare(const Batch& batch, bool learns, bool signals_wait, const Stream& copies) {
        holds_.reset();
        copied_.wait("the batch before the last");  // the pinned memory is free again
        used_.let_wait(copies);                     // and so are the arrays on the device
        given_ = {}, waiting_ = {};
        given_.learns = learns, waiting_.any = signals_wait;
        upload(given_, batch, copies);
        copied_.record(copies);
        holds_.emplace(batch);
    }
    bool holds(const Batch& batch, bool learns, bool signals_wait) const {
        return holds_ && given_.learns == learns && waiting_.any == signals_wait && holds_->are(batch);
    }
    void forget() { holds_.reset(); }
    // What `compute` is given from now on has the batch.
    void hand_over(SampleArguments<Network>& a, const Stream& compute) {
        holds_.reset();
        a = given_;
        copied_.let_wait(compute);
    }
    const WaitingSignals<Network>& waiting() const { return waiting_; }
    // What `compute` was given so far is the last that needs the batch.
    void release(const Stream& compute) {
        used_.record(compute);
        if (waiting_.any) copied_.record(compute);
    }

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
        List<std::unique_ptr<Staged<Value>>> all;
    };
    // Room for so many values in pinned memory, and what then stands there on its way.
    template <typename Value>
    static Value* write(Staged<Value>& to, std::int64_t count, std::int64_t spare = 0) {
        if (const std::size_t room = static_cast<std::size_t>(count) + 1; room > to.host.size()) to.host.reserve(room + static_cast<std::size_t>(spare));
        return to.host.data();
    }
    template <typename Value>
    static Value* send(Staged<Value>& to, std::int64_t count, const Stream& copies) {
        to.device.reserve(to.host.size());
        to.device.put(to.host, static_cast<std::size_t>(count), copies);
        return to.device.data();
    }

    void upload(SampleArguments<Network>& a, const Batch& batch, const Stream& copies) {
        std::int32_t* const steps = write(steps_, batch.count);
        std::uint32_t* const trials = write(trials_, batch.count);
        for (std::int64_t k = 0; k < batch.count; ++k) steps[k] = batch.data->steps[batch.selection[k]], trials[k] = batch.trial(k);
        a.most_steps = std::max<std::int64_t>(1, *std::max_element(steps, steps + batch.count)), a.batch = static_cast<int>(batch.count);
        for (int q = 0; q < Network::sources; ++q) upload_source(a, q, q, nullptr, batch, copies);
        for (int k = 0; k < (a.learns ? Network::thinned : 0); ++k)
            if (const Thinning& t = Network::thinnings()[k]; t.source >= 0) upload_source(a, t.source, Network::sources + k, &t, batch, copies);
        a.steps = send(steps_, batch.count, copies), a.trials = send(trials_, batch.count, copies);
        upload_labels(a, batch, copies);
    }
    // 1 for the neurons of a source that are left in sample k of the batch; none where all are, without dropout.
    const char* kept_of(const Thinning* thinning, std::int64_t size, const Batch& batch, std::int64_t k) {
        if (!thinning) return nullptr;
        left_.resize(static_cast<std::size_t>(size));
        for (std::size_t i = 0; i < left_.size(); ++i)
            left_[i] = philox(batch.seed, thinning->stream, static_cast<std::uint32_t>(i), 0, batch.trial(k)).words[0] >= thinning->threshold;
        return left_.data();
    }
    // Source q, or what dropout leaves of it, as source `to`.
    void upload_source(SampleArguments<Network>& a, int q, int to, const Thinning* thinning, const Batch& batch, const Stream& copies) {
        if (Network::source_sizes()[q].signal)
            upload_values(a, q, to, thinning, batch, copies);
        else
            upload_events(a, q, to, thinning, batch, copies);
    }
    void upload_values(SampleArguments<Network>& a, int q, int to, const Thinning* thinning, const Batch& batch, const Stream& copies) {
        const SourceData& source = batch.data->sources[q];
        const std::int64_t size = Network::source_sizes()[q].size, stride = stride_of_source<Network>(q), count = batch.count * a.most_steps * stride;
        const double si = Network::source_sizes()[q].si;
        Real* row = write(values_[to], count);
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const double* from = source.values + source.value_starts[batch.selection[k]] * size;
            const char* const kept = kept_of(thinning, size, batch, k);
            for (std::int64_t n = 0; n < a.most_steps; ++n, row += stride) {
                const bool there = n < steps_.host[static_cast<std::size_t>(k)];
                for (std::int64_t i = 0; i < size; ++i) row[i] = there && (!kept || kept[i]) ? static_cast<Real>(from[n * size + i] / si) : Real(0);
                std::fill(row + size, row + stride, Real(0));
            }
        }
        if (waiting_.any)
            waiting_.values[to] = values_[to].host.data();
        else
            a.values[to] = send(values_[to], count, copies);
    }
    void upload_events(SampleArguments<Network>& a, int q, int to, const Thinning* thinning, const Batch& batch, const Stream& copies) {
        const SourceData& source = batch.data->sources[q];
        std::int64_t count = 0, rows = batch.count * (a.most_steps + 1);
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const std::int64_t* const list = source.offsets + source.starts[batch.selection[k]];
            count += list[steps_.host[static_cast<std::size_t>(k)]] - list[0];
        }
        std::int64_t *offsets = write(offsets_[to], rows), end = 0;
        std::uint32_t* const indices = write(indices_[to], count, count / 4);  // other batches have some more: new memory makes the device wait
        for (std::int64_t k = 0; k < batch.count; ++k, offsets += a.most_steps + 1) {
            const std::int64_t length = steps_.host[static_cast<std::size_t>(k)], *const list = source.offsets + source.starts[batch.selection[k]];
            if (const char* const kept = kept_of(thinning, Network::source_sizes()[q].size, batch, k)) {
                offsets[0] = end;
                for (std::int64_t n = 0; n < length; ++n) {
                    for (std::int64_t e = list[n]; e < list[n + 1]; ++e)
                        if (kept[source.indices[e]]) indices[end++] = source.indices[e];
                    offsets[n + 1] = end;
                }
            } else {
                const std::int64_t base = end - list[0];
                for (std::int64_t n = 0; n <= length; ++n) offsets[n] = base + list[n];
                std::copy(source.indices + list[0], source.indices + list[length], indices + end);
                end += list[length] - list[0];
            }
            std::fill(offsets + length + 1, offsets + a.most_steps + 1, end);
        }
        a.events[to] = {send(offsets_[to], rows, copies), send(indices_[to], end, copies), 1, a.most_steps};
    }
    void upload_labels(SampleArguments<Network>& a, const Batch& batch, const Stream& copies) {
        const Data& data = *batch.data;
        a.label_per_step = data.label_starts != nullptr;
        const std::int64_t rows = a.label_per_step ? a.most_steps : 1, count = batch.count * rows;
        std::int32_t* const classes = data.classes ? write(classes_, count) : nullptr;
        double* const targets = data.targets ? write(targets_, count * Network::outputs) : nullptr;
        for (std::int64_t k = 0; k < batch.count; ++k) {
            const std::int64_t sample = batch.selection[k], first = data.label_starts ? data.label_starts[sample] : sample;
            for (std::int64_t n = 0; n < rows; ++n) {
                const bool there = !data.label_starts || n < steps_.host[static_cast<std::size_t>(k)];
                if (classes) classes[k * rows + n] = there ? data.classes[first + n] : -1;
                if (targets)
                    for (int j = 0; j < Network::outputs; ++j) targets[(k * rows + n) * Network::outputs + j] = there ? data.targets[(first + n) * Network::outputs + j] : 0.0;
            }
        }
        a.classes = classes ? send(classes_, count, copies) : nullptr;
        a.targets = targets ? send(targets_, count * Network::outputs, copies) : nullptr;
    }

    DeviceMemory& memory_;
    SampleArguments<Network> given_ = {};  // where the prepared batch stands
    WaitingSignals<Network> waiting_ = {};
    std::optional<SamplesOfBatch> holds_;  // which one that is, until it is handed over
    List<char> left_;
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
