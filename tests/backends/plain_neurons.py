"""Networks of leaky neurons that plain loops compute too: their step, their inputs, a run of the reference."""

from __future__ import annotations

import numpy as np

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program
from sncc.lower.phases import lower

STEP = 0.5


def network(neurons: str, connects: str) -> str:
    return f"network Tested:\n    step = 0.5 ms\n{neurons}\n{connects}\n"


def given(steps: int, size: int, rate: float = 0.05, seed: int = 3) -> np.ndarray:
    return (np.random.default_rng(seed).random((steps, size)) < rate).astype(float)


class Lif:
    """`LIF` with tau_m = 20 ms, theta = 1, no bias: exact between spikes where the drive is held."""

    def __init__(self, size: int) -> None:
        self.v = np.zeros(size)

    def move(self, impulse, drive=0.0):
        decay = np.exp(-STEP / 20)
        self.v = self.v * decay + drive * 20 * (1 - decay) + impulse
        z = (self.v > 1).astype(float)
        self.v = self.v - z
        return z


def run(model, steps, inputs=None, parameters=None, passes=True):
    program = compile_program(model, "float64") if passes else lower(model, "float64")
    zeros = {p.key: np.zeros(p.shape) for p in program.parameters if p.key.endswith(".bias")}
    reference = Reference(program, {**zeros, **(parameters or {})}, seed=7)
    result = reference.run([inputs or {}], steps=steps)
    return reference, result
