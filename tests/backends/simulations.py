"""Networks of every kind that a simulation may hold, with a length in which they do something;
in what they must be the reference's.
"""

from __future__ import annotations

import numpy as np
from blocks_simulations import LEAKY, STDP

from sncc.connectivity.patterns import Dense

NETWORKS = {
    "random delays, slices, Poisson sources": LEAKY
    + """
network Net:
    step = 0.1 ms
    population exc: Leaky[200], v = uniform(0, 1)
    population inh: Leaky[72](tau = uniform(10 ms, 20 ms))
    population drive: poisson[272](rate = 1 kHz)
    connect drive[0:200] -> exc: one_to_one, weight = each(0.3)
    connect drive[200:272] -> inh: one_to_one, weight = 0.3
    for target in exc, inh:
        connect exc -> {target}: random(p = 0.1), weight = 0.05, delay = 1.5 ms
        connect inh -> {target}: random(fan_in = 5), weight = normal(-0.2, 0.05), delay = uniform(0.5 ms, 2 ms)
simulate:
    duration = 60 ms
""",
    "conductances with long and drawn delays": """
synapse excites:
    param tau = 5 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (3 - post.v) + 0.05 * weight * pre.v
synapse inhibits:
    state g = 0
    dg/dt = -g / (10 ms)
    on pre: g += weight
    deliver g * (-1 - post.v)
neuron Cell:
    state v = 0
    input I
    dv/dt = (1.2 - v) / (20 ms) + I / (20 ms)
    spike when v > 1:
        v = 0
    refractory 1 ms hold v
network Net:
    step = 0.1 ms
    population exc: Cell[150], v = normal(0.5, 0.5, clip = [0, 1])
    population inh: Cell[70], v = uniform(0, 1)
    population late: Cell[80], v = uniform(0, 1)
    connect exc -> exc: random(fan_out = 20, self = false), weight = 0.1, delay = 0.8 ms, synapse = excites()
    connect exc -> inh: random(total = 2000, repeats = true), weight = 0.1, delay = normal(3 ms, 1 ms), synapse = excites()
    connect inh -> exc: random(p = 0.2), weight = 0.4, delay = 30 ms, synapse = inhibits()
    connect inh -> inh: dense(self = false), weight = uniform(0, 0.02), synapse = inhibits()
    connect exc -> late: random(fan_in = 8), weight = uniform(0, 0.6), delay = 1 ms, synapse = exponential(tau = uniform(2 ms, 9 ms))
    connect inh -> late: random(fan_in = 4), weight = uniform(-0.2, 0), synapse = dual_exponential(tau_decay = uniform(2 ms, 9 ms))
simulate:
    duration = 80 ms
    record g of exc_exc
    record g of exc_inh
    record g of inh_exc
    record g of inh_inh
""",
    "plasticity with traces, bounds and drawn delays": LEAKY
    + STDP
    + """
network Net:
    step = 0.5 ms
    population drive: poisson[100](rate = 30 Hz)
    population out: Leaky[80], v = uniform(0, 1)
    connect drive -> out: random(p = 0.3), weight = uniform(0, 0.4), plasticity = stdp()
    connect late = drive -> out: random(p = 0.2), weight = uniform(0, 0.1), delay = uniform(0.5 ms, 2 ms), plasticity = stdp()
    connect out -> out: random(fan_in = 6), weight = each(0.1), delay = 2 ms
    connect again = out -> out: random(fan_in = 6), weight = uniform(0, 0.2), delay = uniform(0.5 ms, 4 ms), plasticity = stdp()
simulate:
    duration = 100 ms
    record x of drive_out
    record x of again
    record y of again
""",
    "dense plastic, noise, a gap junction, a stimulus": """
neuron Noisy:
    param sigma = 0.02 / (1 ms)^0.5
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I + sigma * noise
    spike when v > 1:
        v = 0
plasticity decay:
    modulator reward
    on pre:
        weight += -0.01 - 0.005 * reward
    on post:
        weight += 0.02 * reward
    bound weight in [0, 1]
synapse gap:
    deliver weight * (pre.v - post.v)
synapse curved:
    deliver weight * sigmoid((pre.v - 0.4) / 0.1) * (1.5 - post.v)
synapse opening:
    state s = 0
    ds/dt = (tanh(pre.v) - s) / (9 ms)
    on pre: s += 0.1 * pre.v * (1 - s)
    deliver weight * s
synapse bound:
    state s = 0
    ds/dt = -s / (9 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s
network Net:
    step = 1 ms
    population a: Noisy[70](sigma = uniform(0.01, 0.05) / (1 ms)^0.5)
    population b: Noisy[140]
    population critic: Noisy[1]
    connect a -> b: dense, weight = uniform(0, 0.1), plasticity = decay()
    connect b -> b: random(fan_in = 3), weight = 0.01 / (1 ms), synapse = gap()
    connect far = b -> a: random(fan_in = 3), weight = 0.01 / (1 ms), delay = uniform(1 ms, 5 ms), synapse = gap()
    connect shaped = b -> a: random(fan_in = 3), weight = 0.005 / (1 ms), delay = 2 ms, synapse = curved()
    connect shapes = a -> b: random(fan_in = 3), weight = 0.005 / (1 ms), delay = uniform(0 ms, 4 ms), synapse = curved()
    connect opens = b -> b: random(fan_in = 3), weight = 0.005 / (1 ms), delay = 3 ms, synapse = opening()
    connect binds = b -> b: random(fan_in = 3), weight = 0.005 / (1 ms), delay = uniform(1 ms, 5 ms), synapse = bound()
    connect b[0:70] -> a: one_to_one, weight = 0.2, delay = 3 ms
    connect b -> critic: dense, weight = 0.02
    connect rewarded = a -> b: random(fan_in = 9), weight = uniform(0, 0.1), plasticity = decay(reward = critic.v)
simulate:
    duration = 120 ms
    stimulate a.I: 0.1 / (1 ms) from 10 ms to 60 ms
    stimulate a_b.reward: 1 + t / (100 ms) from 20 ms to 90 ms
    stimulate a_b.reward: 0.5 from 80 ms
""",
    "synapses with states of their own and short-term plasticity": LEAKY
    + """
synapse saturating:
    state s = 0
    ds/dt = -s / (30 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s
synapse begun:
    state s = normal(0.1, 0.3, clip = [0, 0.4])
    ds/dt = -s / (30 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s
synapse facilitating:
    state u = 0
    state x = 1
    state g = 0
    du/dt = -u / (100 ms)
    dx/dt = (1 - x) / (150 ms)
    dg/dt = -g / (4 ms)
    on pre:
        u += 0.3 * (1 - u)
        g += weight * u * x
        x -= u * x
    deliver g / (1 ms)
synapse releasing:
    param p = 0.6
    state s = 0
    ds/dt = -s / (5 ms)
    on pre: s += normal(1, 0.2) if uniform(0, 1) < p else 0
    deliver weight * s / (1 ms)
plasticity wandering:
    on pre: weight += normal(0, 0.1) * weight
    on post: weight += uniform(-0.001, 0.002)
network Net:
    step = 0.5 ms
    population drive: poisson[90](rate = 40 Hz)
    population busy: poisson[40](rate = 900 Hz)
    population out: Leaky[100]
    connect busy -> out: random(total = 100), weight = 0.002, synapse = releasing()
    connect drifting = busy[0:20] -> out: random(fan_out = 9), weight = 0.01, delay = uniform(1 ms, 3 ms),
        plasticity = wandering()
    connect slow = drive -> out: random(p = 0.2), weight = uniform(0, 0.2) / (1 ms), synapse = saturating()
    connect begun = drive -> out: random(fan_in = 4), weight = uniform(0, 0.1) / (1 ms), delay = uniform(1 ms, 4 ms),
        synapse = begun()
    connect drive -> out: random(fan_in = 9), weight = 0.1, delay = 1 ms, synapse = facilitating()
simulate:
    duration = 100 ms
    record u of drive_out
    record s of slow
""",
    "weights that move by the voltage between flow and arrivals, a stimulus": LEAKY
    + """
plasticity voltage:
    param tau = 10 ms
    post state trace = 0
    dtrace/dt = -trace / tau
    on pre: weight += 0.1 * (post.v - 0.3) - 0.02 * trace
    on post: trace += 0.1 * post.gauge * (1 + post.v)
    bound weight in [0, 1]
plasticity following:
    post state seen = 0.2
    dseen/dt = (post.v - seen) / (10 ms)
    on pre: weight += 0.02 * seen
    bound weight in [0, 1]
neuron Map:
    state v = 0
    input I
    each step: v = 0.9 * v + (1 ms) * I
    spike when v > 1: v -= 1
synapse met:
    param first = each(0.1)
    state g = 2 * first
    dg/dt = -g / (5 ms + pre.slow)
    on pre: g += weight * (1.5 - post.v) * (1 - tanh(g))
    deliver g / (10 ms)
neuron Slow:
    param slow = each(3 ms)
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        v = 0
network Net:
    step = 0.5 ms
    population drive: poisson[90](rate = 20 Hz)
    population out: Leaky[200](gauge = uniform(0.5, 1.5)), v = uniform(0, 1)
    population map: Map[70], v = uniform(0, 1)
    population slow: Slow[90]
    population quiet: LI[70]
    connect drive -> slow: one_to_one, weight = 0.6
    connect slow -> map: random(fan_in = 9), weight = uniform(0, 1), delay = uniform(1 ms, 3 ms), synapse = met()
    connect drive -> out: random(p = 0.1), weight = gamma(6, 0.04), delay = gamma(0.7, 2 ms), plasticity = voltage()
    connect drive -> quiet: random(p = 0.1), weight = uniform(0, 0.1), plasticity = following()
    connect out -> out: random(fan_in = 3, self = false), weight = 0.1, delay = 1 ms
simulate:
    duration = 100 ms
    stimulate out[60:130].I: 0.05 / (1 ms) from 10 ms to 40 ms
""",
}
FORMS = {  # of the CUDA half, emulated: what may change no bit
    "threads in one order, columns looked through": {"SNCC_EMULATION_ORDER_SEED": "1", "SNCC_CUDA_DELIVERY": "pull"},
    "threads in another order, a replayed graph of stretches, rows of spikes":
        {"SNCC_EMULATION_ORDER_SEED": "2", "SNCC_CUDA_FORM": "graph", "SNCC_CUDA_REPLAYED": "2", "SNCC_CUDA_DELIVERY": "push"},
    "few steps at once, one multiprocessor": {"SNCC_STEPS_AT_ONCE": "7", "SNCC_EMULATION_SMS": "1"},
}  # fmt: skip


