"""The event-driven simulations that eventprop is held against, by what holds of any network."""

from __future__ import annotations

import numpy as np
import pytest
from event_case import DURATION, network
from event_driven import EventDriven
from event_driven_synapses import EventDriven as WithSynapses
from networks import model_of

EVENTS = {"x": [(0.3, 0), (1.1, 1), (2.4, 3), (4.0, 2), (7.2, 1)]}


@pytest.mark.parametrize("simulate", [EventDriven, WithSynapses])
def test_neurons_that_are_equal_spike_at_once(simulate):
    values = {"x_hidden.weight": 5.0, "hidden_hidden.weight": 0.3, "hidden_output.weight": 3.0}
    model = model_of(network())
    run = simulate(model, {k: np.full(_shape(model, k), v) for k, v in values.items()}, EVENTS, DURATION)
    for neurons in run.spikes.values():
        assert len(neurons[0]) > 1
        assert all(np.allclose(k, neurons[0], rtol=0, atol=1e-9) for k in neurons[1:])


def _shape(model, key: str) -> tuple[int, int]:
    c = next(c for c in model.connections if f"{c.name}.weight" == key)
    return model.population(c.source).size, model.population(c.target).size
