"""Calls of functions of the dynamics that both halves make alike, with what each half has of its own passed in."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from sncc.backends.cxx.dynamics import Dynamics, Function
from sncc.backends.cxx.functions import Argument
from sncc.program.operations import SynapseUpdate


def optimiser_call(dynamics: Dynamics, state: Callable[[int], str]) -> list[str]:
    """A step of the optimiser on one element, whose number k of the optimiser's stands at `state(k)`."""
    function, states = dynamics.optimise, count()
    if function is None:
        return []
    scalars = [x.name for x in dynamics.scalars.of("out")] if dynamics.scalars is not None else []
    passed: list[str] = []
    for a in function.arguments:
        match a.role:
            case "value":
                passed.append("value")
            case "gradient":
                passed.append("slope")
            case "state":
                passed.append(state(next(states)))
            case "rate":
                passed.append("rate")
            case "scalar":
                passed.append(f"scalars.numbers[{scalars.index(a.name)}]")
    return [f"dynamics::{function.name}({', '.join(passed)});"]


def synapse_call(
    function: Function, update: SynapseUpdate, passed: Callable[[Argument], tuple[list[str], str]],
    accumulator: Callable[[str], str],
) -> tuple[list[str], list[str]]:  # fmt: skip
    """What stands before the loop over synapses that an update is for, and the body of the loop, with j the target.

    `passed`: an argument's lines before the loop, and what goes in it. `accumulator`: where one of the target's is.
    """
    before: list[str] = []
    values: list[str] = []
    for a in function.arguments:
        lines, value = passed(a)
        before += lines
        values.append(value)
    body = [f"dynamics::{function.name}({', '.join(values)});"]
    for a, (name, _) in zip(function.of("deliver"), update.deliver, strict=True):
        into = f"into_{a.identifier}"
        before.append(f"Real* const {into} = {accumulator(name)};")
        body = [f"Real {a.identifier};", *body, f"{into}[j] += {a.identifier};"]
    return before, body
