// The CPU engine: one thread takes a tile of samples through the whole sequence, forwards and back. Each chain of a batch is a fixed
// list of tiles (cpu_gradients.h).
//
// `Network` is emitted: the layout of states, the operations of a step, the shapes of parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "sncc/ahead.h"
#include "sncc/cpu_gradients.h"
#include "sncc/cpu_numbers.h"
#include "sncc/cpu_online.h"
#include "sncc/cpu_optimiser.h"
#include "sncc/cpu_penalties.h"
#include "sncc/cpu_segments.h"
#include "sncc/cpu_simulation.h"
#include "sncc/cpu_start.h"
#include "sncc/fpu.h"
#include "cpu_readout.h"
#include "sncc/list.h"
#include "sncc/memory.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace cpu {

template <typename Network>
class CpuEngine final : public Engine {
    using Real = typename Network::Real;
    friend class Online<Network>;

public:
    SNCC_COLD explicit CpuEngine(int threads)
        : pool_(threads), tiles_(static_cast<std::size_t>(pool_.threads())), checkpoints_(static_cast<std::size_t>(pool_.threads())) {}

    // -------------------------------------------------------------------------------------------- connectivity
    SNCC_COLD void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override { numbers_.connect(connection, pre, post, count); }
    SNCC_COLD void build(std::uint64_t seed, const Description& about) override {
        numbers_.build(seed, about, pool_);
        gradients_.allocate();
    }
    SNCC_COLD void reconnect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override {
        if constexpr (Network::rewiring_count > 0)
            numbers_.reconnect(connection, pre, post, count);
        else
            Engine::reconnect(connection, pre, post, count);
    }
    std::int64_t parameter_size(int k) override { return numbers_.size(k); }
    std::int64_t synapse_count(int connection) override { return static_cast<std::int64_t>(numbers_.rows_of(connection).count()); }
    SNCC_COLD void synapses(int connection, std::int64_t* pre, std::int64_t* post) override { numbers_.rows_of(connection).list(pre, post); }

    // -------------------------------------------------------------------------------------------- parameters
    SNCC_COLD void set_parameter(int k, const double* values) override { numbers_.set_parameter(k, values); }
    SNCC_COLD void get_parameter(int k, double* values) override { numbers_.get_parameter(k, values); }
    SNCC_COLD void get_gradient(int k, double* values) override {
        if (gradients_.of(k) == nullptr) throw Failure(Code::argument, "no gradient has been computed yet");
        numbers_.copy_out(k, gradients_.of(k), values);
    }
    SNCC_COLD void set_optimiser_state(int k, int state, const double* values) override { numbers_.copy_in(k, numbers_.slot(k, state).data(), values); }
    SNCC_COLD void get_optimiser_state(int k, int state, double* values) override { numbers_.copy_out(k, numbers_.slot(k, state).data(), values); }
    void set_optimiser_step(std::int64_t step) override { numbers_.optimiser_step = step; }
    std::int64_t optimiser_step() override { return numbers_.optimiser_step; }

    // -------------------------------------------------------------------------------------------- batches
    Result run(Mode mode, const Batch& batch, double learning_rate_factor, const Outputs& outputs) override {
        numbers_.refresh();
        const FlushDenormals flush;
        const std::int64_t tiles = (batch.count + Network::tile - 1) / Network::tile;
        const int chains = static_cast<int>(std::min<std::int64_t>(numbers_.most_chains, tiles));
        const bool learns = mode != Mode::evaluate;
        learns_ = learns;
        if constexpr (Network::online)
            if (learns) return online_.run(*this, mode, batch, learning_rate_factor);
        if (learns) make_room(batch, chains);
        // Chains that are no more than threads have a tile each: which thread takes one differs from batch to batch.
        const auto place = [&](int chain, int worker) { return chains <= pool_.threads() ? chain : worker; };
        List<Result> results(static_cast<std::size_t>(batch.count));
        failed_.assign(static_cast<std::size_t>(batch.count), 0);
        if constexpr (Network::batch_penalties) {
            penalties_.begin(batch.count);
            if (learns)  // the adjoints of a sample need the rates of all
                pool_.run(chains, [&](int chain, int worker) {
                    for (std::int64_t tile = chain; tile < tiles; tile += chains)
                        run_tile(place(chain, worker), batch, tile * Network::tile, nullptr, {nullptr, nullptr}, results);
                });
            penalties_.average(batch.count);
        }
        pool_.run(chains, [&](int chain, int worker) {
            if (learns) gradients_.chains[chain].begin();
            for (std::int64_t tile = chain; tile < tiles; tile += chains)
                run_tile(place(chain, worker), batch, tile * Network::tile, learns ? &gradients_.chains[chain] : nullptr, outputs, results);
        });
        Result total{0, 0, 0, 0};
        for (const Result& r : results)
            total.loss += r.loss, total.penalty += r.penalty, total.correct += r.correct, total.labelled += r.labelled;
        total.loss /= static_cast<double>(std::max<std::int64_t>(batch.count, 1));
        total.penalty /= static_cast<double>(std::max<std::int64_t>(batch.count, 1));
        if constexpr (Network::batch_penalties) {
            penalties_.average(batch.count);
            total.penalty += penalties_.of_means();
        }
        for (std::int64_t k = 0; k < batch.count; ++k)
            if (failed_[static_cast<std::size_t>(k)] || (learns && !std::isfinite(results[static_cast<std::size_t>(k)].loss)))
                throw Failure(Code::numerical, learns ? what_failed(batch, k) : what_exploded(batch, k));
        if (learns) {
            gradients_.collect(chains, pool_);
            gradients_.check();
        }
        if (mode == Mode::train) optimise(learning_rate_factor);
        return total;
    }

