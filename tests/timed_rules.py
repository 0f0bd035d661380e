"""Rules that move weights under eventprop, and what their gradients are held against; for tests."""

from __future__ import annotations

import numpy as np
from event_case import Case
from event_driven_synapses import EventDriven
from timed_synapses import GRADED, MEAN, SYNAPSES, least_step, with_own

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
RESET = "    spike when v > theta: v = 0\n"
LEFT = "    spike when v > theta: v = 0.2 * v\n"


def rule(pre: str = "down * y", post: str = "up * x * (1.5 - weight)", flow: str = "") -> str:
    text = RULE.replace("weight -= down * y", f"weight -= {pre}").replace(
        "weight += up * x * (1.5 - weight)", f"weight += {post}"
    )
    return (
        text.replace("    on pre:", f"    state e = 0\n    de/dt = -e / (8 ms) + {flow}\n    on pre:") if flow else text
    )


QUICK = GRADED.replace("20 ms", "7 ms")
AT_ONCE = "hidden -> dopamine.D: dense, weight = normal(0.4, 0.1), delay = 0 ms"
THROUGH = "hidden -> dopamine.I: dense, weight = 2, delay = 0 ms"


def moving(
    told: str, kind: str | None, more: str = "", follows: str = "", of: str = "Graded[1]", into: str = AT_ONCE
) -> str:
    """A network whose recurrent weights move by a rule, of impulses or in front of a synapse; `follows`:
    what sets the modulator m.
    """
    learn = "weights, hidden.theta, hidden_hidden.plasticity.up" + ", hidden_hidden.delay" * ("each" in more)
    delay = "each(1 ms)" if "each" in more else "1 ms"
    text = with_own(SYNAPSES[kind or "saturating"], MEAN, learn, delay).replace(RESET, LEFT)
    moves = f"plasticity = pairs({f'm = {follows}' if follows else ''})"
    if kind is None:
        text = text.replace("hidden -> hidden.D", "hidden -> hidden.I").replace("synapse = own()", moves)
    text = text.replace("synapse = own()", f"synapse = own(), {moves}").replace(
        moves, f"{moves}{more.replace('each', '')}"
    )
    if not follows:
        return told + text
    told = told.replace("    param up", "    modulator m\n    param up", 1)
    if "dopamine" in follows:
        text = text.replace("    population output", f"    population dopamine: {of}\n    population output")
        text = text.replace("    connect hidden -> output", f"    connect {into}\n    connect hidden -> output")
    return QUICK + told + text


def compare(text: str, seed: int, by: float = 1e-4, arrays: int = 3) -> None:
    """Errors fall with the step; of so many arrays, gradients are of a size that tells."""
    case = Case(text, seed, 1.3, entries=1, simulate=EventDriven, by=by, least=least_step(text))
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)
    assert sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) >= arrays
