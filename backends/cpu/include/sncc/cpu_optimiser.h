// A step of the optimiser on all parameters, and what goes with it: matrices that follow a weight, synapses that move.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "sncc/cpu_gradients.h"
#include "sncc/cpu_numbers.h"
#include "sncc/list.h"
#include "sncc/rewire.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace cpu {

template <typename Network>
class OptimiserStep {
    using Real = typename Network::Real;

public:
    OptimiserStep(StoredNumbers<Network>& numbers, const ChainGradients<Network>& gradients, ThreadPool& pool)
        : numbers_(numbers), gradients_(gradients), pool_(pool) {}

    void take(double learning_rate_factor) {
        const double limit = Network::clip_limit;
        double norm_factor = 1;
        if (Network::clip == Clip::norm) {
            double squares = 0;
            for (int k = 0; k < Network::parameters; ++k)
                squares += gradients_.squares_of(k);
            norm_factor = std::min(1.0, limit / std::max(std::sqrt(squares), 1e-300));
        }
        List<List<Real>> before;  // of parameters whose change is passed on
        for (int k = 0; k < Network::follow_count; ++k) {
            const AlignedBuffer<Real>& own = numbers_.parameters.own[static_cast<std::size_t>(Network::follows()[k].parameter)];
            before.emplace_back(own.data(), own.data() + own.size());
        }
        for (int k = 0; k < Network::rewiring_count; ++k) {
            const AlignedBuffer<Real>& own = numbers_.parameters.own[static_cast<std::size_t>(Network::rewirings()[k].parameter)];
            before.emplace_back(own.data(), own.data() + own.size());
        }
        ++numbers_.optimiser_step;
        const double rate = Network::learning_rate * learning_rate_factor;
        const typename Network::Scalars scalars(static_cast<double>(numbers_.optimiser_step), rate);
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = numbers_.shapes[static_cast<std::size_t>(k)];
            if (!shape.learnt) continue;
            constexpr std::int64_t block = 16384;
            const std::int64_t size = shape.shared ? 1 : static_cast<std::int64_t>(numbers_.parameters.own[k].size());
            Real* states[Network::optimiser_states + 1];
            for (int state = 0; state < Network::optimiser_states; ++state) states[state] = numbers_.slot(k, state).data();
            pool_.run(static_cast<int>((size + block - 1) / block), [&](int task, int) {
                Network::optimise(numbers_.parameters.own[k].data(), gradients_.of(k), states, task * block,
                                  std::min(size, (task + 1) * block), shape, scalars, static_cast<Real>(rate * shape.rate),
                                  static_cast<Real>(norm_factor));
            });
        }
        for (int k = 0; k < Network::follow_count; ++k) follow(Network::follows()[k], before[static_cast<std::size_t>(k)]);
        for (int k = 0; k < Network::rewiring_count; ++k)
            step_synapses(Network::rewirings()[k], before[static_cast<std::size_t>(Network::follow_count + k)].data(), rate);
        numbers_.change();
    }
    // Synapses whose weights would have changed their sign in the steps that the optimiser has taken give way to others.
    void move() {
        for (int k = 0; k < Network::rewiring_count; ++k) rewire(Network::rewirings()[k]);
    }

private:
    void follow(const Follow& f, const List<Real>& before) {
        const Shape &from = numbers_.shapes[static_cast<std::size_t>(f.parameter)], &to = numbers_.shapes[static_cast<std::size_t>(f.matrix)];
        const TileLayout<Real> source = layout_of<Real>(from), target = layout_of<Real>(to);
        const Real* now = numbers_.parameters.own[static_cast<std::size_t>(f.parameter)].data();
        Real* matrix = numbers_.parameters.own[static_cast<std::size_t>(f.matrix)].data();
        for (int i = 0; i < to.rows; ++i)
            for (int j = 0; j < to.columns; ++j) {
                const std::int64_t at = from.shared ? 0 : f.transposed ? source.index(j, i) : source.index(i, j);
                matrix[target.index(i, j)] += now[at] - before[static_cast<std::size_t>(at)];
            }
    }

    void step_synapses(const Rewiring& about, const Real* before, double rate) {
        const Shape& shape = numbers_.shapes[static_cast<std::size_t>(about.parameter)];
        const std::size_t count = rows_of(about).count();
        Real* weights = numbers_.parameters.own[static_cast<std::size_t>(about.parameter)].data();
        const Walk<Real> walk(about, numbers_.seed, rate * shape.rate, shape.scale);
        step_weights(weights, before, numbers_.dormant[static_cast<std::size_t>(about.parameter)], count, walk, static_cast<std::uint32_t>(numbers_.optimiser_step));
        for_travelling<Network>(about.parameter, [&](int k, bool follows) {
            if (follows) add_changes(numbers_.parameters.own[static_cast<std::size_t>(k)].data(), weights, before, count);
        });
    }
    SNCC_COLD void rewire(const Rewiring& about) {
        const List<char> dormant = std::move(numbers_.dormant[static_cast<std::size_t>(about.parameter)]);
        if (!any_of(dormant)) return;
        Real* weights = numbers_.parameters.own[static_cast<std::size_t>(about.parameter)].data();
        const MovedSynapses moved = Mover(rows_of(about), dormant).move(numbers_.seed, about.pairs, static_cast<std::uint32_t>(numbers_.optimiser_step));
        numbers_.move_synapses(about.parameter, moved.pre.data(), moved.post.data());
        follow_synapses(weights, moved.former);
        begin_anew(about.parameter, dormant, moved.former);
        for_travelling<Network>(about.parameter, [&](int k, bool) {
            follow_synapses(numbers_.parameters.own[static_cast<std::size_t>(k)].data(), moved.former);
            begin_anew(k, dormant, moved.former);
        });
        const int delays = delays_with<Network>(about.parameter);
        if (delays < 0) return;
        numbers_.follow_delays(delays, moved.former);
        begin_anew(delays, dormant, moved.former);
    }
    const SynapseRows& rows_of(const Rewiring& about) const {
        const SynapseRows* rows = nullptr;
        for (const SynapseRows& all : numbers_.parameters.rows)
            if (all.info().weight == about.parameter) rows = &all;
        return *rows;
    }
    // The optimiser's states for a number of each synapse.
    SNCC_COLD void begin_anew(int k, const List<char>& dormant, const List<std::uint64_t>& former) {
        const Shape& shape = numbers_.shapes[static_cast<std::size_t>(k)];
        for (int state = 0; shape.learnt && !shape.shared && state < Network::optimiser_states; ++state)
            follow_moments(numbers_.slot(k, state).data(), dormant, former);
    }

    StoredNumbers<Network>& numbers_;
    const ChainGradients<Network>& gradients_;
    ThreadPool& pool_;
};

}  // namespace cpu
}  // namespace sncc
