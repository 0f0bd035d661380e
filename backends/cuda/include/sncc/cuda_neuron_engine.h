// The neuron-parallel engine on a GPU. What is built, set, started and stored is the C++ half's, on the host, with one worker; here the
// network goes to the device, runs there, and comes back when somebody asks for it. Most drawn synapses are made on the device alone.
//
// A run is one cooperative launch whose threads meet across the grid, or, where its blocks are not resident at once, a replayed graph of
// launches, one for each stretch between two meetings (cuda_forms.h).
#pragma once

#include "sncc/cuda_finite.h"
#include "sncc/cuda_forms.h"
#include "sncc/cuda_network_synapses.h"
#include "sncc/cuda_sharing.h"
#include "sncc/cuda_steps.h"
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
    explicit CudaNeuronEngine(int threads) : Base(neurons::tables_of<Network>(), threads, 1, false) {
        check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
        int shared = 0;
        check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
        const std::int64_t left = shared - static_cast<std::int64_t>(SharedLayout<Network>::cells + STATIC_SHARED);
        most_counted_cells_ = std::min<std::int64_t>(most_counted_cells_, std::max<std::int64_t>(left, 0) / static_cast<std::int64_t>(sizeof(unsigned)));
    }

    void set_parameter(int k, const double* values) override {
        fetch();
        Base::set_parameter(k, values);
        const neurons::ParameterInfo& info = Network::parameters_info()[k];
        numbers_newer_ = true;
        structure_newer_ |= info.delays_of >= 0;
        for (int f = 0; f < Network::synapse_fields; ++f)
            if (Network::synapse_fields_info()[f].parameter == k) synapses_.is_newer(f);
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
        synapses_.have_not_moved();
        synapses_.all_are_newer();
    }

protected:
    void start(const Simulation& simulation) override {
        fetch_states();
        synapses_.fetch_counted();
        Base::start(simulation);
        state_newer_ = true;
        for (int f = 0; f < Network::synapse_fields; ++f)
            if (Network::synapse_fields_info()[f].begins()) synapses_.is_newer(f);
    }

    void follow(const Simulation& simulation) override {
        Base::follow(simulation);
        for (int f = 0; f < Network::synapse_fields; ++f)
            if (Network::synapse_fields_info()[f].initial && !Network::synapse_fields_info()[f].moves) synapses_.is_newer(f);
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
            synapses_.have_moved();
            this->sent_ = first + (to - first - 1) / m_.interval * m_.interval;
            steps_.take_spikes(course, first, to);
            steps_.take_traces(course.simulation, this->done_, first, to);
            first = to;
        }
    }

