"""What many questions and passages cost, in hours, bytes and money, by a small simulation.

    python benchmarks/batch_cost.py --check benchmarks/results/2026-11-27-batch.json
    python benchmarks/batch_cost.py --questions 100e6 --rate 1230 --cores 256 --price 0.04
    python benchmarks/batch_cost.py --passages 1e9

The model: files are read one after the other, a block at a time; workers, which take some seconds
to start, take the next block when they have answered one; reading goes on meanwhile. Its numbers
are measured (`batch.py`): the seconds of start-up, and rows a second of a worker and of the
reading. `--check` compares it with the measured runs, in CPU seconds of the readers, and is an
error where it is 20 % off.
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

READING = 75_000  # rows a second that one process reads of JSON Lines, with paragraphs of dev
BLOCK = 2048
OUT_BYTES = 11  # of a row of results in Parquet, beside its id
# Of an index of tantivy (RESULTS.md, large indexes and vectors), for each passage:
PASSAGE_BYTES = 1210  # with its text and vector
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
    reading: float = READING
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


def predicted(runs: list[dict]) -> Iterator[tuple[str, int, float, float, bool]]:
    """For each engine and size of measured runs: CPU seconds, measured and simulated.

    The rate is fitted to the middle size, which the last value tells; the others are predicted.
    """
    for engine in sorted({run["engine"] for run in runs}):
        cost: dict[int, list[float]] = {}
        for run in runs:
            if run["engine"] == engine:
                cost.setdefault(run["rows"], []).append(run["reader_cpu"])
        best = {rows: min(values) for rows, values in cost.items()}
        start = best.pop(1)
        middle = statistics.median_low(sorted(best))
        rate = middle / (best[middle] - start)
        for rows, measured in sorted(best.items()):
            found = simulated(rows, Cluster(1, rate, start, reading=1e9))
            yield engine, rows, measured, found, rows == middle != max(best)


def check(path: Path) -> int:
    """Compare the model with measured runs: of one size the others are predicted."""
    worst = 0.0
    print("| engine | rows | measured, CPU s | simulated | off by |")
    print("|---|---:|---:|---:|---:|")
    for engine, rows, measured, found, fitted in predicted(json.loads(path.read_text())["runs"]):
        off = found / measured - 1
        worst = max(worst, abs(off))
        note = " (fitted)" if fitted else ""
        print(f"| {engine} | {rows:,} | {measured:.1f} | {found:.1f}{note} | {off:+.0%} |")
    print(f"\nworst: {worst:.0%}, allowed: 20 %")
    return 1 if worst > 0.2 else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="JSON")
    parser.add_argument("--questions", type=float, default=100e6)
    parser.add_argument("--passages", type=float, default=0, help="of an index")
    parser.add_argument("--rate", type=float, default=1000, help="rows a second of a core")
    parser.add_argument("--start", type=float, default=30, help="seconds")
    parser.add_argument("--reading", type=float, default=READING, help="rows a second, a file")
    parser.add_argument("--files", type=int, default=100, help="that are read at once")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 16, 64, 256, 1024])
    parser.add_argument("--lost", type=float, default=0.01, help="workers an hour, of each")
    parser.add_argument("--price", type=float, default=0.04, help="of a core and hour")
    options = parser.parse_args()
    if options.check:
        return check(options.check)
    rows = int(options.questions)
    print(f"{rows:,} questions, {options.rate:,.0f} a second and core")
    print("| cores | hours | core hours | price | busy |")
    print("|---:|---:|---:|---:|---:|")
    for cores in options.cores:
        reading = options.reading * min(options.files, cores)
        cluster = Cluster(cores, options.rate, options.start, reading, options.lost)
        hours = simulated(rows, cluster) / 3600
        busy = rows / options.rate / 3600 / (cores * hours)
        price = f"{cores * hours * options.price:,.2f}"
        print(f"| {cores:,} | {hours:,.2f} | {cores * hours:,.0f} | {price} | {busy:.0%} |")
    print(f"\nResults: {rows * OUT_BYTES / 1e9:,.1f} GB, and ids.")
    if options.passages:
        hours = options.passages / 3600
        print(
            f"Index: {options.passages * PASSAGE_BYTES / 1e12:,.2f} TB; core hours: "
            f"{hours / WORDS_RATE:,.0f} for words, {hours / VECTOR_RATE:,.0f} for vectors, at "
            f"{hours / VECTOR_RATE * options.price:,.0f}."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
