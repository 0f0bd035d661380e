// Streams and events. Work runs only when somebody waits for it: the host, an event that another stream waits for, or the
// legacy stream, which waits for all streams but the non-blocking ones, and they for it.
#include "streams.h"

#include <pthread.h>

#include <algorithm>
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
    std::vector<sncc_emulation::HostSide> hosts;
};
// Of a graph: it waits for others, which stand before it.
struct Node {
    std::function<void()> run;
    sncc_emulation::HostSide host;
    std::vector<std::size_t> after;
    bool first;  // given to the stream that the capture began with
};
using Nodes = std::vector<std::size_t>;

}  // namespace

struct CUgraph_st {
    std::vector<Node> nodes;
};
struct CUgraphExec_st : CUgraph_st {};
// What streams are given while they capture: the one it began with, and those that have waited for events of it.
struct Capture : CUgraph_st {
    CUstream_st* origin = nullptr;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    pthread_t by = 0;     // the thread that began it
    bool spoilt = false;  // by a call that a capture does not allow
};
struct CUstream_st {
    bool blocking = true;
    std::deque<Work> queue;
    std::shared_ptr<Capture> capture;  // where what it is given goes meanwhile
    Nodes last;                        // of these, what the next one waits for
};
struct CUevent_st {
    CUstream_st* stream = nullptr;  // where it was recorded; null: nowhere, it has happened
    std::uint64_t number = 0;
    std::shared_ptr<Capture> capture;  // in which it was recorded, behind these
    Nodes after;
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

// Which nodes lie before some others, or are among these.
std::vector<bool> all_before(const std::vector<Node>& nodes, const Nodes& last) {
    std::vector<bool> before(nodes.size());
    for (const std::size_t k : last) before[k] = true;
    for (std::size_t k = nodes.size(); k-- > 0;)
        if (before[k])
            for (const std::size_t a : nodes[k].after) before[a] = true;
    return before;
}
// Those of the stream that the capture began with in their order; the others as late as these allow, or, in the even random orders, as early.
void run_nodes(const std::vector<Node>& nodes) {
    const long seed = setting("SNCC_EMULATION_ORDER_SEED", 0);
    const bool early = seed > 0 && seed % 2 == 0;
    std::vector<bool> done(nodes.size());
    const std::function<void(std::size_t)> run = [&](std::size_t k) {
        if (done[k]) return;
        done[k] = true;
        for (const std::size_t before : nodes[k].after) run(before);
        nodes[k].run();
    };
    const auto may_run = [&](std::size_t k) { return std::all_of(nodes[k].after.begin(), nodes[k].after.end(), [&](std::size_t before) { return done[before]; }); };
    for (std::size_t k = 0; k < nodes.size(); ++k) {
        for (std::size_t e = k; early && e < nodes.size(); ++e)
            if (!nodes[e].first && may_run(e)) run(e);
        if (nodes[k].first) run(k);
    }
    for (std::size_t k = 0; k < nodes.size(); ++k) run(k);
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, std::function<void()> run, HostSide host) {
    CUstream_st* const s = known(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    if (s->capture && s->blocking && others()) s->capture->spoilt = true;
    if (s->capture && s->capture->spoilt) return cudaErrorStreamCaptureInvalidated;
    if (s->capture) {
        std::vector<Node>& nodes = s->capture->nodes;
        nodes.push_back({std::move(run), host, std::move(s->last), s == s->capture->origin});
        s->last = {nodes.size() - 1};
        return cudaSuccess;
    }
    if (s == &legacy)
        for (const auto& other : created)
            if (other.first->capture && other.first->blocking) return other.first->capture->spoilt = true, cudaErrorStreamCaptureImplicit;
    s->queue.push_back({++issued, std::move(run), {host}});
    return cudaSuccess;
}
bool copies_wait_for(const void* start, std::size_t bytes) {
    const char* const from = static_cast<const char*>(start);
    const auto needs = [&](const CUstream_st& stream) {
        for (const Work& work : stream.queue)
            for (const HostSide& side : work.hosts) {
                const char* const host = static_cast<const char*>(side.start);
                if (side.bytes > 0 && host < from + bytes && from < host + side.bytes) return true;
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
        if (!stream.first->capture) continue;
        Capture& c = *stream.first->capture;
        const bool own = c.mode == cudaStreamCaptureModeGlobal || (c.mode == cudaStreamCaptureModeThreadLocal && c.by == pthread_self());
        if (whole || own) any = c.spoilt = true;
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
    if (s->capture) return s->capture->spoilt = true, give(cudaErrorStreamCaptureUnsupported);
    finish(stream);
    return give(state());
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
    const Lock lock(one_caller);
    if (!known(stream) || !event) return give(cudaErrorInvalidResourceHandle);
    const CUevent_st moment = *event;  // as it was last recorded, whatever becomes of it
    CUstream_st& s = *known(stream);
    if (moment.capture && !moment.capture->origin) return give(cudaErrorCapturedEvent);  // that capture has ended
    if (s.capture && s.capture != moment.capture) return s.capture->spoilt = true, give(cudaErrorStreamCaptureIsolation);
    if (moment.capture) {
        s.capture = moment.capture;  // the stream takes part from now on
        s.last.insert(s.last.end(), moment.after.begin(), moment.after.end());
        return cudaSuccess;
    }
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
    s->capture = std::make_shared<Capture>();
    s->capture->origin = s, s->capture->mode = mode, s->capture->by = pthread_self();
    s->last.clear();
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    const Lock lock(one_caller);
    *graph = nullptr;
    CUstream_st* const s = known(stream);
    if (!s) return give(cudaErrorInvalidResourceHandle);
    if (!s->capture) return give(cudaErrorIllegalState);
    const std::shared_ptr<Capture> captured = s->capture;
    if (captured->origin != s) return captured->spoilt = true, give(cudaErrorStreamCaptureUnmatched);
    captured->origin = nullptr;
    const std::vector<bool> before = all_before(captured->nodes, s->last);
    bool joined = true;
    for (const auto& other : created) {
        CUstream_st& o = *other.first;
        if (o.capture != captured) continue;
        joined = joined && std::all_of(o.last.begin(), o.last.end(), [&](std::size_t k) { return before[k]; });
        o.capture.reset(), o.last.clear();
    }
    if (captured->spoilt || !joined) return give(captured->spoilt ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined);
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
    if (captures(stream)) return known(stream)->capture->spoilt = true, give(cudaErrorStreamCaptureUnsupported);
    return allocation_fails() ? give(cudaErrorMemoryAllocation) : cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    const Lock lock(one_caller);
    if (state() != cudaSuccess) return give(state());
    if (!executables.count(executable)) return give(cudaErrorInvalidValue);
    if (captures(stream)) return known(stream)->capture->spoilt = true, give(cudaErrorStreamCaptureUnsupported);
    note("a graph of " + std::to_string(executable->nodes.size()));
    const cudaError_t queued = enqueue(stream, [executable] { run_nodes(executable->nodes); });
    if (queued != cudaSuccess) return give(queued);
    for (const Node& node : executable->nodes) known(stream)->queue.back().hosts.push_back(node.host);
    return cudaSuccess;
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
    event->capture = s->capture, event->after = s->last;
    if (s->capture) return s->capture->spoilt ? give(cudaErrorStreamCaptureInvalidated) : cudaSuccess;
    const cudaError_t queued = enqueue(stream, [] {});
    if (queued != cudaSuccess) return give(queued);
    event->stream = s;
    event->number = ++issued;
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    const Lock lock(one_caller);
    if (!event) return give(cudaErrorInvalidResourceHandle);
    if (event->capture) return give(cudaErrorCapturedEvent);
    if (event->stream && known(event->stream)) run_until(*event->stream, event->number);
    return give(state());
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) { return *milliseconds = 0, cudaSuccess; }

}  // extern "C"
