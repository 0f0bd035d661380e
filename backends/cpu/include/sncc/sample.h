// One sample on its way through a network on the CPU, and a tile of samples that go back in lockstep.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <tuple>

#include "sncc/aligned.h"
#include "sncc/list.h"
#include "sncc/packed.h"
#include "sncc/engine.h"
#include "sncc/finite.h"
#include "sncc/layout.h"
#include "sncc/math.h"
#include "sncc/philox.h"
#include "sncc/strips.h"
#include "sncc/table_rows.h"
#include "lists.h"
#include "poisson.h"
#include "synapse_rows.h"

namespace sncc {
namespace cpu {

enum class Reduction { none, mean, sum, maximum, last, first_spike };
// How a weight is stored: in the network's precision, or in 16 bits, one after the other or as rows that are added pack them.
enum class Halves { none, plain, packed };
enum class Clip { none, norm, value };

// What a parameter is in memory: a matrix of rows x columns in tiles (a vector is one row), or one number.
struct Shape {
    int rows, columns;
    bool shared;   // one number for all
    bool learnt;
    bool weight;   // operations index it, so a shared number is repeated
    double rate, scale, lower, upper;
    bool keeps_sign;
    bool apart;  // a square matrix without a neuron's weight to itself: its diagonal is zero
};

// A matrix that gets the change of another parameter added.
struct Follow {
    int matrix, parameter;
    bool transposed;
};

template <typename Real>
TileLayout<Real> layout_of(const Shape& shape) {
    return {shape.rows, shape.columns};
}

// A network's numbers. `own` is what the user sets, `repeated` what operations index where one number is shared.
template <typename Real>
struct Parameters {
    List<AlignedBuffer<Real>> own, repeated;
    List<AlignedBuffer<Bfloat16>> half;       // in place of `own`, where weights have 16 bits
    List<AlignedBuffer<Real>> transposed;  // rows and columns exchanged, where the reverse phase goes by column

    const Real* weight(int k) const { return repeated[k].size() ? repeated[k].data() : own[k].data(); }
    const Bfloat16* half_weight(int k) const { return half[k].data(); }
    double number(int k, int element) const { return own[k][is_shared[k] ? 0 : element]; }
    List<char> is_shared;
    List<SynapseRows> rows;               // of connections whose synapses are rows of targets
    List<List<Real>> rests, slopes;       // of these rows' learnt delays: the part of a step, the derivative by the delay of what comes at the latter
    List<std::int64_t> gradient_offsets;  // by parameter, -1: none
    List<std::int64_t> trace_starts;      // of a sample's traces for synapses in rows, update by update
    std::int64_t trace_size = 0;                 // of all traces of a sample
};

// Traces whose number is known when synapses are built, all of one update: for synapses in rows, or (-1) of so many numbers each; along
// rows there are so many for each synapse that a source has at most, and for each of these so many `around`, where a loop is inside of another one.
// Those of `steps` are kept of as many steps as the delays of these rows.
struct LateTraces {
    int rows;
    std::int64_t size;
    int count, along, steps, around = -1;
};

// The numbers of one trace.
template <typename Real>
std::int64_t room_of_traces(const Parameters<Real>& p, const LateTraces& late) {
    return late.rows < 0 ? late.size : room_of(p.rows[static_cast<std::size_t>(late.rows)]);
}
// Of how many steps they are kept.
template <typename Real>
std::int64_t steps_of_traces(const Parameters<Real>& p, const LateTraces& late) {
    return late.steps < 0 ? 1 : p.rows[static_cast<std::size_t>(late.steps)].most_delay() + 1;
}
// The synapses of the source that has most of them.
template <typename Real>
std::int64_t most_of_a_source(const Parameters<Real>& p, int rows) {
    return p.rows[static_cast<std::size_t>(rows)].most_of_a_source();
}

// Accumulators of the coming steps, where every synapse has a delay of its own.
template <typename Real>
struct ArrivalRing {
    AlignedBuffer<Real> values;
    std::int64_t stride = 0, slots = 1;

    void clear(std::int64_t steps, std::int64_t targets) {
        stride = targets, slots = steps;
        if (values.size() < static_cast<std::size_t>(steps * targets)) values = AlignedBuffer<Real>(static_cast<std::size_t>(steps * targets));
        values.zero();
    }
    Real* at(std::int64_t n) { return values.data() + n % slots * stride; }
};

// What steps first .. last bring to a population, summed before it comes to the first of them; step n is row `row` + n - first.
template <typename Real>
struct Arrivals {
    const Real* values = nullptr;
    TileLayout<Real> layout{0, 0};
    int row = 0;
    std::int64_t first = 1, last = 0;

