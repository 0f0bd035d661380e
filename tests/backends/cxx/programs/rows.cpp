// Compares the loops over tiles with plain loops over dense arrays in long double; prints the failures.
#include <cmath>
#include <cstdio>
#include <random>
#include <type_traits>
#include <vector>

#include "sncc/aligned.h"
#include "sncc/rows.h"
#include "sncc/spikes.h"
#include "sncc/strips.h"

using namespace sncc;

namespace {

int failures = 0;
std::mt19937 generator(7);

template <typename Real>
AlignedBuffer<Real> random_reals(std::int64_t size) {
    AlignedBuffer<Real> values(static_cast<std::size_t>(size));
    std::uniform_real_distribution<Real> uniform(-1, 1);
    for (Real& value : values) value = uniform(generator);
    return values;
}

template <typename Real>
void expect(const char* what, const TileLayout<Real>& layout, Real got, long double wanted, long double size) {
    const long double tolerance = (1 + size) * (sizeof(Real) == 4 ? 1e-5L : 1e-13L);
    if (std::fabs(got - wanted) <= tolerance) return;
    if (++failures < 20)
        std::printf("%s, %d x %d, %d bytes: %.17g, not %.17Lg\n", what, layout.rows, layout.columns, int(sizeof(Real)),
                    double(got), wanted);
}

template <typename Real>
struct Case {
    TileLayout<Real> layout;
    std::vector<Real> dense;
    AlignedBuffer<Real> tiled;

