// The neuron-parallel engine on a GPU. What is built, set, started and stored is the C++ half's, on the host, with one worker; here the
// network goes to the device, runs there, and comes back when somebody asks for it.
//
// A run is one cooperative launch whose threads meet across the grid, or, where its blocks are not resident at once, a launch for each
// stretch between two meetings.
#pragma once

#include <cstdlib>
#include <cstring>

#include "sncc/cuda_columns.h"
#include "sncc/cuda_neurons.h"
#include "sncc/neuron_engine.h"
#include "sncc/neuron_step.h"

namespace sncc {
namespace cuda {

template <typename Network>
class CudaNeuronEngine final : public neurons::NeuronEngine<Network> {
    using Base = neurons::NeuronEngine<Network>;
    using Real = typename Network::Real;
    using Course = typename Base::Course;
    using Base::m_;

public:
    explicit CudaNeuronEngine(int threads) : Base(threads, 1, false), field_newer_(Network::synapse_fields + 1, true) {
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
        check(cudaDeviceGetAttribute(&cooperates_, cudaDevAttrCooperativeLaunch, 0), "cudaDeviceGetAttribute");
    }

    void set_parameter(int k, const double* values) override {
        fetch();
        Base::set_parameter(k, values);
        const neurons::ParameterInfo& info = Network::parameters_info()[k];
        numbers_newer_ = true;
        structure_newer_ |= info.delays_of >= 0;
        if (info.synapse_field >= 0) field_newer_[static_cast<std::size_t>(info.synapse_field)] = true;
    }
    void get_parameter(int k, double* values) override {
        fetch();
        Base::get_parameter(k, values);
    }
    // A run that fails before it begins leaves the network as it was.
    void simulate(const Simulation& simulation) override {
        const bool fresh = !this->started_ || !simulation.resume;
        const std::vector<GivenInput<Real>> before = m_.inputs;
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
    void get_state(unsigned char* bytes, std::size_t size) override {
        fetch();
        Base::get_state(bytes, size);
    }
    void set_state(const unsigned char* bytes, std::size_t size) override {
        Base::set_state(bytes, size);
        state_newer_ = true, device_newer_ = false;
        field_newer_.assign(field_newer_.size(), true);
    }

protected:
    void start(const Simulation& simulation) override {
        fetch();
        Base::start(simulation);
        state_newer_ = true;
        for (int f = 0; f < Network::synapse_fields; ++f) field_newer_[static_cast<std::size_t>(f)] |= Network::synapse_fields_info()[f].initial != nullptr;
    }

    void advance(const Course& course, std::int64_t first, std::int64_t last) override {
        send();
        while (first < last) {
            const std::int64_t to = first + std::min(last - first, steps_at_once(course));
            lay_out(course, first, to);
            launch(first, to);
            device_newer_ = true;
            take_spikes(course, first, to);
            take_traces(course.simulation, first, to);
            first = to;
        }
        this->sent_ = last;
    }

private:
    // -------------------------------------------------------------------------------------------- to the device
    static const neurons::ConnectionInfo& info(int c) { return Network::connections()[c]; }
    static int owner(int c) { return info(c).synapses_of >= 0 ? info(c).synapses_of : c; }

    void send() {
        if (structure_newer_) send_structure();
        if (numbers_newer_) send_numbers();
        for (int f = 0; f < Network::synapse_fields; ++f) {
            if (!field_newer_[static_cast<std::size_t>(f)]) continue;
            const int of = owner(Network::synapse_fields_info()[f].connection);
            columns_[static_cast<std::size_t>(of)]->send(m_.synapse_fields[static_cast<std::size_t>(f)].parts[0], *synapse_fields_[f], m_.pool);
            field_newer_[static_cast<std::size_t>(f)] = false;
        }
        if (state_newer_) send_state();
        describe();
    }
    void send_structure() {
        columns_.resize(Network::connections_count);
        for (int c = 0; c < Network::connections_count; ++c) {
            if (info(c).format != neurons::Format::compressed || owner(c) != c) continue;
            bool delayed = false, by_delay = false;
            for (int k = 0; k < Network::connections_count; ++k) {
                if (info(k).format != neurons::Format::compressed || owner(k) != c) continue;
                delayed |= info(k).delays >= 0, by_delay |= info(k).delays >= 0 && !info(k).signal;
            }
            if (!columns_[static_cast<std::size_t>(c)]) columns_[static_cast<std::size_t>(c)] = std::make_unique<DeviceColumns<Real>>(memory_);
            columns_[static_cast<std::size_t>(c)]->build(m_.store(c), delayed, by_delay, m_.pool);
        }
        field_newer_.assign(field_newer_.size(), true);
        state_newer_ = true;  // how long the past is kept follows from the delays
        structure_newer_ = false;
    }
    void send_numbers() {
        arrays_.reserve(1);
        arrays_.put(m_.arrays.data(), 1);
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
        state_.put(m_.state.data(), 1);
        for (int f = 0; f < Network::fields_count; ++f) {
            const AlignedBuffer<Real>& values = m_.histories[static_cast<std::size_t>(f)].values;
            if (values.size() == 0) continue;
            histories_[f]->reserve(values.size());
            histories_[f]->put(values.data(), values.size());
        }
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
            const std::vector<double>& own = m_.numbers.own[static_cast<std::size_t>(k)];
            view_.numbers[k] = own.empty() ? 0.0 : own[0];
        }
        for (int p = 0; p < Network::populations; ++p)
            if (const Real* const mask = Network::mask(*m_.state.data(), p)) view_.masks[p] = on_device(mask);
        for (int c = 0; c < Network::connections_count; ++c) view_.connections[c] = describe(c);
        view_.interval = m_.interval;
        for (int k = 0; k < Network::operations_count; ++k)
            view_.delivers[k] = Network::operations()[k].action == neurons::Action::deliver ? Network::operations()[k].index : -1;
        for (int k = 0; k < Network::operations_count; ++k)
            if (k == 0 || this->hazards_->meets_before(k)) view_.phases[view_.phase_count++] = k;
        view_.phases[view_.phase_count] = Network::operations_count;
        share_out();
    }
    ConnectionView<Real> describe(int number) {
        const neurons::ConnectionInfo& c = info(number);
        ConnectionView<Real> to = {};
        to.format = c.format, to.one = m_.shared_weights[static_cast<std::size_t>(number)];
        if (c.format == neurons::Format::compressed) {
            to.columns = columns_[static_cast<std::size_t>(owner(number))]->view();
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
        to.ends_sum = to.sum >= 0;
        for (int k = number + 1; k < Network::connections_count; ++k) to.ends_sum &= m_.lane_of(k) != to.sum;
        return to;
    }

    // Which warps own which neurons: populations of which one reads the other's neuron of the same number have the same ones.
    void share_out() {
        std::vector<int> leader(Network::populations + 1);
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
            for (const int* field = update.post; *field >= 0; ++field) join(Network::fields_info()[*field].population, info(update.connection).target_population);
        }
        warps_ = 0;
        for (int p = 0; p < Network::populations; ++p) {
            if (lead(p) != p) continue;
            std::int64_t most = 0;
            for (int q = 0; q < Network::populations; ++q)
                if (lead(q) == p) view_.first_warps[q] = static_cast<int>(warps_), most = std::max(most, Network::populations_info()[q].size);
            warps_ += (most + 31) / 32;
        }
        warps_ = std::max<std::int64_t>(warps_, 1);
    }

