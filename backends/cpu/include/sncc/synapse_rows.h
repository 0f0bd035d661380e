// Synapses of a connection as rows of targets by source neuron, built when the library is loaded: what both halves of a network
// that runs samples in parallel go through.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "connectivity.h"
#include "delay_limit.h"
#include "sncc/initial_values.h"
#include "sncc/list.h"

namespace sncc {

// Where the weight of a synapse stands: one for all, under the synapse's own number, or in a matrix (a kernel's, or the
// full one of which the synapses are a part).
enum class Element { one, own, matrix };

// Which rows a connection has: of its own synapses; or of neurons that stand for the synapses of a connection: from each source to
// its synapses, from each synapse to its target, from each target to the synapses onto it.
enum class Rows { own, to_synapses, onto_targets, to_columns };

// Emitted, one for each such connection. Parameters by number, -1 where there is none. A matrix, or a vector, begins at the neurons
// source_first and target_first of the populations.
struct RowsInfo {
    const char* name;
    int connection;
    Pattern pattern;
    PartShape source, target;
    std::uint32_t stream;
    int weight, delays;
    Element place;
    std::int64_t source_first, target_first;
    std::int64_t delay;  // steps; the smallest legal one where every synapse has its own
    Rows rows;
    int pairs;          // the connection whose pairs are handed over
    std::int64_t room;  // neurons that stand for synapses
    Element delay_place;
    std::int64_t most;  // steps that learnt delays may take; -1 where they are not learnt
    DelayMode mode;     // of learnt delays
};

class SynapseRows {
public:
    SNCC_COLD SynapseRows(const RowsInfo& info, const HandedOver& pairs, std::uint64_t seed, ThreadPool& pool) : info_(&info) {
        if (info.pattern.kind == PatternKind::sparse && !pairs.given)
            throw Failure(Code::argument, std::string("the connection `") + info.name + "` is `sparse`: hand its pairs over when loading, connections={\"" + info.name + "\": (pre, post)}");
        ConnectivityRequest request;
        request.pattern = info.pattern, request.source = info.source, request.target = info.target;
        request.seed = seed, request.stream = info.stream;
        request.pre = pairs.pre.data(), request.post = pairs.post.data(), request.pairs = static_cast<std::int64_t>(pairs.pre.size());
        try {
            synapses_ = build_synapses(request, 1, pool);
        } catch (const std::invalid_argument& error) {
            throw Failure(Code::argument, std::string("the connection `") + info.name + "`: " + error.what());
        }
        if (info.rows != Rows::own) stand_for_synapses();
        if (count() > 0x7FFFFFFF) throw Failure(Code::memory, std::string("the connection `") + info.name + "` has more than 2^31 synapses");
    }

    const RowsInfo& info() const { return *info_; }
    std::uint64_t count() const { return synapses_.count(); }
    std::int64_t sources() const { return synapses_.sources(); }
    const std::uint64_t* offsets() const { return synapses_.parts[0].offsets.data(); }
    // Where the weight of a synapse stands.
    std::uint64_t element(std::uint64_t k) const { return info_->place == Element::one ? 0 : info_->place == Element::own ? k : elements_[k]; }
    std::int64_t most_of_a_source() const {
        std::uint64_t most = 0;
        for (std::int64_t i = 0; i < sources(); ++i) most = std::max(most, offsets()[i + 1] - offsets()[i]);
        return static_cast<std::int64_t>(most);
    }
    std::uint32_t target(std::uint64_t k) const { return synapses_.parts[0].target(k); }
    // The target that the user's synapse has, where neurons stand for synapses.
    std::uint32_t written(std::uint64_t k) const { return written_.empty() ? target(k) : written_[k]; }
    const std::uint16_t* targets(std::uint16_t) const { return synapses_.parts[0].narrow.data(); }
    const std::uint32_t* targets(std::uint32_t) const { return synapses_.parts[0].wide.data(); }
    const std::uint32_t* elements() const { return elements_.data(); }
    const std::int32_t* delays() const { return delays_.data(); }
    const std::uint32_t* delay_elements() const { return delay_elements_.data(); }  // of learnt delays
    std::int64_t most_delay() const { return most_; }
    // Steps between the earliest and the latest arrival, both counted.
    std::int64_t slots() const { return most_ - info_->delay + 1; }

