"""What a synapse comes to, seen from its neurons: which of its states a target can carry once for all its synapses, and
which a source can.

A state is the **source's** where its equation and its jumps read nothing of the weight, of the target or of states that
are not the source's (Tsodyks-Markram's u and x; a saturating gate). The other states are the **target's** where they
add up over synapses: linear equations, without a constant term, whose coefficients all synapses of a target share, and
jumps by weight · something of the source. Both are exact; what is neither needs its states synapse by synapse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sncc.expressions.algebra import ONE, ZERO, add, affine, div, fold_all, has_draws, mul, neg, terms
from sncc.expressions.nodes import Apply, Expression, Number, Symbol, substitute, symbols
from sncc.model.nodes import Connection, Synapse
from sncc.model.white_noise import is_noise


@dataclass(frozen=True, slots=True)
class Sum:
    """A term of `deliver`: `factor`, of the target, times the sum over synapses of weight · `value`, of the source.

    `value`: of the source's states, of the synapse's parameters and `pre.X`.
    """

    factor: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class Reduction:
    """A synapse as states of its neurons.

    amounts: by how much a spike of weight one moves each of the target's states; the factor common to all, of the
    source's states (`gain`, 1 where there is none), apart. deliver: what the target's states deliver. sums: the rest of
    `deliver`.
    """

    source_states: tuple[str, ...]
    target_states: tuple[str, ...]
    amounts: dict[str, Expression]
    gain: Expression
    deliver: Expression
    sums: tuple[Sum, ...]


def reduce_synapse(connection: Connection) -> Reduction | None:
    """The states of a connection's synapse as states of its neurons; None where it takes states per synapse."""
    synapse = connection.synapse
    assert synapse is not None
    if any(p.storage == "each" for p in synapse.parameters) or not _starts_alike(synapse):
        return None
    if any(is_noise(name) for e in synapse.equations for name in symbols(e.derivative)):
        return None  # every synapse has its own
    after = _after_jumps(synapse)
    if any(has_draws(value) for value in after.values()):
        return None
    if connection.plasticity is None and (whole := _weighted_later(synapse, after)):
        return whole
    own = _source_states(synapse, after)
    others = tuple(s.name for s in synapse.states if s.name not in own)
    if not all(_adds_up(synapse, name, others, own) for name in others):
        return None
    amounts, gain = _amounts(others, own, after)
    if amounts is None:
        return None
    delivered = _deliveries(synapse, others, own)
    if delivered is None or (connection.plasticity is not None and delivered[1]):
        return None  # a sum over synapses leaves no spikes that could move the weights
    if any(s.name in others and s.initial != ZERO for s in synapse.states):
        return None  # each synapse would bring its own initial value
    return Reduction(own, others, amounts, gain, *delivered)


def _starts_alike(synapse: Synapse) -> bool:
    return not any(has_draws(s.initial) for s in synapse.states)


def _after_jumps(synapse: Synapse) -> dict[str, Expression]:
    """Every state after `on pre`, in terms of the states before."""
    now: dict[str, Expression] = {s.name: Symbol(s.name) for s in synapse.states}
    for jump in synapse.on_pre:
        now[jump.state] = substitute(jump.value, now)
    return now


def _of(expression: Expression, side: str) -> bool:
    return any(name.startswith(f"{side}.") for name in symbols(expression))


def _derivative(synapse: Synapse, state: str) -> Expression:
    return next((e.derivative for e in synapse.equations if e.state == state), ZERO)


def _source_states(synapse: Synapse, after: dict[str, Expression]) -> tuple[str, ...]:
    names = {s.name for s in synapse.states}
    own = set(names)
    while True:
        foreign = (names - own) | {"weight"}
        kept = {
            state
            for state in own
            if not any(
                symbols(e) & foreign or _of(e, "post") or _of(e, "pre")
                for e in (_derivative(synapse, state), after[state])
            )
        }
        if kept == own:
            return tuple(s.name for s in synapse.states if s.name in own)
        own = kept


def _adds_up(synapse: Synapse, state: str, others: tuple[str, ...], own: tuple[str, ...]) -> bool:
    parts = affine(_derivative(synapse, state), others)
    if parts is None or fold_all(parts[1]) != ZERO:
        return False
    return not any(_of(c, "pre") or symbols(c) & {"weight", *own} for c in parts[0].values())


def _amounts(
    others: tuple[str, ...], own: tuple[str, ...], after: dict[str, Expression]
) -> tuple[dict[str, Expression] | None, Expression]:
    """Amount of each of the target's states for a spike of weight one, and the factor that is the source's."""
    amounts: dict[str, Expression] = {}
    gain: Expression = ONE
    for state in others:
        parts = affine(after[state], [*others])
        if parts is None or {k: c for k, c in parts[0].items() if fold_all(c) != ZERO} != {state: ONE}:
            return None, ONE
        weighted = affine(parts[1], ["weight"])
        if weighted is None or fold_all(weighted[1]) != ZERO:
            return None, ONE
        amount = fold_all(weighted[0].get("weight", ZERO))
        if amount == ZERO:
            continue
        factor, value = _split(amount, own)
        if value is None or _of(amount, "post") or _of(amount, "pre") or gain not in (ONE, value):
            return None, ONE
        if value == ONE and gain != ONE:
            return None, ONE
        amounts[state], gain = factor, value
    if gain != ONE and any(_split(a, own)[1] != ONE for a in amounts.values()):
        return None, ONE
    return amounts, gain


