// Patterns of `connect` and parts of populations, as tables that emitted code holds.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace sncc {

enum class PatternKind { dense, one_to_one, probability, fan_in, fan_out, total, convolution, pooling, sparse, turned };

// `number`: the probability, or how many synapses. kernel, stride, before (zeros in front) along y and x: of images.
struct Pattern {
    PatternKind kind = PatternKind::dense;
    double number = 0;
    bool repeats = false, self_connections = true;
    int kernel[2] = {1, 1}, stride[2] = {1, 1}, before[2] = {0, 0};
};

// A population's slice: neurons from `first` up to `last` (excluded) along each dimension, row-major.
struct PartShape {
    int dimensions = 1;
    std::int64_t shape[4] = {1, 1, 1, 1}, first[4] = {0, 0, 0, 0}, last[4] = {1, 1, 1, 1};
};

// The flat indices in the population of a part's neurons; they ascend.
class PartIndices {
public:
    explicit PartIndices(const PartShape& shape) : shape_(shape) {
        for (int d = 0; d < shape.dimensions; ++d) size_ *= shape.last[d] - shape.first[d];
        for (int d = 0; d < shape.dimensions; ++d) population_ *= shape.shape[d];
        offset_ = size_ > 0 ? at(0) : 0;
        contiguous_ = size_ == 0 || at(size_ - 1) == offset_ + size_ - 1;
        if (contiguous_) return;
        for (std::int64_t k = 0; k < size_; ++k) flat_.push_back(static_cast<std::uint32_t>(at(k)));
    }
    std::int64_t size() const { return size_; }
    std::int64_t population() const { return population_; }
    std::int64_t length(int dimension) const { return dimension < shape_.dimensions ? shape_.last[dimension] - shape_.first[dimension] : 1; }
    std::int64_t operator[](std::int64_t k) const { return contiguous_ ? offset_ + k : flat_[static_cast<std::size_t>(k)]; }
    // The number in the part of the first of its neurons that is not before `flat`.
    std::int64_t lower_bound(std::int64_t flat) const {
        std::int64_t low = 0, high = size_;
        while (low < high) {
            const std::int64_t middle = (low + high) / 2;
            if ((*this)[middle] < flat)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
    // The number in the part of a neuron of the population; -1 where it is in no part.
    std::int64_t find(std::int64_t flat) const {
        const std::int64_t k = lower_bound(flat);
        return k < size_ && (*this)[k] == flat ? k : -1;
    }

private:
    std::int64_t at(std::int64_t k) const {
        std::int64_t position = 0, stride = 1;
        for (int d = shape_.dimensions - 1; d >= 0; --d) {
            const std::int64_t length = shape_.last[d] - shape_.first[d];
            position += (shape_.first[d] + k % length) * stride;
            k /= length;
            stride *= shape_.shape[d];
        }
        return position;
    }
    PartShape shape_;
    std::int64_t size_ = 1, population_ = 1, offset_ = 0;
    bool contiguous_ = true;
    std::vector<std::uint32_t> flat_;
};

}  // namespace sncc
