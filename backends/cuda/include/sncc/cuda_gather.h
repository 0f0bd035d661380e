// The gradient of one presynaptic neuron, summed by a block over all samples and over the steps in which it fired.
#pragma once

#include "sncc/cuda_block.h"

namespace sncc {
namespace cuda {

constexpr int GATHER_THREADS = 128;

// Notes a parameter of which a thread has summed a gradient that is none.
template <typename Real>
__device__ inline void note_overflow(int* overflown, int parameter, Real sum) {
    const Real zero = sum * Real(0);
    if (!(zero == Real(0))) atomicMin(overflown, parameter);
}
// The same for `count` sums, which the threads have made as `for_own` shares them out.
template <typename Real>
__device__ inline void check_sums(int* overflown, int parameter, const Real* sums, int count) {
    for_own(count, [&](int j) { note_overflow(overflown, parameter, sums[j]); });
}

// What every sample left at its end, added up in their order: `size` numbers each.
__device__ inline void sum_over_samples(double* total, const double* sums, std::int64_t size, int samples, bool adds) {
    for_own(static_cast<int>(size), [&](int e) {
        double sum = adds ? total[e] : 0.0;
        for (int b = 0; b < samples; ++b) sum += sums[b * size + e];
        total[e] = sum;
    });
}

// Adjoints kept on the tape: of sample b at step n, tape + (b * steps + n - 1) * width.
template <typename Real>
struct KeptAdjoint {
    const Real* tape;
    int width, offset;
    std::int64_t steps;

    __device__ const Real* at(int sample, std::int64_t n) const { return tape + (sample * steps + n - 1) * width + offset; }
};

// What a source emitted in the samples of a batch: body(step, number), once for each spike, or for the value, of neuron i in sample b
// that arrives before the sample's end.
template <typename Spikes>
struct SpikesOfBatch {
    Spikes spikes;  // of the first sample, the next one's `stride` numbers later
    std::int64_t stride;

    template <typename Body>
    __device__ void for_each(int b, std::int64_t i, std::int64_t delay, std::int64_t steps, const Body& body) const {
        const Spikes own = spikes.moved(b * stride);
        for (std::int64_t n = 1; n + delay <= steps; ++n)
            for (std::uint32_t left = own.fired(n, static_cast<int>(i)); left > 0; --left) body(n, 1);
    }
};
// Steps (from 0) in which each channel fired: of sample b in times[offsets[b * (channels + 1) + i] ...].
struct TimesOfBatch {
    const std::int64_t* offsets;
    const std::uint32_t* times;
    int channels;

    template <typename Body>
    __device__ void for_each(int b, std::int64_t i, std::int64_t delay, std::int64_t steps, const Body& body) const {
        const std::int64_t* const list = offsets + static_cast<std::int64_t>(b) * (channels + 1) + i;
        for (std::int64_t k = list[0]; k < list[1]; ++k)
            if (times[k] + delay < steps) body(static_cast<std::int64_t>(times[k]) + 1, 1);
    }
};
// Rows of `stride` numbers, of which `lead` are from before the first step.
template <typename Real>
struct ValuesOfBatch {
    const Real* values;
    std::int64_t stride, rows, lead;

    template <typename Body>
    __device__ void for_each(int b, std::int64_t i, std::int64_t delay, std::int64_t steps, const Body& body) const {
        for (std::int64_t n = 1 - (delay < lead ? delay : lead); n + delay <= steps; ++n) body(n, values[(b * rows + n - 1 + lead) * stride + i]);
    }
};

// The gradient of a weight from neuron i to target j, `delay` steps later, added to a sum: over the samples, in order, and over the steps.
template <typename Real, typename Emitted>
struct WeightGradient {
    Emitted emitted;
    const std::int32_t* steps;
    int samples;
    KeptAdjoint<Real> kept;

    __device__ Real add_to(Real sum, std::int64_t i, std::int64_t j, std::int64_t delay) const {
        for (int b = 0; b < samples; ++b)
            emitted.for_each(b, i, delay, steps[b], [&](std::int64_t n, auto number) { sum = m_fma(static_cast<Real>(number), kept.at(b, n + delay)[j], sum); });
        return sum;
    }
};

// A block sums gradient[i, :], of which `gradient` is the first number.
template <typename Real, typename Emitted>
__device__ inline void gather_dense(Real* gradient, int columns, std::int64_t i, const WeightGradient<Real, Emitted>& of, std::int64_t delay, bool adds) {
    for_own(columns, [&](int j) { gradient[j] = of.add_to(adds ? gradient[j] : Real(0), i, j, delay); });
}
// One-to-one connections: a thread per neuron.
template <typename Real, typename Emitted>
__device__ inline void gather_one_to_one(Real* gradient, int count, const WeightGradient<Real, Emitted>& of, std::int64_t delay, bool adds) {
    for_own(count, [&](int i) { gradient[i] = of.add_to(adds ? gradient[i] : Real(0), i, i, delay); });
}

}  // namespace cuda
}  // namespace sncc
