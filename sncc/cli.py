"""The command line. Everything beyond click is imported where it is used, so that `sncc --help` is quick.

Exit codes: 0, 1 for the user's mistake, 2 for bad usage, 70 for a bug of sncc, 130 after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from sncc import __version__

if TYPE_CHECKING:
    from rich.table import Table

    from sncc.data import DataSet
    from sncc.model.nodes import Model
    from sncc.runtime import Network, Run

INTERNAL_ERROR = 70
INTERRUPTED = 130
Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> NoReturn:
    """The `sncc` command."""
    from sncc.diagnostics import DiagnosticError, render_all

    warnings.showwarning = _show_note
    try:
        sys.exit(cli(standalone_mode=False) or 0)
    except DiagnosticError as error:
        click.echo(render_all(error.diagnostics), err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("SNCC_DEBUG"):
            raise
        name = f"{type(error).__name__}: {error}".splitlines()[0]
        click.echo(f"internal error: {name}; please report it with what SNCC_DEBUG=1 shows", err=True)
        sys.exit(INTERNAL_ERROR)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sncc")
def cli() -> None:
    """Compiles spiking neural networks, written as equations, to C++ and CUDA that simulate and train them."""


# ----------------------------------------------------------------------------------------------------- options
def _setting(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not name.strip() or not equals:
            raise click.BadParameter("write NAME=VALUE, e.g. hidden_size=512 or train.rule=bptt")
    return {name.strip(): value.strip() for name, _, value in pairs}


_file = click.argument("file")
_set = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", callback=_setting,
    help="Sets a `param` of the file, or a key of a block (train.rule=bptt); repeatable.",
)  # fmt: skip
_backend = click.option("--backend", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
_precision = click.option(
    "--precision", type=click.Choice(["float32", "float64"]), default="float32", show_default=True
)
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
_threads = click.option("--threads", type=click.IntRange(min=1), help="CPU threads; by default all.")


# ------------------------------------------------------------------------------------------- looking at a file
@cli.command()
@_file
@_set
@click.option("--json", "as_json", is_flag=True, help="Diagnostics as a JSON list on stdout.")
def check(file: str, settings: dict[str, str], as_json: bool) -> int:
    """Says what is wrong with FILE, or what is in it."""
    from sncc import compiler
    from sncc.diagnostics import render_all

    found = compiler.check(Path(file), settings)
    wrong = any(d.severity == "error" for d in found)
    if as_json:
        click.echo(json.dumps([d.as_dict() for d in found], indent=2))
        return int(wrong)
    if found:
        click.echo(render_all(found), err=True)
    if not wrong:
        click.echo(_summary(file, compiler.compile_model(compiler.read(Path(file)), settings)))
    return int(wrong)


def _summary(file: str, model: Model) -> str:
    """What a file holds, with the integration chosen for each population."""
    from sncc.model.integration import integration

    lines = [f"{file}: network `{model.name}`, no mistakes"]
    for p in model.populations:
        how = f"{integration(p.dynamics).replace('_', ' ')} integration" if p.dynamics else p.kind
        lines.append(f"  {p.name}: {p.model}[{', '.join(map(str, p.shape))}], {how}")
    for c in model.connections:
        lines.append(f"  {c.name}: {c.source} -> {c.target}, {c.pattern}, {c.delay_steps} steps of delay")
    return "\n".join(lines)


@cli.command()
@_file
@_set
@_precision
@click.option("--stage", type=click.Choice(["model", "program"]), default="program", show_default=True)
@click.option("--after", metavar="PASS", help="The program as it is after this pass.")
def ir(file: str, settings: dict[str, str], precision: Any, stage: str, after: str | None) -> None:
    """Prints what the compiler made of FILE: the model that was meant, or the program that a machine runs."""
    from sncc import compiler
    from sncc.model.printer import print_model
    from sncc.passes import PIPELINE
    from sncc.program.printer import print_program

    names = [p.__name__ for p in PIPELINE]
    if after is not None and after not in names:
        raise click.BadParameter(f"there is no pass `{after}`; there are {', '.join(names)}", param_hint="--after")
    model = compiler.compile_model(compiler.read(Path(file)), settings)
    if stage == "model":
        click.echo(print_model(model))
    else:
        click.echo(print_program(compiler.compile_program(model, precision, after)))


@cli.command()
@_file
@_set
@click.option("--latex", is_flag=True, help="As LaTeX.")
def explain(file: str, settings: dict[str, str], latex: bool) -> None:
    """Prints the dynamics and the derived learning rule of FILE as equations."""
    from sncc import compiler

    if latex:
        _fail("--latex is not supported yet")
    click.echo(compiler.explain(Path(file), settings))


@cli.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Only says whether the files are formatted.")
def fmt(files: tuple[str, ...], check: bool) -> None:
    """Formats FILES."""
    _fail("`fmt` is not supported yet")


# ---------------------------------------------------------------------------------------- building and running
@cli.command()
@_file
@_set
@_backend
@_precision
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the project; by default build/<stem of FILE>.")
@click.option("--emit-only", is_flag=True, help="Writes the sources and builds nothing.")
def build(file: str, settings: dict[str, str], backend: str, precision: Any, out: Path | None, emit_only: bool) -> None:
    """Writes FILE's project, with a C++ and a CUDA half, and builds its library."""
    from sncc import compiler

    backend = _say_backend(backend) if not emit_only else backend
    out = out or Path("build") / Path(file).stem
    model = compiler.compile_model(compiler.read(Path(file)), settings)
    compiler.build_model(model, backend, out, precision, emit_only)
    click.echo(f"{'wrote' if emit_only else 'built'} {out}")


