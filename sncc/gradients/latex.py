"""`sncc explain --latex`: the derivation as a fragment of a LaTeX document that uses amsmath."""

from __future__ import annotations

import re

from sncc.expressions.latex import latex, latex_name, latex_text
from sncc.gradients.explain import derivation
from sncc.gradients.rule_lines import Line, Name, Piece, Rate, Section, Slope
from sncc.model.nodes import Model
from sncc.program.nodes import Program

_HEAD = r"""% \usepackage{amsmath}
% \tilde{x} is the derivative of the loss by x; I^{\delta} collects the impulses into I; x^{(1)}, x^{(2)}, ... are the values
% that x takes within a step, one after the other; [n] is the step."""
_SIGNS = {
    " = ": " &= ",
    " += ": r" &\mathrel{+}= ",
    " > ": " > ",
    " >= ": r" \ge ",
    " · ": r" \, ",
    "(": "(",
    ")": ")",
    "0": "0",
}


def explain_latex(model: Model, program: Program) -> str:
    """LaTeX for a Model and the Program derived from it: what `explain` says as text."""
    return "\n\n".join([_HEAD, *map(_section, derivation(model, program))]) + "\n"


def _section(section: Section) -> str:
    head = _words(section.head)
    if not section.lines:
        return head
    parts, equations = [rf"\subsection*{{{head[:1].upper()}{head[1:]}}}"], []
    for line in section.lines:
        pieces = tuple(piece for piece in line if piece != "  ")
        if any(isinstance(piece, str) and piece in (" = ", " += ") for piece in pieces):
            equations.append(_equation(pieces))
            continue
        parts += _aligned(equations) if equations else [""]  # an empty line keeps paragraphs apart
        equations = []
        parts.append(_paragraph(pieces))
    return "\n".join([*parts, *_aligned(equations)])


def _aligned(equations: list[str]) -> list[str]:
    if not equations:
        return []
    return [r"\begin{align*}", " \\\\\n".join(f"    {equation}" for equation in equations), r"\end{align*}"]


def _paragraph(line: Line) -> str:
    words = "".join(_words(piece) if isinstance(piece, str) else f"${_math(piece)}$" for piece in line)
    return words.removeprefix("-- ")[:1].upper() + words.removeprefix("-- ")[1:] if words.startswith("-- ") else words


def _words(words: str) -> str:
    """Words for text mode; the adjoints in them, such as `v.1~`, are written as in equations."""
    parts = re.split(r"([^\W\d][\w.!]*~)", words)
    return "".join(f"${latex_name(part)}$" if part.endswith("~") else latex_text(part) for part in parts)


def _equation(line: Line) -> str:
    return "".join(_math(piece) for piece in line)


def _math(piece: Piece) -> str:
    match piece:
        case str():
            return _SIGNS.get(piece) or rf"\text{{{_words(piece.replace('   ', ' '))}}}"
        case Name(name, index, owner):
            symbol = latex_name(f"{name}.{owner}" if owner else name)
            return symbol + (f"[{index}]" if index else "")
        case Rate(state):
            return rf"\frac{{\mathrm{{d}} {latex_name(state)}}}{{\mathrm{{d}} t}}"
        case Slope(of, index):
            return rf"\frac{{\partial \mathrm{{loss}}}}{{\partial {latex_name(of)}}}" + (f"[{index}]" if index else "")
        case _:
            return latex(piece)
