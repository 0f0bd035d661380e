"""Building from Python: sources, settings, the cache, copies, errors."""

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import texts

import sncc
from sncc import cache, toolchain
from sncc.arguments import settings_of
from sncc.compiler import compile_model
from sncc.diagnostics import DiagnosticError, Source
from sncc.expressions.nodes import Number
from sncc.memory import bytes_of

SHARED = os.environ.get("XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "sncc"


@pytest.fixture
def shared_cache(own_cache, monkeypatch):
    """The cache of all tests, where others may have built the same."""
    if SHARED is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", SHARED)


def codes(error: pytest.ExceptionInfo[DiagnosticError]) -> list[str]:
    return [d.code for d in error.value.diagnostics]


# --------------------------------------------------------------------------------------------------- sources
def test_check_takes_a_path_or_text(small_network, tmp_path):
    path = tmp_path / "small.snn"
    path.write_text(small_network)
    assert sncc.check(small_network) == sncc.check(path) == sncc.check(str(path)) == ()
    (found,) = sncc.check(small_network.replace("ALIF", "ALFI"))
    assert found.severity == "error" and "ALFI" in found.message


UNFIT = """
neuron A:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1: reset v -= 1
    surrogate triangle()

network N:
    step = 1 ms
    population x: input[4]
    population a: A[5]
    population o: LI[3]
    connect x -> a: dense, weight = 0.4
    connect a -> o: dense, weight = 0.1

train:
    rule = bptt
    loss = cross_entropy(mean(o.v))
    optimiser = adam()
"""


@pytest.mark.parametrize(
    "right, wrong, said",
    [
        ("-v / (20 ms) + I\n", "-v^2 / (20 ms) + I\n    method = exact\n", "linear in the states"),
        ("-v / (20 ms) + I\n", "-v^2 / (20 ms) + I\n    method = exponential_euler\n", "linear in `v`"),
        ("rule = bptt", "rule = bptt(truncate = 0 ms)", "longer than zero"),
        ("    surrogate", "    refractory -2 ms\n    surrogate", "cannot be negative"),
        ("triangle()", "triangle(width = 0)", "do not fit `triangle`: division by zero"),
    ],
)
def test_what_does_not_fit_is_an_error_of_check(right, wrong, said):
    assert right in UNFIT
    (found,) = sncc.check(UNFIT.replace(right, wrong))
    assert found.severity == "error" and said in found.message and found.span.source.path == "<text>"


def test_exact_does_not_fit_a_neuron_with_conductances():
    synapse = (
        "synapse c:\n    state g = 0\n    dg/dt = -g / (5 ms)\n    on pre: g += weight\n    deliver g * (2 - post.v)\n"
    )
    text = synapse + UNFIT.split("train:")[0].replace("surrogate", "method = exact\n    surrogate")
    assert not sncc.check(text)
    (found,) = sncc.check(text.replace("weight = 0.4", "weight = 0.4 / (1 ms), synapse = c()"))
    assert found.severity == "error" and "method = exact" in found.message


def test_noise_has_no_event_times():
    text = UNFIT.replace("+ I\n", "+ I + noise / sqrt(1 ms)\n").replace("bptt", "eventprop")
    assert "no-event-times" in [d.code for d in sncc.check(text)]


def test_parameters_and_settings_are_those_of_the_command_line(small_network):
    assert sncc.check(small_network, hidden_size=5, settings={"train.rule": "bptt"}) == ()
    assert sncc.check(small_network, hiden_size=5)
    assert "7" in sncc.explain(small_network, hidden_size=7)


@pytest.mark.parametrize("seven", [np.int64(7), np.float32(7), np.array(7), 7.0])
def test_numbers_of_numpy_are_numbers(small_network, seven):
    def sizes(number):
        model = compile_model(Source("<text>", small_network), settings_of(None, {"hidden_size": number}))
        return [p.shape for p in model.populations]

    assert sizes(seven) == sizes(7) != sizes(8)


@pytest.mark.parametrize("value", [None, True, np.nan, np.inf, 10**400, 1j, [7], np.array([7]), {}, b"7"])
def test_a_setting_is_a_number_or_a_text(small_network, value):
    with pytest.raises(ValueError, match="`hidden_size` is a number or a text"):
        sncc.check(small_network, hidden_size=value)
    with pytest.raises(DiagnosticError, match="`train.batch` is a number or a text"):
        sncc.build(small_network, settings={"train.batch": value}, emit_only=True)


@pytest.mark.parametrize(
    "arguments, cause",
    [
        ({"settings": [1]}, "`settings` is a dict"),
        ({"settings": {3: 1}}, "a name in `settings` is a text"),
        ({"network": 3}, "`network` is a name"),
        ({"precision": "float16"}, "`precision` is one of `float32`, `float64`"),
        ({"precision": None}, "`precision`"),
        ({"schedule": "parallel"}, "`schedule` is one of `sample_parallel`, `neuron_parallel`"),
        ({"schedule": ""}, "`schedule`"),
        ({"backend": ["cpu"]}, "no backend"),
        ({"weights": ["bfloat16"]}, "no weights of type"),
        ({"weights": list(range(1000))}, "no weights of type `.0, 1, 2, 3, 4, 5, ....`"),
        ({"memory": list(range(1000))}, "`.0, 1, 2, 3, 4, 5, ....` is no amount of memory"),
        ({"emit_only": "no"}, "`emit_only` is True or False"),
        ({"out": 3}, "`out` is a folder's path"),
        ({"out": ""}, "`out` is a folder's path"),
        ({"out": f"{__file__}/project"}, "no folder can be made in"),
        ({"settings": {"train.rule": "eprop\n"}}, "not finished"),
        ({"settings": {"train.batch": 1e30}}, "`batch` must be a whole number"),
    ],
)
def test_wrong_arguments_of_build_are_told(small_network, arguments, cause):
    with pytest.raises(DiagnosticError, match=cause):
        sncc.build(small_network, **({"emit_only": True} | arguments))


@pytest.mark.parametrize("memory", ["9" * 400, "1e999", "nan", "-1 GB", "2 G B", "", None, [1]])
def test_a_bound_on_memory_is_an_amount(memory):
    with pytest.raises(DiagnosticError, match="no amount of memory"):
        bytes_of(memory)


def test_a_path_without_its_ending_is_not_read_as_a_text():
    with pytest.raises(DiagnosticError, match=r"`examples/digits` is no text(.|\n)*a path ends in `.snn`"):
        sncc.build("examples/digits")


@pytest.mark.parametrize("source", [None, 3, b"network N:", ["a"], np.array("x")])
def test_a_source_is_a_path_or_a_text(source):
    (found,) = sncc.check(source)
    assert found.severity == "error" and "a source is a path or a text" in found.message
    with pytest.raises(DiagnosticError, match="a source is a path or a text"):
        sncc.build(source)


def test_numbers_of_python_are_in_si_units(small_network):
    text = "param tau = 5 ms\n" + small_network.replace(
        "ALIF[hidden_size](tau_a = 200 ms)", "LIF[hidden_size](tau_m = tau)"
    )
    model = compile_model(Source("<text>", text), {"tau": 7.5e-3, "hidden_size": 7})
    assert model.population("hidden").parameter("tau_m").value == Number(7.5) and model.population("hidden").size == 7


def test_a_side_of_a_condition_that_is_not_taken_need_not_have_a_value(small_network):
    text = small_network.replace("tau_a = 200 ms", "beta = 1 / hidden_size if hidden_size > 0 else 0.5")
    assert sncc.check(text) == ()
    text = small_network.replace("tau_a = 200 ms", "beta = 0.5 if x == 0 else 1 / (2 * x)")
    assert sncc.check("param x = 0\n" + text) == ()


def test_explain_raises_what_is_wrong(small_network):
    with pytest.raises(DiagnosticError, match="ALFI"):
        sncc.explain(small_network.replace("ALIF", "ALFI"))


# -------------------------------------------------------------------------------------------------- building
@pytest.mark.usefixtures("compiler", "shared_cache")
def test_a_second_build_is_found_in_the_cache(small_network, own_cache, monkeypatch):
    built = next((sncc.build(small_network, backend="cpu") / "lib").iterdir())
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_cache.parent))
    monkeypatch.setattr(toolchain, "build", lambda *given: Path(shutil.copy(built, given[3] / "libsmall.so")))
    first = sncc.build(small_network, backend="cpu")
    monkeypatch.setattr(toolchain, "build", None)  # a compiler would fail now
    assert sncc.build(small_network, backend="cpu") == first and first.parent == own_cache
    manifest = json.loads((first / "manifest.json").read_text())
    library = first / "lib" / manifest["library"]["cpu"]
    assert library.exists() and first.name[:8] in library.name
    network = sncc.load(first)
    assert network.parameters["hidden_hidden.weight"].shape == (12, 12)


