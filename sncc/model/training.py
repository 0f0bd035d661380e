"""The `train` block → rule, loss, optimiser, what is learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import Number, symbols
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.constants import round_half_up
from sncc.model.infer import TIME, Elaborator
from sncc.model.losses import resolve_losses
from sncc.model.penalties import resolve_penalties
from sncc.model.rule import called, resolve_rule
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.model.values import folded, resolve_interval
from sncc.syntax import tree

SETTINGS = ("rule", "loss", "optimiser", "penalty", "learn", "batch", "schedule", "clip")
LISTS = ("learn", "penalty")  # may stand repeatedly, in a `for` say
REQUIRED = ("rule", "loss", "optimiser")
Numbers = tuple[tuple[str, float | None], ...]  # names with defaults; None: must be given
OPTIMISERS: dict[str, Numbers] = {
    "sgd": (("learning_rate", 1e-2), ("momentum", 0.0), ("nesterov", 0.0)),
    "adam": (("learning_rate", 1e-3), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8)),
    "adamw": (("learning_rate", 1e-3), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8), ("decay", 0.01)),
    "rmsprop": (("learning_rate", 1e-3), ("alpha", 0.99), ("eps", 1e-8)),
}
SCHEDULES: dict[str, Numbers] = {
    "constant": (),
    "cosine": (("final", 0.0), ("warmup", 0.0)),
    "exponential": (("decay", 0.95),),
    "step": (("every", 10.0), ("factor", 0.1)),
    "warmup": (("epochs", 1.0),),
}


def learnt_names(parts: tuple[tree.Setting, ...]) -> dict[str, set[str]]:
    """Parameters named in `learn`, by population or connection; `weights` is left to the connections."""
    found: dict[str, set[str]] = {}
    for setting in parts:
        for item in setting.values if setting.name.name == "learn" else ():
            name = item.function if isinstance(item, tree.Call) else item
            if isinstance(name, tree.Name) and len(name.parts) == 2:
                found.setdefault(name.parts[0], set()).add(name.parts[1])
    return found


def learns_weights(parts: tuple[tree.Setting, ...]) -> bool:
    """Whether all weights are learnt: the default, or `weights` is in the list."""
    learn = [setting for setting in parts if setting.name.name == "learn"]
    if not learn:
        return True
    items = [item.function if isinstance(item, tree.Call) else item for s in learn for item in s.values]
    return any(isinstance(item, tree.Name) and item.parts == ("weights",) for item in items)


class TrainingResolver:
    """Resolves the settings of one `train` block against the populations and connections of its network."""

    def __init__(
        self,
        block: tree.Train,
        settings: dict[str, tree.Setting],
        populations: Mapping[str, nodes.Population],
        connections: Mapping[str, nodes.Connection],
        broken: set[str],
        step: float,
        scope: Scope,
        diagnostics: Diagnostics,
    ) -> None:
        self.block, self.settings, self.scope, self.diagnostics = block, settings, scope, diagnostics
        self.populations, self.connections, self.broken, self.step = populations, connections, broken, step

    def resolve(self) -> nodes.Training | None:
        """The training, or None after a mistake (which is reported)."""
        for name in REQUIRED:
            if name not in self.settings:
                span = Span(self.block.span.source, self.block.span.start, self.block.span.start + len("train"))
                self.diagnostics.error("missing-setting", span, f"`{name}` is missing in `train`")
        rule = self._rule()
        loss = self._loss()
        optimiser = self._optimiser()
        learn = self._learn()
        batch = self._batch()
        penalties: tuple[nodes.Penalty, ...] = ()
        if (setting := self.settings.get("penalty")) is not None:
            penalties = resolve_penalties(setting.values, self.populations, self.broken, self)
        if rule is None or loss is None or optimiser is None:
            return None
        return nodes.Training(rule, loss, optimiser, learn, batch, penalties, span=self.block.span)

    def _single(self, name: str) -> tree.Expression | None:
        setting = self.settings.get(name)
        return None if setting is None else setting.values[0]

    def _unsupported(self, span: Span, what: str) -> None:
        self.diagnostics.error("not-supported-yet", span, f"{what} is not supported yet")

    def _rule(self) -> nodes.Rule | None:
        value = self._single("rule")
        return None if value is None else resolve_rule(value, self)

    def steps(self, value: tree.Expression, what: str) -> int | None:
        """A time as a whole number of steps, at least one."""
        time = self._quantity(value, TIME, what)
        return None if time is None else max(1, round_half_up(time, self.step))

    def rate(self, value: tree.Expression, what: str) -> float | None:
        """A rate, in kHz."""
        return self._quantity(value, PLAIN / TIME, what)

    def _quantity(self, value: tree.Expression, unit: Unit, what: str) -> float | None:
        elaborator = Elaborator(self.scope, self.diagnostics)
        typed = elaborator.elaborate(value)
        if typed.term is None or not elaborator.expect(typed, unit, value.span, what):
            return None
        number = folded(typed.expression, value.span, self.diagnostics)
        return number.value if isinstance(number, Number) else None

    def _loss(self) -> tuple[nodes.Loss, ...] | None:
        value = self._single("loss")
        return None if value is None else resolve_losses(value, self.populations, self.broken, self)

    def window(self, arguments: tuple[tree.Argument, ...], readout: str) -> tuple[int, int | None]:
        """`from` and `to` of a readout, in steps."""
        window: dict[str, int | None] = {"from": 0, "to": None}
        for argument in arguments:
            if argument.name not in window:
                self.diagnostics.error("wrong-argument", argument.span, f"`{readout}` takes `from` and `to` only")
                continue
            elaborator = Elaborator(self.scope, self.diagnostics)
            typed = elaborator.elaborate(argument.value)
            if typed.term is not None and elaborator.expect(typed, TIME, argument.value.span, f"`{argument.name}`"):
                number = folded(typed.expression, argument.value.span, self.diagnostics)
                if isinstance(number, Number):
                    window[argument.name] = max(0, round_half_up(number.value, self.step))
        start, stop = window["from"] or 0, window["to"]
        if stop is not None and stop <= start:
            self.diagnostics.error("wrong-argument", arguments[0].span, f"the window of `{readout}` is empty")
        return start, stop

    def number(self, value: tree.Expression, what: str) -> float | None:
        """A plain number known when compiling."""
        elaborator = Elaborator(self.scope, self.diagnostics)
        typed = elaborator.elaborate(value)
        if typed.term is None or not elaborator.expect(typed, PLAIN, value.span, what):
            return None
        number = folded(typed.expression, value.span, self.diagnostics)
        if isinstance(number, Number):
            return number.value
        self.diagnostics.error("not-constant", value.span, f"{what} must be a constant")
        return None

    def _numbers(
        self, value: tree.Expression, kinds: dict[str, Numbers], what: str
    ) -> tuple[str, dict[str, float]] | None:
        """A call of one of several kinds with plain numbers, defaults filled in."""
        name, arguments = called(value)
        if name not in kinds:
            hints = did_you_mean(name or "", kinds) or ("it is one of " + ", ".join(f"`{k}`" for k in kinds),)
            self.diagnostics.error("unknown-name", value.span, f"unknown {what} `{value.span.text}`", help=hints)
            return None
        wanted = dict(kinds[name])
        found: dict[str, float] = {}
        for position, argument in enumerate(arguments):
            key = argument.name or (list(wanted)[position] if position < len(wanted) else None)
            if key not in wanted or key in found:
                hints = did_you_mean(key or "", wanted)
                message = (
                    f"`{name}` takes no `{key}`" if key and key not in wanted else f"too many numbers for `{name}`"
                )
                self.diagnostics.error("wrong-argument", argument.span, message, help=hints)
                continue
            number = self.number(argument.value, f"`{key}` of `{name}`")
            if number is not None and number < 0:
                self.diagnostics.error("wrong-argument", argument.value.span, f"`{key}` cannot be negative")
            found[key] = 0.0 if number is None else number
        for key, default in wanted.items():
            if key not in found and default is None:
                self.diagnostics.error("wrong-argument", value.span, f"`{name}` needs its `{key}`")
            found.setdefault(key, 0.0 if default is None else default)
        return name, {key: found[key] for key in wanted}

    def _optimiser(self) -> nodes.Optimiser | None:
        value = self._single("optimiser")
        found = None if value is None else self._numbers(value, OPTIMISERS, "optimiser")
        schedule_value, clip = self._single("schedule"), self._clip()
        schedule = None if schedule_value is None else self._numbers(schedule_value, SCHEDULES, "schedule")
        if found is None or value is None:
            return None
        settled = None if schedule is None else (schedule[0], tuple(schedule[1].items()))
        return nodes.Optimiser(found[0], tuple(found[1].items()), settled, clip, value.span)

    def _clip(self) -> tuple[Literal["norm", "value"], float] | None:
        value = self._single("clip")
        kinds: dict[str, Numbers] = {"norm": (("at", None),), "value": (("at", None),)}
        found = None if value is None else self._numbers(value, kinds, "gradient clip")
        if found is None:
            return None
        return ("norm" if found[0] == "norm" else "value"), found[1]["at"]

    def _batch(self) -> int:
        value = self._single("batch")
        if value is None:
            return 32
        number = self.number(value, "`batch`")
        if number is not None and (number < 1 or number != int(number)):
            self.diagnostics.error("wrong-argument", value.span, "`batch` must be a whole number, at least 1")
            return 32
        return 32 if number is None else int(number)

    # --------------------------------------------------------------------------------------------------- learn
    def _learn(self) -> tuple[nodes.Learnt, ...]:
        setting = self.settings.get("learn")
        if setting is None:
            return tuple(nodes.Learnt(f"{name}.weight", 1.0, c.weight.bounds) for name, c in self.connections.items())
        found: dict[str, nodes.Learnt] = {}
        for item in setting.values:
            name = item.function if isinstance(item, tree.Call) else item
            arguments = item.arguments if isinstance(item, tree.Call) else ()
            if not isinstance(name, tree.Name):
                self.diagnostics.error("wrong-argument", item.span, "`learn` lists names, such as `hidden.tau_m`")
                continue
            if name.parts == ("weights",):
                for connection in self.connections.values():
                    learnt = self._learnt(f"{connection.name}.weight", connection.weight, arguments)
                    found.setdefault(learnt.key, learnt)
                continue
            if name.parts == ("initial",):
                for learnt in self._initial(item, arguments):
                    found[learnt.key] = learnt
                continue
            parameter = self._parameter(name)
            if parameter is None:
                continue
            if str(name) in found and parameter.name != "weight":
                self.diagnostics.error("duplicate", item.span, f"`{name}` is listed twice")
            found[str(name)] = self._learnt(str(name), parameter, arguments)
        return tuple(found.values())

    def _initial(self, item: tree.Expression, arguments: tuple[tree.Argument, ...]) -> list[nodes.Learnt]:
        """`initial(hidden.v, rate = 0.1)`: the first value of a state."""
        state = arguments[0].value if arguments and not arguments[0].name else None
        if not isinstance(state, tree.Name) or len(state.parts) != 2:
            help = "write `initial(hidden.v)`"
            self.diagnostics.error("wrong-argument", item.span, "`initial` takes a state of a population", help=help)
            return []
        population = self.populations.get(state.parts[0])
        states = population.dynamics.states if population is not None and population.dynamics is not None else ()
        found = next((s for s in states if s.name == state.parts[1]), None)
        if found is None:
            if state.parts[0] not in self.broken:
                hints = did_you_mean(state.parts[1], [s.name for s in states])
                self.diagnostics.error("unknown-name", state.span, f"there is no state `{state}`", help=hints)
            return []
        if symbols(found.initial):
            message = f"`{state}` starts at an expression of parameters: learn those"
            self.diagnostics.error("wrong-argument", state.span, message)
            return []
        parameter = nodes.Parameter(f"{found.name}.initial", found.initial, found.unit)
        learnt = self._learnt(f"{state}.initial", parameter, arguments[1:])
        return [nodes.Learnt(learnt.key, learnt.rate, learnt.bounds if arguments[1:] else None)]

    def _parameter(self, name: tree.Name) -> nodes.Parameter | None:
        known: dict[str, nodes.Parameter] = {f"{c.name}.weight": c.weight for c in self.connections.values()}
        for population in self.populations.values():
            known |= {f"{population.name}.{p.name}": p for p in population.parameters}
        if str(name) in known:
            return known[str(name)]
        owner = name.parts[0]
        if owner in self.broken:
            return None
        if owner in self.connections and name.parts[1:] == ("delay",):
            self._unsupported(name.span, "learning delays")
            return None
        hints = did_you_mean(str(name), [*known, "weights"])
        if owner in self.populations and len(name.parts) == 2:
            dynamics = self.populations[owner].dynamics
            if dynamics is not None and name.parts[1] in [s.name for s in dynamics.states]:
                hints = (f"`{name.parts[1]}` is a state; parameters are learnt",)
        self.diagnostics.error("unknown-name", name.span, f"`{name}` is no parameter that could be learnt", help=hints)
        return None

    def _learnt(self, key: str, parameter: nodes.Parameter, arguments: tuple[tree.Argument, ...]) -> nodes.Learnt:
        rate, bounds = 1.0, parameter.bounds
        for argument in arguments:
            if argument.name == "rate":
                number = self.number(argument.value, "`rate`")
                rate = 1.0 if number is None else number
            elif argument.name == "in":
                value = Typed(parameter.value, Term(parameter.unit))
                elaborator = Elaborator(self.scope, self.diagnostics)
                bounds = resolve_interval(argument.value, value, elaborator, f"the bounds of `{key}`")
            else:
                self.diagnostics.error("wrong-argument", argument.span, "`learn` takes `rate` and `in` for a parameter")
        if parameter.unit.dimension == TIME.dimension and parameter.name != "weight":
            bounds = _above(self.step, bounds)
        return nodes.Learnt(key, rate, bounds)


def _above(step: float, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """Time constants stay above the step, where the flow over one step still says something about them."""
    low, high = bounds or (step, math.inf)
    return max(low, step), max(high, step)
