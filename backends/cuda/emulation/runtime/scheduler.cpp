// Runs a kernel's threads as fibers on one CPU thread: blocks one after the other, or all together where the launch is
// cooperative or has clusters. A barrier parks a fiber until all live threads of its group have come.
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../cooperative_groups.h"
#include "../cuda_pipeline.h"
#include "../cuda_runtime.h"
#include "fiber.h"
#include "scheduler.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
thread_local unsigned char smem[sncc_emulation::DYNAMIC_SHARED_CAPACITY] __attribute__((aligned(128)));

#if defined(__x86_64__)
asm(R"(
.text
.hidden sncc_emulation_switch
.globl sncc_emulation_switch
.type sncc_emulation_switch, @function
sncc_emulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size sncc_emulation_switch, .-sncc_emulation_switch
)");
#endif

namespace sncc_emulation {
namespace {

enum class Wait { none, warp, block, cluster, grid, done };
const char* name_of(Wait wait) {
    static const char* const names[] = {"nothing", "a warp's barrier", "__syncthreads", "a cluster's barrier", "a grid's barrier", "its end"};
    return names[static_cast<int>(wait)];
}

struct Copy {
    void* to;
    std::vector<unsigned char> bytes;
    const void* from;
    std::size_t size, zeros;
};

struct Thread {
    Fiber fiber;
    int block, index;
    Wait wait = Wait::none;
    int line = 0;
    bool predicate = false;
    int count = 0;  // of the block's predicates at its last barrier
    std::uint64_t value = 0;
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
    Grid(const Launch& launch, const std::function<void()>& body) : launch_(launch), body_(body) {
        volatile unsigned char* const touched = smem;  // the image exists once something in it was touched
        touched[0] = 0;
        dl_iterate_phdr(find_image, &image_);
    }

    // 0, or why the kernel stopped.
    std::string run() {
        gridDim = launch_.grid;
        blockDim = launch_.block;
        const int blocks = static_cast<int>(launch_.grid.x * launch_.grid.y * launch_.grid.z);
        const int together = launch_.together ? blocks : 1;
        for (int first = 0; first < blocks && failure_.empty(); first += together) run_blocks(first, std::min(together, blocks - first));
        return failure_;
    }

    void park(Wait wait, int line) {
        Thread& t = *now_;
        t.wait = wait;
        t.line = line;
        t.fiber.leave();
    }
    Thread& now() { return *now_; }
    Warp& warp() { return warps_[warp_of(*now_)]; }
    int warp_lanes() { return std::min(32, launch_.threads() - now_->index / 32 * 32); }
    const Launch& launch() const { return launch_; }
    void fail(const std::string& why) {
        if (failure_.empty()) failure_ = why + " (block " + std::to_string(now_->block) + ", thread " + std::to_string(now_->index) + ")";
        now_->wait = Wait::done;
        now_->fiber.leave(true);
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
        const std::size_t total = static_cast<std::size_t>(count) * static_cast<std::size_t>(threads);
        threads_ = std::vector<Thread>(total);
        warps_.assign(static_cast<std::size_t>(count) * static_cast<std::size_t>((threads + 31) / 32), Warp{});
        images_.assign(static_cast<std::size_t>(count), {});
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
    }

    void entry() {
        body_();
        now_->wait = Wait::done;
    }

    void resume(Thread& t) {
        load(t.block);
        now_ = &t;
        const unsigned block = static_cast<unsigned>(t.block), index = static_cast<unsigned>(t.index);
        const dim3 g = launch_.grid, b = launch_.block;
        blockIdx = {block % g.x, block / g.x % g.y, block / (g.x * g.y)};
        threadIdx = {index % b.x, index / b.x % b.y, index / (b.x * b.y)};
        t.fiber.enter();
    }

