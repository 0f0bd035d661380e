"""snnTorch, Norse and SpikingJelly, each with neurons of its own.

As quick as each can be without leaving it: products with the weights from below are of all steps at once where the
library lets them, and steps are taken by `unbind`, since indexing a sequence in every step costs its length squared on
the way back.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from peers import RATE_OF_LEARNING, Evidence, Peer

Layer = Callable[[Any], Any]  # of (steps, samples, neurons)


@dataclass(frozen=True)
class Network:
    """A network that is ready: its weights in the case's order, its hidden layers, its readout, its optimiser."""

    weights: list[Any]
    layers: list[Layer]
    readout: Layer
    optimiser: Any

    def forward(self, x: Any) -> tuple[Any, list[Any]]:
        """The readout of each sample, and the spikes of each hidden layer."""
        spikes = []
        for layer in self.layers:
            x = layer(x)
            spikes.append(x)
        return self.readout(x), spikes


class Torch(Peer):
    """A network in PyTorch; a subclass says what its hidden neurons and readouts do."""

    modes = ("eager", "compiled step")

    @abstractmethod
    def layer(self, feed: Any, recurrent: Any, step: Callable[[Any], Any]) -> Layer:
        """A hidden layer behind a Linear, with one to itself or None; `step`: what a function of one step becomes."""

    @abstractmethod
    def readout(self, feed: Any, step: Callable[[Any], Any]) -> Layer:
        """The mean over the steps of the readouts' states, behind a Linear."""

    @abstractmethod
    def version(self) -> str:
        """Of the library."""

    def build(self) -> str:
        import torch

        logging.disable(logging.WARNING)  # that there is no Triton, which CPUs do without
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)
        torch.set_default_dtype(getattr(torch, self.precision))
        self.torch = torch
        spikes, labels = self.data
        self.x = torch.tensor(spikes.swapaxes(0, 1), dtype=torch.get_default_dtype())
        self.labels = torch.tensor(labels)
        return f"{self.label} {self.version()}, torch {torch.__version__}"

    def network(self, mode: str) -> Network:
        """A network of its own with the case's weights."""
        torch, case = self.torch, self.case
        linear = {}
        for pair, weights in zip(case.connections, case.weights(self.gain)):
            linear[pair] = torch.nn.Linear(*weights.shape, bias=False)
            with torch.no_grad():
                linear[pair].weight.copy_(torch.tensor(weights.T))
        step = torch.compile if mode == "compiled step" else lambda function: function
        chain = [pair for pair in case.connections if pair[0] != pair[1]]
        layers = [self.layer(linear[pair], linear.get((pair[1], pair[1])), step) for pair in chain[:-1]]
        weights = [made.weight for made in linear.values()]
        optimiser = torch.optim.Adam(weights, lr=RATE_OF_LEARNING)
        return Network(weights, layers, self.readout(linear[chain[-1]], step), optimiser)

    def loss(self, network: Network, x: Any, labels: Any) -> tuple[Any, list[Any]]:
        found, spikes = network.forward(x)
        return self.torch.nn.functional.cross_entropy(found, labels), spikes

    def evidence(self, samples: np.ndarray) -> Evidence:
        network = self.network("eager")
        loss, spikes = self.loss(network, self.x[:, samples], self.labels[samples])
        loss.backward()
        gradients = [w.grad.numpy().T.copy() for w in network.weights]
        network.optimiser.step()
        fired = [(s.detach().numpy() > 0).swapaxes(0, 1) for s in spikes]
        return Evidence(fired, loss.item(), gradients, [w.detach().numpy().T.copy() for w in network.weights])

    def job(self, name: str, mode: str) -> Callable[[], object]:
        network = self.network(mode)

        def train() -> None:
            network.optimiser.zero_grad()
            self.loss(network, self.x, self.labels)[0].backward()
            network.optimiser.step()

        def infer() -> None:
            with self.torch.inference_mode():
                network.forward(self.x)

        return infer if name == "inference" else train


class SnnTorch(Torch):
    """Leaky, or RLeaky with a Linear to itself, and Leaky without reset as a readout."""

    label, module = "snnTorch", "snntorch"
    gains = {"recurrent": 1.92, "wide": 3.2, "forward": 2.3, "dense": 4.5}
    exactness = 1e-6  # its spikes are float32, and so is what comes back through them
    equations = """
neuron Hidden:
    "The reset acts one step behind the spike, beside the decay, and is detached."
    state v = 0
    input I
    each step:
        v = 0.95 * v + I
    spike when v > 1:
        reset v -= 1 / 0.95
    surrogate fast_sigmoid(slope = 25)

neuron Readout:
    state v = 0
    input I
    each step:
        v = 0.95 * v + I
"""

    def version(self) -> str:
        import snntorch

        return snntorch.__version__

    def options(self) -> dict[str, Any]:
        from snntorch import surrogate

        spike = surrogate.fast_sigmoid(slope=25)
        exact = self.precision == "float64"
        return {"beta": self.torch.tensor(0.95), "spike_grad": (lambda u: spike(u).to(u.dtype)) if exact else spike}

    def layer(self, feed: Any, recurrent: Any, step: Callable[[Any], Any]) -> Layer:
        import snntorch

        if recurrent is None:
            cell = snntorch.Leaky(**self.options())
        else:
            cell = snntorch.RLeaky(linear_features=self.case.hidden, **self.options())
            cell.recurrent = recurrent
        step, torch = step(cell), self.torch

        def run(x: Any) -> Any:
            drive, spikes = feed(x), []
            spike = mem = torch.zeros_like(drive[0])
            for current in drive.unbind(0):
                spike, mem = step(current, mem) if recurrent is None else step(current, spike, mem)
                spikes.append(spike)
            return torch.stack(spikes)

        return run

    def readout(self, feed: Any, step: Callable[[Any], Any]) -> Layer:
        import snntorch

        step, torch = step(snntorch.Leaky(reset_mechanism="none", **self.options())), self.torch

        def run(x: Any) -> Any:
            drive, states = feed(x), []
            mem = torch.zeros_like(drive[0])
            for current in drive.unbind(0):
                _, mem = step(current, mem)
                states.append(mem)
            return torch.stack(states).mean(0)

        return run


