"""A short campaign of hostile inputs, and that it would notice what it looks for."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz_language.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_language", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_hostile_inputs_get_diagnostics_with_a_place(fuzz, tmp_path, seed):
    findings = [fuzz.finding_of(fuzz.input_of(seed, k)[1], tmp_path / "input.snn") for k in range(25)]
    assert not any(findings), [k for k, finding in enumerate(findings) if finding]


def test_exceptions_slowness_and_lost_places_are_findings(fuzz, tmp_path, monkeypatch):
    from sncc.diagnostics import Diagnostic

    def finding(check):
        monkeypatch.setattr(fuzz.compiler, "check", check)
        return fuzz.finding_of(b"param x = (\n", tmp_path / "input.snn")

    def fail(path):
        return [][0]

    assert "IndexError" in finding(fail)
    assert "without a place" in finding(lambda path: (Diagnostic("syntax", None, "something is wrong"),))
    monkeypatch.setattr(fuzz, "SECONDS_PER_10_KB", -1.0)
    assert "took" in finding(lambda path: (Diagnostic("syntax", fuzz_span(path), "wrong"),))


def fuzz_span(path):
    from sncc.diagnostics import Source, Span

    return Span(Source(str(path), path.read_text()), 0, 1)
