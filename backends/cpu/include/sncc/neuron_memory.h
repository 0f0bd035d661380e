// All that a neuron-parallel simulation holds: states, synapses, spikes on their way. Built once, before the first run.
#pragma once

#include <cmath>
#include <memory>

#include "archive.h"
#include "arrival_ring.h"
#include "bundles.h"
#include "delivery.h"
#include "given_inputs.h"
#include "made_rows.h"
#include "memory.h"
#include "poisson.h"
#include "records.h"
#include "spike_exchange.h"
#include "synapse_store.h"
#include "sncc/aligned.h"
#include "sncc/call.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

// A variable's values in the last steps, of all neurons of a population.
template <typename Real>
struct FieldHistory {
    AlignedBuffer<Real> values;
    std::int64_t stride = 0;
    std::uint64_t mask = 0;
    Real* at(std::int64_t n) { return values.data() + static_cast<std::int64_t>(static_cast<std::uint64_t>(n) & mask) * stride; }
};

inline std::uint64_t ring_mask(std::int64_t steps) {
    std::uint64_t slots = 1;
    while (static_cast<std::int64_t>(slots) < steps) slots *= 2;
    return slots - 1;
}

// What one worker has for itself.
struct Worker {
    int index = 0;
    SpikeHistory spikes;
    List<SpikeRecord> records;   // by population
    List<PoissonTable> tables;   // by population
};

// The states of neurons as a worker finds them.
template <typename Real>
struct States {
    unsigned char* bytes;
    List<Real*> fields;
};

// A synapse: where its numbers stand in a worker's part, its place in the connection's own rows there, and its number in the
// user's order; source, target, and delay or 0.
struct Placed {
    std::size_t part;
    std::uint64_t at, row, number;
    std::uint32_t i, j;
    int delay;
};

// Makes the synapses of some connections elsewhere, on a device: the host has them once somebody asks for them.
template <typename Real>
class Elsewhere {
public:
    virtual ~Elsewhere() = default;
    virtual bool takes(int connection) const = 0;
    // How many synapses each source has (`starts`), and which delays they have.
    virtual void count(int connection, const ConnectivityRequest& request, SynapseStore<Real>& store) = 0;
};

template <typename Real>
struct Memory {
    Memory(const Tables<Real>& of, int threads, int most, bool cpu)
        : net(of), pool(threads), most_workers(most), on_cpu(cpu), state(of.state_bytes), arrays(of.arrays_bytes) {}

    const Tables<Real> net;

    ThreadPool pool;
    HugePages pages;  // of synapses that lie by delay
    const int most_workers;
    const bool on_cpu;  // synapses are laid out for its deliveries
    int workers = 1;
    AlignedBuffer<unsigned char> state, arrays;
    Numbers numbers;
    List<List<Range>> ranges;                // by population and worker
    List<SynapseStore<Real>> stores;                // by connection; empty where its weights are a matrix or a vector, or the synapses another one's
    List<SynapseField<Real>> synapse_fields;
    List<std::unique_ptr<MadeSynapses>> made;         // by connection; null where its synapses are stored
    List<List<AlignedBuffer<Real>>> matrices;  // of dense connections, by worker
    List<AlignedBuffer<Real>> vectors;                // of one_to_one connections
    List<Real> shared_weights;
    List<Real*> fields;
    List<FieldHistory<Real>> histories;
    List<Lane> lanes;  // by lane_of
    List<Shelf> shelves;
    List<Bundle<Real>> bundles;
    List<int> bundle_of;                          // by connection
    List<List<Arrivals<Real>>> arrivals;  // by worker and shelf; like
    List<List<ArrivalRing<Real>>> rings;  // those of a shelf that is summed at once
    List<Worker> worker;
    List<States<Real>> states_of;                // by worker
    List<GivenInput<Real>> inputs;
    Elsewhere<Real>* elsewhere = nullptr;
    Call<void(int connection)> make_synapses;  // that were only counted
    std::int64_t interval = 1;     // steps between meetings of the workers
    std::int64_t most_delay = 0;

