"""Digits learnt without labels (Diehl and Cook 2015) as a network of spikes, beside Brian 2,
for which the authors wrote it.

784 Poisson inputs, plastic onto all of 100 excitatory neurons, each with an inhibitory partner; step 0.5 ms. Images of
the digits that come with sncc, each shown for 350 ms and followed by 150 ms of silence. Weights are not scaled between
images.

    python benchmarks/simulate_unlabelled.py
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from learn_unlabelled import EXAMPLE, SHOWN, SILENT, STEP, frames
from simulators import Brian, Simulator, Sncc, Spikes, compare, parser, settled

BRIGHT = 63.75  # Hz of a white pixel, as in the authors' program
EACH = (SHOWN + SILENT) * STEP  # seconds an image takes


def text() -> str:
    """The example with inputs that it draws itself."""
    return EXAMPLE.read_text().replace("input[28, 28]", "poisson[28, 28](rate = each(0 Hz))")


@functools.cache
def rates() -> np.ndarray:
    """Hz of every pixel while each of the images is shown, (images, 784), in an order that no seed changes."""
    pictures, _ = frames()
    return BRIGHT * pictures[np.random.default_rng(0).permutation(len(pictures))]


@dataclass
class SnccUnlabelled(Sncc):
    """Rates are set anew for every image and for the silence after it."""

    shown: int = 0

    def _simulate(self, seconds: float) -> None:
        images = range(self.shown, self.shown + round(seconds / EACH))
        found: Spikes = {}
        for image in images:
            for hertz, steps in ((rates()[image], SHOWN), (np.zeros(784), SILENT)):
                self.network.parameters["pixels.rate"] = hertz
                wanted = [f"{p}.spikes" for p in self.options["populations"]]
                run = self.network.simulate(steps * STEP, record=wanted, seed=self.seed, resume=True, verbose=False)
                for name in self.options["populations"]:
                    times, neurons = found.get(name, (np.empty(0), np.empty(0, int)))
                    spikes = run.spikes[name]
                    found[name] = np.append(times, spikes.times), np.append(neurons, spikes.neurons)
        self.shown, self.found = images.stop, found

    def counts(self) -> dict[str, int]:
        return {name: times.size for name, (times, _) in self.found.items()}

    def spikes(self) -> Spikes:
        return self.found


@dataclass
class BrianUnlabelled(Brian):
    """Brian 2's refractory time counts from the start of the step of the spike: a step more holds a neuron as long."""

    def create(self, brian: Any) -> tuple[list[Any], dict[str, tuple[Any, slice]]]:
        n, ms, mV, hertz = self.options["size"], brian.ms, brian.mV, brian.Hz
        shown = rates()[: round((self.warm + self.seconds) / EACH)]
        slots = np.repeat(shown, 10, axis=0)  # of 50 ms
        slots[np.arange(len(slots)) % 10 >= 7] = 0
        rate = brian.TimedArray(slots * hertz, dt=50 * ms)
        pixels = brian.PoissonGroup(784, rates="rate(t, i)", namespace={"rate": rate})
        exc = brian.NeuronGroup(
            n, """dv/dt = (-65*mV - v + ge*(0*mV - v) + gi*(-100*mV - v)) / (100*ms) : volt (unless refractory)
                  dge/dt = -ge / (1*ms) : 1
                  dgi/dt = -gi / (2*ms) : 1
                  dtheta/dt = -theta / (10000*second) : volt""",
            threshold="v > theta - 72*mV", reset="v = -65*mV; theta += 0.05*mV", refractory=5.5 * ms, method="exponential_euler",
        )  # fmt: skip
        inh = brian.NeuronGroup(
            n, """dv/dt = (-60*mV - v + ge*(0*mV - v)) / (10*ms) : volt (unless refractory)
                  dge/dt = -ge / (1*ms) : 1""",
            threshold="v > -40*mV", reset="v = -45*mV", refractory=2.5 * ms, method="exponential_euler",
        )  # fmt: skip
        exc.v, exc.theta, inh.v = -105 * mV, 20 * mV, -100 * mV
        plastic = brian.Synapses(
            pixels, exc,
            """w : 1
               dx/dt = -x / (20*ms) : 1 (event-driven)
               dy/dt = -y / (20*ms) : 1 (event-driven)
               dbefore/dt = -before / (40*ms) : 1 (event-driven)""",
            on_pre="ge += w; w = clip(w - 1e-4*y, 0, 1); x = 1",
            on_post="w = clip(w + 1e-2*x*before, 0, 1); y = 1; before = 1",
        )  # fmt: skip
        plastic.connect()
        plastic.w, plastic.delay = "0.003 + 0.3*rand()", "0.5*ms + 9.5*ms*rand()"
        pairs = brian.Synapses(exc, inh, on_pre="ge += 10.4")
        pairs.connect(j="i")
        silence = brian.Synapses(inh, exc, on_pre="gi += 17", delay=0.5 * ms)
        silence.connect(condition="i != j")
        self.plastic = plastic
        return [pixels, exc, inh, plastic, pairs, silence], {"exc": (exc, slice(0, n)), "inh": (inh, slice(0, n))}

    def weights(self) -> np.ndarray:
        return np.asarray(self.plastic.w)


def simulators(options: Any, size: int = 100) -> list[Simulator]:
    """sncc and Brian 2, both with one thread, as that is quicker."""
    same = (options.seed, options.warm, options.seconds)
    own = {
        "source": text(), "settings": {"size": size}, "populations": ("exc", "inh"), "plastic": "pixels_exc", "weights": ("", 1.0),
    }  # fmt: skip
    return [
        SnccUnlabelled(1, *same, own),
        BrianUnlabelled(1, *same, {"size": size, "step": 0.5, "targets": size, "weights": ("", 1.0)}),
    ]


def main() -> None:
    """Build, take turns, print."""
    made = parser(__doc__, seconds=5.0)
    options = settled(made.parse_args())
    if options.quick:
        options.warm = options.seconds = EACH
    compare("Digits without labels, 784 -> 100, plastic", simulators(options), options)


if __name__ == "__main__":
    main()
