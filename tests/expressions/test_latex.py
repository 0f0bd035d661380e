import pytest

from sncc.expressions.latex import latex, latex_name, latex_text
from sncc.expressions.nodes import Apply, Number, Symbol, apply

v, w, tau = Symbol("v"), Symbol("w"), Symbol("tau_m")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("v", "v"),
        ("tau_m", r"\tau_{\mathrm{m}}"),
        ("g_exc", r"g_{\mathrm{exc}}"),
        ("v2", "v_{2}"),
        ("v.1", "v^{(1)}"),
        ("v~", r"\tilde{v}"),
        ("v.1~", r"\tilde{v}^{(1)}"),
        ("I!", r"I^{\delta}"),
        ("drive", r"\mathrm{drive}"),
        ("drive~", r"\widetilde{\mathrm{drive}}"),
        ("hidden_output.weight", r"\mathrm{hidden\_output}^{\mathrm{weight}}"),
        ("größe", r"\text{größe}"),
        ("theta~.new", r"\tilde{\theta}^{\mathrm{new}}"),
    ],
)
def test_names(name, expected):
    assert latex_name(name) == expected


@pytest.mark.parametrize(
    "expression, expected",
    [
        (apply("mul", apply("add", v, 1), w), r"\left( v + 1 \right) \, w"),
        (apply("sub", v, apply("sub", w, 1)), r"v - \left( w - 1 \right)"),
        (apply("div", apply("neg", v), tau), r"\frac{-v}{\tau_{\mathrm{m}}}"),
        (apply("pow", apply("div", v, w), 2), r"\left( \frac{v}{w} \right)^{2}"),
        (apply("pow", Symbol("v.1"), 2), r"\left( v^{(1)} \right)^{2}"),  # no double superscript
        (apply("mul", v, 2), r"v \cdot 2"),
        (apply("mul", v, -2), r"v \cdot (-2)"),
        (apply("mul", 1e-7, v), r"1 \cdot 10^{-7} \, v"),
        (apply("exp", apply("neg", v)), r"\exp\left( -v \right)"),
        (apply("abs", v), r"\left\lvert v \right\rvert"),
        (apply("sqrt", v), r"\sqrt{v}"),
        (apply("neg", apply("add", v, w)), r"-\left( v + w \right)"),
        (
            Apply("select", (apply("gt", v, 0), w, Number(0.0))),
            r"\begin{cases} w & \text{if } v > 0 \\ 0 & \text{else} \end{cases}",
        ),
        (
            apply("not", apply("and", apply("le", v, 1), apply("ne", w, 0))),
            r"\lnot \left( v \le 1 \land w \ne 0 \right)",
        ),
        (Number(float("inf")), r"\infty"),
    ],
)
def test_expressions(expression, expected):
    assert latex(expression) == expected


def test_words_are_escaped():
    assert latex_text(r"50 % of a_b & #1 ~ ^ {x} \y $") == (
        r"50 \% of a\_b \& \#1 \textasciitilde{} \textasciicircum{} \{x\} \textbackslash{}y \$"
    )
