// The host's side of synapses that are made on the device (cuda_connect.h): which connections, how many synapses, room for them, the launches.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sncc/cuda_connect_columns.h"
#include "sncc/cuda_tiles.h"
#include "sncc/list.h"
#include "sncc/neuron_memory.h"

namespace sncc {
namespace cuda {

// What stays of a connection whose rows are drawn again at each spike.
template <typename Real>
struct MadeRows {
    explicit MadeRows(DeviceMemory& memory)
        : arguments(memory, name), offsets(memory, name), thresholds(memory, name), drawn(memory, name), sure(memory, name) {}

    static constexpr const char* name = "the drawing of synapses that are not stored";
    DeviceArray<ConnectArguments<Real>> arguments;
    DeviceArray<std::uint32_t> offsets, thresholds, drawn;  // offsets: where weights are drawn, too
    DeviceArray<std::uint16_t> sure;
};

template <typename Network>
class Connector final : public neurons::Elsewhere<typename Network::Real> {
    using Real = typename Network::Real;
    using Store = neurons::SynapseStore<Real>;
    using Arguments = ConnectArguments<Real>;

public:
    Connector(const neurons::Memory<Real>& host, DeviceMemory& memory, const Stream& stream, const int& multiprocessors)
        : host_(host), memory_(memory), stream_(stream), multiprocessors_(multiprocessors), requests_(Network::connections_count + 1) {}

    // Whether its rows are drawn again at each spike, in place of being stored.
    static bool makes_rows(int c) { return Network::makes_rows_of(c) && !is_set("host") && !is_set("check") && !is_set("stored"); }
    // The emitter says which patterns, weights and delays kernels know.
    bool takes(int c) const override { return Network::connects_itself(c) && !is_set("host"); }
    // Whether what the kernels make is compared with what the host makes: for tests.
    static bool checks() { return is_set("check"); }

    void count(int c, const ConnectivityRequest& request, Store& store) override {
        if (expected_synapses(request) >= 4294967295.0) throw Failure(Code::memory, std::string("the connection `") + info(c).name + "` has more than 2^32 - 1 synapses");
        requests_[static_cast<std::size_t>(c)] = request;
        Arguments g = arguments(c);
        const std::size_t sources = static_cast<std::size_t>(g.source.population);
        offsets_.reserve(sources + 1);
        offsets_.clear();
        g.counts = offsets_.data();
        draw(g, Stage::count);
        sums_before(g, offsets_.data(), static_cast<std::int64_t>(sources) + 1);
        List<std::uint32_t> offsets(sources + 1);
        offsets_.take(offsets.data(), offsets.size());
        store.synapses.starts.assign(offsets.begin(), offsets.end());
        if (info(c).delays >= 0) find_extreme_delays(g, c, store);
    }

