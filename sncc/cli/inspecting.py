"""Commands that look at a file: check, ir, explain, graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sncc.cli import options
from sncc.cli.terminal import mistakes_of_the_user, refuse_unwritable

if TYPE_CHECKING:
    from sncc.model.nodes import Model


@click.command()
@options.file
@options.set
@options.network
@click.option("--json", "as_json", is_flag=True, help="Diagnostics as a JSON list on stdout.")
def check(file: str, settings: dict[str, str], chosen: str | None, as_json: bool) -> int:
    """Says what is wrong with FILE, or what is in it."""
    from sncc import compiler
    from sncc.diagnostics import render_all

    model, found = compiler.examine(Path(file), settings, chosen)
    if as_json:
        click.echo(json.dumps([d.as_dict() for d in found], indent=2))
        return int(model is None)
    if found:
        click.echo(render_all(found), err=True)
    if model is not None:
        click.echo(_summary(file, model))
    return int(model is None)


def _summary(file: str, model: Model) -> str:
    """What a file holds, with the integration chosen for each population and the synapses that it carries."""
    from sncc.model.integration import integration

    lines = [f"{file}: network `{model.name}`, no mistakes"]
    whole = _with_synapses(model)
    for p in model.populations:
        dynamics = whole.population(p.name).dynamics
        how = f"{integration(dynamics).replace('_', ' ')} integration" if dynamics else p.kind
        # of a signal, by its weights: numbers of Python's are in SI units
        if p.unit is not None and not p.unit.dimensionless:
            how += f", {p.unit.described()}: 1 from Python is {1 / p.unit.to_si:g} {p.unit}"
        lines.append(f"  {p.name}: {p.model}[{', '.join(map(str, p.shape))}], {how}")
    for c in model.connections:
        steps = f"{c.delay_steps} step{'s' * (c.delay_steps != 1)} of delay" if c.delay is None else "a stored delay"
        lines.append(f"  {c.name}: {c.source} -> {c.target}, {c.pattern}, {steps}{_of_synapses(model, whole, c.name)}")
    return "\n".join(lines)


def _of_synapses(model: Model, whole: Model, name: str) -> str:
    """How states of synapses move that targets do not carry: of each synapse, or of the source for its synapses."""
    from sncc.lower.movers import method_of
    from sncc.model.integration import integration

    connection = next((c for c in whole.connections if c.name == name), None)
    if connection is None:
        return ""
    if (synapse := connection.synapse) is not None and synapse.equations:
        return f", {method_of(synapse, synapse.equations).replace('_', ' ')} integration of each synapse"
    source = connection.gain[0] if connection.gain is not None else connection.source
    dynamics = whole.population(source).dynamics
    if dynamics is None or not dynamics.equations or any(p.name == source for p in model.populations):
        return ""
    return f", {integration(dynamics).replace('_', ' ')} integration of states of the source"


def _with_synapses(model: Model) -> Model:
    """The model as it is integrated, synapses a part of their neurons."""
    if all(c.synapse is None for c in model.connections):
        return model
    from sncc.diagnostics import DiagnosticError
    from sncc.lower.deliveries import deliver_over_steps  # a quick `check` does without
    from sncc.lower.synapses import place_synapses

    try:
        return deliver_over_steps(place_synapses(model))
    except DiagnosticError:  # what no stage can do yet was told already
        return model


@click.command()
@options.file
@options.set
@options.network
@options.precision
@click.option("--stage", type=click.Choice(["model", "program"]), default="program", show_default=True)
@click.option("--after", metavar="PASS", help="The program as it is after this pass.")
@options.schedule
def ir(
    file: str, settings: dict[str, str], chosen: str | None, precision: Any, stage: str, after: str | None, schedule: Any
) -> None:  # fmt: skip
    """Prints what the compiler made of FILE: the model that was meant, or the program that a machine runs."""
    from sncc import compiler
    from sncc.model.printer import print_model
    from sncc.passes import PIPELINE
    from sncc.program.printer import print_program
    from sncc.syntax.parse import read_source

    names = [p.__name__ for p in PIPELINE]
    if after is not None and after not in names:
        raise click.BadParameter(f"there is no pass `{after}`; there are {', '.join(names)}", param_hint="--after")
    model = compiler.compile_model(read_source(Path(file)), settings, network=chosen)
    model = compiler.scheduled(model, schedule)
    if stage == "model":
        click.echo(print_model(model))
    else:
        click.echo(print_program(compiler.compile_program(model, precision, after)))


@click.command()
@options.file
@options.set
@options.network
@click.option("--latex", is_flag=True, help="As a fragment of a LaTeX document (amsmath).")
def explain(file: str, settings: dict[str, str], chosen: str | None, latex: bool) -> None:
    """Prints the dynamics and the derived learning rule of FILE as equations."""
    from sncc import compiler

    click.echo(compiler.explain(Path(file), settings, latex, chosen))


@click.command()
@options.file
@options.set
@options.network
@click.option("--format", "form", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where it goes; by default stdout.")
def graph(file: str, settings: dict[str, str], chosen: str | None, form: str, out: Path | None) -> None:
    """Draws FILE's network: populations as boxes, connections as arrows."""
    from sncc import compiler
    from sncc.graph.diagram import diagram
    from sncc.graph.mermaid import mermaid
    from sncc.graph.svg import svg
    from sncc.syntax.parse import read_source

    if out is not None:
        with mistakes_of_the_user():
            refuse_unwritable("--out", out, file)
    shown = diagram(compiler.compile_model(read_source(Path(file)), settings, network=chosen))
    text = svg(shown) if form == "svg" else mermaid(shown)
    if out is None:
        click.echo(text, nl=False)
        return
    with mistakes_of_the_user():
        out.write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}")
