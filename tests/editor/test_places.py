"""What an editor is told about a place: `|` marks it."""

import pytest

from sncc.diagnostics import Source
from sncc.editor.completion import completions
from sncc.editor.documentation import definition, documentation

TEXT = """param size = 8            # how many neurons

function twice(x, by = 2) = by * x

neuron Cell:
    "A cell."
    param tau = 20 ms        # its time constant
    param rest = -65 mV
    state v = -65 mV
    input drive
    let push = drive * (1 ms)
    dv/dt = (rest - v) / tau + drive
    spike when v > -50 mV:
        reset v = rest

network N:
    step = 1 ms
    population x: input[4]
    population cells: Cell[size](tau = 10 ms), v = -60 mV
    population output: LI[2]
    connect x -> cells: dense, weight = twice(0.5 mV)
    connect out = cells -> output: dense, weight = 1

simulate:
    duration = 1 s
    record v of cells
"""


def at(before: str, after: str = "", text: str = TEXT) -> tuple[Source, int]:
    """The source, and the place between two pieces of it that stand together once."""
    assert text.count(before + after) == 1, before + after
    return Source("n.snn", text), text.index(before + after) + len(before)


@pytest.mark.parametrize(
    "before, after, words",
    [
        ("v) / t", "au", ["param tau = 20 ms", "its time constant", "unit: ms"]),
        ("Cell[size](t", "au", ["param tau = 20 ms"]),  # an argument's name is the model's parameter
        ("10 ms), ", "v =", ["state v = -65 mV", "unit: mV"]),
        ("cells: C", "ell", ["neuron Cell", "A cell.", "`param tau = 20 ms` its time constant", "`state v = -65 mV`"]),
        ("output: L", "I[", ["neuron LI", "readout"]),  # of the standard library
        ("/ tau + dr", "ive", ["input drive", "unit: mV/ms"]),  # inferred
        ("Cell[si", "ze", ["param size = 8", "how many neurons", "unit: none"]),
        ("weight = tw", "ice", ["function twice(x, by = 2) = by * x"]),
        ("v of ce", "lls", ["population cells: Cell[size]"]),
        ("= (re", "st - v", ["param rest = -65 mV", "unit: mV"]),
    ],
)
def test_documentation_says_what_a_name_is(before, after, words):
    found = documentation(*at(before, after))
    assert all(word in found for word in words), found


@pytest.mark.parametrize(
    "before, after", [("step = ", "1 ms"), ("    ", '"A cell'), ("n", "etwork N"), ("connect x -", "> c")]
)
def test_what_is_no_name_has_no_documentation(before, after):
    assert documentation(*at(before, after)) == "" and definition(*at(before, after)) is None


@pytest.mark.parametrize(
    "before, after, line",
    [
        ("v) / t", "au", 7),
        ("cells: C", "ell", 5),
        ("v of ce", "lls", 19),
        ("(tau", " = 10", 7),
        ("x -> ce", "lls:", 19),
        ("= by", " * x", 3),
    ],
)
def test_definitions_lead_to_the_name(before, after, line):
    span = definition(*at(before, after))
    assert (span.source.path, span.line) == ("n.snn", line)


def test_definitions_lead_into_the_standard_library_and_imported_files(tmp_path):
    span = definition(*at("output: L", "I["))
    assert span.source.path.endswith("li.snn") and span.text == "LI"
    (tmp_path / "models.snn").write_text('import "main.snn"\nneuron Mine:\n    state v = 0\n')
    text = 'import "models.snn"\nnetwork N:\n    population a: Mine[3]\n'
    main = tmp_path / "main.snn"
    main.write_text(text)
    span = definition(Source(str(main), text), text.index("Mine"))
    assert span.source.path == str(tmp_path / "models.snn") and span.line == 2


@pytest.mark.parametrize(
    "line, wanted, unwanted",
    [
        ("|", {"neuron", "network", "train"}, {"state", "LIF"}),
        ("neuron A:\n    |", {"state", "spike when", "each step"}, {"population"}),
        ("neuron A:\n    state v = 0\n    spike when v > 1:\n        |", {"reset", "v"}, {"state"}),
        ("neuron A:\n    state v = 0\n    param tau = 1\n    dv/dt = -v / |", {"tau", "v", "exp"}, {"dense"}),
        ("network M:\n    population a: |", {"LIF", "ALIF", "input", "poisson", "Cell"}, {"triangle", "twice"}),
        ("network M:\n    population a: ALIF[3](|", {"tau_m", "beta"}, {"v"}),
        ("network M:\n    population a: Cell[3](tau = 1 ms, r|", {"rest"}, set()),
        ("network M:\n    population a: LIF[3]\n    connect |", {"a", "cells"}, {"LIF"}),
        ("network M:\n    population a: LIF[3]\n    connect a -> a: |", {"dense", "one_to_one"}, {"a"}),
        ("network M:\n    population a: LIF[3]\n    connect a -> a: dense, |", {"weight", "delay"}, {"dense"}),
        (
            "network M:\n    population a: LIF[3]\n    connect a -> a: dense,  # why\n        |",
            {"weight", "delay"},
            {"population"},
        ),
        ("train:\n    |", {"rule", "loss"}, {"record"}),
        ("train:\n    rule = |", {"eprop", "bptt"}, {"cells"}),
        ("train:\n    loss = mean(cross_entropy(output.|", {"v", "tau_m"}, {"cells"}),
        ("train:\n    loss = mean(|", {"output", "cross_entropy"}, set()),
        ("simulate:\n    record v of |", {"cells", "output"}, {"v"}),
    ],
)
def test_completion_offers_what_may_stand_there(line, wanted, unwanted):
    text = TEXT.replace("\nsimulate:\n    duration = 1 s\n    record v of cells\n", "") + "\n" + line
    place = text.index("|")
    labels = {c.label for c in completions(Source("n.snn", text.replace("|", "")), place)}
    assert wanted <= labels, labels
    assert not unwanted & labels


def test_arguments_are_completed_with_their_sign():
    text = TEXT + "\nnetwork M:\n    population a: ALIF[3]("
    found = {c.label: c for c in completions(Source("n.snn", text), len(text))}
    assert found["tau_m"].insert == "tau_m = " and found["tau_m"].detail == "param tau_m = 20 ms"


@pytest.mark.parametrize(
    "text", ["", "\n", "neuron", "neuron A:\n    state", 'import "n.snn"\nfoo', "param x = (", "\x00", "é.é"]
)
def test_every_place_of_a_text_with_mistakes_has_an_answer(text):
    source = Source("n.snn", text)
    for place in range(len(text) + 1):
        assert isinstance(documentation(source, place), str) and isinstance(completions(source, place), list)
        definition(source, place)
