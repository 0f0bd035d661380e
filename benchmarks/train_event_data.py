"""Networks trained on recorded data: test accuracy over several seeds, beside methods that know no spikes.

DIR holds `NMNIST/{Train,Test}` (N-MNIST, or a part of it; read by tonic), `spoken_digits.npz`, `ecg_qtdb.npz` and
MNIST's files `mnist-t10k-first8000-*.gz`; what is missing is left out. The splits are fixed: N-MNIST's own; takes 0..4
of the spoken digits, ECG samples from 500 and MNIST images from 7000 on are tested. The seed chooses weights and the
order of samples.

    python benchmarks/train_event_data.py --data DIR
    python benchmarks/train_event_data.py --data DIR --tasks ecg --rules eprop --seeds 5
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sncc
from sncc.data import DataSet, load_data
from sncc.data.splits import split_set

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MNIST_STEPS = 25
MNIST = """
network Mnist:
    step = 1 ms
    population pixels: input[28, 28]
    population hidden: LIF[128](tau_m = 20 ms)
    population output: LI[10](tau_m = 20 ms)
    connect pixels -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule      = eprop(feedback = symmetric)
    loss      = cross_entropy(mean(output.v))
    optimiser = adam(learning_rate = 2e-3)
    schedule  = cosine()
    learn     = weights, output.bias
    batch     = 50
"""
RULES = {
    "eprop": "eprop(feedback = symmetric)", "bptt": "bptt", "cut": "bptt(truncate = 20 ms)", "eventprop": "eventprop",
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A network, its data (a description for `load_data`, `{0}` for DIR) and what logistic regression reaches."""

    network: str | Path
    data: str
    epochs: int
    baseline: float  # percent, on the same split
    baseline_of: str
    parameters: dict[str, float] = field(default_factory=dict)
    of_bptt: dict[str, float] = field(default_factory=dict)  # besides, where spikes hand credit back
    # under eventprop: weights by so many per ms, a current's time constant in ms
    current: tuple[float, float] = (0.2, 5.0)


TASKS = {
    "nmnist": Task(
        EXAMPLES / "gestures" / "alif_one_layer.snn", "nmnist:{0}", 10, 79.0, "counts per pixel and polarity",
        {"size": 34, "classes": 10}, {"dampening": 0.06},
    ),
    "spoken": Task(
        EXAMPLES / "spoken" / "spoken_digits.snn", "npz:{0}/spoken_digits.npz:test=takes<5,unit=0.0005,shape=64", 20, 96.0,
        "8 time bins", current=(0.1, 20.0),
    ),
    "ecg": Task(
        EXAMPLES / "ecg" / "ecg.snn", "npz:{0}/ecg_qtdb.npz:none=255,test=index>499", 30, 75.4, "inputs and their traces",
        of_bptt={"dampening": 0.06},
    ),
    "mnist": Task(MNIST, "", 10, 91.6, "pixels"),
}  # fmt: skip


def mnist(folder: Path, tested_from: int = 7000) -> DataSet:
    """Images as evenly spaced spikes, up to one every other step for the brightest pixels."""
    images, labels = (_idx(next(folder.glob(f"mnist-t10k-*{kind}*.gz"), None)) for kind in ("images", "labels"))
    spikes = np.floor(np.arange(MNIST_STEPS + 1)[None, :, None, None] * (images[:, None] / 255 / 2) + 0.5)
    events = sncc.Events.from_dense(np.diff(spikes, axis=1).astype(np.uint8), 1e-3)
    return split_set(events, labels.astype(np.int64), np.arange(len(labels)) >= tested_from, "MNIST")


def _idx(path: Path | None) -> NDArray[np.uint8]:
    if path is None:
        raise FileNotFoundError("no MNIST files")
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">i4", raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def with_currents(text: str, gain: float, tau: float) -> str:
    """The network with a current behind every connection, without which spike times do not follow weights."""
    found = r"weight = normal\(0, ([0-9.]+) / sqrt\(fan_in\)\)"
    current = f"/ms, {{:g}} /ms / sqrt(fan_in)), synapse = exponential(tau = {tau:g} ms)"
    return re.sub(found, lambda m: "weight = normal(0 " + current.format(gain * float(m[1])), text)


def trained(task: Task, rule: str, data: DataSet, seed: int, options: argparse.Namespace) -> tuple[float, float]:
    """Test accuracy in percent, and seconds of training."""
    settings = {"train.rule": RULES[rule]}
    parameters = task.parameters | (task.of_bptt if rule in ("bptt", "cut") else {})
    text = task.network.read_text() if isinstance(task.network, Path) else task.network
    if rule == "eventprop":
        text = with_currents(text, *task.current)
    project = sncc.build(text, backend=options.backend, settings=settings, **parameters)
    network = sncc.load(project, seed=seed, threads=options.threads)
    began = time.perf_counter()
    network.fit(data.train, data.train_labels, epochs=options.epochs or task.epochs, seed=seed, verbose=False)
    seconds = time.perf_counter() - began
    return 100 * network.evaluate(data.test, data.test_labels)["accuracy"], seconds


def measure(name: str, options: argparse.Namespace) -> None:
    """The lines of a task."""
    task = TASKS[name]
    step = 10e-3 if name == "spoken" else 1e-3
    try:
        data = load_data(task.data.format(options.data), step) if task.data else mnist(options.data)
    except (FileNotFoundError, ValueError) as error:
        print(f"{name:8} left out: {error}", flush=True)
        return
    print(f"{name:8} logistic regression on {task.baseline_of}: {task.baseline:.1f} %", flush=True)
    for rule in options.rules.split(","):
        runs = [trained(task, rule, data, seed, options) for seed in range(options.seeds)]
        found = [accuracy for accuracy, _ in runs]
        spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
        seconds = statistics.median(s for _, s in runs)
        print(
            f"{name:8} {rule:6} {statistics.mean(found):.1f}{spread} %, least {min(found):.1f} %, {seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    """Train and print a line per task and rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--tasks", default=",".join(TASKS), help="separated by commas")
    parser.add_argument("--rules", default="eprop,bptt")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=0, help="in place of each task's own")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    for name in options.tasks.split(","):
        measure(name, options)


if __name__ == "__main__":
    main()
