"""What only a card can show of the CUDA half: each form of a launch gives the bits of every other,
and the numbers of the C++ half.

Graphs of turns and segments, clusters, steps in lockstep, penalties whose blocks meet, weights copied into shared
memory, simulations by many blocks and their graphs, recorded synapses: a small network each, in float64, so that
nothing but a mistake is larger than rounding. Used by gpu.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import sncc

Row = dict[str, object]
Numbers = dict[str, np.ndarray]
FORMS = ("persistent", "launches")
TOLERANCE = 1e-6  # of the largest number of an array; float64 is 1e-9 off at most, a batch of training some more

TRAINED = """
network Trained:
    step = 1 ms
    population x: input[30]
    population hidden: ALIF[{size}](theta = 0.5)
    population output: LI[5](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.1, 0.3)
    connect hidden -> hidden: {pattern}, weight = normal(0, 1 / sqrt(fan_in)), delay = 1 ms{more}
    connect hidden -> output: dense, weight = normal(0, 0.3)

train:
    rule = {rule}
    loss = {loss}
    learn = {learn}
    optimiser = sgd(learning_rate = 1e-2, momentum = 0.9)  # Adam's step does not shrink with a gradient that is rounding alone
    batch = 12
{penalty}"""
OVER_BATCH = "    penalty = firing_rate(hidden, target = 30 Hz, strength = 1e-4, over = batch)\n"
PLASTIC = """
network Plastic:
    step = 1 ms
    population noise: poisson[60](rate = 40 Hz)
    population e: LIF[1100](theta = 0.4), v = uniform(0, 0.3)
    connect drive = noise -> e: random(p = 0.2), weight = normal(0.2, 0.1)
    connect e -> e: random(p = 0.005), weight = 0.02, delay = 2 ms, plasticity = stdp(w_max = 0.05)

simulate:
    duration = 60 ms
    record spikes of e
    record weight of e_e every 5 ms
