"""eventprop through weights that spikes of both sides move within a sample, against an event-driven simulation of all synapses."""

from __future__ import annotations

import numpy as np
import pytest
from event_case import Case, network
from event_driven_synapses import EventDriven
from networks import program_of

from sncc.diagnostics import DiagnosticError

RULE = """
plasticity pairs:
    param tau = 12 ms
    param up = 0.2
    param down = 0.1
    pre state x = 0
    post state y = 0
    dx/dt = -x / tau
    dy/dt = -y / (9 ms)
    on pre:
        weight -= down * y
        x += 1
    on post:
        weight += up * x * (1.5 - weight)
        y += 1
"""
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


@pytest.mark.parametrize(
    "name", [n if n == "states of each synapse" else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_gradients_are_those_of_root_found_spike_times(name):
    rule, where, learn, more, seed = CASES[name]
    case = Case(plastic(rule, where, learn, more), seed, 1.3, entries=1, simulate=EventDriven, by=1e-4)
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)
    assert sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) >= 3


@pytest.mark.parametrize(
    "line, said",
    [
        ("weight -= down * y * post.v", "`eventprop` through weights that a `plasticity` moves by `post.v`"),
        ("weight -= down * y * pre.i", "`eventprop` through weights that a `plasticity` moves by `pre.i`"),
    ],
)
def test_what_reads_neurons_is_refused_with_its_place(line, said):
    with pytest.raises(DiagnosticError) as raised:
        program_of(plastic(RULE.replace("weight -= down * y", line), RECURRENT))
    (found,) = raised.value.diagnostics
    assert found.code == "not-supported-yet" and found.message.startswith(said) and found.span and found.help


@pytest.mark.parametrize("jump", ["1 - s", "weight"])
def test_synapses_behind_it_are_refused_with_their_place(jump):
    own = (
        f"synapse own:\n    state s = 0\n    ds/dt = -s / (6 ms)\n    on pre: s += {jump}\n    deliver s * (0.1 /ms)\n"
    )
    with pytest.raises(DiagnosticError, match="`plasticity` moves in front of `own` is not supported yet"):
        program_of(plastic(f"{RULE}{own}", RECURRENT, more=", synapse = own()"))
