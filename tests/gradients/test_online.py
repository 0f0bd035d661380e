"""e-prop forwards gives the numbers of e-prop in reverse, for every standard neuron and for one in no library."""

from __future__ import annotations

import mixed_patterns as mixed
import numpy as np
import pytest
import synapses_forwards
from mixed_patterns import ONE, PLAIN
from networks import SPIKING, UNKNOWN, equal_gradients, everything, lively, model_of, program_of, recurrent, spikes
from oracle import loss_and_gradients
from synapses_forwards import (
    BLOCKS,
    OF_SOURCES,
    PAIRS,
    PENALISED,
    TRAIN,
    answering,
    keeping_in_every_pattern,
    keeping_onto,
)

from sncc.backends.reference.interpreter import Reference


def agree(text: str, forwards: str = "eprop(online = true)", truncate: str | None = None, **settings: str) -> None:
    if truncate:
        settings, forwards = (
            {**settings, "train__rule": f"eprop(truncate = {truncate})"},
            f"eprop(online = true, truncate = {truncate})",
        )
    inputs, labels = spikes(np.random.default_rng(5), 2, 30), [0, 2]
    inputs[1]["x"] = inputs[1]["x"][:23]
    reverse = program_of(text, **settings)
    ahead = program_of(text, **{**settings, "train__rule": forwards})
    assert ahead.traces and not ahead.reverse and not reverse.traces
    values = lively(reverse, 3, inputs)
    expected, got = Reference(reverse, values).run(inputs, labels), Reference(ahead, values).run(inputs, labels)
    assert got.loss == expected.loss
    equal_gradients(got.gradients, expected.gradients)


@pytest.mark.parametrize("neuron", SPIKING)
def test_every_standard_neuron_has_the_same_gradient_in_both_directions(neuron):
    agree(recurrent(neuron, learn=everything(recurrent(neuron))))


def test_a_neuron_that_is_in_no_library():
    agree(recurrent("Curious", UNKNOWN, learn=everything(recurrent("Curious", UNKNOWN))))


@pytest.mark.parametrize(
    "loss",
    [
        "cross_entropy(mean(output.v, from = 5 ms, to = 20 ms))", "cross_entropy(sum(output.v))",
        "cross_entropy(last(output.v))", "mean(cross_entropy(output.v), from = 10 ms)", "sum(cross_entropy(output.v, weights = [0.5, 1, 3]))",
        "mean(cross_entropy(output.v)) + 0.3 * mean(cross_entropy(output.v), from = 10 ms)",
        "mean(cross_entropy(output.v)) + 0.3 * cross_entropy(mean(output.v))",
    ],
)  # fmt: skip
def test_every_readout(loss):
    agree(recurrent("ALIF", loss=loss))


def test_the_program_is_the_same_in_every_process():
    forwards = program_of(recurrent("CubaALIF"), train__rule="eprop(online = true)")
    derivatives = [name for name in forwards.groups[0].states if "/" in name]
    outputs = list(dict.fromkeys(name.split("/")[0] for name in derivatives))
    assert derivatives == sorted(derivatives, key=lambda name: (outputs.index(name.split("/")[0]), name))  # of no set


def test_a_delay_to_the_readout_and_one_to_one_connections():
    text = recurrent("ALIF").replace(
        "connect hidden -> output: dense, weight = normal(0, 1)",
        "connect hidden -> output: dense, weight = normal(0, 1), delay = 3 ms",
    )
    agree(text)
    agree(
        text.replace(
            "connect hidden -> hidden: dense, weight = normal(0, 1)",
            "connect hidden -> hidden: one_to_one, weight = each(0.3)",
        )
    )


@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(mean(output.v))"])
def test_the_weights_change_after_every_step_where_the_loss_is_one_of_every_step(loss):
    """Against the reverse gradient of shorter and shorter pasts: the first update is that of a sequence of one step."""
    text = recurrent("ALIF", loss=loss)
    inputs, labels = spikes(np.random.default_rng(5), 2, 12), [0, 2]
    program = program_of(text, train__rule="eprop(online = true)")
    values = lively(program, 3, spikes(np.random.default_rng(5), 2, 30))
    trained = Reference(program, values)
    trained.train_online(inputs, labels)
    assert trained.optimiser_step == (12 if loss.startswith("mean(cross") else 1)
    if trained.optimiser_step == 1:
        once = Reference(program_of(text), values)
        once.optimise(once.run(inputs, labels).gradients)
        for key, value in once.parameters.items():
            assert np.allclose(trained.parameters[key], value, rtol=1e-9), key