    // -------------------------------------------------------------------------------------------- simulation
    void simulate(const Simulation& simulation) override {
        numbers_.refresh();
        const FlushDenormals flush;
        simulator_.run(simulation);
    }
    const Spikes& spikes(int population) override { return simulator_.spikes(population); }
    SNCC_COLD void reset() override { simulator_.reset(); }
    std::int64_t step_count() override { return simulator_.step_count(); }
    bool states_are_finite(const Description& about) override { return simulator_.states_are_finite(about); }
    SNCC_COLD List<double> state_of(int population, int state, std::int64_t size) override { return simulator_.state_of(population, state, size); }
    SNCC_COLD List<double> first_state_of(const Simulation& run, int population, int state, std::int64_t size) override {
        return simulator_.first_state_of(run, population, state, size);
    }
    std::size_t state_size() override { return size_of_state(simulator_); }
    void get_state(unsigned char* bytes, std::size_t size) override { write_state(simulator_, bytes, size); }
    void set_state(const unsigned char* bytes, std::size_t size) override { read_state(simulator_, bytes, size); }

private:
    using Chain = typename ChainGradients<Network>::Chain;

    // In the midst of sequences it moves no synapses.
    void optimise(double learning_rate_factor, bool moves = true) {
        OptimiserStep<Network> step(numbers_, gradients_, pool_);
        step.take(learning_rate_factor);
        if (moves) step.move();
    }

    // ------------------------------------------------------------------------------------------ training forwards in time
    [[noreturn]] SNCC_COLD void fail_at(const NotFinite& found, std::int64_t n, std::int64_t index, bool changed) {
        if (changed) numbers_.restore();
        throw Failure(Code::numerical, said(found, n, index) + as_before);
    }
    void check_gradients_or_restore() {
        try {
            gradients_.check();
        } catch (const Failure&) {
            numbers_.restore();
            throw;
        }
    }

    static std::int64_t longest(const Batch& batch, std::int64_t first, std::int64_t count) {
        std::int64_t steps = 1;
        for (std::int64_t k = first; k < first + count; ++k) steps = std::max<std::int64_t>(steps, batch.data->steps[batch.selection[k]]);
        return steps;
    }

