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
