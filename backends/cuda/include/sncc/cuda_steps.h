// What passes between the host and the device for some steps of a run: spikes before them, inputs, spikes and records of them.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "sncc/cuda_memory.h"
#include "sncc/cuda_neurons.h"
#include "sncc/cuda_streams.h"
#include "sncc/list.h"
#include "sncc/neuron_memory.h"

namespace sncc {
namespace cuda {

template <typename Network>
class DeviceSteps {
    using Real = typename Network::Real;

public:
    DeviceSteps(DeviceMemory& memory, neurons::Memory<Real>& host) : m_(host), memory_(memory) {}

    // So many that spikes, inputs and records stay small.
    template <typename Course>
    std::int64_t steps_at_once(const Course& course) const {
        if (const char* const forced = std::getenv("SNCC_STEPS_AT_ONCE")) return std::max(1, std::atoi(forced));  // for tests
        double bytes = 1;
        for (int p = 0; p < Network::populations; ++p) bytes += is_listed(course, p) ? 4.0 * static_cast<double>(words(p) + row_size(p)) : 0;
        for (int q = 0; q < Network::sources; ++q) bytes += 8.0 * static_cast<double>(Network::source_sizes()[q].size);
        for (int k = 0; k < course.simulation.trace_count; ++k)
            bytes += static_cast<double>(course.simulation.traces[k].size * static_cast<std::int64_t>(sizeof(Real))) / static_cast<double>(course.simulation.traces[k].every);
        return std::max<std::int64_t>(m_.most_delay, static_cast<std::int64_t>(bytes_at_once / bytes));
    }

    // Steps first + 1 .. last: spikes and inputs of the steps before, inputs of these, room for what they emit and record. `state` are
    // the neurons' states on the device.
    template <typename Course>
    void lay_out(NetworkView<Network>& view, const Course& course, std::int64_t done, std::int64_t first, std::int64_t last, const Real* state) {
        const Simulation& s = course.simulation;
        const std::int64_t lead = m_.most_delay, begin = first + 1 - lead, rows = last + 1 - begin;
        view.seed = s.seed, view.trial = s.trial, view.run_begin = done;
        for (int p = 0; p < Network::populations; ++p) {
            view.populations[p] = {};
            if (!is_listed(course, p)) continue;
            const std::int64_t neurons = Network::populations_info()[p].size, stride = words(p);
            const bool counts = Network::populations_info()[p].counts;
            List<std::uint32_t> past(static_cast<std::size_t>(lead * stride), 0), often(static_cast<std::size_t>(counts ? lead * neurons : 0), 0);
            for (std::int64_t n = std::max<std::int64_t>(begin, 1); n <= first; ++n) {
                const SpikesOfStep spikes = m_.worker[0].spikes.at(n, p);
                mark(spikes, past.data() + (n - begin) * stride);
                if (counts) count(spikes, often.data() + (n - begin) * neurons);
            }
            spikes_[p]->reserve(static_cast<std::size_t>(rows * stride));
            spikes_[p]->put(past.data(), past.size());
            if (counts) counts_[p]->reserve(static_cast<std::size_t>(rows * neurons)), counts_[p]->put(often.data(), often.size());
            view.populations[p] = {spikes_[p]->data(), counts ? counts_[p]->data() : nullptr, stride, neurons, begin};
        }
        for (int q = 0; q < Network::sources; ++q) hand_over(view, q, done, begin, last);
        lay_out_traces(view, s, done, first, last, state);
    }
    template <typename Course>
    void take_spikes(const Course& course, std::int64_t first, std::int64_t last) {
        const std::int64_t begin = first + 1 - m_.most_delay;
        neurons::Worker& worker = m_.worker[0];
        for (int p = 0; p < Network::populations; ++p) {
            if (!is_listed(course, p)) continue;
            const std::int64_t kept = last + 1 - m_.most_delay - m_.interval;
            const bool recorded = course.recorded[static_cast<std::size_t>(p)] != 0, counts = Network::populations_info()[p].counts;
            const std::int64_t from = recorded ? first + 1 : std::max(first + 1, kept), stride = row_size(p);
            const std::size_t size = static_cast<std::size_t>((last + 1 - from) * stride);
            rows_.reserve(size + 1);
            (counts ? counts_ : spikes_)[p]->take(rows_.data(), size, static_cast<std::size_t>((from - begin) * stride));
            List<std::uint32_t> indices;
            for (std::int64_t n = from; n <= last; ++n) {
                indices.clear();
                list(rows_.data() + (n - from) * stride, stride, counts, indices);
                if (n >= kept) {
                    worker.spikes.begin(n, p);
                    worker.spikes.append_list(n, indices.data(), static_cast<std::int64_t>(indices.size()));
                }
                if (recorded) worker.records[static_cast<std::size_t>(p)].add({indices.data(), static_cast<int>(indices.size())});
            }
        }
    }
    void take_traces(const Simulation& s, std::int64_t done, std::int64_t first, std::int64_t last) {
        std::size_t offset = 0;
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& trace = s.traces[k];
            const Points points = points_of(trace, done, first, last);
            List<Real> values(static_cast<std::size_t>(points.count * trace.size));
            trace_values_.take(values.data(), values.size(), offset);
            std::copy(values.begin(), values.end(), trace.values + (points.first - 1) * trace.size);
            offset += values.size();
        }
    }

private:
    static std::int64_t words(int p) { return (Network::populations_info()[p].size + 31) / 32; }
    // Of what tells the host who spiked.
    static std::int64_t row_size(int p) { return Network::populations_info()[p].counts ? Network::populations_info()[p].size : words(p); }
    template <typename Course>
    static bool is_listed(const Course& course, int p) { return course.listed[static_cast<std::size_t>(p)] && Network::populations_info()[p].spiking; }

