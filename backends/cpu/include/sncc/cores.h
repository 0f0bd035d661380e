// Workers that wait for each other keep to different cores. A system wakes a thread where the waker runs, and leaves two that spin
// and yield there; each then waits for the other's turn.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#if defined(__linux__)
#include <sched.h>
#endif

namespace sncc {

class Cores {
public:
    explicit Cores(int workers) : workers_(workers), of_(std::make_unique<std::atomic<int>[]>(static_cast<std::size_t>(workers))) { reset(); }

    void reset() {
        for (int w = 0; w < workers_; ++w) of_[w].store(-1);
    }
    // Called by a worker in its thread: leaves a core that another worker has taken, where others are free to it.
    void take(int worker) {
#if defined(__linux__)
        std::atomic<int>& own = of_[worker];
        const int core = sched_getcpu();
        own.store(core);
        bool shared = false;
        cpu_set_t allowed, free;
        for (int w = 0; w < workers_; ++w) shared = shared || (w != worker && of_[w].load() == core);
        if (!shared || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
        free = allowed;
        for (int w = 0; w < workers_; ++w)
            if (const int taken = of_[w].load(); taken >= 0) CPU_CLR(static_cast<std::size_t>(taken), &free);
        if (CPU_COUNT(&free) == 0 || sched_setaffinity(0, sizeof free, &free) != 0) return;
        own.store(sched_getcpu());
        sched_setaffinity(0, sizeof allowed, &allowed);
#else
        static_cast<void>(worker);
#endif
    }

private:
    int workers_;
    std::unique_ptr<std::atomic<int>[]> of_;
};

}  // namespace sncc
