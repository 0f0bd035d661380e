// Sums of what arrives in each of the next steps, where all of them stay in a core's own cache: a spike's synapses are added when it is
// emitted, a row at a time, whatever their delays. Slices of equal delay (bundles.h) would be a few synapses each.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fetch.h"
#include "sncc/aligned.h"
#include "sncc/list.h"
#include "sncc/platform.h"

namespace sncc {
namespace neurons {

// One worker's, of a shelf of lanes. A synapse's key is delay · stride + target.
template <typename Real>
class ArrivalRing {
public:
    // Steps n .. n + `steps` can be added to while step n is read.
    void allocate(std::int64_t stride, std::int64_t steps) {
        stride_ = stride, slots_ = steps + 1;
        sums_ = AlignedBuffer<Real>(static_cast<std::size_t>(stride_ * slots_));
        clear();
    }
    void clear() { sums_.zero(); }
    std::int64_t stride() const { return stride_; }
    // What arrives at step n, from the lane's number `begin` on; whoever reads it leaves zeros.
    Real* sums(std::int64_t n, std::uint32_t begin) { return sums_.data() + n % slots_ * stride_ + begin; }

    // Adds synapses of a spike of step n, each with its weight or all with `one`.
    void add(const std::uint32_t* SNCC_RESTRICT keys, const Real* SNCC_RESTRICT weights, Real one, std::uint64_t count, std::int64_t n) {
        const std::uint32_t first = static_cast<std::uint32_t>(n % slots_ * stride_), length = static_cast<std::uint32_t>(slots_ * stride_);
        Real* SNCC_RESTRICT const sums = sums_.data();
        const auto place = [&](std::uint32_t key) { return std::min(key + first, key + first - length); };  // the second wraps where it is not reached
        if (weights)
            for (std::uint64_t k = 0; k < count; ++k) sums[place(keys[k])] += weights[k];
        else
            for (std::uint64_t k = 0; k < count; ++k) sums[place(keys[k])] += one;
    }

private:
    std::int64_t stride_ = 0, slots_ = 1;
    AlignedBuffer<Real> sums_;
};

// Rows that spikes of one step have to add. As each comes from memory, those ahead are fetched while one is added.
template <typename Real>
class EmittedRows {
public:
    void put(const std::uint32_t* keys, const Real* weights, Real one, std::uint64_t count, ArrivalRing<Real>& to) {
        if (count > 0) rows_.push_back({keys, weights, one, count, &to});
    }
    // Adds them in the order in which they were put.
    SNCC_NOINLINE void add(std::int64_t n) {
        for (std::size_t r = 0; r < std::min(ahead, rows_.size()); ++r) fetch(rows_[r]);
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            if (r + ahead < rows_.size()) fetch(rows_[r + ahead]);
            const Row& row = rows_[r];
            row.to->add(row.keys, row.weights, row.one, row.count, n);
        }
        rows_.clear();
    }

private:
    struct Row {
        const std::uint32_t* keys;
        const Real* weights;
        Real one;
        std::uint64_t count;
        ArrivalRing<Real>* to;
    };
    static constexpr std::size_t ahead = 2;

    static SNCC_INLINE void fetch(const Row& row) {
        sncc::fetch(row.keys, 0, row.count);
        if (row.weights) sncc::fetch(row.weights, 0, row.count);
    }
    List<Row> rows_;
};

}  // namespace neurons
}  // namespace sncc
