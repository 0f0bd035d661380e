"""Expressions as C++: the text by precedence, and the numbers that the compiled text gives."""

from __future__ import annotations

import math
import random
import re
import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.linalg import expm

from sncc.backends.cxx.draws import DrawNumbers
from sncc.backends.cxx.expressions import Printer, Unsupported, literal
from sncc.backends.cxx.names import Namer, mangle
from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Apply, Expression, Number, Symbol, apply

A, B, C = Symbol("a"), Symbol("b"), Symbol("c")
NAMES = {"a": "a", "b": "b", "c": "c"}
INCLUDE = Path(__file__).parents[3] / "backends" / "cxx" / "include"


def text(expression: Expression, scalar="double") -> str:
    return Printer(scalar, NAMES, scope="")(expression)


@pytest.mark.parametrize(
    "expression, expected",
    [
        (apply("sub", A, apply("sub", B, C)), "a - (b - c)"),
        (apply("sub", apply("sub", A, B), C), "a - b - c"),
        (apply("div", A, apply("mul", B, C)), "a / (b * c)"),
        (apply("mul", apply("div", A, B), C), "a / b * c"),
        (apply("neg", apply("add", A, B)), "-(a + b)"),
        (apply("mul", A, -2.0), "a * -2.0"),
        (apply("add", A, apply("neg", B)), "a - b"),
        (apply("select", apply("lt", A, B), A, 0.25), "(a < b ? a : 0.25)"),
        (apply("add", A, apply("gt", A, B)), "a + (a > b ? 1.0 : 0.0)"),
        (apply("mul", apply("stop", A), apply("exp", B)), "a * m_exp(b)"),
        (apply("pow", A, 2.0), "m_ipow<2>(a)"),
        (apply("pow", A, 0.5), "m_sqrt(a)"),
        (apply("pow", A, -1.0), "1.0 / a"),
        (apply("pow", A, B), "m_pow(a, b)"),
        (apply("max", 0.0, A), "m_max(0.0, a)"),
    ],
)  # fmt: skip
def test_parentheses_stand_only_where_precedence_needs_them(expression, expected):
    assert text(expression) == expected


@pytest.mark.parametrize(
    "expression, expected",
    [
        (apply("add", apply("mul", A, B), C), "m_fma(a, b, c)"),
        (apply("add", C, apply("mul", A, B)), "m_fma(a, b, c)"),
        (apply("sub", apply("mul", A, B), C), "m_fma(a, b, -c)"),
        (apply("sub", C, apply("mul", A, B)), "m_fma(-a, b, c)"),
        (apply("sub", C, apply("mul", 2.0, B)), "m_fma(-2.0, b, c)"),
        (apply("add", apply("mul", A, B), apply("mul", B, C)), "m_fma(a, b, b * c)"),
        (apply("add", apply("add", apply("mul", A, B), C), A), "m_fma(a, b, c) + a"),
    ],
)  # fmt: skip
def test_every_product_that_feeds_a_sum_is_fused_in_the_text(expression, expected):
    assert text(expression) == expected


def test_literals_are_short_and_round_to_the_same_number():
    assert literal(0.1, "double") == "0.1" and literal(0.1, "float") == "0.1f"
    assert literal(2.0, "float") == "2.0f" and literal(1e-30, "float") == "1e-30f"
    assert literal(-math.inf, "double") == "-INFINITY"
    for value in (1 / 3, math.pi, 1.1754944e-38, 3.4e38, 16777217.0):
        rounded = np.float32(value)
        assert np.float32(float(literal(value, "float").removesuffix("f"))) == rounded


def test_conditions_have_no_branches():
    both = apply("and", apply("gt", A, B), apply("not", apply("or", C, apply("eq", A, 0.0))))
    assert text(both) == "((a > b) & (!((c != 0.0) | (a == 0.0))) ? 1.0 : 0.0)"


