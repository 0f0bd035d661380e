"""Optimisers: the states and the formula of each, per element of a learnt parameter.

`w` is the value in the source's unit, `g` its gradient, `rate` the learning rate, `k` the number of the step, from 1.
To add an optimiser, add an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sncc.expressions.algebra import fold_all
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute
from sncc.model.training_nodes import Optimiser
from sncc.program.learning import Optimise
from sncc.program.statements import Assign

W, G, K, RATE = Symbol("w"), Symbol("g"), Symbol("k"), Symbol("rate")


@dataclass(frozen=True, slots=True)
class OptimiserFormula:
    """Settings with their defaults, states (zero at first), scalars once a step,
    the body per element, what is carried.
    """

    settings: Mapping[str, float]
    states: tuple[str, ...]
    scalars: tuple[Assign, ...]
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]


def _blend(old: Expression, new: Expression, keep: str) -> Expression:
    """keep · old + (1 - keep) · new."""
    return apply("add", apply("mul", Symbol(keep), old), apply("mul", apply("sub", 1.0, Symbol(keep)), new))


def _correction(beta: str) -> Expression:
    """1 / (1 - beta^k), for a mean that started at zero."""
    return apply("div", 1.0, apply("sub", 1.0, apply("pow", Symbol(beta), K)))


def _descend(direction: Expression) -> Expression:
    return apply("sub", W, apply("mul", RATE, direction))


_MEANS = (
    Assign("m.1", _blend(Symbol("m"), G, "beta1")),
    Assign("v.1", _blend(Symbol("v"), apply("mul", G, G), "beta2")),
)
_ADAM_DIRECTION = apply(
    "div",
    apply("mul", Symbol("m.1"), Symbol("c1")),
    apply("add", apply("sqrt", apply("mul", Symbol("v.1"), Symbol("c2"))), Symbol("eps")),
)
_CORRECTIONS = (Assign("c1", _correction("beta1")), Assign("c2", _correction("beta2")))
_BETAS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}

OPTIMISERS: dict[str, OptimiserFormula] = {
    "sgd": OptimiserFormula(
        {"learning_rate": 1e-2, "momentum": 0.0, "nesterov": 0.0},
        ("m",),
        (),
        (
            Assign("m.1", apply("add", apply("mul", Symbol("momentum"), Symbol("m")), G)),
            # Nesterov's momentum looks one step ahead (Sutskever et al. 2013, as usually written)
            Assign(
                "w.1",
                _descend(
                    apply(
                        "select",
                        Symbol("nesterov"),
                        apply("add", G, apply("mul", Symbol("momentum"), Symbol("m.1"))),
                        Symbol("m.1"),
                    )
                ),
            ),
        ),
        (("w", "w.1"), ("m", "m.1")),
    ),
    # Kingma and Ba 2015
    "adam": OptimiserFormula(
        {"learning_rate": 1e-3, **_BETAS},
        ("m", "v"),
        _CORRECTIONS,
        (*_MEANS, Assign("w.1", _descend(_ADAM_DIRECTION))),
        (("w", "w.1"), ("m", "m.1"), ("v", "v.1")),
    ),
    # Loshchilov and Hutter 2019: the decay is not part of the gradient
    "adamw": OptimiserFormula(
        {"learning_rate": 1e-3, **_BETAS, "decay": 1e-2},
        ("m", "v"),
        _CORRECTIONS,
        (*_MEANS, Assign("w.1", _descend(apply("add", _ADAM_DIRECTION, apply("mul", Symbol("decay"), W))))),
        (("w", "w.1"), ("m", "m.1"), ("v", "v.1")),
    ),
    # Tieleman and Hinton 2012
    "rmsprop": OptimiserFormula(
        {"learning_rate": 1e-3, "alpha": 0.99, "eps": 1e-8},
        ("v",),
        (),
        (
            Assign("v.1", _blend(Symbol("v"), apply("mul", G, G), "alpha")),
            Assign("w.1", _descend(apply("div", G, apply("add", apply("sqrt", Symbol("v.1")), Symbol("eps"))))),
        ),
        (("w", "w.1"), ("v", "v.1")),
    ),
}


def optimise(optimiser: Optimiser) -> Optimise:
    """The optimiser step of a Model's optimiser, its settings put in as numbers.

    Raises ValueError for an optimiser or a setting that is not there.
    """
    formula = OPTIMISERS.get(optimiser.name)
    if formula is None:
        raise ValueError(f"no optimiser {optimiser.name}")
    given = dict(optimiser.settings)
    if unknown := set(given) - set(formula.settings):
        raise ValueError(f"{optimiser.name} has no setting {sorted(unknown)[0]}")
    settings = {**formula.settings, **given}
    numbers: dict[str, Expression] = {
        name: Number(value) for name, value in settings.items() if name != "learning_rate"
    }

    def put_in(assigns: tuple[Assign, ...]) -> tuple[Assign, ...]:
        return tuple(Assign(a.name, fold_all(substitute(a.value, numbers))) for a in assigns)

    return Optimise(
        name=optimiser.name,
        learning_rate=settings["learning_rate"],
        states=formula.states,
        scalars=put_in(formula.scalars),
        body=put_in(formula.body),
        carry=formula.carry,
        clip=optimiser.clip,
        schedule=optimiser.schedule,
    )
