"""Warnings of thresholds: what can never fire, what a spike leaves above its threshold,
and nothing that is uncertain.
"""

from __future__ import annotations

import pytest

from sncc.compiler import check


def warnings(
    spike: str, connect: str = "x -> a: dense, weight = 1", flow: str = "(rest - v) / (20 ms) + I", extra: str = ""
) -> list[str]:
    found = check(f"""
neuron A:
    param rest = 0
    state v = 0
    state w = 0
    input I
    dv/dt = {flow}
    dw/dt = -w / (100 ms)
    spike when {spike}
    surrogate triangle(width = 1, height = 0.3)
network N:
    step = 1 ms
    population x: input[3]
    population s: signal[3]
    population a: A[3]
    connect {connect}
{extra}""")
    assert all(d.severity == "warning" for d in found), found
    return [d.message for d in found if d.code == "fixed-threshold"]


@pytest.mark.parametrize(
    "spike, certain",
    [
        ("v > 1: v = 0", False), ("v > 1: v = 2", True), ("v > 1: v += 1", True), ("v > 1: v *= 2", True),
        ("v > 1: v *= 0.5", False), ("v > 1: v -= 1", False), ("v > 1: w += 1", False), ("v > 1 + w: w += 1", False),
        ("v > 1 + w: w -= 1", True), ("v > 1", False), ("v > 1: v = 1", False), ("v >= 1: v = 1", True),
        ("v > 1: v = w", False), ("v > 1: v = exp(v)", False), ("v > 1 + w: v = 3 + w", True), ("v > 1: v = 5 - v", False),
        ("v > -1: v *= 0.5", True),
    ],
)  # fmt: skip
def test_a_threshold_that_a_spike_never_leaves(spike, certain):
    assert any("leaves `A` above its threshold" in m for m in warnings(spike)) == certain


AWAY = "x -> a: dense, weight = -1"


@pytest.mark.parametrize(
    "certain, spike, connect, flow, extra",
    [
        (True, "v > 1: v = 0", AWAY, "(rest - v) / (20 ms) + I", ""),
        (True, "v > 1: v = 0", "x -> a: dense, weight = 2", "(rest - v) / (20 ms) - I", ""),
        (True, "v < -1: v = 0", "x -> a: dense, weight = 2", "(rest - v) / (20 ms) + I", ""),
        (True, "v > 1: v = 0", AWAY, "I - 0.1 / (1 ms)", ""),
        (True, "v > 1: v = 0", AWAY, "(1 - v) / (20 ms) + I", ""),  # it comes close
        (False, "v >= 1: v = 0", AWAY, "(1 - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", AWAY, "(1.1 - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", AWAY, "I + 0.1 / (1 ms)", ""),
        (False, "v > 1: v = 0", AWAY, "(w - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", AWAY, "v * v / (20 ms) + I", ""),
        (False, "v > 1: v = 0", AWAY, "(rest - v) / (20 ms) + I + noise / (1 ms)^0.5", ""),
        (False, "v > 1: v = 0", AWAY, "sin(t / (1 ms)) / (1 ms) - v / (20 ms) + I", ""),
        (False, "v > 1 - w: v = 0", AWAY, "(rest - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", "x -> a: dense, weight = 1", "(rest - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", "x -> a: dense, weight = each(-1)", "(rest - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", "x -> a: dense, weight = normal(-1, 1)", "(rest - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", "s -> a: dense, weight = -1 / (1 ms)", "(rest - v) / (20 ms) + I", ""),
        (False, "v > 1: v = 0", AWAY, "(rest - v) / (20 ms) + I",
         "simulate:\n    duration = 1 s\n    stimulate a.I: 1 / (1 ms)\n"),
        (False, "v > 1: v = 0", AWAY, "(rest - v) / (20 ms) + I",
         "    connect more = x -> a: dense, weight = 0.1\n"),
    ],
)  # fmt: skip
def test_a_neuron_that_cannot_spike(certain, spike, connect, flow, extra):
    assert any("`a` never fires" in m for m in warnings(spike, connect, flow, extra)) == certain


def test_a_parameter_that_may_be_set_later_makes_nothing_certain():
    for value in ("0 adjustable", "each(0)"):
        found = check(f"""
neuron A:
    param rest = {value}
    state v = 0
    dv/dt = (rest - v) / (20 ms)
    spike when v > 1: v = 0
network N:
    step = 1 ms
    population a: A[3]
""")
        assert not [d for d in found if d.code == "fixed-threshold"]


def test_a_neuron_without_inputs_that_rests_below_its_threshold():
    (found,) = check("""
neuron A:
    state v = 0 mV
    dv/dt = (10 mV - v) / (20 ms)
    spike when v > 15 mV: v = 0 mV
network N:
    step = 1 ms
    population a: A[3]
""")
    assert found.code == "fixed-threshold" and found.message.startswith("`a` never fires: nothing takes `v` of `A`")
