// Penalties on firing rates: of each sample, or of the rates' means over the batch.
#pragma once

#include <algorithm>

#include "sample.h"
#include "sncc/list.h"

namespace sncc {
namespace cpu {

template <typename Network>
class Penalties {
    using Real = typename Network::Real;

public:
    void begin(std::int64_t count) { rates_.assign(static_cast<std::size_t>(count * Network::penalty_size), 0.0); }
    // Counts the spikes of the batch's sample k: its rates. Gives its penalty, without those of the batch's mean rates.
    double count(Sample<Network>& sample, std::int64_t k) {
        if constexpr (Network::penalty_count == 0) return 0;
        std::fill(sample.rates.begin(), sample.rates.end(), 0.0);
        Network::count_spikes(sample, sample.rates.data());
        for (double& rate : sample.rates) rate /= static_cast<double>(sample.steps) * Network::step_ms;
        if constexpr (Network::batch_penalties)
            std::copy(sample.rates.begin(), sample.rates.end(), rates_.begin() + k * Network::penalty_size);
        return penalty_of(sample.rates.data(), false);
    }
    static double penalty_of(const double* rates, bool over_batch) {
        double total = 0;
        for (int k = 0; k < Network::penalty_count; ++k) {
            const PenaltyOf& p = Network::penalties()[k];
            if (p.over_batch != over_batch) continue;
            double squares = 0;
            for (int j = 0; j < p.size; ++j) {
                const double error = (rates[p.offset + j] - p.target) / hertz;
                squares += error * error;
            }
            total += p.strength * squares / p.size;
        }
        return total;
    }
    void average(std::int64_t count) {
        mean_rates_.assign(Network::penalty_size, 0.0);
        for (std::int64_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::penalty_size; ++j)
                mean_rates_[static_cast<std::size_t>(j)] += rates_[static_cast<std::size_t>(k * Network::penalty_size + j)] / static_cast<double>(count);
    }
    // What each spike of a penalised neuron adds to the loss, for the reverse phase.
    void set(Tile<Network>& tile) const {
        for (int s = 0; s < Network::tile; ++s)
            for (int k = 0; k < Network::penalty_count; ++k) {
                const Sample<Network>& sample = tile.samples[s];
                const PenaltyOf& p = Network::penalties()[k];
                const double* rates = p.over_batch ? mean_rates_.data() : sample.rates.data();
                const double time = static_cast<double>(sample.steps) * Network::step_ms;
                const double factor = sample.steps == 0 ? 0 : p.strength * 2 / (hertz * hertz) / (p.size * time) * tile.scale;
                for (int j = 0; j < p.size; ++j)
                    tile.penalty(s)[p.offset + j] = static_cast<Real>(factor * (rates[p.offset + j] - p.target));
            }
    }
    double of_means() const { return penalty_of(mean_rates_.data(), true); }

private:
    static constexpr double hertz = 1e-3;  // in kHz

    List<double> rates_, mean_rates_;  // of penalised neurons, by sample, and their means over the batch
};

}  // namespace cpu
}  // namespace sncc
