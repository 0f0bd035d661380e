// Connectivity on the device: rows of synapses built by the host, and what the kernels look up besides.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "sncc/cuda_arguments.h"
#include "sncc/cuda_memory.h"
#include "sncc/list.h"
#include "sncc/rewire.h"
#include "sncc/synapse_rows.h"

namespace sncc {
namespace cuda {

template <typename Real>
class RowsOnDevice {
public:
    RowsOnDevice(DeviceMemory& memory, SynapseRows built)
        : rows(std::move(built)), offsets_(memory, name), incoming_offsets_(memory, name), sharing_offsets_(memory, name), sources_(memory, name),
          targets_(memory, name), elements_(memory, name), incoming_(memory, name), sharing_(memory, name), delays_(memory, name), delay_elements_(memory, name) {}

    SynapseRows rows;

    // After `place_weights`: `targets` neurons of the target, `elements` numbers of a weight that synapses share (0: none do).
    DeviceRows<Real> upload(std::int64_t targets, std::int64_t elements) {
        const std::size_t count = static_cast<std::size_t>(rows.count());
        List<std::uint32_t> sources(count), onto(count);
        rows.for_each([&](std::uint64_t k, std::uint32_t i, std::uint32_t j) { sources[k] = i, onto[k] = j; });
        offsets_.put(List<std::uint64_t>(rows.offsets(), rows.offsets() + rows.sources() + 1));
        sources_.put(sources), targets_.put(onto);
        by_number(incoming_offsets_, incoming_, targets, [&](std::uint64_t k) { return static_cast<std::int64_t>(onto[k]); });
        const bool placed = rows.info().place == Element::matrix, one = rows.info().place == Element::one;
        if (placed) elements_.put(List<std::uint32_t>(rows.elements(), rows.elements() + count));
        if (elements > 0) by_number(sharing_offsets_, sharing_, elements, [&](std::uint64_t k) { return one ? 0 : static_cast<std::int64_t>(rows.elements()[k]); });
        DeviceRows<Real> all = {};
        all.offsets = offsets_.data(), all.sources = sources_.data(), all.targets = targets_.data(), all.elements = placed ? elements_.data() : nullptr;
        all.incoming_offsets = incoming_offsets_.data(), all.incoming = incoming_.data();
        all.sharing_offsets = sharing_offsets_.data(), all.sharing = sharing_.data();
        all.one = one, all.most = rows.most_of_a_source();
        upload_delays(all);
        return all;
    }
    void upload_delays(DeviceRows<Real>& all) {
        if (rows.info().delays < 0) return;
        all.most_delay = rows.most_delay();
        if (rows.info().most >= 0) {
            delay_elements_.put(List<std::uint32_t>(rows.delay_elements(), rows.delay_elements() + rows.count()));
            all.delay_elements = delay_elements_.data();
            return;
        }
        delays_.put(List<std::int32_t>(rows.delays(), rows.delays() + rows.count()));
        all.delays = delays_.data();
    }

private:
    static constexpr const char* name = "the synapses";

    // Numbers of synapses in lists, each list ascending.
    template <typename Which>
    void by_number(DeviceArray<std::uint64_t>& offsets, DeviceArray<std::uint32_t>& lists, std::int64_t count, const Which& which) {
        List<std::uint64_t> ends(static_cast<std::size_t>(count) + 1, 0);
        for (std::uint64_t k = 0; k < rows.count(); ++k) ++ends[static_cast<std::size_t>(which(k)) + 1];
        for (std::size_t e = 1; e < ends.size(); ++e) ends[e] += ends[e - 1];
        List<std::uint64_t> next = ends;
        List<std::uint32_t> numbers(static_cast<std::size_t>(rows.count()));
        for (std::uint64_t k = 0; k < rows.count(); ++k) numbers[next[static_cast<std::size_t>(which(k))]++] = static_cast<std::uint32_t>(k);
        offsets.put(ends), lists.put(numbers);
    }

    DeviceArray<std::uint64_t> offsets_, incoming_offsets_, sharing_offsets_;
    DeviceArray<std::uint32_t> sources_, targets_, elements_, incoming_, sharing_;
    DeviceArray<std::int32_t> delays_;
    DeviceArray<std::uint32_t> delay_elements_;
};

// All connections of a network whose synapses are rows, and the pairs and delays that they are built from.
template <typename Network>
class Connectivity {
    using Real = typename Network::Real;

public:
    explicit Connectivity(DeviceMemory& memory) : memory_(memory), table_(memory, "the synapses"), delays_(Network::parameters) {}

