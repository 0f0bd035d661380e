// The race detector of the checked build. The kernels are compiled with -fsanitize=thread, which calls a function before every
// access to memory that may be shared; those functions are here instead of in libtsan.
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../cuda_runtime.h"
#include "../runtime/fiber.h"
#include "../runtime/memory.h"
#include "../runtime/watch.h"
#include "cells.h"
#include "race_detector.h"
#include "source_lines.h"

namespace sncc_emulation {
namespace {

enum class Kind { read, write, atomic };
const char* verb(Kind kind) { return kind == Kind::read ? "read" : kind == Kind::write ? "write" : "atomic operation"; }

constexpr std::size_t most_findings = 20;
constexpr std::uintptr_t page = 4096;

Cell* make_cells(std::size_t bytes) {
    void* const cells = mmap(nullptr, (bytes / 4 + 1) * sizeof(Cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return cells == MAP_FAILED ? nullptr : static_cast<Cell*>(cells);
}
void drop_cells(Cell* cells, std::size_t bytes) { munmap(cells, (bytes / 4 + 1) * sizeof(Cell)); }

struct Allocation {
    std::uintptr_t start = 0;
    std::size_t bytes = 0;
    Cell* cells = nullptr;
};

struct Range {
    std::uintptr_t start, end;
    bool holds(std::uintptr_t address, std::size_t bytes) const { return address >= start && address + bytes <= end; }
};

std::string where(const Watched& thread) { return "block " + std::to_string(thread.block()) + ", thread " + std::to_string(thread.index()); }
std::string where(const Access& access) {
    return "block " + std::to_string(access.thread >> 10) + ", thread " + std::to_string(access.thread & 1023);
}

class Detector final : public Watcher {
public:
    Detector() {
        arena_ = reinterpret_cast<std::uintptr_t>(sncc_emulation::arena());
        const std::size_t bytes = ARENA_BYTES / page * sizeof(std::uint32_t);
        void* const owners = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        owners_ = owners == MAP_FAILED ? nullptr : static_cast<std::uint32_t*>(owners);
        for (const void* const name : {static_cast<const void*>(&threadIdx), static_cast<const void*>(&blockIdx), static_cast<const void*>(&blockDim), static_cast<const void*>(&gridDim)})
            constants_.push_back({address_of(name), address_of(name) + sizeof(uint3)});  // first: they are read most
        dl_iterate_phdr(find_constants, this);
    }

    // ------------------------------------------------------------------------------------------ what the runtime tells
    void allocated(const void* start, std::size_t bytes) override {
        Allocation a;
        a.start = address_of(start), a.bytes = bytes, a.cells = make_cells(bytes);
        allocations_.push_back(a);
        own(a, static_cast<std::uint32_t>(allocations_.size()));
    }
    void freed(const void* start) override {
        Allocation* const a = allocation(address_of(start));
        if (!a) return;
        own(*a, 0);
        drop_cells(a->cells, a->bytes);
        *a = Allocation{};
    }
    void written(const void* to, std::size_t bytes) override {
        Allocation* const a = allocation(address_of(to));
        for (std::size_t k = 0; a && k < bytes; ++k) cell(*a, address_of(to) + k).add(Cell::initialised, 1u << ((address_of(to) + k) & 3));
    }
    void copied(const void* to, const void* from, std::size_t bytes) override {
        Allocation *const target = allocation(address_of(to)), *const source = allocation(address_of(from));
        for (std::size_t k = 0; target && source && k < bytes; ++k) {
            const std::uintptr_t a = address_of(to) + k, b = address_of(from) + k;
            if (cell(*source, b).bytes(Cell::initialised) >> (b & 3) & 1u) cell(*target, a).add(Cell::initialised, 1u << (a & 3));
        }
    }
    void kernel_starts(const Scene& scene) override {
        scene_ = scene;
        image_ = address_of(scene.image);
        dynamic_ = {address_of(smem), address_of(smem) + DYNAMIC_SHARED_CAPACITY};
        findings_.clear();
        seen_.clear();
        others_.clear();
        begun_ = time_ + 1;
    }
    void* block_starts() override {
        if (!spare_.empty()) {
            void* const cells = spare_.back();
            spare_.pop_back();
            madvise(cells, (scene_.image_bytes / 4 + 1) * sizeof(Cell), MADV_DONTNEED);  // zero again
            return cells;
        }
        return make_cells(scene_.image_bytes);
    }
    void block_ends(void* cells) override { spare_.push_back(cells); }
    void block_has_ended(int block, std::uint32_t met) override {
        OfOthers& of = others_[block];
        of.ended = true;
        if (of.last.there() && of.last.time >= met) report_end(block, of.last);
    }
    std::uint32_t tick() override { return ++time_; }
    void copy_issued(Watched& thread, const void* to, const void* from, std::size_t bytes, const void* place) override {
        const Rewatched here(thread);
        access(from, bytes, Kind::read, place);
        each_cell(to, bytes, Kind::write, place, [](Cell& c, std::uint32_t mask) { c.add(Cell::pending, mask); });
    }
    void copy_arrived(Watched& thread, const void* to, std::size_t bytes, const void* place) override {
        const Rewatched here(thread);
        each_cell(to, bytes, Kind::write, place, [](Cell& c, std::uint32_t mask) { c.set(Cell::pending, c.bytes(Cell::pending) & ~mask); });
        access(to, bytes, Kind::write, place);
    }
    std::string findings() override {
        std::string all;
        for (const std::string& finding : findings_) all += (all.empty() ? "" : "\n") + finding;
        return all;
    }

    // ------------------------------------------------------------------------------------------ what a kernel does
    // By way of the cache that is not kept up to date within a kernel.
    void read_only(const void* pointer, std::size_t bytes, const void* place) {
        each_cell(pointer, bytes, Kind::read, place, [&](Cell& c, std::uint32_t mask) {
            for (const int part : {Cell::write, Cell::atomic, Cell::other_atomic})
                if (c.accesses[part].time >= begun_ && (c.bytes(part) & mask)) return report("stale", Kind::read, pointer, place, &c.accesses[part], part == Cell::write ? Kind::write : Kind::atomic);
        });
    }
    [[noreturn]] void misaligned(std::size_t bytes, Kind kind, const void* place) { stop(kind, bytes, "at an address that is no multiple of it", place); }
    void access(const void* pointer, std::size_t bytes, Kind kind, const void* place) {
        Watched& me = *watched;
        if (address_of(pointer) - address_of(me.stack) < Fiber::stack_bytes) return;  // its own locals
        if (me.atomic) kind = Kind::atomic;
        each_cell(pointer, bytes, kind, place, [&](Cell& c, std::uint32_t mask) { touch(c, mask, kind, pointer, place, me); });
    }

private:
    static std::uintptr_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

    // The runtime acts for a thread.
    struct Rewatched {
        explicit Rewatched(Watched& thread) : before(watched) { watched = &thread; }
        ~Rewatched() { watched = before; }
        Watched* before;
    };

    // Constants of this library: kernels may read them.
    static int find_constants(dl_phdr_info* info, std::size_t, void* into) {
        auto& detector = *static_cast<Detector*>(into);
        const std::uintptr_t here = reinterpret_cast<std::uintptr_t>(&find_constants);
        std::vector<Range> constants;
        bool ours = false;
        for (int k = 0; k < info->dlpi_phnum; ++k) {
            const ElfW(Phdr)& part = info->dlpi_phdr[k];
            const std::uintptr_t start = info->dlpi_addr + part.p_vaddr;
            if (part.p_type == PT_LOAD && here >= start && here < start + part.p_memsz) ours = true, detector.module_ = info->dlpi_addr;
            if ((part.p_type == PT_LOAD && !(part.p_flags & PF_W)) || part.p_type == PT_GNU_RELRO) constants.push_back({start, start + part.p_memsz});
        }
        if (ours) detector.constants_.insert(detector.constants_.end(), constants.begin(), constants.end());
        return ours;
    }

    void own(const Allocation& a, std::uint32_t number) {
        for (std::uintptr_t p = a.start; p < a.start + a.bytes; p += page) owners_[(p - arena_) / page] = number;
    }
    Allocation* allocation(std::uintptr_t address) {
        const std::uint32_t number = address - arena_ < ARENA_BYTES ? owners_[(address - arena_) / page] : 0;
        return number ? &allocations_[number - 1] : nullptr;
    }
    static Cell& cell(Allocation& a, std::uintptr_t address) { return a.cells[(address - a.start) / 4]; }

    template <typename Body>
    void each_cell(const void* pointer, std::size_t bytes, Kind kind, const void* place, const Body& body) {
        const std::uintptr_t address = address_of(pointer);
        if (bytes == 0) return;
        Cell* cells = locate(address, bytes, kind, place);
        if (!cells) return;
        std::uintptr_t first = address & 3;
        for (std::size_t left = bytes; left > 0; ++cells, first = 0) {
            const std::size_t now = std::min<std::size_t>(left, 4 - first);
            body(*cells, ((1u << now) - 1u) << first);
            left -= now;
        }
    }

    // The cells of an address; null where nothing is to be checked. What no kernel may touch stops it.
    Cell* locate(std::uintptr_t address, std::size_t bytes, Kind kind, const void* place) {
        if (address - arena_ < ARENA_BYTES) {
            Allocation* const a = allocation(address);
            if (a && address + bytes <= a->start + a->bytes) return &cell(*a, address);
            outside(address, bytes, kind, place);
        }
        if (address - image_ < scene_.image_bytes) {
            if (address >= dynamic_.start && address < dynamic_.end && address + bytes > dynamic_.start + scene_.dynamic_bytes)
                stop(kind, bytes, "outside of the " + std::to_string(scene_.dynamic_bytes) + " bytes of dynamic shared memory, at offset " + std::to_string(address - dynamic_.start), place);
            return static_cast<Cell*>(watched->shared_cells) + (address - image_) / 4;
        }
        const std::uintptr_t arguments = address_of(scene_.arguments);
        if (kind == Kind::read) {
            for (const Range& constant : constants_)
                if (constant.holds(address, bytes)) return nullptr;
            if (Range{arguments, arguments + scene_.argument_bytes}.holds(address, bytes)) return nullptr;
        }
        std::size_t offset = 0;
        int block = 0;
        if (void* const cells = shared_home(reinterpret_cast<const void*>(address), &offset, &block)) {
            of_other(block, kind, bytes, place);
            return static_cast<Cell*>(cells) + offset / 4;
        }
        stop(kind, bytes, "of memory that is neither the device's nor shared: a kernel cannot use a host pointer, a host variable or another thread's locals", place);
    }

    // An access to another block's shared memory: that block must have begun, and may not end before.
    void of_other(int block, Kind kind, std::size_t bytes, const void* place) {
        Watched& me = *watched;
        const std::string whose = "of the shared memory of block " + std::to_string(block);
        if (me.released[cluster_scope] <= begun_) stop(kind, bytes, whose + " before a barrier of the cluster: that block may not have begun", place);
        if (others_[block].ended) stop(kind, bytes, whose + ", which has ended", place);
        others_[block].last = {me.number, time_, static_cast<std::uint32_t>(address_of(place) - module_)};
    }
    void report_end(int block, const Access& access) {
        const Unwatched unwatched;
        if (findings_.size() < most_findings)
            findings_.push_back("end of block " + std::to_string(block) + " without a barrier of the cluster after its shared memory was used at " +
                                source_line(reinterpret_cast<const void*>(module_ + access.place)) + " by " + where(access));
    }

    void touch(Cell& c, std::uint32_t mask, Kind kind, const void* pointer, const void* place, const Watched& me) {
        const Access now = {me.number, time_, static_cast<std::uint32_t>(address_of(place) - module_)};
        if (c.bytes(Cell::pending) & mask) report("an asynchronous copy to it was not waited for", kind, pointer, place, nullptr, Kind::write);
        if (kind != Kind::write && (c.bytes(Cell::initialised) & mask) != mask)
            report("uninitialised", kind, pointer, place, nullptr, Kind::write);
        check(c, Cell::write, mask, Kind::write, kind, pointer, place, me);
        if (kind != Kind::read) check_both(c, Cell::reader, mask, Kind::read, kind, pointer, place, me);
        if (kind != Kind::atomic) check_both(c, Cell::atomic, mask, Kind::atomic, kind, pointer, place, me);
        if (kind == Kind::read) return remember(c, Cell::reader, now, mask, me);
        c.add(Cell::initialised, mask);
        if (kind == Kind::atomic) return remember(c, Cell::atomic, now, mask, me);
        c.put(Cell::write, now, mask);
        for (const int part : {Cell::reader, Cell::other_reader, Cell::atomic, Cell::other_atomic}) c.drop(part);
    }
    void check_both(const Cell& c, int part, std::uint32_t mask, Kind before, Kind kind, const void* pointer, const void* place, const Watched& me) {
        check(c, part, mask, before, kind, pointer, place, me);
        check(c, part + 1, mask, before, kind, pointer, place, me);
    }
    void check(const Cell& c, int part, std::uint32_t mask, Kind before, Kind kind, const void* pointer, const void* place, const Watched& me) {
        const Access& access = c.accesses[part];
        if (access.there() && access.thread != me.number && (c.bytes(part) & mask) && !ordered(access, me)) report("race", kind, pointer, place, &access, before);
    }

    // ------------------------------------------------------------------------------------------ findings
    // Places are looked up when they are found first; the same fault of other threads is the same finding.
    void report(const char* what, Kind kind, const void* pointer, const void* place, const Access* before, Kind before_kind) {
        Watched& me = *watched;
        const void* const place_before = before ? reinterpret_cast<const void*>(module_ + before->place) : nullptr;
        if (findings_.size() >= most_findings || !seen_.insert({std::max(place, place_before), std::min(place, place_before), what}).second) return;
        const Unwatched unwatched;
        std::string text = std::string(what) + ": " + verb(kind) + " of " + memory_of(pointer, me) + " at " + chain(place, me) + " by " + where(me);
        if (before) {
            static const char* const groups[] = {"warp", "block", "cluster", "grid"};
            const Scope scope = scope_of(before->thread, me.number, me.cluster);
            text += ", and " + std::string(verb(before_kind)) + " at " + source_line(place_before) + " by " + where(*before);
            text += std::strcmp(what, "race") == 0 ? std::string(", without a barrier of the ") + groups[scope] + " between" : ", in the same kernel, whose read-only loads need not see it";
        }
        findings_.push_back(text);
    }
    [[noreturn]] void stop(Kind kind, std::size_t bytes, const std::string& why, const void* place) {
        Watched& me = *watched;
        const Unwatched unwatched;
        stop_kernel(std::string(verb(kind)) + " of " + std::to_string(bytes) + " bytes " + why + ", at " + chain(place, me));
    }
    [[noreturn]] void outside(std::uintptr_t address, std::size_t bytes, Kind kind, const void* place) {
        const Allocation* nearest = nullptr;
        for (const Allocation& a : allocations_)
            if (a.cells && a.start <= address && (!nearest || a.start > nearest->start)) nearest = &a;
        std::string text = "outside of every allocation of the device";
        if (nearest) text += ": " + std::to_string(address - nearest->start) + " bytes behind the start of one of " + std::to_string(nearest->bytes);
        stop(kind, bytes, text, place);
    }
    // A place in a header with the line of the emitted file that it was called from.
    static bool in_kernel_file(const std::string& line) { return line.find(".cu:") != std::string::npos || line.find(".cuh:") != std::string::npos; }
    std::string chain(const void* place, const Watched& me) {
        const std::string inner = source_line(place);
        for (int k = std::min(me.depth, Watched::most_calls) - 1; k >= 0 && !in_kernel_file(inner); --k) {
            const std::string outer = source_line(me.calls[k]);
            if (in_kernel_file(outer)) return inner + ", called at " + outer;
        }
        return inner;
    }
    std::string memory_of(const void* pointer, const Watched&) {
        const std::uintptr_t address = address_of(pointer);
        if (Allocation* const a = allocation(address)) return "device memory (byte " + std::to_string(address - a->start) + " of " + std::to_string(a->bytes) + ")";
        if (address >= dynamic_.start && address < dynamic_.end) return "shared memory (byte " + std::to_string(address - dynamic_.start) + ")";
        return "shared memory";
    }

    // What other blocks of a cluster do with a block's shared memory.
    struct OfOthers {
        Access last = {0, 0, 0};
        bool ended = false;
    };
    struct Seen {
        const void *place, *before;
        const char* what;
        bool operator<(const Seen& o) const {
            return place != o.place ? place < o.place : before != o.before ? before < o.before : std::strcmp(what, o.what) < 0;
        }
    };

    std::uintptr_t arena_ = 0, image_ = 0, module_ = 0;
    std::uint32_t* owners_ = nullptr;  // number of the allocation that holds each page of the arena, 0: none
    std::vector<Allocation> allocations_;
    std::vector<Range> constants_;
    std::vector<void*> spare_;
    Scene scene_ = {};
    Range dynamic_ = {0, 0};
    std::uint32_t time_ = 1, begun_ = 1;  // now, and when the kernel began
    std::map<int, OfOthers> others_;
    std::vector<std::string> findings_;
    std::set<Seen> seen_;
};

Detector detector;
[[maybe_unused]] const bool watching = (watcher = &detector, true);

}  // namespace

// Inline functions of the standard library are compiled into kernels too, watched, and the linker may give those to the detector.
void watch_access(const void* address, std::size_t bytes, bool write, const void* place) {
    Watched& me = *watched;
    if (me.reporting) return;
    me.reporting = true;
    detector.access(address, bytes, write ? Kind::write : Kind::read, place);
    me.reporting = false;
}

void misaligned(std::size_t bytes, bool write, const void* place) { detector.misaligned(bytes, write ? Kind::write : Kind::read, place); }
void read_only(const void* address, std::size_t bytes) {
    if (!watched || watched->reporting) return;
    watched->reporting = true;
    detector.read_only(address, bytes, __builtin_return_address(0));
    watched->reporting = false;
}
void begin_atomic() {
    if (watched) watched->atomic = true;
}
void end_atomic() {
    if (watched) watched->atomic = false;
}

}  // namespace sncc_emulation
