"""What `learn` names: weights, delays, parameters of neurons, synapses and plasticity, first values of states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.nodes import symbols
from sncc.model import nodes, training_nodes
from sncc.model.infer import TIME, Elaborator
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.model.values import resolve_interval
from sncc.syntax import tree

ALL = {"weights": "weight", "delays": "delay"}  # words for all of a kind, with the parameter that each connection has


class Reader(Protocol):
    """What the reader of the `train` block offers."""

    diagnostics: Diagnostics
    scope: Scope

    def number(self, value: tree.Expression, what: str) -> float | None:
        """A constant."""


def learnt_names(parts: tuple[tree.Setting, ...], connects: tuple[tree.Connect, ...]) -> dict[str, set[str]]:
    """Names of learnt parameters by population or connection, before these are resolved: learnt numbers are stored.

    A first value is `v.initial`, a number of a plasticity `plasticity.rate`. `weights` is the default.
    """
    found: dict[str, set[str]] = {}
    items = [item for setting in parts if setting.name.name == "learn" for item in setting.values]
    for item in items:
        match item:
            case tree.Call(tree.Name(("initial",)), (argument, *_)) if isinstance(argument.value, tree.Name):
                owner, *rest = argument.value.parts
                found.setdefault(owner, set()).add(".".join([*rest, "initial"]))
            case tree.Call(tree.Name((owner, *rest))) | tree.Name((owner, *rest)) if rest:
                found.setdefault(owner, set()).add(".".join(rest))
    words = [item.function if isinstance(item, tree.Call) else item for item in items]
    wanted = {str(word) for word in words} & set(ALL) if items else {"weights"}
    for connect in connects:
        name = connect.known_as
        options = {option.name.name for option in connect.options}
        if "weights" in wanted:
            found.setdefault(name, set()).add("weight")
        if "delays" in wanted and "delay" in options:
            found.setdefault(name, set()).add("delay")
    return found


@dataclass
class LearnResolver:
    """Resolves `learn` against the populations and connections of a network."""

    populations: Mapping[str, nodes.Population]
    connections: Mapping[str, nodes.Connection]
    broken: set[str]
    step: float
    reader: Reader

    def resolve(self, setting: tree.Setting | None) -> tuple[training_nodes.Learnt, ...]:
        """What is learnt, each once; by default all weights."""
        if setting is None:
            return tuple(training_nodes.Learnt(key, 1.0, weight.bounds) for key, weight in self._all("weights").items())
        found: dict[str, training_nodes.Learnt] = {}
        named: set[str] = set()
        for item in setting.values:
            name = item.function if isinstance(item, tree.Call) else item
            arguments = item.arguments if isinstance(item, tree.Call) else ()
            if not isinstance(name, tree.Name):
                message = "`learn` lists names, such as `hidden.tau_m`"
                self.reader.diagnostics.error("wrong-argument", item.span, message)
            elif str(name) in ALL:
                for key, parameter in self._all(str(name)).items():
                    found.setdefault(key, self._learnt(key, parameter, arguments, item))
                if str(name) == "delays" and not self._all("delays") and not self.broken:
                    message = "no connection states a delay"
                    self.reader.diagnostics.error("wrong-argument", item.span, message, help="add `delay = 2 ms`")
            elif str(name) == "initial":
                found |= {learnt.key: learnt for learnt in self._initial(item, arguments)}
            elif (chosen := self._parameter(name)) is not None:
                key = str(name)
                if key in named:
                    self.reader.diagnostics.error("duplicate", item.span, f"`{name}` is listed twice")
                named.add(key)
                found[key] = self._learnt(key, chosen, arguments, item)
        return tuple(found.values())

    def _all(self, word: str) -> dict[str, nodes.Parameter]:
        """The weights, or the delays, of all connections; shared weights under the name of their owner."""
        if word == "weights":
            return {f"{c.name}.weight": c.weight for c in self.connections.values() if c.share is None}
        return {f"{c.name}.delay": c.delay for c in self.connections.values() if c.delay is not None}

    def _initial(self, item: tree.Expression, arguments: tuple[tree.Argument, ...]) -> list[training_nodes.Learnt]:
        """`initial(hidden.v, rate = 0.1)`: the first value of a state."""
        diagnostics = self.reader.diagnostics
        state = arguments[0].value if arguments and not arguments[0].name else None
        if not isinstance(state, tree.Name) or len(state.parts) != 2:
            help = "write `initial(hidden.v)`"
            diagnostics.error("wrong-argument", item.span, "`initial` takes a state of a population", help=help)
            return []
        population = self.populations.get(state.parts[0])
        states = population.dynamics.states if population is not None and population.dynamics is not None else ()
        found = next((s for s in states if s.name == state.parts[1]), None)
        if found is None:
            if state.parts[0] not in self.broken:
                hints = did_you_mean(state.parts[1], [s.name for s in states])
                diagnostics.error("unknown-name", state.span, f"there is no state `{state}`", help=hints)
            return []
        if symbols(found.initial) - {"i"}:
            message = f"`{state}` starts at an expression of parameters: learn those"
            diagnostics.error("wrong-argument", state.span, message)
            return []
        parameter = nodes.Parameter(f"{found.name}.initial", found.initial, found.unit)
        learnt = self._learnt(f"{state}.initial", parameter, arguments[1:], item)
        return [replace(learnt, bounds=learnt.bounds if arguments[1:] else None)]

    def _parameter(self, name: tree.Name) -> nodes.Parameter | None:
        known = {f"{p.name}.{q.name}": q for p in self.populations.values() for q in p.parameters}
        for connection in self.connections.values():
            known |= {f"{connection.name}.{q.name}": q for q in _numbers(connection)}
            for parameter in connection.plasticity.parameters if connection.plasticity else ():
                known[f"{connection.name}.plasticity.{parameter.name}"] = parameter
        owner = name.parts[0]
        if str(name) in known:
            return known[str(name)]
        if owner in self.broken or "{" in owner:  # which was told where loops are unrolled
            return None
        hints = did_you_mean(str(name), [*known, *ALL])
        connection_of = self.connections.get(owner)
        if connection_of is not None and name.parts[1:] == ("delay",):
            hints = (f"state one that it can start at: `delay = 2 ms` of `{owner}`",)
        if connection_of is not None and name.parts[1:] == ("weight",) and connection_of.share is not None:
            hints = (f"learn the weights that it shares: `{connection_of.share[0]}.weight`",)
        if owner in self.populations and len(name.parts) == 2:
            dynamics = self.populations[owner].dynamics
            if dynamics is not None and name.parts[1] in [s.name for s in dynamics.states]:
                hints = (f"`{name.parts[1]}` is a state; its first value is `initial({name})`",)
        message = f"`{name}` is no parameter that could be learnt"
        self.reader.diagnostics.error("unknown-name", name.span, message, help=hints)
        return None

    def _learnt(
        self, key: str, parameter: nodes.Parameter, arguments: tuple[tree.Argument, ...], item: tree.Expression
    ) -> training_nodes.Learnt:
        rate, bounds = 1.0, parameter.bounds
        diagnostics = self.reader.diagnostics
        for argument in arguments:
            if argument.name == "rate":
                number = self.reader.number(argument.value, "`rate`")
                rate = 1.0 if number is None else number
                if rate < 0:
                    message = "`rate`, a factor on the learning rate, cannot be negative"
                    diagnostics.error("wrong-argument", argument.value.span, message)
            elif argument.name == "in":
                value = Typed(parameter.value, Term(parameter.unit))
                elaborator = Elaborator(self.reader.scope, diagnostics)
                bounds = resolve_interval(argument.value, value, elaborator, f"the bounds of `{key}`")
            else:
                message = "`learn` takes `rate` and `in` for a parameter"
                diagnostics.error("wrong-argument", argument.span, message)
        if parameter.name == "delay":
            bounds = self._above(0.0, bounds, item)
        elif parameter.unit.dimension == TIME.dimension and parameter.name != "weight":
            bounds = self._above(self.step, bounds, item)
        return training_nodes.Learnt(key, rate, bounds, item.span)

    def _above(self, least: float, bounds: tuple[float, float] | None, item: tree.Expression) -> tuple[float, float]:
        """Time constants stay above the step, where the flow over one step still says something about them."""
        low, high = bounds or (least, math.inf)
        if high < least:
            message = f"these bounds leave nothing: it stays above {f'the step, {least:g} ms' if least else '0'}"
            self.reader.diagnostics.error("wrong-argument", item.span, message)
        return max(low, least), max(high, least)


def _numbers(connection: nodes.Connection) -> tuple[nodes.Parameter, ...]:
    own = (connection.weight,) if connection.share is None else ()
    delay = (connection.delay,) if connection.delay is not None else ()
    return (*own, *delay, *(connection.synapse.parameters if connection.synapse is not None else ()))
