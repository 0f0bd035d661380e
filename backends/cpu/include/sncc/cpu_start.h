// A sample before its first step: states, delayed values and accumulators, values handed over.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "sncc/engine.h"
#include "sample.h"
#include "sncc/list.h"

namespace sncc {
namespace cpu {

// In the initial state.
template <typename Network>
void start_state(Sample<Network>& s, const typename Network::Arrays& arrays, std::uint64_t seed, std::uint32_t trial) {
    std::memset(static_cast<void*>(&s.state), 0, sizeof s.state);
    s.clear_readings();
    Network::start(arrays, seed, trial, s.state);
}
template <typename Network>
void begin_series(Sample<Network>& s) {
    for (int k = 0; k < Network::series_count; ++k)
        s.series[k].begin(Network::series_sizes()[k], padded(Network::series_sizes()[k]), std::max<std::int64_t>(Network::most_delay, 1), Network::delivered(s.state, k),
                          s.kept_of(Network::series_thinned()[k]));
}
template <typename Network>
void clear_rings(Sample<Network>& s, const List<SynapseRows>& rows) {
    for (int r = 0; r < Network::rows_count; ++r)
        if (Network::rows()[r].delays >= 0) s.rings[r].clear(rows[r].slots(), Network::row_targets()[r]);
}
// The longest delay, those of each synapse among them.
template <typename Network>
std::int64_t most_delay(const List<SynapseRows>& rows) {
    std::int64_t most = Network::most_delay;
    for (int r = 0; r < Network::rows_count; ++r)
        if (Network::rows()[r].delays >= 0) most = std::max(most, rows[r].most_delay());
    return most;
}
// What is on its way after step n over synapses with delays of their own, from what was emitted until then, added up in the same order:
// the steps are delivered once more, as many as nothing stays on its way longer.
template <typename Network>
void refill_rings(Sample<Network>& s, const Parameters<typename Network::Real>& p, std::int64_t n) {
    using Real = typename Network::Real;
    std::int64_t slots = 0;
    std::size_t targets = 0;
    for (int r = 0; r < Network::rows_count; ++r)
        if (Network::rows()[r].delays >= 0) slots = std::max(slots, p.rows[r].slots()), targets = std::max(targets, static_cast<std::size_t>(Network::row_targets()[r]));
    if (slots == 0) return;
    clear_rings(s, p.rows);
    List<Real> unused(targets);
    for (std::int64_t m = std::max<std::int64_t>(1, n - slots + 2); m <= n; ++m) Network::deliver_delays(p, s, m, unused.data());
}
// A sample's values of a signal, in the consistent system.
template <typename Real>
void copy_values(Real* to, std::int64_t stride, const SourceData& source, std::int64_t sample, std::int64_t size, std::int64_t steps, double si) {
    const double* from = source.values + source.value_starts[sample] * size;
    for (std::int64_t n = 0; n < steps; ++n)
        for (std::int64_t i = 0; i < size; ++i) to[n * stride + i] = static_cast<Real>(from[n * size + i] / si);
}

}  // namespace cpu
}  // namespace sncc
