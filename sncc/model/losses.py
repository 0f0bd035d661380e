"""A loss such as `cross_entropy(mean(output.v))` or `mean(cross_entropy(output.v))`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Protocol

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.units import Unit
from sncc.model import nodes, training_nodes
from sncc.model.class_losses import Classes, read_classes, weights_fit
from sncc.model.infer import FUNCTIONS as BUILT_IN
from sncc.model.infer import TIME
from sncc.model.loss_expressions import Scale, calls, read_once, reads, resolve_expression, take_scale
from sncc.model.scope import Scope
from sncc.syntax import tree

Function = Literal["cross_entropy", "mse", "huber"]
Reduction = Literal["mean", "sum", "max", "last", "first_spike"]
FUNCTIONS: tuple[Function, ...] = ("cross_entropy", "mse", "huber")
REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum", "max", "last")
READOUTS = (*REDUCTIONS, "count", "first_spike")


class Reader(Protocol):
    """What the reader of the `train` block offers."""

    diagnostics: Diagnostics
    scope: Scope

    def window(self, arguments: tuple[tree.Argument, ...], readout: str) -> tuple[int, int | None]:
        """`from` and `to`, in steps."""

    def number(self, value: tree.Expression, what: str) -> float | None:
        """A constant."""


def resolve_losses(
    value: tree.Expression, populations: Mapping[str, nodes.Population], broken: set[str], reader: Reader
) -> tuple[training_nodes.Loss, ...] | None:
    """The terms of the loss, or None after a mistake (which is reported)."""
    written = _terms(value, 1.0)
    terms = [(_Reader(populations, broken, reader, t.span, t is not value).loss(t, factor)) for t, factor in written]
    found = tuple(t for t in terms if t is not None)
    if len(found) < len(terms):
        return None
    labelled = tuple(t for t in found if t.reads_labels)
    others = tuple(t for t in found if not t.reads_labels) if labelled else ()  # predictions are the first one's
    labelled = labelled or found
    first, size = labelled[0], populations[labelled[0].population].size
    for loss in labelled[1:]:
        if (loss.function == "cross_entropy") != (first.function == "cross_entropy"):
            message = "the terms of this loss need different labels: a class, and values to reach"
            help = "use terms that read the same labels"
            reader.diagnostics.error("wrong-argument", loss.span or value.span, message, help=help)
            return None
        if populations[loss.population].size != size:
            message = f"`{loss.population}` and `{first.population}` differ in neurons, and there is one set of labels"
            reader.diagnostics.error("wrong-argument", loss.span or value.span, message)
            return None
    return (*labelled, *others)


def _terms(value: tree.Expression, factor: float) -> list[tuple[tree.Expression, float]]:
    """Terms of a sum with their signs."""
    match value:
        case tree.Binary("+" | "-" as sign, left, right):
            return [*_terms(left, factor), *_terms(right, -factor if sign == "-" else factor)]
        case tree.Unary("-", inner) if _is_loss(inner):
            return _terms(inner, -factor)
        case tree.Binary("*", number, inner) if _is_factor(number, inner) and len(terms := _terms(inner, factor)) > 1:
            return [(replace(value, right=term), f) for term, f in terms]
        case tree.Binary("*" | "/", inner, number) if (
            _is_factor(number, inner) and len(terms := _terms(inner, factor)) > 1
        ):
            return [(replace(value, left=term), f) for term, f in terms]
    return [(value, factor)]


def _is_loss(value: tree.Expression) -> bool:
    """Whether a loss stands in it that has a name or is of every step: a plain number, whose factors are taken out."""
    match value:
        case tree.Call(tree.Name(("mean" | "sum",)), (inner, *_)) if not isinstance(inner.value, tree.Name):
            return True
        case tree.Unary("-", inner) | tree.Binary("*" | "/", inner, tree.Quantity()):
            return _is_loss(inner)
    return calls(value, FUNCTIONS)


def _is_factor(value: tree.Expression, of: tree.Expression) -> bool:
    """Whether an expression is a number by which a loss is multiplied or divided."""
    return isinstance(value, tree.Quantity) or (_is_loss(of) and not _is_loss(value) and not reads(value))


class _Reader:
    def __init__(
        self, populations: Mapping[str, nodes.Population], broken: set[str], reader: Reader, span: Span, beside: bool
    ) -> None:
        """Of one term, which may stand `beside` others."""
        self.populations, self.broken, self.reader, self.span, self.beside = populations, broken, reader, span, beside
        self.diagnostics = reader.diagnostics

    def loss(self, value: tree.Expression, factor: float) -> training_nodes.Loss | None:
        match value:
            case tree.Binary("*", number, inner) if _is_factor(number, inner):
                return self._scaled(inner, factor, number)
            case tree.Binary("*", inner, number) if _is_factor(number, inner):
                return self._scaled(inner, factor, number)
            case tree.Binary("/", inner, number) if _is_factor(number, inner):
                return self._scaled(inner, factor, number, divided=True)
            case tree.Unary("-", inner) if _is_loss(inner):
                return self.loss(inner, -factor)
            case tree.Call(tree.Name((name,)), arguments) if name in FUNCTIONS:
                return self._of_readout(name, arguments, value, factor)
            case tree.Call(tree.Name((name,)), (of, *_)) if name in READOUTS and isinstance(of.value, tree.Name):
                return self._readout_itself(name, value, factor)
            case tree.Call(tree.Name((name,)), arguments) if name in REDUCTIONS:
                return self._over_steps(name, arguments, value, factor)
        if isinstance(value, tree.Call) and not self._is_function(str(value.function)):
            known = "it is one of " + ", ".join(f"`{name}`" for name in FUNCTIONS)
            hints = did_you_mean(str(value.function), [*FUNCTIONS, *REDUCTIONS]) or (f"{known}, or an expression",)
            message = f"unknown loss `{value.function}`"
            self.diagnostics.error("unknown-name", value.function.span, message, help=hints)
            return None
        return self._written_out(value, None, (), factor)

    def _scaled(
        self, inner: tree.Expression, factor: float, by: tree.Expression, divided: bool = False
    ) -> training_nodes.Loss | None:
        self.beside = True  # with a factor it is meant
        found = self.reader.number(by, "the divisor of a loss" if divided else "the factor of a loss")
        if found is None:
            return None
        if divided and found == 0:
            self.diagnostics.error("not-a-number", by.span, "division by zero")
            return None
        return self.loss(inner, factor / found if divided else factor * found)

    def _is_function(self, name: str) -> bool:
        return name in BUILT_IN or self.reader.scope.function(name) is not None

    def _written_out(
        self,
        value: tree.Expression,
        over: Literal["mean", "sum"] | None,
        window: tuple[tree.Argument, ...],
        factor: float,
    ) -> training_nodes.Loss | None:
        """`mean((output.v - label)^2)`, at every step, or `(mean(output.v) - label)^2`, at the end."""
        read = read_once(value, lambda name: name in self.populations or name in self.broken, self.diagnostics)
        if read is None:
            return None
        reduction: Reduction | None = None
        if isinstance(read, tree.Call):
            counted = str(read.function) == "count"
            reduction = "sum" if counted else next((r for r in REDUCTIONS if r == str(read.function)), None)
            variable = self._variable(read.arguments[0].value, counted)
            window = read.arguments[1:]
        else:
            variable = self._variable(read)
        if (reduction is None) == (over is None):
            text = read.span.text
            message = "this loss does not say how the steps enter"
            help = (
                f"write `mean({text})` for the mean over the steps, or `mean(…)` around it for the loss of every step"
            )
            self.diagnostics.error("wrong-argument", value.span, message, help=help)
            return None
        if variable is None:
            return None
        unit = self._unit(variable)
        expression = resolve_expression(value, read, unit, self.reader.scope, self.diagnostics)
        if expression is None:
            return None
        steps = self.reader.window(window, str(over or reduction))
        return training_nodes.Loss(
            "expression",
            variable[0],
            variable[1],
            reduction,
            over,
            steps,
            factor,
            expression=expression,
            span=self.span,
        )

    def _of_readout(
        self, name: str, arguments: tuple[tree.Argument, ...], call: tree.Call, factor: float
    ) -> training_nodes.Loss | None:
        """`cross_entropy(mean(output.v))`: the readout first, then the loss."""
        function = next(f for f in FUNCTIONS if f == name)
        taken = read_classes(name, arguments, self.reader)
        if taken is None:
            return None
        classes, arguments = taken
        if len(arguments) != 1:
            self.diagnostics.error("wrong-argument", call.span, f"`{name}` takes one readout, such as `mean(output.v)`")
            return None
        inner, scale = take_scale(arguments[0].value, self.reader.scope, self.diagnostics)
        match inner:
            case tree.Name():
                text = inner.span.text
                help = f"`{name}(mean({text}))` sees the mean over the steps, `mean({name}({text}))` every step"
                message = "this loss does not say how the steps enter"
                self.diagnostics.error("wrong-argument", call.span, message, help=help)
                return None
            case tree.Call(tree.Name(("count",)), of) if of:
                reduction: Reduction = "sum"
                variable = self._variable(of[0].value, spikes=True)
                window = self.reader.window(of[1:], "count")
            case tree.Call(tree.Name(("first_spike",)), of) if of:
                reduction = "first_spike"
                variable = self._variable(of[0].value, spikes=True)
                window = self.reader.window(of[1:], "first_spike")
            case tree.Call(tree.Name((readout,)), of) if readout in REDUCTIONS and of:
                reduction = next(r for r in REDUCTIONS if r == readout)
                variable = self._variable(of[0].value)
                window = self.reader.window(of[1:], readout)
            case tree.Call():
                message = f"unknown readout `{inner.function}`"
                hints = did_you_mean(str(inner.function), [*REDUCTIONS, "count", "first_spike"])
                hints = hints or ("it is one of `mean`, `sum`, `max`, `last`, `count`",)
                self.diagnostics.error("unknown-name", inner.function.span, message, help=hints)
                return None
            case _:
                message = f"`{name}` sees one readout, at most with a constant factor"
                help = f"write `{name}(mean(output.v))`, or the loss itself as an expression of `output.v` and `label`"
                self.diagnostics.error("wrong-argument", inner.span, message, help=help)
                return None
        if variable is None:
            return None
        unit = Unit(TIME.dimension) if reduction == "first_spike" else self._unit(variable)
        if not self._has_no_unit(unit, scale, function, inner.span) or not self._fits(classes, variable[0]):
            return None
        return training_nodes.Loss(
            function, variable[0], variable[1], reduction, None, window, factor, scale.value, classes.smoothing,
            classes.weights, span=self.span,
        )  # fmt: skip

    def _readout_itself(self, name: str, call: tree.Call, factor: float) -> training_nodes.Loss | None:
        """`mean(hidden.spikes)`: by itself it is taken for a readout whose loss was forgotten;
        beside others, or with a factor, it is one.
        """
        inner = call.arguments[0].value
        if not self.beside or name == "first_spike":
            self._needs_a_loss(
                name, call, inner.span.text, itself=f", or `1 * {call.span.text}` where that is the loss"
            )
            return None
        if name in ("mean", "sum"):
            return self._written_out(inner, "mean" if name == "mean" else "sum", call.arguments[1:], factor)
        return self._written_out(call, None, (), factor)

    def _needs_a_loss(
        self, name: str, call: tree.Call, text: str, hints: tuple[str, ...] = (), itself: str = ""
    ) -> None:
        """Report a readout; `text`: what it reads, or may read."""
        each = f"`{name}(cross_entropy({text}))` or " if name in ("mean", "sum") else ""
        help = f"write {each}`cross_entropy({name}({text}))`{itself}"
        if name == "first_spike":
            help = f"write `cross_entropy(-first_spike({text}) / (5 ms))`"
        where = "inside or around it" if each else "around it"
        self.diagnostics.error("wrong-argument", call.span, f"`{name}` needs a loss {where}", help=hints or (help,))

    def _over_steps(
        self, name: str, arguments: tuple[tree.Argument, ...], call: tree.Call, factor: float
    ) -> training_nodes.Loss | None:
        """`mean(cross_entropy(output.v))`: the loss at every step first, then their mean or sum."""
        inner = arguments[0].value if arguments else call
        if inner is not call and not (isinstance(inner, tree.Call) and str(inner.function) in FUNCTIONS):
            misspelt = isinstance(inner, tree.Call) and not self._is_function(str(inner.function))
            if name in ("mean", "sum") and not misspelt:
                return self._written_out(inner, "mean" if name == "mean" else "sum", arguments[1:], factor)
        if not isinstance(inner, tree.Call) or str(inner.function) not in FUNCTIONS or inner is call:
            known = inner.function if isinstance(inner, tree.Call) else None
            self._needs_a_loss(name, call, "output.v", did_you_mean(str(known), FUNCTIONS) if known else ())
            return None
        if name not in ("mean", "sum"):
            message = "the losses of the steps are averaged, `mean`, or added, `sum`"
            self.diagnostics.error("wrong-argument", call.function.span, message)
            return None
        function = next(f for f in FUNCTIONS if f == str(inner.function))
        windows = [a for a in inner.arguments if a.name in ("from", "to")]
        if windows:
            hint = f"write `{name}({inner.function}(…), {windows[0].span.text})`"
            message = f"a window stands in `{name}`, which goes over the steps"
            self.diagnostics.error("wrong-argument", windows[0].span, message, help=hint)
            return None
        taken = read_classes(str(inner.function), inner.arguments, self.reader)
        if taken is None:
            return None
        classes, given = taken
        if len(given) != 1:
            message = f"`{inner.function}` takes one state, such as `output.v`"
            self.diagnostics.error("wrong-argument", inner.span, message)
            return None
        read, scale = take_scale(given[0].value, self.reader.scope, self.diagnostics)
        variable = self._variable(read)
        window = self.reader.window(arguments[1:], name)
        if variable is None or not self._has_no_unit(self._unit(variable), scale, function, given[0].span):
            return None
        if not self._fits(classes, variable[0]):
            return None
        over: Literal["mean", "sum"] = "mean" if name == "mean" else "sum"
        return training_nodes.Loss(
            function, variable[0], variable[1], None, over, window, factor, scale.value, classes.smoothing,
            classes.weights, span=self.span,
        )  # fmt: skip

    def _fits(self, classes: Classes, population: str) -> bool:
        """Whether there is a weight for each neuron of the population; reported where not."""
        return not classes.weights or weights_fit(classes, self.populations[population], self.diagnostics)

    def _variable(self, written: tree.Expression, spikes: bool = False) -> tuple[str, str] | None:
        """A population and its state, or `spikes`."""
        if not isinstance(written, tree.Name) or len(written.parts) > 2:
            self.diagnostics.error("wrong-argument", written.span, "a loss reads a state, such as `output.v`")
            return None
        name, state = written.parts[0], written.parts[1] if len(written.parts) == 2 else "spikes"
        if name in self.broken:
            return None
        population = self.populations.get(name)
        if population is None:
            hints = did_you_mean(name, self.populations)
            self.diagnostics.error("unknown-name", written.span, f"unknown population `{name}`", help=hints)
            return None
        if population.dynamics is None:
            self.diagnostics.error(
                "wrong-argument", written.span, f"`{name}` is handed over from outside: nothing to learn"
            )
            return None
        states = [s.name for s in population.dynamics.states]
        if spikes and state != "spikes":
            message, help = f"spikes are read here, not `{state}`", f"write `{name}.spikes`"
            self.diagnostics.error("wrong-argument", written.span, message, help=help)
            return None
        if state == "spikes":
            if population.dynamics.spike is None:
                help = f"read a state, such as `{name}.{states[0]}`" if states else ""
                self.diagnostics.error("missing-spike", written.span, f"`{name}` does not spike", help=help)
                return None
            return name, "spikes"
        if state not in states:
            message = f"`{name}` has no state `{state}`"
            hints = did_you_mean(state, [*states, "spikes"])
            self.diagnostics.error("unknown-name", written.span, message, help=hints)
            return None
        return name, state

    def _unit(self, variable: tuple[str, str]) -> Unit:
        dynamics = self.populations[variable[0]].dynamics
        assert dynamics is not None
        return next((Unit(s.unit.dimension) for s in dynamics.states if s.name == variable[1]), Unit())

    def _has_no_unit(self, seen: Unit, scale: Scale, function: str, span: Span) -> bool:
        unit = Unit((seen * scale.unit).dimension)
        if unit.dimensionless:
            return True
        message = f"`{function}` takes a plain number, and `{span.text}` is {unit.described()}"
        help = (
            "leave out the factor: it is a plain number" if seen.dimensionless else f"write `{span.text} / (1 {unit})`"
        )
        self.diagnostics.error("wrong-unit", span, message, help=help)
        return False
