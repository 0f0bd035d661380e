"""A network with a `train` and a `simulate` block:
what the second says acts in simulations alone, the same on every backend.
"""

from __future__ import annotations

import numpy as np
from networks import program_of
from projects import handed_over

from sncc.backends.reference.interpreter import Reference

NETWORK = """
network Both:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[21], v = uniform(0, 1)
    population other: LIF[9](tau_m = 10 ms), v = 0.5
    population output: LI[3](tau_m = 10 ms)
    for k in hidden, other:
        connect x -> {k}: dense, weight = normal(0, 1)
        connect {k} -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    optimiser = sgd(learning_rate = 1e-2)

simulate:
    duration = 40 ms
    trials = 3
    record spikes of hidden[0:10], other
    record v of hidden[3:9] every 2 ms
    record v of output
    record weight of x_hidden every 20 ms
    stimulate hidden[2:15].I: 0.2 / (1 ms) * (1 + sin(t / (5 ms))) from 10 ms to 30 ms
    stimulate other: 0.3 / (1 ms) to 20 ms
"""


def agrees(network) -> None:
    """Trials, parts and stimuli are the reference's; a prediction has none of them."""
    program = program_of(NETWORK)
    expected = Reference(program).run([{"x": np.zeros((40, 6))}] * 3, seed=4)
    run = network.simulate(seed=4)
    for name, first, last in (("hidden", 0, 10), ("other", 0, 9)):
        for trial in range(3):
            at, neurons = np.nonzero(expected.spikes[trial][name][:, first:last])
            mine = run.spikes[name].samples == trial
            assert np.array_equal(np.round(run.spikes[name].times[mine] * 1e3), at + 1)
            assert np.array_equal(run.spikes[name].neurons[mine], neurons)
    assert len(run.spikes["other"].times) > 20
    trace = np.asarray(run.trace["hidden[3:9].v"])
    wanted = np.array([traces["hidden", "v"][1::2, 3:9] for traces in expected.traces])
    assert trace.shape == (3, 20, 6) and np.allclose(trace, wanted, rtol=1e-9, atol=1e-12)
    assert not np.allclose(trace[0], trace[1])
    assert np.shape(run.trace["x_hidden.weight"])[-2:] == (6, 21)
    inputs = [{"x": np.random.default_rng(k).poisson(0.3, (40, 6)).astype(float)} for k in range(2)]
    quiet = Reference(program).run(inputs, [0, 1], learns=False)
    assert np.allclose(network.predict(handed_over(program, inputs)), quiet.outputs, rtol=1e-9)
