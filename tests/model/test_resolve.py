import math
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from networks import unit_of_an_impulse

from sncc.diagnostics import DiagnosticError, Diagnostics
from sncc.expressions.nodes import Apply, Number, walk
from sncc.expressions.printer import print_expression
from sncc.model.nodes import Learnt, Loss
from sncc.model.resolve import load_model, model_of_text
from sncc.model.scope import library, library_files
from sncc.syntax import tree

HEAD = """
param n = 4
neuron Leaky:
    param tau = 20 ms
    param theta = 1
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > theta:
        reset v -= theta
    surrogate triangle(width = theta, height = 0.3 / theta)
"""
NETWORK = """
network N:
    step = 1 ms
    population x: input[2, 3]
    population h: Leaky[n]
    population y: LI[2]
    connect x -> h: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect h -> h: dense, weight = 0.5
    connect h -> y: one_to_one, weight = each(fan_out)
"""
TRAIN = """
train:
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = adam(learning_rate = 1e-3)
"""


def model(text, settings=None, **options):
    return model_of_text(text, settings, **options)


def mistakes(text, settings=None):
    """The code and the line of every error."""
    with pytest.raises(DiagnosticError) as error:
        model_of_text(text, settings)
    return [(d.code, d.span.line if d.span else 0) for d in error.value.diagnostics if d.severity == "error"]


def small(population="Leaky[n]", n=2, head=HEAD, **extra):
    return head + f"network N:\n    step = 1 ms\n    population h: {population}\n" + "".join(extra.values())


def parameter(text, name="tau", **options):
    return model(text, **options).population("h").parameter(name)


# ------------------------------------------------------------------------------------------------------- numbers
def test_numbers_leave_in_the_consistent_system():
    text = small("Leaky[n](tau = 0.02 s)")
    tau = parameter(text)
    assert tau.value == Number(20.0) and tau.scale == 1000.0 and tau.unit.to_si == 1e-3 and tau.storage == "compiled"


def test_a_build_time_parameter_is_a_number_everywhere_and_can_be_set():
    assert model(small()).population("h").shape == (4,)
    assert model(small(), {"n": "2 * 3"}).population("h").shape == (6,)
    assert model(small(), {"n": 7}).population("h").shape == (7,)
    text = "param tau = 10 ms\n" + small("Leaky[n](tau = 2 * tau)")
    assert parameter(text, settings={"tau": "1 s"}).value == Number(2000.0)
    assert parameter(text, settings={"tau": 0.5}).value == Number(1000.0)  # a number is in SI units: seconds
    assert mistakes(text, {"tau": "1 mV"}) == [("wrong-unit", 1)]


def test_fans_are_numbers_and_constants_are_computed():
    weights = {c.name: c.weight for c in model(HEAD + NETWORK.replace("LI[2]", "LI[n]")).connections}
    assert (
        weights["x_h"].value == Apply("normal", (Number(0.0), Number(1 / math.sqrt(6))))
        and weights["x_h"].storage == "each"
    )
    assert weights["h_h"].value == Number(0.5) and weights["h_h"].storage == "compiled"
    assert weights["h_y"].value == Number(1.0) and weights["h_y"].storage == "each"


@pytest.mark.parametrize(
    "value, storage",
    [("20 ms", "compiled"), ("each(20 ms)", "each"), ("normal(20 ms, 1 ms)", "each"), ("2 * 10 ms", "compiled")],
)
def test_each_and_distributions_make_one_number_per_neuron(value, storage):
    assert parameter(small(f"Leaky[n](tau = {value})")).storage == storage


