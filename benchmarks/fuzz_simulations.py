"""Random simulations, compiled, against the reference, for as many as asked.

    python benchmarks/fuzz_simulations.py --networks 100

Every network is drawn by Hypothesis (tests/strategies_simulations.py); spikes and weights must be those of the reference for one worker and
for three. A failure prints the network.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fuzzing_simulations import check_simulation  # noqa: E402
from strategies_simulations import simulated_networks  # noqa: E402


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start, agree = time.perf_counter(), 0

    @seed(options.seed)
    @settings(
        max_examples=options.networks, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(simulated_networks())
    def check(text: str) -> None:
        nonlocal agree
        agree += check_simulation(text)

    check()
    print(f"{agree} networks agree, {options.networks - agree} are refused   {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
