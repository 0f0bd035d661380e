"""Izhikevich's thousand neurons (2003), coupled all to all, beside NEST; step 1 ms, half a second to settle.

python benchmarks/simulate_izhikevich.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from simulators import Nest, Simulator, Sncc, compare, parser, settled

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "izhikevich_2003.snn"
POPULATIONS = ("exc", "inh")


@dataclass
class NestIzhikevich(Nest):
    """izhikevich with the paper's own two half steps; noise_generator draws once a step for each neuron."""

    def create(self, nest: Any) -> dict[str, Any]:
        draws = np.random.default_rng(self.seed)
        r, q = draws.random(800), draws.random(200)
        published = {"consistent_integration": False, "V_th": 30.0, "V_m": -65.0}
        exc = nest.Create("izhikevich", 800, published | {"a": 0.02, "b": 0.2, "U_m": -13.0})
        exc.set(c=list(-65 + 15 * r**2), d=list(8 - 6 * r**2))
        inh = nest.Create("izhikevich", 200, published | {"c": -65.0, "d": 2.0})
        inh.set(a=list(0.02 + 0.08 * q), b=list(0.25 - 0.05 * q), U_m=list(-65 * (0.25 - 0.05 * q)))
        for nodes, deviation in ((exc, 5.0), (inh, 2.0)):
            noise = nest.Create("noise_generator", {"mean": 0.0, "std": deviation, "dt": 1.0})
            nest.Connect(noise, nodes, syn_spec={"delay": 1.0})
        for source, low, high in ((exc, 0.0, 0.5), (inh, -1.0, 0.0)):
            nest.Connect(source, exc + inh, "all_to_all", {"weight": nest.random.uniform(low, high), "delay": 1.0})
        return {"exc": exc, "inh": inh}


def simulators(options: Any) -> list[Simulator]:
    """sncc and NEST."""
    same = (options.seed, options.warm, options.seconds)
    own = {"source": str(EXAMPLE), "populations": POPULATIONS}
    return [Sncc(options.threads, *same, own), *(NestIzhikevich(k, *same, {"step": 1.0}) for k in {1, options.threads})]


def main() -> None:
    """Build, take turns, print."""
    options = settled(parser(__doc__, seconds=5.0).parse_args())
    compare("Izhikevich 2003, 1,000 neurons", simulators(options), options)


if __name__ == "__main__":
    main()
