"""The example that the README begins with reaches its accuracies."""

from pathlib import Path

import pytest

import sncc
from sncc.data import load_data

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits" / "digits.snn"


def test_digits_are_learnt_by_the_time_of_the_first_spike(compiler):
    digits = load_data("digits:coding=latency,steps=30", 5e-4)
    network = sncc.load(sncc.build(DIGITS.parent / "latency.snn", backend="cpu"), seed=0)
    network.fit(digits.train, digits.train_labels, epochs=30, seed=0)
    assert network.evaluate(digits.test, digits.test_labels)["accuracy"] >= 0.94


@pytest.mark.parametrize(("rule", "accuracy"), [("eprop", 0.97), pytest.param("bptt", 0.98, marks=pytest.mark.slow)])
def test_digits_are_learnt(rule, accuracy, compiler):
    digits = load_data("digits", 1e-3)
    network = sncc.load(sncc.build(DIGITS, backend="cpu", settings={"train.rule": rule}), seed=0)
    network.fit(digits.train, digits.train_labels, epochs=20, seed=0)
    assert network.evaluate(digits.test, digits.test_labels)["accuracy"] >= accuracy
