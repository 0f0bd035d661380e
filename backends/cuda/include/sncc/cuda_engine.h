// The CUDA engine: a block takes a sample through the whole sequence, forwards and back (first launch); a block sums the
// gradient of one presynaptic neuron over all samples (second); the optimiser and what follows from it (third).
//
// `Network` is emitted.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_batch.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_simulation.h"
#include "sncc/engine.h"

namespace sncc {
namespace cuda {

template <typename Network>
class CudaEngine final : public Engine {
    using Real = typename Network::Real;

public:
    CudaEngine() {
        int devices = 0;
        check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
        parameters_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
        parameters_.clear();
        arrays_.reserve(1);
        if constexpr (Network::learns) {
            gathered_.reserve(static_cast<std::size_t>(Network::gradient_size) + 16);
            gathered_.clear();
            gradients_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
            gradients_.clear();
            states_.reserve(static_cast<std::size_t>(Network::parameter_size) * Network::optimiser_states + 16);
            states_.clear();
            total_.reserve(static_cast<std::size_t>(Network::sum_size) + 16);
            scratch_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
        }
    }

    // -------------------------------------------------------------------------------------------- parameters
    void set_parameter(int k, const double* values) override {
        copy_in(k, parameters_, Network::parameter_offsets()[k], values);
        stale_ = true;
    }
    void get_parameter(int k, double* values) override { copy_out(k, parameters_, Network::parameter_offsets()[k], values); }
    void get_gradient(int k, double* values) override { copy_out(k, gradients_, Network::parameter_offsets()[k], values); }
    void set_optimiser_state(int k, int state, const double* values) override { copy_in(k, states_, slot(k, state), values); }
    void get_optimiser_state(int k, int state, double* values) override { copy_out(k, states_, slot(k, state), values); }
    void set_optimiser_step(std::int64_t step) override { optimiser_step_ = step; }
    std::int64_t optimiser_step() override { return optimiser_step_; }

    // -------------------------------------------------------------------------------------------- batches
    Result run(Mode mode, const Batch& batch, double learning_rate_factor, const Outputs& outputs) override {
        refresh();
        const bool learns = mode != Mode::evaluate;
        const int count = static_cast<int>(batch.count);
        SampleArguments<Network> a = {};
        input_.upload(a, batch);
        a.keeps = learns;
        a.lead = 0;
        a.fresh = true;
        a.seed = batch.seed;
        const std::size_t rows = static_cast<std::size_t>(count) * static_cast<std::size_t>(a.most_steps);
        if (learns) {
            tape_.reserve(rows * Network::tape_columns + 16);
            errors_.reserve(rows * Network::error_width + 16);
            sums_.reserve(static_cast<std::size_t>(count) * Network::sum_size + 16);
        }
        for (int p = 0; p < Network::populations; ++p) {
            bits_[p]->reserve(rows * static_cast<std::size_t>(Network::words(p)) + 16);
            a.bits[p] = bits_[p]->data();
        }
        losses_.reserve(static_cast<std::size_t>(count));
        counts_.reserve(2 * static_cast<std::size_t>(count));
        outputs_.reserve(static_cast<std::size_t>(count) * Network::output_width);
        const bool by_step = outputs.values && outputs.starts;
        if (by_step) step_outputs_.reserve(rows * Network::output_width);
        a.tape = tape_.data(), a.errors = errors_.data(), a.sums = sums_.data();
        a.losses = losses_.data(), a.counts = counts_.data(), a.outputs = outputs_.data();
        a.step_outputs = by_step ? step_outputs_.data() : nullptr;
        failures_.reserve(static_cast<std::size_t>(count));
        failures_.clear();
        a.failures = failures_.data();
        rates_.reserve(static_cast<std::size_t>(count) * Network::penalty_size + 1);
        a.rates = rates_.data();
        if (Network::batch_penalties && learns) {  // the way back of a sample needs the rates of all
            a.keeps = false;
            launch_samples(a, count);
            check(cudaDeviceSynchronize(), "the samples");
            mean_rates_.put(mean_rates(batch.count));
            a.mean_rates = mean_rates_.data();
            a.keeps = true;
        }
        launch_samples(a, count);
        Result result = read(batch, outputs, a.most_steps);
        result.penalty = penalty(batch.count);
        if (!learns) return result;
        if (!std::isfinite(result.loss) || failed(batch.count) >= 0) throw Failure(Code::numerical, what_failed(a, batch));
        gather(a, count);
        optimise(mode == Mode::train, learning_rate_factor);
        check(cudaDeviceSynchronize(), "the optimiser");
        return result;
    }

