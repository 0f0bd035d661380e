// A grid of threads as fibers on one CPU thread: blocks one after the other, or all together where the launch is cooperative
// or has clusters. A barrier parks a fiber until all live threads of its group have come.
#pragma once

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../cuda_runtime.h"
#include "fiber.h"
#include "scheduler.h"
#include "watch.h"

namespace sncc_emulation {
namespace {

enum class Wait { none, warp, block, cluster, grid, done };
const char* name_of(Wait wait) {
    static const char* const names[] = {"nothing", "a warp's barrier", "__syncthreads", "a cluster's barrier", "a grid's barrier", "its end"};
    return names[static_cast<int>(wait)];
}

struct Copy {
    void* to;
    const void* from;
    std::size_t size, zeros;
    const void* place;  // in the code
};

struct Thread {
    Fiber fiber;
    int block, index;
    Wait wait = Wait::none;
    int line = 0;
    bool predicate = false;
    int count = 0;  // of the block's predicates at its last barrier
    bool orders = true;  // the barrier that it waits at orders memory
    Watched seen;
    std::vector<Copy> pending;
    std::vector<std::vector<Copy>> committed;
};

struct Warp {
    std::uint64_t values[2][32];
    int turn = 0;
};

// The thread-local image of this module, which holds the shared memory of the block that runs.
struct SharedImage {
    unsigned char* start = nullptr;
    std::size_t bytes = 0;
};

int find_image(dl_phdr_info* info, std::size_t, void* into) {
    const auto here = reinterpret_cast<std::uintptr_t>(&find_image);
    bool ours = false;
    std::size_t bytes = 0;
    for (int k = 0; k < info->dlpi_phnum; ++k) {
        const ElfW(Phdr)& part = info->dlpi_phdr[k];
        const std::uintptr_t start = info->dlpi_addr + part.p_vaddr;
        if (part.p_type == PT_LOAD && here >= start && here < start + part.p_memsz) ours = true;
        if (part.p_type == PT_TLS) bytes = part.p_memsz;
    }
    if (!ours) return 0;
    auto& image = *static_cast<SharedImage*>(into);
    image.start = static_cast<unsigned char*>(info->dlpi_tls_data);
    image.bytes = bytes;
    return 1;
}

class Grid {
public:
    Grid(const Launch& launch, const Call& call) : launch_(launch), call_(call) {
        volatile unsigned char* const touched = smem;  // the image exists once something in it was touched
        touched[0] = 0;
        dl_iterate_phdr(find_image, &image_);
    }

    // Empty, or why the kernel stopped and what the watcher found, a line each.
    std::string run() {
        if (watcher) watcher->kernel_starts({image_.start, image_.bytes, launch_.dynamic_bytes, call_.record.get(), call_.bytes, this});
        gridDim = launch_.grid;
        blockDim = launch_.block;
        const int blocks = static_cast<int>(launch_.grid.x * launch_.grid.y * launch_.grid.z);
        const int together = launch_.together ? blocks : 1;
        for (int first = 0; first < blocks && failure_.empty(); first += together) run_blocks(first, std::min(together, blocks - first));
        if (!watcher) return failure_;
        const std::string found = watcher->findings();
        return found.empty() || failure_.empty() ? found + failure_ : found + "\n" + failure_;
    }

    void park(Wait wait, int line, bool orders = true) {
        Thread& t = *now_;
        t.orders = orders;
        t.wait = wait;
        t.line = line;
        t.fiber.leave();
    }
    Thread& now() { return *now_; }
    Warp& warp() { return warps_[warp_of(*now_)]; }
    int warp_lanes() { return std::min(32, launch_.threads() - now_->index / 32 * 32); }
    bool is_warp_whole() {  // none of its lanes has ended
        const std::size_t first = static_cast<std::size_t>((now_->block - first_) * launch_.threads() + now_->index / 32 * 32);
        for (int lane = 0; lane < warp_lanes(); ++lane)
            if (threads_[first + static_cast<std::size_t>(lane)].wait == Wait::done) return false;
        return true;
    }
    const Launch& launch() const { return launch_; }
    [[noreturn]] void fail(const std::string& why) {
        watched = nullptr;
        if (failure_.empty()) failure_ = why + " (block " + std::to_string(now_->block) + ", thread " + std::to_string(now_->index) + ")";
        now_->wait = Wait::done;
        now_->fiber.leave(true);
        std::abort();
    }
    void* shared_home(const void* address, std::size_t* offset, int* block) {
        const auto* const p = static_cast<const unsigned char*>(address);
        for (std::size_t b = 0; b < images_.size(); ++b)
            if (!images_[b].empty() && p >= images_[b].data() && p < images_[b].data() + images_[b].size()) {
                *offset = static_cast<std::size_t>(p - images_[b].data());
                *block = first_ + static_cast<int>(b);
                return cells_[b];
            }
        return nullptr;
    }
    void* shared_of(const void* address, unsigned int rank) {
        const std::size_t offset = static_cast<std::size_t>(static_cast<const unsigned char*>(address) - image_.start);
        const int cluster = launch_.cluster;
        const int block = now_->block / cluster * cluster + static_cast<int>(rank);
        return block == loaded_ ? image_.start + offset : images_[static_cast<std::size_t>(block - first_)].data() + offset;
    }

private:
    int warp_of(const Thread& t) const { return (t.block - first_) * ((launch_.threads() + 31) / 32) + t.index / 32; }

