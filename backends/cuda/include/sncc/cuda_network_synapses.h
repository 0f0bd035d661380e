// All synapses of a network on the device: made there or sent by the host, in rows and columns, with their numbers, and what kernels see of them.
#pragma once

#include <cstring>

#include "sncc/cuda_connector.h"
#include "sncc/cuda_neurons.h"
#include "sncc/cuda_sharing.h"
#include "sncc/cuda_tiles.h"

namespace sncc {
namespace cuda {

template <typename Network>
class NetworkSynapses {
    using Real = typename Network::Real;

public:
    NetworkSynapses(neurons::Memory<Real>& host, const Sharing<Network>& sharing, DeviceMemory& memory, const Stream& stream, const int& multiprocessors)
        : m_(host), sharing_(sharing), memory_(memory), connector_(host, memory, stream, multiprocessors) {
        m_.elsewhere = &connector_;
    }

    // -------------------------------------------------------------------------------------------- what is newer where
    void is_newer(int field) { field_newer_[static_cast<std::size_t>(field)] = true; }  // on the host than on the device
    void all_are_newer() { field_newer_.assign(field_newer_.size(), true); }
    void have_moved() {  // in a run on the device
        for (int f = 0; f < Network::synapse_fields; ++f) moved_[static_cast<std::size_t>(f)] |= Network::moves(f);
    }
    void have_not_moved() { moved_.assign(moved_.size(), false); }

    // -------------------------------------------------------------------------------------------- to the device and back
    void send_structure() {
        columns_.resize(Network::connections_count), rows_.resize(Network::connections_count), made_.resize(Network::connections_count);
        for (int c = 0; c < Network::connections_count; ++c) pushed_[static_cast<std::size_t>(c)] = is_delivered_by_spikes(c);
        make_synapses();
        keep_rows_to_make();
        for (int c = 0; c < Network::connections_count; ++c) {
            std::unique_ptr<DeviceColumns<Real>>& columns = columns_[static_cast<std::size_t>(c)];
            if (!has_columns(c)) {
                columns.reset();
                continue;
            }
            bool delayed = false, by_delay = false, by_source = false;
            for (int k = 0; k < Network::connections_count; ++k) {
                if (info(k).format != neurons::Format::compressed || owner(k) != c) continue;
                delayed |= info(k).delays >= 0, by_delay |= info(k).delays >= 0 && !info(k).signal && delivers(k);
                by_source |= info(k).delays >= 0 && info(k).signal;
            }
            if (m_.store(c).is_counted()) continue;
            if (!columns) columns = std::make_unique<DeviceColumns<Real>>(memory_);
            columns->build(m_.store(c), delayed, by_delay, by_source, m_.pool);
        }
        for (int u = 0; u < Network::synapse_updates_count; ++u)
            if (const neurons::SynapseUpdateInfo& update = Network::synapse_updates()[u]; update.draws)
                columns_[static_cast<std::size_t>(owner(update.connection))]->number();
        for (int c = 0; c < Network::connections_count; ++c) {
            std::unique_ptr<DeviceTileRows<Real>>& rows = rows_[static_cast<std::size_t>(c)];
            if (!pushed_[static_cast<std::size_t>(c)]) {
                rows.reset();
                continue;
            }
            if (m_.store(c).is_counted()) continue;
            if (!rows) rows = std::make_unique<DeviceTileRows<Real>>(memory_);
            rows->build(m_.store(c), sharing_.tiling_of(c), m_.lane_of(c) >= 0, columns_[static_cast<std::size_t>(owner(c))].get(), m_.pool);
        }
        all_are_newer();
        connector_.release();
    }
    void send_numbers() {
        for (int c = 0; c < Network::connections_count; ++c) {
            const AlignedBuffer<Real>* const from = numbers_of(c);
            if (!from || from->size() == 0) continue;
            weights_[c]->reserve(from->size());
            weights_[c]->put(from->data(), from->size());
        }
        for (int f = 0; f < Network::synapse_fields; ++f)  // copies of kernels
            if (Network::synapse_fields_info()[f].kernel >= 0) field_newer_[static_cast<std::size_t>(f)] = true;
    }
    void send_fields() {
        for (int f = 0; f < Network::synapse_fields; ++f) {
            if (!field_newer_[static_cast<std::size_t>(f)]) continue;
            send_field(f);
            field_newer_[static_cast<std::size_t>(f)] = false;
        }
    }
    void fetch_field(int f) {
        if (!moved_[static_cast<std::size_t>(f)]) return;
        const int of = owner(Network::synapse_fields_info()[f].connection);
        m_.have_synapses(of);
        columns_[static_cast<std::size_t>(of)]->fetch(*synapse_fields_[f], m_.synapse_fields[static_cast<std::size_t>(f)].parts[0], m_.pool);
        moved_[static_cast<std::size_t>(f)] = false;
    }
    // Those that the host does not have go on from where they are.
    void fetch_counted() {
        for (int f = 0; f < Network::synapse_fields; ++f)
            if (!m_.store(Network::synapse_fields_info()[f].connection).is_counted()) fetch_field(f);
    }