@cli.command()
@_file
@_set
@_backend
@_precision
@_seed
@_threads
@click.option("--data", required=True, metavar="SPEC", help="digits, npz:FILE, nmnist:DIR, shd:DIR, dvsgesture:DIR")
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--save", type=click.Path(dir_okay=False), help="Where the trained weights go (.npz).")
@click.option("--resume", type=click.Path(dir_okay=False), help="Weights and optimiser to go on from.")
def train(
    file: str, settings: dict[str, str], backend: str, precision: Any, seed: int, threads: int | None,
    data: str, epochs: int, save: str | None, resume: str | None,
) -> None:  # fmt: skip
    """Trains FILE's network on a data set and reports its accuracy."""
    from time import monotonic

    from sncc.data import load_data

    network = _load(file, settings, backend, precision, seed, threads)
    with _mistakes_of_the_user():
        if not network.manifest.rule:
            raise ValueError(f"{file} has no `train` block: there is nothing to train")
        if resume:
            network.load(resume)
        if save:
            _refuse_unwritable(Path(save))
        events = load_data(data, network.manifest.step)
        click.echo(events.description, err=True)
        began = monotonic()
        try:
            network.fit(events.train, events.train_labels, epochs=epochs, seed=seed, verbose=True)
        finally:  # also what an interrupted training has reached
            if save:
                network.save(save)
        _print(_results(network, events, monotonic() - began))
    if save:
        click.echo(f"saved {save}")


@cli.command()
@_file
@_set
@_backend
@_precision
@_seed
@_threads
@click.option("--duration", type=float, help="Seconds; by default the `simulate` block's.")
@click.option("--out", type=click.Path(dir_okay=False), help="Where spikes and traces go (.npz).")
def simulate(
    file: str, settings: dict[str, str], backend: str, precision: Any, seed: int, threads: int | None,
    duration: float | None, out: str | None,
) -> None:  # fmt: skip
    """Runs FILE's network and reports rates; --out keeps the spikes and recorded states."""
    network = _load(file, settings, backend, precision, seed, threads)
    with _mistakes_of_the_user():
        if duration is None and network.manifest.simulation is None:
            raise ValueError(f"{file} has no `simulate` block: say how long with --duration SECONDS")
        if out:
            _refuse_unwritable(Path(out))
        run = network.simulate(duration=duration, seed=seed)
        if out:
            _save_run(run, Path(out))
    _print(_rates(network, run))
    if out:
        click.echo(f"saved {out}")


