"""pullquote check: whether the quotes of a draft stand in their sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pullquote.cli.console import (
    count,
    echo_json,
    ensure_writable,
    json_option,
    one_line,
    printable,
    progress_bar,
    read_text,
    say,
)
from pullquote.cli.skipped import listed, shown
from pullquote.errors import InputError, PullquoteError
from pullquote.progress import tracked

if TYPE_CHECKING:
    from pullquote.checking.check import Checker
    from pullquote.checking.drafts import Quotation
    from pullquote.checking.report import Checked
    from pullquote.checking.verdicts import Check, Found

_COLORS = {
    "exact": "green",
    "typographic": "green",
    "drifted": "yellow",
    "stitched": "magenta",
    "absent": "red",
    "uncheckable": "cyan",
}
_WIDTH = max(map(len, _COLORS))
_DIFFERENCES = 8  # that are shown of a quote
_QUOTE = 160  # characters of a quote that is fine
_MARKS = 'quotation marks (“…”, "…", «…» ...)'
_LOOKED_FOR = {
    "md": f"{_MARKS}, block quotes, <q> and <blockquote>",
    "html": f"{_MARKS}, <q> and <blockquote>",
    "json": f'texts under "quote", answers of pullquote ask --json, and {_MARKS} in other texts',
    "text": f"{_MARKS} and block quotes",
}


@click.command(
    "check",
    epilog="""Examples:

\b
  pullquote check report.md contracts/
  pullquote check report.html lease.pdf letters/ --report checked.html
  pullquote check answers.json notes.db --json
  pullquote check --source contracts/ chapter-1.md chapter-2.md