    // -------------------------------------------------------------------------------------------- the steps of a launch
    std::int64_t row_size(int p) const {
        const neurons::PopulationInfo& of = Network::populations_info()[p];
        return of.counts ? of.size : (of.size + 31) / 32;
    }
    static bool is_listed(const Course& course, int p) { return course.listed[static_cast<std::size_t>(p)] && Network::populations_info()[p].spiking; }

    std::int64_t steps_at_once(const Course& course) const {
        if (const char* const forced = std::getenv("SNCC_STEPS_AT_ONCE")) return std::max(1, std::atoi(forced));  // for tests
        double bytes = 1;
        for (int p = 0; p < Network::populations; ++p) bytes += is_listed(course, p) ? 4.0 * static_cast<double>(row_size(p)) : 0;
        for (int q = 0; q < Network::sources; ++q) bytes += 8.0 * static_cast<double>(Network::source_sizes()[q].size);
        for (int k = 0; k < course.simulation.trace_count; ++k)
            bytes += static_cast<double>(course.simulation.traces[k].size * static_cast<std::int64_t>(sizeof(Real))) / static_cast<double>(course.simulation.traces[k].every);
        return std::max<std::int64_t>(m_.most_delay, static_cast<std::int64_t>(bytes_at_once / bytes));
    }

