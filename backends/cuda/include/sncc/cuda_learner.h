// The second and the third launch of a batch: gradients summed over its samples, the optimiser's step and what follows from it. The host
// goes on meanwhile; whatever reads a parameter waits for them first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_parameters.h"
#include "sncc/cuda_rewire.h"
#include "sncc/cuda_rows.h"
#include "sncc/cuda_together.h"
#include "sncc/engine.h"

namespace sncc {
namespace cuda {

template <typename Network>
class Learner {
public:
    Learner(DeviceMemory& memory, ParametersOnDevice<Network>& numbers, Connectivity<Network>& connectivity, const Stream& stream)
        : numbers_(numbers), connectivity_(connectivity), stream_(stream), arrays_(memory, "the numbers of the neurons"), total_(memory, "the sums over samples"),
          scratch_(memory, "the gradients of neurons"), overflown_(memory, "the gradients"), rewirer_(memory) {
        arrays_.reserve(1);
        if constexpr (Network::learns) {
            total_.reserve(static_cast<std::size_t>(Network::sum_size) + 16);
            overflown_.reserve(1);
            scratch_.reserve(static_cast<std::size_t>(Network::parameter_size) + 16);
        }
    }

    const typename Network::Arrays* arrays() const { return arrays_.data(); }
    // Once synapses are built, from that seed.
    void prepare_to_move(std::uint64_t seed) {
        seed_ = seed;
        rewirer_.make_room(numbers_.parameter_size - Network::parameter_size);
    }
    std::int64_t step() const { return step_; }
    void set_step(std::int64_t step) { step_ = step; }
    NumbersOnDevice<Network> numbers() { return {numbers_.parameters, numbers_.states, connectivity_, numbers_.shapes, numbers_.offsets, numbers_.parameter_size}; }

    // Numbers per neuron that follow from parameters set by hand: the last launch without its first parts.
    void derive() { Network::launch_optimise(optimiser_arguments(1), 1, stream_); }

    GatherArguments<Network> gather_arguments(const SampleArguments<Network>& a) {
        GatherArguments<Network> g = {};
        g.gradient = numbers_.gathered.data(), g.parameters = numbers_.parameters.data(), g.rows = connectivity_.table(), g.steps = a.rest ? a.rest : a.steps, g.most_steps = a.most_steps, g.batch = a.batch;
        g.round = a.round, g.room = a.room, g.length = a.length;
        std::copy(a.events, a.events + Network::sources + Network::thinned, g.events), std::copy(a.values, a.values + Network::sources + Network::thinned, g.values);
        g.fired = a.fired;
        for (int p = 0; p < Network::populations + Network::thinned; ++p) g.bits[p] = a.bits[p];
        for (int k = 0; k < Network::series_count; ++k) g.series[k] = a.series[k];
        g.series_lead = a.series_lead;
        g.tape = a.tape, g.sums = a.sums, g.total = total_.data(), g.overflown = overflown_.data();
        g.sample_gradients = a.sample_gradients, g.gradient_width = a.gradient_width;
        return g;
    }
    // Before the first gradient of a batch is summed.
    void forget_overflow() { check(cudaMemsetAsync(overflown_.data(), all_finite_bytes, sizeof(int), stream_), "cudaMemsetAsync", "the gradients"); }
    OptimiseArguments<Network> optimiser_arguments(double learning_rate_factor) {
        OptimiseArguments<Network> o = {};
        numbers_.describe(o);
        o.arrays = arrays_.data(), o.rows = connectivity_.table(), o.total = total_.data(), o.overflown = overflown_.data(), o.scratch = scratch_.data(), o.dormant = rewirer_.dormant(), o.seed = seed_;
        o.learning_rate = Network::learning_rate * learning_rate_factor;
        return o;
    }
    int optimise_blocks() const { return static_cast<int>(std::max<std::int64_t>(Network::optimise_blocks, std::min<std::int64_t>(264, numbers_.parameter_size / elements_a_block))); }
    // Of the next steps of the optimiser.
    List<typename Network::Scalars> scalars(std::int64_t steps, double learning_rate) const {
        List<typename Network::Scalars> all;
        for (std::int64_t n = 1; n <= steps; ++n) all.push_back(Network::scalars(static_cast<double>(step_ + n), learning_rate));
        return all;
    }
    // The device is about to have taken so many steps.
    void has_taken(std::int64_t steps) {
        overflown_.take(overflown_read_, 1, stream_);
        gathered_all_.record(stream_);
        unsettled_ = true, step_before_ = step_;
        step_ += steps;
    }
    // Gradients as the user sees them and, where it `steps`, the optimiser's step. A batch that is `taken_back` as a whole where a gradient is
    // none need not be left as it was.
    void optimise(bool steps, double learning_rate_factor, bool taken_back) {
        const std::int64_t step = step_ + (steps ? 1 : 0);
        OptimiseArguments<Network> o = optimiser_arguments(learning_rate_factor);
        o.scalars = Network::scalars(static_cast<double>(step), o.learning_rate);
        int blocks = Network::clip == Clip::norm ? 1 : optimise_blocks();
        o.collects = true;
        // No block may change a number before all know that every sum is one.
        if (Network::sums_late && steps && blocks > 1 && !taken_back) {
            const int most = together_.most(Network::resident_optimise());
            o.meets = most > 0;
            if (o.meets)
                blocks = std::min(blocks, most);
            else
                Network::launch_optimise(o, blocks, stream_), o.collects = false;
        }
        o.steps = steps;
        Network::launch_optimise(o, blocks, stream_);
        has_taken(steps ? 1 : 0);
    }
    // Moves the synapses that have become dormant; gives whether there were any.
    bool move_synapses() {
        if (Network::rewiring_count == 0) return false;
        settle();
        return rewirer_.move(numbers(), seed_, static_cast<std::uint32_t>(step_));
    }
    void forget_dormant() { rewirer_.forget(); }
    // Waits for the last batch's gradients. The optimiser has left all as it was where one of them is none.
    void settle() {
        if (!unsettled_) return;
        unsettled_ = false;
        gathered_all_.wait("the gradients");
        if (overflown_read_[0] == all_finite) return;
        step_ = step_before_;
        throw Failure(Code::numerical, std::string("the gradient of `") + Network::parameter_key(overflown_read_[0]) + "` is not finite; the weights are as they were before "
                                       "the last batch. A smaller learning rate or a gradient clip may help");
    }

private:
    static constexpr std::int64_t elements_a_block = 4096;

    ParametersOnDevice<Network>& numbers_;
    Connectivity<Network>& connectivity_;
    const Stream& stream_;
    Together together_;
    DeviceArray<typename Network::Arrays> arrays_;
    DeviceArray<double> total_, scratch_;
    DeviceArray<int> overflown_;
    PinnedArray<int> overflown_read_;
    Event gathered_all_;
    Rewirer<Network> rewirer_;
    bool unsettled_ = false;
    std::int64_t step_ = 0, step_before_ = 0;
    std::uint64_t seed_ = 0;
};

}  // namespace cuda
}  // namespace sncc
