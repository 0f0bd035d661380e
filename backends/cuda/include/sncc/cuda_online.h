// e-prop forwards in time: a block keeps the eligibility traces of its sample, each thread those of own synapses, and the sample's
// gradient. Memory does not grow with the number of steps.
#pragma once

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

// ------------------------------------------------------------------------------------------------ what the loss says
template <typename Readout, typename R>
__device__ inline void count_labels(R& r, const Labels& labels, std::int64_t steps) {
    if (threadIdx.x != 0) return;
    for (std::int64_t n = 1; n <= steps; ++n) r.labels_there += in_window<Readout>(n) && labels.there(n);
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
__device__ inline void signal_errors(Real* into, int size, const Real* errors, Real factor) {
    for_own(size, [&](int j) { into[j] = factor * errors[j]; });
}
template <typename Real>
__device__ inline void signal_one_to_one(Real* into, int size, const Real* errors, Real factor, const Real* weights) {
    for_own(size, [&](int j) { into[j] = weights[j] * (factor * errors[j]); });
}
// into[j] := the sum over outputs k of weights[j · neuron + k · output] · error[k].
template <typename Real>
__device__ inline void signal_by_matrix(Real* into, int size, const Real* errors, Real factor, int outputs, const Real* weights, int output, int neuron) {
    for_own(size, [&](int j) {
        Real sum = 0;
        for (int k = 0; k < outputs; ++k) sum = m_fma(factor * errors[k], weights[std::int64_t(j) * neuron + std::int64_t(k) * output], sum);
        into[j] = sum;
    });
}

// Gradients of the samples, added up in their order: numbers first .. first + count; all are of one parameter.
template <typename Real>
__device__ inline void add_samples(Real* gradient, const Real* of_samples, std::int64_t size, int samples, std::int64_t first, int count) {
    for_own(count, [&](int k) {
        Real sum = 0;
        for (int b = 0; b < samples; ++b) sum += of_samples[b * size + first + k];
        gradient[first + k] = sum;
    });
}

}  // namespace cuda
}  // namespace sncc
