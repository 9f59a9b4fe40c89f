"""What many questions and passages cost, in hours, bytes and money, by a small simulation.

    python benchmarks/batch_cost.py                    # the table of docs/scale.md
    python benchmarks/batch_cost.py --check            # the model beside the runs it comes from
    python benchmarks/batch_cost.py --questions 100e6 --rate 1230 --cores 256 --price 0.04

The model: files are read one after the other, a block at a time; workers, which take some seconds
to start, take the next block when they have answered one; reading goes on meanwhile. Its numbers
are those of `batch.py` (results/2026-11-27-batch.json): the seconds of start-up, and rows a second
of CPU of a worker and of the reading. `--check` compares it with the measured runs, in CPU seconds
of the readers, and is an error where it is 20 % off.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "2026-11-27-batch.json"
BLOCK = 2048
START = 30.0  # seconds of a cluster, an assumption
LOST = 0.01  # workers an hour, of each, an assumption
PRICE = 0.04  # of a core and hour, an assumption
# Seconds of a question of an index of a million passages, `tiny`: to read its passages, the vector
# of the question, tantivy's search, and the comparison with all vectors (RESULTS.md, folders). The
# parts were measured one by one, not a million passages end to end.
OF_A_MILLION = 0.026 + 0.0023 + 0.0043 + 0.028
# Of an index of tantivy, for each passage (RESULTS.md, large indexes; docs/folders.md):
WORD_BYTES = 940
VECTOR_BYTES = 268
WORDS_RATE = 6650  # passages a second, by one process
VECTOR_RATE = 160  # passages a second and core


@dataclass(frozen=True)
class Cluster:
    """What runs the work."""

    workers: int
    rate: float
    """Rows a second of a worker, once warm."""
    start: float
    """Seconds until a worker answers."""
    reading: float
    """Rows a second that are read."""
    lost: float = 0.0
    """Workers that die in an hour, of each: a block is answered again, by a new one."""


def simulated(rows: int, cluster: Cluster, block: int = BLOCK) -> float:
    """Seconds until all rows are answered."""
    free = [cluster.start] * cluster.workers  # when each worker takes its next block
    heapq.heapify(free)
    read = done = 0.0  # when the last block was read; when all are answered
    left = rows
    while left > 0:
        count = min(block, left)
        left -= count
        now = heapq.heappop(free)
        read += count / cluster.reading
        took = count / cluster.rate
        took += took / 3600 * cluster.lost * (took / 2 + cluster.start)
        end = max(read, now) + took
        done = max(done, end)
        heapq.heappush(free, end)
    return done


def measured() -> list[dict[str, Any]]:
    """The runs of `batch.py`."""
    runs: list[dict[str, Any]] = json.loads(RESULTS.read_text())["runs"]
    return runs


def costs(model: str, engine: str) -> dict[int, float]:
    """The least CPU seconds of the readers, by the number of rows."""
    least: dict[int, float] = {}
    for run in measured():
        if (run["model"], run["engine"]) == (model, engine):
            rows = run["rows"]
            least[rows] = min(run["reader_cpu"], least.get(rows, run["reader_cpu"]))
    return least


def rate(model: str, engine: str = "local") -> float:
    """Rows for each CPU second, once warm: those of the longest run."""
    cost = costs(model, engine)
    rows = max(cost)
    return rows / (cost[rows] - cost[1])


def row_bytes() -> float:
    """Of a row of results beside its id, in the longest run that says it."""
    runs = [run for run in measured() if "row_bytes" in run]
    return float(max(runs, key=lambda run: run["rows"])["row_bytes"])


def table() -> Iterator[str]:
    """The table of docs/scale.md."""
    yield "| | core hours | price | on 16 cores | on 256 cores | results |"
    yield "|---|---:|---:|---:|---:|---:|"
    rows = 100_000_000
    size = f"{rows * row_bytes() / 1e9:.1f} GB and ids"
    for what, per_second, results in (
        ("100 million questions, `tiny`", rate("tiny"), size),
        ("the same, `small`", rate("small"), "the same"),
        (
            "the same of an index of a million passages (`tiny`: "
            f"{1000 * OF_A_MILLION:.0f} ms each)",
            1 / OF_A_MILLION,
            "the same, and places",
        ),
    ):
        clusters = (
            Cluster(cores, per_second, START, rate("tiny", "reading") * cores, LOST)
            for cores in (16, 256)
        )
        by_clock = [simulated(rows, cluster) / 3600 for cluster in clusters]
        yield line(what, rows / per_second / 3600, *map(duration, by_clock), results)
    words, vectors = (1e9 / speed / 3600 for speed in (WORDS_RATE, VECTOR_RATE))
    shards = "shards, one process each"
    what = "an index of a billion passages: words"
    yield line(what, words, shards, "", f"{WORD_BYTES / 1000:.2f} TB")
    by_clock = [vectors / cores for cores in (16, 256)]
    yield line("its vectors", vectors, *map(duration, by_clock), f"{VECTOR_BYTES / 1000:.2f} TB")


def line(what: str, hours: float, *cells: str) -> str:
    price = hours * PRICE
    cells = (what, f"{hours:,.0f}", f"{price:,.{int(price < 10)}f}", *cells)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def duration(hours: float) -> str:
    return f"{60 * hours:.0f} min" if hours < 1 else f"{hours:.{int(hours < 100)}f} h"


def predictions() -> Iterator[tuple[str, str, int, float, float]]:
    """Model, engine, rows, CPU seconds as measured and as simulated.

    The rate is fitted to the middle size of each; the others are predictions.
    """
    for model, engine in sorted({(run["model"], run["engine"]) for run in measured()}):
        cost = costs(model, engine)
        start = cost.pop(1)
        middle = statistics.median_low(sorted(cost))
        cluster = Cluster(1, middle / (cost[middle] - start), start, reading=1e9)
        for rows, seconds in sorted(cost.items()):
            yield model, engine, rows, seconds, simulated(rows, cluster)


def worst() -> float:
    """The largest share by which the model is off."""
    return max(abs(found / seconds - 1) for *_, seconds, found in predictions())


def check() -> int:
    """Compare the model with measured runs."""
    print("| model, engine | rows | measured, CPU s | simulated | off by |")
    print("|---|---:|---:|---:|---:|")
    for model, engine, rows, seconds, found in predictions():
        off = f"{found / seconds - 1:+.0%}"
        print(f"| {model}, {engine} | {rows:,} | {seconds:.1f} | {found:.1f} | {off} |")
    print(f"\nworst: {worst():.0%}, allowed: 20 %")
    return 1 if worst() > 0.2 else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--questions", type=float, default=100e6)
    parser.add_argument("--rate", type=float, help="rows a second of a core")
    parser.add_argument("--start", type=float, default=START, help="seconds")
    parser.add_argument("--reading", type=float, help="rows a second, a file")
    parser.add_argument("--files", type=int, default=100, help="that are read at once")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 16, 64, 256, 1024])
    parser.add_argument("--lost", type=float, default=LOST, help="workers an hour, of each")
    parser.add_argument("--price", type=float, default=PRICE, help="of a core and hour")
    options = parser.parse_args()
    if options.check:
        return check()
    if options.rate is None:
        print("\n".join(table()))
        return 0
    rows = int(options.questions)
    a_file = options.reading or rate("tiny", "reading")
    print(f"{rows:,} questions, {options.rate:,.0f} a second and core")
    print("| cores | hours | core hours | price | busy |")
    print("|---:|---:|---:|---:|---:|")
    for cores in options.cores:
        reading = a_file * min(options.files, cores)
        cluster = Cluster(cores, options.rate, options.start, reading, options.lost)
        hours = simulated(rows, cluster) / 3600
        busy = rows / options.rate / 3600 / (cores * hours)
        price = f"{cores * hours * options.price:,.2f}"
        print(f"| {cores:,} | {hours:,.2f} | {cores * hours:,.0f} | {price} | {busy:.0%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