    // -------------------------------------------------------------------------------------------- what kernels see
    Real* numbers(int field) const { return synapse_fields_[field]->data(); }
    bool is_made(int c) const { return Connector<Network>::makes_rows(c); }
    bool is_pushed(int c) const { return pushed_[static_cast<std::size_t>(c)] != 0; }
    // Whether it is enough to count what arrives, which spikes of earlier steps tell.
    bool is_counted(int c) const {
        return is_pushed(c) && m_.lane_of(c) < 0 && delivers(c) && info(c).weight_field < 0 && info(c).gain < 0 &&
               (info(c).source_population < 0 || m_.least_delay_of(c) > 0);
    }
    ConnectionView<Real> view(int number) const {
        const neurons::ConnectionInfo& c = info(number);
        ConnectionView<Real> to = {};
        to.format = c.format, to.one = m_.shared_weights[static_cast<std::size_t>(number)];
        if (c.format == neurons::Format::compressed) {
            if (const auto& columns = columns_[static_cast<std::size_t>(owner(number))]) to.columns = columns->view();
            if (const auto& rows = rows_[static_cast<std::size_t>(number)]) {
                to.rows = rows->view();
                if (c.weight_field >= 0 && !to.rows.places) to.rows.weights = weights_[number]->data();
            }
            to.weights = c.weight_field >= 0 ? synapse_fields_[c.weight_field]->data() : nullptr;
        } else {
            to.weights = numbers_of(number) ? weights_[number]->data() : nullptr;
            to.stride = (c.target_size + 15) / 16 * 16;
        }
        if (const auto& rows = made_[static_cast<std::size_t>(number)]) to.made = rows->arguments.data();
        to.source = c.source, to.source_population = c.source_population, to.target_population = c.target_population;
        to.source_first = c.source_first, to.source_size = c.source_size;
        const bool all = c.format == neurons::Format::compressed;
        to.target_first = all ? 0 : c.target_first, to.target_size = all ? Network::populations_info()[c.target_population].size : c.target_size;
        to.delay = c.delay, to.delayed = c.delays >= 0;
        to.least = static_cast<int>(m_.least_delay_of(number)), to.most = static_cast<int>(m_.most_delay_of(number));
        to.values = c.values, to.gain = c.gain, to.input = c.input, to.signal = c.signal;
        to.masked = m_.takes_mask(number), to.sum = m_.lane_of(number);
        to.ends_sum = to.sum >= 0, to.handed_on = m_.is_handed_on(number), to.pushed = pushed_[static_cast<std::size_t>(number)] != 0;
        for (int k = number + 1; k < Network::connections_count; ++k) to.ends_sum &= m_.lane_of(k) != to.sum;
        return to;
    }

private:
    static const neurons::ConnectionInfo& info(int c) { return Network::connections()[c]; }
    static int owner(int c) { return info(c).synapses_of >= 0 ? info(c).synapses_of : c; }

