// Synapses with a delay each as spikes reach them: those of one source and one worker lie together, by delay, whichever connection
// they are of. Where the sums of all steps that are to come stay in the cache, a spike adds its row to them when it is emitted
// (arrival_ring.h); else what arrives in a step is read slice by slice, and added to sums of that step alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fetch.h"
#include "synapse_store.h"
#include "sncc/list.h"
#include "sncc/lists.h"
#include "sncc/platform.h"

namespace sncc {
namespace neurons {

// What arrives at an input through some of its connections is summed before it is added: a lane. Lanes of a shelf have one
// array of sums per worker, so that targets in different populations are numbered together.
struct Lane {
    int shelf = -1;                      // none: no connection sums here
    List<std::uint32_t> begins;   // by worker: the number of the first own neuron
};
struct Shelf {
    List<std::int64_t> sizes;  // by worker
    bool narrow = true;               // numbers of targets fit into 16 bits
    bool at_once = false;             // what arrives is summed when it is emitted
};

// Synapses of a source with one delay, one after the other.
struct Slice {
    static constexpr int longest = 0xFFF;  // synapses; where there are more there is another slice
    std::uint16_t delay, count;
};

// One worker's share of a bundle. Source i has the synapses rows[i] .. rows[i + 1] of ascending delays; of one delay targets ascend. Summed
// at once they have keys (ArrivalRing); else they lie in the slices firsts[i] .. firsts[i + 1], and have targets.
template <typename Real>
struct BundlePart {
    Untouched<std::uint64_t> rows, firsts;
    Untouched<Slice> slices;
    Untouched<std::uint16_t> narrow;
    Untouched<std::uint32_t> wide, keys;
    Untouched<Real> weights;
    std::uint32_t stride = 0;  // of keys

    // Calls visit(k, target, delay) for a source's synapses.
    template <typename Visit>
    void for_each(std::size_t i, Visit&& visit) const {
        std::uint64_t k = rows[i];
        if (keys.size()) {
            for (; k < rows[i + 1]; ++k) visit(k, keys[k] % stride, static_cast<std::uint16_t>(keys[k] / stride));
            return;
        }
        for (std::uint64_t s = firsts[i]; s < firsts[i + 1]; ++s)
            for (const std::uint64_t end = k + slices[s].count; k < end; ++k) visit(k, narrow.size() ? narrow[k] : wide[k], slices[s].delay);
    }
};

// Of synapses of one source and one target their order in the user's arrays, which delays have changed: for each, by delay, its
// number among them.
struct Repeats {
    Untouched<std::uint64_t> rows;  // (sources + 1,)
    List<std::uint16_t> ranks;
};

// Connections of one source onto lanes of one shelf.
template <typename Real>
class Bundle {
public:
    List<int> connections;
    int shelf = -1;
    bool weighted = false;  // a weight for every synapse; else one for all
    bool owns = false;      // the synapses, and their weights and delays, are nowhere else
    List<BundlePart<Real>> parts;

    bool is_filled() const { return !parts.empty(); }

    // What a member holds, in the order of its connection's rows.
    struct Given {
        const Synapses* synapses;
        const Delays* delays;
        const SynapseField<Real>* weights;
        const Lane* lane;
    };

    SNCC_COLD void fill(const List<Given>& members, const Shelf& shelf, HugePages& pages, ThreadPool& pool) {
        const std::int64_t sources = members[0].synapses->sources();
        parts = List<BundlePart<Real>>(shelf.sizes.size());
        repeats_ = List<List<Repeats>>(owns ? members.size() : 0);
        for (List<Repeats>& of : repeats_) of = List<Repeats>(parts.size());
        for (std::size_t p = 0; p < parts.size(); ++p) fill(members, shelf, p, sources, pages, pool);
    }

    // A member's synapses of one source in one part, in the user's order.
    struct Found {
        std::uint32_t target;
        std::uint16_t delay;
        std::uint64_t at;  // in the part
    };
    void row(std::size_t member, std::size_t part, std::int64_t source, std::uint32_t begin, std::int64_t size, List<Found>& found) const {
        found.clear();
        parts[part].for_each(static_cast<std::size_t>(source), [&](std::uint64_t at, std::uint32_t target, std::uint16_t delay) {
            if (target - begin < static_cast<std::uint64_t>(size)) found.push_back({target, delay, at});
        });
        std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.target != b.target ? a.target < b.target : a.at < b.at; });
        const Repeats& repeats = repeats_[member][part];
        std::uint64_t rank = repeats.rows[static_cast<std::size_t>(source)];
        for (std::size_t k = 0, next = 0; k < found.size(); k = next) {
            for (next = k + 1; next < found.size() && found[next].target == found[k].target;) ++next;
            if (next - k == 1) continue;
            const List<Found> by_delay(found.begin() + static_cast<std::ptrdiff_t>(k), found.begin() + static_cast<std::ptrdiff_t>(next));
            for (const Found& of_delay : by_delay) found[k + repeats.ranks[rank++]] = of_delay;
        }
    }

