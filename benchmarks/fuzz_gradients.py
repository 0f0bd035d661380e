"""Random networks against automatic differentiation, and under eventprop against event-driven simulation,
for as many as asked.

    python benchmarks/fuzz_gradients.py --networks 200

Every network is drawn by Hypothesis (tests/strategies_networks.py, strategies_patterns.py, strategies_synapses.py,
strategies_rules.py, strategies_moving.py, strategies_events.py); what differs is printed, and why networks are passed
over.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Container
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fuzzing import PassedOver, count_checked  # noqa: E402
from fuzzing_events import check_event_times, check_event_times_of_synapses  # noqa: E402
from fuzzing_gradients import (  # noqa: E402
    check_directions,
    check_directions_of_patterns,
    check_directions_of_synapses,
    check_moving_weights,
    check_patterns,
    check_rule,
    check_synapses,
)
from strategies_events import networks_of_timed_rules, networks_of_timed_synapses, timed_networks  # noqa: E402
from strategies_moving import networks_that_move  # noqa: E402
from strategies_networks import networks  # noqa: E402
from strategies_patterns import networks_of_patterns  # noqa: E402
from strategies_rules import networks_with_rules  # noqa: E402
from strategies_synapses import networks_with_synapses  # noqa: E402

DIFFERS, LEFT_OUT = "DIFFER", "left out"
CAMPAIGNS: dict[str, tuple[SearchStrategy[Any], Callable[..., None]]] = {
    "eprop": (networks("eprop"), check_rule),
    "bptt": (networks("bptt"), check_rule),
    "bptt(truncate = 9 ms)": (networks("bptt(truncate = 9 ms)"), check_rule),
    "forwards": (networks("eprop"), check_directions),
    "eprop, patterns": (networks_of_patterns(), check_patterns),
    "forwards, patterns": (networks_of_patterns(forwards=True), check_directions_of_patterns),
    "forwards, synapses": (
        networks_with_synapses("eprop(feedback = symmetric)", forwards=True),
        check_directions_of_synapses,
    ),
    "forwards, rules": (networks_with_rules(), check_directions_of_synapses),
    "bptt, rules": (networks_that_move("bptt(truncate = 6 ms)"), check_moving_weights),
    "eprop, rules": (networks_that_move("eprop(feedback = symmetric)"), check_moving_weights),
    "forwards, draws": (
        networks_that_move("eprop(feedback = symmetric)", draws=True),
        check_directions_of_synapses,
    ),
    "eprop, synapses": (networks_with_synapses("eprop"), check_synapses),
    "bptt, synapses": (networks_with_synapses("bptt"), check_synapses),
    "windows, synapses": (networks_with_synapses("bptt(truncate = 4 ms)"), check_synapses),
    "eventprop": (timed_networks(), lambda case: check_event_times(*case)),
    "eventprop, synapses": (networks_of_timed_synapses(), lambda case: check_event_times_of_synapses(*case)),
    "eventprop, rules": (networks_of_timed_rules(), lambda case: check_event_times_of_synapses(*case)),
}


def going_on(check: Callable[..., None], chosen: Container[int] | None, tell: bool) -> Callable[..., None]:
    """A check that prints what differs, so that the networks behind it are tried as well.

    chosen: the networks that are checked, by their number. tell: print those that are passed over as well.
    """
    numbers = count()

    def check_next(network: Any) -> None:
        number = next(numbers)
        if chosen and number not in chosen:
            raise PassedOver(LEFT_OUT)
        try:
            check(network)
        except AssertionError as difference:
            print(f"network {number}: {difference}", flush=True)
            raise PassedOver(DIFFERS) from None
        except PassedOver as reason:
            if tell:
                print(f"network {number}: {reason}: {reason.details}", flush=True)
            raise

    return check_next


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200, help="in all, over the rules")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", action="append", choices=CAMPAIGNS, help="one of the campaigns; may be given several times"
    )
    parser.add_argument("--at", type=int, action="append", help="check the network of that number alone, from 0")
    parser.add_argument("--tell", action="store_true", help="print the networks that are passed over, with details")
    options = parser.parse_args()
    total, differ = 0, 0
    for rule in options.only or CAMPAIGNS:
        start, passed = time.perf_counter(), Counter[str]()
        strategy, check = CAMPAIGNS[rule]
        each = max(1, options.networks // len(options.only or CAMPAIGNS))
        checked = count_checked(strategy, going_on(check, options.at, options.tell), each, options.seed, passed)
        total, differ = total + checked, differ + passed[DIFFERS]
        print(f"{rule:24}{checked:6} networks agree   {time.perf_counter() - start:6.0f} s", flush=True)
        for reason, times in passed.most_common():
            print(f"{'':24}{times:6} {reason}", flush=True)
    print(f"{'in all':24}{total:6}")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
