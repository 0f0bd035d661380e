import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sncc.diagnostics import DiagnosticError
from sncc.syntax import tree
from sncc.syntax.parse import load, parse, parse_expression


def expression(text):
    return parse_expression(text, "test")


def shown(node):
    """An expression with every operation in brackets."""
    match node:
        case tree.Quantity(number, unit):
            return f"{number} {unit}".strip()
        case tree.Name():
            return str(node)
        case tree.Unary(operator, operand):
            return f"({operator} {shown(operand)})"
        case tree.Binary(operator, left, right):
            return f"({shown(left)} {operator} {shown(right)})"
        case tree.Conditional(then, condition, otherwise):
            return f"({shown(then)} if {shown(condition)} else {shown(otherwise)})"
        case tree.Call(function, arguments):
            inner = ", ".join((f"{a.name}=" if a.name else "") + shown(a.value) for a in arguments)
            return f"{function}({inner})"
        case tree.List(items):
            return f"[{', '.join(shown(i) for i in items)}]"


@pytest.mark.parametrize(
    "text, meaning",
    [
        ("2 nS/tau", "(2 nS / tau)"),  # a quantity divided by a name
        ("20 mV/s", "20 mV/s"),  # one quantity, even where `s` is a name
        ("20 mV/s2", "(20 mV / s2)"),
        ("1/ms", "(1 / ms)"),
        ("1 uF/cm^2", "1 uF/cm^2"),
        ("3 mV*ms + a", "(3 mV*ms + a)"),
        ("1e-2", "1e-2"),
        ("2e3 ms", "2e3 ms"),
        (".5 ms", ".5 ms"),
        ("-v^2", "(- (v ^ 2))"),
        ("2^-n", "(2 ^ (- n))"),
        ("a - b - c", "((a - b) - c)"),
        ("a + b * c / d", "(a + ((b * c) / d))"),
        ("not a > 0 and b or c", "(((not (a > 0)) and b) or c)"),
        ("0.5 if x > 0 else 1 if y else 2", "(0.5 if (x > 0) else (1 if y else 2))"),
        ("normal(0, 1 / sqrt(fan_in), clip = [-1, 1])", "normal(0, (1 / sqrt(fan_in)), clip=[(- 1), 1])"),
        ("hidden.tau_m(rate = 0.1, in = [2 ms, 500 ms])", "hidden.tau_m(rate=0.1, in=[2 ms, 500 ms])"),
        ("mean(output.v, from = 50 ms)", "mean(output.v, from=50 ms)"),
        ("(a +\n  b)", "(a + b)"),
    ],
)
def test_expressions_mean_what_the_field_expects(text, meaning):
    assert shown(expression(text)) == meaning


def test_places_are_those_of_the_text():
    text = "neuron A:   # a comment\n    state v = 0\n    dv/dt = -v / (20 ms)   # decays\n"
    (neuron,) = parse(text).blocks
    state, equation = neuron.parts
    assert neuron.name.span.text == "A" and state.span.text == "state v = 0"
    assert equation.span.text == "dv/dt = -v / (20 ms)" and equation.name.span.text == "v"
    assert equation.value.span.text == "-v / (20 ms)" and (equation.span.line, equation.span.column) == (3, 5)


def test_a_number_sign_in_a_string_begins_no_comment():
    (block,) = parse('import "a#b.snn"   # a comment\n\n# another\n').blocks
    assert block.span.text == 'import "a#b.snn"'


def test_every_kind_of_statement_has_its_node():
    file = parse(EVERYTHING)
    assert file.document == "A file." and [type(b).__name__ for b in file.blocks] == [
        "Import", "Parameter", "Function", "Neuron", "Synapse", "Plasticity", "Network", "Train", "Simulate",
    ]  # fmt: skip
    _, parameter, function, neuron, synapse, plasticity, network, train, simulate = file.blocks
    assert parameter.adjustable and [f.default is None for f in function.formals] == [True, False]
    assert [type(p).__name__ for p in neuron.parts] == [
        "Parameter", "State", "Input", "Let", "Derivative", "EachStep", "Spike", "Refractory", "Surrogate", "Method",
    ]  # fmt: skip
    each_step, spike, refractory = neuron.parts[5:8]
    assert len(each_step.jumps) == 1 and spike.comparison == ">=" and [j.reset for j in spike.jumps] == [True, False]
    assert [h.name for h in refractory.hold] == ["v", "w"] and neuron.document == "Two lines\nof words."
    assert [type(p).__name__ for p in synapse.parts] == ["State", "Derivative", "OnPre", "Deliver"]
    assert [type(p).__name__ for p in plasticity.parts] == [
        "PreState", "PostState", "State", "OnPre", "OnPost", "Modulator", "Bound",
    ]  # fmt: skip
    step, population, connect, loop = network.parts
    assert isinstance(step, tree.Step) and len(population.shape) == 2 and population.initials[0].name.name == "v"
    assert connect.name.name == "c" and connect.source.slices and connect.target.input.name == "I"
    assert [o.name.name for o in connect.options] == ["weight", "delay"] and connect.options[0].interval is not None
    assert isinstance(loop.over, tree.Interval) and isinstance(loop.parts[1], tree.Loop)
    assert [s.name.name for s in train.parts] == ["rule", "learn"] and len(train.parts[1].values) == 2
    assert population.arguments[0].adjustable and loop.parts[1].parts[0].options[0].transposed
    _, states, spikes, current, number = simulate.parts
    assert states.every is not None and spikes.every is None
    assert current.target.input.name == "I" and (current.start.number, current.stop.number) == ("100", "200")
    assert number.value.unit == "" and number.start is None and number.stop.unit == "s"


