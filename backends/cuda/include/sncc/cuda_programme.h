// What a block does of a step: the operations that concern its own neurons, and the connections onto them.
#pragma once

#include "sncc/cuda_push.h"

namespace sncc {
namespace cuda {

// Held in shared memory, as what others wrote since the last meeting is all that should come from afar.
template <typename Network>
struct Programme {
    int operations[Network::operations_count + 1];
    int slots[Network::operations_count + 1];  // of what is counted for the operation
    bool together[Network::operations_count + 1];
    int count;
    int counted[Network::connections_count + 1], senders[Network::connections_count + 1];
    unsigned counted_words[Network::connections_count + 1], sender_words[Network::connections_count + 1];  // where each one's words of spikes end
    int counted_count, sender_count;
    int counted_steps;  // that there is room for
};

template <typename Real>
__device__ inline unsigned words_of_source(const ConnectionView<Real>& c) {
    return static_cast<unsigned>((c.rows.sources + 31) / 32);
}

struct Placed {
    unsigned before, total;
};

// All threads of the block come here, before its first step. `anew`: spikes of all connections with drawn delays are sent, not only of those that meetings hand on.
template <typename Network>
__device__ inline void plan(Programme<Network>& to, StepRoom& room, const Step<Network>& s, bool anew) {
    const auto owns = [&](const auto& c) { return s.owns(c.target_population, c.target_first + c.target_size); };
    const auto is_sent = [&](const auto& c) { return c.pushed && c.sum >= 0 && (c.handed_on || anew); };
    const auto place = [&](unsigned value) {
        unsigned total;
        const unsigned before = sum_before(value, room.sums[1], total);  // the other may still be read
        __syncthreads();
        return Placed{before, total};
    };
    unsigned operations = 0, counted = 0, counted_words = 0, senders = 0, sender_words = 0;
    for (int first = 0; first < Network::operations_count; first += static_cast<int>(blockDim.x)) {
        const int k = first + static_cast<int>(threadIdx.x), c = k < Network::operations_count ? s.v.delivers[k] : nothing;
        const bool own = c == updates || (c >= 0 && owns(s.v.connections[c])), counts = own && c >= 0 && s.v.connections[c].counted;
        const Placed at = place(own), slot = place(counts), words = place(counts ? words_of_source(s.v.connections[c]) : 0u);
        if (own) {
            const unsigned place_of_it = operations + at.before;
            to.operations[place_of_it] = k, to.slots[place_of_it] = static_cast<int>(counted + slot.before), to.together[place_of_it] = s.v.together[k];
        }
        if (counts) to.counted[counted + slot.before] = c, to.counted_words[counted + slot.before] = counted_words + words.before + words_of_source(s.v.connections[c]);
        operations += at.total, counted += slot.total, counted_words += words.total;
    }
    for (int first = 0; first < Network::connections_count; first += static_cast<int>(blockDim.x)) {
        const int c = first + static_cast<int>(threadIdx.x);
        const bool own = c < Network::connections_count && is_sent(s.v.connections[c]) && owns(s.v.connections[c]);
        const Placed at = place(own), words = place(own ? words_of_source(s.v.connections[c]) : 0u);
        if (own) to.senders[senders + at.before] = c, to.sender_words[senders + at.before] = sender_words + words.before + words_of_source(s.v.connections[c]);
        senders += at.total, sender_words += words.total;
    }
    if (threadIdx.x == 0) {
        to.count = static_cast<int>(operations), to.counted_count = static_cast<int>(counted), to.sender_count = static_cast<int>(senders);
        to.counted_steps = counted > 0 ? s.v.counted_cells / (to.counted_count * s.v.tile_words * 32) : 0;
    }
    for_own(claim_count, [&](int k) { room.claims[k] = unclaimed; });
    for_own(2 * most_warps, [&](int k) { room.poisson[k / 2][k % 2].mean = -1; });
    __syncthreads();
}

}  // namespace cuda
}  // namespace sncc
