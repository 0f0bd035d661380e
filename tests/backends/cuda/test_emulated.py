"""The emitted CUDA, sources unchanged, run on the CPU: it gives the reference's numbers in any order of its threads."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from projects import NETWORKS, Projects, agree, needs_compiler, trains_like_the_reference

import sncc


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("emulated"))


@pytest.mark.parametrize("name", NETWORKS)
def test_emulated_cuda_equals_the_reference(projects, name):
    program, project = projects.emulated(NETWORKS[name])
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9)
    trains_like_the_reference(network, program, 1e-8)


def test_float32_is_close(projects):
    program, project = projects.emulated(NETWORKS["merged populations"], "float32")
    agree(sncc.load(project, backend="emulated"), program, 2e-4)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_order_of_the_threads_changes_nothing(projects, seed, monkeypatch):
    program, project = projects.emulated(NETWORKS["layers, delays, a signal"])
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", seed)
    agree(sncc.load(project, backend="emulated"), program, 1e-9)


def test_a_norm_clip_shrinks_the_step(projects):
    text = NETWORKS["an ALIF under e-prop"].replace("batch = 4", "batch = 4\n    clip = norm(0.01)")
    program, project = projects.emulated(text)
    assert program.optimise.clip == ("norm", 0.01)
    trains_like_the_reference(sncc.load(project, backend="emulated"), program, 1e-8)


def test_without_a_device_it_says_so_in_one_line(projects, monkeypatch):
    _, project = projects.emulated(NETWORKS["merged populations"], "float32")
    monkeypatch.setenv("SNCC_EMULATION_NO_DEVICE", "1")
    with pytest.raises(RuntimeError, match="NVIDIA GPU.*the CPU backend"):
        sncc.load(project, backend="emulated")


def test_running_out_of_device_memory_names_the_buffer_and_loses_nothing(projects, monkeypatch):
    program, project = projects.emulated(NETWORKS["merged populations"], "float32")
    network = sncc.load(project, backend="emulated")
    before = np.array(network.parameters["x_hidden.weight"])
    monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", "3")
    x = np.zeros((2, 30, 6), int)
    with pytest.raises(MemoryError, match="needs .* bytes on the device"):
        network.fit(sncc.Events.from_dense(x), np.array([0, 1]), epochs=1, verbose=False)
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    assert np.array_equal(before, network.parameters["x_hidden.weight"])
    network.fit(sncc.Events.from_dense(x), np.array([0, 1]), epochs=1, verbose=False)


def test_no_access_is_outside_of_its_memory(projects, tmp_path):
    program, project = projects.write(NETWORKS["layers, delays, a signal"], "float32")
    name = program.name.lower()
    runner = tmp_path / "run"
    flags = [
        "-std=c++17",
        "-O1",
        "-g",
        "-ffp-contract=off",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
    ]
    projects.compile(flags, project, name, ["-o", runner], [project / "src" / f"{name}_run.cpp"])
    events = tmp_path / "events.txt"
    events.write_text("".join(f"{n} {n % 6}\n" for n in range(1, 30)))
    done = subprocess.run([runner, events], capture_output=True, text=True, env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr
    assert "hidden:" in done.stdout and "output 2:" in done.stdout and "ERROR" not in done.stderr
