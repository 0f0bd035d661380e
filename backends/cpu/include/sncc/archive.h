// The state of a simulation as bytes: one description of what belongs to it serves to count, to write and to read.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "sncc/engine.h"
#include "sncc/list.h"

namespace sncc {

constexpr const char* other_delays = "the stored state has spikes on their way through other delays than the network has now";
constexpr const char* other_synapses = "the stored state is of other synapses than the network has now";

class Archive {
public:
    enum class Mode { count, write, read };
    Archive(Mode mode, unsigned char* bytes, std::size_t size) : mode_(mode), bytes_(bytes), size_(size) {}

    bool reads() const { return mode_ == Mode::read; }
    std::size_t position() const { return position_; }

    template <typename Value>
    void array(Value* values, std::size_t count) {
        static_assert(std::is_trivially_copyable<Value>::value, "plain bytes");
        const std::size_t length = sizeof(Value) * count;
        if (mode_ != Mode::count && length > size_ - position_) throw Failure(Code::argument, "the stored state is too short: it is another network's");
        if (length == 0) return;  // an empty array may stand nowhere
        if (mode_ == Mode::write) std::memcpy(bytes_ + position_, values, length);
        if (mode_ == Mode::read) std::memcpy(static_cast<void*>(values), bytes_ + position_, length);
        position_ += length;
    }
    template <typename Value>
    void value(Value& value) {
        array(&value, 1);
    }
    template <typename Value>
    void vector(List<Value>& values) {
        std::uint64_t count = values.size();
        value(count);
        if (reads()) {
            if (count > (size_ - position_) / sizeof(Value)) throw Failure(Code::argument, "the stored state is damaged");
            values.resize(static_cast<std::size_t>(count));
        }
        array(values.data(), values.size());
    }
    // A number that must be the same when it is read.
    void expect(std::int64_t number, const char* otherwise = "the stored state is another network's") {
        std::int64_t stored = number;
        value(stored);
        if (stored != number) throw Failure(Code::argument, otherwise);
    }
    void expect_end() const {
        if (position_ != size_) throw Failure(Code::argument, "the stored state is another network's");
    }

private:
    Mode mode_;
    unsigned char* bytes_;
    std::size_t size_, position_ = 0;
};

// The state of what keeps one by `keep`, as bytes.
template <typename Kept>
std::size_t size_of_state(Kept& kept) {
    Archive archive(Archive::Mode::count, nullptr, 0);
    kept.keep(archive);
    return archive.position();
}
template <typename Kept>
void write_state(Kept& kept, unsigned char* bytes, std::size_t size) {
    Archive archive(Archive::Mode::write, bytes, size);
    kept.keep(archive);
}
template <typename Kept>
void read_state(Kept& kept, const unsigned char* bytes, std::size_t size) {
    Archive archive(Archive::Mode::read, const_cast<unsigned char*>(bytes), size);
    kept.keep(archive);
}

}  // namespace sncc
