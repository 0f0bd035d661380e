// The pool: each task once, both threads at work, exceptions, forks, sleepers, and pools that never ran.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "sncc/fpu.h"
#include "sncc/thread_pool.h"

using sncc::ThreadPool;

namespace {

int failures = 0;
void expect(bool condition, const char* what) {
    if (!condition) ++failures, std::printf("failed: %s\n", what);
}

bool each_task_once(ThreadPool& pool, int n_tasks) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(n_tasks));
    std::atomic<bool> worker_known{true};
    pool.run(n_tasks, [&](int task, int worker) {
        calls[static_cast<std::size_t>(task)].fetch_add(1);
        if (worker < 0 || worker >= pool.threads()) worker_known = false;
    });
    for (const auto& count : calls)
        if (count != 1) return false;
    return worker_known;
}

void check_runs() {
    for (const int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        bool correct = true;
        for (int run = 0; run < 3000; ++run) correct = correct && each_task_once(pool, run % 9);
        expect(correct, "every task runs once, in a worker of the pool");
    }
    { ThreadPool unused(4); }
    ThreadPool negative(-3);
    expect(negative.threads() == 1 && each_task_once(negative, 5), "a pool has at least its caller");
}

// Each task waits for the other, so they end only if two threads take one each; the second time after both slept.
void check_two_threads() {
    ThreadPool pool(2);
    for (const int idle_milliseconds : {0, 20}) {
        std::this_thread::sleep_for(std::chrono::milliseconds(idle_milliseconds));
        std::atomic<int> arrived{0};
        pool.run(2, [&](int) {
            arrived.fetch_add(1);
            while (arrived.load() < 2) std::this_thread::yield();
        });
        expect(arrived == 2, "two threads work at the same time");
    }
}

void check_exceptions() {
    ThreadPool pool(2);
    for (int repetition = 0; repetition < 200; ++repetition) {
        std::atomic<int> finished{0};
        std::string message;
        try {
            pool.run(20, [&](int task) {
                if (task == 7 || task == 13) throw std::runtime_error("task " + std::to_string(task));
                finished.fetch_add(1);
            });
        } catch (const std::runtime_error& error) {
            message = error.what();
        }
        expect(message == "task 7", "the exception of the lowest task reaches the caller");
        expect(finished == 18, "the other tasks still run");
        expect(each_task_once(pool, 8), "the pool works after an exception");
    }
}

// Otherwise a number that a task computes would depend on the thread that takes it.
void check_denormals() {
    ThreadPool pool(2);
    for (const bool flush : {true, false}) {
        const sncc::FlushDenormals scope(flush);
        std::vector<float> halves(2);
        std::atomic<int> arrived{0};
        pool.run(2, [&](int task) {
            arrived.fetch_add(1);
            while (arrived.load() < 2) std::this_thread::yield();  // each in a thread of its own
            volatile float least = std::numeric_limits<float>::min();
            halves[static_cast<std::size_t>(task)] = least / 2;
        });
        expect((halves[0] == 0) == (halves[1] == 0), "tasks treat denormals alike");
#if defined(SNCC_HAS_MXCSR)
        expect((halves[0] == 0) == flush, "tasks treat denormals as their caller does");
#endif
    }
}

void check_fork() {
#if defined(__unix__) || defined(__APPLE__)
    ThreadPool pool(2);
    expect(each_task_once(pool, 8), "the pool runs before the fork");
    const pid_t child = fork();
    if (child == 0) {
        alarm(10);  // a pool that waits for the parent's threads fails instead of hanging
        bool correct = true;
        for (int run = 0; run < 100; ++run) correct = correct && each_task_once(pool, 8);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            alarm(10);
            { ThreadPool moved_on(2); }
            pool.~ThreadPool();
            _exit(0);
        }
        int status = 1;
        waitpid(grandchild, &status, 0);
        _exit(correct && status == 0 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    expect(status == 0, "the pool starts threads again in the child, and ends there without them");
    expect(each_task_once(pool, 8), "the parent's pool is undisturbed");
#endif
}

}  // namespace

int main() {
    check_runs();
    check_two_threads();
    check_exceptions();
    check_denormals();
    check_fork();
    return failures != 0;
}
