"""Neurons, synapses and rules of plasticity of every form, of which random simulations are made.

All neurons have a `v`; a spike without synapse arrives as a plain number (of `Map` and `Mixed`: per ms), a synapse
delivers per ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

LEAKY = """
neuron Leaky:
    param gauge = 0.8
    param tau = 20 ms
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 1:
        v = 0
    refractory 2 ms hold v
"""
STDP = """
plasticity stdp:
    param tau = 20 ms
    pre state x = 0
    post state y = 0
    dx/dt = -x / tau
    dy/dt = -y / tau
    on pre:
        weight += -0.02 * y
        x += 1
    on post:
        weight += 0.03 * x
        y += 1
    bound weight in [0, 0.4]
"""
BLOCKS = (
    LEAKY
    + """neuron Two:
    param gauge = 0.8
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
neuron Noisy:
    param gauge = 0.8
    param tau = 10 ms
    param sigma = 0.05 / (1 ms)^0.5
    state v = 0
    state w = 0
    input I
    dv/dt = (w - v) / tau + sigma * noise + I
    dw/dt = -w / (7 ms) + 0.1 * sigma * v * noise
    spike when v > 0.9:
        v = normal(0, 0.05)
neuron Curved:
    param gauge = 0.8
    param tau = 10 ms
    state v = 0
    state u = 0.1
    input I
    dv/dt = v * (clip(v, -1, 2) - 0.6) / tau - u / (20 ms) + I
    du/dt = (0.2 * v - u) / (30 ms)
    spike when v >= 1.2 + 0.1 * sin(t / (5 ms)):
        v = 0
        u += 0.1
    refractory 1 ms
neuron Conducting:
    param gauge = 0.8
    param bias = each(0.02)
    state v = 0
    state g = 0
    input I
    input J
    dv/dt = (-v * (1 + tanh(g)^2) + bias) / (15 ms) + I
    dg/dt = -g / (20 ms) + J
    spike when v > 1:
        v = 0.2 * uniform(0, 1)
        g += 0.2
    refractory 3 ms hold v
neuron Map:
    param gauge = 0.8
    param decay = 0.9
    state v = 0
    state r = 0
    input I
    each step:
        r = uniform(0, 0.02)
        v = decay * v + (1 ms) * I + r
    spike when v > 1:
        v -= 1
neuron Mixed:
    param gauge = 0.8
    param tau = 12 ms
    state v = 0
    state n = 0
    input I
    dv/dt = -v / tau + (0.01 * n) / (1 ms)
    each step: n = 0.8 * n + I * (10 ms) if v < 0.9 else 0.5 * n
    spike when v > 0.5:
        v = 0
neuron Silent:
    param gauge = 0.8
    param tau = 10 ms
    state v = 0.3
    input I
    dv/dt = (0.3 - v) / tau + I + 0.03 / (1 ms)^0.5 * noise
synapse decaying:
    param tau = 5 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight
    deliver g / (1 ms)
synapse conducting:
    param most = 2
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight
    deliver g * (most - post.v) / (1 ms)
synapse rising:
    state s = 0
    state g = 0
    ds/dt = -s / (2 ms)
    dg/dt = (s - g) / (6 ms)
    on pre: s += weight
    deliver g / (1 ms)
synapse saturating:
    param tau = 30 ms
    state s = 0
    ds/dt = -s / tau
    on pre: s += 0.4 * (1 - s)
    deliver weight * s / (1 ms)
synapse depressing:
    param use = 0.3
    state u = 0
    state x = 1
    state g = 0
    du/dt = -u / (100 ms)
    dx/dt = (1 - x) / (150 ms)
    dg/dt = -g / (4 ms)
    on pre:
        u += use * (1 - u)
        g += weight * u * x
        x -= u * x
    deliver g / (1 ms)
synapse own:
    param tau = 8 ms
    state g = uniform(0, 0.02)
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / tau
    on pre: g += weight * (1.5 - tanh(g))
    deliver g * (1.2 - tanh(post.v)) / (4 ms)
