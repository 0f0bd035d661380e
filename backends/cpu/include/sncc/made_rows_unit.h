// The rows of made_rows.h as a file of its own to compile: it defines what is declared there, the same for every precision.
#pragma once

#include <algorithm>

#include "made_rows.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

template <typename Make>
void MadeRows::for_sources(ThreadPool& pool, Make&& make) const {
    constexpr std::int64_t sources_at_once = 64;
    pool.run(static_cast<int>((source_.size() + sources_at_once - 1) / sources_at_once), [&](int task, int) {
        Scratch scratch;
        const std::int64_t first = task * sources_at_once;
        for (std::int64_t i = first; i < std::min(source_.size(), first + sources_at_once); ++i) make(i, scratch);
    });
}

MadeRows::MadeRows(const ConnectivityRequest& request, const List<Range>& ranges, ThreadPool& pool)
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

// Notes where the parts of a row begin; gives the number of its synapses.
std::uint64_t MadeRows::mark(std::int64_t i) {
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
void MadeRows::to_targets(std::uint32_t* numbers, int count, std::int64_t itself, std::uint32_t begin) const {
    const std::uint32_t own = static_cast<std::uint32_t>(itself);  // the highest number where there is none
    for (int k = 0; k < count; ++k) numbers[k] += numbers[k] >= own;
    if (is_whole_) {
        for (int k = 0; k < count; ++k) numbers[k] += first_target_ - begin;
    } else {
        for (int k = 0; k < count; ++k) numbers[k] = static_cast<std::uint32_t>(target_[numbers[k]]) - begin;
    }
}

void MadeRows::row_of(std::size_t part, std::int64_t i, Scratch& scratch, const Visit& visit) const {
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

void MadeRows::row(std::size_t part, std::int64_t neuron, Scratch& scratch, const Visit& visit) const {
    const std::int64_t i = source_.find(neuron);
    if (i >= 0) row_of(part, i, scratch, visit);
}

void MadeRows::for_each(ThreadPool& pool, const VisitAll& visit) const {
    for_sources(pool, [&](std::int64_t i, Scratch& scratch) {
        for (std::size_t part = 0; part < ends_.size(); ++part)
            row_of(part, i, scratch, [&](std::uint64_t number, const std::uint32_t* targets, int count) { visit(part, static_cast<std::uint32_t>(source_[i]), number, targets, count); });
    });
}

}  // namespace neurons
}  // namespace sncc
