import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sncc
from sncc.runtime import Events, load

ROOT = Path(sncc.__file__).parent.parent


# ---------------------------------------------------------------- parameters
def test_parameters_are_read_only_copies(network):
    values = network.parameters["x_output.weight"]
    assert values.shape == (8, 3) and values.dtype == np.float64
    with pytest.raises(ValueError):
        values[0] = 1
    network.parameters["x_output.weight"] = np.ones((8, 3), ">i4")
    assert (values != 1).all() and (network.parameters["x_output.weight"] == 1).all()
    assert network.parameters["hidden.tau_m"].shape == () and np.isclose(network.parameters["hidden.tau_m"], 0.02)
    assert (
        list(network.parameters) == ["x_output.weight", "hidden.theta", "hidden.tau_m"] and len(network.parameters) == 3
    )


@pytest.mark.parametrize(
    "key, value, cause",
    [
        ("hidden.tau_m", 0.1, "adjustable.*learn.*each"),
        ("x_output.weight", np.zeros((3, 8)), r"shape \(8, 3\), not \(3, 8\)"),
        ("x_output.weight", 0.0, "nothing is broadcast"),
        ("x_output.weight", np.full((8, 3), np.nan), "NaN"),
        ("x_output.weight", np.full((8, 3), "a"), "real numbers"),
        ("x_output.weight", np.full((8, 3), 1j), "real numbers"),
        ("x_output.weight", [[1], [2, 3]], "x_output"),
        ("x_output.weight", np.full((8, 3), 5.1), r"bound in \[-5, 5\]"),
    ],
)
def test_wrong_values_are_refused(network, key, value, cause):
    before = network.parameters[key]
    with pytest.raises(ValueError, match=cause):
        network.parameters[key] = value
    assert np.array_equal(before, network.parameters[key])


def test_an_unknown_parameter_has_a_proposal(network):
    with pytest.raises(KeyError, match="did you mean `hidden.theta`"):
        network.parameters["hiden.theta"]
    assert "nothing" not in network.parameters and "hidden.theta" in network.parameters


# ---------------------------------------------------------------- simulation
def spikes_of(*pairs, steps=10):
    """Events of one sample from (step, neuron)."""
    counts = np.zeros((1, steps, 2, 3), int)
    for step, neuron in pairs:
        counts[0, step - 1, neuron // 3, neuron % 3] += 1
    return Events.from_dense(counts)


def test_a_run_records_spikes_in_seconds_and_states_after_each_step(network):
    run = network.simulate(
        duration=0.012, inputs={"x": spikes_of((1, 0), (3, 2), (3, 2), (10, 5))}, record=["hidden.v"]
    )
    assert np.allclose(run.spikes["hidden"].times, [0.001, 0.003]) and run.spikes["hidden"].neurons.tolist() == [0, 2]
    assert run.spikes["hidden"].times.dtype == np.float64
    assert np.allclose(run.spikes["x"].times, [0.001, 0.003, 0.003, 0.010]) and run.spikes["x"].neurons.tolist() == [
        0,
        2,
        2,
        5,
    ]
    trace = run.trace["hidden.v"]
    assert trace.shape == (12, 4) and trace[:, 0].tolist() == [1] * 12 and trace[:, 2].tolist() == [0, 0] + [2] * 10
    assert np.allclose(run.times["hidden.v"], np.arange(1, 13) * 1e-3) and run.duration == pytest.approx(0.012)


@pytest.mark.parametrize("seconds, steps", [(0.0025, 3), (0.0035, 4), (0.0005, 1), (0.00349, 3), (0.1, 100)])
def test_a_duration_is_rounded_to_steps_halves_up(network, seconds, steps):
    assert len(network.simulate(duration=seconds, record=["hidden.v"]).trace["hidden.v"]) == steps
    with pytest.raises(ValueError, match="more than 2147483646 steps"):
        network.simulate(duration=1e10)


def test_the_simulate_block_gives_duration_and_records(network):
    run = network.simulate(inputs={"x": spikes_of((1, 0))})
    assert run.duration == pytest.approx(0.05) and run.trace["hidden.v"].shape == (5, 4)
    assert network.simulate(record=()).trace == {}


def test_several_samples_have_an_axis(network):
    counts = np.zeros((3, 4, 6), int)
    counts[1, 2, 3] = counts[2, 0, 1] = 1
    run = network.simulate(
        duration=0.004, inputs={"x": Events.from_dense(counts)}, record=[("hidden.v", 0.002), "hidden[1:3].v"]
    )
    assert run.trace["hidden.v"].shape == (3, 2, 4) and run.trace["hidden[1:3].v"].shape == (3, 4, 2)
    assert run.spikes["hidden"].samples.tolist() == [1, 2] and np.allclose(run.spikes["hidden"].times, [0.003, 0.001])
    assert (
        run.trace["hidden.v"][1].tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]] and run.trace["hidden[1:3].v"][2, 0, 0] == 1
    )


