// The readout within a block: what the loss sees is gathered over the steps, in shared memory, as the C++ half does it.
#pragma once

#include <cstdint>

#include "sncc/cuda_block.h"

namespace sncc {
namespace cuda {

enum class Reduction { none, mean, sum, maximum, last, first_spike };

template <typename Real, int Outputs>
struct Reading {
    static constexpr int width = (Outputs > 0 ? Outputs + 15 : 16) / 16 * 16;

    Real reduced[width], target[width], error[width], term[width];
    std::int64_t best[width];
    std::int64_t seen, loss_steps, labelled, correct;
    std::int64_t labels_there;  // of all steps, where training goes forwards in time
    double loss;
};

// The labels of one sample: a class or target values, of the sample or of every step.
struct Labels {
    const std::int32_t* classes;
    const double* targets;
    bool per_step;

    __device__ std::int64_t row(std::int64_t n) const { return per_step ? n - 1 : 0; }
    __device__ bool there(std::int64_t n) const { return targets || (classes && classes[row(n)] >= 0); }
    // Whether there is a loss at step n: a label, where the loss reads one.
    template <typename Readout>
    __device__ bool have(std::int64_t n) const {
        return Readout::reads_labels ? there(n) : targets || classes;
    }
};

// The threads that a readout belongs to: one warp where that has a lane for each output, which is the block's last where nothing but the
// readout reads these neurons; else all.
template <int outputs, bool aside>
struct Team {
    static constexpr bool one_warp = outputs <= 32;
    static_assert(one_warp || !aside, "a lane for each output");