    void clear() { parts.clear(), repeats_.clear(); }

private:
    static constexpr std::int64_t sources_at_once = 256;

    // What a thread finds in some sources, to be joined to what others find.
    struct Piece {
        List<Slice> slices;
        List<List<std::uint16_t>> ranks;  // by member
    };
    struct Scratch {
        List<std::uint64_t> places, keys;
    };

    SNCC_COLD void fill(const List<Given>& members, const Shelf& shelf, std::size_t p, std::int64_t sources, HugePages& pages, ThreadPool& pool) {
        BundlePart<Real>& to = parts[p];
        const std::size_t rows = static_cast<std::size_t>(sources) + 1;
        to.rows = Untouched<std::uint64_t>(rows, pages);
        if (!shelf.at_once) to.firsts = Untouched<std::uint64_t>(rows, pages);
        for (List<Repeats>& of : repeats_) of[p].rows = Untouched<std::uint64_t>(rows);
        for (std::size_t i = 0; i < rows; ++i) {
            to.rows[i] = 0;
            for (const Given& member : members) to.rows[i] += member.synapses->parts[p].offsets[i];
        }
        const std::size_t count = static_cast<std::size_t>(to.rows[rows - 1]) + 1;
        to.stride = static_cast<std::uint32_t>(shelf.sizes[p]);
        if (shelf.at_once)
            to.keys = Untouched<std::uint32_t>(count, pages);
        else if (shelf.narrow)
            to.narrow = Untouched<std::uint16_t>(count, pages);
        else
            to.wide = Untouched<std::uint32_t>(count, pages);
        if (weighted) to.weights = Untouched<Real>(count, pages);
        int least = 0xFFFF, most = 0;
        for (const Given& member : members) least = std::min(least, member.delays->least), most = std::max(most, member.delays->most);
        List<Piece> pieces(static_cast<std::size_t>((sources + sources_at_once - 1) / sources_at_once));
        List<Scratch> scratch(static_cast<std::size_t>(pool.threads()));
        pool.run(static_cast<int>(pieces.size()), [&](int task, int worker) {
            Piece& piece = pieces[static_cast<std::size_t>(task)];
            piece.ranks.resize(members.size());
            const std::int64_t first = task * sources_at_once;
            for (std::int64_t i = first; i < std::min(sources, first + sources_at_once); ++i) {
                const std::size_t row = static_cast<std::size_t>(i);
                lay_out(members, p, row, least, most, scratch[static_cast<std::size_t>(worker)], piece.slices);
                if (to.firsts.size()) to.firsts[row + 1] = piece.slices.size();
                for (std::size_t m = 0; m < repeats_.size(); ++m) {
                    number_repeats(members[m], p, row, scratch[static_cast<std::size_t>(worker)].keys, piece.ranks[m]);
                    repeats_[m][p].rows[row + 1] = piece.ranks[m].size();
                }
            }
        });
        join(pieces, p, sources, pages);
    }

