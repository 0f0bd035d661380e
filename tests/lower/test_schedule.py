"""What threads share out: samples where there is training, else neurons, or what is asked for."""

from __future__ import annotations

from networks import model_of, recurrent

from sncc.compiler import compile_program, scheduled

TEXT = recurrent("LIF")


def test_a_network_with_training_shares_out_samples():
    assert compile_program(model_of(TEXT)).schedule == "sample_parallel"
    assert compile_program(model_of(TEXT.partition("train:")[0])).schedule == "neuron_parallel"


def test_with_its_neurons_shared_out_a_network_only_simulates():
    program = compile_program(scheduled(model_of(TEXT), "neuron_parallel"))
    assert program.schedule == "neuron_parallel"
    assert not program.reverse and not program.readouts and program.optimise is None


def test_a_network_without_training_may_share_out_samples():
    model = model_of(TEXT.partition("train:")[0])
    assert compile_program(scheduled(model, "sample_parallel")).schedule == "sample_parallel"
    assert scheduled(model, None) is model
