"""Random networks to simulate: sources, parts, patterns, delays,
synapses and plasticity of every kind, in any mixture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from blocks_simulations import BLOCKS, KINDS, NOTICES_POST, OF_SOURCE, PLASTICITIES, REWARDED, STATES, SYNAPSES
from hypothesis import strategies as st

WEIGHTS = (
    "0.05", "uniform(0, 0.1)", "normal(0.05, 0.02)", "each(0.05)", "gamma(4, 0.015) in [0, 0.2]", "-0.03",
    "normal(0.02, 0.1 / sqrt(fan_in))", "0.1 * exp(-abs(i - j) / 10)", "exponential(0.05)",
)  # fmt: skip
DELAYS = (
    "1 ms", "3 ms", "7 ms", "26 ms", "uniform(1 ms, 5 ms)", "normal(2 ms, 1 ms)", "each(2 ms)", "gamma(0.7, 2 ms)",
    "normal(3 ms, 2 ms, clip = [1 ms, 9 ms])", "1 ms + 0.2 ms * abs(i - j)",
)  # fmt: skip
FIXED = tuple(d for d in DELAYS if d[0].isdigit() and d.endswith("ms"))
MADE = ("random(p = 0.1)", "random(p = 0.3)", "random(fan_out = 4)", "random(fan_out = 4, repeats = true)")
CARRIED = ("", "decaying", "conducting", "rising", "depressing", "slow")  # synapses whose states neurons carry
RATES = (
    ("30 Hz", 0.4),
    ("uniform(5 Hz, 80 Hz)", 0.4),
    ("each(40 Hz)", 0.3),
    ("50 Hz adjustable", 0.3),
    ("1.2 kHz", 0.02),
)


def one(draw: st.DrawFn, of: Sequence[Any]) -> Any:
    """One of several."""
    return draw(st.sampled_from(of))


@dataclass(frozen=True)
class End:
    """A population that connections join; `model` is a neuron's, or the kind of source."""

    name: str
    model: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of its neurons."""
        return prod(self.shape)

    @property
    def neurons(self) -> bool:
        """Whether it has states."""
        return self.model in KINDS

    @property
    def brackets(self) -> str:
        """Its shape as it is written."""
        return f"[{', '.join(map(str, self.shape))}]"


@st.composite
def simulated_networks(draw: st.DrawFn, small: bool = False) -> str:
    """Two populations, a critic, sources, sometimes images, joined by random connections.

    `small`: for what compiles slowly.
    """
    shapes = [(40,), (64,), (70,), (9, 8)] if small else [(64,), (70,), (131,), (200,), (9, 8), (6, 5, 3), (40,)]
    models = list(KINDS)
    first = End("a", one(draw, models), one(draw, shapes))
    ends = [
        End("drive", "poisson", first.shape),
        first,
        End("b", one(draw, models), one(draw, shapes)),
        End("critic", one(draw, ["Leaky", "Leaky", "Silent"]), (1,)),
    ]
    ends += [
        End(n, n2, one(draw, shapes[:4]))
        for n, n2 in (("x", "input"), ("level", "signal"), ("pulses", "signal"), ("given", "spike_times"))
        if one(draw, [0, 1])
    ]
    images = draw(image_layers()) if one(draw, [0, 0, 1]) else ([], [])
    ends += images[0]
    rate, weight = one(draw, RATES)
    lines = [BLOCKS, "network Net:", f"    step = {one(draw, ['0.5', '1'])} ms"]
    lines += [draw(populations(end, rate)) for end in ends]
    kind = KINDS[first.model]
    lines += [
        f"    connect base = drive -> a.{kind.inputs[0]}: one_to_one, weight = {weight}{kind.unit}",
        f"    connect driven = drive -> critic: dense, weight = {weight / 20}", *images[1],
    ]  # fmt: skip
    made = [draw(connections(f"c{k}", ends)) for k in range(draw(st.integers(2, 3 if small else 5)))]
    shared = [c for c in made if not c.plasticity and c.pattern.startswith(("dense", "one_to_one"))]
    made += [draw(twins(one(draw, shared), "twin", ends))] if shared and one(draw, [0, 0, 1]) else []
    lines += [c.text for c in made]
    lines += [
        "simulate:",
        f"    duration = {one(draw, [30, 40] if small else [60, 80])} ms",
        *draw(stimuli(first, made)),
        *draw(records(made)),
    ]
    return "\n".join(lines) + "\n"


@st.composite
def populations(draw: st.DrawFn, end: End, rate: str) -> str:
    """A population's line."""
    made = f"(rate = {rate})" if end.model == "poisson" else "(as = impulse)" if end.name == "pulses" else ""
    if end.neurons and KINDS[end.model].override and one(draw, [0, 1]) and end.size > 1:
        made = f"({KINDS[end.model].override})"
    if end.neurons and end.size > 1 and one(draw, [0, 1]):
        gauge = f"gauge = {one(draw, ['0.6', 'uniform(0.5, 1.5)', 'each(1.2)', '0.7 adjustable'])}"
        made = f"{made[:-1]}, {gauge})" if made else f"({gauge})"
    values = ["", ", v = uniform(0, 0.9)", ", v = normal(0.3, 0.3, clip = [0, 0.8])", ", v = each(0.4)"]
    first = one(draw, values) if end.neurons else ""
    return f"    population {end.name}: {end.model}{end.brackets}{made}{first}"


