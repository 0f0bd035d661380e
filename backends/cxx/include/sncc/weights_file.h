// Weights that Python's `network.save` wrote: an `.npz` file, which is a zip archive of NumPy's arrays, not compressed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "network.h"

namespace sncc {

// What a file holds, by name. Throws Failure for a file that cannot be read, or is none of these.
class WeightsFile {
public:
    SNCC_COLD explicit WeightsFile(const char* path) : path_(path ? path : "") {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.c_str(), "rb"), &std::fclose);
        char part[1 << 16];
        for (std::size_t read = 1; file && read > 0;) text_.append(part, read = std::fread(part, 1, sizeof part, file.get()));
        if (!file || std::ferror(file.get())) refuse("it cannot be read");
        const std::size_t end = text_.rfind("PK\5\6");
        if (end == std::string::npos) refuse("it is no `.npz` file");
        std::uint64_t entries = number(end + 10, 2), at = number(end + 16, 4);
        if (end >= 20 && text_.compare(end - 20, 4, "PK\6\7") == 0) {  // of more than 4 GB, or 65,535 arrays
            const std::uint64_t large = number(end - 12, 8);
            entries = number(large + 32, 8), at = number(large + 48, 8);
        }
        for (; entries > 0; --entries) {
            if (number(at, 4) != 0x02014b50) refuse("it is damaged");
            const std::uint64_t name = number(at + 28, 2), extra = number(at + 30, 2);
            if (number(at + 10, 2) != 0) refuse("its arrays are compressed");
            slice(at + 46, name + extra);
            entries_.push_back(entry(at, text_.substr(at + 46, name), at + 46 + name, extra));
            at += 46 + name + extra + number(at + 32, 2);
        }
    }

    bool has(const std::string& name) const {
        return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name + ".npy"; });
    }
    // The numbers of an array of 8-byte elements: `type` is "<f8", "<i8" or "<u8".
    template <typename Value>
    SNCC_COLD List<Value> array(const std::string& name, const char* type) const {
        static_assert(sizeof(Value) == 8, "eight bytes");
        for (const Entry& e : entries_) {
            if (e.name != name + ".npy") continue;
            const std::uint64_t header = number(e.first + 6, 1) == 1 ? 10 + number(e.first + 8, 2) : 12 + number(e.first + 8, 4);
            if (header > e.size || sum(e) != e.sum) refuse("`" + name + "` is damaged");
            const std::string about = text_.substr(e.first, header);
            if (about.find(std::string("'") + type + "'") == std::string::npos || about.find("'fortran_order': False") == std::string::npos)
                refuse("`" + name + "` is of another type");
            List<Value> values(static_cast<std::size_t>((e.size - header) / 8));
            if (!values.empty()) std::memcpy(static_cast<void*>(values.data()), text_.data() + e.first + header, 8 * values.size());
            return values;
        }
        refuse("it has no `" + name + "`: it was saved from another network");
    }
    std::uint64_t seed() const {
        const List<std::uint64_t> found = array<std::uint64_t>("seed", "<u8");
        if (found.size() != 1) refuse("`seed` is damaged");
        return found[0];
    }
    [[noreturn]] SNCC_COLD void refuse(const std::string& why) const { throw Failure(Code::argument, path_ + ": " + why); }

private:
    struct Entry {
        std::string name;
        std::uint64_t first, size, sum;
    };

    void slice(std::uint64_t at, std::uint64_t size) const {
        if (at > text_.size() || size > text_.size() - at) refuse("it is damaged");
    }
    std::uint64_t number(std::uint64_t at, std::uint64_t bytes) const {
        slice(at, bytes);
        std::uint64_t value = 0;
        for (std::uint64_t k = bytes; k > 0; --k) value = value << 8 | static_cast<unsigned char>(text_[at + k - 1]);
        return value;
    }
    // From an array's line in the archive's list; what does not fit into 4 bytes stands in what is added to its name.
    SNCC_COLD Entry entry(std::uint64_t at, std::string name, std::uint64_t added, std::uint64_t length) const {
        std::uint64_t size = number(at + 24, 4), packed = number(at + 20, 4), first = number(at + 42, 4);
        for (const std::uint64_t end = added + length; added + 4 <= end; added += 4 + number(added + 2, 2)) {
            if (number(added, 2) != 1) continue;
            std::uint64_t next = added + 4;
            for (std::uint64_t* wide : {&size, &packed, &first})
                if (*wide == 0xffffffff) *wide = number(next, 8), next += 8;
        }
        if (number(first, 4) != 0x04034b50) refuse("it is damaged");
        first += 30 + number(first + 26, 2) + number(first + 28, 2);
        slice(first, size);
        return {std::move(name), first, size, number(at + 16, 4)};
    }
    std::uint32_t sum(const Entry& e) const {  // CRC-32
        static const Table table;
        std::uint32_t result = 0xffffffff;
        for (std::uint64_t k = 0; k < e.size; ++k) result = table.of[(result ^ static_cast<unsigned char>(text_[e.first + k])) & 255] ^ result >> 8;
        return ~result;
    }
    struct Table {
        std::uint32_t of[256];
        Table() {
            for (std::uint32_t k = 0; k < 256; ++k) {
                of[k] = k;
                for (int bit = 0; bit < 8; ++bit) of[k] = of[k] & 1 ? 0xedb88320 ^ of[k] >> 1 : of[k] >> 1;
            }
        }
    };

    std::string path_, text_;
    List<Entry> entries_;
};

