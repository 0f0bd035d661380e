// The neuron-parallel engine of a CPU: each worker owns ranges of neurons of every population and all synapses onto them, so there are
// no atomic additions, and a neuron adds its inputs in the order (arrival step, connection, source) for any number of workers.
// With a delay per synapse spikes are sent to their steps of arrival when emitted: (arrival step, emission step, connection, source), ahead of
// the last such connection's turn.
#pragma once

#include <algorithm>
#include <memory>

#include "cores.h"
#include "neuron_engine.h"
#include "neuron_step.h"
#include "pace.h"
#include "segment.h"
#include "synapse_loop.h"
#include "worker_states.h"
#include "sncc/list.h"

namespace sncc {
namespace neurons {

template <typename Real>
class NeuronWorkers final : public NeuronEngine<Real> {
    using Base = NeuronEngine<Real>;
    using Course = typename Base::Course;
    using Base::done_;
    using Base::hazards_;
    using Base::m_;
    using Base::sent_;

public:
    NeuronWorkers(const Tables<Real>& net, int threads) : Base(net, threads) {}

    SNCC_COLD void build(std::uint64_t seed, const Description& about) override {
        Base::build(seed, about);
        gate_ = std::make_unique<Gate>(m_.workers);
        cores_ = std::make_unique<Cores>(m_.workers);
    }
    // What was on its way follows from the spikes of the last steps.
    SNCC_COLD void set_state(const unsigned char* bytes, std::size_t size) override {
        Base::set_state(bytes, size);
        Bundler<Real>(m_).fill_missing();  // with the weights of that state
        send_again();
    }

protected:
    // What is on its way arrives with the weights of that time.
    SNCC_COLD void follow(const Simulation& simulation) override {
        Base::follow(simulation);
        send_again();
    }
    // Runs steps first + 1 .. last in slices: in parallel, or one worker after the other in this thread, as is quicker.
    void advance(const Course& course, std::int64_t first, std::int64_t last) override {
        List<Delivery<Real>> deliveries;
        const WorkerStates<Real> apart(m_, last - first > few_steps && !hazards_->reads_variables());
        for (const Worker& worker : m_.worker) deliveries.emplace_back(m_, worker);
        while (first < last) {
            const std::int64_t to = std::min(last, first + m_.interval * intervals_at_once);
            if (m_.workers == 1 || last - first <= few_steps) {
                one_after_another(course, deliveries, first, to);
            } else {
                const bool at_once = pace_.together();
                pace_.begin();
                if (at_once)
                    together(course, deliveries, first, to);
                else
                    one_after_another(course, deliveries, first, to);
                pace_.end(static_cast<double>(to - first) / static_cast<double>(m_.interval));
            }
            first = to;
        }
    }

private:
    SNCC_COLD void send_again() {
        m_.clear_arrivals();
        for (const Worker& worker : m_.worker) {
            Delivery<Real> delivery(m_, worker);
            for (std::int64_t n = done_ + 1 - m_.most_delay; n <= done_; ++n) delivery.send_again(n, n - done_, done_);
        }
        sent_ = done_;
    }

    void one_after_another(const Course& course, List<Delivery<Real>>& deliveries, std::int64_t first, std::int64_t last) {
        for (std::int64_t from = first; from < last; from += m_.interval) {
            const std::int64_t to = std::min(last, from + m_.interval);
            for (std::size_t w = 0; w < deliveries.size(); ++w) send(deliveries[w], from);
            sent_ = from;
            if (!hazards_->within_step()) {
                for (std::size_t w = 0; w < deliveries.size(); ++w)
                    for (std::int64_t n = from + 1; n <= to; ++n) {
                        operations(course, m_.worker[w], deliveries[w], n, 0, m_.net.operations_count);
                        record(course, m_.worker[w], n);
                    }
                continue;
            }
            for (std::int64_t n = from + 1; n <= to; ++n) {
                for (int begin = 0, end = 0; begin < m_.net.operations_count; begin = end) {
                    for (end = begin + 1; end < m_.net.operations_count && !hazards_->meets_before(end);) ++end;
                    for (std::size_t w = 0; w < deliveries.size(); ++w) operations(course, m_.worker[w], deliveries[w], n, begin, end);
                }
                for (Worker& worker : m_.worker) record(course, worker, n);
            }
        }
    }

