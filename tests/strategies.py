"""Random texts of the whole language, for properties that hold for every text.

A `Writer` follows `grammar/snn.lark` rule by rule, and lays the text out as untidily as the grammar allows. Its choices
come from a `random.Random`, so a seed names a text.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

NAMES = [
    "v",
    "w",
    "I",
    "tau",
    "theta",
    "A",
    "LIF",
    "x",
    "exc",
    "n_2",
    "größe",
    "step",
    "weight",
    "record",
    "state",
    "d",
]
WITH_BRACES = ["p{k}", "{k}", "p{k + 1}_q", "{ k }"]
NUMBERS = ["0", "1", "2.5", ".5", "1e-3", "2E+4", "007", "3."]
UNITS = ["ms", "mV", "nS", "m", "s", "mV/s", "uF/cm^2", "s^-1", "Ohm", "µm", "kg*m", "foo"]
COMMENTS = ["# a comment", "#", "#: dense, weight = 1", "# \"quoted\" 'text' ([", "#\ttab and trailing blanks   "]
DOCUMENTS = [
    '"One line."', '"  padded  "', '""', '"""Long."""', '"""\n      Two\n        lines.\n      """', '"""First\nsecond\t\n\n   third"""',
    '""" ends with a "quote" """', '"# no comment"',
]  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Texts that parse; most of them mean nothing."""
    return st.integers(0, 2**32).map(lambda seed: Writer(Random(seed)).file())