def test_learnt_and_adjustable_numbers_are_stored_once():
    learnt = HEAD + NETWORK.replace("LI[2]", "LI[n]") + TRAIN + "    learn = weights, h.theta\n"
    m = model(learnt)
    assert (
        m.population("h").parameter("theta").storage == "shared"
        and m.population("h").parameter("tau").storage == "compiled"
    )
    assert {c.name: c.weight.storage for c in m.connections} == {"x_h": "each", "h_h": "shared", "h_y": "each"}
    adjustable = HEAD.replace("tau = 20 ms", "tau = 20 ms adjustable")
    assert parameter(small(head=adjustable)).storage == "shared"


def test_a_redraw_and_bounds_are_kept_in_memory_units():
    text = small("Leaky[n](tau = normal(20 ms, 5 ms, clip = [1 ms, 0.1 s]))")
    assert parameter(text).clip == (1.0, 100.0)
    bounded = NETWORK.replace("weight = 0.5", "weight = 0.5 in [0, 2]").replace("LI[2]", "LI[n]")
    assert {c.name: c.weight.bounds for c in model(HEAD + bounded).connections}["h_h"] == (0.0, 2.0)


# ---------------------------------------------------------------------------------------------------------- units
COBA = """
neuron Coba:
    param g_l = 10 nS
    param c_m = 200 pF
    param e_l = -70 mV
    state v = -70 mV
    state g = 0 nS
    input I
    input G
    let total = g * (0 mV - v) + I
    dv/dt = (g_l * (e_l - v) + total) / c_m
    dg/dt = -g / (5 ms) + G
    spike when v > -50 mV:
        reset v = e_l
        g *= 0.5
    surrogate triangle(width = 10 mV, height = 0.3 / (10 mV))
"""


def coba(weights):
    return (
        COBA
        + "network N:\n    step = 1 ms\n    population x: input[3]\n    population s: signal[3]\n"
        + ("    population h: Coba[3], v = uniform(-70 mV, -60 mV)\n" + weights)
    )


def test_inputs_get_their_unit_from_the_equations():
    inputs = model(coba("")).population("h").dynamics.inputs
    assert [(i.name, str(i.unit)) for i in inputs] == [("I", "pA"), ("G", "nS/ms")]


@pytest.mark.parametrize(
    "source, target, weight, good",
    [
        ("x", "G", "6 nS", True), ("x", "G", "6", False), ("x", "I", "3 pA * 1 ms", True), ("x", "I", "3 pA", False),
        ("s", "I", "3 pA", True), ("x", "G", "0", True), ("x", "G", "normal(0, 1 nS)", True), ("x", "G", "normal(1, 1 nS)", False),
    ],
)  # fmt: skip
def test_a_weight_has_the_unit_that_its_target_asks_for(source, target, weight, good):
    text = coba(f"    connect {source} -> h.{target}: dense, weight = {weight}\n")
    if good:
        model(text)
    else:
        assert [code for code, _ in mistakes(text)] == ["wrong-unit"]


def test_a_signal_takes_its_unit_from_its_first_weight():
    m = model(coba("    connect s -> h.I: one_to_one, weight = 20\n"))
    assert str(m.population("s").unit) == "pA"
    assert model(coba("    connect s -> h.I: one_to_one, weight = 20 pA\n")).population("s").unit.dimensionless


def test_plain_numbers_drive_a_plain_network():
    m = model(small(connect="    population x: input[2]\n    connect x -> h: dense, weight = 2\n"))
    assert str(m.population("h").dynamics.inputs[0].unit) == "kHz" and m.connections[0].weight.unit.dimensionless


def test_in_a_map_a_weight_is_a_plain_addend():
    text = """
neuron Map:
    state v = 0 mV
    input I
    each step: v = 0.9 * v + I
    spike when v > 1 mV: reset v -= 1 mV
network N:
    step = 1 ms
    population x: input[2]
    population h: Map[2]
    connect x -> h: dense, weight = 2 mV
"""
    assert str(model(text).population("h").dynamics.inputs[0].unit) == "mV"
    assert mistakes(text.replace("2 mV\n", "2\n")) == [("wrong-unit", 11)]


