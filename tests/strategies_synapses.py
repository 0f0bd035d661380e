"""Random synapses in the language, of states of their target, of their source and of their own,
in a small random network.
"""

from __future__ import annotations

from hypothesis import strategies as st

JUMPS = (
    "g += weight", "g += weight * r", "g += weight * (1.5 - tanh(g))", "g += r", "r += 0.4 * (1 - r)", "r -= 0.5 * r", "r += 0.3",
    "r += 0.2 * tanh(g)", "g += weight * (1 - 0.5 * tanh(post.v))", "r += 0.2 * (1 - r) * (1 + 0.3 * post.v)",
)  # fmt: skip
SLOPES = {
    "g": ("-g / tau", "(r - g) / tau", "-g * (1 + 0.3 * tanh(post.v)) / tau", "-tanh(g) / tau"),
    "r": ("-r / (7 ms)", "(1 - r) / (20 ms)", "0.2 * g * (1 - r) / (3 ms) - r / tau", "(0.1 * pre.v - r) / (6 ms)", "(0.5 - r * r) / tau"),
}  # fmt: skip
DELIVERED = (
    "g", "g * (1.2 - post.v)", "weight * r", "weight * r * (1 - tanh(post.v))", "weight * pre.v", "weight * (pre.v - post.v)",
    "g * (1 - 0.1 * tanh(pre.v))", "weight * g", "g * tanh(weight)",
)  # fmt: skip
CARRIED = {  # by neurons: no synapse has states of its own
    "jumps": ("g += weight", "g += weight * r", "r += 0.4 * (1 - r)", "r -= 0.5 * r", "r += 0.3"),
    "slopes": {"g": ("-g / tau",), "r": ("-r / (7 ms)", "(1 - r) / (20 ms)", "(0.1 * pre.v - r) / (6 ms)", "(0.5 - r * r) / tau")},
    "delivered": ("g", "weight * r", "weight * pre.v", "weight * tanh(2 * pre.v)", "g * (1.2 - post.v)", "weight * (pre.v - post.v)"),
}  # fmt: skip
ALL = {"jumps": JUMPS, "slopes": SLOPES, "delivered": DELIVERED}


@st.composite
def synapses(draw: st.DrawFn, name: str, of_input: bool, forwards: bool = False) -> str:
    """A synapse of one or two states, or of none; one behind an input reads nothing of its source.

    `forwards`: as `online = true` takes them more often than not.
    """
    given = draw(st.sampled_from((CARRIED, ALL))) if forwards else ALL
    mine = [d for d in given["delivered"] if not (of_input and "pre." in d)]
    last = forwards and name == "Third"  # into what the loss reads: those do not read it
    given = {k: v if k == "slopes" or not last else [x for x in v if "post." not in x] for k, v in given.items()}
    mine = [d for d in mine if not (last and "post." in d)]
    delivered = draw(st.lists(st.sampled_from(mine), min_size=1, max_size=2, unique=True))
    jumps = draw(st.lists(st.sampled_from(given["jumps"]), min_size=1, max_size=3, unique=True))
    slopes = {
        k: draw(st.sampled_from([s for s in v if not (of_input and "pre." in s) and not (last and "post." in s)]))
        for k, v in given["slopes"].items()
    }
    part = draw(st.sampled_from((6, 12)))
    lines = [f"synapse {name}:", f"    param tau = {draw(st.integers(3, 12))} ms"]
    lines += ["    state g = 0", f"    state r = {draw(st.sampled_from((0, 0.3)))}"]
    lines += [f"    d{k}/dt = {slope}" for k, slope in slopes.items()]
    lines += ["    on pre:", *(f"        {jump}" for jump in jumps)]
    lines += [f"    deliver ({' + '.join(delivered)}) / ({part} ms)"]
    return "\n".join(lines)


@st.composite
def networks_with_synapses(draw: st.DrawFn, rule: str, forwards: bool = False) -> str:
    """A recurrent network whose connections have random synapses; their weights and time constants are learnt.

    `forwards`: as `online = true` takes them.
    """
    names = ("First", "Second", "Third")
    definitions = [draw(synapses(n, n == "First", forwards)) for n in names]
    late = draw(st.sampled_from(("2 ms", "3 ms", "1.4 ms", "uniform(1.1 ms, 4 ms)")))
    ends = ("x -> hidden", f"hidden -> hidden: , delay = {late}", "hidden -> output")
    connects = []
    for name, end in zip(names, ends, strict=True):
        ends_, _, delay = end.partition(": ")
        pattern = draw(st.sampled_from(("dense", "dense", "random(p = 0.7)", "random(fan_in = 2, repeats = true)")))
        each = draw(st.booleans()) if pattern == "dense" else False
        if forwards and not delay and name == "Third":
            delay = draw(st.sampled_from(("", ", delay = 2 ms", ", delay = uniform(0 ms, 3 ms)")))
            delay = "" if "repeats" in pattern and "uniform" in delay else delay
        numbers = "tau = uniform(3 ms, 9 ms)" if each else ""
        connects.append(
            f"    connect {ends_}: {pattern}, weight = normal(0.2, 0.3){delay}, synapse = {name}({numbers})"
        )
    tau = "10 ms" if forwards else draw(st.sampled_from(("10 ms", "uniform(6 ms, 14 ms)")))
    learn = ["weights", "x_hidden.tau", "hidden_hidden.tau", "hidden_output.tau", "hidden.tau_m"]
    learn += ["hidden_hidden.delay"] * ("." in late or draw(st.booleans()))
    return "\n".join([
        *definitions, "", "network Net:", "    step = 1 ms", "    population x: input[3]",
        f"    population hidden: LIF[{draw(st.integers(2, 4))}](tau_m = {tau}, theta = 0.4)", "    population output: LI[2](tau_m = 8 ms)",
        *connects, "    connect plain = x -> hidden: dense, weight = normal(0.3, 0.3)", "", "train:", f"    rule = {rule}",
        f"    loss = {draw(st.sampled_from(('mean(cross_entropy(output.v))', 'cross_entropy(last(output.v))')))}",
        f"    learn = {', '.join(learn)}", "    optimiser = sgd(learning_rate = 1e-3)",
    ]) + "\n"  # fmt: skip
