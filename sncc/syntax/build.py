"""From lark's parse tree to the dataclasses of `tree.py`, one function per rule."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from sncc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Source, Span, closest
from sncc.syntax import tree

_CODE = re.compile(r'(?:"[^"]*"|[^"#])*')  # of a line, without its comment
_QUANTITY = re.compile(r"([\d.]+(?:[eE][-+]?\d+)?)[ \t]*(.*)", re.DOTALL)

DEEPEST = 200  # levels of a tree: well below what Python's own stack can hold in any later stage

# The words that begin a statement, by the rule of the block in which it stands.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "file": ("import", "param", "function", "neuron", "synapse", "plasticity", "network", "train", "simulate"),
    "neuron": (
        "param", "state", "input", "let", "each step", "spike when", "refractory", "surrogate", "method"
    ),
    "synapse": ("param", "state", "let", "on pre", "deliver", "method"),
    "plasticity": ("param", "state", "pre state", "post state", "let", "on pre", "on post", "modulator", "bound"),
    "network": ("step", "population", "connect", "for"),
}  # fmt: skip
_ELSEWHERE = {  # what begins a statement in other simulators, or in another place
    "threshold": "a threshold is crossed in `spike when v > 1:`, and what then jumps stands below",
    "reset": "what jumps stands in the block of a spike: `spike when v > 1: reset v = 0`",
    "dt": "the length of a time step is `step = 0.1 ms`",
    "run": "how long is `duration = 1 s`",
    "monitor": "write `record spikes of a`, `record v of a`",
}


class Builder:
    """Builds the tree of one source; statements with unknown words become diagnostics."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.depth = 0
        self.rules: dict[str, Callable[[Any, Span], Any]] = dict(
            (name.removeprefix("rule_"), method)
            for name, method in inspect.getmembers(self, inspect.ismethod)
            if name.startswith("rule_")
        )

    def build(self, node: Any, block: str = "file") -> Any:
        """The dataclass of a node of lark's tree (None for what was reported already)."""
        rule, children = str(node.data), [c for c in node.children if getattr(c, "type", "") not in ("COMMA", "HOLD")]
        span = self._span(node)
        if rule == "unknown":
            return self._unknown(node.children[0], block)
        if rule == "mistake":
            return None
        self.depth += 1
        if self.depth > DEEPEST:
            message = f"an expression is nested more than {DEEPEST} levels deep"
            raise DiagnosticError([Diagnostic("too-complex", span, message, help=("name its parts with `let`",))])
        inner = rule if rule in STATEMENTS else "network" if rule == "loop_in_network" else block
        built = [self.build(child, inner) if hasattr(child, "data") else child for child in children]
        self.depth -= 1
        return self.rules[rule](built, span)

    def _span(self, node: Any) -> Span:
        if getattr(node.meta, "empty", True):
            return Span(self.source, 0, 0)
        start, end = node.meta.start_pos, min(node.meta.end_pos, len(self.source.text))
        written = self.source.text[start:end]
        return Span(self.source, start, start + len(_statement(written)))

    def _token(self, token: Any) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    def _name(self, token: Any) -> tree.Identifier:
        return tree.Identifier(str(token), self._token(token))

    def _unknown(self, token: Any, block: str) -> None:
        word, known = str(token), STATEMENTS[block]
        line = self.source.line_text(self._token(token).line).strip()
        # the word with its kin, "each" of "each step"
        near = closest(word, [w.split()[0] for w in known])
        full = next((w for w in known if w.split()[0] == near), None)
        elsewhere = next((b for b, words in STATEMENTS.items() if word in [w.split()[0] for w in words]), None)
        if word in _ELSEWHERE:
            help = _ELSEWHERE[word]
        elif full:
            help = f"did you mean `{full}`?"
        elif elsewhere == "file":
            help = f"`{word}` stands at the file's left margin"
        elif elsewhere:
            help = f"`{word}` stands in a `{elsewhere}` block"
        elif re.match(r"d\w+\s*/\s*dt\b", line):
            help = "an equation is written without blanks: `dv/dt = -v / tau`"
        elif word[0] == "d" and re.search(rf"\bstate\s+{re.escape(word[1:])}\s*=", self.source.text):
            help = f"an equation is written `{word}/dt = …`"
        elif block in ("neuron", "synapse", "plasticity") and re.match(r"\w+\s*[-+*/]?=", line):
            help = f"define it with `param {word} = …`, `state {word} = …` or `let {word} = …`"
            if block == "neuron":
                help += "; a new value in every step stands under `each step:`"
        else:
            help = "expected one of " + ", ".join(f"`{w}`" for w in known)
        where = "a file" if block == "file" else f"a `{block}` block"
        message = f"`{word}` does not begin a statement of {where}"
        self.diagnostics.error("unknown-statement", self._token(token), message, help=help)

    # ------------------------------------------------------------------------------------------------ file
    def rule_file(self, c: list[Any], span: Span) -> tree.File:
        document, parts = _document(c)
        return tree.File(parts, document, span)

    def rule_document(self, c: list[Any], span: Span) -> str:
        return document_text(str(c[0]))

    def rule_import(self, c: list[Any], span: Span) -> tree.Import:
        return tree.Import(str(c[0]).strip('"'), span)

    def rule_parameter(self, c: list[Any], span: Span) -> tree.Parameter:
        return tree.Parameter(self._name(c[0]), c[1], len(c) > 2, span)

    def rule_function(self, c: list[Any], span: Span) -> tree.Function:
        return tree.Function(self._name(c[0]), c[1] if len(c) > 2 else (), c[-1], span)

    def rule_formals(self, c: list[Any], span: Span) -> tuple[tree.Formal, ...]:
        return tuple(c)

    def rule_formal(self, c: list[Any], span: Span) -> tree.Formal:
        return tree.Formal(self._name(c[0]), c[1] if len(c) > 1 else None, span)

    # ------------------------------------------------------------------------------- neurons and synapses
    def rule_neuron(self, c: list[Any], span: Span) -> tree.Neuron:
        document, parts = _document(c[1:])
        return tree.Neuron(self._name(c[0]), parts, document, span)

    def rule_synapse(self, c: list[Any], span: Span) -> tree.Synapse:
        document, parts = _document(c[1:])
        return tree.Synapse(self._name(c[0]), parts, document, span)

    def rule_plasticity(self, c: list[Any], span: Span) -> tree.Plasticity:
        document, parts = _document(c[1:])
        return tree.Plasticity(self._name(c[0]), parts, document, span)

    def rule_state(self, c: list[Any], span: Span) -> tree.State:
        return tree.State(self._name(c[0]), c[1], span)

    def rule_pre_state(self, c: list[Any], span: Span) -> tree.PreState:
        return tree.PreState(self._name(c[0]), c[1], span)

    def rule_post_state(self, c: list[Any], span: Span) -> tree.PostState:
        return tree.PostState(self._name(c[0]), c[1], span)

    def rule_input(self, c: list[Any], span: Span) -> tree.Input:
        return tree.Input(self._name(c[0]), span)

    def rule_modulator(self, c: list[Any], span: Span) -> tree.Modulator:
        return tree.Modulator(self._name(c[0]), span)

    def rule_bound(self, c: list[Any], span: Span) -> tree.Bound:
        return tree.Bound(self._name(c[0]), c[-1], span)

    def rule_let(self, c: list[Any], span: Span) -> tree.Let:
        return tree.Let(self._name(c[0]), c[1], span)

    def rule_derivative(self, c: list[Any], span: Span) -> tree.Derivative:
        token = c[0]
        start = token.start_pos + 1
        name = str(token)[1 : -len("/dt")]
        return tree.Derivative(tree.Identifier(name, Span(self.source, start, start + len(name))), c[1], span)

    def rule_each_step(self, c: list[Any], span: Span) -> tree.EachStep:
        return tree.EachStep(_present(c), span)

    def rule_on_pre(self, c: list[Any], span: Span) -> tree.OnPre:
        return tree.OnPre(_present(c), span)

    def rule_on_post(self, c: list[Any], span: Span) -> tree.OnPost:
        return tree.OnPost(_present(c), span)

    def rule_spike(self, c: list[Any], span: Span) -> tree.Spike:
        return tree.Spike(c[0], str(c[1]), c[2], _present(c[3:]), span)

    def rule_jump(self, c: list[Any], span: Span) -> tree.Jump:
        return tree.Jump(self._name(c[0]), str(c[1]), c[2], False, span)

    def rule_reset(self, c: list[Any], span: Span) -> tree.Jump:
        return tree.Jump(self._name(c[0]), str(c[1]), c[2], True, span)

    def rule_refractory(self, c: list[Any], span: Span) -> tree.Refractory:
        return tree.Refractory(c[0], tuple(self._name(t) for t in c[1:]), span)

    def rule_surrogate(self, c: list[Any], span: Span) -> tree.Surrogate:
        return tree.Surrogate(c[0], span)

    def rule_method(self, c: list[Any], span: Span) -> tree.Method:
        return tree.Method(c[0], span)

    def rule_deliver(self, c: list[Any], span: Span) -> tree.Deliver:
        return tree.Deliver(c[0], span)

    # --------------------------------------------------------------------------------------------- network
    def rule_network(self, c: list[Any], span: Span) -> tree.Network:
        document, parts = _document(c[1:])
        return tree.Network(self._name(c[0]), parts, document, span)

    def rule_step(self, c: list[Any], span: Span) -> tree.Step:
        return tree.Step(c[0], span)

    def rule_population(self, c: list[Any], span: Span) -> tree.Population:
        shape: tuple[tree.Expression, ...] | None = None
        arguments: tuple[tree.Argument, ...] = ()
        initials: list[tree.Initial] = []
        for part in c[2:]:
            match part:
                case ("shape", items):
                    shape = items
                case tree.Initial():
                    initials.append(part)
                case _:
                    arguments = part
        return tree.Population(self._name(c[0]), self._name(c[1]), shape, arguments, tuple(initials), span)

    def rule_shape(self, c: list[Any], span: Span) -> tuple[str, tuple[tree.Expression, ...]]:
        return "shape", tuple(c)

    def rule_initial(self, c: list[Any], span: Span) -> tree.Initial:
        return tree.Initial(self._name(c[0]), c[1], span)

    def rule_connect(self, c: list[Any], span: Span) -> tree.Connect:
        name = None if isinstance(c[0], tree.Endpoint) else self._name(c[0])
        source, target, pattern, *options = c[0 if name is None else 1 :]
        return tree.Connect(name, source, target, pattern, tuple(options), span)

    def rule_endpoint(self, c: list[Any], span: Span) -> tree.Endpoint:
        slices = next((part for part in c[1:] if isinstance(part, tuple)), ())
        target = self._name(c[-1]) if len(c) > 1 and not isinstance(c[-1], tuple) else None
        return tree.Endpoint(self._name(c[0]), slices, target, span)

    def rule_slice(self, c: list[Any], span: Span) -> tuple[tree.Range | tree.Index, ...]:
        return tuple(c)

    def rule_range(self, c: list[Any], span: Span) -> tree.Range:
        return tree.Range(c[0], c[1], span)

    def rule_index(self, c: list[Any], span: Span) -> tree.Index:
        return tree.Index(c[0], span)

    def rule_option(self, c: list[Any], span: Span) -> tree.Option:
        interval = c[-1] if isinstance(c[-1], tree.List) and len(c) > 3 else None
        return tree.Option(self._name(c[0]), c[1], interval, span, getattr(c[-1], "type", "") == "TRANSPOSED")

    def rule_names(self, c: list[Any], span: Span) -> tuple[tree.Identifier, ...]:
        return tuple(self._name(t) for t in c)

    def rule_interval(self, c: list[Any], span: Span) -> tree.Interval:
        return tree.Interval(c[0], c[1], span)

    def rule_loop_in_network(self, c: list[Any], span: Span) -> tree.Loop:
        variable, _, over, *parts = c
        return tree.Loop(self._name(variable), over, _present(parts), span)

    rule_loop_in_train = rule_loop_in_simulate = rule_loop_in_network

    # ------------------------------------------------------------------------------ training and simulation
    def rule_train(self, c: list[Any], span: Span) -> tree.Train:
        document, parts = _document(c)
        return tree.Train(parts, document, span)

    def rule_simulate(self, c: list[Any], span: Span) -> tree.Simulate:
        document, parts = _document(c)
        return tree.Simulate(parts, document, span)

    def rule_setting(self, c: list[Any], span: Span) -> tree.Setting:
        return tree.Setting(self._name(c[0]), tuple(c[1:]), span)

    def rule_record(self, c: list[Any], span: Span) -> tree.Record:
        populations = tuple(part for part in c if isinstance(part, tree.Endpoint))
        every = c[-1] if getattr(c[-2], "type", "") == "EVERY" else None
        return tree.Record(self._name(c[0]), populations, every, span)

    def rule_stimulate(self, c: list[Any], span: Span) -> tree.Stimulate:
        words = {getattr(part, "type", ""): k for k, part in enumerate(c)}
        start, stop = (c[words[word] + 1] if word in words else None for word in ("FROM", "TO"))
        return tree.Stimulate(c[0], c[1], start, stop, span)

    # ----------------------------------------------------------------------------------------- expressions
    def rule_conditional(self, c: list[Any], span: Span) -> tree.Conditional:
        return tree.Conditional(c[0], c[2], c[4], span)

    def rule_binary(self, c: list[Any], span: Span) -> tree.Binary:
        return tree.Binary(str(c[1]), c[0], c[2], span)

    def rule_unary(self, c: list[Any], span: Span) -> tree.Unary:
        return tree.Unary(str(c[0]), c[1], span)

    def rule_parenthesis(self, c: list[Any], span: Span) -> tree.Expression:
        inner: tree.Expression = c[0]
        return inner

    def rule_quantity(self, c: list[Any], span: Span) -> tree.Quantity:
        return tree.Quantity(*quantity_parts(str(c[0])), span)

    def rule_name(self, c: list[Any], span: Span) -> tree.Name:
        return tree.Name(tuple(str(t) for t in c), span)

    def rule_call(self, c: list[Any], span: Span) -> tree.Call:
        return tree.Call(c[0], c[1], span)

    def rule_arguments(self, c: list[Any], span: Span) -> tuple[tree.Argument, ...]:
        return tuple(c)

    def rule_argument(self, c: list[Any], span: Span) -> tree.Argument:
        adjustable = getattr(c[-1], "type", "") == "ADJUSTABLE"
        named = isinstance(c[0], str)  # a token
        return tree.Argument(str(c[0]) if named else None, c[1] if named else c[0], span, adjustable)

    def rule_list(self, c: list[Any], span: Span) -> tree.List:
        return tree.List(tuple(c), span)


def _statement(written: str) -> str:
    """What a node covers, without the comments and blank lines that its last token swallows."""
    lines = written.split("\n")
    if len(lines) > 1 and not lines[-1].strip():
        while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
            lines.pop()
        code = _CODE.match(lines[-1])
        lines[-1] = code[0] if code else lines[-1]
    return "\n".join(lines).rstrip()


def document_text(token: str) -> str:
    """The words of a documentation string, without quotes, indentation and trailing blanks."""
    quotes = 3 if token.startswith('"""') else 1
    return inspect.cleandoc("\n".join(line.rstrip() for line in token[quotes:-quotes].split("\n")))


def quantity_parts(token: str) -> tuple[str, str]:
    """The number and the unit of `20 ms`, as written; the unit is empty where there is none."""
    found = _QUANTITY.fullmatch(token)
    assert found is not None  # the token's own pattern
    return found[1], found[2]


def _present(parts: list[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)


def _document(parts: list[Any]) -> tuple[str, tuple[Any, ...]]:
    """The documentation and the other parts of a block."""
    if parts and isinstance(parts[0], str) and not hasattr(parts[0], "type"):
        return parts[0], _present(parts[1:])
    return "", _present(parts)
