// Training in which the weights change after every step: all samples take a step, then the optimiser does. Where anything is no number in the
// end, what was before the batch comes back.
#pragma once

#include "sncc/cuda_learner.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_parameters.h"
#include "sncc/cuda_results.h"
#include "sncc/cuda_rounds.h"

namespace sncc {
namespace cuda {

template <typename Network>
class Lockstep {
    using Real = typename Network::Real;

public:
    Lockstep(DeviceMemory& memory, ParametersOnDevice<Network>& numbers, Learner<Network>& learner, ResultsOfSamples<Network>& results, const Stream& stream)
        : numbers_(numbers), learner_(learner), results_(results), stream_(stream), parameters_(memory, "the parameters"), states_(memory, "the optimiser"),
          scalars_(memory, "the optimiser") {}

    // Keeps what is there before a batch.
    void keep() {
        step_ = learner_.step();
        copy(parameters_, numbers_.parameters, numbers_.parameter_size);
        copy(states_, numbers_.states, numbers_.parameter_size * Network::optimiser_states);
    }
    void take_back() {
        copy(numbers_.parameters, parameters_, numbers_.parameter_size);
        copy(numbers_.states, states_, numbers_.parameter_size * Network::optimiser_states);
        learner_.set_step(step_);
        learner_.forget_dormant();
    }

    // All steps in one launch. launch(arguments) gives whether its blocks are all resident at once; else nothing has run.
    template <typename Launch>
    bool run_together(SampleArguments<Network>& a, double learning_rate_factor, const Launch& launch) {
        RoundsArguments<Network> g = {};
        a.round.to = 1;
        a.mean_rates = results_.room_for_mean_rates();
        g.samples = a, g.gather = learner_.gather_arguments(a), g.optimise = learner_.optimiser_arguments(learning_rate_factor);
        scalars_.put(learner_.scalars(a.most_steps, g.optimise.learning_rate));
        g.scalars = scalars_.data();
        if (!launch(g)) return false;
        learner_.has_taken(a.most_steps);
        return true;
    }
    // A step in three launches. launch(arguments) runs the samples, optimise() takes the optimiser's step.
    template <typename Launch, typename Optimise>
    void run_one_by_one(SampleArguments<Network>& a, const Launch& launch, const Optimise& optimise) {
        for (std::int64_t n = 1; n <= a.most_steps; ++n) {
            a.round.from = n - 1, a.round.to = n;
            launch(a);
            if (Network::penalises_late && n == a.most_steps) {
                results_.add_rates(a.batch);
                a.mean_rates = results_.mean_rates_on_device(), a.round.penalises = true;
                launch(a);
            }
            if (n == 1) learner_.forget_overflow();
            Network::launch_gather(learner_.gather_arguments(a), stream_);
            optimise();
        }
    }

private:
    void copy(DeviceArray<Real>& to, const DeviceArray<Real>& from, std::int64_t count) {
        to.reserve(static_cast<std::size_t>(count) + 16);
        check(cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(count) * sizeof(Real), cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync", "the parameters");
    }

    ParametersOnDevice<Network>& numbers_;
    Learner<Network>& learner_;
    ResultsOfSamples<Network>& results_;
    const Stream& stream_;
    DeviceArray<Real> parameters_, states_;
    DeviceArray<typename Network::Scalars> scalars_;
    std::int64_t step_ = 0;
};

}  // namespace cuda
}  // namespace sncc