class Writer:
    """Writes one text; a method per rule of the grammar returns its words."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.brackets = 0

    # ------------------------------------------------------------------------------------------------------ layout
    def maybe(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def one(self, *rules: Callable[[], str]) -> str:
        return self.random.choice(rules)()

    def several(self, least: int, most: int) -> range:
        return range(self.random.randint(least, most))

    def gap(self, least: str = "") -> str:
        """Blanks between two words; inside brackets also line breaks and comments."""
        if self.brackets and self.maybe(0.08):
            return self.random.choice(["\n", "  # in brackets\n   ", "\n\n", "\n# alone\n"])
        return self.random.choice([least or "", " ", " ", "   "])

    def comma(self) -> str:
        return self.random.choice([", ", ",", " ,  ", ",\n        ", ",  # why\n\n    # more\n  "])

    def listed(self, rule: Callable[[], str], least: int, most: int) -> str:
        return self.comma().join(rule() for _ in self.several(least, most))

    def bracketed(self, inner: Callable[[], str], pair: str = "()") -> str:
        self.brackets += 1
        text = pair[0] + self.gap() + inner() + self.gap() + pair[1]
        self.brackets -= 1
        return text

    def spaced(self, *words: str) -> str:
        """Words with at least one blank between them."""
        return "".join(word + (self.gap(" ") if k < len(words) - 1 else "") for k, word in enumerate(words) if word)

    def loose(self, *words: str) -> str:
        """Words that may touch."""
        return "".join(word + (self.gap() if k < len(words) - 1 else "") for k, word in enumerate(words) if word)

    def end(self) -> str:
        """The end of a line, with whole lines of blanks and comments."""
        text = (
            self.random.choice(["", "", "  ", " " + self.random.choice(COMMENTS), self.random.choice(COMMENTS)]) + "\n"
        )
        while self.maybe(0.15):
            text += " " * self.random.randrange(9) + self.random.choice(["", *COMMENTS]) + "\n"
        return text

    def block(self, head: str, rules: tuple[Callable[[str], str], ...], indent: str, least: int = 0) -> str:
        inner = indent + " " * self.random.choice([1, 2, 4, 4, 8])
        text = indent + head + self.gap() + ":" + self.end()
        if least == 0 and self.maybe(0.3):
            text += inner + self.random.choice(DOCUMENTS) + self.end()
        for _ in self.several(max(least, 1), 4):
            text += self.random.choice(rules)(inner)
        return text

    def line(self, indent: str, *words: str) -> str:
        return indent + self.spaced(*words) + self.end()

    # ------------------------------------------------------------------------------------------------- expressions
    def name(self) -> str:
        return self.random.choice(WITH_BRACES if self.maybe(0.1) else NAMES)

    def dotted(self) -> str:
        return ".".join(self.name() for _ in self.several(1, 3))

    def quantity(self) -> str:
        number = self.random.choice(NUMBERS)
        return number + self.random.choice(["", " ", "  "]) + self.random.choice(UNITS) if self.maybe() else number

    def expression(self, depth: int = 3) -> str:
        if depth > 0 and self.maybe(0.1):
            parts = self.disjunction(depth - 1), "if", self.disjunction(depth - 1), "else", self.expression(depth - 1)
            return self.spaced(*parts)
        return self.disjunction(depth)

    def disjunction(self, depth: int) -> str:
        if depth > 0 and self.maybe(0.15):
            word, lower = self.random.choice(["or", "and"]), depth - 1
            return self.spaced(self.negation(lower), word, self.negation(lower))
        return self.negation(depth)

    def negation(self, depth: int) -> str:
        if self.maybe(0.08):
            return self.spaced("not", self.negation(depth))
        if depth > 0 and self.maybe(0.12):
            sign = self.random.choice(["<", "<=", ">", ">=", "==", "!="])
            return self.loose(self.sum(depth - 1), sign, self.sum(depth - 1))
        return self.sum(depth)

    def sum(self, depth: int = 2) -> str:
        if depth > 0 and self.maybe(0.3):
            return self.loose(self.sum(depth - 1), self.random.choice("+-"), self.product(depth - 1))
        return self.product(depth)

    def product(self, depth: int) -> str:
        if depth > 0 and self.maybe(0.3):
            left, sign, right = self.product(depth - 1), self.random.choice("*/"), self.factor(depth - 1)
            # behind a quantity, a sign without blanks would begin a unit
            return self.loose(left, sign, right) if left[-1] in ")]" else self.spaced(left, sign, right)
        return self.factor(depth)

    def factor(self, depth: int) -> str:
        if self.maybe(0.15):
            return self.loose(self.random.choice("+-"), self.factor(depth))
        if depth > 0 and self.maybe(0.12):
            base, exponent = self.atom(depth - 1), self.factor(depth - 1)
            quantity = base[0] in ".0123456789"  # `2 ms^2` has a unit of its own
            return self.spaced(base, "^", exponent) if quantity else self.loose(base, "^", exponent)
        return self.atom(depth)

    def atom(self, depth: int) -> str:
        if depth <= 0 or self.maybe(0.5):
            return self.one(self.dotted, self.quantity)
        return self.one(
            lambda: self.bracketed(lambda: self.expression(depth - 1)),
            lambda: self.dotted() + self.gap() + self.arguments(depth - 1),
            lambda: self.list(depth - 1),
        )

    def arguments(self, depth: int = 2) -> str:
        return self.bracketed(lambda: self.listed(lambda: self.argument(depth), 0, 3))

    def argument(self, depth: int) -> str:
        name = self.random.choice(["in", self.name()]) + self.gap() + "=" + self.gap() if self.maybe() else ""
        value = name + self.expression(depth)
        return self.spaced(value, "adjustable") if self.maybe(0.1) else value

    def list(self, depth: int = 1) -> str:
        return self.bracketed(lambda: self.listed(lambda: self.expression(depth), 0, 3), "[]")

    # ------------------------------------------------------------------------------------------ file and definitions
    def file(self) -> str:
        text = self.end() if self.maybe(0.3) else ""
        if self.maybe(0.3):
            text += self.random.choice(DOCUMENTS) + self.end()
        rules = (
            self.import_, self.parameter, self.function, self.neuron, self.synapse, self.plasticity, self.network, self.train,
            self.simulate,
        )  # fmt: skip
        for _ in self.several(1, 5):
            text += self.random.choice(rules)("")
        return text.rstrip("\n") if self.maybe(0.2) else text

    def import_(self, indent: str) -> str:
        return self.line(indent, "import", '"models.snn"')

    def defined(self, indent: str, word: str) -> str:
        return self.line(indent, word, self.loose(self.name(), "=", self.expression()))

    def parameter(self, indent: str) -> str:
        value = self.loose(self.name(), "=", self.expression())
        return self.line(indent, "param", value, "adjustable") if self.maybe(0.2) else self.line(indent, "param", value)

    def function(self, indent: str) -> str:
        def formal() -> str:
            return self.name() + (self.gap() + "=" + self.gap() + self.expression(1) if self.maybe(0.4) else "")

        formals = self.bracketed(lambda: self.listed(formal, 0, 3))
        return self.line(indent, "function", self.loose(self.name(), formals, "=", self.expression()))

    def state(self, indent: str) -> str:
        return self.defined(indent, "state")

    def let(self, indent: str) -> str:
        return self.defined(indent, "let")

    def derivative(self, indent: str) -> str:
        return self.line(indent, self.loose(f"d{self.random.choice(NAMES)}/dt", "=", self.expression()))

    def method(self, indent: str) -> str:
        return self.line(indent, self.loose("method", "=", self.expression()))

    def one_word(self, word: str) -> Callable[[str], str]:
        return lambda indent: self.line(indent, word, self.name())

    def of_expression(self, word: str) -> Callable[[str], str]:
        return lambda indent: self.line(indent, word, self.expression())

    def jump(self, indent: str) -> str:
        target = self.spaced("reset", self.random.choice(["v", "a", "g"])) if self.maybe(0.3) else "v"
        return self.line(indent, self.loose(target, self.random.choice(["=", "+=", "-=", "*="]), self.expression()))

    def jumps(self, head: str) -> Callable[[str], str]:
        def write(indent: str) -> str:
            if self.maybe(0.3):
                return indent + self.spaced(*head.split()) + self.gap() + ":" + self.gap() + self.jump("")
            return self.block(self.spaced(*head.split()), (self.jump,), indent, least=1)

        return write

    def spike(self, indent: str) -> str:
        sign = self.random.choice([">", ">=", "<", "<="])
        test = self.spaced("spike", "when", self.loose(self.sum(), sign, self.sum()))
        if self.maybe(0.3):
            return indent + test + self.end()
        if self.maybe(0.3):
            return indent + test + self.gap() + ":" + self.gap() + self.jump("")
        return self.block(test, (self.jump,), indent, least=1)

    def refractory(self, indent: str) -> str:
        held = ["hold", self.listed(self.name, 1, 3)] if self.maybe() else []
        return self.line(indent, "refractory", self.expression(), *held)

    def neuron(self, indent: str) -> str:
        rules = (
            self.parameter, self.state, self.one_word("input"), self.let, self.derivative, self.jumps("each step"), self.spike,
            self.refractory, self.of_expression("surrogate"), self.method,
        )  # fmt: skip
        return self.block(self.spaced("neuron", self.name()), rules, indent)

    def synapse(self, indent: str) -> str:
        deliver = self.of_expression("deliver")
        rules = (self.parameter, self.state, self.let, self.derivative, self.jumps("on pre"), deliver, self.method)
        return self.block(self.spaced("synapse", self.name()), rules, indent)

    def plasticity(self, indent: str) -> str:
        def of(side: str) -> Callable[[str], str]:
            return lambda indent: self.line(indent, side, "state", self.loose(self.name(), "=", self.expression()))

        def bound(indent: str) -> str:
            return self.line(indent, "bound", self.name(), "in", self.list())

        rules = (
            self.parameter, self.state, of("pre"), of("post"), self.let, self.derivative, self.jumps("on pre"),
            self.jumps("on post"), self.one_word("modulator"), bound,
        )  # fmt: skip
        return self.block(self.spaced("plasticity", self.name()), rules, indent)

    # ----------------------------------------------------------------------------- network, training and simulation
    def step(self, indent: str) -> str:
        return self.line(indent, self.loose("step", "=", self.expression()))

    def population(self, indent: str) -> str:
        text = self.spaced("population", self.loose(self.name(), ":", self.name()))
        if self.maybe(0.8):
            text += self.gap() + self.bracketed(lambda: self.listed(lambda: self.expression(1), 1, 3), "[]")
        if self.maybe():
            text += self.gap() + self.arguments()
        for _ in self.several(0, 2):
            text += self.comma() + self.loose(self.name(), "=", self.expression())
        return indent + text + self.end()

    def endpoint(self) -> str:
        def part() -> str:
            return self.loose(self.sum(1), ":", self.sum(1)) if self.maybe() else self.sum(1)

        slices = self.bracketed(lambda: self.listed(part, 1, 2), "[]") if self.maybe(0.4) else ""
        return self.name() + slices + (f".{self.name()}" if self.maybe(0.3) else "")

    def connect(self, indent: str) -> str:
        def option() -> str:
            text = self.loose(self.name(), "=", self.expression())
            if self.maybe(0.1):
                return self.spaced(text, "transposed")
            return self.spaced(text, "in", self.list()) if self.maybe(0.3) else text

        named = self.name() + self.gap() + "=" + self.gap() if self.maybe(0.3) else ""
        ends = self.loose(self.endpoint(), "->", self.endpoint(), ":", self.expression())
        options = "".join(self.comma() + option() for _ in self.several(0, 3))
        return self.line(indent, "connect", named + ends + options)

    def loop(self, rules: Callable[[], tuple[Callable[[str], str], ...]]) -> Callable[[str], str]:
        def write(indent: str) -> str:
            over = self.listed(self.name, 1, 3) if self.maybe() else self.sum(1) + " .." + self.gap() + self.sum(1)
            inner = rules() if len(indent) < 12 else rules()[:1]  # no endless nesting
            return self.block(self.spaced("for", self.name(), "in", over), inner, indent, least=1)

        return write

    def parts_of_network(self) -> tuple[Callable[[str], str], ...]:
        return (self.step, self.population, self.connect, self.loop(self.parts_of_network))

    def network(self, indent: str) -> str:
        return self.block(self.spaced("network", self.name()), self.parts_of_network(), indent)

    def setting(self, indent: str) -> str:
        key = self.random.choice(["rule", "loss", "learn", "batch", "duration", "optimiser"])
        return self.line(indent, self.loose(key, "=", self.listed(self.expression, 1, 2)))

    def record(self, indent: str) -> str:
        every = ["every", self.expression()] if self.maybe() else []
        return self.line(indent, "record", self.name(), "of", self.listed(self.endpoint, 1, 2), *every)

    def stimulate(self, indent: str) -> str:
        begin = ["from", self.expression()] if self.maybe() else []
        end = ["to", self.expression()] if self.maybe() else []
        return self.line(indent, "stimulate", self.loose(self.endpoint(), ":", self.expression()), *begin, *end)

    def train(self, indent: str) -> str:
        def parts() -> tuple[Callable[[str], str], ...]:
            return (self.setting, self.loop(parts))

        return self.block("train", parts(), indent)

    def simulate(self, indent: str) -> str:
        def parts() -> tuple[Callable[[str], str], ...]:
            return (self.setting, self.record, self.stimulate, self.loop(parts))

        return self.block("simulate", parts(), indent)
