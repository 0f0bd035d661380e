// e-prop forwards in time: a block keeps the eligibility traces of its sample, each thread those of own synapses, and the sample's
// gradient. Memory does not grow with the number of steps.
#pragma once

#include "sncc/cuda_block.h"
#include "sncc/cuda_delivery.h"
#include "sncc/cuda_readout.h"

namespace sncc {
namespace cuda {

// Calls body(row, column, place) for own elements of a matrix whose rows are padded to 16 numbers.
template <typename Body>
__device__ inline void for_elements(int rows, int columns, const Body& body) {
    const std::int64_t stride = (columns + 15) / 16 * 16;
    for (std::int64_t k = threadIdx.x; k < std::int64_t(rows) * columns; k += blockDim.x) {
        const int i = static_cast<int>(k / columns), j = static_cast<int>(k % columns);
        body(i, j, i * stride + j);
    }
}

// What a source emitted at step n, a number per neuron.
template <typename Real>
__device__ inline void write_emitted(Real* to, int size, const EventRows& events, std::int64_t n) {
    for_own(size, [&](int i) {
        int count = 0;
        for_spikes(events, n, [&](std::int64_t source) { count += source == i; });
        to[i] = static_cast<Real>(count);
    });
}
template <typename Real>
__device__ inline void write_emitted(Real* to, int size, const ValueRows<Real>& values, std::int64_t n) {
    const Real* const x = values.row(n);
    for_own(size, [&](int i) { to[i] = x ? x[i] : Real(0); });
}
template <typename Real, typename Spikes>
__device__ inline void write_emitted(Real* to, int size, const Spikes& spikes, std::int64_t n) {
    for_own(size, [&](int i) { to[i] = n < spikes.first ? Real(0) : static_cast<Real>(spikes.fired(n, i)); });
}

// The same of the steps n - least .. n - most, one behind the other, where every synapse has its own delay.
template <typename Real, typename Spikes>
__device__ inline void write_emitted_before(Real* to, int size, const Spikes& spikes, std::int64_t n, std::int64_t least, std::int64_t most) {
    const std::int64_t stride = (size + 15) / 16 * 16;
    for (std::int64_t d = least; d <= most; ++d) write_emitted(to + (d - least) * stride, size, spikes, n - d);
}

// ------------------------------------------------------------------------------------------------ synapses in rows
// How many there are, and the numbers that one for each takes.
template <typename Real>
__device__ inline std::int64_t synapses_of(const DeviceRows<Real>& rows, int sources) {
    return static_cast<std::int64_t>(rows.offsets[sources]);
}
__device__ inline std::int64_t room_of(std::int64_t synapses) { return (synapses + 15) / 16 * 16; }
// Calls body(source, target, number) for own synapses.
template <typename Real, typename Body>
__device__ inline void for_synapses(const DeviceRows<Real>& rows, int sources, const Body& body) {
    const std::int64_t count = synapses_of(rows, sources);
    for (std::int64_t k = threadIdx.x; k < count; k += blockDim.x) body(static_cast<int>(rows.sources[k]), static_cast<int>(rows.targets[k]), k);
}
// Signals times traces, added to the gradient of weights of which each is one synapse's.
template <typename Real>
__device__ inline void add_own_products(Real* gradient, const DeviceRows<Real>& rows, int sources, const Real* signals, const Real* traces) {
    for_synapses(rows, sources, [&](int, int j, std::int64_t k) {
        Real& sum = gradient[rows.element(static_cast<std::uint64_t>(k))];
        sum = m_fma(signals[j], traces[k], sum);
    });
}
// into += what all threads of a block have together, added up in their order by way of `room`.
template <typename Real>
__device__ inline void add_block_total(Real& into, double sum, Real* room) {
    room[threadIdx.x] = static_cast<Real>(sum);
    __syncthreads();
    if (threadIdx.x == 0) {
        double total = 0;
        for (int t = 0; t < static_cast<int>(blockDim.x); ++t) total += static_cast<double>(room[t]);
        into += static_cast<Real>(total);
    }
    __syncthreads();
}
// The same of weights that synapses share: a thread for each of them; of one weight all threads have a part, by way of `room`. product(k): of synapse k.
template <typename Real, typename Product>
__device__ inline void add_shared_sums(Real* gradient, const DeviceRows<Real>& rows, int elements, Real* room, const Product& product) {
    __syncthreads();  // other threads have moved the traces
    if (elements > 1) {
        for_own(elements, [&](int e) {
            double sum = 0;
            for (std::uint64_t q = rows.sharing_offsets[e]; q < rows.sharing_offsets[e + 1]; ++q) sum += product(rows.sharing[q]);
            gradient[e] += static_cast<Real>(sum);
        });
        return;
    }
    double sum = 0;
    for (std::uint64_t q = threadIdx.x; q < rows.sharing_offsets[1]; q += blockDim.x) sum += product(rows.sharing[q]);
    add_block_total(gradient[0], sum, room);
}
template <typename Real>
__device__ inline void add_shared_products(Real* gradient, const DeviceRows<Real>& rows, int elements, const Real* signals, const Real* traces, Real* room) {
    add_shared_sums(gradient, rows, elements, room, [&](std::uint32_t k) { return static_cast<double>(signals[rows.targets[k]]) * static_cast<double>(traces[k]); });
}

// The same of learnt delays, each of one synapse's, or of one that all have.
template <typename Real>
__device__ inline void add_delay_products(Real* gradient, const DeviceRows<Real>& rows, int sources, const Real* signals, const Real* traces) {
    for_synapses(rows, sources, [&](int, int j, std::int64_t k) {
        Real& sum = gradient[rows.delay_elements[k]];
        sum = m_fma(signals[j], traces[k], sum);
    });
}
template <typename Real>
__device__ inline void add_one_delay_products(Real* gradient, const DeviceRows<Real>& rows, int sources, const Real* signals, const Real* traces, Real* room) {
    __syncthreads();  // `room` has been read, traces are there
    double sum = 0;
    for_synapses(rows, sources, [&](int, int j, std::int64_t k) { sum += static_cast<double>(signals[j]) * static_cast<double>(traces[k]); });
    add_block_total(gradient[0], sum, room);
}

// ------------------------------------------------------------------------------------------------ what the loss says
template <typename Readout, typename R>
__device__ inline void count_labels(R& r, const Labels& labels, std::int64_t steps) {
    if (threadIdx.x != 0) return;
    for (std::int64_t n = 1; n <= steps; ++n) r.labels_there += in_window<Readout>(n) && labels.have<Readout>(n);
}
template <typename R>
__device__ inline void forget_errors(R& r) {
    for_own(R::width, [&](int j) { r.error[j] = 0; });
}
// What an error is multiplied by: its share of the mean over the batch, and over the sample's labelled steps.
template <typename Readout, typename R>
__device__ inline typename Readout::Real error_factor(const R& r, int batch) {
    const double spread = Readout::mean_over_steps ? static_cast<double>(r.labels_there > 1 ? r.labels_there : 1) : 1.0;
    return static_cast<typename Readout::Real>(1.0 / static_cast<double>(batch) * Readout::factor / spread);
}
// How much a readout takes of step n.
template <typename Readout>
__device__ inline typename Readout::Real taken(std::int64_t steps, std::int64_t n) {
    using Real = typename Readout::Real;
    if (!in_window<Readout>(n)) return 0;
    const std::int64_t last = Readout::last < 0 || Readout::last > steps ? steps : Readout::last;
    return Readout::reduction == Reduction::mean ? static_cast<Real>(1.0 / static_cast<double>(last - Readout::first)) : Real(1);
}
template <typename Real>
__device__ inline void signal_errors(Real* into, int size, const Real* errors, Real factor, int only) {
    for_own(size, [&](int j) { into[j] = factor * errors[only < 0 ? j : only]; });
}
// By way of weights; `only`: of that output alone (-1: of all).
template <typename Real>
__device__ inline void signal_one_to_one(Real* into, int size, const Real* errors, Real factor, int only, const Real* weights) {
    for_own(size, [&](int j) { into[j] = only < 0 || j == only ? weights[j] * (factor * errors[j]) : Real(0); });
}
// into[j] := the sum over outputs k of weights[j · neuron + k · output] · error[k].
template <typename Real>
__device__ inline void signal_by_matrix(Real* into, int size, const Real* errors, Real factor, int only, int outputs, const Real* weights, int output, int neuron) {
    for_own(size, [&](int j) {
        Real sum = 0;
        for (int k = only < 0 ? 0 : only; k < (only < 0 ? outputs : only + 1); ++k) sum = m_fma(factor * errors[k], weights[std::int64_t(j) * neuron + std::int64_t(k) * output], sum);
        into[j] = sum;
    });
}

// into[i] := the sum over the synapses of neuron first + i of weight · error of the target.
template <typename Real>
__device__ inline void signal_over_synapses(Real* into, int size, const Real* errors, Real factor, int only, const DeviceRows<Real>& rows, int first = 0) {
    for_own(size, [&](int i) {
        Real sum = 0;
        for (std::uint64_t k = rows.offsets[first + i]; k < rows.offsets[first + i + 1]; ++k) {
            const int target = static_cast<int>(rows.targets[k]);
            if (only < 0 || target == only) sum = m_fma(rows.weight(k), factor * errors[target], sum);
        }
        into[i] = sum;
    });
}

// Calls body(i, k, is_there) for own neurons i of so many, k the synapse number `turn` of source first + i, where it has so many.
template <typename Real, typename Body>
__device__ inline void for_turns(int size, int turn, const DeviceRows<Real>& rows, int first, const Body& body) {
    for_own(size, [&](int i) {
        const std::uint64_t k = rows.offsets[first + i] + static_cast<std::uint64_t>(turn);
        body(i, k, k < rows.offsets[first + i + 1]);
    });
}
// The target of a synapse, or, given what these go `onto`, the target of that.
template <typename Real>
__device__ inline std::uint32_t picked_target(const DeviceRows<Real>& rows, std::uint64_t k, const DeviceRows<Real>* onto) {
    return onto ? onto->targets[onto->offsets[rows.targets[k]]] : rows.targets[k];
}
// into[i] := factor times that of the target; 0 where the source has no more synapses.
template <typename Real>
__device__ inline void pick(Real* into, int size, const Real* of, Real factor, int turn, const DeviceRows<Real>& rows, const DeviceRows<Real>* onto, int first = 0) {
    for_turns(size, turn, rows, first, [&](int i, std::uint64_t k, bool is_there) { into[i] = is_there ? factor * of[picked_target(rows, k, onto)] : Real(0); });
}

// The place of the neuron that source i reaches by its synapse number `turn`, or by what these go `onto`; -1 where it has no more.
template <typename Real>
struct Reached {
    const DeviceRows<Real>& rows;
    const DeviceRows<Real>* onto;
    int turn;

