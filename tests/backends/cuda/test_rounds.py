"""All rounds of a batch in one launch: the bits of launches of their own, and no barrier of the grid too few."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from lockstep import assert_same, trained
from networks import recurrent
from projects import Projects, cases, handed_over, needs_compiler, set_parameters
from stand_in import ON_GPU, needs_emulation
from trained_networks import ONLINE

import sncc

LONG = pytest.mark.slow
LOCKSTEP = ONLINE["a loss at every step"]  # learnt neurons, a penalty over the sample and one over the batch
CLIPPED = LOCKSTEP.replace("hidden -> hidden: dense", "hidden -> hidden: random(p = 0.5)").replace(
    "batch = 4", "batch = 4\n    clip = norm(0.01)"
)
MOVING = CLIPPED.replace("delay = 1 ms", "delay = 1 ms, rewire = deep_r(l1 = 0.1, temperature = 0.1)")


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("rounds"))


@pytest.fixture
def launches(tmp_path, monkeypatch):
    """Calls a function in one of the forms; what it gives, and the launches,
    of which the first is of what follows from parameters that were set.
    """

    def counted(form: str, function):
        log = tmp_path / form
        monkeypatch.setenv("SNCC_CUDA_FORM", form)
        monkeypatch.setenv("SNCC_EMULATION_LAUNCHES", str(log))
        return function(), log.read_text().splitlines()[1:] if log.exists() else []

    return counted


def launches_of_both_forms(projects, monkeypatch, launches, text, build):
    """Launches of two batches whose threads meet across the grid, in any order, and of launches apart,
    which give the same bits.
    """
    program, project = projects.emulated(text, build=build)
    together, meeting = launches("persistent", lambda: trained(project, program))
    alone, apart = launches("launches", lambda: trained(project, program))
    assert_same(alone, together)
    monkeypatch.setenv("SNCC_CUDA_FORM", "persistent")
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", "1")
    assert_same(trained(project, program), together)
    return meeting, apart


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
@pytest.mark.parametrize(
    "text", [LOCKSTEP, pytest.param(MOVING, marks=LONG)], ids=["penalties", "a clipped norm, synapses that move"]
)
def test_steps_in_lockstep_are_one_launch_with_the_bits_of_three_a_step(projects, monkeypatch, launches, text, build):
    all_at_once, one_by_one = launches_of_both_forms(projects, monkeypatch, launches, text, build)
    if not ON_GPU:
        assert len(all_at_once) == 2 and all("cooperative" in line for line in all_at_once)  # one a batch
        assert len(one_by_one) == 2 * (3 * 20 + 1)  # and one for the penalty over the batch


@pytest.mark.slow
def test_synapses_that_move_are_found_where_the_optimiser_takes_its_steps(projects):
    """In lockstep they wait for the end of the batch, with weights of 0; the others stay."""
    program, project = projects.emulated(MOVING)
    network = sncc.load(project, backend="emulated")
    inputs, labels, values = cases(program, samples=5, steps=20)
    set_parameters(network, program, values)
    before = network.parameters["hidden_hidden.weight"]
    network.fit(handed_over(program, inputs), np.array(labels), epochs=1, batch=5, verbose=False)
    after = network.parameters["hidden_hidden.weight"]
    pairs = [set(zip(w.pre, w.post, strict=True)) for w in (before, after)]
    assert 0 < len(pairs[0] - pairs[1]) < len(pairs[0])
    new = np.array([pair not in pairs[0] for pair in zip(after.pre, after.post, strict=True)])
    assert not np.asarray(after)[new].any() and np.asarray(after)[~new].any()


THREE = {
    "a penalty over the batch": (
        recurrent("ALIF", rule="bptt", size=17, penalty="firing_rate(hidden, target = 30 Hz, strength = 1e-4, over = batch)"),
        5,  # the samples run forwards once before, and the means of their rates are found
    ),
    "the same forwards in time": (ONLINE["a loss at the end"], 5),
    "gradients that the last launch sums": (
        recurrent("ALIF", rule="bptt", learn="weights, hidden.tau_m, output.bias", size=90),
        4,  # the sums, then the step
    ),
}  # fmt: skip


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
@pytest.mark.parametrize("name", [pytest.param(n, marks=LONG if k < 2 else ()) for k, n in enumerate(THREE)])
def test_a_batch_takes_three_launches_with_the_bits_of_more(projects, monkeypatch, launches, name, build):
    text, more = THREE[name]
    three, apart = launches_of_both_forms(projects, monkeypatch, launches, text, build)
    if not ON_GPU:
        assert (len(three), len(apart)) == (2 * 3, 2 * more)


BATCH_PENALTY, SUMMED_LATE = THREE["a penalty over the batch"][0], THREE["gradients that the last launch sums"][0]
WAITING = (
    BATCH_PENALTY.replace("[17]", "[5]")
    .replace("    population hidden", "    population level: signal[2]\n    population hidden")
    .replace("    connect x", "    connect level -> hidden: dense, weight = normal(1, 1), dropout = 0.3\n    connect x")
)
GRAPHS = {  # bytes, steps, and how many launches one of the host stands for, and copies
    "turns": (SUMMED_LATE, 180_000, 20, 2 * 3, 0),
    "segments": (recurrent("ALIF", rule="eprop(feedback = symmetric)", size=40), 160_000, 150, 2 * 3 * 3, 0),
    "a penalty over the batch, in turns": (BATCH_PENALTY, 30_000, 20, 3 + 1 + 2 * 3, 0),
    "the same with signals that wait on the host": (WAITING, 60_000, 20, 3 + 1 + 2 * 3, 2 * 6),  # and what dropout leaves
}  # fmt: skip


@needs_emulation
@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
@pytest.mark.parametrize("name", [pytest.param(n, marks=LONG if k else ()) for k, n in enumerate(GRAPHS)])
def test_turns_and_segments_are_one_graph_with_the_bits_of_their_launches(projects, launches, name, build):
    text, memory, steps, of, copies = GRAPHS[name]
    program, project = projects.emulated(text, build=build, memory=memory)
    found, once = launches("persistent", lambda: trained(project, program, steps=steps))
    alone, apart = launches("launches", lambda: trained(project, program, steps=steps))
    assert_same(alone, found)
    graph, last = f"a graph of {of + copies}", once[1]
    assert once == [graph, last, graph, last] and len(apart) >= 2 * (of + 1)  # and the last launch


@pytest.mark.slow
@needs_emulation
def test_any_number_of_turns_is_one_graph(projects, launches):
    program, project = projects.emulated(WAITING, memory=25_000)  # a sample at a time
    found, once = launches("persistent", lambda: trained(project, program, copies=210, steps=17))
    whole = projects.emulated(WAITING)[1]
    assert_same(launches("launches", lambda: trained(whole, program, copies=210, steps=17))[0], found)
    graph, last = f"a graph of {1050 + 1 + 2 * 1050 + 2 * 2100}", once[1]
    assert once == [graph, last, graph, last]


@needs_emulation
def test_a_graph_is_replayed_by_batches_that_are_laid_out_alike(projects, tmp_path, monkeypatch):
    """Once there are no more to be had, those of the first two batches are what is launched;
    without them the launches are.
    """
    text, memory, steps, of, _ = GRAPHS["turns"]
    program, project = projects.emulated(text, memory=memory)
    inputs, labels, _ = cases(program, samples=5, steps=steps)
    log, data = tmp_path / "launches", handed_over(program, inputs)
    first, other = (sncc.load(project, backend="emulated") for _ in range(2))
    losses = [first.fit(data, np.array(labels), epochs=2, batch=5, verbose=False)["loss"]]
    monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", "1")
    monkeypatch.setenv("SNCC_EMULATION_LAUNCHES", str(log))
    losses += [first.fit(data, np.array(labels), epochs=2, batch=5, verbose=False)["loss"]]
    assert log.read_text().count(f"a graph of {of}") == 2
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    monkeypatch.setenv("SNCC_CUDA_FORM", "launches")
    assert other.fit(data, np.array(labels), epochs=4, batch=5, verbose=False)["loss"] == sum(losses, [])


@pytest.mark.slow
@needs_emulation
@pytest.mark.parametrize("order", ["1", "2"])  # copies as late as the graph allows, and as early
@pytest.mark.parametrize(
    "without, order_that_shows",
    [
        (None, ""),
        ("there_[room].let_wait(stream);", "12"),
        ("if (turn_ >= 2) read_[room].let_wait(copies_);", "2"),
        ("begun_.let_wait(copies_);", "12"),
    ],
    ids=["sound", "signals that are there", "signals that were read", "the first turn"],
)
def test_signals_are_copied_before_they_are_read_and_after_others_were(
    projects, monkeypatch, without, order_that_shows, order
):
    program, project = projects.write(WAITING, "float64", 30_000)
    changed = projects.folder / f"signals_{order}_{len(without or '')}"
    shutil.copytree(project, changed)
    if without:
        source = changed / "src" / "sncc" / "cuda_signals.h"
        before, after = source.read_text().split(without)
        source.write_text(before + after)
    (changed / "lib").mkdir()
    shutil.copy(projects.link(changed, "recurrent", "plain", "librecurrent_emulated.so", "-shared"), changed / "lib")
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", order)

    def is_found() -> bool:
        try:
            loss, _ = trained(changed, program)
        except (RuntimeError, FloatingPointError):
            return True
        return loss != trained(projects.emulated(WAITING)[1], program)[0]

    assert is_found() == (order in order_that_shows)


@pytest.mark.slow
@needs_emulation
def test_a_capture_that_other_threads_would_spoil_is_missed(projects):
    """The stream that is captured may not wait for the legacy one, which other libraries of the process use."""
    text, memory, steps, *_ = GRAPHS["turns"]
    program, project = projects.write(text, "float64", memory)
    broken = projects.folder / "beside_others"
    shutil.copytree(project, broken)
    source = broken / "src" / "sncc" / "cuda_graph.h"
    parts = source.read_text().split("cudaStreamNonBlocking")
    source.write_text("cudaStreamDefault".join(parts))
    (broken / "lib").mkdir()
    shutil.copy(projects.link(broken, "recurrent", "plain", "librecurrent_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(RuntimeError, match="previous error during capture"):
        trained(broken, program, steps=steps)


@needs_emulation
@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
def test_blocks_that_are_not_all_resident_take_several_samples_each(projects, monkeypatch, build):
    """A multiprocessor of the emulation holds at most 32 blocks; their samples' states then stand in device memory."""
    program, project = projects.emulated(LOCKSTEP, build=build)
    wanted = trained(project, program, copies=7)
    monkeypatch.setenv("SNCC_EMULATION_SMS", "1")
    assert_same(trained(project, program, copies=7), wanted)