    static __device__ Threads threads() {
        const int all = static_cast<int>(blockDim.x);
        return {aside ? all - 32 : 0, one_warp ? 32 : all};
    }
    // The calling thread's place in it; negative where it does not belong to it.
    static __device__ int rank() { return threads().rank(); }
    static __device__ void meet() {
        if constexpr (one_warp)
            __syncwarp();
        else
            __syncthreads();
    }
    template <typename Body>
    static __device__ void for_own(int count, const Body& body) {
        cuda::for_own(threads(), count, body);
    }
    // A number that each output has, summed, or the largest.
    template <typename Real>
    static __device__ Real sum(Real* terms, Real own) {
        return reduced(terms, own, Real(0), [](Real a, Real b) { return a + b; });
    }
    template <typename Real>
    static __device__ Real largest(Real* terms, Real own) {
        return reduced(terms, own, -static_cast<Real>(INFINITY), [](Real a, Real b) { return m_max(a, b); });
    }

private:
    template <typename Real, typename Combine>
    static __device__ Real reduced(Real* terms, Real own, Real result, const Combine& combine) {
        if constexpr (one_warp) {
            if (rank() < outputs) result = own;
        } else {
            meet();
            for (int j = rank() % 32; j < outputs; j += 32) result = combine(result, terms[j]);  // each warp takes all of them
        }
        for (int half = 16; half > 0; half /= 2) result = combine(result, __shfl_xor_sync(0xffffffffu, result, half));
        if constexpr (!one_warp) meet();
        return result;
    }
};

template <typename Readout>
__device__ inline bool in_window(std::int64_t n) {
    return Readout::first < n && (Readout::last < 0 || n <= Readout::last);
}

template <typename Readout, typename R>
__device__ inline void set_target(R& r, const Labels& labels, std::int64_t n) {
    using Real = typename Readout::Real;
    if constexpr (!Readout::reads_labels) return;
    Readout::Who::for_own(Readout::outputs, [&](int j) {
        if (labels.classes)
            r.target[j] = labels.classes[labels.row(n)] == j ? Readout::weight(j) : Real(0);
        else
            r.target[j] = static_cast<Real>(labels.targets[labels.row(n) * Readout::outputs + j]);
    });
}

// The class that a readout names: where scale times its variable is largest.
template <typename Readout, typename Real>
__device__ inline int named(const Real* x) {
    const Real sign = Readout::scale < 0 ? Real(-1) : Real(1);
    Real most = sign * x[0];
    int best = 0;
    for (int j = 1; j < Readout::outputs; ++j)
        if (sign * x[j] > most) best = j, most = sign * x[j];
    return best;
}

// After the update of step n; the readout's team does it. `error`: where the loss's derivative goes, null where it is not kept.
template <typename Readout, typename R>
__device__ inline void observe(R& r, const typename Readout::Real* x, const typename Readout::Real* before, const Labels& labels, std::int64_t n,
                               typename Readout::Real* error) {
    using Real = typename Readout::Real;
    using Who = typename Readout::Who;
    if (Who::rank() < 0) return;
    Who::meet();
    if (error) Who::for_own(R::width, [&](int j) { error[j] = Real(0); });
    if (!in_window<Readout>(n)) return;
    const bool first = r.seen == 0;
    Who::meet();
    Who::for_own(Readout::outputs, [&](int j) {
        if (Readout::reduction == Reduction::maximum) {
            if (first || x[j] > r.reduced[j]) r.reduced[j] = x[j], r.best[j] = n;
        } else if (Readout::reduction == Reduction::first_spike) {  // a step that is 0 stands for none yet
            if (r.best[j] == 0 && x[j] != Real(0)) r.best[j] = n;
        } else if (Readout::reduction == Reduction::last) {
            r.reduced[j] = x[j], r.best[j] = n;
        } else {
            r.reduced[j] += x[j];
        }
    });
    if (Who::rank() == 0) ++r.seen;
    if (Readout::reduction != Reduction::none || !labels.have<Readout>(n)) return;
    set_target<Readout>(r, labels, n);
    Who::meet();
    const Real loss = Readout::loss(r, x, before, error ? error : r.error);
    if (Who::rank() == 0) {
        r.loss += static_cast<double>(loss);
        ++r.loss_steps, ++r.labelled;
        if (labels.classes && labels.per_step) r.correct += named<Readout>(x) == labels.classes[n - 1];
    }
    Who::meet();  // a lane has read what is the others'
}

// At a sample's end, when all threads have met; the readout's team does it.
template <typename Readout, typename R>
__device__ inline void conclude(R& r, const Labels& labels) {
    using Real = typename Readout::Real;
    using Who = typename Readout::Who;
    if (Who::rank() < 0) return;
    if (Readout::reduction == Reduction::mean || Readout::reduction == Reduction::none)
        Who::for_own(Readout::outputs, [&](int j) { r.reduced[j] /= static_cast<Real>(r.seen > 0 ? r.seen : 1); });
    if (Readout::reduction == Reduction::first_spike)
        Who::for_own(Readout::outputs, [&](int j) {
            const std::int64_t step = r.best[j] > 0 ? r.best[j] : Readout::first + r.seen;
            r.reduced[j] = static_cast<Real>(Readout::step_ms * static_cast<double>(step));
        });
    Who::meet();
    if (Readout::reduction != Reduction::none && labels.have<Readout>(1)) {
        set_target<Readout>(r, labels, 1);
        Who::meet();
        const Real loss = Readout::loss(r, r.reduced, r.reduced, r.error);
        if (Who::rank() == 0) r.loss = static_cast<double>(loss), r.labelled = 1;
    }
    if (Who::rank() == 0) {
        if (Readout::reduction == Reduction::none && Readout::mean_over_steps && r.loss_steps > 0)
            r.loss /= static_cast<double>(r.loss_steps);
        r.loss *= Readout::factor;
        if (labels.classes && !labels.per_step) {
            const bool counts = labels.classes[0] >= 0;
            r.labelled = counts;
            r.correct = counts && named<Readout>(r.reduced) == labels.classes[0];
        }
    }
    Who::meet();
    Who::for_own(Readout::outputs, [&](int j) { r.reduced[j] *= static_cast<Real>(Readout::scale); });
    Who::meet();
}

// What the loss's derivative is multiplied by on the way back: `scale`, the sample's share, spread over the steps that the loss has.
template <typename Readout, typename R>
__device__ inline typename Readout::Real share_of_steps(const R& r, double scale) {
    using Real = typename Readout::Real;
    scale *= Readout::factor;
    if (Readout::reduction == Reduction::none) {
        const double steps = static_cast<double>(r.loss_steps > 0 ? r.loss_steps : 1);
        return static_cast<Real>(Readout::mean_over_steps ? scale / steps : scale / 1.0);
    }
    return static_cast<Real>(Readout::reduction == Reduction::mean ? scale / static_cast<double>(r.seen) : scale);
}

// Adds d(mean loss)/d(variable) of step n, times `share`, that of the largest value so many steps `after` it; `kept` is the step's
// derivative where the loss is one of every step.
template <typename Readout, int after = 0, typename R>
__device__ inline void readout_adjoint(const R& r, const Labels& labels, std::int64_t n, typename Readout::Real share, const typename Readout::Real* kept,
                                       typename Readout::Real* into) {
    if (!in_window<Readout>(n)) return;
    if (Readout::reduction == Reduction::none) {
        Readout::Who::for_own(Readout::outputs, [&](int j) { into[j] += share * kept[j]; });
        return;
    }
    if (!labels.have<Readout>(1)) return;
    Readout::Who::for_own(Readout::outputs, [&](int j) {
        const bool at_best = Readout::reduction == Reduction::maximum || Readout::reduction == Reduction::last || Readout::reduction == Reduction::first_spike;
        if (!at_best || r.best[j] == n - after) into[j] += share * r.error[j];
    });
}

}  // namespace cuda
}  // namespace sncc
