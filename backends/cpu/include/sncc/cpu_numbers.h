// The numbers of a network that runs samples in parallel, as the user sets and gets them: parameters, the synapses that they are of,
// the optimiser's states; and what follows from them.
#pragma once

#include <algorithm>
#include <string>

#include "delay_limit.h"
#include "sncc/delays.h"
#include "sncc/list.h"
#include "sncc/rewire.h"
#include "sample.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace cpu {

template <typename Network>
class StoredNumbers {
    using Real = typename Network::Real;

public:
    List<Shape> shapes;  // those of one number per synapse have their columns when the synapses are built
    Parameters<Real> parameters;
    typename Network::Arrays arrays{};
    std::int64_t gradient_size = Network::gradient_size;
    int most_chains = Network::chains;
    std::int64_t optimiser_step = 0;
    std::uint64_t seed = 0;
    List<List<char>> dormant;  // by weight, those of its synapses that wait for the end of sequences to be moved
    std::int64_t changes_of_delays = 0;  // after each, what is under way is lost, and a simulation begins anew

    SNCC_COLD StoredNumbers() {
        shapes.assign(Network::shapes(), Network::shapes() + Network::parameters);
        parameters.gradient_offsets.assign(Network::gradient_offsets(), Network::gradient_offsets() + Network::parameters);
        parameters.own.resize(Network::parameters), parameters.half.resize(Network::parameters), parameters.repeated.resize(Network::parameters);
        parameters.transposed.resize(Network::parameters), parameters.is_shared.resize(Network::parameters);
        optimiser_.resize(static_cast<std::size_t>(Network::parameters * Network::optimiser_states));
        delays_.resize(Network::parameters), dormant.resize(Network::parameters);
        parameters.trace_size = Network::trace_size;
        for (int k = 0; k < Network::parameters; ++k)
            if (shapes[k].columns >= 0) allocate(k);
    }