def without_barrier(text: str, call: str, number: int) -> str:
    """The text without that grid barrier, counted from 0."""
    parts = text.split(call)
    assert len(parts) > number + 1
    return call.join(parts[: number + 1]) + call.join(parts[number + 1 :])


BARRIERS = [("cuda_rounds.h", "meet()", k) for k in range(4)]
BARRIERS += [("cuda_rates.h", "cooperative_groups::this_grid().sync()", k) for k in range(2)]


@needs_emulation
@pytest.mark.parametrize(
    "header, call, number",
    [pytest.param(*b, id=f"{b[0]}-{b[2]}", marks=LONG) for b in BARRIERS],
)
def test_a_missing_barrier_of_the_grid_is_a_race(projects, header, call, number):
    texts = {"meet()0": MOVING, "meet()": LOCKSTEP}
    text = texts.get(f"{call}{number}", texts.get(call, THREE["a penalty over the batch"][0]))
    program, project = projects.write(text, "float64")
    broken = projects.folder / f"without_{header}_{number}"
    shutil.copytree(project, broken)
    source = broken / "src" / "sncc" / header
    source.write_text(without_barrier(source.read_text(), call, number))
    (broken / "lib").mkdir()
    shutil.copy(projects.link(broken, "recurrent", "checked", "librecurrent_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(RuntimeError, match="race|uninitialised"):
        trained(broken, program)
