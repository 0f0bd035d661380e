"""The C++ half records weights and states of synapses of a network that can be trained, as the reference does, and changes nothing by it."""

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler
from recorded_samples import ASKED, SHARED, TEXT, recorded, spikes

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="module")
def network():
    needs_compiler()
    return sncc.load(sncc.build(TEXT, backend="cpu", precision="float64"), threads=1)


def test_weights_and_states_of_synapses_are_those_of_the_reference(network):
    program = program_of(TEXT, "float64")
    run = Reference(program).run([{"x": s} for s in spikes()])
    si = {(row.joins[0], r.name): r.si for g in program.groups for row in g.rows for r in row.recordable}
    for name, trace in recorded(network, *SHARED, samples=2).items():
        connection, _, variable = name.partition(".")
        points = 40 // trace.shape[1]
        for k, traces in enumerate(run.traces):
            expected = traces[connection, variable][points - 1 :: points] * si.get((connection, variable), 1.0)
            got = trace[k].reshape(trace.shape[1], -1)
            assert np.allclose(got, expected[:, : got.shape[1]], rtol=1e-12, atol=1e-12), name


def test_the_block_records_and_recording_changes_nothing_else(network):
    events = sncc.Events.from_dense(spikes(), step=1e-3)
    block = network.simulate(inputs={"x": events[:1]})
    assert {name: trace.shape for name, trace in block.trace.items()} == {
        "x_hidden.g": (40, len(network.parameters["x_hidden.weight"])), "wide.u": (40, 48), "loop.g": (40, 56),
        "hidden_hidden.weight": (20, 8, 8), "other.weight": (40, 5, 6),
    }  # fmt: skip
    plain = network.simulate(inputs={"x": events[:1]}, record=["hidden.v"])
    asked = network.simulate(inputs={"x": events[:1]}, record=ASKED)
    assert np.array_equal(asked.trace["hidden.v"], plain.trace["hidden.v"])
    for run in (block, asked):
        assert np.array_equal(run.spikes["hidden"].neurons, plain.spikes["hidden"].neurons)
    loss, gradients = network.gradients(events, np.array([1, 2]))
    program = program_of(TEXT.partition("simulate:")[0], "float64")
    expected = Reference(program).run([{"x": s} for s in spikes()], [1, 2])
    assert loss == pytest.approx(expected.loss, rel=1e-12) and set(gradients) == set(expected.gradients)
    for key, gradient in expected.gradients.items():
        si = program.parameter(key).si
        assert np.allclose(gradients[key] * si, gradient.reshape(gradients[key].shape), rtol=1e-9, atol=1e-12), key
