"""The synapses of a connection as the oracle of gradients keeps them: a number of each state for every synapse."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import autograd.numpy as np
import numpy
from oracle import constant, cut, value

from sncc.connectivity.build import build
from sncc.connectivity.patterns import Dense
from sncc.connectivity.philox import philox
from sncc.expressions.algebra import affine
from sncc.expressions.nodes import Number, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.reduction import reduce_synapse
from sncc.model.nodes import Dynamics, Input
from sncc.program.streams import stream


class Synapses:
    """The synapses of a connection, in flight."""

    def __init__(self, simulation, c) -> None:
        self.c, self.block, self.of = c, c.synapse, None
        self.reduction = reduce_synapse(c)
        self.with_target = set(self.reduction.target_states) if self.reduction else set()
        self.own = self._numbers(simulation) | {"step": simulation.step}
        self._place(simulation)
        each = [p.name for p in self.block.parameters if p.storage == "each"]
        self.own = self.own | {name: np.reshape(self.own[name], self.shape) for name in each}
        word = philox(0, stream(c.name, "dropout"), numpy.arange(self.sources), 0, 0)[0]  # of the first sample
        left = word >= numpy.floor(c.dropout * 2.0**32 + 0.5)
        self.left = self.of_source(left / (1 - c.dropout))
        self.states = {s.name: value(s.initial, self.own) * np.ones(self.shape) for s in self.block.states}
        self._part_flows(simulation)
        self.late = c.delay is not None and self.reduction is not None  # its source's states are read later
        self.parts = None  # of a delay per synapse: what of it is delivered so many steps later
        if c.delay is not None:
            self.parts = self._parts_of_delays(simulation)
            own = {k for k in self.states if k not in self.with_target}
            self.past, self.amounts = [{k: self.states[k] for k in own}], []  # ends of steps; what spikes of steps add

    def _numbers(self, simulation):
        """The block's parameters by name."""
        numbers = {}
        for p in self.block.parameters:
            given = simulation.parameters.get(f"{self.c.name}.{p.name}")
            if given is None:
                assert isinstance(p.value, Number)
                given = p.value.value
            numbers[p.name] = given
        return numbers

    def _place(self, simulation):
        """Which synapses there are, in a matrix or as pairs, and the weight of each."""
        c = self.c
        source, target = simulation.model.population(c.source), simulation.model.population(c.target)
        w = simulation.parameters.get(f"{c.share[0] if c.share else c.name}.weight")
        w = c.weight.value.value if w is None else w
        self.sources, self.dense, self.pairs = source.size, str(c.pattern) == "dense", None
        if str(c.pattern) in ("dense", "one_to_one") and c.source_part.is_whole and c.target_part.is_whole:
            self.shape = (source.size, target.size) if self.dense else (target.size,)
        else:
            handed_over = simulation.handed_over.get(c.name)
            found = build(c.pattern, c.source_part, c.target_part, stream(c.name, "connectivity"), 0, handed_over)
            self.pairs, self.shape = found, found.pre.shape
            self.sum = numpy.equal.outer(numpy.arange(target.size), found.post) * 1.0
            if numpy.size(w) > 1 and found.kernel is not None:
                w = np.reshape(w, -1)[found.kernel]
            elif isinstance(c.pattern, Dense) and numpy.ndim(w) == 2:  # else it is one for each synapse
                w = w[found.pre - c.source_part.flat(0), found.post - c.target_part.flat(0)]
        self.weight = w * np.ones(self.shape)

    def _part_flows(self, simulation):
        """Which states flow apart from the target's, and how what they deliver over a step is had."""
        apart = [e for e in self.block.equations if e.state not in self.with_target]
        moved = tuple(s for s in self.block.states if any(e.state == s.name for e in apart))
        foreign = {n for e in apart for n in symbols(e.derivative)} - {s.name for s in moved} - set(self.own)
        self.apart = Dynamics(
            moved, tuple(Input(n, PLAIN) for n in sorted(foreign)), tuple(apart), method=self.block.method,
            substeps=self.block.substeps,
        )  # fmt: skip
        flowing = [e.state for e in apart]
        deliver = self.block.deliver
        self.flows = bool(flowing) and deliver is not None and simulation.method(self.apart) == "exact"
        self.flows = self.flows and affine(deliver, flowing) is not None and bool(symbols(deliver) & set(flowing))
        behind = [n for n in symbols(deliver) if n.startswith("post.")] if deliver is not None else []
        self.shunts = affine(deliver, behind) is not None if behind else False

    def _parts_of_delays(self, simulation):
        """By number of steps, what of each synapse arrives so many steps after its spike."""
        c = self.c
        learnt = any(e.key == f"{c.name}.delay" for e in simulation.model.training.learn)
        reads = self.reduction is not None and any(n.startswith("pre.") for n in symbols(self.block.deliver))
        least = max(c.delay_steps, int(reads))
        steps = np.maximum(simulation.parameters[f"{c.name}.delay"] / simulation.step * np.ones(self.shape), least)
        whole = numpy.floor(constant(steps) + (0.0 if learnt else 0.5))
        rest = steps - whole if learnt else 0.0 * whole
        return {
            d: (whole == d) * (1 - rest) + (whole + 1 == d) * rest
            for d in range(int(min([*whole.flat, least])), int(max([*whole.flat, least])) + 2)
        }

    def follow(self, simulation):
        """With a delay per synapse: the source's own states as far as its spikes are known."""
        c = self.c
        while len(self.past) <= len(simulation.emitted[c.source]):
            n = len(self.past) - 1
            held = self.own | {
                "weight": 1.0 + 0.0 * constant(self.weight),
                "t": n * simulation.step,
            }  # a weight counts as a spike arrives
            self.states = self.states | self.past[n]
            if self.apart.equations:
                self.states = self.states | simulation.moved_apart(self, held)
            zero = {k: 0.0 * self.states[k] for k in self.with_target}
            now = self.states | zero
            for z in simulation.spikes_of(self, n):
                after = dict(now)
                for jump in self.block.on_pre:
                    after[jump.state] = value(jump.value, held | after) * np.ones(self.shape)
                now = {k: x + z * (after[k] - x) for k, x in now.items()}
            self.amounts.append({k: now[k] for k in self.with_target})
            self.past.append({k: now[k] for k in self.past[0]})

    @property
    def is_turned(self):
        """Whether numbers that stand for its weights on the way back are a matrix (targets, sources)."""
        return self.dense and self.pairs is None and self.reduction is not None and self.parts is None

    def of_source(self, x):
        if self.pairs is not None:
            return x[self.pairs.pre]
        return x[:, None] * np.ones(self.shape) if self.dense else x * np.ones(self.shape)

    def of_target(self, x):
        return x * np.ones(self.shape) if self.pairs is None else x[self.pairs.post]

    def onto_target(self, x):
        if self.pairs is not None:
            return self.sum @ x
        return np.sum(x, axis=0) if self.dense else x

    def on_the_way_back(self, by) -> Synapses:
        """The same with numbers `by` for its weights: nothing is delivered but derivatives,
        by the spikes and states of the source alone.
        """
        other = copy(self)
        other.c, other.weight = replace(self.c, name=f"{self.c.name}.back"), constant(by) * np.ones(self.shape)
        other.own = {k: constant(x) for k, x in self.own.items()}
        other.states = {k: constant(x) for k, x in self.states.items()}
        if self.parts is not None:
            other.parts = {d: constant(part) for d, part in self.parts.items()}
            other.past, other.amounts = [{k: constant(x) for k, x in self.past[0].items()}], []
        other.of = self
        return other

    def begin_window(self):
        """What came before is constant from here on, also what its source has sent and what is still on its way."""
        self.states = {k: cut(x) for k, x in self.states.items()}
        if self.parts is not None:
            self.past = [{k: cut(x) for k, x in now.items()} for now in self.past]
            self.amounts = [{k: cut(x) for k, x in sent.items()} for sent in self.amounts]

    def beside(self):
        """The states take the values of those that they stand beside; only derivatives are theirs."""
        self.states = {k: x - constant(x) + constant(self.of.states[k]) for k, x in self.states.items()}
