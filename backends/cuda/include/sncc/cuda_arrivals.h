// Deliveries of a neuron-parallel simulation: a block adds what arrives at its own neurons, a thread what it looks up in its own columns.
#pragma once

#include "sncc/cuda_made_rows.h"
#include "sncc/cuda_poisson.h"
#include "sncc/cuda_programme.h"

namespace sncc {
namespace cuda {

// Calls visit(source, count) for the sources first .. last (excluded) that spiked at step n, ascending.
template <typename Visit>
__device__ inline void for_spiking(const SpikeRows& rows, std::int64_t n, std::int64_t first, std::int64_t last, const Visit& visit) {
    for (std::int64_t word = first / 32; word * 32 < last; ++word)
        for (std::uint32_t left = rows.bits[(n - rows.first) * rows.words + word]; left != 0; left &= left - 1) {
            const std::int64_t i = word * 32 + __ffs(static_cast<int>(left)) - 1;
            if (i >= first && i < last) visit(i, rows.counts ? rows.count(n, i) : std::uint32_t(1));
        }
}

// What the threads of a block share in a run.
template <typename Network>
struct BlockRoom {
    StepRoom push;
    Programme<Network> programme;
};

// What is loaded of a synapse.
template <typename Real>
struct Fetched {
    std::uint32_t target;  // in the tile
    int delay;
    Real weight, factor;
};
struct FetchedPlace {
    std::uint32_t target, place;
};

// What becomes of it. What has different keys is not added to the same number.
template <typename Real>
struct Weighed {
    unsigned key;
    Real weight;
    Real* to;  // null: it has been there
};
struct Met {
    unsigned key;
    std::uint32_t place, source, repeat, target;
};

// One connection, of which spikes arrive in step n.
template <typename Network>
struct OneConnection {
    int number;
    unsigned end;
    std::int64_t n;

    __device__ OneConnection(const Step<Network>& s, int connection) : number(connection), end(words_of_source(s.v.connections[connection])), n(s.n) {}
    __device__ PushList list() const { return {&number, &end, 0, 1, n, 1, true}; }
};

template <typename Network>
class DeviceDelivery {
    using Real = typename Network::Real;
    using Connection = ConnectionView<Real>;

public:
    __device__ DeviceDelivery(const Step<Network>& step, BlockRoom<Network>& room, unsigned* cells) : s_(step), room_(room), cells_(cells) {}

    // `slot`: where it was counted, `ahead` steps after the first one that was.
    __device__ void deliver(int number, int slot, int ahead) const {
        const Connection& c = s_.v.connections[number];
        if constexpr (Network::makes_rows)
            if (c.made) return deliver_made(s_, c);
        switch (c.format) {
            case neurons::Format::dense: c.signal ? dense_values(c) : dense(c); break;
            case neurons::Format::one_to_one: one_to_one(c); break;
            case neurons::Format::compressed:
                if (c.signal)
                    values(c);
                else if (c.sum >= 0)
                    sums(number, c);
                else if (c.counted)
                    counted(c, slot, ahead);
                else
                    arrivals(number, c);
        }
    }

    // Spikes of the steps first .. first + steps - 1, of which a meeting has told, into the rings, unless they arrive by step `until`.
    __device__ void send_emitted(std::int64_t first, int steps, std::int64_t until) const {
        send({room_.programme.senders, room_.programme.sender_words, 0, room_.programme.sender_count, first, steps, false}, until);
    }
    // How often each own neuron is reached in the steps n .. n + steps - 1 by connections of one weight, of the counted ones first .. last.
    __device__ void count_ahead(int first, int last, int steps) const {
        const Programme<Network>& programme = room_.programme;
        const PushList list = {programme.counted + first, programme.counted_words + first, first > 0 ? programme.counted_words[first - 1] : 0u, last - first, s_.n, steps, true};
        push<std::uint16_t, unsigned>(
            s_, room_.push, list, [](const Connection& c, std::uint32_t entry, const Pushed&) { return __ldg(c.rows.targets + entry); },
            [&](const Connection&, std::uint16_t target, const Pushed& spike) { return cell(first + spike.connection, spike.step) + target; },
            [&](unsigned there, const unsigned (&cells)[entries_at_once]) {
                for_each_entry([&](unsigned k) {
                    if ((there >> k) & 1u) atomicAdd(cells_ + cells[k], 1u);
                });
            });
        __syncthreads();
    }

private:
    __device__ unsigned cell(int slot, int ahead) const {
        return static_cast<unsigned>((ahead * room_.programme.counted_count + slot) * s_.v.tile_words * 32);
    }
    // One number of two, the same for few pairs of those that occur.
    __device__ static unsigned key(std::uint32_t target, std::int64_t later) { return target + static_cast<unsigned>(later) * 613u; }