    // -------------------------------------------------------------------------------------------- synapses
    SNCC_COLD void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) {
        pairs_.resize(std::max(pairs_.size(), static_cast<std::size_t>(connection) + 1));
        pairs_[static_cast<std::size_t>(connection)] = {{pre, pre + count}, {post, post + count}, true};
    }
    SNCC_COLD void build(std::uint64_t with, const Description& about, ThreadPool& pool) {
        seed = with;
        if constexpr (Network::rows_count > 0) build_rows(about, pool);
    }
    // Other synapses of a connection that training moves.
    SNCC_COLD void reconnect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) {
        const SynapseRows& rows = rows_of(connection);
        if (!are_others<Network>(rows, pre, post, count)) return;
        move_synapses(rows.info().weight, pre, post);
        const auto forget = [&](int k, bool) {  // what was other synapses'
            for (int state = 0; state < Network::optimiser_states; ++state) {
                AlignedBuffer<Real>& values = slot(k, state);
                std::fill(values.data(), values.data() + values.size(), Real(0));
            }
        };
        forget(rows.info().weight, false);
        for_travelling<Network>(rows.info().weight, forget);
    }
    SNCC_COLD const SynapseRows& rows_of(int connection) const {
        for (const SynapseRows& rows : parameters.rows)
            if (rows.info().connection == connection) return rows;
        throw Failure(Code::argument, "no sparse connection of that number");
    }
    // Of the connection with this weight, and all that go over its synapses.
    SNCC_COLD void move_synapses(int weight, const std::int64_t* pre, const std::int64_t* post) {
        for (SynapseRows& rows : parameters.rows)
            if (rows.info().pairs == owner_of<Network>(weight)) {
                rows.move(pre, post);
                changes_of_delays += rows.info().delays >= 0 || rows.info().rows != Rows::own;
            }
        place_traces();
    }

    // -------------------------------------------------------------------------------------------- parameters
    std::int64_t size(int k) const { return std::int64_t(shapes[k].rows) * shapes[k].columns; }
    SNCC_COLD void set_parameter(int k, const double* values) {
        if (is_delays(k)) values = take_delays(k, values);
        if (Network::halves()[k] != Halves::none) {
            for_halves(k, [&](std::int64_t e, Bfloat16& weight, bool diagonal) { weight = Bfloat16(diagonal ? 0.0 : values[e]); });
        } else {
            copy_in(k, parameters.own[k].data(), values);
            if (shapes[k].apart && !shapes[k].shared) clear_diagonal(k, parameters.own[k].data());
        }
        stale_ = true;
        if (built_ && is_delays(k)) set_delays();
    }
    SNCC_COLD void get_parameter(int k, double* values) {
        if (Network::halves()[k] != Halves::none)
            for_halves(k, [&](std::int64_t e, Bfloat16& weight, bool) { values[e] = static_cast<double>(static_cast<float>(weight)); });
        else
            copy_out(k, parameters.own[k].data(), values);
    }
    AlignedBuffer<Real>& slot(int k, int state) { return optimiser_[static_cast<std::size_t>(k * Network::optimiser_states + state)]; }

    // Calls visit(element of the user's array, weight, whether it is a neuron's own where there are none) for weights of 16 bits.
    template <typename Visit>
    void for_halves(int k, const Visit& visit) {
        const Shape& shape = shapes[static_cast<std::size_t>(k)];
        const bool packed = Network::halves()[k] == Halves::packed;
        const PackedLayout pairs{shape.rows, shape.columns};
        const TileLayout<Real> tiles = layout_of<Real>(shape);
        for (int i = 0; i < shape.rows; ++i)
            for (int j = 0; j < shape.columns; ++j)
                visit(std::int64_t(i) * shape.columns + j, parameters.half[k][static_cast<std::size_t>(packed ? pairs.index(i, j) : tiles.index(i, j))],
                      shape.apart && i == j);
    }
    void copy_in(int k, Real* to, const double* values) {
        const Shape& shape = shapes[static_cast<std::size_t>(k)];
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
        const Shape& shape = shapes[static_cast<std::size_t>(k)];
        if (shape.shared) {
            values[0] = static_cast<double>(from[0]);
            return;
        }
        const TileLayout<Real> layout = layout_of<Real>(shape);
        for (int i = 0; i < shape.rows; ++i)
            for (int j = 0; j < shape.columns; ++j)
                values[std::int64_t(i) * shape.columns + j] = static_cast<double>(from[layout.index(i, j)]);
    }

    void clear_diagonal(int k, Real* matrix) const {
        const TileLayout<Real> layout = layout_of<Real>(shapes[k]);
        for (int i = 0; i < layout.rows; ++i) matrix[layout.index(i, i)] = 0;
    }

    // What follows from the parameters, after any of them changed.
    void refresh() {
        if (!stale_) return;
        for (int k = 0; k < Network::parameters; ++k)
            if (parameters.repeated[k].size()) {
                const Shape& shape = shapes[static_cast<std::size_t>(k)];
                const TileLayout<Real> layout = layout_of<Real>(shape);
                for (int i = 0; i < shape.rows; ++i)
                    for (int j = 0; j < shape.columns; ++j)
                        parameters.repeated[k][static_cast<std::size_t>(layout.index(i, j))] = parameters.own[k][0];
            }
        for (int k = 0; k < Network::parameters; ++k)  // bounds may have moved it
            if (shapes[k].apart && Network::halves()[k] == Halves::none) clear_diagonal(k, shapes[k].shared ? parameters.repeated[k].data() : parameters.own[k].data());
        for (int k = 0; k < Network::parameters; ++k)
            if (parameters.transposed[k].size()) {
                const Shape& shape = shapes[static_cast<std::size_t>(k)];
                transpose_tiles(parameters.transposed[k].data(), parameters.weight(k), layout_of<Real>(shape));
            }
        split_delays();
        Network::derive(parameters, arrays);
        stale_ = false;
    }

    // After the optimiser has changed numbers in place.
    void change() { stale_ = true; }
    // Delays as those of the synapses that were `former` ones.
    SNCC_COLD void follow_delays(int k, const List<std::uint64_t>& former) {
        if (!shapes[k].shared) {
            follow_synapses(delays_[static_cast<std::size_t>(k)].data(), former);
            follow_synapses(parameters.own[static_cast<std::size_t>(k)].data(), former);
        }
        set_delays();
    }
    // What a batch that fails after some of its steps gets back.
    void keep() {
        kept_.clear();
        for (const auto* all : {&parameters.own, &optimiser_})
            for (const AlignedBuffer<Real>& own : *all) kept_.emplace_back(own.data(), own.data() + own.size());
        kept_step_ = optimiser_step;
    }
    SNCC_COLD void restore() {
        std::size_t k = 0;
        for (auto* all : {&parameters.own, &optimiser_})
            for (AlignedBuffer<Real>& own : *all) {
                std::copy(kept_[k].begin(), kept_[k].end(), own.data());
                ++k;
            }
        for (List<char>& waiting : dormant) waiting.clear();
        optimiser_step = kept_step_;
        stale_ = true;
    }

