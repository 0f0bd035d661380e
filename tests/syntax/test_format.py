"""`sncc fmt`: blanks alone change, and a second time nothing does."""

import dataclasses
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from strategies import Writer, texts

from sncc.diagnostics import DiagnosticError
from sncc.syntax import tree
from sncc.syntax.format import format_text
from sncc.syntax.parse import parse

ROOT = Path(__file__).resolve().parents[2]

UNTIDY = '''
# about the file


param  n=4# a number


param tau_m   = 20ms    # time constant
param longer  =  2 s    # aligned by its author
neuron N :
  """Two lines
     of words.

       indented"""

  state v=0

  # of the block
  spike when v>-1+n*2 ms^2 :
    reset v-=1
        # deeper than any line
  # in the block
# between blocks
network M:
        population   a :N[ n , 2 ] ( tau=10 ms ),v=uniform( 0,-1 )

        connect c=a[0 : 2 , 1] .I->a . I : dense ,   # why


           weight=( 1 + 2 )^-2   # the whole
        for k in 0 .. n+1 :

           connect p{k} -> {k} : dense,
             weight = normal(0,
               1)
'''

TIDY = '''# about the file

param n = 4  # a number

param tau_m  = 20 ms    # time constant
param longer = 2 s      # aligned by its author

neuron N:
    """Two lines
    of words.

      indented"""

    state v = 0

    # of the block
    spike when v > -1 + n * 2 ms^2:
        reset v -= 1
        # deeper than any line
    # in the block

# between blocks
network M:
    population a: N[n, 2](tau = 10 ms), v = uniform(0, -1)

    connect c = a[0:2, 1].I -> a.I: dense,  # why
        weight = (1 + 2)^-2  # the whole
    for k in 0..n + 1:
        connect p{k} -> {k}: dense,
            weight = normal(0,
            1)
'''


def test_the_layout_is_the_one_of_the_documentation():
    assert format_text(UNTIDY) == TIDY
    assert format_text(TIDY) == TIDY


FILES = sorted([*(ROOT / "grammar/std").glob("*.snn"), *(ROOT / "examples").rglob("*.snn")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_of_the_project_are_formatted(path):
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


@settings(max_examples=40, deadline=None)
@given(texts())
def test_formatting_keeps_the_meaning_and_the_comments_and_is_done_once(text):
    formatted = format_text(text)
    assert parse(formatted) == parse(text)
    assert format_text(formatted) == formatted
    assert comments(formatted) == comments(text)
    assert all(line == line.rstrip() for line in formatted.split("\n"))


def comments(text: str) -> list[str]:
    found = re.findall(r'"""[\s\S]*?"""|"[^"\n]*"|(#[^\n]*)', text)
    return [comment.rstrip() for comment in found if comment]


def test_the_random_texts_hold_every_construct():
    seen = set()
    for seed in range(100):
        nodes = [parse(Writer(Random(seed)).file())]
        while nodes:
            node = nodes.pop()
            seen.add(type(node).__name__)
            for field in dataclasses.fields(node):
                value = getattr(node, field.name)
                nodes += [n for n in (value if isinstance(value, tuple) else (value,)) if hasattr(n, "span")]
    classes = {name for name, value in vars(tree).items() if dataclasses.is_dataclass(value)}
    assert classes - seen <= {"Span"}


@pytest.mark.parametrize(
    "text, formatted",
    [
        ("param x=2 ms ^2", "param x = 2 ms ^ 2"),  # the square of two milliseconds, not two square milliseconds
        ("param x = 2 nS/tau", "param x = 2 nS / tau"),
        ("param x = a- -b*-c^-d", "param x = a - -b * -c^-d"),
        ("param x = 1 if not(a<b)else[1,2 ]", "param x = 1 if not (a < b) else [1, 2]"),
        ("param x = f (in=[ ],g())", "param x = f(in = [], g())"),
        ("param x = ((a))", "param x = ((a))"),  # the user's parentheses stay
        ("param x = (a +   # first\n# second\n  b)", "param x = (a +  # first\n    # second\n    b)"),
        ("param x = 1\r\n\r\n", "param x = 1"),
        ("\ufeffparam x = 1", "param x = 1"),
    ],
)
def test_expressions_are_spaced_by_precedence_of_signs(text, formatted):
    assert format_text(text) == formatted + "\n"


@pytest.mark.parametrize(
    "quoted",
    [
        '"  a  "',
        '""',
        '""" "a" """',
        '"""a\n      b\n    c"""',
        '"""a\n:\n    b\n    """',
        '"""\n  """',
        '"""\n  a\n\n  b  \n  """',
    ],
)
def test_documents_keep_their_words(quoted):
    text = f"neuron A:\n  {quoted}\n  state v = 0\n"
    formatted = format_text(text)
    assert parse(formatted) == parse(text) and format_text(formatted) == formatted


def test_a_text_with_mistakes_is_refused_with_all_of_them():
    with pytest.raises(DiagnosticError) as error:
        format_text("param = 1\nparam x = (\n", "x.snn")
    assert len(error.value.diagnostics) == 2