@pytest.mark.parametrize("over", ["sample", "batch"])
@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(last(output.v))"])
def test_penalties_are_summed_forwards_too(loss, over):
    penalty = f"firing_rate(hidden, target = 20 Hz, strength = 1e-4, over = {over})"
    agree(recurrent("ALIF", loss=loss, penalty=penalty, learn="weights, hidden.tau_a"))


def test_a_penalty_comes_with_the_last_update():
    """After all others: two runs that differ in the penalty alone part at the last step."""
    inputs, labels = spikes(np.random.default_rng(5), 2, 30), [0, 2]
    plain = recurrent("ALIF", rule="eprop(online = true)")
    held = recurrent("ALIF", rule="eprop(online = true)", penalty="firing_rate(hidden, target = 5 Hz, strength = 1)")
    values = lively(program_of(plain), 3, inputs)
    found = []
    for text in (plain, held):
        trained = Reference(program_of(text), values)
        steps = []
        trained.optimise = lambda g, moves, steps=steps: steps.append(g)  # gradients alone
        trained.train_online(inputs, labels)
        found.append(steps)
    same = [all(np.array_equal(a[k], b[k]) for k in a) for a, b in zip(*found, strict=True)]
    assert same == [True] * 29 + [False]


MAXIMA = "cross_entropy(max(output.v, from = 5 ms, to = 25 ms))"


@pytest.mark.parametrize("out", ["LI[3](tau_m = 10 ms)", "LI[3](tau_m = each(10 ms))", "LIF[3](theta = 0.6)"])
def test_a_trace_is_kept_as_it_was_at_each_outputs_maximum(out):
    text = recurrent(
        "ALIF", loss=f"{MAXIMA} + mean(cross_entropy(output.v))", learn="weights, hidden.tau_a, output.tau_m"
    )
    agree(text.replace("LI[3](tau_m = 10 ms)", out), truncate="7 ms" if "each" in out else None)


@pytest.mark.slow
def test_so_it_is_behind_states_of_synapses():
    text = synapses_forwards.text_of
    agree(text("feedback = symmetric", MAXIMA, OF_SOURCES), "eprop(online = true)")


@pytest.mark.parametrize("population", ["hidden", "output"])
def test_maxima_of_neurons_that_learn_themselves(population):
    text = recurrent("CubaLIF", loss=f"mse(max({population}.v))", learn=everything(recurrent("CubaLIF")))
    inputs = spikes(np.random.default_rng(5), 1, 20)
    values, targets = lively(program_of(text), 3, inputs), [np.linspace(0, 1, 5 if population == "hidden" else 3)]
    reverse, got = (
        Reference(program_of(text, train__rule=rule), values).run(inputs, targets).gradients
        for rule in ("eprop", "eprop(online = true)")
    )
    equal_gradients(got, reverse)
    if population == "output":
        equal_gradients(got, loss_and_gradients(model_of(text), values, inputs, targets, "eprop")[1], 1e-9)


@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(last(output.v))"])
def test_truncated_credit_forgets_the_traces_where_a_window_begins(loss):
    text = recurrent("ALIF", rule="eprop(truncate = 7 ms)", loss=loss, learn="weights, initial(hidden.v), hidden.tau_a")
    text = text.replace("weight = normal(0, 1)\n\ntrain", "weight = normal(0, 1), delay = 3 ms\n\ntrain")
    agree(text, forwards="eprop(online = true, truncate = 7 ms)")


@pytest.mark.parametrize(
    "rule, late, loss",
    [
        ("symmetric", PLAIN, "mean(cross_entropy(output.v))"),
        ("random", ONE, "cross_entropy(mean(output.v)) + 0.2 * mean(cross_entropy(output.v), from = 5 ms)"),
        ("adaptive, truncate = 9 ms", PLAIN, "mean(cross_entropy(output.v))"),
    ],
)
def test_synapses_of_any_pattern(rule, late, loss):
    texts = [
        mixed.text_of(f"feedback = {r}", late, loss, dropout=", dropout = 0.3", learn=mixed.DELAYS)
        for r in (rule, f"{rule}, online = true")
    ]
    program, values, inputs, labels = mixed.prepared(texts[0])
    reverse, forwards = (
        Reference(p, values, pairs=mixed.pairs()).run(inputs, labels) for p in (program, program_of(texts[1]))
    )
    equal_gradients(forwards.gradients, reverse.gradients)


