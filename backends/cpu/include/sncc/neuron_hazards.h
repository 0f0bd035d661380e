// Where in a step, and after how many steps, workers must meet: what one writes another reads.
#pragma once

#include <algorithm>

#include "neuron_memory.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

// Spikes of earlier steps need one meeting per shortest delay. What is read within its own step (spikes without a delay,
// variables of other neurons) needs one between the write and the read, one before the next write, and one every step.
template <typename Real>
class Hazards {
public:
    SNCC_COLD explicit Hazards(const Memory<Real>& memory) : m_(memory) {
        List<int> written, read;  // groups since the last meeting
        bool lists = false;           // whether lists of this step's spikes are read since then, of the C++ half: a worker's lie together, and may move as one grows
        for (int k = 0; k < m_.net.operations_count; ++k) {
            const Operation& operation = m_.net.operations[k];
            const Reads reads = reads_of(operation);
            bool meets = operation.action == Action::update && (lists || holds(read, operation.index));
            for (const int group : reads.groups) meets |= holds(written, group);
            if (meets) written.clear(), read.clear(), lists = false;
            meetings_.push_back(meets);
            within_step_ |= !reads.groups.empty();
            read.append(reads.variables.begin(), reads.variables.end());
            lists |= reads.lists && m_.on_cpu;
            if (operation.action == Action::update) written.push_back(operation.index);
            if (reads.least_delay > 0) shortest_ = std::min(shortest_, reads.least_delay);
        }
    }
    // Steps between meetings.
    std::int64_t interval() const { return within_step_ ? 1 : shortest_; }
    bool within_step() const { return within_step_; }
    // Whether a worker reads variables of neurons that another may own, as they stand.
    bool reads_variables() const { return reads_variables_; }
    // Whether workers meet before operation k of every step.
    bool meets_before(int k) const { return meetings_[static_cast<std::size_t>(k)]; }

private:
    static constexpr std::int64_t longest = 32;

    struct Reads {
        List<int> groups;     // whose spikes or variables of this step, or of the step before, are read
        List<int> variables;  // of them those whose variables are read
        std::int64_t least_delay = 0;
        bool lists = false;  // of this step's spikes
    };

    static bool holds(const List<int>& groups, int group) { return std::find(groups.begin(), groups.end(), group) != groups.end(); }
    int group_of(int population) const { return m_.net.populations_info[population].group; }

    void read_field(Reads& reads, int field) {
        const int group = group_of(m_.net.fields_info[field].population);
        reads_variables_ = true;
        reads.groups.push_back(group);
        reads.variables.push_back(group);
    }

    SNCC_COLD Reads reads_of(const Operation& operation) {
        Reads reads;
        if (operation.action == Action::update) return reads;
        const bool synapses = operation.action == Action::synapses;
        const int number = synapses ? m_.net.synapse_updates[operation.index].connection : operation.index;
        const ConnectionInfo& c = m_.net.connections[number];
        const bool local = m_.is_local(number);
        const bool arrives = !synapses || m_.net.synapse_updates[operation.index].when == When::pre;
        if (synapses)
            for (const int* field = m_.net.synapse_updates[operation.index].far; *field >= 0; ++field) read_field(reads, *field);
        if (arrives && c.gain >= 0 && !local) read_field(reads, c.gain);
        if (arrives && c.source_population >= 0 && !local) {
            reads.least_delay = m_.least_delay_of(number);
            if (reads.least_delay == 0) {
                reads.groups.push_back(group_of(c.source_population));
                reads.lists = c.values < 0;
                if (c.values >= 0) reads.variables.push_back(group_of(c.source_population));
            }
        }
        return reads;
    }

    const Memory<Real>& m_;
    List<char> meetings_;
    bool within_step_ = false, reads_variables_ = false;
    std::int64_t shortest_ = longest;
};

}  // namespace neurons
}  // namespace sncc
