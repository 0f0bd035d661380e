"""The C++ half records weights and states of synapses of a network that can be trained, as the reference does,
and stores its state.
"""

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler
from recorded_samples import (
    ASKED,
    SHARED,
    TEXT,
    goes_on_with_the_same_bits,
    inputs,
    recorded,
    refuses_states_of_others,
    samples,
    spikes_move_by_the_modulator_of_their_step,
    without_training,
)

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="module")
def project():
    needs_compiler()
    return sncc.build(TEXT, backend="cpu", precision="float64")


@pytest.fixture
def network(project):
    return sncc.load(project, threads=1)


def test_weights_and_states_of_synapses_are_those_of_the_reference(network):
    program = program_of(TEXT, "float64")
    run = Reference(program).run(samples())
    si = {(row.joins[0], r.name): r.si for g in program.groups for row in g.rows for r in row.recordable}
    for name, trace in recorded(network, *SHARED, count=2).items():
        connection, _, variable = name.partition(".")
        points = 40 // trace.shape[1]
        for k, traces in enumerate(run.traces):
            expected = traces[connection, variable][points - 1 :: points] * si.get((connection, variable), 1.0)
            got = trace[k].reshape(trace.shape[1], -1)
            assert np.allclose(got, expected[:, : got.shape[1]], rtol=1e-12, atol=1e-12), name


@pytest.mark.slow  # the reference's is quick, in tests/lower
def test_without_training_samples_in_parallel_record_the_same_bits(network):
    built = sncc.build(without_training(TEXT), backend="cpu", precision="float64", schedule="sample_parallel")
    first, other = (sncc.load(built, threads=k) for k in (1, 2))
    before = {key: np.array(value) for key, value in first.parameters.items()}
    found = recorded(first, *SHARED, count=2)
    for name, trace in recorded(network, *SHARED, count=2).items():
        assert np.array_equal(found[name], trace), name
    goes_on_with_the_same_bits(first, other)
    assert all(np.array_equal(first.parameters[key], value) for key, value in before.items())


def test_the_block_records_and_recording_changes_nothing_else(network):
    block = network.simulate(inputs=inputs())
    assert {name: trace.shape for name, trace in block.trace.items()} == {
        "x_hidden.g": (40, len(network.parameters["x_hidden.weight"])), "wide.u": (40, 48), "loop.g": (40, 56),
        "hidden_hidden.weight": (20, 8, 8), "other.weight": (40, 5, 6),
    }  # fmt: skip
    plain = network.simulate(inputs=inputs(), record=["hidden.v"])
    asked = network.simulate(inputs=inputs(), record=ASKED)
    assert np.array_equal(asked.trace["hidden.v"], plain.trace["hidden.v"])
    for run in (block, asked):
        assert np.array_equal(run.spikes["hidden"].neurons, plain.spikes["hidden"].neurons)
    loss, gradients = network.gradients(inputs(2), np.array([1, 2]))
    program = program_of(TEXT.partition("simulate:")[0], "float64")
    expected = Reference(program).run(samples(), [1, 2])
    assert loss == pytest.approx(expected.loss, rel=1e-12) and set(gradients) == set(expected.gradients)
    for key, gradient in expected.gradients.items():
        si = program.parameter(key).si
        assert np.allclose(gradients[key] * si, gradient.reshape(gradients[key].shape), rtol=1e-9, atol=1e-12), key


def test_a_restored_state_goes_on_with_the_same_bits(project, network):
    goes_on_with_the_same_bits(network, sncc.load(project, threads=2))


def test_states_of_other_synapses_or_delays_are_refused(project, network):
    refuses_states_of_others(network, sncc.load(project, seed=1))
    state = network.store()
    network.parameters["bent.delay"] = 2 * network.parameters["bent.delay"]
    with pytest.raises(ValueError, match="through other delays"):
        network.restore(state)


def test_spikes_move_weights_by_the_modulator_of_their_step(network):
    spikes_move_by_the_modulator_of_their_step(network)