def test_every_update_is_one_by_the_weights_of_the_update_before():
    """Over synapses in rows, also with a delay for each: the numbers of the same pairs in whole matrices."""
    rule = "eprop(online = true)"
    rows = recurrent("ALIF", rule=rule).replace("x -> hidden: dense, weight", "x -> hidden: sparse, weight")
    rows = rows.replace("hidden -> output: dense, weight", "hidden -> output: sparse, weight")
    whole = recurrent("ALIF", rule=rule)
    inputs, labels = spikes(np.random.default_rng(5), 2, 14), [0, 2]
    values = lively(program_of(whole), 3, inputs)
    pairs = {
        name: tuple(np.indices(np.shape(values[f"{name}.weight"])).reshape(2, -1))
        for name in ("x_hidden", "hidden_output")
    }
    flat = {k: np.reshape(v, -1) if k.partition(".")[0] in pairs else v for k, v in values.items()}
    trained = Reference(program_of(rows), flat, pairs=pairs), Reference(program_of(whole), values)
    for one in trained:
        one.train_online(inputs, labels)
    for key, value in trained[1].parameters.items():
        assert np.allclose(np.reshape(trained[0].parameters[key], np.shape(value)), value, rtol=1e-9, atol=1e-12), key


@pytest.mark.parametrize(
    "rule, learn, delay",
    [
        ("feedback = symmetric", ", initial(hidden.v)", "delay = uniform(0 ms, 4 ms), synapse = saturating()"),
        ("feedback = random, truncate = 8 ms", "", "delay = 1 ms, synapse = saturating()"),
        ("truncate = 3 ms", ", initial(hidden.v)", "delay = uniform(0 ms, 4 ms), synapse = saturating()"),
        (
            "truncate = 6 ms",
            ", hidden_other.delay(in = [1 ms, 6 ms])",
            "delay = uniform(1 ms, 4 ms), synapse = saturating()",
        ),
    ],
)
def test_credit_goes_through_states_of_synapses(rule, learn, delay):
    """Also that for what a state starts at, which is delivered before the first step, and for the synapses' numbers."""
    loss = "mean(cross_entropy(output.v)) + cross_entropy(last(output.v))"
    rules = rule, f"{rule}, online = true"
    texts = (synapses_forwards.text_of(r, loss, learn + OF_SOURCES) for r in rules)
    late = "normal(0.3 /ms, 0.3 /ms), delay = uniform(0 ms, 3 ms)"  # numbers of synapses, in windows
    texts = (t.replace("normal(0.3 /ms, 0.3 /ms)", late) if "truncate" in t else t for t in texts)
    reverse, forwards = (program_of(t.replace("delay = 1 ms, synapse = saturating()", delay, 1)) for t in texts)
    inputs, values = spikes(np.random.default_rng(5), 2, 25), Reference(reverse).parameters
    found = [Reference(program, values).run(inputs, [1, 2]) for program in (reverse, forwards)]
    assert all(found[0].spikes[0][p].sum() > 50 for p in ("hidden", "other"))
    equal_gradients(found[1].gradients, found[0].gradients)


@pytest.mark.parametrize(
    "rule, loss",
    [("feedback = symmetric", PENALISED), ("feedback = random, truncate = 7 ms", "cross_entropy(mean(output.v))")],
)
def test_traces_follow_states_of_each_synapse(rule, loss):
    reverse, forwards = (program_of(keeping_in_every_pattern(r, loss)) for r in (rule, f"{rule}, online = true"))
    values = dict(Reference(reverse, pairs=PAIRS).parameters)
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}]
    found = [Reference(p, values, pairs=PAIRS).run(inputs, [1]) for p in (reverse, forwards)]
    assert all(found[0].spikes[0][p].sum() > 20 for p in ("hidden", "image"))
    equal_gradients(found[1].gradients, found[0].gradients)


LOSS = "mean(cross_entropy(output.v))"


@pytest.mark.parametrize(
    "rule, loss, pattern, delay",
    [
        ("feedback = symmetric", LOSS, "hidden -> output: dense", "delay = 2 ms"),
        (
            "feedback = random, truncate = 7 ms",
            "cross_entropy(mean(output.v))",
            "hidden -> output: dense",
            "delay = uniform(0 ms, 5 ms)",
        ),
        ("feedback = symmetric", LOSS, "hidden -> output: random(fan_out = 3, repeats = true)", "delay = 2 ms"),
        ("feedback = random", LOSS, "hidden[1:6] -> output[2:20]: random(p = 0.4)", "delay = uniform(0 ms, 5 ms)"),
        ("feedback = symmetric, truncate = 9 ms", LOSS, "hidden -> output[3:10]: one_to_one", "delay = 2 ms"),
    ],
)
def test_credit_goes_through_states_of_each_synapse(rule, loss, pattern, delay):
    texts = (keeping_onto(r, loss, pattern, delay).replace("LI[3]", "LI[20]") for r in (rule, f"{rule}, online = true"))
    reverse, forwards = (program_of(text) for text in texts)
    values = dict(Reference(reverse).parameters)
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}]
    found = [Reference(p, values).run(inputs, [1]) for p in (reverse, forwards)]
    assert found[0].spikes[0]["hidden"].sum() > 20
    equal_gradients(found[1].gradients, found[0].gradients)


