"""`for` writes its statements once for each value."""

import pytest
from resolving import HEAD, NETWORK, TRAIN, mistakes, model

from sncc.diagnostics import DiagnosticError
from sncc.expressions.nodes import Number


def test_a_loop_may_count_from_below_zero():
    lines = (
        "network N:",
        "    step = 1 ms",
        "    for k in -2..1:",
        "        population p{k + 2}: LIF[k + 3](theta = k)",
    )
    found = model("\n".join(lines) + "\n").populations
    assert [(p.name, p.shape, p.parameter("theta").value.value) for p in found] == [
        ("p0", (1,), -2.0), ("p1", (2,), -1.0), ("p2", (3,), 0.0),
    ]  # fmt: skip


def test_loops_are_unrolled():
    text = (
        HEAD
        + """
network N:
    step = 1 ms
    population x: input[n]
    for k in 0..n:
        population p{k}: Leaky[n](theta = 1 + k)
        connect x -> p{k}: dense, weight = {k}
        for target in x0, x1:
            connect {target}{k} = p{k} -> out: dense, weight = 1
    population out: LI[3]
    connect chain = p0 -> out: dense, weight = 1
"""
    )
    m = model(text)
    assert [p.name for p in m.populations] == ["x", "p0", "p1", "p2", "p3", "out"]
    assert m.population("p3").parameter("theta").value == Number(4.0)
    assert [c.name for c in m.connections][:4] == ["x_p0", "x00", "x10", "x_p1"]
    assert mistakes(text.replace("chain = p0", "chain = p{k}"))[0][0] == "unknown-name"


def test_endless_loops_are_refused_at_once():
    loops = "    for k in 0..9999:\n        for l in 0..9999:\n            population p{k}{l}: input[2]\n"
    assert mistakes("network N:\n    step = 1 ms\n" + loops) == [("too-complex", 3)]


def test_a_range_counts_up_or_is_empty():
    loop = "network N:\n    step = 1 ms\n    population x: input[2]\n    for k in {}:\n        population p{{k}}: input[2]\n"
    assert [p.name for p in model(loop.format("2..2")).populations] == ["x"]
    assert mistakes(loop.format("3..0")) == [("wrong-argument", 4)]


@pytest.mark.parametrize("last", ["population p{k0}: input[2]", "for l in 0..0:\n    population p: input[2]"])
def test_so_are_many_short_ones_within_each_other(last):
    """30^4 turns, also where they make nothing."""
    depth = 4
    loops = [f"{'    ' * (k + 1)}for k{k} in 0..30:" for k in range(depth)]
    inside = ["    " * (depth + 1) + line for line in last.splitlines()]
    text = "\n".join(["network N:", "    step = 1 ms", *loops, *inside]) + "\n"
    assert [code for code, _ in mistakes(text)] == ["too-complex"]


def test_loops_reach_the_names_in_penalties():
    text = HEAD + NETWORK.replace("LI[2]", "LI[n]") + TRAIN
    text += "    for k in h, h:\n        penalty = firing_rate({k}, target = 5 Hz, strength = 1)\n"
    assert [p.population for p in model(text).training.penalties] == ["h", "h"]


def test_a_number_in_braces_is_told_once():
    text = "network N:\n    step = 1 ms\n    population x0: input[2]\n    population a: LIF[2]\n    connect x{0} -> a: dense, weight = 1\n"
    with pytest.raises(DiagnosticError) as error:
        model(text)
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    assert found.message == "a number needs no braces: `x{0}`" and found.help == ("write `x0`",)