private:
    // Room for a parameter whose shape is known.
    SNCC_COLD void allocate(int k) {
        const Shape& shape = shapes[k];
        const std::size_t full = static_cast<std::size_t>(layout_of<Real>(shape).size());
        parameters.is_shared[k] = shape.shared;
        const Halves halves = Network::halves()[k];
        parameters.own[k] = AlignedBuffer<Real>(halves != Halves::none ? 0 : shape.shared ? 16 : full);
        if (halves != Halves::none)
            parameters.half[k] = AlignedBuffer<Bfloat16>(halves == Halves::packed ? static_cast<std::size_t>(PackedLayout{shape.rows, shape.columns}.size()) : full);
        parameters.repeated[k] = AlignedBuffer<Real>(shape.shared && shape.weight ? full : 0);
        const TileLayout<Real> across{shape.columns, shape.rows};
        parameters.transposed[k] = AlignedBuffer<Real>(Network::is_transposed()[k] ? static_cast<std::size_t>(across.size()) : 0);
        const std::size_t own = shape.learnt ? parameters.own[k].size() : 0;
        for (int state = 0; state < Network::optimiser_states; ++state) slot(k, state) = AlignedBuffer<Real>(own);
    }
    SNCC_COLD void build_rows(const Description& about, ThreadPool& pool) {
        parameters.rows.clear();
        for (int r = 0; r < Network::rows_count; ++r) {
            const RowsInfo& info = Network::rows()[r];
            const std::size_t c = static_cast<std::size_t>(info.pairs);
            parameters.rows.emplace_back(info, c < pairs_.size() ? pairs_[c] : HandedOver(), seed, pool);
        }
        pairs_.clear();
        for (const SynapseRows& rows : parameters.rows)
            if (is_rewired<Network>(rows.info().weight)) refuse_equal_pairs(rows);
        for (SynapseRows& rows : parameters.rows)
            for (const int k : {rows.info().weight, rows.info().delays})
                if (k >= 0 && shapes[k].columns < 0) {
                    shapes[k].columns = static_cast<int>(rows.count());
                    if (parameters.gradient_offsets[k] == Network::known_at_build) {
                        parameters.gradient_offsets[k] = gradient_size;
                        gradient_size += layout_of<Real>(shapes[k]).size();
                    }
                    allocate(k);
                    set_parameter(k, rows.drawn(about.parameters[k], seed).data());
                }
        most_chains = static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(Network::chains, Network::chain_memory / (gradient_size * static_cast<std::int64_t>(sizeof(Real)) + 1))));
        for (SynapseRows& rows : parameters.rows) {
            const TileLayout<Real> layout = layout_of<Real>(shapes[rows.info().weight]);
            rows.place_weights(layout.columns, [&](int row, int column) { return layout.index(row, column); });
            if (rows.info().delays < 0) continue;
            const TileLayout<Real> late = layout_of<Real>(shapes[rows.info().delays]);
            rows.place_delays(late.columns, [&](int row, int column) { return late.index(row, column); });
        }
        built_ = true;
        set_delays();
    }
    // Where a sample's traces stand whose number follows from synapses and their delays.
    SNCC_COLD void place_traces() {
        parameters.trace_starts.clear(), parameters.trace_size = Network::trace_size;
        for (int u = 0; u < Network::late_trace_count; ++u) {
            const LateTraces& late = Network::late_traces()[u];
            parameters.trace_starts.push_back(parameters.trace_size);
            const auto most = [&](int rows) { return rows < 0 ? 1 : most_of_a_source(parameters, rows); };
            parameters.trace_size += late.count * room_of_traces(parameters, late) * most(late.along) * most(late.around) * steps_of_traces(parameters, late);
        }
    }
    // What of learnt delays every spike reads.
    void split_delays() {
        parameters.rests.resize(parameters.rows.size()), parameters.slopes.resize(parameters.rows.size());
        for (std::size_t r = 0; r < parameters.rows.size(); ++r) {
            SynapseRows& rows = parameters.rows[r];
            const RowsInfo& info = rows.info();
            if (info.most < 0) continue;
            const FractionalDelays<Real> delays{parameters.weight(info.delays), Network::step_ms, info.delay, info.most, info.mode};
            parameters.rests[r].resize(rows.count() + 1), parameters.slopes[r].resize(rows.count() + 1);
            rows.split_delays([&](std::uint64_t k, std::uint32_t element) {
                const auto split = delays.at(element);
                parameters.rests[r][k] = split.rest, parameters.slopes[r][k] = delays.slope(element);
                return split.whole;
            });
        }
    }
    static bool is_delays(int k) {
        for (int r = 0; r < Network::rows_count; ++r)
            if (Network::rows()[r].delays == k) return true;
        return false;
    }
    // Where those are kept that are set, or drawn before there are synapses.
    SNCC_COLD const double* take_delays(int k, const double* values) {
        const Shape& shape = shapes[k];
        const std::int64_t count = shape.shared ? 1 : size(k);
        if (built_)
            for (const SynapseRows& rows : parameters.rows)
                if (rows.info().delays == k) rows.refuse_delays(values, shape.shared, Network::shapes()[k].columns < 0, shape.columns, least_delay<Network>(k), Network::step_ms);
        delays_[k] = built_ ? List<double>(values, values + count) : raised_delays<Network>(k, values, count);
        return delays_[k].data();
    }
    SNCC_COLD void set_delays() {
        for (SynapseRows& rows : parameters.rows) {
            const int k = rows.info().delays;
            if (k >= 0) rows.set_delays(delays_[k].data(), shapes[k].shared, Network::shapes()[k].columns < 0, shapes[k].columns, Network::step_ms);
        }
        ++changes_of_delays;
        if (built_) place_traces();
    }

    List<HandedOver> pairs_;
    List<List<double>> delays_;  // by parameter, ms, where every synapse has its own
    List<AlignedBuffer<Real>> optimiser_;
    List<List<Real>> kept_;  // parameters and the optimiser's states before a batch
    std::int64_t kept_step_ = 0;
    bool built_ = false, stale_ = true;
};

}  // namespace cpu
}  // namespace sncc
