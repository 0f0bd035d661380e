// The CPU engine: one thread takes a tile of samples through the whole sequence, forwards and back. A batch is cut into
// a fixed number of chains, each a fixed list of tiles with a gradient buffer of its own, and the buffers are added in
// order at the end: the result does not depend on the number of threads.
//
// `Network` is emitted: the layout of states, the operations of a step, the shapes of parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "sncc/fpu.h"
#include "sncc/cpu_online.h"
#include "sncc/rewire.h"
#include "sncc/cpu_segments.h"
#include "sncc/cpu_synapses.h"
#include "sample.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace cpu {

template <typename Network>
class CpuEngine final : public Engine {
    using Real = typename Network::Real;
    friend class Online<Network>;

public:
    explicit CpuEngine(int threads)
        : pool_(threads), tiles_(static_cast<std::size_t>(pool_.threads())), checkpoints_(static_cast<std::size_t>(pool_.threads())) {
        shapes_.assign(Network::shapes(), Network::shapes() + Network::parameters);
        parameters_.gradient_offsets.assign(Network::gradient_offsets(), Network::gradient_offsets() + Network::parameters);
        parameters_.own.resize(Network::parameters), parameters_.half.resize(Network::parameters), parameters_.repeated.resize(Network::parameters);
        parameters_.transposed.resize(Network::parameters), parameters_.is_shared.resize(Network::parameters);
        gradients_.resize(Network::parameters), gradient_of_.resize(Network::parameters);
        optimiser_.resize(static_cast<std::size_t>(Network::parameters * Network::optimiser_states));
        delays_.resize(Network::parameters);
        for (int k = 0; k < Network::parameters; ++k)
            if (shapes_[k].columns >= 0) allocate(k);
    }

