// The neuron-parallel engine on a GPU. What is built, set, started and stored is the C++ half's, on the host, with one worker; here the
// network goes to the device, runs there, and comes back when somebody asks for it. Most drawn synapses are made on the device alone.
//
// A run is one cooperative launch whose threads meet across the grid, or, where its blocks are not resident at once, a launch for each
// stretch between two meetings.
#pragma once

#include <cstdlib>
#include <cstring>

#include "sncc/cuda_connector.h"
#include "sncc/cuda_finite.h"
#include "sncc/cuda_run.h"
#include "sncc/cuda_steps.h"
#include "sncc/cuda_tiles.h"
#include "sncc/list.h"
#include "sncc/neuron_engine.h"

namespace sncc {
namespace cuda {

template <typename Network>
class CudaNeuronEngine final : public neurons::NeuronEngine<typename Network::Real> {
    using Real = typename Network::Real;
    using Base = neurons::NeuronEngine<Real>;
    using Course = typename Base::Course;
    using Base::m_;

public:
    explicit CudaNeuronEngine(int threads) : Base(neurons::tables_of<Network>(), threads, 1, false), field_newer_(Network::synapse_fields + 1, true) {
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&cooperates_, cudaDevAttrCooperativeLaunch, 0), "cudaDeviceGetAttribute");
        int shared = 0;
        check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
        const std::int64_t left = shared - static_cast<std::int64_t>(SharedLayout<Network>::cells + STATIC_SHARED);
        m_.elsewhere = &connector_;
        most_counted_cells_ = std::min<std::int64_t>(most_counted_cells_, std::max<std::int64_t>(left, 0) / static_cast<std::int64_t>(sizeof(unsigned)));
    }

    void set_parameter(int k, const double* values) override {
        fetch();
        Base::set_parameter(k, values);
        const neurons::ParameterInfo& info = Network::parameters_info()[k];
        numbers_newer_ = true;
        structure_newer_ |= info.delays_of >= 0;
        for (int f = 0; f < Network::synapse_fields; ++f) field_newer_[static_cast<std::size_t>(f)] |= Network::synapse_fields_info()[f].parameter == k;
    }
    void get_parameter(int k, double* values) override {
        fetch();
        Base::get_parameter(k, values);
    }
    void get_synapse_state(int connection, int state, double* values) override {
        fetch();
        Base::get_synapse_state(connection, state, values);
    }
    // A run that fails before it begins leaves the network as it was.
    void simulate(const Simulation& simulation) override {
        const bool fresh = !this->started_ || !simulation.resume;
        const List<GivenInput<Real>> before = m_.inputs;
        try {
            Base::simulate(simulation);
        } catch (...) {
            if (fresh)
                this->reset();
            else
                m_.inputs = before;
            throw;
        }
    }
    bool states_are_finite(const Description& about) override {
        if (!device_newer_) return Base::states_are_finite(about);
        int found = 0;
        found_.put(&found, 1);
        Network::launch_look({looked_at_.data(), states_, found_.data()}, multiprocessors_, look_threads, compute_);
        check(cudaStreamSynchronize(compute_), "cudaStreamSynchronize", "the simulation");
        found_.take(&found, 1);
        return found == 0;
    }
    List<double> state_of(int population, int number, std::int64_t size) override {
        fetch_states();
        return Base::state_of(population, number, size);
    }
    void get_state(unsigned char* bytes, std::size_t size) override {
        fetch();
        Base::get_state(bytes, size);
    }
    void set_state(const unsigned char* bytes, std::size_t size) override {
        Base::set_state(bytes, size);
        state_newer_ = true, device_newer_ = false;
        moved_.assign(moved_.size(), false);
        field_newer_.assign(field_newer_.size(), true);
    }

protected:
    void start(const Simulation& simulation) override {
        fetch_states();
        for (int f = 0; f < Network::synapse_fields; ++f)  // those that the host does not have go on from where they are
            if (!m_.store(Network::synapse_fields_info()[f].connection).is_counted()) fetch_field(f);
        Base::start(simulation);
        state_newer_ = true;
        for (int f = 0; f < Network::synapse_fields; ++f) field_newer_[static_cast<std::size_t>(f)] |= Network::synapse_fields_info()[f].initial != nullptr;
    }

