"""The CUDA half configures and builds with nvcc on a machine without a GPU, for sm_80 and sm_90, without a warning."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from projects import Projects
from simulations import NETWORKS as SIMULATIONS
from trained_networks import NETWORKS
from unstored import TEXT, unstored

from sncc.backends.cuda.emit import STATIC_SHARED
from sncc.backends.cuda.resources import ARCHITECTURES, Used, filled, read_log, resident_blocks
from sncc.backends.cxx.names import project_name
from sncc.toolchain import find_cmake, find_ninja

pytestmark = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    _, project = Projects(tmp_path_factory.mktemp("nvcc")).write(NETWORKS["layers, delays, a signal"], "float32")
    build = project / "build"
    words = [find_cmake(), "-S", project, "-B", build, "-DSNCC_BACKEND=cuda", "-DSNCC_WARNINGS_ARE_ERRORS=ON"]
    if find_ninja():
        words += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_ninja()}"]
    for command in (words, [find_cmake(), "--build", build, "--verbose"]):
        done = subprocess.run([str(w) for w in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return project, done.stdout + done.stderr


@pytest.mark.slow
def test_it_builds_for_both_architectures_without_a_warning(built):
    _, log = built
    assert "warning" not in log.lower().replace("all-warnings", "")
    assert "sm_80" in log and "sm_90" in log and "-fmad=false" in log


W1 = """
network W1:
    step = 1 ms
    population x: input[700]
    population hidden: ALIF[256]
    population output: LI[20]
    connect x -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect hidden -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = eprop(feedback = symmetric)
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
    batch = 64
