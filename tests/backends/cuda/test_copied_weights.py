"""Weights that a block copies into its shared memory:
no bit depends on it, and a launch has as many blocks at once as without.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest
from halved import TEXT as HALVED
from networks import program_of
from projects import Projects, agree, cases, handed_over, needs_compiler, set_parameters
from stand_in import EMULATION, needs_emulation, program
from trained_networks import NETWORKS, ONLINE

import sncc
from sncc.backends.cuda.copies import MOST_COPIES
from sncc.backends.cuda.samples import Samples
from sncc.backends.cxx.dynamics import dynamics
from sncc.compiler import emit


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("copied"))


@pytest.fixture
def in_both_forms(monkeypatch):
    """What a function of a freshly loaded network gives with weights read from the device's memory,
    and from shared memory.
    """

    def run(project, work):
        found = []
        for form in ("device", "shared"):
            monkeypatch.setenv("SNCC_CUDA_WEIGHTS", form)
            found.append(work(sncc.load(project, backend="emulated")))
        return found

    return run


@pytest.mark.parametrize(
    "name",
    [
        "layers, delays, a signal",
        "a loss at the end",  # of synapses in rows
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("an ALIF under e-prop", "a loss at every step", "e-prop by adaptive feedback, with penalties")
        ),
    ],
)
def test_training_and_inference_are_the_same_to_the_bit(projects, in_both_forms, name):
    # as in test_emulated: a build less
    memory = {"a loss at every step": 400_000, "a loss at the end": 60_000}.get(name)
    program, project = projects.emulated({**NETWORKS, **ONLINE}[name], memory=memory)
    inputs, labels, values = cases(program)
    data, labels = handed_over(program, inputs), np.array(labels)

    def numbers(network):
        set_parameters(network, program, values)
        loss, gradients = network.gradients(data, labels)
        outputs = network.predict(data)
        network.fit(data, labels, epochs=2, batch=len(labels), verbose=False)
        return {"loss": loss, "outputs": outputs, **gradients} | {f"then {k}": v for k, v in network.parameters.items()}

    one, two = in_both_forms(project, numbers)
    for key, value in one.items():
        assert np.array_equal(np.asarray(value), np.asarray(two[key])), key


PARTLY = """
synapse spread:
    deliver weight * pre.v

network Partly:
    step = 1 ms
    population x: input[6]
    population level: signal[2]
    population hidden: ALIF[40]
    population other: LIF[36](theta = 0.8)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0, 1)
    connect level -> other: dense, weight = normal(0, 1)
    connect hidden -> hidden: dense, weight = normal(0, 0.2), delay = 1 ms
    connect hidden -> other: dense, weight = normal(0, 0.5), dropout = 0.2
    connect other -> hidden: dense, weight = normal(0, 0.5), delay = 2 ms
    connect other -> output: dense, weight = normal(0, 0.5)
    connect some = other -> hidden: random(p = 0.4), weight = normal(0, 0.3), delay = uniform(1 ms, 4 ms)
    connect seen = other -> output: dense, weight = normal(0, 0.05 /ms), synapse = spread()
    connect part = hidden[3:30] -> output: dense, weight = normal(0, 0.5)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    optimiser = adam(learning_rate = 1e-3)
"""


def test_of_a_matrix_that_is_read_as_a_whole_the_first_rows_are_copied(projects, monkeypatch):
    program, project = projects.emulated(PARTLY)
    samples = Samples(program, dynamics(program))
    rows = {copy.key: copy.bytes for copy in samples.copies if copy.rows}
    # the last one's way back is in registers
    whole = ("level_other", "hidden_hidden", "hidden_other", "other_hidden", "seen")
    assert set(rows) == {f"{name}.weight" for name in whole}
    inputs, labels, values = cases(program)
    found = []
    for form in ("device", "shared", str(samples.workspace_bytes + sum(sorted(rows.values())[:4]) + 5000)):
        monkeypatch.setenv("SNCC_CUDA_WEIGHTS", form)
        network = sncc.load(project, backend="emulated")
        set_parameters(network, program, values)
        found.append(network.gradients(handed_over(program, inputs), np.array(labels)))
    for loss, gradients in found[1:]:
        assert loss == found[0][0]
        assert all(
            np.array_equal(gradients[key], value) and np.abs(value).max() > 0 for key, value in found[0][1].items()
        )


def test_weights_of_16_bits_are_copied_too(projects, in_both_forms):
    _, project = projects.emulated(HALVED, "float32", weights="bfloat16")
    data = {"x": sncc.Events.from_dense(np.ones((2, 20, 40), int), step=1e-3), "level": np.ones((2, 20, 4))}
    one, two = in_both_forms(project, lambda network: network.predict(data))
    assert np.array_equal(one, two) and np.abs(one).max() > 0


@needs_emulation
@pytest.mark.parametrize(
    "name", ["an ALIF under e-prop", pytest.param("layers, delays, a signal", marks=pytest.mark.slow)]
)
def test_no_thread_reads_a_copy_before_it_is_there(projects, name, monkeypatch):
    monkeypatch.setenv("SNCC_CUDA_WEIGHTS", "shared")
    program, project = projects.emulated(NETWORKS[name], build="checked")
    agree(sncc.load(project, backend="emulated"), program, 1e-9, steps=20)


@pytest.mark.slow
@needs_emulation
def test_a_copy_that_is_not_waited_for_is_found(projects, monkeypatch):
    monkeypatch.setenv("SNCC_CUDA_WEIGHTS", "shared")
    program, project = projects.write(NETWORKS["an ALIF under e-prop"], "float64")
    broken = projects.folder / "not_waited_for"
    shutil.copytree(project, broken)
    source = broken / "src" / "cuda" / "recurrent_samples.cuh"
    assert source.read_text().count("wait_for_copies(g);") == 1
    source.write_text(source.read_text().replace("wait_for_copies(g);", ""))
    (broken / "lib").mkdir()
    shutil.copy(projects.link(broken, "recurrent", "checked", "librecurrent_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(RuntimeError, match="uninitialised"):
        agree(sncc.load(broken, backend="emulated"), program, 1e-9)


# ------------------------------------------------------------------------------------------------ which ones
W1 = """
network W1:
    step = 1 ms
    population x: input[700]
    population hidden: ALIF[HIDDEN]
    population output: LI[20]
    connect x -> hidden: dense, weight = normal(0, 1)
    connect hidden -> hidden: dense, weight = normal(0, 1), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
