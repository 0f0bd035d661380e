// Deliveries of a neuron-parallel simulation: every thread adds what arrives at its own neurons.
#pragma once

#include "sncc/cuda_push.h"

namespace sncc {
namespace cuda {

// Calls visit(source, count) for the sources first .. last (excluded) that spiked at step n, ascending.
template <typename Visit>
__device__ inline void for_spiking(const SpikeRows& rows, std::int64_t n, std::int64_t first, std::int64_t last, const Visit& visit) {
    const std::int64_t row = (n - rows.first) * rows.stride;
    if (!rows.bits) {
        for (std::int64_t i = first; i < last; ++i)
            if (const std::uint32_t count = rows.counts[row + i]) visit(i, count);
        return;
    }
    for (std::int64_t word = first / 32; word * 32 < last; ++word)
        for (std::uint32_t left = rows.bits[row + word]; left != 0; left &= left - 1) {
            const std::int64_t i = word * 32 + __ffs(static_cast<int>(left)) - 1;
            if (i >= first && i < last) visit(i, std::uint32_t(1));
        }
}

template <typename Network>
class DeviceDelivery {
    using Real = typename Network::Real;
    using Connection = ConnectionView<Real>;

public:
    __device__ explicit DeviceDelivery(const Step<Network>& step) : s_(step) {}

    __device__ void deliver(int number) const {
        const Connection& c = s_.v.connections[number];
        switch (c.format) {
            case neurons::Format::dense: c.signal ? dense_values(c) : dense(c); break;
            case neurons::Format::one_to_one: one_to_one(c); break;
            case neurons::Format::compressed:
                if (c.signal)
                    values(c);
                else if (c.sum >= 0)
                    sums(c);
                else
                    arrivals(c);
        }
    }

    // Spikes of step m, of which a meeting has told, into the rings; or, into empty ones, all of that step.
    __device__ void send_emitted(std::int64_t m, bool anew) const {
        for (int c = 0; c < Network::connections_count; ++c) {
            const Connection& of = s_.v.connections[c];
            if (of.pushed && of.sum >= 0 && (of.handed_on || anew)) send(of, m, s_.n);
        }
    }

private:
    // Each synapse of the sources that spike at step m adds its weight where it arrives, if that is after step `until`.
    __device__ void send(const Connection& c, std::int64_t m, std::int64_t until) const {
        s_.for_words(c.target_population, c.target_size, [&](int word) {
            push(
                c.columns, s_.spikes(c), m, word, s_.lane,
                [&](std::uint32_t place, const SpikeOf&) { return WeighedLater<Real>{c.weight(place), c.columns.delay(place)}; },
                [&](const WeighedLater<Real>& later) {
                    if (m + later.delay > until) s_.ring(c.sum, m + later.delay)[word * 32 + s_.lane] += later.weight;
                });
        });
    }

    // Calls body(target, accumulator) for own targets.
    template <typename Body>
    __device__ void for_targets(const Connection& c, const Body& body) const {
        Real* const accumulator = s_.v.fields[c.input];
        s_.for_own(c.target_population, c.target_first + c.target_size, [&](int j) {
            if (j >= c.target_first) body(j, accumulator[j]);
        });
    }

