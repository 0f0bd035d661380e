"""Random networks in the language: neurons with random states, couplings, thresholds and jumps;
random wiring, losses and rules.
"""

from __future__ import annotations

from hypothesis import strategies as st

SURROGATES = (
    "triangle(width = 1, height = 0.5)", "fast_sigmoid(slope = 3)", "atan(alpha = 2)", "sigmoid(slope = 3)",
    "gaussian(sigma = 0.6, height = 0.7)",
)  # fmt: skip
LOSSES = (
    "mean(cross_entropy(output.v))", "sum(cross_entropy(output.v))", "cross_entropy(mean(output.v))",
    "cross_entropy(last(output.v))", "cross_entropy(sum(output.v, from = 4 ms))",
    "mean(cross_entropy(output.v, smoothing = 0.1), from = 3 ms)",
)  # fmt: skip


@st.composite
def neurons(draw: st.DrawFn) -> str:
    """A neuron `Random` of one to three states, linear or not, with a threshold that may adapt and any kind of jump."""
    number = lambda low, high: round(draw(st.floats(low, high)), 3)  # noqa: E731
    extra = draw(st.integers(0, 2))
    lines = ["neuron Random:", f"    param tau = {number(5, 40)} ms", f"    param theta = {number(0.4, 1.2)}"]
    lines += [f"    param tau_{k} = {number(3, 60)} ms" for k in range(extra)]
    lines += [f"    param gain_{k} = {number(-0.4, 0.4)}" for k in range(extra)]
    lines += ["    state v = 0", *(f"    state x{k} = {number(0, 0.1)}" for k in range(extra)), "    input I"]
    drive = "".join(f" + gain_{k} * x{k}" for k in range(extra))
    shape = draw(st.sampled_from(["-v{drive}", "-v{drive}", "-v * (1 + 0.2 * v){drive}", "-tanh(v){drive}"]))
    lines.append(f"    dv/dt = ({shape.format(drive=drive)}) / tau + I")
    kinds = ["-x{k}", "v - x{k}", "0.5 * v * v - x{k}"]
    lines += [f"    dx{k}/dt = ({draw(st.sampled_from(kinds)).format(k=k)}) / tau_{k}" for k in range(extra)]
    moving = " + 0.1 * x0" if extra and draw(st.booleans()) else ""
    lines.append(f"    spike when v > theta{moving}:")
    jumps = ["reset v -= theta", "reset v = 0", "v -= theta", "v *= 0.2", "reset v = 0.1 * v"]
    lines.append(f"        {draw(st.sampled_from(jumps))}")
    lines += [
        f"        {draw(st.sampled_from(['x{k} += 1', 'reset x{k} += 0.3', 'x{k} *= 0.5'])).format(k=k)}"
        for k in range(extra)
    ]
    if draw(st.integers(0, 3)) == 0:
        lines.append(f"    refractory {draw(st.integers(1, 3))} ms" + draw(st.sampled_from(["", " hold v"])))
    lines.append(f"    surrogate {draw(st.sampled_from(SURROGATES))}")
    return "\n".join(lines)


@st.composite
def networks(draw: st.DrawFn, rule: str) -> str:
    """A network of random neurons with a `train` block that learns everything."""
    definition = draw(neurons())
    size, delay = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    more = draw(st.booleans())
    lines = [
        definition, "", "network Net:", "    step = 1 ms", "    population x: input[6]",
        f"    population hidden: Random[{size}]", f"    population output: LI[3](tau_m = {draw(st.integers(4, 30))} ms)",
        "    connect x -> hidden: dense, weight = normal(0, 1)",
        f"    connect hidden -> hidden: dense, weight = normal(0, 1), delay = {delay} ms",
        f"    connect hidden -> output: dense, weight = normal(0, 1), delay = {draw(st.integers(0, 2))} ms",
    ]  # fmt: skip
    if more:
        lines.insert(-3, f"    population second: LIF[{draw(st.integers(1, 4))}](theta = 0.7)")
        lines += [
            "    connect hidden -> second: dense, weight = normal(0, 1), delay = 1 ms",
            "    connect second -> output: dense, weight = normal(0, 1)",
        ]
    learn = "weights, hidden.tau, hidden.theta, output.tau_m, output.bias" + (", second.tau_m" if more else "")
    lines += [
        "", "train:", f"    rule = {rule}", f"    loss = {draw(st.sampled_from(LOSSES))}", f"    learn = {learn}",
        "    optimiser = sgd(learning_rate = 1e-3)",
    ]  # fmt: skip
    if rule != "eprop(online = true)" and draw(st.booleans()):
        lines.append("    penalty = firing_rate(hidden, target = 20 Hz, strength = 1e-6)")
    return "\n".join(lines) + "\n"