def test_what_simulations_share_is_compiled_once_for_a_precision(monkeypatch, compiler):
    given = []

    def build(project, backend, tools, folder, log, engine=None):
        given.append(engine)
        if engine is None:
            (folder / "libx_engine.a").write_text("compiled")
        else:
            assert engine.read_text() == "compiled"
        library = folder / f"library{len(given)}.so"
        library.touch()
        return library

    monkeypatch.setattr(toolchain, "build", build)
    text = "network {}:\n    step = 1 ms\n    population a: LIF[{}]\nsimulate:\n    duration = 1 s\n"
    sncc.build(text.format("One", 3), backend="cpu")
    sncc.build(text.format("Two", 70000), backend="cpu")
    sncc.build(text.format("One", 3), backend="cpu", precision="float64")
    assert [engine is not None for engine in given] == [False, True, False]


@pytest.mark.usefixtures("compiler", "shared_cache")
def test_out_is_a_real_copy_and_keeps_other_files(small_network, simulated_network, tmp_path):
    out = tmp_path / "project"
    cached = sncc.build(small_network, backend="cpu")
    assert sncc.build(small_network, backend="cpu", out=out) == out
    (out / "notes.txt").write_text("mine")
    libraries = list((out / "lib").iterdir())
    assert not any(path.is_symlink() for path in out.rglob("*"))
    for path in cached.rglob("*"):
        if path.is_file():
            assert not path.samefile(out / path.relative_to(cached))
    sncc.build(simulated_network, backend="cpu", out=out)
    assert (out / "notes.txt").read_text() == "mine"
    assert not libraries[0].exists() and len(list((out / "lib").iterdir())) == 1
    assert sncc.load(out).parameters["hidden_hidden.weight"].shape == (9, 9)