def test_a_run_goes_on_where_the_last_one_ended(network):
    first = network.simulate(duration=0.005, inputs={"x": spikes_of((5, 1))}, record=["hidden.v"])
    second = network.simulate(duration=0.005, inputs={"x": spikes_of((2, 1))}, record=["hidden.v"], resume=True)
    assert first.trace["hidden.v"][-1, 1] == 1 and second.trace["hidden.v"][[0, -1], 1].tolist() == [1, 2]
    assert np.allclose(second.spikes["hidden"].times, [0.007]) and np.allclose(second.spikes["x"].times, [0.007])
    assert second.times["hidden.v"][0] == pytest.approx(0.006)
    assert network.simulate(duration=0.001, record=["hidden.v"]).trace["hidden.v"].sum() == 0


def test_steps_close_a_loop(network):
    network.simulate(duration=0.001, inputs={"x": spikes_of((1, 0))})
    network.reset()
    assert network.step({"x": [3, 1, 3]})["hidden"].tolist() == [1, 3]
    assert network.step()["hidden"].tolist() == []
    assert network.step({"x": np.array([0], ">u2"), "drive": [0.5, 0.5]})["hidden"].tolist() == [0]
    run = network.simulate(duration=0.001, record=["hidden.v"], resume=True)
    assert run.trace["hidden.v"].tolist() == [[1, 1, 0, 2]] and run.times["hidden.v"][0] == pytest.approx(0.004)
    read = network.step({"x": [1]}, record=["hidden.v", "hidden[1:3].v"])
    assert {name: values.tolist() for name, values in read.items() if "." in name} == {
        "hidden.v": [1, 2, 0, 2], "hidden[1:3].v": [2, 0],
    }  # fmt: skip
    later = network.step({"x": [1]}, record=np.array(["hidden.v", "hidden[1:3].v"]))
    assert later["hidden.v"].tolist() == [1, 3, 0, 2] and read["hidden.v"].tolist() == [1, 2, 0, 2]
    assert "hidden[1:3].v" not in network.step(record="hidden.v") and "hidden.v" not in network.step()
    for wrong in ({"x": [6]}, {"x": [-1]}, {"x": [0.5]}, {"x": [[0]]}, {"y": [0]}, {"drive": [0.0]}):
        with pytest.raises(ValueError):
            network.step(wrong)
    for name in ("hidden.u", "v", ("hidden.v", 0.002), None):
        with pytest.raises(ValueError, match="record|step"):
            network.step(record=[name])
    with pytest.raises(ValueError, match="`step` reads states"):
        network.step(record=None)