    void run_tile(int place, const Batch& batch, std::int64_t first, Chain* chain, const Outputs& outputs, List<Result>& results) {
        Tile<Network>& tile = tiles_[static_cast<std::size_t>(place)];
        Checkpoints<Network>& checkpoints = checkpoints_[static_cast<std::size_t>(place)];
        const int count = static_cast<int>(std::min<std::int64_t>(Network::tile, batch.count - first));
        tile.steps = longest(batch, first, count);
        const Segments segments = chain ? begin_segments(tile, checkpoints) : Segments();
        tile.scale = 1.0 / static_cast<double>(batch.count);
        for (int s = 0; s < Network::tile; ++s) tile.samples[s].steps = 0;
        for (int s = 0; s < count; ++s) prepare(tile, s, batch, first + s);
        walk(numbers_.parameters, tile, count, 1, tile.steps, [&](int stage, int s, std::int64_t n) {
            if (chain)
                forward(tile, segments, checkpoints, stage, s, n);
            else
                Network::template forward<false>(numbers_.arrays, numbers_.parameters, tile.samples[s], stage, n, nullptr, s);
            if (stage == Network::stages - 1 && outputs.values && outputs.starts) write_step(tile.samples[s], outputs, first + s, n);
        });
        for (int s = 0; s < count; ++s) {
            Sample<Network>& sample = tile.samples[s];
            Result& result = results[static_cast<std::size_t>(first + s)];
            result = {conclude(sample), penalties_.count(sample, first + s), 0, 0};
            if constexpr (Network::outputs > 0) {
                const auto& r = std::get<0>(sample.readings);
                result.correct = r.correct, result.labelled = r.labelled;
                if (outputs.values && !outputs.starts)
                    for (int j = 0; j < Network::outputs; ++j)
                        outputs.values[(first + s) * Network::outputs + j] = static_cast<double>(r.reduced[j]);
            }
            if (explodes(sample, batch, first + s)) failed_[static_cast<std::size_t>(first + s)] = 1;
        }
        if (!chain) return;
        learn(tile, segments, checkpoints, *chain);
        for (int s = 0; s < count; ++s)
            if (Network::not_finite(tile.adjoint[s]).population >= 0) failed_[static_cast<std::size_t>(first + s)] = 1;
    }

    void write_step(Sample<Network>& sample, const Outputs& outputs, std::int64_t k, std::int64_t n) {
        if constexpr (Network::outputs > 0) {
            using First = std::tuple_element_t<0, typename Network::Readouts>;
            const Real* x = First::seen(sample);
            for (int j = 0; j < Network::outputs; ++j)
                outputs.values[(outputs.starts[k] + n - 1) * Network::outputs + j] = First::scale * static_cast<double>(x[j]);
        }
    }

    void prepare(Tile<Network>& tile, int s, const Batch& batch, std::int64_t k) {
        Sample<Network>& sample = tile.samples[s];
        const Data& data = *batch.data;
        const std::int64_t index = batch.selection[k];
        sample.steps = data.steps[index];
        sample.before = 0;
        sample.seed = batch.seed, sample.trial = batch.trial(k), sample.learns = learns_;
        start_state(sample, numbers_.arrays, batch.seed, batch.trial(k));
        if constexpr (Network::thinned > 0)
            if (learns_) sample.draw_kept();
        for (int p = 0; p < Network::populations; ++p) sample.spikes[p].clear(1);
        begin_series(sample);
        for (int k = 0; k < Network::series_count; ++k) sample.series[k].make_room(sample.steps);
        clear_rings(sample, numbers_.parameters.rows);
        for (Arrivals<Real>& arrivals : sample.arrivals) arrivals = {};
        for (int q = 0; q < Network::sources; ++q) {
            const SourceData& source = data.sources[q];
            if (Network::source_sizes()[q].signal) {
                const std::int64_t size = Network::source_sizes()[q].size, stride = padded(static_cast<int>(size));
                AlignedBuffer<Real>& to = tile.signals[s][q];
                if (to.size() < static_cast<std::size_t>(stride * sample.steps)) to = AlignedBuffer<Real>(static_cast<std::size_t>(stride * sample.steps));
                copy_values(to.data(), stride, source, index, size, sample.steps, Network::source_sizes()[q].si);
                sample.values[q] = {to.data(), stride, 1, sample.steps};
            } else {
                sample.events[q] = {data.sources[q].offsets + source.starts[index], source.indices, 1, sample.steps};
            }
        }
        if constexpr (Network::thinned > 0)
            if (learns_) sample.leave_out();
        sample.label_per_step = data.label_starts != nullptr;
        const std::int64_t label = data.label_starts ? data.label_starts[index] : index;
        sample.classes = data.classes ? data.classes + label : nullptr;
        sample.targets = data.targets ? data.targets + label * Network::outputs : nullptr;
        if (!sample.label_per_step && sample.labels(1))
            std::apply([&](auto&... reading) { (set_target(sample, reading, 1), ...); }, sample.readings);
    }