@pytest.mark.slow
def test_a_loaded_network_survives_a_rebuild_in_its_folder(small_network, compiler, tmp_path):
    network = sncc.load(sncc.build(small_network, backend="cpu", out=tmp_path / "p"), seed=3)
    before = network.parameters["x_hidden.weight"]
    sncc.build(small_network.replace("1e-2", "2e-2"), backend="cpu", out=tmp_path / "p", hidden_size=20)
    assert (network.parameters["x_hidden.weight"] == before).all()


def test_emitting_alone_writes_the_sources(small_network, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "/no/compiler")
    out = sncc.build(small_network, out=tmp_path / "p", emit_only=True)
    assert (out / "CMakeLists.txt").exists() and not (out / "lib").exists()
    kept = sncc.build(small_network, emit_only=True)
    assert kept == sncc.build(small_network, emit_only=True) and (kept / "CMakeLists.txt").exists()


def test_a_folder_with_other_files_is_not_written_to(small_network, tmp_path):
    (tmp_path / "thesis.tex").write_text("work of years")
    with pytest.raises(DiagnosticError) as error:
        sncc.build(small_network, out=tmp_path, emit_only=True)
    assert codes(error) == ["folder-in-use"] and list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]
    with pytest.raises(DiagnosticError):
        sncc.build(small_network, out=tmp_path / "thesis.tex", emit_only=True)


def test_missing_tools_are_named_with_a_remedy(small_network, monkeypatch):
    monkeypatch.setenv("CUDACXX", "/no/nvcc")
    with pytest.raises(DiagnosticError) as error:
        sncc.build(small_network, backend="cuda")
    assert codes(error) == ["no-nvcc"]
    monkeypatch.setenv("CXX", "/no/compiler")
    with pytest.raises(DiagnosticError) as error:
        sncc.build(small_network, backend="cpu")
    assert codes(error) == ["no-compiler"] and "CXX is `/no/compiler`" in error.value.diagnostics[0].help[0]
    with pytest.raises(DiagnosticError) as error:
        sncc.build(small_network, backend="tpu")  # type: ignore[arg-type]
    assert codes(error) == ["unknown-backend"]


def test_a_failing_compiler_is_reported_with_its_log(small_network, compiler, tmp_path, monkeypatch):
    broken = tmp_path / "c++"
    broken.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo broken 1.0; else echo error: no licence >&2; exit 3; fi\n'
    )
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(DiagnosticError) as error:
        sncc.build(small_network, backend="cpu")
    (found,) = error.value.diagnostics
    assert found.code == "native-build-failed"
    log = Path(found.notes[0].split(": ")[1])
    assert log.exists() and "no licence" in log.read_text()