"""


@dataclass(frozen=True)
class Case:
    """A network, how it is built, and the variables of the environment that choose a form;
    the first form is the one taken unasked.
    """

    name: str
    text: str
    forms: Mapping[str, Mapping[str, str]]
    build: Mapping[str, str | int] = field(default_factory=dict)
    steps: int = 40

    @property
    def folder(self) -> str:
        """Where its project is written."""
        return "form_" + "".join(c if c.isalnum() else "_" for c in self.name)


def trained(
    size: int = 70, rule: str = "bptt", loss: str = "cross_entropy(mean(output.v))", learn: str = "weights, hidden.tau_m",
    pattern: str = "dense", more: str = "", penalty: str = "",
) -> str:  # fmt: skip
    """A recurrent network that is trained so."""
    return TRAINED.format(size=size, rule=rule, loss=loss, learn=learn, pattern=pattern, more=more, penalty=penalty)


def cases(dry: bool) -> list[Case]:
    """Those that never ran on a card, the most likely to fail first."""
    forms = {form: {"SNCC_CUDA_FORM": form} for form in FORMS}
    graphs = forms | {"graph": {"SNCC_CUDA_FORM": "graph", "SNCC_CUDA_REPLAYED": "4"}}  # stretches between meetings
    places = {place: {"SNCC_CUDA_WEIGHTS": place} for place in ("device", "shared")}
    alone: dict[str, dict[str, str]] = {"unasked": {}}
    online, every_step = "eprop(online = true)", "mean(cross_entropy(output.v))"
    large = 300 if dry else 9000  # a sample of which no block has room for
    random = "random(p = 0.02)"
    return [
        Case("turns, a graph", trained(), forms, {"memory": 400_000}),
        Case("segments, a graph", trained(rule="eprop(feedback = symmetric)", loss=every_step), forms, {"memory": 700_000}, 300),
        Case("a penalty over the batch in turns", trained(penalty=OVER_BATCH), forms, {"memory": 400_000}),
        Case("a penalty over the batch, its blocks meeting", trained(penalty=OVER_BATCH), forms),
        Case("clusters, e-prop", trained(large, "eprop(feedback = symmetric)", every_step, "weights", random), alone, {}, 12),
        Case("clusters, bptt", trained(large, pattern=random), alone, {}, 12),
        Case("clusters, online", trained(large, online, "mse(mean(output.v))", pattern=random), alone, {}, 12),
        Case("clusters, lockstep", trained(large, online, every_step, pattern=random, penalty=OVER_BATCH), forms, {}, 12),
        Case("lockstep", trained(rule=online, loss=every_step, penalty=OVER_BATCH), forms),
        Case("lockstep, synapses that move", trained(rule=online, loss=every_step, learn="weights", pattern="random(p = 0.3)", more=", rewire = deep_r(l1 = 0.1, temperature = 0.1)"), forms),
        Case("copied weights", trained(), places),
        Case("copied synapses", trained(rule="eprop(feedback = symmetric)", loss=every_step, pattern="random(p = 0.3)"), places),
        Case("a trained network simulated by many blocks", trained(1100, "eprop(feedback = symmetric)", every_step, "weights", random), forms),
        Case("a simulation as a graph", PLASTIC, graphs),
        Case("a simulation as samples, synapses recorded", PLASTIC, alone, {"schedule": "sample_parallel"}),
    ]  # fmt: skip


@contextmanager
def chosen(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment, for as long."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def numbers_of(case: Case, project: Path, backend: str, dry: bool) -> Numbers:
    """All that a network answers: losses, gradients and weights after two batches; spikes and traces of a run."""
    network = sncc.load(project, backend=backend, seed=1)
    if "train:" not in case.text:
        return of_run(network.simulate(0.02 if dry else 0.2, verbose=False))
    rng, samples = np.random.default_rng(0), 3 if dry else 12
    steps = min(case.steps, 6) if dry and "clusters" in case.name else case.steps
    data = sncc.Events.from_dense(rng.random((samples, steps, 30)) < 0.1)
    labels: Any = rng.normal(0, 1, (samples, 5)) if "mse(" in case.text else rng.integers(0, 5, samples)
    loss, gradients = network.gradients(data, labels)
    found: Numbers = {"loss": np.array(loss), **{f"gradient of {k}": np.array(v) for k, v in gradients.items()}}
    run = network.simulate(steps * 1e-3, inputs={"x": data[0:1]}, record=["hidden.v"], verbose=False)
    found |= of_run(run)
    history = network.fit(data, labels, epochs=2, batch=samples, seed=1, verbose=False)
    found["losses"] = np.array(history["loss"])
    return found | {k: np.array(network.parameters[k]) for k in gradients}


def of_run(run: Any) -> Numbers:
    """Spikes and traces of a run."""
    spikes = {f"{part} of {name}": np.array(getattr(s, part)) for name, s in run.spikes.items() for part in ("times", "neurons")}  # fmt: skip
    return spikes | {f"trace of {name}": np.array(values) for name, values in run.trace.items()}


def difference(found: Numbers, expected: Numbers) -> tuple[float, str]:
    """The largest, of the largest number of its array, and of which array; infinite where their shapes differ."""
    worst = (0.0, "")
    for name, array in expected.items():
        if np.shape(array) != np.shape(found[name]):
            return float("inf"), name
        scale = max(float(np.max(np.abs(array), initial=0.0)), 1e-300)
        worst = max(worst, (float(np.max(np.abs(found[name] - array), initial=0.0)) / scale, name))
    return worst


def compare(case: Case, built: Callable[[], tuple[Path, Path]], backend: str, dry: bool) -> Row:
    """One case: every form beside the first, to the bit, and the first beside the C++ half."""
    project, _ = built()
    row: Row = {"form": case.name}
    runs: dict[str, Numbers] = {}
    for name, variables in case.forms.items():
        with chosen(variables):
            runs[name] = numbers_of(case, project, backend, dry)
    first, *others = runs
    for name in others:
        same = all(np.array_equal(runs[name][k], v, equal_nan=True) for k, v in runs[first].items())
        row[f"{name} beside {first}"] = (
            "equal" if same else "others: {:.2g} of {}".format(*difference(runs[name], runs[first]))
        )
    unbounded = {key: value for key, value in case.build.items() if key != "memory"}  # its threads share a bound
    cpu = sncc.build(case.text, backend="cpu", precision="float64", **unbounded)  # type: ignore[arg-type]
    far, where = difference(runs[first], numbers_of(case, cpu, "cpu", dry))
    row["of the C++ half"], row["largest of"] = far, where
    if far > TOLERANCE or any(str(row[f"{name} beside {first}"]) != "equal" for name in others):
        row["failed"] = "other numbers"
    return row
