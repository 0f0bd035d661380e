// Random calls on a List and on a std::vector, which must then hold the same; values count how many of them there are.
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "sncc/list.h"

static long alive = 0;

struct Counted {
    std::string text;
    Counted() { ++alive; }
    Counted(const char* of) : text(of) { ++alive; }
    Counted(const Counted& other) : text(other.text) { ++alive; }
    Counted(Counted&& other) noexcept : text(std::move(other.text)) { ++alive; }
    Counted& operator=(const Counted&) = default;
    Counted& operator=(Counted&&) = default;
    ~Counted() { --alive; }
    bool operator==(const Counted& other) const { return text == other.text; }
};
struct alignas(64) Wide {
    int number = 0;
    bool operator==(const Wide& other) const { return number == other.number; }
};

template <typename Value>
Value made(int k);
template <>
int made<int>(int k) { return k; }
template <>
Counted made<Counted>(int k) { return Counted(("a text that is too long for the object itself " + std::to_string(k)).c_str()); }
template <>
Wide made<Wide>(int k) {
    Wide wide;
    wide.number = k;
    return wide;
}

template <typename Value>
bool same(const sncc::List<Value>& a, const std::vector<Value>& b) {
    if (a.size() != b.size() || a.empty() != b.empty()) return false;
    for (std::size_t k = 0; k < b.size(); ++k)
        if (!(a[k] == b[k])) return false;
    return reinterpret_cast<std::uintptr_t>(a.data()) % alignof(Value) == 0;
}

template <typename Value>
bool agrees(unsigned seed) {
    std::mt19937 random(seed);
    sncc::List<Value> list;
    std::vector<Value> vector;
    for (int call = 0; call < 20000; ++call) {
        const std::size_t some = random() % 12;
        const Value value = made<Value>(static_cast<int>(random() % 1000));
        switch (random() % 11) {
            case 0: case 1: list.push_back(value), vector.push_back(value); break;
            case 2: list.emplace_back(value), vector.emplace_back(value); break;
            case 3:
                if (!vector.empty()) list.push_back(list[0]), vector.push_back(vector[0]);  // one of its own
                break;
            case 4:
                if (!vector.empty()) list.append(some, list.back()), vector.insert(vector.end(), some, Value(vector.back()));
                break;
            case 5: list.resize(some * 3), vector.resize(some * 3); break;
            case 6: {
                const sncc::List<Value> copy = list;
                list.append(copy.begin(), copy.end()), vector.insert(vector.end(), copy.begin(), copy.end());
                if (!(copy == sncc::List<Value>(copy.begin(), copy.end()))) return false;
                break;
            }
            case 7: {
                const std::size_t count = vector.empty() ? 0 : random() % vector.size();
                list.drop(count), vector.erase(vector.begin(), vector.begin() + static_cast<std::ptrdiff_t>(count));
                break;
            }
            case 8: list.assign(some, value), vector.assign(some, value); break;
            case 9: {
                sncc::List<Value> moved = std::move(list);
                if (!list.empty()) return false;
                list = std::move(moved);
                break;
            }
            case 10: list.reserve(some * 5); break;
        }
        if (!same(list, vector)) return std::printf("call %d differs\n", call), false;
        if (vector.size() > 500) list.clear(), vector.clear();
    }
    return true;
}

int main() {
    if (!agrees<int>(1) || !agrees<Counted>(2) || !agrees<Wide>(3)) return 1;
    return alive == 0 ? 0 : 2;
}
