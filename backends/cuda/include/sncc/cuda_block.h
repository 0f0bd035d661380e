// What a block works on: loops over its own share, and views of one sample's events, values, spikes and tape.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "sncc/math.h"
#include "sncc/platform.h"

namespace sncc {
namespace cuda {

// Threads of a block that share a group's numbers: the first one's is number 0, the next one's number 1, and so on round them.
struct Threads {
    int first, count;

    // The calling thread's place among them; negative where it is none of them.
    __device__ int rank() const {
        const int place = static_cast<int>(threadIdx.x) - first;
        return place < count ? place : -1;
    }
};

// Calls body(j) for the numbers below `count` that belong to the calling thread.
template <typename Body>
__device__ inline void for_own(int count, const Body& body) {
    for (int j = static_cast<int>(threadIdx.x); j < count; j += static_cast<int>(blockDim.x)) body(j);
}
template <typename Body>
__device__ inline void for_own(Threads who, int count, const Body& body) {
    const int rank = who.rank();
    if (rank < 0) return;
    for (int j = rank; j < count; j += who.count) body(j);
}
// The same for functions in which the threads of a warp meet: body(j, own), where j may be beyond the last number.
template <typename Body>
__device__ inline void for_own_warps(Threads who, int count, const Body& body) {
    const int rank = who.rank();
    if (rank < 0) return;
    for (int j = rank; (j & ~31) < count; j += who.count) body(j, j < count);
}

// Neurons of a population that a block has, and where: those of a sample that several blocks share.
struct Portion {
    int first, count;

    __device__ bool has(std::uint32_t neuron) const { return static_cast<int>(neuron) >= first && static_cast<int>(neuron) < first + count; }
    __device__ std::uint32_t place(std::uint32_t neuron) const { return neuron - static_cast<std::uint32_t>(first); }
};
// All of them.
struct Whole {
    __device__ bool has(std::uint32_t) const { return true; }
    __device__ std::uint32_t place(std::uint32_t neuron) const { return neuron; }
};

// The sum of what the lanes of a warp give, up to the calling one.
template <typename Number>
__device__ inline Number sum_of_lanes_up_to(Number value) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    for (int far = 1; far < 32; far *= 2) {
        const Number other = __shfl_up_sync(0xffffffffu, value, static_cast<unsigned>(far));
        if (lane >= far) value += other;
    }
    return value;
}

// The spikes that a population emitted, as a row of bits per step, from step `first` on.
struct SpikeBits {
    std::uint32_t* bits;
    int words;
    std::int64_t first;

    __device__ const std::uint32_t* row(std::int64_t n) const { return bits + (n - first) * words; }
    __device__ std::uint32_t fired(std::int64_t n, int neuron) const { return (row(n)[neuron / 32] >> (neuron % 32)) & 1u; }
    __device__ SpikeBits moved(std::int64_t numbers) const { return {bits + numbers, words, first}; }
};

// The same where a neuron may spike several times in a step: a count for each.
struct SpikeCounts {
    std::uint32_t* counts;
    int neurons;
    std::int64_t first;

    __device__ const std::uint32_t* row(std::int64_t n) const { return counts + (n - first) * neurons; }
    __device__ std::uint32_t fired(std::int64_t n, int neuron) const { return row(n)[neuron]; }
    __device__ SpikeCounts moved(std::int64_t numbers) const { return {counts + numbers, neurons, first}; }
};

// The events of a source: those of step n are indices[offsets[n - first] .. offsets[n - first + 1]).
struct EventRows {
    const std::int64_t* offsets;
    const std::uint32_t* indices;
    std::int64_t first, last;

    // Steps counted from `origin` on.
    __device__ EventRows from(std::int64_t origin) const { return {offsets + origin, indices, first, last}; }
};

// The values of a source, a row of `stride` numbers for each of the steps first .. last.
template <typename Real>
struct ValueRows {
    const Real* values;
    std::int64_t stride, first, last;

    __device__ const Real* row(std::int64_t n) const {
        return n < first || n > last ? nullptr : values + (n - first) * stride;
    }
    __device__ ValueRows moved(std::int64_t numbers) const { return {values + numbers, stride, first, last}; }
};

// What the forward phase keeps of one sample for the way back: numbers of a group's neurons at every step. A column holds
// as many numbers per neuron and step of the batch; `rows` is samples times steps, `first` the sample's first row.
template <typename Real>
struct Tape {
    Real* numbers;
    std::int64_t rows, first;

    __device__ Real* row(std::int64_t column, int size, std::int64_t n) const { return numbers + column * rows + (first + n - 1) * size; }
};

// A connection's synapses by source, then target. Null: `elements` where a synapse's weight stands under its own number,
// `delays` where all have one. `incoming` are numbers of synapses by target, `sharing` by element of the weights.
template <typename Real>
struct DeviceRows {
    const std::uint64_t* offsets;
    const std::uint32_t *sources, *targets, *elements;
    const std::uint64_t* incoming_offsets;
    const std::uint32_t* incoming;
    const std::uint64_t* sharing_offsets;
    const std::uint32_t* sharing;
    const std::int32_t* delays;
    std::int64_t most_delay;
    std::int64_t most;  // synapses of a source
    const void* weights;  // Real, or of 16 bits
    Real* gradient;
    bool one;  // weight for all
    const Real* learnt_delays;  // ms; null: these are not learnt
    const std::uint32_t* delay_elements;
    Real* delay_gradient;  // of one for every synapse

    // Counted from a source, or a target, on.
    __device__ DeviceRows moved(std::int64_t neurons) const {
        DeviceRows rows = *this;
        rows.offsets += neurons, rows.incoming_offsets += neurons;
        return rows;
    }
    __device__ std::int64_t element(std::uint64_t k) const { return one ? 0 : elements ? static_cast<std::int64_t>(elements[k]) : static_cast<std::int64_t>(k); }
    template <typename Weight = Real>
    __device__ Real weight(std::uint64_t k) const {
        return static_cast<Real>(static_cast<const Weight*>(weights)[element(k)]);
    }
};

// A struct of 4-byte words set to zero, or copied, by the block.
template <typename Struct>
__device__ inline void set_to_zero(Struct& to) {
    for_own(static_cast<int>(sizeof(Struct) / 4), [&](int k) { reinterpret_cast<std::uint32_t*>(&to)[k] = 0; });
}
template <typename Struct>
__device__ inline void copy_words(Struct& to, const Struct& from) {
    for_own(static_cast<int>(sizeof(Struct) / 4),
            [&](int k) { reinterpret_cast<std::uint32_t*>(&to)[k] = reinterpret_cast<const std::uint32_t*>(&from)[k]; });
}

}  // namespace cuda
}  // namespace sncc
