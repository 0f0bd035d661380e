"""A network may be called anything: its files, C functions and CMake target have a name that nothing else has."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from networks import program_of

import sncc
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.project import emit_project

TEXT = """
network {name}:
    step = 1 ms
    population x: input[2]
    population output: LIF[3]
    connect x -> output: dense, weight = 0.6
"""
# keywords, namespaces, functions and headers of C and C++, prefixes of POSIX, targets of CMake, letters beyond ASCII
NAMES = ["Long", "Exp", "Time", "Pthread", "Sncc", "网络"]


@pytest.mark.parametrize(
    ("network", "name"),
    [("Gestures", "gestures"), ("Long", "long_snn"), ("Zürich", "zurich"), ("Straße", "straudfe"),
     ("Time", "time_snn"), ("Two__Words", "two_words"), ("网", "u7f51")],
)  # fmt: skip
def test_a_project_is_named_after_its_network(network, name):
    assert project_name(network) == name


@pytest.mark.parametrize("network", NAMES)
def test_the_sources_of_a_network_of_any_name_compile(network, tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    for path, text in emit_project(program_of(TEXT.format(name=network), "float32")).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    flags = ["-std=c++17", "-Wall", "-Werror", "-fsyntax-only", f"-I{tmp_path}/include", f"-I{tmp_path}/src"]
    name = project_name(network)
    assert name.isascii() and (tmp_path / f"include/{name}.h").is_file()
    done = subprocess.run(["g++", *flags, f"{tmp_path}/src/{name}_api.cpp"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_a_network_named_like_a_target_of_cmake_builds_and_runs():
    model = sncc.load(sncc.build(TEXT.format(name="Test"), backend="cpu"))
    spikes = np.ones((1, 20, 2))
    assert (
        model.simulate(inputs={"x": sncc.Events.from_dense(spikes, 1e-3)}, duration=0.02).spikes["output"].times.size
        > 0
    )


def test_functions_of_names_that_look_alike_are_two():
    text = "\n".join(
        [
            *(line for s in ("b_c", "c") for line in (f"neuron Of_{s}:", f"    state {s} = 0", f"    d{s}/dt = -{s} / (9 ms)")),
            "network N:", "    step = 1 ms", "    population a: Of_b_c[2]", "    population a_b: Of_c[2]", "",
        ]
    )  # fmt: skip
    names = [f.name for f in dynamics(program_of(text)).functions()]
    assert len(set(names)) == len(names) and "start_a_b_c" in names
