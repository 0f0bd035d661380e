"""States of synapses are recorded one per synapse, wherever they lie inside, and recording changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError
from sncc.lower import synapse_limits
from sncc.program.operations import SynapseUpdate

TEXT = """
neuron Cell:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        v = 0
synapse conductance:
    param tau = 5 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (2 - post.v) / (10 ms)
synapse scaled:
    state s = 0
    ds/dt = -s / (8 ms)
    on pre: s += 1
    deliver weight * s / (10 ms)
synapse depressing:
    param use = 0.4
    state u = 0
    state x = 1
    du/dt = -u / (60 ms)
    dx/dt = (1 - x) / (90 ms)
    on pre:
        u += use * (1 - u)
        x -= u * x
    deliver weight * u * x / (10 ms)
synapse clipped:
    state g = 0
    dg/dt = -g / (6 ms)
    on pre: g += weight * (1.5 - tanh(g))
    deliver g / (10 ms)
plasticity tagged:
    state e = 0.1
    de/dt = -e / (15 ms)
    on pre:
        e += 0.2
        weight += 0.01
network Net:
    step = 0.5 ms
    population x: input[12]
    population cells: Cell[9]
    connect lumped = x -> cells: random(p = 0.5), weight = uniform(0, 0.1), delay = 1 ms, synapse = conductance(tau = 4 ms)
    connect alike = x -> cells: dense, weight = 0.02, synapse = conductance(tau = 4 ms)
    connect later = x -> cells: random(fan_in = 4), weight = uniform(0, 0.1), delay = uniform(1 ms, 6 ms), synapse = scaled()
    connect source = x -> cells: dense, weight = normal(0.05, 0.01), delay = 2 ms, synapse = depressing()
    connect own = x -> cells: one_to_one, weight = 0.1, synapse = clipped()
    connect learns = x -> cells: random(p = 0.4), weight = uniform(0, 0.1), synapse = conductance(), plasticity = tagged()
simulate:
    duration = 60 ms
"""
RECORDED = {"lumped": "g", "alike": "g", "later": "s", "source": "x", "own": "g", "learns": "g"}
BLOCK = "".join(f"    record {state} of {name}\n" for name, state in RECORDED.items()) + "    record e of learns\n"
ONE_TO_ONE = "own = x -> cells: one_to_one", "own = x[0:9] -> cells: one_to_one"
STEPS, STEP = 120, 0.5


@pytest.fixture(scope="module")
def run():
    """The reference with its program, the events that it was given, and what it did."""
    program = program_of((TEXT + BLOCK).replace(*ONE_TO_ONE))
    x = np.random.default_rng(3).poisson(0.05, (STEPS, 12)) * 1.0
    reference = Reference(program, seed=5)
    return reference, program, x, reference.run([{"x": x}], steps=STEPS, seed=1)


def synapse_by_synapse(reference, name, x, jump, decays, start):
    """A loop over every synapse of a connection: states (steps, synapses, states) after each step."""
    copy = f"{name}.recorded"
    table = reference.tables[copy if copy in list(reference.tables) else name]
    weight = np.broadcast_to(
        np.asarray(reference.parameters[f"{name}.weight"], float).reshape(-1), (len(table.pre),)
    ).copy()
    delays = reference.parameters.get(f"{name}.delay")
    steps = (
        np.full(len(weight), {"lumped": 2, "source": 4}.get(name, 0))
        if delays is None
        else np.broadcast_to(
            np.floor(np.asarray(delays) / STEP + 0.5).astype(int), (len(weight),)
        )  # one for all, or each
    )
    states, found = np.tile(np.array(start, float), (len(weight), 1)), []
    for n in range(1, STEPS + 1):
        for k, (rest, tau) in enumerate(decays):
            states[:, k] = rest + (states[:, k] - rest) * np.exp(-STEP / tau)
        for k in range(len(weight)):
            arrived = n - steps[k]
            for _ in range(int(x[arrived - 1, table.source[k]]) if arrived >= 1 else 0):
                weight[k] = jump(states[k], weight[k])
        found.append(states.copy())
    return np.array(found)


def conductance(s, w):
    s[0] += w
    return w


def scaled(s, w):
    s[0] += 1
    return w


def depressing(s, w):
    s[0] += 0.4 * (1 - s[0])
    s[1] -= s[0] * s[1]
    return w


def clipped(s, w):
    s[0] += w * (1.5 - np.tanh(s[0]))
    return w


def tagged(s, w):
    s[0] += w  # the weight from before its own jump
    s[1] += 0.2
    return w + 0.01


@pytest.mark.parametrize(
    ("name", "state", "jump", "decays", "start", "index"),
    [
        ("lumped", "g", conductance, [(0, 4)], [0], 0),
        ("alike", "g", conductance, [(0, 4)], [0], 0),
        ("later", "s", scaled, [(0, 8)], [0], 0),
        ("source", "x", depressing, [(0, 60), (1, 90)], [0, 1], 1),
        ("own", "g", clipped, [(0, 6)], [0], 0),
        ("learns", "g", tagged, [(0, 5), (0, 15)], [0, 0.1], 0),
        ("learns", "e", tagged, [(0, 5), (0, 15)], [0, 0.1], 1),
    ],
)  # fmt: skip
def test_every_synapse_has_a_number_of_its_own(run, name, state, jump, decays, start, index):
    reference, _, x, result = run
    trace = result.traces[0][name, state]
    assert np.ptp(trace[-1]) > 0
    assert np.allclose(trace, synapse_by_synapse(reference, name, x, jump, decays, start)[..., index], atol=1e-12)


def test_recording_changes_no_other_number(run):
    reference, program, x, result = run
    plain = program_of(TEXT.replace(*ONE_TO_ONE))
    assert not any(c.name.endswith(".recorded") for c in plain.connections)
    other = Reference(plain, seed=5).run([{"x": x}], steps=STEPS, seed=1)
    for key, trace in other.traces[0].items():
        assert np.array_equal(trace, result.traces[0][key]), key
    assert np.array_equal(other.spikes[0]["cells"], result.spikes[0]["cells"]) and other.spikes[0]["cells"].any()


def test_only_what_a_recorded_state_needs_moves_synapse_by_synapse():
    program = program_of(TEXT.replace(*ONE_TO_ONE) + "    record u of source\n")
    moved = [u for u in program.forward if isinstance(u, SynapseUpdate) and u.connection == "source.recorded"]
    assert {state for u in moved for state, _ in u.carry} == {"u"} and not any(u.deliver for u in moved)


def test_a_state_that_both_blocks_have_is_ambiguous():
    text = (
        TEXT.replace(*ONE_TO_ONE)
        .replace("state e = 0.1", "state g = 0.1")
        .replace("de/dt = -e", "dg/dt = -g")
        .replace("        e += 0.2", "        g += 0.2")
    )
    (found,) = sncc.check(text + "    record g of learns\n")
    assert "both have a state `g`" in found.message and found.help and found.severity == "error"


STDP = """
plasticity pairs:
    pre state p = 0.2
    post state q = 0
    dp/dt = -p / (20 ms)
    dq/dt = -q / (10 ms)
    on pre:
        p += 1 - 0.1 * p
        weight -= 0.01 * q
    on post:
        q += 1
        weight += 0.01 * p