    // -------------------------------------------------------------------------------------------- connectivity
    void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override {
        pairs_.resize(std::max(pairs_.size(), static_cast<std::size_t>(connection) + 1));
        pairs_[static_cast<std::size_t>(connection)] = {{pre, pre + count}, {post, post + count}, true};
    }
    void build(std::uint64_t seed, const Description& about) override {
        seed_ = seed;
        if constexpr (Network::rows_count > 0) build_rows(seed, about);
    }
    void reconnect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) override {
        if constexpr (Network::rewiring_count > 0) {
            const SynapseRows& rows = rows_of(connection);
            if (!is_rewired(rows.info().weight)) throw Failure(Code::argument, "the synapses of this connection do not move");
            if (count != static_cast<std::int64_t>(rows.count())) throw Failure(Code::argument, "the number of synapses does not fit");
            if (!rows.allows(pre, post)) throw Failure(Code::argument, std::string("the connection `") + rows.info().name + "` cannot have these synapses");
            if (rows.are(pre, post)) return;
            move_synapses(rows.info().weight, pre, post);
            for (int state = 0; state < Network::optimiser_states; ++state) {  // they were other synapses'
                AlignedBuffer<Real>& values = slot(rows.info().weight, state);
                std::fill(values.data(), values.data() + values.size(), Real(0));
            }
        } else {
            Engine::reconnect(connection, pre, post, count);
        }
    }
    std::int64_t parameter_size(int k) override { return std::int64_t(shapes_[k].rows) * shapes_[k].columns; }
    std::int64_t synapse_count(int connection) override { return static_cast<std::int64_t>(rows_of(connection).count()); }
    void synapses(int connection, std::int64_t* pre, std::int64_t* post) override { rows_of(connection).list(pre, post); }

    // -------------------------------------------------------------------------------------------- parameters
    void set_parameter(int k, const double* values) override {
        if (built_)
            for (const SynapseRows& rows : parameters_.rows)
                if (rows.info().delays == k) refuse_long_delays(rows.info().name, values, shapes_[k].shared ? 1 : parameter_size(k), Network::step_ms);
        if (Network::halves()[k] != Halves::none) {
            for_halves(k, [&](std::int64_t e, Bfloat16& weight, bool diagonal) { weight = Bfloat16(diagonal ? 0.0 : values[e]); });
        } else {
            copy_in(k, parameters_.own[k].data(), values);
            if (shapes_[k].apart && !shapes_[k].shared) clear_diagonal(k, parameters_.own[k].data());
        }
        stale_ = true;
        if (!is_delays(k)) return;
        delays_[k].assign(values, values + (shapes_[k].shared ? 1 : parameter_size(k)));
        if (built_) set_delays();
    }
    void get_parameter(int k, double* values) override {
        if (Network::halves()[k] != Halves::none)
            for_halves(k, [&](std::int64_t e, Bfloat16& weight, bool) { values[e] = static_cast<double>(static_cast<float>(weight)); });
        else
            copy_out(k, parameters_.own[k].data(), values);
    }
    void get_gradient(int k, double* values) override {
        if (gradient_of_[k] == nullptr) throw Failure(Code::argument, "no gradient has been computed yet");
        copy_out(k, gradient_of_[k], values);
    }
    void set_optimiser_state(int k, int state, const double* values) override { copy_in(k, slot(k, state).data(), values); }
    void get_optimiser_state(int k, int state, double* values) override { copy_out(k, slot(k, state).data(), values); }
    void set_optimiser_step(std::int64_t step) override { optimiser_step_ = step; }
    std::int64_t optimiser_step() override { return optimiser_step_; }

    // -------------------------------------------------------------------------------------------- batches
    Result run(Mode mode, const Batch& batch, double learning_rate_factor, const Outputs& outputs) override {
        refresh();
        const FlushDenormals flush;
        const std::int64_t tiles = (batch.count + Network::tile - 1) / Network::tile;
        const int chains = static_cast<int>(std::min<std::int64_t>(most_chains_, tiles));
        const bool learns = mode != Mode::evaluate;
        learns_ = learns;
        if constexpr (Network::trace_size > 0)
            if (learns) return online_.run(*this, mode, batch, learning_rate_factor);
        if (learns) make_chains(chains), segments_ = segments_of<Network>(longest(batch, 0, batch.count), std::min(chains, pool_.threads()), gradient_bytes(chains));
        std::vector<Result> results(static_cast<std::size_t>(batch.count));
        failed_.assign(static_cast<std::size_t>(batch.count), 0);
        if constexpr (Network::batch_penalties) {
            rates_.assign(static_cast<std::size_t>(batch.count * Network::penalty_size), 0.0);
            if (learns)  // the adjoints of a sample need the rates of all
                pool_.run(chains, [&](int chain, int worker) {
                    for (std::int64_t tile = chain; tile < tiles; tile += chains)
                        run_tile(worker, batch, tile * Network::tile, nullptr, {nullptr, nullptr}, results);
                });
            average_rates(batch.count);
        }
        pool_.run(chains, [&](int chain, int worker) {
            if (learns) chains_[chain].begin();
            for (std::int64_t tile = chain; tile < tiles; tile += chains)
                run_tile(worker, batch, tile * Network::tile, learns ? &chains_[chain] : nullptr, outputs, results);
        });
        Result total{0, 0, 0, 0};
        for (const Result& r : results)
            total.loss += r.loss, total.penalty += r.penalty, total.correct += r.correct, total.labelled += r.labelled;
        total.loss /= static_cast<double>(std::max<std::int64_t>(batch.count, 1));
        total.penalty /= static_cast<double>(std::max<std::int64_t>(batch.count, 1));
        if constexpr (Network::batch_penalties) {
            average_rates(batch.count);
            total.penalty += penalty_of(mean_rates_.data(), true);
        }
        if (learns) {
            for (std::int64_t k = 0; k < batch.count; ++k)
                if (failed_[static_cast<std::size_t>(k)] || !std::isfinite(results[static_cast<std::size_t>(k)].loss))
                    throw Failure(Code::numerical, what_failed(batch, k));
            collect_gradients(chains);
            check_gradients();
        }
        if (mode == Mode::train) optimise(learning_rate_factor);
        return total;
    }

    // -------------------------------------------------------------------------------------------- simulation
    void simulate(const Simulation& simulation) override {
        refresh();
        const FlushDenormals flush;
        if (!simulated_ || !simulation.resume) start_simulation(simulation);
        Sample<Network>& s = *simulated_;
        s.seed = simulation.seed, s.trial = simulation.trial;
        hand_over(s, simulation);
        for (auto& spikes : recorded_) spikes = Spikes{};
        for (int k = 0; k < Network::series_count; ++k) s.series[k].make_room(simulation.steps);
        for (std::int64_t n = 1; n <= simulation.steps; ++n) {
            Network::template forward<false>(arrays_, parameters_, s, n, nullptr, 0);
            for (int k = 0; k < simulation.trace_count; ++k) record(s, simulation.traces[k], n);
        }
        for (int k = 0; k < simulation.spike_population_count; ++k) record_spikes(s, simulation.spike_populations[k]);
        s.before += simulation.steps;
        constexpr std::int64_t kept = Network::most_delay;
        for (int k = 0; k < Network::populations; ++k) s.spikes[k].keep_last(kept, 1 - kept);
        for (int k = 0; k < Network::sources; ++k) keep_input(s, k, simulation.steps);
        for (int k = 0; k < Network::series_count; ++k) s.series[k].forget(simulation.steps);
    }
    const Spikes& spikes(int population) override { return recorded_[static_cast<std::size_t>(population)]; }
    void reset() override { simulated_.reset(); }
    std::int64_t step_count() override { return simulated_ ? simulated_->before : 0; }

