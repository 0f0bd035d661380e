"""The emulation of CUDA by itself: right kernels give right results, planted faults are found."""

from __future__ import annotations

import subprocess

import pytest
from projects import needs_compiler
from stand_in import ALONE, Build, needs_emulation, program

pytestmark = needs_emulation

PROGRAM = """
#include <cooperative_groups.h>
#include <cuda_runtime.h>
#include <cstdio>
extern __shared__ unsigned char smem[];
struct Arguments { float* data; int count; };
static cudaError_t run(void (*kernel)(Arguments), int blocks, int threads, Arguments a, bool cooperative = false, cudaStream_t stream = 0) {
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(blocks); config.blockDim = dim3(threads); config.dynamicSmemBytes = 4096; config.stream = stream;
    config.attrs = &attribute; config.numAttrs = cooperative ? 1 : 0;
    return cudaLaunchKernelEx(&config, kernel, a);
}
KERNEL
int main() {
    float host[256];
    for (int k = 0; k < 256; ++k) host[k] = float(k);
    float* data = nullptr;
    cudaMalloc(&data, sizeof host);
    cudaMemcpy(data, host, sizeof host, cudaMemcpyHostToDevice);
    MAIN
}
"""
SUM = """
__global__ void kernel(const __grid_constant__ Arguments a) {
    float* shared = reinterpret_cast<float*>(smem);
    __shared__ float totals[32];
    const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    float x = a.data[i];
    for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
    if (t % 32 == 0) totals[t / 32] = x;
    shared[t] = a.data[i];
    BARRIER
    float sum = 0;
    for (int w = 0; w < int(blockDim.x) / 32; ++w) sum += totals[w];
    const unsigned odd = __ballot_sync(0xffffffffu, int(shared[blockDim.x - 1 - t]) % 2);
    GRID
    a.data[i] = sum + __popc(odd);
}
"""
FINISH = """
    const cudaError_t error = cudaDeviceSynchronize();
    if (error) { std::printf("%s\\n", cudaGetErrorString(error)); return 1; }
    cudaMemcpy(host, data, sizeof host, cudaMemcpyDeviceToHost);
    for (float x : host) std::printf("%g ", x);
    return 0;
"""
BARRIER = "__syncthreads();"


@pytest.fixture
def emulate(tmp_path):
    needs_compiler()

    def run(kernel: str, main: str, build: Build = "plain", **environment: str):
        source = tmp_path / "kernel.cu"
        source.write_text(PROGRAM.replace("KERNEL", kernel).replace("MAIN", main))
        path = program(source, build)
        return [
            subprocess.run(
                [path],
                capture_output=True,
                text=True,
                env={**ALONE, **environment, "SNCC_EMULATION_ORDER_SEED": seed},
            )
            for seed in ("0", "1", "2")
        ]

    return run


def test_shared_memory_shuffles_ballots_and_grid_barriers(emulate):
    kernel = SUM.replace("BARRIER", BARRIER).replace("GRID", "cooperative_groups::this_grid().sync();")
    runs = emulate(kernel, "run(kernel, 2, 128, {data, 256}, true);" + FINISH)
    expected = [sum(range(128)) + 16] * 128 + [sum(range(128, 256)) + 16] * 128
    for done in runs:
        assert [float(x) for x in done.stdout.split()] == expected, done.stderr


def test_a_missing_barrier_gives_other_results_in_another_order(emulate):
    kernel = SUM.replace("BARRIER", "").replace("GRID", "")
    assert len({done.stdout for done in emulate(kernel, "run(kernel, 2, 128, {data, 256});" + FINISH)}) > 1


def test_a_barrier_that_only_some_reach_is_reported(emulate):
    kernel = "__global__ void kernel(const Arguments a) { if (threadIdx.x < 7) __syncthreads(); else\n __syncthreads(); a.data[0] = 1; }"
    for done in emulate(kernel, "run(kernel, 1, 32, {data, 256});" + FINISH):
        assert (
            done.returncode == 1 and "divergent barrier" in done.stderr and "unspecified launch failure" in done.stdout
        )


def test_a_deadlock_is_reported_with_its_place(emulate):
    kernel = "__global__ void kernel(const Arguments a) { if (threadIdx.x < 7) __syncwarp(); else __syncthreads(); a.data[0] = 1; }"
    for done in emulate(kernel, "run(kernel, 1, 32, {data, 256});" + FINISH):
        assert done.returncode == 1 and "deadlock" in done.stderr and "block 0, thread" in done.stderr


def test_a_grid_barrier_needs_a_cooperative_launch(emulate):
    kernel = SUM.replace("BARRIER", BARRIER).replace("GRID", "cooperative_groups::this_grid().sync();")
    for done in emulate(kernel, "run(kernel, 2, 128, {data, 256});" + FINISH):
        assert done.returncode == 1 and "not cooperative" in done.stderr


def test_a_host_that_touches_device_memory_stops(emulate):
    for done in emulate("", "return int(data[3]);"):
        assert done.returncode != 0 and "the host touched device memory" in done.stderr


def test_a_stream_that_nobody_waits_for_has_done_nothing_yet(emulate):
    kernel = "__global__ void kernel(const Arguments a) { a.data[threadIdx.x] = 1; }"
    main = """
    cudaStream_t stream; cudaStreamCreate(&stream);
    run(kernel, 1, 32, {data, 256}, false, stream);
    cudaMemcpyAsync(host, data, sizeof host, cudaMemcpyDeviceToHost, stream);
    const float early = host[5];
    cudaStreamSynchronize(stream);
    std::printf("%g %g", early, host[5]); return 0;"""
    assert {done.stdout for done in emulate(kernel, main)} == {"5 1"}


def test_other_threads_of_the_host_are_nothing_to_the_race_detector(emulate):
    """They go on, in code that is instrumented too, while a kernel runs: a pool's workers look for work."""
    kernel = """
    #include <atomic>
    #include <thread>
    #include <vector>
    __global__ void kernel(const Arguments a) {
        for (int round = 0; round < 300; ++round) a.data[blockIdx.x * 32 + threadIdx.x] += 1;
    }"""
    main = """
    std::atomic<bool> over{false};
    std::vector<int> own(64);
    std::thread worker([&] { while (!over.load()) for (int& x : own) ++x; });
    run(kernel, 8, 32, {data, 256});
    const cudaError_t error = cudaDeviceSynchronize();
    over = true;
    worker.join();
    if (error) { std::printf("%s\\n", cudaGetErrorString(error)); return 1; }
    cudaMemcpy(host, data, sizeof host, cudaMemcpyDeviceToHost);
    std::printf("%g %g", host[0], host[255]); return 0;"""
    for done in emulate(kernel, main, "checked"):
        assert (done.returncode, done.stdout, done.stderr) == (0, "300 555", "")


def test_a_failing_allocation_and_no_device(emulate):
    main = 'float* more = nullptr; std::printf("%d", int(cudaMalloc(&more, 64))); return 0;'
    assert {done.stdout for done in emulate("", main, SNCC_EMULATION_FAIL_MALLOC="2")} == {"2"}
    assert {done.stdout for done in emulate("", main, SNCC_EMULATION_NO_DEVICE="1")} == {"100"}
