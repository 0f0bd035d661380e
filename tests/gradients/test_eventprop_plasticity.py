"""eventprop through weights that spikes of both sides move within a sample,
against an event-driven simulation of all synapses.

Names of the rule are those of the synapses behind it on purpose: each has its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from event_case import network
from networks import program_of
from timed_rules import LEFT, RESET, RULE, compare, rule
from timed_synapses import MEAN, SYNAPSES, least_step, with_own

from sncc.backends.reference.interpreter import Reference

OWN = """
plasticity pairs:
    "States of each synapse besides, which read traces, the time, and a bound."
    param tau = 12 ms
    param up = 0.2
    param down = 0.1
    pre state x = 0
    post state y = 0
    state e = 0.2
    dx/dt = -x / tau
    dy/dt = -y / (9 ms)
    de/dt = -e / (15 ms) + 0.1 * x / (1 ms)
    on pre:
        weight -= down * y * (1 + e) * tanh(t / (10 ms))
        e += 0.2 * weight
        x += 1
    on post:
        weight += up * x * (1.5 - weight) + 0.1 * e
        y += 1 - 0.2 * y
    bound weight in [-1.2, 1.6]
"""
RECURRENT, READ, GIVEN = "hidden -> hidden", "hidden -> output", "x -> hidden"
CASES = {  # name: rule, where, what is learnt besides, what the connection has besides, seed
    "traces of both sides": (RULE, RECURRENT, ", hidden_hidden.plasticity.up, hidden_hidden.plasticity.tau", "", 4),
    "states of each synapse": (OWN, RECURRENT, ", hidden_hidden.plasticity.up", "", 3),
    "spikes of the target late": (RULE, RECURRENT, ", hidden_hidden.plasticity.up", ", post_delay = 1.5 ms", 3),
    "learnt delays": (RULE, RECURRENT, ", hidden_hidden.plasticity.up, hidden_hidden.delay", "", 3),
    "onto the readout": (RULE, READ, ", hidden_output.plasticity.up", "", 3),
    "of inputs": (RULE, GIVEN, ", x_hidden.plasticity.up", "", 5),
}  # fmt: skip


def plastic(rule: str, where: str, learn: str = "", more: str = "") -> str:
    text = network(definition=rule, loss="cross_entropy(mean(output.v))", learn=f"weights, hidden.theta{learn}")
    old = next(line for line in text.splitlines() if f"connect {where}:" in line)
    new = old.replace("delay = 1 ms", "delay = each(1 ms)") if ".delay" in learn else old
    return text.replace(old, f"{new}, plasticity = pairs(){more}")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_root_found_spike_times(name):
    rule, where, learn, more, seed = CASES[name]
    compare(plastic(rule, where, learn, more), seed)


READING = {  # name: rule, synapse behind it or none, seed
    "of its source as it was left": (rule(pre="down * (pre.v + pre.i) * (1 + y)"), None, 4),
    "of its target when they meet": (rule(pre="down * (post.v + post.i) * (1 + y)"), None, 4),
    "of its target as it was left": (rule(post="up * x * tanh(post.i + post.v)"), None, 4),
    "of its target all the time": (rule(post="up * e", flow="x * post.v * (0.3 /ms)"), None, 4),
    "of its source all the time": (rule(post="up * e", flow="pre.v * pre.v * (0.5 /ms)"), None, 4),
    "in a trace": (RULE.replace("dy/dt = -y", "dy/dt = (post.v - y)"), None, 5),
    "all the time, before what stands still": (
        rule(post="up * e", flow="pre.v * pre.v * (0.5 /ms)"), "still between spikes", 4,
    ),
    "of everything, before what reads everything": (
        rule("down * tanh(pre.i) * (1 + y)", "up * (e + tanh(post.i))", "x * post.v * pre.v * (0.3 /ms)"),
        "bent by both sides", 7,
    ),
}  # fmt: skip
BEHIND = {  # synapses behind a rule of both sides' spikes: seed
    "depressing": 4, "opening": 7, "filled by its weight": 7, "of one time constant each": 7, "following the target": 7,
    "following the source and its spikes": 7, "moved by its source as it was left": 9, "moved by the target that it meets": 7,
    "moved by both sides and the time": 7, "graded by the source": 4, "bent by both sides": 3, "a gap junction": 3,
}  # fmt: skip


def before(rule: str, kind: str | None, learn: str = "") -> str:
    """A network whose recurrent synapses are of that kind, or impulses, with weights that the rule moves."""
    body = SYNAPSES[kind or "saturating"]
    late = "" if least_step(f"{rule}{body if kind else ''}") < 0.1 else "each(1 ms)" if "delay" in learn else "1 ms"
    text = rule + with_own(body, MEAN, f"weights, hidden.theta, hidden_hidden.plasticity.up{learn}", late)
    if kind is None:
        return text.replace("hidden -> hidden.D", "hidden -> hidden.I").replace(
            "synapse = own()", "plasticity = pairs()"
        )
    return text.replace("synapse = own()", "synapse = own(), plasticity = pairs()")


@pytest.mark.slow
@pytest.mark.parametrize("kind", BEHIND)
def test_synapses_behind_it_are_followed_as_they_are(kind):
    compare(before(RULE, kind), BEHIND[kind])


@pytest.mark.slow
def test_learnt_delays_of_synapses_behind_it():
    compare(before(RULE, "of one time constant each", ", hidden_hidden.delay"), 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", READING)
def test_what_reads_neurons_is_moved_with_them(name):
    told, kind, seed = READING[name]
    compare(before(told, kind).replace(RESET, LEFT), seed)


GIVING = """
plasticity pairs:
    param up = 0.2
    post state y = 0
    dy/dt = -y / (9 ms)
    on post:
        weight += up * (0.3 + y) * (1.5 - weight)
        y += 1
neuron Still:
    state v = 0.8
    dv/dt = 0 * v / (1 ms)
synapse graded:
    deliver weight * pre.v / (1 ms)
"""


def test_values_of_a_signal_are_those_of_neurons_that_stand_still():
    """Of the latter the tests above tell that they are right."""
    found = []
    for population, more in (("Still[2]", ", synapse = graded()"), ("signal[2]", ", delay = 0 ms")):
        text = network(definition=GIVING, loss=MEAN, learn="weights, hidden.theta").replace(
            "    population hidden", f"    population given: {population}\n    population hidden"
        )
        text = text.replace(
            "    connect hidden ->",
            f"    connect given -> hidden: dense, weight = 0.3, plasticity = pairs(){more}\n    connect hidden ->",
            1,
        )
        program, draws = program_of(text), np.random.default_rng(3)
        learnt = {p.key: p.shape for p in program.parameters if p.learnt}
        values = {key: draws.normal(0.8, 0.5, learnt[key]) for key in sorted(learnt)} | {"hidden.theta": 1.0}
        inputs = {"x": (draws.random((180, 4)) < 0.06).astype(float)}
        given = {"given": np.full((180, 2), 0.8)} if "signal" in population else {}
        found.append(Reference(program, values).run([inputs | given], [1]))
    assert found[0].spikes[0]["hidden"].sum() > 5
    for key, gradient in found[0].gradients.items():
        assert np.allclose(found[1].gradients[key], gradient, rtol=1e-9, atol=1e-12), key
    assert np.max(np.abs(found[0].gradients["given_hidden.weight"])) > 1e-3
