"""The command line, run as users run it: once in a process of its own, else in this one,
which has imported everything already.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from command_line import in_a_process, sncc

from sncc import cli, data
from sncc.cli import running
from sncc.cli.terminal import mistakes_of_the_user
from sncc.data import DataSet
from sncc.runtime.checkpoint import Progress
from sncc.runtime.library import ERRORS
from sncc.runtime.manifest import Simulation
from sncc.runtime.recording import Run, Spikes, SpikesOf, Traces


@pytest.fixture
def folder(tmp_path, small_network):
    (tmp_path / "small.snn").write_text(small_network)
    (tmp_path / "bad.snn").write_text(small_network.replace("ALIF", "ALFI").replace("1 ms\n    pop", "1 mz\n    pop"))
    return tmp_path


def test_check_says_what_is_in_a_file(folder):
    done = in_a_process("check", "small.snn", cwd=folder)
    assert done.returncode == 0 and not done.stderr
    assert sncc("check", "small.snn", cwd=folder).stdout == done.stdout
    assert "hidden: ALIF[12], exact integration" in done.stdout


def test_check_reports_every_mistake_with_its_place(folder):
    done = sncc("check", "bad.snn", cwd=folder)
    assert done.returncode == 1 and done.stderr.count("error:") == 2 and "Traceback" not in done.stderr
    assert "bad.snn:7:" in done.stderr and "`ALIF`" in done.stderr and "^" in done.stderr


def test_what_check_warns_of_is_told_by_what_builds_too(folder):
    (folder / "open.snn").write_text("network N:\n    step = 1 ms\n    population a: LIF[3]\n")
    checked = sncc("check", "open.snn", cwd=folder)
    built = sncc("build", "open.snn", "--emit-only", cwd=folder)
    assert built.returncode == 0 and "open.snn:3:16: warning: nothing is connected" in built.stderr == checked.stderr


def test_what_a_simulation_stimulates_is_connected(tmp_path):
    text = "network N:\n    step = 1 ms\n    population a: LIF[3]\nsimulate:\n    duration = 1 s\n    stimulate a[1:2].I: 1 / (1 ms)\n"
    (tmp_path / "driven.snn").write_text(text)
    assert not sncc("check", "driven.snn", cwd=tmp_path).stderr


def test_a_gpu_that_is_missing_is_no_internal_error(capsys):
    with pytest.raises(SystemExit) as ended, mistakes_of_the_user():
        raise ERRORS[4]("this library needs an NVIDIA GPU")
    assert ended.value.code == 1 and capsys.readouterr().err == "error: this library needs an NVIDIA GPU\n"


def test_check_gives_diagnostics_as_json(folder):
    done = sncc("check", "--json", "bad.snn", cwd=folder)
    found = json.loads(done.stdout)
    assert done.returncode == 1 and {"code", "message", "line", "column", "severity"} <= set(found[0])
    assert json.loads(sncc("check", "--json", "small.snn", cwd=folder).stdout) == []


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x01" * 50, bytes(range(256)), b"network", b"network A:\n"])
def test_files_that_are_no_networks_are_refused(tmp_path, content):
    (tmp_path / "odd.snn").write_bytes(content)
    for command in ("check", "build", "explain"):
        done = sncc(command, "odd.snn", cwd=tmp_path)
        assert done.returncode == 1 and "error" in done.stderr and "Traceback" not in done.stderr, (command, done)
        assert "internal error" not in done.stderr, done
        assert re.search(r"^odd\.snn:\d+:\d+: error: ", done.stderr, re.MULTILINE), done


def test_a_missing_file_is_the_users_mistake_and_a_wrong_word_is_bad_usage(tmp_path):
    for command in ("check", "build", "ir", "explain", "simulate"):
        done = sncc(command, "missing.snn", cwd=tmp_path)
        assert done.returncode == 1 and "missing.snn" in done.stderr, command
    assert sncc("chekc", cwd=tmp_path).returncode == 2
    assert sncc("check", cwd=tmp_path).returncode == 2
    assert sncc("build", "small.snn", "--backend", "tpu", cwd=tmp_path).returncode == 2
    assert sncc("build", "small.snn", "--set", "hidden_size", cwd=tmp_path).returncode == 2
    assert sncc("train", "small.snn", "--data", "digits", "--epochs", "0", cwd=tmp_path).returncode == 2


def test_an_unknown_setting_is_refused(folder):
    done = sncc("check", "small.snn", "--set", "hiden_size=3", cwd=folder)
    assert done.returncode == 1 and "hidden_size" in done.stderr


def test_settings_reach_the_model(folder):
    done = sncc("ir", "small.snn", "--stage", "model", "--set", "hidden_size=7", "--set", "train.rule=bptt", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "7" in done.stdout and "bptt" in done.stdout


def test_ir_prints_both_stages_and_the_program_after_a_pass(folder):
    model = sncc("ir", "small.snn", "--stage", "model", cwd=folder)
    program = sncc("ir", "small.snn", cwd=folder)
    after = sncc("ir", "small.snn", "--after", "merge_populations", cwd=folder)
    assert model.returncode == program.returncode == after.returncode == 0
    assert "hidden" in model.stdout and "gather" in program.stdout and "gather" in after.stdout
    assert after.stdout != program.stdout
    unknown = sncc("ir", "small.snn", "--after", "magic", cwd=folder)
    assert unknown.returncode == 2 and "merge_populations" in unknown.stderr


def test_explain_prints_equations_as_text_or_latex(folder):
    assert "hidden" in sncc("explain", "small.snn", cwd=folder).stdout
    done = sncc("explain", "small.snn", "--latex", cwd=folder)
    assert done.returncode == 0 and r"\begin{align*}" in done.stdout


def test_fmt_changes_the_layout_and_check_only_names_the_files(folder):
    text = (folder / "small.snn").read_text()
    (folder / "untidy.snn").write_bytes(text.replace(" = ", "=").replace("\n", "\r\n").encode())
    (folder / "tidy.snn").write_text(text.lstrip())
    (folder / "untidy.snn").chmod(0o640)
    checked = sncc("fmt", "--check", "tidy.snn", "untidy.snn", cwd=folder)
    assert checked.returncode == 1 and checked.stdout == "would format untidy.snn\n"
    assert sncc("fmt", "tidy.snn", "untidy.snn", cwd=folder).returncode == 0
    assert (folder / "untidy.snn").read_text() == (folder / "tidy.snn").read_text() == text.lstrip()
    assert (folder / "untidy.snn").stat().st_mode & 0o777 == 0o640
    again = sncc("fmt", "--check", "tidy.snn", "untidy.snn", cwd=folder)
    assert again.returncode == 0 and not again.stdout and not list(folder.glob(".*"))


def test_fmt_leaves_a_file_with_mistakes_alone_and_goes_on_to_the_next(folder):
    (folder / "wrong.snn").write_text("param  x = (\n")
    (folder / "untidy.snn").write_text("param  x = 1\n")
    done = sncc("fmt", "wrong.snn", "missing.snn", "untidy.snn", cwd=folder)
    assert done.returncode == 1 and "wrong.snn:1:12: error" in done.stderr and "missing.snn" in done.stderr
    assert (folder / "wrong.snn").read_text() == "param  x = (\n"
    assert (folder / "untidy.snn").read_text() == "param x = 1\n"


def test_graph_draws_to_stdout_or_a_file(folder):
    drawn = sncc("graph", "small.snn", cwd=folder)
    assert drawn.returncode == 0 and drawn.stdout.startswith("<svg") and "hidden" in drawn.stdout
    assert sncc("graph", "small.snn", "--format", "mermaid", cwd=folder).stdout.startswith("flowchart LR\n")
    assert sncc("graph", "small.snn", "--out", "n.svg", cwd=folder).returncode == 0
    assert (folder / "n.svg").read_text(encoding="utf-8") == drawn.stdout
    assert sncc("graph", "bad.snn", cwd=folder).returncode == 1
    assert sncc("graph", "small.snn", "--out", "no/folder/n.svg", cwd=folder).returncode == 1


@pytest.mark.parametrize(
    "words",
    [("graph", "--out"), ("simulate", "--out"), ("simulate", "--plot"), ("train", "--data", "digits", "--save")],
)
def test_where_nothing_can_be_written_is_told_before_the_work(folder, words):
    done = sncc(words[0], "bad.snn", *words[1:], "no/folder/file.svg", cwd=folder)
    assert done.returncode == 1 and "there is no folder" in done.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("graph", "--out", "bad.snn"), "`--out bad.snn` would write over what is read"),
        (("simulate", "--out", "bad.snn"), "`--out bad.snn` would write over what is read"),
        (("simulate", "--plot", "bad.snn"), "`--plot bad.snn` would write over what is read"),
        (("train", "--data", "digits", "--save", "../in/bad.snn"), "would write over what is read"),
        (("train", "--data", "npz:small.snn:steps=3", "--save", "small.snn"), "would write over what is read"),
        (("simulate", "--plot", "run.foo"), "figures are not written as `.foo` but as "),
        (("simulate", "--out", ""), "`--out` is a path, not ''"),
        (("train", "--data", "digits", "--resume", "absent.npz"), "no weights file absent.npz"),
        (("train", "--data", "digitz"), "no data set `digitz`"),
        (("train", "--data", "npz:absent.npz"), "no data file absent.npz"),
        (("train", "--data", "nmnist:absent"), "no folder absent"),
    ],
)
def test_what_would_be_lost_or_is_missing_is_told_before_the_work(tmp_path, small_network, words, said):
    """The network is a bad one, and nothing is said of that: it has not been looked at."""
    if words[:2] == ("simulate", "--plot"):
        pytest.importorskip("matplotlib")
    (tmp_path / "in").mkdir()
    files = {tmp_path / "in" / name: text for name, text in (("bad.snn", "nothing"), ("small.snn", small_network))}
    for file, text in files.items():
        file.write_text(text)
    done = sncc(words[0], "bad.snn", *words[1:], cwd=tmp_path / "in")
    assert done.returncode == 1 and said in done.stderr and "bad.snn:1" not in done.stderr, done.stderr
    assert {file: file.read_text() for file in files} == files


@pytest.mark.parametrize(
    "weight, said",
    [
        ("2", "signal, a rate (kHz): 1 from Python is 0.001 kHz"),
        ("2 / (1 ms)", "signal"),
        ("2 s/ms", "signal, a rate (kHz): 1 from Python is 0.001 kHz"),
    ],
)
def test_check_says_in_which_unit_a_signal_is(tmp_path, weight, said):
    path = tmp_path / "net.snn"
    lines = ["network N:", "    step = 1 ms", "    population x: signal[2]", "    population y: LI[3]"]
    path.write_text("\n".join([*lines, f"    connect x -> y: dense, weight = {weight}"]))
    done = sncc("check", path)
    assert done.returncode == 0 and f"  x: signal[2], {said}\n" in done.stdout


def test_check_says_how_a_neuron_with_its_synapses_is_integrated(tmp_path):
    text = "network N:\n    step = 0.1 ms\n    population x: input[2]\n    population a: CobaLIF[2]\n"
    (tmp_path / "a.snn").write_text(text + "    connect x -> a: dense, weight = 1 nS, synapse = conductance()\n")
    (tmp_path / "b.snn").write_text(text + "    connect x -> a: dense, weight = 1 pA, synapse = exponential()\n")
    assert "a: CobaLIF[2], exponential euler integration" in sncc("check", "a.snn", cwd=tmp_path).stdout
    assert "a: CobaLIF[2], exact integration" in sncc("check", "b.snn", cwd=tmp_path).stdout
    own = "synapse s:\n    state g = 0\n    dg/dt = -g^2 / (1 ms)\n    on pre: g += weight\n    deliver g * 1 pA\n"
    for synapse, weight, how in (
        ("s", "1", "0 steps of delay, rk4 integration of each synapse"),
        ("tsodyks_markram", "1 pA", "0 steps of delay, exact integration of states of the source"),
    ):
        (tmp_path / "c.snn").write_text(
            f"{own}{text}    connect x -> a: dense, weight = {weight}, synapse = {synapse}()\n"
        )
        assert how in sncc("check", "c.snn", cwd=tmp_path).stdout


def test_models_lists_the_standard_library_and_shows_one(tmp_path):
    listed = sncc("models").stdout
    files = (Path(__file__).parent.parent / "grammar" / "std").glob("*.snn")
    lines = [[word.strip() for word in line.split("│")] for line in listed.splitlines() if "│" in line]
    assert sorted(words[2].lower() for words in lines) == sorted(path.stem for path in files)  # a line each
    assert {words[1] for words in lines} == {"neuron", "synapse", "plasticity", "surrogate", "function"}
    assert all(len(words[3]) > 20 for words in lines)
    assert "dv/dt" in sncc("models", "lif").stdout
    done = sncc("models", "ALFI")
    assert done.returncode == 1 and "ALIF" in done.stderr


def test_doctor_passes_over_what_another_build_takes_out_of_the_cache(tmp_path, monkeypatch):
    from sncc import doctor

    (tmp_path / "kept").write_bytes(b"12345")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    real = os.walk
    monkeypatch.setattr(doctor.os, "walk", lambda folder: [*real(folder), (str(tmp_path / "vanished"), [], ["x"])])
    assert doctor._size(tmp_path) == 5


def test_doctor_says_where_no_cache_can_be_made(tmp_path, monkeypatch):
    from sncc import doctor

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    assert doctor._cache() == f"{tmp_path / 'a' / 'b' / 'sncc'} (empty)"
    (tmp_path / "a").write_text("a file, which no folder can be made in")
    assert doctor._cache().endswith("(empty, not writable: builds go to a temporary folder)")


def test_doctor_finds_the_tools_and_says_how_to_get_missing_ones(compiler, tmp_path):
    assert sncc("doctor").returncode == 0
    done = sncc("doctor", CXX=str(tmp_path / "no-compiler"))
    assert done.returncode == 1 and "MISSING" in done.stdout and "C++ compiler:" in done.stdout


def test_emitting_needs_no_compiler(folder):
    done = sncc("build", "small.snn", "--emit-only", cwd=folder, CXX="/no/compiler")
    assert done.returncode == 0, done.stderr
    for name in ("CMakeLists.txt", "manifest.json", "model.snn", "README.md", "src/cpu", "src/cuda", "python"):
        assert (folder / "build" / "small" / name).exists(), name
    assert (folder / "build" / "small" / "model.snn").read_text() == (folder / "small.snn").read_text()


def test_without_a_compiler_build_says_how_to_get_one(folder):
    done = sncc("build", "small.snn", "--backend", "cpu", cwd=folder, CXX="/no/compiler")
    assert done.returncode == 1 and "no C++ compiler" in done.stderr and "help:" in done.stderr


def test_without_nvcc_a_cuda_build_says_so(folder):
    done = sncc("build", "small.snn", "--backend", "cuda", cwd=folder, CUDACXX="/no/nvcc")
    assert done.returncode == 1 and "nvcc" in done.stderr


def test_train_saves_resumes_and_reports(folder, compiler):
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    events = rng.random((30, 20, 6)) < 0.1
    for k, label in enumerate(labels):
        events[k, :, 2 * label : 2 * label + 2] |= rng.random((20, 2)) < 0.5
    np.savez(folder / "d.npz", events=events, labels=labels)
    train = ("train", "small.snn", "--backend", "cpu", "--data", "npz:d.npz")
    first = in_a_process(*train, "--epochs", 3, "--seed", 3, "--save", "w.npz", cwd=folder)
    assert first.returncode == 0 and (folder / "w.npz").exists(), first.stderr
    assert "epoch 3/3" in first.stderr and "test" in first.stdout and "%" in first.stdout
    assert sncc(*train, "--epochs", 1, "--resume", "w.npz", cwd=folder).returncode == 0
    kept = (folder / "w.npz").read_bytes()
    np.savez(folder / "wrong.npz", events=events, labels=labels + 50)
    done = sncc(*train, "--data", "npz:wrong.npz", "--epochs", 1, "--save", "w.npz", cwd=folder)
    assert done.returncode == 1 and "out of range" in done.stderr and (folder / "w.npz").read_bytes() == kept
    assert "to test on:" not in done.stderr  # it is all of them that do not fit
    (folder / "w.npz").write_bytes(b"rubbish")
    np.savez(folder / "t.npz", events=events, labels=labels, test_events=events[:, :, :5], test_labels=labels)
    mistakes = [
        ("--resume", "w.npz"), ("--resume", "absent.npz"), ("--save", "no/folder/w.npz"), ("--data", "npz:absent.npz"),
        ("--data", "digitz"), ("--data", "digits"), ("--data", "npz:t.npz"),
    ]  # fmt: skip
    for words in mistakes:
        done = sncc(*train, "--epochs", 1, *words, cwd=folder)
        assert done.returncode == 1 and "error:" in done.stderr and "internal" not in done.stderr, (words, done.stderr)
        assert "epoch" not in done.stderr, (words, done.stderr)  # told before the work


def test_simulate_reports_rates_and_keeps_what_was_recorded(folder, simulated_network, compiler):
    (folder / "sim.snn").write_text(simulated_network)
    done = sncc("simulate", "sim.snn", "--backend", "cpu", "--out", "run.npz", cwd=folder)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "run.npz") as arrays:
        assert arrays["hidden.v"].shape == (10, 9) and arrays["hidden.times"].ndim == 1
    assert sncc("simulate", "small.snn", "--backend", "cpu", cwd=folder).returncode == 1
    assert sncc("simulate", "small.snn", "--backend", "cpu", "--duration", "0.01", cwd=folder).returncode == 0


@pytest.mark.parametrize(
    "trials, interrupted, shown", [(1, False, "15.00 Hz"), (5, False, "3.00 Hz"), (1, True, "15.00 Hz"), (5, True, "–")]
)
def test_rates_are_of_the_neurons_that_were_watched_over_all_trials(trials, interrupted, shown):
    none = np.zeros(120)
    run = Run(2.0, SpikesOf({"exc": Spikes(none, none, none, 4)}), Traces(), Traces(), interrupted)
    simulation = Simulation(2000, (), trials)
    network = SimpleNamespace(manifest=SimpleNamespace(name="net", simulation=simulation))
    columns = [list(column.cells) for column in running._rates(network, run).columns]
    assert columns == [["exc"], ["4"], ["120"], [shown]]


def test_simulate_names_every_file_that_it_has_written(tmp_path, monkeypatch, capsys):
    run = SimpleNamespace(plot=lambda path: None, interrupted=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "_load", lambda *_: SimpleNamespace(simulate=lambda **_: run))
    for name in ("_check_plots", "_rates", "print_table"):
        monkeypatch.setattr(running, name, lambda *_: None)
    words = ["simulate", "small.snn", "--duration", "1", "--out", "run.npz", "--plot", "run.png"]
    cli.cli(words, standalone_mode=False)
    assert capsys.readouterr().out == "saved run.npz\nsaved run.png\n"


def test_train_saves_what_an_interrupted_epoch_has_reached_that_another_interrupted_one_began(tmp_path, monkeypatch):
    saved = []

    class Resumed:
        manifest = SimpleNamespace(rule="bptt", sources=(), step=1e-3)
        progress = Progress(1, 0, 3)

        def fit(self, *_, **__):
            self.progress = replace(self.progress)
            raise KeyboardInterrupt

        def save(self, path):
            saved.append(path)

    monkeypatch.setattr(running, "_load", lambda *_, **__: Resumed())
    monkeypatch.setattr(data, "load_data", lambda *_: DataSet(*[None] * 5, "nothing"))
    path = str(tmp_path / "w.npz")
    with pytest.raises(click.Abort):
        cli.cli(["train", "small.snn", "--data", "digits", "--save", path], standalone_mode=False)
    assert saved == [path]


@pytest.mark.parametrize(
    "error, code, said",
    [
        (OSError(28, "No space left on device"), 1, "error: no space left on device"),
        (MemoryError(), 1, "error: out of memory"),
        (OSError("no template"), 70, "internal error: OSError: no template"),  # as a library derives its own from it
        (KeyError("v"), 70, "internal error: KeyError: 'v'"),
    ],
)
def test_the_machines_mistakes_are_told_from_those_of_sncc_and_debugging_shows_both(
    error, code, said, monkeypatch, capsys
):
    def fails(**_):
        raise error

    monkeypatch.delenv("SNCC_DEBUG", raising=False)
    monkeypatch.setattr(cli, "cli", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code and capsys.readouterr().err.startswith(said)
    monkeypatch.setenv("SNCC_DEBUG", "1")
    with pytest.raises(type(error)):
        cli.main()


def test_a_stdout_of_ascii_gets_the_other_characters_escaped():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "sncc.cli", "models"], capture_output=True, timeout=600, env=environment
    )
    assert done.returncode == 0 and b"LIF" in done.stdout and done.stdout.isascii(), done.stderr


def test_a_project_is_written_in_utf_8_whatever_the_locale(folder):
    """Its headers are read as what they are: where the locale has other letters, they ended the build,
    or came out as others.
    """
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "sncc.cli", "build", "small.snn", "--emit-only", "--out"]
    for name, env in (("utf8", os.environ), ("ascii", environment)):
        subprocess.run([*command, name], cwd=folder, env=env, check=True, capture_output=True, timeout=600)
    files = {p.relative_to(folder / "utf8"): p.read_bytes() for p in (folder / "utf8").rglob("*") if p.is_file()}
    assert len(files) > 20 and all((folder / "ascii" / name).read_bytes() == text for name, text in files.items())
