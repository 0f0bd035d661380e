"""Options that several commands share."""

from __future__ import annotations

import click


def _setting(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not name.strip() or not equals:
            raise click.BadParameter("write NAME=VALUE, e.g. hidden_size=512 or train.rule=bptt")
    return {name.strip(): value.strip() for name, _, value in pairs}


file = click.argument("file")
set = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", callback=_setting,
    help="Sets a `param` of the file, or a key of a block (train.rule=bptt); repeatable.",
)  # fmt: skip
network = click.option("--network", "chosen", metavar="NAME", help="The network of FILE, where it has several.")
backend = click.option("--backend", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
precision = click.option("--precision", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
threads = click.option("--threads", type=click.IntRange(min=1), help="CPU threads; by default all.")
memory = click.option(
    "--memory", metavar="SIZE", help='What training may take for sequences and gradients, "2 GB"; by default no bound.'
)
weights = click.option(
    "--weights",
    type=click.Choice(["bfloat16"]),
    help="Weights of 16 bits, for inference alone; by default as --precision.",
)
schedule = click.option(
    "--schedule", type=click.Choice(["sample_parallel", "neuron_parallel"]),
    help="What threads share out; by default samples where FILE has a `train` block, else neurons.",
)  # fmt: skip
