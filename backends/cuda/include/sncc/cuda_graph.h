// A graph of launches: captured once, then replayed by one call.
#pragma once

#include "sncc/cuda_streams.h"

namespace sncc {
namespace cuda {

class Graph {
public:
    explicit Graph(const char* part) : part_(part) {}
    ~Graph() { drop(); }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    // Keeps what work(stream) gives to that stream, in its order, in place of what was kept; nothing of it runs. After an error nothing is kept. What the graph
    // takes of the device's memory is there before it is replayed in `replaying`.
    template <typename Work>
    void capture(const Stream& replaying, const Work& work) {
        drop();
        // Apart from the legacy stream, by which other threads, of other networks or libraries, copy meanwhile: a capture of a stream that waits for
        // that one would be spoilt, and their calls refused.
        const Stream recorder{cudaStreamNonBlocking};
        check(cudaStreamBeginCapture(recorder, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", part_);
        cudaGraph_t captured = nullptr;
        try {
            work(recorder);
        } catch (...) {  // the stream is to be of use again
            if (cudaStreamEndCapture(recorder, &captured) == cudaSuccess) cudaGraphDestroy(captured);
            cudaGetLastError();
            throw;
        }
        check(cudaStreamEndCapture(recorder, &captured), "cudaStreamEndCapture", part_);
        const cudaError_t error = cudaGraphInstantiateWithFlags(&executable_, captured, 0);
        cudaGraphDestroy(captured);
        if (error != cudaSuccess) executable_ = nullptr;
        check(error, "cudaGraphInstantiateWithFlags", part_);
        const cudaError_t sent = cudaGraphUpload(executable_, replaying);
        if (sent != cudaSuccess) drop();
        check(sent, "cudaGraphUpload", part_);
    }
    void replay(const Stream& stream) const { check(cudaGraphLaunch(executable_, stream), "cudaGraphLaunch", part_); }
    bool is_there() const { return executable_ != nullptr; }
    void drop() {
        if (executable_) cudaGraphExecDestroy(executable_);
        executable_ = nullptr;
    }

private:
    const char* part_;
    cudaGraphExec_t executable_ = nullptr;
};

}  // namespace cuda
}  // namespace sncc