    // -------------------------------------------------------------------------------------------- simulation
    void simulate(const Simulation& simulation) override {
        refresh();
        simulator_.run(simulation, [this](SampleArguments<Network>& a) { launch_samples(a, 1); });
    }
    const Spikes& spikes(int population) override { return simulator_.spikes(population); }
    void reset() override { simulator_.reset(); }
    std::int64_t step_count() override { return simulator_.step_count(); }

private:
    std::int64_t slot(int k, int state) const { return Network::parameter_size * state + Network::parameter_offsets()[k]; }

    void copy_in(int k, DeviceArray<Real>& to, std::int64_t offset, const double* values) {
        const Shape& shape = Network::shapes()[k];
        std::vector<Real> padded(static_cast<std::size_t>(shape.size()), shape.shared ? static_cast<Real>(values[0]) : Real(0));
        if (!shape.shared)
            for (int i = 0; i < shape.rows; ++i)
                for (int j = 0; j < shape.columns; ++j)
                    padded[static_cast<std::size_t>(i * shape.stride() + j)] = static_cast<Real>(values[std::int64_t(i) * shape.columns + j]);
        to.put(padded.data(), padded.size(), static_cast<std::size_t>(offset));
    }
    void copy_out(int k, const DeviceArray<Real>& from, std::int64_t offset, double* values) {
        const Shape& shape = Network::shapes()[k];
        std::vector<Real> padded(static_cast<std::size_t>(shape.size()));
        from.take(padded.data(), padded.size(), static_cast<std::size_t>(offset));
        const int rows = shape.shared ? 1 : shape.rows, columns = shape.shared ? 1 : shape.columns;
        for (int i = 0; i < rows; ++i)
            for (int j = 0; j < columns; ++j)
                values[std::int64_t(i) * columns + j] = static_cast<double>(padded[static_cast<std::size_t>(i * shape.stride() + j)]);
    }

    // Numbers per neuron that follow from parameters set by hand: the third launch without its first parts.
    void refresh() {
        if (!stale_) return;
        OptimiseArguments<Network> o = optimiser_arguments();
        Network::launch_optimise(o, 1);
        stale_ = false;
    }
    OptimiseArguments<Network> optimiser_arguments() {
        OptimiseArguments<Network> o = {};
        o.parameters = parameters_.data(), o.arrays = arrays_.data(), o.gathered = gathered_.data(), o.gradients = gradients_.data();
        o.states = states_.data(), o.total = total_.data(), o.scratch = scratch_.data();
        return o;
    }

    void launch_samples(SampleArguments<Network>& a, int count) {
        a.parameters = parameters_.data();
        a.arrays = arrays_.data();
        std::size_t shared = sizeof(typename Network::Workspace);
        int most = 0;
        check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
        if (shared > static_cast<std::size_t>(most)) {
            workspaces_.reserve(static_cast<std::size_t>(count));
            a.workspaces = workspaces_.data();
            shared = 0;
        }
        Network::launch_samples(a, count, shared);
    }

    Result read(const Batch& batch, const Outputs& outputs, std::int64_t most) {
        check(cudaDeviceSynchronize(), "the samples");
        const std::size_t count = static_cast<std::size_t>(batch.count);
        std::vector<double> losses(count);
        std::vector<std::int64_t> counts(2 * count);
        losses_.take(losses.data(), count), counts_.take(counts.data(), 2 * count);
        Result total{0, 0, 0, 0};
        for (std::size_t k = 0; k < count; ++k)
            total.loss += losses[k], total.correct += counts[2 * k], total.labelled += counts[2 * k + 1];
        total.loss /= static_cast<double>(std::max<std::size_t>(count, 1));
        if (!outputs.values) return total;
        constexpr std::size_t width = Network::output_width;
        if (outputs.starts) {
            std::vector<Real> rows(count * static_cast<std::size_t>(most) * width);
            step_outputs_.take(rows.data(), rows.size());
            for (std::size_t k = 0; k < count; ++k)
                for (std::int64_t n = 0; n < batch.data->steps[batch.selection[k]]; ++n)
                    for (int j = 0; j < Network::outputs; ++j)
                        outputs.values[(outputs.starts[k] + n) * Network::outputs + j] =
                            static_cast<double>(rows[(k * static_cast<std::size_t>(most) + static_cast<std::size_t>(n)) * width + static_cast<std::size_t>(j)]);
            return total;
        }
        std::vector<Real> rows(count * width);
        outputs_.take(rows.data(), rows.size());
        for (std::size_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::outputs; ++j)
                outputs.values[k * Network::outputs + static_cast<std::size_t>(j)] = static_cast<double>(rows[k * width + static_cast<std::size_t>(j)]);
        return total;
    }

