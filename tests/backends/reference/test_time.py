"""What `t` is: the time at the step's start in a flow, at its end, where spikes are, in thresholds and jumps."""

import numpy as np
from networks import program_of

from sncc.backends.reference.interpreter import Reference

TEXT = """
neuron Timed:
    let now = t / (1 ms)
    state began = 0
    state drive = 0
    state last = 0
    input I
    ddrive/dt = (now - drive) / (1 ms) + I
    each step: began = now
    spike when t >= 3 ms:
        last = now
    method = euler
plasticity keeps:
    state before = 0
    state behind = 0
    on pre: before = t / (1 ms)
    on post: behind = t / (1 ms)

network Times:
    step = 0.5 ms
    population x: input[1]
    population a: Timed[1]
    connect x -> a: dense, weight = each(0), delay = 1 ms, plasticity = keeps()
simulate:
    duration = 5 ms
    record before of x_a
    record behind of x_a
"""


def test_the_time_of_a_jump_is_that_of_its_spike_and_the_time_of_a_flow_that_before():
    events = np.zeros((10, 1))
    events[1] = 1  # at 1 ms, so it arrives at 2 ms
    run = Reference(program_of(TEXT)).run([{"x": events}], steps=10)
    trace = {state: values[:, 0] for (_, state), values in run.traces[0].items()}
    ends = 0.5 * np.arange(1, 11)
    assert np.array_equal(trace["began"], ends - 0.5)
    drive = [0.0]
    for end in ends:
        drive.append(0.5 * drive[-1] + 0.5 * (end - 0.5))
    assert np.allclose(trace["drive"], drive[1:])
    assert np.array_equal(run.spikes[0]["a"][:, 0] > 0, ends >= 3)
    assert np.array_equal(trace["last"], np.where(ends >= 3, ends, 0))
    assert np.array_equal(trace["before"], np.where(ends >= 2, 2, 0))
    assert np.array_equal(trace["behind"], np.where(ends >= 3, ends, 0))


def test_refractory_times_round_to_steps_halves_up_as_their_digits_say():
    digits = ["0", "0.04", "0.05", "0.15", "0.25", "0.35", "0.349", "1.05"]  # 0.15 / 0.1 is below 1.5 in binary
    names = [f"a{k}" for k in range(len(digits))]
    text = """
neuron Clock:
    param wait = 1 ms
    state v = 0
    dv/dt = 2 / (0.1 ms)
    spike when v > 1: v = 0
    refractory wait hold v
network Clocks:
    step = 0.1 ms
""" + "\n".join(f"    population {n}: Clock[1](wait = {d} ms)" for n, d in zip(names, digits, strict=True))
    run = Reference(program_of(text)).run([{}], steps=40)
    between = [np.diff(np.flatnonzero(run.spikes[0][name][:, 0])) for name in names]
    assert [set(gaps.tolist()) for gaps in between] == [{1}, {1}, {2}, {3}, {4}, {5}, {4}, {12}]


def test_drawn_refractory_times_and_rates_are_never_below_zero():
    text = """
network Drawn:
    step = 1 ms
    population p: poisson[60](rate = normal(1 Hz, 5 Hz))
    population a: CobaLIF[60](refractory_time = uniform(-2 ms, 2 ms))
    connect p -> a: one_to_one, weight = 1 nS, synapse = conductance()
"""
    numbers = Reference(program_of(text)).parameters
    for key in ("p.rate", "a.refractory_time"):
        assert np.min(numbers[key]) == 0 and np.max(numbers[key]) > 0
