// Which words of 32 neurons lie side by side, and which of them a block has.
#pragma once

#include <algorithm>

#include "sncc/cuda_tiling.h"
#include "sncc/list.h"
#include "sncc/neuron_memory.h"

namespace sncc {
namespace cuda {

// Words of populations of which one reads the other's neuron of the same number have the same place.
template <typename Network>
struct Sharing {
    List<int> first_words = List<int>(Network::populations + 1, 0);  // by population
    std::int64_t words = 1;
    int tile_words = 1;

    static std::int64_t words_of(int population) { return (Network::populations_info()[population].size + 31) / 32; }
    static int target_of(int connection) { return info(connection).target_population; }
    std::int64_t blocks() const { return (words + tile_words - 1) / tile_words; }
    Tiling tiling_of(int connection) const { return {tile_words, first_words[static_cast<std::size_t>(target_of(connection))]}; }

    void share_out(const neurons::Memory<typename Network::Real>& host, int multiprocessors) {
        List<int> leader(Network::populations + 1);
        for (int p = 0; p <= Network::populations; ++p) leader[static_cast<std::size_t>(p)] = p;
        const auto lead = [&](int p) {
            while (leader[static_cast<std::size_t>(p)] != p) p = leader[static_cast<std::size_t>(p)];
            return p;
        };
        const auto join = [&](int a, int b) { leader[static_cast<std::size_t>(std::max(lead(a), lead(b)))] = std::min(lead(a), lead(b)); };
        for (int c = 0; c < Network::connections_count; ++c)
            if (host.is_local(c)) {
                join(info(c).source_population, info(c).target_population);
                if (info(c).gain >= 0) join(Network::fields_info()[info(c).gain].population, info(c).target_population);
            }
        for (int u = 0; u < Network::synapse_updates_count; ++u) {
            const neurons::SynapseUpdateInfo& update = Network::synapse_updates()[u];
            for (const int* field = update.own; *field >= 0; ++field) join(Network::fields_info()[*field].population, info(update.connection).target_population);
        }
        words = 0;
        for (int p = 0; p < Network::populations; ++p) {
            if (lead(p) != p) continue;
            std::int64_t most = 0;
            for (int q = 0; q < Network::populations; ++q)
                if (lead(q) == p) first_words[static_cast<std::size_t>(q)] = static_cast<int>(words), most = std::max(most, words_of(q));
            words += most;
        }
        words = std::max<std::int64_t>(words, 1);
        tile_words = static_cast<int>(std::min<std::int64_t>((words + multiprocessors - 1) / multiprocessors, most_tile_words));
    }

private:
    static constexpr std::int64_t most_tile_words = 2048;  // a target in its tile is a number of 16 bits

    static const neurons::ConnectionInfo& info(int c) { return Network::connections()[c]; }
};

}  // namespace cuda
}  // namespace sncc