    bool has(std::int64_t n) const { return n >= first && n <= last; }
    void add(std::int64_t n, Real* into) const {
        for (int k = 0; k < layout.tiles(); ++k) {
            const Real* SNCC_RESTRICT from = values + layout.tile(k) + (row + n - first) * layout.width(k);
            Real* SNCC_RESTRICT to = into + k * tile_width<Real>;
            for (int j = 0; j < layout.width(k); ++j) to[j] += from[j];
        }
    }
};

// What one readout has seen of a sample, as it is gathered over the steps.
template <typename ReadoutOf>
struct Reading {
    using Readout = ReadoutOf;
    using Real = typename Readout::Real;
    static constexpr int width = padded(Readout::outputs);

    alignas(64) Real reduced[width];
    alignas(64) Real target[width];
    alignas(64) Real error[width];  // of the end
    std::int64_t best[width];       // the step at which the maximum stood
    std::int64_t seen, loss_steps;   // steps in the window; of them with a loss
    std::int64_t labelled, correct;  // for the accuracy: steps, or the sample
    std::int64_t labels_there;       // steps of the window with a label, where that has to be known before
    double loss;

    void clear() {
        std::memset(static_cast<void*>(this), 0, sizeof *this);
    }
};

template <typename Readouts>
struct ReadingsOf;
template <typename... Readouts>
struct ReadingsOf<std::tuple<Readouts...>> {
    using Type = std::tuple<Reading<Readouts>...>;
    static constexpr int width = (0 + ... + Reading<Readouts>::width);  // of the derivatives kept for a step
};

template <typename Network>
struct Sample {
    using Real = typename Network::Real;

    SNCC_COLD Sample() = default;

    typename Network::State state;
    std::int64_t steps = 0;
    std::int64_t before = 0;  // steps before the first of this run
    std::uint64_t seed = 0;   // of numbers drawn in every step
    std::uint32_t trial = 0;
    PoissonTable poisson[Network::populations + 1];
    StepLists events[Network::sources + 1];
    StepValues<Real> values[Network::sources + 1];
    StateSeries<Real> series[Network::series_count + 1];  // of states that synapses deliver
    EmittedSpikes spikes[Network::populations + 1];
    ArrivalRing<Real> rings[Network::rows_count + 1];
    Arrivals<Real> arrivals[Network::arrivals + 1];
    typename ReadingsOf<typename Network::Readouts>::Type readings;
    bool learns = false;      // with dropout
    bool stimulated = false;  // a simulation
    List<Real> kept[Network::thinned + 1];  // 1 for the neurons of a source that are left, else 0
    EmittedSpikes thinned[Network::thinned + 1];   // their spikes
    AlignedBuffer<Real> thinned_values[Network::thinned + 1];
    List<double> rates = List<double>(Network::penalty_size);  // of penalised neurons, kHz
    // of training forwards in time
    AlignedBuffer<Real> traces;
    List<Real> emitted;
    double scale = 1, loss = 0;  // 1 / samples of the batch
    // labels
    const std::int32_t* classes = nullptr;
    const double* targets = nullptr;
    bool label_per_step = false;

    Real time(std::int64_t n) const { return static_cast<Real>(Network::step_ms * static_cast<double>(before + n - 1)); }
    void clear_readings() {
        std::apply([](auto&... reading) { (reading.clear(), ...); }, readings);
    }
    void forget_errors() {
        std::apply([](auto&... reading) { (std::memset(reading.error, 0, sizeof reading.error), ...); }, readings);
    }
    // ---- dropout: connection k's source without the neurons that are left out, where gradients are computed
    StepLists left(int k, const StepLists& whole) const { return learns ? thinned[k].lists() : whole; }
    StepValues<Real> left(int k, const StepValues<Real>& whole) const {
        return learns ? StepValues<Real>{thinned_values[k].data(), whole.stride, whole.first, whole.last} : whole;
    }
    // 1 for each neuron of connection k's source that is left, null where all are.
    const Real* kept_of(int k) const { return learns && k >= 0 ? kept[k].data() : nullptr; }
    void draw_kept() {
        for (int k = 0; k < Network::thinned; ++k) {
            const Thinning& t = Network::thinnings()[k];
            kept[k].resize(static_cast<std::size_t>(t.size));
            for (std::int64_t i = 0; i < t.size; ++i)
                kept[k][static_cast<std::size_t>(i)] = philox(seed, t.stream, static_cast<std::uint32_t>(i), 0, trial).words[0] >= t.threshold ? Real(1) : Real(0);
        }
    }
    void leave_out() {
        for (int k = 0; k < Network::thinned; ++k) {
            const Thinning& t = Network::thinnings()[k];
            thinned[k].clear(1);
            if (t.source < 0) continue;
            if (values[t.source].values)
                thin_values(k, values[t.source], t.size);
            else
                for (std::int64_t n = 1; n <= steps; ++n) thin(k, events[t.source].at(n));
        }
    }
    void thin(int k, const SpikesOfStep& spikes) {
        if (learns) thinned[k].append_where(spikes, kept[k].data());
    }
    void thin_values(int k, const StepValues<Real>& whole, std::int64_t size) {
        AlignedBuffer<Real>& to = thinned_values[k];
        const std::size_t count = static_cast<std::size_t>(whole.stride * steps);
        if (to.size() < count) to = AlignedBuffer<Real>(count);
        for (std::int64_t n = 0; n < steps; ++n)
            for (std::int64_t i = 0; i < whole.stride; ++i)
                to[static_cast<std::size_t>(n * whole.stride + i)] = i < size ? whole.values[n * whole.stride + i] * kept[k][static_cast<std::size_t>(i)] : Real(0);
    }
    void pass_on(int k, Real* into, const Real* credit) const {
        for (std::size_t i = 0; i < kept[k].size(); ++i) into[i] += kept[k][i] * credit[i];
    }

