"""The emitted CUDA, sources unchanged, run on the CPU: it gives the reference's numbers in any order of its threads."""

from __future__ import annotations

import os
import shutil
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


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_the_threads_changes_nothing(projects, name, monkeypatch):
    program, project = projects.emulated(NETWORKS[name])
    for seed in ("1", "2"):
        monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", seed)
        agree(sncc.load(project, backend="emulated"), program, 1e-9, steps=15)


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


@pytest.mark.parametrize("name", NETWORKS)
def test_no_kernel_has_a_race_or_reads_what_nobody_wrote(projects, name):
    program, project = projects.emulated(NETWORKS[name], build="checked")
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9)
    trains_like_the_reference(network, program, 1e-8, steps=1)


@pytest.mark.parametrize(
    "removed, expected",
    [
        ("// hidden_output: hidden -> output", "race: .*samples.cuh.*without a barrier of the warp between"),
        ("set_to_zero(w);", "uninitialised: .* shared memory"),
    ],
)
def test_what_is_taken_out_of_an_emitted_kernel_is_missed(projects, removed, expected):
    """The barrier before what is named, or the line itself."""
    program, project = projects.write(NETWORKS["targets"], "float64")
    name = program.name.lower()
    broken = projects.folder / f"broken_{len(removed)}"
    shutil.copytree(project, broken, dirs_exist_ok=True)
    kernel = broken / "src" / "cuda" / f"{name}_samples.cuh"
    before, after = kernel.read_text().split(removed, 1)
    if removed.startswith("//"):
        before = before[: before.rindex("__syncthreads();")] + before[before.rindex("__syncthreads();") + 16 :]
    kernel.write_text(before + after)
    (broken / "lib").mkdir(exist_ok=True)
    shutil.copy(projects.link(broken, name, "checked", f"lib{name}_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(RuntimeError, match=expected):
        agree(sncc.load(broken, backend="emulated"), program, 1e-9)


@pytest.mark.parametrize("name", ["layers, delays, a signal", "merged populations"])
def test_no_access_is_outside_of_its_memory(projects, name, tmp_path):
    program, project = projects.write(NETWORKS[name], "float64")
    name = program.name.lower()
    runner = projects.link(project, name, "address", f"{name}_run", main="run")
    events = tmp_path / "events.txt"
    events.write_text("".join(f"{n} {n % 6}\n" for n in range(1, 30)))
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([runner, events], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "hidden:" in done.stdout and "output 2:" in done.stdout and "ERROR" not in done.stderr