    // Brings a block's shared memory in; a fresh block finds garbage there.
    void load(int block) {
        if (block == loaded_) return;
        if (loaded_ >= 0 && images_.size() > 1)
            images_[static_cast<std::size_t>(loaded_ - first_)].assign(image_.start, image_.start + image_.bytes);
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
        const Thread* one = nullptr;
        int votes = 0;
        for (std::size_t k = begin; k < end; ++k) {
            const Thread& t = threads_[k];
            if (t.wait == Wait::done) continue;
            if (t.wait != wait) return false;
            if (one && t.line != one->line) {
                divergent(*one, t);
                return false;
            }
            one = one ? one : &t;
            votes += t.predicate;
        }
        if (!one) return false;
        for (std::size_t k = begin; k < end; ++k)
            if (threads_[k].wait == wait) threads_[k].wait = Wait::none, threads_[k].count = votes;
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
    const std::function<void()>& body_;
    SharedImage image_;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    std::vector<std::vector<unsigned char>> images_;
    std::mt19937 random_{launch_.seed};
    std::string failure_;
    Thread* now_ = nullptr;
    int first_ = 0, loaded_ = -1;
};

Grid* running = nullptr;

}  // namespace

std::string run_kernel(const Launch& launch, const std::function<void()>& body) {
    Grid grid(launch, body);
    running = &grid;
    std::string failure = grid.run();
    running = nullptr;
    return failure;
}

// ------------------------------------------------------------------------------------------------ what threads call
void block_barrier(int line) { running->now().predicate = false, running->park(Wait::block, line); }
int block_barrier_count(bool predicate, int line) {
    Thread& t = running->now();
    t.predicate = predicate;
    running->park(Wait::block, line);
    return t.count;
}
void warp_barrier(unsigned int mask, int line) {
    if (mask != 0xffffffffu) running->fail("a warp function with a mask that is not full, line " + std::to_string(line));
    running->park(Wait::warp, line);
}
void cluster_barrier(int line) { running->park(Wait::cluster, line); }
void grid_barrier(int line) { running->park(Wait::grid, line); }
void trap(int line) {
    running->fail("__trap in line " + std::to_string(line));
    std::abort();
}
void require_cooperative(int line) {
    if (!running->launch().cooperative) running->fail("this_grid in a launch that is not cooperative, line " + std::to_string(line));
}
unsigned int cluster_block_count() { return static_cast<unsigned>(running->launch().cluster); }
unsigned int cluster_block_rank() { return static_cast<unsigned>(running->now().block) % cluster_block_count(); }
void* map_shared(const void* address, unsigned int rank, int line) {
    if (rank >= cluster_block_count()) running->fail("map_shared_rank of a block outside the cluster, line " + std::to_string(line));
    return running->shared_of(address, rank);
}

WarpValues warp_exchange(std::uint64_t value, unsigned int mask, const char* function, int line) {
    if (mask != 0xffffffffu) running->fail(std::string(function) + " with a mask that is not full, line " + std::to_string(line));
    Thread& t = running->now();
    Warp& warp = running->warp();
    const int lane = t.index % 32, lanes = running->warp_lanes();
    warp.values[0][lane] = value;
    running->park(Wait::warp, line);
    if (warp.turn++ % lanes == 0) std::memcpy(warp.values[1], warp.values[0], sizeof warp.values[0]);
    running->park(Wait::warp, line);
    return {warp.values[1], lanes, lane};
}

void copy_later(void* shared, const void* global, std::size_t bytes, std::size_t zero_bytes, int line) {
    if (bytes != 4 && bytes != 8 && bytes != 16) running->fail("an asynchronous copy of other than 4, 8 or 16 bytes, line " + std::to_string(line));
    running->now().pending.push_back({shared, {}, global, bytes, zero_bytes});
}
void commit_copies() {
    running->now().committed.push_back(std::move(running->now().pending));
    running->now().pending.clear();
}
void wait_for_copies(unsigned int newest_left) {
    auto& groups = running->now().committed;
    while (groups.size() > newest_left) {
        for (const Copy& copy : groups.front()) {
            std::memcpy(copy.to, copy.from, copy.size - copy.zeros);
            std::memset(static_cast<unsigned char*>(copy.to) + copy.size - copy.zeros, 0, copy.zeros);
        }
        groups.erase(groups.begin());
    }
}

}  // namespace sncc_emulation
