// Spikes and values of a sample by step: what deliveries read, for data handed over and for spikes just emitted alike.
#pragma once

#include <cstdint>

#include "sncc/list.h"
#include "sncc/spikes.h"

namespace sncc {

struct SpikesOfStep {
    const std::uint32_t* indices;
    int count;
};

// Lists for the steps first .. last; none elsewhere. The list of step n is indices[offsets[n - first] .. offsets[n - first + 1]).
struct StepLists {
    const std::int64_t* offsets = nullptr;
    const std::uint32_t* indices = nullptr;
    std::int64_t first = 1, last = 0;

    SpikesOfStep at(std::int64_t n) const {
        if (n < first || n > last) return {nullptr, 0};
        const std::int64_t begin = offsets[n - first];
        return {indices + begin, static_cast<int>(offsets[n - first + 1] - begin)};
    }
};

// The lists that a population fills step by step.
class EmittedSpikes {
public:
    void clear(std::int64_t first) {
        offsets_.assign(1, 0);
        first_ = first;
    }
    // The next step's list, from a mask of n neurons.
    template <typename Real>
    void append(const Real* fired, int n) {
        const std::int64_t begin = offsets_.back();
        const std::size_t room = static_cast<std::size_t>(begin) + static_cast<std::size_t>(n) + 32;
        if (indices_.size() < room) indices_.resize(2 * room);
        offsets_.push_back(begin + collect(fired, n, indices_.data() + begin));
    }
    // The next step's list, from counts: a neuron that spikes several times stands there as often.
    template <typename Real>
    void append_counts(const Real* counts, int n) {
        std::int64_t end = offsets_.back();
        for (int j = 0; j < n; ++j)
            for (int k = 0; k < static_cast<int>(counts[j]); ++k) {
                if (indices_.size() < static_cast<std::size_t>(end) + 32) indices_.resize(2 * static_cast<std::size_t>(end) + 64);
                indices_[static_cast<std::size_t>(end++)] = static_cast<std::uint32_t>(j);
            }
        offsets_.push_back(end);
    }
    void append_list(const std::uint32_t* indices, std::int64_t count) {
        const std::size_t begin = static_cast<std::size_t>(offsets_.back());
        if (indices_.size() < begin + static_cast<std::size_t>(count) + 32) indices_.resize(2 * (begin + count) + 64);
        for (std::int64_t k = 0; k < count; ++k) indices_[begin + k] = indices[k];
        offsets_.push_back(static_cast<std::int64_t>(begin) + count);
    }
    // The next step's list, of the neurons for which `kept` is not zero.
    template <typename Real>
    void append_where(const SpikesOfStep& spikes, const Real* kept) {
        std::size_t end = static_cast<std::size_t>(offsets_.back());
        const std::size_t room = end + static_cast<std::size_t>(spikes.count) + 32;
        if (indices_.size() < room) indices_.resize(2 * room);
        for (int k = 0; k < spikes.count; ++k) {
            indices_[end] = spikes.indices[k];
            end += kept[spikes.indices[k]] != Real(0);
        }
        offsets_.push_back(static_cast<std::int64_t>(end));
    }
    SpikesOfStep at(std::int64_t n) const { return lists().at(n); }
    StepLists lists() const {
        return {offsets_.data(), indices_.data(), first_, first_ + static_cast<std::int64_t>(offsets_.size()) - 2};
    }
    // Forget the steps after the first n.
    void cut(std::int64_t n) { offsets_.resize(static_cast<std::size_t>(n) + 1); }
    // Forget all but the last `kept` steps and count them as first, first + 1, ...
    void keep_last(std::int64_t kept, std::int64_t first) {
        const StepLists old = lists();
        EmittedSpikes next;
        next.clear(first);
        for (std::int64_t n = old.last - kept + 1; n <= old.last; ++n) {
            const SpikesOfStep spikes = old.at(n);
            next.append_list(spikes.indices, spikes.count);
        }
        *this = std::move(next);
    }
    // As part of a stored state.
    template <typename Archive>
    SNCC_COLD void keep(Archive& archive) {
        archive.value(first_), archive.vector(offsets_);
        if (archive.reads()) indices_.resize(static_cast<std::size_t>(offsets_.back()) + 32);
        archive.array(indices_.data(), static_cast<std::size_t>(offsets_.back()));
    }

private:
    List<std::int64_t> offsets_ = {0};
    List<std::uint32_t> indices_;
    std::int64_t first_ = 1;
};

inline StepLists lists_of(const StepLists& lists) { return lists; }
inline StepLists lists_of(const EmittedSpikes& spikes) { return spikes.lists(); }

// Real values by step, rows of `stride` numbers for the steps first .. last; none elsewhere.
template <typename Real>
struct StepValues {
    const Real* values = nullptr;
    std::int64_t stride = 0, first = 1, last = 0;

    const Real* at(std::int64_t n) const {
        return n < first || n > last ? nullptr : values + (n - first) * stride;
    }
};

// The values of a population's state, step by step: what synapses deliver that read it. Before the first step stand `lead` rows of
// what the state was then. `kept`, where it is not null: 1 for neurons whose values are kept, 0 for those with zeros instead.
template <typename Real>
class StateSeries {
public:
    void begin(std::int64_t size, std::int64_t stride, std::int64_t lead, const Real* now, const Real* kept = nullptr) {
        size_ = size, stride_ = stride, lead_ = lead;
        values_.assign(static_cast<std::size_t>(lead * stride), Real(0));
        for (std::int64_t n = 1 - lead; n <= 0; ++n) put(n, now, kept);
    }
    // Room for steps 1 .. steps.
    void make_room(std::int64_t steps) { values_.resize(static_cast<std::size_t>((lead_ + steps) * stride_)); }
    void put(std::int64_t n, const Real* now, const Real* kept = nullptr) {
        Real* const to = values_.data() + (n + lead_ - 1) * stride_;
        for (std::int64_t j = 0; j < size_; ++j) to[j] = kept && kept[j] == Real(0) ? Real(0) : now[j];
    }
    StepValues<Real> rows() const {
        return {values_.data(), stride_, 1 - lead_, static_cast<std::int64_t>(values_.size()) / (stride_ > 0 ? stride_ : 1) - lead_};
    }
    // Forget the first `steps` steps: the rest are counted from there.
    void forget(std::int64_t steps) { values_.drop(static_cast<std::size_t>(steps * stride_)); }
    // As part of a stored state.
    template <typename Archive>
    SNCC_COLD void keep(Archive& archive) {
        archive.value(size_), archive.value(stride_), archive.value(lead_);
        archive.vector(values_);
    }

private:
    List<Real> values_;
    std::int64_t size_ = 0, stride_ = 0, lead_ = 1;
};

}  // namespace sncc
