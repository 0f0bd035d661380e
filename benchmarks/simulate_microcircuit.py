"""The cortical microcircuit of Potjans and Diesmann (2014), a tenth of its neurons by default, beside NEST.

The number of synapses follows from the connection probabilities and the scale; weights and delays are drawn for each.
At full scale (77,000 neurons, 300 million synapses) the rates of the paper's table 6 may be looked at.

    python benchmarks/simulate_microcircuit.py
    python benchmarks/simulate_microcircuit.py --scale 1 --only sncc --rounds 1     # NEST needs 20 GB there
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log
from pathlib import Path
from typing import Any

from simulators import Nest, Simulator, Sncc, compare, parser, settled

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "potjans_diesmann_2014.snn"
POPULATIONS = ("l23e", "l23i", "l4e", "l4i", "l5e", "l5i", "l6e", "l6i")
SIZES = dict(zip(POPULATIONS, (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)))
OUTSIDE = dict(zip(POPULATIONS, (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)))  # inputs of a neuron, 8 Hz each
# table 5 there: the row is the target, the column the source
PROBABILITIES = (
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443),
)
WEIGHT = 87.8  # pA


@dataclass
class NestMicrocircuit(Nest):
    """iaf_psc_exp, fixed_total_number, a poisson_generator for each population."""

    def create(self, nest: Any) -> dict[str, Any]:
        scale = self.options["scale"]
        sizes = {name: floor(scale * full) for name, full in SIZES.items()}
        model = {
            "C_m": 250.0, "E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "t_ref": 2.0, "tau_m": 10.0,
            "tau_syn_ex": 0.5, "tau_syn_in": 0.5,
        }  # fmt: skip
        made = {name: nest.Create("iaf_psc_exp", size, model) for name, size in sizes.items()}
        for name, nodes in made.items():
            nodes.V_m = nest.random.normal(-58.0, 10.0)
            noise = nest.Create("poisson_generator", {"rate": 8.0 * OUTSIDE[name]})
            nest.Connect(noise, nodes, syn_spec={"weight": WEIGHT, "delay": 0.1})
        for target, row in zip(POPULATIONS, PROBABILITIES):
            for source, p in zip(POPULATIONS, row):
                if p > 0:
                    self._connect(nest, made, source, target, p)
        return made

    def _connect(self, nest: Any, made: dict[str, Any], source: str, target: str, p: float) -> None:
        pairs = len(made[source]) * len(made[target])
        rule = {"rule": "fixed_total_number", "N": floor(0.5 + log(1 - p) / log(1 - 1 / pairs))}
        inhibits = source.endswith("i")
        mean = -4 * WEIGHT if inhibits else WEIGHT * (2 if (source, target) == ("l4e", "l23e") else 1)
        weight = nest.math.redraw(
            nest.random.normal(mean, 0.1 * abs(mean)), -1000.0 if inhibits else 0.0, 0.0 if inhibits else 1000.0
        )
        delay = nest.math.redraw(
            nest.random.normal(0.8, 0.4) if inhibits else nest.random.normal(1.5, 0.75), 0.1, 100.0
        )
        nest.Connect(made[source], made[target], rule, {"weight": weight, "delay": delay})


def simulators(options: Any, scale: float) -> list[Simulator]:
    """sncc and NEST."""
    same = (options.threads, options.seed, options.warm, options.seconds)
    own = {
        "source": str(EXAMPLE), "settings": {"scale": scale}, "populations": POPULATIONS,
        "one_to_one": tuple(f"outside_{p}_{p}" for p in POPULATIONS),
    }  # fmt: skip
    return [Sncc(*same, own), NestMicrocircuit(*same, {"scale": scale})]


def main() -> None:
    """Build, take turns, print."""
    made = parser(__doc__, seconds=0.5, rounds=3)
    made.add_argument("--scale", type=float, default=0.1, help="share of the neurons")
    options = settled(made.parse_args())
    compare(f"Microcircuit x {options.scale:g}", simulators(options, options.scale), options)


if __name__ == "__main__":
    main()
