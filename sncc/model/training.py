"""The `train` block → rule, loss, optimiser, what is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.units import parse_unit
from sncc.model import nodes, training_nodes
from sncc.model.calls import Numbers, numbers_of_call
from sncc.model.constants import round_half_up
from sncc.model.infer import TIME
from sncc.model.learning import LearnResolver
from sncc.model.losses import resolve_losses
from sncc.model.penalties import resolve_penalties
from sncc.model.rewiring import check_learnt
from sncc.model.rule import resolve_rule
from sncc.model.scope import Scope
from sncc.model.unstored import check_unstored_learnt
from sncc.model.values import constant_number
from sncc.syntax import tree

SETTINGS = ("rule", "loss", "optimiser", "penalty", "learn", "batch", "schedule", "clip")
LISTS = ("learn", "penalty")  # may stand repeatedly, in a `for` say
REQUIRED = {  # with what one might be
    "rule": "bptt", "loss": "cross_entropy(mean(output.v))", "optimiser": "adam(learning_rate = 1e-3)",
}  # fmt: skip
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
SWITCHES = ("nesterov",)
ABOVE_ZERO = ("learning_rate", "eps", "every", "at")  # at 0: nothing is learnt, division by 0, all clipped to 0
BELOW_ONE = ("momentum", "beta1", "beta2", "alpha")  # what is kept of a sum, or is part of a mean
CLIPS: dict[str, Numbers] = {"norm": (("at", None),), "value": (("at", None),)}


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

    def resolve(self) -> training_nodes.Training | None:
        """The training, or None after a mistake (which is reported)."""
        for name, example in REQUIRED.items():
            if name not in self.settings:
                span = Span(self.block.span.source, self.block.span.start, self.block.span.start + len("train"))
                self.diagnostics.error(
                    "missing-setting", span, f"`{name}` is missing in `train`", help=f"add `{name} = {example}`"
                )
        rule = self._rule()
        loss = self._loss()
        optimiser = self._optimiser()
        before = len(self.diagnostics.errors)
        learn = LearnResolver(self.populations, self.connections, self.broken, self.step, self).resolve(
            self.settings.get("learn")
        )
        if len(self.diagnostics.errors) == before:  # what was misspelt may be what is missing
            check_learnt(self.connections.values(), learn, self.diagnostics)
            check_unstored_learnt(self.connections.values(), learn, self.diagnostics)
        batch = self._batch()
        penalties: tuple[training_nodes.Penalty, ...] = ()
        if (setting := self.settings.get("penalty")) is not None:
            penalties = resolve_penalties(setting.values, self.populations, self.broken, self)
        if rule is None or loss is None or optimiser is None:
            return None
        return training_nodes.Training(rule, loss, optimiser, learn, batch, penalties, span=self.block.span)

    def _single(self, name: str) -> tree.Expression | None:
        setting = self.settings.get(name)
        return None if setting is None else setting.values[0]

    def _rule(self) -> training_nodes.Rule | None:
        value = self._single("rule")
        return None if value is None else resolve_rule(value, self)

    def steps(self, value: tree.Expression, what: str) -> int | None:
        """A time as a whole number of steps, at least one."""
        time = constant_number(value, what, self.scope, self.diagnostics, TIME)
        if time is not None and time <= 0:
            self.diagnostics.error("wrong-argument", value.span, f"{what} must be longer than zero")
        return None if time is None else max(1, round_half_up(time, self.step))

    def rate(self, value: tree.Expression, what: str) -> float | None:
        """A rate, in kHz."""
        return constant_number(value, what, self.scope, self.diagnostics, parse_unit("Hz"))

    def _loss(self) -> tuple[training_nodes.Loss, ...] | None:
        value = self._single("loss")
        return None if value is None else resolve_losses(value, self.populations, self.broken, self)

    def window(self, arguments: tuple[tree.Argument, ...], readout: str) -> tuple[int, int | None]:
        """`from` and `to` of a readout, in steps."""
        window: dict[str, int | None] = {"from": 0, "to": None}
        for argument in arguments:
            if argument.name not in window:
                self.diagnostics.error("wrong-argument", argument.span, f"`{readout}` takes `from` and `to` only")
                continue
            time = constant_number(argument.value, f"`{argument.name}`", self.scope, self.diagnostics, TIME)
            if time is not None and time < 0:
                message = f"`{argument.name}` is a time in the sample, which begins at 0"
                self.diagnostics.error("wrong-argument", argument.value.span, message)
            elif time is not None:
                window[argument.name] = round_half_up(time, self.step)
        start, stop = window["from"] or 0, window["to"]
        if stop is not None and stop <= start:
            self.diagnostics.error("wrong-argument", arguments[0].span, f"the window of `{readout}` is empty")
        return start, stop

    def number(self, value: tree.Expression, what: str) -> float | None:
        """A plain number known when compiling."""
        return constant_number(value, what, self.scope, self.diagnostics)

    def _numbers(self, name: str, kinds: Mapping[str, Numbers], what: str) -> tuple[str, dict[str, float]] | None:
        value = self._single(name)
        return (
            None
            if value is None
            else numbers_of_call(
                value,
                kinds,
                what,
                self.scope,
                self.diagnostics,
                above_zero=ABOVE_ZERO,
                below_one=BELOW_ONE,
                switches=SWITCHES,
            )
        )

    def _optimiser(self) -> training_nodes.Optimiser | None:
        value, found = self._single("optimiser"), self._numbers("optimiser", OPTIMISERS, "optimiser")
        schedule, clip = self._numbers("schedule", SCHEDULES, "schedule"), self._clip()
        if found is None or value is None:
            return None
        settled = None if schedule is None else (schedule[0], tuple(schedule[1].items()))
        return training_nodes.Optimiser(found[0], tuple(found[1].items()), settled, clip, value.span)

    def _clip(self) -> tuple[Literal["norm", "value"], float] | None:
        found = self._numbers("clip", CLIPS, "gradient clip")
        if found is None:
            return None
        return ("norm" if found[0] == "norm" else "value"), found[1]["at"]

    def _batch(self) -> int:
        value = self._single("batch")
        if value is None:
            return 32
        number = self.number(value, "`batch`")
        if number is not None and not (1 <= number < 2**31 and number == int(number)):
            self.diagnostics.error("wrong-argument", value.span, "`batch` must be a whole number, at least 1")
            return 32
        return 32 if number is None else int(number)
