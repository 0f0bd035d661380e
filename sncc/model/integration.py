"""Which integrator a neuron's equations get: exact where linear, exponential Euler where each state is, else rk4."""

from __future__ import annotations

from sncc.expressions.algebra import affine
from sncc.expressions.nodes import Expression, symbols
from sncc.model.nodes import Dynamics, Method
from sncc.model.white_noise import is_noise


def integration(dynamics: Dynamics) -> Method:
    """The method that steps these dynamics: the user's choice, or the automatic one."""
    if not dynamics.equations and dynamics.each_step:
        return "map"
    if dynamics.method is not None:
        return dynamics.method
    if jointly_linear(dynamics):
        return "exact"
    if all(_linear_in_itself(dynamics, k) for k in range(len(dynamics.equations))):
        return "exponential_euler"
    return "rk4"


def jointly_linear(dynamics: Dynamics) -> bool:
    """Whether all equations are linear in all states with coefficients constant over a run (drives may vary)."""
    states = [state.name for state in dynamics.states]
    varying = {*states, *(i.name for i in dynamics.inputs), "t"}
    for equation in dynamics.equations:
        parts = affine(equation.derivative, states)
        if parts is None or any(_varies(c, varying) for c in parts[0].values()):
            return False
    return True


def _varies(coefficient: Expression, varying: set[str]) -> bool:
    names = symbols(coefficient)
    return bool(names & varying) or any(map(is_noise, names))


def _linear_in_itself(dynamics: Dynamics, index: int) -> bool:
    equation = dynamics.equations[index]
    return affine(equation.derivative, [equation.state]) is not None
