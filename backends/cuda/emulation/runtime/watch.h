// What the race detector of the checked build is told by the rest of the runtime. Other builds have no watcher.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <string>

#pragma GCC visibility push(hidden)

namespace sncc_emulation {

enum Scope { warp_scope, block_scope, cluster_scope, grid_scope, scopes };

// The thread that runs, as the watcher sees it.
struct Watched {
    static constexpr int most_calls = 64;

    std::uint32_t number = 0;           // block * 1024 + index
    std::uint32_t cluster = 1;          // blocks of a cluster
    std::uint32_t released[scopes] = {};  // when the last barrier of each scope let it go
    const char* stack = nullptr;
    void* shared_cells = nullptr;  // what is known of its block's shared memory
    bool atomic = false;           // what it does now is one atomic operation
    bool reporting = false;        // what it does now is the detector's work
    int depth = 0;
    const void* calls[most_calls] = {};  // where the functions that it is in were called

    int block() const { return static_cast<int>(number >> 10); }
    int index() const { return static_cast<int>(number & 1023); }
};

// A launch and where its blocks' shared memory stands.
struct Scene {
    const unsigned char* image;     // of the block that runs
    std::size_t image_bytes;
    std::size_t dynamic_bytes;      // of shared memory that the launch asked for
    const void* arguments;          // of the kernel, readable
    std::size_t argument_bytes;
    const void* grid;               // for `shared_home`
};

class Watcher {
public:
    virtual ~Watcher() = default;
    virtual void allocated(const void* start, std::size_t bytes) = 0;
    virtual void freed(const void* start) = 0;
    virtual void written(const void* to, std::size_t bytes) = 0;  // by a copy from the host, or a memset
    virtual void copied(const void* to, const void* from, std::size_t bytes) = 0;
    virtual void kernel_starts(const Scene& scene) = 0;
    virtual void* block_starts() = 0;  // its shared memory's cells: nothing in them is initialised
    virtual void block_ends(void* cells) = 0;
    // All threads of a block of a cluster have ended, after `met`, when the last of their barriers of the cluster let them go.
    virtual void block_has_ended(int block, std::uint32_t met) = 0;
    virtual std::uint32_t tick() = 0;  // a barrier lets threads go: the time from now on
    virtual void copy_issued(Watched& thread, const void* to, const void* from, std::size_t bytes, const void* place) = 0;
    virtual void copy_arrived(Watched& thread, const void* to, std::size_t bytes, const void* place) = 0;
    virtual std::string findings() = 0;  // of the kernel that ended, a line each
};

extern Watcher* watcher;  // null but in the checked build
extern Watched* watched;  // the thread whose accesses are watched; null outside of kernels and inside of the runtime
// The host's thread that runs a kernel, 0 where none does. No other may look at `watched`: a pool's workers go on meanwhile. It is
// compared, and `watched` is not thread-local, as this module's thread-local memory is the kernels' shared memory.
extern pthread_t kernel_thread;

// The runtime does something for a thread: nothing of that is the thread's own access.
class Unwatched {
public:
    Unwatched() : before_(watched) { watched = nullptr; }
    ~Unwatched() { watched = before_; }
    Unwatched(const Unwatched&) = delete;
    Unwatched& operator=(const Unwatched&) = delete;

private:
    Watched* before_;
};

// The running thread stops here, and its kernel with it.
[[noreturn]] void stop_kernel(const std::string& why);
// The cells of a block of the same cluster whose shared memory holds `address` while it does not run, the offset there, and which block that is.
void* shared_home(const void* address, std::size_t* offset, int* block);

}  // namespace sncc_emulation

#pragma GCC visibility pop
