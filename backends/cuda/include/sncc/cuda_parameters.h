// A network's parameters on the device, their gradients and the optimiser's states: where each one stands, and how it is laid out.
#pragma once

#include <algorithm>
#include <utility>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_rows.h"
#include "sncc/engine.h"
#include "sncc/list.h"

namespace sncc {
namespace cuda {

template <typename Number>
void zeros(DeviceArray<Number>& array, std::int64_t count) {
    array.reserve(static_cast<std::size_t>(count) + 16);
    array.clear();
}

// Those that have a number for every synapse stand behind the others, once synapses are built.
template <typename Network>
struct ParametersOnDevice {
    using Real = typename Network::Real;
    DeviceArray<Real> parameters, gathered, gradients, states;
    DeviceArray<Bfloat16> halves;
    List<Shape> shapes;  // those of one number per synapse have their columns when the synapses are built
    List<std::int64_t> offsets;
    LateParameter late[Network::late_count + 1] = {};
    std::int64_t parameter_size = Network::parameter_size, gradient_size = Network::gradient_size, half_size = Network::half_size;

    explicit ParametersOnDevice(DeviceMemory& memory)
        : parameters(memory, "the parameters"), gathered(memory, "the gradients of the weights"), gradients(memory, "the gradients"), states(memory, "the optimiser"),
          halves(memory, "the weights of half the size"), shapes(Network::shapes(), Network::shapes() + Network::parameters),
          offsets(Network::parameter_offsets(), Network::parameter_offsets() + Network::parameters) {
        zeros(parameters, Network::parameter_size);
        if (Network::half_size > 0) zeros(halves, Network::half_size);
        if constexpr (Network::learns) make_room_to_learn();
    }

    void set(int k, const double* values) {
        if (Network::is_half(k))
            copy_in(k, halves, offsets[k], values);
        else
            copy_in(k, parameters, offsets[k], values);
    }
    void get(int k, double* values) const {
        if (Network::is_half(k))
            copy_out(k, halves, offsets[k], values);
        else
            copy_out(k, parameters, offsets[k], values);
    }
    void get_gradient(int k, double* values) const { copy_out(k, gradients, offsets[k], values); }
    void set_state(int k, int state, const double* values) { copy_in(k, states, parameter_size * state + offsets[k], values); }
    void get_state(int k, int state, double* values) const { copy_out(k, states, parameter_size * state + offsets[k], values); }
    const void* weights(int k) const {
        if (Network::is_half(k)) return halves.data() + offsets[k];
        return parameters.data() + offsets[k] + shapes[k].place_of_one();
    }
    void describe(OptimiseArguments<Network>& o) const {
        o.parameters = parameters.data(), o.gathered = gathered.data(), o.gradients = gradients.data(), o.states = states.data(), o.parameter_size = parameter_size;
        std::copy(late, late + Network::late_count + 1, o.late);
    }
    // Behind what is there already, of synapses that have just been built; what these parameters are drawn as.
    List<std::pair<int, List<double>>> make_room_for(Connectivity<Network>& connectivity, const Description& about, std::uint64_t seed) {
        List<Real> known(static_cast<std::size_t>(Network::parameter_size));
        List<Bfloat16> known_halves(static_cast<std::size_t>(Network::half_size));
        parameters.take(known.data(), known.size());
        halves.take(known_halves.data(), known_halves.size());
        List<std::pair<int, List<double>>> drawn;
        connectivity.for_each([&](SynapseRows& rows) {
            for (const int k : {rows.info().weight, rows.info().delays}) {
                if (k < 0 || shapes[k].columns >= 0) continue;
                shapes[k].columns = static_cast<int>(rows.count());
                drawn.emplace_back(k, rows.drawn(about.parameters[k], seed));
                offsets[k] = Network::is_half(k) ? half_size : parameter_size;
                if (Network::is_half(k)) {
                    half_size += shapes[k].size();
                    continue;
                }
                LateParameter& of_synapses = late[Network::late(k)];
                of_synapses = {parameter_size, shapes[k].columns, gradient_size, shapes[k].learnt ? shapes[k].scale : 0.0};
                parameter_size += shapes[k].size(), gradient_size += shapes[k].learnt ? shapes[k].size() : 0;
            }
        });
        zeros(parameters, parameter_size);
        if (half_size > 0) zeros(halves, half_size);
        parameters.put(known.data(), known.size());
        halves.put(known_halves.data(), known_halves.size());
        if constexpr (Network::learns) make_room_to_learn();
        return drawn;
    }

private:
    void make_room_to_learn() {
        zeros(gathered, gradient_size);
        zeros(gradients, parameter_size);
        zeros(states, parameter_size * Network::optimiser_states);
    }
    template <typename Number>
    void copy_in(int k, DeviceArray<Number>& to, std::int64_t offset, const double* values) const {
        const Shape& shape = shapes[k];
        List<Number> padded(static_cast<std::size_t>(shape.size()), shape.shared ? static_cast<Number>(values[0]) : Number(0));
        if (!shape.shared)
            for (int i = 0; i < shape.rows; ++i)
                for (int j = 0; j < shape.columns; ++j)
                    padded[static_cast<std::size_t>(i * shape.stride() + j)] = static_cast<Number>(values[std::int64_t(i) * shape.columns + j]);
        if (shape.apart)
            for (int i = 0; i < shape.rows; ++i) padded[static_cast<std::size_t>(i * shape.stride() + i)] = Number(0);
        to.put(padded.data(), padded.size(), static_cast<std::size_t>(offset));
    }
    template <typename Number>
    void copy_out(int k, const DeviceArray<Number>& from, std::int64_t offset, double* values) const {
        const Shape& shape = shapes[k];
        List<Number> padded(static_cast<std::size_t>(shape.size()));
        from.take(padded.data(), padded.size(), static_cast<std::size_t>(offset));
        if (shape.shared) {
            values[0] = static_cast<double>(padded[static_cast<std::size_t>(shape.place_of_one())]);
            return;
        }
        for (int i = 0; i < shape.rows; ++i)
            for (int j = 0; j < shape.columns; ++j)
                values[std::int64_t(i) * shape.columns + j] = static_cast<double>(padded[static_cast<std::size_t>(i * shape.stride() + j)]);
    }
};

}  // namespace cuda
}  // namespace sncc