"""


def copied(hidden: int, rule: str = "eprop(feedback = symmetric)", **settings: str) -> dict[str, int]:
    """The weights that a block may copy, in their order, and their bytes."""
    p = program_of(W1.replace("HIDDEN", str(hidden)).replace("RULE", rule), "float32", **settings)
    return {copy.key: copy.bytes for copy in Samples(p, dynamics(p)).copies}


def test_weights_that_fit_beside_the_states_may_be_copied_those_most_read_first():
    """227 KB but 9 are a block's. Rows are padded to 16 numbers."""
    assert copied(256) == {"hidden_output.weight": 256 * 32 * 4}  # the recurrent ones are 256 KB
    small = {"hidden_output.weight": 64 * 32 * 4, "hidden_hidden.weight": 64 * 64 * 4, "x_hidden.weight": 700 * 64 * 4}
    assert copied(64) == small and list(copied(64)) == list(small)
    assert list(copied(128, "bptt"))[0] == "hidden_hidden.weight"  # goes back as a whole in every step
    halves = copied(256, weights="bfloat16")
    assert halves == {"hidden_output.weight": 256 * 32 * 2, "hidden_hidden.weight": 256 * 256 * 2}
    assert max(len(copied(h)) for h in (64, 128, 256)) <= MOST_COPIES


def test_a_project_says_which_ones():
    files = emit(program_of(W1.replace("HIDDEN", "64").replace("RULE", "bptt"), "float32"))
    page = files["src/cuda/KERNELS.md"]
    assert "| hidden_hidden.weight | 16,384, or some of 64 rows | 102 % | 1 |" in page
    assert "| x_hidden.weight | 179,200 | 2 % | 51 |" in page
    sparse = W1.replace("hidden -> hidden: dense", "hidden -> hidden: random(p = 0.1)")
    page = emit(program_of(sparse.replace("HIDDEN", "64").replace("RULE", "bptt"), "float32"))["src/cuda/KERNELS.md"]
    assert "then the synapses of `hidden_hidden`" in page


PLACE = """
#include <cstdio>
#include "sncc/cuda_copies.h"
using namespace sncc::cuda;
static int rows = 0;
struct Network {
    using Real = float;
    struct Arrays {}; struct Workspace {}; struct State {};
    static constexpr bool copies_synapses = false;
    static constexpr int copy_count = 2, rows_count = 0, sources = 0, thinned = 0, populations = 0, series_count = 0, late_trace_count = 0;
    static const CopiedWeights* copied_weights() { static CopiedWeights all[] = {{60 << 10, 1, 0}, {40 << 10, 51, 0}}; all[0].rows = rows; return all; }
    static int resident_samples(std::size_t) { return 3; }
};
void place(int batch, int steps, int to = 0) {
    SampleArguments<Network> a = {};
    a.batch = batch, a.most_steps = steps, a.round.to = to, a.segments = 1;
    const std::size_t shared = Copies<Network>().place(a, 20 << 10, [](int) { return CopiedSynapses(); });
    std::printf("%d %d %d %d %d\\n", a.copies[0], a.copies[1], a.copies_made, static_cast<int>(shared), a.copied_rows[0]);
}
int main(int count, char**) {
    rows = count > 1 ? 60 : 0;
    place(132, 100), place(132, 50), place(133, 100), place(265, 100), place(4000, 100), place(1, 100, 1);
}
"""


@needs_emulation
def test_a_launch_copies_what_leaves_the_multiprocessors_their_blocks(tmp_path):
    """132 multiprocessors of 228 KB: a block takes 1 of them and leaves 9 for what is not dynamic;
    three blocks are resident.
    """
    needs_compiler()
    source = tmp_path / "place.cu"
    source.write_text(PLACE)
    runner = program(
        source, "plain", "-I", EMULATION.parent / "include", "-I", EMULATION.parent.parent / "cxx" / "include"
    )

    def placed(*words: str, **environment: str) -> list[list[int]]:
        done = subprocess.run([runner, *words], capture_output=True, text=True, env={**os.environ, **environment})
        assert done.returncode == 0, done.stderr
        return [[int(x) for x in line.split()] for line in done.stdout.splitlines()]

    kb = 1 << 10
    both, first, none = [20 * kb, 80 * kb, 2, 120 * kb, 0], [20 * kb, -1, 1, 80 * kb, 0], [-1, -1, 0, 20 * kb, 0]
    second, some = [-1, 20 * kb, 1, 60 * kb, 0], [20 * kb, -1, 1, 66 * kb, 46]
    # one block a multiprocessor; too few steps for the second; two blocks; three; more than are resident; a step of
    # many
    assert placed() == [both, first, first, second, second, none]
    assert placed(SNCC_CUDA_WEIGHTS="shared") == [*[both] * 5, none]
    assert placed(SNCC_CUDA_WEIGHTS="device") == [none] * 6
    assert placed("by rows of a KB")[3:5] == [some, some]
    assert placed("by rows of a KB", SNCC_CUDA_WEIGHTS="50000")[0] == [20 * kb, -1, 1, 48 * kb, 28]
