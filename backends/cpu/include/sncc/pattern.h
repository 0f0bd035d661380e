// Patterns of `connect` and parts of populations, as tables that emitted code holds.
#pragma once

#include <cmath>
#include <cstdint>

#include "sncc/list.h"
#include "sncc/platform.h"

namespace sncc {

enum class PatternKind { dense, one_to_one, probability, fan_in, fan_out, total, convolution, pooling, sparse };

// `number`: the probability, or how many synapses. kernel, stride, before (zeros in front) along y and x: of images.
// shared: weights lie for all pairs of the parts, turned: with a row for each target, and a synapse has the number of its own.
struct Pattern {
    PatternKind kind = PatternKind::dense;
    double number = 0;
    bool repeats = false, self_connections = true;
    int kernel[2] = {1, 1}, stride[2] = {1, 1}, before[2] = {0, 0};
    bool shared = false, turned = false;

    // Whether synapses look their weights up.
    bool has_elements() const { return kind == PatternKind::convolution || shared; }
};

// A population's slice: neurons from `first` up to `last` (excluded) along each dimension, row-major.
struct PartShape {
    int dimensions = 1;
    std::int64_t shape[4] = {1, 1, 1, 1}, first[4] = {0, 0, 0, 0}, last[4] = {1, 1, 1, 1};
};

// The number of the first of so many ascending indices that is not before `flat`.
template <typename Indices>
SNCC_HOST_DEVICE inline std::int64_t first_not_before(const Indices& indices, std::int64_t size, std::int64_t flat) {
    std::int64_t low = 0, high = size;
    while (low < high) {
        const std::int64_t middle = (low + high) / 2;
        if (indices[middle] < flat)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The flat indices in the population of a part's neurons; they ascend. Worked out one by one, on a device too.
struct PartNeurons {
    PartShape shape;
    std::int64_t size = 1, population = 1, offset = 0;
    bool contiguous = true;

    PartNeurons() = default;
    explicit PartNeurons(const PartShape& of) : shape(of) {
        for (int d = 0; d < of.dimensions; ++d) size *= of.last[d] - of.first[d];
        for (int d = 0; d < of.dimensions; ++d) population *= of.shape[d];
        offset = size > 0 ? at(0) : 0;
        contiguous = size == 0 || at(size - 1) == offset + size - 1;
    }
    SNCC_HOST_DEVICE std::int64_t operator[](std::int64_t k) const { return contiguous ? offset + k : at(k); }
    SNCC_HOST_DEVICE std::int64_t at(std::int64_t k) const {
        std::int64_t position = 0, stride = 1;
        for (int d = shape.dimensions - 1; d >= 0; --d) {
            const std::int64_t length = shape.last[d] - shape.first[d];
            position += (shape.first[d] + k % length) * stride;
            k /= length;
            stride *= shape.shape[d];
        }
        return position;
    }
    // The number in the part of a neuron of the population; -1 where it is in no part.
    SNCC_HOST_DEVICE std::int64_t find(std::int64_t flat) const {
        const std::int64_t k = first_not_before(*this, size, flat);
        return k < size && (*this)[k] == flat ? k : -1;
    }
};

// The same, looked up.
class PartIndices {
public:
    explicit PartIndices(const PartShape& shape) : part_(shape) {
        if (part_.contiguous) return;
        for (std::int64_t k = 0; k < part_.size; ++k) flat_.push_back(static_cast<std::uint32_t>(part_.at(k)));
    }
    std::int64_t size() const { return part_.size; }
    std::int64_t population() const { return part_.population; }
    std::int64_t length(int dimension) const { return dimension < part_.shape.dimensions ? part_.shape.last[dimension] - part_.shape.first[dimension] : 1; }
    std::int64_t operator[](std::int64_t k) const { return part_.contiguous ? part_.offset + k : flat_[static_cast<std::size_t>(k)]; }
    // The number in the part of the first of its neurons that is not before `flat`.
    std::int64_t lower_bound(std::int64_t flat) const { return part_.contiguous ? first_not_before(part_, size(), flat) : first_not_before(flat_.data(), size(), flat); }
    // The number in the part of a neuron of the population; -1 where it is in no part.
    std::int64_t find(std::int64_t flat) const {
        const std::int64_t k = lower_bound(flat);
        return k < size() && (*this)[k] == flat ? k : -1;
    }

private:
    PartNeurons part_;
    List<std::uint32_t> flat_;
};

}  // namespace sncc
