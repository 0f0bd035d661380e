"""The words that may stand at a place of a text that is being written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sncc.diagnostics import Source
from sncc.editor.documentation import headline
from sncc.editor.names import Named, Text, members, model_of, text_of
from sncc.model.connections import OPTIONS
from sncc.model.infer import DISTRIBUTIONS, FUNCTIONS
from sncc.model.scope import library
from sncc.syntax import tree
from sncc.syntax.build import STATEMENTS

SOURCES = ("input", "signal", "poisson", "spike_times")
PATTERNS = ("dense", "one_to_one", "random", "conv2d", "pool2d", "sparse")
TRAIN = ("rule", "loss", "optimiser", "schedule", "clip", "penalty", "learn", "batch")
SIMULATE = ("duration", "record", "stimulate")
LOSSES = ("cross_entropy", "mse", "huber", "mean", "sum", "max", "last", "first_spike", "count")
RULES = ("eprop", "bptt", "eventprop")


@dataclass(frozen=True, slots=True)
class Completion:
    """A word that may stand at a place: `kind` as the language calls it, `keyword` or `function`;
    `insert` is what is typed.
    """

    label: str
    kind: str
    detail: str = ""
    insert: str = ""


def completions(source: Source, place: int) -> list[Completion]:
    """The words that may stand at a place, by what stands before it in its line and by the block around it."""
    text = text_of(source)
    before = re.sub(r"[\w{}]*$", "", _statement(source.text[:place]))
    header, inner = _headers(source.text, place)
    if not before.strip():
        return _beginnings(text, place, header, inner)
    if dotted := re.search(r"([\w{}]+)\.$", before):
        return _members_of(text, place, dotted[1])
    if re.match(r"\s*population\s+[\w{}]+\s*:\s*$", before):
        return [_completion(d) for d in _definitions(text, "neuron")] + _words(SOURCES, "source")
    if re.match(r"\s*(?:connect|stimulate)\b[^:]*$", before) or re.match(r"\s*record\b.*\bof\b(?!.*\bevery\b)", before):
        return [_completion(named) for named in text.networks().values() if named.kind == "population"]
    if re.match(r"\s*record\s+$", before):
        return _words(("spikes", "weight"), "keyword") + _states(text)
    if re.match(r"\s*connect\b[^:]*(?:\[[^\]]*\][^:]*)*:\s*$", before):
        return _words(PATTERNS, "pattern")
    called = _called(before)
    if called and re.search(r"[(,]\s*$", before):
        found = [Completion(n.name, n.kind, headline(n), f"{n.name} = ") for n in _arguments(text, called)]
        return found + _in_scope(text, place, header)
    if header == "network" and re.match(r"\s*connect\b.*,\s*$", before):
        return [Completion(word, "keyword", "", f"{word} = ") for word in OPTIONS]
    if setting := re.match(r"\s*(\w+)\s*=\s*$", before):
        if header == "train" and setting[1] == "rule":
            return _words(RULES, "function")
    if re.search(r"\b(synapse|plasticity)\s*=\s*$", before):
        return [_completion(d) for d in _definitions(text, re.findall(r"synapse|plasticity", before)[-1])]
    return _in_scope(text, place, header)


def _statement(text: str) -> str:
    """What a text ends with since its last statement began: lines that a comma joins are one."""
    lines = text.split("\n")
    statement = lines.pop()
    while lines and (above := lines.pop().partition("#")[0].rstrip()).endswith(","):
        statement = above + " " + statement.lstrip()
    return statement


def _headers(text: str, place: int) -> tuple[str, str]:
    """First words of the outermost and of the innermost line that the place is indented below."""
    start = text.rfind("\n", 0, place) + 1
    indentation = len(text[start:place]) - len(text[start:place].lstrip())
    above = [line for line in text[:start].split("\n") if line.strip() and not line.lstrip().startswith("#")]
    found: list[str] = []
    for line in reversed(above):
        own = len(line) - len(line.lstrip())
        if own < indentation:
            indentation = own
            found.append(line.split()[0].rstrip(":"))
        if indentation == 0:
            break
    return (found[-1], found[0]) if found else ("", "")


def _beginnings(text: Text, place: int, header: str, inner: str) -> list[Completion]:
    if inner in ("spike", "each", "on"):
        block = text.block_at(place)
        states = [n for n in members(block).values() if "state" in n.kind] if block is not None else []
        return [_completion(named) for named in states] + _words(("reset",), "keyword")
    if header == "train":
        return [Completion(word, "keyword", "", f"{word} = ") for word in TRAIN] + _words(("for",), "keyword")
    if header == "simulate":
        return _words((*SIMULATE, "for"), "keyword")
    return _words(STATEMENTS.get(header or "file", ()), "keyword")


def _members_of(text: Text, place: int, name: str) -> list[Completion]:
    block = text.block_at(place)
    if name in ("pre", "post"):
        return (
            _states(text)
            if block is None or not isinstance(block, tree.Plasticity)
            else [_completion(n) for n in members(block).values() if n.kind == f"{name} state"] + _states(text)
        )
    owner = text.networks().get(name)
    return [_completion(named) for named in members(model_of(text, owner)).values()] if owner is not None else []


def _arguments(text: Text, called: str) -> list[Named]:
    """What the parentheses behind a model's or a function's name may set."""
    found = text.definition(called)
    return [n for n in members(found.node).values() if n.kind in ("param", "argument")] if found is not None else []


def _called(before: str) -> str:
    """The name before the innermost open parenthesis; of a population, its model."""
    depth = 0
    for k in range(len(before) - 1, -1, -1):
        depth += (before[k] == ")") - (before[k] == "(")
        if depth < 0:
            found = re.search(r"([\w{}]+)\s*(?:\[[^\]]*\])?\s*$", before[:k])
            return found[1] if found else ""
    return ""


def _in_scope(text: Text, place: int, header: str) -> list[Completion]:
    block = text.block_at(place)
    found: list[Named] = []
    if header in ("network", "train", "simulate"):
        found += text.networks().values()
    elif block is not None and header:
        found += members(block).values()
    found += [named for named in text.defined().values() if named.kind in ("param", "function")]
    functions = sorted({*FUNCTIONS, *DISTRIBUTIONS, *(LOSSES if header == "train" else ())})
    return [_completion(named) for named in found] + _words(tuple(functions), "function")


def _definitions(text: Text, kind: str) -> list[Named]:
    names = {**dict.fromkeys(library()), **dict.fromkeys(text.defined())}
    return [d for name in names if (d := text.definition(name)) is not None and d.kind == kind]


def _states(text: Text) -> list[Completion]:
    models = [model_of(text, n) for n in text.networks().values() if n.kind == "population"]
    found = {n.name: n for model in models for n in members(model).values() if n.kind == "state"}
    return [_completion(named) for named in found.values()]


def _completion(named: Named) -> Completion:
    return Completion(named.name, named.kind, headline(named))


def _words(words: tuple[str, ...], kind: str) -> list[Completion]:
    return [Completion(word, kind) for word in words]
