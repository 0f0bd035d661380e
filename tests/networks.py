"""Networks in the language that several tests share, and the way from text to Model, Program and reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_model, compile_program, scheduled
from sncc.diagnostics import Source
from sncc.expressions.units import field_unit, parse_unit

STANDARD = Path(sncc.__file__).parent / "grammar" / "std"
SPIKING = sorted(
    text.split()[1].rstrip(":")
    for text in (path.read_text() for path in STANDARD.glob("*.snn"))
    if text.startswith("neuron") and "spike when" in text
)
UNKNOWN = """
neuron Curious:
    "In no library: its two states multiply, and its reset is none of the usual ones."
    param tau_m = 15 ms
    param tau_w = 80 ms
    param gain = 0.4
    param theta = 0.8
    state v = 0
    state w = 0.1
    input I
    dv/dt = -v * (1 + w) / tau_m + I
    dw/dt = (gain * v * v - w) / tau_w
    spike when v > theta + 0.2 * w:
        reset v = 0.1 * v - 0.05 * w
        w += 0.3 * (1 - w)
    surrogate triangle(width = theta, height = 0.3 / theta)
"""


def unit_of_an_impulse(neuron: str, definition: str = "") -> str:
    """The unit of a weight without synapse into a neuron: its input's unit times a time, `fC` for a current."""
    alone = f"{definition}\nnetwork Alone:\n    step = 1 ms\n    population p: {neuron}[1]\n"
    dynamics = model_of(alone).population("p").dynamics
    unit = dynamics.inputs[0].unit * parse_unit("ms") if dynamics.equations else dynamics.inputs[0].unit
    return "" if unit.dimensionless else f" {field_unit(unit.dimension)}"


def recurrent(neuron: str, definition: str = "", size: int = 5, **blocks: str) -> str:
    """A recurrent population of one neuron between six inputs and three leaky readouts, with a `train` block."""
    unit = unit_of_an_impulse(neuron, definition)
    train = {
        "rule": "eprop(feedback = symmetric)",
        "loss": "mean(cross_entropy(output.v))",
        "learn": "weights",
        **blocks,
    }
    lines = "\n".join(f"    {key} = {value}" for key, value in train.items())
    return f"""{definition}
network Recurrent:
    step = 1 ms
    population x: input[6]
    population hidden: {neuron}[{size}]
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0{unit}, 1{unit})
    connect hidden -> hidden: dense, weight = normal(0{unit}, 1{unit}), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1)

train:
{lines}
    optimiser = adam(learning_rate = 1e-3)
    batch = 4
"""


def model_of(text: str, **settings: str):
    """Text → Model; `train__rule="bptt"` sets `train.rule`."""
    return compile_model(Source("test.snn", text), {key.replace("__", "."): value for key, value in settings.items()})


def program_of(
    text: str, precision: str = "float64", after: str | None = None, weights: str | None = None,
    schedule: str | None = None, **settings: str,
):  # fmt: skip
    """Text → Program, all passes done or up to the one named."""
    return compile_program(scheduled(model_of(text, **settings), schedule), precision, after, weights)


def parameters(program, rng: np.random.Generator, weight: float = 1.0) -> dict[str, np.ndarray]:
    """Values for everything stored, in the consistent system:
    positive-leaning weights, other numbers as in the source.
    """
    values: dict[str, np.ndarray] = {}
    for p in program.parameters:
        if p.key.endswith(".weight") and p.storage != "compiled":
            drawn = -1 in p.shape  # a number for every synapse there is
            shape = Reference(program).parameters[p.key].shape if drawn else p.shape
            values[p.key] = rng.normal(0.3 if not p.key.startswith("hidden") else 0.0, 0.4, shape) * weight
        elif p.storage != "compiled":
            start = Reference(program).parameters.get(p.key, 0.0)  # 0: drawn when loaded
            values[p.key] = np.asarray(start) + (rng.normal(0, 0.05, np.shape(start)) if p.shape else 0.0)
            if p.key.endswith(".delay"):
                values[p.key] = np.maximum(values[p.key], 0)
    return values


def seen(parameter, values) -> np.ndarray:
    """A matrix of the reference's as Python sees it, which may be the transpose."""
    return np.transpose(values) if parameter.turned else np.asarray(values)


def spikes(rng: np.random.Generator, samples: int = 3, steps: int = 40, size: int = 6, rate: float = 0.3):
    """Random input counts per sample, most of them 0 or 1 and some 2."""
    return [{"x": rng.poisson(rate, (steps, size)).astype(float)} for _ in range(samples)]


def lively(program, rng_seed: int, inputs) -> dict[str, np.ndarray]:
    """Parameters at which the hidden neurons spike now and then: the weights grow until they do, or else shrink."""
    for weight in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 200.0, 1000.0, 5000.0, 0.5, 0.2, 0.1):  # up to 5000 for charges
        values = parameters(program, np.random.default_rng(rng_seed), weight)
        run = Reference(program, values).run(inputs)
        if 0.02 < np.mean([s["hidden"].mean() for s in run.spikes]) < 0.9:
            return values
    raise AssertionError("the hidden neurons do not spike at any weight tried")


def everything(text: str) -> str:
    """`learn` with all weights and every number of the hidden neurons that a gradient can reach."""
    population = model_of(text).population("hidden")
    return ", ".join(["weights", "output.bias", "output.tau_m", *(f"hidden.{p.name}" for p in population.parameters)])


def equal_gradients(got, expected, tolerance: float = 1e-12) -> None:
    """Gradients by key, to a part of the largest."""
    assert set(got) == set(expected)
    for key, gradient in expected.items():
        error = np.max(np.abs(got[key] - gradient))
        assert error <= tolerance * max(np.max(np.abs(gradient)), 1e-9), key
