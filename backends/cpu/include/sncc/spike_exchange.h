// Spikes that workers hand to each other: each writes lists of its own neurons, all read them once a gate has opened.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "compressed_rows.h"
#include "sncc/list.h"
#include "sncc/lists.h"
#include "sncc/spikes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sncc {

// Workers meet here. A worker spins for a bounded time, then yields, then sleeps, as another process may have its core.
class Gate {
public:
    explicit Gate(int workers) : workers_(static_cast<std::size_t>(workers)), arrived_(std::make_unique<Arrived[]>(workers_)) {}

    // Throws nothing; returns false where a worker has failed.
    bool meet(int worker) {
        const std::size_t own = static_cast<std::size_t>(worker);
        const std::uint64_t mine = arrived_[own].count.load(std::memory_order_relaxed) + 1;
        arrived_[own].count.store(mine, std::memory_order_release);
        for (std::size_t other = 0; other < workers_; ++other)
            if (other != own && !wait(arrived_[other].count, mine)) return false;
        return !failed_.load(std::memory_order_relaxed);
    }
    void fail() { failed_.store(true); }
    void reset() {
        failed_.store(false);
        for (std::size_t w = 0; w < workers_; ++w) arrived_[w].count.store(0);
    }

private:
    struct alignas(128) Arrived {
        std::atomic<std::uint64_t> count{0};
    };
    static constexpr int spins = 3000, yields = 10;

    bool wait(const std::atomic<std::uint64_t>& count, std::uint64_t until) {
        for (int turn = 0; count.load(std::memory_order_acquire) < until; ++turn) {
            if (turn < spins) {
#if defined(__SSE2__)
                _mm_pause();
#endif
            } else if (failed_.load(std::memory_order_relaxed)) {
                return false;
            } else if (turn < spins + yields) {
                std::this_thread::yield();
            } else {
                std::this_thread::sleep_for(std::chrono::microseconds(50));
            }
        }
        return true;
    }
    std::size_t workers_;
    std::unique_ptr<Arrived[]> arrived_;
    std::atomic<bool> failed_{false};
};

// The spikes of one worker's neurons in the last steps: of each step the lists of its populations, as indices in these, one after the
// other behind a table of where they are. What other workers read of a step is a line or two, and nothing else is written there.
class SpikeHistory {
public:
    // Steps n - kept .. n can be read while n is written.
    void allocate(int populations, std::int64_t kept) {
        std::size_t slots = 1;
        while (static_cast<std::int64_t>(slots) < kept + 1) slots *= 2;
        head_ = 2 * static_cast<std::size_t>(populations);
        pages_.clear(), pages_.resize(slots), bounds_.assign(slots, Bounds());
        for (std::size_t k = 0; k < slots; ++k) pages_[k] = Untouched<std::uint32_t>(head_ + first_room);
        clear();
    }
    void clear() {
        for (std::size_t k = 0; k < pages_.size(); ++k) empty(k);
    }
    // A population's list of step n begins, behind those that the step has; it is added to until another begins.
    void begin(std::int64_t n, int population) {
        const std::size_t k = slot(n);
        if (bounds_[k].step != n) empty(k), bounds_[k].step = n;
        current_ = 2 * static_cast<std::size_t>(population);
        pages_[k][current_] = static_cast<std::uint32_t>(bounds_[k].end), pages_[k][current_ + 1] = 0;
    }

    // Adds the neurons whose mask is not zero; `first` is the index of the first, `count` a multiple of 16 but for the last.
    template <typename Real>
    void append(std::int64_t n, const Real* mask, std::int64_t first, int count) {
        for (int k = 0; k < count; k += 64) {
            const int block = count - k < 64 ? count - k : 64;
            if (block == 64 && !any(mask + k)) continue;  // at 20 Hz and 0.1 ms seven of eight blocks are silent
            std::uint32_t* const to = room(n, 80);
            const int found = collect(mask + k, block, to);
            for (int i = 0; i < found; ++i) to[i] += static_cast<std::uint32_t>(first + k);
            lengthen(n, static_cast<std::size_t>(found));
        }
    }
    // The same for counts: a neuron that spikes several times is listed as often.
    template <typename Real>
    void append_counts(std::int64_t n, const Real* counts, std::int64_t first, int count) {
        for (int k = 0; k < count; ++k)
            for (int times = static_cast<int>(counts[k]); times > 0; --times) {
                *room(n, 1) = static_cast<std::uint32_t>(first + k);
                lengthen(n, 1);
            }
    }
    void append_list(std::int64_t n, const std::uint32_t* indices, std::int64_t count) {
        if (count == 0) return;
        std::memcpy(room(n, static_cast<std::size_t>(count)), indices, sizeof(std::uint32_t) * static_cast<std::size_t>(count));
        lengthen(n, static_cast<std::size_t>(count));
    }
    SpikesOfStep at(std::int64_t n, int population) const {
        const std::uint32_t* const page = pages_[slot(n)].data();
        const std::size_t of = 2 * static_cast<std::size_t>(population);
        return {page + page[of], static_cast<int>(page[of + 1])};
    }

private:
    static constexpr std::size_t first_room = 240;
    struct Bounds {
        std::int64_t step = -1;
        std::size_t end = 0;
    };

    std::size_t slot(std::int64_t n) const { return static_cast<std::size_t>(n) & (pages_.size() - 1); }
    void empty(std::size_t k) {
        std::fill(pages_[k].data(), pages_[k].data() + head_, 0u);
        bounds_[k] = {-1, head_};
    }
    // Where the list that has begun goes on, with room for so many more.
    std::uint32_t* room(std::int64_t n, std::size_t more) {
        const std::size_t k = slot(n), needed = bounds_[k].end + more;
        if (pages_[k].size() < needed) {
            Untouched<std::uint32_t> grown(2 * needed);
            std::memcpy(grown.data(), pages_[k].data(), sizeof(std::uint32_t) * bounds_[k].end);
            pages_[k] = std::move(grown);
        }
        return pages_[k].data() + bounds_[k].end;
    }
    void lengthen(std::int64_t n, std::size_t more) {
        const std::size_t k = slot(n);
        bounds_[k].end += more;
        pages_[k][current_ + 1] += static_cast<std::uint32_t>(more);
    }
    // Whether any of 64 numbers is not zero.
    static bool any(const float* mask) {
#if defined(__AVX512F__)
        const __m512 low = _mm512_max_ps(_mm512_loadu_ps(mask), _mm512_loadu_ps(mask + 16));
        const __m512 high = _mm512_max_ps(_mm512_loadu_ps(mask + 32), _mm512_loadu_ps(mask + 48));
        return _mm512_cmp_ps_mask(_mm512_max_ps(low, high), _mm512_setzero_ps(), _CMP_NEQ_UQ) != 0;
#else
        return any_of(mask);
#endif
    }
    static bool any(const double* mask) { return any_of(mask); }
    template <typename Real>
    static bool any_of(const Real* mask) {
        int found = 0;
        for (int k = 0; k < 64; ++k) found |= mask[k] != Real(0);
        return found != 0;
    }
    std::size_t head_ = 0, current_ = 0;
    List<Untouched<std::uint32_t>> pages_;  // by step; read by all
    List<Bounds> bounds_;
};

}  // namespace sncc