def states(program) -> list[str]:
    """All recordable states of a Program's populations."""
    return [f"{r.population}.{s}" for g in program.groups for r in g.rows for s, _, _ in g.declared]


def synapse_states(program) -> dict[str, tuple[tuple[str, str], float]]:
    """States of synapses by their names in Python: the names in the reference, and the SI value of one."""
    return {
        f"{(owner := program.connection(s.connection).owner)}.{name}": ((owner, name), si)
        for s in program.synapses
        for name, _, _, si in s.declared
    }


def same(first, second) -> int:
    """All spikes and traces of two runs are equal; how many spikes there are."""
    assert set(first.spikes) == set(second.spikes) and set(first.trace) == set(second.trace)
    for name in first.spikes:
        assert np.array_equal(first.spikes[name].times, second.spikes[name].times), name
        assert np.array_equal(first.spikes[name].neurons, second.spikes[name].neurons), name
    for name in first.trace:
        assert np.array_equal(first.trace[name], second.trace[name]), name
    return sum(len(spikes) for spikes in first.spikes.values())


def same_numbers(first, second) -> None:
    """All parameters of two networks are equal, weights that have moved among them."""
    for key in first.parameters:
        assert np.array_equal(first.parameters[key], second.parameters[key]), key


def is_the_references(program, run, parameters, expected, sample=0, rtol=1e-10, atol=1e-12) -> int:
    """Spikes, states at every step, and plastic weights in the end, `parameters` in the consistent system;
    how many spikes there are.
    """
    total = 0
    for g in program.groups:
        for row in g.rows:
            if row.population in run.spikes:
                spikes = run.spikes[row.population]
                found = np.zeros_like(expected.spikes[sample][row.population])
                steps = np.round(spikes.times / (program.step * 1e-3)).astype(int) - 1
                np.add.at(found, (steps, spikes.neurons), 1)
                wanted = expected.spikes[sample][row.population]
                assert np.array_equal(found, wanted), f"spikes of {row.population}, run {sample}"
                total += len(spikes)
            for state, _, si in g.declared:
                if (name := f"{row.population}.{state}") in run.trace:
                    wanted = expected.traces[sample][row.population, state]
                    trace = np.asarray(run.trace[name]) / si
                    assert np.allclose(trace, wanted, rtol=rtol, atol=atol), f"{name}, run {sample}"
    for name, (of, si) in synapse_states(program).items():
        if name in run.trace:
            at = np.round(run.times[name] / (program.step * 1e-3)).astype(int) - 1
            trace, wanted = np.asarray(run.trace[name]) / si, expected.traces[sample][of][at]
            assert trace.size and np.allclose(trace, wanted, rtol=rtol, atol=atol), f"{name}, run {sample}"
    for key, weight in expected.weights[sample].items():
        assert equal(program, key, parameters[key], weight, rtol, atol), f"{key} after run {sample}"
    return total


def equal(program, key: str, got, expected, rtol: float, atol: float) -> bool:
    """Whether a parameter's numbers are equal up to rounding, in whatever shape;
    of a matrix without neurons to themselves but for those.
    """
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    c = next((c for c in program.connections if key == f"{c.name}.weight"), None)
    if c is not None and isinstance(c.structure, Dense) and not c.structure.self_connections and got.ndim == 2:
        off = ~np.eye(*got.shape, dtype=bool)
        got, expected = got[off], expected[off] if expected.shape == off.shape else expected
    return got.size == expected.size and np.allclose(got.reshape(-1), expected.reshape(-1), rtol=rtol, atol=atol)