def test_an_input_that_equations_leave_open_follows_its_use():
    text = """
neuron Product:
    state v = 0
    input a
    input b
    dv/dt = -v / (20 ms) + a * b
network N:
    step = 1 ms
    population s: signal[2]
    population h: Product[2]
    connect first = s -> h.a: dense, weight = 2 mV
"""
    a, b = model(text).population("h").dynamics.inputs
    assert str(a.unit) == "mV" and str(b.unit) == "1/mV/ms"


def test_functions_take_defaults_keywords_and_any_unit():
    head = "function scaled(x, by = 2) = x * by\n" + HEAD
    assert parameter(small("Leaky[n](tau = scaled(10 ms))", head=head)).value == Number(20.0)
    assert parameter(small("Leaky[n](theta = scaled(by = 3, x = 1))", head=head), "theta").value == Number(3.0)


def test_a_unit_is_a_name_where_something_is_called_so():
    text = """
neuron HH:
    state m = 0
    input I
    dm/dt = (1 - m) / (1/kHz) + I
network N:
    step = 1 ms
    population h: HH[2]
"""
    equation = model(text).population("h").dynamics.equations[0]
    assert print_expression(equation.derivative).startswith("(1 - m) /")


# ------------------------------------------------------------------------------------------------------ dynamics
def test_lets_and_functions_are_substituted_and_jumps_written_out():
    d = model(coba("")).population("h").dynamics
    assert print_expression(d.equations[0].derivative) == "(g_l * (e_l - v) + g * (0 - v) + I) / c_m"
    assert [(a.state, print_expression(a.value), a.reset) for a in d.spike.jumps] == [
        ("v", "e_l", True),
        ("g", "g * 0.5", False),
    ]
    assert print_expression(d.surrogate) == "0.3 / 10 * max(0, 1 - abs(u) / 10)"


@pytest.mark.parametrize(
    "written, distance, strict",
    [
        ("v > theta", "v - theta", True),
        ("v >= theta", "v - theta", False),
        ("theta < v", "v - theta", True),
        ("theta <= v", "v - theta", False),
    ],
)
def test_a_threshold_is_the_distance_to_it(written, distance, strict):
    spike = model(small(head=HEAD.replace("v > theta", written))).population("h").dynamics.spike
    assert print_expression(spike.distance) == distance and spike.strict is strict


def test_each_step_refractory_and_method():
    text = HEAD.replace("    surrogate", "    refractory 2 ms hold v\n    method = heun\n    surrogate")
    d = model(small(head=text)).population("h").dynamics
    assert d.refractory.duration == Number(2.0) and d.refractory.hold == ("v",) and d.method == "heun"


def test_a_neuron_that_no_population_uses_is_checked_too():
    assert mistakes(
        NETWORK.replace("Leaky[n]", "LIF[4]").replace("LI[2]", "LI[4]") + HEAD.replace("/ tau", "/ tua")
    ) == [("unknown-name", 17)]


# --------------------------------------------------------------------------------------------------- connections
def connections(lines, step="1 ms"):
    text = HEAD + f"network N:\n    step = {step}\n    population x: input[4]\n"
    for name in "abc":
        text += f"    population {name}: Leaky[4]\n"
    return text + "".join(f"    connect {line}\n" for line in lines)


def delays(lines, **options):
    return [c.delay_steps for c in model(connections(lines, **options)).connections]


def test_delays_are_whole_steps_halves_up_and_default_to_none():
    lines = [
        f"c{k} = x -> a: dense, weight = 1, delay = {d}"
        for k, d in enumerate(["1.5 ms", "0.15 ms", "0.25 ms", "0.05 ms"])
    ]
    assert delays(lines, step="0.1 ms") == [15, 2, 3, 1]
    assert delays(["x -> a: dense, weight = 1", "a -> a: dense, weight = 1"]) == [0, 1]


