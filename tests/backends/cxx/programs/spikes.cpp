// Lists of spikes against plain loops, the aligned buffer, and the scope of flushed denormals.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "sncc/aligned.h"
#include "sncc/fpu.h"
#include "sncc/layout.h"
#include "sncc/spikes.h"

using namespace sncc;

namespace {

int failures = 0;
void expect(bool condition, const char* what) {
    if (!condition) ++failures, std::printf("failed: %s\n", what);
}

template <typename Real>
void check_collect() {
    std::mt19937 generator(5);
    for (int n = 0; n < 140; ++n)
        for (const unsigned per_mille : {0u, 20u, 500u, 1000u}) {
            AlignedBuffer<Real> mask(static_cast<std::size_t>(n) + 1);
            std::vector<std::uint32_t> wanted;
            for (int i = 0; i < n; ++i) {
                const Real values[] = {Real(1), Real(-2), std::numeric_limits<Real>::quiet_NaN(), Real(INFINITY)};
                if (generator() % 1000 < per_mille) mask[static_cast<std::size_t>(i)] = values[generator() % 4];
                else if (generator() % 2) mask[static_cast<std::size_t>(i)] = Real(-0.0);
                if (mask[static_cast<std::size_t>(i)] != 0) wanted.push_back(static_cast<std::uint32_t>(i));
            }
            mask[static_cast<std::size_t>(n)] = 1;  // behind the end
            const std::uint32_t guard = 0xdeadbeef;
            std::vector<std::uint32_t> out(static_cast<std::size_t>(padded(n)) + 1, guard);
            const int count = collect(mask.data(), n, out.data());
            expect(out.back() == guard, "collect stays within n rounded up to 16");
            out.resize(static_cast<std::size_t>(count));
            expect(out == wanted, "collect finds the nonzero entries in order");
        }
}

void check_transpose() {
    std::mt19937 generator(6);
    constexpr int steps = 30, channels = 40;
    std::vector<std::int64_t> offsets(steps + 1);
    std::vector<std::uint32_t> indices(steps * 48 + 48);
    std::vector<std::vector<std::uint32_t>> wanted(channels);
    for (int step = 0; step < steps; ++step) {
        std::vector<float> mask(channels);
        for (float& value : mask) value = generator() % 5 == 0;
        append_step(mask.data(), channels, step, offsets.data(), indices.data());
        if (step == 3) indices[static_cast<std::size_t>(offsets[4]++)] = 17;  // a second event of a channel
        for (int c = 0; c < channels; ++c)
            for (int k = 0; k < int(mask[static_cast<std::size_t>(c)]) + (step == 3 && c == 17); ++k)
                wanted[static_cast<std::size_t>(c)].push_back(static_cast<std::uint32_t>(step));
    }
    std::vector<std::int64_t> channel_offsets(channels + 1);
    std::vector<std::uint32_t> channel_steps(static_cast<std::size_t>(offsets[steps]));
    transpose_spikes(offsets.data(), indices.data(), steps, channels, channel_offsets.data(), channel_steps.data());
    for (int c = 0; c < channels; ++c)
        expect(std::vector<std::uint32_t>(channel_steps.begin() + channel_offsets[static_cast<std::size_t>(c)],
                                          channel_steps.begin() + channel_offsets[static_cast<std::size_t>(c) + 1]) ==
                   wanted[static_cast<std::size_t>(c)],
               "transpose_spikes lists the steps of each channel in order");
    expect(channel_offsets[channels] == offsets[steps], "transpose_spikes keeps every event");
}

void check_buffer() {
    static_assert(!std::is_copy_constructible<AlignedBuffer<float>>::value, "moved only");
    for (const std::size_t size : {0, 1, 3, 1000}) {
        AlignedBuffer<float> buffer(size);
        expect(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0, "the buffer is aligned");
        for (float value : buffer) expect(value == 0, "the buffer is zeroed");
        if (size != 0) buffer[size - 1] = 5;
        const float* where = buffer.data();
        AlignedBuffer<float> moved(std::move(buffer));
        expect(moved.data() == where && moved.size() == size, "a move keeps the memory");
        buffer = AlignedBuffer<float>(2);
        expect(buffer.size() == 2, "a moved-from buffer takes another");
        moved.zero();
        for (float value : moved) expect(value == 0, "zero() clears");
    }
    bool refused = false;
    try {
        AlignedBuffer<double> huge(static_cast<std::size_t>(-1) / 4);
    } catch (const std::bad_alloc&) {
        refused = true;
    }
    expect(refused, "a size that overflows is refused");
}

void check_denormals() {
    volatile float small = std::numeric_limits<float>::min();
    {
        FlushDenormals scope;
#if defined(SNCC_HAS_MXCSR)
        expect(small / 4 == 0, "denormals are zero in the scope");
        {
            FlushDenormals inner;
        }
        expect(small / 4 == 0, "an inner scope leaves the outer one as it was");
#endif
    }
    expect(small / 4 > 0, "denormals come back after the scope");
}

}  // namespace

int main() {
    check_collect<float>();
    check_collect<double>();
    check_transpose();
    check_buffer();
    check_denormals();
    return failures != 0;
}