EVERYTHING = '''"A file."
import "models.snn"
param n = 4 adjustable
function f(x, y = 2) = x * y

neuron N:
    """Two lines
    of words."""
    param tau = 20 ms
    state v = 0
    input I
    let total = I + 1
    dv/dt = -v / tau + total
    each step: v = 0.9 * v
    spike when v >= 1:
        reset v -= 1
        w += 1
    refractory 2 ms hold v, w
    surrogate triangle(width = 1)
    method = euler

synapse s:
    state g = 0 nS
    dg/dt = -g / (5 ms)
    on pre: g += weight
    deliver g * (0 mV - post.v)

plasticity p:
    pre state x = 0
    post state y = 0
    state z = 0
    on pre:
        weight += y
        x += 1
    on post: y += 1
    modulator reward
    bound weight in [0 nS, 1 nS]

network M:
    step = 1 ms
    population a: N[n, 2](tau = 10 ms adjustable), v = uniform(0, 1)
    connect c = a[0:2, 1] -> a.I: dense,      # a comma at the end of a line goes on,

        weight = each(1) in [0, 1], delay = 1 ms
    for k in 0..3:
        population b{k}: N[2]
        for m in a, b0:
            connect {m} -> b{k}: dense, share = c transposed

train:
    rule = eprop(feedback = symmetric)
    learn = weights, a.tau

simulate:
    duration = 1 s
    record v of a[0:10], b0 every 1 ms
    record spikes of a
    stimulate a[0:2].I: 200 pA from 100 ms to 200 ms
    stimulate a: 0.5 to 1 s
'''


def messages(text):
    with pytest.raises(DiagnosticError) as error:
        parse(text, "x.snn")
    return [(d.span.line if d.span else 0, d.message) for d in error.value.diagnostics]


def test_several_mistakes_are_reported_at_their_places():
    text = EVERYTHING.replace("input I", "input I,").replace("v >= 1", "v ? 1").replace("rule = ", "rule ")
    assert [line for line, _ in messages(text)] == [11, 15, 51]


@pytest.mark.parametrize(
    "wrong, help",
    [
        ("synapse s:\n    state g = 0\n    on pre: post.v += weight\n    deliver g\n", "by `deliver`"),
        ("network N:\n    connect a -> b: weight = 1\n", "a pattern stands first"),
        ("neuron N:\n    spike when v = 1: v = 0\n", "compare with `>` or `>=`"),
        ("neuron A:\n    state v = 0\n    spike when v > 1 and v < 2: v = 0\n", "a threshold is one comparison"),
        ("neuron A:\n    state v : volt\n", "its value says the unit"),
        ("neuron A:\n    param tau = 5 : second\n", "its value says the unit"),
        ("neuron A:\n    state v = 0\n    dv/dt = -v / (5 ms) : 1\n", "follows from its state's"),
        ("neuron A:\n    state v = 0\n    dv/dt = -v / (5 ms) (unless refractory)\n", "`refractory 5 ms hold v`"),
        ("synapse s:\n    state g = 0\n    dg/dt = -g / (5 ms) (event-driven)\n    deliver g\n", "leave it out"),
        ("neuron A:\n    state v = 0\n    threshold v > 1\n", "`spike when v > 1:`"),
        ("neuron A:\n    state v = 0\n    spike when v > 1\n    reset v = 0\n", "`spike when v > 1: reset v = 0`"),
        ("network N:\n    dt = 0.1 ms\n", "`step = 0.1 ms`"),
    ],
)
def test_what_other_simulators_write_otherwise_is_answered_by_how_it_is_written_here(wrong, help):
    with pytest.raises(DiagnosticError) as error:
        parse(wrong, "x.snn")
    assert any(help in line for d in error.value.diagnostics for line in d.help)


@pytest.mark.parametrize("quotes", ['"', '"""'])
def test_a_string_without_an_end_is_told_where_it_begins(quotes):
    text = f"neuron N:\n    {quotes}A neuron.\n    state v = 0\n"
    with pytest.raises(DiagnosticError) as caught:
        parse(text)
    first = caught.value.diagnostics[0]
    assert (first.message, first.span.start, first.help) == ("this string is never closed", 14, (f"add `{quotes}`",))


