// Streams and events. Work runs only when somebody waits for it: the host, an event that another stream waits for, or the
// legacy stream, which waits for all streams but the non-blocking ones, and they for it.
#include "streams.h"

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "device.h"

namespace {

struct Work {
    std::uint64_t number;  // as issued, over all streams
    std::function<void()> run;
};

}  // namespace

struct CUstream_st {
    bool blocking = true;
    std::deque<Work> queue;
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

void enqueue(cudaStream_t stream, std::function<void()> run) {
    if (CUstream_st* const s = known(stream)) s->queue.push_back({++issued, std::move(run)});
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
    if (!known(stream)) return give(cudaErrorInvalidResourceHandle);
    finish(stream);
    return give(state());
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
    const Lock lock(one_caller);
    if (!known(stream) || !event) return give(cudaErrorInvalidResourceHandle);
    const CUevent_st moment = *event;  // as it was last recorded, whatever becomes of it
    if (!moment.stream) return cudaSuccess;
    enqueue(stream, [moment] {
        if (known(moment.stream)) run_until(*moment.stream, moment.number);
    });
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) { return *event = new CUevent_st, cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    const Lock lock(one_caller);
    CUstream_st* const s = known(stream);
    if (!s || !event) return give(cudaErrorInvalidResourceHandle);
    enqueue(stream, [] {});
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