    bool labels(std::int64_t n) const { return targets || (classes && classes[label_per_step ? n - 1 : 0] >= 0); }
};

// Samples whose reverse phases run in lockstep, so that a weight is loaded once for all of them.
template <typename Network>
struct Tile {
    using Real = typename Network::Real;
    static constexpr int size = Network::tile;

    SNCC_COLD Tile() = default;

    std::unique_ptr<Sample<Network>[]> samples{new Sample<Network>[size]};
    std::unique_ptr<typename Network::Adjoint[]> adjoint{new typename Network::Adjoint[size]};
    AlignedBuffer<Real> tape, errors;
    AlignedBuffer<Real> credit;  // on its way back over a connection with dropout
    AlignedBuffer<Real> penalties{std::size_t(size) * (Network::penalty_size + 1)};
    AlignedBuffer<Real> signals[size][Network::sources + 1];
    List<std::int64_t> channel_offsets[size];
    List<std::uint32_t> channel_steps[size];
    JoinedSpikes<Real> joined;
    AlignedBuffer<Real> arrivals[Network::arrivals + 1];
    std::int64_t steps = 0;  // of the longest sample
    std::int64_t origin = 0, room = 0;  // the tape holds steps origin + 1 .. origin + room
    std::int64_t from = 0, to = 0;      // gradients are being gathered over spikes of steps from + 1 .. to
    double scale = 1;        // 1 / samples of the batch

    // Row of a slot at step n of sample s; `column` counts the numbers per step of the slots before it.
    Real* slot(std::int64_t column, int width, std::int64_t n, int s) {
        return tape.data() + (column * room + (n - 1 - origin) * width) * size + std::int64_t(s) * width;
    }
    static constexpr int error_width = ReadingsOf<typename Network::Readouts>::width;
    template <typename Readout>
    Real* error(std::int64_t n, int s) {
        return errors.data() + ((n - 1 - origin) * size + s) * error_width + Readout::error_offset;
    }
    // Derivative of the penalties by a spike of each penalised neuron.
    Real* penalty(int s) { return penalties.data() + std::int64_t(s) * Network::penalty_size; }
    // Steps of sample s over which gradients are being gathered.
    std::int64_t gathered(int s) const { return std::max<std::int64_t>(0, std::min(to, samples[s].steps) - from); }
    void clear_credit(int width) {
        if (credit.size() < static_cast<std::size_t>(width) * size) credit = AlignedBuffer<Real>(static_cast<std::size_t>(width) * size);
        std::memset(credit.data(), 0, sizeof(Real) * static_cast<std::size_t>(width) * size);
    }
    void allocate(std::int64_t rows) {
        room = rows;
        const std::size_t reals = static_cast<std::size_t>(Network::tape_columns * rows * size);
        if (tape.size() < reals) tape.make(reals);
        const std::size_t most = static_cast<std::size_t>(rows * size * error_width);
        if (errors.size() < most) errors.make(most);
    }
};

// ------------------------------------------------------------------------------------------------ numbers per neuron
template <typename Real>
void add_numbers(Real* into, const Real* from, int count) {
    for (int j = 0; j < count; ++j) into[j] += from[j];
}
template <int Samples, typename Real>
void add_products(Real* into, std::int64_t stride, const Real* weights, const Real* from, std::int64_t from_stride, int count) {
    for (int s = 0; s < Samples; ++s)
        for (int j = 0; j < count; ++j) into[s * stride + j] += weights[j] * from[s * from_stride + j];
}
template <typename Real>
void add_products_at(Real* into, const Real* weights, const std::uint32_t* indices, int count, const Real* from) {
    for (int k = 0; k < count; ++k) into[indices[k]] += weights[indices[k]] * from[indices[k]];
}
template <typename Real, std::size_t Size>
void clear(Real (&numbers)[Size]) {
    std::memset(numbers, 0, sizeof numbers);
}
inline void add_counts(double* counts, const StepLists& lists) {
    if (lists.last < lists.first) return;
    const std::int64_t end = lists.offsets[lists.last - lists.first + 1];
    for (std::int64_t e = lists.offsets[0]; e < end; ++e) counts[lists.indices[e]] += 1;
}

}  // namespace cpu
}  // namespace sncc
