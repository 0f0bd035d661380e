// Prints draws: "words" of Random123's known answers, else `argv[1]` draws of uniform and normal in float and double.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sncc/philox.h"

using namespace sncc;

namespace {

void print_words(const PhiloxWords& w) {
    std::printf("%08x %08x %08x %08x\n", w.words[0], w.words[1], w.words[2], w.words[3]);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string(argv[1]) == "words") {
        print_words(philox(0, 0, 0, 0, 0));
        print_words(philox(~0ull, ~0u, ~0u, ~0u, ~0u));
        print_words(philox(0x299f31d0a4093822ull, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u));
        // The ends of the interval.
        const PhiloxWords low{{0, 0, 0, 0}}, high{{~0u, ~0u, ~0u, ~0u}};
        std::printf("%a %a %a %a\n", double(uniform<float>(low)), uniform<double>(low), double(uniform<float>(high)),
                    uniform<double>(high));
        return 0;
    }
    const int n = argc > 1 ? std::atoi(argv[1]) : 1;
    for (int element = 0; element < n; ++element) {
        const PhiloxWords draw = philox(42, 7, static_cast<std::uint32_t>(element), 3, 1);
        const NormalPair<float> single = normal_pair<float>(draw);
        const NormalPair<double> both = normal_pair<double>(draw);
        const double row[6] = {double(uniform<float>(draw)), uniform<double>(draw), double(single.first),
                               double(single.second),        both.first,            both.second};
        std::fwrite(row, sizeof(double), 6, stdout);
    }
    return 0;
}
