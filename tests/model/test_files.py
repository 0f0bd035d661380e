"""Files as a whole: imports, several networks, and what is still found behind a syntax error."""

import pytest

from sncc.compiler import check
from sncc.diagnostics import DiagnosticError
from sncc.model.resolve import load_model, model_of_text

NEURON = "neuron {name}:\n    state v = 0\n    input I\n    dv/dt = -v / (20 ms) + I\n"
NETWORK = "network {name}:\n    step = 1 ms\n    population a: {model}[{size}]\n"


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.snn"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_imports_are_relative_to_their_file_and_read_once(write):
    folder = write(
        main='import "parts/models.snn"\nimport "parts/more.snn"\n'
        + NETWORK.format(name="N", model="B", size="twice(size)"),
        parts__models='import "base.snn"\nparam size = 3\n' + NEURON.format(name="A"),
        parts__more='import "base.snn"\nfunction twice(x) = 2 * x\n',
        parts__base=NEURON.format(name="B"),
    )
    assert load_model(folder / "main.snn").population("a").shape == (6,)


def test_the_text_that_goes_into_a_project_needs_no_other_file(write):
    lines = ("# of all", 'import "models.snn"   # read', "param n = size + 1", 'import "more.snn"', "")
    folder = write(
        main="\n".join(lines) + NETWORK.format(name="N", model="B", size="n"),
        models='import "more.snn"\nparam size = 3\n' + NEURON.format(name="A"),
        more=NEURON.format(name="B") + NETWORK.format(name="Other", model="A", size=1),
    )
    found = load_model(folder / "main.snn")
    alone = model_of_text(found.source)
    assert "import" not in found.source and found.source.startswith("# of all") and "Other" not in found.source
    assert alone.source == found.source and alone.population("a") == found.population("a")


def test_a_cycle_of_imports_is_reported_with_its_way(write):
    folder = write(
        a='import "b.snn"\n' + NETWORK.format(name="N", model="LIF", size=1), b='import "c.snn"\n', c='import "a.snn"\n'
    )
    with pytest.raises(DiagnosticError, match=r"`a.snn` -> `b.snn` -> `c.snn` -> `a.snn`"):
        load_model(folder / "a.snn")


def test_a_chain_of_imports_has_an_end_and_a_name_a_longest_one(write):
    files = {f"f{k}": f'import "f{k - 1}.snn"\n' for k in range(1, 250)}
    folder = write(f0="param n = 3\n", **files, a='import "f249.snn"\n' + NETWORK.format(name="N", model="LIF", size=1))
    with pytest.raises(DiagnosticError, match="files import each other more than 200 deep"):
        load_model(folder / "a.snn")
    text = f'import "{"a/" * 3000}b.snn"\n' + NETWORK.format(name="N", model="LIF", size=1)
    (found,) = (d for d in check(text) if d.severity == "error")
    assert found.code == "unreadable-file" and found.span.line == 1


def test_a_mistake_in_an_imported_file_is_told_there(write):
    folder = write(
        a='import "b.snn"\n' + NETWORK.format(name="N", model="B", size=1),
        b=NEURON.format(name="B").replace("20 ms", "20 mz"),
    )
    (found,) = (d for d in check(folder / "a.snn") if d.severity == "error")
    assert found.span.source.path.endswith("b.snn") and found.span.text == "mz"


def test_one_of_several_networks_is_chosen():
    text = NETWORK.format(name="Small", model="LIF", size=2) + NETWORK.format(name="Large", model="LIF", size=9)
    assert model_of_text(text, network="Large").population("a").size == 9
    assert [d.code for d in check(text, network="Small") if d.severity == "error"] == []
    with pytest.raises(DiagnosticError, match="did you mean `Large`"):
        model_of_text(text, network="Lrge")
    with pytest.raises(DiagnosticError, match="the file has `Small`, `Large`"):
        model_of_text(text, network="C")
    with pytest.raises(DiagnosticError, match="--network Small"):
        model_of_text(text)


BROKEN = NEURON.format(name="A").replace("state v = 0", "state v == 0")


def codes(text):
    return [(d.code, d.span.line) for d in check(text) if d.severity == "error"]


def test_behind_a_syntax_error_the_other_models_are_looked_at():
    wrong = NEURON.format(name="B").replace("20 ms", "20 mz").replace("-v", "-w")
    assert codes(BROKEN + wrong) == [("syntax", 2), ("unknown-name", 8), ("unknown-unit", 8)]


def test_what_a_syntax_error_took_away_is_not_reported_again():
    assert codes(BROKEN + NETWORK.format(name="N", model="A", size=2)) == [("syntax", 2)]
    assert codes("neuron A\n" + NEURON.format(name="B") + NETWORK.format(name="N", model="A", size=2)) == [
        ("syntax", 1)
    ]
    text = (
        NETWORK.format(name="N", model="LIF", size=2)
        + "    population b; LIF[2]\n    connect a -> b: dense, weight = 1\n"
    )
    assert codes(text) == [("syntax", 4)]


def test_a_syntax_error_in_training_leaves_the_network_to_be_checked():
    text = NETWORK.format(name="N", model="LFI", size=2) + "train:\n    rule = = bptt\n"
    assert codes(text) == [("unknown-model", 3), ("syntax", 5)]
