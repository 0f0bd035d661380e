"""Rules that move weights under eventprop, and what their gradients are held against; for tests."""

from __future__ import annotations

import numpy as np
from event_case import Case
from event_driven_synapses import EventDriven
from timed_synapses import least_step

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


def compare(text: str, seed: int, by: float = 1e-4, arrays: int = 3) -> None:
    """Errors fall with the step; of so many arrays, gradients are of a size that tells."""
    case = Case(text, seed, 1.3, entries=1, simulate=EventDriven, by=by, least=least_step(text))
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)
    assert sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) >= arrays