""",
)
@click.argument("paths", nargs=-1, required=True, metavar="DRAFT [SOURCE]...")
@click.option(
    "-s",
    "--source",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="A source; every PATH is then a draft. Repeatable.",
)
@click.option("--report", metavar="FILE", help="Write a page with each quote beside its source.")
@click.option(
    "--min-words",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="Quotes of fewer words are not looked for.",
)
@json_option
def command(
    paths: tuple[str, ...],
    sources: tuple[str, ...],
    report: str | None,
    min_words: int,
    as_json: bool,
) -> int:
    """Look for each quote of DRAFT in the SOURCEs, and say what differs.

    DRAFT is Markdown, HTML, JSON or plain text ("-" is standard input, as Markdown). Its quotes are
    in quotation marks of any style, block quotes, <q> and <blockquote>; in JSON, also what stands
    under "quote". A file name or page near a quote is where it should stand. A SOURCE is a
    document, a folder of documents, or an index.

    Verdicts: exact; typographic (the same but for marks, dashes, case, line breaks, elisions ...);
    drifted (at least four fifths of the words in order at one place); stitched (pieces of five
    words or more from several places); absent; uncheckable (too short, or its source is not there).

    Exit code 0 if every quote is exact or typographic and stands where the draft names, or is too
    short to be looked for; 1 if some are not, or a quotation mark is never closed, so that what it
    begins was not checked; 2 if they could not be checked, as without a draft.
    """
    drafts, named_sources = (paths, sources) if sources else (paths[:1], paths[1:])
    if not named_sources:
        raise click.UsageError("no source: give DRAFT and the documents that it quotes.")
    try:
        return 0 if _run(drafts, named_sources, report, min_words, as_json) else 1
    except PullquoteError as error:  # is no verdict
        say("error", error)
        return 2


def _run(
    drafts: Sequence[str],
    sources: Sequence[str],
    report: str | None,
    min_words: int,
    as_json: bool,
) -> bool:
    """Check the drafts and print what was found; whether all quotes are fine, and closed."""
    from pullquote.checking.check import Checker
    from pullquote.checking.drafts import format_of
    from pullquote.checking.report import counts, write_report
    from pullquote.checking.sources import Sources

    if report is not None:
        ensure_writable(report)
    texts = [read_text(draft, "a draft with quotes") for draft in drafts]
    with progress_bar("reading sources") as progress:
        read = Sources(sources, progress=progress)
    try:
        # a draft is no source of its own quotes
        others = [read if draft == "-" else read.without(draft) for draft in drafts]
        problems = [one for one in read.problems if any(one in other.problems for other in others)]
        for line in listed(problems, [], most=None):
            say("note", line)
        checked = [
            _check(Checker(other, min_words=min_words), draft, text)
            for draft, text, other in zip(drafts, texts, others, strict=True)
        ]
    finally:
        read.close()
    for one in checked:
        for line in one.ignored:
            say("note", f"{one.name}, {line}")
        if not one.checks and not one.unclosed:
            say("note", f"{one.name}: no quotes; looked for {_LOOKED_FOR[format_of(one.name)]}")
    if report is not None:
        write_report(report, checked)
    fine = all(draft.fine for draft in checked)
    if as_json:
        not_read = [{"document": one.path, "reason": one.reason} for one in problems]
        echo_json(
            {
                "fine": fine,
                "counts": counts(checked),
                "drafts": [_draft_dict(draft) for draft in checked],
                "not_read": not_read,
            }
        )
    else:
        for draft in checked:
            _print(draft)
        _print_summary(checked, report)
    return fine


def _check(checker: Checker, name: str, text: str) -> Checked:
    from pullquote.checking.drafts import format_of, read_draft
    from pullquote.checking.report import Checked

    try:
        draft = read_draft(text, format_of(name))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    found = draft.quotations
    with progress_bar("checking") as progress:
        tracked_ = tracked(checker.check_all(found), len(found), "checking", progress)
        checks = list(zip(found, tracked_, strict=True))
        return Checked(name, checks, draft.unclosed, draft.ignored)


def _draft_dict(draft: Checked) -> dict[str, Any]:
    return {
        "draft": draft.name,
        "quotes": [
            {"where": quotation.where, "line": quotation.line, **check.to_dict()}
            for quotation, check in draft.checks
        ],
        "unclosed": list(draft.unclosed),
        "ignored": list(draft.ignored),
    }


def _print(draft: Checked) -> None:
    for quotation, check in draft.checks:
        _print_check(draft.name, quotation, check)
    for where in draft.unclosed:
        word = click.style(f"{'unclosed':{_WIDTH}}", fg="red", bold=True)
        told = "this quotation is never closed, and was not checked"
        click.echo(f"{word}  {printable(f'{draft.name}, {where}')}: {told}")


def _print_check(name: str, quotation: Quotation, check: Check) -> None:
    verdict = click.style(f"{check.match:{_WIDTH}}", fg=_COLORS[check.match], bold=True)
    where = f"{name}:{quotation.line}" if quotation.line else f"{name}: {quotation.where}"
    quote = one_line(check.quote)
    if check.fine and len(quote) > _QUOTE:
        quote = f"{quote[: _QUOTE - 3]}..."
    click.echo(f'{verdict}  {printable(where)}  "{quote}"')
    indent = " " * (_WIDTH + 2)
    if check.reason:
        click.echo(f"{indent}{printable(check.reason)}")
    elif check.match == "absent":
        click.echo(f"{indent}{'nearest: ' if check.found else 'nothing near'}", nl=not check.found)
    for number, found in enumerate(check.found):
        if check.reason and check.match == "uncheckable":
            break
        text = "" if check.match in ("exact", "typographic") else f': "{one_line(found.text)}"'
        lead = "" if check.match == "absent" and not number else indent
        click.echo(f"{lead}{printable(_place(found))}{text}")
    if check.place == "elsewhere":
        click.echo(click.style(f"{indent}named: {printable(str(check.named))}", fg="yellow"))
    if check.match == "drifted":
        told = [one_line(str(one)) for one in check.differences[:_DIFFERENCES]]
        if (more := len(check.differences) - _DIFFERENCES) > 0:
            told.append(f"and {more:,} more")
        click.echo(f"{indent}{'; '.join(told)}")


def _place(found: Found) -> str:
    place = f"{shown(found.at.path)}, {found.at.within}"
    return f"{place} to {found.last.number}" if found.last.number != found.at.number else place


def _print_summary(drafts: Sequence[Checked], report: str | None) -> None:
    from pullquote.checking.report import counts

    total = sum(len(draft.checks) for draft in drafts)
    kinds = ", ".join(f"{number:,} {match}" for match, number in counts(drafts).items())
    elsewhere = sum(check.place == "elsewhere" for draft in drafts for _, check in draft.checks)
    named = f"; {elsewhere:,} not where the draft names" if elsewhere else ""
    open_ = sum(len(draft.unclosed) for draft in drafts)
    unclosed = f"; {open_:,} never closed" if open_ else ""
    where = f"; {printable(report)}" if report else ""
    click.echo(f"{count(total, 'quote')}{': ' if kinds else ''}{kinds}{named}{unclosed}{where}")
