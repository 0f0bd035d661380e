"""Random networks under e-prop or bptt of any pattern of synapses, delays, learnt or not, and feedback,
between random neurons.
"""

from __future__ import annotations

from hypothesis import strategies as st
from strategies_networks import LOSSES, neurons

DRAWN = ("random(p = 0.5)", "random(fan_in = 2, repeats = true)", "random(fan_out = 2)", "random(total = 9)")
WHOLE = ("dense", "one_to_one", "conv2d(kernel = [3, 3], padding = same, channels = 2)")
PARTS = ("[0:2, 1:3, 0:2] -> {target}[1:2, 0:3, 0:2]: dense", "[0:1, 0:3, 0:2] -> {target}[0:2, 0:3, 1:2]: one_to_one")
# parts that share the weights of others: the owner's, those that fit, and those that fit transposed
SHARED = {
    PARTS[0]: (
        (PARTS[0], "[0:2, 0:2, 0:2] -> {target}[0:2, 0:3, 1:2]: dense"),
        ("[1:2, 0:3, 0:2] -> {target}[0:2, 1:3, 0:2]: dense", "[0:2, 0:3, 1:2] -> {target}[0:2, 0:2, 0:2]: dense"),
    ),
    PARTS[1]: ((PARTS[1], "[0:2, 0:3, 0:1] -> {target}[1:2, 0:3, 0:2]: one_to_one"), ()),
    "dense": ((" -> {target}: dense",), (" -> {target}: dense",)),
    "one_to_one": ((" -> {target}: one_to_one",), ()),
    "dense(self = false)": ((" -> hidden: dense(self = false)",), (" -> hidden: dense(self = false)",)),
    "[0:2, 0:2, 0:2] -> {target}[0:2, 1:3, 0:2]: dense(self = false)": (
        ("[0:2, 1:3, 0:2] -> hidden[0:2, 0:2, 0:2]: dense(self = false)",) * 2,
        ("[0:2, 1:3, 0:2] -> hidden[0:2, 1:3, 0:2]: dense(self = false)",) * 2,
    ),
}
OUT = ("dense", *DRAWN, "conv2d(kernel = [1, 2], channels = 1)")
WEIGHTS = ("normal(0.2, 0.5)", "normal(0.2, 0.5)", "each(0.3)", "0.4")
STEPS = ("mean(cross_entropy(output.v)) + 0.5 * cross_entropy(mean(output.v))",)


@st.composite
def networks_of_patterns(draw: st.DrawFn, forwards: bool = False) -> str:
    """A network whose connections have random patterns, weights and delays; `forwards`:
    what the loss reads may spike, or differ in its numbers.
    """

    def connection(name: str, source: str, target: str, ends: str, delays: tuple[str, ...]) -> str:
        of_pairs = not any(word in ends for word in ("repeats", "total"))
        delay = draw(st.sampled_from([d for d in delays if of_pairs or "uniform" not in d]))
        left = ends if "->" in ends else f" -> {target}: {ends}"
        return f"    connect {name} = {source}{left.format(target=target)}, weight = {draw(st.sampled_from(WEIGHTS))}{delay}"

    onto = (*WHOLE, *DRAWN, *PARTS)
    later = (", delay = 2 ms", ", delay = 6 ms", ", delay = uniform(1 ms, 4 ms)")
    at_once = ("", ", delay = 3 ms", ", delay = uniform(0 ms, 3 ms)")
    learns_delays = draw(st.booleans())
    itself = (*onto, "random(p = 0.4, self = false)", *[s for s in SHARED if "false" in s])
    by = "eprop" if forwards or draw(st.integers(0, 2)) else "bptt"
    rule = [f"feedback = {draw(st.sampled_from(('symmetric', 'random', 'adaptive')))}"] * (by == "eprop")
    rule += [f"truncate = {draw(st.integers(4, 9))} ms"] * draw(st.booleans())
    output = f"LI[2, 2, 1](tau_m = {draw(st.integers(4, 30))} ms)"
    if forwards:
        output = draw(
            st.sampled_from((output, "LI[2, 2, 1](tau_m = uniform(5 ms, 15 ms))", "LIF[2, 2, 1](theta = 0.6)"))
        )
    ends = {name: draw(st.sampled_from(itself if name == "c" else onto)) for name in "acd"}
    twins = [
        (name, fit, way) for name, of in ends.items() for way, fit in zip(("", " transposed"), SHARED.get(of, ((), ())))
    ]
    twins = [(name, way, parts) for name, fit, way in twins for parts in fit]
    shared: list[str] = []
    if twins and draw(st.booleans()):
        name, way, parts = draw(st.sampled_from(twins))
        target = "hidden" if "false" in parts else draw(st.sampled_from(("hidden", "second")))
        left = f"hidden{parts.format(target=target)}"
        shared.append(f"    connect g = {left}, share = {name}{way}, delay = {draw(st.integers(1, 4))} ms")
    return "\n".join([
        draw(neurons()), "", "network Net:", "    step = 1 ms", "    population x: input[2, 3, 2]",
        "    population hidden: Random[2, 3, 2]", "    population second: LIF[2, 3, 2](theta = 0.7)",
        f"    population output: {output}",
        connection("a", "x", "hidden", ends["a"], ("", *later)),
        "    connect b = x -> hidden: dense, weight = normal(0.2, 0.5)",
        connection("c", "hidden", "hidden", ends["c"], later),
        connection("d", "hidden", "second", ends["d"], ("", *later)), *shared,
        connection("e", "hidden", "output", draw(st.sampled_from(OUT)), at_once),
        connection("f", "second", "output", draw(st.sampled_from(OUT)), at_once),
        "", "train:", f"    rule = {by}({', '.join(rule)})", f"    loss = {draw(st.sampled_from((*LOSSES, *STEPS)))}",
        f"    learn = weights, hidden.tau, hidden.theta, second.tau_m, output.bias{', delays' * learns_delays}", "    optimiser = sgd(learning_rate = 1e-3)",
    ]) + "\n"  # fmt: skip
