"""Random networks against automatic differentiation, for as many as asked.

    python benchmarks/fuzz_gradients.py --networks 200

Every network is drawn by Hypothesis (tests/strategies_networks.py); a failure prints the one that fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fuzzing_gradients import check_directions, check_rule  # noqa: E402
from strategies_networks import networks  # noqa: E402

RULES = ("eprop", "bptt", "bptt(truncate = 9 ms)", "forwards")


def run(rule: str, count: int, first: int) -> int:
    """Networks of one rule that were checked."""
    checked = 0

    @seed(first)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks("eprop" if rule == "forwards" else rule))
    def check(text: str) -> None:
        nonlocal checked
        checked += check_directions(text) if rule == "forwards" else check_rule(text)

    check()
    return checked


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200, help="in all, over the rules")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    total = 0
    for rule in RULES:
        start = time.perf_counter()
        checked = run(rule, max(1, options.networks // len(RULES)), options.seed)
        total += checked
        print(f"{rule:24}{checked:6} networks agree   {time.perf_counter() - start:6.0f} s", flush=True)
    print(f"{'in all':24}{total:6}")


if __name__ == "__main__":
    main()
