"""Steps in lockstep whose samples clusters share:
one launch a batch, with the bits of three launches a step, and no barrier too small.
"""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from engine_patterns import case_of, equals_the_reference
from lockstep import EVERY_STEP, GO_FORWARDS, MOST, SHARED, assert_same, trained
from networks import program_of
from patterns import CASES
from projects import Projects, needs_compiler, trains_online_like_the_reference
from stand_in import ON_GPU, needs_emulation

import sncc
from sncc.backends.cuda import clusters
from sncc.compiler import emit

CLIPPED = EVERY_STEP.replace(
    "adam(learning_rate = 1e-3)", "sgd(learning_rate = 1e-2, momentum = 0.9)\n    clip = norm(0.01)"
)
TEXTS = {
    name: (text.replace("LOSS", "mean(cross_entropy(output.v))"), MOST.get(text, 16_000))
    for name, text in GO_FORWARDS.items()
} | {"momentum and a clipped norm": (CLIPPED, 16_000)}
ROUNDING = {"shared numbers"}  # whose parts blocks add up
SAMPLES, STEPS = 5, 14


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("cluster_rounds"))


@pytest.fixture
def built(projects, monkeypatch):
    """A network on a device whose blocks have so few bytes of shared memory that several must share a sample."""

    def build(text: str, most: int, build: str = "plain"):
        monkeypatch.setattr(clusters, "MOST_SHARED", most)
        return projects.emulated(text, build=build)

    return build


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Two batches with variables of the environment;
    what they come to, and the launches, of which the first is of what follows from parameters.
    """

    def counted(program, project, copies: int = 1, **variables: str):
        log = tmp_path / "launches"
        log.unlink(missing_ok=True)
        with monkeypatch.context() as m:
            m.setenv("SNCC_EMULATION_LAUNCHES", str(log))
            for name, value in variables.items():
                m.setenv(name, value)
            found = trained(project, program, copies, STEPS)
        return found, log.read_text().splitlines()[1:] if log.exists() else []

    return counted


def assert_close(found, expected) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-9)
    for key, array in expected[1].items():
        assert np.allclose(found[1][key], array, rtol=1e-7, atol=1e-9 * np.abs(array).max()), key


def test_a_network_whose_samples_no_block_has_room_for_walks_in_lockstep_in_clusters():
    files = emit(program_of(EVERY_STEP.replace("ALIF[100]", "ALIF[9000]"), "float32"))
    assert "run_in_lockstep<Network::cluster>" in files["src/cuda/forwards_rounds.cuh"]
    assert "| forwards_cluster_rounds |" in files["src/cuda/KERNELS.md"]


@pytest.mark.slow
@pytest.mark.parametrize("build", ["plain", "checked"])
@pytest.mark.parametrize("name", TEXTS)
def test_steps_in_lockstep_are_one_launch_of_clusters(built, run, name, build):
    program, project = built(*TEXTS[name], build)
    trains_online_like_the_reference(sncc.load(project, backend="emulated"), program)
    found, once = run(program, project, SNCC_EMULATION_ORDER_SEED="1")
    apart, three = run(program, project, SNCC_CUDA_FORM="launches")
    assert_same(apart, found)
    alone, blocks = run(program, project, SNCC_EMULATION_PART="0")  # no room for a cluster
    (assert_close if name in ROUNDING else assert_same)(alone, found)
    if ON_GPU:
        return
    assert len(once) == 2 and all(
        re.fullmatch(r"\d+ blocks of \d+ threads, in clusters of 4, cooperative", x) for x in once
    )
    assert len(three) == 2 * (3 * STEPS + 1)  # and one for the penalty over the batch
    samples = [line for line in three if "clusters" in line]
    assert len(samples) == 2 * (STEPS + 1) and all(x.startswith(f"{4 * SAMPLES} blocks") for x in samples)
    assert len(blocks) == 2 and not any("clusters" in line for line in blocks)


@pytest.mark.slow
@needs_emulation
@pytest.mark.parametrize("build", ["plain", "checked"])
@pytest.mark.parametrize("name", ["matrices", "shared numbers", "momentum and a clipped norm"])
def test_clusters_that_are_not_all_resident_take_several_samples_each(built, run, name, build):
    """What a block has of a sample then stands in device memory between steps."""
    program, project = built(*TEXTS[name], build)
    wanted, launches = run(program, project, copies=2)
    assert int(launches[0].split()[0]) >= 4 * 2 * SAMPLES
    for order in ("0", "1"):
        found, few = run(program, project, copies=2, SNCC_EMULATION_SMS="1", SNCC_EMULATION_ORDER_SEED=order)
        assert_same(found, wanted)
        assert (
            len(few) == 2
            and 4 <= int(few[0].split()[0]) < 4 * 2 * SAMPLES
            and "in clusters of 4, cooperative" in few[0]
        )


@pytest.mark.slow
@needs_emulation
def test_where_the_device_refuses_clusters_whose_threads_meet_across_the_grid_launches_are_apart(built, run):
    """The occupancy of clusters that a device gives is none that it promises."""
    program, project = built(*TEXTS["matrices"])
    wanted, _ = run(program, project)
    found, launches = run(program, project, SNCC_EMULATION_CLUSTERS="1")
    assert_same(found, wanted)
    assert len(launches) == 2 * (3 * STEPS + 1) and not any("cooperative" in line for line in launches)


@pytest.mark.slow
def test_kernels_of_convolutions_are_learnt_in_lockstep_too(projects, monkeypatch):
    monkeypatch.setattr(clusters, "MOST_SHARED", 6_000)
    rule = "eprop(online = true)"
    text = CASES["convolution"].text(rule=rule, loss="mean(cross_entropy(output.v))")
    _, project = projects.emulated(text, build="checked")
    assert "int cluster = 2;" in source_of(projects, project, "_network.cuh").read_text()
    program = program_of(text)
    _, reference, values, inputs, labels, pairs = case_of("convolution", rule)
    equals_the_reference(
        sncc.load(project, backend="emulated", connections=pairs),
        "convolution",
        labels,
        program,
        reference,
        values,
        inputs,
        pairs,
    )


@pytest.mark.slow
def test_a_number_that_is_none_takes_the_whole_batch_back(built):
    program, project = built(*TEXTS["matrices"])
    network = sncc.load(project, backend="emulated", seed=3)
    weights = np.array(network.parameters["x_hidden.weight"])
    weights[:, 99] = 1e308  # of the last neuron that any block has
    network.parameters["x_hidden.weight"] = weights
    before = {key: np.array(network.parameters[key]) for key in network.parameters}
    data = sncc.Events.from_dense(np.repeat([[[0]] * 3 + [[1]] * 27] * 3, 6, axis=2), lengths=[30, 26, 22])
    with pytest.raises(
        FloatingPointError, match="the state `v` of `hidden` is not finite in neuron 99 at step 4 of sample"
    ):
        network.fit(data, np.arange(3), epochs=1, batch=3, verbose=False)
    for key, array in before.items():
        assert np.array_equal(network.parameters[key], array), key


def source_of(projects, project, ending: str):
    """The file of a project, by how its name ends."""
    return next((projects.folder / project.name.rpartition("_")[0] / "src" / "cuda").glob(f"*{ending}"))


GRID, CLUSTER = "cooperative_groups::this_grid().sync()", "cooperative_groups::this_cluster().sync()"
FAULTS = {  # in which file a barrier is replaced by a smaller one, behind and before which words
    "the grid's": ("forwards_rounds.cuh", "cluster_rounds", GRID, CLUSTER),
    "before a step": ("forwards_clusters.cuh", "count_labels<", "cluster.sync();", "__syncthreads();"),
    "after penalties": ("forwards_clusters.cuh", "rates_of(", "cluster.sync();  // parts are there", "__syncthreads();"),
}  # fmt: skip


def broken(projects, project, folder, file: str, behind: str, barrier: str, smaller: str):
    """The project with one barrier replaced by a smaller one, checked."""
    shutil.copytree(source_of(projects, project, file).parents[2], folder)
    source = folder / "src" / "cuda" / file
    before, found, after = source.read_text().partition(behind)
    head, _, tail = after.partition(barrier)
    assert found and tail
    source.write_text(f"{before}{found}{head}{smaller}{tail}")
    (folder / "lib").mkdir()
    shutil.copy(projects.link(folder, "forwards", "checked", "libforwards_emulated.so", "-shared"), folder / "lib")
    return folder


@pytest.mark.slow
@needs_emulation
@pytest.mark.parametrize("fault", FAULTS)
def test_a_barrier_that_is_too_small_is_missed(projects, built, run, tmp_path, fault):
    program, project = built(SHARED.replace("LOSS", "mean(cross_entropy(output.v))"), 16_000)
    faulty = broken(projects, project, tmp_path / "faulty", *FAULTS[fault])
    with pytest.raises(RuntimeError, match="race|uninitialised|without a barrier of the cluster"):
        run(program, faulty)