def test_a_cycle_needs_one_delay_and_not_more():
    lines = ["a -> b: dense, weight = 1", "b -> c: dense, weight = 1", "c -> a: dense, weight = 1"]
    assert [code for code, _ in mistakes(connections(lines))] == ["cycle-without-delay"]
    assert delays([lines[0] + ", delay = 2 ms", *lines[1:]]) == [2, 0, 0]


def test_names_are_source_and_target_unless_given():
    names = [
        c.name
        for c in model(connections(["x -> a: dense, weight = 1", "second = x -> a: dense, weight = 1"])).connections
    ]
    assert names == ["x_a", "second"]


def test_a_loop_may_count_from_below_zero():
    lines = (
        "network N:",
        "    step = 1 ms",
        "    for k in -2..1:",
        "        population p{k + 2}: LIF[k + 3](theta = k)",
    )
    found = model_of_text("\n".join(lines) + "\n").populations
    assert [(p.name, p.shape, p.parameter("theta").value.value) for p in found] == [
        ("p0", (1,), -2.0), ("p1", (2,), -1.0), ("p2", (3,), 0.0),
    ]  # fmt: skip


def test_loops_are_unrolled():
    text = (
        HEAD
        + """
network N:
    step = 1 ms
    population x: input[n]
    for k in 0..n:
        population p{k}: Leaky[n](theta = 1 + k)
        connect x -> p{k}: dense, weight = {k}
        for target in x0, x1:
            connect {target}{k} = p{k} -> out: dense, weight = 1
    population out: LI[3]
    connect chain = p{1}0 -> out: dense, weight = 1
""".replace("p{1}0", "p0")
    )
    m = model(text)
    assert [p.name for p in m.populations] == ["x", "p0", "p1", "p2", "p3", "out"]
    assert m.population("p3").parameter("theta").value == Number(4.0)
    assert [c.name for c in m.connections][:4] == ["x_p0", "x00", "x10", "x_p1"]
    assert mistakes(text.replace("chain = p0", "chain = p{k}"))[0][0] == "unknown-name"


# -------------------------------------------------------------------------------------------------------- training
def training(loss="cross_entropy(mean(y.v))", settings=None, **others):
    text = HEAD + NETWORK.replace("LI[2]", "LI[n]") + TRAIN.replace("cross_entropy(mean(y.v))", loss)
    return model(text + "".join(f"    {key} = {value}\n" for key, value in others.items()), settings).training


@pytest.mark.parametrize(
    "text, loss",
    [
        ("cross_entropy(mean(y.v))", Loss("cross_entropy", "y", "v", "mean", None)),
        ("cross_entropy(max(y.v))", Loss("cross_entropy", "y", "v", "max", None)),
        ("mse(last(y.v))", Loss("mse", "y", "v", "last", None)),
        ("mean(cross_entropy(y.v))", Loss("cross_entropy", "y", "v", None, "mean")),
        ("sum(huber(y.v))", Loss("huber", "y", "v", None, "sum")),
        ("cross_entropy(count(h))", Loss("cross_entropy", "h", "spikes", "sum", None)),
        ("cross_entropy(mean(h.spikes))", Loss("cross_entropy", "h", "spikes", "mean", None)),
        ("cross_entropy(mean(y.v, from = 50 ms))", Loss("cross_entropy", "y", "v", "mean", None, (50, None))),
        ("mean(cross_entropy(y.v), from = 5 ms, to = 9 ms)", Loss("cross_entropy", "y", "v", None, "mean", (5, 9))),
        ("0.5 * mse(mean(y.v)) / 2", Loss("mse", "y", "v", "mean", None, factor=0.25)),
    ],
)
def test_losses(text, loss):
    assert replace(training(text).losses[0], span=None) == loss


def test_a_window_stands_in_what_goes_over_the_steps():
    with pytest.raises(DiagnosticError, match=r"write `mean\(cross_entropy\(…\), from = 5 ms\)`"):
        training("mean(cross_entropy(y.v, from = 5 ms))")


