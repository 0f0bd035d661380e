"""Expressions and names as LaTeX for math mode; amsmath is all it needs."""

from __future__ import annotations

import re

from sncc.expressions.nodes import Apply, Expression, Number, Symbol
from sncc.expressions.printer import (
    AND,
    ATOM,
    COMPARISON,
    CONDITIONAL,
    NOT,
    OR,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    print_number,
)

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega".split()
)
_INFIX: dict[str, tuple[str, int]] = {
    "or": (r"\lor", OR), "and": (r"\land", AND), "lt": ("<", COMPARISON), "le": (r"\le", COMPARISON), "gt": (">", COMPARISON),
    "ge": (r"\ge", COMPARISON), "eq": ("=", COMPARISON), "ne": (r"\ne", COMPARISON), "add": ("+", SUM), "sub": ("-", SUM),
    "mul": (r"\,", PRODUCT),
}  # fmt: skip
_FUNCTIONS = {
    "exp": r"\exp", "log": r"\ln", "sin": r"\sin", "cos": r"\cos", "tanh": r"\tanh", "min": r"\min", "max": r"\max",
    "phi1": r"\varphi_{1}", "phi2": r"\varphi_{2}",
}  # fmt: skip
_FENCES = {"abs": (r"\lvert", r"\rvert"), "floor": (r"\lfloor", r"\rfloor")}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def latex_text(words: str) -> str:
    """Words for text mode."""
    return "".join(_SPECIAL.get(c, "\\" + c if c in "_%&#${}" else c) for c in words)


def latex_name(name: str) -> str:
    r"""A symbol: `tau_m` as \tau_{\mathrm{m}}, the adjoint `v~` with a tilde,
    the impulses `I!` as I^{\delta}, `v.1` as v^{(1)}.
    """
    base, *rest = name.replace("~", "").replace("!", "").split(".")
    found = re.fullmatch(r"(\w*?[^\W\d_])(\d*)(?:_(\w+))?", base)
    head, digits, below = (found[1], found[2], found[3] or "") if found else (base, "", "")
    if len(head) > 1 and head not in _GREEK:  # a word keeps its underscores and digits
        head, digits, below = base, "", ""
    symbol = f"\\{head}" if head in _GREEK else head if len(head) == 1 and head.isascii() else _upright(head)
    if "~" in name:
        symbol = rf"\tilde{{{symbol}}}" if len(head) == 1 or head in _GREEK else rf"\widetilde{{{symbol}}}"
    under = ", ".join(part for part in (digits, _upright(below) if below else "") if part)
    over = [r"\delta"] if "!" in name else []
    over += [f"({part})" if part.isdigit() else _upright(part) for part in rest]
    return symbol + (f"_{{{under}}}" if under else "") + (f"^{{{', '.join(over)}}}" if over else "")


def _upright(word: str) -> str:
    return rf"\mathrm{{{latex_text(word)}}}" if word.isascii() else rf"\text{{{latex_text(word)}}}"


def latex_number(value: float) -> str:
    r"""A number, with \cdot 10^{k} where it is written so."""
    mantissa, _, exponent = print_number(value).partition("e")
    if mantissa.lstrip("-") in ("inf", "nan"):
        return mantissa.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    return mantissa if not exponent else rf"{mantissa} \cdot 10^{{{exponent}}}"


def latex(expression: Expression) -> str:
    """An expression, with parentheses only where precedence needs them."""
    return _print(expression)[0]


def _print(expression: Expression) -> tuple[str, int]:
    """The text and how tightly its outermost operation binds."""
    match expression:
        case Number(value):
            text = latex_number(value)
            return text, SIGN if value < 0 else PRODUCT if "10^" in text else ATOM
        case Symbol(name):
            return latex_name(name), POWER if "^" in latex_name(name) else ATOM
        case Apply("select", (condition, then, otherwise)):
            rows = rf"{latex(then)} & \text{{if }} {latex(condition)} \\ {latex(otherwise)} & \text{{else}}"
            return rf"\begin{{cases}} {rows} \end{{cases}}", CONDITIONAL
        case Apply("neg", (argument,)):
            return f"-{_within(argument, PRODUCT)}", PRODUCT
        case Apply("not", (argument,)):
            return rf"\lnot {_within(argument, NOT)}", NOT
        case Apply("pow", (base, exponent)):
            return f"{_within(base, ATOM)}^{{{latex(exponent)}}}", POWER
        case Apply("div", (above, below)):
            return rf"\frac{{{latex(above)}}}{{{latex(below)}}}", POWER
        case Apply("sqrt", (argument,)):
            return rf"\sqrt{{{latex(argument)}}}", POWER
        case Apply("first", (_, draw)):
            return _print(draw)
        case Apply(operation, (argument,)) if operation in _FENCES:
            left, right = _FENCES[operation]
            return rf"\left{left} {latex(argument)} \right{right}", ATOM
        case Apply(operation, (one, other)) if operation in _INFIX:
            return _infix(operation, one, other)
        case Apply(operation, arguments):
            name = _FUNCTIONS.get(operation, rf"\operatorname{{{latex_text(operation)}}}")
            return rf"{name}\left( {', '.join(latex(a) for a in arguments)} \right)", POWER
    raise TypeError(f"not an expression: {expression!r}")


def _infix(operation: str, one: Expression, other: Expression) -> tuple[str, int]:
    sign, level = _INFIX[operation]
    left = _within(one, level + 1 if level == COMPARISON else level)
    right = _within(other, level if operation in ("or", "and", "add", "mul") else level + 1)
    if operation == "mul" and re.match(r"-?[\d.]", right):
        sign = r"\cdot"
        right = f"({right})" if right.startswith("-") else right
    return f"{left} {sign} {right}", level


def _within(expression: Expression, level: int) -> str:
    text, binds = _print(expression)
    return text if binds >= level else rf"\left( {text} \right)"
