"""A compiled network, loaded: training, inference, simulation, parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import c_ubyte
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import checkpoint, simulation, training
from .arguments import check_choice, check_mapping, check_path, check_replaceable, check_switch, check_whole
from .callbacks import Callback, History
from .checkpoint import Progress, sealed, unsealed
from .connectivity import connect, with_sizes
from .dataset import Inputs, data_set, labelled_set, run_batch, selected
from .library import Library, available_threads, find_library, pointer
from .manifest import Manifest, read_manifest
from .parameters import Parameters
from .recording import Recordable, Run
from .simulation import KeptSpikes, SpikeTimes
from .stepping import Stepper
from .windows import check_windows


def load(
    path: str | PathLike[str],
    seed: int = 0,
    threads: int | None = None,
    backend: str | None = None,
    connections: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    spike_times: Mapping[str, SpikeTimes] | None = None,
) -> Network:
    """Loads the network of a built project.

    - `seed` fixes connectivity and initial parameters.
    - `threads`: by default as many as the process may use.
    - `backend`: cpu or cuda, by default the one that was built last.
    - `connections`: pairs (pre, post) of flat indices for each `sparse` connection.
    - `spike_times`: for each such source Events, or a pair (times in seconds, neurons), used by every run and sample
      that is given nothing else.

    Raises FileNotFoundError where there is no project or no library, ValueError for bad arguments or versions,
    MemoryError where the network does not fit into memory.
    """
    project = check_path("path", path).resolve()
    if not project.is_dir():
        raise FileNotFoundError(f"{path} is no folder of a compiled network; `sncc build` makes one")
    check_whole("seed", seed, 0, 2**64 - 1)
    count = available_threads() if threads is None else check_whole("threads", threads, 1)
    manifest = read_manifest(project / "manifest.json")
    file, name = find_library(project, manifest, backend)
    library = Library(file, manifest.name, seed, count)
    connect(library, manifest, connections)
    network = Network(library, with_sizes(library, manifest), project, name)
    for source, given in check_mapping("spike_times", spike_times, "{'cells': (times, neurons)}").items():
        network.set_spike_times(source, given)
    return network


class Network:
    """A network in memory. `load` makes one; independent ones may be used in different threads.

    `parameters`: the numbers, by key, in SI units. `manifest`: what the network has. `progress`: epochs trained.
    """

    def __init__(self, library: Library, manifest: Manifest, path: Path, backend: str) -> None:
        """Wraps a loaded library; use `load`."""
        self.library, self.manifest, self.path, self.backend = library, manifest, path, backend
        self.parameters = Parameters(library, manifest)
        self.progress = Progress()
        sources = {s.name for s in manifest.sources}
        self.spiking = {p.name: p.index for p in manifest.populations if p.spiking and p.name not in sources}
        self.spike_times: dict[str, KeptSpikes] = {}
        self._stepper: Stepper | None = None
        self.at_start = True  # no simulation has moved the state since it was initial

    def __repr__(self) -> str:
        """E.g. `Network(gestures, cpu, float32: events[2048] hidden[256] output[11])`."""
        sizes = [f"{s.name}[{s.size}]" for s in self.manifest.sources]
        sizes += [f"{p.name}[{p.size}]" for p in self.manifest.populations]
        return f"Network({self.manifest.name}, {self.backend}, {self.manifest.precision}: {' '.join(sizes)})"

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a network lives in its process."""
        raise TypeError(
            "a network is neither copied nor pickled: `save` keeps its numbers, and `load` makes another one"
        )

    # -------------------------------------------------------------------------------------------- training
    def fit(
        self,
        data: Inputs,
        labels: ArrayLike | None = None,
        epochs: int = 1,
        batch: int | None = None,
        validation: tuple[Inputs, ArrayLike | None] | None = None,
        callbacks: Iterable[Callback] = (),
        seed: int = 0,
        verbose: bool | None = None,
        learning_rate: float | None = None,
    ) -> History:
        """Trains for so many epochs; gives {"loss": [...], "accuracy": [...], "val_loss": ..., "val_accuracy": ...}.

        - `data`: Events, or by source {name: Events or array}.
        - `labels`: integers (samples,) or, for a loss at every step, (samples, steps), -1 = none; or real targets
          (samples, outputs) or (samples, steps, outputs). None for a loss that reads none, such as `mean(hidden.v^2)`.
        - `batch`: samples an update, by default the file's.
        - `validation`: (data, labels) that are evaluated after every epoch.
        - `callbacks`: called as callback(network, epoch, history) after every epoch, from 0 over all fits; one that
          returns True ends the training. EarlyStopping and Checkpoint of this package are such.
        - `seed`: order of the samples, and what they draw (noise, sources, dropout).
        - `verbose`: None shows progress on a terminal.
        - `learning_rate`: in place of the file's, without a build.

        A fit goes on from the epochs that were trained before (`progress`); one that ends where an interrupted one
        would have ended continues its learning-rate schedule, with the same bits as without the interruption.

        Raises ValueError for data and labels that do not fit the network; FloatingPointError where the loss is no
        longer finite, the parameters then being those before that update. Ctrl-C leaves those of the last whole update.
        """
        with self.library.alone():
            return training.fit(self, data, labels, epochs, batch, validation, callbacks, seed, verbose, learning_rate)

    def evaluate(self, data: Inputs, labels: ArrayLike | None = None) -> dict[str, float]:
        """Mean loss, mean penalty and, for class labels, accuracy: {"loss", "penalty", "accuracy"}.

        Raises ValueError for data and labels that do not fit the network, FloatingPointError where a state becomes
        infinite or no number (one that begins infinite may stay so).
        """
        with self.library.alone():
            return training.evaluate(self, labelled_set(self.manifest, data, labels, self.spike_times))

    def predict(self, data: Inputs, per_step: bool | None = None) -> NDArray[np.float64]:
        """What the loss's readout sees: (samples, outputs), or (samples, steps, outputs) with `per_step`.

        `per_step`: by default for a loss at every step on real targets; NaN beyond a sample's end. Raises ValueError,
        and FloatingPointError as `evaluate` does.
        """
        readout = self.manifest.readout
        if readout is None:
            raise ValueError("the network has no `train` block, so no readout: use `simulate`")
        check_choice("per_step", per_step)
        if per_step and not readout.per_step:
            raise ValueError("this network's loss sees one value a sample: there are none for every step")
        prepared = data_set(self.manifest, data, repeated=self.spike_times)
        if not (readout.per_step and readout.labels == "value" if per_step is None else per_step):
            check_windows(self.manifest, prepared.lengths, first_loss=True)
            outputs, rows = np.zeros((prepared.samples, readout.outputs)), None
        else:
            outputs = np.full((prepared.samples, prepared.steps, readout.outputs), np.nan)
            rows = np.arange(prepared.samples, dtype=np.int64) * prepared.steps
        with self.library.alone():
            training.evaluate_into(self, prepared, outputs, rows)
        return outputs

    def gradients(self, data: Inputs, labels: ArrayLike | None = None) -> tuple[float, dict[str, NDArray[np.float64]]]:
        """Loss (with penalties) of all samples as one batch, and its derivative by each learnt parameter's SI value.

        Changes nothing. Raises ValueError for data and labels that do not fit the network.
        """
        if not self.manifest.rule:
            raise ValueError(training.untrained(self.manifest, "there are no gradients"))
        prepared = labelled_set(self.manifest, data, labels, self.spike_times)
        with self.library.alone():
            everything = selected(prepared, np.arange(prepared.samples, dtype=np.int64), None)
            result = run_batch(self.library, "gradients", everything)
            found = {p.key: self.library.get("get_gradient", p.shape, p.index) for p in self.manifest.learnt}
        return result.loss + result.penalty, found

    # -------------------------------------------------------------------------------------------- simulation
    def simulate(
        self,
        duration: float | None = None,
        inputs: Inputs | None = None,
        record: Iterable[Recordable] | None = None,
        seed: int = 0,
        resume: bool = False,
        trial: int = 0,
        out: str | PathLike[str] | None = None,
        verbose: bool | None = None,
    ) -> Run:
        """Runs the network and records spikes of every population and the states in `record`.

        - `duration`: seconds; by default the `simulate` block's, else the inputs'.
        - `inputs` as in `fit`; where they end, or are missing, nothing arrives.
        - `record`, by default what the `simulate` block records: names, or pairs of one and an interval in seconds.
          Names are "population.state" and "population[first:last].state"; "connection.weight" and "connection.state"
          (of synapses that each have their own, or that the `simulate` block records); and "population.spikes", which
          then leaves the others' spikes out.
        - `seed`, `trial` (of the first sample; one more for each next): random draws.
        - `resume`: go on from where the last run ended, or begin where there was none, with one sample, and one trial
          of those that the `simulate` block has.
        - `out`: an `.npz` file that takes what is recorded as it comes.
        - `verbose`: progress on stderr; None: on a terminal.

        Ctrl-C ends the run with what was recorded so far.

        Raises ValueError for what does not fit the network, MemoryError for states that are too many to be kept, and
        FloatingPointError where a state of neurons becomes infinite or no number (one that begins infinite may stay
        so), as a look at all of them every fraction of a second tells: the state is then left as it is, and one that
        was stored can be restored.
        """
        check_whole("seed", seed, 0, 2**64 - 1)
        check_whole("trial", trial, 0, 2**31)
        check_switch("resume", resume)
        check_choice("verbose", verbose)
        file = None if out is None else check_replaceable("out", out)
        with self.library.alone():
            with self._leaving_the_start():
                run = simulation.simulate(self, duration, inputs, record, seed, resume, trial, file, verbose)
        return run

    def step(
        self, inputs: Mapping[str, ArrayLike] | None = None, seed: int = 0, record: Iterable[Recordable] = ()
    ) -> dict[str, NDArray[Any]]:
        """One step on from the current state; gives the neurons that spike in it, by population.

        `inputs`: by source the indices of the neurons that spike (repeated: several times), or a signal's values.
        `record`: states such as "output.v", which stand beside the spikes by these names, as they are after the step.
        Raises ValueError for indices out of range, FloatingPointError where a state is infinite or no number.
        """
        check_whole("seed", seed, 0, 2**64 - 1)
        given = check_mapping("inputs", inputs, "{'events': [0, 3]}")
        with self.library.alone():
            for source, kept in self.spike_times.items():
                if source not in given:
                    given[source] = simulation.spikes_of_next_step(self, kept)
            if self._stepper is None:
                self._stepper = Stepper(self.library, self.manifest, self.spiking)
            self._stepper.watch(record)
            with self._leaving_the_start():
                found = self._stepper.step(given, seed, not self.at_start)
        return found

    @contextmanager
    def _leaving_the_start(self) -> Iterator[None]:
        """Around runs, which move the state also where it then holds no numbers."""
        try:
            yield
        except FloatingPointError:
            self.at_start = False
            raise
        self.at_start = False

    def set_spike_times(self, source: str, given: SpikeTimes) -> None:
        """What a `spike_times` source emits in every run that is given nothing else, counted from the initial state.

        In training, `evaluate` and `predict` it does so in each sample, counted from its start, where the data leave
        the source out.

        `given`: Events of one sample, or a pair (times in seconds, on the grid of steps; flat indices). A pair's spike
        at 5 ms is emitted at 5 ms, as `simulate` records it. Events are data, of which only the step is left: with
        steps of 1 ms what `Events.from_lists` is given at 5 ms stands in the bin from 5 ms to 6 ms, which is emitted at
        6 ms. Raises ValueError.
        """
        kept = {s.name: s for s in self.manifest.sources if s.kept}
        if not isinstance(source, str) or source not in kept:
            raise ValueError(f"no source `{source}` of spike times; there are {', '.join(kept) or 'none'}")
        self.spike_times[source] = simulation.kept_spikes(kept[source], given, self.manifest.step)

    def store(self) -> bytes:
        """The state of the simulation: `restore` goes on from it with the same bits, with any number of threads.

        It is all that a run moves: states of neurons and synapses, spikes on their way, weights that a plasticity
        moves, the time. Parameters that only you set are not part of it: after `restore` they are what they were set to
        last; `save` keeps them.
        """
        with self.library.alone():
            size = self.library.get_count("state_size")
            state = np.empty(size, np.uint8)
            self.library.call("get_state", pointer(state, c_ubyte), size)
        return sealed(state.tobytes())

    def restore(self, state: bytes) -> None:
        """Puts the simulation into a stored state.

        Raises ValueError for another network's, a damaged one, or one whose spikes are on their way through longer or
        shorter delays than were set since.
        """
        values = np.frombuffer(unsealed(state), np.uint8)
        with self.library.alone():
            self.library.call("set_state", pointer(values, c_ubyte), len(values))
            self.at_start = False

    def reset(self) -> None:
        """Puts the state of simulations back to the initial one; parameters stay."""
        with self.library.alone():
            self.library.call("reset")
            self.at_start = True

    # -------------------------------------------------------------------------------------------- files
    def save(self, path: str | PathLike[str]) -> None:
        """Writes parameters, optimiser and progress to one `.npz` file, atomically."""
        with self.library.alone():
            checkpoint.save(self, path)

    def load(self, path: str | PathLike[str], optimiser: bool = True) -> None:
        """Sets all that `save` wrote, so that training goes on exactly; `optimiser=False`: the parameters alone.

        Raises FileNotFoundError, or ValueError for a damaged file or another network's; then nothing has changed.
        """
        with self.library.alone():
            checkpoint.load(self, path, check_switch("optimiser", optimiser))
