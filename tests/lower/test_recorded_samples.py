"""What is recorded of synapses, and what stimulates a modulator,
where samples are spread is what it is where neurons are.
"""

import numpy as np
import pytest
from networks import program_of
from recorded_samples import TEXT, samples, without_training

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import check

SHARED = """    record x of hidden_hidden
    record y of hidden_hidden
    record y of other
"""
CARRIED = TEXT.replace(", plasticity = pairs()", "").partition("    record weight of hidden_hidden")[0]


def run(text: str, schedule: str | None):
    return Reference(program_of(text, schedule=schedule)).run(samples()[:1])


@pytest.mark.parametrize("is_trained", [True, False])
def test_what_is_recorded_is_what_a_network_whose_neurons_are_spread_records(is_trained):
    assert not check(TEXT)
    text = TEXT + SHARED if is_trained else without_training(TEXT + SHARED)
    trained, plain = (run(text, schedule) for schedule in ("sample_parallel", "neuron_parallel"))
    assert trained.spikes[0]["hidden"].sum() > 100
    recorded = {name for name, _ in plain.traces[0]} - {"hidden", "output"}
    assert recorded == {"x_hidden", "wide", "bent", "read", "loop", "hidden_hidden", "other"}
    for key, trace in plain.traces[0].items():
        found = trained.traces[0][key][:, : trace.shape[1]]  # there is room for more
        assert np.abs(trace).max() > 0 and np.allclose(found, trace, rtol=1e-12, atol=1e-12), key
    for name in ("hidden_hidden", "other"):
        expected = plain.weights[0][f"{name}.weight"].reshape(-1)
        assert np.allclose(trained.traces[0][name, "weight"][-1], expected, rtol=1e-12, atol=1e-14)


def test_both_sides_are_seen_when_they_are_where_neurons_are_spread():
    """Also where `on pre` is made up for as the next step begins, since it reads the target."""
    text = TEXT.replace("rate * y", "rate * y * (1 + post.v)").replace("rate * x * (1", "rate * x * (pre.v + 1")
    trained, plain = (run(text, schedule) for schedule in ("sample_parallel", "neuron_parallel"))
    for name in ("hidden_hidden", "other"):
        expected = plain.weights[0][f"{name}.weight"].reshape(-1)
        assert np.allclose(trained.traces[0][name, "weight"][-1], expected, rtol=1e-12, atol=1e-12), name


def test_a_stimulated_modulator_is_the_same_as_one_that_is_set():
    lines = [line for line in TEXT.split("\n") if "stimulate" not in line]
    text = "\n".join(lines)
    always = run(text + "    stimulate other.reward: 0.7\n", None).traces[0]["other", "weight"]
    set_once = Reference(program_of(text), {"other.plasticity.reward": 0.7}).run(samples()[:1]).traces[0]
    assert np.allclose(always, set_once["other", "weight"], rtol=1e-12, atol=1e-14)
    assert np.abs(always - run(text, None).traces[0]["other", "weight"]).max() > 0.05


@pytest.mark.parametrize("rule", ["eprop(feedback = random)", "eprop(feedback = random, online = true)", "eventprop"])
def test_states_that_neurons_carry_are_recorded_under_every_rule(rule):
    text = "\n".join(line for line in CARRIED.split("\n") if "connect read = " not in line)
    text = text.replace("rule = bptt", f"rule = {rule}")
    trained, plain = (run(text, schedule) for schedule in (None, "neuron_parallel"))
    for key in (("x_hidden", "g"), ("wide", "u"), ("loop", "g")):
        expected = plain.traces[0][key]
        assert np.allclose(trained.traces[0][key][:, : expected.shape[1]], expected, rtol=1e-12, atol=1e-12)


def test_what_is_recorded_may_be_moved_by_any_number_of_spikes_and_begin_at_any_weights():
    text = CARRIED.replace("connect noise -> hidden: dense, weight = normal(0.1, 0.1)",
                           "connect noise -> hidden: dense, weight = orthogonal(gain = 0.5 /ms), synapse = tsodyks_markram()")  # fmt: skip
    text = (
        text.replace("rate = 100 Hz", "rate = 800 Hz") + "    record x of noise_hidden\n    record u of noise_hidden\n"
    )
    trained, plain = (run(text, schedule) for schedule in (None, "neuron_parallel"))
    for key in (("noise_hidden", "x"), ("noise_hidden", "u")):
        assert np.array_equal(trained.traces[0][key], plain.traces[0][key]) and plain.traces[0][key].std() > 0.01


@pytest.mark.parametrize("source", ["poisson[6](rate = 800 Hz)", "spike_times[6]"])
def test_without_training_any_number_of_spikes_move_a_bounded_weight_one_after_the_other(source):
    text = without_training(TEXT).replace("poisson[3](rate = 100 Hz)", source)
    moved = "weight = normal(0.1, 0.1), plasticity = pairs(rate = 0.2)"
    text = text.replace(
        "connect noise -> hidden: dense, weight = normal(0.1, 0.1)", f"connect noise -> hidden: dense, {moved}"
    )
    text += "    record weight of noise_hidden\n"
    given = [samples()[0] | {"noise": np.random.default_rng(2).poisson(0.8, (40, 6))}]
    inputs = given if "spike_times" in source else samples()[:1]
    alone, spread = (
        Reference(program_of(text, schedule=s)).run(inputs) for s in ("sample_parallel", "neuron_parallel")
    )
    assert (given[0] if "spike_times" in source else spread.spikes[0])["noise"].max() > 3
    weights = alone.traces[0]["noise_hidden", "weight"]
    assert np.count_nonzero(np.isin(weights, (-0.5, 0.6))) > 100 and np.ptp(weights[:, 0]) > 0
    assert np.allclose(weights[-1], spread.weights[0]["noise_hidden.weight"].reshape(-1), rtol=1e-12, atol=1e-14)
    for key in (("hidden", "v"), ("other", "weight"), ("bent", "g")):
        if key in spread.traces[0]:
            expected = spread.traces[0][key]
            assert np.allclose(alone.traces[0][key][:, : expected.shape[1]], expected, rtol=1e-12, atol=1e-12), key
