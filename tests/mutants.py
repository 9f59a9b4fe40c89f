"""Mutation testing with a chosen list: breaks the code in one place and expects a test to fail.

    python tests/mutants.py                        # every mutant
    python tests/mutants.py overlap decode.py      # those whose file or name contains a word
    python tests/mutants.py --jobs 4

Each mutant of `mutants.txt` is applied to a copy of the package in a temporary directory; the
working tree is not touched. It is killed if its test fails on that copy. The exit code is 1 if a
mutant survives or cannot be applied, as when its old text is no longer in the file.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SOURCE = TESTS.parent / "src" / "pullquote"
LIST = TESTS / "mutants.txt"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one source file, and the test that has to notice it."""

    path: str  # of the source file, below src/pullquote
    name: str
    old: str  # stands exactly once in the file
    new: str
    test: str  # below tests: reading/test_x.py::test_y

    def __str__(self) -> str:
        return f"{self.path}: {self.name}"

    def text(self) -> str:
        """The source file with the change; raises `ValueError` where that cannot be made."""
        try:
            text = (SOURCE / self.path).read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"{self}: {error}") from None
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self}: its old text stands {found} times in the file, not once")
        return text.replace(self.old, self.new)


def load(path: Path = LIST) -> list[Mutant]:
    """Read a list of mutants; raises `ValueError` for a part of it that is none.

        == reading/decode.py reading/test_reading_decode.py

        the null score is the maximum over windows (test_null_is_the_minimum_over_windows)
        -min(candidates.null for
        +max(candidates.null for

    `==` begins a source file, with the file of its tests. A mutant is its name, a test in
    parentheses (or, of another file, `file::test`), and lines taken away and put in.
    """
    mutants = []
    source = tests = ""
    for part in re.split(r"\n{2,}", path.read_text(encoding="utf-8").strip("\n")):
        head, *lines = part.split("\n")
        if head.startswith("#"):
            continue
        if head.startswith("== "):
            _, source, tests = head.split()
            continue
        named = re.fullmatch(r"(.+) \((\S+)\)", head)
        old, new = ("\n".join(x[1:] for x in lines if x[0] == sign) for sign in "-+")
        if not named or not old or any(line[0] not in "-+" for line in lines):
            raise ValueError(f"not a mutant:\n{part}")
        test = named[2] if "::" in named[2] else f"{tests}::{named[2]}"
        mutants.append(Mutant(source, named[1], old, new, test))
    return mutants


def run(mutant: Mutant) -> tuple[str, str]:
    """Whether a mutant is "killed" or "SURVIVED", or an "ERROR" and what is wrong."""
    try:
        text = mutant.text()
    except ValueError as error:
        return "ERROR", str(error)
    with copied() as copy:
        (copy / "pullquote" / mutant.path).write_text(text, encoding="utf-8")
        code, output = run_tests(copy, [mutant.test])
    if code > 1:  # 1 is a test that failed; above are no such test, an import that failed
        return "ERROR", output
    return ("killed" if code else "SURVIVED"), ""


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the package in a temporary directory, for PYTHONPATH."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        # not the compiled files, which Python would take for those of a changed file of the same
        # size and time
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SOURCE, Path(name) / "pullquote", ignore=ignored)
        yield Path(name)


def run_tests(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run pytest up to the first failure, on the package in `copy`; its exit code and output."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    environment = {
        "PYTHONPATH": str(copy),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / "examples"),  # not for later runs of the tests
        "OMP_NUM_THREADS": "1",  # several run at once
    }
    done = subprocess.run(
        [*command, *(str(TESTS / test) for test in tests)],
        cwd=TESTS.parent,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants that are asked for; return the exit code."""
    parser = argparse.ArgumentParser(description="Break the code and see whether tests notice.")
    parser.add_argument("word", nargs="*", help="only mutants whose file or name contains one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    options = parser.parse_args(arguments)
    mutants = [m for m in load() if any(word in str(m) for word in options.word or [""])]
    if not mutants:
        parser.error(f"no mutant contains {' or '.join(options.word)}")

    began = time.monotonic()
    with copied() as copy:  # a test that fails anyway would kill any mutant
        code, output = run_tests(copy, sorted({mutant.test for mutant in mutants}))
    if code:
        print(f"{output}\nA test fails without any mutant; repair it first.")
        return 1
    alive = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, (verdict, why) in zip(mutants, pool.map(run, mutants), strict=True):
            print(f"{verdict:8}  {mutant}", why, sep="\n" if why else "", flush=True)
            alive += verdict != "killed"
    seconds = time.monotonic() - began
    print(f"{len(mutants) - alive} of {len(mutants)} mutants killed in {seconds:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