def test_the_optimiser_has_all_its_settings():
    t = training(schedule="cosine(final = 0.1)", clip="norm(1)", batch="64")
    assert t.optimiser.settings == (("learning_rate", 1e-3), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8))
    assert t.optimiser.schedule == ("cosine", (("final", 0.1), ("warmup", 0.0))) and t.optimiser.clip == ("norm", 1.0)
    assert t.batch == 64 and training().batch == 32


def test_optimisers_and_schedules_are_those_that_later_stages_carry_out():
    from sncc.gradients.optimisers import OPTIMISERS
    from sncc.model import training as module
    from sncc.runtime.schedules import SCHEDULES

    assert {name: dict(numbers) for name, numbers in module.OPTIMISERS.items()} == {
        name: dict(formula.settings) for name, formula in OPTIMISERS.items()
    }
    for name, numbers in module.SCHEDULES.items():
        function = SCHEDULES[name]
        defaults = function.__defaults__ or ()
        assert dict(numbers) == dict(zip(function.__code__.co_varnames[1 : 1 + len(defaults)], defaults, strict=True))
    assert set(module.SCHEDULES) == set(SCHEDULES)


def test_what_is_learnt():
    assert [learnt.key for learnt in training().learn] == ["x_h.weight", "h_h.weight", "h_y.weight"]
    t = training(learn="h_y.weight, h.tau(rate = 0.1, in = [2 ms, 0.5 s]), y.bias")
    assert t.learn == (Learnt("h_y.weight"), Learnt("h.tau", 0.1, (2.0, 500.0)), Learnt("y.bias"))


def test_learnt_time_constants_stay_above_the_step():
    assert training(learn="weights, h.tau").learn[-1] == Learnt("h.tau", 1.0, (1.0, math.inf))
    assert training(learn="weights, h.tau(in = [0.1 ms, 9 ms])").learn[-1].bounds == (1.0, 9.0)
    m = model(HEAD + NETWORK.replace("LI[2]", "LI[n]") + TRAIN + "    learn = h.tau\n")
    assert m.population("h").parameter("tau").bounds == (1.0, math.inf)


def test_settings_replace_keys_of_blocks():
    t = training(
        settings={"train.rule": "eprop(feedback = symmetric)", "train.batch": 8, "train.learn": "weights, h.tau"}
    )
    assert t.rule.name == "eprop" and t.batch == 8 and t.learn[-1].key == "h.tau"
    assert model(small(), {"network.step": "0.5 ms"}).step == 0.5


def test_files_import_others(tmp_path):
    (tmp_path / "models.snn").write_text('param n = 4\nimport "more.snn"\n' + HEAD.replace("param n = 4\n", ""))
    (tmp_path / "more.snn").write_text("function twice(x) = 2 * x\n")
    (tmp_path / "net.snn").write_text('import "models.snn"\n' + NETWORK.replace("LI[2]", "LI[twice(2)]"))
    assert load_model(tmp_path / "net.snn").population("h").model == "Leaky"
    (tmp_path / "more.snn").write_text('import "models.snn"\n')
    with pytest.raises(DiagnosticError, match="imports itself"):
        load_model(tmp_path / "net.snn")


def test_one_of_several_networks_is_chosen():
    text = small() + NETWORK.replace("network N", "network Other").replace("LI[2]", "LI[4]")
    assert model(text, network="Other").name == "Other"
    with pytest.raises(DiagnosticError, match="several networks"):
        model(text)


# ------------------------------------------------------------------------------------------------- standard library
NEURONS = sorted(name for name, d in library().items() if isinstance(d, tree.Neuron))