    // Those that the host has only counted.
    void make_synapses() {
        List<typename Connector<Network>::Making> all;
        for (int c = 0; c < Network::connections_count; ++c) {
            if (!m_.stores[static_cast<std::size_t>(c)].is_counted() || is_made(c)) continue;
            std::unique_ptr<DeviceTileRows<Real>>& rows = rows_[static_cast<std::size_t>(c)];
            std::unique_ptr<DeviceColumns<Real>>& columns = columns_[static_cast<std::size_t>(c)];
            const bool pushed = pushed_[static_cast<std::size_t>(c)] != 0, looked_up = has_columns(c);
            if (pushed && !rows) rows = std::make_unique<DeviceTileRows<Real>>(memory_);
            if (looked_up && !columns) columns = std::make_unique<DeviceColumns<Real>>(memory_);
            const int field = info(c).weight_field;
            all.push_back({c, sharing_.tiling_of(c), pushed ? rows.get() : nullptr, weights_[c], looked_up ? columns.get() : nullptr, field >= 0 ? synapse_fields_[field] : nullptr,
                           info(c).delays >= 0 && delivers(c)});
        }
        connector_.reserve(all);
        for (const auto& making : all) {
            connector_.make(making);
            if (Connector<Network>::checks()) compare(making);
        }
    }
    // What is drawn again at each spike.
    void keep_rows_to_make() {
        for (int c = 0; c < Network::connections_count; ++c) {
            std::unique_ptr<MadeRows<Real>>& rows = made_[static_cast<std::size_t>(c)];
            rows = is_made(c) ? std::make_unique<MadeRows<Real>>(memory_) : nullptr;
            if (rows) connector_.keep(c, sharing_.blocks(), *rows);
        }
    }
    // With what the host makes.
    void compare(const typename Connector<Network>::Making& making) {
        const int c = making.connection;
        m_.have_synapses(c);
        const neurons::SynapseStore<Real>& store = m_.store(c);
        const std::size_t count = static_cast<std::size_t>(store.synapses.count());
        const int field = info(c).weight_field;
        bool equal = true;
        const auto compare_weights = [&](const DeviceArray<Real>& made, const auto& expected, std::size_t size) {
            DeviceArray<Real> weights(memory_, "the weights");
            expected(m_.synapse_fields[static_cast<std::size_t>(field)].parts[0], weights);
            equal = equal && (size == 0 || std::memcmp(made.copy(size).data(), weights.copy(size).data(), size * sizeof(Real)) == 0);
        };
        DeviceColumns<Real> columns(memory_);
        if (making.columns) {
            columns.build(store, info(c).delays >= 0, making.by_delay, false, m_.pool);
            equal = making.columns->is(columns);
            if (field >= 0) compare_weights(*making.column_weights, [&](const auto& from, auto& to) { columns.send(from, to, m_.pool); }, columns.places());
        }
        if (making.rows) {
            DeviceTileRows<Real> rows(memory_);
            rows.build(store, making.tiling, m_.lane_of(c) >= 0, making.columns ? &columns : nullptr, m_.pool);
            equal = equal && making.rows->is(rows, count);
            if (field >= 0 && !making.columns) compare_weights(*making.weights, [&](const auto& from, auto& to) { rows.send(store, from, to, m_.pool); }, count);
        }
        if (!equal) throw Failure(Code::device, std::string("the device has not made the synapses of `") + info(c).name + "` that the host makes");
    }
    // Synapses have columns where targets look through them, or where they move by themselves.
    bool has_columns(int c) const {
        if (info(c).format != neurons::Format::compressed || owner(c) != c || is_made(c)) return false;
        for (int k = 0; k < Network::connections_count; ++k)
            if (info(k).format == neurons::Format::compressed && owner(k) == c && !pushed_[static_cast<std::size_t>(k)]) return true;
        for (int u = 0; u < Network::synapse_updates_count; ++u)
            if (owner(Network::synapse_updates()[u].connection) == c) return true;
        return false;
    }
    // A number of each synapse, to where it is read.
    void send_field(int f) {
        const neurons::SynapseFieldInfo& field = Network::synapse_fields_info()[f];
        const int of = owner(field.connection);
        if (m_.store(of).is_counted()) return;  // made on the device, with their numbers
        const Untouched<Real>& from = m_.synapse_fields[static_cast<std::size_t>(f)].parts[0];
        if (columns_[static_cast<std::size_t>(of)]) columns_[static_cast<std::size_t>(of)]->send(from, *synapse_fields_[f], m_.pool);
        for (int c = 0; c < Network::connections_count; ++c)
            if (rows_[static_cast<std::size_t>(c)] && info(c).weight_field == f && !columns_[static_cast<std::size_t>(of)])
                rows_[static_cast<std::size_t>(c)]->send(m_.store(c), from, *weights_[c], m_.pool);
    }
    // Whether what arrives is its weights; else its synapses move and deliver in every step, in the order of their sources.
    static bool delivers(int c) {
        for (int k = 0; k < Network::operations_count; ++k)
            if (Network::operations()[k].action == neurons::Action::deliver && Network::operations()[k].index == c) return true;
        return false;
    }
    // Connections whose arrivals are summed together are delivered in one way. Arrivals whose weight is that of their moment are pulled.
    bool is_delivered_by_spikes(int c) const {
        if (info(c).format != neurons::Format::compressed || info(c).signal || is_made(c)) return false;
        if (m_.lane_of(c) < 0 && info(c).delays >= 0) return false;
        double synapses = 0, sources_and_tiles = 0;
        for (int k = 0; k < Network::connections_count; ++k) {
            if (k != c && (m_.lane_of(c) < 0 || m_.lane_of(k) != m_.lane_of(c))) continue;
            const std::int64_t targets = Network::populations_info()[info(k).target_population].size;
            const Tiling tiling = sharing_.tiling_of(k);
            synapses += static_cast<double>(m_.store(k).synapses.count());
            sources_and_tiles += static_cast<double>(m_.store(k).synapses.sources()) * tiling.count(targets);
        }
        return looked_up_by_spikes(synapses, sources_and_tiles);
    }
    // Of a matrix or a vector.
    const AlignedBuffer<Real>* numbers_of(int c) const {
        if (info(c).format == neurons::Format::dense) return &m_.matrices[static_cast<std::size_t>(c)][0];
        if (info(c).format == neurons::Format::one_to_one && !info(c).shared) return &m_.vectors[static_cast<std::size_t>(c)];
        return nullptr;
    }

    neurons::Memory<Real>& m_;
    const Sharing<Network>& sharing_;
    DeviceMemory& memory_;
    Connector<Network> connector_;
    List<std::unique_ptr<DeviceColumns<Real>>> columns_;  // by connection; of those that own synapses
    List<std::unique_ptr<DeviceTileRows<Real>>> rows_;    // by connection; of those delivered by spikes
    List<std::unique_ptr<MadeRows<Real>>> made_;          // by connection; of those that are not stored
    DeviceArrays<Real> synapse_fields_{memory_, Network::synapse_fields + 1, "the synapses' numbers"};
    DeviceArrays<Real> weights_{memory_, Network::connections_count + 1, "the weights"};
    List<char> field_newer_ = List<char>(Network::synapse_fields + 1, 1);  // on the host than on the device
    List<char> moved_ = List<char>(Network::synapse_fields + 1, 0);        // numbers of synapses that the device has newer ones of
    List<char> pushed_ = List<char>(Network::connections_count + 1, 0);    // by connection
};

}  // namespace cuda
}  // namespace sncc