    // Calls visit(k, source, target): k is the synapse's number in the user's order.
    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (std::int64_t i = 0; i < sources(); ++i)
            for (std::uint64_t k = offsets()[i]; k < offsets()[i + 1]; ++k) visit(k, static_cast<std::uint32_t>(i), target(k));
    }
    // The same with the targets that the user's synapses have, where neurons stand for these.
    template <typename Visit>
    void for_each_written(const Visit& visit) const {
        for_each([&](std::uint64_t k, std::uint32_t i, std::uint32_t) { visit(k, i, written(k)); });
    }
    void list(std::int64_t* pre, std::int64_t* post) const {
        for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) { pre[k] = i, post[k] = j; });
    }
    // The same for the same pairs of neurons.
    std::int64_t fingerprint() const {
        std::uint64_t hash = 14695981039346656037u;  // FNV-1a, word by word
        for_each_written([&](std::uint64_t, std::uint32_t i, std::uint32_t j) { hash = (hash ^ (std::uint64_t(i) << 32 | j)) * 1099511628211u; });
        return static_cast<std::int64_t>(hash);
    }
    SNCC_COLD bool has_equal_pairs() const {
        for (std::int64_t i = 0; i < sources(); ++i)
            for (std::uint64_t k = offsets()[i] + 1; k < offsets()[i + 1]; ++k)
                if (written(k) == written(k - 1)) return true;
        return false;
    }
    // Whether pairs are sorted and could be those of the connection: as many of each neuron's as it fixes.
    SNCC_COLD bool allows(const std::int64_t* pre, const std::int64_t* post) const {
        const PartIndices from(info_->source), to(info_->target);
        const Pattern& pattern = info_->pattern;
        for (std::uint64_t k = 0; k < count(); ++k) {
            if (from.find(pre[k]) < 0 || to.find(post[k]) < 0) return false;
            if (!pattern.self_connections && pre[k] == post[k]) return false;
            if (k == 0) continue;
            const bool same = pre[k] == pre[k - 1];
            if (pre[k] < pre[k - 1] || (same && post[k] < post[k - 1]) || (same && post[k] == post[k - 1] && !pattern.repeats)) return false;
        }
        List<std::int64_t> had, has;
        for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) {
            if (pattern.kind == PatternKind::fan_in) had.push_back(j), has.push_back(post[k]);
            if (pattern.kind == PatternKind::fan_out) had.push_back(i), has.push_back(pre[k]);
        });
        std::sort(had.begin(), had.end()), std::sort(has.begin(), has.end());
        return had == has;
    }
    SNCC_COLD bool are(const std::int64_t* pre, const std::int64_t* post) const {
        bool equal = true;
        for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) { equal = equal && pre[k] == i && post[k] == j; });
        return equal;
    }
    // Other synapses, by source, then target.
    SNCC_COLD void move(const std::int64_t* pre, const std::int64_t* post) {
        if (info_->rows != Rows::own) {
            stand_for(List<std::uint32_t>(pre, pre + count()), List<std::uint32_t>(post, post + count()));
            return;
        }
        CompressedRows& rows = synapses_.parts[0];
        std::fill(rows.offsets.data(), rows.offsets.data() + rows.offsets.size(), std::uint64_t(0));
        const std::uint64_t size = count();
        for (std::uint64_t k = 0; k < size; ++k) {
            ++rows.offsets[static_cast<std::size_t>(pre[k]) + 1];
            rows.set(k, static_cast<std::uint32_t>(post[k]));
        }
        for (std::size_t i = 1; i < rows.offsets.size(); ++i) rows.offsets[i] += rows.offsets[i - 1];
        synapses_.number();
    }
    // First values of a parameter with a number for every synapse.
    List<double> drawn(const ParameterDescription& about, std::uint64_t seed) const {
        const InitialValues initial(about, seed);
        List<double> values(count());
        for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) { values[k] = initial(k, i, j); });
        return values;
    }
    // Where the weights stand in memory: `columns` of the matrix; memory(row, column) gives the place.
    template <typename Memory>
    void place_weights(std::int64_t columns, const Memory& memory) {
        if (info_->place == Element::matrix) place_in_matrix(elements_, columns, memory);
    }
    // The same of learnt delays.
    template <typename Memory>
    void place_delays(std::int64_t columns, const Memory& memory) {
        if (info_->most < 0) return;
        if (info_->delay_place == Element::matrix) return place_in_matrix(delay_elements_, columns, memory);
        delay_elements_.resize(count() + 1);
        for (std::uint64_t k = 0; k < count(); ++k) delay_elements_[k] = info_->delay_place == Element::own ? static_cast<std::uint32_t>(k) : 0;
    }
    // From the user's numbers, ms: one, one per synapse, or a matrix of so many columns.
    void set_delays(const double* values, bool shared, bool per_synapse, std::int64_t columns, double step) {
        most_ = std::max(info_->delay, info_->most);
        if (info_->most >= 0) return;  // learnt ones are read as they are
        delays_.resize(count() + 1);
        for_each_delay(values, shared, per_synapse, columns, [&](std::uint64_t k, double value) {
            const double steps = std::max(static_cast<double>(info_->delay), nearest_steps(value, step));
            if (!(steps <= longest_delay)) refuse_long_delay(info_->name, value, steps, step);
            delays_[k] = static_cast<std::int32_t>(steps);
            most_ = std::max<std::int64_t>(most_, delays_[k]);
        });
    }
    // Of those numbers what a synapse cannot have, before anything is changed; `least`: steps.
    SNCC_COLD void refuse_delays(const double* values, bool shared, bool per_synapse, std::int64_t columns, std::int64_t least, double step) const {
        for_each_delay(values, shared, per_synapse, columns, [&](std::uint64_t, double value) { refuse_delay(info_->name, value, least, step); });
    }

    // Learnt delays as they are now: calls visit(k, element), which gives the whole steps of synapse k.
    template <typename Visit>
    void split_delays(const Visit& visit) {
        delays_.resize(count() + 1);
        for (std::uint64_t k = 0; k < count(); ++k) delays_[k] = static_cast<std::int32_t>(visit(k, delay_elements_[k]));
    }

    // Numbers that one for each synapse takes, aligned.
    friend std::int64_t room_of(const SynapseRows& rows) { return (static_cast<std::int64_t>(rows.count()) + 15) / 16 * 16; }

