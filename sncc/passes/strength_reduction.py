"""Compute the values of updates of neurons by cheaper operations."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from sncc.expressions.nodes import Apply, Expression, Number, Symbol
from sncc.passes.remove_dead_values import without_dead
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.statements import Assign, Fire, Statement


def strength_reduction(program: Program) -> Program:
    """Compute the values of updates of neurons by cheaper operations.

    Products with reciprocals for divisions by numbers, constant factors and signs gathered, a threshold's two sides
    compared for a difference compared with 0. A division takes a vector unit as long as ten products. Where one
    sample's neurons are the loop, such an update is most of the time.
    """
    if program.schedule != "neuron_parallel":
        return program
    return replace(program, forward=tuple(_update(o) if isinstance(o, Update) else o for o in program.forward))


def _update(update: Update) -> Update:
    differences: dict[Expression, Expression] = {}
    body: list[Statement] = []
    for statement in update.body:
        if isinstance(statement, Assign):
            statement = Assign(statement.name, _cheaper(statement.value))
            if isinstance(statement.value, Apply) and statement.value.operation == "sub":
                differences[Symbol(statement.name)] = statement.value
        elif isinstance(statement, Fire):  # x - y > 0 where x > y, also at infinities
            statement = replace(statement, distance=differences.get(statement.distance, statement.distance))
        body.append(statement)
    return without_dead(replace(update, body=tuple(body)))


def _cheaper(expression: Expression) -> Expression:
    if not isinstance(expression, Apply):
        return expression
    arguments = tuple(_cheaper(a) for a in expression.arguments)
    match expression.operation, arguments:
        case "div", (left, Number(value)) if value != 0 and isfinite(1.0 / value):
            return _scaled(1.0 / value, left)
        case "mul", (left, right):
            return _product(left, right)
        case "neg", (Apply("mul", (Number(value), inner)),):
            return _scaled(-value, inner)
        case "add", (Apply("neg", (left,)), Apply("neg", (right,))):
            return Apply("neg", (Apply("add", (left, right)),))
        case "add", (Apply("neg", (left,)), right):
            return Apply("sub", (right, left))
        case "add", (left, Apply("neg", (right,))):
            return Apply("sub", (left, right))
        case "sub", (Apply("neg", (left,)), right):
            return Apply("neg", (Apply("add", (left, right)),))
        case "sub", (left, Apply("neg", (right,))):
            return Apply("add", (left, right))
    return Apply(expression.operation, arguments)


def _product(left: Expression, right: Expression) -> Expression:
    """Their product, constant factors of both before it."""
    match left, right:
        case (Number(value), other) | (other, Number(value)):
            return _scaled(value, other)
        case Apply("mul", (Number(value), inner)), other:
            return _scaled(value, _product(inner, other))
        case other, Apply("mul", (Number(value), inner)):
            return _scaled(value, _product(other, inner))
    return Apply("mul", (left, right))


def _scaled(factor: float, expression: Expression) -> Expression:
    """The factor times an expression, factors within it gathered."""
    match expression:
        case Number(value):
            return Number(factor * value)
        case Apply("neg", (inner,)):
            return _scaled(-factor, inner)
        case Apply("mul", (Number(value), inner)):
            return _scaled(factor * value, inner)
    return expression if factor == 1.0 else Apply("mul", (Number(factor), expression))