def test_draws_are_numbered_as_they_are_written_whatever_is_fused():
    first, second = apply("normal", 0.0, A), apply("uniform", 0.0, 1.0)
    names = dict(NAMES)
    printer = Printer("double", names, scope="")
    bound = DrawNumbers().bind(apply("add", first, apply("mul", second, B)), printer, names)
    assert printer(bound) == "m_fma(draw_uniform(numbers, 1u, 0.0, 1.0), b, draw_normal(numbers, 0u, 0.0, a))"
    with pytest.raises(Unsupported, match="random"):
        text(first)


def test_names_are_identifiers_and_distinct():
    assert mangle("I!") == "I_impulse" and mangle("x~") == "x_adjoint" and mangle("syn.g") == "syn_g"
    assert mangle("double") == "double_" and mangle("2nd") == "x2nd"
    assert (mangle("M_PI"), mangle("EOF"), mangle("ENa"), mangle("EK")) == ("M_PI_", "EOF_", "ENa", "EK")
    namer = Namer()
    assert [namer["v.x"], namer["v_x"], namer["v.x"]] == ["v_x", "v_x_2", "v_x"]


def test_no_name_is_a_macro_of_the_headers_that_the_emitted_code_includes():
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    headers = ("*.h", "../../../cpu/include/sncc/*.h")
    lines = {line for h in headers for f in (INCLUDE / "sncc").glob(h) for line in f.read_text().splitlines()}
    standard = [line for line in lines if re.fullmatch(r"#include <[a-z_/]+(\.h)?>", line) and "cuda" not in line]
    source = "\n".join(line for line in standard if "cooperative_groups" not in line)
    words = [compiler, "-std=c++17", "-march=native", "-dM", "-E", "-x", "c++", "-"]
    listed = subprocess.run(words, input=source, capture_output=True, text=True, check=True).stdout
    macros = set(re.findall(r"^#define (\w+) ", listed, re.MULTILINE))
    assert "M_PI" in macros and not {name for name in macros if mangle(name) in macros}


# ------------------------------------------------------------------------------------------------- compiled
UNARY = ["neg", "exp", "abs", "sign", "floor", "sin", "cos", "tanh", "sigmoid", "phi1", "phi2", "not", "stop"]
BINARY = ["add", "sub", "mul", "div", "min", "max", "lt", "le", "gt", "ge", "and", "or"]


def random_expression(rng: random.Random, depth: int) -> Expression:
    if depth == 0:
        return rng.choice([A, B, C, Number(round(rng.uniform(-3, 3), 2))])
    below = lambda: random_expression(rng, depth - 1)  # noqa: E731
    match rng.randrange(8):
        case 0 | 1:
            return apply(rng.choice(UNARY), below())
        case 2:
            return apply("select", apply(rng.choice(["lt", "ge"]), below(), below()), below(), below())
        case 3:
            return apply("pow", apply("add", apply("abs", below()), 0.5), rng.choice([2.0, -1.0, 0.5, 3.0, 1.3]))
        case _:
            return apply(rng.choice(BINARY), below(), below())