def _deliveries(
    synapse: Synapse, others: tuple[str, ...], own: tuple[str, ...]
) -> tuple[Expression, tuple[Sum, ...]] | None:
    deliver: Expression = ZERO
    sums: dict[Expression, Expression] = {}
    addends = _addends(synapse.deliver) if synapse.deliver is not None else []
    whole = [_delivery(addend, others, own) for addend in addends]
    for addend, found in zip(addends, whole, strict=True):
        # what does not come apart as it is written may do so with its products expanded: weight * (pre.v - post.v)
        for part in [found] if found is not None else [_delivery(term, others, own) for term in terms(addend)]:
            match part:
                case None:
                    return None
                case Sum(factor=factor, value=value):
                    sums[value] = add(sums.get(value, ZERO), factor)
                case _:
                    deliver = add(deliver, part)
    return deliver, tuple(Sum(factor, value) for value, factor in sums.items())


def _addends(expression: Expression) -> list[Expression]:
    """Addends as they are written, without expanding products."""
    match expression:
        case Apply(operation="add", arguments=(a, b)):
            return _addends(a) + _addends(b)
        case Apply(operation="sub", arguments=(a, b)):
            return _addends(a) + [neg(t) for t in _addends(b)]
    return [] if expression == ZERO else [expression]


def _delivery(term: Expression, others: tuple[str, ...], own: tuple[str, ...]) -> Expression | Sum | None:
    """What of the target's states a term delivers, or the sum over synapses that it is; None: neither."""
    if symbols(term) & set(others):
        parts = affine(term, others)
        if parts is None or fold_all(parts[1]) != ZERO:
            return None
        shared = not any(_of(c, "pre") or symbols(c) & {"weight", *own} for c in parts[0].values())
        return term if shared else None
    weighted = affine(term, ["weight"])
    if weighted is None or fold_all(weighted[1]) != ZERO:
        return None
    factor, value = _split(weighted[0].get("weight", ZERO), own)
    return None if value is None else Sum(factor, value)


def _weighted_later(synapse: Synapse, after: dict[str, Expression]) -> Reduction | None:
    """`on pre: g += 1` and `deliver weight * g`: the same as `g += weight` and `deliver g` while the weight stands."""
    names = tuple(s.name for s in synapse.states)
    if not names or synapse.deliver is None or any(s.initial != ZERO for s in synapse.states):
        return None
    if not all(_adds_up(synapse, name, names, ()) for name in names):
        return None
    amounts: dict[str, Expression] = {}
    for state in names:
        parts = affine(after[state], names)
        if parts is None or parts[0] != {state: ONE}:
            return None
        amount = fold_all(parts[1])
        if "weight" in symbols(amount) or _of(amount, "pre") or _of(amount, "post"):
            return None
        if amount != ZERO:
            amounts[state] = amount
    weighted = affine(synapse.deliver, ["weight"])
    if weighted is None or fold_all(weighted[1]) != ZERO:
        return None
    deliver = weighted[0].get("weight", ZERO)
    parts = affine(deliver, names)
    if parts is None or fold_all(parts[1]) != ZERO or any(_of(c, "pre") for c in parts[0].values()):
        return None
    return Reduction((), names, amounts, ONE, deliver, ())


def _split(product: Expression, own: Iterable[str]) -> tuple[Expression, Expression | None]:
    """A product as (factors of the target and of parameters, factors of the source); None where a factor mixes both."""
    names = set(own)
    above, below = _factors(product)
    result: list[Expression] = [ONE, ONE]
    for factors, join in ((above, mul), (below, div)):
        for factor in factors:
            of_source = bool(symbols(factor) & names) or _of(factor, "pre")
            if of_source and _of(factor, "post"):
                return ZERO, None
            result[of_source] = join(result[of_source], factor)
    return result[0], result[1]


def _factors(product: Expression) -> tuple[list[Expression], list[Expression]]:
    """Factors above and below the line."""
    match product:
        case Apply(operation="mul", arguments=(a, b)):
            left, right = _factors(a), _factors(b)
            return left[0] + right[0], left[1] + right[1]
        case Apply(operation="div", arguments=(a, b)):
            left, right = _factors(a), _factors(b)
            return left[0] + right[1], left[1] + right[0]
        case Apply(operation="neg", arguments=(a,)):
            inner = _factors(a)
            return [neg(ONE), *inner[0]], inner[1]
        case Number(value=1.0):
            return [], []
    return [product], []
