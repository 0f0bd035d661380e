"""What the constants of the emitted `Network` are, for those whose names do not say it."""

from __future__ import annotations

_MEANINGS = {
    "sources": "what is handed over: events, signals, spike times",
    "rewiring_count": "connections whose synapses move",
    "travelling_count": "parameters of neurons that stand for such synapses",
    "thinned": "sources and populations as dropout leaves them to a connection",
    "series_count": "states that synapses deliver, kept of all steps",
    "rows_count": "connections whose synapses are rows of targets",
    "late_count": "parameters with a number for each synapse, as many as are known when these are built",
    "threads": "of a block",
    "main_threads": "of these, those that share the neurons; the others have what only readouts read",
    "in_shared_memory": "where a sample's states stand on every card; else each launch decides",
    "resident_blocks": "of a multiprocessor, which bound a thread's registers",
    "optimise_blocks": "of the last launch, and more where synapses have numbers of their own",
    "most_delay": "in steps",
    "tape_columns": "numbers of a step that the way back needs",
    "gradient_size": "sums over the samples, without those of late parameters",
    "parameter_size": "the same of parameters",
    "half_size": "weights of 16 bits",
    "sum_size": "sums over time, which gradients of neurons' parameters need",
    "fired_neurons": "of which spikes or events stand as a bit for each step",
    "output_width": "outputs with their padding",
    "error_width": "the same of all terms of the loss",
    "penalty_size": "neurons whose rates are penalised",
    "batch_penalties": "some for their mean over the samples",
    "online": "gradients go forwards in time: no tape",
    "sums_late": "the last launch sums gradients too, of which one may be none",
    "has_rounds": "the weights change after every step: a batch is one launch",
    "penalises_late": "then with penalties, which wait for the rates of all samples",
    "memory": "the bound, in bytes; 0: none",
    "trace_size": "eligibility traces of a sample, without late ones",
    "emitted_size": "room for what a source emitted in a step",
    "part_size": "of a block of a cluster: gradients that it adds up of what synapses share",
    "late_trace_count": "updates whose traces are as many as synapses",
    "optimiser_states": "numbers beside each parameter",
}


def explained(constant: str) -> str:
    """A constant's definition, with what it is behind it."""
    name = constant.partition(" = ")[0].rpartition(" ")[2]
    return f"{constant};" + (f"  // {_MEANINGS[name]}" if name in _MEANINGS else "")
