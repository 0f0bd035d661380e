"""Patterns, parts, weights, delays and sources as the Model holds them."""

import math

import pytest

from sncc.connectivity.patterns import Convolution, Dense, Part, Pooling, Random, Rewiring, Sparse
from sncc.diagnostics import DiagnosticError
from sncc.expressions.nodes import Apply, Number
from sncc.model.resolve import model_of_text


def text(*connects, populations="", step="0.1 ms"):
    lines = [
        "network N:", f"    step = {step}", "    population x: input[6, 6, 2]", "    population s: spike_times[5]",
        "    population a: LIF[40]", "    population b: LIF[10]", *(f"    {p}" for p in populations.split("\n") if p),
        *(f"    connect {c}" for c in connects),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def connection(*connects, **options):
    return model_of_text(text(*connects, **options)).connections[-1]


def mistake(*connects, **options):
    with pytest.raises(DiagnosticError) as error:
        model_of_text(text(*connects, **options))
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    return found.code, found.span.text, found


# ------------------------------------------------------------------------------------------------------- patterns
@pytest.mark.parametrize(
    "written, pattern, fans",
    [
        ("dense", Dense(), (40, 10)),
        ("random(p = 0.1)", Random("p", 0.1), (4, 1)),
        ("random(fan_in = 5)", Random("fan_in", 5.0), (5, 1.25)),
        ("random(fan_out = 3)", Random("fan_out", 3.0), (12, 3)),
        ("random(total = 80)", Random("total", 80.0, True), (8, 2)),
        ("random(total = 80, repeats = false)", Random("total", 80.0, False), (8, 2)),
        ("random(fan_in = 50, repeats = true)", Random("fan_in", 50.0, True), (50, 12.5)),
    ],
)
def test_fans_are_the_expected_numbers_of_synapses(written, pattern, fans):
    found = connection(f"a -> b: {written}, weight = each(fan_in + 1000 * fan_out)")
    assert found.pattern == pattern and found.weight.value.value == pytest.approx(fans[0] + 1000 * fans[1])


def test_synapses_are_stored_unless_something_else_is_said():
    assert connection("a -> b: random(p = 0.1), weight = 1").stored
    assert connection("a -> b: random(p = 0.1), weight = 1, stored = true").stored
    assert not connection("a -> b: random(fan_out = 2), weight = normal(0, 1), stored = false").stored


def test_a_neuron_may_be_kept_from_reaching_itself():
    assert connection("a -> a: dense(self = false), weight = each(fan_in)").weight.value == Number(39.0)
    assert connection("a -> a: random(p = 0.5, self = false), weight = each(fan_out)").weight.value == Number(19.5)
    assert connection("a -> b: dense(self = false), weight = each(fan_in)").weight.value == Number(40.0)


@pytest.mark.parametrize(
    "written, shape, pattern",
    [
        ("conv2d(kernel = [3, 3], channels = 4)", (4, 4, 4), Convolution((3, 3), (1, 1), ((0, 0), (0, 0)), 4)),
        ("conv2d(kernel = [3, 3], padding = same, channels = 4)", (6, 6, 4), Convolution((3, 3), (1, 1), ((1, 1), (1, 1)), 4)),
        ("conv2d(kernel = [2, 3], stride = [2, 2], padding = same, channels = 1)", (3, 3), Convolution((2, 3), (2, 2), ((0, 0), (0, 1)), 1)),
        ("conv2d(kernel = [3, 2], padding = [1, 0], channels = 1)", (6, 5, 1), Convolution((3, 2), (1, 1), ((1, 1), (0, 0)), 1)),
        ("pool2d(size = [2, 2])", (3, 3, 2), Pooling((2, 2), (2, 2))),
        ("pool2d(size = [3, 3], stride = [1, 1])", (4, 4, 2), Pooling((3, 3), (1, 1))),
    ],
)  # fmt: skip
def test_images_fit_windows(written, shape, pattern):
    population = f"population c: LIF[{', '.join(map(str, shape))}]"
    assert connection(f"x -> c: {written}, weight = each(1)", populations=population).pattern == pattern
    wrong = f"population c: LIF[{', '.join(map(str, (shape[0] + 1, *shape[1:])))}]"
    code, _, found = mistake(f"x -> c: {written}, weight = each(1)", populations=wrong)
    expected = " x ".join(map(str, shape if len(shape) == 3 else (*shape, 1)))
    assert code == "shape-mismatch" and f"this makes {expected} neurons" in found.message and "LIF[" in found.help[0]


def test_fans_of_a_convolution_are_kernel_times_channels():
    found = connection("x -> c: conv2d(kernel = [3, 3], channels = 4), weight = each(fan_in + 1000 * fan_out)",
        populations="population c: LIF[4, 4, 4]")  # fmt: skip
    assert found.weight.value == Number(18.0 + 36000.0)


@pytest.mark.parametrize(
    "written, code, place",
    [
        ("random", "wrong-argument", "random"),
        ("random(p = 0.1, fan_in = 3)", "wrong-argument", "random(p = 0.1, fan_in = 3)"),
        ("random(p = 1.5)", "wrong-argument", "1.5"),
        ("random(p = exp(-abs(i - j)))", "wrong-argument", "i"),
        ("random(fan_in = 41)", "wrong-argument", "41"),
        ("random(fan_out = 11)", "wrong-argument", "11"),
        ("random(p = 0.1, repeats = true)", "wrong-argument", "true"),
        ("random(prob = 0.1)", "wrong-argument", "prob = 0.1"),
        ("dense(self = 3)", "wrong-argument", "3"),
        ("conv2d(kernel = [3, 3], channels = 2)", "shape-mismatch", "conv2d(kernel = [3, 3], channels = 2)"),
        ("one_to_one", "shape-mismatch", "one_to_one"),
    ],
)  # fmt: skip
def test_mistakes_in_a_pattern(written, code, place):
    assert mistake(f"a -> b: {written}, weight = 1")[:2] == (code, place)


# ---------------------------------------------------------------------------------------------------------- parts
@pytest.mark.parametrize(
    "written, meant", [("all_to_all", "dense"), ("fixed_indegree(indegree = 3)", "random(fan_in = …)")]
)
def test_patterns_of_other_simulators_are_known_by_their_names(written, meant):
    assert mistake(f"a -> b: {written}, weight = 0.1")[2].help == (f"write `{meant}`",)


@pytest.mark.parametrize(
    "population, code, place, help",
    [
        ("LIF(10)", "wrong-shape", "LIF", "write `LIF[10]`"),
        ("poisson(10, rate = 5 Hz)", "wrong-shape", "poisson", "write `poisson[10]`"),
        ("LIF[10](v_reset = 0)", "unknown-name", "v_reset", "it has `tau_m`, `theta`, `dampening`, `bias`"),
        ("PoissonGroup[3]", "unknown-model", "PoissonGroup", "did you mean `poisson`?"),
    ],
)
def test_a_population_of_another_simulators_words_is_mended_in_one_go(population, code, place, help):
    found = mistake("a -> b: dense, weight = 1", populations=f"population new: {population}")
    assert (*found[:2], found[2].help[0]) == (code, place, help)


@pytest.mark.parametrize("name, part", [("spike_generator", "spike_times"), ("dc_generator", "stimulate")])
def test_sources_of_other_simulators_are_told_what_they_are_here(name, part):
    assert part in mistake("a -> b: dense, weight = 1", populations=f"population new: {name}[3]")[2].help[0]


def test_a_slice_is_a_part_of_each_dimension():
    found = connection("x[1:3, 0:6, 1] -> b: dense, weight = each(fan_in)")
    assert found.source_part == Part((6, 6, 2), ((1, 3), (0, 6), (1, 2))) and found.weight.value == Number(12.0)
    assert connection("a[3] -> b[5:10]: dense, weight = 1").target_part == Part((10,), ((5, 10),))
    assert connection("x[2] -> b: dense, weight = each(fan_in)").weight.value == Number(12.0)


@pytest.mark.parametrize(
    "end, place", [("a[0:41]", "0:41"), ("a[3:3]", "3:3"), ("a[0, 1]", "1"), ("a[40]", "40"), ("a[0.5]", "0.5")]
)
def test_a_part_lies_in_its_population(end, place):
    assert mistake(f"{end} -> b: dense, weight = 1")[:2] == ("wrong-shape", place)


# -------------------------------------------------------------------------------------------------------- weights
@pytest.mark.parametrize(
    "written, value",
    [
        ("glorot()", Apply("uniform", (Number(-math.sqrt(6 / 50)), Number(math.sqrt(6 / 50))))),
        ("glorot(gain = 2)", Apply("uniform", (Number(-2 * math.sqrt(6 / 50)), Number(2 * math.sqrt(6 / 50))))),
        ("kaiming()", Apply("normal", (Number(0.0), Number(math.sqrt(2) / math.sqrt(40))))),
        ("orthogonal(gain = 0.5)", Apply("orthogonal", (Number(0.5),))),
    ],
)
def test_initial_weights_are_functions_of_the_fans(written, value):
    weight = connection(f"a -> b: dense, weight = {written}").weight
    assert weight.value == value and weight.storage == "each"


def test_what_only_a_matrix_or_known_fans_can_have():
    assert mistake("a -> b: random(p = 0.1), weight = orthogonal()")[:2] == ("wrong-argument", "orthogonal()")
    assert mistake("a -> a: dense(self = false), weight = orthogonal()")[:2] == ("wrong-argument", "orthogonal()")
    assert mistake("a -> b: sparse, weight = kaiming()")[:2] == ("misplaced", "kaiming()")
    of_places = "x -> made: conv2d(kernel = [3, 3], channels = 4), weight = 1 / (1 + abs(i - j))"
    code, place, found = mistake(of_places, populations="population made: LIF[4, 4, 4]")
    assert (code, place) == ("wrong-argument", "1 / (1 + abs(i - j))") and "means nothing" in found.message
    assert connection("a -> b: sparse, weight = each(0.1)").pattern == Sparse()


def test_signs_dropout_and_bounds():
    found = connection("a -> b: dense, weight = normal(1, 0.2, clip = [0, 2]) in [0, 3], sign = fixed, dropout = 0.2")
    assert (found.sign_fixed, found.dropout, found.weight.clip, found.weight.bounds) == (
        True,
        0.2,
        (0.0, 2.0),
        (0.0, 3.0),
    )
    assert mistake("a -> b: dense, weight = 4 in [0, 3]")[:2] == ("wrong-argument", "4")
    assert mistake("a -> b: dense, weight = 1, sign = free")[:2] == ("wrong-argument", "free")
    assert mistake("a -> b: dense, weight = 1, dropout = 1")[:2] == ("wrong-argument", "1")


def test_rewiring_needs_room_for_other_synapses_and_a_weight_for_each():
    found = connection("a -> b: random(p = 0.1), weight = each(1), rewire = deep_r(l1 = 1e-4)")
    assert found.rewiring == Rewiring(1e-4, 0.0)
    assert connection("a -> b: random(p = 0.1), weight = each(1), rewire = deep_r").rewiring == Rewiring()
    for options, wrong in {
        "dense, weight = each(1), rewire = deep_r()": "deep_r()",
        "random(p = 0.1), weight = 1, rewire = deep_r()": "deep_r()",
        "random(p = 0.1), weight = each(1), rewire = deep_r(l1 = -1)": "-1",
        "random(p = 0.1), weight = each(1), rewire = deep_r(heat = 1)": "heat = 1",
        "random(p = 0.1), weight = each(1), rewire = deep_r(0, 1, 2)": "2",
    }.items():
        assert mistake(f"a -> b: {options}")[:2] == ("wrong-argument", wrong)
    twice = "a -> b: random(p = 0.1), weight = each(1), rewire = deep_r(l1 = 1, l1 = 2)"
    assert mistake(twice)[:2] == ("duplicate", "l1 = 2")
    assert mistake("a -> b: random(p = 0.1), weight = each(1), rewire = set")[:2] == ("unknown-name", "set")
    share = "second = a -> b: random(p = 0.1), share = a_b"
    assert mistake("a -> b: random(p = 0.1), weight = each(1), rewire = deep_r()", share)[:2] == (
        "wrong-argument",
        "share = a_b",
    )


def test_weights_can_be_shared_also_turned_round():
    back = connection("back = b -> a: dense, share = a_b transposed, delay = 1 ms", "a -> b: dense, weight = each(1)")
    assert back.name == "a_b" and back.share is None
    m = model_of_text(
        text("back = b -> a: dense, share = a_b transposed, delay = 1 ms", "a -> b: dense, weight = each(1)")
    )
    assert [(c.name, c.share) for c in m.connections] == [("back", ("a_b", True)), ("a_b", None)]
    turned = mistake(
        "a -> b: random(p = 0.1), weight = each(1)", "back = b -> a: dense, share = a_b transposed, delay = 1 ms"
    )
    assert turned[:2] == ("wrong-argument", "share = a_b transposed")
    wrong = mistake("a -> b: dense, weight = each(1)", "second = b -> a: dense, share = a_b")
    assert wrong[:2] == ("shape-mismatch", "share = a_b")
    assert mistake("a -> b: dense, weight = 1", "second = a -> b: dense, share = a_c")[:2] == ("unknown-name", "a_c")


def test_a_share_of_what_has_no_weights_says_whose_they_are():
    own = "a -> b: dense, weight = each(1)"
    itself = mistake(own, "second = a -> b: dense, share = second")
    assert itself[:2] == ("wrong-argument", "second") and itself[2].message == "`second` names itself"
    third = "third = a -> b: dense, share = second"
    for order in ((third, "second = a -> b: dense, share = a_b"), ("second = a -> b: dense, share = a_b", third)):
        chain = mistake(own, *order)
        assert chain[:2] == ("wrong-argument", "second") and chain[2].message == "`second` has no weights of its own"
        assert chain[2].help == ("share the weights of `a_b`",)
    with pytest.raises(DiagnosticError) as refused:
        model_of_text(text(own, third, "second = a -> b: dense, share = third"))
    (found,) = (d for d in refused.value.diagnostics if d.severity == "error")
    assert found.message == "`second` has no weights of its own"
    assert found.help == ("give one of them a `weight`, which the others share",)


def test_what_does_not_fit_says_how_it_lies_and_whose_pairs_are_its_own():
    part = mistake("a[0:4] -> b: dense, weight = each(1)", "second = a[0:4] -> b: dense, share = a_b transposed")[2]
    assert (
        part.message == "the weights of `a_b` transposed do not fit: dense 10 x 4" and part.label == "here dense 4 x 10"
    )
    assert not part.notes
    for pattern in ("random(p = 0.1)", "sparse"):
        same = mistake(f"a -> b: {pattern}, weight = each(1)", f"second = a -> b: {pattern}, share = a_b")[2]
        assert same.message == f"weights of `{pattern}` cannot be shared"
        assert same.help == ("share between connections that are `dense`, `one_to_one` or `conv2d`",)


def test_the_sign_is_kept_where_the_weights_are():
    for own, help in (("", "write `sign = fixed` in `a_b`"), (", sign = fixed", "leave it out: `a_b` keeps it")):
        found = mistake(f"a -> b: dense, weight = each(1){own}", "second = a -> b: dense, share = a_b, sign = fixed")
        assert found[:2] == ("wrong-argument", "sign = fixed") and found[2].help == (help,)
    assert mistake("a -> b: dense, weight = each(1) transposed")[0] == "misplaced"


# --------------------------------------------------------------------------------------------------------- delays
def test_a_drawn_delay_is_a_parameter_raised_to_the_smallest_legal_one():
    found = connection("a -> b: dense, weight = 1, delay = uniform(0.5 ms, 2 ms)")
    assert (found.delay.storage, found.delay_steps) == ("each", 0)
    assert found.delay.value == Apply("uniform", (Number(0.5), Number(2.0)))
    assert connection("a -> a: dense, weight = 1, delay = each(1 ms)").delay_steps == 1
    m = model_of_text(text("a -> b: dense, weight = 1", "b -> a: dense, weight = 1, delay = exponential(1 ms)"))
    assert [c.delay_steps for c in m.connections] == [0, 1]  # the drawn one keeps the cycle apart


def test_a_delay_may_depend_on_the_indices_and_have_a_dendritic_part():
    found = connection(
        "a -> b: dense, weight = each(1), delay = each(1 ms + 0.1 ms * abs(i - j)), plasticity = stdp(), post_delay = 0.5 ms"
    )
    assert found.delay.storage == "each" and found.post_delay_steps == 5
    assert mistake("a -> b: dense, weight = 1, post_delay = 1 ms")[:2] == ("wrong-argument", "post_delay = 1 ms")
    assert mistake("a -> b: dense, weight = 1, delay = uniform(1, 2)")[:2] == ("wrong-unit", "uniform(1, 2)")
    assert mistake("a -> b: dense, weight = 1, plasticity = stdp(), post_delay = -1 ms")[:2] == (
        "wrong-argument",
        "-1 ms",
    )

    misspelt = mistake("a -> b: dense, weight = 1, plasticity = sdtp(), post_delay = 1 ms")
    assert misspelt[:2] == ("unknown-model", "sdtp")


def test_one_mistake_is_said_once():
    silent = "population y: LI[3]"
    plastic = "y -> b: dense, weight = 1, plasticity = stdp()"
    assert mistake(plastic, populations=silent)[:2] == ("missing-spike", "y")
    rewired = text("a -> b: random(p = 0.1), weight = each(1), rewire = deep_r()")
    train = "train:\n    rule = bptt\n    loss = mse(mean(b.v))\n    optimiser = sgd()\n    learn = a_b.wieght\n"
    with pytest.raises(DiagnosticError) as error:
        model_of_text(rewired + train)
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    assert (found.code, found.span.text) == ("unknown-name", "a_b.wieght")


# -------------------------------------------------------------------------------------------------------- sources
@pytest.mark.parametrize(
    "rate, storage",
    [("5 Hz", "compiled"), ("uniform(1 Hz, 5 Hz)", "each"), ("each(5 Hz)", "each"), ("5 Hz adjustable", "shared")],
)
def test_a_poisson_rate_is_a_parameter(rate, storage):
    m = model_of_text(text("p -> b: one_to_one, weight = 1", populations=f"population p: poisson[10](rate = {rate})"))
    (parameter,) = m.population("p").parameters
    assert (parameter.name, parameter.storage, str(parameter.unit)) == ("rate", storage, "kHz")


@pytest.mark.parametrize(
    "written, code, place",
    [
        ("poisson[3]", "wrong-argument", "poisson"),
        ("poisson[3](rate = 5)", "wrong-unit", "5"),
        ("poisson[3](rate = -5 Hz)", "wrong-argument", "-5 Hz"),
        ("poisson[3](5 Hz)", "wrong-argument", "5 Hz"),
        ("spike_times[3](rate = 5 Hz)", "wrong-argument", "rate = 5 Hz"),
        ("signal[3](as = current)", "wrong-argument", "current"),
    ],
)
def test_mistakes_in_a_source(written, code, place):
    found = mistake(populations=f"population p: {written}")
    assert found[0] == code and found[1].startswith(place)


def test_times_of_spikes_are_a_source():
    assert connection("s -> b[0:5]: one_to_one, weight = 1").source == "s"


@pytest.mark.parametrize(
    "weight, where",
    [
        ("normal(3, -1)", "-1"), ("lognormal(0, -1)", "-1"), ("gamma(0, 1)", "0"), ("gamma(2, -1)", "-1"),
        ("exponential(-2)", "-2"), ("uniform(3, 1)", "1"), ("normal(0, 1, clip = [8, 9])", "[8, 9]"),
        ("lognormal(0, 1, clip = [-1, 0])", "[-1, 0]"), ("uniform(0, 1, clip = [2, 3])", "[2, 3]"),
        ("exponential(1, clip = [-2, 0])", "[-2, 0]"), ("gamma(2, 1, clip = [-2, 0])", "[-2, 0]"),
    ],
)  # fmt: skip
def test_what_no_draw_can_give_is_a_mistake(weight, where):
    assert mistake(f"a -> b: dense, weight = {weight}")[:2] == ("wrong-argument", where)


@pytest.mark.parametrize(
    "weight", ["normal(1, 0)", "exponential(0)", "normal(0, 1, clip = [2, 9])", "gamma(2, 1, clip = [0, 1])"]
)
def test_draws_at_the_edge_of_what_there_is_stand(weight):
    assert connection(f"a -> b: dense, weight = {weight}").weight.storage == "each"
