// Which connections with a delay per synapse lie together (bundles.h), and how their synapses get there and back.
#pragma once

#include <algorithm>

#include "neuron_memory.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

template <typename Real>
class Bundler {
public:
    explicit Bundler(Memory<Real>& memory) : m_(memory) {}

    // Before anything is built. Spikes of a step go out bundle after bundle, so an input's connections must be in the bundles' order.
    SNCC_COLD void plan() {
        m_.bundle_of.assign(m_.net.connections_count + 1, -1);
        m_.lanes.assign(2 * m_.net.fields_count + 1, Lane());
        if (!m_.on_cpu) return;
        int shelf = -1;
        for (int c = 0; c < m_.net.connections_count; ++c) {
            if (!m_.sums(c)) continue;
            const ConnectionInfo& of = info(c);
            if (of.source_population >= 0) place(of.input, of, shelf);
            if (of.source_population < 0 || of.delay == 0) {
                int own = -1;
                place(m_.net.fields_count + of.input, of, own);
            }
        }
        for (int c = 0; c < m_.net.connections_count; ++c)
            if (m_.sums(c)) m_.bundle_of[static_cast<std::size_t>(c)] = bundle_for(c);
        if (m_.bundles.size() > 0xFFFF) throw Failure(Code::memory, "more than 65535 connections with a delay for every synapse");
    }

    // From the connections' own rows, which are given up where nothing else reads them.
    SNCC_COLD void fill(std::size_t b) {
        Bundle<Real>& bundle = m_.bundles[b];
        List<typename Bundle<Real>::Given> given;
        for (const int c : bundle.connections) {
            const SynapseStore<Real>& store = m_.store(c);
            const int field = info(c).weight_field;
            given.push_back({&store.synapses, &store.delays, field >= 0 ? &m_.synapse_fields[static_cast<std::size_t>(field)] : nullptr, &m_.lanes[static_cast<std::size_t>(m_.lane_of(c))]});
        }
        bundle.shelf = given[0].lane->shelf;
        bundle.fill(given, m_.shelves[static_cast<std::size_t>(bundle.shelf)], m_.pages, m_.pool);
        if (!bundle.owns) return;
        for (const int c : bundle.connections) {
            SynapseStore<Real>& store = m_.store(c);
            for (CompressedRows& part : store.synapses.parts) part.narrow = Untouched<std::uint16_t>(), part.wide = Untouched<std::uint32_t>();
            store.delays.narrow.clear(), store.delays.wide.clear();
            if (bundle.weighted) m_.synapse_fields[static_cast<std::size_t>(info(c).weight_field)].parts.clear();
        }
    }
    SNCC_COLD void fill_missing() {
        for (std::size_t b = 0; b < m_.bundles.size(); ++b)
            if (!m_.bundles[b].is_filled() || !m_.bundles[b].owns) fill(b);
    }

    // Gives the connections of a bundle their own rows back.
    SNCC_COLD void restore(std::size_t b) {
        Bundle<Real>& bundle = m_.bundles[b];
        if (bundle.is_filled() && bundle.owns)
            for (const int c : bundle.connections) restore_rows(c, bundle);
        bundle.clear();
    }

private:
    const ConnectionInfo& info(int c) const { return m_.net.connections[c]; }

