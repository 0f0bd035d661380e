// Deep R (Bellec, Kappel, Maass and Legenstein 2018): after a step of the optimiser, synapses whose weights would change their
// sign move to other pairs of neurons. Which ones these are is told in sncc/connectivity/rewire.py, integer for integer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_set>

#include "sncc/list.h"
#include "sncc/math.h"
#include "sncc/philox.h"
#include "synapse_rows.h"

namespace sncc {
// Emitted, for each connection that is rewired: the number of its weight, streams of its pairs and of the weights' random walk.
struct Rewiring {
    int parameter;
    double l1, temperature, lower, upper;
    std::uint32_t pairs, walk;
};

// Emitted, for each number that each of these synapses has beside its weight and its delay: it goes with its synapse. Feedback that
// is adaptive follows the changes of the weight.
struct Travelling {
    int weight, number;
    bool follows;
};

// A connection's synapses after a step, by source, then target: the pair of each, and which of the former ones it is.
struct MovedSynapses {
    List<std::int64_t> pre, post;
    List<std::uint64_t> former;
};

class Mover {
public:
    Mover(const SynapseRows& rows, const List<char>& dormant)
        : rows_(&rows), dormant_(&dormant), sources_(rows.info().source), targets_(rows.info().target) {}

    MovedSynapses move(std::uint64_t seed, std::uint32_t stream, std::uint32_t step) {
        List<Synapse> stay, leave;
        rows_->for_each_written([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) { ((*dormant_)[k] ? leave : stay).push_back({i, j, k}); });
        std::uint32_t number = 0;
        for (Synapse& synapse : leave) place(synapse, seed, stream, number++, step);
        const auto before = [](const Synapse& a, const Synapse& b) { return a.pre != b.pre ? a.pre < b.pre : a.post < b.post; };
        std::stable_sort(leave.begin(), leave.end(), before);
        List<Synapse> all(stay.size() + leave.size());
        std::merge(stay.begin(), stay.end(), leave.begin(), leave.end(), all.begin(), before);
        MovedSynapses moved;
        for (const Synapse& s : all) moved.pre.push_back(s.pre), moved.post.push_back(s.post), moved.former.push_back(s.former);
        return moved;
    }

private:
    struct Synapse {
        std::uint32_t pre, post;
        std::uint64_t former;
    };
    static std::uint64_t key(std::uint32_t i, std::uint32_t j) { return std::uint64_t(i) << 32 | j; }
    static std::uint32_t below(std::uint32_t word, const PartIndices& part) {
        return static_cast<std::uint32_t>(part[static_cast<std::int64_t>(std::uint64_t(word) * static_cast<std::uint64_t>(part.size()) >> 32)]);
    }
    void place(Synapse& synapse, std::uint64_t seed, std::uint32_t stream, std::uint32_t number, std::uint32_t step) {
        const Pattern& pattern = rows_->info().pattern;
        for (std::uint32_t attempt = 0;; ++attempt) {
            const PhiloxWords draw = philox(seed, stream, number, attempt, step);
            const std::uint32_t i = pattern.kind == PatternKind::fan_out ? synapse.pre : below(draw.words[0], sources_);
            const std::uint32_t j = pattern.kind == PatternKind::fan_in ? synapse.post : below(draw.words[1], targets_);
            if (!pattern.self_connections && i == j) continue;
            if (!pattern.repeats && (stays(i, j) || !moved_.insert(key(i, j)).second)) continue;
            synapse.pre = i, synapse.post = j;
            return;
        }
    }
    // Whether a synapse of that pair keeps its place.
    bool stays(std::uint32_t i, std::uint32_t j) const {
        std::uint64_t low = rows_->offsets()[i], high = rows_->offsets()[i + 1];
        const std::uint64_t end = high;
        while (low < high) {
            const std::uint64_t middle = (low + high) / 2;
            if (rows_->written(middle) < j)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < end && rows_->written(low) == j; ++low)
            if (!(*dormant_)[low]) return true;
        return false;
    }

    const SynapseRows* rows_;
    const List<char>* dormant_;
    PartIndices sources_, targets_;
    std::unordered_set<std::uint64_t> moved_;
};

// What a step of the weights is beside the optimiser's: towards 0, and at random. `rate` and `scale`: how the optimiser counts them.
template <typename Real>
class Walk {
public:
    SNCC_HOST_DEVICE Walk(const Rewiring& about, std::uint64_t seed, double rate, double scale)
        : pull_(static_cast<Real>(rate * about.l1)), spread_(static_cast<Real>(m_sqrt(2 * rate * about.temperature))), scale_(static_cast<Real>(scale)),
          lower_(static_cast<Real>(about.lower)), upper_(static_cast<Real>(about.upper)), stream_(about.walk), seed_(seed) {}