def test_every_line_of_a_program_may_be_cut_anywhere():
    lines = EVERYTHING.splitlines()
    for k, line in enumerate(lines):
        for cut in (len(line) // 2, max(0, len(line) - 1)):
            text = "\n".join([*lines[:k], line[:cut], *lines[k + 1 :]])
            try:
                parse(text, "x.snn")
            except DiagnosticError as error:
                assert 1 <= len(error.diagnostics) <= 25


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_random_text_is_never_a_crash(text):
    try:
        parse(text, "x.snn")
    except DiagnosticError as error:
        assert error.diagnostics and str(error)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(
    ["neuron A:", "    ", "\n", "state v = 0", "(", ")", "[", ",", ":", "dv/dt", "=", "1 ms", "spike when", "v", ">", '"', "#",
     "network N:", "for k in 0..3:", "train:", "{k}", "\t", "each step:"]), max_size=25))  # fmt: skip
def test_random_words_of_the_language_are_never_a_crash(words):
    try:
        parse(" ".join(words), "x.snn")
    except DiagnosticError as error:
        assert error.diagnostics and str(error)


def test_random_bytes_a_missing_file_and_windows_line_ends(tmp_path):
    file = tmp_path / "x.snn"
    file.write_bytes(bytes(range(256)) * 3)
    with pytest.raises(DiagnosticError, match=r"x\.snn:2:118: error: .* byte 0x80 is not UTF-8"):
        load(file)
    with pytest.raises(DiagnosticError, match="cannot read"):
        load(tmp_path / "absent.snn")
    with pytest.raises(DiagnosticError, match="cannot read"):
        load(tmp_path)
    file.write_bytes(b"\xef\xbb\xbfparam x = 1\r\nparam y = 2\r\n")
    assert len(load(file).blocks) == 2


def test_indentation_is_that_of_statements_not_of_strings_and_lines_that_go_on():
    text = 'neuron A:\n    """One\n  two"""\n    param x = (1 +\n 2)\n    param y = f(1,\n 2)\n  state v = 0\n'
    assert messages(text) == [(8, "the indentation of this line belongs to no block above")]


def test_a_colon_without_a_block_is_reported_where_it_stands():
    neuron = "neuron A:\n    state v = 0\n    spike when v > 1:\n"
    for behind in ("", "# end", "\nnetwork N:\n    step = 1 ms\n", "    refractory 2 ms\n"):
        assert messages(neuron + behind) == [(3, "`spike when v > 1:` has no block")]


@pytest.mark.parametrize("text", ["param x = 1 ms^2.5", "param x = 1 ms^2e3", "param x = 1 mV/s^2.5"])
def test_only_whole_powers_belong_to_a_unit(text):
    assert parse(text).blocks[0].value.operator == "^"


def test_deep_nesting_is_refused_and_not_a_crash():
    for text in ("param x = " + "-" * 5000 + "1", "param x = " + "1+" * 5000 + "1", "param x = " + "(" * 5000):
        with pytest.raises(DiagnosticError) as error:
            parse(text, "x.snn")
        assert [d.code for d in error.value.diagnostics] == ["too-complex"]


def test_a_line_indented_further_is_a_mistake_below_a_document_that_ends_with_a_colon():
    with pytest.raises(DiagnosticError) as error:
        parse('synapse s:\n    """What it is:\n    a synapse\n    """\n       deliver weight\n')
    assert [d.message for d in error.value.diagnostics] == ["this line is indented further than its block"]


def test_an_unwritable_cache_is_no_obstacle(tmp_path, monkeypatch):
    from sncc.syntax import parse as module

    module._lark.cache_clear()
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(blocked))
    try:
        assert len(parse("param x = 1\n").blocks) == 1
    finally:
        module._lark.cache_clear()


@pytest.mark.parametrize(
    "after", ["    connect b -> c: dense, weight = 1\n", "\ntrain:\n    rule = bptt\n", "# end\n", ""]
)
def test_a_stray_comma_is_told_whatever_comes_after_it(after):
    text = "network N:\n    connect a -> b: dense, weight = 1,\n"
    with pytest.raises(DiagnosticError) as error:
        parse(text + after)
    assert [(d.message, d.span.line) for d in error.value.diagnostics] == [("a stray comma ends this statement", 2)]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [("\u00a0   step", "no-break space"), ("    step\u200b", "zero width space"), ("\u2028    step", "line separator")],
)
def test_invisible_characters_are_told_once_and_by_name(wrong, name):
    """Text copied from a page holds some; strings and comments may."""
    text = '"Zero\u200bwidth"\nnetwork N:  # no\u00a0break\n    step = 1 ms\n'
    assert len(parse(text).blocks) == 1
    with pytest.raises(DiagnosticError) as error:
        parse(text.replace("    step", wrong))
    (found,) = error.value.diagnostics
    assert found.code == "not-text" and name in found.message and found.span.text == wrong.strip("step ")
