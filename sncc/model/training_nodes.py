"""What a `train` block says in the Model: rule, losses, penalties, optimiser, what is learnt; numbers as in `nodes.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.diagnostics import Span
from sncc.expressions.nodes import Expression, symbols


@dataclass(frozen=True, slots=True)
class Rule:
    """How gradients are derived, e.g. `eprop(feedback = symmetric)`. `truncate_steps` cuts credit into windows."""

    name: Literal["eprop", "bptt", "eventprop"]
    feedback: Literal["symmetric", "random", "adaptive"] = "symmetric"
    online: bool = False
    truncate_steps: int | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Loss:
    """One term of the loss: a loss function of a readout variable, times `factor`.

    `reduction` is what is done over a sample's steps before the loss sees the variable
    (`cross_entropy(mean(output.v))`); None: the loss is taken at every step and `over_steps` reduces the losses
    (`mean(cross_entropy(output.v))`). `variable` is a state's name, or `spikes`. The window is in steps, first
    included, last excluded, None: to the end. What the loss function sees is `scale` times the reduced variable: -1/(5
    ms) in `cross_entropy(-first_spike(output) / (5 ms))`, where first_spike is in ms. `smoothing` is the label
    smoothing of a cross entropy. With `function` "expression" the loss is `expression`, of `output` (what is read, one
    per output), `label` (the target) and reductions over the outputs.
    """

    function: Literal["cross_entropy", "mse", "huber", "expression"]
    population: str
    variable: str
    reduction: Literal["mean", "sum", "max", "last", "first_spike"] | None
    over_steps: Literal["mean", "sum"] | None
    window: tuple[int, int | None] = (0, None)
    factor: float = 1.0
    scale: float = 1.0
    smoothing: float = 0.0
    expression: Expression | None = None
    span: Span | None = field(default=None, compare=False)

    @property
    def reads_labels(self) -> bool:
        """Whether it compares with a label; `mean(hidden.v^2)` does not."""
        return self.expression is None or "label" in symbols(self.expression)


@dataclass(frozen=True, slots=True)
class Penalty:
    """`firing_rate(hidden, target = 10 Hz, strength = 1e-3)`: strength · mean of ((r - target) / (1 Hz))².

    `target` in kHz. `over` "sample": the mean over samples and neurons of the square; "batch": of the square of a
    neuron's mean over the samples.
    """

    population: str
    target: float
    strength: float
    over: Literal["sample", "batch"] = "sample"
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Optimiser:
    """An optimiser with its settings (all plain numbers), a learning-rate schedule and a gradient clip."""

    name: str
    settings: tuple[tuple[str, float], ...] = ()
    schedule: tuple[str, tuple[tuple[str, float], ...]] | None = None
    clip: tuple[Literal["norm", "value"], float] | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A parameter that training changes: `key` as in `network.parameters`, a factor on its learning rate, bounds."""

    key: str
    rate: float = 1.0
    bounds: tuple[float, float] | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Training:
    """The `train` block."""

    rule: Rule
    losses: tuple[Loss, ...]
    optimiser: Optimiser
    learn: tuple[Learnt, ...]
    batch: int = 32
    penalties: tuple[Penalty, ...] = ()
    span: Span | None = field(default=None, compare=False)