"""
LARGE = W1.replace("ALIF[256]", "ALIF[9000]").replace(
    "hidden -> hidden: dense", "hidden -> hidden: random(p = 0.02)"
)  # in clusters
FORWARDS = W1.replace("ALIF[256]", "ALIF[9000]").replace("feedback = symmetric", "online = true")
MADE = SIMULATIONS["random delays, slices, Poisson sources"]  # synapses on the device


LARGEST = NETWORKS["states of synapses, of their targets, their sources and their own"]
BOUND = 2_000_000  # bytes


@pytest.mark.parametrize(
    "text, precision, memory",
    [
        (W1, "float32", None),  # for one architecture
        pytest.param(W1, "float32", None, marks=pytest.mark.slow),
        pytest.param(W1.replace("eprop(feedback = symmetric)", "bptt"), "float32", None, marks=pytest.mark.slow),
        pytest.param(W1.replace("feedback = symmetric", "online = true"), "float32", None, marks=pytest.mark.slow),
        pytest.param(NETWORKS["unknown neurons, one refractory"], "float64", None, marks=pytest.mark.slow),
        pytest.param(SIMULATIONS["dense plastic, noise, a gap junction, a stimulus"], "float32", None, marks=pytest.mark.slow),
        pytest.param(SIMULATIONS["conductances with long and drawn delays"], "float64", None, marks=pytest.mark.slow),
        pytest.param(MADE, "float32", None, marks=pytest.mark.slow),
        pytest.param(LARGE, "float32", None, marks=pytest.mark.slow),
        pytest.param(FORWARDS, "float32", None, marks=pytest.mark.slow),
        pytest.param(unstored(TEXT), "float64", None, marks=pytest.mark.slow),
        pytest.param(NETWORKS["unknown neurons, one refractory"], "float64", BOUND, marks=pytest.mark.slow),
        pytest.param(NETWORKS["spike times under eventprop"], "float64", BOUND, marks=pytest.mark.slow),
        pytest.param(LARGEST, "float64", BOUND, marks=pytest.mark.slow),
        pytest.param(LARGEST, "float32", BOUND, marks=pytest.mark.slow),
        pytest.param(LARGEST, "float64", None, marks=pytest.mark.slow),
    ],
    ids=["W1, e-prop, sm_90 alone", "W1, e-prop", "W1, bptt", "W1, online", "unknown neurons, float64", "a plastic network", "conductances, float64", "drawn synapses", "samples in clusters", "forwards in clusters", "rows drawn again", "unknown neurons in segments", "spike times in segments", "many synapses in segments", "many synapses in segments, float32", "many synapses"],
)  # fmt: skip
def test_no_kernel_spills_registers(tmp_path, request, text, precision, memory):
    program, project = Projects(tmp_path).write(text, precision, memory)
    name = project_name(program.name)
    chosen = {a: limits for a, limits in ARCHITECTURES.items() if a == "sm_90" or "alone" not in request.node.name}
    architectures = [f"-gencode=arch=compute_{a[3:]},code={a}" for a in chosen]
    words = [
        "nvcc", "-std=c++17", "-fmad=false", "--extended-lambda", *architectures, "-gencode=arch=compute_90,code=compute_90",
        "-Xptxas=-v,-warn-spills", "-Werror", "all-warnings", "-Xcompiler=-fPIC", "--threads=2",
        f"-I{project}/include", f"-I{project}/src", "-c", project / "src" / "cuda" / f"{name}_cuda.cu", "-o", tmp_path / "x.o",
    ]  # fmt: skip
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    used = read_log(done.stdout + done.stderr)
    page = filled((project / "src" / "cuda" / "KERNELS.md").read_text(), done.stdout + done.stderr)
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines() if line.startswith(f"| {name}_")]
    kernels = (
        {"run", "phase", "advance", "look"}
        if program.schedule == "neuron_parallel"
        else {"samples", "gather", "optimise"}
    )
    listed = {row[1].removeprefix(f"{name}_") for row in rows}
    assert listed - {"connect", "clusters", "rounds", "cluster_rounds", "spread"} == kernels and (
        "connect" in listed or text != MADE
    )
    assert ("rounds" in listed) == ("online = true" in text)
    assert ("clusters" in listed) == ("spread" in listed) == (text in (LARGE, FORWARDS))
    assert ("cluster_rounds" in listed) == (text == FORWARDS)
    assert set(used) == {(f"{name}_{k}", a) for k in listed for a in chosen}
    for kernel, _, _, threads, shared, *cells in (row[1:-1] for row in rows):
        assert len(chosen) == 1 or all("registers" in cell for cell in cells)
        for architecture, limits in chosen.items():
            found = used[kernel, architecture]
            assert found.shared <= STATIC_SHARED  # which every launch leaves beside its dynamic bytes
            assert found.spills == 0 and found.registers * int(threads) <= limits.registers
            runs = not ("_cluster" in kernel and architecture == "sm_80")  # which has no clusters
            assert not runs or resident_blocks(found, int(threads), int(shared) if shared.isdigit() else 0, limits) >= 1


@pytest.mark.slow
def test_what_blocks_tell_each_other_is_loaded_by_caches_that_a_meeting_brings_up_to_date(tmp_path):
    """The compiler may load what it takes to be constant by the read-only cache (`ld.global.nc`),
    which no barrier of a grid or a cluster does.
    """
    program, project = Projects(tmp_path).write(FORWARDS, "float32")
    source = project / "src" / "cuda" / f"{project_name(program.name)}_cuda.cu"
    words = ["nvcc", "-std=c++17", "-fmad=false", "--extended-lambda", "-arch=compute_90", "-ptx", f"-I{project}/include", f"-I{project}/src"]  # fmt: skip
    done = subprocess.run([*words, source, "-o", tmp_path / "x.ptx"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    code = (tmp_path / "x.ptx").read_text()
    kernels = re.findall(r"^\.entry \S+?\dw1_([a-z_]+)E", code, re.MULTILINE)
    assert {"samples", "clusters", "spread", "rounds", "cluster_rounds", "gather", "optimise"} == set(kernels)
    assert code.count("barrier.cluster.wait") > 2 and "ld.acquire.gpu" in code  # barriers of clusters and of grids
    assert "ld.global.nc" not in code
    assert ".extern .shared .align 16 .b8 smem[]" in code  # states are loaded by 16 bytes at once


def test_occupancy_is_that_of_the_programming_guide():
    """Worked by hand: 96 registers, 256 threads are 8 warps of 3,072 registers, of which 65,536 hold 2.66 blocks."""
    assert resident_blocks(Used(96, 0, 0), 256, 9408, ARCHITECTURES["sm_90"]) == 2
    assert resident_blocks(Used(32, 0, 0), 1024, 0, ARCHITECTURES["sm_80"]) == 2  # threads
    assert resident_blocks(Used(32, 0, 0), 32, 0, ARCHITECTURES["sm_80"]) == 32  # blocks
    # shared memory: 2 x 101 of 228 KB
    assert resident_blocks(Used(32, 0, 0), 128, 100 << 10, ARCHITECTURES["sm_90"]) == 2


@pytest.mark.slow  # the build, for two architectures
@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="there is a GPU")
def test_without_a_driver_it_says_so_in_one_line(built):
    project, _ = built
    (project / "lib").mkdir(exist_ok=True)
    shutil.copy(project / "build" / "libdeep.so", project / "lib" / "libdeep_cuda.so")
    code = f"import sncc; sncc.load({str(project)!r}, backend='cuda')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "NVIDIA GPU with a driver" in done.stderr.strip().splitlines()[-1]