    // Steps first + 1 .. last: spikes and inputs of the steps before, inputs of these, room for what they emit and record.
    void lay_out(const Course& course, std::int64_t first, std::int64_t last) {
        const Simulation& s = course.simulation;
        const std::int64_t lead = m_.most_delay, begin = first + 1 - lead, rows = last + 1 - begin;
        view_.seed = s.seed, view_.trial = s.trial, view_.run_begin = this->done_;
        for (int p = 0; p < Network::populations; ++p) {
            view_.populations[p] = {};
            if (!is_listed(course, p)) continue;
            const std::int64_t stride = row_size(p);
            std::vector<std::uint32_t> past(static_cast<std::size_t>(lead * stride), 0);
            const bool counts = Network::populations_info()[p].counts;
            for (std::int64_t n = std::max<std::int64_t>(begin, 1); n <= first; ++n)
                mark(m_.worker[0].spikes[static_cast<std::size_t>(p)].at(n), counts, past.data() + (n - begin) * stride);
            spikes_[p]->reserve(static_cast<std::size_t>(rows * stride));
            spikes_[p]->put(past.data(), past.size());
            view_.populations[p] = {counts ? nullptr : spikes_[p]->data(), counts ? spikes_[p]->data() : nullptr, stride, begin};
        }
        for (int q = 0; q < Network::sources; ++q) hand_over(q, begin, last);
        lay_out_traces(s, first, last);
        described_.reserve(1);
        described_.put(&view_, 1);
    }
    static void mark(const SpikesOfStep& spikes, bool counts, std::uint32_t* row) {
        for (int k = 0; k < spikes.count; ++k) {
            const std::uint32_t i = spikes.indices[k];
            if (counts)
                ++row[i];
            else
                row[i / 32] |= 1u << (i % 32);
        }
    }
    void hand_over(int q, std::int64_t begin, std::int64_t last) {
        const std::int64_t size = Network::source_sizes()[q].size, rows = last + 1 - begin;
        const GivenInput<Real>& given = m_.inputs[static_cast<std::size_t>(q)];
        if (Network::source_sizes()[q].signal) {
            const std::int64_t stride = padded(static_cast<int>(size));
            values_[q]->reserve(static_cast<std::size_t>(rows * stride));
            values_[q]->put(given.values(begin - this->done_), static_cast<std::size_t>(rows * stride));
            view_.values[q] = {values_[q]->data(), stride, begin, last};
            return;
        }
        std::vector<std::uint32_t> counts(static_cast<std::size_t>(rows * size), 0);
        for (std::int64_t n = begin; n <= last; ++n) mark(given.spikes(n - this->done_), true, counts.data() + (n - begin) * size);
        events_[q]->put(counts);
        view_.sources[q] = {nullptr, events_[q]->data(), size, begin};
    }
    // Points of a trace in the steps first + 1 .. last: which is the first, counted from the run's start, and how many.
    struct Points {
        std::int64_t first, count;
    };
    Points points_of(const Trace& trace, std::int64_t first, std::int64_t last) const {
        const std::int64_t before = (first - this->done_) / trace.every;
        return {before + 1, (last - this->done_) / trace.every - before};
    }
    void lay_out_traces(const Simulation& s, std::int64_t first, std::int64_t last) {
        std::size_t total = 0;
        for (int k = 0; k < s.trace_count; ++k) total += static_cast<std::size_t>(points_of(s.traces[k], first, last).count * s.traces[k].size);
        trace_values_.reserve(total + 1);
        std::vector<TraceView<Real>> views;
        Real* to = trace_values_.data();
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& trace = s.traces[k];
            const Points points = points_of(trace, first, last);
            views.push_back({on_device(Network::variable(*m_.state.data(), trace.population, trace.state)), trace.population, trace.every, trace.first, trace.size, points.first, to});
            to += points.count * trace.size;
        }
        traces_.put(views);
        view_.traces = traces_.data(), view_.trace_count = s.trace_count;
    }

    void launch(std::int64_t first, std::int64_t last) {
        int threads = 32;
        while (threads < Network::threads && threads / 32 * multiprocessors_ < warps_) threads *= 2;
        const std::int64_t wanted = (warps_ * 32 + threads - 1) / threads;
        const int blocks = static_cast<int>(std::min<std::int64_t>(wanted, most_blocks));
        const StepArguments<Network> all = {described_.data(), first, last, 0, Network::operations_count};
        if (persists(wanted, threads)) {
            Network::launch_run(all, blocks, threads, compute_);
        } else {
            for (std::int64_t from = first; from < last; from += view_.interval)
                for (int k = 0; k < view_.phase_count; ++k)
                    Network::launch_phase({described_.data(), from, std::min(last, from + view_.interval), view_.phases[k], view_.phases[k + 1]}, blocks, threads, compute_);
        }
        check(cudaStreamSynchronize(compute_), "cudaStreamSynchronize", "the simulation");
    }
    // One launch for all steps, or one for each stretch between meetings of the threads.
    bool persists(std::int64_t blocks, int threads) const {
        const char* const forced = std::getenv("SNCC_CUDA_FORM");  // persistent or launches: for tests and measurements
        if (!cooperates_ || (forced && std::strcmp(forced, "launches") == 0)) return false;
        return blocks <= std::int64_t(Network::resident_blocks(threads)) * multiprocessors_;
    }

