"""Deep R where weights change after every step: the plain law of the paper, and synapses that move once a batch."""

from __future__ import annotations

import numpy as np
from networks import program_of
from rewired import LOCKSTEP, PAIRS, REWIRED, batch

from sncc.backends.reference.draws import Counter, standard_normal
from sncc.backends.reference.interpreter import Reference
from sncc.program.streams import stream

TEXT = LOCKSTEP.replace("adam(learning_rate = 0.01)", "sgd(learning_rate = 0.05)").replace("    clip = norm(1)\n", "")
TEXT = TEXT.replace("deep_r()", "deep_r(temperature = 0.03)")


def recorded(reference):
    """One batch: the gradients, parameters and pairs that each step of the optimiser finds,
    and what is there in the end.
    """
    found, step = [], reference.optimise

    def optimise(gradients, moves):
        found.append((gradients, dict(reference.parameters), {c: pairs(reference, c) for c in REWIRED}))
        step(gradients, moves=moves)

    reference.optimise = optimise
    reference.train_online([{"x": sample[:12]} for sample in batch()[0][:2]], [0, 1])
    reference.optimise = step
    return [*found, ({}, dict(reference.parameters), {c: pairs(reference, c) for c in REWIRED})]


def pairs(reference, connection):
    return list(zip(reference.tables[connection].source, reference.tables[connection].target, strict=True))


def test_a_weight_that_would_change_its_sign_is_dormant_until_the_batch_ends_and_then_its_synapse_moves():
    program = program_of(TEXT)
    reference = Reference(program, seed=5, pairs=PAIRS)
    found, rate = recorded(reference), 0.05
    for name in ("drawn", "back", "other"):
        about, key = program.connection(name).rewiring, f"{name}.weight"
        dormant = np.zeros(len(found[0][1][key]), bool)
        for k, (gradients, before, joined) in enumerate(found[:-1]):
            assert joined[name] == found[0][2][name]
            w, sign = before[key], np.copysign(1.0, before[key])
            walk = standard_normal(Counter(5, stream(name, "rewiring walk"), np.arange(len(w)), k + 1))
            stepped = w - rate * gradients[key] - rate * about.l1 * sign + np.sqrt(2 * rate * about.temperature) * walk
            dormant |= stepped * sign < 0
            expected = np.where(dormant, 0.0, stepped)
            expected = np.clip(expected, -2, 2) if name == "drawn" else expected
            if k < len(found) - 2:
                assert np.allclose(found[k + 1][1][key], expected, rtol=0, atol=1e-15), (name, k)
        left = {p: w for p, w, gone in zip(found[0][2][name], expected, dormant, strict=True) if not gone}
        after = dict(zip(found[-1][2][name], found[-1][1][key], strict=True)) if name != "other" else None
        moved = [p for p in found[-1][2][name] if p not in found[0][2][name]]
        assert dormant.any() and not dormant.all() and moved and len(found[-1][2][name]) == len(dormant)
        if after is not None:  # `total` may have pairs twice
            assert all(after[p] == w for p, w in left.items())
            assert sorted(after) == sorted([*left, *(p for p, w in after.items() if p not in left and w == 0)])


def test_the_gradients_are_those_of_the_same_synapses_that_stay():
    moving = Reference(program_of(TEXT), seed=5, pairs=PAIRS)
    found = recorded(moving)
    still = Reference(program_of(TEXT), found[0][1], 5, PAIRS)
    gradients = []

    def follow(of_step, moves):
        gradients.append(of_step)
        still.parameters.update(found[len(gradients)][1])

    still.optimise = follow
    still.train_online([{"x": sample[:12]} for sample in batch()[0][:2]], [0, 1])
    assert len(gradients) == len(found) - 1 == 12
    for got, expected in zip(gradients, (step[0] for step in found), strict=False):
        assert all(np.array_equal(got[key], expected[key]) for key in expected)
