// Connections whose delays need not be whole steps. A synapse after the other: right, not fast.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sncc/cpu_gather.h"
#include "sncc/delays.h"
#include "sncc/layout.h"
#include "sample.h"

namespace sncc {
namespace cpu {

template <typename Real, typename Lists>
void deliver_interpolated(Real* into, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays, const Lists& source,
                          std::int64_t n) {
    for (std::int64_t d = delays.most; d >= delays.least; --d) {
        const SpikesOfStep spikes = source.at(n - d);
        for (int k = 0; k < spikes.count; ++k)
            for (int j = 0; j < layout.columns; ++j) {
                const std::int64_t e = layout.index(static_cast<int>(spikes.indices[k]), j);
                into[j] += weights[e] * delays.at(e).part_at(d);
            }
    }
}
template <typename Real, typename Lists>
void deliver_interpolated_one_to_one(Real* into, const Real* weights, const TileLayout<Real>&, const FractionalDelays<Real>& delays, const Lists& source,
                                     std::int64_t n) {
    for (std::int64_t d = delays.most; d >= delays.least; --d) {
        const SpikesOfStep spikes = source.at(n - d);
        for (int k = 0; k < spikes.count; ++k) {
            const std::uint32_t i = spikes.indices[k];
            into[i] += weights[i] * delays.at(i).part_at(d);
        }
    }
}

namespace detail {
// The adjoint of neuron j of the target at step n, zero before the sample's first step and beyond its end.
template <typename Network>
typename Network::Real adjoint_at(Tile<Network>& tile, int index, const SlotPlace& slot, std::int64_t n, int j) {
    return n < 1 || n > tile.samples[index].steps ? 0 : tile.slot(slot.column, slot.width, n, index)[slot.offset + j];
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

// The same of values: each synapse reads what its source was at two steps.
template <typename Real>
void deliver_interpolated_values(Real* into, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays,
                                 const StepValues<Real>& source, std::int64_t n, int sources) {
    for (int i = 0; i < sources; ++i)
        detail::for_synapses(layout, sources, i, [&](int j, std::int64_t e) {
            const auto delay = delays.at(e);
            into[j] += weights[e] * delay.between(source.at(n - delay.whole)[i], source.at(n - delay.whole - 1)[i]);
        });
}

template <typename Network, typename Real>
void transpose_interpolated(Real* into, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays, Tile<Network>& tile,
                            int index, const SlotPlace& slot, std::int64_t n, int sources) {
    for (int i = 0; i < sources; ++i) {
        Real sum = 0;
        detail::for_synapses(layout, sources, i, [&](int j, std::int64_t e) {
            const auto delay = delays.at(e);
            const Real here = detail::adjoint_at(tile, index, slot, n + delay.whole, j), next = detail::adjoint_at(tile, index, slot, n + delay.whole + 1, j);
            sum += weights[e] * delay.between(here, next);
        });
        into[i] += sum;
    }
}

// For the listed neurons of the source alone, those that fired at step n.
template <typename Network, typename Real>
void transpose_rounded(Real* into, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays, Tile<Network>& tile,
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
void gather_arrival_times(Real* of_delays, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays, Tile<Network>& tile,
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
void gather_interpolated(Real* gradient, Real* of_delays, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays,
                         Tile<Network>& tile, int index, const SlotPlace& slot, const Lists& source, int sources) {
    for (std::int64_t n = tile.from + 1; n <= std::min(tile.to, tile.samples[index].steps); ++n) {
        const SpikesOfStep spikes = source.at(n);
        for (int k = 0; k < spikes.count; ++k)
            detail::for_synapses(layout, sources, static_cast<int>(spikes.indices[k]), [&](int j, std::int64_t e) {
                const auto delay = delays.at(e);
                const Real here = detail::adjoint_at(tile, index, slot, n + delay.whole, j), next = detail::adjoint_at(tile, index, slot, n + delay.whole + 1, j);
                if (gradient) gradient[e] += delay.between(here, next);
                if (of_delays) of_delays[e] += delays.slope(weights[e], here, next);
            });
    }
}
template <typename Network, typename Real>
void gather_interpolated(Real* gradient, Real* of_delays, const Real* weights, const TileLayout<Real>& layout, const FractionalDelays<Real>& delays,
                         Tile<Network>& tile, int index, const SlotPlace& slot, const StepValues<Real>& source, int sources) {
    if (tile.gathered(index) == 0) return;
    for (std::int64_t n = tile.from == 0 ? 1 - delays.most : tile.from + 1; n <= std::min(tile.to, tile.samples[index].steps); ++n) {
        const Real* const x = source.at(n);
        for (int i = 0; i < sources; ++i)
            detail::for_synapses(layout, sources, i, [&](int j, std::int64_t e) {
                const auto delay = delays.at(e);
                const Real here = detail::adjoint_at(tile, index, slot, n + delay.whole, j), next = detail::adjoint_at(tile, index, slot, n + delay.whole + 1, j);
                if (gradient) gradient[e] += x[i] * delay.between(here, next);
                if (of_delays) of_delays[e] += x[i] * delays.slope(weights[e], here, next);
            });
    }
}

}  // namespace cpu
}  // namespace sncc