    // The weight of synapse k after a step of that number, from that `before` it and what the optimiser made of it; one that would change its
    // sign is dormant, with a weight of 0, until it is moved.
    SNCC_HOST_DEVICE SNCC_INLINE Real weight(Real before, Real stepped, char& dormant, std::uint32_t k, std::uint32_t step) const {
        const bool negative = is_negative(before);
        Real value = stepped / scale_ - (negative ? -pull_ : pull_);
        if (spread_ > Real(0)) value += spread_ * normal<Real>(philox(seed_, stream_, k, step, 0));
        dormant = dormant || (negative ? value > Real(0) : value < Real(0));
        const Real magnitude = dormant ? Real(0) : m_abs(value) * scale_;
        return m_clip(negative ? -magnitude : magnitude, lower_, upper_);
    }

private:
    Real pull_, spread_, scale_, lower_, upper_;
    std::uint32_t stream_;
    std::uint64_t seed_;
};

// The weights of a connection after a step.
template <typename Real>
void step_weights(Real* weights, const Real* before, List<char>& dormant, std::size_t count, const Walk<Real>& walk, std::uint32_t step) {
    dormant.resize(count);
    for (std::size_t k = 0; k < count; ++k) weights[k] = walk.weight(before[k], weights[k], dormant[k], static_cast<std::uint32_t>(k), step);
}
inline bool any_of(const List<char>& dormant) {
    return std::find(dormant.begin(), dormant.end(), char(1)) != dormant.end();
}

// Calls visit(number, whether it follows the weight) for all that goes with the synapses of this weight.
template <typename Network, typename Visit>
void for_travelling(int weight, const Visit& visit) {
    for (int t = 0; t < Network::travelling_count; ++t)
        if (Network::travelling()[t].weight == weight) visit(Network::travelling()[t].number, Network::travelling()[t].follows);
}

// What numbers that follow a weight get of its step.
template <typename Real>
void add_changes(Real* to, const Real* weights, const Real* before, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) to[k] += weights[k] - before[k];
}

// Whether training moves the synapses of the connections that have this weight.
template <typename Network>
bool is_rewired(int weight) {
    for (int r = 0; r < Network::rewiring_count; ++r)
        if (Network::rewirings()[r].parameter == weight) return true;
    return false;
}

// The connection whose synapses they are that have this weight.
template <typename Network>
int owner_of(int weight) {
    for (int r = 0; r < Network::rows_count; ++r)
        if (Network::rows()[r].weight == weight) return Network::rows()[r].pairs;
    return -1;
}

// The delays, by number, of the synapses that have this weight; -1 where all have one.
template <typename Network>
int delays_with(int weight) {
    for (int r = 0; r < Network::rows_count; ++r)
        if (Network::rows()[r].pairs == owner_of<Network>(weight) && Network::rows()[r].delays >= 0) return Network::rows()[r].delays;
    return -1;
}

// Whether these are other synapses than a connection has. Throws Failure where it cannot have them.
template <typename Network>
bool are_others(const SynapseRows& rows, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) {
    if (!is_rewired<Network>(rows.info().weight)) throw Failure(Code::argument, "the synapses of this connection do not move");
    if (count != static_cast<std::int64_t>(rows.count())) throw Failure(Code::argument, "the number of synapses does not fit");
    if (!rows.allows(pre, post)) throw Failure(Code::argument, std::string("the connection `") + rows.info().name + "` cannot have these synapses");
    return !rows.are(pre, post);
}

// Synapses that were handed over, before training moves them.
inline void refuse_equal_pairs(const SynapseRows& rows) {
    if (!rows.info().pattern.repeats && rows.has_equal_pairs())
        throw Failure(Code::argument, std::string("the connection `") + rows.info().name + "` is rewired: hand each of its pairs over once");
}

// values[k] := values[former[k]]
template <typename Values>
void follow_synapses(Values* values, const List<std::uint64_t>& former) {
    const List<Values> copy(values, values + former.size());
    for (std::size_t k = 0; k < former.size(); ++k) values[k] = copy[former[k]];
}

// A state of the optimiser after synapses have moved: those begin anew.
template <typename Values>
void follow_moments(Values* values, const List<char>& dormant, const List<std::uint64_t>& former) {
    for (std::size_t k = 0; k < dormant.size(); ++k)
        if (dormant[k]) values[k] = 0;
    follow_synapses(values, former);
}

}  // namespace sncc
