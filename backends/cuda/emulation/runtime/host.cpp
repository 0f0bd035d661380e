// The host's side: memory that only kernels and copies may touch, streams that run late, launches, errors.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "../cuda_runtime.h"
#include "scheduler.h"

struct CUstream_st {
    int number;
};
struct CUevent_st {
    bool recorded;
};

namespace sncc_emulation {
namespace {

std::recursive_mutex one_caller;
using Lock = std::lock_guard<std::recursive_mutex>;

long setting(const char* name, long otherwise) {
    const char* const text = std::getenv(name);
    return text && *text ? std::strtol(text, nullptr, 10) : otherwise;
}
bool no_device() { return setting("SNCC_EMULATION_NO_DEVICE", 0) != 0; }

cudaError_t last_error = cudaSuccess;
cudaError_t sticky = cudaSuccess;  // after a kernel has failed nothing else succeeds, as on a device
cudaError_t give(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}
cudaError_t state() { return no_device() ? cudaErrorNoDevice : sticky; }

// ------------------------------------------------------------------------------------------------ memory
// Each allocation is pages of its own, inaccessible while neither a kernel nor a copy runs.
struct Allocation {
    std::size_t bytes, pages;
};
std::map<char*, Allocation> memory;
long allocations = 0;
int open_depth = 0;

#if !defined(__SANITIZE_ADDRESS__)
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
void protect(int how) {
    for (const auto& entry : memory) mprotect(entry.first, entry.second.pages, how);
}
#endif

struct Open {  // device memory may be touched while one of these lives
    Open() {
#if !defined(__SANITIZE_ADDRESS__)
        if (open_depth == 0) protect(PROT_READ | PROT_WRITE);
#endif
        ++open_depth;
    }
    ~Open() {
        --open_depth;
#if !defined(__SANITIZE_ADDRESS__)
        if (open_depth == 0) protect(PROT_NONE);
#endif
    }
};

bool on_device(const void* pointer, std::size_t bytes) {
    char* const p = static_cast<char*>(const_cast<void*>(pointer));
    auto next = memory.upper_bound(p);
    if (next == memory.begin()) return false;
    --next;
    return p + bytes <= next->first + next->second.bytes;
}

// ------------------------------------------------------------------------------------------------ streams
struct Work {
    cudaStream_t stream;
    std::function<void()> run;
};
std::deque<Work> queue;

// Runs what a stream has queued; the legacy stream waits for all others, and they for it.
void drain(cudaStream_t stream) {
    bool all = stream == nullptr || stream == cudaStreamLegacy;
    for (const Work& work : queue) all = all || work.stream == nullptr;
    std::deque<Work> left;
    while (!queue.empty()) {
        Work work = std::move(queue.front());
        queue.pop_front();
        if (all || work.stream == stream)
            work.run();
        else
            left.push_back(std::move(work));
    }
    queue = std::move(left);
}
void enqueue(cudaStream_t stream, std::function<void()> run) { queue.push_back({stream == cudaStreamLegacy ? nullptr : stream, std::move(run)}); }

std::map<const void*, int> dynamic_limit;  // bytes that a kernel was allowed

cudaError_t check_copy(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (bytes == 0) return cudaSuccess;
    if (kind == cudaMemcpyDefault) return cudaSuccess;
    return to_device == on_device(to, bytes) && from_device == on_device(from, bytes) ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    Launch launch;
    launch.grid = config.gridDim;
    launch.block = config.blockDim;
    launch.seed = static_cast<unsigned>(setting("SNCC_EMULATION_ORDER_SEED", 0));
    for (unsigned k = 0; k < config.numAttrs; ++k) {
        if (config.attrs[k].id == cudaLaunchAttributeCooperative) launch.cooperative = config.attrs[k].val.cooperative != 0;
        if (config.attrs[k].id == cudaLaunchAttributeClusterDimension) launch.cluster = static_cast<int>(config.attrs[k].val.clusterDim.x);
    }
    launch.together = launch.cooperative || launch.cluster > 1;
    const unsigned long blocks = 1ul * config.gridDim.x * config.gridDim.y * config.gridDim.z;
    const int threads = launch.threads();
    if (blocks == 0 || threads == 0 || threads > 1024 || launch.cluster < 1 || launch.cluster > 8 || blocks % static_cast<unsigned long>(launch.cluster))
        return give(cudaErrorInvalidConfiguration);
    const std::size_t allowed = dynamic_limit.count(kernel) ? static_cast<std::size_t>(dynamic_limit[kernel]) : 48 * 1024;
    if (config.dynamicSmemBytes > allowed) return give(cudaErrorInvalidValue);
    if (launch.cooperative) {
        int resident = 0;
        blocks_per_multiprocessor(&resident, kernel, threads, config.dynamicSmemBytes);
        if (blocks > static_cast<unsigned long>(resident * setting("SNCC_EMULATION_SMS", 132))) return give(cudaErrorCooperativeLaunchTooLarge);
    }
    enqueue(config.stream, [launch, body = std::move(body)] {
        if (sticky != cudaSuccess) return;
        const Open open;
        const std::string failure = run_kernel(launch, body);
        if (failure.empty()) return;
        std::fprintf(stderr, "emulated CUDA: %s\n", failure.c_str());
        sticky = cudaErrorLaunchFailure;
    });
    return cudaSuccess;
}
cudaError_t set_kernel_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
    const Lock lock(one_caller);
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || static_cast<std::size_t>(value) > DYNAMIC_SHARED_CAPACITY) return give(cudaErrorInvalidValue);
    dynamic_limit[kernel] = value;
    return cudaSuccess;
}
cudaError_t blocks_per_multiprocessor(int* blocks, const void*, int threads, size_t dynamic_bytes) {
    const std::size_t by_memory = DYNAMIC_SHARED_CAPACITY / (dynamic_bytes + 1024);
    *blocks = threads > 0 ? static_cast<int>(std::min<std::size_t>({32, static_cast<std::size_t>(2048 / threads), by_memory})) : 0;
    return cudaSuccess;
}
cudaError_t largest_cluster(int* blocks, const void*, const cudaLaunchConfig_t&) {
    *blocks = 8;
    return cudaSuccess;
}

}  // namespace sncc_emulation

