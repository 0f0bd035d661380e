"""The pattern of a connection, `random(p = 0.1)`, `conv2d(…)` and their kind: checked shapes, fan_in and fan_out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from sncc.connectivity.patterns import (
    Convolution,
    Dense,
    Fans,
    OneToOne,
    Part,
    Pattern,
    Pooling,
    Random,
    Sparse,
    channels_of,
    fans_of,
)
from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.model.ends import names_in
from sncc.model.scope import Scope
from sncc.model.values import constant_number, constant_whole, true_or_false
from sncc.syntax import tree

PATTERNS: Mapping[str, tuple[str, ...]] = {  # with what each takes
    "dense": ("self",),
    "one_to_one": (),
    "random": ("p", "fan_in", "fan_out", "total", "repeats", "self"),
    "conv2d": ("kernel", "channels", "stride", "padding"),
    "pool2d": ("size", "stride"),
    "sparse": (),
}
_ELSEWHERE = {  # what other simulators call them
    "all_to_all": "dense",
    "fully_connected": "dense",
    "linear": "dense",
    "fixed_indegree": "random(fan_in = …)",
    "fixed_outdegree": "random(fan_out = …)",
    "fixed_total_number": "random(total = …)",
    "pairwise_bernoulli": "random(p = …)",
    "fixed_probability": "random(p = …)",
}
LARGEST = 2**33  # synapses of a connection
Image = TypeVar("Image", Convolution, Pooling)


@dataclass(frozen=True)
class Ends:
    """What a pattern connects: parts of populations, with their names for messages."""

    source: Part
    target: Part
    source_name: str
    target_name: str
    target_model: str = ""

    @property
    def itself(self) -> bool:
        """Whether it leads from a population to itself."""
        return self.source_name == self.target_name


@dataclass
class PatternResolver:
    """Resolves the pattern of one connection."""

    ends: Ends
    scope: Scope
    diagnostics: Diagnostics

    def resolve(self, written: tree.Expression) -> tuple[Pattern, Fans | None] | None:
        """The pattern with its fans (None where only index arrays tell them), or None after a mistake."""
        name = pattern_name(written, self.diagnostics)
        if name is None or not isinstance(written, tree.Call | tree.Name):
            return None
        arguments = self._arguments(name, written)
        if arguments is None:
            return None
        before = len(self.diagnostics.errors)
        pattern: Pattern | None
        match name:
            case "dense":
                pattern = Dense(self._reaches_itself(arguments))
            case "one_to_one":
                pattern = self._one_to_one(written)
            case "random":
                pattern = self._random(arguments, written)
            case "conv2d":
                pattern = self._convolution(arguments, written)
            case "pool2d":
                pattern = self._pooling(arguments, written)
            case _:
                pattern = Sparse()
        if pattern is None or len(self.diagnostics.errors) > before:
            return None
        fans = fans_of(pattern, self.ends.source, self.ends.target)
        if fans is not None and self.ends.source.size * fans[1] > LARGEST:
            self.diagnostics.error("wrong-shape", written.span, "too many synapses")
            return None
        return pattern, fans

    def _arguments(self, name: str, written: tree.Call | tree.Name) -> dict[str, tree.Expression] | None:
        found: dict[str, tree.Expression] = {}
        for argument in written.arguments if isinstance(written, tree.Call) else ():
            key = argument.name
            if key is None or key not in PATTERNS[name]:
                takes = ", ".join(f"`{a} = …`" for a in PATTERNS[name]) or "nothing"
                message = f"`{name}` has no `{key}`" if key else f"what `{name}` takes stands with its name"
                hints = did_you_mean(key or "", PATTERNS[name]) or (f"it takes {takes}",)
                self.diagnostics.error("wrong-argument", argument.span, message, help=hints)
                return None
            if key in found:
                self.diagnostics.error("duplicate", argument.span, f"`{key}` is given twice")
                return None
            found[key] = argument.value
        return found

    def _reaches_itself(self, arguments: Mapping[str, tree.Expression]) -> bool:
        """Whether no neuron is left out; so between two populations, whatever is said. Later stages ask the pattern."""
        return true_or_false(arguments.get("self"), "self", True, self.diagnostics) or not self.ends.itself

    def _whole(self, written: tree.Expression, what: str, least: int = 1) -> int | None:
        number = constant_whole(written, what, self.scope, self.diagnostics)
        if number is not None and number < least:
            self.diagnostics.error("wrong-argument", written.span, f"{what} must be at least {least}")
            return None
        return number

    def _pair(self, written: tree.Expression, what: str, least: int = 1) -> tuple[int, int] | None:
        """`[3, 3]`: along y and x."""
        if not isinstance(written, tree.List) or len(written.items) != 2:
            text = written.span.text
            help = f"write `[{text}, {text}]`" if isinstance(written, tree.Quantity) else ""
            self.diagnostics.error("wrong-argument", written.span, f"{what} has two numbers, `[y, x]`", help=help)
            return None
        along = [self._whole(item, what, least) for item in written.items]
        return None if along[0] is None or along[1] is None else (along[0], along[1])

    # -------------------------------------------------------------------------------------------------- patterns
    def _one_to_one(self, written: tree.Expression) -> OneToOne | None:
        source, target = self.ends.source, self.ends.target
        if source.size == target.size:
            return OneToOne()
        names = _sized(self.ends.source_name, source), _sized(self.ends.target_name, target)
        message = f"`one_to_one` needs equally many neurons: {names[0]}, {names[1]}"
        self.diagnostics.error("shape-mismatch", written.span, message)
        return None

    def _random(self, arguments: Mapping[str, tree.Expression], written: tree.Expression) -> Random | None:
        kinds = [k for k in ("p", "fan_in", "fan_out", "total") if k in arguments]
        if len(kinds) != 1:
            message = "`random` takes one of `p`, `fan_in`, `fan_out` and `total`"
            self.diagnostics.error("wrong-argument", written.span, message, help="write `random(p = 0.1)`")
            return None
        kind, value = kinds[0], arguments[kinds[0]]
        if kind == "p" and "repeats" in arguments:
            message = "`random(p = …)` takes each pair once"
            self.diagnostics.error("wrong-argument", arguments["repeats"].span, message)
            return None
        own = self._reaches_itself(arguments)
        if kind == "p":
            number = self._probability(value)
            return None if number is None else Random("p", number, False, own)
        count = self._whole(value, f"`{kind}`")
        repeats = true_or_false(arguments.get("repeats"), "repeats", kind == "total", self.diagnostics)
        if count is None:
            return None
        less = int(not own)
        rows, columns = self.ends.source.size, self.ends.target.size
        available = {"fan_in": rows - less, "fan_out": columns - less}.get(
            kind, rows * columns - less * min(rows, columns)
        )
        if available < 1 or (not repeats and count > available):
            note = f"there are {available} to choose from" if available != 1 else "there is one to choose from"
            help = "draw with `repeats = true`" if available > 0 else ""
            message = f"`{kind}` = {count} without repeats is too many"
            self.diagnostics.error("wrong-argument", value.span, message, notes=(note,), help=help)
            return None
        if kind == "fan_in":
            return Random("fan_in", float(count), repeats, own)
        return Random("fan_out" if kind == "fan_out" else "total", float(count), repeats, own)

    def _probability(self, written: tree.Expression) -> float | None:
        places = [n for n in names_in(written) if str(n) in ("i", "j") and self.scope.constant(str(n)) is None]
        if places:
            message = "`p` is one probability for all pairs"
            help = "where it depends on the neurons, draw the pairs in Python and hand them over: `sparse`"
            self.diagnostics.error("wrong-argument", places[0].span, message, help=help)
            return None
        number = constant_number(written, "a probability", self.scope, self.diagnostics)
        if number is not None and not 0 < number <= 1:
            self.diagnostics.error("wrong-argument", written.span, "a probability is above 0 and at most 1")
            return None
        return number

    def _convolution(self, arguments: Mapping[str, tree.Expression], written: tree.Expression) -> Convolution | None:
        if not self._is_image("conv2d", written):
            return None
        for key in ("kernel", "channels"):
            if key not in arguments:
                help = "write `conv2d(kernel = [3, 3], channels = 8)`"
                self.diagnostics.error("wrong-argument", written.span, f"`conv2d` needs its `{key}`", help=help)
                return None
        kernel = self._pair(arguments["kernel"], "a kernel")
        stride = self._pair(arguments["stride"], "a stride") if "stride" in arguments else (1, 1)
        channels = self._whole(arguments["channels"], "`channels`")
        if kernel is None or stride is None or channels is None:
            return None
        padding = self._padding(arguments.get("padding"), kernel, stride)
        if padding is None:
            return None
        size = self.ends.source.lengths[:2]
        rows, columns = (
            (size[k] + sum(padding[k]) - kernel[k]) // stride[k] + 1 if size[k] + sum(padding[k]) >= kernel[k] else 0
            for k in (0, 1)
        )
        return self._fitting(Convolution(kernel, stride, padding, channels), (rows, columns, channels), written)

    def _padding(
        self, written: tree.Expression | None, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Zero rows and columns before and after: `same` gives ceil(size / stride) positions, the odd one after."""
        size = self.ends.source.lengths
        text = str(written) if isinstance(written, tree.Name) else ""
        if written is None or text == "valid":
            return (0, 0), (0, 0)
        if text == "same":
            total = [max(0, (-(-size[k] // stride[k]) - 1) * stride[k] + kernel[k] - size[k]) for k in (0, 1)]
            return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)
        if not isinstance(written, tree.List):
            message = "`padding` is `same`, `valid`, or two numbers `[y, x]`"
            self.diagnostics.error("wrong-argument", written.span, message)
            return None
        pair = self._pair(written, "a padding", 0)
        return None if pair is None else ((pair[0], pair[0]), (pair[1], pair[1]))

    def _pooling(self, arguments: Mapping[str, tree.Expression], written: tree.Expression) -> Pooling | None:
        if not self._is_image("pool2d", written):
            return None
        if "size" not in arguments:
            help = "write `pool2d(size = [2, 2])`"
            self.diagnostics.error("wrong-argument", written.span, "`pool2d` needs its `size`", help=help)
            return None
        size = self._pair(arguments["size"], "a window")
        stride = self._pair(arguments["stride"], "a stride") if "stride" in arguments else size
        if size is None or stride is None:
            return None
        lengths = self.ends.source.lengths
        rows, columns = ((lengths[k] - size[k]) // stride[k] + 1 if lengths[k] >= size[k] else 0 for k in (0, 1))
        return self._fitting(Pooling(size, stride), (rows, columns, channels_of(self.ends.source)), written)

    def _is_image(self, name: str, written: tree.Expression) -> bool:
        lengths = self.ends.source.lengths
        if len(lengths) in (2, 3):
            return True
        message = f"`{name}` takes images [y, x, channel], and {_sized(self.ends.source_name, self.ends.source)}"
        self.diagnostics.error("shape-mismatch", written.span, message)
        return False

    def _fitting(self, pattern: Image, shape: tuple[int, int, int], written: tree.Expression) -> Image | None:
        """The pattern where the target has the shape that it makes."""
        target = self.ends.target
        if min(shape) < 1:
            message = f"this window is larger than the image: {_sized(self.ends.source_name, self.ends.source)}"
            self.diagnostics.error("shape-mismatch", written.span, message)
            return None
        if target.lengths == shape or (shape[2] == 1 and target.lengths == shape[:2]):
            return pattern
        name, dimensions = self.ends.target_name, ", ".join(map(str, shape))
        message = f"this makes {' x '.join(map(str, shape))} neurons, and {_sized(name, target)}"
        help = f"write `population {name}: {self.ends.target_model or '…'}[{dimensions}]`" if target.is_whole else ""
        self.diagnostics.error("shape-mismatch", written.span, message, help=help)
        return None


def pattern_name(written: tree.Expression, diagnostics: Diagnostics) -> str | None:
    """The name of a pattern, or None for an unknown one (which is reported)."""
    name = str(written.function if isinstance(written, tree.Call) else written)
    if isinstance(written, tree.Call | tree.Name) and name in PATTERNS:
        return name
    hints: tuple[str, ...] = did_you_mean(name, PATTERNS) or ("it is one of " + ", ".join(f"`{p}`" for p in PATTERNS),)
    if (meant := _ELSEWHERE.get(name.lower())) is not None:
        hints = (f"write `{meant}`",)
    diagnostics.error("unknown-name", written.span, f"unknown pattern `{written.span.text}`", help=hints)
    return None


def same_kernel(first: Pattern, second: Pattern) -> bool:
    """Whether two patterns can share their weights, element by element."""
    if isinstance(first, Convolution) and isinstance(second, Convolution):
        return replace(first, stride=second.stride, padding=second.padding) == second
    return any(isinstance(first, kind) and isinstance(second, kind) for kind in (Dense, OneToOne))


def _sized(name: str, part: Part) -> str:
    shape = " x ".join(str(n) for n in part.lengths)
    total = f" = {part.size}" if len(part.lengths) > 1 else ""
    return f"`{name}` has {shape}{total}"
