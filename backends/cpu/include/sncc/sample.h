// One sample on its way through a network on the CPU, a tile of samples that go back in lockstep, and the readout.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "sncc/aligned.h"
#include "sncc/engine.h"
#include "sncc/layout.h"
#include "sncc/math.h"
#include "lists.h"

namespace sncc {
namespace cpu {

enum class Reduction { none, mean, sum, maximum, last };
enum class Clip { none, norm, value };

struct SourceSize {
    std::int64_t size;
    bool signal;
    double si;
};

// What a parameter is in memory: a matrix of rows x columns in tiles (a vector is one row), or one number.
struct Shape {
    int rows, columns;
    bool shared;   // one number for all
    bool learnt;
    bool weight;   // operations index it, so a shared number is repeated
    double rate, scale, lower, upper;
};

template <typename Real>
TileLayout<Real> layout_of(const Shape& shape) {
    return {shape.rows, shape.columns};
}

// A network's numbers. `own` is what the user sets, `indexed` what operations read.
template <typename Real>
struct Parameters {
    std::vector<AlignedBuffer<Real>> own, repeated;
    std::vector<AlignedBuffer<Real>> transposed;  // rows and columns exchanged, where the reverse phase goes by column

    const Real* weight(int k) const { return repeated[k].size() ? repeated[k].data() : own[k].data(); }
    double number(int k, int element) const { return own[k][is_shared[k] ? 0 : element]; }
    std::vector<char> is_shared;
};

// The loss of one sample as it is gathered over the steps.
template <typename Network>
struct Reading {
    using Real = typename Network::Real;
    static constexpr int width = padded(Network::outputs > 0 ? Network::outputs : 1);

    alignas(64) Real reduced[width];
    alignas(64) Real target[width];
    alignas(64) Real error[width];  // of the end
    std::int64_t best[width];       // the step at which the maximum stood
    std::int64_t seen, loss_steps;   // steps in the window; of them with a loss
    std::int64_t labelled, correct;  // for the accuracy: steps, or the sample
    double loss;

    void clear() {
        std::memset(static_cast<void*>(this), 0, sizeof *this);
    }
};

template <typename Network>
struct Sample {
    using Real = typename Network::Real;

    typename Network::State state;
    std::int64_t steps = 0;
    std::int64_t before = 0;  // steps before the first of this run
    StepLists events[Network::sources + 1];
    StepValues<Real> values[Network::sources + 1];
    EmittedSpikes spikes[Network::populations + 1];
    Reading<Network> reading;
    // labels
    const std::int32_t* classes = nullptr;
    const double* targets = nullptr;
    bool label_per_step = false;

    Real time(std::int64_t n) const { return static_cast<Real>(Network::step_ms * static_cast<double>(before + n - 1)); }
    bool labels(std::int64_t n) const { return targets || (classes && classes[label_per_step ? n - 1 : 0] >= 0); }
};

// Samples whose reverse phases run in lockstep, so that a weight is loaded once for all of them.
template <typename Network>
struct Tile {
    using Real = typename Network::Real;
    static constexpr int size = Network::tile;

    std::unique_ptr<Sample<Network>[]> samples{new Sample<Network>[size]};
    std::unique_ptr<typename Network::Adjoint[]> adjoint{new typename Network::Adjoint[size]};
    AlignedBuffer<Real> tape, errors;
    AlignedBuffer<Real> signals[size][Network::sources + 1];
    std::vector<std::int64_t> channel_offsets[size];
    std::vector<std::uint32_t> channel_steps[size];
    std::int64_t steps = 0;  // of the longest sample
    double scale = 1;        // 1 / samples of the batch

