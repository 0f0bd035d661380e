"""Digits learnt without labels by `examples/diehl_cook_2015.snn`, beside k-means with as many prototypes.

The 1,797 images that come with sncc, three pixels wide and high for each of theirs, in a frame of two; a white pixel
spikes at `--rate`. As Diehl and Cook do it: an image is shown for 350 ms, then 150 ms of silence; before each, every
neuron's incoming weights are scaled to a sum of 78; a neuron gets the digit to whose images it answered most while it
learnt last, and an image the digit whose neurons answer most on average. Four fifths are learnt, the others tell how
well; each of these starts from the state at the end of learning, so nothing of it is kept. Images are not shown again
at a higher rate where few neurons answer.

    python benchmarks/learn_unlabelled.py                                 # 100 neurons, 2 epochs: some minutes
    python benchmarks/learn_unlabelled.py --size 400 --epochs 3
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import sncc
from sncc.data.digits import images_and_labels

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "diehl_cook_2015.snn"
STEP, SHOWN, SILENT = 0.5e-3, 700, 300  # seconds, steps, steps
TOTAL = 78.0  # weights onto a neuron
WEIGHTS = "pixels_exc.weight"


def frames() -> tuple[np.ndarray, np.ndarray]:
    """Grey levels (images, 784) in 0..1, and digits (images,)."""
    images, digits = images_and_labels()
    large = np.pad(np.kron(images / images.max(), np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2)))
    return large.reshape(len(images), -1), digits


class Learner:
    """The network, with the random numbers of its inputs."""

    def __init__(self, size: int, rate: float, seed: int) -> None:
        self.network = sncc.load(sncc.build(EXAMPLE, backend="cpu", size=size), seed=seed, threads=1)
        self.size, self.chance, self.random, self.shown = size, rate * STEP, np.random.default_rng(seed), 0

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Shows an image, learns from it, and gives the neurons' spikes, (neurons,)."""
        spikes = np.zeros((1, SHOWN + SILENT, image.size), bool)
        spikes[0, :SHOWN] = self.random.random((SHOWN, image.size)) < self.chance * image
        events = sncc.Events.from_dense(spikes)
        self.shown += 1
        run = self.network.simulate(
            (SHOWN + SILENT) * STEP,
            {"pixels": events},
            record=["exc.spikes"],
            seed=self.shown,
            resume=True,
            verbose=False,
        )
        return np.bincount(run.spikes["exc"].neurons, minlength=self.size)

    def learn(self, images: np.ndarray) -> np.ndarray:
        """The answers to all of them, (images, neurons), each after the weights were scaled."""
        answers = []
        for image in images:
            weights = self.network.parameters[WEIGHTS]
            self.network.parameters[WEIGHTS] = weights * (TOTAL / weights.sum(0))
            answers.append(self.answer(image))
        return np.array(answers)

    def test(self, images: np.ndarray) -> np.ndarray:
        """The answers to all of them, each from the same state."""
        state = self.network.store()
        answers = []
        for image in images:
            answers.append(self.answer(image))
            self.network.restore(state)
        return np.array(answers)


def told(answers: np.ndarray, digits: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The digits of answers (images, neurons) where each neuron stands for what it answered to most."""
    means = np.array([answers[digits == digit].mean(0) for digit in range(10)])
    meant = means.argmax(0)
    silent = np.full(len(asked), -1.0)
    return np.array([asked[:, meant == d].mean(1) if (meant == d).any() else silent for d in range(10)]).argmax(0)


def prototypes(images: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Means of k-means after 50 rounds, (number, pixels)."""
    means = images[np.random.default_rng(seed).choice(len(images), number, replace=False)]
    for _ in range(50):
        nearest = closest(images, means)
        means = np.array([images[nearest == k].mean(0) if (nearest == k).any() else means[k] for k in range(number)])
    return means


def closest(images: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The prototype next to each image, (images,)."""
    return ((means**2).sum(1) - 2 * images @ means.T).argmin(1)


def main() -> None:
    """Learn, tell, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100, help="excitatory neurons")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=40.0, help="Hz of a white pixel")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, help="use only so many")
    options = parser.parse_args()
    images, digits = frames()
    order = np.random.default_rng(options.seed).permutation(len(images))[: options.images]
    cut = len(order) * 4 // 5
    train, test = order[:cut], order[cut:]
    learner = Learner(options.size, options.rate, options.seed)
    for epoch in range(1, options.epochs + 1):
        seen = np.random.default_rng((options.seed, epoch)).permutation(train)
        answers = learner.learn(images[seen])
        asked = learner.test(images[test])
        right = np.mean(told(answers, digits[seen], asked) == digits[test])
        print(
            f"epoch {epoch}: {100 * right:.1f} % of {len(test)} images, {asked.sum(1).mean():.1f} spikes each",
            flush=True,
        )
    means = prototypes(images[train], options.size, options.seed)
    nearest = np.eye(options.size)[closest(images[train], means)], np.eye(options.size)[closest(images[test], means)]
    right = np.mean(told(nearest[0], digits[train], nearest[1]) == digits[test])
    print(f"k-means with {options.size} prototypes: {100 * right:.1f} %")


if __name__ == "__main__":
    main()
