// Numbers of every synapse of a connection as a run has left them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine.h"
#include "list.h"

namespace sncc {

// Calls `look` in the step after the last one of a run like `last`, which is then as if it had not been.
template <typename Look>
void look_ahead(Engine& engine, const Simulation& last, const Look& look) {
    List<unsigned char> kept(engine.state_size());
    engine.get_state(kept.data(), kept.size());
    Simulation next = {};
    next.steps = 1, next.seed = last.seed, next.trial = last.trial, next.resume = next.peeks = true;
    engine.simulate(next);
    look();
    engine.set_state(kept.data(), kept.size());
}

SNCC_COLD inline void read_synapse_state(Engine& engine, const SynapseStateDescription& about, const Simulation& last, double* values, std::int64_t count) {
    const auto copy = [&] {
        const List<double> all = engine.state_of(about.population, about.state, count);
        std::copy(all.begin(), all.end(), values);
    };
    if (about.population < 0) return engine.get_synapse_state(about.connection, about.state, values);
    if (engine.step_count() == 0) throw Failure(Code::argument, std::string(about.name) + " is there when a run is under way");
    if (about.ahead)
        look_ahead(engine, last, copy);
    else
        copy();
}

}  // namespace sncc