    const SynapseStore<Real>& store(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        return stores[static_cast<std::size_t>(c.synapses_of >= 0 ? c.synapses_of : connection)];
    }
    SynapseStore<Real>& store(int connection) { return const_cast<SynapseStore<Real>&>(static_cast<const Memory&>(*this).store(connection)); }
    // Whether a connection's synapses are nowhere, and made as they are needed.
    bool is_made(int connection) const { return on_cpu && !net.connections[connection].stored; }
    std::uint64_t synapse_count(int connection) const { return is_made(connection) ? made[static_cast<std::size_t>(connection)]->rows.count() : store(connection).synapses.count(); }
    std::int64_t most_delay_of(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        return c.delays >= 0 ? std::max(c.delay, store(connection).delays.most) : c.delay;
    }
    std::int64_t least_delay_of(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        return c.delays >= 0 ? std::max<std::int64_t>(c.delay, store(connection).delays.least) : c.delay;
    }
    // Whether what arrives through a connection in a step is summed, in the order of emission, before it is added.
    bool sums(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        return c.delays >= 0 && !c.at_arrival && !c.signal;
    }
    // Whether a step looks in the rows of earlier spikes for those synapses over which they arrive now.
    bool looks_by_delay(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        if (c.delays < 0) return false;
        if (c.at_arrival && !c.signal) return true;
        for (int u = 0; u < net.synapse_updates_count; ++u)
            if (net.synapse_updates[u].connection == connection && net.synapse_updates[u].when == When::pre) return true;
        return false;
    }
    // The lane in which it is summed; -1: none. An input has one for spikes that meetings hand on, and one for those that go in at
    // once, so that neither's sums depend on when the threads meet.
    int lane_of(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        if (!sums(connection)) return -1;
        return c.source_population >= 0 && least_delay_of(connection) > 0 ? c.input : net.fields_count + c.input;
    }
    bool is_handed_on(int connection) const { return lane_of(connection) >= 0 && lane_of(connection) < net.fields_count; }

    // Nothing is on its way.
    void clear_arrivals() {
        for (List<Arrivals<Real>>& of : arrivals)
            for (Arrivals<Real>& shelf : of) shelf.clear();
        for (List<ArrivalRing<Real>>& of : rings)
            for (ArrivalRing<Real>& shelf : of) shelf.clear();
    }