    __device__ void pushed_arrivals(const Connection& c) const {
        const Real* const factor = c.gain >= 0 ? s_.v.fields[c.gain] : nullptr;
        Real* const accumulator = s_.v.fields[c.input];
        s_.for_words(c.target_population, c.target_size, [&](int word) {
            const int j = word * 32 + s_.lane;
            Real sum = j < c.target_size ? accumulator[j] : Real(0);
            push(
                c.columns, s_.spikes(c), s_.n - c.delay, word, s_.lane,
                [&](std::uint32_t place, const SpikeOf& spike) { return Weighed<Real>{factor ? c.weight(place) * factor[spike.source] : c.weight(place)}; },
                [&](const Weighed<Real>& arrival) { sum += arrival.weight; });
            if (j < c.target_size) accumulator[j] = sum;
        });
    }
    __device__ void arrivals(const Connection& c) const {
        if (c.pushed) return pushed_arrivals(c);
        const SpikeRows& spikes = s_.spikes(c);
        for_targets(c, [&](int j, Real& accumulator) {
            Real sum = accumulator;
            for_arrivals(c, spikes, s_.n, c.columns.begin(j), c.columns.end(j), [&](std::uint64_t k, std::uint32_t i, int ago, std::uint32_t) {
                if (c.gain >= 0)
                    sum += c.weight(k) * (c.delayed ? s_.at(c.gain, s_.n - ago) : s_.v.fields[c.gain])[i];
                else
                    sum += c.weight(k);
            });
            accumulator = sum;
        });
    }

    // A delay per synapse: what arrives now from all such connections into an input, in the order (emission step, connection, source).
    __device__ void sums(const Connection& c) const {
        if (c.pushed) return pushed_sums(c);
        if (!c.ends_sum) return;
        int least = c.least, most = c.most, others = 0;
        for (int k = 0; k < Network::connections_count; ++k) {
            const Connection& of = s_.v.connections[k];
            if (of.sum != c.sum) continue;
            least = min(least, of.least), most = max(most, of.most), ++others;
        }
        for_targets(c, [&](int j, Real& accumulator) {
            Real sum = 0;
            if (others == 1)
                add_arrivals(c, c.columns.begin(j), c.columns.end(j), sum);
            else
                for (int ago = most; ago >= least; --ago)
                    for (int k = 0; k < Network::connections_count; ++k) {
                        const Connection& of = s_.v.connections[k];
                        if (of.sum == c.sum) add_arrivals(of, first_of(of, j, ago), first_of(of, j, ago - 1), sum);
                    }
            accumulator += sum;
        });
    }
    __device__ void pushed_sums(const Connection& c) const {
        if (!c.handed_on) send(c, s_.n, s_.n - 1);
        if (!c.ends_sum) return;
        Real* const ring = s_.ring(c.sum, s_.n);
        for_targets(c, [&](int j, Real& accumulator) {
            accumulator += ring[j];
            ring[j] = 0;
        });
    }
    __device__ void add_arrivals(const Connection& c, std::uint64_t begin, std::uint64_t end, Real& sum) const {
        for_arrivals(c, s_.spikes(c), s_.n, begin, end, [&](std::uint64_t k, std::uint32_t, int, std::uint32_t) { sum += c.weight(k); });
    }
    // The first entry of a column whose delay is at most `ago`; delays descend.
    __device__ static std::uint64_t first_of(const Connection& c, int j, int ago) {
        std::uint32_t low = 0, high = c.columns.lengths[j];
        while (low < high) {
            const std::uint32_t middle = (low + high) / 2;
            if (c.columns.delay(c.columns.begin(j) + 32ull * middle) > ago)
                low = middle + 1;
            else
                high = middle;
        }
        return c.columns.begin(j) + 32ull * low;
    }

    __device__ void values(const Connection& c) const {
        const Real* const x = c.delayed ? nullptr : s_.values(c, s_.n - c.delay);
        if (!x && !c.delayed) return;
        for_targets(c, [&](int j, Real& accumulator) {
            Real sum = accumulator;
            const std::uint64_t end = c.columns.end(j);
            for (std::uint64_t place = c.columns.begin(j); place < end; place += 32) {
                const std::uint64_t k = c.columns.by_source(place);
                const Real* const from = c.delayed ? s_.values(c, s_.n - (c.columns.delay(k) > c.delay ? c.columns.delay(k) : c.delay)) : x;
                if (!from) continue;
                const Real value = from[c.columns.source(k)];
                if (value != Real(0)) sum += c.weight(k) * value;
            }
            accumulator = sum;
        });
    }

