"""Parameters and states of a `neuron`, `synapse` or `plasticity`, with what a population or a connection changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import Symbol
from sncc.expressions.units import Unit
from sncc.model import nodes
from sncc.model.scope import Scope, is_library
from sncc.model.terms import Term, Typed
from sncc.model.values import Value, resolve_value
from sncc.syntax import tree

Block = tree.Neuron | tree.Synapse | tree.Plasticity
RESERVED = ("t", "dt", "pi", "step", "weight", "pre", "post", "label", "reset")  # in every block
STATES = (tree.State, tree.PreState, tree.PostState)
_NAMED = (tree.Parameter, *STATES, tree.Input, tree.Modulator, tree.Let)
_ONCE = (tree.Spike, tree.EachStep, tree.Refractory, tree.Surrogate, tree.Method, tree.Deliver, tree.OnPre, tree.OnPost)


@dataclass(frozen=True)
class Overrides:
    """What a population or a connection changes: parameters, initial values; which parameters are learnt.

    `learnt` holds names of parameters, and `v.initial` for a state's first value.
    """

    parameters: Mapping[str, tree.Argument] = field(default_factory=dict)
    initials: Mapping[str, tree.Expression] = field(default_factory=dict)
    learnt: Set[str] = frozenset()


def report_reserved(name: tree.Identifier, diagnostics: Diagnostics, reserved: tuple[str, ...] = RESERVED) -> bool:
    """Report a name that means something in the language already; whether it does."""
    if name.name not in reserved:
        return False
    *others, last = (f"`{word}`" for word in reserved)
    help = f"choose another name; {', '.join(others)} and {last} are reserved"
    diagnostics.error("reserved", name.span, f"`{name}` is a word of the language", help=help)
    return True


def kind_of(block: Block) -> str:
    """The word that begins a block."""
    return type(block).__name__.lower()


def read_arguments(
    block: Block, arguments: tuple[tree.Argument, ...], diagnostics: Diagnostics, extra: tuple[str, ...] = ()
) -> dict[str, tree.Argument]:
    """The arguments of `LIF[10](tau_m = 10 ms)` or `synapse = conductance(tau = 10 ms)` by name.

    `extra` names what else may be given.
    """
    parameters = [p.name.name for p in block.parts if isinstance(p, tree.Parameter)]
    states = {p.name.name for p in block.parts if isinstance(p, STATES)}
    found: dict[str, tree.Argument] = {}
    for argument in arguments:
        name = argument.name
        if name is None:
            message = f"numbers of `{block.name}` stand with their names"
            help = f"write `{next(iter(parameters), 'name')} = {argument.span.text}`"
            diagnostics.error("wrong-argument", argument.span, message, help=help)
        elif name in found:
            diagnostics.error("duplicate", argument.span, f"`{name}` is given twice")
        elif name in parameters or name in extra:
            found[name] = argument
        else:
            hints = did_you_mean(name, [*parameters, *extra])
            if not hints and parameters:
                hints = ("it has " + ", ".join(f"`{known}`" for known in [*parameters, *extra]),)
            if name in states and isinstance(block, tree.Neuron):
                hints = (f"initial values stand behind the brackets: `{block.name}[…], {name} = …`",)
            span = Span(argument.span.source, argument.span.start, argument.span.start + len(name))
            message = f"`{block.name}` has no parameter `{name}`"
            diagnostics.error("unknown-name", span, message, help=hints)
    return found


class Definition:
    """Names, parameters and states of a block for one population or connection; mistakes are reported and left out."""

    def __init__(self, block: Block, overrides: Overrides, scope: Scope, diagnostics: Diagnostics) -> None:
        # the library's models do not see the user's build-time parameters
        self.scope = Scope() if is_library(block) else scope
        self.user_scope = scope
        self.block = block
        self.overrides = overrides
        self.diagnostics = diagnostics
        self.parts: dict[type[Any], list[Any]] = {}
        for part in block.parts:
            self.parts.setdefault(type(part), []).append(part)
        self.parameters: dict[str, nodes.Parameter] = {}
        self.states: dict[str, nodes.State] = {}
        self.open: set[str] = set()  # states of synapses that start at a plain 0: their use tells their unit
        # states that move and are declared nowhere, with the place where that is reported
        self.undeclared = undeclared_states(block)
        self.bad = set(self.undeclared)  # names whose unit is unknown because of a mistake
        self._names()
        for parameter in self.parts.get(tree.Parameter, []):
            self._parameter(parameter)
        for kind in STATES:
            for state in self.parts.get(kind, []):
                self._state(state)

    def states_of(self, kind: type[Any], units: Mapping[str, Unit]) -> tuple[nodes.State, ...]:
        """The states declared by `state`, `pre state` or `post state`; `units` has those of open ones as found."""
        names = [part.name.name for part in self.parts.get(kind, [])]
        found = [self.states[name] for name in dict.fromkeys(names) if name in self.states]
        return tuple(replace(s, unit=units.get(s.name, s.unit)) if s.name in self.open else s for s in found)

    def parameter_symbols(self) -> dict[str, Typed]:
        """The parameters as names of expressions."""
        found = {n: Typed(Symbol(n, p.unit), Term(p.unit)) for n, p in self.parameters.items()}
        return found | {n: Typed(Symbol(n), None) for n in self.bad}

    # ------------------------------------------------------------------------------------------------ statements
    def _names(self) -> None:
        seen: dict[str, Span] = {}
        reserved = RESERVED if isinstance(self.block, tree.Plasticity) else (*RESERVED, "noise")
        for kind in _NAMED:
            for part in self.parts.get(kind, []):
                name = part.name.name
                if not report_reserved(part.name, self.diagnostics, reserved) and name in seen:
                    note = f"`{name}` was defined in line {seen[name].line}"
                    self.diagnostics.error("duplicate", part.name.span, f"`{name}` is defined twice", notes=(note,))
                seen.setdefault(name, part.name.span)
        for once in _ONCE:
            for part in self.parts.get(once, [])[1:]:
                words = part.span.text.split(":")[0].split()
                word = " ".join(words[:2]) if words[0] in ("on", "each", "spike") else words[0]
                self.diagnostics.error("duplicate", part.span, f"a {kind_of(self.block)} has one `{word}` only")

    def _parameter(self, part: tree.Parameter) -> None:
        name = part.name.name
        if name in self.parameters:
            return
        known = {n: Typed(p.value, Term(p.unit)) for n, p in self.parameters.items() if p.storage == "compiled"}
        stored = self._stored_in(part.value)
        written = self.overrides.parameters.get(name)
        if stored and written is None:
            message = f"`{name}` depends on `{stored}`, which is not a number known when compiling"
            help = f"write `let {name} = …` instead of `param`"
            self.diagnostics.error("not-constant", part.value.span, message, help=help)
            self.bad.add(name)
            return
        names: dict[str, Typed] = {**known, **{n: Typed(Symbol(n), None) for n in self.bad}}
        value = default = resolve_value(part.value, self.scope, self.diagnostics, names)
        adjustable = part.adjustable
        if written is not None:
            value = resolve_value(written.value, self.user_scope, self.diagnostics, {})
            value = self._same_unit(value, default, name, written.value.span)
            adjustable = adjustable or written.adjustable
        if value.unit is None:
            self.bad.add(name)
            return
        stored_once = adjustable or name in self.overrides.learnt
        storage: nodes.Storage = "each" if value.each else "shared" if stored_once else "compiled"
        self.parameters[name] = nodes.Parameter(
            name, value.expression, value.unit, storage, value.scale, value.clip, span=value.span
        )

    def _same_unit(self, value: Value, default: Value, name: str, span: Span) -> Value:
        if value.unit is None or default.unit is None:
            return value
        loose = not isinstance(self.block, tree.Neuron) and default.unit.dimensionless  # its use tells its unit
        if loose and not value.typed.is_zero:
            return value
        if value.typed.is_zero or value.unit.dimension == default.unit.dimension:
            unit = default.unit if value.typed.is_zero else value.unit
            return replace(value, unit=unit, scale=default.scale if value.typed.is_zero else value.scale)
        message = f"`{name}` of `{self.block.name}` must be {default.unit.described()}, not {value.unit.described()}"
        bare = value.unit.dimensionless and re.fullmatch(r"[\d.e+-]+", span.text)
        help = f"write `{span.text} {default.unit}`" if bare else ""
        self.diagnostics.error("wrong-unit", span, message, help=help)
        return replace(value, unit=None)

    def _stored_in(self, written: tree.Expression) -> str | None:
        names = {str(n) for n in names_in(written)}
        return next((n for n, p in self.parameters.items() if p.storage != "compiled" and n in names), None)

    def _state(self, part: tree.State | tree.PreState | tree.PostState) -> None:
        name = part.name.name
        if name in self.states:
            return
        names = self.parameter_symbols()
        value = default = resolve_value(part.initial, self.scope, self.diagnostics, names)
        written = self.overrides.initials.get(name)
        if written is not None:
            value = resolve_value(written, self.user_scope, self.diagnostics, names)
            value = self._same_unit(value, default, name, written.span)
        if value.unit is None:
            self.bad.add(name)
            return
        if not isinstance(self.block, tree.Neuron) and value.typed.is_zero and value.unit.dimensionless:
            self.open.add(name)
        learnt = f"{name}.initial" in self.overrides.learnt
        drawn = has_draws(value.expression)
        storage: nodes.Storage = "compiled"
        if value.each and (learnt or not drawn):  # a draw that is not learnt is drawn again by every run
            storage = "each"
        elif learnt:
            storage = "shared"
        self.states[name] = nodes.State(
            name, value.expression, value.unit, storage, value.scale, value.clip, span=part.name.span
        )


def undeclared_states(block: Block) -> dict[str, Span]:
    """The states that equations, jumps or `hold` name and no statement declares, with their first places."""
    declared = {part.name.name for part in block.parts if isinstance(part, _NAMED)}
    moved = [name for part in block.parts for name in _moved(part) if name.name not in (*declared, *RESERVED)]
    return {name.name: name.span for name in sorted(moved, key=lambda name: -name.span.start)}


def _moved(part: Any) -> tuple[tree.Identifier, ...]:
    match part:
        case tree.Derivative(name):
            return (name,)
        case tree.Spike() | tree.EachStep() | tree.OnPre() | tree.OnPost():
            return tuple(jump.name for jump in part.jumps)
        case tree.Refractory():
            return part.hold
    return ()


def names_in(written: tree.Expression) -> Iterator[tree.Name]:
    """The names in an expression, those of called functions left out."""
    match written:
        case tree.Name():
            yield written
        case tree.Unary(_, operand):
            yield from names_in(operand)
        case tree.Binary(_, left, right):
            yield from names_in(left)
            yield from names_in(right)
        case tree.Conditional(then, condition, otherwise):
            for part in (then, condition, otherwise):
                yield from names_in(part)
        case tree.Call(_, arguments):
            for argument in arguments:
                yield from names_in(argument.value)
        case tree.List(items):
            for item in items:
                yield from names_in(item)
