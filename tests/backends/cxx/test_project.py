"""The emitted project stands alone: it configures and builds with CMake, runs without Python,
and compiles without warnings.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import program_of

from sncc.backends.cxx.project import emit_project
from sncc.backends.cxx.readouts import reads_labels, takes_step_labels

TEXT = """
network Tiny:
    step = 1 ms
    population x: input[5]
    population level: signal[2]
    population hidden: ALIF[18]
    population output: LI[3]
    connect x -> hidden: dense, weight = normal(0.5, 0.1)
    connect level -> hidden: dense, weight = 0.1
    connect hidden -> hidden: one_to_one, weight = each(-0.1), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0.1, 0.1)

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-2)
    learn = weights, hidden.tau_m, output.bias
    clip = norm(1)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The files of a small network, written to a folder."""
    folder = tmp_path_factory.mktemp("tiny")
    for name, text in emit_project(program_of(TEXT, "float32")).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def built(project):
    """The folder in which CMake has built it, once: for any processor, as `sncc.build` builds for this machine's."""
    needs("cmake", "g++")
    folder = project / "build" / "cpu"
    run("cmake", "-S", project, "-B", folder, "-DSNCC_NATIVE=OFF")
    run("cmake", "--build", folder, "--parallel", "2")
    return folder


def needs(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def refused(*command, code: int = 1) -> None:
    failed = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert failed.returncode == code and failed.stderr.strip() and not failed.stdout, command


@pytest.mark.parametrize(
    "loss, step_labels",
    [
        ("mean(cross_entropy(output.v)) + 0.1 * mean(hidden.v^2)", True),
        ("mean(cross_entropy(output.v)) + 0.1 * last(hidden.v)^2", True),
        ("mean(cross_entropy(output.v)) + cross_entropy(mean(output.v))", False),
        ("cross_entropy(mean(output.v)) + mean(cross_entropy(output.v))", False),
    ],
)
def test_there_may_be_a_label_for_each_step_where_no_loss_takes_one_for_the_sample(loss, step_labels):
    program = program_of(TEXT.replace("mean(cross_entropy(output.v))", loss), "float32")
    assert takes_step_labels(program) is step_labels


@pytest.mark.parametrize("loss, reads", [("mean(output.v^2)", False), ("mean(cross_entropy(output.v))", True)])
def test_the_manifest_says_whether_the_loss_reads_labels(loss, reads):
    text = TEXT.replace("mean(cross_entropy(output.v))", loss)
    assert reads_labels(program_of(text, "float32")) is reads


def saved_weights(library: ctypes.CDLL, manifest: dict, seed: int) -> dict[str, np.ndarray]:
    """What `network.save` writes of the parameters of a network of that seed."""
    library.tiny_create.restype = ctypes.c_void_p
    network = ctypes.c_void_p(library.tiny_create(ctypes.c_uint64(seed), 1))
    arrays = {}
    for p in manifest["parameters"]:
        if p["storage"] in ("shared", "each"):
            values = arrays[f"parameter/{p['key']}"] = np.zeros(p["shape"])
            assert library.tiny_get_parameter(network, p["index"], values.ctypes, ctypes.c_int64(values.size)) == 0
    library.tiny_destroy(network)
    return arrays


def run(*command, **options) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_both_halves_the_binding_and_the_source(project):
    for name in [
        "CMakeLists.txt", "CMakePresets.json", "README.md", "model.snn", "manifest.json", "include/tiny.h", "src/tiny_dynamics.h",
        "src/tiny_api.cpp", "src/tiny_run.cpp", "src/cpu/tiny_cpu.cpp", "src/sncc/rows.h", "python/sncc_runtime/__init__.py",
    ]:  # fmt: skip
        assert (project / name).is_file(), name
    assert (project / "model.snn").read_text() == TEXT
    manifest = json.loads((project / "manifest.json").read_text())
    assert [p["name"] for p in manifest["populations"]] == ["hidden", "output"]
    assert {p["key"] for p in manifest["parameters"] if p["learnt"]} >= {"hidden_hidden.weight", "hidden.tau_m"}
    assert manifest["readout"]["outputs"] == 3 and manifest["step"] == 1e-3


def test_the_same_program_emits_the_same_bytes():
    assert emit_project(program_of(TEXT, "float32")) == emit_project(program_of(TEXT, "float32"))


def test_the_header_is_c99(project):
    needs("gcc")
    run(
        "gcc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "-fsyntax-only",
        "-x",
        "c",
        project / "include" / "tiny.h",
    )


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_the_sources_compile_without_warnings(project, compiler):
    needs(compiler)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{project}/include", f"-I{project}/src"]
    for source in ["src/tiny_api.cpp", "src/tiny_run.cpp", "src/cpu/tiny_cpu.cpp"]:
        run(compiler, *flags, project / source)


def test_equations_stand_above_the_code_made_from_them(project):
    dynamics = (project / "src" / "tiny_dynamics.h").read_text()
    assert "// " in dynamics and ":=" in dynamics and "m_fma(" in dynamics
    assert all(len(line) <= 120 for line in dynamics.splitlines())


def test_cmake_alone_builds_it_and_the_runner_needs_no_python(project, built, tmp_path):
    build = built
    events = tmp_path / "events.txt"
    events.write_text("".join(f"{n} {n % 5}\n{n} {(n + 2) % 5}\n" for n in range(1, 41)))
    printed = run(build / "tiny_run", events)
    assert "hidden:" in printed and "output 2:" in printed
    again = run(build / "tiny_run", events)
    assert printed == again == run(build / "tiny_run", "--seconds", "0.04", events)
    half = tmp_path / "half.txt"  # of 20 steps, the same as the first of 40
    half.write_text("".join(line for line in events.read_text().splitlines(True) if int(line.split()[0]) <= 20))
    assert run(build / "tiny_run", half) == run(build / "tiny_run", events, "--seconds", "20e-3") != printed
    assert "hidden: 0 spikes" in run(build / "tiny_run", "--seconds", "0.1")
    for wrong in ["0", "-1", "1 s", "nan", "inf", "1e9", ""]:
        refused(build / "tiny_run", events, "--seconds", wrong, code=2)
    refused(build / "tiny_run", events, "--seconds", code=2)
    refused(build / "tiny_run", code=2)
    refused(build / "tiny_run", "--help", code=2)
    library = next(build.glob("libtiny*.so*"))
    # weights that were saved, here those of another seed
    saved = saved_weights(ctypes.CDLL(str(library)), json.loads((project / "manifest.json").read_text()), seed=7)
    np.savez(tmp_path / "w.npz", seed=np.uint64(3), **saved)
    assert run(build / "tiny_run", events, tmp_path / "w.npz") == run(build / "tiny_run", events, "7") != printed
    np.savez(tmp_path / "short.npz", seed=np.uint64(3), **{**saved, "parameter/x_hidden.weight": np.zeros(3)})
    np.savez(tmp_path / "other.npz", seed=np.uint64(3))
    np.savez_compressed(tmp_path / "packed.npz", seed=np.uint64(3), **saved)
    whole = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-40])
    (tmp_path / "damaged.npz").write_bytes(whole.replace(saved["parameter/x_hidden.weight"].tobytes()[:8], bytes(8)))
    np.savez(tmp_path / "huge.npz", seed=np.uint64(3), **{**saved, "parameter/x_hidden.weight": np.full(90, 1e39)})
    for name in ["short", "other", "packed", "cut", "damaged", "absent", "huge"]:
        refused(build / "tiny_run", events, tmp_path / f"{name}.npz")
    for wrong in ["1 5\n", "0 1\n", "one two\n", "1 2\n3"]:
        events.write_text(wrong)
        refused(build / "tiny_run", events)
    # a null pointer where a number or an array is needed is a wrong argument
    c = ctypes.CDLL(str(library))
    c.tiny_create.restype = ctypes.c_void_p
    network, no = ctypes.c_void_p(c.tiny_create(ctypes.c_uint64(1), 1)), None
    assert [c.tiny_get_optimiser_step(network, no), c.tiny_step_count(network, no), c.tiny_load(network, no)] == [
        1,
        1,
        1,
    ]
    # a number that float32 would hold as infinite is refused, and nothing is set
    manifest = json.loads((project / "manifest.json").read_text())
    c.tiny_error.restype = ctypes.c_char_p
    c.tiny_error.argtypes = [ctypes.c_void_p]
    tau = next(p for p in manifest["parameters"] if p["key"] == "hidden.tau_m")
    for value, why in [
        (1e39, b"hidden.tau_m gets a number: 1e+39 is beyond what its precision holds, 3.403e+35"),
        (3.5e35, b"3.5e+35 is beyond"),
        (np.inf, b"not finite"),
        (np.nan, b"not finite"),
    ]:
        assert c.tiny_set_parameter(network, tau["index"], ctypes.byref(ctypes.c_double(value)), ctypes.c_int64(1)) == 1
        assert why in c.tiny_error(network)
    held = ctypes.c_double()
    assert (
        c.tiny_get_parameter(network, tau["index"], ctypes.byref(held), ctypes.c_int64(1)) == 0
        and abs(held.value - 20e-3) < 1e-8
    )
    assert c.tiny_get_parameter(network, 0, no, ctypes.c_int64(90)) == c.tiny_spike_count(network, 0, no) == 1
    assert c.tiny_simulate(network, no, no, ctypes.c_int64(5), no, 0, 0, no, 2, no, 0) == 1
    assert c.tiny_simulate(network, no, no, ctypes.c_int64(5), no, 0, 0, no, 0, no, 3) == 1
    c.tiny_destroy(network)
    # the exported symbols are those of the C interface alone
    needs("nm")
    exported = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()]
    assert exported and all(name.startswith("tiny_") for name in exported)


