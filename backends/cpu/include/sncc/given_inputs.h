// What a run is given from outside, by step, and what delays still need of earlier runs.
#pragma once

#include <algorithm>

#include "lists.h"
#include "sncc/engine.h"
#include "sncc/layout.h"
#include "sncc/list.h"

namespace sncc {

// One source: lists of spikes, or rows of values, for the steps of a run and `lead` steps before it.
template <typename Real>
class GivenInput {
public:
    SNCC_COLD void start(bool signal, std::int64_t size, double si, std::int64_t lead) {
        signal_ = signal, size_ = size, si_ = si, lead_ = lead;
        events_.clear(1 - lead);
        if (!signal)
            for (std::int64_t n = 0; n < lead; ++n) events_.append_list(nullptr, 0);
        values_.assign(signal ? static_cast<std::size_t>(lead * stride()) : 0, Real(0));
    }
    // Steps 1 .. steps of the run; `data` may be null or shorter.
    void hand_over(const Data* data, std::int64_t sample, int source, std::int64_t steps) {
        const std::int64_t given = data ? std::min<std::int64_t>(steps, data->steps[sample]) : 0;
        if (!signal_) {
            for (std::int64_t n = 0; n < steps; ++n) {
                if (n >= given) {
                    events_.append_list(nullptr, 0);
                    continue;
                }
                const SourceData& from = data->sources[source];
                const std::int64_t* const offsets = from.offsets + from.starts[sample] + n;
                events_.append_list(from.indices + offsets[0], offsets[1] - offsets[0]);
            }
            return;
        }
        values_.resize(static_cast<std::size_t>((lead_ + steps) * stride()));
        for (std::int64_t n = 0; n < given; ++n) {
            const SourceData& from = data->sources[source];
            const double* const row = from.values + (from.value_starts[sample] + n) * size_;
            Real* const to = values_.data() + (lead_ + n) * stride();
            for (std::int64_t i = 0; i < size_; ++i) to[i] = static_cast<Real>(row[i] / si_);
        }
    }
    // After a run: what its last `lead` steps held comes before the next one.
    SNCC_COLD void keep_last(std::int64_t steps) {
        if (!signal_)
            events_.keep_last(lead_, 1 - lead_);
        else
            values_.drop(static_cast<std::size_t>(steps * stride()));
    }
    // Of step n of the run, 1 - lead or later.
    SpikesOfStep spikes(std::int64_t n) const { return events_.at(n); }
    const Real* values(std::int64_t n) const { return values_.data() + (lead_ + n - 1) * stride(); }

    template <typename Archive>
    SNCC_COLD void archive(Archive& archive) {
        archive.vector(values_);
        for (std::int64_t n = 1 - lead_; n <= 0 && !signal_; ++n) {
            if (!archive.reads()) {
                const SpikesOfStep spikes = events_.at(n);
                List<std::uint32_t> indices(spikes.indices, spikes.indices + spikes.count);
                archive.vector(indices);
                continue;
            }
            if (n == 1 - lead_) events_.clear(1 - lead_);
            List<std::uint32_t> indices;
            archive.vector(indices);
            events_.append_list(indices.data(), static_cast<std::int64_t>(indices.size()));
        }
    }

private:
    std::int64_t stride() const { return padded(static_cast<int>(size_)); }
    bool signal_ = false;
    std::int64_t size_ = 0, lead_ = 0;
    double si_ = 1;
    EmittedSpikes events_;
    List<Real> values_;
};

}  // namespace sncc
