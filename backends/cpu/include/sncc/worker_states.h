// Each worker's neurons in memory of its own while workers run at once. Side by side in one array, neurons of two workers cost both
// cores dearly: each reads ahead into lines that the other writes, and has to be asked for them.
#pragma once

#include <cstddef>
#include <cstring>

#include "neuron_memory.h"
#include "untouched.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

// States are apart, where `wanted`, as long as this lives: but for the first worker's in copies, of which each worker's own neurons count.
template <typename Real>
class WorkerStates {
public:
    SNCC_COLD WorkerStates(Memory<Real>& memory, bool wanted) : m_(memory) {
        for (std::size_t w = 1; wanted && w < m_.states_of.size(); ++w) copies_.emplace_back(m_.state.size() + page);  // all, or none are used
        for (std::size_t w = 1; w <= copies_.size(); ++w) {
            States<Real>& states = m_.states_of[w];
            states.bytes = copies_[w - 1].data();
            for (int f = 0; f < m_.net.fields_count; ++f) states.fields[static_cast<std::size_t>(f)] = m_.net.field(states.bytes, m_.arrays.data(), f);
            copy_own(w, m_.state.data(), states.bytes);
        }
    }
    ~WorkerStates() {
        for (std::size_t w = 1; w <= copies_.size(); ++w) {
            copy_own(w, m_.states_of[w].bytes, m_.state.data());
            m_.states_of[w] = m_.states_of[0];
        }
    }
    WorkerStates(const WorkerStates&) = delete;
    WorkerStates& operator=(const WorkerStates&) = delete;

private:
    static constexpr std::size_t page = 4096;  // nobody reads ahead over the end of one

    SNCC_COLD void copy_own(std::size_t w, const unsigned char* from, unsigned char* to) const {
        for (int a = 0; a < m_.net.state_arrays_count; ++a)
            for (int p = 0; p < m_.net.populations; ++p) {
                const PopulationInfo& info = m_.net.populations_info[p];
                const Range& own = m_.range(p, static_cast<int>(w));
                if (info.group != m_.net.state_arrays[a].group || own.size() == 0) continue;
                const std::size_t begin = m_.net.state_arrays[a].begin + sizeof(Real) * static_cast<std::size_t>(info.offset + own.begin);
                std::memcpy(to + begin, from + begin, sizeof(Real) * static_cast<std::size_t>((own.size() + 15) / 16 * 16));
            }
    }

    Memory<Real>& m_;
    List<Untouched<unsigned char>> copies_;
};

}  // namespace neurons
}  // namespace sncc
