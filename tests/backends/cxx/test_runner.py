"""What the words of a project's runner say reaches the C interface, here one that prints what it is given."""

import shutil
import subprocess

import pytest
from networks import program_of

from sncc.backends.cxx.project import emit_project

TEXT = """
network Paired:
    step = 1 ms
    population level: signal[2]
    population x: input[6]
    population y: input[3]
    population hidden: LIF[5]
    connect x -> hidden: sparse, weight = 0.6
    connect y -> hidden: dense, weight = 0.1
    connect level -> hidden: dense, weight = 0.1
    connect rows = hidden -> hidden: sparse, weight = each(0.5), delay = 1 ms
"""
PRINTS = """
#include <cstdio>
#include "paired.h"
struct paired_network { int unused; };
static paired_network one;
paired_network* paired_create(uint64_t seed, int) { return std::printf("create %d\\n", static_cast<int>(seed)), &one; }
void paired_destroy(paired_network*) {}
const char* paired_error(const paired_network*) { return "no such neuron"; }
int paired_saved_seed(const char*, uint64_t* seed) { return *seed = 7, 0; }
int paired_load(paired_network*, const char* path) { return std::printf("load %s\\n", path), 0; }
int paired_connect(paired_network*, int connection, const int64_t* pre, const int64_t* post, int64_t count) {
    std::printf("connect %d:", connection);
    for (int64_t k = 0; k < count; ++k) std::printf(" %d-%d", static_cast<int>(pre[k]), static_cast<int>(post[k]));
    std::printf("\\n");
    return count > 0 && pre[count - 1] > 5;
}
int paired_simulate(paired_network*, const paired_data* data, int64_t, int64_t steps, uint64_t, uint32_t, int, const int32_t*, int32_t, const paired_trace*, int32_t) {
    for (int q = 0; q < 3; ++q) {
        const paired_source_data& source = data->sources[q];
        std::printf("source %d:", q);
        for (int64_t n = 1; n <= steps; ++n)
            for (int64_t e = source.offsets[n - 1]; e < source.offsets[n]; ++e) std::printf(" %d@%d", static_cast<int>(source.indices[e]), static_cast<int>(n));
        std::printf(", %d steps\\n", static_cast<int>(steps));
    }
    return 0;
}
int paired_spike_count(paired_network*, int, int64_t* count) { return *count = 3, 0; }
int paired_evaluate(paired_network*, const paired_data*, const int64_t*, int64_t, const uint32_t*, double*, const int64_t*, paired_result*) { return 1; }
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """Runs the runner in its folder, with words; its exit code and what it prints."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("paired")
    for name, text in emit_project(program_of(TEXT, "float32")).items():
        if name in ("include/paired.h", "src/paired_run.cpp", "src/sncc/run_command.h"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    (folder / "prints.cpp").write_text(PRINTS)
    sources = [folder / "src" / "paired_run.cpp", folder / "prints.cpp"]
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", folder / "include"]
    subprocess.run([compiler, *flags, *sources, "-o", folder / "run"], check=True)
    (folder / "x.txt").write_text("0 0\n\n5 4\n1 1\n")
    (folder / "rows.txt").write_text("4 0\n")
    (folder / "outside.txt").write_text("6 0\n")
    (folder / "events.txt").write_text("3 0\n1 2\n1 0\n")

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([folder / "run", *words], capture_output=True, text=True, cwd=folder)
        return done.returncode, done.stdout, done.stderr

    return run


GIVEN = ("--pairs", "x_hidden", "x.txt", "--pairs", "rows", "rows.txt")


def test_pairs_come_before_weights_and_events_go_to_the_first_source_of_events(runner):
    code, printed, complaint = runner(*GIVEN, "events.txt", "weights.npz")
    assert code == 0, complaint
    assert printed.splitlines() == [
        "create 7", "connect 0: 0-0 5-4 1-1", "connect 3: 4-0", "load weights.npz",
        "source 0:, 3 steps", "source 1: 0@1 2@1 0@3, 3 steps", "source 2:, 3 steps", "hidden: 3 spikes",
    ]  # fmt: skip
    assert "create 12\nconnect" in runner("events.txt", "12", *GIVEN)[1]
    assert ", 2 steps" in runner("--seconds", "0.002", "-", *GIVEN)[1]


def test_what_is_missing_or_wrong_is_said(runner):
    for words in [("events.txt",), (*GIVEN[:3], "events.txt"), (*GIVEN, *GIVEN[:3], "-", "--seconds", "1"), (*GIVEN[:3], "--pairs", "y", "x.txt", "events.txt")]:  # fmt: skip
        code, _, complaint = runner(*words)
        assert code == 1 and complaint.endswith("each `sparse` connection; there are: x_hidden, rows\n"), words
    assert "outside.txt: no such neuron" in runner(*GIVEN[:3], "--pairs", "rows", "outside.txt", "events.txt")[2]
    assert "absent: cannot be read" in runner(*GIVEN[:3], "--pairs", "rows", "absent", "events.txt")[2]
    code, _, usage = runner(*GIVEN)
    assert code == 2 and "EVENTS: spikes of `x`" in usage and "nothing is given to `level`, `y`" in usage
    assert runner("events.txt", *GIVEN[:2])[0] == 2