    __device__ static Real element(const Connection& c, std::int64_t i, int j) {
        return c.weights[i * c.stride + j - c.target_first];
    }
    __device__ void dense(const Connection& c) const {
        const SpikeRows& spikes = s_.spikes(c);
        const Real* const factor = c.gain >= 0 ? s_.v.fields[c.gain] : nullptr;
        for_targets(c, [&](int j, Real& accumulator) {
            Real sum = accumulator;
            for_spiking(spikes, s_.n - c.delay, c.source_first, c.source_first + c.source_size, [&](std::int64_t i, std::uint32_t count) {
                const Real weight = factor ? element(c, i - c.source_first, j) * factor[i] : element(c, i - c.source_first, j);
                for (std::uint32_t k = 0; k < count; ++k) sum += weight;
            });
            accumulator = sum;
        });
    }
    __device__ void dense_values(const Connection& c) const {
        const Real* const x = s_.values(c, s_.n - c.delay);
        if (!x) return;
        for_targets(c, [&](int j, Real& accumulator) {
            Real sum = accumulator;
            for (std::int64_t i = 0; i < c.source_size; ++i)
                if (x[c.source_first + i] != Real(0)) sum += element(c, i, j) * x[c.source_first + i];
            accumulator = sum;
        });
    }
    __device__ void one_to_one(const Connection& c) const {
        const Real* const factor = c.gain >= 0 ? s_.v.fields[c.gain] : nullptr;
        const Real* const x = c.signal ? s_.values(c, s_.n - c.delay) : c.masked ? s_.v.masks[c.source_population] : nullptr;
        if (c.signal && !x) return;
        for_targets(c, [&](int j, Real& accumulator) {
            const std::int64_t k = j - c.target_first, i = c.source_first + k;
            const Real weight = c.weights ? c.weights[k] : c.one;
            if (x) {
                accumulator += factor ? x[i] * weight * factor[i] : x[i] * weight;
                return;
            }
            const Real each = factor ? weight * factor[i] : weight;
            for (std::uint32_t count = s_.spikes(c).count(s_.n - c.delay, i); count > 0; --count) accumulator += each;
        });
    }

    const Step<Network>& s_;
};

// Operations begin .. end of the steps first + 1 .. last, for the calling thread's own neurons; before the first one what was emitted
// since step `sent` goes into the rings.
template <typename Network>
__device__ inline void run_steps(const NetworkView<Network>& view, std::int64_t first, std::int64_t last, std::int64_t sent, bool anew, int begin, int end) {
    if (begin == 0 && view.sends) {
        const Step<Network> step(view, first);
        for (std::int64_t m = sent + 1; m <= first; ++m) DeviceDelivery<Network>(step).send_emitted(m, anew);
    }
    for (std::int64_t n = first + 1; n <= last; ++n) {
        const Step<Network> step(view, n);
        for (int k = begin; k < end; ++k) {
            if (view.delivers[k] >= 0)  // in one place, so that the compiler has it once, without a call
                DeviceDelivery<Network>(step).deliver(view.delivers[k]);
            else
                Network::operation(k, step);
        }
        if (end == Network::operations_count) step.record();
    }
}

// A whole run in one cooperative launch: the threads meet before every phase.
template <typename Network, typename Grid>
__device__ inline void run_and_meet(const StepArguments<Network>& g, const Grid& grid) {
    const NetworkView<Network>& view = *g.view;
    for (std::int64_t from = g.first; from < g.last; from += view.interval)
        for (int k = 0; k < view.phase_count; ++k) {
            if (k > 0 || from > g.first) grid.sync();
            const std::int64_t to = from + view.interval < g.last ? from + view.interval : g.last;
            run_steps(view, from, to, from > g.first ? from - view.interval : g.sent, from == g.first && g.anew, view.phases[k], view.phases[k + 1]);
        }
}

}  // namespace cuda
}  // namespace sncc
