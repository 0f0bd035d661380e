"""Random networks for eventprop: neurons with linear equations, random couplings, thresholds and jumps;
random wiring, delays, losses.
"""

from __future__ import annotations

from event_case import FIRST, network
from hypothesis import strategies as st
from timed_synapses import GRADED, MEAN, least_step, onto_a_readout, with_own

LOSSES = (
    FIRST, "cross_entropy(mean(output.v))", "cross_entropy(last(output.v))", "cross_entropy(mean(output.i, from = 6 ms, to = 12 ms))",
    f"{FIRST} + 0.5 * cross_entropy(mean(output.v))", "mean(cross_entropy(output.v / 0.3))", "cross_entropy(max(output.v))",
)  # fmt: skip


@st.composite
def timed_neurons(draw: st.DrawFn) -> str:
    """A neuron `Timed` whose current crosses its threshold smoothly, with a third state or none,
    and any kind of jump.
    """
    number = lambda low, high: round(draw(st.floats(low, high)), 2)  # noqa: E731
    third = draw(st.booleans())
    lines = ["neuron Timed:", f"    param tau_m = {number(8, 25)} ms", f"    param tau_syn = {number(3, 8)} ms"]
    lines += [
        f"    param theta = {number(0.7, 1.2)}",
        "    state v = 0",
        "    state i = 0",
        *["    state a = 0"] * third,
        "    input I",
    ]
    coupled = f" + {number(-0.4, 0.3)} * a" if third else ""
    lines += [f"    dv/dt = (i - v{coupled}) / tau_m", "    di/dt = -i / tau_syn + I"]
    lines += [f"    da/dt = ({number(-0.3, 0.5)} * v - a) / (30 ms)"] * third
    lines.append(f"    spike when v > theta{f' + {number(0, 0.2)} * a' if third else ''}:")
    lines.append(f"        {draw(st.sampled_from(('v = 0', 'v -= theta', 'v = 0.2 * v', 'v = 0.1 * v - 0.05 * i')))}")
    lines += [f"        {draw(st.sampled_from(('a += 0.4', 'a *= 0.5', 'a += 0.5 * (1 - a) + 0.1 * v')))}"] * third
    if draw(st.booleans()):
        lines.append(f"        i *= {number(0.5, 1)}")
    if draw(st.integers(0, 3)) == 0:
        lines.append(f"    refractory {draw(st.integers(1, 3))} ms{draw(st.sampled_from(('', ' hold v')))}")
    return "\n".join(lines)


@st.composite
def timed_networks(draw: st.DrawFn) -> tuple[str, int]:
    """A network under eventprop that learns weights and numbers, and sometimes delays; a seed of weights and events."""
    definition, learn = draw(timed_neurons()), "weights, hidden.tau_m, hidden.theta"
    delays, output = draw(st.booleans()), draw(st.sampled_from(("CubaLIF", "Timed", "LI")))
    losses = [loss for loss in LOSSES if output != "LI" or "spike" not in loss and "output.i" not in loss]
    text = network(
        "Timed", definition, output, draw(st.sampled_from(losses)), draw(st.booleans()),
        learn + ", x_hidden.delay, hidden_output.delay" * delays,
    )  # fmt: skip
    if delays:
        text = text.replace("delay = 0.5 ms", "delay = each(1 ms)").replace("delay = 0 ms", "delay = 1 ms")
    return text, draw(st.integers(0, 1000))


@st.composite
def timed_synapses(draw: st.DrawFn) -> str:
    """The body of a synapse with one or two states, which its target,
    its source or each synapse has, as they turn out.
    """
    number = lambda low, high: round(draw(st.floats(low, high)), 2)  # noqa: E731
    each = "each({})" if draw(st.booleans()) else "{}"
    lines = [f"param tau = {each.format(f'{number(3, 8)} ms')}", f"param use = {number(0.2, 0.8)}", "state s = 0"]
    two = draw(st.booleans())
    lines += ["state x = 1"] * two
    slopes = (
        "-s / tau",
        "-s * (1 + 0.5 * post.v) / tau",
        "(0.5 * pre.v - s) / tau",
        "(0.5 * pre.v * pre.v - s) / tau",
        "-s / tau + 0.1 /ms * x * (1 - s)",
    )
    lines += [f"ds/dt = {draw(st.sampled_from(slopes[: 5 if two else 4]))}"]
    lines += [f"dx/dt = (1 - x) / ({number(10, 40)} ms)"] * two
    jumps = (
        "use",
        "use * (1 - s)",
        "use * tanh(pre.i) * (1 - s)",
        "use * (1.5 - post.v)",
        "use * (post.i - s)",
        "use * x",
    )
    lines += ["on pre:", f"    s += {draw(st.sampled_from(jumps[: 6 if two else 5]))}"]
    lines += [f"    x -= {draw(st.sampled_from(('use * x', '0.2')))}"] * two
    delivered = draw(
        st.sampled_from(("s", "s * (1.5 - post.v)", "(s + 0.3 * (pre.v - post.v))", "(s + 0.3 * sigmoid(4 * pre.v))"))
    )
    lines.append(f"deliver weight * {delivered} * (0.1 /ms)")
    return "".join(f"\n    {line}" for line in lines) + "\n"


