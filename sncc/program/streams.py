"""Streams of random numbers: a hash of the user's name and the purpose, so that no pass changes a number."""

from __future__ import annotations

from sncc.expressions.nodes import DRAWS, Apply, Expression, apply, walk

GOLDEN = 0x9E3779B9  # from the stream of an expression's draw to that of its next one


def stream(name: str, purpose: str) -> int:
    """32-bit FNV-1a of `name:purpose`, the first word of a Philox counter."""
    value = 0x811C9DC5
    for byte in f"{name}:{purpose}".encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def with_streams(value: Expression, number: int) -> Expression:
    """What a state starts at, with each draw as `first(STREAM, draw)`: drawn again, it is the same.

    The first draw is of the stream `number`.
    Draws are numbered in the order of `walk`, so that those in a draw's own arguments follow it.
    """
    count = 0

    def marked(node: Expression) -> Expression:
        nonlocal count
        if not isinstance(node, Apply) or node.operation == "first":
            return node
        if node.operation in DRAWS:
            own = (number + count * GOLDEN) & 0xFFFFFFFF
            count += sum(isinstance(n, Apply) and n.operation in DRAWS for n in walk(node))
            return apply("first", float(own), node)
        return Apply(node.operation, tuple(marked(a) for a in node.arguments), node.unit, node.span)

    return marked(value)
