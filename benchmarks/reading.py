"""Measures how many files a second an index reads, with one worker process and with two.

    python benchmarks/reading.py FOLDER... [--workers 1 2] [--rounds 5]

A round makes a new index, without vectors, once with each number of workers, one after the other.
Prints Markdown for RESULTS.md: files, seconds and files a second, the best and the median of the
rounds. The files are not shipped: `RESULTS.md` names the collections.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

from pullquote import Index
from pullquote.searching import pool


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {workers: [] for workers in options.workers}
    for _ in range(options.rounds):
        for workers, times in seconds.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                patch.object(pool, "_cores", lambda workers=workers: workers),
            ):
                begin = time.perf_counter()
                with Index.create(Path(folder) / "i.db", encoder=None) as index:
                    index.add(options.folders)
                    times.append(time.perf_counter() - begin)
                    pool.end_idle()  # each run starts its own processes
                    read, passages = index.count(), len(index)
    print(f"{read:,} documents, {passages:,} passages\n")
    print("| workers | s, best | s, median | files/s, best | files/s, median |")
    print("|---:|---:|---:|---:|---:|")
    for workers, times in seconds.items():
        best, middle = min(times), median(times)
        row = f"{best:.1f} | {middle:.1f} | {read / best:.1f} | {read / middle:.1f}"
        print(f"| {workers} | {row} |")


if __name__ == "__main__":
    main()
