"""Whole sources: the examples, and damaged ones."""

import re
from pathlib import Path
from random import Random

from resolving import HEAD, NETWORK, TRAIN, coba

from sncc.diagnostics import DiagnosticError, Diagnostics
from sncc.model.resolve import load_model, model_of_text


def test_examples_of_the_repository_resolve_without_a_word():
    for path in (Path(__file__).resolve().parents[2] / "examples").rglob("*.snn"):
        found = Diagnostics()
        load_model(path, diagnostics=found)
        assert not found.found, path


def test_damaged_programs_are_mistakes_and_never_crashes():
    random = Random(0)
    texts = [HEAD + NETWORK + TRAIN, coba("    connect x -> h.G: dense, weight = 6 nS\n")]
    words = [re.findall(r"\w+|\s+|[^\w\s]", text) for text in texts]
    for _ in range(150):
        damaged = list(random.choice(words))
        for _ in range(random.randint(1, 4)):
            place = random.randrange(len(damaged))
            damaged[place] = random.choice(["", random.choice(random.choice(words)), random.choice(damaged)])
        try:
            model_of_text("".join(damaged))
        except DiagnosticError as error:
            assert error.diagnostics and str(error)