private:
    // Rows of neurons of which each stands for a synapse, in place of the synapses' own.
    SNCC_COLD void stand_for_synapses() {
        const std::int64_t size = static_cast<std::int64_t>(count());
        if (size > info_->room)
            throw Failure(Code::argument, std::string("the connection `") + info_->name + "` has " + std::to_string(size) + " synapses, more than the " +
                                              std::to_string(info_->room) + " that training has room for");
        List<std::uint32_t> pre, post;
        for_each([&](std::uint64_t, std::uint32_t i, std::uint32_t j) { pre.push_back(i), post.push_back(j); });
        stand_for(pre, post);
    }
    // The same for synapses of which each has that source and target.
    SNCC_COLD void stand_for(const List<std::uint32_t>& pre, const List<std::uint32_t>& post) {
        const bool by_source = info_->rows == Rows::to_synapses, by_synapse = info_->rows == Rows::onto_targets;
        const std::int64_t from = by_source ? sources() : by_synapse ? info_->room : PartIndices(info_->target).population();
        CompressedRows rows;
        rows.range = {0, by_synapse ? PartIndices(info_->target).population() : info_->room};
        rows.offsets = Untouched<std::uint64_t>(static_cast<std::size_t>(from + 1));
        std::fill(rows.offsets.data(), rows.offsets.data() + rows.offsets.size(), std::uint64_t(0));
        const auto row = [&](std::size_t k) { return by_source ? static_cast<std::size_t>(pre[k]) : by_synapse ? k : static_cast<std::size_t>(post[k]); };
        for (std::size_t k = 0; k < pre.size(); ++k) ++rows.offsets[row(k) + 1];
        rows.allocate();
        List<std::uint64_t> next(rows.offsets.data(), rows.offsets.data() + rows.offsets.size());
        for (std::size_t k = 0; k < pre.size(); ++k) rows.set(next[row(k)]++, by_synapse ? post[k] : static_cast<std::uint32_t>(k));
        if (by_source) written_ = post;
        synapses_.parts[0] = std::move(rows);
        synapses_.number();
    }
    // Calls visit(k, delay): of the user's numbers, ms, that of synapse k.
    template <typename Visit>
    void for_each_delay(const double* values, bool shared, bool per_synapse, std::int64_t columns, const Visit& visit) const {
        for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) {
            visit(k, values[shared ? 0 : per_synapse ? static_cast<std::int64_t>(k) : in_matrix(k, i, j, columns)]);
        });
    }
    // Where synapses stand in a matrix.
    template <typename Memory>
    void place_in_matrix(List<std::uint32_t>& elements, std::int64_t columns, const Memory& memory) const {
        elements.resize(count() + 1);
        for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) {
            const std::int64_t e = in_matrix(k, i, j, columns);
            elements[k] = static_cast<std::uint32_t>(memory(static_cast<int>(e / columns), static_cast<int>(e % columns)));
        });
    }
    // The synapse's element of the user's array, row-major.
    std::int64_t in_matrix(std::uint64_t k, std::uint32_t i, std::uint32_t j, std::int64_t columns) const {
        if (!synapses_.kernel.empty()) return synapses_.kernel[0][k];
        const std::int64_t source = static_cast<std::int64_t>(i) - info_->source_first;
        if (info_->pattern.kind == PatternKind::one_to_one) return source;
        return source * columns + static_cast<std::int64_t>(j) - info_->target_first;
    }

    const RowsInfo* info_;
    Synapses synapses_;
    List<std::uint32_t> elements_, delay_elements_;
    List<std::uint32_t> written_;  // targets of the user's synapses, where neurons stand for these
    List<std::int32_t> delays_;
    std::int64_t most_ = 0;
};

// The least steps that delays of parameter k may take, that of spikes: states of neurons may be read a step later. Learnt ones have bounds.
template <typename Network>
SNCC_COLD std::int64_t least_delay(int k) {
    std::int64_t least = longest_delay;
    for (int r = 0; r < Network::rows_count; ++r)
        if (const RowsInfo& info = Network::rows()[r]; info.delays == k) least = std::min(least, info.most < 0 ? info.delay : std::numeric_limits<std::int64_t>::min());
    return least;
}
// Delays of parameter k as they were drawn, ms, with those that are too short, as they are stored, as the shortest possible one.
template <typename Network>
SNCC_COLD List<double> raised_delays(int k, const double* values, std::int64_t count) {
    const std::int64_t least = least_delay<Network>(k);
    List<double> raised(values, values + count);
    for (double& value : raised)
        if (const double stored = static_cast<typename Network::Real>(value); nearest_steps(stored, Network::step_ms) < static_cast<double>(least) || (least == 0 && value < 0))
            value = static_cast<double>(least) * Network::step_ms;
    return raised;
}

}  // namespace sncc
