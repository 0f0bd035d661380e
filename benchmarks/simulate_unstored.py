"""Brunel's network (2000) with drawn weights and pairs, 12,500 neurons and 15.6 million synapses:
stored, and made again at every spike.

Both are the same network to the last bit; `stored = false` saves the memory of the synapses and costs the time to draw
them again.

    python benchmarks/simulate_unstored.py
    python benchmarks/simulate_unstored.py --size 0.2 --quick    # 2,500 neurons, in-degrees a fifth, weights five times
    python benchmarks/simulate_unstored.py --weights one         # one weight for all synapses of a connection
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulate_brunel import POPULATIONS, text
from simulators import Sncc, compare, parser, settled


@dataclass
class Unstored(Sncc):
    """The same, its synapses made at every spike."""

    label = "sncc, not stored"


def with_pairs(size: float, weights: str, stored: bool) -> str:
    """The example with each pair of neurons joined with the probability 0.1,
    and weights that vary by a tenth where they are drawn.
    """
    of = {"one": "{0}", "drawn": "normal({0}, 0.1 * J)"}[weights]
    end = "" if stored else ", stored = false"
    made = text(size)
    for fan_in, weight in (("CE", "J"), ("CE / 4", "-g * J")):
        made = made.replace(
            f"random(fan_in = {fan_in}), weight = {weight}, delay = 1.5 ms",
            f"random(p = 0.1), weight = {of.format(weight)}, delay = 1.5 ms{end}",
        )
    return made


def simulators(options: Any) -> list[Sncc]:
    """The network both ways."""
    own = {"populations": POPULATIONS, "one_to_one": ("outside_exc_exc", "outside_inh_inh")}
    return [
        kind(options.threads, options.seed, options.warm, options.seconds, own | {"source": source})
        for kind, source in (
            (Sncc, with_pairs(options.size, options.weights, True)),
            (Unstored, with_pairs(options.size, options.weights, False)),
        )
    ]


def main() -> None:
    """Build, take turns, print."""
    made = parser(__doc__, seconds=0.2, rounds=3)
    made.add_argument("--size", type=float, default=1.0, help="share of the neurons and of the in-degrees")
    made.add_argument("--weights", choices=["drawn", "one"], default="drawn")
    options = settled(made.parse_args())
    compare(f"Brunel, {12500 * options.size:,.0f} neurons, weights: {options.weights}", simulators(options), options)


if __name__ == "__main__":
    main()