@pytest.mark.parametrize(
    "arguments, cause",
    [
        ({"duration": 0}, "duration"),
        ({"duration": -1.0}, "duration"),
        ({"duration": np.nan}, "duration"),
        ({"duration": 1e12}, "duration"),
        ({"duration": "100 ms"}, "number of seconds.*'100 ms'"),
        ({"duration": True}, "number of seconds"),
        ({"duration": np.timedelta64(5, "ms")}, "number of seconds"),
        ({"duration": 10**400}, "number of seconds"),
        ({"record": 3}, "list of"),
        ({"record": {"hidden.v": 0.001}}, "list of"),
        ({"record": [3]}, "an entry of `record`"),
        ({"record": [("hidden.v",)]}, "an entry of `record`"),
        ({"record": [("hidden.v", "1 ms")]}, "number of seconds"),
        ({"record": [("hidden.v", 1e300)]}, "multiple of the step"),
        ({"record": [("hidden.v", 1e308)]}, "multiple of the step"),  # as many steps as no double holds
        ({"record": ["hidden.v\n"]}, r"population\.state"),
        ({"record": ["output.spikes"]}, "`output` does not spike"),
        ({"record": ["drive.spikes"]}, "`drive` does not spike"),
        ({"record": [("hidden.spikes", 0.001)]}, "when they occur"),
        ({"resume": "no"}, "`resume` is True or False"),
        ({"verbose": 2.5}, "`verbose` is True or False"),
        ({"out": True}, "`out` is a path"),
        ({"out": ""}, "`out` is a path"),
        ({"seed": np.timedelta64(5)}, "seed"),
        ({"record": ["hidden"]}, r"population\.state"),
        ({"record": ["hiden.v"]}, "no population `hiden`"),
        ({"record": ["hidden.w"]}, "no state `w`"),
        ({"record": ["hidden[2:9].v"]}, "4 neurons"),
        ({"record": [("hidden.v", 0.0015)]}, "multiple of the step"),
        ({"record": [("hidden.v", 0)]}, "multiple of the step"),
        ({"record": ["hidden.v", "hidden.v"]}, "twice"),
        ({"inputs": {"y": 3}}, "no source `y`"),
        ({"inputs": Events.from_dense(np.zeros((1, 3, 5)))}, "shape"),
        ({"inputs": Events.from_dense(np.zeros((0, 3, 6)))}, "no samples"),
        ({"seed": -1}, "seed"),
        ({"trial": -1}, "trial"),
    ],
)
def test_wrong_runs_are_refused(network, arguments, cause):
    with pytest.raises(ValueError, match=cause):
        network.simulate(**arguments)


@pytest.mark.parametrize("write", ["save", "simulate"])
def test_where_nothing_can_be_written_is_said_first(network, tmp_path, write):
    def to(path):
        return network.save(path) if write == "save" else network.simulate(duration=0.001, out=path)

    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere$"):
        to(tmp_path / "nowhere" / "a.npz")
    with pytest.raises(IsADirectoryError, match="is a folder, not a file"):
        to(tmp_path)
    to(tmp_path / "with blanks, ü.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["with blanks, ü.npz"]


@pytest.mark.parametrize("write", ["save", "simulate"])
def test_a_file_takes_no_device_s_place_and_goes_where_a_link_leads(network, tmp_path, write):
    """A file that appears whole is renamed to its place: `/dev/null` would be one, for everybody."""

    def to(path):
        return network.save(path) if write == "save" else network.simulate(duration=0.001, out=path)

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe.npz").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "to-pipe.npz"):
        with pytest.raises(OSError, match=f"{name} is a pipe or a device, which a file cannot take the place of"):
            to(tmp_path / name)
    (tmp_path / "latest.npz").symlink_to("first.npz")
    to(tmp_path / "latest.npz")
    assert (tmp_path / "latest.npz").is_symlink() and not (tmp_path / "first.npz").is_symlink()


def test_what_was_not_recorded_is_named(network):
    run = network.simulate(duration=0.002, record=["hidden[0:2].v"])
    assert np.allclose(run.times["hidden.v"], [0.001, 0.002])
    with pytest.raises(KeyError, match="no spikes of `output` were recorded; there are x, hidden"):
        run.spikes["output"]
    with pytest.raises(KeyError, match="no trace `hidden.w`"):
        run.times["hidden.w"]


@pytest.mark.parametrize(
    "record", [3, None, [3], [np.zeros(2)], np.zeros((1, 2)), [("hidden.v", 0.001)], {"hidden.v": 1}]
)
def test_what_a_step_records_is_named(network, record):
    network.step({}, record=["hidden.v"])
    with pytest.raises(ValueError, match="`record`|`step` reads states"):
        network.step({}, record=record)


@pytest.mark.parametrize("inputs", [{"x": None}, {"x": np.ma.masked_array([1, 2], [True, False])}, [1], "x", {3: [1]}])
def test_wrong_inputs_of_a_step_are_refused(network, inputs):
    with pytest.raises(ValueError):
        network.step(inputs)


def test_what_belongs_into_another_call_is_named(network):
    with pytest.raises(ValueError, match="`simulate` takes Events"):
        network.step({"x": Events.from_dense(np.zeros((1, 3, 2, 3), bool))})
    with pytest.raises(ValueError, match=r"as a pair with seconds, such as \('exc.v', 0.001\)"):
        network.simulate(0.002, record=["hidden.v every 1 ms"])


def test_a_network_is_printed_with_its_sources(network):
    sizes = {s.name: s.size for s in network.manifest.sources} | {p.name: p.size for p in network.manifest.populations}
    assert all(f" {name}[{size}]" in repr(network) for name, size in sizes.items())


def test_a_network_is_neither_copied_nor_pickled(network):
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="`save` keeps its numbers"):
            make(network)


