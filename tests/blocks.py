"""Synapses written in Python's own syntax, for tests that look at lowering alone."""

from __future__ import annotations

import ast
from dataclasses import replace

from sncc.expressions.nodes import Apply, Expression, Number, Symbol
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Assignment, Equation, Model, Parameter, Plasticity, State, Synapse

BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
COMPARE = {ast.Lt: "lt", ast.Gt: "gt", ast.LtE: "le", ast.GtE: "ge"}


def expression(text: str) -> Expression:
    """`weight * (reversal - post.v)` as nodes."""

    def node(tree: ast.AST) -> Expression:
        match tree:
            case ast.Constant(value=value):
                return Number(float(value))
            case ast.Name(id=name):
                return Symbol(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                return Symbol(f"{owner}.{name}")
            case ast.BinOp(left=left, op=op, right=right):
                return Apply(BINARY[type(op)], (node(left), node(right)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Apply("neg", (node(operand),))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return Apply(COMPARE[type(op)], (node(left), node(right)))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return Apply(name, tuple(node(a) for a in arguments))
        raise SyntaxError(text)

    return node(ast.parse(text, mode="eval").body)


def assignments(text: str) -> tuple[Assignment, ...]:
    """`u += U * (1 - u); g += weight * u` as assignments, `+=` and its kind written out."""
    found = []
    for statement in ast.parse(text).body:
        match statement:
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                value = expression(ast.unparse(value))
                found.append(Assignment(name, Apply(BINARY[type(op)], (Symbol(name), value))))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.append(Assignment(name, expression(ast.unparse(value))))
    return tuple(found)


def equations(given: dict[str, str]) -> tuple[Equation, ...]:
    return tuple(Equation(state, expression(text)) for state, text in given.items())


def states(given: dict[str, float]) -> tuple[State, ...]:
    return tuple(State(name, Number(float(initial)), PLAIN) for name, initial in given.items())


def numbers(given: dict[str, float], storage: str = "compiled") -> tuple[Parameter, ...]:
    return tuple(Parameter(name, Number(float(value)), PLAIN, storage) for name, value in given.items())


def synapse(
    parameters: dict[str, float], initial: dict[str, float], flow: dict[str, str], on_pre: str, deliver: str | None,
    model: str = "tested", storage: str = "compiled",
) -> Synapse:  # fmt: skip
    return Synapse(
        model, numbers(parameters, storage), states(initial), equations(flow), assignments(on_pre),
        None if deliver is None else expression(deliver),
    )  # fmt: skip


def plasticity(
    parameters: dict[str, float], pre: dict[str, float], post: dict[str, float], own: dict[str, float],
    flow: dict[str, str], on_pre: str, on_post: str, bounds: tuple[str, str] | None = None,
) -> Plasticity:  # fmt: skip
    limits = (("weight", expression(bounds[0]), expression(bounds[1])),) if bounds else ()
    return Plasticity(
        "tested", numbers(parameters), states(pre), states(post), states(own), equations(flow),
        assignments(on_pre), assignments(on_post), bounds=limits,
    )  # fmt: skip


def with_synapses(model: Model, **synapses: Synapse) -> Model:
    """The model with synapses on the connections named."""
    return replace(
        model, connections=tuple(replace(c, synapse=synapses.get(c.name, c.synapse)) for c in model.connections)
    )


EXPONENTIAL = synapse({"tau": 5}, {"g": 0}, {"g": "-g / tau"}, "g += weight", "g", "exponential")
CONDUCTANCE = synapse(
    {"tau": 5, "reversal": 2}, {"g": 0}, {"g": "-g / tau"}, "g += weight", "g * (reversal - post.v)", "conductance"
)
ALPHA = synapse(
    {"tau": 4}, {"x": 0, "g": 0}, {"x": "-x / tau", "g": "(x - g) / tau"}, "x += weight", "g", "alpha"
)  # fmt: skip
DUAL = synapse(
    {"rise": 1, "decay": 6}, {"a": 0, "b": 0}, {"a": "-a / decay", "b": "-b / rise"},
    "a += weight; b += weight", "a - b", "dual",
)  # fmt: skip


def changed(model: Model, name: str, **fields: object) -> Model:
    """The model with fields of one connection replaced."""
    found = tuple(replace(c, **fields) if c.name == name else c for c in model.connections)
    assert any(c.name == name for c in model.connections), name
    return replace(model, connections=found)
