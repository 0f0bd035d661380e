// What threads call: barriers, warp functions, asynchronous copies; and the one grid that runs.
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "../cooperative_groups.h"
#include "../cuda_pipeline.h"
#include "../cuda_runtime.h"
#include "grid.h"
#include "scheduler.h"
#include "watch.h"

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

Watched* watched = nullptr;
pthread_t kernel_thread = 0;

namespace {

Grid* running = nullptr;

}  // namespace

std::string run_kernel(const Launch& launch, const Call& call) {
    Grid grid(launch, call);
    running = &grid;
    __atomic_store_n(&kernel_thread, pthread_self(), __ATOMIC_RELAXED);
    std::string failure = grid.run();
    __atomic_store_n(&kernel_thread, 0, __ATOMIC_RELAXED);
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
    if (!running->is_warp_whole()) running->fail(std::string(function) + " in a warp of which lanes have ended, line " + std::to_string(line));
    Thread& t = running->now();
    Warp& warp = running->warp();
    const int lane = t.index % 32, lanes = running->warp_lanes();
    warp.values[0][lane] = value;
    running->park(Wait::warp, line, false);
    if (warp.turn++ % lanes == 0) std::memcpy(warp.values[1], warp.values[0], sizeof warp.values[0]);
    running->park(Wait::warp, line, false);
    WarpValues result;
    std::memcpy(result.values, warp.values[1], sizeof result.values);
    result.lanes = lanes;
    result.lane = lane;
    return result;
}

void copy_later(void* shared, const void* global, std::size_t bytes, std::size_t zero_bytes, int line) {
    if (bytes != 4 && bytes != 8 && bytes != 16) running->fail("an asynchronous copy of other than 4, 8 or 16 bytes, line " + std::to_string(line));
    const std::uintptr_t both = reinterpret_cast<std::uintptr_t>(shared) | reinterpret_cast<std::uintptr_t>(global);
    if (both % bytes != 0) running->fail("an asynchronous copy of " + std::to_string(bytes) + " bytes from or to an address that is no multiple of it, line " + std::to_string(line));
    const Unwatched unwatched;
    const void* const place = __builtin_return_address(0);
    if (watcher) watcher->copy_issued(running->now().seen, shared, global, bytes - zero_bytes, place);
    running->now().pending.push_back({shared, global, bytes, zero_bytes, place});
}
void commit_copies() {
    const Unwatched unwatched;
    running->now().committed.push_back(std::move(running->now().pending));
    running->now().pending.clear();
}
void wait_for_copies(unsigned int newest_left) {
    const Unwatched unwatched;
    auto& groups = running->now().committed;
    while (groups.size() > newest_left) {
        for (const Copy& copy : groups.front()) {
            std::memcpy(copy.to, copy.from, copy.size - copy.zeros);
            std::memset(static_cast<unsigned char*>(copy.to) + copy.size - copy.zeros, 0, copy.zeros);
            if (watcher) watcher->copy_arrived(running->now().seen, copy.to, copy.size, copy.place);
        }
        groups.erase(groups.begin());
    }
}

[[noreturn]] void stop_kernel(const std::string& why) { running->fail(why); }
void* shared_home(const void* address, std::size_t* offset, int* block) { return running->shared_home(address, offset, block); }

}  // namespace sncc_emulation
