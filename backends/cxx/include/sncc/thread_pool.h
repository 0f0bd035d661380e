// A small pool of threads. Threads start with the first run, and again in the child of a fork, which inherits none.
// One thread at a time may call run(), and a task may not call it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "fpu.h"
#include "list.h"

namespace sncc {

class ThreadPool {
public:
    // `threads` includes the caller of run(); it is fixed for the pool's life.
    explicit ThreadPool(int threads) : threads_(threads < 1 ? 1 : threads) {}

    ~ThreadPool() { stop(); }

    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return threads_; }

    // Calls function(task) or function(task, worker) for each task in [0, n_tasks), each once, in any thread;
    // worker < threads() names the thread's own scratch memory. All tasks run even if one throws; the exception of
    // the lowest task that threw reaches the caller. Tasks treat denormals as the caller does (fpu.h).
    template <typename Function>
    void run(int n_tasks, Function&& function) {
        using Plain = std::remove_reference_t<Function>;
        const Call call = [](const void* context, int task, int worker) {
            Plain& f = *static_cast<Plain*>(const_cast<void*>(context));
            if constexpr (std::is_invocable<Plain&, int, int>::value) {
                f(task, worker);
            } else {
                static_cast<void>(worker);
                f(task);
            }
        };
        run_erased(n_tasks, call, static_cast<const void*>(std::addressof(function)));
    }

private:
    using Call = void (*)(const void* context, int task, int worker);

    // Fields that different threads write live in different cache lines (two, as lines are fetched in pairs).
    struct Shared {
        // Run number in the high half, tasks not yet taken in the low half: a thread that wakes late cannot take a
        // task of a run other than the one it read, because its compare-exchange fails.
        alignas(128) std::atomic<std::uint64_t> tickets{0};
        alignas(128) std::atomic<int> finished{0};
        alignas(128) std::atomic<int> sleepers{0};
        std::atomic<bool> stopping{false};
        // Written by the caller between runs, read only after a ticket was taken.
        alignas(128) Call call = nullptr;
        const void* context = nullptr;
        int n_tasks = 0;
        bool flushes_denormals = false;
        alignas(128) std::mutex mutex;
        std::condition_variable work;
        std::condition_variable done;
        std::exception_ptr failure;
        int failed_task = 0;
        List<std::thread> workers;
    };

    static constexpr int spins = 2000;
    static constexpr std::uint64_t remaining_mask = 0xffffffffu;

    static void pause() {
#if defined(__SSE2__)
        _mm_pause();
#else
        std::this_thread::yield();
#endif
    }

    static long process() {
#if defined(__unix__) || defined(__APPLE__)
        return static_cast<long>(getpid());
#else
        return 0;
#endif
    }

    void run_erased(int n_tasks, Call call, const void* context) {
        if (n_tasks <= 0) return;
        if (!shared_ || process_ != process()) start();
        Shared& shared = *shared_;
        shared.call = call;
        shared.context = context;
        shared.n_tasks = n_tasks;
        shared.flushes_denormals = FlushDenormals::is_on();
        shared.failure = nullptr;
        shared.finished.store(0, std::memory_order_relaxed);
        const std::uint64_t run = (shared.tickets.load(std::memory_order_relaxed) >> 32) + 1;
        // Sequentially consistent with a sleeper's own order (count itself, then look at the tickets).
        shared.tickets.store((run << 32) | static_cast<std::uint32_t>(n_tasks));
        if (n_tasks > 1 && shared.sleepers.load() > 0) {
            { std::lock_guard<std::mutex> lock(shared.mutex); }
            shared.work.notify_all();
        }
        take_tasks(shared, 0);
        for (int i = 0; i < spins && shared.finished.load(std::memory_order_acquire) != n_tasks; ++i) pause();
        if (shared.finished.load(std::memory_order_acquire) != n_tasks) {
            std::unique_lock<std::mutex> lock(shared.mutex);
            shared.done.wait(lock, [&] { return shared.finished.load(std::memory_order_acquire) == n_tasks; });
        }
        if (shared.failure) std::rethrow_exception(std::exchange(shared.failure, nullptr));
    }

    static void take_tasks(Shared& shared, int worker) {
        int taken = 0;
        int n_tasks = 0;
        std::uint64_t tickets = shared.tickets.load(std::memory_order_acquire);
        while ((tickets & remaining_mask) != 0) {
            if (!shared.tickets.compare_exchange_weak(tickets, tickets - 1, std::memory_order_acq_rel,
                                                      std::memory_order_acquire))
                continue;
            n_tasks = shared.n_tasks;
            const int task = n_tasks - static_cast<int>(tickets & remaining_mask);
            try {
                const FlushDenormals scope(shared.flushes_denormals);
                shared.call(shared.context, task, worker);
            } catch (...) {
                std::lock_guard<std::mutex> lock(shared.mutex);
                if (!shared.failure || task < shared.failed_task) {
                    shared.failure = std::current_exception();
                    shared.failed_task = task;
                }
            }
            ++taken;
            tickets = shared.tickets.load(std::memory_order_acquire);
        }
        // The run is not over before these tasks are counted, so `tickets` cannot have moved on to another run.
        if (taken != 0 && shared.finished.fetch_add(taken, std::memory_order_acq_rel) + taken == n_tasks && worker != 0) {
            { std::lock_guard<std::mutex> lock(shared.mutex); }
            shared.done.notify_one();
        }
    }

    static void work(Shared& shared, int worker) {
        for (;;) {
            bool found = false;
            for (int i = 0; i < spins && !found; ++i) {
                found = has_work(shared);
                if (!found) pause();
            }
            if (!found) {
                std::unique_lock<std::mutex> lock(shared.mutex);
                shared.sleepers.fetch_add(1);
                shared.work.wait(lock, [&] { return has_work(shared); });
                shared.sleepers.fetch_sub(1);
            }
            if (shared.stopping.load(std::memory_order_acquire)) return;
            take_tasks(shared, worker);
        }
    }

    static bool has_work(const Shared& shared) {
        return (shared.tickets.load() & remaining_mask) != 0 || shared.stopping.load();
    }

    SNCC_COLD void start() {
        abandon_after_fork();
        shared_ = std::make_unique<Shared>();
        process_ = process();
        try {
            for (int worker = 1; worker < threads_; ++worker)
                shared_->workers.emplace_back([shared = shared_.get(), worker] { work(*shared, worker); });
        } catch (const std::system_error& error) {
            stop();
            throw std::runtime_error("cannot start " + std::to_string(threads_) + " threads: " + error.what());
        } catch (...) {
            stop();
            throw;
        }
    }

    // The parent's threads do not exist in the child, and its locks may be held for ever: their memory is given up.
    SNCC_COLD void abandon_after_fork() {
        if (shared_ && process_ != process()) static_cast<void>(shared_.release());
    }

    SNCC_COLD void stop() {
        abandon_after_fork();
        if (!shared_) return;
        {
            std::lock_guard<std::mutex> lock(shared_->mutex);
            shared_->stopping.store(true);
        }
        shared_->work.notify_all();
        for (std::thread& worker : shared_->workers) worker.join();
        shared_.reset();
    }

    int threads_;
    long process_ = 0;
    std::unique_ptr<Shared> shared_;
};

}  // namespace sncc
