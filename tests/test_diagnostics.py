from hypothesis import given
from hypothesis import strategies as st

from sncc.diagnostics import Diagnostic, Diagnostics, Source, Span, closest, render, render_all

TEXT = "neuron A:\n    dv/dt = (E - v + I) / tau_m\n\tx = 1\n"


def place(part, text=TEXT):
    start = text.index(part)
    return Span(Source("coba.snn", text), start, start + len(part))


def test_a_diagnostic_shows_place_line_caret_and_repair():
    span = Span(Source("coba.snn", TEXT), TEXT.index("I)"), TEXT.index("I)") + 1)
    diagnostic = Diagnostic(
        "wrong-unit", span, "cannot add a current to a voltage", "`I` is a current (pA)", ("a fact",), ("multiply",)
    )
    assert render(diagnostic).splitlines() == [
        "coba.snn:2:22: error: cannot add a current to a voltage",
        "   2 |     dv/dt = (E - v + I) / tau_m",
        "     |                      ^ `I` is a current (pA)",
        "     = note: a fact",
        "     = help: multiply",
    ]


def test_as_data_it_has_code_message_and_place():
    data = Diagnostic("unknown-name", place("tau_m"), "unknown name `tau_m`").as_dict()
    assert data["code"] == "unknown-name" and data["severity"] == "error" and data["file"] == "coba.snn"
    assert (data["line"], data["column"]) == (2, 27) and data["end"] == {"line": 2, "column": 32}
    assert data["help"] == data["notes"] == []


def test_without_a_place_it_is_one_line():
    assert render(Diagnostic("unreadable-file", None, "cannot read `x`")) == "error: cannot read `x`"


def test_one_mistake_of_one_place_is_kept_once_and_sorted_by_place():
    found = Diagnostics()
    for span in (place("tau_m"), place("E"), place("tau_m")):
        found.error("unknown-name", Span(SOURCE, span.start, span.end), "unknown name")
    found.warning("unused-state", None, "a warning")
    assert [d.severity for d in found.sorted()] == ["warning", "error", "error"]
    assert [d.span.column for d in found.sorted() if d.span] == [14, 27]
    assert len(found.errors) == 2 and len(found.warnings) == 1


SOURCE = Source("coba.snn", TEXT)


def test_many_diagnostics_are_counted_and_not_all_printed():
    text = render_all([Diagnostic("x", None, f"mistake {k}") for k in range(40)])
    assert "mistake 29" in text and "mistake 30" not in text and "10 more" in text


def test_a_misspelt_name_is_found_again():
    assert closest("tau_mm", ["tau_a", "tau_m"]) == "tau_m"
    assert closest("lif", ["LIF", "ALIF"]) == "LIF"
    assert closest("LO", ["LIF", "LI"]) == "LI"
    assert closest("zebra", ["LIF", "LI"]) is None
    assert closest("PoissonGroup", ["LIF", "poisson", "pois"]) == "poisson"  # its first word
    assert closest("learning_rate", ["learn", "batch"]) is None


@given(st.text(max_size=60), st.integers(0, 70), st.integers(0, 20))
def test_any_place_of_any_text_can_be_shown(text, start, length):
    start = min(start, len(text))
    span = Span(Source("x.snn", text), start, min(len(text), start + length))
    assert render(Diagnostic("x", span, "message", "label")).startswith(f"x.snn:{span.line}:{span.column}: error")
