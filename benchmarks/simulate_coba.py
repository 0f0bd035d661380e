"""Self-sustained activity with conductances (Vogels and Abbott 2005; Brette et al. 2007, benchmark 1),
beside Brian 2 and NEST.

4,000 or more neurons, four fifths of them excitatory, 80 synapses a neuron, step 0.1 ms. The active state can die out:
the rates stand beside the times, and a silent run counts for nothing.

    python benchmarks/simulate_coba.py                   # 4,000 neurons
    python benchmarks/simulate_coba.py --neurons 40000
    python benchmarks/simulate_coba.py --quick --only sncc
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators import Brian, Nest, Simulator, Sncc, compare, parser, settled

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "vogels_abbott_coba.snn"
POPULATIONS = ("exc", "inh")


def text(neurons: int, late: bool = False) -> str:
    """The example with so many neurons and as many synapses a neuron; the current comes in time or `late`."""
    given = EXAMPLE.read_text()
    if late:
        given = given.replace("from 0 ms to 50 ms", "from 0.2 ms to 50.2 ms")
    sized = given.replace("CobaLIF[3200]", f"CobaLIF[{neurons * 4 // 5}]").replace(
        "CobaLIF[800]", f"CobaLIF[{neurons // 5}]"
    )
    return sized.replace("p = 0.02", f"p = {80 / neurons:g}")


@dataclass
class NestCoba(Nest):
    """iaf_cond_exp, integrated adaptively.

    The current that sets the network off is the neurons' own: that of a dc_generator comes two steps later (option
    `late`).
    """

    def create(self, nest: Any) -> dict[str, Any]:
        n = self.options["neurons"]
        numbers = {
            "E_L": -60.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0, "C_m": 200.0, "g_L": 10.0,
            "E_ex": 0.0, "E_in": -80.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0,
        }  # fmt: skip
        neurons = nest.Create("iaf_cond_exp", n, numbers)
        neurons.V_m = nest.random.uniform(-60.0, -50.0)
        exc, inh = neurons[: n * 4 // 5], neurons[n * 4 // 5 :]
        if self.options.get("late"):
            start = nest.Create("dc_generator", {"amplitude": 200.0, "start": 0.0, "stop": 50.0})
            nest.Connect(start, exc, syn_spec={"delay": 0.1})
        else:
            exc.I_e = 200.0
        rule = {"rule": "pairwise_bernoulli", "p": 80 / n}
        nest.Connect(exc, neurons, rule, {"weight": 6.0, "delay": 0.1})
        nest.Connect(inh, neurons, rule, {"weight": -67.0, "delay": 0.1})
        return {"exc": exc, "inh": inh}

    def settle(self, nest: Any) -> None:
        """The neurons' own current ends after 50 ms, of which one step has passed."""
        nest.Run(49.9)
        self.populations["exc"].I_e = 0.0
        nest.Run(1e3 * self.warm - 50.0)


@dataclass
class BrianCoba(Brian):
    """Exponential Euler, as sncc integrates it."""

    def create(self, brian: Any) -> tuple[list[Any], dict[str, tuple[Any, slice]]]:
        n, ms = self.options["neurons"], brian.ms
        equations = """
            dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v) + current) / (200*pF) : volt (unless refractory)
            dge/dt = -ge / (5*ms) : siemens
            dgi/dt = -gi / (10*ms) : siemens
            current : amp"""
        neurons = brian.NeuronGroup(
            n, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exponential_euler"
        )
        neurons.v = "-60*mV + 10*mV*rand()"
        exc = n * 4 // 5
        neurons[:exc].current = 200 * brian.pA
        self.neurons = neurons
        excite = brian.Synapses(neurons[:exc], neurons, on_pre="ge += 6*nS", delay=0.1 * ms)
        excite.connect(p=80 / n)
        inhibit = brian.Synapses(neurons[exc:], neurons, on_pre="gi += 67*nS", delay=0.1 * ms)
        inhibit.connect(p=80 / n)
        return [neurons, excite, inhibit], {"exc": (neurons, slice(0, exc)), "inh": (neurons, slice(exc, n))}

    def stages(self, brian: Any, network: Any) -> None:
        """The current that sets it off ends after 50 ms."""
        network.run(50 * brian.ms)
        self.neurons.current = 0 * brian.pA
        network.run((self.warm - 0.05) * brian.second)


def simulators(options: Any, neurons: int, late: bool = False) -> list[Simulator]:
    """sncc and its peers: Brian 2 with one thread too, whichever is faster. `late`: the current, in sncc and NEST."""
    same = (options.seed, options.warm, options.seconds, {"neurons": neurons, "late": late})
    return [
        Sncc(options.threads, *same[:3], {"source": text(neurons, late), "populations": POPULATIONS}),
        BrianCoba(1, *same),
        BrianCoba(options.threads, *same),
        NestCoba(options.threads, *same),
    ]


def main() -> None:
    """Build, take turns, print."""
    made = parser(__doc__, seconds=1.0)
    made.add_argument("--neurons", type=int, default=4000)
    options = settled(made.parse_args())
    compare(f"COBA, {options.neurons:,} neurons", simulators(options, options.neurons), options)


if __name__ == "__main__":
    main()