@pytest.mark.usefixtures("built")
def test_the_binding_in_it_works_without_sncc(project, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(copy / 'python')!r})\n"
        "import sncc_runtime\n"
        f"network = sncc_runtime.load({str(copy)!r})\n"
        "print(network.parameters['hidden_hidden.weight'].shape, 'sncc' in sys.modules)\n"
    )
    assert run(sys.executable, "-c", script, cwd=tmp_path).strip() == "(18,) False"
    assert np.isfinite(1.0)


def test_it_installs_and_another_project_finds_it(project, built, tmp_path):
    needs("gcc")
    prefix = tmp_path / "prefix"
    run("cmake", "--install", built, "--prefix", prefix)
    run("cmake", "-S", project / "examples", "-B", tmp_path / "example", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "example")
    printed = run(tmp_path / "example" / "tiny_example")
    assert printed.startswith("hidden: ") and "output: 0 spikes" in printed
    assert run(prefix / "bin" / "tiny_run", "/dev/null")  # finds the library beside it
    assert (prefix / "share" / "tiny" / "manifest.json").is_file()


def test_another_project_holds_its_folder(project, tmp_path):
    needs("cmake", "g++")
    (tmp_path / "main.c").write_text('#include "tiny.h"\nint main(void) { return tiny_abi_version() < 1; }\n')
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(holder C CXX)\n"
        f"add_subdirectory({project.as_posix()} tiny EXCLUDE_FROM_ALL)\n"
        "add_executable(holder main.c)\ntarget_link_libraries(holder PRIVATE tiny::tiny)\n"
    )
    # which fails where a target is missing; the holder's type of build stays its own
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Unix Makefiles")
    assert "CMAKE_BUILD_TYPE:STRING=\n" in (tmp_path / "build" / "CMakeCache.txt").read_text()
    assert "-O3" in (tmp_path / "build" / "tiny" / "CMakeFiles" / "tiny.dir" / "flags.make").read_text()
    assert not (tmp_path / "build" / "tiny" / "CTestTestfile.cmake").exists()


