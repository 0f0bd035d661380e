// Synapses that are not stored (`stored = false`): a source's row is made again from counters whenever it is needed, and is the one that
// connectivity_builder.h would have kept. For patterns of which a row follows from its source alone. What is long to compile stands in
// made_rows_unit.h, a file of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "connectivity.h"
#include "drawn_indices.h"
#include "sncc/call.h"
#include "sncc/initial_values.h"
#include "sncc/list.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace neurons {

// What is kept of a connection instead of its rows: how many synapses come before each source's, and where in the source's random
// words each worker's part of the row begins.
class MadeRows {
public:
    static constexpr int stretch = 256;

    // What one thread needs to make rows.
    struct Scratch {
        Chooser chooser;
        std::uint32_t targets[stretch];
    };

    MadeRows(const ConnectivityRequest& request, const List<Range>& ranges, ThreadPool& pool);

    std::uint64_t count() const { return starts_.back(); }
    // The first neuron of a worker's range, from which its targets count.
    std::uint32_t begin(std::size_t part) const { return begins_[part]; }
    static double bytes(double sources, int workers) { return sources * (sizeof(std::uint64_t) + static_cast<double>(workers) * sizeof(Mark)); }

    // Calls visit(number, targets, count) for stretches of a worker's part of the row of a neuron of the source population: the number of
    // the first synapse in the user's order, and the targets, ascending.
    using Visit = Call<void(std::uint64_t number, const std::uint32_t* targets, int count)>;
    void row(std::size_t part, std::int64_t neuron, Scratch& scratch, const Visit& visit) const;
    // The same with the part and the source neuron, in parallel, for all.
    using VisitAll = Call<void(std::size_t part, std::uint32_t neuron, std::uint64_t number, const std::uint32_t* targets, int count)>;
    void for_each(ThreadPool& pool, const VisitAll& visit) const;

private:
    // Where a part of a row begins: the word that is next, the candidate that is next, and how many synapses came before.
    struct Mark {
        std::uint32_t word = 0, candidate = 0, before = 0;
    };
    // Targets of a worker, by their numbers in the target's part.
    struct Ends {
        std::int64_t first, last;
    };

    bool is_by_chance() const { return request_.pattern.kind == PatternKind::probability; }
    WordSequence words() const { return {request_.seed, request_.stream}; }
    // Place in the target's part of a source where it must not reach itself, else -1; candidates are the other places, numbered.
    std::int64_t own(std::int64_t i) const { return request_.pattern.self_connections ? -1 : target_.find(source_[i]); }
    static std::int64_t candidates(std::int64_t places, std::int64_t itself) { return places - (itself >= 0 && itself < places); }

    template <typename Make>
    void for_sources(ThreadPool& pool, Make&& make) const;
    std::uint64_t mark(std::int64_t i);
    void to_targets(std::uint32_t* numbers, int count, std::int64_t itself, std::uint32_t begin) const;
    void row_of(std::size_t part, std::int64_t i, Scratch& scratch, const Visit& visit) const;

    ConnectivityRequest request_;
    PartIndices source_, target_;
    SkipTable skips_;
    std::uint32_t first_target_ = 0;
    bool is_whole_ = true;               // the target's neurons follow one another
    List<Ends> ends_;             // by worker
    List<std::uint32_t> begins_;  // by worker
    List<std::uint64_t> starts_;
    List<Mark> marks_;  // by source, then worker
};

// A connection's synapses that are not stored, with their weights where these are not one number.
struct MadeSynapses {
    MadeRows rows;
    std::optional<InitialValues> weights;

    // Weights of a stretch of the row of source neuron i.
    SNCC_INLINE void draw(std::size_t part, std::uint32_t i, std::uint64_t number, const std::uint32_t* targets, int count, double* to) const {
        if (weights->come_many()) return weights->many(number, count, to);
        for (int e = 0; e < count; ++e) to[e] = (*weights)(number + static_cast<std::uint64_t>(e), i, rows.begin(part) + targets[e]);
    }
};

}  // namespace neurons
}  // namespace sncc
