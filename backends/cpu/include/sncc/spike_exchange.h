// Spikes that workers hand to each other: each writes lists of its own neurons, all read them once a gate has opened.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "compressed_rows.h"
#include "sncc/lists.h"
#include "sncc/spikes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sncc {

// Workers meet here. A worker spins for a bounded time, then yields, then sleeps, as another process may have its core.
class Gate {
public:
    explicit Gate(int workers) : arrived_(static_cast<std::size_t>(workers)) {}

    // Throws nothing; returns false where a worker has failed.
    bool meet(int worker) {
        const std::size_t own = static_cast<std::size_t>(worker);
        const std::uint64_t mine = arrived_[own].count.load(std::memory_order_relaxed) + 1;
        arrived_[own].count.store(mine, std::memory_order_release);
        for (std::size_t other = 0; other < arrived_.size(); ++other)
            if (other != own && !wait(arrived_[other].count, mine)) return false;
        return !failed_.load(std::memory_order_relaxed);
    }
    void fail() { failed_.store(true); }
    void reset() {
        failed_.store(false);
        for (Arrived& arrived : arrived_) arrived.count.store(0);
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
    std::vector<Arrived> arrived_;
    std::atomic<bool> failed_{false};
};

// The spikes of one worker's neurons of a population in the last steps, as indices in the population.
class SpikeHistory {
public:
    // Steps n - kept .. n can be read while n is written.
    void allocate(std::int64_t kept) {
        std::size_t slots = 1;
        while (static_cast<std::int64_t>(slots) < kept + 1) slots *= 2;
        slots_ = std::vector<Slot>(slots);
    }
    void clear() {
        for (Slot& slot : slots_) slot.count = 0;
    }
    void begin(std::int64_t n) { slot(n).count = 0; }

    // Adds the neurons whose mask is not zero; `first` is the index of the first, `count` a multiple of 16 but for the last.
    template <typename Real>
    void append(std::int64_t n, const Real* mask, std::int64_t first, int count) {
        Slot& s = slot(n);
        for (int k = 0; k < count; k += 64) {
            const int block = count - k < 64 ? count - k : 64;
            if (block == 64 && !any(mask + k)) continue;  // at 20 Hz and 0.1 ms seven of eight blocks are silent
            reserve(s, 80);
            std::uint32_t* const to = s.indices.data() + s.count;
            const int found = collect(mask + k, block, to);
            for (int i = 0; i < found; ++i) to[i] += static_cast<std::uint32_t>(first + k);
            s.count += found;
        }
    }
    // The same for counts: a neuron that spikes several times is listed as often.
    template <typename Real>
    void append_counts(std::int64_t n, const Real* counts, std::int64_t first, int count) {
        Slot& s = slot(n);
        for (int k = 0; k < count; ++k)
            for (int times = static_cast<int>(counts[k]); times > 0; --times) {
                reserve(s, 1);
                s.indices[static_cast<std::size_t>(s.count++)] = static_cast<std::uint32_t>(first + k);
            }
    }
    void append_list(std::int64_t n, const std::uint32_t* indices, std::int64_t count) {
        if (count == 0) return;
        Slot& s = slot(n);
        reserve(s, count);
        std::memcpy(s.indices.data() + s.count, indices, sizeof(std::uint32_t) * static_cast<std::size_t>(count));
        s.count += static_cast<int>(count);
    }
    SpikesOfStep at(std::int64_t n) const {
        const Slot& s = slots_[static_cast<std::size_t>(n) & (slots_.size() - 1)];
        return {s.indices.data(), s.count};
    }

private:
    struct Slot {
        Untouched<std::uint32_t> indices;
        int count = 0;
    };
    Slot& slot(std::int64_t n) { return slots_[static_cast<std::size_t>(n) & (slots_.size() - 1)]; }
    void reserve(Slot& s, std::int64_t more) {
        const std::size_t needed = static_cast<std::size_t>(s.count + more);
        if (s.indices.size() >= needed) return;
        Untouched<std::uint32_t> grown(2 * needed + 96);
        if (s.count) std::memcpy(grown.data(), s.indices.data(), sizeof(std::uint32_t) * static_cast<std::size_t>(s.count));
        s.indices = std::move(grown);
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
    std::vector<Slot> slots_;
};

}  // namespace sncc