private:
    // -------------------------------------------------------------------------------------------- to the device
    typename Network::State& state() { return *reinterpret_cast<typename Network::State*>(m_.state.data()); }

    void send() {
        rings_newer_ |= structure_newer_ || numbers_newer_ || state_newer_;
        if (structure_newer_) {
            sharing_.share_out(m_, multiprocessors_);
            synapses_.send_structure();
            state_newer_ = true;  // how long the past is kept follows from the delays
            structure_newer_ = false;
        }
        if (numbers_newer_) {
            arrays_.reserve(1);
            arrays_.put(reinterpret_cast<const typename Network::Arrays*>(m_.arrays.data()), 1);
            synapses_.send_numbers();
            numbers_newer_ = false;
        }
        synapses_.send_fields();
        if (state_newer_) send_state();
        describe();
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
        for (int f = 0; f < Network::synapse_fields; ++f) view_.synapse_fields[f] = synapses_.numbers(f);
        for (int k = 0; k < Network::parameters; ++k) {
            const List<double>& own = m_.numbers.own[static_cast<std::size_t>(k)];
            view_.numbers[k] = own.empty() ? 0.0 : own[0];
        }
        for (int p = 0; p < Network::populations; ++p)
            if (const Real* const mask = Network::mask(state(), p)) view_.masks[p] = on_device(mask);
        for (int c = 0; c < Network::connections_count; ++c) view_.connections[c] = synapses_.view(c);
        describe_rings();
        view_.interval = m_.interval;
        std::copy(sharing_.first_words.begin(), sharing_.first_words.end(), view_.first_words);
        view_.tile_words = sharing_.tile_words, view_.counted_cells = counted_cells();
        for (int c = 0; c < Network::connections_count; ++c) view_.connections[c].counted = view_.counted_cells > 0 && synapses_.is_counted(c);
        for (int k = 0; k < Network::operations_count; ++k) {
            const neurons::Operation& operation = Network::operations()[k];
            view_.delivers[k] = updates, view_.together[k] = operation.action != neurons::Action::update;
            if (operation.action != neurons::Action::deliver) continue;
            const ConnectionView<Real>& c = view_.connections[operation.index];
            view_.delivers[k] = c.pushed && c.handed_on && !c.ends_sum ? nothing : operation.index;
            view_.together[k] = c.made || (c.pushed && !c.counted && !c.handed_on);
        }
        for (int k = 0; k < Network::operations_count; ++k)
            if (k == 0 || this->hazards_->meets_before(k)) view_.phases[view_.phase_count++] = k;
        view_.phases[view_.phase_count] = Network::operations_count;
    }
    // Shared memory for what is counted ahead: of all steps between two meetings, where there is so much; none where it is not enough for one.
    int counted_cells() const {
        std::int64_t most = 0;  // connections that one tile counts
        for (std::int64_t tile = 0; tile < sharing_.blocks(); ++tile) {
            std::int64_t counted = 0;
            for (int c = 0; c < Network::connections_count; ++c) {
                const int target = Sharing<Network>::target_of(c);
                const std::int64_t first = sharing_.first_words[static_cast<std::size_t>(target)], begin = tile * sharing_.tile_words;
                counted += synapses_.is_counted(c) && begin < first + Sharing<Network>::words_of(target) && begin + sharing_.tile_words > first;
            }
            most = std::max(most, counted);
        }
        const std::int64_t each = most * sharing_.tile_words * 32;
        return each == 0 || each > most_counted_cells_ ? 0 : static_cast<int>(each * std::min<std::int64_t>(m_.interval, most_counted_cells_ / each));
    }
    // What is on its way with a delay per synapse: empty where it has to be found anew, from the spikes of the last steps.
    void describe_rings() {
        for (int r = 0; r < 2 * Network::fields_count; ++r) {
            std::int64_t steps = 0, size = 0;
            for (int c = 0; c < Network::connections_count; ++c)
                if (synapses_.is_pushed(c) && m_.lane_of(c) == r)
                    steps = std::max(steps, m_.most_delay_of(c) + m_.interval + 1), size = Network::populations_info()[Sharing<Network>::target_of(c)].size;
            if (steps == 0) continue;
            view_.ring_strides[r] = (size + 31) / 32 * 32, view_.ring_masks[r] = neurons::ring_mask(steps);
            rings_[r]->reserve(static_cast<std::size_t>(view_.ring_strides[r]) * static_cast<std::size_t>(view_.ring_masks[r] + 1));
            if (rings_newer_) rings_[r]->clear();
            view_.rings[r] = rings_[r]->data(), view_.sends = true;
        }
    }

    // -------------------------------------------------------------------------------------------- launches
    void launch(std::int64_t first, std::int64_t last) {
        const LaunchShape shape = {static_cast<int>(sharing_.blocks()), 32 * warps(), SharedLayout<Network>::cells + sizeof(unsigned) * static_cast<std::size_t>(view_.counted_cells)};
        const std::int64_t sent = rings_newer_ ? first - m_.most_delay : this->sent_;
        forms_.launch(view_, {described_.data(), first, last, sent, rings_newer_, 0, Network::operations_count, nullptr}, shape, multiprocessors_);
        check(cudaStreamSynchronize(compute_), "cudaStreamSynchronize", "the simulation");
    }
    // Of a block: all find what arrives, a thread a word of spikes or more; those with words of neurons of their own add it up.
    int warps() const {
        if (view_.interval > 1) return most_warps;
        for (int c = 0; c < Network::connections_count; ++c)
            if (view_.connections[c].made) return most_warps;  // each draws rows
        List<std::int64_t> words(static_cast<std::size_t>(Network::populations) + 1, 0);  // of spikes, onto a population
        for (int c = 0; c < Network::connections_count; ++c)
            if (const ConnectionView<Real>& to = view_.connections[c]; to.pushed) words[static_cast<std::size_t>(to.target_population)] += (to.rows.sources + 31) / 32;
        const std::int64_t most = std::max<std::int64_t>(sharing_.tile_words, (*std::max_element(words.begin(), words.end()) + 31) / 32);
        return static_cast<int>(std::min<std::int64_t>(most, most_warps));
    }

    // -------------------------------------------------------------------------------------------- from the device
    // All that a run changed.
    void fetch() {
        fetch_states();
        for (int f = 0; f < Network::synapse_fields; ++f) synapses_.fetch_field(f);
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

    DeviceMemory memory_{"a network of fewer synapses needs less"};
    Stream compute_{cudaStreamDefault};
    Sharing<Network> sharing_;
    NetworkSynapses<Network> synapses_{m_, sharing_, memory_, compute_, multiprocessors_};
    DeviceArray<typename Network::State> state_{memory_, "the neurons' states"};
    DeviceArray<typename Network::Arrays> arrays_{memory_, "the neurons' numbers"};
    DeviceArray<LookedAt<Real>> looked_at_{memory_, "the look at states"};
    DeviceArray<int> found_{memory_, "the look at states"};
    int states_ = 0;
    DeviceArrays<Real> rings_{memory_, 2 * Network::fields_count + 1, "what is on its way"};
    DeviceArrays<Real> histories_{memory_, Network::fields_count + 1, "the values of the last steps"};
    DeviceSteps<Network> steps_{memory_, m_};
    DeviceArray<NetworkView<Network>> described_{memory_, "the network's tables"};
    NetworkView<Network> view_ = {};
    Forms<Network> forms_{memory_, compute_};
    bool structure_newer_ = true, numbers_newer_ = true, state_newer_ = true, rings_newer_ = true;
    bool device_newer_ = false;  // states
    int multiprocessors_ = 1;
    std::int64_t most_counted_cells_ = 16384;  // of a block, less where it has not so much shared memory
};

}  // namespace cuda
}  // namespace sncc
