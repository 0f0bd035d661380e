// Connections whose delays need not be whole steps: a delay of k + f steps delivers (1 - f) of the weight at k and f of it
// at k + 1; rounded ones deliver at the nearest step. A synapse after the other: right, not fast.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "sncc/cpu_gather.h"
#include "sncc/layout.h"
#include "sample.h"

namespace sncc {
namespace cpu {

// The delays of a connection, in ms and laid out as its weights, and the steps that they are raised to and may reach.
template <typename Real>
struct Delays {
    const Real* values;
    double step;
    std::int64_t least, most;
    bool rounded;

    struct Split {
        std::int64_t whole;
        Real rest;
    };
    Split at(std::int64_t element) const {
        const double steps = std::min(std::max(static_cast<double>(values[element]) / step, static_cast<double>(least)), static_cast<double>(most - 1));
        if (rounded) return {static_cast<std::int64_t>(std::floor(steps + 0.5)), Real(0)};
        const double whole = std::floor(steps);
        return {static_cast<std::int64_t>(whole), static_cast<Real>(steps - whole)};
    }
};

namespace detail {
// What of a weight arrives d steps after the spike.
template <typename Real>
Real part_at(const typename Delays<Real>::Split& delay, std::int64_t d) {
    return d == delay.whole ? Real(1) - delay.rest : d == delay.whole + 1 ? delay.rest : Real(0);
}
}  // namespace detail

template <typename Real, typename Lists>
void deliver_interpolated(Real* into, const Real* weights, const TileLayout<Real>& layout, const Delays<Real>& delays, const Lists& source,
                          std::int64_t n) {
    for (std::int64_t d = delays.most; d >= delays.least; --d) {
        const SpikesOfStep spikes = source.at(n - d);
        for (int k = 0; k < spikes.count; ++k)
            for (int j = 0; j < layout.columns; ++j) {
                const std::int64_t e = layout.index(static_cast<int>(spikes.indices[k]), j);
                into[j] += weights[e] * detail::part_at<Real>(delays.at(e), d);
            }
    }
}
template <typename Real, typename Lists>
void deliver_interpolated_one_to_one(Real* into, const Real* weights, const TileLayout<Real>&, const Delays<Real>& delays, const Lists& source,
                                     std::int64_t n) {
    for (std::int64_t d = delays.most; d >= delays.least; --d) {
        const SpikesOfStep spikes = source.at(n - d);
        for (int k = 0; k < spikes.count; ++k) {
            const std::uint32_t i = spikes.indices[k];
            into[i] += weights[i] * detail::part_at<Real>(delays.at(i), d);
        }
    }
}

namespace detail {
// The adjoint of neuron j of the target at step n, zero beyond the sample's end.
template <typename Network>
typename Network::Real adjoint_at(Tile<Network>& tile, int index, const SlotPlace& slot, std::int64_t n, int j) {
    return n > tile.samples[index].steps ? 0 : tile.slot(slot.column, slot.width, n, index)[slot.offset + j];
}
// Calls body(source, target, element) for the synapses of neuron i; a vector of weights is one-to-one.
template <typename Real, typename Body>
void for_synapses(const TileLayout<Real>& layout, int sources, int i, const Body& body) {
    if (layout.rows == 1 && sources != 1)
        body(i, std::int64_t(i));
    else
        for (int j = 0; j < layout.columns; ++j) body(j, layout.index(i, j));
}
}  // namespace detail

template <typename Network, typename Real>
void transpose_interpolated(Real* into, const Real* weights, const TileLayout<Real>& layout, const Delays<Real>& delays, Tile<Network>& tile,
                            int index, const SlotPlace& slot, std::int64_t n, int sources) {
    for (int i = 0; i < sources; ++i) {
        Real sum = 0;
        detail::for_synapses(layout, sources, i, [&](int j, std::int64_t e) {
            const auto delay = delays.at(e);
            const Real here = detail::adjoint_at(tile, index, slot, n + delay.whole, j), next = detail::adjoint_at(tile, index, slot, n + delay.whole + 1, j);
            sum += weights[e] * ((Real(1) - delay.rest) * here + delay.rest * next);
        });
        into[i] += sum;
    }
}

// For the listed neurons of the source alone, those that fired at step n.
template <typename Network, typename Real>
void transpose_rounded(Real* into, const Real* weights, const TileLayout<Real>& layout, const Delays<Real>& delays, Tile<Network>& tile,
                       int index, const SlotPlace& slot, std::int64_t n, int sources, const SpikesOfStep& spikes) {
    for (int k = 0; k < spikes.count; ++k) {
        const int i = static_cast<int>(spikes.indices[k]);
        detail::for_synapses(layout, sources, i, [&](int j, std::int64_t e) {
            into[i] += weights[e] * detail::adjoint_at(tile, index, slot, n + delays.at(e).whole, j);
        });
    }
}

// Gradient of rounded delays: weight times the adjoint of the arrival's time, added over the spikes.
template <typename Network, typename Real, typename Lists>
void gather_arrival_times(Real* of_delays, const Real* weights, const TileLayout<Real>& layout, const Delays<Real>& delays, Tile<Network>& tile,
                          int index, const SlotPlace& slot, const Lists& source, int sources) {
    for (std::int64_t n = tile.from + 1; n <= std::min(tile.to, tile.samples[index].steps); ++n) {
        const SpikesOfStep spikes = source.at(n);
        for (int k = 0; k < spikes.count; ++k)
            detail::for_synapses(layout, sources, static_cast<int>(spikes.indices[k]), [&](int j, std::int64_t e) {
                of_delays[e] += weights[e] * detail::adjoint_at(tile, index, slot, n + delays.at(e).whole, j);
            });
    }
}

template <typename Network, typename Real, typename Lists>
void gather_interpolated(Real* gradient, Real* of_delays, const Real* weights, const TileLayout<Real>& layout, const Delays<Real>& delays,
                         Tile<Network>& tile, int index, const SlotPlace& slot, const Lists& source, int sources) {
    for (std::int64_t n = tile.from + 1; n <= std::min(tile.to, tile.samples[index].steps); ++n) {
        const SpikesOfStep spikes = source.at(n);
        for (int k = 0; k < spikes.count; ++k)
            detail::for_synapses(layout, sources, static_cast<int>(spikes.indices[k]), [&](int j, std::int64_t e) {
                const auto delay = delays.at(e);
                const Real here = detail::adjoint_at(tile, index, slot, n + delay.whole, j), next = detail::adjoint_at(tile, index, slot, n + delay.whole + 1, j);
                if (gradient) gradient[e] += (Real(1) - delay.rest) * here + delay.rest * next;
                if (of_delays) of_delays[e] += weights[e] * (next - here) / static_cast<Real>(delays.step);
            });
    }
}

}  // namespace cpu
}  // namespace sncc
