"""The C++ half gives the reference's losses, gradients, readouts, spikes and states, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of, recurrent
from projects import (
    agree,
    cases,
    handed_over,
    needs_compiler,
    set_parameters,
    trains_like_the_reference,
    trains_online_like_the_reference,
)
from trained_networks import NETWORKS, ONLINE, SYNAPSES

import sncc


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


LONG = ("merged", "bptt cut", "states of synapses, of their targets, their sources")  # to compile


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n.startswith(LONG) else ()) for n in NETWORKS]
)
def test_float64_equals_the_reference(name):
    program = program_of(NETWORKS[name])
    network = sncc.load(sncc.build(NETWORKS[name], backend="cpu", precision="float64"))
    agree(network, program, 1e-9, samples=5)
    trains_like_the_reference(network, program, 1e-8)


@pytest.mark.parametrize(
    "name", ["an ALIF under e-prop", pytest.param("layers, delays, a signal", marks=pytest.mark.slow)]
)
def test_float32_is_close(name):
    text = NETWORKS[name]
    agree(sncc.load(sncc.build(text, backend="cpu")), program_of(text, "float32"), 2e-4)


def test_threads_do_not_change_a_bit(monkeypatch):
    text = NETWORKS["an ALIF under e-prop"]
    program, project = program_of(text, "float32"), sncc.build(text, backend="cpu")
    inputs, labels, values = cases(program, samples=21)
    gradients = []
    for threads in (1, 2, 3):
        network = sncc.load(project, threads=threads)
        set_parameters(network, program, values)
        network.fit(handed_over(program, inputs), np.array(labels) % 3, epochs=2, batch=8, verbose=False)
        gradients.append(network.gradients(handed_over(program, inputs), np.array(labels) % 3)[1])
    other = sncc.load(project, threads=1)
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1e4")  # what is free
    with pytest.raises(MemoryError, match=r"\d+ steps takes .* kB in 1 thread, and 10 kB are free: .*build it with"):
        other.gradients(handed_over(program, inputs), np.array(labels) % 3)
    for other in gradients[1:]:
        assert all(np.array_equal(gradients[0][key], other[key]) for key in other)


@pytest.mark.parametrize("name", ONLINE)
def test_training_forwards_in_time_equals_the_reference(name, monkeypatch):
    program = program_of(ONLINE[name])
    network = sncc.load(sncc.build(ONLINE[name], backend="cpu", precision="float64"), threads=2)
    agree(network, program, 1e-9, samples=5)
    trains_online_like_the_reference(network, program)
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1e4")  # what is free
    before = {key: np.array(value) for key, value in network.parameters.items()}
    inputs, labels, _ = cases(program, samples=9)
    with pytest.raises(
        MemoryError, match=r"on 9 samples at once takes .* for eligibility traces and gradients, and 10 kB are free: "
    ):
        network.fit(handed_over(program, inputs), np.array(labels), epochs=1, batch=9, verbose=False)
    assert all(np.array_equal(network.parameters[key], value) for key, value in before.items())


BOTH = """
synapse both:
    state s = 0.1
    ds/dt = -s / (5 ms)
    on pre: s += 0.3 * (1 - s)
    deliver weight * s + 0.1 * weight * pre.v
"""


@pytest.mark.slow
def test_states_of_sources_equal_the_reference_on_any_threads_and_in_runs_that_go_on():
    drawn = "random(p = 0.3), weight = normal(0, 0.1 /ms), synapse = "
    assert f"{drawn}graded()" in SYNAPSES
    text = BOTH + SYNAPSES.replace(f"{drawn}graded()", f"{drawn}both()")  # two sums over the same synapses
    program, project = program_of(text), sncc.build(text, backend="cpu", precision="float64")
    network = sncc.load(project, threads=1)
    agree(network, program, 1e-9, samples=5)
    trains_like_the_reference(network, program, 1e-8)
    inputs, labels, values = cases(program, samples=5)
    data = handed_over(program, inputs)
    set_parameters(network, program, values)
    other = sncc.load(project, threads=2)
    set_parameters(other, program, values)
    one, two = (n.gradients(data, np.array(labels))[1] for n in (network, other))
    assert all(np.array_equal(one[key], two[key]) for key in one)

    def potentials(first: int, last: int) -> np.ndarray:
        given = sncc.Events.from_dense(inputs[0]["x"][None, first:last].astype(int), step=1e-3)
        length = (last - first) * 1e-3
        run = network.simulate(duration=length, inputs={"x": given}, record=["first.v"], resume=first > 0)
        return np.reshape(run.trace["first.v"], (-1, 20))

    whole = potentials(0, 30)
    assert np.array_equal(np.concatenate([potentials(0, 13), potentials(13, 15), potentials(15, 30)]), whole)


@pytest.mark.slow  # "layers, delays, a signal" has some
def test_learnt_delays_equal_the_reference():
    text = recurrent("LIF", rule="bptt", learn="weights, x_hidden.delay, hidden_hidden.delay", size=9)
    text = text.replace("population output", "population second: LIF[9]\n    population output")
    text = text.replace(
        "x -> hidden: dense, weight = normal(0, 1)",
        "x -> hidden: dense, weight = normal(0, 1), delay = uniform(0 ms, 6 ms) in [0 ms, 9 ms]",
    )
    text = text.replace(
        "    connect hidden -> output",
        "    connect hidden -> second: one_to_one, weight = each(1)\n    connect second -> output: dense, weight = normal(0, 1)\n    connect hidden -> output",
    )
    program = program_of(text)
    network = sncc.load(sncc.build(text, backend="cpu", precision="float64"))
    agree(network, program, 1e-9, samples=5)
    trains_like_the_reference(network, program, 1e-8)
