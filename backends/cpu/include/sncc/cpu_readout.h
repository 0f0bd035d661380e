// What the losses see of a sample on the CPU: at each step, at its end, and what goes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <tuple>

#include "sncc/math.h"
#include "sample.h"

namespace sncc {
namespace cpu {

template <typename Readout>
bool in_window(std::int64_t n) {
    return Readout::first < n && (Readout::last < 0 || n <= Readout::last);
}

// Whether there is a loss at step n: a label, where the loss reads one.
template <typename Readout, typename Network>
bool has_loss(const Sample<Network>& s, std::int64_t n) {
    return Readout::reads_labels ? s.labels(n) : s.classes || s.targets;
}

// The label at step n as targets: one-hot, times the class's weight, or values.
template <typename Network, typename Reading>
void set_target(const Sample<Network>& s, Reading& r, std::int64_t n) {
    using Real = typename Network::Real;
    if constexpr (!Reading::Readout::reads_labels) return;
    if (s.classes) {
        for (int j = 0; j < Network::outputs; ++j) r.target[j] = 0;
        const std::int32_t label = s.classes[s.label_per_step ? n - 1 : 0];
        if (label >= 0) r.target[label] = Reading::Readout::weight(label);
    } else {
        const double* row = s.targets + (s.label_per_step ? (n - 1) * Network::outputs : 0);
        for (int j = 0; j < Network::outputs; ++j) r.target[j] = static_cast<Real>(row[j]);
    }
}

// The sum of the outputs' numbers, in their order.
template <int Count, typename Real>
SNCC_INLINE Real sum_of(const Real* terms) {
    Real sum = 0;
    for (int j = 0; j < Count; ++j) sum += terms[j];
    return sum;
}

// The largest of the outputs' numbers: 16 candidates at a time, as a comparison has no order to keep.
template <int Count, typename Real>
SNCC_INLINE Real most_of(const Real* terms) {
    Real most[16];
    for (int j = 0; j < 16; ++j) most[j] = j < Count ? terms[j] : terms[0];
    for (int first = 16; first + 16 <= Count; first += 16)
        for (int j = 0; j < 16; ++j) most[j] = m_max(most[j], terms[first + j]);
    for (int j = Count / 16 * 16; j < Count; ++j) most[j % 16] = m_max(most[j % 16], terms[j]);
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) most[j] = m_max(most[j], most[j + half]);
    return most[0];
}

// The class that a readout names: where scale times its variable is largest.
template <typename Readout, typename Real>
int named(const Real* x) {
    const Real* const end = x + Readout::outputs;
    return static_cast<int>((Readout::scale < 0 ? std::min_element(x, end) : std::max_element(x, end)) - x);
}

// After the update of step n: x is the readout's variable; `error` is where the derivative goes, null where none is wanted.
template <typename Network, typename Reading>
void observe(Sample<Network>& s, Reading& r, const typename Network::Real* x, std::int64_t n, typename Network::Real* error) {
    using Readout = typename Reading::Readout;
    constexpr int outputs = Readout::outputs;
    if (error) std::memset(error, 0, sizeof(typename Network::Real) * Reading::width);
    if (!in_window<Readout>(n)) return;
    if constexpr (Readout::reduction == Reduction::maximum) {
        for (int j = 0; j < outputs; ++j)
            if (r.seen == 0 || x[j] > r.reduced[j]) r.reduced[j] = x[j], r.best[j] = n;
    } else if constexpr (Readout::reduction == Reduction::first_spike) {  // a step that is 0 stands for none yet
        for (int j = 0; j < outputs; ++j)
            if (r.best[j] == 0 && x[j] != 0) r.best[j] = n;
    } else if constexpr (Readout::reduction == Reduction::last) {
        for (int j = 0; j < outputs; ++j) r.reduced[j] = x[j];
        r.best[0] = n;
    } else {
        for (int j = 0; j < outputs; ++j) r.reduced[j] += x[j];
    }
    ++r.seen;
    if constexpr (Readout::reduction == Reduction::none) {
        if (!has_loss<Readout>(s, n)) return;
        if (s.label_per_step) set_target(s, r, n);
        r.loss += Readout::loss(x, Readout::before(s), r.target, error);
        ++r.loss_steps;
        ++r.labelled;
        if (s.classes && s.label_per_step) r.correct += named<Readout>(x) == s.classes[n - 1];
    }
}

// At the end of a sample: the loss of the reduced variable, averages, the class.
template <typename Network, typename Reading>
void conclude(Sample<Network>& s, Reading& r) {
    using Readout = typename Reading::Readout;
    constexpr int outputs = Readout::outputs;
    if constexpr (Readout::reduction == Reduction::mean || Readout::reduction == Reduction::none)
        for (int j = 0; j < outputs; ++j) r.reduced[j] /= static_cast<typename Network::Real>(r.seen > 0 ? r.seen : 1);
    if constexpr (Readout::reduction == Reduction::first_spike)
        for (int j = 0; j < outputs; ++j) {
            const std::int64_t step = r.best[j] > 0 ? r.best[j] : Readout::first + r.seen;
            r.reduced[j] = static_cast<typename Network::Real>(Network::step_ms * static_cast<double>(step));
        }
    if constexpr (Readout::reduction == Reduction::none) {
        if (Readout::mean_over_steps && r.loss_steps > 0) r.loss /= static_cast<double>(r.loss_steps);
    } else if (has_loss<Readout>(s, 1)) {
        r.loss = Readout::loss(r.reduced, r.reduced, r.target, r.error);
        r.labelled = 1;
    }
    r.loss *= Readout::factor;
    if (s.classes && !s.label_per_step) {
        const bool counts = s.classes[0] >= 0;
        r.labelled = counts;
        r.correct = counts && named<Readout>(r.reduced) == s.classes[0];
    }
    for (int j = 0; j < outputs; ++j) r.reduced[j] *= static_cast<typename Network::Real>(Readout::scale);
}
// The sum of the losses, after all readouts have concluded.
template <typename Network>
double conclude(Sample<Network>& s) {
    double loss = 0;
    std::apply([&](auto&... reading) { ((conclude(s, reading), loss += reading.loss), ...); }, s.readings);
    return loss;
}

// Adds d(mean loss)/d(variable) of step n, for readout K; that of the largest value so many steps `after` it.
template <int K, int after = 0, typename Network>
void readout_adjoint(Tile<Network>& tile, int index, std::int64_t n, typename Network::Real* into) {
    using Real = typename Network::Real;
    using Readout = std::tuple_element_t<K, typename Network::Readouts>;
    if (!in_window<Readout>(n)) return;
    const Sample<Network>& s = tile.samples[index];
    const auto& r = std::get<K>(s.readings);
    const double scale = tile.scale * Readout::factor;
    if constexpr (Readout::reduction == Reduction::none) {
        const double spread = Readout::mean_over_steps ? static_cast<double>(std::max<std::int64_t>(r.loss_steps, 1)) : 1.0;
        const Real factor = static_cast<Real>(scale / spread);
        const Real* error = tile.template error<Readout>(n, index);
        for (int j = 0; j < Readout::outputs; ++j) into[j] += factor * error[j];
    } else {
        if (!has_loss<Readout>(s, 1)) return;
        const Real factor =
            static_cast<Real>(Readout::reduction == Reduction::mean ? scale / static_cast<double>(r.seen) : scale);
        for (int j = 0; j < Readout::outputs; ++j) {
            bool here = true;
            if (Readout::reduction == Reduction::maximum || Readout::reduction == Reduction::first_spike) here = r.best[j] == n - after;
            if (Readout::reduction == Reduction::last) here = r.best[0] == n;
            if (here) into[j] += factor * r.error[j];
        }
    }
}

}  // namespace cpu
}  // namespace sncc
