"""Numbers of a source: in the consistent system, once or for each, build-time parameters,
and where the language draws a line.
"""

import math

import pytest
from resolving import HEAD, NETWORK, TRAIN, mistakes, model, parameter, small

from sncc.diagnostics import DiagnosticError
from sncc.expressions.nodes import Apply, Number


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


def test_the_step_is_a_number_wherever_a_constant_may_stand():
    text = """
function decay(tau) = exp(-step / tau)
neuron Cell:
    param tau = 20 ms
    param alpha = decay(tau)
    state v = step / (1 ms)
    input I
    each step: v = alpha * v + I
network N:
    step = 0.5 ms
    population x: poisson[3](rate = 0.1 / step)
    population a: Cell[3](tau = 4 * step)
    connect x -> a: dense, weight = 1 - decay(20 ms), delay = 2 * step
simulate:
    duration = 20 * step
"""
    found = model(text)
    (connection,) = found.connections
    assert connection.delay_steps == 2 and connection.weight.value == Number(1 - math.exp(-0.025))
    assert found.simulation.duration_steps == 20 and found.population("x").parameters[0].value == Number(0.2)
    assert mistakes(text.replace("step = 0.5 ms", "step = 2 * step")) == [("unknown-name", 10)]


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


@pytest.mark.parametrize(
    "value",
    ["1e999", "1e-99999999 ms", "1e300 V", "2 ms^99999999", "(2 ms)^1e9", "(((2 ms)^20)^20)^20", "2^1e9", "10^400"],
)
def test_numbers_out_of_range_are_refused_at_once(value):
    (mistake,) = mistakes(f"param a = {value}" + small())
    assert mistake[1] == 1


@pytest.mark.parametrize(
    "written, help", [("gauss(0, 1)", "drawn by `normal`"), ("Normal(0, 1)", "did you mean `normal`?")]
)
def test_what_a_number_is_drawn_by_is_not_taken_for_the_shape_of_a_surrogate(written, help):
    with pytest.raises(DiagnosticError) as caught:
        model(small(f"Leaky[n](theta = {written})"))
    (mistake,) = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert help in " ".join(mistake.help) and "gaussian" not in str(caught.value)
    with pytest.raises(DiagnosticError, match="did you mean `triangle`"):
        model(small(head=HEAD.replace("triangle(", "triangel(")))


def test_an_index_where_there_is_none_says_where_there_is_one():
    with pytest.raises(DiagnosticError, match="help: `i` and `j`, the indices of neurons"):
        model(small("Leaky[n](theta = 0.5 + 0.1 * i)"))


@pytest.mark.parametrize(
    "written, refused", [("gaussian(0, 0.1)", True), ("triangle(1)", True), ("gaussian(theta0 - 1)", False)]
)
def test_the_shape_of_a_surrogate_at_a_written_number_is_not_taken_for_a_distribution(written, refused):
    text = "param theta0 = 1\n" + small(f"Leaky[n](theta = {written})")
    if not refused:
        assert model(text).populations
        return
    with pytest.raises(DiagnosticError, match="it draws nothing") as caught:
        model(text)
    assert "drawn by `normal`" in " ".join(caught.value.diagnostics[0].help)
