"""Times the forms of one checkpoint side by side: fp32, int8, and int8 packed into fewer bits.

    python benchmarks/forms.py CHECKPOINT DATA [--scheme 4,7] [--questions 500] [--rounds 5]

Each round takes every form in turn: opening it, 100 questions one by one, and all in one call. Of
each figure the best round counts, and what is left of the fp32 form's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from pullquote import Reader
from pullquote.data import load
from pullquote.publishing.bit_search import directory_bytes
from pullquote.publishing.export import export
from pullquote.publishing.quantize import INT8, Scheme

ONE_BY_ONE = 100


def times(path: Path, examples: list) -> tuple[float, float, float]:
    """Milliseconds to open a form and for a question alone, and questions a second of a list."""
    began = time.perf_counter()
    reader = Reader(path)
    opened = time.perf_counter()
    alone = []
    for example in examples[:ONE_BY_ONE]:
        start = time.perf_counter()
        reader.answer(example.question, example.context)
        alone.append(time.perf_counter() - start)
    list(reader.answer_all(examples[:ONE_BY_ONE]))  # opens what works on several cores
    start = time.perf_counter()
    list(reader.answer_all(examples))
    seconds = time.perf_counter() - start
    return 1000 * (opened - began), 1000 * sorted(alone)[len(alone) // 2], len(examples) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("--scheme", default="4,7", help="bits of words, bits of layers")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    examples = list(load(options.data).examples[: options.questions])
    packed = Scheme(*map(int, options.scheme.split(",")))
    print(f"{len(examples):,} questions of {Path(options.data).name}, {options.rounds} rounds\n")
    print("| form | MiB | to open, ms | one question, ms | questions a second |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as work:
        forms = {}
        for name, scheme in (("fp32", None), ("int8", INT8), (str(packed), packed)):
            forms[name] = export(options.checkpoint, Path(work) / name, scheme=scheme).path
        measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in forms}
        for _ in range(options.rounds):  # side by side, so that a busy machine slows all alike
            for name, path in forms.items():
                measured[name].append(times(path, examples))
        for name, path in forms.items():
            opened, alone, speed = zip(*measured[name], strict=True)
            print(
                f"| {name} | {directory_bytes(path) / 2**20:.2f} | {min(opened):.0f} | "
                f"{min(alone):.1f} | {max(speed):,.0f} |"
            )


if __name__ == "__main__":
    main()
