// Deep R on the GPU: which weights would have changed their sign is found where the optimiser takes its step; to where their synapses move the
// host decides after a batch, as the C++ half does. Each batch waits for the one before, and what moves goes to the host and back.
#pragma once

#include <cstdint>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/cuda_rows.h"
#include "sncc/list.h"
#include "sncc/rewire.h"

namespace sncc {
namespace cuda {

// Where a network's numbers stand on the device.
template <typename Network>
struct NumbersOnDevice {
    using Real = typename Network::Real;
    DeviceArray<Real>&parameters, &states;
    Connectivity<Network>& connectivity;
    const List<Shape>& shapes;
    const List<std::int64_t>& offsets;
    std::int64_t parameter_size;

    List<Real> take(const DeviceArray<Real>& from, int k, std::int64_t first = 0) const {
        List<Real> values(static_cast<std::size_t>(shapes[static_cast<std::size_t>(k)].columns));
        from.take(values.data(), values.size(), place(k, first));
        return values;
    }
    void put(DeviceArray<Real>& to, int k, const List<Real>& values, std::int64_t first = 0) const { to.put(values.data(), values.size(), place(k, first)); }

private:
    std::size_t place(int k, std::int64_t first) const { return static_cast<std::size_t>(first + offsets[static_cast<std::size_t>(k)]); }
};

template <typename Network>
class Rewirer {
    using Real = typename Network::Real;
    using Numbers = NumbersOnDevice<Network>;

public:
    explicit Rewirer(DeviceMemory& memory) : dormant_(memory, "the synapses that move") {}

    // One for each of the numbers that synapses have.
    void make_room(std::int64_t count) {
        if (Network::rewiring_count == 0) return;
        dormant_.reserve(static_cast<std::size_t>(count));
        dormant_.clear();
    }
    char* dormant() const { return dormant_.data(); }
    // Moves those that are; `number` is that of the optimiser's last step. Gives whether there were any.
    bool move(const Numbers& of, std::uint64_t seed, std::uint32_t number) {
        bool any = false;
        for (int r = 0; r < Network::rewiring_count; ++r) any = move(of, Network::rewirings()[r], seed, number) || any;
        if (any) forget();
        return any;
    }
    // What a batch has found that is taken back.
    void forget() { dormant_.clear(); }
    // Synapses that come from elsewhere begin anew.
    static void forget_states(const Numbers& of, int weight) {
        const auto forget = [&](int k, bool) {
            const List<Real> none(static_cast<std::size_t>(of.shapes[static_cast<std::size_t>(k)].columns), Real(0));
            for (int state = 0; state < Network::optimiser_states; ++state) of.put(of.states, k, none, of.parameter_size * state);
        };
        forget(weight, false);
        for_travelling<Network>(weight, forget);
    }

private:
    bool move(const Numbers& of, const Rewiring& about, std::uint64_t seed, std::uint32_t number) {
        const int k = about.parameter;
        List<char> dormant(static_cast<std::size_t>(of.shapes[static_cast<std::size_t>(k)].columns));
        dormant_.take(dormant.data(), dormant.size(), static_cast<std::size_t>(of.offsets[static_cast<std::size_t>(k)] - Network::parameter_size));
        if (!any_of(dormant)) return false;
        const MovedSynapses moved = Mover(of.connectivity.with_weight(k), dormant).move(seed, about.pairs, number);
        of.connectivity.move(k, moved.pre.data(), moved.post.data());
        follow(of, k, dormant, moved.former);
        for_travelling<Network>(k, [&](int other, bool) { follow(of, other, dormant, moved.former); });
        follow_delays(of, delays_with<Network>(k), dormant, moved.former);
        return true;
    }
    static void follow_delays(const Numbers& of, int delays, const List<char>& dormant, const List<std::uint64_t>& former) {
        if (delays < 0 || of.shapes[static_cast<std::size_t>(delays)].shared) return;
        of.connectivity.follow_delays(delays, former);
        follow(of, delays, dormant, former);
    }
    // A number of each synapse, with the optimiser's states for it.
    static void follow(const Numbers& of, int k, const List<char>& dormant, const List<std::uint64_t>& former) {
        List<Real> values = of.take(of.parameters, k);
        follow_synapses(values.data(), former);
        of.put(of.parameters, k, values);
        begin_anew(of, k, dormant, former);
    }
    static void begin_anew(const Numbers& of, int k, const List<char>& dormant, const List<std::uint64_t>& former) {
        for (int state = 0; of.shapes[static_cast<std::size_t>(k)].learnt && state < Network::optimiser_states; ++state) {
            List<Real> moments = of.take(of.states, k, of.parameter_size * state);
            follow_moments(moments.data(), dormant, former);
            of.put(of.states, k, moments, of.parameter_size * state);
        }
    }

    DeviceArray<char> dormant_;  // by synapse: after its last step a sequence finds those that were to move in the midst of it
};

}  // namespace cuda
}  // namespace sncc
