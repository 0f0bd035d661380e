"""Random networks of weights that rules move, behind inputs that spike in bursts, with delays of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

RULE = """plasticity moves{n}:
    param rate = 0.05
    param slow = 9 ms
    pre state p = {first}
    post state q = 0.1
    state e = {first}
    dp/dt = ({rest} - p) / slow
    dq/dt = -q / (7 ms)
    de/dt = ({flow} - e) / (6 ms)
    on pre:
        weight += rate * ({before})
        e += {moved}
        p += {jump}
    on post:
        weight -= rate * ({after})
        q += 1
    bound weight in [-2, 2]
"""
OF_SOURCE = {"input": {"v": "0.4"}, "hidden": {"v": "pre.v"}}
PATTERNS = "dense", "random(p = 0.7)", "random(fan_in = 2)"


@st.composite
def _rule(draw: st.DrawFn, number: int, source: str, waits: bool) -> str:
    """waits: whether a spike may see its target's state."""
    v = OF_SOURCE[source]["v"]

    def one(*choices: str) -> str:
        return draw(st.sampled_from(choices))

    return RULE.format(
        n=number, first=one("0", "0.2"), rest=one("0", "0.3", f"0.2 * {v}", f"tanh(p) * {v}"),
        flow=one("0", "p", f"{v}", f"p * {v}", "q"), before=one("p", "q - p", "e - 0.3 * weight", f"{v} * p", "(1 - weight) * e", *["e + p * post.v"] * waits),
        moved=one("0.2", "0.3 * (1 - e)", f"p * {v}", "q * (1 - e)", "0.1 * weight"),
        jump=one("1", "(1 - p)", "0.3 * (1 - p) * (1 + p)"), after=one("p", f"{v}", f"p * {v} - e", "(weight + 1) * p", "0.2"),
    )  # fmt: skip


DRAWN = "        p += uniform(0.5, 1.5)", "        q += normal(1, 0.3)"


def _with_draws(draw: st.DrawFn, rule: str) -> str:
    """A rule whose traces jump by draws, behind the lines of each synapse or ahead of them, and follow noise."""
    head, _, tail = rule.partition("    on post:")
    for block, jump in ((head, DRAWN[0]), (tail, DRAWN[1])):
        lines = block.split("\n")
        at = next(k for k, line in enumerate(lines) if line.strip().startswith(("p +=", "q +=")))
        del lines[at]
        first = next(k for k, line in enumerate(lines) if "weight " in line and "=" in line and "bound" not in line)
        lines.insert(draw(st.sampled_from((first, at))), jump)
        head, tail = ("\n".join(lines), tail) if block is head else (head, "\n".join(lines))
    noise = draw(st.sampled_from(("", " + 0.2 * noise / sqrt(9 ms)")))
    return f"{head.replace(') / slow', f') / slow{noise}', 1)}    on post:{tail}"


@st.composite
def networks_that_move(draw: st.DrawFn, rule: str, draws: bool = False) -> str:
    """A network of three connections, whose weights rules move; `draws`: whose traces draw."""
    rules = [draw(_rule(n, source, rule.startswith("bptt"))) for n, source in enumerate(("input", "hidden", "hidden"))]
    rules = [_with_draws(draw, r) for r in rules] if draws else rules
    late = ["{k} ms", "uniform({k} ms, 4 ms)"]
    delays = [draw(st.sampled_from(late)).format(k=k) for k in (0, 1, 0)]
    patterns = [draw(st.sampled_from(PATTERNS)) for _ in range(3)]
    parts = (("x -> hidden", 0.3), ("hidden -> hidden", 0.1), ("hidden -> output", 0.2))
    lines = [
        f"    connect {ends}: {patterns[n]}, weight = normal({mean}, 0.3), delay = {delays[n]}, plasticity = moves{n}()"
        for n, (ends, mean) in enumerate(parts)
    ]
    names = ("x_hidden", "hidden_hidden", "hidden_output")
    learn = ", ".join(f"{name}.plasticity.{p}" for name in names for p in ("rate", "slow"))
    return "\n".join(
        [
            *rules, "network Net:", "    step = 1 ms", "    population x: input[3]",
            f"    population hidden: LIF[{draw(st.integers(2, 4))}](tau_m = 10 ms, theta = 0.5)",
            "    population output: LIF[2](tau_m = 8 ms, theta = 0.4)", *lines, "", "train:", f"    rule = {rule}",
            "    loss = mean(cross_entropy(output.v))", f"    learn = weights, hidden.tau_m, {learn}", "    optimiser = sgd(learning_rate = 1e-3)",
        ]
    )  # fmt: skip
