// What a run records: spikes in one buffer per worker and population, which only that worker writes.
#pragma once


#include "sncc/engine.h"
#include "sncc/list.h"
#include "sncc/lists.h"

namespace sncc {

class alignas(128) SpikeRecord {  // each worker's in lines of its own
public:
    void clear() { counts_.clear(), neurons_.clear(); }
    // The spikes of the next step.
    void add(const SpikesOfStep& spikes) {
        counts_.push_back(static_cast<std::uint32_t>(spikes.count));
        neurons_.append(spikes.indices, spikes.indices + spikes.count);
    }
    std::size_t steps() const { return counts_.size(); }

    // All workers' spikes in order of step, then neuron; the first recorded step is `first`.
    static void merge(const List<const SpikeRecord*>& records, std::int64_t first, Spikes& into) {
        into.steps.clear(), into.neurons.clear();
        std::size_t total = 0, steps = 0;
        for (const SpikeRecord* record : records) total += record->neurons_.size(), steps = std::max(steps, record->steps());
        into.steps.reserve(total), into.neurons.reserve(total);
        List<std::size_t> next(records.size(), 0);
        for (std::size_t n = 0; n < steps; ++n)
            for (std::size_t w = 0; w < records.size(); ++w) {
                const SpikeRecord& record = *records[w];
                if (n >= record.steps()) continue;
                const std::size_t count = record.counts_[n];
                into.neurons.append(record.neurons_.begin() + static_cast<std::ptrdiff_t>(next[w]),
                                    record.neurons_.begin() + static_cast<std::ptrdiff_t>(next[w] + count));
                into.steps.append(count, first + static_cast<std::int64_t>(n));
                next[w] += count;
            }
    }

private:
    List<std::uint32_t> counts_, neurons_;
};

// Copies a worker's share of a trace's neurons, as doubles, after step n of a run.
template <typename Real>
void record_trace(const Trace& trace, const Real* variable, std::int64_t begin, std::int64_t end, std::int64_t n) {
    if (n % trace.every != 0) return;
    begin = std::max(begin, trace.first), end = std::min(end, trace.first + trace.size);
    double* const to = trace.values + (n / trace.every - 1) * trace.size;
    for (std::int64_t j = begin; j < end; ++j) to[j - trace.first] = static_cast<double>(variable[j]);
}

}  // namespace sncc
