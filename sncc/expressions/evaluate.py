"""Operations of expressions in NumPy float64: what constant folding and the reference backend compute with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial
from typing import Any

import numpy as np

from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol

Array = Any  # a float64 array or a float; NumPy broadcasts


def phi(order: int, x: Array) -> Array:
    """phi_k(x) of the exponential integrators: phi_0 = exp, phi_{k+1} = (phi_k - 1/k!) / x, with the limit at 0."""
    x = np.asarray(x, float)
    series = np.zeros_like(x)
    small = np.abs(x) < 1.0
    z = np.where(small, x, 0.0)
    for power in range(18, -1, -1):
        series = series * z + 1.0 / factorial(power + order)
    safe = np.where(small, 1.0, x)
    value = np.expm1(safe) / safe if order else np.exp(x)
    for k in range(1, order):
        value = (value - 1.0 / factorial(k)) / safe
    return np.where(small, series, value) if order else value


def matrix_exponential(matrix: np.ndarray) -> np.ndarray:
    """exp of matrices (..., n, n) by scaling, an 18-term series and squaring."""
    norm = float(np.max(np.sum(np.abs(matrix), axis=-1), initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(norm))) + 2) if norm > 0 else 0
    scaled = matrix / 2.0**halvings
    identity = np.broadcast_to(np.eye(matrix.shape[-1]), matrix.shape)
    result = identity
    for k in range(18, 0, -1):
        result = identity + scaled @ result / k
    for _ in range(halvings):
        result = result @ result
    return result


def divided_difference(step: Array, *points: Array) -> Array:
    """Divided difference of x -> exp(step x) at the points, equal ones included.

    The corner entry of exp(step J), J bidiagonal with the points on the diagonal and ones above (Opitz 1964).
    """
    if len(points) == 1:
        return np.exp(step * points[0])
    arrays = np.broadcast_arrays(*(np.asarray(a, float) for a in (step, *points)))
    size = len(points)
    matrix = np.zeros((*arrays[0].shape, size, size))
    centre = sum(arrays[1:]) / size  # shifting by the mean keeps the norm, and so the rounding, small
    for k, point in enumerate(arrays[1:]):
        matrix[..., k, k] = (point - centre) * arrays[0]
        if k + 1 < size:
            matrix[..., k, k + 1] = arrays[0]
    return matrix_exponential(matrix)[..., 0, -1] * np.exp(centre * arrays[0])


def _square(size: int, step: Array, entries: tuple[Array, ...]) -> np.ndarray:
    arrays = np.broadcast_arrays(*(np.asarray(a, float) for a in (step, *entries)))
    square: np.ndarray = np.stack(arrays[1:], axis=-1).reshape(*arrays[0].shape, size, size)
    scaled: np.ndarray = square * np.asarray(arrays[0])[..., None, None]
    return scaled


def _expm(i: Array, j: Array, size: Array, step: Array, *entries: Array) -> Array:
    return matrix_exponential(_square(int(size), step, entries))[..., int(i), int(j)]


def _expm_derivative(i: Array, j: Array, k: Array, l: Array, size: Array, step: Array, *entries: Array) -> Array:  # noqa: E741
    n = int(size)
    a = _square(n, step, entries)
    block = np.zeros((*a.shape[:-2], 2 * n, 2 * n))
    block[..., :n, :n] = block[..., n:, n:] = a
    block[..., int(k), n + int(l)] = step
    return matrix_exponential(block)[..., int(i), n + int(j)]


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def _flag(condition: Array) -> Array:
    return np.asarray(condition, float)


OPERATIONS: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": lambda a, b: np.power(np.asarray(a, float), b),
    "neg": np.negative,
    "lt": lambda a, b: _flag(np.less(a, b)),
    "le": lambda a, b: _flag(np.less_equal(a, b)),
    "gt": lambda a, b: _flag(np.greater(a, b)),
    "ge": lambda a, b: _flag(np.greater_equal(a, b)),
    "eq": lambda a, b: _flag(np.equal(a, b)),
    "ne": lambda a, b: _flag(np.not_equal(a, b)),
    "and": lambda a, b: _flag((np.asarray(a) != 0) & (np.asarray(b) != 0)),
    "or": lambda a, b: _flag((np.asarray(a) != 0) | (np.asarray(b) != 0)),
    "not": lambda a: _flag(np.asarray(a) == 0),
    "select": lambda c, a, b: np.where(np.asarray(c) != 0, a, b),
    "jump": lambda z, a, b: np.where(np.asarray(z) != 0, a, b),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "min": np.minimum,
    "max": np.maximum,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "stop": lambda x: x,
    "phi1": lambda x: phi(1, x),
    "phi2": lambda x: phi(2, x),
    "expdd": divided_difference,
    "expm": _expm,
    "expmd": _expm_derivative,
}


def evaluate(expression: Expression, values: Mapping[str, Array]) -> Array:
    """Value of an expression without draws, its symbols looked up in `values`."""
    match expression:
        case Number(value=value):
            return value
        case Symbol(name=name):
            return values[name]
        case Apply(operation=operation, arguments=arguments):
            if operation in DRAWS or operation == "first":
                raise ValueError(f"{operation} draws a random number and has no value of its own")
            with np.errstate(all="ignore"):
                return OPERATIONS[operation](*(evaluate(argument, values) for argument in arguments))
    raise TypeError(f"not an expression: {expression!r}")