    __device__ void send(const PushList& list, std::int64_t until) const {
        push<Fetched<Real>, Weighed<Real>>(
            s_, room_.push, list,
            [](const Connection& c, std::uint32_t entry, const Pushed&) {
                return Fetched<Real>{__ldg(c.rows.targets + entry), __ldg(c.rows.delays + entry), pushed_weight(c, entry), Real(1)};
            },
            [&](const Connection& c, const Fetched<Real>& of, const Pushed& spike) {
                const std::int64_t arrival = list.emitted(c, spike.step) + of.delay;
                Real* const to = arrival > until ? s_.ring(c.sum, arrival) + s_.first_neuron(c.target_population) + of.target : nullptr;
                return Weighed<Real>{key(of.target, arrival), of.weight, to};
            },
            [&](unsigned there, const Weighed<Real> (&values)[entries_at_once]) { add_in_order(there, values); });
    }
    // Each thread loads all that it adds to before it adds.
    __device__ void add_in_order(unsigned there, const Weighed<Real> (&values)[entries_at_once]) const {
        serve_in_order(room_.push, there, values, [](unsigned which, const Weighed<Real> (&of)[entries_at_once]) {
            Real sums[entries_at_once];
            for_each_entry([&](unsigned k) { sums[k] = ((which >> k) & 1u) && of[k].to ? *of[k].to : Real(0); });
            for_each_entry([&](unsigned k) {
                if (((which >> k) & 1u) && of[k].to) *of[k].to = sums[k] + of[k].weight;
            });
        });
    }
    __device__ static Real pushed_weight(const Connection& c, std::uint32_t entry) {
        return c.rows.weights ? __ldg(c.rows.weights + entry) : c.rows.places ? c.weight(__ldg(c.rows.places + entry)) : c.one;
    }

    // Calls body(target, accumulator) for own targets.
    template <typename Body>
    __device__ void for_targets(const Connection& c, const Body& body) const {
        Real* const accumulator = s_.v.fields[c.input];
        s_.for_own(c.target_population, c.target_first + c.target_size, [&](int j) {
            if (j >= c.target_first) body(j, accumulator[j]);
        });
    }

