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

// Values of the samples of a batch: rows of `stride` numbers, of which `lead` are from before the first step.
template <typename Real>
struct ValuesOfBatch {
    const Real* values;
    std::int64_t stride, rows, lead;

    __device__ Real at(int sample, std::int64_t n, std::int64_t i) const { return values[(sample * rows + n - 1 + lead) * stride + i]; }
    // The first step of which something arrives in the sample.
    __device__ std::int64_t first(std::int64_t delay) const { return delay < lead ? 1 - delay : 1 - lead; }
};

// gradient[i, :] = the sum over samples, in order, and over the steps in which neuron i fired. A block does one row. `spikes` are the
// first sample's, the next one's `stride` numbers later.
template <typename Real, typename Spikes>
__device__ inline void gather_spikes(Real* gradient, int columns, int i, const Spikes& spikes, std::int64_t stride, const std::int32_t* steps, int samples,
                                     int delay, const KeptAdjoint<Real>& kept, bool adds) {
    for_own(columns, [&](int j) {
        Real sum = adds ? gradient[j] : Real(0);
        for (int b = 0; b < samples; ++b) {
            const Spikes own = spikes.moved(b * stride);
            for (std::int64_t n = 1; n + delay <= steps[b]; ++n)
                for (std::uint32_t left = own.fired(n, i); left > 0; --left) sum += kept.at(b, n + delay)[j];
        }
        gradient[j] = sum;
    });
}
// Steps (from 0) in which each channel fired: of sample b in times[offsets[b * (channels + 1) + i] ...].
template <typename Real>
__device__ inline void gather_times(Real* gradient, int columns, int i, const std::int64_t* offsets, const std::uint32_t* times, int channels,
                                    const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept, bool adds) {
    for_own(columns, [&](int j) {
        Real sum = adds ? gradient[j] : Real(0);
        for (int b = 0; b < samples; ++b) {
            const std::int64_t* list = offsets + static_cast<std::int64_t>(b) * (channels + 1) + i;
            for (std::int64_t k = list[0]; k < list[1]; ++k)
                if (times[k] + delay < static_cast<std::uint32_t>(steps[b])) sum += kept.at(b, times[k] + 1 + delay)[j];
        }
        gradient[j] = sum;
    });
}
template <typename Real>
__device__ inline void gather_values(Real* gradient, int columns, int i, const ValuesOfBatch<Real>& values, const std::int32_t* steps, int samples,
                                     int delay, const KeptAdjoint<Real>& kept, bool adds) {
    for_own(columns, [&](int j) {
        Real sum = adds ? gradient[j] : Real(0);
        for (int b = 0; b < samples; ++b)
            for (std::int64_t n = values.first(delay); n + delay <= steps[b]; ++n) sum = m_fma(values.at(b, n, i), kept.at(b, n + delay)[j], sum);
        gradient[j] = sum;
    });
}

// One-to-one connections: gradient[i], a thread per neuron.
template <typename Real, typename Spikes>
__device__ inline void gather_spikes_one_to_one(Real* gradient, int count, const Spikes& spikes, std::int64_t stride, const std::int32_t* steps, int samples,
                                                int delay, const KeptAdjoint<Real>& kept, bool adds) {
    for_own(count, [&](int i) {
        Real sum = adds ? gradient[i] : Real(0);
        for (int b = 0; b < samples; ++b)
            for (std::int64_t n = 1; n + delay <= steps[b]; ++n)
                for (std::uint32_t left = spikes.moved(b * stride).fired(n, i); left > 0; --left) sum += kept.at(b, n + delay)[i];
        gradient[i] = sum;
    });
}
template <typename Real>
__device__ inline void gather_times_one_to_one(Real* gradient, int count, const std::int64_t* offsets, const std::uint32_t* times,
                                               const std::int32_t* steps, int samples, int delay, const KeptAdjoint<Real>& kept, bool adds) {
    for_own(count, [&](int i) {
        Real sum = adds ? gradient[i] : Real(0);
        for (int b = 0; b < samples; ++b) {
            const std::int64_t* list = offsets + static_cast<std::int64_t>(b) * (count + 1) + i;
            for (std::int64_t k = list[0]; k < list[1]; ++k)
                if (times[k] + delay < static_cast<std::uint32_t>(steps[b])) sum += kept.at(b, times[k] + 1 + delay)[i];
        }
        gradient[i] = sum;
    });
}
template <typename Real>
__device__ inline void gather_values_one_to_one(Real* gradient, int count, const ValuesOfBatch<Real>& values, const std::int32_t* steps, int samples,
                                                int delay, const KeptAdjoint<Real>& kept, bool adds) {
    for_own(count, [&](int i) {
        Real sum = adds ? gradient[i] : Real(0);
        for (int b = 0; b < samples; ++b)
            for (std::int64_t n = values.first(delay); n + delay <= steps[b]; ++n) sum = m_fma(values.at(b, n, i), kept.at(b, n + delay)[i], sum);
        gradient[i] = sum;
    });
}

}  // namespace cuda
}  // namespace sncc