    // A step of a stage in training: on the tape where it is of the last segment.
    void forward(Tile<Network>& tile, const Segments& segments, Checkpoints<Network>& checkpoints, int stage, int s, std::int64_t n) {
        Sample<Network>& sample = tile.samples[s];
        if (n > tile.origin) {
            Network::template forward<true>(numbers_.arrays, numbers_.parameters, sample, stage, n, &tile, s);
            return;
        }
        if (stage == 0 && (n - 1) % segments.length == 0) checkpoints.keep((n - 1) / segments.length, s, sample.state);
        Network::template forward<false>(numbers_.arrays, numbers_.parameters, sample, stage, n, nullptr, s);
    }
    // Chooses segments. Throws Failure where a batch does not fit into the bound or the memory that is left, before any of it is taken.
    SNCC_COLD void make_room(const Batch& batch, int chains) {
        const int threads = std::min(chains, pool_.threads());
        segments_ = segments_of<Network>(longest(batch, 0, batch.count), most_delay<Network>(numbers_.parameters.rows), threads, gradients_.bytes(chains));
        refuse_too_long(segments_.steps, threads, static_cast<double>(threads * bytes_of<Network>(segments_)), static_cast<double>(kept_threads_ * bytes_of<Network>(kept_)));
        Kept kept = kept_.with(kept_of<Network>(segments_));
        kept_threads_ = std::max(kept_threads_, threads);
        const std::int64_t gradients = gradients_.bytes(std::max(chains, static_cast<int>(gradients_.chains.size())));
        if (Network::memory > 0 && kept_threads_ * bytes_of<Network>(kept) + gradients > Network::memory) {
            const std::size_t all = tiles_.size();  // what batches of other shapes have left is in the way
            tiles_ = List<Tile<Network>>(), checkpoints_ = List<Checkpoints<Network>>();
            tiles_ = List<Tile<Network>>(all), checkpoints_ = List<Checkpoints<Network>>(all);
            gradients_.drop(chains);
            kept = kept_of<Network>(segments_), kept_threads_ = threads;
        }
        kept_ = kept;
        gradients_.make(chains);
    }
    Segments begin_segments(Tile<Network>& tile, Checkpoints<Network>& checkpoints) {
        const Segments segments{tile.steps, std::min(tile.steps, segments_.length), segments_.delay};
        checkpoints.begin(segments);
        tile.allocate(segments.length + (segments.count() > 1 ? segments.delay : 0));
        tile.origin = segments.origin(segments.count() - 1);
        return segments;
    }
    void learn(Tile<Network>& tile, const Segments& segments, Checkpoints<Network>& checkpoints, Chain& chain) {
        penalties_.set(tile);
        for (int s = 0; s < Network::tile; ++s)
            std::memset(static_cast<void*>(&tile.adjoint[s]), 0, sizeof tile.adjoint[s]);
        for (std::int64_t segment = segments.count() - 1; segment >= 0; --segment) {
            if (segments.end(segment) == tile.origin) replay(tile, segments, checkpoints, segment);
            for (std::int64_t n = segments.end(segment); n > tile.origin; --n) Network::back(numbers_.arrays, numbers_.parameters, tile, n);
            tile.to = segments.end(segment);
            while (tile.to > tile.origin) {
                tile.from = (tile.to - 1) / Network::gather_steps * Network::gather_steps;
                Network::gather(numbers_.parameters, tile, chain.gradient.data(), chain.empty);
                chain.empty = false;
                tile.to = tile.from;
            }
        }
        Network::before(numbers_.parameters, tile);
        Network::add_sums(numbers_.arrays, tile, chain.sums.data());
    }
    // Fills the tape of a segment before those that have gone back: the samples once more, from their states at its start.
    void replay(Tile<Network>& tile, const Segments& segments, Checkpoints<Network>& checkpoints, std::int64_t segment) {
        move_tape(tile, segments, segment);
        decltype(tile.samples[0].readings) readings[Network::tile];  // they have seen these steps already
        for (int s = 0; s < Network::tile; ++s) {
            Sample<Network>& sample = tile.samples[s];
            readings[s] = sample.readings;
            if (sample.steps <= tile.origin) continue;
            sample.state = checkpoints.of(segment, s);
            for (int p = 0; p < Network::populations; ++p) sample.spikes[p].cut(tile.origin);
            for (int k = 0; k < Network::thinned; ++k)
                if (Network::thinnings()[k].population >= 0) sample.thinned[k].cut(tile.origin);
            refill_rings(sample, numbers_.parameters, tile.origin);
        }
        walk(numbers_.parameters, tile, Network::tile, tile.origin + 1, segments.end(segment), [&](int stage, int s, std::int64_t n) {
            Network::template forward<true>(numbers_.arrays, numbers_.parameters, tile.samples[s], stage, n, &tile, s);
        });
        for (int s = 0; s < Network::tile; ++s) tile.samples[s].readings = readings[s];
    }

