"""Equations, `let` and jumps of a neuron, synapse or plasticity, in one pass with given units of what is outside."""

from __future__ import annotations

from collections.abc import Mapping

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import DRAWS, Apply, Expression, Symbol, substitute, walk
from sncc.expressions.units import parse_unit
from sncc.model import nodes
from sncc.model.definition import STATES, Definition
from sncc.model.infer import TIME, Elaborator
from sncc.model.methods import MethodResolver
from sncc.model.sizes import refuse_too_large
from sncc.model.terms import Term, Typed
from sncc.model.white_noise import is_noise
from sncc.model.wording import ends_help
from sncc.syntax import tree

_RESISTANCE = parse_unit("GOhm")
_JUMPS = {"+=": "add", "-=": "sub", "*=": "mul"}


def at_jump(expression: Expression) -> Expression:
    """An expression of a threshold or a jump, at the step's end: there `t` is t(n), in a flow it is t(n - 1)."""
    end = Apply("add", (Symbol("t", TIME), Symbol("step", TIME)), TIME)
    return substitute(expression, {"t": end})


class Body:
    """Elaborates the statements of a definition; `outside` are its inputs, `weight`, `pre.X` and their kind."""

    def __init__(self, definition: Definition, diagnostics: Diagnostics, outside: Mapping[str, Typed]) -> None:
        self.definition = definition
        self.diagnostics = diagnostics
        self.equations: list[Term] = []
        self.noises: list[Symbol] = []
        self.missing: set[str] = set()
        self.names = definition.parameter_symbols()
        self.names["t"] = Typed(Symbol("t", TIME), Term(TIME))
        self.names["step"] = Typed(Symbol("step", TIME), Term(TIME))
        for state in definition.states.values():
            self.names[state.name] = Typed(Symbol(state.name, state.unit), Term(state.unit))
        self.names.update(outside)
        for let in definition.parts.get(tree.Let, []):
            value = self.elaborator().elaborate(let.value)
            refuse_too_large(value.expression, let.span, let.name.name)
            self.names.setdefault(let.name.name, value)

    def elaborator(self, extra: Mapping[str, Typed] | None = None) -> Elaborator:
        """Elaborates in this body's names; what may not stand in a place is refused afterwards by `refuse_random`."""
        names = {**self.names, **(extra or {})}
        return Elaborator(
            self.definition.scope, self.diagnostics, names, draws=True, equations=self.equations, noises=self.noises,
            missing=self.missing,
        )  # fmt: skip

    def refuse_random(self, expression: Expression, span: Span, where: str, *, draws: bool, noise: bool) -> bool:
        """Report draws or `noise` where they have no meaning; whether there are none."""
        for node in walk(expression):
            if isinstance(node, Apply) and node.operation in DRAWS and not draws:
                help = "draws stand in jumps and in `each step`" + ("; an equation takes `noise`" if noise else "")
                message = f"`{node.operation}` cannot be drawn in {where}"
                self.diagnostics.error("misplaced", node.span or span, message, help=help)
                return False
            if isinstance(node, Symbol) and is_noise(node.name) and not noise:
                message = f"`noise` cannot stand in {where}"
                self.diagnostics.error("misplaced", node.span or span, message, help="`noise` stands in equations")
                return False
        return True

    def flow(self) -> tuple[nodes.Equation, ...]:
        """The equations `dx/dt = …`."""
        found: dict[str, nodes.Equation] = {}
        for part in self.definition.parts.get(tree.Derivative, []):
            name = part.name.name
            elaborator = self.elaborator()
            value = elaborator.elaborate(part.value)
            if not self.is_state(part.name, "an equation"):
                continue
            if name in found:
                self.diagnostics.error("duplicate", part.span, f"`{name}` has two equations")
                continue
            sound = self.refuse_random(value.expression, part.value.span, "an equation", draws=False, noise=True)
            term = self.names[name].term
            if term is not None and sound:
                self._derivative_unit(part, value, term, elaborator)
            found[name] = nodes.Equation(name, value.expression, part.span)
        return tuple(found.values())

    def _derivative_unit(self, part: tree.Derivative, value: Typed, state: Term, elaborator: Elaborator) -> None:
        name, wanted = part.name.name, (state / Term(TIME)).bare()
        help = ""
        if value.term and not value.term.unknown:
            if value.term.dimension == state.dimension:
                help = f"divide by a time constant: `d{name}/dt = ({part.value.span.text}) / tau`"
                help += ", or by `(1 ms)` where it counts in milliseconds" if value.term.plain else ""
            elif (value.term * Term(_RESISTANCE)).dimension in (wanted.dimension, state.dimension):
                help = "multiply the current by a resistance, or divide it by a capacitance"
        elaborator.expect(value, wanted, part.value.span, f"`d{name}/dt`", help)

    def assignments(
        self,
        jumps: tuple[tree.Jump, ...],
        where: str,
        *,
        resets: bool = False,
        weight: bool = False,
        flows: bool = False,
    ) -> tuple[nodes.Assignment, ...]:
        """Jumps, in order; `resets`: `reset` may stand there; `weight` may be assigned too; `flows`: a step's map."""
        found = []
        for jump in jumps:
            elaborator = self.elaborator()
            value = elaborator.elaborate(jump.value)
            if not (weight and jump.name.name == "weight") and not self.is_state(jump.name, "an assignment"):
                continue
            if jump.reset and not resets:
                self.diagnostics.error("misplaced", jump.span, "`reset` stands under `spike when` only")
            sound = self.refuse_random(value.expression, jump.value.span, where, draws=True, noise=False)
            name, current = jump.name.name, self.names[jump.name.name]
            if current.term is not None and sound:
                if jump.operator == "*=":
                    elaborator.plain(value, jump.value.span, f"`{name} *= …` takes a plain number")
                else:
                    elaborator.expect(value, current.term, jump.value.span, f"what is assigned to `{name}`")
            result: Expression = value.expression
            if jump.operator in _JUMPS:
                unit = current.term.unit if current.term and not current.term.unknown else None
                result = Apply(_JUMPS[jump.operator], (Symbol(name, unit, jump.name.span), result), unit, jump.span)
            result = result if flows else at_jump(result)
            found.append(nodes.Assignment(name, result, jump.reset, jump.span))
        return tuple(found)

    def method(self) -> tuple[nodes.Method | None, int]:
        """`method = rk4(substeps = 10)`: the method and its substeps."""
        return MethodResolver(self.elaborator()).resolve(self.definition.parts.get(tree.Method, []))

    def is_state(self, name: tree.Identifier, what: str) -> bool:
        """Whether a name is a state that resolved; reports one that is none."""
        states = {part.name.name for kind in STATES for part in self.definition.parts.get(kind, [])}
        if name.name in states:
            return name.name in self.definition.states
        if name.name in self.definition.undeclared:
            if name.span == self.definition.undeclared[name.name]:
                help: tuple[str, ...] = did_you_mean(name.name, states) or (f"declare it: `state {name} = 0`",)
                help = ends_help(name.name, self.definition.block) or help
                self.diagnostics.error("unknown-name", name.span, f"unknown state `{name}`", help=help)
            return False
        message = f"{what} changes a state, and `{name}` is none"
        help = (f"declare it with `state {name} = …`",)
        if name.name == "weight":
            help = ("a weight changes in the `on pre` and `on post` of a `plasticity`",)
        self.diagnostics.error("unknown-name", name.span, message, help=help)
        return False