    __device__ std::int64_t operator()(int i) const {
        const std::uint64_t k = rows.offsets[i] + static_cast<std::uint64_t>(turn);
        return k < rows.offsets[i + 1] ? static_cast<std::int64_t>(picked_target(rows, k, onto)) : -1;
    }
};
// into[i] := that of synapse number `turn`, by the rows that it reads its neuron over, of the neuron that i reaches (without rows: in the
// neuron's place); 0 where that has no more, or there is none.
template <typename Real, typename Neuron>
__device__ inline void pick_of_reached(Real* into, int size, const Real* of, const Neuron& reached, int turn, const DeviceRows<Real>* reading) {
    for_own(size, [&](int i) {
        const std::int64_t neuron = reached(i);
        const std::uint64_t k = reading && neuron >= 0 ? reading->offsets[neuron] + static_cast<std::uint64_t>(turn) : 0;
        const bool is_there = neuron >= 0 && (!reading || k < reading->offsets[neuron + 1]);
        into[i] = is_there ? of[reading ? reading->targets[k] : static_cast<std::uint32_t>(neuron)] : Real(0);
    });
}

// into[i] := weight times error of the target, of that synapse; the steps after which something arrives over it.
template <typename Real>
__device__ inline void pick_error(Real* into, int size, const Real* errors, Real factor, int turn, const DeviceRows<Real>& rows, int first = 0) {
    for_turns(size, turn, rows, first, [&](int i, std::uint64_t k, bool is_there) { into[i] = is_there ? rows.weight(k) * (factor * errors[rows.targets[k]]) : Real(0); });
}
template <typename Real>
__device__ inline void pick_delay(Real* into, int size, int turn, const DeviceRows<Real>& rows, int first = 0) {
    for_turns(size, turn, rows, first, [&](int i, std::uint64_t k, bool is_there) { into[i] = is_there ? static_cast<Real>(rows.delays[k]) : Real(0); });
}
// A trace of the last so many steps, of which step n stands in turn n.
template <typename Real>
struct KeptTrace {
    Real* values;
    std::int64_t room, steps;

