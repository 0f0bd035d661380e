"""Networks under eventprop whose synapses have states of their own, for tests of gradients and of engines."""

from __future__ import annotations

from event_case import network

MEAN = "cross_entropy(mean(output.v))"
NEURON = """
neuron Soma:
    "Spikes arrive at one input, which a current smooths; synapses with states move the potential itself."
    param tau_m = 20 ms
    param theta = 1
    state v = 0
    state i = 0
    input I
    input D
    dv/dt = (i - v) / tau_m + D
    di/dt = -i / (5 ms) + I
    spike when v > theta: v = 0
"""
GRADED = (
    NEURON.replace("    spike when v > theta: v = 0\n", "")
    .replace("    param theta = 1\n", "")
    .replace("Soma", "Graded")
)
SATURATING = """
    param tau = 6 ms
    param use = 0.5
    state s = 0
    ds/dt = -s / tau
    on pre: s += use * (1 - s)
    deliver weight * s * (0.1 /ms)
"""
SYNAPSES = {
    "depressing": """
    param tau = 4 ms
    param use = 0.5
    state i = 0
    state x = 1
    di/dt = -i / tau
    dx/dt = (1 - x) / (30 ms)
    on pre:
        i += weight * use * x
        x -= use * x
    deliver i * (0.2 /ms)
""",
    "saturating": SATURATING,
    "opening": """
    param use = 0.5
    state x = 0
    state s = 0
    dx/dt = -x / (2 ms)
    ds/dt = -s / (6 ms) + 0.4 /ms * x * (1 - s)
    on pre: x += use
    deliver weight * s * (1.5 - post.v) * (0.1 /ms)
""",
    "filled by its weight": """
    param tau = 6 ms
    state s = 0
    ds/dt = -s / tau
    on pre: s += weight * (1 - 0.3 * s)
    deliver s * (0.1 /ms)
""",
    "of one time constant each": SATURATING.replace("tau = 6 ms", "tau = each(6 ms)"),
    "following the target": """
    param use = 0.5
    state s = 0
    ds/dt = -s * (1 + 0.5 * post.v) / (6 ms)
    on pre: s += use
    deliver weight * s * (0.1 /ms)
""",
    "following the source": """
    state s = 0
    ds/dt = (pre.v - s) / (6 ms)
    deliver weight * s * (0.1 /ms)
""",
    "following the source and its spikes": """
    param use = 0.5
    state s = 0
    ds/dt = (pre.v - s) / (6 ms)
    on pre: s += use
    deliver weight * s * (0.1 /ms)
""",
    "moved by its source as it was left": """
    param tau = each(6 ms)
    param use = 0.5
    state s = 0
    ds/dt = -s / tau
    on pre: s += use * (1 - s) * sin(pre.v + pre.i)
    deliver weight * s * (0.1 /ms)
""",
    "moved by the target that it meets": """
    param use = 0.5
    state s = 0
    ds/dt = -s / (6 ms)
    on pre: s += use * (1.5 - post.v) * (1 + tanh(post.i) - s)
    deliver weight * s * (0.1 /ms)
""",
    "moved by both sides and the time": """
    param tau = each(6 ms)
    param use = 0.5
    state s = 0
    ds/dt = -s / tau
    on pre: s += use * (1 - post.v * s) * tanh(pre.i + t / (10 ms))
    deliver weight * s * (1.5 - s) * (0.1 /ms)
""",
    "still between spikes": """
    param use = 0.5
    state s = 0
    on pre: s += use * (1 - s)
    deliver weight * s * (0.03 /ms)
""",
    "graded by the source": """
    deliver weight * sigmoid(6 * (pre.v - 0.5)) * (0.1 /ms)
""",
    "bent by both sides": """
    param tau = each(6 ms)
    param use = 0.5
    state s = 0
    ds/dt = -s * (1 + post.v * post.v) / tau + 0.2 /ms * pre.v * pre.v
    on pre: s += use * (1 - s)
    deliver weight * s * (1.5 - post.v) / (1 + exp(-4 * post.v)) * (0.1 /ms)
""",
    "a gap junction": """
    param use = 0.5
    deliver weight * use * (pre.v - post.v) * (0.2 /ms)
""",
}


def with_synapses(kind: str, loss: str = MEAN, learn: str = "weights, hidden.theta", delay: str = "1 ms") -> str:
    """A network whose recurrent synapses are of that kind; `delay`: "" for the default."""
    return with_own(SYNAPSES[kind], loss, learn, delay)


def with_own(body: str, loss: str, learn: str, delay: str) -> str:
    """The same with synapses of that body."""
    text = network("Soma", f"{NEURON}\nsynapse own:{body}", loss=loss, learn=learn)
    text = text.replace("connect x -> hidden:", "connect x -> hidden.I:")
    old = "connect hidden -> hidden: dense, weight = normal(0, 1), delay = 1 ms"
    assert old in text
    late = f", delay = {delay}" if delay else ""
    return text.replace(old, f"connect hidden -> hidden.D: dense, weight = normal(0, 1){late}, synapse = own()")


def onto_a_readout(body: str) -> str:
    """A network of spiking neurons with synapses of that body onto others that never spike,
    read where they are largest.
    """
    own = f"{NEURON}\n{GRADED}\nsynapse own:{body}"
    text = network("Soma", own, "Graded", "cross_entropy(max(output.v))", False, "weights, hidden.theta")
    text = text.replace("x -> hidden:", "x -> hidden.I:").replace("hidden -> output:", "hidden -> output.D:")
    delay = "" if least_step(body) < 0.1 else "delay = 1 ms, "
    return text.replace("delay = 0 ms", f"{delay}synapse = own()")


def without_spikes(body: str) -> str:
    """A network of neurons that never spike, driven by spikes through a current, with synapses of that body;
    read where it is largest.
    """
    text = network(
        "Graded", f"{GRADED}\nsynapse own:{body}", "Graded", "cross_entropy(max(output.v))", False, "weights"
    )  # fmt: skip
    text = text.replace("x -> hidden:", "x -> hidden.I:").replace("hidden -> output:", "hidden -> output.D:")
    return text.replace("delay = 0 ms", "synapse = own()")


def least_step(text: str) -> float:
    """The step in ms of the event-driven simulation.

    What reads its source or its target all the time is one step late where no delay is stated: next to nothing there.
    """
    lines = text.splitlines()
    if any(" = own()" in line or " = pairs(" in line for line in lines if " delay = " in line and "= 0 ms" not in line):
        return 0.1
    all_the_time = [line for line in lines if "on pre:" not in line]
    return 1e-6 if any("pre.v" in line or "post.v" in line for line in all_the_time) else 0.1
