// A sample before its first step: states, delayed values and accumulators, values handed over.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "sncc/engine.h"
#include "sample.h"

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
void clear_rings(Sample<Network>& s, const std::vector<SynapseRows>& rows) {
    for (int r = 0; r < Network::rows_count; ++r)
        if (Network::rows()[r].delays >= 0) s.rings[r].clear(rows[r].slots(), Network::row_targets()[r]);
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
