// Whether workers run at once or one after the other, by what has been quicker of late: small networks wait more than they compute,
// and another process may have a worker's core. The numbers are the same either way.
#pragma once

#include <algorithm>
#include <chrono>

namespace sncc {

class Pace {
public:
    // How the next slice is to run.
    bool together() const { return way_ == at_once; }
    void begin() { begin_ = std::chrono::steady_clock::now(); }
    // The slice that has begun has ended.
    void end(double intervals) {
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count() / intervals;
        ++slices_;
        double& cost = costs_[way_];
        // Quick to improve and slow to worsen: a slice that something held up says little.
        if (slices_ > warm) cost = slices_ == warm + 1 || seconds < cost ? seconds : cost + 0.1 * (seconds - cost);
        if (slices_ < trial) return;
        const bool best = way_ == quicker();
        if (costs_[other()] == 0 || !best) {
            if (!trying_) patience_ = shortest;
            turn(false);
        } else if (trying_ || ++settled_ >= patience_) {
            patience_ = trying_ ? shortest : std::min(2 * patience_, longest);
            trying_ ? settle() : turn(true);
        }
    }

private:
    enum Way { in_turn = 0, at_once = 1 };
    Way other() const { return way_ == at_once ? in_turn : at_once; }
    // A second core must be worth it.
    Way quicker() const { return costs_[at_once] < 0.95 * costs_[in_turn] ? at_once : in_turn; }
    void turn(bool trying) {
        way_ = other(), slices_ = 0;
        settle();
        trying_ = trying;
    }
    void settle() { trying_ = false, settled_ = 0; }

    // Slices that a way is tried for, those before it counts, as a core that sleeps takes milliseconds to wake, and those until the
    // slower way is tried again.
    static constexpr int trial = 8, warm = 4, shortest = 128, longest = 1024;
    Way way_ = at_once;
    double costs_[2] = {0, 0};  // seconds an interval, zero before the first
    int slices_ = 0, settled_ = 0, patience_ = shortest;
    bool trying_ = false;
    std::chrono::steady_clock::time_point begin_;
};

}  // namespace sncc