network Net:
    step = 0.5 ms
    population x: input[12]
    population cells: Cell[9]
    connect c = x -> cells: random(p = 0.5), weight = uniform(0, 0.5), delay = {delay}, plasticity = pairs(), post_delay = 1 ms
simulate:
    duration = 60 ms
{record}"""


@pytest.mark.parametrize("delay", ["1.5 ms", "uniform(1 ms, 4 ms)"])
def test_traces_that_synapses_share_are_recorded_for_each(delay):
    text, x = TEXT[: TEXT.index("network Net")] + STDP, np.random.default_rng(3).poisson(0.05, (STEPS, 12)) * 1.0
    results = []
    for record in ("", "    record p of c\n    record q of c\n"):
        reference = Reference(program_of(text.format(delay=delay, record=record)), seed=5)
        results.append(reference.run([{"x": x}], steps=STEPS, seed=1))
    plain, result = results
    assert np.array_equal(plain.weights[0]["c.weight"], result.weights[0]["c.weight"])
    table, spikes = reference.tables["c"], result.spikes[0]["cells"]
    d = 3 if delay == "1.5 ms" else np.floor(np.asarray(reference.parameters["c.delay"]) / STEP + 0.5).astype(int)
    p, q = np.full(len(table.pre), 0.2), np.zeros(len(table.pre))
    for n in range(1, STEPS + 1):
        p, q = p * np.exp(-STEP / 20), q * np.exp(-STEP / 10)
        arrived = np.where(n - d >= 1, x[np.maximum(n - d - 1, 0), table.source], 0)
        for k in range(int(arrived.max())):
            p = np.where(arrived > k, p + 1 - 0.1 * p, p)
        q += spikes[n - 3, table.target] if n >= 3 else 0
        assert np.allclose(result.traces[0]["c", "p"][n - 1], p) and np.allclose(
            result.traces[0]["c", "q"][n - 1], q
        ), n
    assert spikes.sum() > 20


def test_shared_traces_that_read_neurons_are_refused_with_a_remedy():
    text = TEXT.replace(*ONE_TO_ONE).replace("    state e = 0.1\n", "    state e = 0.1\n    post state p = 0\n")
    text = text.replace("    de/dt", "    dp/dt = (post.v - p) / (20 ms)\n    de/dt").replace(
        "weight += 0.01", "weight += 0.01 * p"
    )
    (found,) = sncc.check(text + "    record p of learns\n")
    assert "one for all synapses of a neuron" in found.message and "`state p = …`" in found.help[0]


def test_a_shared_trace_may_be_called_after_its_side():
    text = TEXT.replace(*ONE_TO_ONE).replace("    state e = 0.1\n", "    state e = 0.1\n    post state postponed = 0\n")
    text = text.replace("    de/dt", "    dpostponed/dt = -postponed / (20 ms)\n    de/dt")
    text = text.replace("weight += 0.01", "weight += 0.01 * postponed")
    assert not sncc.check(text + "    record postponed of learns\n")


def test_what_samples_in_parallel_cannot_move_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setattr(synapse_limits, "MOST_SYNAPSES", 10)
    text = TEXT.replace(*ONE_TO_ONE)
    with pytest.raises(DiagnosticError) as raised:
        program_of(text, schedule="sample_parallel")
    (found,) = raised.value.diagnostics
    assert "samples in parallel through `" in found.message and "synapses (at most 10: " in found.message
    assert "`neuron_parallel`" in found.help[0]
    program_of(text, schedule="neuron_parallel")