def compiled(folder: Path, lines: list[str], arguments: str = "double a, double b, double c") -> Path:
    """A program that reads three numbers per case and prints each expression's value."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    calls = "\n".join(f'    std::printf("%.17g\\n", static_cast<double>({line}));' for line in lines)
    source = folder / "expressions.cpp"
    source.write_text(
        '#include <cstdio>\n#include <cstdlib>\n#include "sncc/math.h"\n#include "sncc/power.h"\n'
        '#include "sncc/propagator.h"\nusing namespace sncc;\n'
        "int main(int, char** words) {\n"
        "    const double a = std::atof(words[1]), b = std::atof(words[2]), c = std::atof(words[3]);\n"
        "    static_cast<void>(a), static_cast<void>(b), static_cast<void>(c);\n" + calls + "\n}\n"
    )
    program = folder / "expressions"
    flags = [
        "-std=c++17",
        "-O1",
        "-ffp-contract=off",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-value",
        f"-I{INCLUDE}",
    ]
    done = subprocess.run(["g++", *flags, source, "-o", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def values(program: Path, *numbers: float) -> list[float]:
    printed = subprocess.run([program, *map(repr, numbers)], capture_output=True, text=True, check=True).stdout
    return [float(line) for line in printed.split()]


def test_compiled_text_gives_the_value_of_the_expression(tmp_path):
    rng = random.Random(1)
    expressions = [random_expression(rng, 1 + k % 4) for k in range(150)]
    program = compiled(tmp_path, [text(e) for e in expressions])
    for numbers in [(0.3, -1.7, 2.2), (-0.6, 0.9, 0.01)]:
        for expression, got in zip(expressions, values(program, *numbers), strict=True):
            with np.errstate(all="ignore"):
                expected = float(evaluate(expression, dict(zip("abc", numbers, strict=True))))
            if math.isfinite(expected) and abs(expected) < 1e6:
                assert got == pytest.approx(expected, rel=1e-10, abs=1e-10), text(expression)


def divided_difference(step: float, points: list[float]) -> float:
    """In 60 digits, where equal points can be told apart by 1e-15 without losing anything."""
    with mpmath.workdps(80):
        spread = [mpmath.mpf(p) + k * mpmath.mpf(10) ** -20 for k, p in enumerate(points)]
        table = [mpmath.exp(step * p) for p in spread]
        for order in range(1, len(points)):
            table = [(table[k + 1] - table[k]) / (spread[k + order] - spread[k]) for k in range(len(table) - 1)]
        return float(table[0])


SEPARATIONS = [0.0, 1e-12, 1e-8, 1e-4, 1e-2, 0.1, 1.0, 30.0]


def test_divided_differences_are_accurate_at_and_near_equal_points(tmp_path):
    lines, expected = [], []
    for step in (0.1, 1.0, 10.0):
        for d in SEPARATIONS:
            for points in ([-0.05, -0.05 - d], [-0.05, -0.05 - d, -0.05], [-0.2, -0.2 + d / 2, -0.2 - d, -0.2]):
                lines.append(text(Apply("expdd", tuple(Number(x) for x in (step, *points)))))
                expected.append(divided_difference(step, points))
    got = values(compiled(tmp_path, lines), 0, 0, 0)
    assert got == pytest.approx(expected, rel=2e-13)


def test_in_float_they_are_computed_in_double():
    expression = Apply("expdd", (Number(1.0), Symbol("a"), Symbol("b")))
    assert Printer("float", {"a": "a", "b": "b"})(expression) == "static_cast<float>(sncc::expdd<2>(1.0f, a, b))"


def test_matrix_exponentials_and_their_derivatives(tmp_path):
    rng = np.random.default_rng(0)
    lines, expected = [], []
    for n in (1, 2, 3, 5):
        matrix, step = rng.normal(0, 0.4, (n, n)) - np.eye(n), 0.7
        i, j, k, l = 0, n - 1, n - 1, n // 2  # noqa: E741
        numbers = tuple(Number(float(x)) for x in (step, *matrix.ravel()))
        constants = lambda *x: tuple(Number(float(v)) for v in x)  # noqa: E731
        lines.append(text(Apply("expm", (*constants(i, j, n), *numbers))))
        expected.append(expm(step * matrix)[i, j])
        lines.append(text(Apply("expmd", (*constants(i, j, k, l, n), *numbers))))
        shift = np.zeros((n, n))
        shift[k, l] = 1e-6
        expected.append((expm(step * (matrix + shift)) - expm(step * (matrix - shift)))[i, j] / 2e-6)
    got = values(compiled(tmp_path, lines), 0, 0, 0)
    assert got[::2] == pytest.approx(expected[::2], rel=1e-13)
    assert got[1::2] == pytest.approx(expected[1::2], rel=1e-7, abs=1e-9)
