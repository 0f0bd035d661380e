"""Flows over one step against SciPy's matrix exponential and integrator, equal time constants included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from sncc.expressions.evaluate import divided_difference, evaluate, phi
from sncc.expressions.nodes import Number, Symbol, apply
from sncc.lower.flow import flow
from sncc.model.nodes import Equation


def stepped(flowed, values):
    values = dict(values)
    for assign in (*flowed.coefficients, *flowed.body):
        values[assign.name] = evaluate(assign.value, values)
    return {state: float(evaluate(value, values)) for state, value in flowed.states.items()}


def linear(matrix: dict[tuple[str, str], float], drives: dict[str, float], states: str) -> list[Equation]:
    """dx/dt = A x + b with the entries as parameters a_vi, b_v."""
    equations = []
    for i in states:
        value = Symbol(f"b_{i}") if i in drives else Number(0.0)
        for j in states:
            if (i, j) in matrix:
                value = apply("add", value, apply("mul", Symbol(f"a_{i}{j}"), Symbol(j)))
        equations.append(Equation(i, value))
    return equations


@pytest.mark.parametrize("gap", [0.0, 1e-8, 1e-6, 1e-4, 1e-2, 1e-1])
def test_a_current_driving_a_voltage_is_exact_at_and_near_equal_time_constants(gap):
    matrix = {("v", "v"): -0.05, ("v", "i"): 0.7, ("i", "i"): -0.05 - gap}
    check_linear(matrix, {"v": 0.3, "i": -0.2}, "vi")


def test_a_chain_of_three_and_a_state_without_leak_are_exact():
    matrix = {("v", "v"): -0.05, ("v", "i"): 0.7, ("i", "i"): -0.2, ("i", "g"): 1.1, ("g", "g"): -0.05}
    check_linear(matrix, {"v": 0.3, "g": 0.4}, "vig")
    check_linear({("v", "i"): 0.7, ("i", "i"): -0.2}, {"v": 1.0, "i": 0.1}, "vi")


def test_coupled_states_are_exact():
    matrix = {("x", "x"): -0.1, ("x", "y"): -0.9, ("y", "x"): 0.8, ("y", "y"): -0.1}
    check_linear(matrix, {"x": 0.5}, "xy")


def check_linear(matrix, drives, states):
    step = 1.5
    equations = linear(matrix, drives, states)
    constants = {f"a_{i}{j}": a for (i, j), a in matrix.items()} | {f"b_{i}": b for i, b in drives.items()}
    for steady in (True, False):  # a drive that is a parameter, and one that may vary from step to step
        known = frozenset(constants) if steady else frozenset(k for k in constants if k.startswith("a"))
        flowed = flow(equations, "exact", step, known)
        start = {s: 0.4 * k - 0.3 for k, s in enumerate(states)}
        got = stepped(flowed, constants | start)
        size = len(states)
        whole = np.zeros((size + 1, size + 1))
        for (i, j), a in matrix.items():
            whole[states.index(i), states.index(j)] = a
        for i, b in drives.items():
            whole[states.index(i), size] = b
        expected = (expm(whole * step) @ np.array([*start.values(), 1.0]))[:size]
        assert [got[s] for s in states] == pytest.approx(expected, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("method, order", [("euler", 1), ("heun", 2), ("exponential_euler", 1), ("rk4", 4)])
def test_the_other_methods_converge_with_their_order(method, order):
    v, w = Symbol("v"), Symbol("w")
    equations = [
        Equation("v", apply("sub", apply("sin", Symbol("t")), apply("mul", v, apply("add", 1.0, w)))),
        Equation("w", apply("sub", apply("mul", v, v), w)),
    ]
    if method == "exponential_euler":  # the time enters a flow as it is at the step's start
        equations[0] = Equation("v", apply("sub", 1.0, apply("mul", v, apply("add", 1.0, w))))

    def slope(t, x):
        drive = 1.0 if method == "exponential_euler" else np.sin(t)
        return [drive - x[0] * (1 + x[1]), x[0] ** 2 - x[1]]

    exact = solve_ivp(slope, (0, 2), [0.5, 0.2], rtol=1e-12, atol=1e-13).y[:, -1]
    errors = []
    for steps in (40, 80):
        flowed = flow(equations, method, 2 / steps, frozenset())
        x = {"v": 0.5, "w": 0.2}
        for n in range(steps):
            x = stepped(flowed, x | {"t": n * 2 / steps})
        errors.append(np.max(np.abs(np.array([x["v"], x["w"]]) - exact)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_substeps_are_steps_of_a_part_of_the_time():
    v, w = Symbol("v"), Symbol("w")
    slope = apply("sub", apply("sin", Symbol("t")), apply("mul", v, w))
    equations = [Equation("v", slope), Equation("w", apply("sub", apply("mul", v, v), w))]
    for method in ("euler", "heun", "rk4"):
        x = {"v": 0.5, "w": 0.2}
        for n in range(5):
            x = stepped(flow(equations, method, 0.2, frozenset()), x | {"t": 1.0 + n * 0.2})
        whole = stepped(flow(equations, method, 1.0, frozenset(), substeps=5), {"v": 0.5, "w": 0.2, "t": 1.0})
        assert [whole[s] for s in "vw"] == pytest.approx([x[s] for s in "vw"], rel=1e-14)


def test_divided_differences_against_their_definition():
    a, b, c = -0.3, -1.1, 0.4
    f = np.exp
    first = (f(a) - f(b)) / (a - b)
    second = ((f(a) - f(b)) / (a - b) - (f(b) - f(c)) / (b - c)) / (a - c)
    assert divided_difference(1.0, a, b) == pytest.approx(first, rel=1e-13)
    assert divided_difference(1.0, a, b, c) == pytest.approx(second, rel=1e-12)
    assert divided_difference(2.0, a, a, a) == pytest.approx(2.0**2 / 2 * np.exp(2 * a), rel=1e-13)
    assert phi(1, 0.0) == 1.0 and phi(2, 0.0) == 0.5