private:
    struct Chain {
        AlignedBuffer<Real> gradient;
        std::vector<double> sums;
        bool empty = true;  // the first tile writes the gradient, the others add

        void begin() {
            empty = true;
            std::fill(sums.begin(), sums.end(), 0.0);
        }
    };

    // Whether a parameter's gradient is, as it stands, a part of the chains' buffers.
    bool in_chains(int k) const { return !shapes_[k].shared && parameters_.gradient_offsets[k] >= 0; }

    // Room for a parameter whose shape is known.
    void allocate(int k) {
        const Shape& shape = shapes_[k];
        const std::size_t full = static_cast<std::size_t>(layout_of<Real>(shape).size());
        parameters_.is_shared[k] = shape.shared;
        const Halves halves = Network::halves()[k];
        parameters_.own[k] = AlignedBuffer<Real>(halves != Halves::none ? 0 : shape.shared ? 16 : full);
        if (halves != Halves::none)
            parameters_.half[k] = AlignedBuffer<Bfloat16>(halves == Halves::packed ? static_cast<std::size_t>(PackedLayout{shape.rows, shape.columns}.size()) : full);
        parameters_.repeated[k] = AlignedBuffer<Real>(shape.shared && shape.weight ? full : 0);
        const TileLayout<Real> across{shape.columns, shape.rows};
        parameters_.transposed[k] = AlignedBuffer<Real>(Network::is_transposed()[k] ? static_cast<std::size_t>(across.size()) : 0);
        const std::size_t own = shape.learnt ? parameters_.own[k].size() : 0;
        gradients_[k] = AlignedBuffer<Real>(in_chains(k) ? 0 : own);
        gradient_of_[k] = gradients_[k].data();
        for (int state = 0; state < Network::optimiser_states; ++state) slot(k, state) = AlignedBuffer<Real>(own);
    }
    void build_rows(std::uint64_t seed, const Description& about) {
        parameters_.rows.clear();
        for (int r = 0; r < Network::rows_count; ++r) {
            const RowsInfo& info = Network::rows()[r];
            const std::size_t c = static_cast<std::size_t>(info.pairs);
            parameters_.rows.emplace_back(info, c < pairs_.size() ? pairs_[c] : HandedOver(), seed, pool_);
        }
        pairs_.clear();
        for (const SynapseRows& rows : parameters_.rows)
            if (is_rewired(rows.info().weight) && !rows.info().pattern.repeats && rows.has_equal_pairs())
                throw Failure(Code::argument, std::string("the connection `") + rows.info().name + "` is rewired: hand each of its pairs over once");
        for (SynapseRows& rows : parameters_.rows)
            for (const int k : {rows.info().weight, rows.info().delays})
                if (k >= 0 && shapes_[k].columns < 0) {
                    shapes_[k].columns = static_cast<int>(rows.count());
                    if (parameters_.gradient_offsets[k] == Network::known_at_build) {
                        parameters_.gradient_offsets[k] = gradient_size_;
                        gradient_size_ += layout_of<Real>(shapes_[k]).size();
                    }
                    allocate(k);
                    set_parameter(k, rows.drawn(about.parameters[k], seed).data());
                }
        most_chains_ = static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(Network::chains, Network::chain_memory / (gradient_size_ * static_cast<std::int64_t>(sizeof(Real)) + 1))));
        for (SynapseRows& rows : parameters_.rows) {
            const TileLayout<Real> layout = layout_of<Real>(shapes_[rows.info().weight]);
            rows.place_weights(layout.columns, [&](int row, int column) { return layout.index(row, column); });
        }
        built_ = true;
        set_delays();
    }
    static bool is_rewired(int weight) {
        for (int k = 0; k < Network::rewiring_count; ++k)
            if (Network::rewirings()[k].parameter == weight) return true;
        return false;
    }
    // Of the connections that have this weight.
    void move_synapses(int weight, const std::int64_t* pre, const std::int64_t* post) {
        for (SynapseRows& rows : parameters_.rows)
            if (rows.info().weight == weight) rows.move(pre, post);
    }
    // Synapses whose weights would have changed their sign in the step that the optimiser has taken give way to others.
    void rewire(const Rewiring& about, const Real* before, double rate) {
        const Shape& shape = shapes_[static_cast<std::size_t>(about.parameter)];
        const SynapseRows* rows = nullptr;
        for (const SynapseRows& all : parameters_.rows)
            if (all.info().weight == about.parameter) rows = &all;
        Real* weights = parameters_.own[static_cast<std::size_t>(about.parameter)].data();
        const std::uint32_t step = static_cast<std::uint32_t>(optimiser_step_);
        std::vector<char> dormant;
        if (!step_weights(weights, before, dormant, rows->count(), about, seed_, step, rate * shape.rate, shape.scale)) return;
        const MovedSynapses moved = Mover(*rows, dormant).move(seed_, about.pairs, step);
        move_synapses(about.parameter, moved.pre.data(), moved.post.data());
        follow_synapses(weights, moved.former);
        for (int state = 0; state < Network::optimiser_states; ++state) {
            Real* values = slot(about.parameter, state).data();
            for (std::size_t k = 0; k < dormant.size(); ++k)
                if (dormant[k]) values[k] = 0;
            follow_synapses(values, moved.former);
        }
        const int delays = rows->info().delays;
        if (delays < 0) return;
        if (!shapes_[delays].shared) {
            follow_synapses(delays_[static_cast<std::size_t>(delays)].data(), moved.former);
            follow_synapses(parameters_.own[static_cast<std::size_t>(delays)].data(), moved.former);
        }
        set_delays();
    }
    const SynapseRows& rows_of(int connection) const {
        for (const SynapseRows& rows : parameters_.rows)
            if (rows.info().connection == connection) return rows;
        throw Failure(Code::argument, "no sparse connection of that number");
    }
    static bool is_delays(int k) {
        for (int r = 0; r < Network::rows_count; ++r)
            if (Network::rows()[r].delays == k) return true;
        return false;
    }
    // Other delays: what is under way is lost, and a simulation begins anew.
    void set_delays() {
        for (SynapseRows& rows : parameters_.rows) {
            const int k = rows.info().delays;
            if (k >= 0) rows.set_delays(delays_[k].data(), shapes_[k].shared, Network::shapes()[k].columns < 0, shapes_[k].columns, Network::step_ms);
        }
        reset();
    }
    void clear_rings(Sample<Network>& s) const {
        for (int r = 0; r < Network::rows_count; ++r)
            if (Network::rows()[r].delays >= 0) s.rings[r].clear(parameters_.rows[r].slots(), Network::row_targets()[r]);
    }
    static void begin_series(Sample<Network>& s) {
        for (int k = 0; k < Network::series_count; ++k)
            s.series[k].begin(Network::series_sizes()[k], padded(Network::series_sizes()[k]), std::max<std::int64_t>(Network::most_delay, 1), Network::delivered(s.state, k));
    }
    void clear_diagonal(int k, Real* matrix) const {
        const TileLayout<Real> layout = layout_of<Real>(shapes_[k]);
        for (int i = 0; i < layout.rows; ++i) matrix[layout.index(i, i)] = 0;
    }

    AlignedBuffer<Real>& slot(int k, int state) { return optimiser_[static_cast<std::size_t>(k * Network::optimiser_states + state)]; }

    // Calls visit(element of the user's array, weight, whether it is a neuron's own where there are none) for weights of 16 bits.
    template <typename Visit>
    void for_halves(int k, const Visit& visit) {
        const Shape& shape = shapes_[static_cast<std::size_t>(k)];
        const bool packed = Network::halves()[k] == Halves::packed;
        const PackedLayout pairs{shape.rows, shape.columns};
        const TileLayout<Real> tiles = layout_of<Real>(shape);
        for (int i = 0; i < shape.rows; ++i)
            for (int j = 0; j < shape.columns; ++j)
                visit(std::int64_t(i) * shape.columns + j, parameters_.half[k][static_cast<std::size_t>(packed ? pairs.index(i, j) : tiles.index(i, j))],
                      shape.apart && i == j);
    }
    void copy_in(int k, Real* to, const double* values) {
        const Shape& shape = shapes_[static_cast<std::size_t>(k)];
        if (shape.shared) {
            to[0] = static_cast<Real>(values[0]);
            return;
        }
        const TileLayout<Real> layout = layout_of<Real>(shape);
        for (int i = 0; i < shape.rows; ++i)
            for (int j = 0; j < shape.columns; ++j)
                to[layout.index(i, j)] = static_cast<Real>(values[std::int64_t(i) * shape.columns + j]);
    }
    void copy_out(int k, const Real* from, double* values) {
        const Shape& shape = shapes_[static_cast<std::size_t>(k)];
        if (shape.shared) {
            values[0] = static_cast<double>(from[0]);
            return;
        }
        const TileLayout<Real> layout = layout_of<Real>(shape);
        for (int i = 0; i < shape.rows; ++i)
            for (int j = 0; j < shape.columns; ++j)
                values[std::int64_t(i) * shape.columns + j] = static_cast<double>(from[layout.index(i, j)]);
    }

    // What follows from the parameters, after any of them changed.
    void refresh() {
        if (!stale_) return;
        for (int k = 0; k < Network::parameters; ++k)
            if (parameters_.repeated[k].size()) {
                const Shape& shape = shapes_[static_cast<std::size_t>(k)];
                const TileLayout<Real> layout = layout_of<Real>(shape);
                for (int i = 0; i < shape.rows; ++i)
                    for (int j = 0; j < shape.columns; ++j)
                        parameters_.repeated[k][static_cast<std::size_t>(layout.index(i, j))] = parameters_.own[k][0];
            }
        for (int k = 0; k < Network::parameters; ++k)  // bounds may have moved it
            if (shapes_[k].apart && Network::halves()[k] == Halves::none) clear_diagonal(k, shapes_[k].shared ? parameters_.repeated[k].data() : parameters_.own[k].data());
        for (int k = 0; k < Network::parameters; ++k)
            if (parameters_.transposed[k].size()) {
                const Shape& shape = shapes_[static_cast<std::size_t>(k)];
                transpose_tiles(parameters_.transposed[k].data(), parameters_.weight(k), layout_of<Real>(shape));
            }
        Network::derive(parameters_, arrays_);
        stale_ = false;
    }

    void make_chains(int count) {
        while (static_cast<int>(chains_.size()) < count)
            chains_.push_back({AlignedBuffer<Real>(static_cast<std::size_t>(gradient_size_)),
                               std::vector<double>(static_cast<std::size_t>(Network::sum_size), 0.0), true});
    }

    // ------------------------------------------------------------------------------------------ training forwards in time
    void clear_chains(int count) {
        for (int c = 0; c < count; ++c) {
            chains_[static_cast<std::size_t>(c)].gradient.zero();
            chains_[static_cast<std::size_t>(c)].begin();
        }
    }
    // What a batch that fails after some of its steps gets back.
    void keep_numbers() {
        kept_.clear();
        for (const auto* all : {&parameters_.own, &optimiser_})
            for (const AlignedBuffer<Real>& own : *all) kept_.emplace_back(own.data(), own.data() + own.size());
        kept_step_ = optimiser_step_;
    }
    void restore_numbers() {
        std::size_t k = 0;
        for (auto* all : {&parameters_.own, &optimiser_})
            for (AlignedBuffer<Real>& own : *all) {
                std::copy(kept_[k].begin(), kept_[k].end(), own.data());
                ++k;
            }
        optimiser_step_ = kept_step_;
        stale_ = true;
    }
    [[noreturn]] void fail_at(int population, std::int64_t n, std::int64_t index, bool changed) {
        if (changed) restore_numbers();
        throw Failure(Code::numerical, std::string("a state or trace of `") + Network::population_name(population) + "` is not finite at step " +
                                           std::to_string(n) + " of sample " + std::to_string(index) +
                                           "; the weights are as they were before the batch. A smaller learning rate or a gradient clip may help");
    }
    void check_gradients_or_restore() {
        try {
            check_gradients();
        } catch (const Failure&) {
            restore_numbers();
            throw;
        }
    }

    static std::int64_t longest(const Batch& batch, std::int64_t first, std::int64_t count) {
        std::int64_t steps = 1;
        for (std::int64_t k = first; k < first + count; ++k) steps = std::max<std::int64_t>(steps, batch.data->steps[batch.selection[k]]);
        return steps;
    }
    std::int64_t gradient_bytes(int chains) const { return chains * gradient_size_ * static_cast<std::int64_t>(sizeof(Real)); }

    void run_tile(int worker, const Batch& batch, std::int64_t first, Chain* chain, const Outputs& outputs, std::vector<Result>& results) {
        Tile<Network>& tile = tiles_[static_cast<std::size_t>(worker)];
        Checkpoints<Network>& checkpoints = checkpoints_[static_cast<std::size_t>(worker)];
        const int count = static_cast<int>(std::min<std::int64_t>(Network::tile, batch.count - first));
        tile.steps = longest(batch, first, count);
        const Segments segments = chain ? begin_segments(tile, checkpoints) : Segments();
        tile.scale = 1.0 / static_cast<double>(batch.count);
        for (int s = 0; s < Network::tile; ++s) tile.samples[s].steps = 0;
        for (int s = 0; s < count; ++s) {
            Sample<Network>& sample = tile.samples[s];
            prepare(tile, s, batch, first + s);
            for (std::int64_t n = 1; n <= sample.steps; ++n) {
                if (chain)
                    forward(tile, segments, checkpoints, s, n);
                else
                    Network::template forward<false>(arrays_, parameters_, sample, n, nullptr, s);
                if (outputs.values && outputs.starts) write_step(sample, outputs, first + s, n);
            }
            Result& result = results[static_cast<std::size_t>(first + s)];
            result = {conclude(sample), penalise(sample, first + s), 0, 0};
            if constexpr (Network::outputs > 0) {
                const auto& r = std::get<0>(sample.readings);
                result.correct = r.correct, result.labelled = r.labelled;
                if (outputs.values && !outputs.starts)
                    for (int j = 0; j < Network::outputs; ++j)
                        outputs.values[(first + s) * Network::outputs + j] = static_cast<double>(r.reduced[j]);
            }
            if (chain && Network::not_finite(sample.state) >= 0) failed_[static_cast<std::size_t>(first + s)] = 1;
        }
        if (!chain) return;
        learn(tile, segments, checkpoints, *chain);
        for (int s = 0; s < count; ++s)
            if (Network::not_finite(tile.adjoint[s]) >= 0) failed_[static_cast<std::size_t>(first + s)] = 1;
    }

    // ------------------------------------------------------------------------------------------ penalties
    // The sample's rates; gives its penalty, without those of the batch's mean rates.
    double penalise(Sample<Network>& sample, std::int64_t k) {
        if constexpr (Network::penalty_count == 0) return 0;
        std::fill(sample.rates.begin(), sample.rates.end(), 0.0);
        Network::count_spikes(sample, sample.rates.data());
        for (double& rate : sample.rates) rate /= static_cast<double>(sample.steps) * Network::step_ms;
        if constexpr (Network::batch_penalties)
            std::copy(sample.rates.begin(), sample.rates.end(), rates_.begin() + k * Network::penalty_size);
        return penalty_of(sample.rates.data(), false);
    }
    static constexpr double hertz = 1e-3;  // in kHz
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
    void average_rates(std::int64_t count) {
        mean_rates_.assign(Network::penalty_size, 0.0);
        for (std::int64_t k = 0; k < count; ++k)
            for (int j = 0; j < Network::penalty_size; ++j)
                mean_rates_[static_cast<std::size_t>(j)] += rates_[static_cast<std::size_t>(k * Network::penalty_size + j)] / static_cast<double>(count);
    }
    // What each spike of a penalised neuron adds to the loss, for the reverse phase.
    void set_penalties(Tile<Network>& tile) {
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
        sample.clear_readings();
        std::memset(static_cast<void*>(&sample.state), 0, sizeof sample.state);
        Network::start(arrays_, batch.seed, batch.trial(k), sample.state);
        for (int p = 0; p < Network::populations; ++p) sample.spikes[p].clear(1);
        begin_series(sample);
        for (int k = 0; k < Network::series_count; ++k) sample.series[k].make_room(sample.steps);
        clear_rings(sample);
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

    static void copy_values(Real* to, std::int64_t stride, const SourceData& source, std::int64_t sample, std::int64_t size,
                            std::int64_t steps, double si) {
        const double* from = source.values + source.value_starts[sample] * size;
        for (std::int64_t n = 0; n < steps; ++n)
            for (std::int64_t i = 0; i < size; ++i) to[n * stride + i] = static_cast<Real>(from[n * size + i] / si);
    }

    // A step in training: on the tape where it is of the last segment.
    void forward(Tile<Network>& tile, const Segments& segments, Checkpoints<Network>& checkpoints, int s, std::int64_t n) {
        Sample<Network>& sample = tile.samples[s];
        if (n > tile.origin) {
            Network::template forward<true>(arrays_, parameters_, sample, n, &tile, s);
            return;
        }
        if ((n - 1) % segments.length == 0) checkpoints.keep((n - 1) / segments.length, s, sample.state);
        Network::template forward<false>(arrays_, parameters_, sample, n, nullptr, s);
    }
    Segments begin_segments(Tile<Network>& tile, Checkpoints<Network>& checkpoints) {
        const Segments segments{tile.steps, std::min(tile.steps, segments_.length)};
        checkpoints.begin(segments);
        tile.allocate(segments.length + (segments.count() > 1 ? Network::most_delay : 0));
        tile.origin = segments.origin(segments.count() - 1);
        return segments;
    }
    void learn(Tile<Network>& tile, const Segments& segments, Checkpoints<Network>& checkpoints, Chain& chain) {
        set_penalties(tile);
        for (int s = 0; s < Network::tile; ++s)
            std::memset(static_cast<void*>(&tile.adjoint[s]), 0, sizeof tile.adjoint[s]);
        for (std::int64_t segment = segments.count() - 1; segment >= 0; --segment) {
            if (segments.end(segment) == tile.origin) replay(tile, segments, checkpoints, segment);
            for (std::int64_t n = segments.end(segment); n > tile.origin; --n) Network::back(arrays_, parameters_, tile, n);
            tile.to = segments.end(segment);
            while (tile.to > tile.origin) {
                tile.from = (tile.to - 1) / Network::gather_steps * Network::gather_steps;
                Network::gather(parameters_, tile, chain.gradient.data(), chain.empty);
                chain.empty = false;
                tile.to = tile.from;
            }
        }
        Network::add_sums(tile, chain.sums.data());
    }
    // Fills the tape of a segment before those that have gone back: the samples once more, from their states at its start.
    void replay(Tile<Network>& tile, const Segments& segments, Checkpoints<Network>& checkpoints, std::int64_t segment) {
        move_tape(tile, segments, segment);
        for (int s = 0; s < Network::tile; ++s) {
            Sample<Network>& sample = tile.samples[s];
            if (sample.steps <= tile.origin) continue;
            const auto readings = sample.readings;  // they have seen these steps already
            sample.state = checkpoints.of(segment, s);
            for (int p = 0; p < Network::populations; ++p) sample.spikes[p].cut(tile.origin);
            for (int k = 0; k < Network::thinned; ++k)
                if (Network::thinnings()[k].population >= 0) sample.thinned[k].cut(tile.origin);
            for (std::int64_t n = tile.origin + 1; n <= std::min(sample.steps, segments.end(segment)); ++n)
                Network::template forward<true>(arrays_, parameters_, sample, n, &tile, s);
            sample.readings = readings;
        }
    }

    // Adds the chains in order, and turns sums over time into gradients of neuron parameters.
    void collect_gradients(int chains) {
        constexpr std::int64_t block = 16384;
        Real* total = chains_[0].gradient.data();
        const std::int64_t size = gradient_size_;
        pool_.run(static_cast<int>((size + block - 1) / block), [&](int task, int) {
            constexpr std::int64_t part = 1024;  // stays in L1 while all chains are added
            const std::int64_t last = std::min(size, (task + 1) * block);
            for (std::int64_t begin = task * block; begin < last; begin += part) {
                const std::int64_t end = std::min(last, begin + part);
                for (int c = 1; c < chains; ++c) {
                    const Real* SNCC_RESTRICT from = chains_[c].gradient.data();
                    for (std::int64_t i = begin; i < end; ++i) total[i] += from[i];
                }
            }
        });
        std::vector<double>& sums = chains_[0].sums;
        for (int c = 1; c < chains; ++c)
            for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += chains_[c].sums[i];
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = shapes_[static_cast<std::size_t>(k)];
            if (!shape.learnt) continue;
            const std::int64_t offset = parameters_.gradient_offsets[k];
            if (shape.apart && offset >= 0) clear_diagonal(k, total + offset);
            if (in_chains(k)) {
                gradient_of_[k] = total + offset;
                continue;
            }
            gradients_[k].zero();
            if (offset < 0) continue;
            const Real* from = total + offset;
            double sum = 0;
            const TileLayout<Real> layout = layout_of<Real>(shape);
            for (int i = 0; i < shape.rows; ++i)
                for (int j = 0; j < shape.columns; ++j) sum += static_cast<double>(from[layout.index(i, j)]);
            gradients_[k][0] = static_cast<Real>(sum);
        }
        Network::derive_adjoint(parameters_, sums.data(), gradient_of_.data());
    }

    void optimise(double learning_rate_factor) {
        const double limit = Network::clip_limit;
        double norm_factor = 1;
        if (Network::clip == Clip::norm) {
            double squares = 0;
            for (int k = 0; k < Network::parameters; ++k)
                squares += squares_of(k);
            norm_factor = std::min(1.0, limit / std::max(std::sqrt(squares), 1e-300));
        }
        std::vector<std::vector<Real>> before;  // of parameters whose change is passed on
        for (int k = 0; k < Network::follow_count; ++k) {
            const AlignedBuffer<Real>& own = parameters_.own[static_cast<std::size_t>(Network::follows()[k].parameter)];
            before.emplace_back(own.data(), own.data() + own.size());
        }
        for (int k = 0; k < Network::rewiring_count; ++k) {
            const AlignedBuffer<Real>& own = parameters_.own[static_cast<std::size_t>(Network::rewirings()[k].parameter)];
            before.emplace_back(own.data(), own.data() + own.size());
        }
        ++optimiser_step_;
        const double rate = Network::learning_rate * learning_rate_factor;
        const typename Network::Scalars scalars(static_cast<double>(optimiser_step_), rate);
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = shapes_[static_cast<std::size_t>(k)];
            if (!shape.learnt) continue;
            constexpr std::int64_t block = 16384;
            const std::int64_t size = shape.shared ? 1 : static_cast<std::int64_t>(parameters_.own[k].size());
            Real* states[Network::optimiser_states + 1];
            for (int state = 0; state < Network::optimiser_states; ++state) states[state] = slot(k, state).data();
            pool_.run(static_cast<int>((size + block - 1) / block), [&](int task, int) {
                Network::optimise(parameters_.own[k].data(), gradient_of_[k], states, task * block,
                                  std::min(size, (task + 1) * block), shape, scalars, static_cast<Real>(rate * shape.rate),
                                  static_cast<Real>(norm_factor));
            });
        }
        for (int k = 0; k < Network::follow_count; ++k) follow(Network::follows()[k], before[static_cast<std::size_t>(k)]);
        for (int k = 0; k < Network::rewiring_count; ++k)
            rewire(Network::rewirings()[k], before[static_cast<std::size_t>(Network::follow_count + k)].data(), rate);
        stale_ = true;
    }
    void follow(const Follow& f, const std::vector<Real>& before) {
        const Shape &from = shapes_[static_cast<std::size_t>(f.parameter)], &to = shapes_[static_cast<std::size_t>(f.matrix)];
        const TileLayout<Real> source = layout_of<Real>(from), target = layout_of<Real>(to);
        const Real* now = parameters_.own[static_cast<std::size_t>(f.parameter)].data();
        Real* matrix = parameters_.own[static_cast<std::size_t>(f.matrix)].data();
        for (int i = 0; i < to.rows; ++i)
            for (int j = 0; j < to.columns; ++j) {
                const std::int64_t at = from.shared ? 0 : f.transposed ? source.index(j, i) : source.index(i, j);
                matrix[target.index(i, j)] += now[at] - before[static_cast<std::size_t>(at)];
            }
    }

    double squares_of(int k) const {
        const Shape& shape = shapes_[static_cast<std::size_t>(k)];
        if (!shape.learnt) return 0;
        const std::int64_t size = shape.shared ? 1 : layout_of<Real>(shape).size();
        double squares = 0;
        for (std::int64_t i = 0; i < size; ++i) {
            const double slope = static_cast<double>(gradient_of_[k][i]) * shape.scale;
            squares += slope * slope;
        }
        return squares;
    }

    // ------------------------------------------------------------------------------------------ numbers that are none
    // Runs a sample once more, looking at every step.
    std::string what_failed(const Batch& batch, std::int64_t k) {
        const std::string of = " of sample " + std::to_string(batch.selection[k]);
        const std::string end = "; the weights are as they were before the batch. A smaller learning rate or a gradient clip may help";
        Tile<Network>& tile = tiles_[0];
        Checkpoints<Network>& checkpoints = checkpoints_[0];
        tile.steps = longest(batch, k, 1);
        const Segments segments = begin_segments(tile, checkpoints);
        tile.scale = 1.0 / static_cast<double>(batch.count);
        for (int s = 0; s < Network::tile; ++s) tile.samples[s].steps = 0;
        Sample<Network>& sample = tile.samples[0];
        prepare(tile, 0, batch, k);
        for (std::int64_t n = 1; n <= sample.steps; ++n) {
            forward(tile, segments, checkpoints, 0, n);
            const int population = Network::not_finite(sample.state);
            if (population >= 0)
                return std::string("a state of `") + Network::population_name(population) + "` is not finite at step " + std::to_string(n) + of + end;
        }
        if (!std::isfinite(conclude(sample))) return "the loss" + of + " is not finite" + end;
        penalise(sample, k);
        set_penalties(tile);
        for (int s = 0; s < Network::tile; ++s) std::memset(static_cast<void*>(&tile.adjoint[s]), 0, sizeof tile.adjoint[s]);
        for (std::int64_t n = sample.steps; n >= 1; --n) {
            if (n == tile.origin) replay(tile, segments, checkpoints, (n - 1) / segments.length);
            Network::back(arrays_, parameters_, tile, n);
            const int population = Network::not_finite(tile.adjoint[0]);
            if (population >= 0)
                return std::string("the gradient explodes: an adjoint of `") + Network::population_name(population) + "` is not finite at step " + std::to_string(n) + of + end;
        }
        return "the gradient" + of + " is not finite" + end;
    }
    void check_gradients() {
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = shapes_[static_cast<std::size_t>(k)];
            if (!shape.learnt) continue;
            const int size = static_cast<int>(shape.shared ? 1 : layout_of<Real>(shape).size());
            if (!all_finite(gradient_of_[k], size))
                throw Failure(Code::numerical, "the gradient of parameter " + std::to_string(k) + " is not finite; the weights are as they were before "
                                               "the batch. A smaller learning rate or a gradient clip may help");
        }
    }

    // ------------------------------------------------------------------------------------------ simulation
    void start_simulation(const Simulation& simulation) {
        simulated_.reset(new Sample<Network>);
        simulated_->stimulated = true;
        std::memset(static_cast<void*>(&simulated_->state), 0, sizeof simulated_->state);
        simulated_->clear_readings();
        Network::start(arrays_, simulation.seed, simulation.trial, simulated_->state);
        for (int p = 0; p < Network::populations; ++p) simulated_->spikes[p].clear(1 - Network::most_delay);
        begin_series(*simulated_);
        clear_rings(*simulated_);
        for (int p = 0; p < Network::populations; ++p)
            for (int n = 0; n < Network::most_delay; ++n) simulated_->spikes[p].append_list(nullptr, 0);
        for (int q = 0; q < Network::sources; ++q) {
            inputs_[q].clear(1 - Network::most_delay);
            for (int n = 0; n < Network::most_delay; ++n) inputs_[q].append_list(nullptr, 0);
            const std::int64_t stride = padded(static_cast<int>(Network::source_sizes()[q].size));
            values_[q].assign(static_cast<std::size_t>(Network::most_delay * stride), Real(0));
        }
    }

    // Input of a run behind what earlier runs left for delays.
    void hand_over(Sample<Network>& s, const Simulation& simulation) {
        const Data* data = simulation.data;
        const std::int64_t given = data ? std::min<std::int64_t>(simulation.steps, data->steps[simulation.sample]) : 0;
        constexpr std::int64_t lead = Network::most_delay;
        for (int q = 0; q < Network::sources; ++q) {
            const std::int64_t size = Network::source_sizes()[q].size, stride = padded(static_cast<int>(size));
            if (Network::source_sizes()[q].signal) {
                values_[q].resize(static_cast<std::size_t>((lead + simulation.steps) * stride), Real(0));
                std::fill(values_[q].begin() + lead * stride, values_[q].end(), Real(0));
                if (given > 0)
                    copy_values(values_[q].data() + lead * stride, stride, data->sources[q], simulation.sample, size, given,
                                Network::source_sizes()[q].si);
                s.values[q] = {values_[q].data(), stride, 1 - lead, simulation.steps};
                continue;
            }
            for (std::int64_t n = 0; n < simulation.steps; ++n) {
                const std::int64_t* offsets = n < given ? data->sources[q].offsets + data->sources[q].starts[simulation.sample] + n : nullptr;
                if (offsets)
                    inputs_[q].append_list(data->sources[q].indices + offsets[0], offsets[1] - offsets[0]);
                else
                    inputs_[q].append_list(nullptr, 0);
            }
            s.events[q] = inputs_[q].lists();
        }
    }

    void keep_input(Sample<Network>&, int q, std::int64_t steps) {
        constexpr std::int64_t lead = Network::most_delay;
        if (!Network::source_sizes()[q].signal) {
            inputs_[q].keep_last(lead, 1 - lead);
            return;
        }
        const std::int64_t stride = padded(static_cast<int>(Network::source_sizes()[q].size));
        std::vector<Real>& v = values_[q];
        v.erase(v.begin(), v.begin() + steps * stride);
    }

    void record(Sample<Network>& s, const Trace& trace, std::int64_t n) {
        if (n % trace.every != 0) return;
        const Real* from = Network::variable(s.state, trace.population, trace.state) + trace.first;
        double* to = trace.values + (n / trace.every - 1) * trace.size;
        for (std::int64_t j = 0; j < trace.size; ++j) to[j] = static_cast<double>(from[j]);
    }

    void record_spikes(Sample<Network>& s, int population) {
        Spikes& into = recorded_[static_cast<std::size_t>(population)];
        const StepLists lists = s.spikes[population].lists();
        for (std::int64_t n = 1; n <= lists.last; ++n) {
            const SpikesOfStep spikes = lists.at(n);
            for (int k = 0; k < spikes.count; ++k) {
                into.steps.push_back(s.before + n);
                into.neurons.push_back(spikes.indices[k]);
            }
        }
    }

    ThreadPool pool_;
    std::vector<Tile<Network>> tiles_;
    std::vector<Checkpoints<Network>> checkpoints_;
    Segments segments_;  // of the longest sample of a batch
    Parameters<Real> parameters_;
    std::vector<Shape> shapes_;  // those of one number per synapse have their columns when the synapses are built
    std::vector<HandedOver> pairs_;
    std::uint64_t seed_ = 0;
    std::vector<std::vector<double>> delays_;  // by parameter, ms, where every synapse has its own
    std::int64_t gradient_size_ = Network::gradient_size;
    int most_chains_ = Network::chains;
    bool built_ = false;
    typename Network::Arrays arrays_{};
    std::vector<AlignedBuffer<Real>> gradients_, optimiser_;  // gradients_: those that are not in the chains' buffers
    std::vector<Real*> gradient_of_;
    std::vector<Chain> chains_;
    Online<Network> online_;
    std::vector<std::vector<Real>> kept_;  // parameters and the optimiser's states before a batch
    std::int64_t kept_step_ = 0;
    std::vector<char> failed_;                // by sample of the batch: a number is none
    std::vector<double> rates_, mean_rates_;  // of penalised neurons, by sample, and their means over the batch
    std::int64_t optimiser_step_ = 0;
    bool stale_ = true;
    bool learns_ = false;  // in the batch that runs
    std::unique_ptr<Sample<Network>> simulated_;
    EmittedSpikes inputs_[Network::sources + 1];
    std::vector<Real> values_[Network::sources + 1];
    std::vector<Spikes> recorded_{static_cast<std::size_t>(Network::populations) + 1};
};

}  // namespace cpu
}  // namespace sncc
