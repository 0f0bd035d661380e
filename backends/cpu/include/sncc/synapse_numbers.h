// What a network's parameters make of its synapses' numbers: weights as deliveries read them, and first values of states.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "neuron_memory.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

template <typename Real>
class SynapseNumbers {
public:
    explicit SynapseNumbers(Memory<Real>& memory) : m_(memory) {}

    // The weights of a connection, as deliveries read them, after any parameter has changed.
    SNCC_COLD void take_weights(int number) {
        const ConnectionInfo& c = m_.net.connections[number];
        const List<double>& own = m_.numbers.own[static_cast<std::size_t>(c.weight)];
        if (c.shared) m_.shared_weights[static_cast<std::size_t>(number)] = static_cast<Real>(own[0]);
        if (c.format == Format::one_to_one && !c.shared) {
            AlignedBuffer<Real>& to = m_.vectors[static_cast<std::size_t>(number)];
            if (!to.size()) to = AlignedBuffer<Real>(static_cast<std::size_t>(c.source_size) + 64);
            for (std::size_t j = 0; j < own.size(); ++j) to[j] = static_cast<Real>(own[j]);
        }
        if (c.format == Format::dense) matrix(number, c, own);
        if (c.format == Format::compressed && c.weight_field >= 0 && c.synapses_of < 0) {
            const SynapseFieldInfo& field = m_.net.synapse_fields_info[c.weight_field];
            if (field.kernel >= 0 && !field.moves) take_kernel(number);
        }
    }

    // The weights that begin at those of a kernel, and move from there.
    SNCC_COLD void begin_at_kernels() {
        for (int c = 0; c < m_.net.connections_count; ++c) {
            const int f = m_.net.connections[c].weight_field;
            if (f >= 0 && m_.net.connections[c].synapses_of < 0 && m_.net.synapse_fields_info[f].begins_at_kernel()) take_kernel(c);
        }
    }

    // A state of every synapse, as it starts.
    SNCC_COLD void start(int f, const Simulation& simulation) {
        const SynapseFieldInfo& of = m_.net.synapse_fields_info[f];
        SynapseField<Real>& field = m_.synapse_fields[static_cast<std::size_t>(f)];
        const SynapseStore<Real>& store = m_.store(of.connection);
        List<const SynapseField<Real>*> fields;  // by number that it reads: of each synapse, or one for all
        List<double> ones;
        for (const int* k = of.reads; *k >= 0; ++k) {
            fields.push_back(nullptr);
            for (int g = 0; g < m_.net.synapse_fields; ++g)
                if (m_.net.synapse_fields_info[g].connection == of.connection && m_.net.synapse_fields_info[g].parameter == *k) fields.back() = &m_.synapse_fields[static_cast<std::size_t>(g)];
            ones.push_back(fields.back() ? 0.0 : m_.numbers.number(*k, 0));
        }
        store.for_each_stretch(m_.pool, [&](std::size_t part, std::uint64_t first, std::uint64_t number, std::uint32_t i, int count) {
            List<double> numbers = ones;
            for (std::uint64_t e = 0; e < static_cast<std::uint64_t>(count); ++e) {
                for (std::size_t r = 0; r < fields.size(); ++r)
                    if (fields[r]) numbers[r] = static_cast<double>(fields[r]->parts[part][first + e]);
                const std::uint32_t j = store.target(part, first + e);
                field.parts[part][first + e] = static_cast<Real>(of.initial(simulation.seed, simulation.trial, static_cast<std::uint32_t>(number + e), i, j, numbers.data()));
            }
        });
    }

    // A neuron and itself, where these are left out: there a weight is 0, and any other number, which may have to be none, that of a synapse.
    SNCC_COLD void fill_places_without_synapse(int k, double* values) const {
        const ParameterInfo& info = m_.net.parameters_info[k];
        const int connection = m_.net.synapse_fields_info[info.synapse_field].connection;
        double* const end = values + info.size;
        double* const given = std::find_if(values, end, [](double value) { return !std::isnan(value); });
        const double other = given == end || m_.net.connections[connection].weight_field == info.synapse_field ? 0.0 : *given;
        std::replace_if(values, end, [](double value) { return std::isnan(value); }, other);
    }

private:
    // Of each synapse the kernel's weight for its place.
    SNCC_COLD void take_kernel(int number) {
        const ConnectionInfo& c = m_.net.connections[number];
        const List<double>& own = m_.numbers.own[static_cast<std::size_t>(c.weight)];
        SynapseField<Real>& field = m_.synapse_fields[static_cast<std::size_t>(c.weight_field)];
        const SynapseStore<Real>& store = m_.store(number);
        const bool one = m_.net.parameters_info[c.weight].shared;
        store.for_each(m_.pool, [&](std::size_t part, std::uint64_t k, std::uint64_t, std::uint32_t) {
            field.parts[part][k] = static_cast<Real>(own[one ? 0 : store.synapses.kernel[part][k]]);
        });
    }

    SNCC_COLD void matrix(int number, const ConnectionInfo& c, const List<double>& own) {
        List<AlignedBuffer<Real>>& parts = m_.matrices[static_cast<std::size_t>(number)];
        parts.resize(static_cast<std::size_t>(m_.workers));
        const bool leaves_out = !c.pattern.self_connections;
        m_.pool.run(m_.workers, [&](int w, int) {
            const Range range = m_.own_targets(number, static_cast<std::size_t>(w));
            if (range.size() <= 0) return;
            const std::int64_t stride = (range.size() + 15) / 16 * 16;
            AlignedBuffer<Real>& to = parts[static_cast<std::size_t>(w)];
            if (!to.size()) to = AlignedBuffer<Real>(static_cast<std::size_t>(stride * c.source_size));
            for (std::int64_t i = 0; i < c.source_size; ++i)
                for (std::int64_t j = range.begin; j < range.end; ++j)
                    to[static_cast<std::size_t>(i * stride + j - range.begin)] =
                        leaves_out && i + c.source_first == j ? Real(0)
                                                             : static_cast<Real>(own[c.shared ? 0 : static_cast<std::size_t>(i * c.target_size + j - c.target_first)]);
        });
    }

    Memory<Real>& m_;
};

}  // namespace neurons
}  // namespace sncc
