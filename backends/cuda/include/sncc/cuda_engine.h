// The CUDA engine: a block takes a sample through the whole sequence, forwards and back (first launch); gradients are summed over all
// samples (second); the optimiser and what follows from it (third).
//
// `Network` is emitted.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "sncc/call.h"
#include "sncc/cuda_arguments.h"
#include "sncc/cuda_batch.h"
#include "sncc/cuda_copies.h"
#include "sncc/cuda_kept.h"
#include "sncc/cuda_learner.h"
#include "sncc/cuda_lockstep.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_parameters.h"
#include "sncc/cuda_results.h"
#include "sncc/cuda_rewire.h"
#include "sncc/cuda_rows.h"
#include "sncc/cuda_simulation.h"
#include "sncc/cuda_together.h"
#include "sncc/cuda_turns.h"
#include "sncc/engine.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

template <typename Network>
class CudaEngine final : public Engine {
    using Real = typename Network::Real;

public:
    CudaEngine() {
        check(cudaDeviceGetAttribute(&most_shared_, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
        if constexpr (Network::cluster > 0) {
            int has_clusters = 0;
            check(cudaDeviceGetAttribute(&has_clusters, cudaDevAttrClusterLaunch, 0), "cudaDeviceGetAttribute");
            shares_samples_ = has_clusters != 0 && Network::shared_in_cluster + STATIC_SHARED <= static_cast<std::size_t>(most_shared_) && Network::resident_clusters() > 0;
        }
    }
    // Copies from and to pinned memory, which is given back, may still run.
    ~CudaEngine() override {
        cudaStreamSynchronize(compute_);
        cudaStreamSynchronize(copies_);
    }

    // -------------------------------------------------------------------------------------------- connectivity
    void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override {
        connectivity_.connect(connection, pre, post, count);
    }
    void build(std::uint64_t seed, const Description& about) override {
        if constexpr (Network::rows_count > 0) build_rows(seed, about);
        learner_.prepare_to_move(seed);
    }
    void reconnect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override {
        if constexpr (Network::rewiring_count > 0) {
            const SynapseRows& rows = connectivity_.of(connection);
            if (!are_others<Network>(rows, pre, post, count)) return;
            const int weight = rows.info().weight;
            learner_.settle();
            connectivity_.move(weight, pre, post);
            Rewirer<Network>::forget_states(learner_.numbers(), weight);
            upload_rows();
        } else {
            Engine::reconnect(connection, pre, post, count);
        }
    }
    std::int64_t parameter_size(int k) override { return std::int64_t(numbers_.shapes[k].rows) * numbers_.shapes[k].columns; }
    std::int64_t synapse_count(int connection) override { return static_cast<std::int64_t>(connectivity_.of(connection).count()); }
    void synapses(int connection, std::int64_t* pre, std::int64_t* post) override { connectivity_.of(connection).list(pre, post); }

    // -------------------------------------------------------------------------------------------- parameters
    void set_parameter(int k, const double* values) override {
        learner_.settle();
        const bool delays = connectivity_.is_delays(k);
        numbers_.set(k, delays ? connectivity_.take_delays(k, values, numbers_.shapes[k], built_) : values);
        stale_ = true;
        if (!delays || !built_) return;
        connectivity_.set_delays(numbers_.shapes);
        follow_delays();
    }
    void get_parameter(int k, double* values) override {
        learner_.settle();
        numbers_.get(k, values);
    }
    void get_gradient(int k, double* values) override {
        learner_.settle();
        numbers_.get_gradient(k, values);
    }
    void set_optimiser_state(int k, int state, const double* values) override {
        learner_.settle();
        numbers_.set_state(k, state, values);
    }
    void get_optimiser_state(int k, int state, double* values) override {
        learner_.settle();
        numbers_.get_state(k, state, values);
    }
    void set_optimiser_step(std::int64_t step) override {
        learner_.settle();
        learner_.set_step(step);
    }
    std::int64_t optimiser_step() override {
        learner_.settle();
        return learner_.step();
    }

    // -------------------------------------------------------------------------------------------- batches
    // Returns when the results are there: the gradients and the optimiser's step may still run, while the next batch is
    // prepared and copied. Whatever reads them waits, and says what the gradients of the last batch could not hold.
    Result run(Mode mode, const Batch& batch, double learning_rate_factor, const Outputs& outputs) override {
        const Call<const Batch*()> next = std::exchange(next_, {});
        refresh();
        const bool learns = mode != Mode::evaluate;
        const Plan plan = plan_of(mode, batch);
        results_.forget_rates();
        const Result result = run_samples(mode, batch, plan, learning_rate_factor, outputs, [&] {
            try {
                if (const Batch* const after = next ? next() : nullptr) inputs_[turn_ ^ 1].prepare(*after, learns, plan_of(mode, *after).signals_wait, copies_);
            } catch (...) {  // said when those samples run
            }
        });
        if (learns && !is_step_by_step(mode)) optimise(mode, learning_rate_factor);
        if (mode == Mode::train && learner_.move_synapses()) {
            upload_rows();
            stale_ = stale_ || Network::travelling_count > 0;  // numbers of neurons that stand for synapses
        }
        return result;
    }

    void expect(Call<const Batch*()> next) override {
        if (!next) inputs_[0].forget(), inputs_[1].forget();
        next_ = next;
    }

    // -------------------------------------------------------------------------------------------- simulation
    void simulate(const Simulation& simulation) override {
        learner_.settle();
        refresh();
        simulator_.run(simulation, compute_, [this](SampleArguments<Network>& a) { launch_simulation(a); });
    }
    const Spikes& spikes(int population) override { return simulator_.spikes(population); }
    void reset() override { simulator_.reset(); }
    std::int64_t step_count() override { return simulator_.step_count(); }
    bool states_are_finite(const Description& about) override { return simulator_.states_are_finite(about); }
    List<double> state_of(int population, int state, std::int64_t size) override { return simulator_.state_of(population, state, size); }
    List<double> first_state_of(const Simulation& run, int population, int state, std::int64_t size) override {
        return simulator_.first_state_of(run, population, state, size, compute_, [this](SampleArguments<Network>& a) { launch_simulation(a); });
    }
    std::size_t state_size() override { return size_of_state(*this); }
    void get_state(unsigned char* bytes, std::size_t size) override { write_state(*this, bytes, size); }
    void set_state(const unsigned char* bytes, std::size_t size) override { read_state(*this, bytes, size); }
    void keep(Archive& archive) { simulator_.keep(archive, connectivity_.fingerprints()); }

private:
    Plan plan_of(Mode mode, const Batch& batch) const {
        if (mode == Mode::evaluate) return {batch.count, std::numeric_limits<std::int64_t>::max(), false};
        SampleArguments<Network> a = {};
        place_traces(a, numbers_, connectivity_);
        return KeptOfSamples<Network>::plan(batch, numbers_.gradient_size, connectivity_.most_delay(), a.trace_width, is_step_by_step(mode));
    }
    // The samples of a batch, in training their gradients too. The device waits for nothing between the last batch's optimiser and these
    // samples, nor the host for these before it has prepared the next ones.
    template <typename Meanwhile>
    Result run_samples(Mode mode, const Batch& batch, const Plan& plan, double learning_rate_factor, const Outputs& outputs, const Meanwhile& meanwhile) {
        const bool learns = mode != Mode::evaluate;
        BatchInput<Network>& input = inputs_[turn_ ^= 1];
        if (!input.holds(batch, learns, plan.signals_wait)) input.prepare(batch, learns, plan.signals_wait, copies_);
        SampleArguments<Network> a = {};
        input.hand_over(a, compute_);
        WaitingSignals<Network> waiting = input.waiting();
        a.of = static_cast<int>(batch.count);
        lay_out(a, batch, learns, plan, outputs);
        turns_.make_room(waiting, plan.at_once, a.most_steps);
        if (is_step_by_step(mode)) return run_step_by_step(a, batch, input, learning_rate_factor, outputs, meanwhile);
        if (learns)
            run_turns(a, waiting, std::min(plan.at_once, batch.count));
        else
            launch_samples(a);
        results_.send(batch.count, compute_);
        input.release(compute_);
        learner_.settle();
        meanwhile();
        const Result result = results_.take(batch, outputs, a.most_steps);
        if (learns && results_.are_wrong(result, batch)) throw Failure(Code::numerical, what_failed(a, waiting, plan.at_once, batch));
        if (!learns && results_.are_wrong(result, batch)) look_for_explosions(a, batch);
        return result;
    }
    void optimise(Mode mode, double learning_rate_factor) {
        learner_.optimise(mode == Mode::train, learning_rate_factor, is_step_by_step(mode));
    }
    static bool is_step_by_step(Mode mode) { return Network::online && Network::loss_every_step && mode == Mode::train; }

    // Synapses, then room for what has a number for each of them, behind what is there already.
    void build_rows(std::uint64_t seed, const Description& about) {
        connectivity_.build(seed);
        const auto drawn = numbers_.make_room_for(connectivity_, about, seed);
        for (const auto& [k, values] : drawn) set_parameter(k, values.data());
        for (int r = 0; r < Network::rewiring_count; ++r) refuse_equal_pairs(connectivity_.with_weight(Network::rewirings()[r].parameter));
        upload_rows();
        built_ = true;
    }
    // Synapses with their delays, for the kernels.
    void upload_rows() {
        connectivity_.set_delays(numbers_.shapes);
        connectivity_.upload(numbers_.shapes, [&](int k) { return numbers_.weights(k); },
                             [&](int r, int k) { return numbers_.gathered.data() + (Network::late(k) < 0 ? std::max<std::int64_t>(Network::row_gradients()[r], 0) : numbers_.late[Network::late(k)].gathered); });
        follow_delays();
    }
    // A simulation under way ends where spikes were on their way with other delays.
    void follow_delays() {
        if (connectivity_.has_other_delays()) simulator_.set_lead(connectivity_.most_delay());
    }

    // Numbers per neuron that follow from parameters set by hand.
    void refresh() {
        if (stale_) learner_.derive();
        stale_ = false;
    }

    // -------------------------------------------------------------------------------------------- samples
    // Where the samples of a batch leave what they compute.
    void lay_out(SampleArguments<Network>& a, const Batch& batch, bool learns, const Plan& plan, const Outputs& outputs) {
        a.keeps = learns, a.looks_in_the_end = !learns, a.fresh = true, a.lead = 0, a.seed = batch.seed;
        place_traces(a, numbers_, connectivity_);
        kept_.lay_out(a, plan.at_once, learns, plan.length, connectivity_.most_delay());
        results_.lay_out(a, outputs);
    }
    void launch_samples(SampleArguments<Network>& a) { launch_placed(a, place(a, a.batch), compute_); }
    // By blocks of the whole card where these are resident at once; else by one.
    void launch_simulation(SampleArguments<Network>& a) {
        if constexpr (Network::spread > 0) {
            point_at_numbers(a);
            if (together_.most(Network::resident_spread()) >= Network::spread) return Network::launch_spread(a, compute_);
        }
        launch_samples(a);
    }
    // Where samples have their numbers and states, so many at once; gives the shared memory of a block.
    std::size_t place(SampleArguments<Network>& a, std::int64_t at_once) {
        const int count = std::exchange(a.batch, static_cast<int>(at_once));
        point_at_numbers(a);
        const std::size_t shared = is_in_clusters(a) ? 0 : place_states(a, a.round.to == 0);
        place_slices(a, a.round.to == 0);
        a.batch = count;
        return shared;
    }
    // What a block of a cluster has of a sample is in shared memory while it runs; between steps in lockstep it stays there or stands in the device's.
    void place_slices(SampleArguments<Network>& a, bool stay) {
        a.slices = nullptr;
        if constexpr (Network::has_rounds && Network::cluster > 0) {
            if (stay || !is_in_clusters(a)) return;
            slices_.reserve(static_cast<std::size_t>(a.batch) * Network::cluster * Network::shared_in_cluster);
            a.slices = slices_.data();
        }
    }
    void launch_placed(const SampleArguments<Network>& a, std::size_t shared, const Stream& stream) {
        if constexpr (Network::cluster > 0)
            if (is_in_clusters(a)) return Network::launch_clusters(a, stream);
        Network::launch_samples(a, a.batch, shared, stream);
    }
    // Samples of a batch with their gradients, in turns and segments where memory is bounded. The way back of a sample needs the rates of all where a penalty is
    // over the batch: where all blocks are resident they meet for these, else the samples run forwards once before.
    void run_turns(SampleArguments<Network>& a, const WaitingSignals<Network>& waiting, std::int64_t at_once) {
        if constexpr (Network::learns) {
            if (Network::batch_penalties) a.mean_rates = results_.room_for_mean_rates();
            const std::size_t shared = place(a, at_once);
            a.finds_rates = Network::batch_penalties && at_once == a.batch && !is_in_clusters(a) && together_.most(Network::resident_samples(shared)) >= a.batch;
            learner_.forget_overflow();
            turns_.run(a, waiting, at_once, Network::batch_penalties && !a.finds_rates, [&] { Network::load_stages(shared); }, [&](const Stage<Network>& stage, const Stream& stream) {
                launch_placed(stage.samples, shared, stream);
                if constexpr (Network::batch_penalties)
                    if (stage.ends_rates) Network::launch_rates(a, stream);
                if (stage.samples.keeps) Network::launch_gather(stage.gather, stream);
            });
        }
    }
    void point_at_numbers(SampleArguments<Network>& a) const {
        a.parameters = numbers_.parameters.data(), a.halves = numbers_.halves.data(), a.rows = connectivity_.table(), a.arrays = learner_.arrays();
    }
    // Shared memory of a block: its sample's states where these may stand there and fit, and copies of weights.
    std::size_t place_states(SampleArguments<Network>& a, bool may_stand_there) {
        std::size_t shared = sizeof(typename Network::Workspace);
        a.workspaces = nullptr;
        if (!Network::in_shared_memory && (shared + STATIC_SHARED > static_cast<std::size_t>(most_shared_) || !may_stand_there)) {
            workspaces_.reserve(static_cast<std::size_t>(a.batch));
            a.workspaces = workspaces_.data();
            shared = 0;
        }
        if constexpr (Network::copy_count > 0 || Network::copies_synapses) shared = copied_.place(a, shared, [this](int r) { return connectivity_.copied(r); });
        return shared;
    }
    // Gives whether all rounds could be one launch.
    bool launch_together(RoundsArguments<Network>& g) {
        if constexpr (Network::has_rounds) {
            point_at_numbers(g.samples);
            if (is_in_clusters(g.samples)) return launch_clusters_together(g);
            for (const bool stays : {true, false}) {
                const std::size_t shared = place_states(g.samples, stays);
                const int useful = useful_blocks(Network::threads);
                const int samples = g.samples.batch, most = together_.most(Network::resident_rounds(shared));
                if (most == 0 || (samples > most && !g.samples.workspaces)) continue;
                learner_.forget_overflow();
                Network::launch_rounds(g, std::min(most, std::max(samples, useful)), shared, compute_);
                return true;
            }
        }
        return false;
    }
    // The same by clusters, each of which takes as many samples as needed.
    bool launch_clusters_together(RoundsArguments<Network>& g) {
        if constexpr (Network::has_rounds && Network::cluster > 0) {
            const int most = together_.may_meet() ? Network::resident_cluster_rounds() : 0, samples = g.samples.batch;
            if (most == 0) return false;
            place_slices(g.samples, samples <= most);
            learner_.forget_overflow();
            const int useful = (useful_blocks(Network::threads_in_cluster) + Network::cluster - 1) / Network::cluster;
            return Network::launch_cluster_rounds(g, std::min(most, std::max(samples, useful)), compute_);
        }
        return false;
    }
    // For the sums of gradients and the optimiser, by blocks of so many threads.
    int useful_blocks(int threads) const { return std::max(Network::gather_blocks(threads / 32), learner_.optimise_blocks()); }
    // Of a simulation, and of a sequence that is cut, the whole state is kept between launches.
    bool is_in_clusters(const SampleArguments<Network>& a) const { return shares_samples_ && !a.carried && a.segments <= 1; }
    // Where the weights change after every step.
    template <typename Meanwhile>
    Result run_step_by_step(SampleArguments<Network>& a, const Batch& batch, BatchInput<Network>& input, double learning_rate_factor, const Outputs& outputs, const Meanwhile& meanwhile) {
        learner_.settle();
        lockstep_.keep();
        if (!lockstep_.run_together(a, learning_rate_factor, [this](RoundsArguments<Network>& g) { return launch_together(g); }))
            lockstep_.run_one_by_one(a, [this](SampleArguments<Network>& step) { launch_samples(step); }, [&] { optimise(Mode::train, learning_rate_factor); });
        results_.send(batch.count, compute_);
        input.release(compute_);
        meanwhile();
        const Result result = results_.take(batch, outputs, a.most_steps);
        std::string wrong = results_.are_wrong(result, batch) ? results_.said(batch) : "";
        try {
            learner_.settle();
        } catch (const Failure& overflow) {
            if (wrong.empty()) wrong = overflow.what();
        }
        if (wrong.empty()) return result;
        lockstep_.take_back();
        stale_ = true;
        throw Failure(Code::numerical, wrong);
    }
    // Runs the batch once more, looking at every step.
    std::string what_failed(SampleArguments<Network>& a, const WaitingSignals<Network>& waiting, std::int64_t at_once, const Batch& batch) {
        results_.look_again();
        a.looks = true, a.finds_rates = false;
        const std::size_t shared = place(a, std::min(at_once, batch.count));
        turns_.give(a, waiting, at_once, false, compute_, [&](const Stage<Network>& stage, const Stream& stream) { launch_placed(stage.samples, shared, stream); });
        results_.send(batch.count, compute_);
        return results_.said(batch);
    }
    // Throws Failure where a state explodes in samples without gradients: a loss may be none by itself.
    void look_for_explosions(SampleArguments<Network>& a, const Batch& batch) {
        results_.look_again();
        a.looks = true;
        launch_samples(a);
        results_.send(batch.count, compute_);
        const std::string found = results_.exploded(batch);
        if (!found.empty()) throw Failure(Code::numerical, found);
    }

    DeviceMemory memory_;
    Stream compute_{cudaStreamDefault}, copies_{cudaStreamNonBlocking};
    ParametersOnDevice<Network> numbers_{memory_};
    DeviceArray<typename Network::Workspace> workspaces_{memory_, "the states of the samples"};
    DeviceArray<unsigned char> slices_{memory_, "the states of the samples"};
    KeptOfSamples<Network> kept_{memory_};
    Copies<Network> copied_;
    ResultsOfSamples<Network> results_{memory_};
    BatchInput<Network> inputs_[2] = {BatchInput<Network>(memory_), BatchInput<Network>(memory_)};  // in turn
    Simulator<Network> simulator_{memory_};
    Connectivity<Network> connectivity_{memory_};
    Learner<Network> learner_{memory_, numbers_, connectivity_, compute_};
    Lockstep<Network> lockstep_{memory_, numbers_, learner_, results_, compute_};
    Turns<Network> turns_{memory_, learner_, compute_};
    Together together_;
    bool built_ = false;
    Call<const Batch*()> next_;
    int turn_ = 0, most_shared_ = 0;
    bool shares_samples_ = false;  // between the blocks of a cluster
    bool stale_ = true;
};

}  // namespace cuda
}  // namespace sncc
