"""A network beside NEST's numbers for it, the quantities that are compared,
and that the benchmarks of simulation run.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
REFERENCE = json.loads((FOLDER / "statistics.json").read_text())


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import compare_statistics

    return compare_statistics


def test_intervals_of_a_clock_do_not_vary_and_those_of_a_poisson_process_do_as_much_as_they_last(module):
    clock = np.tile(np.arange(50) * 0.02, 3), np.repeat(np.arange(3), 50)
    assert module.irregularity(*clock) == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.exponential(0.01, (50, 2000)), axis=1)
    assert module.irregularity(times.ravel(), np.repeat(np.arange(50), 2000)) == pytest.approx(1, abs=0.01)


def test_neurons_that_share_a_part_of_their_spikes_correlate_by_that_part(module):
    rng = np.random.default_rng(1)
    common = rng.random(400 * 50) < 0.25  # in bins of 5 ms, 100 s; a neuron has each with probability 1/2
    own = rng.random((20, common.size)) < 0.5
    neurons, slots = np.nonzero(own & common)
    times = (slots + 0.5) * module.BIN
    # covariance 1/4 p (1 - p), variance p/2 (1 - p/2), p = 1/4
    assert module.correlation(times, neurons, common.size * module.BIN) == pytest.approx((3 / 64) / (7 / 64), abs=0.02)


def test_a_network_that_differs_is_marked(module):
    seeds = [{"exc rate": 10 + 0.1 * k, "exc CV": 0.8} for k in range(5)]
    assert "differs" not in module.table("same", seeds, seeds)
    faster = [seed | {"exc rate": 1.1 * seed["exc rate"]} for seed in seeds]
    assert module.table("other", faster, seeds).count("differs") == 1


def test_a_seed_that_dies_out_is_left_out(module):
    alive, silent = {"exc rate": 20.0, "inh rate": 20.0}, {"exc rate": 0.0, "inh rate": 0.0}
    assert module.living([alive, silent, alive]) == [alive, alive]
    assert module.living([silent]) == [silent]


def test_how_many_seeds_live_is_compared_by_fishers_exact_test(module):
    assert module.chance(3, 4, 1, 4) == pytest.approx(17 / 35)  # the lady tasting tea: 34 of 70
    assert module.chance(5, 5, 0, 5) == pytest.approx(2 / 252)
    alive, silent = {"exc rate": 20.0}, {"exc rate": 0.0}
    assert "4 of 5 seeds of sncc, 3 of 5 of NEST live (p = 1)" in module.table(
        "coba", [alive] * 4 + [silent], [alive] * 3 + [silent] * 2
    )
    assert "(p = 0.0097, **differs**)" in module.table("coba", [alive] * 6, [alive] * 2 + [silent] * 6)


def test_seeds_of_the_reference_that_a_file_keeps_are_not_run_again(module, monkeypatch, tmp_path):
    ran = []

    def seeds_of(name, module, seeds, threads):
        for seed in seeds:
            ran.append(seed)
            yield {"exc rate": float(seed), "exc CV": float("nan")}

    monkeypatch.setattr(module, "seeds_of", seeds_of)
    options = argparse.Namespace(reference=None, save=tmp_path / "kept.json")
    monkeypatch.setattr(module.importlib.metadata, "version", lambda _: "3.10")
    module.reference_of("stdp", 2, options)
    assert [seed["exc rate"] for seed in module.reference_of("stdp_nest", 4, options)] == [1, 2, 3, 4]
    assert ran == [1, 2, 3, 4]
    assert "NaN" not in options.save.read_text()


@pytest.mark.slow
def test_a_random_network_has_the_rates_irregularity_and_correlations_that_it_has_in_nest(module):
    assert REFERENCE["sources"]["nest"].startswith("NEST 3")
    own = list(module.seeds_of("brunel_small", "sncc", range(1, 4), threads=2))
    for quantity, mine, mean, _, most in module.compared(own, REFERENCE["networks"]["brunel_small"]):
        assert abs(mine - mean) <= most, quantity


@pytest.mark.slow
def test_a_benchmark_prints_what_was_built_its_speed_and_rates():
    command = [sys.executable, str(FOLDER / "simulate_coba.py"), "--quick", "--only", "sncc"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "COBA, 4,000 neurons"
    built, ran = (next(line for line in lines[k:] if line.startswith("sncc")) for k in (1, 3))
    synapses = int(built.split()[7].replace(",", ""))
    assert abs(synapses - 4000 * 4000 * 0.02) < 4 * np.sqrt(4000 * 4000 * 0.02)
    rate = float(ran.split("exc")[1].split()[0])
    assert 0 < rate < 60
