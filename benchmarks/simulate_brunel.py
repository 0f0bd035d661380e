"""Brunel's sparse random network (2000, model A), 12,500 neurons and 15.6 million synapses, beside NEST and Brian 2.

Potentials jump by spikes, all after 1.5 ms; each neuron has inputs from a tenth of both populations and noise of its
own. Asynchronous and irregular by default (g = 5, eta = 2).

    python benchmarks/simulate_brunel.py
    python benchmarks/simulate_brunel.py --size 0.2 --quick      # 2,500 neurons, in-degrees a fifth, weights five times
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators import Brian, Nest, Simulator, Sncc, compare, parser, settled

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "brunel_2000.snn"
POPULATIONS = ("exc", "inh")
G, ETA = 5.0, 2.0


def text(size: float) -> str:
    """The example with a part of the neurons and synapses, the weights being larger by as much."""
    given = EXAMPLE.read_text()
    for n in (10000, 2500):
        given = given.replace(f"[{n}]", f"[{round(n * size)}]")
    return given.replace("param CE = 1000", f"param CE = {round(1000 * size)}").replace(
        "J = 0.1 mV", f"J = {0.1 / size:g} mV"
    )


def numbers(size: float) -> tuple[int, int, int, int, float, float]:
    """Neurons and in-degrees of both kinds, the excitatory weight (mV), and the rate from outside of a neuron (kHz)."""
    in_degree, weight = round(1000 * size), 0.1 / size
    return round(10000 * size), round(2500 * size), in_degree, in_degree // 4, weight, ETA * 20 / (weight * 20)


@dataclass
class NestBrunel(Nest):
    """iaf_psc_delta with a poisson_generator."""

    def create(self, nest: Any) -> dict[str, Any]:
        ne, ni, ce, ci, weight, rate = numbers(self.options["size"])
        model = {"C_m": 1.0, "tau_m": 20.0, "t_ref": 2.0, "E_L": 0.0, "V_reset": 10.0, "V_m": 0.0, "V_th": 20.0}
        neurons = nest.Create("iaf_psc_delta", ne + ni, model)
        exc, inh = neurons[:ne], neurons[ne:]
        nest.Connect(
            nest.Create("poisson_generator", {"rate": 1e3 * rate}), neurons, syn_spec={"weight": weight, "delay": 0.1}
        )
        for source, degree, w in ((exc, ce, weight), (inh, ci, -G * weight)):
            rule = {"rule": "fixed_indegree", "indegree": degree, "allow_multapses": False}
            nest.Connect(source, neurons, rule, {"weight": w, "delay": 1.5})
        return {"exc": exc, "inh": inh}


@dataclass
class BrianBrunel(Brian):
    """Connections drawn pair by pair, as Brian 2 does it quickest; the noise as PoissonInput."""

    def create(self, brian: Any) -> tuple[list[Any], dict[str, tuple[Any, slice]]]:
        ne, ni, ce, ci, weight, rate = numbers(self.options["size"])
        mV, ms = brian.mV, brian.ms
        neurons = brian.NeuronGroup(
            ne + ni, "dv/dt = -v / (20*ms) : volt (unless refractory)", threshold="v >= 20*mV", reset="v = 10*mV",
            refractory=2 * ms, method="exact",
        )  # fmt: skip
        excite = brian.Synapses(neurons[:ne], neurons, on_pre=f"v += {weight!r}*mV", delay=1.5 * ms)
        excite.connect(p=ce / ne)
        inhibit = brian.Synapses(neurons[ne:], neurons, on_pre=f"v -= {G * weight!r}*mV", delay=1.5 * ms)
        inhibit.connect(p=ci / ni)
        noise = brian.PoissonInput(neurons, "v", ce, rate / ce / ms, weight * mV)
        return [neurons, excite, inhibit, noise], {"exc": (neurons, slice(0, ne)), "inh": (neurons, slice(ne, ne + ni))}


def simulators(options: Any, size: float) -> list[Simulator]:
    """sncc and its peers."""
    same = (options.seed, options.warm, options.seconds, {"size": size})
    own = {"source": text(size), "populations": POPULATIONS, "one_to_one": ("outside_exc_exc", "outside_inh_inh")}
    return [
        Sncc(options.threads, *same[:3], own),
        BrianBrunel(1, *same),
        BrianBrunel(options.threads, *same),
        NestBrunel(options.threads, *same),
    ]


def main() -> None:
    """Build, take turns, print."""
    made = parser(__doc__, seconds=0.5, rounds=3)
    made.add_argument("--size", type=float, default=1.0, help="share of the neurons and of the in-degrees")
    options = settled(made.parse_args())
    compare(f"Brunel, {12500 * options.size:,.0f} neurons", simulators(options, options.size), options)


if __name__ == "__main__":
    main()