    // ------------------------------------------------------------------------------------------ numbers that are none
    static constexpr const char* as_before = "; the weights are as they were before the batch. A smaller learning rate or a gradient clip may help";
    SNCC_COLD static std::string said(const NotFinite& found, std::int64_t n, std::int64_t index) {
        return sncc::said(found, Network::population_name(found.population), n, index);
    }
    // Whether a sample ends with a state that is no number. Without gradients one that begins infinite may be so.
    bool explodes(const Sample<Network>& sample, const Batch& batch, std::int64_t k) const {
        if (Network::not_finite(sample.state, nullptr).population < 0) return false;
        return learns_ || Network::not_finite(sample.state, &first_of(batch, k)->state).population >= 0;
    }
    SNCC_COLD std::unique_ptr<Sample<Network>> first_of(const Batch& batch, std::int64_t k) const {
        std::unique_ptr<Sample<Network>> first(new Sample<Network>);
        start_state(*first, numbers_.arrays, batch.seed, batch.trial(k));
        return first;
    }
    // Runs a sample of no training once more, looking at every step.
    SNCC_COLD std::string what_exploded(const Batch& batch, std::int64_t k) {
        Tile<Network>& tile = tiles_[0];
        const std::unique_ptr<Sample<Network>> first = first_of(batch, k);
        prepare(tile, 0, batch, k);
        Sample<Network>& sample = tile.samples[0];
        NotFinite found = {-1, "", -1};
        for (std::int64_t n = 1; n <= sample.steps; ++n) {
            forward_step(numbers_.arrays, numbers_.parameters, sample, n);
            found = Network::not_finite(sample.state, &first->state);
            if (found.population >= 0) return said(found, n, batch.selection[k]) + ". Smaller weights, a shorter step or another method may help";
        }
        return "a state of sample " + std::to_string(batch.selection[k]) + " is not finite";
    }
    // Runs a sample once more, looking at every step.
    SNCC_COLD std::string what_failed(const Batch& batch, std::int64_t k) {
        const std::string of = " of sample " + std::to_string(batch.selection[k]);
        const std::string end = as_before;
        Tile<Network>& tile = tiles_[0];
        Checkpoints<Network>& checkpoints = checkpoints_[0];
        tile.steps = longest(batch, k, 1);
        const Segments segments = begin_segments(tile, checkpoints);
        tile.scale = 1.0 / static_cast<double>(batch.count);
        for (int s = 0; s < Network::tile; ++s) tile.samples[s].steps = 0;
        Sample<Network>& sample = tile.samples[0];
        prepare(tile, 0, batch, k);
        NotFinite found = Network::not_finite(sample.state, nullptr);
        if (found.population >= 0)
            return std::string(found.what) + " of `" + Network::population_name(found.population) + "` begins infinite in neuron " +
                   std::to_string(found.neuron) + of + ": gradients need first values that are finite";
        for (std::int64_t n = 1; n <= sample.steps; ++n) {
            for (int stage = 0; stage < Network::stages; ++stage) forward(tile, segments, checkpoints, stage, 0, n);
            found = Network::not_finite(sample.state, nullptr);
            if (found.population >= 0) return said(found, n, batch.selection[k]) + end;
        }
        if (!std::isfinite(conclude(sample))) return "the loss" + of + " is not finite" + end;
        penalties_.count(sample, k);
        penalties_.set(tile);
        for (int s = 0; s < Network::tile; ++s) std::memset(static_cast<void*>(&tile.adjoint[s]), 0, sizeof tile.adjoint[s]);
        for (std::int64_t n = sample.steps; n >= 1; --n) {
            if (n == tile.origin) replay(tile, segments, checkpoints, (n - 1) / segments.length);
            Network::back(numbers_.arrays, numbers_.parameters, tile, n);
            found = Network::not_finite(tile.adjoint[0]);
            if (found.population >= 0) return "the gradient explodes: " + said(found, n, batch.selection[k]) + end;
        }
        return "the gradient" + of + " is not finite" + end;
    }

    ThreadPool pool_;
    StoredNumbers<Network> numbers_;
    ChainGradients<Network> gradients_{numbers_};
    Penalties<Network> penalties_;
    Simulator<Network> simulator_{numbers_};
    Online<Network> online_;
    List<Tile<Network>> tiles_;
    List<Checkpoints<Network>> checkpoints_;
    Segments segments_;         // of the longest sample of a batch
    Kept kept_;                 // by tiles, of batches until now
    int kept_threads_ = 0;
    List<char> failed_;  // by sample of the batch: a number is none
    bool learns_ = false;       // in the batch that runs
};

}  // namespace cpu
}  // namespace sncc
