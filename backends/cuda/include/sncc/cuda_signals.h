// Signals of samples that take turns, where those of all would take too much of a bound on memory: they wait in pinned memory, and those of a turn
// are copied while the samples of the one before run.
#pragma once

#include <cstdint>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"

namespace sncc {
namespace cuda {

// Numbers of a step of source q, or of what dropout leaves of one.
template <typename Network>
std::int64_t stride_of_source(int q) {
    const int source = q < Network::sources ? q : Network::thinnings()[q - Network::sources].source;
    return (Network::source_sizes()[source].size + 15) / 16 * 16;
}

// Of all samples of a batch, by source (null: they are on the device), and where on the device those of a turn stand, and those of the next one.
template <typename Network>
struct WaitingSignals {
    using Real = typename Network::Real;
    const Real* values[Network::sources + Network::thinned + 1];
    Real* rooms[2][Network::sources + Network::thinned + 1];
    bool any;
};

template <typename Network>
class SignalsInTurn {
    using Real = typename Network::Real;
    static constexpr int count = Network::sources + Network::thinned;

public:
    explicit SignalsInTurn(DeviceMemory& memory) : rooms_(memory, 2 * count, "the signals") {}

    // For so many samples at once.
    void make_room(WaitingSignals<Network>& waiting, std::int64_t samples, std::int64_t most_steps) {
        for (int q = 0; q < 2 * count; ++q) {
            if (!waiting.values[q / 2]) continue;
            rooms_[q]->reserve(static_cast<std::size_t>(samples * most_steps * stride_of_source<Network>(q / 2)));
            waiting.rooms[q % 2][q / 2] = rooms_[q]->data();
        }
    }
    // Before the first turn that `stream` is given.
    void begin(const Stream& stream) {
        turn_ = 0;
        begun_.record(stream);
        begun_.let_wait(copies_);
    }
    // Has `stream` wait for the signals of the samples `a` of a turn, of which `first` is the first of the batch.
    void bring(SampleArguments<Network>& a, const WaitingSignals<Network>& waiting, std::int64_t first, const Stream& stream) {
        const int room = turn_ % 2;
        if (turn_ >= 2) read_[room].let_wait(copies_);
        for (int q = 0; q < count; ++q) {
            if (!waiting.values[q]) continue;
            const std::int64_t size = a.most_steps * stride_of_source<Network>(q);
            a.values[q] = waiting.rooms[room][q];
            check(cudaMemcpyAsync(waiting.rooms[room][q], waiting.values[q] + first * size, static_cast<std::size_t>(a.batch * size) * sizeof(Real), cudaMemcpyHostToDevice, copies_),
                  "cudaMemcpyAsync", "the signals");
        }
        there_[room].record(copies_);
        there_[room].let_wait(stream);
    }
    // What `stream` was given so far is the last of the turn.
    void end_turn(const Stream& stream) { read_[turn_++ % 2].record(stream); }

private:
    DeviceArrays<Real> rooms_;
    Stream copies_{cudaStreamNonBlocking};  // which a capture of the other stream takes along
    Event begun_, there_[2], read_[2];
    int turn_ = 0;
};

}  // namespace cuda
}  // namespace sncc
