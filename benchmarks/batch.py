"""What a batch costs beside the reader alone: rows a second, start-up and memory, over its size.

    python benchmarks/batch.py dev-v2.0.json.gz --model tiny --rows 1000 10000 100000
    python benchmarks/batch.py dev-v2.0.json.gz --engines direct local ray --repeats 3
    python benchmarks/batch.py dev-v2.0.json.gz --engines reading --rows 300000

Questions of dev are repeated under new ids. Each engine runs in fresh processes, in turn: `direct`
is `Reader.answer_all` over the same rows in a process that does nothing else, on one thread, as
every reader here; `reading` reads the rows and answers none. Other work on the machine stretches
the clock, so that rates are of CPU time: rows for each second of CPU of the processes that read.
Start-up is what one row takes, and is subtracted for the rate once warm. Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
from machine import machine

from pullquote.data import load

FOLDER = Path("build/bench/batch")
DIRECT = """
import sys
from pullquote import Reader
from pullquote.data.formats import read_items
from pullquote.data.rows import question_from_row
reader = Reader(sys.argv[1], threads=1)
rows = (question_from_row(row, 1) for _, row in read_items(sys.argv[2]))
print(sum(1 for _ in reader.answer_all(rows)))
"""

READING = """
import sys
from pullquote.scale.blocks import blocks_of
from pullquote.scale.plan import find
print(sum(block.rows for block in blocks_of(0, find(sys.argv[2]), 2048)))
"""
PROGRAMS = {"direct": DIRECT, "reading": READING}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="dev-v2.0.json.gz")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--engines", nargs="+", default=["direct", "local", "ray"])
    parser.add_argument("--workers", type=int, default=1, help="readers of ray")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON of all values; more are added to it")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    runs = []
    for rows in [1, *options.rows]:
        source = repeated(options.data, rows)
        for engine in options.engines * options.repeats:
            run = {"model": options.model, "engine": engine, "rows": rows}
            run |= {"load": round(os.getloadavg()[0], 1), **measured(engine, source, options)}
            runs.append(run)
            print(json.dumps(run), flush=True)
    if options.out:
        content = {"workers": options.workers, "machine": machine(), "runs": []}
        if options.out.exists():
            content = json.loads(options.out.read_text())
        content["runs"] += runs
        options.out.write_text(json.dumps(content, indent=1) + "\n")
    table(runs)


def repeated(data: str, rows: int) -> Path:
    """A file with questions of dev, from its beginning and again, under new ids."""
    path = FOLDER / f"{rows}.jsonl"
    if not path.exists():
        examples = itertools.cycle(load(data).examples)
        with open(path, "w", encoding="utf-8") as file:
            for n, example in enumerate(itertools.islice(examples, rows)):
                row = {"id": f"q{n}", "question": example.question, "context": example.context}
                file.write(f"{json.dumps(row)}\n")
    return path


def measured(engine: str, source: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds by the clock and of CPU, and peak memory, of a run in processes of its own.

    `all_mib` has the parts of memory that processes share once.
    """
    out = FOLDER / "out"
    shutil.rmtree(out, ignore_errors=True)
    if engine in PROGRAMS:
        command = [sys.executable, "-c", PROGRAMS[engine], options.model, str(source)]
    else:
        command = [sys.executable, "-m", "pullquote", "batch", str(source), str(out)]
        command += ["--model", options.model, "--threads", "1", "--engine", engine]
        command += ["--workers", str(options.workers)] if engine == "ray" else []
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    began, before = time.monotonic(), reaped()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    cpu: dict[int, float] = {}
    reader_cpu: dict[int, float] = {}
    memory: dict[int, float] = {}
    most = 0.0
    for look in itertools.count():
        if process.poll() is not None:
            break
        together = 0.0
        for one in everything(process.pid):
            try:
                if look % 5 == 0:  # takes longer than the others
                    together += one.memory_full_info().pss
                times = one.cpu_times()
                cpu[one.pid] = times.user + times.system
                reads = "_Answering" in "".join(one.cmdline()) or engine != "ray"
                if reads:
                    reader_cpu[one.pid] = cpu[one.pid]
                    memory[one.pid] = max(memory.get(one.pid, 0), one.memory_info().rss)
            except psutil.Error:
                continue
        most = max(most, together)
        time.sleep(0.2)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: failed with {process.returncode}")
    exact = reaped() - before  # of the processes that somebody waited for
    size = {} if engine in PROGRAMS else {"row_bytes": round(row_bytes(out), 1)}
    return size | {
        "seconds": round(time.monotonic() - began, 2),
        "cpu": round(max(sum(cpu.values()), exact), 2),
        "reader_cpu": round(sum(reader_cpu.values()) if engine == "ray" else exact, 2),
        "reader_mib": round(max(memory.values()) / 2**20),
        "all_mib": round(most / 2**20),
    }


def row_bytes(out: Path) -> float:
    """Bytes of a row of results beside its id, as they are packed in the files."""
    rows = size = 0
    for path in out.glob("*.parquet"):
        content = pq.read_metadata(path)
        rows += content.num_rows
        for group in map(content.row_group, range(content.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                size += column.total_compressed_size * (column.path_in_schema != "id")
    return size / rows


def reaped() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def everything(pid: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.Error:
        return


def table(runs: list[dict[str, Any]]) -> None:
    """Markdown: the least CPU time of the repeats counts; memory of a reader, and of all."""
    best: dict[tuple[str, int], dict[str, Any]] = {}
    for run in sorted(runs, key=lambda run: -run["cpu"]):
        best[run["engine"], run["rows"]] = run
    print("\n| engine | rows | seconds | CPU s | of readers | rows / CPU s of them, warm | MiB | |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for (engine, rows), run in sorted(best.items()):
        warm = run["reader_cpu"] - best[engine, 1]["reader_cpu"]
        rate = f"{rows / warm:,.0f}" if rows > 1 and warm > 0 else ""
        print(
            f"| {engine} | {rows:,} | {run['seconds']:.1f} | {run['cpu']:.1f} "
            f"| {run['reader_cpu']:.1f} | {rate} | {run['reader_mib']} | {run['all_mib']} |"
        )


if __name__ == "__main__":
    main()