    // -------------------------------------------------------------------------------------------- from the device
    void take_spikes(const Course& course, std::int64_t first, std::int64_t last) {
        const std::int64_t begin = first + 1 - m_.most_delay;
        neurons::Worker& worker = m_.worker[0];
        for (int p = 0; p < Network::populations; ++p) {
            if (!is_listed(course, p)) continue;
            const std::size_t number = static_cast<std::size_t>(p);
            const bool recorded = course.recorded[number] != 0, counts = Network::populations_info()[p].counts;
            const std::int64_t from = recorded ? first + 1 : std::max(first + 1, last + 1 - m_.most_delay - m_.interval), stride = row_size(p);
            std::vector<std::uint32_t> rows(static_cast<std::size_t>((last + 1 - from) * stride)), indices;
            spikes_[p]->take(rows.data(), rows.size(), static_cast<std::size_t>((from - begin) * stride));
            for (std::int64_t n = from; n <= last; ++n) {
                indices.clear();
                list(rows.data() + (n - from) * stride, stride, counts, indices);
                worker.spikes[number].begin(n);
                worker.spikes[number].append_list(n, indices.data(), static_cast<std::int64_t>(indices.size()));
                if (recorded) worker.records[number].add({indices.data(), static_cast<int>(indices.size())});
            }
        }
    }
    static void list(const std::uint32_t* row, std::int64_t stride, bool counts, std::vector<std::uint32_t>& to) {
        for (std::int64_t k = 0; k < stride; ++k) {
            if (counts)
                to.insert(to.end(), row[k], static_cast<std::uint32_t>(k));
            else
                for (std::uint32_t left = row[k], bit = 0; left != 0; left >>= 1, ++bit)
                    if (left & 1u) to.push_back(static_cast<std::uint32_t>(k * 32) + bit);
        }
    }
    void take_traces(const Simulation& s, std::int64_t first, std::int64_t last) {
        std::size_t offset = 0;
        for (int k = 0; k < s.trace_count; ++k) {
            const Trace& trace = s.traces[k];
            const Points points = points_of(trace, first, last);
            std::vector<Real> values(static_cast<std::size_t>(points.count * trace.size));
            trace_values_.take(values.data(), values.size(), offset);
            std::copy(values.begin(), values.end(), trace.values + (points.first - 1) * trace.size);
            offset += values.size();
        }
    }
    // All that a run changed.
    void fetch() {
        if (!device_newer_) return;
        state_.take(m_.state.data(), 1);
        for (int f = 0; f < Network::fields_count; ++f) {
            AlignedBuffer<Real>& values = m_.histories[static_cast<std::size_t>(f)].values;
            if (values.size()) histories_[f]->take(values.data(), values.size());
        }
        for (int f = 0; f < Network::synapse_fields; ++f)
            if (Network::moves(f)) {
                const int of = owner(Network::synapse_fields_info()[f].connection);
                columns_[static_cast<std::size_t>(of)]->fetch(*synapse_fields_[f], m_.synapse_fields[static_cast<std::size_t>(f)].parts[0], m_.pool);
            }
        device_newer_ = false;
    }
    static constexpr double bytes_at_once = 64e6;  // of spikes, inputs and records of one launch
    static constexpr std::int64_t most_blocks = 1 << 20;

    DeviceMemory memory_{"a network of fewer synapses needs less"};
    Stream compute_{cudaStreamDefault};
    std::vector<std::unique_ptr<DeviceColumns<Real>>> columns_;  // by connection; of those that own synapses
    DeviceArrays<Real> synapse_fields_{memory_, Network::synapse_fields + 1, "the synapses' numbers"};
    DeviceArrays<Real> weights_{memory_, Network::connections_count + 1, "the weights"};
    DeviceArray<typename Network::State> state_{memory_, "the neurons' states"};
    DeviceArray<typename Network::Arrays> arrays_{memory_, "the neurons' numbers"};
    DeviceArrays<Real> histories_{memory_, Network::fields_count + 1, "the values of the last steps"};
    DeviceArrays<std::uint32_t> spikes_{memory_, Network::populations + 1, "the spikes"}, events_{memory_, Network::sources + 1, "the events"};
    DeviceArrays<Real> values_{memory_, Network::sources + 1, "the signals"};
    DeviceArray<Real> trace_values_{memory_, "the records"};
    DeviceArray<TraceView<Real>> traces_{memory_, "the records"};
    DeviceArray<NetworkView<Network>> described_{memory_, "the network's tables"};
    NetworkView<Network> view_ = {};
    std::vector<char> field_newer_;  // on the host than on the device
    bool structure_newer_ = true, numbers_newer_ = true, state_newer_ = true;
    bool device_newer_ = false;  // states and what moves by itself
    std::int64_t warps_ = 1;
    int multiprocessors_ = 1, cooperates_ = 0;
};

}  // namespace cuda
}  // namespace sncc
