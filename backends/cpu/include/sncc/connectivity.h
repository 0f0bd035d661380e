// Which synapses a connection is to have, and the function that builds them (connectivity_builder.h, a file of its own to compile).
#pragma once

#include <cstdint>

#include "compressed_rows.h"
#include "pattern.h"
#include "sncc/list.h"
#include "sncc/thread_pool.h"

namespace sncc {

// Pairs handed over for a `sparse` connection.
struct HandedOver {
    List<std::int64_t> pre, post;
    bool given = false;
};

// What a connection is to have. `pairs`: flat indices handed over (`sparse`).
struct ConnectivityRequest {
    Pattern pattern;
    PartShape source, target;
    std::uint64_t seed = 0;
    std::uint32_t stream = 0;
    const std::int64_t *pre = nullptr, *post = nullptr;
    std::int64_t pairs = 0;
};

// The synapses, in parts for so many workers, the same for any number of threads.
// Throws std::invalid_argument for a pattern that cannot be had, or for pairs out of range.
Synapses build_synapses(const ConnectivityRequest& request, int workers, ThreadPool& pool);

// Throws std::invalid_argument for a random pattern that cannot be had.
void check_random(const ConnectivityRequest& request, ThreadPool& pool);

// How many synapses there will be, at most where that is random (six standard deviations).
double expected_synapses(const ConnectivityRequest& request);

}  // namespace sncc
