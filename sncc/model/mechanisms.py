"""`synapse = conductance(tau = 10 ms)` and `plasticity = istdp()` of a connection."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import TypeVar

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.definition import Overrides, kind_of, read_arguments
from sncc.model.draft import Draft
from sncc.model.ends import ends_of
from sncc.model.plasticity import resolve_plasticity
from sncc.model.scope import Scope
from sncc.model.synapse import Synapse, resolve_synapse
from sncc.syntax import tree

Kind = TypeVar("Kind", tree.Synapse, tree.Plasticity)
Modulators = tuple[tuple[str, str, str], ...]


@dataclass
class MechanismResolver:
    """Resolves the synapse and the plasticity of one connection, from `source` to `where` of `target`."""

    draft: Draft
    source: nodes.Population
    target: nodes.Population
    where: nodes.Input
    learnt: Set[str]
    scope: Scope
    diagnostics: Diagnostics

    def synapse(self, option: tree.Option) -> Synapse | None:
        """The synapse, or None after a mistake."""
        found = self._definition(option, tree.Synapse)
        if found is None:
            return None
        block, arguments = found
        if self.source.kind == "signal":
            message = f"`{self.source.name}` is a signal: its values are delivered without a synapse"
            help = "let an input drive a state of the neuron's own"
            self.diagnostics.error("wrong-argument", option.span, message, help=help)
            return None
        overrides = Overrides(read_arguments(block, arguments, self.diagnostics), {}, self.learnt)
        ends = ends_of(self.source, self.target, self.where)
        resolved = resolve_synapse(block, overrides, ends, option.span, self.scope, self.diagnostics)
        spikes = self.source.dynamics is None or self.source.dynamics.spike is not None
        if resolved is not None and resolved.node.on_pre and not spikes:
            message = f"`{self.source.name}` does not spike, and `{block.name}` waits for spikes, `on pre`"
            self.diagnostics.error("missing-spike", option.span, message)
            return None
        return resolved

    def plasticity(self, option: tree.Option, weight: Unit) -> tuple[nodes.Plasticity, Modulators] | None:
        """The plasticity with what sets its modulators, or None after a mistake; `weight` is the unit of weights."""
        found = self._definition(option, tree.Plasticity)
        if found is None:
            return None
        block, arguments = found
        names = tuple(part.name.name for part in block.parts if isinstance(part, tree.Modulator))
        given = read_arguments(block, arguments, self.diagnostics, names)
        bound: list[tuple[str, str, str]] = []
        units: dict[str, Unit] = {}
        for name in names:
            if name in given and (setter := self._modulator(given.pop(name))) is not None:
                bound.append((name, setter[0], setter[1]))
                units[name] = setter[2]
        learnt = {name.removeprefix("plasticity.") for name in self.learnt if name.startswith("plasticity.")}
        ends = ends_of(self.source, self.target, self.where, weight)
        resolved = resolve_plasticity(
            block, Overrides(given, {}, learnt), ends, units, option.span, self.scope, self.diagnostics
        )
        if resolved is None or not self._spikes(resolved, option):
            return None
        return resolved, tuple(bound)

    def _spikes(self, plasticity: nodes.Plasticity, option: tree.Option) -> bool:
        """Whether both neurons spike, as far as the plasticity waits for it."""
        for jumps, population, word in (
            (plasticity.on_pre, self.source, "pre"),
            (plasticity.on_post, self.target, "post"),
        ):
            silent = population.kind == "signal" or (
                population.dynamics is not None and population.dynamics.spike is None
            )
            if jumps and silent:
                message = f"`{population.name}` does not spike, and `{plasticity.model}` waits for spikes, `on {word}`"
                self.diagnostics.error("missing-spike", option.span, message)
                return False
        return True

    def _definition(self, option: tree.Option, kind: type[Kind]) -> tuple[Kind, tuple[tree.Argument, ...]] | None:
        value, word = option.value, kind.__name__.lower()
        arguments = value.arguments if isinstance(value, tree.Call) else ()
        written = value.function if isinstance(value, tree.Call) else value
        name = str(written) if isinstance(written, tree.Name) else ""
        found = self.scope.definition(name) if name else None
        if isinstance(found, kind):
            if isinstance(value, tree.Call):
                return found, arguments
            message = f"the parentheses of `{name}` are missing"
            help = f"write `{word} = {name}()`, which leaves every number as defined"
            self.diagnostics.error("wrong-argument", written.span, message, help=help)
            return None
        if found is not None:
            what = kind_of(found) if not isinstance(found, tree.Function) else "function"
            self.diagnostics.error("wrong-argument", written.span, f"`{name}` is a {what}, not a {word}")
            return None
        known = self.scope.names_of(kind)
        hints = did_you_mean(name, known) or (f"`sncc models` lists the ready ones, `{word} NAME:` makes one",)
        self.diagnostics.error("unknown-model", written.span, f"unknown {word} `{written.span.text}`", help=hints)
        return None

    def _modulator(self, argument: tree.Argument) -> tuple[str, str, Unit] | None:
        """The population and its state, or `spikes`, that set a modulator."""
        value = argument.value
        if not isinstance(value, tree.Name) or len(value.parts) > 2:
            message = "a modulator is set by a population's state or spikes, such as `dopamine.v`"
            help = "a number is set from Python, or by `stimulate` in `simulate`"
            self.diagnostics.error("wrong-argument", value.span, message, help=help)
            return None
        name, variable = value.parts[0], value.parts[1] if len(value.parts) == 2 else "spikes"
        if name in self.draft.broken:
            return None
        population = self.draft.populations.get(name)
        if population is None:
            hints = did_you_mean(name, self.draft.populations)
            self.diagnostics.error("unknown-name", value.span, f"unknown population `{name}`", help=hints)
            return None
        if population.size not in (1, self.target.size):
            message = (
                f"a modulator comes from one neuron or from {self.target.size}, one for each of `{self.target.name}`"
            )
            self.diagnostics.error("shape-mismatch", value.span, message, f"`{name}` has {population.size}")
            return None
        states = {s.name: s.unit for s in population.dynamics.states} if population.dynamics else {}
        if variable == "spikes":
            return name, variable, PLAIN
        if variable not in states:
            hints = did_you_mean(variable, [*states, "spikes"])
            self.diagnostics.error("unknown-name", value.span, f"`{name}` has no state `{variable}`", help=hints)
            return None
        return name, variable, states[variable]