class Norse(Torch):
    """LIFRecurrent, whose products with its inputs are of one step, or LIFCell, and LICell as a readout."""

    label, module = "Norse", "norse"
    gains = {"recurrent": 6.0, "wide": 9.5, "forward": 6.5, "dense": 27.0}
    text = """
neuron Hidden:
    "With an exponential synapse; tau_syn = 5 ms, tau_mem = 10 ms, by Euler's method."
    state i = 0
    state v = 0
    input I
    each step:
        i = 0.8 * i + I
        v = v + 0.1 * (i - v)
    spike when v > 1:
        {reset}v = 0
    surrogate fast_sigmoid(slope = 1)

neuron Readout:
    state i = 0
    state v = 0
    input I
    each step:
        i = 0.8 * i + I
        v = v + 0.1 * (i - v)
"""

    @property
    def equations(self) -> str:
        """The recurrent neuron detaches its reset, the other one does not; `alpha` of its surrogate has no effect."""
        return self.text.format(reset="reset " if self.case.recurrent else "")

    def version(self) -> str:
        from importlib.metadata import version

        return version("norse")

    def constants(self, **more: float) -> dict[str, Any]:
        numbers = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_leak": 0.0, **more}
        return {name: self.torch.tensor(number) for name, number in numbers.items()}

    def layer(self, feed: Any, recurrent: Any, step: Callable[[Any], Any]) -> Layer:
        import norse.torch as norse

        p = norse.LIFParameters(**self.constants(v_th=1.0, v_reset=0.0))
        if recurrent is None:
            return self.stepwise(feed, norse.LIFCell(p), step)
        weights = {"input_weights": feed.weight, "recurrent_weights": recurrent.weight}
        made = norse.LIFRecurrent(feed.in_features, self.case.hidden, p, autapses=True, **weights)
        made.activation = step(made.activation)
        return lambda x: made(x)[0]

    def readout(self, feed: Any, step: Callable[[Any], Any]) -> Layer:
        import norse.torch as norse

        run = self.stepwise(feed, norse.LICell(norse.LIParameters(**self.constants())), step)
        return lambda x: run(x).mean(0)

    def stepwise(self, feed: Any, cell: Any, step: Callable[[Any], Any]) -> Layer:
        """What a cell gives in every step."""
        cell.activation = step(cell.activation)
        torch = self.torch

        def run(x: Any) -> Any:
            state, found = None, []
            for current in feed(x).unbind(0):
                one, state = cell(current, state)
                found.append(one)
            return torch.stack(found)

        return run


class SpikingJelly(Torch):
    """LIFNode, of all steps at once where nothing is recurrent, and NonSpikingLIFNode as a readout."""

    label, module = "SpikingJelly", "spikingjelly"
    gains = {"recurrent": 1.88, "wide": 3.06, "forward": 2.2, "dense": 4.5}
    equations = """
neuron Hidden:
    "A soft reset, detached; the threshold itself is enough."
    state v = 0
    input I
    each step:
        v = v - v / 20 + I
    spike when v >= 1:
        reset v -= 1
    surrogate atan(alpha = 2)

neuron Readout:
    state v = 0
    input I
    each step:
        v = v + (I - v) / 20
"""

    def version(self) -> str:
        from importlib.metadata import version

        return version("spikingjelly")

    def layer(self, feed: Any, recurrent: Any, step: Callable[[Any], Any]) -> Layer:
        from spikingjelly.activation_based import neuron, surrogate

        torch = self.torch
        at_once = recurrent is None and step is not torch.compile  # which would unroll all steps, for minutes
        node = neuron.LIFNode(
            tau=20.0,
            decay_input=False,
            v_reset=None,
            detach_reset=True,
            surrogate_function=surrogate.ATan(alpha=2.0),
            step_mode="m" if at_once else "s",
        )
        one = step(lambda current, spike: node(current if recurrent is None else current + recurrent(spike)))

        def run(x: Any) -> Any:
            node.reset()
            drive, spikes = feed(x), []
            if at_once:
                return node(drive)
            spike = torch.zeros_like(drive[0])
            for current in drive.unbind(0):
                spike = one(current, spike)
                spikes.append(spike)
            return torch.stack(spikes)

        return run

    def readout(self, feed: Any, step: Callable[[Any], Any]) -> Layer:
        from spikingjelly.activation_based import neuron

        node, torch = neuron.NonSpikingLIFNode(tau=20.0), self.torch
        charge = step(node.neuronal_charge)

        def run(x: Any) -> Any:
            drive, states = feed(x), []
            node.v = torch.zeros_like(drive[0])
            for current in drive.unbind(0):
                charge(current)
                states.append(node.v)
            return torch.stack(states).mean(0)

        return run
