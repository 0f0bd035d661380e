// Device memory: each allocation has pages of its own, inaccessible while neither a kernel nor a copy runs.
#include "memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "watch.h"

namespace sncc_emulation {

Watcher* watcher = nullptr;

long setting(const char* name, long otherwise) {
    const char* const text = std::getenv(name);
    return text && *text ? std::strtol(text, nullptr, 10) : otherwise;
}

namespace {

struct Allocation {
    std::size_t bytes, pages;
};
std::map<char*, Allocation> memory;
int open_depth = 0;

#if defined(__SANITIZE_ADDRESS__)

void protect(int) {}
char* take(std::size_t bytes, std::size_t& pages) {
    pages = bytes;
    return static_cast<char*>(std::malloc(bytes));  // the sanitizer watches its ends
}
void give_back(char* start, std::size_t) { std::free(start); }

#else

struct sigaction before_ours;
void on_fault(int number, siginfo_t* info, void* context) {
    char* const address = static_cast<char*>(info->si_addr);
    auto next = memory.upper_bound(address);
    if (next != memory.begin()) {
        --next;
        if (address < next->first + next->second.pages) {
            static const char text[] = "emulated CUDA: the host touched device memory outside of a copy\n";
            if (write(2, text, sizeof text - 1) < 0) std::abort();
            std::abort();
        }
    }
    if (before_ours.sa_flags & SA_SIGINFO) {
        before_ours.sa_sigaction(number, info, context);
    } else if (before_ours.sa_handler != SIG_DFL && before_ours.sa_handler != SIG_IGN) {
        before_ours.sa_handler(number);
    } else {
        signal(SIGSEGV, SIG_DFL);
    }
}
void watch_for_faults() {
    static const bool watching = [] {
        struct sigaction ours;
        std::memset(&ours, 0, sizeof ours);
        ours.sa_sigaction = on_fault;
        ours.sa_flags = SA_SIGINFO | SA_NODEFER;
        return sigaction(SIGSEGV, &ours, &before_ours) == 0;
    }();
    static_cast<void>(watching);
}

void protect(int how) {
    for (const auto& entry : memory) mprotect(entry.first, entry.second.pages, how);
}

// The next free addresses, with a page between allocations; from the start again at the arena's end.
char* take(std::size_t bytes, std::size_t& pages) {
    static std::size_t cursor = 0;
    watch_for_faults();
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    pages = (bytes + page - 1) / page * page;
    char* const start = const_cast<char*>(arena());
    if (!start || pages + page > ARENA_BYTES) return nullptr;
    for (int round = 0; round < 2; ++round) {
        auto next = memory.lower_bound(start + cursor);
        while (next != memory.end() && static_cast<std::size_t>(next->first - start) < cursor + pages + page) {
            cursor = static_cast<std::size_t>(next->first - start) + next->second.pages + page;
            ++next;
        }
        if (cursor + pages + page <= ARENA_BYTES) break;
        if (round == 1) return nullptr;
        cursor = 0;
    }
    char* const found = start + cursor;
    cursor += pages + page;
    return mprotect(found, pages, PROT_READ | PROT_WRITE) == 0 ? found : nullptr;
}
void give_back(char* start, std::size_t pages) {
    madvise(start, pages, MADV_DONTNEED);
    mprotect(start, pages, PROT_NONE);
}

#endif

}  // namespace

const char* arena() {
#if defined(__SANITIZE_ADDRESS__)
    return nullptr;
#else
    static char* const start = [] {
        void* const mapped = mmap(nullptr, ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return mapped == MAP_FAILED ? nullptr : static_cast<char*>(mapped);
    }();
    return start;
#endif
}

void* allocate(std::size_t bytes) {
    if (bytes_in_use() + bytes > bytes_in_all()) return nullptr;
    std::size_t pages = 0;
    char* const start = take(bytes, pages);
    if (!start) return nullptr;
    std::memset(start, 0xff, bytes);  // NaN in float and double, -1 in integers: nothing to rely on
    memory[start] = {bytes, pages};
    if (open_depth == 0) protect(PROT_NONE);
    if (watcher) watcher->allocated(start, bytes);
    return start;
}

bool release(void* pointer) {
    const auto found = memory.find(static_cast<char*>(pointer));
    if (found == memory.end()) return false;
    if (watcher) watcher->freed(pointer);
    give_back(found->first, found->second.pages);
    memory.erase(found);
    return true;
}

bool on_device(const void* pointer, std::size_t bytes) {
    char* const p = static_cast<char*>(const_cast<void*>(pointer));
    auto next = memory.upper_bound(p);
    if (next == memory.begin()) return false;
    --next;
    return p + bytes <= next->first + next->second.bytes;
}

std::size_t bytes_in_use() {
    std::size_t used = 0;
    for (const auto& entry : memory) used += entry.second.bytes;
    return used;
}
std::size_t bytes_in_all() { return static_cast<std::size_t>(setting("SNCC_EMULATION_MEMORY", 4L << 30)); }

Open::Open() {
    if (open_depth++ == 0) protect(PROT_READ | PROT_WRITE);
}
Open::~Open() {
    if (--open_depth == 0) protect(PROT_NONE);
}

}  // namespace sncc_emulation