    __device__ Real* at(std::int64_t n) const { return values + (n % steps + steps) % steps * room; }
    // As it was some steps ago, between two steps where a delay is learnt; nothing of what left before the window of truncated credit began.
    __device__ Real before(std::int64_t place, std::int64_t n, Real delay, std::int64_t window) const {
        const std::int64_t ago = static_cast<std::int64_t>(delay);
        const Real rest = delay - static_cast<Real>(ago), here = whole_before(place, n, ago, window);
        return rest > Real(0) ? (Real(1) - rest) * here + rest * whole_before(place, n, ago + 1, window) : here;
    }
    __device__ Real whole_before(std::int64_t place, std::int64_t n, std::int64_t ago, std::int64_t window) const {
        return window > 0 && n > window && ago > (n - 1) % window ? Real(0) : at(n - ago)[place];
    }
};

// into[i] := that of the target of source i, which has at most one; 0 where it has none.
template <typename Real>
__device__ inline void signal_back(Real* into, int size, const Real* told, const DeviceRows<Real>& rows) {
    for_own(size, [&](int i) { into[i] = rows.offsets[i] < rows.offsets[i + 1] ? told[rows.targets[rows.offsets[i]]] : Real(0); });
}

// What the targets of a source's synapses, a number for each, come to.
template <typename Real>
__device__ inline double sum_of_targets(const DeviceRows<Real>& rows, const double* of_targets, int source) {
    double sum = 0;
    for (std::uint64_t k = rows.offsets[source]; k < rows.offsets[source + 1]; ++k) sum += of_targets[rows.targets[k]];
    return sum;
}

// Gradients of the samples, added up in their order, after those that the batch has left before where it `adds`: numbers first .. first + count;
// all are of one parameter.
template <typename Real>
__device__ inline void add_samples(Real* gradient, const Real* of_samples, std::int64_t size, int samples, std::int64_t first, int count, bool adds) {
    for_own(count, [&](int k) {
        Real sum = adds ? gradient[first + k] : Real(0);
        for (int b = 0; b < samples; ++b) sum += of_samples[b * size + first + k];
        gradient[first + k] = sum;
    });
}

}  // namespace cuda
}  // namespace sncc
