// The engine as a file of its own to compile: it defines the functions of segment.h, for the numbers of one precision.
#pragma once

#include "neuron_workers.h"

namespace sncc {
namespace neurons {

template <typename Real>
void Segment<Real>::list(const Real* mask, std::int64_t position) const {
    if (!listed) return;
    const std::int64_t index = first + position - begin;
    const int own = static_cast<int>(std::min<std::int64_t>(count(position), info->size - index));
    SpikeHistory& spikes = worker->spikes;
    if (info->counts)
        spikes.append_counts(n, mask, index, own);
    else
        spikes.append(n, mask, index, own);
}

template <typename Real>
void Segment<Real>::poisson(std::uint32_t stream, std::int64_t position, const double* means, int count, Real* to) const {
    alignas(64) std::uint32_t words[chunk];
    poisson_counts(worker->tables[static_cast<std::size_t>(population)], seed, stream, element(position), static_cast<std::uint32_t>(n), trial, means, count, words, to);
}

}  // namespace neurons
}  // namespace sncc
