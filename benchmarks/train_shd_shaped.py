"""Training and inference on a network shaped like those for the Spiking Heidelberg Digits, beside a PyTorch loop.

700 input channels at 2 %, 256 recurrent ALIF, 20 LI readouts, 250 steps, batch 64, cross entropy at every step, Adam.
Both sides run in this one process and take turns, so that what else the machine does touches both; the table gives
samples per second (the median over the rounds) and their ratio.

    python benchmarks/train_shd_shaped.py            # needs PyTorch: pip install 'sncc[benchmarks]'
    python benchmarks/train_shd_shaped.py --no-torch # sncc alone
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

import sncc

TEXT = """
network Shaped:
    step = 1 ms
    population x: input[{inputs}]
    population hidden: ALIF[{hidden}](tau_m = 20 ms, tau_a = 200 ms)
    population output: LI[20](tau_m = 20 ms)
    connect x -> hidden: dense, weight = {weight}{synapse}
    connect hidden -> hidden: dense, weight = {weight}, delay = 1 ms{synapse}
    connect hidden -> output: dense, weight = {weight}{synapse}

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
    batch = {batch}
"""
IMPULSE = {"weight": "normal(0, 0.87 / sqrt(fan_in))", "synapse": ""}  # the hidden neurons start at 2 % too
CURRENT = {"weight": "normal(0 /ms, 0.2 /ms / sqrt(fan_in))", "synapse": ", synapse = exponential(tau = 5 ms)"}
# eventprop needs synapses that make a spike's time depend on weights; e-prop with them is what it compares with
RULES = {
    "e-prop": {"rule": "eprop(feedback = symmetric)", **IMPULSE},
    "bptt": {"rule": "bptt", **IMPULSE},
    "e-prop, exponential": {"rule": "eprop(feedback = symmetric)", **CURRENT},
    "eventprop": {"rule": "eventprop", **CURRENT},
}


def timed(function: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Calls per second of a function called for about so long, and the CPU time per wall time."""
    function()
    start, cpu, calls = time.perf_counter(), time.process_time(), 0
    while calls < 1 or time.perf_counter() - start < seconds:
        function()
        calls += 1
    wall = time.perf_counter() - start
    return calls / wall, (time.process_time() - cpu) / wall


class Torch:
    """The same network as a plain PyTorch loop over time, as one would write it by hand; float32."""

    def __init__(self, weights: list[np.ndarray], threads: int, device: str = "cpu") -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.weights = [torch.tensor(w, dtype=torch.float32, device=device, requires_grad=True) for w in weights]
        self.optimiser = torch.optim.Adam(self.weights, lr=1e-3)

        class Spike(torch.autograd.Function):
            @staticmethod
            def forward(context, u):  # noqa: ANN001, ANN205
                context.save_for_backward(u)
                return (u > 0).to(u.dtype)

            @staticmethod
            def backward(context, g):  # noqa: ANN001, ANN205
                (u,) = context.saved_tensors
                return g * 0.5 * torch.clamp(1 - u.abs() / 0.6, min=0)

        self.spike = Spike.apply

    def loss(self, x, labels, cut: bool):  # noqa: ANN001, ANN201
        """Forward over time; `cut` stops recurrent credit, which is e-prop's gradient (factorised, no traces)."""
        torch = self.torch
        w_in, w_rec, w_out = self.weights
        a_m, a_a = float(np.exp(-1 / 20)), float(np.exp(-1 / 200))
        batch, steps = x.shape[0], x.shape[1]
        v = x.new_zeros(batch, w_rec.shape[0])
        a, z = torch.zeros_like(v), torch.zeros_like(v)
        y = x.new_zeros(batch, w_out.shape[1])
        drive = x @ w_in  # one product for all steps: the fastest way to write it
        total = 0.0
        for n in range(steps):
            back = z.detach() if cut else z
            v = a_m * v + drive[:, n] + back @ w_rec
            a = a_a * a
            z = self.spike(v - 0.6 - 0.0174 * a)
            v = v - 0.6 * z.detach()
            a = a + z
            y = a_m * y + z @ w_out
            total = total + torch.nn.functional.cross_entropy(y, labels)
        return total / steps

    def train(self, x, labels, cut: bool) -> None:  # noqa: ANN001
        self.optimiser.zero_grad()
        self.loss(x, labels, cut).backward()
        self.optimiser.step()

    def infer(self, x, labels) -> None:  # noqa: ANN001
        with self.torch.no_grad():
            self.loss(x, labels, True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement")
    parser.add_argument("--no-torch", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure and print the table."""
    options = arguments()
    rng = np.random.default_rng(0)
    dense = rng.random((options.batch, options.steps, 700)) < 0.02
    labels = rng.integers(0, 20, options.batch)
    events = sncc.Events.from_dense(dense)
    jobs: dict[str, list[Callable[[], object]]] = {}
    networks = {}
    folders = {}
    for rule, choices in RULES.items():
        source = TEXT.format(inputs=700, hidden=options.hidden, batch=options.batch, **choices)
        folders[rule] = sncc.build(source, backend="cpu")
        networks[rule] = sncc.load(folders[rule], seed=1, threads=options.threads)
        jobs[rule] = [lambda n=networks[rule]: n.fit(events, labels, epochs=1, verbose=False)]
    untrained = sncc.load(folders["e-prop"], seed=1, threads=options.threads)  # its rate stays what is printed
    jobs["inference"] = [lambda: untrained.evaluate(events, labels)]
    run = untrained.simulate(duration=options.steps * 1e-3, inputs={"x": events[0:1]})
    print(f"hidden rate at the start: {len(run.spikes['hidden'].times) / options.steps / options.hidden:.2%} per step")
    if not options.no_torch:
        import torch

        start = networks["e-prop"].parameters
        weights = [np.array(start[f"{c}.weight"]) for c in ("x_hidden", "hidden_hidden", "hidden_output")]
        x, y = torch.tensor(dense, dtype=torch.float32), torch.tensor(labels)
        peer = {name: Torch(weights, options.threads) for name in ("e-prop", "bptt", "inference")}
        jobs["e-prop"].append(lambda: peer["e-prop"].train(x, y, True))
        jobs["bptt"].append(lambda: peer["bptt"].train(x, y, False))
        jobs["inference"].append(lambda: peer["inference"].infer(x, y))
    print(
        f"{'':20}{'sncc':>14}{'PyTorch loop':>14}{'ratio':>8}   samples/s, {options.threads} threads, median of {options.rounds}"
    )
    for name, sides in jobs.items():
        rates: list[list[float]] = [[] for _ in sides]
        for _ in range(options.rounds):
            for k, side in enumerate(sides):
                rates[k].append(timed(side, options.seconds)[0] * options.batch)
        medians = [statistics.median(r) for r in rates]
        ratio = f"{medians[0] / medians[1]:8.1f}" if len(medians) > 1 else ""
        print(f"{name:20}" + "".join(f"{m:14.0f}" for m in medians) + ratio)


if __name__ == "__main__":
    main()
