"""Competition by spike-timing dependent plasticity (Song, Miller and Abbott 2000), beside Brian 2 and NEST.

1,000 plastic excitatory and 200 inhibitory Poisson inputs, each onto all of 100 neurons, step 0.1 ms.

    python benchmarks/simulate_stdp.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from simulators import Brian, Nest, Simulator, Sncc, compare, parser, settled

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "song_abbott_2000.snn"
NEST_ORDER = Path(__file__).resolve().parent / "song_abbott_nest.snn"  # the same, as NEST orders what happens in a step
LARGEST = 0.15  # nS


def text(targets: int, source: Path = EXAMPLE) -> str:
    """The network with so many neurons that learn side by side."""
    return source.read_text().replace("Target[1]", f"Target[{targets}]")


@dataclass
class NestStdp(Nest):
    """iaf_cond_exp, parrot_neuron behind poisson_generator (NEST's plastic synapses start at neurons), stdp_synapse."""

    def create(self, nest: Any) -> dict[str, Any]:
        model = {
            "E_L": -70.0, "V_th": -54.0, "V_reset": -60.0, "t_ref": 0.0, "C_m": 200.0, "g_L": 10.0, "V_m": -70.0,
            "E_ex": 0.0, "E_in": -70.0, "tau_syn_ex": 5.0, "tau_syn_in": 5.0, "tau_minus": 20.0,
        }  # fmt: skip
        target = nest.Create("iaf_cond_exp", self.options["targets"], model)
        for number, rate, synapse in ((1000, 15.0, True), (200, 10.0, False)):
            inputs = nest.Create("parrot_neuron", number)
            nest.Connect(nest.Create("poisson_generator", {"rate": rate}), inputs)
            plastic = {
                "synapse_model": "stdp_synapse", "weight": nest.random.uniform(0.0, LARGEST), "delay": 0.1, "Wmax": LARGEST,
                "lambda": 0.005, "alpha": 0.00525 / 0.005, "mu_plus": 0.0, "mu_minus": 0.0, "tau_plus": 20.0,
            }  # fmt: skip
            nest.Connect(inputs, target, "all_to_all", plastic if synapse else {"weight": -0.5, "delay": 0.1})
        return {"target": target}

    def weights(self) -> np.ndarray:
        return 1e-9 * np.array(self.nest.GetConnections(synapse_model="stdp_synapse").weight)


@dataclass
class BrianStdp(Brian):
    """Event-driven traces, as in Brian 2's own example of this model."""

    def create(self, brian: Any) -> tuple[list[Any], dict[str, tuple[Any, slice]]]:
        n, Hz, nS = self.options["targets"], brian.Hz, brian.nS
        target = brian.NeuronGroup(
            n, """dv/dt = (10*nS*(-70*mV - v) + ge*(0*mV - v) + gi*(-70*mV - v)) / (200*pF) : volt
                  dge/dt = -ge / (5*ms) : siemens
                  dgi/dt = -gi / (5*ms) : siemens""",
            threshold="v > -54*mV", reset="v = -60*mV", method="exponential_euler",
        )  # fmt: skip
        target.v = -70 * brian.mV
        excitation, inhibition = brian.PoissonGroup(1000, 15 * Hz), brian.PoissonGroup(200, 10 * Hz)
        plastic = brian.Synapses(
            excitation, target,
            """w : siemens
               dx/dt = -x / (20*ms) : 1 (event-driven)
               dy/dt = -y / (20*ms) : 1 (event-driven)""",
            on_pre="""ge += w
                      w = clip(w - 0.00525*0.15*nS*y, 0*nS, 0.15*nS)
                      x += 1""",
            on_post="""w = clip(w + 0.005*0.15*nS*x, 0*nS, 0.15*nS)
                       y += 1""",
        )  # fmt: skip
        plastic.connect()
        plastic.w = "0.15*nS*rand()"
        fixed = brian.Synapses(inhibition, target, on_pre="gi += 0.5*nS")
        fixed.connect()
        self.plastic, self.unit = plastic, nS
        return [target, excitation, inhibition, plastic, fixed], {"target": (target, slice(0, n))}

    def weights(self) -> np.ndarray:
        return 1e-9 * np.asarray(self.plastic.w / self.unit)


def simulators(options: Any, targets: int, source: Path = EXAMPLE) -> list[Simulator]:
    """sncc, which takes the source, and its peers."""
    same = (options.seed, options.warm, options.seconds, {"targets": targets})
    own = {"source": text(targets, source), "populations": ("target",), "plastic": "excitation_target"}
    return [
        Sncc(options.threads, *same[:3], own),
        BrianStdp(1, *same),
        BrianStdp(options.threads, *same),
        NestStdp(options.threads, *same),
    ]


def main() -> None:
    """Build, take turns, print."""
    made = parser(__doc__, seconds=1.0)
    made.add_argument("--targets", type=int, default=100)
    options = settled(made.parse_args())
    compare(f"STDP, 1,000 -> {options.targets}, plastic", simulators(options, options.targets), options)


if __name__ == "__main__":
    main()