    // The bundle that holds a connection's synapses instead of its store; null: none does.
    const Bundle<Real>* holder(int connection) const {
        const int b = bundle_of.empty() ? -1 : bundle_of[static_cast<std::size_t>(connection)];
        const Bundle<Real>* const bundle = b < 0 ? nullptr : &bundles[static_cast<std::size_t>(b)];
        return bundle && bundle->owns && bundle->is_filled() ? bundle : nullptr;
    }
    // The numbers of a synapse field of a worker.
    Real* synapse_numbers(int field, std::size_t part) {
        const Bundle<Real>* const bundle = holder(net.synapse_fields_info[field].connection);
        return bundle ? const_cast<Real*>(bundle->parts[part].weights.data()) : synapse_fields[static_cast<std::size_t>(field)].parts[part].data();
    }
    // Whether nothing but the delivery reads a connection's synapses.
    SNCC_COLD bool is_alone(int c) const {
        const ConnectionInfo& of = net.connections[c];
        if (of.synapses_of >= 0 || of.reversed) return false;
        for (int k = 0; k < net.connections_count; ++k)
            if (net.connections[k].synapses_of == c) return false;
        for (int u = 0; u < net.synapse_updates_count; ++u)
            if (net.synapse_updates[u].connection == c) return false;
        for (int f = 0; f < net.synapse_fields; ++f) {
            const SynapseFieldInfo& field = net.synapse_fields_info[f];
            if (field.connection == c && (f != of.weight_field || field.parameter < 0 || field.kernel >= 0)) return false;
        }
        return true;
    }
    // Whether a connection's synapses may be bits: of one weight and one delay, each pair once.
    bool may_be_bits(int c) const {
        const ConnectionInfo& of = net.connections[c];
        const bool once = !of.pattern.repeats && of.pattern.kind != PatternKind::sparse && of.pattern.kind != PatternKind::convolution;
        return on_cpu && of.stored && once && of.format == Format::compressed && of.shared && of.weight_field < 0 && of.delays < 0 && !of.signal && !of.at_arrival && of.gain < 0 && is_alone(c);
    }
    // Makes a connection's synapses on the host, unless it has them.
    SNCC_COLD void have_synapses(int connection) {
        if (store(connection).is_counted()) make_synapses(connection);
    }
    // Calls visit, in parallel, for a connection's synapses.
    SNCC_COLD void for_each_synapse(int connection, const Call<void(const Placed&)>& visit) {
        if (is_made(connection)) {
            const MadeRows& rows = made[static_cast<std::size_t>(connection)]->rows;
            return rows.for_each(pool, [&](std::size_t part, std::uint32_t i, std::uint64_t number, const std::uint32_t* targets, int count) {
                for (std::uint64_t e = 0; e < static_cast<std::uint64_t>(count); ++e) visit({part, number + e, number + e, number + e, i, rows.begin(part) + targets[e], 0});
            });
        }
        have_synapses(connection);
        const SynapseStore<Real>& store = this->store(connection);
        const Bundle<Real>* const bundle = holder(connection);
        if (!store.bits.empty()) {
            store.for_each_source(pool, [&](std::int64_t i) {
                std::uint64_t number = store.synapses.starts[static_cast<std::size_t>(i)];
                for (std::size_t part = 0; part < store.bits.size(); ++part) {
                    std::uint64_t k = store.synapses.parts[part].offsets[static_cast<std::size_t>(i)];
                    const std::uint32_t first = static_cast<std::uint32_t>(store.synapses.parts[part].range.begin);
                    store.bits[part].for_each(static_cast<std::size_t>(i), [&](std::uint32_t j) { visit({part, k, k, number++, static_cast<std::uint32_t>(i), first + j, 0}), ++k; });
                }
            });
            return;
        }
        if (!bundle) {
            const bool delayed = !store.delays.narrow.empty() || !store.delays.wide.empty();
            store.for_each(pool, [&](std::size_t part, std::uint64_t k, std::uint64_t number, std::uint32_t i) {
                visit({part, k, k, number, i, store.target(part, k), delayed ? store.delays.of(part, k) : 0});
            });
            return;
        }
        std::size_t member = 0;
        while (bundle->connections[member] != connection) ++member;
        const Lane& lane = lanes[static_cast<std::size_t>(lane_of(connection))];
        store.for_each_source(pool, [&](std::int64_t i) {
            std::uint64_t number = store.synapses.starts[static_cast<std::size_t>(i)];
            List<typename Bundle<Real>::Found> found;
            for (std::size_t part = 0; part < bundle->parts.size(); ++part) {
                const CompressedRows& rows = store.synapses.parts[part];
                std::uint64_t k = rows.offsets[static_cast<std::size_t>(i)];
                const std::uint32_t begin = lane.begins[part], first = static_cast<std::uint32_t>(rows.range.begin);
                bundle->row(member, part, i, begin, rows.range.size(), found);
                for (const auto& of : found) visit({part, of.at, k++, number++, static_cast<std::uint32_t>(i), of.target - begin + first, of.delay});
            }
        });
    }
    const Range& range(int population, int w) const { return ranges[static_cast<std::size_t>(population)][static_cast<std::size_t>(w)]; }
    // The own neurons that a connection of format dense or one_to_one reaches; else all own ones.
    Range own_targets(int connection, std::size_t w) const {
        const ConnectionInfo& c = net.connections[connection];
        const Range& own = range(c.target_population, static_cast<int>(w));
        if (c.format == Format::compressed) return own;
        return {std::max(own.begin, c.target_first), std::min(own.end, c.target_first + c.target_size)};
    }
    // Where the number of a synapse stands in the user's array: one per synapse, per pair, or per neuron.
    std::uint64_t place(int connection, int parameter, std::uint64_t number, std::uint32_t i, std::uint32_t j) const {
        const ConnectionInfo& c = net.connections[connection];
        const ParameterInfo& info = net.parameters_info[parameter];
        if (info.shared) return 0;
        if (info.size < 0) return number;
        const std::uint64_t source = i - static_cast<std::uint64_t>(c.source_first);
        if (c.pattern.kind != PatternKind::dense) return source;
        return source * static_cast<std::uint64_t>(c.target_size) + (j - static_cast<std::uint64_t>(c.target_first));
    }
    // Whether a neuron's own worker also owns the target: one_to_one between populations of one size.
    bool is_local(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        return c.format == Format::one_to_one && c.source_population >= 0 && c.source_first == c.target_first &&
               net.populations_info[c.source_population].size == net.populations_info[c.target_population].size;
    }
    // Whether what a source's neurons have just emitted is read as it stands, without a list: cheaper where most spike.
    bool takes_mask(int connection) const {
        const ConnectionInfo& c = net.connections[connection];
        return is_local(connection) && c.delay == 0 && !c.signal;
    }
    // A population's spikes are listed where something delivers from lists.
    bool needs_list(int population) const {
        for (int c = 0; c < net.connections_count; ++c)
            if (net.connections[c].source_population == population && !net.connections[c].signal && !takes_mask(c)) return true;
        for (int u = 0; u < net.synapse_updates_count; ++u) {
            const SynapseUpdateInfo& update = net.synapse_updates[u];
            const ConnectionInfo& c = net.connections[update.connection];
            if ((update.when == When::pre && c.source_population == population) || (update.when == When::post && c.target_population == population)) return true;
        }
        return false;
    }

    // Lists of a connection's source at step n (step `run_step` of the run), in the order of the sources.
    template <typename Visit>
    SNCC_INLINE void for_spikes(const ConnectionInfo& c, std::int64_t n, std::int64_t run_step, Visit&& visit) const {
        const bool given = c.source_population < 0;
        const std::size_t lists = given ? 1 : n < 1 ? 0 : worker.size();
        for (std::size_t k = 0; k < lists; ++k)  // one call, as what is called is copied here
            visit(given ? inputs[static_cast<std::size_t>(c.source)].spikes(run_step) : worker[k].spikes.at(n, c.source_population));
    }
    // Values of a connection's source at step n; before the first step a variable has its first value.
    const Real* values_of(const ConnectionInfo& c, std::int64_t n, std::int64_t run_step) {
        if (c.values < 0) return inputs[static_cast<std::size_t>(c.source)].values(run_step);
        return field_at(c.values, n);
    }
    const Real* field_at(int field, std::int64_t n) { return histories[static_cast<std::size_t>(field)].at(n < 0 ? 0 : n); }
};

}  // namespace neurons
}  // namespace sncc
