"""Whether the step is short enough for the method that steps a neuron's equations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sncc.diagnostics import Diagnostics
from sncc.expressions.algebra import affine
from sncc.expressions.nodes import Apply, Expression, Number, rewrite, substitute, symbols
from sncc.model.constants import fold
from sncc.model.integration import integration
from sncc.model.nodes import Dynamics, Model, Population
from sncc.model.white_noise import is_noise

if TYPE_CHECKING:
    import numpy as np

_ORDER = {"euler": 1, "heun": 2, "rk4": 4}  # the method's factor on exp(z) is its series so far


def check_steps(model: Model, diagnostics: Diagnostics) -> None:
    """Warn where an explicit method's step is unstable, or longer than the equations' fastest time constant.

    Both are read off the equations' linear part at the initial state, without inputs: spikes are faster still. For the
    other methods, which are stable, only linear terms with numbers that are compiled in are looked at.
    """
    for population in model.populations:
        dynamics = population.dynamics
        if dynamics is None:
            continue
        if (method := integration(dynamics)) not in _ORDER:
            _check_time_constants(model.step, population, dynamics, diagnostics)
            continue
        import numpy as np  # only where there is something to look at, so that `check` is quick

        fastest = max(np.linalg.eigvals(_jacobian(population, dynamics)), key=abs, default=0.0)
        step = model.step / dynamics.substeps
        if abs(fastest) * step <= 1 or not math.isfinite(abs(fastest)):
            continue
        unstable = fastest.real < 0 and _growth(method, fastest * step) > 1
        what = f"`{method}` is unstable with" if unstable else f"`{method}` is inexact with"
        message = f"{what} steps of {step:g} ms for `{population.model}`"
        note = f"its fastest time constant is {1 / abs(fastest):.2g} ms at the initial state"
        substeps = math.ceil(2 * model.step * abs(fastest))
        help = f"write `method = {method}(substeps = {substeps})` in `{population.model}`, or shorten `step`"
        diagnostics.warning("step-too-long", population.span, message, notes=(note,), help=help)


def _check_time_constants(step: float, population: Population, dynamics: Dynamics, diagnostics: Diagnostics) -> None:
    numbers = {p.name: p.value for p in population.parameters if isinstance(p.value, Number)}
    for equation in dynamics.equations:
        parts = affine(equation.derivative, [equation.state])
        if parts is None or equation.state not in parts[0]:
            continue
        try:
            rate = fold(substitute(parts[0][equation.state], numbers))
        except (ArithmeticError, ValueError):  # no number, as in a division by zero: others say so
            continue
        if isinstance(rate, Number) and abs(rate.value) * step > 1:
            message = (
                f"steps of {step:g} ms are longer than the time constant of `{equation.state}` in `{population.model}`"
            )
            note = f"`{equation.state}` changes by a factor e within {1 / abs(rate.value):.2g} ms"
            help = "shorten `step`: what happens within a step is not seen"
            diagnostics.warning("step-too-long", population.span, message, notes=(note,), help=help)


def _growth(method: str, z: complex) -> float:
    """The factor by which a step takes x of dx/dt = z x with it, in amount."""
    return abs(sum(z**k / math.factorial(k) for k in range(_ORDER[method] + 1)))


def _jacobian(population: Population, dynamics: Dynamics) -> np.ndarray:
    """Derivatives of the equations by the states at the initial state, by central differences, in 1/ms;
    empty if not finite.
    """
    import numpy as np

    from sncc.expressions.evaluate import evaluate

    values: dict[str, Any] = {"t": 0.0, "step": 1.0, **{i.name: 0.0 for i in dynamics.inputs}}
    values |= {p.name: _typical(p.value, values) for p in population.parameters}
    values |= {s.name: _typical(s.initial, values) for s in dynamics.states}
    noises = (name for e in dynamics.equations for name in symbols(e.derivative) if is_noise(name))
    values |= dict.fromkeys(noises, 0.0)
    size = len(dynamics.equations)
    matrix = np.zeros((size, size))
    for column, by in enumerate(dynamics.equations):
        width = 1e-6 * max(1.0, abs(values[by.state]))
        for row, equation in enumerate(dynamics.equations):
            above, below = (
                evaluate(equation.derivative, values | {by.state: values[by.state] + sign * width}) for sign in (1, -1)
            )
            with np.errstate(all="ignore"):  # two infinite ones have no difference
                matrix[row, column] = (above - below) / (2 * width)
    return matrix if np.all(np.isfinite(matrix)) else np.zeros((0, 0))


def _typical(value: Expression, names: Mapping[str, Any]) -> float:
    """A value as a number: draws by their mean, the first neuron's where the index is in it."""
    from sncc.expressions.evaluate import evaluate

    def change(node: Expression) -> Expression:
        match node:
            case Apply("normal", (mean, _)) | Apply("exponential", (mean,)):
                return mean
            case Apply("uniform", (low, high)):
                return Apply("mul", (Number(0.5), Apply("add", (low, high))))
            case Apply("lognormal", (mean, _)):
                return Apply("exp", (mean,))
            case Apply("gamma", (shape, scale)):
                return Apply("mul", (shape, scale))
        return node

    return float(evaluate(rewrite(value, change), {"i": 0.0, "j": 0.0, **names}))
