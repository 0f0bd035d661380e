"""Commands that build and run networks: build, train, simulate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sncc.cli import options, validating
from sncc.cli.terminal import mistakes_of_the_user, print_table, refuse_irreplaceable, refuse_unwritable

if TYPE_CHECKING:
    from rich.table import Table

    from sncc.data import DataSet
    from sncc.model.nodes import Model
    from sncc.runtime import Network, Run


@click.command()
@options.file
@options.set
@options.network
@options.backend
@options.precision
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the project; by default build/<stem of FILE>.")
@click.option("--emit-only", is_flag=True, help="Writes the sources and builds nothing.")
@options.schedule
@options.memory
@options.weights
def build(
    file: str,
    settings: dict[str, str],
    chosen: str | None,
    backend: str,
    precision: Any,
    out: Path | None,
    emit_only: bool,
    schedule: Any,
    memory: str | None,
    weights: Any,
) -> None:
    """Writes FILE's project, with a C++ and a CUDA half, and builds its library."""
    from sncc import compiler

    backend = _say_backend(backend) if not emit_only else backend
    out = out or Path("build") / Path(file).stem
    model = _model(file, settings, chosen)
    compiler.build_model(compiler.scheduled(model, schedule), backend, out, precision, emit_only, memory, weights)
    click.echo(f"{'wrote' if emit_only else 'built'} {out}")


@click.command()
@options.file
@options.set
@options.network
@options.backend
@options.precision
@options.seed
@options.threads
@click.option(
    "--data", required=True, metavar="SPEC", help="digits, yin_yang, npz:FILE, nmnist:DIR, shd:DIR, dvsgesture:DIR"
)
@click.option(
    "--epochs", type=click.IntRange(min=1), default=20, show_default=True,
    help="How many to train, beside those that --resume finds trained.",
)  # fmt: skip
@click.option(
    "--validation", metavar="SHARE",
    help="The part of the training samples, e.g. 10%, that --seed draws to validate on; the epoch that does best there is kept.",
)  # fmt: skip
@click.option(
    "--patience", type=click.IntRange(min=1), metavar="N",
    help="Ends the training once --validation has not improved for N epochs.",
)  # fmt: skip
@click.option(
    "--monitor",
    type=click.Choice(validating.MONITORED),
    help="What is to improve on --validation; by default the loss.",
)
@click.option(
    "--save", type=click.Path(dir_okay=False),
    help="Where the trained weights go (.npz); with --validation after every epoch, the best.",
)  # fmt: skip
@click.option(
    "--resume", type=click.Path(dir_okay=False),
    help="What --save wrote, to go on from: with the same options, as if it were one training.",
)  # fmt: skip
@options.memory
def train(
    file: str, settings: dict[str, str], chosen: str | None, backend: str, precision: Any, seed: int, threads: int | None,
    data: str, epochs: int, validation: str | None, patience: int | None, monitor: str | None, save: str | None,
    resume: str | None, memory: str | None,
) -> None:  # fmt: skip
    """Trains FILE's network on a data set and reports its accuracy."""
    from time import monotonic

    from sncc.data import check_description, load_data

    with mistakes_of_the_user():  # before the work that would be lost
        wanted = validating.wanted(validation, patience, monitor)
        read = check_description(data)
        if resume is not None and not os.path.exists(resume):
            raise FileNotFoundError(f"no weights file {resume}")
        if save is not None:
            refuse_irreplaceable("--save", save, file, read)
    network = _load(file, settings, chosen, backend, precision, seed, threads, memory=memory)
    with mistakes_of_the_user():
        if not network.manifest.rule:
            raise ValueError(f"{file} has no `train` block: there is nothing to train")
        shapes = [s.shape for s in network.manifest.sources if s.kind == "events"]
        events = load_data(data, network.manifest.step, shapes[0] if len(shapes) == 1 else None)
        stopping = None
        if wanted is not None:
            events, stopping = validating.prepare(wanted, network, events, seed)
        if resume is not None:
            validating.resume(network, resume, stopping)
        click.echo(events.description, err=True)
        _check_data(network, events)
        began = monotonic()
        if stopping is None:
            _fit(network, events, epochs, seed, save)
        else:
            validating.fit(network, events, epochs, seed, save, stopping)
        print_table(_results(network, events, monotonic() - began))
    if save is not None:
        click.echo(f"saved {save}")


def _fit(network: Network, data: DataSet, epochs: int, seed: int, save: str | None) -> None:
    """Trains on all samples, and saves at the end."""
    before = network.progress
    try:
        network.fit(data.train, data.train_labels, epochs=epochs, seed=seed, verbose=True)
    finally:  # also what an interrupted training has reached
        if save is not None and network.progress is not before:  # a mistake in the data leaves an older file alone
            network.save(save)


