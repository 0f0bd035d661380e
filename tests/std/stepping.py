"""Runs a few neurons of one model in the reference interpreter, driven by impulses and continuous currents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from networks import model_of, program_of, unit_of_an_impulse

from sncc.backends.reference.interpreter import Reference
from sncc.expressions.units import field_unit


@dataclass
class Run:
    """Spikes (steps, neurons) as zeros and ones; states by name, (steps, neurons), after each step."""

    step: float
    spikes: np.ndarray
    states: dict[str, np.ndarray]

    def times(self, neuron: int = 0) -> np.ndarray:
        """Spike times of a neuron in ms."""
        return (np.flatnonzero(self.spikes[:, neuron]) + 1) * self.step

    def rates(self) -> np.ndarray:
        """Mean rates in Hz."""
        return self.spikes.mean(0) / self.step * 1e3


def run(
    model: str, step: float, duration: float, size: int = 1, arguments: str = "", initial: str = "", definition: str = "",
    impulses: np.ndarray | None = None, drive: np.ndarray | None = None, **parameters: np.ndarray,
) -> Run:  # fmt: skip
    """`size` neurons for `duration` ms with steps of `step` ms.

    impulses, drive: (steps, neurons) in the unit of an impulse (fC, or a plain number) and of the input (pA, 1/ms).
    parameters: numbers per neuron of what is `each(…)`, such as `bias`.
    """
    steps = round(duration / step)
    unit = _input_unit(model, definition)
    text = f"""{definition}
network N:
    step = {step!r} ms
    population x: input[{size}]
    population level: signal[{size}]
    population p: {model}[{size}]({arguments}){initial and ", " + initial}
    connect x -> p: one_to_one, weight = each(1{unit_of_an_impulse(model, definition)})
    connect level -> p: one_to_one, weight = 1{unit}
"""
    none = np.zeros((steps, size))
    values = {f"p.{name}": np.broadcast_to(array, (size,)) for name, array in parameters.items()}
    inputs = {"x": none if impulses is None else impulses, "level": none if drive is None else drive}
    done = Reference(program_of(text), values).run([inputs])
    spikes = done.spikes[0].get("p", none)
    return Run(step, spikes, {s: trace for (p, s), trace in done.traces[0].items() if p == "p"})


def _input_unit(model: str, definition: str) -> str:
    text = f"{definition}\nnetwork Alone:\n    step = 1 ms\n    population p: {model}[1]\n"
    unit = model_of(text).population("p").dynamics.inputs[0].unit
    return "" if unit.dimensionless else f" {field_unit(unit.dimension)}"