    // Puts a source's synapses in the order of their delays; the same delay: of members, then targets.
    SNCC_NOINLINE void lay_out(const List<Given>& members, std::size_t p, std::size_t row, int least, int most, Scratch& scratch, List<Slice>& slices) {
        BundlePart<Real>& to = parts[p];
        const std::uint64_t begin = to.rows[row], length = to.rows[row + 1] - begin;
        const std::size_t span = static_cast<std::size_t>(most - least) + 1;
        const auto put = [&](std::uint64_t at, const Given& member, std::uint64_t k) {
            const std::uint32_t target = member.lane->begins[p] + member.synapses->parts[p].target(k);
            if (to.keys.size())
                to.keys[at] = static_cast<std::uint32_t>(member.delays->of(p, k)) * to.stride + target;
            else if (to.narrow.size())
                to.narrow[at] = static_cast<std::uint16_t>(target);
            else
                to.wide[at] = target;
            if (weighted) to.weights[at] = member.weights->parts[p][k];
        };
        const auto add = [&](std::size_t delay, std::uint64_t count) {
            if (to.keys.size()) return;
            for (; count > 0; count -= std::min<std::uint64_t>(count, Slice::longest))
                slices.push_back({static_cast<std::uint16_t>(delay), static_cast<std::uint16_t>(std::min<std::uint64_t>(count, Slice::longest))});
        };
        const auto for_each = [&](auto&& visit) {
            for (std::size_t m = 0; m < members.size(); ++m) {
                const Untouched<std::uint64_t>& offsets = members[m].synapses->parts[p].offsets;
                for (std::uint64_t k = offsets[row]; k < offsets[row + 1]; ++k) visit(m, k, static_cast<std::size_t>(members[m].delays->of(p, k) - least));
            }
        };
        if (span <= 4 * length) {
            scratch.places.assign(span + 1, 0);
            for_each([&](std::size_t, std::uint64_t, std::size_t delay) { ++scratch.places[delay + 1]; });
            for (std::size_t d = 0; d < span; ++d) {
                add(d + static_cast<std::size_t>(least), scratch.places[d + 1]);
                scratch.places[d + 1] += scratch.places[d];
            }
            for_each([&](std::size_t m, std::uint64_t k, std::size_t delay) { put(begin + scratch.places[delay]++, members[m], k); });
            return;
        }
        scratch.keys.clear();  // few synapses, far apart: delay << 48 | member << 32 | place in the row
        for_each([&](std::size_t m, std::uint64_t k, std::size_t delay) {
            scratch.keys.push_back(static_cast<std::uint64_t>(delay) << 48 | static_cast<std::uint64_t>(m) << 32 | (k - members[m].synapses->parts[p].offsets[row]));
        });
        std::sort(scratch.keys.begin(), scratch.keys.end());
        for (std::size_t e = 0, next = 0; e < scratch.keys.size(); e = next) {
            for (next = e; next < scratch.keys.size() && scratch.keys[next] >> 48 == scratch.keys[e] >> 48; ++next) {
                const std::size_t m = static_cast<std::size_t>(scratch.keys[next] >> 32 & 0xFFFF);
                put(begin + next, members[m], members[m].synapses->parts[p].offsets[row] + (scratch.keys[next] & 0xFFFFFFFFu));
            }
            add(static_cast<std::size_t>(scratch.keys[e] >> 48) + static_cast<std::size_t>(least), next - e);
        }
    }

    SNCC_NOINLINE void number_repeats(const Given& member, std::size_t p, std::size_t row, List<std::uint64_t>& order, List<std::uint16_t>& ranks) const {
        const CompressedRows& from = member.synapses->parts[p];
        const std::uint64_t end = from.offsets[row + 1];
        for (std::uint64_t k = from.offsets[row], next = k; k < end; k = next) {
            for (next = k + 1; next < end && from.target(next) == from.target(k);) ++next;
            if (next - k == 1) continue;
            if (next - k > 0xFFFF) throw Failure(Code::memory, "more than 65535 synapses from one neuron to another");
            order.clear();
            for (std::uint64_t e = k; e < next; ++e) order.push_back(static_cast<std::uint64_t>(member.delays->of(p, e)) << 32 | (e - k));
            std::sort(order.begin(), order.end());
            for (const std::uint64_t e : order) ranks.push_back(static_cast<std::uint16_t>(e));
        }
    }

    SNCC_NOINLINE void join(List<Piece>& pieces, std::size_t p, std::int64_t sources, HugePages& pages) {
        BundlePart<Real>& to = parts[p];
        std::size_t total = 0;
        for (const Piece& piece : pieces) total += piece.slices.size();
        to.slices = Untouched<Slice>(total + 1, pages);
        if (to.firsts.size()) to.firsts[0] = 0;
        for (List<Repeats>& of : repeats_) of[p].rows[0] = 0;
        std::size_t before = 0;
        for (std::size_t task = 0; task < pieces.size(); ++task) {
            std::copy(pieces[task].slices.begin(), pieces[task].slices.end(), to.slices.data() + before);
            const std::int64_t first = static_cast<std::int64_t>(task) * sources_at_once;
            for (std::int64_t i = first; i < std::min(sources, first + sources_at_once); ++i) {
                if (to.firsts.size()) to.firsts[static_cast<std::size_t>(i) + 1] += before;
                for (std::size_t m = 0; m < repeats_.size(); ++m) repeats_[m][p].rows[static_cast<std::size_t>(i) + 1] += repeats_[m][p].ranks.size();
            }
            before += pieces[task].slices.size();
            for (std::size_t m = 0; m < repeats_.size(); ++m)
                repeats_[m][p].ranks.append(pieces[task].ranks[m].begin(), pieces[task].ranks[m].end());
            pieces[task] = {};
        }
    }