@pytest.mark.parametrize("name", NEURONS)
def test_a_standard_neuron_is_documented_and_takes_weights(name):
    found = Diagnostics()
    text = f"network N:\n    step = 0.1 ms\n    population x: input[2]\n    population h: {name}[2]\n"
    weight = f"0.5{unit_of_an_impulse(name)}"
    m = model(text + f"    connect x -> h: dense, weight = {weight}\n", diagnostics=found)
    assert m.connections[0].weight.unit.dimensionless == (weight == "0.5") and not found.found
    d = m.population("h").dynamics
    assert len(m.population("h").doc) > 60 and (d.spike is None) == (d.surrogate is None)
    assert all(node.span is None or node.span.source.path for e in d.equations for node in walk(e.derivative))


def test_a_library_file_is_named_like_what_it_defines():
    names = {path.stem for path in library_files()}
    assert names == {name.lower() for name in library()} and {"lif", "cobalif", "adex", "hodgkinhuxley"} <= names


@pytest.mark.parametrize(
    "call, formula",
    [
        ("triangle(width = 0.6, height = 0.5)", lambda u: 0.5 * max(0, 1 - abs(u) / 0.6)),
        ("fast_sigmoid(slope = 5, height = 2)", lambda u: 2 / (1 + 5 * abs(u)) ** 2),
        ("atan(alpha = 3)", lambda u: 1.5 / (1 + (math.pi / 2 * 3 * u) ** 2)),
        ("sigmoid(slope = 4)", lambda u: 4 * math.exp(-4 * u) / (1 + math.exp(-4 * u)) ** 2),
        ("gaussian(sigma = 0.4, height = 1.5)", lambda u: 1.5 * math.exp(-u * u / (2 * 0.16))),
        ("boxcar(width = 0.3, height = 2)", lambda u: 2.0 if abs(u) < 0.3 else 0.0),
        ("exp(-u * u)", lambda u: math.exp(-u * u)),
    ],
)
def test_surrogates_are_their_formulas(call, formula):
    from sncc.expressions.evaluate import evaluate

    text = small(head=HEAD.replace("triangle(width = theta, height = 0.3 / theta)", call))
    surrogate = model(text).population("h").dynamics.surrogate
    for u in (-1.3, -0.25, 0.0, 0.1, 0.45, 2.0):
        assert math.isclose(float(evaluate(surrogate, {"u": u})), formula(u), rel_tol=1e-12, abs_tol=1e-15)


def test_examples_of_the_repository_resolve_without_a_word():
    for path in (Path(__file__).resolve().parents[2] / "examples").rglob("*.snn"):
        found = Diagnostics()
        load_model(path, diagnostics=found)
        assert not found.found, path


@pytest.mark.parametrize(
    "value",
    ["1e999", "1e-99999999 ms", "1e300 V", "2 ms^99999999", "(2 ms)^1e9", "(((2 ms)^20)^20)^20", "2^1e9", "10^400"],
)
def test_numbers_out_of_range_are_refused_at_once(value):
    (mistake,) = mistakes(f"param a = {value}" + small())
    assert mistake[1] == 1


def test_endless_loops_are_refused_at_once():
    loops = "    for k in 0..9999:\n        for l in 0..9999:\n            population p{k}{l}: input[2]\n"
    assert mistakes("network N:\n    step = 1 ms\n" + loops) == [("too-complex", 3)]


def test_damaged_programs_are_mistakes_and_never_crashes():
    random = Random(0)
    texts = [HEAD + NETWORK + TRAIN, coba("    connect x -> h.G: dense, weight = 6 nS\n")]
    words = [re.findall(r"\w+|\s+|[^\w\s]", text) for text in texts]
    for _ in range(150):
        damaged = list(random.choice(words))
        for _ in range(random.randint(1, 4)):
            place = random.randrange(len(damaged))
            damaged[place] = random.choice(["", random.choice(random.choice(words)), random.choice(damaged)])
        try:
            model_of_text("".join(damaged))
        except DiagnosticError as error:
            assert error.diagnostics and str(error)
