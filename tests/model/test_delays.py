"""Delays in steps, cycles that need one, and names of connections."""

from resolving import HEAD, mistakes, model


def connections(lines, step="1 ms"):
    text = HEAD + f"network N:\n    step = {step}\n    population x: input[4]\n"
    for name in "abc":
        text += f"    population {name}: Leaky[4]\n"
    return text + "".join(f"    connect {line}\n" for line in lines)


def delays(lines, **options):
    return [c.delay_steps for c in model(connections(lines, **options)).connections]


def test_delays_are_whole_steps_halves_up_and_default_to_none():
    lines = [
        f"c{k} = x -> a: dense, weight = 1, delay = {d}"
        for k, d in enumerate(["1.5 ms", "0.15 ms", "0.25 ms", "0.05 ms"])
    ]
    assert delays(lines, step="0.1 ms") == [15, 2, 3, 1]
    assert delays(["x -> a: dense, weight = 1", "a -> a: dense, weight = 1"]) == [0, 1]


def test_a_cycle_needs_one_delay_and_not_more():
    lines = ["a -> b: dense, weight = 1", "b -> c: dense, weight = 1", "c -> a: dense, weight = 1"]
    assert [code for code, _ in mistakes(connections(lines))] == ["cycle-without-delay"]
    assert delays([lines[0] + ", delay = 2 ms", *lines[1:]]) == [2, 0, 0]


def test_names_are_source_and_target_unless_given():
    names = [
        c.name
        for c in model(connections(["x -> a: dense, weight = 1", "second = x -> a: dense, weight = 1"])).connections
    ]
    assert names == ["x_a", "second"]
