"""Throws mutated, random and hostile inputs at `sncc check` and `sncc fmt`, and reports whatever is no diagnostic.

    python benchmarks/fuzz_language.py --inputs 100000 --minutes 10

A finding is an exception other than `DiagnosticError`, a dead or hanging process, an input whose check takes longer
than a second of processor time per 10 kB, an error without a place in a text, or a layout that changes when it is made
a second time. Input k depends on the seed and k alone: `--only K` repeats one. Exit code 1 with findings.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from strategies import Writer  # noqa: E402

from sncc import compiler  # noqa: E402
from sncc.diagnostics import DiagnosticError, render_all  # noqa: E402
from sncc.syntax.format import format_text  # noqa: E402
from sncc.syntax.parse import read_source  # noqa: E402

SECONDS_PER_10_KB = 1.0
HANGS_AFTER = 60.0  # seconds of wall time in one input
LARGEST = 10_000  # characters of a mutated input
WORDS = """neuron synapse plasticity network train simulate import param function state input let each step spike when reset
refractory hold surrogate method on pre post deliver modulator bound in population connect for record of every if else and or
not adjustable dense one_to_one random weight delay normal uniform each mean cross_entropy mse adam eprop bptt eventprop
( ) [ ] { } : , . .. -> = += -= *= == != < > <= >= + - * / ^ " \""" # \\ ; ' ` ~ $ ? ! & | % @ dv/dt d/dt 0 1 1e400 -1 0.5 1e-400
20 ms 3 mV 1/0 1 s^99 {k} {k+1} v I t dt pi u step""".split()
CHARACTERS = ["\0", "\x07", "\t", "\r", "\r\n", "\n", "\v", "\f", "\x85", "\u2028", "\ufeff", "\u200b", "\ue000", "\uffff", "é",
              "e\u0301", "Ω", "µ", "μ", "٣", "²", "ﬀ", "\U0001f9e0", "\ud7ff", "\u202e", " ", "  ", "    "]  # fmt: skip
NUMBERS = [
    "1e308",
    "1e309",
    "1e-320",
    "9" * 400,
    "0." + "0" * 400 + "1",
    "1e999999999",
    "99999999999999999999",
    "0",
    "-0",
    "2**64",
]


def corpus() -> list[str]:
    """The project's own texts, good and bad."""
    folders = ("examples", "grammar/std", "tests/invalid")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.snn"))]
    return [path.read_bytes().decode("utf-8", "replace") for path in paths]


# ---------------------------------------------------------------------------------------------------------- mutations
def swap_characters(text: str, random: Random) -> str:
    """Characters deleted, doubled, replaced."""
    characters = list(text)
    for _ in range(random.randint(1, 6)):
        place = random.randrange(len(characters) + 1)
        characters[place : place + random.choice([0, 0, 1, 2])] = random.choice([*CHARACTERS, *'()[]{}:,.=+-*/^"#x0 '])
    return "".join(characters)


def swap_words(text: str, random: Random) -> str:
    """Words replaced, inserted, removed."""
    words = text.split(" ")
    for _ in range(random.randint(1, 5)):
        place = random.randrange(len(words))
        words[place : place + random.choice([0, 1, 1])] = random.choice([[random.choice(WORDS)], []])
        words = words or [""]
    return " ".join(words)


def swap_lines(text: str, random: Random) -> str:
    """Lines moved, doubled, dropped, indented, joined by commas."""
    lines = text.split("\n")
    for _ in range(random.randint(1, 5)):
        place, other = random.randrange(len(lines)), random.randrange(len(lines))
        line = lines[place]
        changed = [
            [],
            [line, line],
            [lines[other]],
            [" " * random.randrange(12) + line],
            [line + ","],
            [line + ":"],
            [line[:-1]],
        ]
        lines[place : place + 1] = random.choice(changed)
        lines = lines or [""]
    return "\n".join(lines)


def swap_blocks(text: str, random: Random) -> str:
    """A piece of one text in another."""
    other = random.choice(corpus_texts())
    first, last = sorted((random.randrange(len(other) + 1), random.randrange(len(other) + 1)))
    place = random.randrange(len(text) + 1)
    return text[:place] + other[first:last] + text[place:]


def swap_numbers(text: str, random: Random) -> str:
    """Numbers out of every range."""
    parts = text.split("1")
    return "".join(part + random.choice(["1", "1", *NUMBERS[: random.randrange(len(NUMBERS)) + 1]]) for part in parts)[
        :-1
    ]


def nest(text: str, random: Random) -> str:
    """Something nested or repeated many times."""
    depth = random.choice([10, 50, 100, 250, 1000, 3000])
    opening, closing = random.choice(
        [
            ("(", ")"),
            ("[", "]"),
            ("-", ""),
            ("not ", ""),
            ("f(", ")"),
            ("1 + ", ""),
            ("2^", ""),
            ("1 if a else ", ""),
            ("a.", ""),
        ]
    )
    deep = opening * depth + "1" + closing * random.choice([depth, 0])
    if random.random() < 0.2:
        deep = "".join("    " * k + "for k in 0..9:\n" for k in range(1, min(depth, 60))) + "    " * 60 + "step = 1 ms"
    place = text.find("=", random.randrange(len(text) + 1)) + 1
    return text[:place] + " " + deep + "\n" + text[place:]