using namespace sncc_emulation;

extern "C" {

cudaError_t cudaGetLastError() {
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}
cudaError_t cudaPeekAtLastError() { return last_error; }
const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "cudaSuccess";
        case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
        case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
        case cudaErrorNoDevice: return "cudaErrorNoDevice";
        case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
        case cudaErrorCooperativeLaunchTooLarge: return "cudaErrorCooperativeLaunchTooLarge";
        default: return "cudaError";
    }
}
const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "no error";
        case cudaErrorInvalidValue: return "invalid argument";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorInvalidConfiguration: return "invalid configuration argument";
        case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
        case cudaErrorNoDevice: return "no CUDA-capable device is detected";
        case cudaErrorLaunchFailure: return "unspecified launch failure";
        case cudaErrorCooperativeLaunchTooLarge: return "too many blocks in cooperative launch";
        default: return "an error of the emulated device";
    }
}

cudaError_t cudaGetDeviceCount(int* count) {
    *count = no_device() ? 0 : 1;
    return no_device() ? give(cudaErrorNoDevice) : cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return no_device() ? give(cudaErrorNoDevice) : device == 0 ? cudaSuccess : give(cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return no_device() ? give(cudaErrorNoDevice) : cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    if (no_device()) return give(cudaErrorNoDevice);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 * 1024; break;
        case cudaDevAttrWarpSize: *value = 32; break;
        case cudaDevAttrMultiProcessorCount: *value = static_cast<int>(setting("SNCC_EMULATION_SMS", 132)); break;
        case cudaDevAttrL2CacheSize: *value = 50 << 20; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
        case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
        case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 228 * 1024; break;
        case cudaDevAttrMaxRegistersPerMultiprocessor: *value = 65536; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(DYNAMIC_SHARED_CAPACITY); break;
        case cudaDevAttrMaxBlocksPerMultiprocessor: *value = 32; break;
        case cudaDevAttrReservedSharedMemoryPerBlock: *value = 1024; break;
        case cudaDevAttrCooperativeLaunch:
        case cudaDevAttrClusterLaunch: *value = 1; break;
        default: return give(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
    if (no_device() || device != 0) return give(no_device() ? cudaErrorNoDevice : cudaErrorInvalidDevice);
    std::memset(p, 0, sizeof *p);
    std::snprintf(p->name, sizeof p->name, "emulated device");
    p->totalGlobalMem = std::size_t(4) << 30;
    p->sharedMemPerBlock = 48 * 1024;
    p->sharedMemPerBlockOptin = DYNAMIC_SHARED_CAPACITY;
    p->sharedMemPerMultiprocessor = 228 * 1024;
    p->reservedSharedMemPerBlock = 1024;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxBlocksPerMultiProcessor = 32;
    p->major = 9;
    p->multiProcessorCount = static_cast<int>(setting("SNCC_EMULATION_SMS", 132));
    p->l2CacheSize = 50 << 20;
    p->concurrentKernels = p->asyncEngineCount = p->unifiedAddressing = p->cooperativeLaunch = p->clusterLaunch = 1;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = no_device() ? 0 : CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaDeviceSynchronize() {
    const Lock lock(one_caller);
    if (no_device()) return give(cudaErrorNoDevice);
    drain(nullptr);
    return give(sticky);
}
cudaError_t cudaDeviceReset() {
    const Lock lock(one_caller);
    drain(nullptr);
    sticky = last_error = cudaSuccess;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    const Lock lock(one_caller);
    *pointer = nullptr;
    if (state() != cudaSuccess) return give(state());
    const long failing = setting("SNCC_EMULATION_FAIL_MALLOC", 0);  // counted from when the variable is set
    allocations = failing > 0 ? allocations + 1 : 0;
    if (failing > 0 && allocations == failing) return give(cudaErrorMemoryAllocation);
    if (bytes == 0) return cudaSuccess;
#if defined(__SANITIZE_ADDRESS__)
    const std::size_t pages = bytes;
    char* const start = static_cast<char*>(std::malloc(bytes));  // the sanitizer watches its ends
    if (!start) return give(cudaErrorMemoryAllocation);
#else
    static const bool watched = [] {
        struct sigaction ours;
        std::memset(&ours, 0, sizeof ours);
        ours.sa_sigaction = on_fault;
        ours.sa_flags = SA_SIGINFO | SA_NODEFER;
        return sigaction(SIGSEGV, &ours, &before_ours) == 0;
    }();
    static_cast<void>(watched);
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), pages = (bytes + page - 1) / page * page;
    void* const mapped = mmap(nullptr, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return give(cudaErrorMemoryAllocation);
    char* const start = static_cast<char*>(mapped);
#endif
    std::memset(start, 0xff, bytes);  // NaN in float and double, -1 in integers: nothing to rely on
    memory[start] = {bytes, pages};
#if !defined(__SANITIZE_ADDRESS__)
    mprotect(start, pages, PROT_NONE);
#endif
    *pointer = start;
    return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
    const Lock lock(one_caller);
    if (!pointer) return cudaSuccess;
    drain(nullptr);
    const auto found = memory.find(static_cast<char*>(pointer));
    if (found == memory.end()) return give(cudaErrorInvalidDevicePointer);
#if defined(__SANITIZE_ADDRESS__)
    std::free(pointer);
#else
    munmap(pointer, found->second.pages);
#endif
    memory.erase(found);
    return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
    *pointer = std::malloc(bytes ? bytes : 1);
    return *pointer ? cudaSuccess : give(cudaErrorMemoryAllocation);
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) { return cudaMallocHost(pointer, bytes); }
cudaError_t cudaFreeHost(void* pointer) {
    const Lock lock(one_caller);
    drain(nullptr);
    std::free(pointer);
    return cudaSuccess;
}
cudaError_t cudaHostRegister(void*, size_t, unsigned int) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
    const Lock lock(one_caller);
    *total_bytes = std::size_t(4) << 30;
    std::size_t used = 0;
    for (const auto& entry : memory) used += entry.second.bytes;
    *free_bytes = *total_bytes > used ? *total_bytes - used : 0;
    return give(state());
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    const cudaError_t wrong = check_copy(to, from, bytes, kind);
    if (wrong != cudaSuccess) return give(wrong);
    enqueue(stream, [=] {
        const Open open;
        if (bytes) std::memmove(to, from, bytes);
    });
    return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    const cudaError_t queued = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    return queued == cudaSuccess ? cudaDeviceSynchronize() : queued;
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    if (bytes && !on_device(pointer, bytes)) return give(cudaErrorInvalidValue);
    enqueue(stream, [=] {
        const Open open;
        if (bytes) std::memset(pointer, value, bytes);
    });
    return cudaSuccess;
}
cudaError_t cudaMemset(void* pointer, int value, size_t bytes) { return cudaMemsetAsync(pointer, value, bytes, nullptr); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
    static int created = 0;
    if (no_device()) return give(cudaErrorNoDevice);
    *stream = new CUstream_st{++created};
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    const Lock lock(one_caller);
    drain(stream);
    delete stream;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    const Lock lock(one_caller);
    if (no_device()) return give(cudaErrorNoDevice);
    drain(stream);
    return give(sticky);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) {
    const Lock lock(one_caller);
    drain(nullptr);  // whatever the event stands for has happened
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) { return *event = new CUevent_st{false}, cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) { return event->recorded = true, cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaDeviceSynchronize(); }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaDeviceSynchronize(); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) { return *milliseconds = 0, cudaSuccess; }

}  // extern "C"
