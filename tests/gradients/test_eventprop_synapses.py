"""eventprop through states that sources have for their synapses, and that each synapse has for itself.

The oracle is an event-driven simulation of all neurons and all synapses (`event_driven_synapses.py`); errors fall with
the step.
"""

from __future__ import annotations

import numpy as np
import pytest
from event_case import FIRST, Case, network
from event_driven_synapses import EventDriven
from networks import program_of
from timed_synapses import MEAN, NEURON, SYNAPSES, least_step, onto_a_readout, with_synapses, without_spikes

from sncc.program.operations import Update

# ms: what reads its source or its target all the time does so one step later, next to nothing in the oracle
AT_ONCE = 1e-6
CASES = {  # name: synapses, loss, seed of weights at which both simulations have the same events, what is learnt besides
    "depressing": ("depressing", MEAN, 4, ", hidden_hidden.use"),
    "depressing, first spikes": ("depressing", FIRST, 3, ""),
    "saturating": ("saturating", FIRST, 4, ", hidden_hidden.use"),
    "opening": ("opening", MEAN, 3, ", hidden_hidden.use"),
    "filled by its weight": ("filled by its weight", MEAN, 7, ", hidden_hidden.tau"),
    "of one time constant each": ("of one time constant each", FIRST, 4, ", hidden_hidden.tau"),
    "of one time constant each, a mean": ("of one time constant each", MEAN, 5, ", hidden_hidden.use"),
    "following the target": ("following the target", MEAN, 7, ", hidden_hidden.use"),
    "following the source": ("following the source", MEAN, 4, ""),
    "following the source and its spikes": ("following the source and its spikes", MEAN, 4, ""),
    "moved by its source as it was left": ("moved by its source as it was left", MEAN, 10, ", hidden_hidden.delay"),
    "moved by the target that it meets": ("moved by the target that it meets", MEAN, 9, ", hidden_hidden.use"),
    "moved by both sides and the time": ("moved by both sides and the time", MEAN, 3, ", hidden_hidden.delay"),
    "still between spikes": ("still between spikes", MEAN, 5, ", hidden_hidden.use"),
    "graded by the source": ("graded by the source", MEAN, 4, ""),
    "bent by both sides": ("bent by both sides", MEAN, 2, ", hidden_hidden.use"),
    "a target that bends it": ("saturating", MEAN, 9, ", hidden_hidden.use"),
    "onto neurons that are held": ("of one time constant each", MEAN, 1, ", hidden_hidden.use"),
    "learnt refractory times of neurons that are held": ("saturating", FIRST, 2, ", hidden.wait"),
    "a gap junction": ("a gap junction", FIRST, 8, ", hidden_hidden.use"),
    "learnt delays of a source's": ("saturating", MEAN, 4, ", hidden_hidden.delay"),
    "learnt delays of a source's, and a target that bends it": ("saturating", MEAN, 9, ", hidden_hidden.delay"),
    "learnt delays of impulses": ("depressing", MEAN, 4, ", hidden_hidden.delay"),
    "learnt delays of synapses": ("of one time constant each", MEAN, 4, ", hidden_hidden.delay"),
}  # fmt: skip
SPIKES = "    spike when v > theta: v = 0\n"
HELD = f"    param wait = 2 ms\n{SPIKES}    refractory wait hold v\n"
BENT = "+ tanh(D * 20 ms) / (20 ms)\n"
QUICK = ("depressing", "of one time constant each")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_gradients_are_those_of_root_found_spike_times(name):
    kind, loss, seed, more = CASES[name]
    delay = (
        "" if least_step(SYNAPSES[kind]) < 0.1 and kind != "opening" else "each(1 ms)" if "delay" in more else "1 ms"
    )
    text = with_synapses(kind, loss, f"weights, hidden.theta{more}", delay)
    left = SPIKES.replace("v = 0", "v = 0.2 * v") if "moved by" in name else SPIKES
    text = text.replace("+ D\n", BENT if "bends" in name else "+ D\n")
    text = text.replace(SPIKES, HELD if "held" in name else left)
    case = Case(
        text,
        seed,
        1.3,
        entries=1 if name in QUICK else 3,
        simulate=EventDriven,
        by=1e-4,
        least=least_step(text),
    )
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)
    assert sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) >= 2


def test_the_two_event_driven_simulations_agree():
    """Where synapses have no states: one solves equations exactly, the other in steps."""
    one, other = Case(network(), 3, 1.3, entries=1), Case(network(), 3, 1.3, entries=1, simulate=EventDriven, by=1e-4)
    assert other.loss == pytest.approx(one.loss, abs=1e-9)
    for key, (_, exact) in one.exact.items():
        assert np.allclose(other.exact[key][1], exact, rtol=1e-4, atol=1e-8), key


SQUARES = "\n    state s = 0\n    ds/dt = (pre.v * pre.v - s) / (6 ms)\n    deliver weight * s * (0.1 /ms)\n"


@pytest.mark.parametrize("kind", ["graded by the source", pytest.param("following the source", marks=pytest.mark.slow)])
def test_the_largest_value_of_what_does_not_jump(kind):
    text = without_spikes(SYNAPSES[kind])
    case = Case(text, 2, 1.3, entries=1, simulate=EventDriven, by=1e-4, least=least_step(text))
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] and error < 0.01, (key, coarse, fine)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["depressing", "following the target", "a gap junction", "graded by the source"])
def test_the_largest_value_of_what_jumps(kind):
    text = onto_a_readout(SYNAPSES[kind])
    case = Case(text, 4, 1.3, entries=3, simulate=EventDriven, by=1e-4, least=least_step(text))
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.002 and error < 0.05, (key, coarse, fine)


AT_ONCE_AFTER_ITS_SOURCE = """
    param tau = 4 ms
    param use = 0.3
    state s = 0
    ds/dt = (0.5 * pre.v - s) / tau
    on pre: s += use * (post.i - s)
    deliver weight * s * (0.1 /ms)
"""


@pytest.mark.slow
def test_a_spike_moves_a_synapse_as_its_source_jumps():
    """What reads the target is made up for a step later, when the source's jump is read as well."""
    text = onto_a_readout(AT_ONCE_AFTER_ITS_SOURCE).replace("max(", "mean(")
    case = Case(text, 841, 1.3, entries=3, simulate=EventDriven, by=1e-4, least=least_step(text))
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)


def test_what_does_not_jump_needs_no_mean_slope():
    """A potential that nothing resets is smooth, whatever reads it."""
    graded = NEURON.replace("    spike when v > theta: v = 0\n", "").replace("Soma", "Graded")
    text = with_synapses("saturating").replace(SYNAPSES["saturating"], SQUARES)
    text = graded + text.replace("population hidden: Soma", "population smooth: Graded[3]\n    population hidden: Soma")
    text = text.replace(
        "connect hidden -> hidden.D", "connect x -> smooth.I: dense, weight = 1\n    connect smooth -> hidden.D"
    )
    assert not any(
        s.name.startswith("read.") for o in program_of(text).forward if isinstance(o, Update) for s in o.body
    )