    void run_blocks(int first, int count) {
        const int threads = launch_.threads();
        first_ = first;
        loaded_ = -1;
        const std::uint32_t started = watcher && first == 0 ? watcher->tick() : started_;
        started_ = started;
        const std::size_t total = static_cast<std::size_t>(count) * static_cast<std::size_t>(threads);
        threads_ = std::vector<Thread>(total);
        warps_.assign(static_cast<std::size_t>(count) * static_cast<std::size_t>((threads + 31) / 32), Warp{});
        images_.assign(static_cast<std::size_t>(count), {});
        if (launch_.cluster > 1)  // others may ask where something of a block is before it has begun
            for (auto& image : images_) image.assign(image_.bytes, 0xff);
        left_.assign(static_cast<std::size_t>(count), threads);
        cells_.assign(static_cast<std::size_t>(count), nullptr);
        if (watcher)
            for (void*& cells : cells_) cells = watcher->block_starts();
        const std::size_t bytes = total * Fiber::stack_bytes;
        char* const stacks = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (stacks == MAP_FAILED) {
            failure_ = "no memory for the stacks of its threads";
            return;
        }
        for (std::size_t k = 0; k < total; ++k) {
            Thread& t = threads_[k];
            t.block = first + static_cast<int>(k) / threads;
            t.index = static_cast<int>(k) % threads;
            t.seen.number = static_cast<std::uint32_t>(t.block) << 10 | static_cast<std::uint32_t>(t.index);
            t.seen.cluster = static_cast<std::uint32_t>(launch_.cluster);
            for (std::uint32_t& time : t.seen.released) time = started;
            t.seen.stack = stacks + k * Fiber::stack_bytes;
            t.seen.shared_cells = cells_[static_cast<std::size_t>(t.block - first)];
            t.fiber.prepare(stacks + k * Fiber::stack_bytes, [](void* grid) { static_cast<Grid*>(grid)->entry(); }, this);
        }
        std::vector<std::size_t> order(total);
        for (std::size_t k = 0; k < total; ++k) order[k] = k;
        while (failure_.empty()) {
            if (launch_.seed) {  // blocks and the threads within each in random order
                for (int b = 0; b < count; ++b) {
                    const auto start = order.begin() + static_cast<std::ptrdiff_t>(b) * threads;
                    std::shuffle(start, start + threads, random_);
                }
            }
            bool ran = false;
            for (const std::size_t k : order) {
                if (threads_[k].wait != Wait::none) continue;
                ran = true;
                resume(threads_[k]);
                if (!failure_.empty()) break;
            }
            if (!failure_.empty()) break;
            if (!release(count) && !ran) {
                if (std::all_of(threads_.begin(), threads_.end(), [](const Thread& t) { return t.wait == Wait::done; })) break;
                deadlock();
            }
        }
        munmap(stacks, bytes);
        if (watcher)
            for (void* const cells : cells_) watcher->block_ends(cells);
    }

    void entry() {
        call_.run(call_.record.get());
        now_->wait = Wait::done;
        const std::size_t block = static_cast<std::size_t>(now_->block - first_);
        if (--left_[block] > 0 || launch_.cluster == 1 || !watcher) return;
        std::uint32_t met = 0;  // when its threads last met those of its cluster
        for (int k = 0; k < launch_.threads(); ++k) met = std::max(met, threads_[block * static_cast<std::size_t>(launch_.threads()) + static_cast<std::size_t>(k)].seen.released[cluster_scope]);
        const Unwatched unwatched;
        watcher->block_has_ended(now_->block, met);
    }