    static void mark(const SpikesOfStep& spikes, std::uint32_t* row) {
        for (int k = 0; k < spikes.count; ++k) row[spikes.indices[k] / 32] |= 1u << (spikes.indices[k] % 32);
    }
    static void count(const SpikesOfStep& spikes, std::uint32_t* row) {
        for (int k = 0; k < spikes.count; ++k) ++row[spikes.indices[k]];
    }
    void hand_over(NetworkView<Network>& view, int q, std::int64_t done, std::int64_t begin, std::int64_t last) {
        const std::int64_t size = Network::source_sizes()[q].size, rows = last + 1 - begin;
        const GivenInput<Real>& given = m_.inputs[static_cast<std::size_t>(q)];
        if (Network::source_sizes()[q].signal) {
            const std::int64_t stride = padded(static_cast<int>(size));
            values_[q]->reserve(static_cast<std::size_t>(rows * stride));
            values_[q]->put(given.values(begin - done), static_cast<std::size_t>(rows * stride));
            view.values[q] = {values_[q]->data(), stride, begin, last};
            return;
        }
        const std::int64_t words = (size + 31) / 32;
        List<std::uint32_t> counts(static_cast<std::size_t>(rows * size), 0), bits(static_cast<std::size_t>(rows * words), 0);
        for (std::int64_t n = begin; n <= last; ++n) {
            const SpikesOfStep spikes = given.spikes(n - done);
            count(spikes, counts.data() + (n - begin) * size);
            mark(spikes, bits.data() + (n - begin) * words);
        }
        event_counts_[q]->put(counts), events_[q]->put(bits);
        view.sources[q] = {events_[q]->data(), event_counts_[q]->data(), words, size, begin};
    }
    // Points of a trace in the steps first + 1 .. last: which is the first, counted from the run's start, and how many.
    struct Points {
        std::int64_t first, count;
    };
    static Points points_of(const Trace& trace, std::int64_t done, std::int64_t first, std::int64_t last) {
        const std::int64_t before = (first - done) / trace.every;
        return {before + 1, (last - done) / trace.every - before};
    }
    void lay_out_traces(NetworkView<Network>& view, const Simulation& s, std::int64_t done, std::int64_t first, std::int64_t last, const Real* state) {
        std::size_t total = 0;
        for (int k = 0; k < s.trace_count; ++k) total += static_cast<std::size_t>(points_of(s.traces[k], done, first, last).count * s.traces[k].size);
        trace_values_.reserve(total + 1);
        List<TraceView<Real>> views;
        Real* to = trace_values_.data();
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& trace = s.traces[k];
            const Points points = points_of(trace, done, first, last);
            views.push_back({state + (Network::variable(*reinterpret_cast<typename Network::State*>(m_.state.data()), trace.population, trace.state) - reinterpret_cast<const Real*>(m_.state.data())), trace.population, trace.every, trace.first, trace.size, points.first, to});
            to += points.count * trace.size;
        }
        traces_.put(views);
        view.traces = traces_.data(), view.trace_count = s.trace_count;
    }

    static void list(const std::uint32_t* row, std::int64_t stride, bool counts, List<std::uint32_t>& to) {
        for (std::int64_t k = 0; k < stride; ++k) {
            if (row[k] == 0) continue;
            if (counts)
                to.append(row[k], static_cast<std::uint32_t>(k));
            else
                for (std::uint32_t left = row[k], bit = 0; left != 0; left >>= 1, ++bit)
                    if (left & 1u) to.push_back(static_cast<std::uint32_t>(k * 32) + bit);
        }
    }

    static constexpr double bytes_at_once = 16e6;

    neurons::Memory<Real>& m_;
    DeviceMemory& memory_;
    DeviceArrays<std::uint32_t> spikes_{memory_, Network::populations + 1, "the spikes"}, counts_{memory_, Network::populations + 1, "the spikes"};
    DeviceArrays<std::uint32_t> events_{memory_, Network::sources + 1, "the events"}, event_counts_{memory_, Network::sources + 1, "the events"};
    DeviceArrays<Real> values_{memory_, Network::sources + 1, "the signals"};
    DeviceArray<Real> trace_values_{memory_, "the records"};
    DeviceArray<TraceView<Real>> traces_{memory_, "the records"};
    PinnedArray<std::uint32_t> rows_;  // of spikes, on the host
};

}  // namespace cuda
}  // namespace sncc
