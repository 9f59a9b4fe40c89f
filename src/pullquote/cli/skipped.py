"""Says which documents were not read, or not all of them, and which files are no documents.

    for line in listed(problems, left_out, most=20):
        say("note", line)
    say("note", in_one_line(problems, left_out))

Knows problems and their words, neither indexes nor options.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.cli.console import count

if TYPE_CHECKING:
    from pullquote.searching.documents import Problem

_NAMED = 3  # files that are named in a line
_TYPES = 5  # types of files that are
_ALL = "--verbose lists all"


def listed(
    problems: Sequence[Problem], left_out: Sequence[Problem], *, most: int | None
) -> Iterator[str]:
    """A line for each problem, and one for the files that were left out; without `most`, for each.

    Of more problems than `most` the first are listed, and the others are counted.
    """
    for problem in problems[:most]:
        yield _line(problem)
    if most is not None and problems[most:]:
        yield f"and {_more(problems[most:])}; {_ALL}"
    if most is None:
        for problem in left_out:
            yield f"left out: {shown(problem.path)}: {problem.reason}"
    elif left_out:
        yield _left_out(left_out) + (f"; {_ALL}" if len(left_out) > _NAMED else "")


def in_one_line(problems: Sequence[Problem], left_out: Sequence[Problem]) -> str:
    """The first problem, and how many more there are of each kind; "" without any."""
    words = []
    if problems:
        words.append(_line(problems[0]))
    if len(problems) > 1:
        words.append(f"and {_more(problems[1:])}")
    if left_out:
        words.append(_left_out(left_out))
    if len(problems) > 1 or len(left_out) > _NAMED:
        words.append(_ALL)
    return "; ".join(words)


def counted(problems: Sequence[Problem], left_out: Sequence[Problem]) -> str:
    """The numbers of all three: "2 not read, 1 read in part, 12 left out"; "" without any."""
    partly = sum(problem.partly for problem in problems)
    numbers = {
        "not read": len(problems) - partly,
        "read in part": partly,
        "left out": len(left_out),
    }
    return ", ".join(f"{number:,} {words}" for words, number in numbers.items() if number)


def _more(problems: Sequence[Problem]) -> str:
    return f"{count(len(problems), 'more document')} ({counted(problems, ())})"


def _line(problem: Problem) -> str:
    what = "read in part" if problem.partly else "not read"
    return f"{what}: {shown(problem.path)}: {problem.reason}"


def _left_out(left_out: Sequence[Problem]) -> str:
    """The files that are no documents by their names: how many of each type, and the first."""
    types = Counter(Path(problem.path).suffix.lower() or "no ending" for problem in left_out)
    common = types.most_common(_TYPES)
    kinds = [f"{number:,} {kind}" for kind, number in common]
    if others := len(left_out) - sum(number for _, number in common):
        kinds.append(f"{others:,} others")
    names = [shown(problem.path) for problem in left_out[:_NAMED]]
    names += ["..."] if len(left_out) > _NAMED else []
    files = f"{count(len(left_out), 'file')} left out by type ({', '.join(kinds)})"
    return f"{files}: {', '.join(names)}"


def shown(path: str) -> str:
    """A path as a person would type it here."""
    here = str(Path.cwd())
    inside = path.startswith(here.rstrip(os.sep) + os.sep)
    return os.path.relpath(path, here) if inside else path