@click.command()
@options.file
@options.set
@options.network
@options.backend
@options.precision
@options.seed
@options.threads
@click.option("--duration", type=float, help="Seconds; by default the `simulate` block's.")
@click.option("--out", type=click.Path(dir_okay=False), help="Where spikes and traces go (.npz).")
@click.option(
    "--plot", type=click.Path(dir_okay=False), help="Where a figure goes: raster, rates and traces (.png, .pdf)."
)
@options.schedule
def simulate(
    file: str, settings: dict[str, str], chosen: str | None, backend: str, precision: Any, seed: int, threads: int | None,
    duration: float | None, out: str | None, plot: str | None, schedule: Any,
) -> None:  # fmt: skip
    """Runs FILE's network and reports rates; --out keeps the spikes and recorded states. Ctrl-C ends the run early."""
    with mistakes_of_the_user():  # before the work that would be lost
        if out is not None:
            refuse_irreplaceable("--out", out, file)
        if plot is not None:
            refuse_unwritable("--plot", plot, file, out)
            _check_plots(plot)
    network = _load(file, settings, chosen, backend, precision, seed, threads, schedule)
    with mistakes_of_the_user():
        if duration is None and network.manifest.simulation is None:
            raise ValueError(f"{file} has no `simulate` block: say how long with --duration SECONDS")
        run = network.simulate(duration=duration, seed=seed, out=out)
        if plot is not None:
            run.plot(plot)
    print_table(_rates(network, run))
    if run.interrupted:
        click.echo(f"interrupted after {run.duration:g} s", err=True)
    for saved in filter(None, (out, plot)):
        click.echo(f"saved {saved}")


def _load(
    file: str,
    settings: dict[str, str],
    chosen: str | None,
    backend: str,
    precision: Any,
    seed: int,
    threads: int | None,
    schedule: Any = None,
    memory: str | None = None,
) -> Network:
    """The network of a file, built where the cache does not hold it."""
    from sncc import compiler
    from sncc.runtime import load

    backend = _say_backend(backend)
    model = _model(file, settings, chosen)
    project = compiler.build_model(compiler.scheduled(model, schedule), backend, None, precision, memory=memory)
    with mistakes_of_the_user():
        return load(project, seed=seed, threads=threads, backend=backend)


def _model(file: str, settings: dict[str, str], chosen: str | None) -> Model:
    """The Model of a file, whose warnings are printed as by `check`."""
    from sncc import compiler
    from sncc.diagnostics import Diagnostics, render_all
    from sncc.syntax.parse import read_source

    found = Diagnostics()
    model = compiler.compile_model(read_source(Path(file)), settings, found, chosen)
    if found.found:
        click.echo(render_all(found.sorted()), err=True)
    return model


def _check_plots(plot: str) -> None:
    """Raises ValueError without matplotlib, and for a file of a type that it does not write."""
    from sncc.runtime.plotting import check_available

    try:
        check_available(plot)
    except ImportError as error:
        raise ValueError(str(error)) from None


def _say_backend(backend: str) -> str:
    from sncc.toolchain import choose_backend

    if backend != "auto":
        return backend
    chosen = choose_backend()
    reason = "nvcc and a GPU were found" if chosen == "cuda" else "no GPU with nvcc was found"
    click.echo(f"backend {chosen} ({reason})", err=True)
    return chosen


def _check_data(network: Network, data: DataSet) -> None:
    """Refuses samples to test on that do not fit, before the work; where none fit, it is not said of these alone."""
    from sncc.runtime.dataset import labelled_set

    if data.test is None or data.test_labels is None:
        return
    labelled_set(network.manifest, data.train, data.train_labels, network.spike_times)
    try:
        labelled_set(network.manifest, data.test, data.test_labels, network.spike_times)
    except ValueError as error:
        raise ValueError(f"to test on: {error}") from None


def _results(network: Network, data: DataSet, seconds: float) -> Table:
    from rich.table import Table

    table = Table("", "samples", "loss", "accuracy", title=f"{network.manifest.name}, trained in {seconds:.1f} s")
    parts = [
        ("training", data.train, data.train_labels),
        ("validation", *(data.validation or (None, None))),
        ("test", data.test, data.test_labels),
    ]
    for name, events, labels in parts:
        if events is None or labels is None:
            continue
        found = network.evaluate(events, labels)
        accuracy = f"{100 * found['accuracy']:.2f} %" if "accuracy" in found else "–"
        table.add_row(name, str(len(events)), f"{found['loss']:.4f}", accuracy)
    return table


def _rates(network: Network, run: Run) -> Table:
    """Spikes and mean rates of the neurons that were watched, over all trials."""
    from rich.table import Table

    title = f"{network.manifest.name}, {run.duration:g} s"
    trials = network.manifest.simulation.trials if network.manifest.simulation else 1
    if trials > 1:
        title += f", {trials} trials"
    seconds = 0.0 if run.interrupted and trials > 1 else run.duration * trials  # 0: nobody knows, or none were run
    table = Table("population", "neurons", "spikes", "mean rate", title=title)
    for name, spikes in run.spikes.items():
        rate = f"{len(spikes) / spikes.size / seconds:.2f} Hz" if seconds and spikes.size else "–"
        table.add_row(name, str(spikes.size), str(len(spikes)), rate)
    return table
