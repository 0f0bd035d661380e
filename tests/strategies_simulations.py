"""Random networks to simulate: parts, patterns, delays, synapses and plasticity of every kind, in any mixture."""

from __future__ import annotations

from hypothesis import strategies as st

BLOCKS = """
neuron Leaky:
    param tau = 20 ms
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 1:
        v = 0
    refractory 2 ms hold v
neuron Two:
    param tau = 15 ms
    state v = 0
    state w = 0
    input I
    input J
    dv/dt = -v / tau + I - w / (10 ms)
    dw/dt = -w / (30 ms) + J
    spike when v > 0.8:
        v -= 0.8
        w += 0.1
synapse decaying:
    param tau = 5 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight
    deliver g / (1 ms)
synapse conducting:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight
    deliver g * (2 - post.v) / (1 ms)
synapse saturating:
    state s = 0
    ds/dt = -s / (30 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s / (1 ms)
synapse depressing:
    state u = 0
    state x = 1
    state g = 0
    du/dt = -u / (100 ms)
    dx/dt = (1 - x) / (150 ms)
    dg/dt = -g / (4 ms)
    on pre:
        u += 0.3 * (1 - u)
        g += weight * u * x
        x -= u * x
    deliver g / (1 ms)
synapse graded:
    deliver weight * pre.v / (10 ms)
synapse gap:
    deliver weight * (pre.v - post.v) / (10 ms)
plasticity pair:
    param rate = 0.02
    pre state p = 0
    post state q = 0
    dp/dt = -p / (20 ms)
    dq/dt = -q / (20 ms)
    on pre:
        p += 1
        weight -= rate * q
    on post:
        q += 1
        weight += rate * p
    bound weight in [0, 1]
plasticity rewarded:
    modulator reward
    state e = 0
    de/dt = -e / (30 ms)
    on pre: e += 0.1 * post.v
    on post: weight += 0.05 * reward * e
    bound weight in [0, 1]
plasticity wandering:
    on pre: weight += normal(0, 0.01)
    on post: weight -= uniform(0, 0.001) * weight
    bound weight in [0, 1]
"""
SYNAPSES = ("", "", "decaying", "conducting", "saturating", "depressing", "graded", "gap")
PLASTICITIES = ("", "", "pair", "rewarded", "wandering")
WEIGHTS = ("0.05", "uniform(0, 0.1)", "normal(0.05, 0.02)", "each(0.05)")
DELAYS = ("", "1 ms", "3 ms", "uniform(1 ms, 5 ms)", "normal(2 ms, 1 ms)")
CRITIC = 1  # neurons that a modulator may follow


@st.composite
def simulated_networks(draw: st.DrawFn) -> str:
    """A network of two populations and a critic, driven by Poisson spikes."""
    one = lambda of: draw(st.sampled_from(of))  # noqa: E731
    sizes = {"a": one([64, 70, 131]), "b": one([40, 100, 200]), "critic": CRITIC}
    sizes["drive"] = sizes["a"]
    kinds = {"a": one(["Leaky", "Two"]), "b": one(["Leaky", "Two"]), "critic": "Leaky"}
    rate, weight = one([("30 Hz", 0.4), ("uniform(5 Hz, 80 Hz)", 0.4), ("1.2 kHz", 0.02)])
    into = {p: ".I" if kind == "Two" else "" for p, kind in kinds.items()}
    lines = [
        BLOCKS, "network Net:", f"    step = {one(['0.5', '1'])} ms", f"    population drive: poisson[{sizes['drive']}](rate = {rate})",
        *(f"    population {p}: {kinds[p]}[{sizes[p]}]" + one(["", ", v = uniform(0, 0.9)"]) for p in ("a", "b")),
        f"    population critic: Leaky[{CRITIC}]",
        f"    connect drive -> a{into['a']}: one_to_one, weight = {weight}",
        f"    connect drive -> critic: dense, weight = {weight / 20}",
    ]  # fmt: skip
    lines += [draw(connections(k, sizes, kinds)) for k in range(draw(st.integers(2, 4)))]
    lines += ["simulate:", "    duration = 60 ms"]
    if draw(st.booleans()):
        lines.append("    stimulate a.I: 0.05 / (1 ms) from 10 ms to 30 ms")
    return "\n".join(lines) + "\n"


@st.composite
def connections(draw: st.DrawFn, number: int, sizes: dict[str, int], kinds: dict[str, str]) -> str:
    """A connection between whole populations or slices of them."""
    one = lambda of: draw(st.sampled_from(of))  # noqa: E731
    source, target = one(["drive", "a", "b", "critic"]), one(["a", "b", "b"])
    synapse, plasticity, delay = one(SYNAPSES), one(PLASTICITIES), one(DELAYS)
    if source == "drive" and synapse in ("graded", "gap"):
        synapse = "decaying"  # a source of spikes has no variables
    if synapse in ("graded", "gap"):
        plasticity = ""
    start, senders = draw(slices(source, sizes[source]))
    end, receivers = draw(slices(target, sizes[target]))
    patterns = ["dense", f"random(p = {one([0.1, 0.3])})", f"random(total = {max(1, senders * receivers // 6)})"]
    if senders >= 6:
        patterns.append("random(fan_in = 3)")
    if source == target:
        patterns = [p.replace(")", ", self = false)") for p in patterns] + ["dense(self = false)", *patterns]
        delay = delay or "1 ms"
    if senders == receivers:
        patterns.append("one_to_one")
    if (source, target) == ("b", "a"):
        delay = delay or "2 ms"
    weight = "uniform(0, 0.1)" if plasticity else one(WEIGHTS)
    into = one([".I", ".J"]) if kinds[target] == "Two" else ""
    line = f"    connect c{number} = {start} -> {end}{into}: {one(patterns)}, weight = {weight}"
    line += f", delay = {delay}" if delay else ""
    line += f", synapse = {synapse}()" if synapse else ""
    followed = ["critic.v", "critic", *([f"{target}.v"] if receivers == sizes[target] else [])]
    called = f"rewarded(reward = {one(followed)})" if plasticity == "rewarded" else f"{plasticity}()"
    return line + (f", plasticity = {called}" if plasticity else "")


@st.composite
def slices(draw: st.DrawFn, name: str, size: int) -> tuple[str, int]:
    """A population or some of its neurons that follow one another, and how many these are."""
    if size < 4 or draw(st.booleans()):
        return name, size
    first = draw(st.integers(0, size - 2))
    last = draw(st.integers(first + 1, size))
    return f"{name}[{first}:{last}]", last - first
