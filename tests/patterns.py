"""Networks of every pattern of synapses, with the same synapses written out as matrices,
for tests of gradients and engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import autograd.numpy as np
import numpy

from sncc.backends.reference.synapses import Tables
from sncc.connectivity.build import build, indices
from sncc.connectivity.patterns import OneToOne, Part, Random, Shared
from sncc.program.nodes import Program
from sncc.program.streams import stream

NETWORK = """
network Patterns:
    step = 1 ms
    population x: input{sources}
    population level: signal[4]
    population hidden: LIF{hidden}(tau_m = 12 ms, theta = 0.7)
    population output: LI[3](tau_m = 10 ms)
    connect x_hidden = {ends}: {into}
    connect level -> hidden: {signal}
    connect again = {round}: {recurrent}
    connect hidden -> output: {out}

train:
    rule = {rule}
    loss = cross_entropy(mean(output.v))
    learn = {learn}
    optimiser = adam(learning_rate = 1e-2)
    clip = {clip}
"""
DEFAULTS = {
    "sources": "[6]", "clip": "value(100)", "hidden": "[7]", "rule": "bptt", "learn": "weights, hidden.tau_m",
    "ends": "x -> hidden", "round": "hidden -> hidden", "into": "dense, weight = normal(0, 1)", "signal": "dense, weight = normal(0, 1)",
    "recurrent": "dense, weight = normal(0, 1), delay = 1 ms", "out": "dense, weight = normal(0, 1)",
}  # fmt: skip
N = "weight = normal(0, 1)"


@dataclass(frozen=True)
class Case:
    """What replaces the dense connections, and pairs to hand over."""

    lines: dict[str, str]
    pairs: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)

    def text(self, **settings: str) -> str:
        """The source."""
        return NETWORK.format(**(DEFAULTS | self.lines | settings))


CASES = {
    "drawn pairs, also of a signal": Case({
        "into": f"random(p = 0.5), {N}", "signal": f"random(fan_in = 2), {N}",
        "recurrent": f"random(fan_out = 2, self = false), {N}, delay = 2 ms",
        "out": "random(total = 12, repeats = true), weight = each(0.3)",
    }),
    "pairs handed over, one weight for all, none to itself": Case(
        {"clip": "norm(0.2)", "into": f"sparse, {N}", "signal": "random(total = 9), weight = 0.4 in [0, 1]",
         "recurrent": f"dense(self = false), {N}, delay = 1 ms", "out": f"sparse, {N}"},
        {"x_hidden": ([5, 0, 0, 2, 3, 1], [0, 6, 1, 2, 2, 3]), "hidden_output": ([1, 0, 3, 2, 6], [0, 2, 1, 2, 0])},
    ),
    "parts": Case({
        "sources": "[5, 4]", "hidden": "[3, 4]", "ends": "x[1:3, 0:4] -> hidden[1:3, 0:4]", "into": f"dense, {N}",
        "round": "hidden[0:2, 1:3] -> hidden[0:3, 2:4]", "recurrent": f"dense(self = false), {N}, delay = 1 ms",
    }),
    "convolution": Case({
        "sources": "[4, 3, 2]", "hidden": "[4, 3, 3]", "out": f"random(p = 0.7), {N}",
        "into": f"conv2d(kernel = [3, 2], padding = same, channels = 3), {N}", "recurrent": f"random(p = 0.1), {N}, delay = 1 ms",
    }),
    "pooling by one weight": Case({
        "sources": "[4, 6, 2]", "hidden": "[2, 3, 2]", "into": "pool2d(size = [2, 2]), weight = 0.6",
        "round": "hidden[0, 0:3, 0:2] -> hidden[1, 0:3, 0:2]", "recurrent": f"one_to_one, {N}, delay = 1 ms",
    }),
    "a delay for every synapse": Case({
        "into": f"random(p = 0.6), {N}, delay = uniform(0 ms, 4 ms)", "signal": f"random(p = 0.6), {N}, delay = uniform(1 ms, 3 ms)",
        "recurrent": f"dense, {N}, delay = uniform(1 ms, 5 ms)", "out": f"one_to_one, {N}", "hidden": "[3]",
    }),
    "learnt delays": Case({
        "into": f"random(p = 0.6), {N}, delay = uniform(0 ms, 4 ms)", "signal": f"random(p = 0.6), {N}, delay = 2 ms",
        "round": "hidden[0:2, 0:3] -> hidden[1:3, 0:3]", "recurrent": f"dense, {N}, delay = uniform(1 ms, 5 ms)",
        "sources": "[6]", "hidden": "[3, 3]", "out": "sparse, weight = 0.8, delay = each(1 ms)", "learn": "weights, delays, hidden.tau_m",
    }, {"hidden_output": ([1, 0, 3, 2, 6], [0, 2, 1, 2, 0])}),
}  # fmt: skip
MORE_CASES = {
    "learnt delays of images": Case({
        "sources": "[4, 3, 2]", "hidden": "[4, 3, 3]", "into": f"conv2d(kernel = [3, 2], padding = same, channels = 3), {N}, delay = uniform(1 ms, 4 ms)",
        "out": f"random(p = 0.7), {N}, delay = 2 ms", "recurrent": f"random(fan_in = 2), {N}, delay = 2 ms", "learn": "weights, delays",
    }),
    "learnt delays of each pooling synapse": Case({
        "sources": "[4, 6, 2]", "hidden": "[2, 3, 2]", "into": "pool2d(size = [2, 2]), weight = 0.6, delay = uniform(0 ms, 4 ms)",
        "round": "hidden[0, 0:3, 0:2] -> hidden[1, 0:3, 0:2]", "recurrent": f"one_to_one, {N}, delay = each(1 ms)",
        "signal": f"dense, {N}, delay = each(1 ms)", "learn": "weights, delays",
    }),
    "strided convolution, fixed numbers of sources": Case({
        "sources": "[5, 5]", "hidden": "[2, 2]", "into": f"conv2d(kernel = [3, 3], stride = [2, 2], channels = 1), {N}",
        "out": f"random(fan_in = 3), {N}",
    }),
    "one to one between parts": Case({"ends": "x[2:5] -> hidden[0:3]", "into": f"one_to_one, {N}", "signal": "dense, weight = each(0.2)"}),
}  # fmt: skip


def values_of(program: Program, tables: Tables, rng: numpy.random.Generator) -> dict[str, numpy.ndarray]:
    """Weights at which neurons spike, delays, and other numbers as they are."""
    found: dict[str, numpy.ndarray] = {}
    for p in program.parameters:
        shape = (len(tables[p.connection].pre),) if p.connection is not None and p.shape else p.shape
        if p.key.endswith(".weight") and p.storage != "compiled":
            mean = 0.0 if p.key.startswith("again") else 0.25
            found[p.key] = rng.normal(mean, 0.3, shape) if shape else numpy.array(0.8)
        elif p.key.endswith(".delay") and p.storage != "compiled":
            least = max(c.delay for c in program.connections if c.delays == p.key) * program.step
            found[p.key] = rng.uniform(1.1 if p.learnt else max(0.2, least), 5.8, shape)
        elif p.key == "hidden.tau_m":
            found[p.key] = numpy.array(12.0)
    return found


def inputs_of(
    program: Program, rng: numpy.random.Generator, samples: int = 2, steps: int = 18
) -> list[dict[str, numpy.ndarray]]:
    """Counts, some of them 2, and values."""
    size = {s.name: s.size for s in program.sources}
    return [
        {"x": rng.poisson(0.2, (steps, size["x"])).astype(float), "level": rng.normal(0, 0.2, (steps, 4))}
        for _ in range(samples)
    ]


# ------------------------------------------------------------------------------------------------ as matrices
def matrices(program: Program, case: Case, values) -> dict[str, tuple]:
    """For every connection the matrix of its weights as a function of the parameter, and its delays in steps."""
    forwards = (c for c in program.connections if not c.backwards)
    return {c.name: (_matrix(program, c, case), _delays(program, c, case, values)) for c in forwards}


def _sizes(program, c):
    shapes = {s.name: s.shape for s in program.sources} | {
        r.population: r.shape for g in program.groups for r in g.rows
    }
    return shapes[c.source], shapes[c.target]


def _pairs(program, c, case):
    """Sources and targets of synapses with a weight each, in their order."""
    source, target = _sizes(program, c)
    if c.name in case.pairs:
        return tuple(numpy.array(a) for a in zip(*sorted(zip(*case.pairs[c.name], strict=True)), strict=True))
    if isinstance(c.structure, Random):
        found = build(c.structure, c.source_part, c.target_part, stream(c.name, "connectivity"), 0)
        return found.pre, found.post
    if type(c.structure).__name__ == "Convolution":
        whole = numpy.ones((*c.structure.kernel, source[2] if len(source) == 3 else 1, c.structure.channels))
        return numpy.nonzero(_convolution(whole, source, target, c.structure.stride, c.structure.padding))
    left = indices(c.source_part or Part.whole(source))[c.source_offset :][: c.source_size]
    right = indices(c.target_part or Part.whole(target))[c.target_offset :][: c.target_size]
    if c.pattern == "one_to_one" or isinstance(_plain(c.structure), OneToOne):
        return left, right
    pre, post = (a.reshape(-1) for a in numpy.meshgrid(left, right, indexing="ij"))
    avoids = c.pattern == "sparse" and not _plain(c.structure).self_connections
    return (pre[pre != post], post[pre != post]) if avoids else (pre, post)


def _plain(structure):
    """A pattern, whether its weights are shared or not."""
    return structure.pattern if isinstance(structure, Shared) else structure


def _shared(c, pre, post):
    """Which number in a weight for all pairs of the parts each synapse has."""
    rows, columns = (list(indices(part)) for part in (c.source_part, c.target_part))
    found = []
    for i, j in zip(pre, post, strict=True):
        r, k = rows.index(i), columns.index(j)
        whole = k * len(rows) + r if c.structure.turned else r * len(columns) + k
        found.append(r if isinstance(c.structure.pattern, OneToOne) else whole)
    return numpy.array(found)


def _matrix(program, c, case):
    source, target = _sizes(program, c)
    if type(c.structure).__name__ == "Convolution":
        whole = (*c.structure.kernel, source[2] if len(source) == 3 else 1, c.structure.channels)
        return lambda kernel: _convolution(
            kernel * np.ones(whole), source, target, c.structure.stride, c.structure.padding
        )
    return _spread(program, c, case)


def _spread(program, c, case, own=False):
    """The matrix of a number for each synapse, or of one for all; `own`: that no connection shares."""
    source, target = _sizes(program, c)
    size, kind = (int(numpy.prod(source)), int(numpy.prod(target))), type(c.structure).__name__
    if kind == "Pooling":
        pre, post = _pooled(source, target, c.structure.size, c.structure.stride)
    else:
        pre, post = _pairs(program, c, case)
    places = numpy.zeros((len(pre), *size))
    places[numpy.arange(len(pre)), pre, post] = 1.0
    if kind == "Dense" and not c.structure.self_connections:
        places[pre == post] = 0.0

    if kind == "Shared" and not own:
        number = _shared(c, pre, post)

        def of_all_pairs(w):
            return np.tensordot(w * np.ones(len(pre)) if np.ndim(w) == 0 else np.reshape(w, (-1,))[number], places, 1)

        return of_all_pairs

    def spread(w):
        flat = np.reshape(w * np.ones(len(pre)) if np.ndim(w) == 0 else w, (-1,))
        return np.tensordot(flat, places, 1)

    return spread


def _convolution(kernel, source, target, stride, padding):
    """Cross-correlation written as a matrix: position by position."""
    (h, w), c = source[:2], source[2] if len(source) == 3 else 1
    (H, W), o = target[:2], target[2] if len(target) == 3 else 1
    kh, kw = kernel.shape[:2]
    total = 0.0
    for ky in range(kh):
        for kx in range(kw):
            for ci in range(c):
                for co in range(o):
                    place = numpy.zeros((h, w, c, H, W, o))
                    for Y in range(H):
                        for X in range(W):
                            y, x = Y * stride[0] + ky - padding[0][0], X * stride[1] + kx - padding[1][0]
                            if 0 <= y < h and 0 <= x < w:
                                place[y, x, ci, Y, X, co] = 1.0
                    total = total + kernel[ky, kx, ci, co] * place.reshape(h * w * c, H * W * o)
    return total


def _pooled(source, target, size, stride):
    """Sources and targets of pooling, by source, then target."""
    (h, w), c = source[:2], source[2] if len(source) == 3 else 1
    found = [
        ((y * w + x) * c + k, (Y * target[1] + X) * c + k)
        for y in range(h) for x in range(w) for k in range(c) for Y in range(target[0]) for X in range(target[1])
        if Y * stride[0] <= y < Y * stride[0] + size[0] and X * stride[1] <= x < X * stride[1] + size[1]
    ]  # fmt: skip
    return tuple(numpy.array(a) for a in zip(*found, strict=True))


def _delays(program, c, case, values):
    if c.delays is None:
        return c.delay
    if c.interpolated:
        spread = _spread(program, c, case, own=True)  # several synapses of a pair have one delay
        there = numpy.minimum(spread(1.0), 1.0)
        return lambda delay: delay * there if np.ndim(delay) == 0 else spread(delay)
    source, target = _sizes(program, c)
    pre, post = _pairs(program, c, case)
    steps = numpy.full((int(numpy.prod(source)), int(numpy.prod(target))), c.delay)
    steps[pre, post] = numpy.maximum(numpy.floor(values[c.delays].reshape(-1) / program.step + 0.5), c.delay)
    return steps
