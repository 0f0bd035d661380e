// Rows of tables that every engine has of a network.
#pragma once

#include <cstdint>

namespace sncc {

// As the user sees a source.
struct SourceSize {
    std::int64_t size;
    bool signal;
    double si;
};

// A source, or population, of which dropout leaves neurons out of a sample.
struct Thinning {
    int source, population;  // -1: the other
    std::int64_t size;
    std::uint32_t stream, threshold;  // what the word of a neuron that is left out is below
};

// A penalty on firing rates: where its neurons stand among all that are penalised; kHz.
struct PenaltyOf {
    int offset, size;
    double target, strength;
    bool over_batch;  // of the rates' means over the samples
};

}  // namespace sncc
