"""pullquote passages: what was read of documents, with its places and offsets."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pullquote.cli.console import count, echo_json, json_option, printable, say
from pullquote.cli.skipped import listed, shown
from pullquote.errors import DocumentError, MissingExtraError
from pullquote.searching.signatures import READ
from pullquote.text import guess_note

if TYPE_CHECKING:
    from pullquote.searching.documents import Problem
    from pullquote.types import Passage


@click.command(
    "passages",
    epilog="""Examples:

\b
  pullquote passages lease.pdf
  pullquote passages contracts/ --json
""",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@json_option
def command(paths: tuple[str, ...], as_json: bool) -> int:
    """Print what is read of documents, or of folders of them, as `ask` and `index` read it.

    Look here first when an answer is odd. The text is that of the passages that a model reads, each
    with its page, line, section, slide or the like, and its characters in the document's text;
    passages overlap where a long paragraph is cut. All that was skipped is listed. Exit code 1 if
    nothing was read of a PATH that is a file, or of all of them.
    """
    from pullquote.searching.documents import Notes, Problem, SourceFile, find
    from pullquote.searching.pool import Pool

    left_out: list[Problem] = []
    found = list(find(paths, left_out.append))
    files = [file for file in found if isinstance(file, SourceFile)]
    problems = [problem for problem in found if isinstance(problem, Problem)]
    guessed: list[dict[str, str]] = []
    passages: list[dict[str, Any]] = []
    number = 0
    with Pool(files, most=sys.maxsize) as pool:
        for file in files:
            notes = Notes(most=sys.maxsize)
            try:
                for passage in pool.read(file, notes):
                    number += 1
                    if as_json:
                        passages.append(passage.to_dict())
                    else:
                        _print(passage)
            except (DocumentError, MissingExtraError) as error:
                problems.append(Problem(file.path, str(error)))
            else:
                problems += filter(None, [notes.problem(file.path)])
            if notes.encoding:
                guessed.append({"document": file.path, "encoding": notes.encoding})
    if not number and len(problems) == 1 and not left_out:
        raise DocumentError(f"{shown(problems[0].path)}: {problems[0].reason}")
    for line in listed(problems, left_out, most=None):
        say("note", line)
    for guess in guessed:
        say("note", f"{shown(guess['document'])}: {guess_note(guess['encoding'])}")
    if as_json:
        echo_json(
            {
                "passages": passages,
                "not_read": [_problem(problem) for problem in problems if not problem.partly],
                "read_in_part": [_problem(problem) for problem in problems if problem.partly],
                "left_out": [_problem(problem) for problem in left_out],
                "guessed": guessed,
            }
        )
    else:
        click.echo(f"{count(number, 'passage')} of {count(len(files), 'document')}")
    unread = {problem.path for problem in problems if not problem.partly}
    without = [path for path in paths if not number or os.path.realpath(path) in unread]
    if without:
        say("error", f"nothing was read of {', '.join(without)}; expected {READ}")
    return 1 if without else 0


def _print(passage: Passage) -> None:
    first, last = passage.place(), passage.place(len(passage.text) - 1)
    place = f"{shown(first.path)}, {first.within}"
    if last.number != first.number:
        place += f" to {last.number}"
    place += f", characters {passage.start}-{passage.end}"
    click.secho(printable(place.replace("\n", " ")), bold=True)
    for line in passage.text.replace("\f", "").splitlines():  # a form feed ends a page
        click.echo(f"  {printable(line)}".rstrip())
    if passage.metadata:
        fields = json.dumps(passage.metadata, ensure_ascii=False)
        click.secho(printable(f"  metadata: {fields}"), dim=True)
    click.echo()


def _problem(problem: Problem) -> dict[str, str]:
    return {"document": problem.path, "reason": problem.reason}