def test_auto_takes_cuda_only_where_nvcc_and_a_gpu_are_found(monkeypatch):
    monkeypatch.setattr(toolchain, "find_nvcc", lambda: Path("/nvcc"))
    monkeypatch.setattr(toolchain, "find_gpu", lambda: None)
    assert toolchain.choose_backend() == "cpu"
    monkeypatch.setattr(toolchain, "find_gpu", lambda: "a GPU")
    assert toolchain.choose_backend() == "cuda"


# ------------------------------------------------------------------------------------------------- the cache
def test_the_key_depends_on_everything():
    key = cache.key_of({"a": "1", "b": "2"}, "cpu", "g++")
    others = [
        cache.key_of({"a": "1", "b": "3"}, "cpu", "g++"), cache.key_of({"a": "1", "c": "2"}, "cpu", "g++"),
        cache.key_of({"a": "1", "b": "2"}, "cuda", "g++"), cache.key_of({"a": "12", "b": ""}, "cpu", "g++"),
    ]  # fmt: skip
    assert len({key, *others}) == 5 and key == cache.key_of({"b": "2", "a": "1"}, "cpu", "g++")


def test_one_of_several_at_once_makes_the_folder():
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("text")

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(cache.cached("k", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(found) == 8 and {path.name for path in found} == {"k"}


@pytest.mark.parametrize("damage", ["missing", "cut short", "a file in its place"])
def test_a_folder_that_is_damaged_is_made_again(own_cache, damage):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("text")

    folder = cache.cached("k", make)
    if damage == "cut short":
        (folder / "file").write_text("te")
    else:
        (folder / "file").unlink()
    if damage == "a file in its place":
        shutil.rmtree(folder)
        folder.write_text("")
    for _ in range(2):
        assert (cache.cached("k", make) / "file").read_text() == "text" and len(made) == 2


def test_a_failure_leaves_nothing_behind(own_cache):
    def make(folder: Path) -> None:
        (folder / "half").write_text("text")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.cached("k", make)
    assert [path.name for path in own_cache.iterdir()] == ["locks"]


def test_a_cache_that_cannot_be_written_to_is_replaced_with_a_note(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    taken = tmp_path / f"sncc-{os.getuid() if os.name == 'posix' else 0}"
    taken.write_text("no folder either")  # so that the one that is made has another name each time
    with pytest.warns(UserWarning, match="cannot write") as notes:
        folder = cache.cached("k", lambda folder: (folder / "file").touch())
        assert cache.found("k") == folder and cache.logs().parent == folder.parent
    assert folder.parent.parent == tmp_path and len(notes) == 1
    if os.name == "posix":
        assert folder.parent.stat().st_mode & 0o077 == 0


def test_build_warns_of_what_check_warns_of():
    """Who only works from Python never calls `check`, and would wonder why nothing is learnt."""
    text = "network N:\n    step = 1 ms\n    population lonely: LIF[3]"
    with pytest.warns(UserWarning, match=r"<text>:3:16: warning: nothing is connected to `lonely.I`") as notes:
        sncc.build(text, emit_only=True)
    assert [note.filename for note in notes] == [__file__]


def test_a_key_without_its_block_is_shown_with_it():
    with pytest.raises(DiagnosticError, match="no `param rule`(.|\n)*did you mean `train.rule`?"):
        sncc.build("network N:\n    step = 1 ms\n    population a: LIF[3]", rule="bptt")


def test_a_listing_cannot_make_files_elsewhere_disappear(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("text")
    (tmp_path / "out" / cache.LISTING).write_text("../precious\n")
    cache.write_files({"a": "1"}, tmp_path / "out")
    assert (tmp_path / "precious").exists() and (tmp_path / "out" / "a").read_text() == "1"


@settings(max_examples=30, deadline=None)
@given(texts())
def test_checking_any_text_of_the_grammar_gives_diagnostics_and_no_exception(text):
    for diagnostic in sncc.check(text):
        assert diagnostic.code and str(diagnostic) and diagnostic.span is not None


def test_what_a_backend_has_no_code_for_is_a_diagnostic(small_network, monkeypatch):
    from sncc.backends.cxx import project
    from sncc.backends.cxx.expressions import Unsupported

    def refuse(program):
        raise Unsupported("a loss over nothing")

    monkeypatch.setattr(project, "emit_project", refuse)
    with pytest.raises(DiagnosticError, match="a loss over nothing is not supported yet"):
        sncc.build(small_network, emit_only=True)