    // A lane in the shelf, or in the next one where its numbers would need more than 16 bits.
    SNCC_COLD void place(int number, const ConnectionInfo& of, int& shelf) {
        Lane& lane = m_.lanes[static_cast<std::size_t>(number)];
        if (lane.shelf >= 0) return;
        List<std::int64_t> sizes;
        for (int w = 0; w < m_.workers; ++w) sizes.push_back((m_.range(of.target_population, w).size() + 15) / 16 * 16);
        bool fits = shelf >= 0;
        for (std::size_t w = 0; w < sizes.size() && fits; ++w) fits = m_.shelves[static_cast<std::size_t>(shelf)].sizes[w] + sizes[w] <= 0x10000;
        if (!fits) {
            shelf = static_cast<int>(m_.shelves.size());
            m_.shelves.push_back({List<std::int64_t>(sizes.size(), 0), true});
        }
        lane.shelf = shelf;
        Shelf& in = m_.shelves[static_cast<std::size_t>(shelf)];
        for (std::size_t w = 0; w < sizes.size(); ++w) {
            lane.begins.push_back(static_cast<std::uint32_t>(in.sizes[w]));
            in.sizes[w] += sizes[w];
            in.narrow = in.narrow && in.sizes[w] <= 0x10000;
        }
    }

    SNCC_COLD int bundle_for(int c) {
        const ConnectionInfo& of = info(c);
        const bool weighted = of.weight_field >= 0, alone = m_.is_alone(c);
        const bool joins = weighted && alone && of.source_population >= 0 && of.delay > 0;
        for (std::size_t b = m_.bundles.size(); joins && b-- > 0;) {
            const Bundle<Real>& bundle = m_.bundles[b];
            const ConnectionInfo& first = info(bundle.connections[0]);
            bool reaches = false;
            for (const int k : bundle.connections) reaches = reaches || info(k).input == of.input;
            if (reaches) break;
            if (joining_[b] && first.source_population == of.source_population && bundle.shelf == m_.lanes[static_cast<std::size_t>(of.input)].shelf) {
                m_.bundles[b].connections.push_back(c);
                return static_cast<int>(b);
            }
        }
        Bundle<Real> bundle;
        bundle.connections = {c}, bundle.weighted = weighted, bundle.owns = alone;
        bundle.shelf = joins ? m_.lanes[static_cast<std::size_t>(of.input)].shelf : -1;
        m_.bundles.push_back(std::move(bundle));
        joining_.push_back(joins);
        return static_cast<int>(m_.bundles.size()) - 1;
    }

    SNCC_COLD void restore_rows(int c, const Bundle<Real>& bundle) {
        SynapseStore<Real>& store = m_.store(c);
        SynapseField<Real>* const field = bundle.weighted ? &m_.synapse_fields[static_cast<std::size_t>(info(c).weight_field)] : nullptr;
        List<CompressedRows>& parts = store.synapses.parts;
        Synapses rows;
        Delays delays;
        SynapseField<Real> weights;
        const bool is_narrow = store.delays.most <= 0xFF;
        for (CompressedRows& part : parts) {
            CompressedRows copy;
            copy.range = part.range;
            allocate_indices(copy.narrow, copy.wide, part.is_narrow(), part.synapses() + 1);
            rows.parts.push_back(std::move(copy));
            if (is_narrow)
                delays.narrow.emplace_back(part.synapses() + 1);
            else
                delays.wide.emplace_back(part.synapses() + 1);
            if (field) weights.parts.emplace_back(part.synapses() + 1);
        }
        m_.for_each_synapse(c, [&](const Placed& s) {
            rows.parts[s.part].set(s.row, s.j - static_cast<std::uint32_t>(parts[s.part].range.begin));
            if (is_narrow)
                delays.narrow[s.part][s.row] = static_cast<std::uint8_t>(s.delay);
            else
                delays.wide[s.part][s.row] = static_cast<std::uint16_t>(s.delay);
            if (field) weights.parts[s.part][s.row] = bundle.parts[s.part].weights[s.at];
        });
        for (std::size_t p = 0; p < parts.size(); ++p) parts[p].narrow = std::move(rows.parts[p].narrow), parts[p].wide = std::move(rows.parts[p].wide);
        store.delays.narrow = std::move(delays.narrow), store.delays.wide = std::move(delays.wide);
        if (field) *field = std::move(weights);
    }

    Memory<Real>& m_;
    List<char> joining_;  // by bundle: whether others may join it
};

}  // namespace neurons
}  // namespace sncc