def _load(file: str, settings: dict[str, str], backend: str, precision: Any, seed: int, threads: int | None) -> Network:
    """The network of a file, built where the cache does not hold it."""
    from sncc import compiler
    from sncc.runtime import load

    backend = _say_backend(backend)
    model = compiler.compile_model(compiler.read(Path(file)), settings)
    project = compiler.build_model(model, backend, None, precision)
    with _mistakes_of_the_user():
        return load(project, seed=seed, threads=threads, backend=backend)


def _say_backend(backend: str) -> str:
    from sncc.toolchain import choose_backend

    if backend != "auto":
        return backend
    chosen = choose_backend()
    reason = "nvcc and a GPU were found" if chosen == "cuda" else "no GPU with nvcc was found"
    click.echo(f"backend {chosen} ({reason})", err=True)
    return chosen


@contextlib.contextmanager
def _mistakes_of_the_user() -> Iterator[None]:
    """Around calls of the runtime, which says by these exceptions what is wrong with files, arrays and numbers."""
    try:
        yield
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


def _refuse_unwritable(path: Path) -> None:
    """Before the work that would be lost. Raises OSError."""
    if not path.resolve().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.resolve().parent}")
    if not os.access(path if path.exists() else path.resolve().parent, os.W_OK):
        raise PermissionError(f"cannot write to {path}")


def _results(network: Network, data: DataSet, seconds: float) -> Table:
    from rich.table import Table

    table = Table("", "samples", "loss", "accuracy", title=f"{network.manifest.name}, trained in {seconds:.1f} s")
    parts = [("training", data.train, data.train_labels), ("test", data.test, data.test_labels)]
    for name, events, labels in parts:
        if events is None or labels is None:
            continue
        found = network.evaluate(events, labels)
        accuracy = f"{100 * found['accuracy']:.2f} %" if "accuracy" in found else "–"
        table.add_row(name, str(len(events)), f"{found['loss']:.4f}", accuracy)
    return table


def _rates(network: Network, run: Run) -> Table:
    from rich.table import Table

    table = Table("population", "neurons", "spikes", "mean rate", title=f"{network.manifest.name}, {run.duration:g} s")
    sizes = {source.name: source.size for source in network.manifest.sources}
    sizes |= {p.name: p.size for p in network.manifest.populations}
    for name, spikes in run.spikes.items():
        size = sizes.get(name, 1)
        table.add_row(name, str(size), str(len(spikes)), f"{len(spikes) / size / run.duration:.2f} Hz")
    return table


def _save_run(run: Run, path: Path) -> None:
    """Arrays `<population>.times`, `<population>.neurons`, and `<population>.<state>` with `<...>.at`, its times."""
    import numpy as np

    arrays: dict[str, Any] = {}
    for name, spikes in run.spikes.items():
        arrays |= {f"{name}.times": spikes.times, f"{name}.neurons": spikes.neurons}
    for name, values in run.trace.items():
        arrays |= {name: values, f"{name}.at": run.times[name]}
    beside = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez_compressed(beside, **arrays)
    beside.replace(path)


# ------------------------------------------------------------------------------------------- what there is
@cli.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """Lists the standard library, or shows the source of one of its models."""
    from sncc import standard_library

    if name is None:
        _print(standard_library.table())
        return
    entry = standard_library.find(name)
    if entry is None:
        _fail(f"there is no model `{name}`{standard_library.suggestion(name)}")
    click.echo(entry.text)


@cli.command()
def doctor() -> int:
    """Says which tools are there, which are missing, and how to install them."""
    from sncc import doctor

    findings = doctor.examine()
    _print(doctor.table(findings))
    for finding in findings:
        if finding.help:
            click.echo(f"{finding.name}: {finding.help}")
    return int(any(finding.needed and not finding.found for finding in findings))


def _print(table: Table) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


def _show_note(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"note: {message}", err=True)


if __name__ == "__main__":
    main()