synapse releasing:
    param p = 0.6
    state s = 0
    ds/dt = -s / (5 ms)
    on pre: s += normal(1, 0.2) if uniform(0, 1) < p else 0
    deliver weight * s / (1 ms)
synapse graded:
    deliver weight * pre.v / (10 ms)
synapse gap:
    deliver weight * (pre.v - post.v) / (10 ms)
synapse curved:
    deliver weight * sigmoid((pre.v - 0.5) / 0.2) * (2 - post.v) / (20 ms)
synapse opening:
    state s = 0.1
    ds/dt = (tanh(pre.v) - s) / (12 ms)
    deliver weight * s / (5 ms)
synapse binding:
    state s = 0.1
    ds/dt = -s / (9 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s * (1 + 0.1 * pre.v) / (5 ms)
synapse seeing:
    state s = 0
    ds/dt = -s / (8 ms)
    on pre: s += weight * (1 + tanh(pre.v)) * (1 - tanh(s))
    deliver s / (2 ms)
synapse mixed:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (1 + 0.1 * post.v)
    deliver g * (2 - post.v) / (1 ms) + 0.01 * weight * pre.v / (1 ms)
synapse fluctuating:
    param sigma = 0.01 / (1 ms)^0.5
    state g = 0
    dg/dt = -g / (6 ms) + sigma * noise
    on pre: g += weight
    deliver g / (1 ms)
synapse slow:
    param tau = 3 ms
    state a = 0
    state b = 0
    state c = 0
    let flow = (a - b) / tau
    da/dt = -a / tau
    db/dt = flow
    dc/dt = (b - c) / (2 * tau)
    on pre: a += weight
    deliver (b + 0.5 * c) / (1 ms)
synapse personal:
    param first = 0.05
    state g = first
    dg/dt = (first - g) / (8 ms * (0.5 + post.gauge))
    on pre: g += weight * post.gauge * (1.5 - tanh(g))
    deliver g / (2 ms)
synapse gauged:
    deliver weight * pre.v * pre.gauge / (10 ms)
plasticity personal_pair:
    param rate = 0.02
    post state q = 0
    dq/dt = -q / (20 ms * (0.5 + post.gauge))
    on pre: weight -= rate * q
    on post:
        q += post.gauge + 0.1 * tanh(post.v)
        weight += 0.01 * post.gauge
    bound weight in [0, 1]
plasticity meeting:
    pre state p = 0
    dp/dt = -p / (15 ms)
    on pre:
        p += pre.gauge * (1 + tanh(pre.v))
        weight += 0.01 * p - 0.01 * pre.v
    bound weight in [0, 1]
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
    param rate = 0.05
    modulator reward
    state e = 0
    de/dt = -e / (30 ms)
    on pre: e += 0.1 * post.v
    on post: weight += rate * reward * e
    bound weight in [0, 1]
plasticity graded_reward:
    modulator reward
    pre state p = 0
    dp/dt = -p / (15 ms)
    on pre:
        weight += 0.01 * reward * p
        p += 1
    bound weight in [0, 1]
plasticity voltage:
    post state trace = 0
    dtrace/dt = -trace / (10 ms)
    on pre: weight += 0.05 * (post.v - 0.3) - 0.01 * trace
    on post: trace += 0.1
    bound weight in [0, 1]
plasticity continuous:
    state c = 0.1
    dc/dt = (0.2 * tanh(post.v) - c) / (20 ms)
    on pre: weight += 0.02 * c
    on post: c *= 0.9
    bound weight in [0, 1]
plasticity voltages:
    param tau = 10 ms
    pre state p = 0
    post state q = 0
    dp/dt = (pre.v - p) / tau
    dq/dt = (post.v - q) / tau
    on pre: weight += 0.01 * (q - 0.2)
    on post: weight += 0.02 * p * (pre.v - 0.1)
    bound weight in [0, 1]
plasticity two_factors:
    modulator reward
    modulator punishment
    pre state p = 0
    post state q = 0
    state e = 0
    dp/dt = -p / (20 ms)
    dq/dt = -q / (10 ms)
    de/dt = (0.01 * reward - e) / (20 ms)
    on pre:
        e += 0.05 * q
        p += 1 + 0.1 * p
        weight += e - 0.01 * punishment
    on post:
        weight += reward * e * p
        q = 1
plasticity wandering:
    on pre: weight += normal(0, 0.01)
    on post: weight -= uniform(0, 0.001) * weight
    bound weight in [0, 1]
"""
)


@dataclass(frozen=True)
class Kind:
    """A neuron of the blocks: its inputs, its states, and a parameter that a population may override."""

    inputs: tuple[str, ...]
    states: tuple[str, ...]
    override: str = ""
    unit: str = ""  # of a spike's weight
    spikes: bool = True


def _with(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the named blocks in whose text there is such a thing."""
    texts = dict(re.findall(r"^(?:synapse|plasticity) (\w+):\n((?: .*\n)+)", BLOCKS, re.MULTILINE))
    return tuple(name for name in names if re.search(what, texts.get(name, "")))


KINDS = {
    "Leaky": Kind(("I",), ("v",), "tau = uniform(10 ms, 25 ms)"),
    "Two": Kind(("I", "J"), ("v", "w"), "tau = 12 ms adjustable"),
    "Noisy": Kind(("I",), ("v", "w"), "sigma = uniform(0.01, 0.08) / (1 ms)^0.5"),
    "Curved": Kind(("I",), ("v", "u"), "tau = each(9 ms)"),
    "Conducting": Kind(("I", "J"), ("v", "g"), "bias = normal(0.03, 0.01)"),
    "Map": Kind(("I",), ("v", "r"), "decay = uniform(0.8, 0.95)", " / (1 ms)"),
    "Mixed": Kind(("I",), ("v", "n"), "tau = 10 ms", " / (1 ms)"),
    "Silent": Kind(("I",), ("v",), "tau = uniform(5 ms, 15 ms)", spikes=False),
}
SYNAPSES = {
    "": (), "decaying": ("tau = 3 ms", "tau = uniform(2 ms, 8 ms)"), "conducting": ("most = 1.5",), "rising": (), "saturating": ("tau = 10 ms",),
    "depressing": ("use = 0.5", "use = each(0.4)"), "own": ("tau = each(6 ms)",), "releasing": ("p = 0.9",), "graded": (), "gap": (), "curved": (), "opening": (), "binding": (), "seeing": (), "personal": ("first = each(0.1)", "first = 0.02 adjustable"), "gauged": (), "mixed": (), "fluctuating": ("sigma = 0.02 / (1 ms)^0.5",), "slow": ("tau = 2 ms",),
}  # fmt: skip
PLASTICITIES = {
    "pair": ("rate = 0.01", "rate = 0.03 adjustable"), "rewarded": ("rate = 0.1",), "graded_reward": (), "voltage": (), "continuous": (),
    "wandering": (),
    "voltages": ("tau = 4 ms",),
    "two_factors": (),
    "personal_pair": ("rate = 0.01 adjustable",),
    "meeting": (),
}  # fmt: skip
REWARDED = _with("modulator reward", PLASTICITIES)
NOTICES_POST = _with("on post:|post state", PLASTICITIES)
STATES = {  # that can be recorded of each synapse, by its block
    name: tuple(re.findall(rf"^    {kind}state (\w+)", text, re.MULTILINE))
    for name, text in re.findall(r"^(?:synapse|plasticity) (\w+):\n((?: .*\n)+)", BLOCKS, re.MULTILINE)
    for kind in ["" if re.search(r"(pre|post)\.", text) else "(?:pre |post )?"]
}
OF_SOURCE = _with(r"pre\.[vg]", (*SYNAPSES, *PLASTICITIES))  # what reads variables of its source
