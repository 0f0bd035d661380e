"""Syntax → expression nodes, with names looked up, functions inlined, and units inferred and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import Apply, Expression, Number, Symbol
from sncc.expressions.units import LARGEST_POWER, PLAIN, Unit, UnitError, parse_unit, symbol
from sncc.model.agreement import Agreement
from sncc.model.constants import fold
from sncc.model.distributions import check_numbers
from sncc.model.scope import Scope
from sncc.model.sizes import refuse_too_large
from sncc.model.terms import Term, Typed
from sncc.model.white_noise import NOISE
from sncc.model.wording import addition_help, words
from sncc.syntax import tree

TIME = parse_unit("ms")
_NOISE_UNIT = Unit((TIME ** Fraction(-1, 2)).dimension)  # unit white noise: s^(-1/2)
_OPERATORS = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "^": "pow", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
    "==": "eq", "!=": "ne", "and": "and", "or": "or",
}  # fmt: skip
_PLAIN_FUNCTIONS = frozenset({"exp", "log", "sin", "cos", "tanh", "sigmoid", "floor"})
DISTRIBUTIONS = {
    "normal": ("mean", "sd"), "uniform": ("low", "high"), "lognormal": ("mean", "sd"),
    "exponential": ("mean",), "gamma": ("shape", "scale"),
}  # fmt: skip
FUNCTIONS = frozenset({*_PLAIN_FUNCTIONS, "sqrt", "abs", "sign", "min", "max", "clip"})
_UNITS_OFTEN_MEANT = ("ms", "s", "us", "mV", "V", "nS", "pS", "uS", "pA", "nA", "pF", "nF", "MOhm", "GOhm", "Hz", "kHz")
LARGEST_EXPONENT = 280  # of ten, in a number as written: what a double still holds with any unit
_DRAWN = f"numbers are drawn by {', '.join(f'`{d}`' for d in DISTRIBUTIONS)}"
BAD = Typed(Number(1.0), None)
_WORDS = {  # words of the language, with the place where they mean something
    "t": "", "step": "", "dt": "", "label": "", "pre": "", "post": "", "noise": "`noise` stands in equations",
    "u": "`u`, the distance to the threshold, exists only in `surrogate`",
    "fan_in": "known in weights and delays of patterns other than `sparse`",
    "fan_out": "known in weights and delays of patterns other than `sparse`",
    "weight": "`weight` exists in a `synapse` and a `plasticity`",
}  # fmt: skip
_INDICES = (
    "`i` and `j`, the indices of neurons, are known in weights and delays of connections; elsewhere `each(VALUE)` makes a "
    "number for each neuron, to be assigned from Python"
)


@dataclass
class Elaborator(Agreement):
    """Elaborates expressions in a scope. `equations` collects what must be plain, for inferring unknown units."""

    scope: Scope
    diagnostics: Diagnostics
    names: Mapping[str, Typed] = field(default_factory=dict)
    draws: bool = False  # whether `normal(…)` and its kind may stand here
    noises: list[Symbol] | None = None  # where `noise` may stand: what was found, each independent of the others
    equations: list[Term] = field(default_factory=list)
    calls: tuple[str, ...] = ()  # functions being inlined, to find recursion
    missing: set[str] = field(default_factory=set)  # names that nothing declares, which are reported already

    # ------------------------------------------------------------------------------------------ nodes of the tree
    def elaborate(self, expression: tree.Expression) -> Typed:
        """The nodes of an expression, with its unit."""
        match expression:
            case tree.Quantity():
                return self._quantity(expression)
            case tree.Name():
                return self._name(expression)
            case tree.Unary(operator, operand, span):
                return self._unary(operator, operand, span)
            case tree.Binary():
                return self._binary(expression)
            case tree.Conditional(then, condition, otherwise, span):
                a, c, b = self.elaborate(then), self.elaborate(condition), self.elaborate(otherwise)
                term = self.agree(a, b, otherwise.span, "the two sides of `if` must have one unit", then.span)
                return _typed("select", (c, a, b), term, span)
            case tree.Call():
                return self._call(expression)
            case tree.List(_, span):
                help = "`each(0)` gives each neuron or synapse a number of its own, to be assigned from Python"
                self.diagnostics.error(
                    "wrong-argument", span, "a list cannot stand here", "expected one value", help=help
                )
        return BAD

    def _quantity(self, quantity: tree.Quantity) -> Typed:
        number = float(quantity.number)
        exponent = abs(int(quantity.number.lower().partition("e")[2] or 0))
        if not number < math.inf or exponent > LARGEST_EXPONENT:
            self.diagnostics.error("not-a-number", quantity.span, "this number is out of range")
            return BAD
        if not quantity.unit:
            return Typed(Number(number, PLAIN, quantity.span), Term())
        try:
            unit = parse_unit(quantity.unit)
        except UnitError as problem:
            text = quantity.span.text
            start = quantity.span.start + max(0, text.rfind(problem.part))
            span = Span(quantity.span.source, start, start + len(problem.part))
            known = problem.part in self.names or self.scope.constant(problem.part) is not None
            help = did_you_mean(problem.part, _UNITS_OFTEN_MEANT)
            if known:
                help = (f"multiply: `{quantity.number} * {problem.part}`",)
            self.diagnostics.error("unknown-unit", span, f"`{problem.part}` is not a unit", help=help)
            return BAD
        if quantity.unit in self.names:
            message = f"`{quantity.unit}` is read as the unit here, not as the name"
            meant = f"multiply if the name is meant: `{quantity.number} * {quantity.unit}`"
            self.diagnostics.warning("unit-or-name", quantity.span, message, help=meant)
        return Typed(Number(unit.from_text(quantity.number), unit, quantity.span), Term(unit))

    def _name(self, name: tree.Name) -> Typed:
        text, span = str(name), name.span
        if text in self.names:
            found = self.names[text]
            return Typed(_placed(found.expression, span), found.term)
        constant = self.scope.constant(text)
        if constant is not None:
            return Typed(_placed(constant.expression, span), constant.term)
        if text == "pi":
            return Typed(Number(math.pi, PLAIN, span), Term())
        if text == "noise" and self.noises is not None:
            self.noises.append(Symbol(f"{NOISE}{len(self.noises) + 1}", _NOISE_UNIT, span))
            return Typed(self.noises[-1], Term(_NOISE_UNIT))
        unit = symbol(text)
        if unit is not None:
            return Typed(Number(unit.in_memory, unit, span), Term(unit))
        if name.parts[0] in ("pre", "post") and len(name.parts) == 2:
            return self._unknown_end(name)
        if text in _WORDS or len(name.parts) > 1:
            self.diagnostics.error("unknown-name", span, f"`{text}` cannot be used here", _WORDS.get(text, ""))
            return BAD
        hints = did_you_mean(text, {*self.names, *self.scope.constants} - {"t"})
        variable, _, end = text.rpartition("_")  # `v_post` in other simulators
        if variable and end in ("pre", "post") and "weight" in self.names:
            hints = (f"did you mean `{end}.{variable}`?",)
        if text in ("i", "j") and text.upper() not in self.names:
            hints = (_INDICES,)
        if hints or text not in self.missing:  # one declaration is missing, however often it would be used
            self.diagnostics.error("unknown-name", span, f"unknown name `{text}`", help=hints)
        self.missing.add(text)
        return BAD

    def _unknown_end(self, name: tree.Name) -> Typed:
        """`pre.X` or `post.X` of a neuron without X."""
        end, text = name.parts[0], str(name)
        known = [known for known in self.names if known.startswith(f"{end}.")]
        side = "before" if end == "pre" else "behind"
        message = f"the neuron {side} this synapse has no `{name.parts[1]}`"
        if not known:
            message = f"`{text}` cannot be used here"
        self.diagnostics.error("unknown-name", name.span, message, help=did_you_mean(text, known))
        return BAD

    def _unary(self, operator: str, operand: tree.Expression, span: Span) -> Typed:
        inner = self.elaborate(operand)
        if operator == "+":
            return inner
        if operator == "not":
            return _typed("not", (inner,), Term(), span)
        if isinstance(inner.expression, Number):
            number = inner.expression
            return Typed(Number(-number.value, number.unit, span), inner.term)
        return _typed("neg", (inner,), inner.term, span)

    def _binary(self, expression: tree.Binary) -> Typed:
        operator, span = expression.operator, expression.span
        left, right = self.elaborate(expression.left), self.elaborate(expression.right)
        term: Term | None
        match operator:
            case "+" | "-":
                term = self._sum(left, right, expression)
            case "*":
                term = left.term * right.term if left.term and right.term else None
            case "/":
                term = left.term / right.term if left.term and right.term else None
                if right.is_zero:
                    self.diagnostics.error("not-a-number", expression.right.span, "division by zero")
                    return BAD
            case "^":
                term = self._power(left, right, expression)
            case "and" | "or":
                term = Term()
            case _:
                self.agree(left, right, expression.right.span, "only equal units can be compared", expression.left.span)
                term = Term()
        return _typed(_OPERATORS[operator], (left, right), term, span)

    def _sum(self, left: Typed, right: Typed, expression: tree.Binary) -> Term | None:
        first, second = expression.left, expression.right
        verb, preposition = ("add", "to") if expression.operator == "+" else ("subtract", "from")
        if left.term and right.term and not left.term.unknown and not right.term.unknown:
            a, b = left.term.unit, right.term.unit
            if a.dimension == b.dimension:
                return self.agree(left, right, second.span, "", first.span)
            message = f"cannot {verb} {words(b)} {preposition} {words(a)}"
            help = addition_help(first, second, a, b, expression.operator)
        else:
            message, help = "the two sides must have one unit", ""
        return self.agree(left, right, second.span, message, first.span, help)

    def _power(self, base: Typed, exponent: Typed, expression: tree.Binary) -> Term | None:
        if base.term is None or exponent.term is None:
            return None
        if not exponent.term.plain:
            described = self._described(exponent.term)
            self.diagnostics.error(
                "wrong-unit", expression.right.span, "an exponent must be a plain number", f"this is {described}"
            )
            return None
        if base.term.plain:
            return Term()
        number = fold(exponent.expression)
        if not isinstance(number, Number):
            message = "what has a unit can be raised to a constant power only"
            self.diagnostics.error("wrong-unit", expression.right.span, message)
            return None
        power = Fraction(number.value).limit_denominator(1000)
        if abs(power) > LARGEST_POWER or any(abs(e * power) > 1000 for e in base.term.dimension):
            self.diagnostics.error("wrong-unit", expression.span, f"{base.term.unit} cannot be raised to such a power")
            return None
        return base.term**power

    # --------------------------------------------------------------------------------------------------- calls
    def _call(self, call: tree.Call) -> Typed:
        name, span = str(call.function), call.span
        if name in DISTRIBUTIONS:
            return self._draw(call)
        if name in FUNCTIONS:  # before the library's: its `sigmoid` is the surrogate
            return self._builtin(name, call)
        function = self.scope.function(name)
        if function is not None:
            taken = self.draws and self._is_taken_for_a_distribution(function, call)
            return BAD if taken else self.inline(function, call.arguments, span)
        if name == "each":
            help = "`each(…)` stands alone, as the value of a `param` or a `weight`"
            self.diagnostics.error("wrong-argument", span, "`each` cannot stand inside an expression", help=help)
            return BAD
        kind = "name" if name in self.names else "function"
        if kind == "name":
            self.diagnostics.error(
                "unknown-name", call.function.span, f"`{name}` is not a function", help=f"multiply: `{name} * (…)`"
            )
        else:
            self.diagnostics.error(
                "unknown-name", call.function.span, f"unknown function `{name}`", help=self._functions_like(name)
            )
        return BAD

    def _is_taken_for_a_distribution(self, function: tree.Function, call: tree.Call) -> bool:
        """Reports the shape of a surrogate at a written number, where numbers may be drawn: `gaussian(0, 0.1)`."""
        first = call.arguments[0] if call.arguments else None
        if not _is_shape(function) or first is None or first.name or not isinstance(first.value, tree.Quantity):
            return False
        message = f"`{call.function}` is a curve over its first value, of surrogates: it draws nothing, and this is one number"
        self.diagnostics.error("wrong-argument", call.span, message, help=_DRAWN)
        return True

    def _functions_like(self, name: str) -> tuple[str, ...]:
        """What an unknown function may be meant for: shapes of surrogates, functions of `u`, where there is a `u`."""
        named = [(n, self.scope.function(n)) for n in self.scope.function_names()]
        shapes = {n for n, f in named if f is not None and _is_shape(f)}
        known = [n for n, _ in named if "u" in self.names or n not in shapes]
        close = did_you_mean(name, [*FUNCTIONS, *DISTRIBUTIONS, *known])
        return close or ((_DRAWN,) if self.draws else ())

    def _builtin(self, name: str, call: tree.Call) -> Typed:
        wanted = {"clip": 3, "min": 2, "max": 2}.get(name, 1)
        arguments = [self.elaborate(a.value) for a in call.arguments]
        named = next((a for a in call.arguments if a.name), None)
        many = name in ("min", "max") and len(arguments) > 2
        if named or (len(arguments) != wanted and not many):
            count = "one value" if wanted == 1 else f"{wanted} values"
            message = f"`{name}` takes {count}" + (", without names" if named else f", got {len(arguments)}")
            self.diagnostics.error("wrong-argument", call.span, message)
            return BAD
        first = arguments[0]
        if name in _PLAIN_FUNCTIONS:
            good = self.plain(first, call.arguments[0].value.span, f"`{name}` takes a plain number")
            return _typed(name, (first,), Term() if good and first.term else None, call.span)
        if name in ("sqrt", "abs", "sign"):
            power = {"sqrt": Fraction(1, 2), "abs": Fraction(1), "sign": Fraction(0)}[name]
            return _typed(name, (first,), first.term**power if first.term else None, call.span)
        result = first
        for argument, written in zip(arguments[1:], call.arguments[1:], strict=True):
            message = f"the values of `{name}` must have one unit"
            term = self.agree(result, argument, written.value.span, message, call.arguments[0].value.span)
            if name == "clip":
                result = Typed(result.expression, term)
            else:
                result = _typed(name, (result, argument), term, call.span)
        return result if name != "clip" else _typed(name, tuple(arguments), result.term, call.span)

    def _draw(self, call: tree.Call) -> Typed:
        name = str(call.function)
        if not self.draws:
            self.diagnostics.error("misplaced", call.span, f"`{name}` cannot be drawn here")
            return BAD
        formals = DISTRIBUTIONS[name]
        given: dict[str, tuple[Typed, Span]] = {}
        for position, argument in enumerate(call.arguments):
            key = argument.name or (formals[position] if position < len(formals) else "")
            if key == "clip":
                message = "`clip` belongs to a distribution that is the whole value"
                self.diagnostics.error("wrong-argument", argument.span, message)
            elif key not in formals or key in given:
                message = f"`{name}` takes {' and '.join(f'`{f}`' for f in formals)}"
                self.diagnostics.error("wrong-argument", argument.span, message)
                return BAD
            else:
                given[key] = (self.elaborate(argument.value), argument.value.span)
        missing = [f for f in formals if f not in given]
        if missing:
            self.diagnostics.error("wrong-argument", call.span, f"`{name}` needs its `{missing[0]}`")
            return BAD
        values = [given[f] for f in formals]
        check_numbers(name, formals, [(v.expression, span) for v, span in values], self.diagnostics)
        if name in ("lognormal", "gamma"):  # the first is of a logarithm, or a plain shape
            self.plain(values[0][0], values[0][1], f"`{formals[0]}` of `{name}` is a plain number")
        if name == "lognormal":
            self.plain(values[1][0], values[1][1], f"`{formals[1]}` of `{name}` is a plain number")
        term = values[-1][0].term
        if name in ("normal", "uniform"):
            message = f"`{formals[0]}` and `{formals[1]}` of `{name}` must have one unit"
            term = self.agree(values[0][0], values[1][0], values[1][1], message, values[0][1])
        return _typed(name, tuple(v for v, _ in values), term, call.span)

    def inline(
        self, function: tree.Function, arguments: tuple[tree.Argument, ...], span: Span, first: Typed | None = None
    ) -> Typed:
        """The body of a function with its arguments put in; `first` is an implicit first argument."""
        name = function.name.name
        if name in self.calls:
            self.diagnostics.error("recursion", span, f"`{name}` calls itself")
            return BAD
        formals = {f.name.name: f for f in function.formals}
        bound: dict[str, Typed] = {}
        free = list(formals)
        if first is not None and free:
            bound[free.pop(0)] = first
        for position, argument in enumerate(arguments):
            key = argument.name or (free[position] if position < len(free) else None)
            if key is None or key not in formals:
                written = f"an argument `{key}`" if key else f"{len(arguments)} arguments"
                help = did_you_mean(key, free) if key else ()
                self.diagnostics.error("wrong-argument", argument.span, f"`{name}` does not take {written}", help=help)
                return BAD
            if key in bound:
                self.diagnostics.error("wrong-argument", argument.span, f"`{key}` of `{name}` is given twice")
                return BAD
            bound[key] = self.elaborate(argument.value)
        inside = Elaborator(
            self.scope.of_function(name), Diagnostics(), bound, self.draws, None, self.equations, (*self.calls, name)
        )  # fmt: skip
        for key in free:
            default = formals[key].default
            if key not in bound and default is None:
                self.diagnostics.error("wrong-argument", span, f"`{name}` needs its argument `{key}`")
                return BAD
            if key not in bound and default is not None:
                bound[key] = inside.elaborate(default)
        result = inside.elaborate(function.body)
        self._report_from(inside.diagnostics, name, span)
        refuse_too_large(result.expression, span, name)
        return result

    def _report_from(self, found: Diagnostics, name: str, span: Span) -> None:
        """Mistakes of units and numbers in a function's body are the caller's; others are the body's own."""
        misfits = {"wrong-unit": "the units of the arguments", "not-a-number": "the arguments"}
        for diagnostic in found.found:
            if diagnostic.code not in misfits or diagnostic.span is None:
                self.diagnostics.add(diagnostic)
                continue
            where = f"in `{diagnostic.span.text}` of `{name}`: {diagnostic.label or diagnostic.message}"
            message = f"{misfits[diagnostic.code]} do not fit `{name}`: {diagnostic.message}"
            self.diagnostics.error(diagnostic.code, span, message, notes=(where,))


def _typed(operation: str, arguments: tuple[Typed, ...], term: Term | None, span: Span) -> Typed:
    unit = term.unit if term and not term.unknown else None
    return Typed(Apply(operation, tuple(a.expression for a in arguments), unit, span), term)


def _placed(expression: Expression, span: Span) -> Expression:
    """A named value where it is used: a symbol or number gets the place of its use."""
    return replace(expression, span=span) if isinstance(expression, Symbol | Number) else expression


def _is_shape(function: tree.Function) -> bool:
    """Whether a function has the form of a surrogate, over the distance `u` to the threshold."""
    return bool(function.formals) and function.formals[0].name.name == "u"