    Case(int rows, int columns) : layout{rows, columns}, tiled(static_cast<std::size_t>(layout.size())) {
        const auto values = random_reals<Real>(std::int64_t(rows) * columns);
        dense.assign(values.begin(), values.end());
        for (Real& value : tiled) value = 99;  // to_tiles must overwrite the padding
        to_tiles(tiled.data(), layout, dense.data());
    }
    long double at(int i, int j) const { return dense[static_cast<std::size_t>(i * layout.columns + j)]; }
};

template <typename Real>
void check_layout(const Case<Real>& c) {
    long double padding = 0, all = 0, inside = 0;
    for (int i = 0; i < c.layout.rows; ++i)
        for (int j = 0; j < c.layout.columns; ++j) {
            expect("index", c.layout, c.tiled[static_cast<std::size_t>(c.layout.index(i, j))], c.at(i, j), 0);
            inside += std::fabs(c.at(i, j));
        }
    for (Real value : c.tiled) all += std::fabs(value);
    padding = all - inside;
    expect("padding", c.layout, Real(padding), 0, 1);
    std::vector<Real> back(c.dense.size());
    from_tiles(back.data(), c.layout, c.tiled.data());
    if (back != c.dense) ++failures, std::printf("from_tiles is not the inverse of to_tiles\n");
}

template <typename Real>
void check_add(const Case<Real>& c, int count) {
    std::vector<std::uint32_t> indices;
    for (int n = 0; n < count; ++n) indices.push_back(generator() % static_cast<unsigned>(c.layout.rows));
    auto sums = random_reals<Real>(c.layout.padded_columns());
    const std::vector<Real> before(sums.begin(), sums.end());
    add_rows(sums.data(), c.tiled.data(), c.layout, indices.data(), count);
    for (int j = 0; j < c.layout.columns; ++j) {
        // The order is the list's, in the type itself: equal to the last bit.
        Real wanted = before[static_cast<std::size_t>(j)];
        for (std::uint32_t i : indices) wanted += static_cast<Real>(c.at(static_cast<int>(i), j));
        if (sums[static_cast<std::size_t>(j)] != wanted) expect("add_rows", c.layout, Real(INFINITY), wanted, 0);
    }
}

template <typename Real>
void check_gather(const Case<Real>& c, int delay) {
    constexpr int samples = 3, steps = 20;
    const std::int64_t stride = c.layout.padded_columns() + 16;
    AlignedBuffer<Real> mu[samples];
    std::vector<std::int64_t> offsets[samples];
    std::vector<std::uint32_t> lists[samples];
    SpikeTape<Real> tapes[samples];
    for (int s = 0; s < samples; ++s) {
        mu[s] = random_reals<Real>(steps * stride);
        offsets[s].push_back(0);
        for (int i = 0; i < c.layout.rows; ++i) {
            for (unsigned n = 0; n < steps; ++n)
                if (generator() % 4 == 0) lists[s].push_back(n);
            offsets[s].push_back(static_cast<std::int64_t>(lists[s].size()));
        }
        tapes[s] = {offsets[s].data(), lists[s].data(), mu[s].data()};
    }
    auto gradient = random_reals<Real>(c.layout.size());
    const std::vector<Real> before(gradient.begin(), gradient.end());
    const int begin = c.layout.rows / 3;
    gather_rows(gradient.data(), c.layout, begin, c.layout.rows, tapes, samples, steps, delay, stride);
    for (int i = 0; i < c.layout.rows; ++i)
        for (int j = 0; j < c.layout.columns; ++j) {
            const auto at = static_cast<std::size_t>(c.layout.index(i, j));
            long double wanted = before[at];
            for (int s = 0; s < samples && i >= begin; ++s)
                for (std::int64_t k = offsets[s][static_cast<std::size_t>(i)]; k < offsets[s][static_cast<std::size_t>(i) + 1]; ++k) {
                    const int arrival = static_cast<int>(lists[s][static_cast<std::size_t>(k)]) + delay;
                    if (arrival < steps) wanted += mu[s][static_cast<std::size_t>(arrival * stride + j)];
                }
            expect("gather_rows", c.layout, gradient[at], wanted, 20);
        }
}

// Blocks of a strip leave the order of every sum as it is: that of samples and their steps, to the last bit.
template <typename Real>
void check_strips(const Case<Real>& c, bool adds, int delay) {
    constexpr int samples = 3, steps = 130;  // more than one block
    const std::int64_t stride = c.layout.padded_columns() + 16;
    AlignedBuffer<Real> mu[samples];
    std::vector<std::int64_t> offsets[samples];
    std::vector<std::uint32_t> lists[samples];
    SpikeTape<Real> tapes[samples];
    for (int s = 0; s < samples; ++s) {
        mu[s] = random_reals<Real>(steps * stride);
        offsets[s].push_back(0);
        for (int i = 0; i < c.layout.rows; ++i) {
            for (unsigned n = 0; n < steps; ++n)
                if (generator() % 5 < static_cast<unsigned>(i % 6)) lists[s].push_back(n);
            offsets[s].push_back(static_cast<std::int64_t>(lists[s].size()));
        }
        tapes[s] = {offsets[s].data(), lists[s].data(), mu[s].data()};
    }
    auto gradient = random_reals<Real>(c.layout.size());
    const std::vector<Real> before(gradient.begin(), gradient.end());
    JoinedSpikes<Real> joined;
    joined.join(tapes, samples, c.layout.rows, steps - delay);
    gather_strips(adds, gradient.data(), c.layout, joined, tapes, samples, steps - delay, delay, stride);
    for (int i = 0; i < c.layout.rows; ++i)
        for (int j = 0; j < c.layout.columns; ++j) {
            const auto at = static_cast<std::size_t>(c.layout.index(i, j));
            Real wanted = adds ? before[at] : Real(0);
            for (int s = 0; s < samples; ++s)
                for (std::int64_t k = offsets[s][static_cast<std::size_t>(i)]; k < offsets[s][static_cast<std::size_t>(i) + 1]; ++k) {
                    const int arrival = static_cast<int>(lists[s][static_cast<std::size_t>(k)]) + delay;
                    if (arrival < steps) wanted += mu[s][static_cast<std::size_t>(arrival * stride + j)];
                }
            if (gradient[at] != wanted) expect("gather_strips", c.layout, Real(INFINITY), wanted, 0);
        }
}

template <int Samples, typename Real>
void check_products(const Case<Real>& c) {
    const std::int64_t row_stride = padded(c.layout.rows), column_stride = c.layout.padded_columns();
    const auto x = random_reals<Real>(Samples * row_stride);
    const auto mu = random_reals<Real>(Samples * column_stride);
    auto out = random_reals<Real>(Samples * row_stride);
    auto sums = random_reals<Real>(Samples * column_stride);
    const std::vector<Real> out_before(out.begin(), out.end()), sums_before(sums.begin(), sums.end());
    transpose_product<Samples>(out.data(), row_stride, c.tiled.data(), c.layout, mu.data(), column_stride);
    dense_product<Samples>(sums.data(), column_stride, c.tiled.data(), c.layout, x.data(), row_stride);
    for (int s = 0; s < Samples; ++s) {
        for (int i = 0; i < row_stride; ++i) {
            const auto at = static_cast<std::size_t>(s * row_stride + i);
            long double wanted = out_before[at];
            for (int j = 0; j < c.layout.columns && i < c.layout.rows; ++j)
                wanted += c.at(i, j) * mu[static_cast<std::size_t>(s * column_stride + j)];
            expect("transpose_product", c.layout, out[at], wanted, 10);
        }
        for (int j = 0; j < c.layout.columns; ++j) {
            const auto at = static_cast<std::size_t>(s * column_stride + j);
            long double wanted = sums_before[at];
            for (int i = 0; i < c.layout.rows; ++i) wanted += c.at(i, j) * x[static_cast<std::size_t>(s * row_stride + i)];
            expect("dense_product", c.layout, sums[at], wanted, 10);
        }
    }
}

template <typename Real>
void check_outer(const Case<Real>& c) {
    constexpr int steps = 9;
    const std::int64_t row_stride = padded(c.layout.rows), column_stride = c.layout.padded_columns();
    const auto x = random_reals<Real>(steps * row_stride);
    const auto mu = random_reals<Real>(steps * column_stride);
    auto gradient = random_reals<Real>(c.layout.size());
    const std::vector<Real> before(gradient.begin(), gradient.end());
    const int begin = c.layout.rows / 4;
    outer_rows(gradient.data(), c.layout, begin, c.layout.rows, x.data(), row_stride, mu.data(), column_stride, steps);
    for (int i = 0; i < c.layout.rows; ++i)
        for (int j = 0; j < c.layout.columns; ++j) {
            const auto at = static_cast<std::size_t>(c.layout.index(i, j));
            long double wanted = before[at];
            for (int n = 0; n < steps && i >= begin; ++n)
                wanted += static_cast<long double>(x[static_cast<std::size_t>(n * row_stride + i)]) *
                          mu[static_cast<std::size_t>(n * column_stride + j)];
            expect("outer_rows", c.layout, gradient[at], wanted, 10);
        }
}

// The bits of every sum, for comparison between machines: integers over the results of fixed inputs.
template <typename Real>
void print_digest() {
    generator.seed(3);
    const Case<Real> c(13, 300);
    const auto mu = random_reals<Real>(4 * c.layout.padded_columns());
    AlignedBuffer<Real> out(4 * 16), sums(static_cast<std::size_t>(4 * c.layout.padded_columns()));
    transpose_product<4>(out.data(), std::int64_t(16), c.tiled.data(), c.layout, mu.data(), c.layout.padded_columns());
    transpose_product<1>(out.data(), std::int64_t(16), c.tiled.data(), c.layout, mu.data(), c.layout.padded_columns());
    dense_product<4>(sums.data(), c.layout.padded_columns(), c.tiled.data(), c.layout, mu.data(), std::int64_t(16));
    for (Real value : out) std::printf("%a\n", double(value));
    for (Real value : sums) std::printf("%a\n", double(value));
}

template <typename Real>
void check_all() {
    for (const int rows : {1, 13, 40})
        for (const int columns : {1, 20, 127, 256, 300, 520}) {
            const Case<Real> c(rows, columns);
            check_layout(c);
            for (const int count : {0, 1, 5, 100}) check_add(c, count);
            for (const int delay : {0, 1, 7, 25}) check_gather(c, delay);
            check_strips(c, true, 0);
            check_strips(c, false, 3);
            check_products<1>(c);
            check_products<3>(c);
            check_products<4>(c);
            check_products<8>(c);
            check_outer(c);
        }
}

static_assert(TileLayout<float>{700, 300}.index(1, 257) == 700 * 256 + 48 + 1, "usable at compile time");
static_assert(TileLayout<float>{3, 20}.size() == 3 * 32 && TileLayout<double>{3, 130}.tiles() == 2, "padded");

}  // namespace

int main(int argc, char**) {
    if (argc > 1) {
        print_digest<float>();
        print_digest<double>();
        return 0;
    }
    check_all<float>();
    check_all<double>();
    return failures != 0;
}
