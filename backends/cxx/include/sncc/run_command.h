// The words of a project's command-line runner, and the text files that they name: two whole numbers in a line.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace sncc {

using Events = std::vector<std::pair<long, std::uint32_t>>;  // (step, neuron), in the order of steps
constexpr long most_steps = 100000000;

struct Command {
    bool understood = true;
    long steps = 0, last = 0;  // how long the run is; where --seconds ends it, else 0
    const char *events = "-", *weights = "0";
    std::vector<std::pair<std::string, const char*>> pairs;  // connections with their files
};

// How many steps of so many milliseconds are nearest to some seconds; 0 for what is no number, or none that a run can last.
inline long steps_of(const char* seconds, double step) {
    char* end = nullptr;
    const double steps = std::floor(std::strtod(seconds, &end) * 1000 / step + 0.5);
    return end != seconds && *end == '\0' && steps >= 1 && steps <= most_steps ? static_cast<long>(steps) : 0;
}

// `duration`: the steps of a run by itself, 0 where only its events say how long it is.
inline Command command_of(int count, char** arguments, long duration, double step) {
    Command command;
    command.steps = duration;
    int words = 0;
    for (int k = 1; k < count; ++k) {
        if (std::strcmp(arguments[k], "--seconds") == 0 && k + 1 < count)
            command.last = command.steps = steps_of(arguments[++k], step), command.understood &= command.last > 0;
        else if (std::strcmp(arguments[k], "--pairs") == 0 && k + 2 < count)
            command.pairs.emplace_back(arguments[k + 1], arguments[k + 2]), k += 2;
        else if (std::strncmp(arguments[k], "--", 2) == 0 || words == 2)
            command.understood = false;
        else
            (words++ == 0 ? command.events : command.weights) = arguments[k];
    }
    command.understood &= words > 0 || command.steps > 0;
    return command;
}

// Hands over the numbers of each line that is not blank; `line` says what they are. False, with the reason on stderr, where the
// file cannot be read, a line is anything else, or `take` returns false.
template <typename Take>
bool for_each_line(const char* path, const char* line, const Take& take) {
    std::ifstream file(path);
    std::string text;
    while (file && std::getline(file, text)) {
        if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
        std::istringstream numbers(text);
        std::int64_t first = 0, second = 0;
        std::string more;
        if (!(numbers >> first >> second) || numbers >> more) return std::fprintf(stderr, "%s: a line is not \"%s\": %.40s\n", path, line, text.c_str()), false;
        if (!take(first, second)) return false;
    }
    if (!file.eof() || file.bad()) return std::fprintf(stderr, "%s: cannot be read\n", path), false;
    return true;
}

// Reads the events up to the end that --seconds sets; without one the run lasts at least until the last of them. False as above.
inline bool read_events(Command& command, Events& events) {
    if (std::strcmp(command.events, "-") == 0) return true;
    const bool read = for_each_line(command.events, "step neuron", [&](std::int64_t step, std::int64_t neuron) {
        if (step < 1 || step > most_steps || neuron < 0 || neuron > 4294967295)
            return std::fprintf(stderr, "%s: step %lld, neuron %lld: steps count from 1, neurons from 0\n", command.events, static_cast<long long>(step), static_cast<long long>(neuron)), false;
        if (command.last && step > command.last) return true;
        events.emplace_back(static_cast<long>(step), static_cast<std::uint32_t>(neuron));
        command.steps = std::max(command.steps, static_cast<long>(step));
        return true;
    });
    std::stable_sort(events.begin(), events.end());
    return read;
}

}  // namespace sncc
