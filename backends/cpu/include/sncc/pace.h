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
        spent_ += seconds;
        if (slices_ > warm) note(seconds, slices_ - warm);
        if (trying_ && spent_ > trial * costs_[other()]) return turn(false);  // as long as a whole trial of what is quicker
        if (slices_ < trial) return;
        const bool best = way_ == quicker();
        if (costs_[other()] == 0 || !best) {
            if (!trying_) patience_ = shortest;
            turn(false);
        } else if (trying_ || ++settled_ >= patience_) {
            patience_ = trying_ ? shortest : std::min(2 * patience_, longest);
            if (trying_)
                settle();
            else
                turn(true);
        }
    }

private:
    enum Way { in_turn = 0, at_once = 1 };
    Way other() const { return way_ == at_once ? in_turn : at_once; }
    // A second core must be worth it.
    Way quicker() const { return costs_[at_once] < 0.95 * costs_[in_turn] ? at_once : in_turn; }
    // The mean of a way's slices, later of the last ones; one that something held up counts, but not for all.
    void note(double seconds, int counted) {
        double& cost = costs_[way_];
        const double within = counted == 1 ? seconds : std::min(seconds, longest_of_means * cost);
        cost = counted == 1 ? within : cost + (within - cost) / std::min(counted, averaged);
    }
    void turn(bool trying) {
        way_ = other(), slices_ = 0, spent_ = 0;
        settle();
        trying_ = trying;
    }
    void settle() { trying_ = false, settled_ = 0; }

    // Slices that a way is tried for, those before it counts, as a core that sleeps takes milliseconds to wake, and those until the
    // slower way is tried again.
    static constexpr int trial = 8, warm = 4, shortest = 128, longest = 1024;
    static constexpr int averaged = 8, longest_of_means = 3;
    Way way_ = at_once;
    double costs_[2] = {0, 0}, spent_ = 0;  // seconds an interval, zero before the first
    int slices_ = 0, settled_ = 0, patience_ = shortest;
    bool trying_ = false;
    std::chrono::steady_clock::time_point begin_;
};

}  // namespace sncc
