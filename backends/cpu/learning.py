"""The loss and the optimiser of a Program as lines of C++."""

from __future__ import annotations

from sncc.backends.cxx.layout import Layout
from sncc.backends.cxx.names import Namer


def loss(layout: Layout) -> list[str]:
    """The loss of a readout and its derivative by what is read."""
    readout = layout.program.readout
    if readout is None:
        return ["static_cast<void>(x), static_cast<void>(target), static_cast<void>(gradient);", "return 0.0;"]
    names = Namer(["x", "target", "gradient", "j"])
    place = {"x": "x[j]", "target": "target[j]"}
    lines: list[str] = []
    every = "for (int j = 0; j < width; ++j)"
    for step in layout.dynamics.readout:
        call = f"dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)})"
        own = names.fresh(step.name)
        if step.kind == "map":
            lines += [f"Real {own}[width];", f"{every} {own}[j] = {call};"]
            place[step.name] = f"{own}[j]"
            continue
        terms = names.fresh(f"{step.name}.terms")
        lines += [f"Real {terms}[width];", f"{every} {terms}[j] = {call};"]
        lines.append(f"const Real {own} = {'sum' if step.kind == 'sum' else 'most'}_of<outputs>({terms});")
        place[step.name] = own
    lines.append(f"{every} gradient[j] = {place['x~']};")
    lines.append(f"return static_cast<double>({place[readout.loss]});")
    return lines


def seen(layout: Layout) -> str:
    """Where the variable stands that the readout sees."""
    readout = layout.program.readout
    if readout is None:
        return "nullptr"
    name = "spike.mask" if readout.variable == "spike" else readout.variable
    return f"s.state.{layout.state[readout.group, name].identifier} + {readout.offset}"


def optimise(layout: Layout) -> list[str]:
    """A step of the optimiser on one element."""
    function = layout.dynamics.optimise
    if function is None:
        return []
    states = iter(range(len(function.of("state"))))
    passed = []
    for a in function.arguments:
        match a.role:
            case "value":
                passed.append("value")
            case "gradient":
                passed.append("slope")
            case "state":
                passed.append(f"states[{next(states)}][k]")
            case "rate":
                passed.append("rate")
            case "scalar":
                passed.append(
                    f"scalars.numbers[{[x.name for x in layout.dynamics.scalars.of('out')].index(a.name) if layout.dynamics.scalars else 0}]"
                )
    return [f"dynamics::{function.name}({', '.join(passed)});"]
