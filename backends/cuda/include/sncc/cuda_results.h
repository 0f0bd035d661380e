// What the samples of a batch leave for the host: losses, labels that were right, readouts, rates, and where a number was none.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/engine.h"
#include "sncc/finite.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

template <typename Network>
class ResultsOfSamples {
    using Real = typename Network::Real;

public:
    explicit ResultsOfSamples(DeviceMemory& memory) : memory_(memory) {}

    // Where the samples leave them.
    void lay_out(SampleArguments<Network>& a, const Outputs& outputs) {
        const std::size_t count = static_cast<std::size_t>(a.batch);
        losses_.reserve(count), counts_.reserve(2 * count), outputs_.reserve(count * Network::output_width);
        failures_.reserve(count), failures_.clear();
        rates_.reserve(count * Network::penalty_size + 1);
        const bool by_step = outputs.values && outputs.starts;
        if (by_step) step_outputs_.reserve(count * static_cast<std::size_t>(a.most_steps) * Network::output_width);
        a.losses = losses_.data(), a.counts = counts_.data(), a.outputs = outputs_.data(), a.failures = failures_.data(), a.rates = rates_.data();
        a.step_outputs = by_step ? step_outputs_.data() : nullptr;
    }
    // Forgets what was no number.
    void look_again() { failures_.clear(); }
    // Sends them to the host, which goes on meanwhile.
    void send(std::int64_t batch, const Stream& stream) {
        const std::size_t count = static_cast<std::size_t>(batch);
        sent_.wait("the samples");  // of a batch that failed before they were taken
        losses_.take(losses_read_, count, stream);
        counts_.take(counts_read_, 2 * count, stream);
        failures_.take(failures_read_, count, stream);
        sent_.record(stream);
    }
    // Waits for them: sums over the samples, and the readouts that were asked for.
    Result take(const Batch& batch, const Outputs& outputs, std::int64_t most_steps) {
        sent_.wait("the samples");
        Result total{0, 0, 0, 0};
        for (std::size_t k = 0; k < static_cast<std::size_t>(batch.count); ++k)
            total.loss += losses_read_[k], total.correct += counts_read_[2 * k], total.labelled += counts_read_[2 * k + 1];
        total.loss /= static_cast<double>(std::max<std::int64_t>(batch.count, 1));
        if (outputs.values) take_outputs(batch, outputs, most_steps);
        total.penalty = penalty(batch.count);
        return total;
    }
    // Mean firing rates over samples that have run, for those that run next.
    void forget_rates() { seen_ = 0, sums_of_rates_.assign(static_cast<std::size_t>(Network::penalty_size) + 1, 0.0); }
    bool knows_rates() const { return seen_ > 0; }
    void add_rates(std::int64_t count) {
        const List<double> all = rates(count);
        for (std::int64_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::penalty_size; ++j)
                sums_of_rates_[static_cast<std::size_t>(j)] += all[static_cast<std::size_t>(k * Network::penalty_size + j)];
        seen_ += count;
    }
    double* room_for_mean_rates() {
        mean_rates_.reserve(static_cast<std::size_t>(Network::penalty_size) + 1);
        return mean_rates_.data();
    }
    double* mean_rates_on_device() {
        mean_rates_.put(mean_rates());
        return mean_rates_.data();
    }

