// The gradients of a batch: a batch is cut into a fixed number of chains, each with a buffer of its own, and the buffers are added in
// order at the end, so the result does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <string>

#include "sncc/cpu_numbers.h"
#include "sncc/list.h"
#include "sncc/thread_pool.h"

namespace sncc {
namespace cpu {

template <typename Network>
class ChainGradients {
    using Real = typename Network::Real;

public:
    struct Chain {
        AlignedBuffer<Real> gradient;
        List<double> sums;
        bool empty = true;  // the first tile writes the gradient, the others add

        void begin() {
            empty = true;
            std::fill(sums.begin(), sums.end(), 0.0);
        }
    };

    List<Chain> chains;

    explicit ChainGradients(StoredNumbers<Network>& numbers) : numbers_(numbers), own_(Network::parameters), of_(Network::parameters) { allocate(); }

    // Room for the gradients that are not in the chains' buffers, of parameters whose shapes are known.
    void allocate() {
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = numbers_.shapes[static_cast<std::size_t>(k)];
            if (shape.columns < 0) continue;
            own_[k] = AlignedBuffer<Real>(shape.learnt && !in_chains(k) ? numbers_.parameters.own[k].size() : 0);
            of_[k] = own_[k].data();
        }
    }
    // Of a parameter, in its layout; null where none has been computed yet.
    const Real* of(int k) const { return of_[static_cast<std::size_t>(k)]; }

    // Chains that a batch does not use are given back, but the first: the sums of the last batch stand in it.
    void drop(int count) {
        chains.resize(std::min(chains.size(), static_cast<std::size_t>(std::max(count, 1))));
    }
    void make(int count) {
        while (static_cast<int>(chains.size()) < count)
            chains.push_back({AlignedBuffer<Real>(static_cast<std::size_t>(numbers_.gradient_size)),
                              List<double>(static_cast<std::size_t>(Network::sum_size), 0.0), true});
    }
    void clear(int count) {
        for (int c = 0; c < count; ++c) {
            chains[static_cast<std::size_t>(c)].gradient.zero();
            chains[static_cast<std::size_t>(c)].begin();
        }
    }
    std::int64_t bytes(int count) const { return count * numbers_.gradient_size * static_cast<std::int64_t>(sizeof(Real)); }

    // Adds the chains in order, and turns sums over time into gradients of neuron parameters.
    void collect(int count, ThreadPool& pool) {
        constexpr std::int64_t block = 16384;
        Real* total = chains[0].gradient.data();
        const std::int64_t size = numbers_.gradient_size;
        pool.run(static_cast<int>((size + block - 1) / block), [&](int task, int) {
            constexpr std::int64_t part = 1024;  // stays in L1 while all chains are added
            const std::int64_t last = std::min(size, (task + 1) * block);
            for (std::int64_t begin = task * block; begin < last; begin += part) {
                const std::int64_t end = std::min(last, begin + part);
                for (int c = 1; c < count; ++c) {
                    const Real* SNCC_RESTRICT from = chains[c].gradient.data();
                    for (std::int64_t i = begin; i < end; ++i) total[i] += from[i];
                }
            }
        });
        List<double>& sums = chains[0].sums;
        for (int c = 1; c < count; ++c)
            for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += chains[c].sums[i];
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = numbers_.shapes[static_cast<std::size_t>(k)];
            if (!shape.learnt) continue;
            const std::int64_t offset = numbers_.parameters.gradient_offsets[k];
            if (shape.apart && offset >= 0) numbers_.clear_diagonal(k, total + offset);
            if (in_chains(k)) {
                of_[k] = total + offset;
                continue;
            }
            own_[k].zero();
            if (offset < 0) continue;
            const Real* from = total + offset;
            double sum = 0;
            const TileLayout<Real> layout = layout_of<Real>(shape);
            for (int i = 0; i < shape.rows; ++i)
                for (int j = 0; j < shape.columns; ++j) sum += static_cast<double>(from[layout.index(i, j)]);
            own_[k][0] = static_cast<Real>(sum);
        }
        Network::derive_adjoint(numbers_.parameters, sums.data(), of_.data());
    }

    void check() const {
        for (int k = 0; k < Network::parameters; ++k) {
            const Shape& shape = numbers_.shapes[static_cast<std::size_t>(k)];
            if (!shape.learnt) continue;
            const int size = static_cast<int>(shape.shared ? 1 : layout_of<Real>(shape).size());
            if (!are_finite(of_[k], size)) refuse(k);
        }
    }
    // In the units of the source.
    double squares_of(int k) const {
        const Shape& shape = numbers_.shapes[static_cast<std::size_t>(k)];
        if (!shape.learnt) return 0;
        const std::int64_t size = shape.shared ? 1 : layout_of<Real>(shape).size();
        double squares = 0;
        for (std::int64_t i = 0; i < size; ++i) {
            const double slope = static_cast<double>(of_[k][i]) * shape.scale;
            squares += slope * slope;
        }
        return squares;
    }

private:
    [[noreturn]] SNCC_COLD static void refuse(int k) {
        throw Failure(Code::numerical, std::string("the gradient of `") + Network::parameter_key(k) + "` is not finite; the weights are as they were before "
                                       "the batch. A smaller learning rate or a gradient clip may help");
    }
    // Whether a parameter's gradient is, as it stands, a part of the chains' buffers.
    bool in_chains(int k) const { return !numbers_.shapes[k].shared && numbers_.parameters.gradient_offsets[k] >= 0; }

    StoredNumbers<Network>& numbers_;
    List<AlignedBuffer<Real>> own_;
    List<Real*> of_;
};

}  // namespace cpu
}  // namespace sncc
