// Times the tuned loops of backends/cxx/include/sncc on one thread: the best of several repetitions, in nanoseconds.
//   g++ -std=c++17 -O3 -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math -fno-loop-unroll-and-jam
//       -Ibackends/cxx/include benchmarks/kernels.cpp -o kernels -pthread && ./kernels
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

#include "sncc/aligned.h"
#include "sncc/philox.h"
#include "sncc/rows.h"
#include "sncc/spikes.h"
#include "sncc/strips.h"
#include "sncc/thread_pool.h"

using namespace sncc;

namespace {

// Nanoseconds of a call, per unit of work; the shortest of 15 repetitions of about 10 ms is the least disturbed.
template <typename Body>
void report(const char* name, double units, const char* unit, Body body) {
    using Clock = std::chrono::steady_clock;
    const auto seconds = [&](int calls) {
        const auto start = Clock::now();
        for (int i = 0; i < calls; ++i) {
            body();
            asm volatile("" ::: "memory");
        }
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    int calls = 1;
    while (seconds(calls) < 0.01) calls *= 2;
    double best = 1e9;
    for (int repetition = 0; repetition < 15; ++repetition) best = std::min(best, seconds(calls) / calls);
    std::printf("| %-64s | %9.2f | %s |\n", name, best * 1e9 / units, unit);
}

template <typename Real>
AlignedBuffer<Real> random_reals(std::size_t size, std::mt19937& generator) {
    AlignedBuffer<Real> values(size);
    std::normal_distribution<Real> normal;
    for (Real& value : values) value = normal(generator);
    return values;
}

std::vector<std::uint32_t> random_rows(int rows, int count, std::mt19937& generator) {
    std::vector<std::uint32_t> indices(static_cast<std::size_t>(count));
    for (std::uint32_t& index : indices) index = generator() % static_cast<unsigned>(rows);
    return indices;
}

template <typename Real, int Rows, int Columns>
void time_rows(const char* add_name, const char* gather_name, double rate, const char* strips_name = nullptr) {
    static constexpr TileLayout<Real> layout{Rows, Columns};
    std::mt19937 generator(1);
    const auto weights = random_reals<Real>(layout.size(), generator);
    AlignedBuffer<Real> accumulator(layout.padded_columns());
    // As in a run: another draw of spikes each step, so that branches and addresses are not learnt.
    constexpr int steps = 250;
    const int count = static_cast<int>(Rows * rate + 0.5);
    const auto indices = random_rows(Rows, count * steps, generator);
    report(add_name, double(count) * steps, "row", [&] {
        for (int n = 0; n < steps; ++n)
            add_rows(accumulator.data(), weights.data(), layout, indices.data() + n * count, count);
    });

    constexpr int samples = 2;
    AlignedBuffer<Real> gradient(layout.size());
    std::vector<std::int64_t> offsets(steps + 1);
    for (int n = 0; n <= steps; ++n) offsets[static_cast<std::size_t>(n)] = std::int64_t(n) * count;
    std::vector<std::int64_t> channel_offsets(Rows + 1);
    std::vector<std::uint32_t> channel_steps(indices.size());
    transpose_spikes(offsets.data(), indices.data(), steps, Rows, channel_offsets.data(), channel_steps.data());
    const auto mu = random_reals<Real>(std::size_t(samples) * steps * layout.padded_columns(), generator);
    SpikeTape<Real> tapes[samples];
    for (int s = 0; s < samples; ++s)
        tapes[s] = {channel_offsets.data(), channel_steps.data(),
                    mu.data() + std::int64_t(s) * steps * layout.padded_columns()};
    report(gather_name, double(count) * steps * samples, "event", [&] {
        gather_rows(gradient.data(), layout, 0, Rows, tapes, samples, steps, 1, layout.padded_columns());
    });
    if (!strips_name) return;
    JoinedSpikes<Real> joined;
    report(strips_name, double(count) * steps * samples, "event", [&] {
        joined.join(tapes, samples, Rows, steps - 1);
        gather_strips(true, gradient.data(), layout, joined, tapes, samples, steps - 1, 1, layout.padded_columns());
    });
}

template <typename Real, int Rows, int Columns, int Samples>
void time_products(const char* transpose_name, const char* dense_name) {
    static constexpr TileLayout<Real> layout{Rows, Columns};
    std::mt19937 generator(1);
    const auto weights = random_reals<Real>(layout.size(), generator);
    const auto columns = random_reals<Real>(std::size_t(Samples) * layout.padded_columns(), generator);
    const auto rows = random_reals<Real>(std::size_t(Samples) * padded(Rows), generator);
    AlignedBuffer<Real> row_sums(Samples * padded(Rows));
    AlignedBuffer<Real> column_sums(Samples * layout.padded_columns());
    report(transpose_name, Samples, "sample", [&] {
        transpose_product<Samples>(row_sums.data(), padded(Rows), weights.data(), layout, columns.data(),
                                   layout.padded_columns());
    });
    report(dense_name, Samples, "sample", [&] {
        dense_product<Samples>(column_sums.data(), layout.padded_columns(), weights.data(), layout, rows.data(),
                               padded(Rows));
    });
}

template <typename Real>
void time_outer(const char* name) {
    static constexpr TileLayout<Real> layout{256, 256};
    constexpr int steps = 250;
    std::mt19937 generator(1);
    const auto x = random_reals<Real>(std::size_t(steps) * 256, generator);
    const auto mu = random_reals<Real>(std::size_t(steps) * 256, generator);
    AlignedBuffer<Real> gradient(layout.size());
    report(name, steps, "step", [&] { outer_rows(gradient.data(), layout, 0, 256, x.data(), 256, mu.data(), 256, steps); });
}

template <typename Real, typename Function>
void time_function(const char* name, Function function) {
    std::mt19937 generator(1);
    const auto x = random_reals<Real>(4096, generator);
    AlignedBuffer<Real> y(4096);
    report(name, 4096, "value", [&] {
        const Real* SNCC_RESTRICT from = x.data();
        Real* SNCC_RESTRICT to = y.data();
        for (int i = 0; i < 4096; ++i) to[i] = function(from[i], i);
    });
}

#define TIME_FUNCTION(name, expression)                                                              \
    time_function<float>("m_" name ", float", [](float x, int) SNCC_INLINE_LAMBDA { return expression; });              \
    time_function<double>("m_" name ", double", [](double x, int) SNCC_INLINE_LAMBDA { return expression; })

void time_collect(const char* name, double rate) {
    std::mt19937 generator(1);
    AlignedBuffer<float> mask(256 * 64);
    for (float& value : mask) value = generator() % 1000 < rate * 1000 ? 1.0f : 0.0f;
    std::vector<std::uint32_t> out(256);
    report(name, 64, "256 neurons", [&] {
        for (int n = 0; n < 64; ++n) collect(mask.data() + 256 * n, 256, out.data());
    });
}

}  // namespace

int main() {
    std::printf("vectors of %d bytes\n\n| %-64s | %9s | per |\n|---|---|---|\n", vector_bytes, "loop", "ns");
    time_rows<float, 16, 256>("add_rows, float, 16 x 256 (weights in L1), 30 %",
                              "gather_rows, float, 16 x 256, 30 %, 2 samples", 0.3);
    time_rows<float, 256, 256>("add_rows, float, 256 x 256, 2 %", "gather_rows, float, 256 x 256, 2 %, 2 samples", 0.02);
    time_rows<float, 700, 256>("add_rows, float, 700 x 256, 2 %", "gather_rows, float, 700 x 256, 2 %, 2 samples", 0.02);
    time_rows<float, 1024, 1024>("add_rows, float, 1024 x 1024, 2 %", "gather_rows, float, 1024 x 1024, 2 %, 2 samples", 0.02);
    time_rows<float, 1024, 1024>("add_rows, float, 1024 x 1024, 15 %", "gather_rows, float, 1024 x 1024, 15 %, 2 samples", 0.15,
                                 "gather_strips, float, 1024 x 1024, 15 %, 2 samples");
    time_rows<float, 1024, 1024>("add_rows, float, 1024 x 1024, 40 %", "gather_rows, float, 1024 x 1024, 40 %, 2 samples", 0.4,
                                 "gather_strips, float, 1024 x 1024, 40 %, 2 samples");
    time_rows<float, 256, 20>("add_rows, float, 256 x 20, 2 %", "gather_rows, float, 256 x 20, 2 %, 2 samples", 0.02);
    time_rows<double, 256, 256>("add_rows, double, 256 x 256, 2 %", "gather_rows, double, 256 x 256, 2 %, 2 samples", 0.02);
    time_products<float, 256, 256, 1>("transpose_product<1>, float, 256 x 256", "dense_product<1>, float, 256 x 256");
    time_products<float, 256, 256, 2>("transpose_product<2>, float, 256 x 256", "dense_product<2>, float, 256 x 256");
    time_products<float, 256, 256, 4>("transpose_product<4>, float, 256 x 256", "dense_product<4>, float, 256 x 256");
    time_products<float, 256, 256, 8>("transpose_product<8>, float, 256 x 256", "dense_product<8>, float, 256 x 256");
    time_products<float, 1024, 1024, 8>("transpose_product<8>, float, 1024 x 1024", "dense_product<8>, float, 1024 x 1024");
    time_products<double, 256, 256, 4>("transpose_product<4>, double, 256 x 256", "dense_product<4>, double, 256 x 256");
    time_outer<float>("outer_rows, float, 256 x 256, 250 steps");
    time_outer<double>("outer_rows, double, 256 x 256, 250 steps");
    time_collect("collect, float, 2 %", 0.02);
    time_collect("collect, float, 20 %", 0.2);
    TIME_FUNCTION("exp", m_exp(x));
    TIME_FUNCTION("expm1", m_expm1(x));
    TIME_FUNCTION("log1p of |x|", m_log1p(m_abs(x)));
    TIME_FUNCTION("tanh", m_tanh(x));
    TIME_FUNCTION("sigmoid", m_sigmoid(x));
    TIME_FUNCTION("sin", m_sin(x));
    TIME_FUNCTION("pow of |x|, 1.3", m_pow(m_abs(x), static_cast<decltype(x)>(1.3)));
    TIME_FUNCTION("phi<1>", m_phi<1>(x));
    TIME_FUNCTION("phi<2>", m_phi<2>(x));
    time_function<float>("normal of a Philox draw, float",
                         [](float, int i) SNCC_INLINE_LAMBDA { return normal<float>(philox(1, 2, i, 3, 4)); });
    time_function<double>("normal of a Philox draw, double",
                          [](double, int i) SNCC_INLINE_LAMBDA { return normal<double>(philox(1, 2, i, 3, 4)); });
    ThreadPool pool(2);
    report("ThreadPool::run, 8 empty tasks, 2 threads", 1, "run", [&] { pool.run(8, [](int) {}); });
    return 0;
}