def test_the_c_on_the_page_is_written_for_the_header(project, tmp_path):
    needs("gcc")
    page = (Path(__file__).resolve().parents[3] / "docs" / "index.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "page.c").write_text(text.replace("small", "tiny"))
    run(
        "gcc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        "-I",
        project / "include",
        tmp_path / "page.c",
    )


@pytest.mark.slow
def test_its_own_tests_compare_both_halves_and_skip_without_a_device(project, tmp_path):
    needs("cmake", "g++", "gcc", "ctest")
    build = tmp_path / "build"
    run("cmake", "-S", project, "-B", build, "-DSNCC_BACKEND=emulated", "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
    run("cmake", "--build", build, "--parallel", "2")
    printed = run("ctest", "--test-dir", build, "--output-on-failure")
    assert "100% tests passed" in printed and "emulated_computes_the_same" in printed
    without = run("ctest", "--test-dir", build, "-R", "same", env={**os.environ, "SNCC_EMULATION_NO_DEVICE": "1"})
    assert "Skipped" in without
    numbers = build / "numbers.txt"
    lines = numbers.read_text().splitlines()
    lines[1] = str(float(lines[1]) + 1)
    numbers.write_text("\n".join(lines))
    failed = subprocess.run([build / "tiny_compare", "numbers.txt"], cwd=build, capture_output=True, text=True)
    assert failed.returncode == 1 and "these are other numbers" in failed.stderr


def test_the_weights_of_a_dense_connection_are_a_matrix_also_between_parts_with_gaps():
    text = """
network N:
    step = 1 ms
    population x: input[4, 3]
    population a: LI[2, 3]
    connect whole = x -> a: dense, weight = each(1)
    connect parts = x[0:4, 1] -> a[0:2, 0:2]: dense, weight = each(1), delay = each(1 ms)
    connect others = a[0:2, 1] -> a[0:2, 1]: dense(self = false), weight = each(1 / (1 ms)), synapse = passing()
    connect few = x[0:4, 1] -> a: random(fan_in = 2), weight = each(1)
synapse passing:
    deliver weight * pre.v
"""
    manifest = json.loads(emit_project(program_of(text))["manifest.json"])
    shapes = {p["key"]: p["shape"] for p in manifest["parameters"]}
    assert shapes["whole.weight"] == [12, 6] and shapes["parts.weight"] == shapes["parts.delay"] == [4, 4]
    assert shapes["others.weight"] == shapes["few.weight"] == [-1]
