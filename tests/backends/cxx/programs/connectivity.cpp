// Builds a connection from a description on stdin and writes its synapses to stdout: a count, then pre, post, kernel (int64).
// With the word `time` it prints the seconds instead.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "sncc/connectivity_builder.h"

int main(int count, char** words) {
    using namespace sncc;
    ConnectivityRequest request;
    int kind = 0, workers = 1, threads = 1;
    std::cin >> workers >> threads >> kind >> request.pattern.number >> request.pattern.repeats >> request.pattern.self_connections;
    for (int axis = 0; axis < 2; ++axis) std::cin >> request.pattern.kernel[axis] >> request.pattern.stride[axis] >> request.pattern.before[axis];
    std::cin >> request.pattern.shared >> request.pattern.turned;
    std::cin >> request.seed >> request.stream;
    for (PartShape* part : {&request.source, &request.target}) {
        std::cin >> part->dimensions;
        for (int d = 0; d < part->dimensions; ++d) std::cin >> part->shape[d] >> part->first[d] >> part->last[d];
    }
    std::cin >> request.pairs;
    std::vector<std::int64_t> pre(static_cast<std::size_t>(request.pairs)), post = pre;
    for (std::int64_t& i : pre) std::cin >> i;
    for (std::int64_t& j : post) std::cin >> j;
    request.pattern.kind = static_cast<PatternKind>(kind), request.pre = pre.data(), request.post = post.data();
    ThreadPool pool(threads);
    const auto began = std::chrono::steady_clock::now();
    try {
        const Synapses synapses = build_synapses(request, workers, pool);
        if (count > 1 && std::string(words[1]) == "time") {
            const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
            std::printf("%.3f s, %.1f million synapses/s\n", seconds, static_cast<double>(synapses.count()) / seconds * 1e-6);
            return 0;
        }
        std::vector<std::int64_t> out(3 * synapses.count() + 1, 0);
        const std::size_t n = synapses.count();
        out[0] = static_cast<std::int64_t>(n);
        for (std::int64_t i = 0; i < synapses.sources(); ++i)
            synapses.for_each(i, i + 1, [&](std::size_t part, std::uint64_t k, std::uint64_t number) {
                out[1 + number] = i;
                out[1 + n + number] = synapses.parts[part].range.begin + synapses.parts[part].target(k);
                if (!synapses.kernel.empty()) out[1 + 2 * n + number] = synapses.kernel[part][k];
            });
        std::fwrite(out.data(), sizeof(std::int64_t), out.size(), stdout);
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
