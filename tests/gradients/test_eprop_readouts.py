"""e-prop where the loss reads neurons that spike and excite each other:
credit crosses one connection, not a second one.

The oracle says it by two simulations. The first moves the parameters of one population, whose spikes are constants
wherever they arrive; the second moves nothing but the arrival of those spikes at populations that the loss reads, whose
own spikes are constants again.
"""

from __future__ import annotations

import numpy as np
import pytest
from autograd import grad
from networks import lively, model_of, program_of, spikes
from oracle import Simulation, constant, loss_of

from sncc.backends.reference.interpreter import Reference

TEXT = """
network Spoken:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[5](theta = 0.7)
    population output: LIF[3](tau_m = 10 ms, theta = 0.4)
    connect x -> hidden: dense, weight = normal(0, 1)
    connect hidden -> hidden: dense, weight = normal(0, 1), delay = 1 ms
    connect said = hidden -> output: dense, weight = normal(0, 1), delay = {delay}
    connect again = output -> output: dense, weight = normal(0, 1), delay = 2 ms
    connect back = output -> hidden: dense, weight = normal(0, 1), delay = 3 ms

train:
    rule = eprop(feedback = symmetric)
    loss = {loss}
    learn = weights, hidden.tau_m, output.tau_m, output.theta
    optimiser = adam(learning_rate = 1e-3)
"""


class Crossing(Simulation):
    """A simulation in which spikes are constants on arrival, but those of `moving`, handed over,
    at what the loss reads.
    """

    def __init__(self, model, parameters, moving=None, spikes=()):
        super().__init__(model, parameters, "eprop")
        self.moving, self.given = moving, spikes

    def _arriving(self, p, n, continuous):
        kept = self.emitted
        self.emitted = {
            name: self.given if name == self.moving and p.name in self.read else [constant(z) for z in emitted]
            for name, emitted in kept.items()
        }
        try:
            return super()._arriving(p, n, continuous)
        finally:
            self.emitted = kept


def gradients(model, values, population, inputs, labels):
    """Of the mean loss by the parameters that move a population, at most one connection beyond it."""
    owners = {population} | {c.name for c in model.connections if c.target == population}
    own = {key: value for key, value in values.items() if key.partition(".")[0] in owners}
    losses = model.training.losses
    seen = [(loss.population, loss.variable) for loss in losses]

    def total(moved):
        result = 0.0
        for sample, label in zip(inputs, labels, strict=True):
            first = Crossing(model, values | {key: moved[key] for key in own})
            here = first.run(sample, *seen)
            beyond = Crossing(model, values, population, first.emitted[population]).run(sample, *seen)
            for loss, own_x, other_x in zip(losses, here, beyond, strict=True):
                result = result + loss.factor * loss_of(other_x, label, loss)
                if population == loss.population:
                    result = result + loss.factor * loss_of(own_x, label, loss)
        return result / len(inputs)

    return grad(total)(own)


@pytest.mark.parametrize(
    "loss, delay",
    [
        ("mean(cross_entropy(output.v))", "2 ms"),
        ("cross_entropy(mean(output.spikes))", "0 ms"),
        ("0.3 * mean(hidden.v^2) + cross_entropy(mean(output.v))", "2 ms"),
    ],
)
def test_a_spiking_recurrent_readout(loss, delay):
    text = TEXT.format(loss=loss, delay=delay)
    inputs, labels = spikes(np.random.default_rng(5), 2, 20), [0, 2]
    model, program = model_of(text), program_of(text)
    values = lively(program, 3, inputs)
    run = Reference(program, values).run(inputs, labels)
    assert min(s["output"].sum() for s in run.spikes) > 3
    expected_of = {k: g for p in ("hidden", "output") for k, g in gradients(model, values, p, inputs, labels).items()}
    for key, got in run.gradients.items():
        expected = expected_of[key]
        assert np.max(np.abs(expected)) > 0, key
        assert np.max(np.abs(got - expected)) <= 1e-9 * np.max(np.abs(expected)), key
