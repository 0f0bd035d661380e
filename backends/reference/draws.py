"""Random numbers as every backend draws them: functions of a counter, in float64.

A draw has a stream, an element (a neuron, a synapse, a parameter's element), a step, a trial, and a number that tells
several draws of one expression apart: its words are Philox4x32-10 of the seed and the counter (stream + number ·
0x9E3779B9, element, step, trial).

**poisson(mean)**: the mean is split into m = max(1, ceil(mean / 16)) equal parts; part r is number r. Element e takes
word (e div 16) mod 4 of the counter's element (e div 64) · 16 + e mod 16, so that 64 neurons share 16 calls, and counts
the k = 0, 1, ... with word >= T_k, where T_k = floor(2^32 · (p_0 + ... + p_k) + 0.5), p_0 = exp(-mean / m), p_k =
p_(k-1) · (mean / m) / k, in float64. So counts are integers that all backends agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sncc.connectivity.philox import philox
from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import DRAWS, Apply, Expression, Symbol
from sncc.program.groups import Group
from sncc.program.nodes import Program
from sncc.program.streams import GOLDEN, stream

Array = Any
OF_A_FLOAT = 1e-7  # of a delay: how far from a whole number of steps, or a half, its digits may lie in a float


@dataclass(frozen=True)
class Counter:
    """What a draw is for; `element` is an array."""

    seed: int
    stream: int
    element: Array
    step: Array = 0
    trial: int = 0

    def words(self, number: int) -> tuple[np.ndarray, ...]:
        """The four words of a draw."""
        stream = (self.stream + number * GOLDEN) & 0xFFFFFFFF
        return philox(self.seed, stream, self.element, self.step, self.trial)


def _unit(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Uniform in (0, 1): the middle of one of 2^52 intervals."""
    fraction = (high << np.uint64(20)) | (low >> np.uint64(12))
    unit: np.ndarray = fraction.astype(float) * 2.0**-52 + 2.0**-53
    return unit


def _uniform(counter: Counter, number: int, low: Array, high: Array) -> Array:
    words = counter.words(number)
    return low + (high - low) * _unit(words[0], words[2])


def _normal(counter: Counter, number: int, mean: Array, deviation: Array) -> Array:
    words = counter.words(number)
    radius = np.sqrt(-2.0 * np.log(_unit(words[0], words[2])))
    return mean + deviation * radius * np.cos(2.0 * np.pi * _unit(words[1], words[3]))


def standard_normal(counter: Counter) -> np.ndarray:
    """A number of normal(0, 1) for each element."""
    return np.asarray(_normal(counter, 0, 0.0, 1.0))


def _poisson(counter: Counter, number: int, mean: Array) -> Array:
    mean = np.broadcast_to(np.asarray(mean, float), np.shape(counter.element))
    parts = np.maximum(1.0, np.ceil(mean / 16.0))
    count = np.zeros(mean.shape)
    e = np.asarray(counter.element)
    shared = replace(counter, element=e // 64 * 16 + e % 16)
    for r in range(int(parts.max(initial=1.0))):
        word = np.choose(e // 16 % 4, shared.words(number + r))
        share = mean / parts
        p = np.exp(-share)
        total = p.copy()
        k = 0
        while True:
            passed = (word >= np.floor(total * 2.0**32 + 0.5)) & (r < parts)
            if not passed.any():
                break
            count += passed
            k += 1
            p = p * share / k
            total = total + p
    return count


def _gamma(counter: Counter, number: int, shape: Array, scale: Array) -> Array:
    """Marsaglia and Tsang 2000: attempt a has a normal of number + 2a · 2^16, a uniform of number + (2a + 1) · 2^16."""
    shape = np.broadcast_to(np.asarray(shape, float), np.shape(counter.element))
    d = np.where(shape < 1, shape + 1, shape) - 1 / 3
    value, waiting = d.copy(), np.ones(shape.shape, bool)
    for attempt in range(64):
        x = _normal(counter, number + (2 * attempt << 16), 0.0, 1.0)
        u = _uniform(counter, number + ((2 * attempt + 1) << 16), 0.0, 1.0)
        v = (1 + x / np.sqrt(9 * d)) ** 3
        with np.errstate(invalid="ignore", divide="ignore"):
            good = waiting & (v > 0) & (np.log(u) < 0.5 * x * x + d - d * v + d * np.log(v))
        value[good] = (d * v)[good]
        waiting &= ~good
        if not waiting.any():
            break
    words = counter.words(number + (1 << 16))
    return scale * value * np.where(shape < 1, _unit(words[1], words[3]) ** (1 / shape), 1.0)


DISTRIBUTIONS: dict[str, Callable[..., Array]] = {
    "uniform": _uniform,
    "normal": _normal,
    "lognormal": lambda counter, number, mean, deviation: np.exp(_normal(counter, number, mean, deviation)),
    "exponential": lambda counter, number, mean: -mean * np.log(_uniform(counter, number, 0.0, 1.0)),
    "gamma": _gamma,
    "poisson": _poisson,
}


def orthogonal(counter: Counter, number: int, matrix: tuple[int, int]) -> Array:
    """A random matrix with orthonormal columns, or rows where there are more of the others,
    in the shape of the elements.

    The factor Q of the QR decomposition, R's diagonal positive, of a matrix of normal draws, or of its transpose.
    """
    a = _normal(counter, number, 0.0, 1.0).reshape(matrix)
    a = a if matrix[0] >= matrix[1] else a.T
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))
    return (q if matrix[0] >= matrix[1] else q.T).reshape(np.shape(counter.element))


