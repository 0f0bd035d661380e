// Synapses that are not stored (`stored = false`): a source's row is made again from counters whenever it is needed, and is the one that
// connectivity_builder.h would have kept. For patterns of which a row follows from its source alone.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "connectivity.h"
#include "drawn_indices.h"
#include "sncc/engine.h"
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

    MadeRows(const ConnectivityRequest& request, const std::vector<Range>& ranges, ThreadPool& pool)
        : request_(request), source_(request.source), target_(request.target), skips_(is_by_chance() ? request.pattern.number : 0.5) {
        const std::int64_t size = target_.size();
        if (size > 0) first_target_ = static_cast<std::uint32_t>(target_[0]), is_whole_ = target_[size - 1] - target_[0] == size - 1;
        for (const Range& range : ranges) {
            ends_.push_back({target_.lower_bound(range.begin), target_.lower_bound(range.end)});
            begins_.push_back(static_cast<std::uint32_t>(range.begin));
        }
        starts_.assign(static_cast<std::size_t>(source_.size()) + 1, 0);
        if (is_by_chance()) marks_.assign(starts_.size() * ends_.size(), Mark());
        for_sources(pool, [&](std::int64_t i, Scratch&) { starts_[static_cast<std::size_t>(i) + 1] = is_by_chance() ? mark(i) : static_cast<std::uint64_t>(request_.pattern.number); });
        for (std::size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
    }

    std::uint64_t count() const { return starts_.back(); }
    // The first neuron of a worker's range, from which its targets count.
    std::uint32_t begin(std::size_t part) const { return begins_[part]; }
    static double bytes(double sources, int workers) { return sources * (sizeof(std::uint64_t) + static_cast<double>(workers) * sizeof(Mark)); }

    // Calls visit(number, targets, count) for stretches of a worker's part of the row of a neuron of the source population: the number of
    // the first synapse in the user's order, and the targets, ascending.
    template <typename Visit>
    SNCC_INLINE void row(std::size_t part, std::int64_t neuron, Scratch& scratch, Visit&& visit) const {
        const std::int64_t i = source_.find(neuron);
        if (i >= 0) row_of(part, i, scratch, visit);
    }
    // Calls visit(part, source neuron, number, targets, count), in parallel, for all.
    template <typename Visit>
    void for_each(ThreadPool& pool, Visit&& visit) const {
        for_sources(pool, [&](std::int64_t i, Scratch& scratch) {
            for (std::size_t part = 0; part < ends_.size(); ++part)
                row_of(part, i, scratch, [&](std::uint64_t number, const std::uint32_t* targets, int count) { visit(part, static_cast<std::uint32_t>(source_[i]), number, targets, count); });
        });
    }

private:
    static constexpr std::int64_t sources_at_once = 64;

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
    void for_sources(ThreadPool& pool, Make&& make) const {
        pool.run(static_cast<int>((source_.size() + sources_at_once - 1) / sources_at_once), [&](int task, int) {
            Scratch scratch;
            const std::int64_t first = task * sources_at_once;
            for (std::int64_t i = first; i < std::min(source_.size(), first + sources_at_once); ++i) make(i, scratch);
        });
    }

    // Notes where the parts of a row begin; gives the number of its synapses.
    std::uint64_t mark(std::int64_t i) {
        Mark* const marks = marks_.data() + static_cast<std::size_t>(i) * ends_.size();
        const std::int64_t itself = own(i), n = candidates(target_.size(), itself);
        const std::int64_t last = request_.pattern.number > 0 ? n : 0;
        WordSequence sequence = words();
        sequence.start(static_cast<std::uint32_t>(i));
        std::uint32_t word = 0, before = 0;
        Mark gap;  // since the last synapse
        std::size_t part = 0;
        for (std::int64_t c = 0; c < last;) {
            const std::uint32_t drawn = sequence.next();
            ++word;
            if (drawn < skips_.last()) {
                c += skips_.length();
                continue;
            }
            c += skips_.count(drawn);
            for (; part < ends_.size() && c >= candidates(ends_[part].first, itself); ++part) marks[part] = gap;
            if (c >= last) break;
            gap = {word, static_cast<std::uint32_t>(++c), ++before};
        }
        for (; part < ends_.size(); ++part) marks[part] = {0, static_cast<std::uint32_t>(n), before};
        return before;
    }

    // Candidates as neurons of the target population, counted from `begin`.
    SNCC_INLINE void to_targets(std::uint32_t* numbers, int count, std::int64_t itself, std::uint32_t begin) const {
        const std::uint32_t own = static_cast<std::uint32_t>(itself);  // the highest number where there is none
        for (int k = 0; k < count; ++k) numbers[k] += numbers[k] >= own;
        if (is_whole_) {
            for (int k = 0; k < count; ++k) numbers[k] += first_target_ - begin;
        } else {
            for (int k = 0; k < count; ++k) numbers[k] = static_cast<std::uint32_t>(target_[numbers[k]]) - begin;
        }
    }

    template <typename Visit>
    SNCC_INLINE void row_of(std::size_t part, std::int64_t i, Scratch& scratch, Visit&& visit) const {
        const std::int64_t itself = own(i);
        const Ends& ends = ends_[part];
        std::uint64_t number = starts_[static_cast<std::size_t>(i)];
        int count = 0;
        const auto hand_on = [&] {
            to_targets(scratch.targets, count, itself, begins_[part]);
            visit(number, scratch.targets, count);
            number += static_cast<std::uint64_t>(count), count = 0;
        };
        const auto add = [&](std::int64_t candidate) {
            scratch.targets[count++] = static_cast<std::uint32_t>(candidate);
            if (count == stretch) hand_on();
        };
        WordSequence sequence = words();
        if (is_by_chance()) {
            const Mark& mark = marks_[static_cast<std::size_t>(i) * ends_.size() + part];
            const std::int64_t last = candidates(ends.last, itself);
            std::int64_t c = mark.candidate;
            number += mark.before;
            if (c < last) sequence.start(static_cast<std::uint32_t>(i), mark.word);
            while (c < last) {
                const std::uint32_t word = sequence.next();
                if (word < skips_.last()) {
                    c += skips_.length();
                    continue;
                }
                c += skips_.count(word);
                if (c < last) add(c);
                ++c;
            }
        } else {
            const std::int64_t first = candidates(ends.first, itself), last = candidates(ends.last, itself);
            sequence.start(static_cast<std::uint32_t>(i));
            scratch.chooser.choose(sequence, static_cast<std::int64_t>(request_.pattern.number), candidates(target_.size(), itself), request_.pattern.repeats, [&](std::int64_t c) {
                if (c < first)
                    ++number;
                else if (c < last)
                    add(c);
            });
        }
        if (count > 0) hand_on();
    }

    ConnectivityRequest request_;
    PartIndices source_, target_;
    SkipTable skips_;
    std::uint32_t first_target_ = 0;
    bool is_whole_ = true;               // the target's neurons follow one another
    std::vector<Ends> ends_;             // by worker
    std::vector<std::uint32_t> begins_;  // by worker
    std::vector<std::uint64_t> starts_;
    std::vector<Mark> marks_;  // by source, then worker
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
