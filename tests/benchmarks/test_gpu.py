"""The benchmark of the CUDA half runs, emulated where there is no GPU;
the bounds on the page are those that it computes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def script(name: str, *words: object) -> str:
    command = [sys.executable, ROOT / "benchmarks" / name, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_the_table_of_bounds():
    page = (ROOT / "docs" / "cuda" / "bounds.md").read_text()
    for what in ((), ("--simulations",), ("--connectivity",), ("--unstored",)):
        assert script("gpu_bounds.py", *what) in page


def test_w1_costs_what_was_worked_out_by_hand(monkeypatch):
    """Inference: 14 + 5.12 rows of 256 numbers a step and sample from L2 (the readout's
    32 KB are copied once): 57 µs at 5.5 TB/s.
    """
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from gpu_bounds import WORKLOADS, Activity, cost, program_of
    from gpu_card import Card

    w = WORKLOADS[0]
    found = cost(program_of(w.text()), w.batch, w.steps, w.learns, Activity(), Card())
    rows = 64 * 250 * (700 * 0.02 + 256 * 0.02) * 256 * 4
    readout = 64 * 256 * 32 * 4
    assert found.l2_bytes == pytest.approx(rows + readout)
    assert found.seconds == pytest.approx((rows + readout) / 5.5e12)


@pytest.mark.slow
def test_a_dry_run_goes_through_all_steps(tmp_path, compiler):
    script("gpu.py", "--dry", "--out", tmp_path)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["dry"] and [c["against the CPU"] for c in found["checks"]] == ["equal"]
    assert [form["launches beside persistent"] for form in found["forms"]] == ["equal", "equal"]
    assert all(form["of the C++ half"] < 1e-9 for form in found["forms"])
    (timing,) = found["timings"]
    assert timing["samples/s"] > 0 and 0 < timing["of the bound"] < 1
    assert all(timing[f"weights in {place} memory, µs a batch"] > 0 for place in ("device", "shared"))
    (simulation,) = found["simulations"]
    assert simulation["persistent, seconds per second"] > 0 and simulation["launches, seconds per second"] > 0
    (unstored,) = found["unstored"]
    assert (
        unstored["spikes"] == "equal"
        and unstored["drawn again, seconds per second"] > 0 < unstored["stored, seconds per second"]
    )
    assert (tmp_path / "gpu.md").read_text().startswith("# emulated on the CPU (a dry run: no results)")
    script("gpu.py", "--dry", "--out", tmp_path)  # nothing is left to do
    assert json.loads((tmp_path / "gpu.json").read_text()) == found