    // Row of a slot at step n of sample s; `column` counts the numbers per step of the slots before it.
    Real* slot(std::int64_t column, int width, std::int64_t n, int s) {
        return tape.data() + (column * steps + (n - 1) * width) * size + std::int64_t(s) * width;
    }
    Real* error(std::int64_t n, int s) { return errors.data() + ((n - 1) * size + s) * Reading<Network>::width; }
    void allocate(std::int64_t columns, std::int64_t longest, bool keep) {
        steps = longest;
        const std::size_t reals = static_cast<std::size_t>(columns * longest * size);
        if (keep && tape.size() < reals) tape = AlignedBuffer<Real>(reals);
        const std::size_t most = static_cast<std::size_t>(longest * size * Reading<Network>::width);
        if (keep && Network::outputs > 0 && errors.size() < most) errors = AlignedBuffer<Real>(most);
    }
};

// ------------------------------------------------------------------------------------------------ the readout
template <typename Network>
bool in_window(std::int64_t n) {
    return Network::first < n && (Network::last < 0 || n <= Network::last);
}

// The label at step n as targets: one-hot, or values.
template <typename Network>
void set_target(Sample<Network>& s, std::int64_t n) {
    Reading<Network>& r = s.reading;
    using Real = typename Network::Real;
    if (s.classes) {
        for (int j = 0; j < Network::outputs; ++j) r.target[j] = 0;
        const std::int32_t label = s.classes[s.label_per_step ? n - 1 : 0];
        if (label >= 0) r.target[label] = 1;
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

template <typename Real>
int largest(const Real* x, int count) {
    return static_cast<int>(std::max_element(x, x + count) - x);
}

// After the update of step n: x is the readout's variable; `error` is where the derivative goes, null where none is kept.
template <typename Network>
void observe(Sample<Network>& s, const typename Network::Real* x, std::int64_t n, typename Network::Real* error) {
    constexpr int outputs = Network::outputs;
    if (error) std::memset(error, 0, sizeof(typename Network::Real) * Reading<Network>::width);
    if (!in_window<Network>(n)) return;
    Reading<Network>& r = s.reading;
    if constexpr (Network::reduction == Reduction::maximum) {
        for (int j = 0; j < outputs; ++j)
            if (r.seen == 0 || x[j] > r.reduced[j]) r.reduced[j] = x[j], r.best[j] = n;
    } else if constexpr (Network::reduction == Reduction::last) {
        for (int j = 0; j < outputs; ++j) r.reduced[j] = x[j];
        r.best[0] = n;
    } else {
        for (int j = 0; j < outputs; ++j) r.reduced[j] += x[j];
    }
    ++r.seen;
    if constexpr (Network::reduction == Reduction::none) {
        if (!s.labels(n)) return;
        if (s.label_per_step) set_target(s, n);
        r.loss += Network::loss(x, r.target, error ? error : r.error);
        ++r.loss_steps;
        ++r.labelled;
        if (s.classes && s.label_per_step) r.correct += largest(x, outputs) == s.classes[n - 1];
    }
}

// At the end of a sample: the loss of the reduced variable, averages, the class.
template <typename Network>
void conclude(Sample<Network>& s) {
    constexpr int outputs = Network::outputs;
    Reading<Network>& r = s.reading;
    if constexpr (Network::reduction == Reduction::mean || Network::reduction == Reduction::none)
        for (int j = 0; j < outputs; ++j) r.reduced[j] /= static_cast<typename Network::Real>(r.seen > 0 ? r.seen : 1);
    if constexpr (Network::reduction == Reduction::none) {
        if (Network::mean_over_steps && r.loss_steps > 0) r.loss /= static_cast<double>(r.loss_steps);
    } else if (s.labels(1)) {
        r.loss = Network::loss(r.reduced, r.target, r.error);
        r.labelled = 1;
    }
    r.loss *= Network::factor;
    if (s.classes && !s.label_per_step) {
        const bool counts = s.classes[0] >= 0;
        r.labelled = counts;
        r.correct = counts && largest(r.reduced, outputs) == s.classes[0];
    }
}

// Adds d(mean loss)/d(variable) of step n.
template <typename Network>
void readout_adjoint(Tile<Network>& tile, int index, std::int64_t n, typename Network::Real* into) {
    using Real = typename Network::Real;
    if (!in_window<Network>(n)) return;
    const Sample<Network>& s = tile.samples[index];
    const Reading<Network>& r = s.reading;
    const double scale = tile.scale * Network::factor;
    if constexpr (Network::reduction == Reduction::none) {
        const double spread = Network::mean_over_steps ? static_cast<double>(std::max<std::int64_t>(r.loss_steps, 1)) : 1.0;
        const Real factor = static_cast<Real>(scale / spread);
        const Real* error = tile.error(n, index);
        for (int j = 0; j < Network::outputs; ++j) into[j] += factor * error[j];
    } else {
        if (!s.labels(1)) return;
        const Real factor =
            static_cast<Real>(Network::reduction == Reduction::mean ? scale / static_cast<double>(r.seen) : scale);
        for (int j = 0; j < Network::outputs; ++j) {
            bool here = true;
            if (Network::reduction == Reduction::maximum) here = r.best[j] == n;
            if (Network::reduction == Reduction::last) here = r.best[0] == n;
            if (here) into[j] += factor * r.error[j];
        }
    }
}

}  // namespace cpu
}  // namespace sncc