    // ------------------------------------------------------------------------------------------ penalties
    std::vector<double> rates(std::int64_t count) {
        std::vector<double> all(static_cast<std::size_t>(count) * Network::penalty_size);
        rates_.take(all.data(), all.size());
        return all;
    }
    std::vector<double> mean_rates(std::int64_t count) {
        const std::vector<double> all = rates(count);
        std::vector<double> means(static_cast<std::size_t>(Network::penalty_size) + 1, 0.0);
        for (std::int64_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::penalty_size; ++j)
                means[static_cast<std::size_t>(j)] += all[static_cast<std::size_t>(k * Network::penalty_size + j)] / static_cast<double>(count);
        return means;
    }
    double penalty(std::int64_t count) {
        if (Network::penalty_count == 0) return 0;
        const std::vector<double> all = rates(count), means = mean_rates(count);
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

    // ------------------------------------------------------------------------------------------ numbers that are none
    // The first sample that met one; -1: none did.
    std::int64_t failed(std::int64_t count) {
        std::vector<FailureRecord> all(static_cast<std::size_t>(count));
        failures_.take(all.data(), all.size());
        for (std::int64_t k = 0; k < count; ++k)
            if (all[static_cast<std::size_t>(k)].phase) return k;
        return -1;
    }
    // Runs the batch once more, looking at every step.
    std::string what_failed(SampleArguments<Network>& a, const Batch& batch) {
        const std::string end = "; the weights are as they were before the batch. A smaller learning rate or a gradient clip may help";
        failures_.clear();
        a.looks = true;
        launch_samples(a, static_cast<int>(batch.count));
        check(cudaDeviceSynchronize(), "the samples");
        const std::int64_t k = failed(batch.count);
        if (k < 0) return "the loss is not finite" + end;
        std::vector<FailureRecord> all(static_cast<std::size_t>(batch.count));
        failures_.take(all.data(), all.size());
        const FailureRecord found = all[static_cast<std::size_t>(k)];
        const int population = Network::population_of(found.phase == 2, found.place);
        const std::string what = found.phase == 2 ? "the gradient explodes: an adjoint of `" : "a state of `";
        return what + (population >= 0 ? Network::population_name(population) : "?") + "` is not finite at step " + std::to_string(found.step) +
               " of sample " + std::to_string(batch.selection[k]) + end;
    }

    void gather(const SampleArguments<Network>& a, int count) {
        GatherArguments<Network> g = {};
        g.gradient = gathered_.data(), g.steps = a.steps, g.most_steps = a.most_steps, g.batch = count;
        input_.show(g);
        for (int p = 0; p < Network::populations; ++p) g.bits[p] = a.bits[p];
        g.tape = a.tape, g.sums = a.sums, g.total = total_.data();
        Network::launch_gather(g);
    }

    void optimise(bool steps, double learning_rate_factor) {
        if (steps) ++optimiser_step_;
        OptimiseArguments<Network> o = optimiser_arguments();
        o.learning_rate = Network::learning_rate * learning_rate_factor;
        o.scalars = Network::scalars(static_cast<double>(optimiser_step_), o.learning_rate);
        o.collects = true;
        o.steps = steps;
        Network::launch_optimise(o, Network::clip == Clip::norm ? 1 : Network::optimise_blocks);
    }

    DeviceArray<Real> parameters_{"the parameters"}, gathered_{"the gradients of the weights"}, gradients_{"the gradients"}, states_{"the optimiser"};
    DeviceArray<typename Network::Arrays> arrays_{"the numbers of the neurons"};
    DeviceArray<typename Network::Workspace> workspaces_{"the states of the samples"};
    DeviceArray<Real> tape_{"what the reverse phase needs of the forward one"}, errors_{"the derivatives of the loss"}, outputs_{"the readout"};
    DeviceArray<Real> step_outputs_{"the readout of every step"};
    DeviceArray<double> sums_{"the sums over time"}, total_{"the sums over samples"}, scratch_{"the gradients of neurons"}, losses_{"the losses"};
    DeviceArray<std::int64_t> counts_{"the counts"};
    DeviceArray<double> rates_{"the firing rates"}, mean_rates_{"the firing rates"};
    DeviceArray<FailureRecord> failures_{"the failures"};
    DeviceArrays<std::uint32_t> bits_{Network::populations, "the spikes"};
    BatchInput<Network> input_;
    Simulator<Network> simulator_;
    std::int64_t optimiser_step_ = 0;
    bool stale_ = true;
};

}  // namespace cuda
}  // namespace sncc