// A parameter, or a connection, by the name under which it is saved.
struct Saved {
    int index;
    const char* name;
};

// Delays, which it may be that no synapse can have; then they are as they were. `set` sets the parameter of that number in the list.
template <typename Set>
SNCC_COLD void set_delays_or_none(Network& network, const WeightsFile& file, const Saved* parameters, const Set& set) {
    const std::string end = ".delay";
    List<std::pair<int, List<double>>> former;
    try {
        for (std::size_t k = 0; parameters[k].name; ++k) {
            const std::string name = parameters[k].name;
            if (name.size() < end.size() || name.compare(name.size() - end.size(), end.size(), end) != 0) continue;
            List<double> values(static_cast<std::size_t>(network.parameter_size(parameters[k].index)));
            network.get_unscaled(parameters[k].index, values.data(), static_cast<std::int64_t>(values.size()));
            former.emplace_back(parameters[k].index, std::move(values));
            set(k);
        }
    } catch (const Failure& failure) {
        for (const auto& [index, values] : former) network.set_unscaled(index, values.data(), static_cast<std::int64_t>(values.size()));
        file.refuse(failure.what());
    }
}

// Sets a network's stored parameters, and the pairs of connections that training moves (both lists end with a null). `drawn`: some
// of the other synapses follow from the seed. What does not fit is refused before anything is set.
SNCC_COLD inline void load_weights(Network& network, const char* path, const Saved* parameters, const Saved* moving, bool drawn) {
    const WeightsFile file(path);
    if (drawn && file.seed() != network.seed())
        file.refuse("its synapses are drawn with the seed " + std::to_string(file.seed()) + ": create the network with that one");
    List<List<double>> values, unscaled;  // of each parameter; what it is in the units of memory, where the file says it
    for (const Saved* p = parameters; p->name; ++p) {
        values.push_back(file.array<double>(std::string("parameter/") + p->name, "<f8"));
        const std::int64_t size = network.parameter_size(p->index), there = static_cast<std::int64_t>(values.back().size());
        if (there != size) file.refuse(std::string(p->name) + " has " + std::to_string(size) + " numbers, not " + std::to_string(there));
        for (const double value : values.back()) {
            if (!std::isfinite(value)) file.refuse(std::string(p->name) + " is damaged");
            if (std::abs(value) > network.largest(p->index))
                file.refuse(std::string(p->name) + " has " + readable(value) + ", beyond what this network's precision holds, " + readable(network.largest(p->index)));
        }
        const std::string as_stored = std::string("unscaled/") + p->name;
        unscaled.push_back(file.has(as_stored) ? file.array<double>(as_stored, "<f8") : List<double>());
        if (!unscaled.back().empty() && static_cast<std::int64_t>(unscaled.back().size()) != size) file.refuse(as_stored + " is damaged");
    }
    const auto set = [&](std::size_t k) {
        const auto count = static_cast<std::int64_t>(values[k].size());
        unscaled[k].empty() ? network.set_parameter(parameters[k].index, values[k].data(), count) : network.set_unscaled(parameters[k].index, unscaled[k].data(), count);
    };
    set_delays_or_none(network, file, parameters, set);
    for (const Saved* c = moving; c->name; ++c) {
        const std::string name = std::string("synapses/") + c->name;
        const List<std::int64_t> pre = file.array<std::int64_t>(name + "/pre", "<i8"), post = file.array<std::int64_t>(name + "/post", "<i8");
        if (pre.size() != post.size()) file.refuse(name + " is damaged");
        network.build();
        network.connect(c->index, pre.data(), post.data(), static_cast<std::int64_t>(pre.size()));
    }
    for (std::size_t k = 0; k < values.size(); ++k) set(k);
}

}  // namespace sncc
