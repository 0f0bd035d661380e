// The host's functions: launches, copies, what the device is, errors.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../cuda_runtime.h"
#include "device.h"
#include "memory.h"
#include "scheduler.h"
#include "streams.h"
#include "watch.h"

namespace sncc_emulation {

std::recursive_mutex one_caller;

namespace {

cudaError_t last_error = cudaSuccess;
cudaError_t sticky = cudaSuccess;  // after a kernel has failed nothing else succeeds, as on a device
std::string failure = "unspecified launch failure";

std::map<const void*, int> dynamic_limit;  // bytes that a kernel was allowed
std::map<const char*, std::size_t> pinned;

std::size_t allowed(const void* kernel) { return dynamic_limit.count(kernel) ? static_cast<std::size_t>(dynamic_limit[kernel]) : UNASKED_SHARED; }
bool is_pinned(const void* start, std::size_t bytes) {
    const char* const at = static_cast<const char*>(start);
    const auto next = pinned.upper_bound(at);
    return next != pinned.begin() && at + bytes <= std::prev(next)->first + std::prev(next)->second;
}

// What a launch asks for beside its blocks and threads; whether a device can have it.
bool has_cluster(const cudaLaunchConfig_t& config, int& cluster) {
    for (unsigned k = 0; k < config.numAttrs; ++k) {
        if (config.attrs[k].id != cudaLaunchAttributeClusterDimension) continue;
        const auto& of = config.attrs[k].val.clusterDim;
        if (of.x < 1 || of.x > 8 || of.y != 1 || of.z != 1 || config.gridDim.x % of.x) return false;  // more than 8 blocks are not portable
        cluster = static_cast<int>(of.x);
    }
    return true;
}
bool has_limits(const dim3& grid, const dim3& block) {
    const unsigned long threads = 1ul * block.x * block.y * block.z;
    return grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535 && threads > 0 && threads <= 1024 && block.z <= 64;
}

cudaError_t check_copy(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (bytes == 0) return cudaSuccess;
    if (kind == cudaMemcpyDefault) return cudaSuccess;
    return to_device == on_device(to, bytes) && from_device == on_device(from, bytes) ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace

void note(const std::string& launch) {
    const char* const to = std::getenv("SNCC_EMULATION_LAUNCHES");
    std::FILE* const file = to ? std::fopen(to, "a") : nullptr;
    if (!file) return;
    std::fprintf(file, "%s\n", launch.c_str());
    std::fclose(file);
}

// Of `cudaMalloc`, and of the memory that a graph takes.
bool allocation_fails() {
    static long allocations = 0, every = 0;
    const long failing = setting("SNCC_EMULATION_FAIL_MALLOC", 0);
    allocations = failing == every ? allocations + 1 : 1;  // counted from when the variable is set
    every = failing;
    return failing > 0 && allocations % failing == 0;
}
bool no_device() { return setting("SNCC_EMULATION_NO_DEVICE", 0) != 0; }
cudaError_t give(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}
cudaError_t state() { return no_device() ? cudaErrorNoDevice : sticky; }
void kernel_failed(const std::string& why) {
    std::fprintf(stderr, "emulated CUDA: %s\n", why.c_str());
    failure = "unspecified launch failure: " + why;
    sticky = cudaErrorLaunchFailure;
}

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, const Call& call) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    Launch launch;
    launch.grid = config.gridDim;
    launch.block = config.blockDim;
    launch.seed = static_cast<unsigned>(setting("SNCC_EMULATION_ORDER_SEED", 0));
    for (unsigned k = 0; k < config.numAttrs; ++k)
        if (config.attrs[k].id == cudaLaunchAttributeCooperative) launch.cooperative = config.attrs[k].val.cooperative != 0;
    if (!has_limits(config.gridDim, config.blockDim) || !has_cluster(config, launch.cluster)) return give(cudaErrorInvalidConfiguration);
    launch.together = launch.cooperative || launch.cluster > 1;
    const unsigned long blocks = 1ul * config.gridDim.x * config.gridDim.y * config.gridDim.z;
    const int threads = launch.threads();
    if (config.dynamicSmemBytes > allowed(kernel)) return give(cudaErrorInvalidValue);
    if (launch.cluster > 1) {
        int clusters = 0;
        resident_clusters(&clusters, kernel, config);
        if (clusters == 0) return give(cudaErrorInvalidClusterSize);
        const long most = std::min<long>(clusters, setting("SNCC_EMULATION_CLUSTERS", clusters));
        if (launch.cooperative && blocks > static_cast<unsigned long>(most * launch.cluster)) return give(cudaErrorCooperativeLaunchTooLarge);
    }
    if (launch.cooperative) {
        int resident = 0;
        blocks_per_multiprocessor(&resident, kernel, threads, config.dynamicSmemBytes);
        if (blocks > static_cast<unsigned long>(resident * setting("SNCC_EMULATION_SMS", 132))) return give(cudaErrorCooperativeLaunchTooLarge);
    }
    launch.dynamic_bytes = config.dynamicSmemBytes;
    const std::string in_clusters = launch.cluster > 1 ? ", in clusters of " + std::to_string(launch.cluster) : "";
    if (!captures(config.stream)) note(std::to_string(blocks) + " blocks of " + std::to_string(threads) + " threads" + in_clusters + (launch.cooperative ? ", cooperative" : ""));
    return give(enqueue(config.stream, [launch, call] {
        if (sticky != cudaSuccess) return;
        const Open open;
        const std::string why = run_kernel(launch, call);
        if (!why.empty()) kernel_failed(why);
    }));
}
cudaError_t set_kernel_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
    const Lock lock(one_caller);
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || static_cast<std::size_t>(value) + STATIC_SHARED > DYNAMIC_SHARED_CAPACITY) return give(cudaErrorInvalidValue);
    dynamic_limit[kernel] = value;
    return cudaSuccess;
}
// None where the kernel was not allowed so much shared memory.
cudaError_t blocks_per_multiprocessor(int* blocks, const void* kernel, int threads, size_t dynamic_bytes) {
    const Lock lock(one_caller);
    const std::size_t by_memory = dynamic_bytes > allowed(kernel) ? 0 : DYNAMIC_SHARED_CAPACITY / (dynamic_bytes + 1024);
    *blocks = threads > 0 ? static_cast<int>(std::min<std::size_t>({32, static_cast<std::size_t>(2048 / threads), by_memory})) : 0;
    return cudaSuccess;
}
// The blocks of a cluster lie in one part of the device, of so many multiprocessors.
cudaError_t resident_clusters(int* clusters, const void* kernel, const cudaLaunchConfig_t& config) {
    const Lock lock(one_caller);
    int cluster = 1, resident = 0;
    *clusters = 0;
    if (!has_cluster(config, cluster)) return give(cudaErrorInvalidClusterSize);
    blocks_per_multiprocessor(&resident, kernel, static_cast<int>(config.blockDim.x * config.blockDim.y * config.blockDim.z), config.dynamicSmemBytes);
    const long part = setting("SNCC_EMULATION_PART", 16);
    for (long left = setting("SNCC_EMULATION_SMS", 132); part > 0 && left > 0; left -= part) *clusters += static_cast<int>(std::min(left, part)) * resident / cluster;
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
#define SNCC_ERRORS(error) \
    error(cudaSuccess, "no error") \
    error(cudaErrorInvalidValue, "invalid argument") \
    error(cudaErrorMemoryAllocation, "out of memory") \
    error(cudaErrorInvalidConfiguration, "invalid configuration argument") \
    error(cudaErrorInvalidDevicePointer, "invalid device pointer") \
    error(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version") \
    error(cudaErrorNoDevice, "no CUDA-capable device is detected") \
    error(cudaErrorInvalidDevice, "invalid device ordinal") \
    error(cudaErrorInvalidResourceHandle, "invalid resource handle") \
    error(cudaErrorIllegalState, "the operation cannot be performed in the present state") \
    error(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing") \
    error(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture") \
    error(cudaErrorStreamCaptureUnmatched, "capture was not initiated in this stream") \
    error(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work") \
    error(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream") \
    error(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream") \
    error(cudaErrorStreamCaptureImplicit, "operation would make the legacy stream depend on a capturing blocking stream") \
    error(cudaErrorInvalidClusterSize, "cluster size is invalid for given launch configuration") \
    error(cudaErrorLaunchFailure, failure.c_str()) \
    error(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch")
#define SNCC_NAME(code, text) case code: return #code;
#define SNCC_TEXT(code, text) case code: return text;
const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        SNCC_ERRORS(SNCC_NAME)
        default: return "cudaError";
    }
}
const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        SNCC_ERRORS(SNCC_TEXT)
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
    p->totalGlobalMem = bytes_in_all();
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
    if (const cudaError_t capturing = spoil_captures(true)) return give(capturing);
    finish_all();
    return give(sticky);
}
cudaError_t cudaDeviceReset() {
    const Lock lock(one_caller);
    finish_all();
    sticky = last_error = cudaSuccess;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    const Lock lock(one_caller);
    *pointer = nullptr;
    if (state() != cudaSuccess) return give(state());
    if (const cudaError_t capturing = spoil_captures()) return give(capturing);
    if (allocation_fails()) return give(cudaErrorMemoryAllocation);
    if (bytes == 0) return cudaSuccess;
    *pointer = allocate(bytes);
    return *pointer ? cudaSuccess : give(cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* pointer) {
    const Lock lock(one_caller);
    if (!pointer) return cudaSuccess;
    if (const cudaError_t capturing = spoil_captures()) return give(capturing);
    finish_all();
    return release(pointer) ? cudaSuccess : give(cudaErrorInvalidDevicePointer);
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
    const Lock lock(one_caller);
    *pointer = nullptr;
    if (const cudaError_t capturing = spoil_captures()) return give(capturing);
    *pointer = std::malloc(bytes ? bytes : 1);
    if (*pointer) pinned[static_cast<char*>(*pointer)] = bytes;
    return *pointer ? cudaSuccess : give(cudaErrorMemoryAllocation);
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) { return cudaMallocHost(pointer, bytes); }
cudaError_t cudaFreeHost(void* pointer) {
    const Lock lock(one_caller);
    if (!pointer) return cudaSuccess;
    if (const cudaError_t capturing = spoil_captures()) return give(capturing);
    const auto found = pinned.find(static_cast<char*>(pointer));
    if (found == pinned.end()) return give(cudaErrorInvalidValue);
    if (copies_wait_for(pointer, found->second)) kernel_failed("cudaFreeHost of memory that a copy still needs, for which nobody has waited");
    finish_all();
    pinned.erase(found);
    std::free(pointer);
    return cudaSuccess;
}
cudaError_t cudaHostRegister(void*, size_t, unsigned int) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
    const Lock lock(one_caller);
    *total_bytes = bytes_in_all();
    *free_bytes = *total_bytes > bytes_in_use() ? *total_bytes - bytes_in_use() : 0;
    return give(state());
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    const cudaError_t wrong = check_copy(to, from, bytes, kind);
    if (wrong != cudaSuccess) return give(wrong);
    return give(enqueue(stream, [=] {
        const Open open;
        if (bytes) std::memmove(to, from, bytes);
        if (!watcher || !bytes || !on_device(to, bytes)) return;
        if (on_device(from, bytes))
            watcher->copied(to, from, bytes);
        else
            watcher->written(to, bytes);
    }, {on_device(to, bytes) ? from : to, bytes}));
}
// Other streams may go on. What comes from memory that is not pinned is on its way when the call returns: a stream that does not wait for the legacy
// one may not find it yet.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    const Lock lock(one_caller);
    if (kind == cudaMemcpyHostToDevice && bytes && !is_pinned(from, bytes) && state() == cudaSuccess && check_copy(to, from, bytes, kind) == cudaSuccess) {
        const auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
        const cudaError_t queued = enqueue(nullptr, [=] {
            const Open open;
            std::memcpy(to, staged->data(), bytes);
            if (watcher) watcher->written(to, bytes);
        });
        if (queued == cudaSuccess) finish_before_last();
        return give(queued != cudaSuccess ? queued : state());
    }
    const cudaError_t queued = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    return queued == cudaSuccess ? cudaStreamSynchronize(nullptr) : queued;
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    if (bytes && !on_device(pointer, bytes)) return give(cudaErrorInvalidValue);
    return give(enqueue(stream, [=] {
        const Open open;
        if (bytes) std::memset(pointer, value, bytes);
        if (bytes && watcher) watcher->written(pointer, bytes);
    }));
}
cudaError_t cudaMemset(void* pointer, int value, size_t bytes) { return cudaMemsetAsync(pointer, value, bytes, nullptr); }

}  // extern "C"