    __device__ void counted(const Connection& c, int slot, int ahead) const {
        unsigned* const times = cells_ + cell(slot, ahead);
        const int first = s_.first_neuron(c.target_population);
        for_targets(c, [&](int j, Real& accumulator) {
            Real sum = accumulator;
            for (unsigned left = times[j - first]; left > 0; --left) sum += c.one;
            accumulator = sum;
            times[j - first] = 0;
        });
    }
    __device__ void pushed_arrivals(int number, const Connection& c) const {
        if (!s_.owns(c.target_population, c.target_size)) return;
        const OneConnection<Network> one(s_, number);
        const Real* const factor = c.gain >= 0 ? s_.v.fields[c.gain] : nullptr;
        Real* const accumulator = s_.v.fields[c.input] + s_.first_neuron(c.target_population);
        push<Fetched<Real>, Weighed<Real>>(
            s_, room_.push, one.list(),
            [&](const Connection&, std::uint32_t entry, const Pushed& spike) {
                return Fetched<Real>{__ldg(c.rows.targets + entry), 0, pushed_weight(c, entry), factor ? factor[spike.source] : Real(1)};
            },
            [&](const Connection&, const Fetched<Real>& of, const Pushed&) {
                return Weighed<Real>{of.target, factor ? of.weight * of.factor : of.weight, accumulator + of.target};
            },
            [&](unsigned there, const Weighed<Real> (&values)[entries_at_once]) { add_in_order(there, values); });
    }
    __device__ void arrivals(int number, const Connection& c) const {
        if (c.pushed) return pushed_arrivals(number, c);
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
    __device__ void sums(int number, const Connection& c) const {
        if (c.pushed) return pushed_sums(number, c);
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
    __device__ void pushed_sums(int number, const Connection& c) const {
        if (!c.handed_on) {
            const OneConnection<Network> one(s_, number);
            PushList list = one.list();
            list.by_arrival = false;
            send(list, s_.n - 1);
        }
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
    BlockRoom<Network>& room_;
    unsigned* const cells_;
};

// One step of the synapses of a connection that move by themselves, own target by own target.
template <typename Network, neurons::When when>
struct ColumnLoop {
    using Real = typename Network::Real;
    const Step<Network>& step;
    const ConnectionView<Real>& c;
    int number, post_delay;

    __device__ ColumnLoop(const Step<Network>& s, int connection, int delay) : step(s), c(s.v.connections[connection]), number(connection), post_delay(delay) {}

    // body(place, source, target, steps ago, spikes of the same neuron in this step before), once for each spike
    template <typename Body>
    __device__ void for_each(std::int64_t targets, const Body& body) const {
        if constexpr (when == neurons::When::pre) {
            if (c.pushed) return push_each(targets, body);
        }
        step.for_own(c.target_population, targets, [&](int j) {
            const std::uint64_t begin = c.columns.begin(j), end = c.columns.end(j);
            if constexpr (when == neurons::When::pre) {
                for_arrivals(c, step.spikes(c), step.n, begin, end, [&](std::uint64_t k, std::uint32_t i, int ago, std::uint32_t repeat) { body(k, i, j, ago, repeat); });
            } else {
                std::uint32_t times = 1;
                if constexpr (when == neurons::When::post) times = step.v.populations[c.target_population].count(step.n - post_delay, j);
                for (std::uint32_t repeat = 0; repeat < times; ++repeat)
                    for (std::uint64_t k = begin; k < end; k += 32) body(k, c.columns.source(k), j, c.delayed ? c.columns.delay(k) : 0, repeat);
            }
        });
    }
    template <typename Body>
    __device__ void push_each(std::int64_t targets, const Body& body) const {
        if (!step.owns(c.target_population, targets)) return;
        const OneConnection<Network> one(step, number);
        const int first = step.first_neuron(c.target_population);
        push<FetchedPlace, Met>(
            step, step.room, one.list(),
            [&](const ConnectionView<Real>&, std::uint32_t entry, const Pushed&) { return FetchedPlace{__ldg(c.rows.targets + entry), __ldg(c.rows.places + entry)}; },
            [&](const ConnectionView<Real>&, const FetchedPlace& of, const Pushed& spike) { return Met{of.target, of.place, spike.source, spike.repeat, first + of.target}; },
            [&](unsigned there, const Met (&values)[entries_at_once]) {
                serve_in_order(step.room, there, values, [&](unsigned which, const Met (&met)[entries_at_once]) {
                    for_each_entry([&](unsigned k) {
                        if ((which >> k) & 1u) body(met[k].place, met[k].source, met[k].target, c.delay, met[k].repeat);
                    });
                });
            });
    }
    // A variable of the source neurons, so many steps ago.
    __device__ const Real* pre_ago(int field, int ago) const { return ago == 0 ? step.v.fields[field] : step.at(field, step.n - ago); }
};

}  // namespace cuda
}  // namespace sncc
