"""Counts how many files of each format are read, over folders of real files.

    python benchmarks/real_files.py FOLDER... [--reasons] [--keep TEXTS]

Prints a Markdown table: files by their ending, how many gave text, how many of these in part, how
many were reported instead (with a reason) or hold no text, how many readers crashed or were
stopped, passages, seconds of real time in worker processes, and MB a second. `--reasons` adds why
files were not read, or not all of them, and how often. The files are not shipped: `RESULTS.md`
names the collections.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter, defaultdict
from pathlib import Path

from pullquote.errors import DocumentError
from pullquote.searching.documents import Notes, Problem, SourceFile, find
from pullquote.searching.pool import Pool

_FAULTS = ("its reader", "no process for its reader")
_PARTICULARS = re.compile(r"\([^()]*\)|\d[\d,.]*|section \S+|[\w./-]+\.\w+")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--reasons", action="store_true", help="print why files were not read")
    parser.add_argument("--keep", type=Path, help="a folder for the texts, to look at them")
    options = parser.parse_args()
    left_out: list[Problem] = []
    found = list(find(options.folders, left_out.append))
    by_ending: dict[str, list[SourceFile]] = defaultdict(list)
    for file in found:
        if isinstance(file, SourceFile):
            by_ending[Path(file.path).suffix.lower()].append(file)
    print(
        "| ending | files | read | of these in part | reported | no text | crashed | passages | s "
        "| MB/s |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    reasons: Counter[str] = Counter()
    for ending, files in sorted(by_ending.items()):
        counts: Counter[str] = Counter()
        begin = time.perf_counter()
        with Pool(files) as pool:
            for file in files:
                what, passages, reason = _read(pool, file, options.keep)
                counts.update(what)
                counts["passages"] += passages
                if reason:
                    reasons[f"{ending}: {_PARTICULARS.sub('…', reason)}"[:120]] += 1
        seconds = time.perf_counter() - begin
        size = sum(file.stamp[0] for file in files) / 1e6
        columns = ("read", "partly", "reported", "empty", "crashed", "passages")
        numbers = " | ".join(f"{counts[name]:,}" for name in columns)
        print(f"| `{ending}` | {len(files):,} | {numbers} | {seconds:.1f} | {size / seconds:.1f} |")
    reasons.update(f"left out: {_PARTICULARS.sub('…', problem.reason)}" for problem in left_out)
    if options.reasons:
        print("\n| files | reason |\n|---:|---|")
        for reason, count in sorted(reasons.items()):
            print(f"| {count:,} | {reason} |")


def _read(pool: Pool, file: SourceFile, keep: Path | None) -> tuple[list[str], int, str]:
    """How a file is counted, its passages, and what is reported of it."""
    notes = Notes()
    try:
        texts = [passage.text for passage in pool.read(file, notes)]
    except DocumentError as error:
        fault = any(words in str(error) for words in _FAULTS)
        return ["crashed" if fault else "reported"], 0, str(error)
    if keep and texts:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{Path(file.path).name}.txt").write_text(
            "\n----\n".join(texts), "utf-8", "replace"
        )
    problem = notes.problem("")
    reason = str(problem)[2:] if problem else ""
    if not texts:
        return ["empty"], 0, reason
    return (["read", "partly"] if reason else ["read"]), len(texts), reason


if __name__ == "__main__":
    main()