    const DeviceRows<Real>* table() const { return table_.data(); }
    void connect(int connection, const std::int64_t* pre, const std::int64_t* post, std::int64_t count) {
        pairs_.resize(std::max(pairs_.size(), static_cast<std::size_t>(connection) + 1));
        pairs_[static_cast<std::size_t>(connection)] = {{pre, pre + count}, {post, post + count}, true};
    }
    void build(std::uint64_t seed) {
        ThreadPool pool(1);
        for (int r = 0; r < Network::rows_count; ++r) {
            const RowsInfo& info = Network::rows()[r];
            const std::size_t c = static_cast<std::size_t>(info.pairs);
            all_.push_back(std::make_unique<RowsOnDevice<Real>>(memory_, SynapseRows(info, c < pairs_.size() ? pairs_[c] : HandedOver(), seed, pool)));
        }
        pairs_.clear();
    }
    template <typename Visit>
    void for_each(const Visit& visit) {
        for (auto& one : all_) visit(one->rows);
    }
    const SynapseRows& of(int connection) const {
        for (const auto& one : all_)
            if (one->rows.info().connection == connection) return one->rows;
        throw Failure(Code::argument, "no sparse connection of that number");
    }
    List<std::int64_t> fingerprints() const {
        List<std::int64_t> all;
        for (const auto& one : all_) all.push_back(one->rows.fingerprint());
        return all;
    }
    // What a copy of those of connection r takes.
    CopiedSynapses copied(int r) const {
        const SynapseRows& rows = row(r);
        const bool own = rows.info().place == Element::own, delayed = rows.info().delays >= 0 && rows.info().most < 0;  // learnt ones stand elsewhere
        const int weight = Network::is_half(rows.info().weight) ? 2 : static_cast<int>(sizeof(Real));
        return {-1, static_cast<std::uint32_t>(rows.count()), delayed ? 4 : 0, rows.info().place == Element::matrix ? 4 : 0, own ? weight : 0};
    }
    const SynapseRows& row(int r) const { return all_[static_cast<std::size_t>(r)]->rows; }
    // ------------------------------------------------------------------------------------------ synapses that move
    const SynapseRows& with_weight(int k) const {
        for (const auto& one : all_)
            if (one->rows.info().weight == k) return one->rows;
        throw Failure(Code::argument, "no sparse connection with that weight");
    }
    // Of the connection with weight k, and all that go over its synapses; on the device after the next `upload`.
    void move(int k, const std::int64_t* pre, const std::int64_t* post) {
        for (auto& one : all_)
            if (one->rows.info().pairs == owner_of<Network>(k)) {
                one->rows.move(pre, post);
                other_delays_ = other_delays_ || one->rows.info().delays >= 0 || one->rows.info().rows != Rows::own;
            }
    }
    void follow_delays(int k, const List<std::uint64_t>& former) { follow_synapses(delays_[static_cast<std::size_t>(k)].data(), former); }

    // weight(k), gradient(r, k): where those of parameter k begin on the device, the latter of connection r.
    template <typename Weight, typename Gradient>
    void upload(const List<Shape>& shapes, const Weight& weight, const Gradient& gradient) {
        const auto place = [&](int k) {
            return [stride = shapes[static_cast<std::size_t>(k)].stride()](int row, int column) { return row * stride + column; };
        };
        host_.clear();
        for (int r = 0; r < Network::rows_count; ++r) {
            RowsOnDevice<Real>& one = *all_[static_cast<std::size_t>(r)];
            const int k = one.rows.info().weight;
            const int late = one.rows.info().most >= 0 ? one.rows.info().delays : -1;
            one.rows.place_weights(shapes[static_cast<std::size_t>(k)].columns, place(k));
            if (late >= 0) one.rows.place_delays(shapes[static_cast<std::size_t>(late)].columns, place(late));
            DeviceRows<Real> rows = one.upload(Network::row_targets()[r], Network::shared_elements()[r]);
            rows.weights = weight(k), rows.gradient = gradient(r, k);
            if (late >= 0) rows.learnt_delays = static_cast<const Real*>(weight(late)), rows.delay_gradient = gradient(r, late);
            host_.push_back(rows);
        }
        table_.put(host_);
    }

    // ------------------------------------------------------------------------------------------ delays
    static bool is_delays(int k) {
        for (int r = 0; r < Network::rows_count; ++r)
            if (Network::rows()[r].delays == k) return true;
        return false;
    }
    // Where those are kept that are set, or drawn before there are synapses (`built`).
    const double* take_delays(int k, const double* values, const Shape& shape, bool built) {
        const std::int64_t count = shape.shared ? 1 : std::int64_t(shape.rows) * shape.columns;
        if (built)
            for (const auto& one : all_)
                if (one->rows.info().delays == k)
                    one->rows.refuse_delays(values, shape.shared, Network::shapes()[k].columns < 0, shape.columns, least_delay<Network>(k), Network::step_ms);
        List<double>& kept = delays_[static_cast<std::size_t>(k)];
        kept = built ? List<double>(values, values + count) : raised_delays<Network>(k, values, count);
        other_delays_ = true;
        return kept.data();
    }
    // Whether synapses have got other delays since the last call: delays that were set, or that came with synapses that moved.
    bool has_other_delays() { return std::exchange(other_delays_, false); }
    void set_delays(const List<Shape>& shapes) {
        for (std::size_t r = 0; r < all_.size(); ++r) {
            const int k = all_[r]->rows.info().delays;
            if (k < 0) continue;
            const Shape& shape = shapes[static_cast<std::size_t>(k)];
            all_[r]->rows.set_delays(delays_[static_cast<std::size_t>(k)].data(), shape.shared, Network::shapes()[k].columns < 0, shape.columns, Network::step_ms);
            if (r < host_.size()) all_[r]->upload_delays(host_[r]);
        }
        if (!host_.empty()) table_.put(host_);
    }
    std::int64_t most_delay() const {
        std::int64_t most = Network::most_delay;
        for (const auto& one : all_) most = std::max(most, one->rows.most_delay());
        return most;
    }

private:
    DeviceMemory& memory_;
    DeviceArray<DeviceRows<Real>> table_;
    List<std::unique_ptr<RowsOnDevice<Real>>> all_;
    List<DeviceRows<Real>> host_;
    List<HandedOver> pairs_;
    List<List<double>> delays_;  // by parameter, ms
    bool other_delays_ = false;
};

}  // namespace cuda
}  // namespace sncc
