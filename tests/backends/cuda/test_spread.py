"""A network that can be trained is simulated by many blocks:
the bits of the C++ half, and no barrier of the grid too few.
"""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from projects import Projects, needs_compiler
from stand_in import ON_GPU, needs_emulation

import sncc
from sncc.backends.cuda import spread

LONG = pytest.mark.slow
NETWORK = """
network Spread:
    step = 1 ms
    population x: input[40]
    population level: signal[3]
    population noise: poisson[40](rate = 60 Hz)
    population hidden: ALIF[70](theta = 0.5, bias = each(0.1))
    population other: LIF[45](theta = 0.4), v = uniform(0, 0.3)
    population output: LI[5]
    connect x -> hidden: dense, weight = normal(0.1, 0.2)
    connect level -> other: dense, weight = normal(0.1, 0.3)
    connect noise -> other: random(p = 0.2), weight = normal(0.1, 0.1), delay = uniform(1 ms, 6 ms)
    connect hidden -> hidden: dense, weight = normal(0, 0.1), delay = 3 ms
    connect hidden -> other: random(p = 0.1), weight = normal(0, 0.2 /ms), delay = uniform(1 ms, 5 ms), synapse = exponential()
    connect mesh = other -> other: random(fan_in = 4), weight = normal(0.02 /ms, 0.01 /ms), synapse = gap_junction()
    connect other -> hidden: dense, weight = normal(0, 0.1)
    connect one = hidden[0:45] -> other: one_to_one, weight = each(0.2), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 0.5)

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
    learn = weights, hidden.tau_m

simulate:
    duration = 20 ms
    record v of output every 1 ms
    record v of other[20:40] every 2 ms
    stimulate hidden[20:50].I: 0.2 / (1 ms) * (1 + sin(t / (5 ms))) from 4 ms to 15 ms
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("spread"))


@pytest.fixture(autouse=True)
def in_three_blocks(monkeypatch):
    monkeypatch.setattr(spread, "FEWEST_NEURONS", 1)


def runs(network):
    """What two runs gave, the second from where the first had ended."""
    rng = np.random.default_rng(0)
    data = {
        "x": sncc.Events.from_dense(rng.poisson(0.2, (1, 20, 40)), step=1e-3),
        "level": rng.normal(0, 1, (1, 20, 3)),
    }
    found = [network.simulate(inputs=data, seed=3, resume=resume) for resume in (False, True)]
    spikes = [(s.times, s.neurons) for run in found for s in run.spikes.values()]
    return [*(a for pair in spikes for a in pair), *(np.asarray(t) for run in found for t in run.trace.values())]


def assert_same(found, expected) -> None:
    assert len(found) == len(expected) and sum(len(array) for array in expected) > 1000
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
def test_a_simulation_by_many_blocks_has_the_bits_of_one_and_of_the_cpu(projects, tmp_path, monkeypatch, build):
    _, project = projects.emulated(NETWORK, build=build)
    monkeypatch.setenv("SNCC_EMULATION_LAUNCHES", str(tmp_path / "launches"))
    found = runs(sncc.load(project, backend="emulated", seed=1))
    if not ON_GPU:
        assert (tmp_path / "launches").read_text().splitlines()[1:] == ["3 blocks of 96 threads, cooperative"] * 2
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", "1")
    assert_same(runs(sncc.load(project, backend="emulated", seed=1)), found)
    monkeypatch.setenv("SNCC_CUDA_FORM", "launches")
    assert_same(runs(sncc.load(project, backend="emulated", seed=1)), found)
    cpu = sncc.build(NETWORK, backend="cpu", precision="float64")
    assert_same(runs(sncc.load(cpu, seed=1)), found)


@LONG
@needs_emulation
def test_a_missing_barrier_of_the_grid_is_a_race(projects):
    """Each one of a step, in turn; the one before the first step has another
    one behind it here before anything is read.
    """
    _, project = projects.write(NETWORK, "float64")
    name = "src/cuda/spread_spread.cuh"
    places = [m.span() for m in re.finditer(r"grid\.sync\(\);", (project / name).read_text())]
    assert len(places) == 4
    for number, (begin, end) in enumerate(places[1:]):
        broken = projects.folder / f"without_{number}"
        shutil.copytree(project, broken)
        text = (project / name).read_text()
        (broken / name).write_text(text[:begin] + text[end:])
        (broken / "lib").mkdir()
        shutil.copy(projects.link(broken, "spread", "checked", "libspread_emulated.so", "-shared"), broken / "lib")
        with pytest.raises(RuntimeError, match="race|uninitialised"):
            runs(sncc.load(broken, backend="emulated", seed=1))