    void together(const Course& course, List<Delivery<Real>>& deliveries, std::int64_t first, std::int64_t last) {
        gate_->reset();
        cores_->reset();
        const bool one_each = m_.workers == m_.pool.threads();  // a thread then keeps its worker's data in its cache
        m_.pool.run(m_.workers, [&](int task, int thread) {
            const int w = one_each ? thread : task;
            cores_->take(w);
            try {
                share(course, m_.worker[static_cast<std::size_t>(w)], deliveries[static_cast<std::size_t>(w)], first, last);
            } catch (...) {
                gate_->fail();
                throw;
            }
        });
        sent_ = first + (last - first - 1) / m_.interval * m_.interval;
    }

    // One worker's share.
    void share(const Course& course, Worker& worker, Delivery<Real>& delivery, std::int64_t first, std::int64_t last) {
        for (std::int64_t from = first; from < last; from += m_.interval) {
            if (!gate_->meet(worker.index)) return;
            send(delivery, from);
            for (std::int64_t n = from + 1; n <= std::min(last, from + m_.interval); ++n) {
                for (int begin = 0, end = 0; begin < m_.net.operations_count; begin = end) {
                    for (end = begin + 1; end < m_.net.operations_count && !hazards_->meets_before(end);) ++end;
                    if (begin > 0 && !gate_->meet(worker.index)) return;
                    operations(course, worker, delivery, n, begin, end);
                }
                record(course, worker, n);
            }
        }
    }

    // Spikes of the steps up to `until` on their way: those of one interval, as they were emitted.
    SNCC_NOINLINE void send(Delivery<Real>& delivery, std::int64_t until) const {
        const std::int64_t since = until - (until == done_ ? until - sent_ : m_.interval);
        for (std::int64_t n = since + 1; n <= until; ++n) delivery.send_emitted(n);
    }

    SNCC_NOINLINE void operations(const Course& course, Worker& worker, Delivery<Real>& delivery, std::int64_t n, int begin, int end) {
        const std::int64_t run_step = n - done_;
        const Real t = static_cast<Real>(m_.net.step_ms * static_cast<double>(n - 1));
        for (int k = begin; k < end; ++k) {
            const Operation& operation = m_.net.operations[k];
            switch (operation.action) {
                case Action::deliver: delivery.deliver(operation.index, n, run_step); break;
                case Action::update: update(worker, operation, course, n, t); break;
                case Action::synapses: {
                    const SynapseLoop<Real> loop(m_, operation.index, worker, course.simulation, n, run_step, t);
                    m_.net.update_synapses(operation.index, loop, m_.numbers);
                }
            }
        }
    }

    const States<Real>& states(const Worker& worker) const { return m_.states_of[static_cast<std::size_t>(worker.index)]; }

    SNCC_NOINLINE void record(const Course& course, Worker& worker, std::int64_t n) const {
        for (int p = 0; p < m_.net.populations; ++p)
            if (course.recorded[static_cast<std::size_t>(p)]) worker.records[static_cast<std::size_t>(p)].add(worker.spikes.at(n, p));
        for (int k = 0; k < course.simulation.trace_count; ++k) {
            const Trace& trace = course.simulation.traces[k];
            const Range& own = m_.range(trace.population, worker.index);
            record_trace(trace, m_.net.variable(states(worker).bytes, trace.population, trace.state), own.begin, own.end, n - done_);
        }
    }

    void update(Worker& worker, const Operation& operation, const Course& course, std::int64_t n, Real t) {
        const int group = operation.index;
        for (int p = 0; p < m_.net.populations; ++p) {
            const PopulationInfo& info = m_.net.populations_info[p];
            const Range& own = m_.range(p, worker.index);
            if (info.group != group || own.size() == 0) continue;
            const bool lists = operation.last && info.spiking && course.listed[static_cast<std::size_t>(p)];
            if (lists) worker.spikes.begin(n, p);
            const Segment<Real> segment{m_.arrays.data(), states(worker).bytes, n, t, course.simulation.seed, course.simulation.trial, p, &info, info.offset + own.begin,
                                        info.offset + (own.end + 15) / 16 * 16, own.begin, &worker, lists};
            m_.net.update(operation.number, segment);
        }
        if (!operation.last) return;
        for (std::size_t f = 0; f < m_.histories.size(); ++f) {
            const int population = m_.net.fields_info[f].population;
            if (m_.histories[f].stride == 0 || m_.net.populations_info[population].group != group) continue;
            const Range& own = m_.range(population, worker.index);
            std::copy(states(worker).fields[f] + own.begin, states(worker).fields[f] + own.end, m_.histories[f].at(n) + own.begin);
        }
    }

    std::unique_ptr<Gate> gate_;
    std::unique_ptr<Cores> cores_;
    static constexpr std::int64_t intervals_at_once = 200, few_steps = 4;
    Pace pace_;
};

}  // namespace neurons
}  // namespace sncc
