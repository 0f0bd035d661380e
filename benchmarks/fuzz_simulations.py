"""Random simulations, compiled, against the reference, for as many as asked.

    python benchmarks/fuzz_simulations.py --networks 100 --emulated 10

Every network is drawn by Hypothesis (tests/strategies_simulations.py); spikes, states and weights must be those of the
reference for one worker, and have the same bits for three, in one run, in parts, and in a second one
(tests/fuzzing_simulations.py). `--emulated`: so many small ones also with the CUDA half, emulated on the CPU. A failure
prints the network.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "backends")]

from fuzzing import count_checked  # noqa: E402
from fuzzing_simulations import check_simulation  # noqa: E402
from projects import Projects  # noqa: E402
from strategies_simulations import simulated_networks  # noqa: E402


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--emulated", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        projects = Projects(Path(folder))
        kinds = (
            ("C++", options.networks, None),
            ("C++ and CUDA", options.emulated, lambda text: projects.emulated(text)[1]),
        )
        for name, count, emulated in kinds:
            start, refused = time.perf_counter(), Counter[str]()
            if count:
                strategy, check = (
                    simulated_networks(small=emulated is not None),
                    partial(check_simulation, emulated=emulated),
                )
                agree = count_checked(strategy, check, count, options.seed, refused)
                spent = time.perf_counter() - start
                print(f"{name}: {agree} networks agree, {refused.total()} are refused   {spent:.0f} s", flush=True)
            for reason, times in refused.most_common():
                print(f"    {times} x {reason}")


if __name__ == "__main__":
    main()