@st.composite
def image_layers(draw: st.DrawFn) -> tuple[list[End], list[str]]:
    """An image, what a convolution makes of it, and what pooling makes of that."""
    height, width, channels, kernel = (
        draw(st.integers(4, 8)),
        draw(st.integers(4, 8)),
        one(draw, [1, 2, 3]),
        one(draw, [2, 3]),
    )
    source = End("image", one(draw, ["input", "Leaky", "poisson"]), (height, width, channels))
    same, stride, made = one(draw, [True, False]), one(draw, [1, 2]), one(draw, [1, 4])
    reach = [-(-n // stride) if same else (n - kernel) // stride + 1 for n in (height, width)]
    filtered = End("filtered", one(draw, ["Leaky", "Curved", "Conducting"]), (*reach, made))
    pattern = f"conv2d(kernel = [{kernel}, {kernel}], stride = [{stride}, {stride}]{', padding = same' if same else ''}, channels = {made})"
    ends = [source, filtered]
    lines = [
        f"    connect conv = image -> filtered.I: {pattern}, weight = {one(draw, ['normal(0.2, 0.2)', 'each(0.2)'])}"
        + _options(draw, source)
    ]
    if min(reach) >= 2 and one(draw, [0, 1]):
        pooled = End("pooled", "Leaky", (reach[0] // 2, reach[1] // 2, made))
        ends.append(pooled)
        lines.append(
            f"    connect pool = filtered -> pooled.I: pool2d(size = [2, 2]), weight = {one(draw, ['0.3', 'uniform(0, 0.4)'])}"
            + _options(draw, filtered)
        )
    return ends, lines


def _options(draw: st.DrawFn, source: End) -> str:
    """Sometimes a delay and a synapse."""
    synapse = one(draw, ["", "", *_synapses(source)])
    delay = one(draw, DELAYS) if one(draw, [0, 1]) else ""
    if source.model == "signal":
        synapse = ""
    return (f", delay = {delay}" if delay else "") + (f", synapse = {synapse}()" if synapse else "")


@dataclass(frozen=True)
class Connect:
    """A connection between populations or parts of them."""

    name: str
    ends: tuple[str, str]
    into: str
    pattern: str
    weight: str
    delay: str
    synapse: str
    plasticity: str
    unit: str
    stored: bool = True

    @property
    def text(self) -> str:
        """The line."""
        options = [self.weight, f"delay = {self.delay}" * bool(self.delay), self.synapse, self.plasticity]
        options += ["" if self.stored else "stored = false"]
        ends = f"{self.ends[0]} -> {self.ends[1]}.{self.into}"
        return f"    connect {self.name} = {ends}: " + ", ".join(filter(None, [self.pattern, *options]))


@st.composite
def connections(draw: st.DrawFn, name: str, ends: list[End]) -> Connect:
    """A connection between populations or parts of them."""
    source, target = one(draw, ends), one(draw, [e for e in ends if e.neurons and e.name != "critic"])
    (start, senders), (end, receivers) = draw(parts(source)), draw(parts(target))
    signal = source.model == "signal"
    made = _spikes(source) and receivers >= 6 and one(draw, [0, 0, 0, 1])  # its synapses are not stored
    pattern = one(draw, MADE) if made else draw(patterns(source == target, senders, receivers))
    synapse = "" if signal else one(draw, CARRIED if made else _synapses(source))
    unit = " / (1 ms)" if source.name == "level" else KINDS[target.model].unit if not synapse else ""
    never = unit or signal or made or synapse in ("graded", "gap", "curved", "opening", "gauged")
    plasticity = "" if never else one(draw, ["", "", *_plasticities(source, target)])
    weights = [w for w in WEIGHTS if not (unit and " in " in w) and not (pattern == "sparse" and "fan_in" in w)]
    weights = [w for w in weights if not (made and w.startswith("each"))]
    weight = one(draw, ["uniform(0, 0.1)", "each(0.05)"] if plasticity else weights)
    arguments = [one(draw, ["", *PLASTICITIES[plasticity]])] if plasticity else []
    if plasticity in REWARDED:
        critic = next(e for e in ends if e.name == "critic")
        whole = [f"{target.name}.{s}" for s in KINDS[target.model].states] if receivers == target.size else []
        rewards = ["critic.v", *["critic"] * KINDS[critic.model].spikes, *whole]
        arguments.append(one(draw, ["", *(f"reward = {r}" for r in rewards)]))
        arguments.append("punishment = critic.v" if plasticity == "two_factors" and one(draw, [0, 1]) else "")
    plastic = f"plasticity = {plasticity}({', '.join(filter(None, arguments))})" if plasticity else ""
    plastic += (
        f", post_delay = {one(draw, ['1 ms', '3 ms'])}" if plasticity in NOTICES_POST and one(draw, [0, 0, 1]) else ""
    )
    into = one(draw, KINDS[target.model].inputs)
    weight = f"{weight[:-1]}{unit})" if unit and weight.startswith("each") else f"{weight}{unit}"
    delay = one(draw, FIXED if made else DELAYS) if _loops(source, target) or one(draw, [0, 1]) else ""
    numbers = [a for a in SYNAPSES.get(synapse, ()) if not (made and "(" in a)]
    options = f"synapse = {synapse}({one(draw, ['', *numbers])})" if synapse else ""
    return Connect(name, (start, end), into, pattern, f"weight = {weight}", delay, options, plastic, unit, not made)


def _spikes(source: End) -> bool:
    """Whether a population sends spikes."""
    return KINDS[source.model].spikes if source.neurons else source.model != "signal"


def _synapses(source: End) -> list[str]:
    """Synapses that may stand behind a population, "" for none."""
    if source.neurons and not KINDS[source.model].spikes:
        return ["graded", "gap", "curved", "opening", "gauged"]
    return [s for s in SYNAPSES if source.neurons or s not in OF_SOURCE]


def _plasticities(source: End, target: End) -> list[str]:
    """Plasticities that may stand between two populations."""
    possible = [p for p in PLASTICITIES if source.neurons or p not in OF_SOURCE]
    return [p for p in possible if KINDS[target.model].spikes or p not in NOTICES_POST]


@st.composite
def twins(draw: st.DrawFn, of: Connect, name: str, all_ends: list[End]) -> Connect:
    """A connection with another's weights, also the other way where they are a matrix:
    along the same synapses, or between other parts.
    """
    back = KINDS.get(next(e.model for e in all_ends if e.name == of.ends[0].partition("[")[0]))
    silent = back is not None and not back.spikes
    turns = of.pattern == "dense" and back is not None and (bool(of.synapse) or back.unit == of.unit)
    delay, turned = one(draw, DELAYS), turns and one(draw, [0, 1])
    ends = of.ends[::-1] if turned else of.ends
    if one(draw, [0, 1]):
        ends = draw(moved(ends[0], all_ends)), draw(moved(ends[1], all_ends))
    weight = f"share = {of.name}{' transposed' if turned else ''}"
    if turned:
        return replace(of, name=name, ends=ends, weight=weight, delay=delay, into="I")
    synapse = one(draw, [of.synapse, "synapse = decaying()" if of.synapse and not silent else of.synapse])
    return replace(of, name=name, ends=ends, weight=weight, delay=delay, synapse=synapse)


@st.composite
def moved(draw: st.DrawFn, part: str, all_ends: list[End]) -> str:
    """A part as large as another of its population."""
    name, _, inside = part.rstrip("]").partition("[")
    if not inside:
        return part
    shape = next(e.shape for e in all_ends if e.name == name)
    written = []
    for length, along in zip(shape, inside.split(","), strict=True):
        first, _, last = along.partition(":")
        size = int(last) - int(first) if last else 1
        start = draw(st.integers(0, length - size))
        written.append(f"{start}:{start + size}" if last else str(start))
    return f"{name}[{', '.join(written)}]"


def _loops(source: End, target: End) -> bool:
    """Whether connections from one to the other may close a loop."""
    forward = ("a", "b"), ("image", "filtered"), ("filtered", "pooled")
    return source.neurons and source.name != "critic" and (source.name, target.name) not in forward


@st.composite
def patterns(draw: st.DrawFn, itself: bool, senders: int, receivers: int) -> str:
    """A pattern that fits so many neurons."""
    repeats = one(draw, ["", ", repeats = true"])
    found = [
        "dense",
        "dense",
        "sparse",
        f"random(p = {one(draw, [0.1, 0.3])})",
        f"random(total = {max(1, senders * receivers // 6)})",
    ]
    found += [f"random(fan_in = 3{repeats})"] if senders >= 6 else []
    found += [f"random(fan_out = 4{repeats})"] if receivers >= 6 else []
    if itself and senders > 1:
        found = [*found, "dense(self = false)", *(p.replace(")", ", self = false)") for p in found if "(" in p)]
    return one(draw, [*found, *["one_to_one", "one_to_one"] * (senders == receivers)])


@st.composite
def parts(draw: st.DrawFn, end: End) -> tuple[str, int]:
    """A population or some of its neurons, and how many these are."""
    if end.size < 4 or draw(st.booleans()):
        return end.name, end.size
    written, size = [], 1
    for length in end.shape:
        form = draw(st.sampled_from(["range", "range", "whole", "one"] if len(end.shape) > 1 else ["range"]))
        if form == "one":
            written.append(str(draw(st.integers(0, length - 1))))
            continue
        first = 0 if form == "whole" or length == 1 else draw(st.integers(0, length - 2))
        last = length if form == "whole" or length == 1 else draw(st.integers(first + 1, length))
        written.append(f"{first}:{last}")
        size *= last - first
    return f"{end.name}[{', '.join(written)}]", size


@st.composite
def stimuli(draw: st.DrawFn, target: End, made: list[Connect]) -> list[str]:
    """Lines of the `simulate` block."""
    found = []
    where = one(draw, [target.name, draw(parts(target))[0]])
    if one(draw, [0, 1]):
        value = one(draw, ["0.05 / (1 ms)", "0.04 * (1 + sin(2 * pi * t / (20 ms))) / (1 ms)"])
        found.append(
            f"    stimulate {where}.{one(draw, KINDS[target.model].inputs)}: {value}{one(draw, ['', ' from 10 ms to 30 ms'])}"
        )
    for c in made:
        if (
            any(f"= {name}(" in c.plasticity for name in REWARDED)
            and "reward =" not in c.plasticity
            and one(draw, [0, 1])
        ):
            found.append(f"    stimulate {c.name}.reward: 1 + t / (50 ms) from 5 ms")
    return found


@st.composite
def records(draw: st.DrawFn, made: list[Connect]) -> list[str]:
    """Lines that record states of synapses."""
    found = []
    for c in (c for c in made if c.stored):
        blocks = re.findall(r"= (\w+)\(", f"{c.synapse} {c.plasticity}")
        states = [state for block in blocks for state in STATES.get(block, ())]
        if states := [s for s in states if states.count(s) == 1]:
            found += [f"    record {one(draw, states)} of {c.name} every 3 ms"] * one(draw, [0, 1])
    return found