@st.composite
def networks_of_timed_synapses(draw: st.DrawFn) -> tuple[str, int]:
    """A network under eventprop whose synapses, recurrent ones or onto a readout, have states;
    a seed of weights and events.
    """
    body = draw(timed_synapses())
    if draw(st.integers(0, 2)) == 0:
        return onto_a_readout(body), draw(st.integers(0, 1000))
    at_once = least_step(body) < 0.1
    drawn = not at_once and draw(st.booleans())
    learn = "weights, hidden.theta, hidden_hidden.use" + ", hidden_hidden.delay" * drawn
    delay = "" if at_once else "each(1 ms)" if drawn else "1 ms"
    return with_own(body, draw(st.sampled_from((FIRST, MEAN))), learn, delay), draw(st.integers(0, 1000))


@st.composite
def timed_rules(draw: st.DrawFn, told: bool, late: bool) -> str:
    """A plasticity `pairs` with traces of both sides and a state of each synapse, which may read both of its neurons.

    told: by a modulator m. late: behind a delay of each synapse, which `on post` cannot see its source by.
    """
    number = lambda low, high: round(draw(st.floats(low, high)), 2)  # noqa: E731
    slopes = (
        "-e / (8 ms)",
        "-e / (8 ms) + x * post.v * (0.3 /ms)",
        "-e / (10 ms) + 0.05 /ms * x * y",
        "(pre.v * pre.v - e) / (6 ms)",
        "(pre.v - e) / (6 ms)",
        *["-e / (8 ms) + x * m * (0.2 /ms)", "(pre.v * m * m - e) / (6 ms)"] * told,
    )
    met = (
        "y", "y * (1 + e)", "tanh(pre.i) * (1 + y)", "(1 + y) * post.i", "(e - post.v) * 0.5",
        *["(1 + y) * tanh(m)", "m * post.v"] * told,
    )  # fmt: skip
    left = (
        "x * (1.5 - weight)", "e", "(e + tanh(post.i))", "x * (1 + y) * cos(weight)",
        *["(1 + x) * tanh(pre.i + pre.v)", "e * pre.v * post.i"] * (not late),
        *["x * m", "tanh(m * post.v)"] * told,
    )  # fmt: skip
    if late:
        slopes = tuple(slope for slope in slopes if "x" not in slope)  # a trace that each synapse sees in an equation
    return f"""
plasticity pairs:
    param up = {number(0.05, 0.3)}{TOLD * told}
    pre state x = 0
    post state y = 0
    state e = 0
    dx/dt = -x / ({number(5, 20)} ms)
    dy/dt = {draw(st.sampled_from(("-y", "(post.v - y)")))} / ({number(5, 20)} ms)
    de/dt = {draw(st.sampled_from(slopes))}
    on pre:
        weight -= 0.5 * up * {draw(st.sampled_from(met))}
        x += 1
        e += {draw(st.sampled_from(("0.1", "0.1 * weight", "0.2 * x")))}
    on post:
        weight += up * {draw(st.sampled_from(left))}
        y += 1
"""


TOLD = "\n    modulator m"
SETTING = {  # what a modulator follows: of what population, how it is driven
    "dopamine.v": (("Graded[1]", "Graded[3]"), ("D: dense, weight = 0.4, delay = 0 ms", "I: dense, weight = 2, delay = 0.7 ms")),
    "dopamine.i": (("Soma[1]", "Soma[3]"), ("I: dense, weight = 1.5, delay = 0 ms",)),
    "hidden.v": ((), ()),
}  # fmt: skip


@st.composite
def networks_of_timed_rules(draw: st.DrawFn) -> tuple[str, int]:
    """A network under eventprop whose recurrent weights move, of impulses or of synapses with states;
    a seed of weights and events.
    """
    told, late, impulses = draw(st.booleans()), draw(st.integers(0, 3)) == 0, draw(st.booleans())
    body, rule = draw(timed_synapses()), draw(timed_rules(told, late))
    at_once = not late and draw(st.booleans())
    learn = "weights, hidden.theta, hidden_hidden.plasticity.up" + ", hidden_hidden.delay" * late
    delay = "each(1 ms)" if late else "" if at_once else "1 ms"
    text = with_own(body, draw(st.sampled_from((FIRST, MEAN))), learn, delay)
    follows = draw(st.sampled_from(sorted(SETTING))) if told else ""
    moves = f"plasticity = pairs({f'm = {follows}' if told else ''})" + ", post_delay = 0.7 ms" * draw(st.booleans())
    if impulses:
        text = text.replace("hidden -> hidden.D", "hidden -> hidden.I").replace("synapse = own()", moves)
    text = text.replace("synapse = own()", f"synapse = own(), {moves}")
    if "dopamine" in follows:
        population, driven = (draw(st.sampled_from(of)) for of in SETTING[follows])
        text = text.replace("    population output", f"    population dopamine: {population}\n    population output")
        text = text.replace(
            "    connect hidden -> output", f"    connect hidden -> dopamine.{driven}\n    connect hidden -> output"
        )
    return f"{GRADED}{rule}{text}", draw(st.integers(0, 1000))
