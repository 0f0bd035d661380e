// The last launch's parts that do not depend on the network: an optimiser's step on an element, clips, small sums.
#pragma once

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_block.h"
#include "sncc/cuda_gather.h"
#include "sncc/cuda_readout.h"
#include "sncc/rewire.h"

namespace sncc {
namespace cuda {

enum class Clip { none, norm, value };

constexpr int OPTIMISE_THREADS = 256;

// Numbers [0, count), shared among all threads of the grid.
template <typename Body>
__device__ inline void for_all(std::int64_t count, const Body& body) {
    const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (std::int64_t e = first; e < count; e += static_cast<std::int64_t>(gridDim.x) * blockDim.x) body(e);
}

// Parameters by number and element, for `derive`.
template <typename Network>
struct Numbers {
    const typename Network::Real* parameters;
    __device__ double number(int k, int j) const { return static_cast<double>(parameters[Network::offset(k) + j]); }
};

// The gradient of a number that all synapses share, or what another connection adds to it; one thread. `apart`: without the diagonal.
template <typename Real>
__device__ inline void sum_gradient(Real* into, const Real* from, int rows, int columns, bool adds, bool apart) {
    if (threadIdx.x != 0) return;
    double sum = adds ? static_cast<double>(*into) : 0.0;
    const std::int64_t stride = (columns + 15) / 16 * 16;
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j) sum += apart && i == j ? 0.0 : static_cast<double>(from[i * stride + j]);
    *into = static_cast<Real>(sum);
}
template <typename Real>
__device__ inline void sum_numbers(Real* into, const double* from, int count, bool adds) {
    if (threadIdx.x != 0) return;
    double sum = adds ? static_cast<double>(*into) : 0.0;
    for (int j = 0; j < count; ++j) sum += from[j];
    *into = static_cast<Real>(sum);
}

// How the optimiser counts a parameter: value / scale; its share of the learning rate; what it is kept between.
struct Scaling {
    double rate, scale, lower, upper;
    bool keeps_sign;
};

// Gives the change of the parameter's element.
template <typename Network>
__device__ inline typename Network::Real step_element(const OptimiseArguments<Network>& g, const typename Network::Scalars& scalars, std::int64_t e, const Scaling& p,
                                                     typename Network::Real factor_of_norm) {
    using Real = typename Network::Real;
    const Real scale = static_cast<Real>(p.scale), limit = static_cast<Real>(Network::clip_limit);
    Real value = g.parameters[e] / scale;
    Real slope = g.gradients[e] * scale * factor_of_norm;
    if (Network::clip == Clip::value) slope = m_clip(slope, -limit, limit);
    Network::optimise(g, scalars, e, value, slope, static_cast<Real>(g.learning_rate * p.rate));
    const Real before = g.parameters[e], bounded = m_clip(value * scale, static_cast<Real>(p.lower), static_cast<Real>(p.upper));
    g.parameters[e] = p.keeps_sign ? with_sign_of(bounded, before) : bounded;
    return g.parameters[e] - before;
}

// The same for a synapse that training moves: element e of those that were built late.
template <typename Network>
__device__ inline typename Network::Real step_synapse(const OptimiseArguments<Network>& g, const typename Network::Scalars& scalars, const LateParameter& of, std::int64_t e,
                                                     const Scaling& p, typename Network::Real factor_of_norm, const Walk<typename Network::Real>& walk) {
    const std::int64_t at = of.offset + e;
    const typename Network::Real before = g.parameters[at];
    step_element<Network>(g, scalars, at, p, factor_of_norm);
    g.parameters[at] = walk.weight(before, g.parameters[at], g.dormant[at - Network::parameter_size], static_cast<std::uint32_t>(e), scalars.step);
    return g.parameters[at] - before;
}

// What all gradients are multiplied by so that their norm, in the units of the source, stays below the limit; by a block.
template <typename Network>
__device__ inline typename Network::Real norm_factor(const OptimiseArguments<Network>& g) {
    __shared__ double squares[OPTIMISE_THREADS];
    for_own(OPTIMISE_THREADS, [&](int part) {  // whatever the number of threads
        double sum = 0;
        const auto add = [&](std::int64_t begin, std::int64_t end, double scale) {
            for (std::int64_t e = begin + part; e < end; e += OPTIMISE_THREADS) {
                const double scaled = static_cast<double>(g.gradients[e]) * scale;
                sum += scaled * scaled;
            }
        };
        for (int k = 0; k < Network::parameters; ++k) add(Network::offset(k), Network::offset(k + 1), Network::scale(k));
        for (int q = 0; q < Network::late_count; ++q) add(g.late[q].offset, g.late[q].offset + g.late[q].size, g.late[q].scale);
        squares[part] = sum;
    });
    __syncthreads();
    double total = 0;
    for (int k = 0; k < OPTIMISE_THREADS; ++k) total += squares[k];
    __syncthreads();
    return static_cast<typename Network::Real>(m_min(1.0, Network::clip_limit / m_max(m_sqrt(total), 1e-300)));
}

}  // namespace cuda
}  // namespace sncc
