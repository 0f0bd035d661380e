"""The part of `sncc train` that keeps samples aside, watches them, and keeps the best epoch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sncc.data import DataSet
    from sncc.runtime import EarlyStopping, Network
    from sncc.runtime.callbacks import Callback

MONITORED = ("loss", "accuracy")


@dataclass(frozen=True, slots=True)
class Validation:
    """What the options say: the share of the samples, the epochs to wait for (None: all), and what is to improve."""

    share: float
    patience: int | None
    monitor: str


def wanted(share: str | None, patience: int | None, monitor: str | None) -> Validation | None:
    """The options together; None without any. Raises ValueError for a malformed share, and options that need one."""
    if share is None:
        for option, value in (("--patience", patience), ("--monitor", monitor)):
            if value is not None:
                raise ValueError(
                    f"{option} needs samples that are kept aside: give --validation too, e.g. --validation 10%"
                )
        return None
    match = re.fullmatch(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*%\s*", share)
    if match is None:
        raise ValueError(
            f"`--validation {share}`: write the part of the training samples in percent, e.g. --validation 10%"
        )
    return Validation(float(match[1]) / 100, patience, monitor or MONITORED[0])


def prepare(wanted: Validation, network: Network, data: DataSet, seed: int) -> tuple[DataSet, EarlyStopping]:
    """The data with a part to validate on, and what watches it. Raises ValueError where the two do not go together."""
    from sncc.data.splits import set_aside
    from sncc.runtime import EarlyStopping

    readout = network.manifest.readout
    if wanted.monitor == "accuracy" and (readout is None or readout.labels != "class"):
        raise ValueError(
            "--monitor accuracy needs classes, and this network's loss compares with real numbers: --monitor loss"
        )
    validated_on = f"{100 * wanted.share:g} % of {len(data.train)} samples, drawn by seed {seed}"
    stopping = EarlyStopping(f"val_{wanted.monitor}", wanted.patience, validated_on=validated_on)
    return set_aside(data, wanted.share, seed), stopping


def resume(network: Network, path: str, stopping: EarlyStopping | None) -> None:
    """Goes on from a file, with the samples kept aside that were so before. Raises ValueError where others would be."""
    from sncc.runtime.checkpoint import validated_on

    before = validated_on(path)
    if stopping is None:
        if before is not None:
            raise ValueError(f"{path}: its training had kept samples aside, {before}: give the same --validation again")
        network.load(path)
    elif before is None:
        raise ValueError(
            f"{path}: it was trained without --validation, so it may have learnt the samples that would be kept aside: "
            "train anew with --validation, or go on without"
        )
    else:
        stopping.resume(network, path)


def fit(network: Network, data: DataSet, epochs: int, seed: int, save: str | None, stopping: EarlyStopping) -> None:
    """Trains, saves after every epoch, leaves the best one's numbers in the network, and says which that is."""
    from sncc.runtime import Checkpoint

    callbacks: list[Callback] = [stopping]
    if save is not None:
        callbacks.append(Checkpoint(save, stopping=stopping))
    start = network.progress.epoch
    try:
        network.fit(
            data.train,
            data.train_labels,
            epochs,
            validation=data.validation,
            callbacks=callbacks,
            seed=seed,
            verbose=True,
        )
    except KeyboardInterrupt:
        if save is not None and network.progress.epoch > start:
            click.echo(f"{save} holds the {network.progress.epoch} whole epochs: --resume goes on from them", err=True)
        raise
    stopping.bring_back(network)
    best, name = network.progress.epoch, stopping.monitor.replace("_", " ")
    click.echo(f"epoch {best} of {best + stopping.waited} is kept, the best: {name} {stopping.value:.4f}")
    if stopping.waited == stopping.patience:
        click.echo(f"ended early: {name} has not improved for {stopping.waited} epochs")