@pytest.mark.parametrize(
    "rule, loss, pattern",
    [
        ("feedback = symmetric", PENALISED, "dense"),
        ("feedback = random, truncate = 6 ms", "cross_entropy(mean(output.v))", "random(fan_in = 3)"),
        ("feedback = symmetric", LOSS, "one_to_one"),
    ],
)
def test_what_a_synapse_learns_comes_back_by_all_that_read_its_target(rule, loss, pattern):
    reverse, forwards = (program_of(answering(r, loss, pattern)) for r in (rule, f"{rule}, online = true"))
    values = dict(Reference(reverse).parameters)
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}]
    found = [Reference(p, values).run(inputs, [1]) for p in (reverse, forwards)]
    assert found[0].spikes[0]["hidden"].sum() > 10
    equal_gradients(found[1].gradients, found[0].gradients)


def test_what_synapses_onto_an_output_learn_comes_back_by_those_that_read_it():
    network = """
    population output: LI[3](tau_m = 10 ms)
    connect x -> output: dense, weight = normal(0.3, 0.3), synapse = driven()
    connect few = x -> output: random(p = 0.5), weight = normal(0.3, 0.3), synapse = driven(tau = uniform(4 ms, 9 ms))
"""
    texts = (
        BLOCKS + network + TRAIN.format(rule=rule, loss=LOSS, learn="").replace("x_hidden", "x_output")
        for rule in ("truncate = 9 ms", "truncate = 9 ms, online = true")
    )
    reverse, forwards = (program_of(text) for text in texts)
    values = dict(Reference(reverse).parameters)
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}]
    found = [Reference(p, values).run(inputs, [1]).gradients for p in (reverse, forwards)]
    equal_gradients(found[1], found[0])


OUT = "connect hidden -> output: dense, weight = normal(0, 1)"
INTO = "connect x -> hidden: dense, weight = normal(0, 1)"
GRADED = """synapse graded:
    deliver weight * (pre.v - post.v) / (10 ms)
"""


@pytest.mark.parametrize(
    "readout, out, loss",
    [
        (
            "LIF[20](theta = 0.5)",
            f"{OUT}, delay = uniform(0 ms, 6 ms)",
            "mean(cross_entropy(output.v)) + cross_entropy(count(output))",
        ),
        ("LI[3](tau_m = 10 ms)", f"{OUT}, delay = uniform(0 ms, 6 ms)", "cross_entropy(last(output.v))"),
        ("LIF[20](theta = 0.5)", OUT, "mean(cross_entropy(output.v)) + cross_entropy(count(output))"),
        ("LI[3](tau_m = each(10 ms))", f"{OUT}, delay = 2 ms", "cross_entropy(last(output.v))"),
        ("LI[3](tau_m = 10 ms)", f"{OUT}, synapse = graded()", "mean(cross_entropy(output.v))"),
    ],
)
def test_outputs_that_filter_each_in_its_own_way_have_traces_of_their_own(readout, out, loss):
    text = recurrent("ALIF", GRADED, loss=loss, learn="weights, hidden.tau_a").replace("LI[3](tau_m = 10 ms)", readout)
    agree(text.replace(OUT, out))


def test_the_program_is_as_long_for_any_number_of_outputs():
    few, many = (
        program_of(recurrent("ALIF", rule="eprop(online = true)").replace("LI[3](tau_m = 10 ms)", f"LIF[{n}]"))
        for n in (2, 200)
    )
    assert [type(o) for o in few.traces] == [type(o) for o in many.traces]


SQUARE = """synapse square:
    state g = 0
    dg/dt = -g * (1 + g) / (5 ms)
    on pre: g += weight
    deliver g / (1 ms)

synapse reading:
    state g = 0
    dg/dt = -g * (1 + g * post.v) / (5 ms)
    on pre: g += weight
    deliver g / (1 ms)
"""
SATURATING = """synapse saturating:
    state g = 0
    dg/dt = -tanh(g) / (5 ms)
    on pre: g += weight
    deliver g / (3 ms)
"""


@pytest.mark.parametrize("out", ["", ", synapse = saturating()"])
@pytest.mark.parametrize("delay", ["2.4 ms", "uniform(0.2 ms, 3 ms)"])
def test_delays_are_learnt_also_into_what_the_loss_reads(out, delay):
    text = recurrent(
        "ALIF", SATURATING, learn="weights, hidden.tau_a, hidden_output.delay, hidden_hidden.delay, x_hidden.delay"
    )
    text = text.replace("delay = 1 ms", "delay = uniform(1 ms, 4 ms)").replace(INTO, f"{INTO}, delay = {delay}")
    agree(text.replace(OUT, f"{OUT}, delay = {delay}{out}"))