    void resume(Thread& t) {
        load(t.block);
        now_ = &t;
        const unsigned block = static_cast<unsigned>(t.block), index = static_cast<unsigned>(t.index);
        const dim3 g = launch_.grid, b = launch_.block;
        blockIdx = {block % g.x, block / g.x % g.y, block / (g.x * g.y)};
        threadIdx = {index % b.x, index / b.x % b.y, index / (b.x * b.y)};
        watched = watcher ? &t.seen : nullptr;
        t.fiber.enter();
        watched = nullptr;
    }

    // Brings a block's shared memory in; a fresh block finds garbage there.
    void load(int block) {
        if (block == loaded_) return;
        if (loaded_ >= 0 && images_.size() > 1) {
            const std::size_t before = static_cast<std::size_t>(loaded_ - first_);
            images_[before].assign(image_.start, image_.start + image_.bytes);
            if (left_[before] == 0) std::fill(images_[before].begin(), images_[before].end(), static_cast<unsigned char>(0xff));  // it is another block's now
        }
        auto& image = images_[static_cast<std::size_t>(block - first_)];
        if (image.empty())
            std::memset(image_.start, 0xff, image_.bytes);
        else
            std::memcpy(image_.start, image.data(), image_.bytes);
        loaded_ = block;
    }

    // Lets go whoever has all of its group waiting with it; whether anybody was.
    bool release(int count) {
        const std::size_t threads = static_cast<std::size_t>(launch_.threads());
        bool any = false;
        for (std::size_t start = 0; start < threads_.size(); start += threads)
            for (std::size_t w = 0; w < threads; w += 32) any |= release_group(start + w, start + std::min(w + 32, threads), Wait::warp);
        for (int b = 0; b < count; ++b) any |= release_group(b * threads, (b + 1) * threads, Wait::block);
        const std::size_t cluster = static_cast<std::size_t>(launch_.cluster) * threads;
        for (std::size_t start = 0; start < threads_.size(); start += cluster)
            any |= release_group(start, std::min(start + cluster, threads_.size()), Wait::cluster);
        return release_group(0, threads_.size(), Wait::grid) | any;
    }

    bool release_group(std::size_t begin, std::size_t end, Wait wait) {
        const Thread *one = nullptr, *ended = nullptr;
        int votes = 0;
        for (std::size_t k = begin; k < end; ++k) {
            const Thread& t = threads_[k];
            if (t.wait == Wait::done) {
                ended = &t;
                continue;
            }
            if (t.wait != wait) return false;
            if (one && t.line != one->line) {
                divergent(*one, t);
                return false;
            }
            one = one ? one : &t;
            votes += t.predicate;
        }
        if (!one) return false;
        if (ended && wait == Wait::grid) {  // the device counts the blocks that it was launched with
            if (failure_.empty()) failure_ = "a grid's barrier that not all threads come to: " + place(*one) + "; " + place(*ended);
            return false;
        }
        const std::uint32_t time = watcher && one->orders ? watcher->tick() : 0;
        for (std::size_t k = begin; k < end; ++k) {
            Thread& t = threads_[k];
            if (t.wait != wait) continue;
            t.wait = Wait::none, t.count = votes;
            if (time)  // a barrier of a scope is one of every smaller scope too
                for (int scope = warp_scope; scope <= static_cast<int>(wait) - static_cast<int>(Wait::warp); ++scope) t.seen.released[scope] = time;
        }
        return true;
    }

    static std::string place(const Thread& t) {
        return "block " + std::to_string(t.block) + ", thread " + std::to_string(t.index) + " at " + name_of(t.wait) +
               (t.wait == Wait::done ? "" : " in line " + std::to_string(t.line));
    }
    void divergent(const Thread& a, const Thread& b) {
        if (failure_.empty()) failure_ = "divergent barrier: " + place(a) + "; " + place(b);
    }
    void deadlock() {
        failure_ = "deadlock: nobody can go on";
        const Thread* last = nullptr;
        int named = 0;
        for (const Thread& t : threads_) {
            if (last && last->wait == t.wait && last->line == t.line) continue;
            if (++named > 4) break;
            failure_ += "; " + place(t);
            last = &t;
        }
    }

    const Launch& launch_;
    const Call& call_;
    SharedImage image_;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    std::vector<std::vector<unsigned char>> images_;
    std::vector<void*> cells_;  // the watcher's, of each block's shared memory
    std::vector<int> left_;     // threads of each block that have not ended
    std::uint32_t started_ = 0;
    std::mt19937 random_{launch_.seed};
    std::string failure_;
    Thread* now_ = nullptr;
    int first_ = 0, loaded_ = -1;
};

}  // namespace
}  // namespace sncc_emulation