    // Refuses what is too much for the connections of this list and the making of the largest one, before any is made.
    struct Making {
        int connection;
        Tiling tiling;
        DeviceTileRows<Real>* rows;  // null: no spikes are looked up
        DeviceArray<Real>* weights;  // in their order
        DeviceColumns<Real>* columns;  // null: no targets look, and nothing changes
        DeviceArray<Real>* column_weights;
        bool by_delay;
    };
    void reserve(const List<Making>& all) {
        List<DeviceMemory::Part> parts = {{"the synapses by source", 0}, {"the synapses' delays", 0}, {"the weights", 0}, {"their making", 0}, {"the synapses by target", 0}};
        std::size_t synapses = 0, sources = 0, drawn = 0, sums = 0, keys = 0, placed = 0;
        for (const Making& making : all) {
            const auto room = room_for(making);
            const bool weighted = info(making.connection).weight_field >= 0;
            if (making.rows) {
                const List<DeviceMemory::Part> rows = making.rows->missing(room);
                for (std::size_t k = 0; k < rows.size(); ++k) parts[k].bytes += rows[k].bytes;
                if (weighted && !making.columns) parts[2].bytes += making.weights->missing(room.synapses + 1);
            }
            if (making.columns) {  // at least: how long columns are is not known yet
                parts[1].bytes += room.delayed ? making.columns->missing_delays(room.synapses) : 0;
                parts[2].bytes += weighted ? making.column_weights->missing(room.synapses) : 0;
                parts[4].bytes += making.columns->missing(room.synapses, static_cast<std::int64_t>(room.sources));
                keys = std::max(keys, room.synapses + 1), placed = std::max(placed, making.rows ? room.synapses + 1 : 0);
            }
            synapses = std::max(synapses, room.synapses + 1), sources = std::max(sources, room.sources + 2);
            drawn = std::max(drawn, drawn_size(arguments(making.connection)));
            sums = std::max(sums, static_cast<std::size_t>(blocks_of_sums(static_cast<std::int64_t>(room.starts()))));
        }
        parts[3].bytes = targets_.missing(synapses) + offsets_.missing(sources) + next_.missing(sources) + drawn_.missing(drawn) + sums_.missing(sums) + keys_.missing(keys) + places_.missing(placed);
        memory_.expect("the synapses", parts);
        targets_.reserve(synapses), offsets_.reserve(sources), next_.reserve(sources), drawn_.reserve(drawn), sums_.reserve(sums), keys_.reserve(keys), places_.reserve(placed);
    }
    void make(const Making& making) {
        const int c = making.connection;
        const auto room = room_for(making);
        const List<std::uint64_t>& starts = host_.store(c).synapses.starts;
        const List<std::uint32_t> offsets(starts.begin(), starts.end());
        Arguments g = arguments(c);
        offsets_.put(offsets);
        g.offsets = offsets_.data(), g.rows = targets_.data();
        const bool by_row = comes_by_row(g.pattern);
        if (!by_row) {
            next_.put(offsets);
            g.counts = next_.data();
        }
        draw(g, Stage::place);
        if (!by_row) launch(g, Stage::sort, blocks_for(g.source.population, warps), sorted_bytes * warps);
        weigh(g, c);
        if (making.columns) make_columns(g, making, room.synapses, room.delayed);
        if (making.rows) make_rows(g, making, room);
        check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize", "the synapses");
    }
    // What it takes to draw a connection's rows again, by so many blocks, where they are not stored.
    void keep(int c, std::int64_t blocks, MadeRows<Real>& to) {
        Arguments g = arguments(c);
        weigh(g, c);
        find_skips(g, to.thresholds, to.sure);
        const List<std::uint64_t>& starts = host_.store(c).synapses.starts;
        if (g.weight >= 0) {
            to.offsets.put(List<std::uint32_t>(starts.begin(), starts.end()));
            g.offsets = to.offsets.data();
        }
        g.drawn_words = drawn_words(g);
        if (g.drawn_words > 0) {
            to.drawn.reserve(static_cast<std::size_t>(g.drawn_words * blocks * most_warps));
            to.drawn.clear();
            g.drawn = to.drawn.data();
        }
        to.arguments.put(List<Arguments>{g});
    }
    // What only the making needed.
    void release() {
        for (DeviceArray<std::uint32_t>* const array : {&targets_, &offsets_, &next_, &drawn_, &sums_, &thresholds_, &lengths_, &begins_, &places_}) array->release();
        sure_.release(), extremes_.release(), keys_.release();
    }

private:
    void make_rows(Arguments& g, const Making& making, const typename DeviceTileRows<Real>::Room& room) {
        const int c = making.connection;
        making.rows->make(room, making.tiling, making.columns != nullptr);
        g.tiling = making.tiling, g.tiles = room.tiles;
        g.starts = making.rows->starts(), g.targets = making.rows->targets(), g.delays = making.rows->delays();
        check(cudaMemset(g.starts, 0, room.starts() * sizeof(std::uint32_t)), "cudaMemset", "the synapses by source");
        launch(g, Stage::tiles, blocks_for(g.source.population, warps));
        sums_before(g, g.starts, static_cast<std::int64_t>(room.starts()));
        g.row_places = making.rows->places();
        if (info(c).weight_field >= 0 && !making.columns) {
            making.weights->reserve(room.synapses + 1);
            g.weights = making.weights->data();
        }
        launch(g, Stage::entries, blocks_for(g.source.population, warps));
    }
    void make_columns(Arguments& g, const Making& making, std::size_t synapses, bool delayed) {
        const std::size_t targets = static_cast<std::size_t>(g.target.population), words = (targets + 31) / 32;
        lengths_.reserve(words * 32 + 1);
        lengths_.clear();
        g.lengths = lengths_.data(), g.size = static_cast<std::int64_t>(synapses), g.by_delay = making.by_delay;
        launch(g, Stage::lengths, blocks_for(g.size, connect_threads));
        const List<std::uint32_t> lengths = lengths_.copy(words * 32);
        making.columns->make(lengths, g.source.population, delayed);
        List<std::uint32_t> begins(targets + 1, 0);
        for (std::size_t j = 0; j < targets; ++j) begins[j + 1] = begins[j] + lengths[j];
        begins_.put(begins), lengths_.put(begins);
        keys_.reserve(synapses + 1);
        g.begins = begins_.data(), g.keys = keys_.data(), g.lengths = lengths_.data();
        launch(g, Stage::keys, blocks_for(g.size, connect_threads));
        launch(g, Stage::sort_keys, blocks_for(g.target.population, warps), sorted_bytes * warps);
        g.slices = making.columns->view().slices;
        g.narrow = making.columns->narrow(), g.wide = making.columns->wide(), g.column_delays = making.columns->delays();
        g.column_numbers = making.columns->numbers_room();
        if (g.weight >= 0) {
            making.column_weights->reserve(making.columns->places() + 1);
            g.column_weights = making.column_weights->data();
        }
        if (making.rows) {
            places_.reserve(synapses + 1);
            g.places = places_.data();
        }
        launch(g, Stage::columns, blocks_for(static_cast<std::int64_t>(words), warps));
    }