def test_numbers_that_single_precision_cannot_hold_are_refused(tmp_path, project):
    shutil.copytree(project, tmp_path / "single")
    manifest = json.loads((project / "manifest.json").read_text())
    (tmp_path / "single" / "manifest.json").write_text(json.dumps(manifest | {"precision": "float32"}))
    single = load(tmp_path / "single")
    for set_to in (3.5e38, -1e300):
        with pytest.raises(ValueError, match="`hidden.theta`: numbers beyond 3.403e"):
            single.parameters["hidden.theta"] = np.full(4, set_to)
        with pytest.raises(ValueError, match="the signal `drive`: numbers beyond"):
            single.step({"drive": [set_to, 0]})
    single.parameters["hidden.theta"] = np.full(4, 3e38)


def test_only_one_sample_is_resumed(network):
    for _ in range(2):  # a run that goes on, and one that begins
        with pytest.raises(ValueError, match="resumed with one"):
            network.simulate(inputs=Events.from_dense(np.zeros((2, 3, 6))), resume=True)
        network.simulate(duration=0.001)


def test_the_first_piece_of_a_run_is_one_trial_as_the_others_are(network):
    simulation = replace(network.manifest.simulation, trials=3)
    network.manifest = replace(network.manifest, simulation=simulation)
    assert network.simulate(duration=0.002, record=["hidden.v"]).samples == 3
    network.reset()
    pieces = [network.simulate(duration=0.002, record=["hidden.v"], resume=True) for _ in range(2)]
    assert [piece.samples for piece in pieces] == [1, 1]
    assert np.allclose([piece.times["hidden.v"] for piece in pieces], [[0.001, 0.002], [0.003, 0.004]])


# ---------------------------------------------------------------- what it needs
def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, cwd="/", timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_binding_needs_numpy_alone(tmp_path, project):
    """As in an emitted project: a copy under another name, without sncc and without any package but NumPy."""
    shutil.copytree(ROOT / "runtime", tmp_path / "sncc_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"""
import sys
hidden = ('sncc', 'lark', 'sympy', 'jinja2', 'click', 'rich', 'tonic', 'scipy', 'torch')
for name in hidden: sys.modules[name] = None
sys.path.insert(0, {str(tmp_path)!r})
import sncc_runtime
print(sncc_runtime.load({str(project)!r}).predict({{'x': sncc_runtime.Events.from_dense([[[1] * 6]]), 'drive': [0, 0]}}).shape)
"""
    assert python(code) == "(1, 3)"


def test_importing_sncc_imports_nothing_else():
    code = """
import sncc, sys
early = [m for m in ('numpy', 'sympy', 'lark', 'jinja2', 'tonic', 'sncc.compiler', 'sncc.runtime') if m in sys.modules]
sncc.load, sncc.Events, sncc.Network, sncc.__version__
late = [m for m in ('sympy', 'lark', 'jinja2', 'tonic', 'sncc.compiler') if m in sys.modules]
print(early, late, sorted(dir(sncc))[:3])
"""
    assert python(code, PYTHONPATH=str(ROOT)) == "[] [] ['Events', 'Network', '__version__']"
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        sncc.nothing  # noqa: B018