    List<List<Repeats>> repeats_;  // by member and part; none where the rows are kept elsewhere
};

// The weights of a bundle's synapses: none stands for `one` for all.
template <typename Real>
struct WeightsFrom {
    const Real* weights;
    Real one;
};

// What arrives at one worker's neurons of a shelf, by step: the slices of spikes that are on their way.
template <typename Real>
class Arrivals {
public:
    // Steps n + 1 .. n + `steps` can be added to while step n is gathered.
    void allocate(std::int64_t size, std::int64_t steps) {
        std::size_t slots = 1;
        while (static_cast<std::int64_t>(slots) < steps + 1) slots *= 2;
        slots_ = List<Slot>(slots);
        sums_ = AlignedBuffer<Real>(static_cast<std::size_t>(size + 16));
        clear();
    }
    void clear() {
        for (Slot& slot : slots_) slot.count = 0;
        sums_.zero();
        gathered_ = -1;
    }
    Real* sums(std::uint32_t begin) { return sums_.data() + begin; }

    // Spikes emitted at step n; of their synapses those that arrive after step `until`.
    void send(int bundle, const BundlePart<Real>& part, const SpikesOfStep& spikes, std::int64_t n, std::int64_t until) {
        const std::size_t mask = slots_.size() - 1;
        const std::uint64_t number = static_cast<std::uint64_t>(bundle) << 48;
        for (int s = 0; s < spikes.count; ++s) {
            const std::uint32_t i = spikes.indices[s];
#if defined(__GNUC__)
            if (s + 1 < spikes.count) __builtin_prefetch(part.slices.data() + part.firsts[spikes.indices[s + 1]]);
#endif
            std::uint64_t at = part.rows[i];
            const Slice* const end = part.slices.data() + part.firsts[i + 1];
            for (const Slice* slice = part.slices.data() + part.firsts[i]; slice < end; ++slice) {
                if (n + slice->delay > until) slots_[(static_cast<std::size_t>(n) + slice->delay) & mask].add(number | at << 12 | slice->count);
                at += slice->count;
            }
        }
    }

    // Sums what arrives at step n, in the order of emission.
    template <typename Index>
    void gather(std::int64_t n, const Index* const* targets, const WeightsFrom<Real>* from) {
        if (gathered_ == n) return;
        gathered_ = n;
        Slot& slot = slots_[static_cast<std::size_t>(n) & (slots_.size() - 1)];
        Real* const sums = sums_.data();
        const std::uint64_t* const runs = slot.runs.data();
        for (std::size_t r = 0; r < slot.count; ++r) {
            if (r + ahead < slot.count) {
                const std::uint64_t next = runs[r + ahead], at = next << 16 >> 28, end = at + (next & 0xFFF);
                fetch(targets[next >> 48], at, end);
                if (from[next >> 48].weights) fetch(from[next >> 48].weights, at, end);
            }
            const WeightsFrom<Real>& of = from[runs[r] >> 48];
            const std::uint64_t at = runs[r] << 16 >> 28, count = runs[r] & 0xFFF;
            const Index* const target = targets[runs[r] >> 48] + at;
            if (of.weights) {
                const Real* const weight = of.weights + at;
                for (std::uint64_t k = 0; k < count; ++k) sums[target[k]] += weight[k];
            } else {
                for (std::uint64_t k = 0; k < count; ++k) sums[target[k]] += of.one;
            }
        }
        slot.count = 0;
    }

private:
    static constexpr std::size_t ahead = 16;  // slices; a synapse's numbers come from memory

    struct Slot {
        Untouched<std::uint64_t> runs;  // bundle << 48 | first synapse << 12 | how many
        std::size_t count = 0;

        SNCC_INLINE void add(std::uint64_t run) {
            if (count == runs.size()) grow();
            runs[count++] = run;
        }
        void grow() {
            Untouched<std::uint64_t> grown(2 * count + 56);
            if (count) std::copy(runs.data(), runs.data() + count, grown.data());
            runs = std::move(grown);
        }
    };
    List<Slot> slots_;
    AlignedBuffer<Real> sums_;
    std::int64_t gathered_ = -1;
};

}  // namespace neurons
}  // namespace sncc