    void follow(const Simulation& simulation) override {
        Base::follow(simulation);
        for (int f = 0; f < Network::synapse_fields; ++f)
            field_newer_[static_cast<std::size_t>(f)] |= Network::synapse_fields_info()[f].initial && !Network::synapse_fields_info()[f].moves;
    }

    void advance(const Course& course, std::int64_t first, std::int64_t last) override {
        send();
        while (first < last) {
            const std::int64_t to = first + std::min(last - first, steps_.steps_at_once(course));
            steps_.lay_out(view_, course, this->done_, first, to, reinterpret_cast<const Real*>(state_.data()));
            described_.reserve(1);
            described_.put(&view_, 1);
            launch(first, to);
            device_newer_ = true, rings_newer_ = false;
            for (int f = 0; f < Network::synapse_fields; ++f) moved_[static_cast<std::size_t>(f)] |= Network::moves(f);
            this->sent_ = first + (to - first - 1) / m_.interval * m_.interval;
            steps_.take_spikes(course, first, to);
            steps_.take_traces(course.simulation, this->done_, first, to);
            first = to;
        }
    }

private:
    // -------------------------------------------------------------------------------------------- to the device
    typename Network::State& state() { return *reinterpret_cast<typename Network::State*>(m_.state.data()); }
    static const neurons::ConnectionInfo& info(int c) { return Network::connections()[c]; }
    static int owner(int c) { return info(c).synapses_of >= 0 ? info(c).synapses_of : c; }