def drawn(
    expression: Expression, values: Mapping[str, Array], counter: Counter, matrix: tuple[int, int] = (0, 0)
) -> Array:
    """Value of an expression with draws, numbered in the order of `walk`: an operation before its arguments.

    `matrix`: what the elements are the rows and columns of.
    """
    found = dict(values)
    count = 0

    def bind(node: Expression) -> Expression:
        nonlocal count
        if not isinstance(node, Apply):
            return node
        if node.operation == "first":
            of, draw = node.arguments
            name = f"first {evaluate(of, {})}"
            found[name] = drawn(draw, values, replace(counter, stream=int(evaluate(of, {}))))
            return Symbol(name)
        number = count
        if node.operation not in (*DRAWS, "orthogonal"):
            return Apply(node.operation, tuple(bind(a) for a in node.arguments))
        count += 1
        arguments = [evaluate(bind(a), found) for a in node.arguments]
        if node.operation == "orthogonal":
            found[f"draw {number}"] = arguments[0] * orthogonal(counter, number, matrix)
        else:
            found[f"draw {number}"] = DISTRIBUTIONS[node.operation](counter, number, *arguments)
        return Symbol(f"draw {number}")

    return evaluate(bind(expression), found)


def drawn_within(
    expression: Expression, values: Mapping[str, Array], counter: Counter, clip: tuple[float, float] | None,
    matrix: tuple[int, int] = (0, 0),
) -> Array:  # fmt: skip
    """The same, drawn again (at the next step of the counter) where it lies outside `clip`, up to 1000 times."""
    shape = np.shape(counter.element)
    value = np.array(np.broadcast_to(drawn(expression, values, counter, matrix), shape), float)
    for attempt in range(1, 1000 if clip is not None else 0):
        assert clip is not None
        outside = ~((value >= clip[0]) & (value <= clip[1]))
        if not outside.any():
            break
        again = Counter(counter.seed, counter.stream, counter.element, attempt, counter.trial)
        value = np.where(outside, drawn(expression, values, again, matrix), value)
    return value if clip is None else np.clip(value, *clip)


def initial_parameters(
    program: Program, given: Mapping[str, np.ndarray], ends: Mapping[str, tuple[Array, Array]], seed: int
) -> dict[str, np.ndarray]:
    """Every parameter's values: as given, or as the library draws them.

    `ends`: source and target of each synapse, in their populations, of connections with a number for each.
    """
    found = dict(given)
    for p in program.parameters:
        if p.key not in found:
            each = p.connection is not None and bool(p.shape)
            shape = (len(ends[p.connection or ""][0]),) if each else p.shape
            dimensions = shape if each or -1 in p.dimensions or not shape else p.dimensions
            indices = np.array(ends[p.connection or ""]) if each else np.indices(dimensions)
            names = dict(zip("ij", indices.astype(float), strict=False))
            counter = Counter(
                seed, stream(p.key, "initial"), np.arange(np.prod(dimensions, dtype=int)).reshape(dimensions)
            )
            try:
                values = drawn_within(p.initial, names, counter, p.clip, program.matrix(p)).reshape(shape)
                found[p.key] = _raised(program, p.key, values)
            except KeyError:  # no numbers of ours yet: to be given
                continue
    return found


def _raised(program: Program, key: str, values: np.ndarray) -> np.ndarray:
    """Drawn delays with those that are too short as the shortest possible one; all else as it is."""
    least = [c.delay for c in program.connections if c.delays == key and not c.interpolated]
    if not least:
        return values
    steps = np.floor(values / program.step * (1 + OF_A_FLOAT) + 0.5)
    return np.where((steps < min(least)) | (values < 0), min(least) * program.step, values)


def of_first_values(group: Group, value: Expression, arrays: Mapping[str, Array], seed: int, trial: int) -> np.ndarray:
    """What follows for each neuron of a group from its numbers and from what states are drawn to start at."""
    result = np.zeros(group.size)
    for row in group.rows:
        part = slice(row.offset, row.offset + row.size)
        own = {symbol: np.broadcast_to(array, (group.size,))[part] for symbol, array in arrays.items()}
        result[part] = drawn(value, own, Counter(seed, 0, np.arange(row.size), 0, trial))
    return result