def nothing(text: str, random: Random) -> str:
    """Random text of the alphabet that the language uses, and of the one that it does not."""
    pieces = random.choice([WORDS, CHARACTERS + WORDS, list('()[]{}:,.=+-*/^"#\n\t xv01')])
    separator = random.choice(["", " ", " ", "\n"])
    return separator.join(random.choice([*pieces, "\n", "\n    "]) for _ in range(random.randrange(120)))


def grammatical(text: str, random: Random) -> str:
    """A text that parses and means nothing."""
    return Writer(random).file()


def settled(text: str, random: Random) -> str:
    """As it is, with other line ends."""
    return random.choice(
        ["\ufeff" + text, text.replace("\n", "\r\n"), text.replace("    ", "\t"), text.replace("\n", "\r"), text * 2]
    )


MUTATIONS = (swap_characters, swap_words, swap_lines, swap_blocks, swap_numbers, nest, nothing, grammatical, settled)
_texts: list[str] = []


def corpus_texts() -> list[str]:
    """The corpus, read once."""
    if not _texts:
        _texts.extend(corpus())
    return _texts


def input_of(seed: int, k: int) -> tuple[str, bytes]:
    """What was done to which text, and the bytes that come out."""
    random = Random(f"{seed} {k}")
    text, done = random.choice(corpus_texts()), []
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        mutation = random.choice(MUTATIONS)
        text = mutation(text, random)
        done.append(mutation.__name__)
    data = text[:LARGEST].encode("utf-8", "replace")
    if random.random() < 0.03:
        data = random.randbytes(random.randrange(400))
        done = ["bytes"]
    return " + ".join(done), data


# ----------------------------------------------------------------------------------------------------------- the test
def finding_of(data: bytes, path: Path) -> str:
    """What is wrong with how one input is treated; empty where nothing is."""
    path.write_bytes(data)
    began = time.process_time()
    try:
        found = compiler.check(path)
        render_all(found)
        seconds = time.process_time() - began
        errors = [d for d in found if d.severity == "error"]
        placeless = [d for d in errors if d.span is None]
        if not any(d.code in ("syntax", "not-text", "tab", "empty-file") for d in errors):
            formatted = format_text(read_source(path).text)
            if format_text(formatted) != formatted:
                return "the layout changes when it is made a second time"
    except DiagnosticError:
        return ""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {str(error)[:80]}"
    if placeless:
        return f"an error without a place: {placeless[0].message}"
    allowed = SECONDS_PER_10_KB * max(1.0, len(data) / 10_000)
    return f"took {seconds:.1f} s for {len(data)} bytes" if seconds > allowed else ""


def work(first: int, last: int, seed: int, progress: Synchronized[int], findings: Any) -> None:
    """Inputs `first` up to `last`; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for k in range(first, last):
            progress.value = k
            what, data = input_of(seed, k)
            finding = finding_of(data, Path(folder) / "input.snn")
            if finding:
                findings.put((k, what, finding))
    progress.value = last
    findings.close()
    findings.join_thread()


def campaign(inputs: int, minutes: float, seed: int) -> tuple[int, list[tuple[int, str, str]]]:
    """How many inputs were tried, and what was found."""
    finish = time.monotonic() + 60 * minutes
    found: list[tuple[int, str, str]] = []
    done = 0
    while done < inputs and time.monotonic() < finish:
        progress = multiprocessing.Value("l", done)
        queue: Any = multiprocessing.Queue()
        worker = multiprocessing.Process(target=work, args=(done, min(done + 2000, inputs), seed, progress, queue))
        worker.start()
        last, since = done, time.monotonic()
        while worker.is_alive() and time.monotonic() < finish:
            worker.join(0.2)
            while not queue.empty():
                found.append(queue.get())
                print("  input {}: {}: {}".format(*found[-1]), flush=True)
            if progress.value != last:
                last, since = progress.value, time.monotonic()
            elif time.monotonic() - since > HANGS_AFTER:
                break
        hangs = worker.is_alive() and time.monotonic() < finish
        if worker.is_alive():
            worker.terminate()
        elif worker.exitcode:
            found.append((last, "", f"the process ended with {worker.exitcode}"))
        if hangs:
            found.append((last, "", f"hangs for {HANGS_AFTER:g} s"))
        done = progress.value + bool(worker.exitcode or hangs)
    return done, found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="shows and tries one input")
    options = parser.parse_args()
    if options.only is not None:
        what, data = input_of(options.seed, options.only)
        sys.stdout.write(data.decode("utf-8", "replace") + "\n")
        with tempfile.TemporaryDirectory() as folder:
            print(what, "|", finding_of(data, Path(folder) / "input.snn") or "nothing found")
        return 0
    done, found = campaign(options.inputs, options.minutes, options.seed)
    kinds = Counter(finding.split(": ")[0] for _, _, finding in found)
    print(
        f"{done} inputs, {len(found)} findings",
        *(f"  {count} x {kind}" for kind, count in kinds.most_common()),
        sep="\n",
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