    static constexpr int warps = connect_threads / 32;

    static bool is_set(const char* way) {
        const char* const forced = std::getenv("SNCC_CUDA_SYNAPSES");  // host or check: for tests and measurements
        return forced && std::strcmp(forced, way) == 0;
    }
    static const neurons::ConnectionInfo& info(int c) { return Network::connections()[c]; }

    typename DeviceTileRows<Real>::Room room_for(const Making& making) const {
        const Store& store = host_.store(making.connection);
        return {store.synapses.count(), store.synapses.sources(), Network::populations_info()[info(making.connection).target_population].size, making.tiling, info(making.connection).delays >= 0};
    }
    Arguments arguments(int c) {
        const ConnectivityRequest& request = requests_[static_cast<std::size_t>(c)];
        Arguments g = {};
        g.pattern = request.pattern, g.source = PartNeurons(request.source), g.target = PartNeurons(request.target);
        g.seed = request.seed, g.stream = request.stream;
        g.weight = -1, g.delay = info(c).delays, g.least_delay = info(c).delay, g.step = Network::step_ms;
        g.one_delay = g.delay >= 0 && Network::parameters_info()[g.delay].shared;
        return g;
    }
    std::int64_t blocks_for(std::int64_t tasks, int of_a_block) const { return std::max<std::int64_t>(1, std::min<std::int64_t>((tasks + of_a_block - 1) / of_a_block, 8ll * multiprocessors_)); }

    // Pairs are drawn by threads, or rows of them, or columns, by warps.
    static bool draws_by_thread(const Arguments& g) { return g.pattern.kind != PatternKind::probability && g.pattern.repeats; }
    std::int64_t blocks_that_draw(const Arguments& g) const {
        const std::int64_t elements = g.pattern.kind == PatternKind::fan_in ? g.target.size : g.source.size, number = static_cast<std::int64_t>(g.pattern.number);
        if (!draws_by_thread(g)) return blocks_for(elements, warps);
        return blocks_for(g.pattern.kind == PatternKind::total ? number : number * elements, connect_threads);
    }
    // Words of bits in which a warp notes what it has drawn.
    static std::int64_t drawn_words(const Arguments& g) {
        const bool chooses = !draws_by_thread(g) && g.pattern.kind != PatternKind::probability;
        return chooses ? ((g.pattern.kind == PatternKind::fan_in ? g.source.size : g.target.size) + 31) / 32 : 0;
    }
    std::size_t drawn_size(const Arguments& g) const { return static_cast<std::size_t>(drawn_words(g) * blocks_that_draw(g) * warps); }
    static std::int64_t blocks_of_sums(std::int64_t size) { return (size + scanned_by_block - 1) / scanned_by_block; }

