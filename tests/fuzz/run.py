"""Runs the fuzz targets: damage to model files, texts and indexes, for a while or some cases.

    python tests/fuzz/run.py --minutes 60                    # every target, in turn
    python tests/fuzz/run.py --target texts --minutes 60     # one
    python tests/fuzz/run.py --target packed --cases 2000 --seed 7
    python tests/fuzz/run.py --target packed --seed 7 --case 1234    # one case again

Every case must read, or be refused with an error of pullquote's own, within a minute of the
processor and 2 GiB. Cases run in a process of their own: one that dies or hangs is reported with
its number, and the next case goes on. A failure is told once for each place that raised it. The
exit code is 1 if there was any.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import faulthandler
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

NAMES = ("settings", "tokenizer", "packed", "checkpoint", "shards", "onnx", "texts", "indexes")
SECONDS = 60  # of the processor, for a case
WAIT = 4 * SECONDS  # on a machine that does much else, or for a case that hangs
MEMORY = 2 << 30
TURN = 60  # seconds of a target before the next has its turn
MANY = 1 << 30  # cases: more than a turn has


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=NAMES, action="append")
    parser.add_argument("--minutes", type=float, default=0, help="how long; else --cases")
    parser.add_argument("--cases", type=int, default=500, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this one alone")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)  # of a child process
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    targets = given.target or list(NAMES)
    if given.first is not None:
        _child(targets[0], given.seed, given.first, given.cases, given.minutes, given.folder)
        return 0
    if given.case is not None:
        return _one(targets[0], given.seed, given.case)
    failed = False
    ends = time.monotonic() + 60 * given.minutes
    totals: dict[str, Counter[str]] = {name: Counter() for name in targets}
    seed = given.seed
    while True:
        for waiting, name in zip(range(len(targets), 0, -1), targets, strict=True):
            seconds = min(TURN, (ends - time.monotonic()) / waiting) if given.minutes else 0
            failed |= _run(name, seed, MANY if given.minutes else given.cases, seconds, totals)
        seed += 1
        if time.monotonic() >= ends - 1:
            break
    for name, counts in totals.items():
        print(f"{name}: " + ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items())))
    return int(failed)


def _run(name: str, seed: int, cases: int, seconds: float, totals: dict[str, Counter[str]]) -> bool:
    """Run cases of one target, in as many processes as die; whether any failed."""
    failed, first = False, 0
    while first < cases:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--target", name, "--seed", str(seed)]
            command += ["--cases", str(cases), "--first", str(first), "--folder", folder]
            command += ["--minutes", str(seconds / 60)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            case = int((Path(folder) / "number").read_text())
        for line in done.stdout.splitlines():
            kind, tab, count = line.partition("\t")
            if tab:
                totals[name][kind] += int(count)
            else:
                print(line, flush=True)
        failed |= "-- case" in done.stdout
        if done.returncode == 0:
            break
        print(f"-- case {case} of {name}, seed {seed}: ended with {done.returncode}")
        print(*done.stderr.splitlines()[-25:], sep="\n", flush=True)
        totals[name]["died"] += 1
        failed, first = True, case + 1
    return failed


def _child(name: str, seed: int, first: int, cases: int, minutes: float, folder: Path) -> None:
    """Run cases; prints each failure, then how many there were of each outcome."""
    import resource

    from targets import Targets

    target = Targets(folder).all[name]
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)  # which ends the process
    counts: Counter[str] = Counter()
    known = set()
    ends = time.monotonic() + 60 * minutes if minutes else float("inf")
    with open(folder / "number", "w") as number:
        for case in range(first, cases):
            number.seek(0)
            number.write(str(case))
            number.flush()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            faulthandler.dump_traceback_later(WAIT, exit=True)
            try:
                counts[target(_random(name, seed, case))] += 1
            except BaseException as error:  # noqa: BLE001 - Rust's panics, too
                counts["failed"] += 1
                place = (type(error), str(traceback.extract_tb(error.__traceback__)[-1]))
                if place not in known:
                    known.add(place)
                    lines = "".join(traceback.format_exception(error)).splitlines()
                    print(f"-- case {case} of {name}, seed {seed}")
                    print(
                        *(line[:300].replace("\t", " ") for line in lines[-20:]),
                        sep="\n",
                        flush=True,
                    )
            faulthandler.cancel_dump_traceback_later()
            signal.setitimer(signal.ITIMER_PROF, 0)
            if time.monotonic() > ends:
                break
    for kind, count in counts.items():
        print(f"{kind}\t{count}")


def _one(name: str, seed: int, case: int) -> int:
    from targets import Targets

    with tempfile.TemporaryDirectory() as folder:
        print(Targets(Path(folder)).all[name](_random(name, seed, case)))
    return 0


def _random(name: str, seed: int, case: int) -> random.Random:
    return random.Random(f"{name} {seed} {case}")


if __name__ == "__main__":
    sys.exit(main())
