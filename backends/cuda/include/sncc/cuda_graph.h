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

    // Keeps what `work` gives to the stream, in its order, in place of what was kept; nothing of it runs. After an error nothing is kept.
    template <typename Work>
    void capture(const Stream& stream, const Work& work) {
        drop();
        check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", part_);
        cudaGraph_t captured = nullptr;
        try {
            work();
        } catch (...) {  // the stream is to be of use again
            if (cudaStreamEndCapture(stream, &captured) == cudaSuccess) cudaGraphDestroy(captured);
            cudaGetLastError();
            throw;
        }
        check(cudaStreamEndCapture(stream, &captured), "cudaStreamEndCapture", part_);
        const cudaError_t error = cudaGraphInstantiateWithFlags(&executable_, captured, 0);
        cudaGraphDestroy(captured);
        if (error != cudaSuccess) executable_ = nullptr;
        check(error, "cudaGraphInstantiateWithFlags", part_);
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
