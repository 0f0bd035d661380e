"""Spyx, on JAX: one compiled function for a whole batch, forwards, back and the update."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from peers import RATE_OF_LEARNING, Evidence, Peer


class Spyx(Peer):
    """LIF or RLIF, and LI as a readout: all in one scan, or a scan for each and products of all steps between."""

    label, module = "Spyx", "spyx"
    modes = ("one scan", "layer by layer")
    late = True
    gains = {"recurrent": 1.92, "wide": 3.2, "forward": 2.3, "dense": 4.5}
    equations = """
neuron Hidden:
    "Spikes are those of the state that the step before has left; the reset has the spike's gradient."
    state v = 0
    input I
    each step:
        v = 0.95 * v + I
    spike when v > 1:
        v -= 1 / 0.95
    surrogate fast_sigmoid(slope = 25)

neuron Readout:
    state v = 0
    input I
    each step:
        v = 0.95 * v + I
"""

    def build(self) -> str:
        os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        import optax
        import spyx

        jax.config.update("jax_enable_x64", self.precision == "float64")
        self.jax, self.optimiser = jax, optax.adam(RATE_OF_LEARNING)
        spikes, labels = self.data
        self.x = jax.numpy.asarray(spikes.swapaxes(0, 1), self.precision)
        self.labels = jax.numpy.asarray(labels)
        self.graph, self.weights, self.rest = self.assembled()
        return f"Spyx {spyx.__version__}, jax {jax.__version__}"

    @property
    def chain(self) -> list[tuple[str, str]]:
        return [pair for pair in self.case.connections if pair[0] != pair[1]]

    def assembled(self) -> tuple[Any, Any, Any]:
        """The network as nnx divides it: structure, weights, other numbers (the decays, which are not learnt here)."""
        from flax import nnx
        from spyx import axn, nn

        case, rngs, layers, array = self.case, nnx.Rngs(0), [], self.jax.numpy.asarray
        given = dict(zip(case.connections, (array(w, self.precision) for w in case.weights(self.gain))))
        for pre, post in self.chain:
            layers.append(nnx.Linear(*given[pre, post].shape, use_bias=False, param_dtype=self.precision, rngs=rngs))
            layers[-1].kernel[...] = given[pre, post]
            if post == "output":
                layers.append(nn.LI((case.outputs,), beta=0.95, rngs=rngs))
                continue
            kind = nn.RLIF if case.recurrent else nn.LIF
            layers.append(kind((case.hidden,), beta=0.95, activation=axn.superspike(25), rngs=rngs))
            if case.recurrent:
                layers[-1].recurrent_w[...] = given[post, post]
        return nnx.split(nn.Sequential(*layers), lambda path, _: path[-1] in ("kernel", "recurrent_w"), ...)

    def ordered(self, weights: Any) -> list[np.ndarray]:
        """Weights, or their gradients, in the case's order."""
        from flax import nnx

        found = nnx.to_pure_dict(weights)["layers"]
        forwards = [found[2 * k]["kernel"] for k in range(len(self.chain))]
        own = [found[2 * k + 1]["recurrent_w"] for k in range(self.case.layers) if self.case.recurrent]
        return [np.asarray(w) for w in (*forwards, *own)]

    def forward(self, mode: str, weights: Any, x: Any) -> tuple[Any, list[Any]]:
        """The readout of each sample; with "layer by layer" also the spikes of each hidden layer."""
        from flax import nnx
        from spyx import nn

        network = nnx.merge(self.graph, weights, self.rest)
        if mode == "one scan":
            return nn.run(network, x)[0].mean(0), []
        spikes = []
        for feed, neurons in zip(network.layers[::2], network.layers[1::2]):
            x, _ = nn.run(neurons, feed(x))
            spikes.append(x)
        return spikes.pop().mean(0), spikes

    def loss(self, mode: str, weights: Any, x: Any, labels: Any) -> tuple[Any, list[Any]]:
        import optax

        found, spikes = self.forward(mode, weights, x)
        return optax.softmax_cross_entropy_with_integer_labels(found, labels).mean(), spikes

    def update(self, weights: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        import optax

        updates, state = self.optimiser.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    def evidence(self, samples: np.ndarray) -> Evidence:
        x, labels = self.x[:, samples], self.labels[samples]
        losses = []
        for mode in self.modes:
            differentiated = self.jax.value_and_grad(lambda w, m=mode: self.loss(m, w, x, labels), has_aux=True)
            (loss, spikes), gradients = self.jax.jit(differentiated)(self.weights)
            losses.append(float(loss))
        if abs(losses[0] - losses[1]) > 1e-5 * abs(losses[1]):
            raise RuntimeError(f"its two modes differ: {losses}")
        updated, _ = self.update(self.weights, self.optimiser.init(self.weights), gradients)
        fired = [np.asarray(s).swapaxes(0, 1) > 0 for s in spikes]
        for s in fired:  # as sncc counts: a spike is of the step that it follows from
            s[:, :-1], s[:, -1] = s[:, 1:].copy(), False
        return Evidence(fired, losses[-1], self.ordered(gradients), self.ordered(updated))

    def job(self, name: str, mode: str) -> Callable[[], object]:
        jax = self.jax
        if name == "inference":
            infer = jax.jit(lambda weights, x: self.forward(mode, weights, x)[0])
            return lambda: infer(self.weights, self.x).block_until_ready()

        def step(weights: Any, state: Any, x: Any, labels: Any) -> tuple[Any, Any, Any]:
            loss, gradients = jax.value_and_grad(lambda w: self.loss(mode, w, x, labels)[0])(weights)
            return *self.update(weights, state, gradients), loss

        compiled, kept = jax.jit(step), [self.weights, self.optimiser.init(self.weights)]

        def train() -> None:
            *kept[:], loss = compiled(*kept, self.x, self.labels)
            loss.block_until_ready()

        return train
