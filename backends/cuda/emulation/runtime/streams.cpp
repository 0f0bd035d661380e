// Streams and events. Work runs only when somebody waits for it: the host, an event that another stream waits for, or the
// legacy stream, which waits for all streams but the non-blocking ones, and they for it.
#include "streams.h"

#include <pthread.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "device.h"
#include "memory.h"

namespace {

struct Work {
    std::uint64_t number;  // as issued, over all streams
    std::function<void()> run;
    sncc_emulation::HostSide host;
};

}  // namespace

struct CUgraph_st {
    std::vector<std::function<void()>> work;  // one after the other, as one stream was given it
};
struct CUgraphExec_st : CUgraph_st {};
struct CUstream_st {
    bool blocking = true;
    std::deque<Work> queue;
    std::unique_ptr<CUgraph_st> capture;  // where what it is given goes meanwhile
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    pthread_t by = 0;     // the thread that began it
    bool spoilt = false;  // by a call that a capture does not allow
};
struct CUevent_st {
    CUstream_st* stream = nullptr;  // where it was recorded; null: nowhere, it has happened
    std::uint64_t number = 0;
};

namespace sncc_emulation {
namespace {

CUstream_st legacy;
std::map<CUstream_st*, bool> created;  // all others
std::uint64_t issued = 0;
std::set<cudaGraph_t> graphs;
std::set<cudaGraphExec_t> executables;

// Whether other threads of the process, of other libraries, are taken to use the legacy stream, and to capture, all the time.
bool others() { return setting("SNCC_EMULATION_OTHERS", 0) != 0; }

CUstream_st* known(cudaStream_t stream) {
    if (stream == nullptr || stream == cudaStreamLegacy || stream == &legacy) return &legacy;
    return created.count(stream) ? stream : nullptr;
}

// Runs what a stream was given before the number.
void run_until(CUstream_st& stream, std::uint64_t number) {
    while (!stream.queue.empty() && stream.queue.front().number < number) {
        const Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        if (&stream == &legacy) {
            for (const auto& other : created)
                if (other.first->blocking) run_until(*other.first, work.number);
        } else if (stream.blocking) {
            run_until(legacy, work.number);
        }
        work.run();
    }
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, std::function<void()> run, HostSide host) {
    CUstream_st* const s = known(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    if (s->capture && s->blocking && others()) s->spoilt = true;
    if (s->capture) return s->spoilt ? cudaErrorStreamCaptureInvalidated : (s->capture->work.push_back(std::move(run)), cudaSuccess);
    if (s == &legacy)
        for (const auto& other : created)
            if (other.first->capture && other.first->blocking) return other.first->spoilt = true, cudaErrorStreamCaptureImplicit;
    s->queue.push_back({++issued, std::move(run), host});
    return cudaSuccess;
}
bool copies_wait_for(const void* start, std::size_t bytes) {
    const char* const from = static_cast<const char*>(start);
    const auto needs = [&](const CUstream_st& stream) {
        for (const Work& work : stream.queue) {
            const char* const host = static_cast<const char*>(work.host.start);
            if (work.host.bytes > 0 && host < from + bytes && from < host + work.host.bytes) return true;
        }
        return false;
    };
    if (needs(legacy)) return true;
    for (const auto& other : created)
        if (needs(*other.first)) return true;
    return false;
}
bool captures(cudaStream_t stream) {
    const CUstream_st* const s = known(stream);
    return s && s->capture;
}
cudaError_t spoil_captures(bool whole) {
    bool any = whole && others();
    for (const auto& stream : created) {
        CUstream_st& s = *stream.first;
        if (!s.capture) continue;
        const bool own = s.mode == cudaStreamCaptureModeGlobal || (s.mode == cudaStreamCaptureModeThreadLocal && s.by == pthread_self());
        if (whole || own) any = s.spoilt = true;
    }
    return any ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
void finish_before_last() {
    Work last = std::move(legacy.queue.back());
    legacy.queue.pop_back();
    finish(nullptr);
    last.number = ++issued;
    legacy.queue.push_back(std::move(last));
}
void finish(cudaStream_t stream) {
    if (CUstream_st* const s = known(stream)) {
        const std::uint64_t now = ++issued;
        run_until(*s, now);
        if (s != &legacy) return;
        for (const auto& other : created)
            if (other.first->blocking) run_until(*other.first, now);
    }
}
void finish_all() {
    finish(nullptr);
    for (const auto& other : created) finish(other.first);
}

}  // namespace sncc_emulation

using namespace sncc_emulation;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
    const Lock lock(one_caller);
    *stream = nullptr;
    if (state() != cudaSuccess) return give(state());
    *stream = new CUstream_st;
    (*stream)->blocking = flags != cudaStreamNonBlocking;
    created[*stream] = true;
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    const Lock lock(one_caller);
    if (!created.count(stream)) return give(cudaErrorInvalidResourceHandle);
    finish(stream);
    created.erase(stream);
    delete stream;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    const Lock lock(one_caller);
    CUstream_st* const s = known(stream);
    if (!s) return give(cudaErrorInvalidResourceHandle);
    if (s->capture) return s->spoilt = true, give(cudaErrorStreamCaptureUnsupported);
    finish(stream);
    return give(state());
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
    const Lock lock(one_caller);
    if (!known(stream) || !event) return give(cudaErrorInvalidResourceHandle);
    const CUevent_st moment = *event;  // as it was last recorded, whatever becomes of it
    if (known(stream)->capture) return known(stream)->spoilt = true, give(cudaErrorStreamCaptureIsolation);  // captures of one stream alone
    if (!moment.stream) return cudaSuccess;
    return give(enqueue(stream, [moment] {
        if (known(moment.stream)) run_until(*moment.stream, moment.number);
    }));
}

// ------------------------------------------------------------------------------------------------ graphs
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
    const Lock lock(one_caller);
    CUstream_st* const s = known(stream);
    if (!s) return give(cudaErrorInvalidResourceHandle);
    if (s == &legacy) return give(cudaErrorStreamCaptureUnsupported);
    if (s->capture) return give(cudaErrorIllegalState);
    s->capture = std::make_unique<CUgraph_st>();
    s->mode = mode, s->by = pthread_self(), s->spoilt = false;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    const Lock lock(one_caller);
    *graph = nullptr;
    CUstream_st* const s = known(stream);
    if (!s) return give(cudaErrorInvalidResourceHandle);
    if (!s->capture) return give(cudaErrorIllegalState);
    const std::unique_ptr<CUgraph_st> captured = std::move(s->capture);
    if (s->spoilt) return give(cudaErrorStreamCaptureInvalidated);
    *graph = new CUgraph_st(std::move(*captured));
    graphs.insert(*graph);
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    const Lock lock(one_caller);
    *executable = nullptr;
    if (!graphs.count(graph)) return give(cudaErrorInvalidValue);
    if (allocation_fails()) return give(cudaErrorMemoryAllocation);
    *executable = new CUgraphExec_st{*graph};
    executables.insert(*executable);
    return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (!executables.count(executable) || !known(stream)) return give(cudaErrorInvalidValue);
    if (known(stream)->capture) return known(stream)->spoilt = true, give(cudaErrorStreamCaptureUnsupported);
    return allocation_fails() ? give(cudaErrorMemoryAllocation) : cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    if (!executables.count(executable)) return give(cudaErrorInvalidValue);
    if (captures(stream)) return known(stream)->spoilt = true, give(cudaErrorStreamCaptureUnsupported);
    note("a graph of " + std::to_string(executable->work.size()));
    return give(enqueue(stream, [executable] {
        for (const auto& run : executable->work) run();
    }));
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    const Lock lock(one_caller);
    if (!graphs.erase(graph)) return give(cudaErrorInvalidValue);
    delete graph;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    const Lock lock(one_caller);
    if (!executables.erase(executable)) return give(cudaErrorInvalidValue);
    finish_all();  // launches that still wait keep it
    delete executable;
    return cudaSuccess;
}

// ------------------------------------------------------------------------------------------------ events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) { return *event = new CUevent_st, cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    const Lock lock(one_caller);
    CUstream_st* const s = known(stream);
    if (!s || !event) return give(cudaErrorInvalidResourceHandle);
    if (s->capture) return s->spoilt = true, give(cudaErrorStreamCaptureUnsupported);  // captures of one stream alone
    const cudaError_t queued = enqueue(stream, [] {});
    if (queued != cudaSuccess) return give(queued);
    event->stream = s;
    event->number = ++issued;
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    const Lock lock(one_caller);
    if (!event) return give(cudaErrorInvalidResourceHandle);
    if (event->stream && known(event->stream)) run_until(*event->stream, event->number);
    return give(state());
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) { return *milliseconds = 0, cudaSuccess; }

}  // extern "C"