    // Where a synapse has its weight from.
    void weigh(Arguments& g, int c) const {
        const int field = info(c).weight_field;
        g.weight = field >= 0 ? Network::synapse_fields_info()[field].parameter : -1;
        if (g.weight >= 0 && Network::parameters_info()[g.weight].shared) g.one_weight = true, g.weight_of_all = host_.numbers.own[static_cast<std::size_t>(g.weight)][0];
    }
    static void find_skips(Arguments& g, DeviceArray<std::uint32_t>& thresholds, DeviceArray<std::uint16_t>& sure) {
        if (g.pattern.kind != PatternKind::probability) return;
        const SkipTable table(g.pattern.number);
        thresholds.reserve(Skips::most);
        thresholds.put(table.thresholds().data(), table.thresholds().size());
        sure.reserve(Skips::buckets);
        sure.put(table.sure(), Skips::buckets);
        g.skips = {thresholds.data(), sure.data(), table.length()};
    }
    // A launch that draws pairs.
    void draw(Arguments& g, Stage stage) {
        find_skips(g, thresholds_, sure_);
        g.drawn_words = drawn_words(g);
        if (g.drawn_words > 0) {
            drawn_.reserve(drawn_size(g));
            drawn_.clear();
            g.drawn = drawn_.data();
        }
        launch(g, stage, blocks_that_draw(g));
    }
    void sums_before(Arguments& g, std::uint32_t* numbers, std::int64_t size) {
        const std::int64_t blocks = blocks_of_sums(size);
        sums_.reserve(static_cast<std::size_t>(blocks));
        g.numbers = numbers, g.sums = sums_.data(), g.size = size;
        launch(g, Stage::sums, blocks);
        launch(g, Stage::sums_before, 1);
        launch(g, Stage::before, blocks);
    }
    void find_extreme_delays(Arguments& g, int c, Store& store) {
        int found[2] = {longest_delay, 0};
        g.size = static_cast<std::int64_t>(store.synapses.count());
        if (g.size > 0) {
            extremes_.reserve(2);
            extremes_.put(found, 2);
            g.extremes = extremes_.data();
            launch(g, Stage::delays, blocks_for(g.size, connect_threads));
            extremes_.take(found, 2);
        }
        if (found[1] > longest_delay) refuse_long_delay(info(c).name, found[1] * Network::step_ms, found[1], Network::step_ms);
        store.delays.most = found[1];
        store.delays.least = std::min(found[0], std::max(found[1], info(c).delay));
    }
    void launch(Arguments& g, Stage stage, std::int64_t blocks, std::size_t shared = 0) {
        g.stage = stage;
        Network::launch_connect(g, static_cast<int>(blocks), connect_threads, shared, stream_);
    }

    const neurons::Memory<Real>& host_;
    DeviceMemory& memory_;
    const Stream& stream_;
    const int& multiprocessors_;
    List<ConnectivityRequest> requests_;  // by connection
    DeviceArray<std::uint32_t> offsets_{memory_, "the synapses' making"}, next_{memory_, "the synapses' making"}, targets_{memory_, "the synapses' making"};
    DeviceArray<std::uint32_t> drawn_{memory_, "the synapses' making"}, sums_{memory_, "the synapses' making"}, thresholds_{memory_, "the synapses' making"};
    DeviceArray<std::uint32_t> lengths_{memory_, "the synapses' making"}, begins_{memory_, "the synapses' making"}, places_{memory_, "the synapses' making"};
    DeviceArray<std::uint64_t> keys_{memory_, "the synapses' making"};
    DeviceArray<std::uint16_t> sure_{memory_, "the synapses' making"};
    DeviceArray<int> extremes_{memory_, "the synapses' making"};
};

}  // namespace cuda
}  // namespace sncc
