"""What a `train` block says in the Model: rule, losses, penalties, optimiser, what is learnt.

Numbers are in the units of `nodes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.diagnostics import Span
from sncc.expressions.nodes import Expression, symbols


@dataclass(frozen=True, slots=True)
class Rule:
    """How gradients are derived, e.g. `eprop(feedback = symmetric)`."""

    name: Literal["eprop", "bptt", "eventprop"]
    feedback: Literal["symmetric", "random", "adaptive"] = "symmetric"  # the weights by which credit goes back
    online: bool = False  # forwards, by traces
    truncate_steps: int | None = None  # windows of so many steps, from one to the next of which no credit passes
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Loss:
    """One term of the loss: a loss function of a readout variable."""

    function: Literal["cross_entropy", "mse", "huber", "expression"]
    population: str
    variable: str  # a state's name, or `spikes`
    # What is done over a sample's steps before the loss sees the variable: `cross_entropy(mean(output.v))`. None: the
    # loss is taken at every step.
    reduction: Literal["mean", "sum", "max", "last", "first_spike"] | None
    over_steps: Literal["mean", "sum"] | None  # of losses of every step: `mean(cross_entropy(output.v))`
    window: tuple[int, int | None] = (0, None)  # in steps: the first included, the last excluded, None: to the end
    factor: float = 1.0  # of the loss
    # Of what the loss function sees: -1/(5 ms) in `cross_entropy(-first_spike(output) / (5 ms))`, where first_spike is
    # in ms.
    scale: float = 1.0
    smoothing: float = 0.0  # of the labels of a cross entropy
    class_weights: tuple[float, ...] = ()  # what a sample's cross entropy is multiplied by, for each class; none: by 1
    # With `function` "expression": the loss, of `output` (what is read, one per output), `label` (the target) and
    # reductions over the outputs.
    expression: Expression | None = None
    span: Span | None = field(default=None, compare=False)

    @property
    def reads_labels(self) -> bool:
        """Whether it compares with a label; `mean(hidden.v^2)` does not."""
        return self.expression is None or "label" in symbols(self.expression)


@dataclass(frozen=True, slots=True)
class Penalty:
    """`firing_rate(hidden, target = 10 Hz, strength = 1e-3)`: strength · mean of ((r - target) / (1 Hz))²."""

    population: str
    target: float  # in kHz
    strength: float
    # sample: the mean over samples and neurons of the square. batch: the mean over neurons of the square for a neuron's
    # mean rate over the samples.
    over: Literal["sample", "batch"] = "sample"
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Optimiser:
    """An optimiser with its settings, which are all plain numbers."""

    name: str
    settings: tuple[tuple[str, float], ...] = ()
    schedule: tuple[str, tuple[tuple[str, float], ...]] | None = None  # of the learning rate: (name, its settings)
    clip: tuple[Literal["norm", "value"], float] | None = None  # of gradients
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A parameter that training changes."""

    key: str  # as in `network.parameters`
    rate: float = 1.0  # a factor on the learning rate
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