    void send() {
        rings_newer_ |= structure_newer_ || numbers_newer_ || state_newer_;
        if (structure_newer_) send_structure();
        if (numbers_newer_) send_numbers();
        for (int f = 0; f < Network::synapse_fields; ++f) {
            if (!field_newer_[static_cast<std::size_t>(f)]) continue;
            send_field(f);
            field_newer_[static_cast<std::size_t>(f)] = false;
        }
        if (state_newer_) send_state();
        describe();
    }
    void send_structure() {
        share_out();
        columns_.resize(Network::connections_count), rows_.resize(Network::connections_count);
        for (int c = 0; c < Network::connections_count; ++c) pushed_[static_cast<std::size_t>(c)] = is_pushed(c);
        make_synapses();
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
            rows->build(m_.store(c), tiling_of(c), m_.lane_of(c) >= 0, columns_[static_cast<std::size_t>(owner(c))].get(), m_.pool);
        }
        field_newer_.assign(field_newer_.size(), true);
        state_newer_ = true;  // how long the past is kept follows from the delays
        structure_newer_ = false;
        connector_.release();
    }
    // Those that the host has only counted.
    void make_synapses() {
        List<typename Connector<Network>::Making> all;
        for (int c = 0; c < Network::connections_count; ++c) {
            if (!m_.stores[static_cast<std::size_t>(c)].is_counted()) continue;
            std::unique_ptr<DeviceTileRows<Real>>& rows = rows_[static_cast<std::size_t>(c)];
            std::unique_ptr<DeviceColumns<Real>>& columns = columns_[static_cast<std::size_t>(c)];
            const bool pushed = pushed_[static_cast<std::size_t>(c)] != 0, looked_up = has_columns(c);
            if (pushed && !rows) rows = std::make_unique<DeviceTileRows<Real>>(memory_);
            if (looked_up && !columns) columns = std::make_unique<DeviceColumns<Real>>(memory_);
            const int field = info(c).weight_field;
            all.push_back({c, tiling_of(c), pushed ? rows.get() : nullptr, weights_[c], looked_up ? columns.get() : nullptr, field >= 0 ? synapse_fields_[field] : nullptr,
                           info(c).delays >= 0 && delivers(c)});
        }
        connector_.reserve(all);
        for (const auto& making : all) {
            connector_.make(making);
            if (Connector<Network>::checks()) compare(making);
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
    Tiling tiling_of(int c) const { return {tile_words_, first_words_[static_cast<std::size_t>(info(c).target_population)]}; }
    // Synapses have columns where targets look through them, or where they move by themselves.
    bool has_columns(int c) const {
        if (info(c).format != neurons::Format::compressed || owner(c) != c) return false;
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
    bool is_pushed(int c) const {
        if (info(c).format != neurons::Format::compressed || info(c).signal) return false;
        if (m_.lane_of(c) < 0 && info(c).delays >= 0) return false;
        double synapses = 0, sources_and_tiles = 0;
        for (int k = 0; k < Network::connections_count; ++k) {
            if (k != c && (m_.lane_of(c) < 0 || m_.lane_of(k) != m_.lane_of(c))) continue;
            const std::int64_t targets = Network::populations_info()[info(k).target_population].size;
            const Tiling tiling = tiling_of(k);
            synapses += static_cast<double>(m_.store(k).synapses.count());
            sources_and_tiles += static_cast<double>(m_.store(k).synapses.sources()) * tiling.count(targets);
        }
        return looked_up_by_spikes(synapses, sources_and_tiles);
    }
    // Whether it is enough to count what arrives, which spikes of earlier steps tell.
    bool is_counted(int c) const {
        return pushed_[static_cast<std::size_t>(c)] && m_.lane_of(c) < 0 && delivers(c) && info(c).weight_field < 0 && info(c).gain < 0 &&
               (info(c).source_population < 0 || m_.least_delay_of(c) > 0);
    }
    void send_numbers() {
        arrays_.reserve(1);
        arrays_.put(reinterpret_cast<const typename Network::Arrays*>(m_.arrays.data()), 1);
        for (int c = 0; c < Network::connections_count; ++c) {
            const AlignedBuffer<Real>* const from = numbers_of(c);
            if (!from || from->size() == 0) continue;
            weights_[c]->reserve(from->size());
            weights_[c]->put(from->data(), from->size());
        }
        for (int f = 0; f < Network::synapse_fields; ++f)  // copies of kernels
            if (Network::synapse_fields_info()[f].kernel >= 0) field_newer_[static_cast<std::size_t>(f)] = true;
        numbers_newer_ = false;
    }
    // Of a matrix or a vector.
    const AlignedBuffer<Real>* numbers_of(int c) const {
        if (info(c).format == neurons::Format::dense) return &m_.matrices[static_cast<std::size_t>(c)][0];
        if (info(c).format == neurons::Format::one_to_one && !info(c).shared) return &m_.vectors[static_cast<std::size_t>(c)];
        return nullptr;
    }
    void send_state() {
        state_.reserve(1);
        state_.put(&state(), 1);
        for (int f = 0; f < Network::fields_count; ++f) {
            const AlignedBuffer<Real>& values = m_.histories[static_cast<std::size_t>(f)].values;
            if (values.size() == 0) continue;
            histories_[f]->reserve(values.size());
            histories_[f]->put(values.data(), values.size());
        }
        List<LookedAt<Real>> all;
        for (int p = 0; p < this->about_->population_count; ++p)
            for (int k = 0; k < this->about_->populations[p].state_count; ++k)
                all.push_back({on_device(Network::variable(state(), p, k)), this->about_->populations[p].size});
        looked_at_.put(all);
        found_.reserve(1);
        states_ = static_cast<int>(all.size());
        state_newer_ = false;
    }

    // -------------------------------------------------------------------------------------------- what kernels see
    // Where a number of the states or of the arrays stands on the device.
    template <typename Value>
    Real* on_device(const Value* host) const {
        const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(host), state = reinterpret_cast<std::uintptr_t>(m_.state.data());
        if (at - state < sizeof(typename Network::State)) return reinterpret_cast<Real*>(reinterpret_cast<std::uintptr_t>(state_.data()) + (at - state));
        return reinterpret_cast<Real*>(reinterpret_cast<std::uintptr_t>(arrays_.data()) + (at - reinterpret_cast<std::uintptr_t>(m_.arrays.data())));
    }

    void describe() {
        view_ = {};
        view_.state = state_.data(), view_.arrays = arrays_.data();
        for (int f = 0; f < Network::fields_count; ++f) {
            view_.fields[f] = on_device(m_.fields[static_cast<std::size_t>(f)]);
            const neurons::FieldHistory<Real>& history = m_.histories[static_cast<std::size_t>(f)];
            view_.histories[f] = histories_[f]->data(), view_.history_strides[f] = history.stride, view_.history_masks[f] = history.mask;
        }
        for (int f = 0; f < Network::synapse_fields; ++f) view_.synapse_fields[f] = synapse_fields_[f]->data();
        for (int k = 0; k < Network::parameters; ++k) {
            const List<double>& own = m_.numbers.own[static_cast<std::size_t>(k)];
            view_.numbers[k] = own.empty() ? 0.0 : own[0];
        }
        for (int p = 0; p < Network::populations; ++p)
            if (const Real* const mask = Network::mask(state(), p)) view_.masks[p] = on_device(mask);
        for (int c = 0; c < Network::connections_count; ++c) view_.connections[c] = describe(c);
        describe_rings();
        view_.interval = m_.interval;
        std::copy(first_words_.begin(), first_words_.end(), view_.first_words);
        view_.tile_words = tile_words_, view_.counted_cells = counted_cells();
        for (int c = 0; c < Network::connections_count; ++c) view_.connections[c].counted = view_.counted_cells > 0 && is_counted(c);
        for (int k = 0; k < Network::operations_count; ++k) {
            const neurons::Operation& operation = Network::operations()[k];
            view_.delivers[k] = updates, view_.together[k] = operation.action != neurons::Action::update;
            if (operation.action != neurons::Action::deliver) continue;
            const ConnectionView<Real>& c = view_.connections[operation.index];
            view_.delivers[k] = c.pushed && c.handed_on && !c.ends_sum ? nothing : operation.index;
            view_.together[k] = c.pushed && !c.counted && !c.handed_on;
        }
        for (int k = 0; k < Network::operations_count; ++k)
            if (k == 0 || this->hazards_->meets_before(k)) view_.phases[view_.phase_count++] = k;
        view_.phases[view_.phase_count] = Network::operations_count;
    }
    // Shared memory for what is counted ahead: of all steps between two meetings, where there is so much; none where it is not enough for one.
    int counted_cells() const {
        std::int64_t most = 0;  // connections that one tile counts
        for (std::int64_t tile = 0; tile < blocks(); ++tile) {
            std::int64_t counted = 0;
            for (int c = 0; c < Network::connections_count; ++c) {
                const std::int64_t first = first_words_[static_cast<std::size_t>(info(c).target_population)], begin = tile * tile_words_;
                counted += is_counted(c) && begin < first + words_of(info(c).target_population) && begin + tile_words_ > first;
            }
            most = std::max(most, counted);
        }
        const std::int64_t each = most * tile_words_ * 32;
        return each == 0 || each > most_counted_cells_ ? 0 : static_cast<int>(each * std::min<std::int64_t>(m_.interval, most_counted_cells_ / each));
    }
    // What is on its way with a delay per synapse: empty where it has to be found anew, from the spikes of the last steps.
    void describe_rings() {
        for (int r = 0; r < 2 * Network::fields_count; ++r) {
            std::int64_t steps = 0, size = 0;
            for (int c = 0; c < Network::connections_count; ++c)
                if (pushed_[static_cast<std::size_t>(c)] && m_.lane_of(c) == r)
                    steps = std::max(steps, m_.most_delay_of(c) + m_.interval + 1), size = Network::populations_info()[info(c).target_population].size;
            if (steps == 0) continue;
            view_.ring_strides[r] = (size + 31) / 32 * 32, view_.ring_masks[r] = neurons::ring_mask(steps);
            rings_[r]->reserve(static_cast<std::size_t>(view_.ring_strides[r]) * static_cast<std::size_t>(view_.ring_masks[r] + 1));
            if (rings_newer_) rings_[r]->clear();
            view_.rings[r] = rings_[r]->data(), view_.sends = true;
        }
    }
    ConnectionView<Real> describe(int number) {
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

    // Which words of neurons lie side by side: those of populations of which one reads the other's neuron of the same number have the same place.
    void share_out() {
        List<int> leader(Network::populations + 1);
        for (int p = 0; p <= Network::populations; ++p) leader[static_cast<std::size_t>(p)] = p;
        const auto lead = [&](int p) {
            while (leader[static_cast<std::size_t>(p)] != p) p = leader[static_cast<std::size_t>(p)];
            return p;
        };
        const auto join = [&](int a, int b) { leader[static_cast<std::size_t>(std::max(lead(a), lead(b)))] = std::min(lead(a), lead(b)); };
        for (int c = 0; c < Network::connections_count; ++c)
            if (m_.is_local(c)) {
                join(info(c).source_population, info(c).target_population);
                if (info(c).gain >= 0) join(Network::fields_info()[info(c).gain].population, info(c).target_population);
            }
        for (int u = 0; u < Network::synapse_updates_count; ++u) {
            const neurons::SynapseUpdateInfo& update = Network::synapse_updates()[u];
            for (const int* field = update.own; *field >= 0; ++field) join(Network::fields_info()[*field].population, info(update.connection).target_population);
        }
        words_ = 0;
        for (int p = 0; p < Network::populations; ++p) {
            if (lead(p) != p) continue;
            std::int64_t most = 0;
            for (int q = 0; q < Network::populations; ++q)
                if (lead(q) == p) first_words_[static_cast<std::size_t>(q)] = static_cast<int>(words_), most = std::max(most, words_of(q));
            words_ += most;
        }
        words_ = std::max<std::int64_t>(words_, 1);
        tile_words_ = static_cast<int>(std::min<std::int64_t>((words_ + multiprocessors_ - 1) / multiprocessors_, most_tile_words));
    }
    static std::int64_t words_of(int population) { return (Network::populations_info()[population].size + 31) / 32; }
    std::int64_t blocks() const { return (words_ + tile_words_ - 1) / tile_words_; }

    // -------------------------------------------------------------------------------------------- launches
    void launch(std::int64_t first, std::int64_t last) {
        const int threads = 32 * warps(), blocks = static_cast<int>(this->blocks());
        const std::size_t shared = SharedLayout<Network>::cells + sizeof(unsigned) * static_cast<std::size_t>(view_.counted_cells);
        const std::int64_t sent = rings_newer_ ? first - m_.most_delay : this->sent_;
        const StepArguments<Network> all = {described_.data(), first, last, sent, rings_newer_, 0, Network::operations_count};
        if (persists(blocks, threads, shared)) {
            Network::launch_run(all, blocks, threads, shared, compute_);
        } else {
            for (std::int64_t from = first; from < last; from += view_.interval)
                for (int k = 0; k < view_.phase_count; ++k)
                    Network::launch_phase({described_.data(), from, std::min(last, from + view_.interval), from > first ? from - view_.interval : sent,
                                           from == first && rings_newer_, view_.phases[k], view_.phases[k + 1]},
                                          blocks, threads, shared, compute_);
        }
        check(cudaStreamSynchronize(compute_), "cudaStreamSynchronize", "the simulation");
    }
    // Of a block: all find what arrives, a thread a word of spikes or more; those with words of neurons of their own add it up.
    int warps() const {
        if (view_.interval > 1) return most_warps;
        List<std::int64_t> words(static_cast<std::size_t>(Network::populations) + 1, 0);  // of spikes, onto a population
        for (int c = 0; c < Network::connections_count; ++c)
            if (const ConnectionView<Real>& to = view_.connections[c]; to.pushed) words[static_cast<std::size_t>(to.target_population)] += (to.rows.sources + 31) / 32;
        const std::int64_t most = std::max<std::int64_t>(tile_words_, (*std::max_element(words.begin(), words.end()) + 31) / 32);
        return static_cast<int>(std::min<std::int64_t>(most, most_warps));
    }
    // One launch for all steps, or one for each stretch between meetings of the threads.
    bool persists(std::int64_t blocks, int threads, std::size_t shared) const {
        const char* const forced = std::getenv("SNCC_CUDA_FORM");  // persistent or launches: for tests and measurements
        if (!cooperates_ || (forced && std::strcmp(forced, "launches") == 0)) return false;
        return blocks <= std::int64_t(Network::resident_blocks(threads, shared)) * multiprocessors_;
    }

    // -------------------------------------------------------------------------------------------- from the device
    // All that a run changed.
    void fetch() {
        fetch_states();
        for (int f = 0; f < Network::synapse_fields; ++f) fetch_field(f);
    }
    void fetch_field(int f) {
        if (!moved_[static_cast<std::size_t>(f)]) return;
        const int of = owner(Network::synapse_fields_info()[f].connection);
        m_.have_synapses(of);
        columns_[static_cast<std::size_t>(of)]->fetch(*synapse_fields_[f], m_.synapse_fields[static_cast<std::size_t>(f)].parts[0], m_.pool);
        moved_[static_cast<std::size_t>(f)] = false;
    }
    void fetch_states() {
        if (!device_newer_) return;
        state_.take(&state(), 1);
        for (int f = 0; f < Network::fields_count; ++f) {
            AlignedBuffer<Real>& values = m_.histories[static_cast<std::size_t>(f)].values;
            if (values.size()) histories_[f]->take(values.data(), values.size());
        }
        device_newer_ = false;
    }
    static constexpr std::int64_t most_tile_words = 2048;  // a target in its tile is a number of 16 bits

    DeviceMemory memory_{"a network of fewer synapses needs less"};
    Stream compute_{cudaStreamDefault};
    List<std::unique_ptr<DeviceColumns<Real>>> columns_;  // by connection; of those that own synapses
    List<std::unique_ptr<DeviceTileRows<Real>>> rows_;    // by connection; of those delivered by spikes
    DeviceArrays<Real> synapse_fields_{memory_, Network::synapse_fields + 1, "the synapses' numbers"};
    DeviceArrays<Real> weights_{memory_, Network::connections_count + 1, "the weights"};
    DeviceArray<typename Network::State> state_{memory_, "the neurons' states"};
    DeviceArray<typename Network::Arrays> arrays_{memory_, "the neurons' numbers"};
    DeviceArray<LookedAt<Real>> looked_at_{memory_, "the look at states"};
    DeviceArray<int> found_{memory_, "the look at states"};
    int states_ = 0;
    DeviceArrays<Real> rings_{memory_, 2 * Network::fields_count + 1, "what is on its way"};
    DeviceArrays<Real> histories_{memory_, Network::fields_count + 1, "the values of the last steps"};
    DeviceSteps<Network> steps_{memory_, m_};
    Connector<Network> connector_{m_, memory_, compute_, multiprocessors_};
    DeviceArray<NetworkView<Network>> described_{memory_, "the network's tables"};
    NetworkView<Network> view_ = {};
    List<char> field_newer_;  // on the host than on the device
    List<char> pushed_ = List<char>(Network::connections_count + 1, 0);  // by connection
    bool structure_newer_ = true, numbers_newer_ = true, state_newer_ = true, rings_newer_ = true;
    bool device_newer_ = false;  // states
    List<char> moved_ = List<char>(Network::synapse_fields + 1, 0);  // numbers of synapses that the device has newer ones of
    List<int> first_words_ = List<int>(Network::populations + 1, 0);  // by population
    std::int64_t words_ = 1;
    int tile_words_ = 1;
    int multiprocessors_ = 1, cooperates_ = 0;
    std::int64_t most_counted_cells_ = 16384;  // of a block, less where it has not so much shared memory
};

}  // namespace cuda
}  // namespace sncc