    // Whether the loss or any sample met a number that is none.
    bool are_wrong(const Result& result, const Batch& batch) const { return !std::isfinite(result.loss) || failed(batch.count) >= 0; }
    // Waits for what was sent, and says which sample met one first, and where.
    std::string said(const Batch& batch) {
        sent_.wait("the samples");
        const std::string end = "; the weights are as they were before the batch. A smaller learning rate or a gradient clip may help";
        const std::int64_t k = failed(batch.count);
        return k < 0 ? "the loss is not finite" + end : said(batch, k) + end;
    }
    // The same where no gradients are computed: empty where no sample met one, or the first step did, as where a state begins infinite.
    std::string exploded(const Batch& batch) {
        sent_.wait("the samples");
        std::int64_t k = 0;
        while (k < batch.count && failures_read_[static_cast<std::size_t>(k)].step <= 1) ++k;
        return k == batch.count ? "" : said(batch, k) + ". Smaller weights, a shorter step or another method may help";
    }

private:
    std::string said(const Batch& batch, std::int64_t k) const {
        const FailureRecord found = failures_read_[static_cast<std::size_t>(k)];
        const NotFinite number = Network::number_at(found.phase == 2, found.place);
        const char* const population = number.population >= 0 ? Network::population_name(number.population) : "?";
        return (found.phase == 2 ? "the gradient explodes: " : "") + sncc::said(number, population, found.step, batch.selection[k]);
    }
    // The first sample that met one; -1: none did.
    std::int64_t failed(std::int64_t count) const {
        for (std::int64_t k = 0; k < count; ++k)
            if (failures_read_[static_cast<std::size_t>(k)].phase) return k;
        return -1;
    }
    void take_outputs(const Batch& batch, const Outputs& outputs, std::int64_t most) {
        const std::size_t count = static_cast<std::size_t>(batch.count);
        constexpr std::size_t width = Network::output_width;
        if (outputs.starts) {
            List<Real> rows(count * static_cast<std::size_t>(most) * width);
            step_outputs_.take(rows.data(), rows.size());
            for (std::size_t k = 0; k < count; ++k)
                for (std::int64_t n = 0; n < batch.data->steps[batch.selection[k]]; ++n)
                    for (int j = 0; j < Network::outputs; ++j)
                        outputs.values[(outputs.starts[k] + n) * Network::outputs + j] =
                            static_cast<double>(rows[(k * static_cast<std::size_t>(most) + static_cast<std::size_t>(n)) * width + static_cast<std::size_t>(j)]);
            return;
        }
        List<Real> rows(count * width);
        outputs_.take(rows.data(), rows.size());
        for (std::size_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::outputs; ++j)
                outputs.values[k * Network::outputs + static_cast<std::size_t>(j)] = static_cast<double>(rows[k * width + static_cast<std::size_t>(j)]);
    }
    List<double> rates(std::int64_t count) {
        List<double> all(static_cast<std::size_t>(count) * Network::penalty_size);
        rates_.take(all.data(), all.size());
        return all;
    }
    List<double> mean_rates() const {
        List<double> means = sums_of_rates_;
        for (double& mean : means) mean /= static_cast<double>(std::max<std::int64_t>(seen_, 1));
        return means;
    }
    double penalty(std::int64_t count) {
        if (Network::penalty_count == 0) return 0;
        const List<double> all = rates(count);
        if (!knows_rates()) add_rates(count);
        const List<double> means = mean_rates();
        double total = 0;
        for (int k = 0; k < Network::penalty_count; ++k) {
            const PenaltyOf p = Network::penalty(k);
            double squares = 0;
            const std::int64_t samples = p.over_batch ? 1 : count;
            for (std::int64_t b = 0; b < samples; ++b)
                for (int j = 0; j < p.size; ++j) {
                    const double error = ((p.over_batch ? means.data() : all.data() + b * Network::penalty_size)[p.offset + j] - p.target) / 1e-3;
                    squares += error * error;
                }
            total += p.strength * squares / (p.size * static_cast<double>(samples));
        }
        return total;
    }

    DeviceMemory& memory_;
    std::int64_t seen_ = 0;  // samples whose rates are known
    List<double> sums_of_rates_;
    DeviceArray<double> losses_{memory_, "the losses"}, rates_{memory_, "the firing rates"}, mean_rates_{memory_, "the firing rates"};
    DeviceArray<std::int64_t> counts_{memory_, "the counts"};
    DeviceArray<Real> outputs_{memory_, "the readout"}, step_outputs_{memory_, "the readout of every step"};
    DeviceArray<FailureRecord> failures_{memory_, "the samples' failures"};
    PinnedArray<double> losses_read_;
    PinnedArray<std::int64_t> counts_read_;
    PinnedArray<FailureRecord> failures_read_;
    Event sent_;
};

}  // namespace cuda
}  // namespace sncc
