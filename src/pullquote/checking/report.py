"""One page that shows each quote beside its source, with what differs marked in both.

    write_report("report.html", [Checked("draft.md", pairs)])

The page has no scripts and loads nothing; all text of drafts and sources is escaped.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from pullquote.checking.drafts import Quotation
from pullquote.checking.verdicts import MATCHES, Check, Found
from pullquote.files import atomic_write

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft, its quotations with their verdicts, marks without an end, and what was ignored."""

    name: str
    checks: Sequence[tuple[Quotation, Check]]
    unclosed: Sequence[str] = ()
    ignored: Sequence[str] = ()

    @property
    def fine(self) -> bool:
        """Whether nobody needs to look at it: all quotes are fine, and all marks closed."""
        return not self.unclosed and all(check.fine for _, check in self.checks)


def counts(drafts: Iterable[Checked]) -> dict[str, int]:
    """How many quotes there are of each verdict, without those of which there are none."""
    found = Counter(check.match for draft in drafts for _, check in draft.checks)
    return {match: found[match] for match in MATCHES if found[match]}


def write_report(path: str | os.PathLike[str], drafts: Sequence[Checked]) -> None:
    """Write the page. Raises `OutputError`."""
    with atomic_write(path) as file:
        file.write(_page(drafts))


def _page(drafts: Sequence[Checked]) -> str:
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    total = sum(len(draft.checks) for draft in drafts)
    look = sum(not check.fine for draft in drafts for _, check in draft.checks)
    kinds = "\n".join(
        f'<li><b class="{match}">{number:,}</b> {match}</li>'
        for match, number in counts(drafts).items()
    )
    title = "Quotes of " + ", ".join(escape(draft.name) for draft in drafts)
    verdict = f"{look:,} of {total:,} need a look" if look else f"all {total:,} are fine"
    if unclosed := sum(len(draft.unclosed) for draft in drafts):
        verdict += f"; {unclosed:,} never closed, and not checked"
    body = "\n".join(_draft(draft, headed=len(drafts) > 1) for draft in drafts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="soft">{verdict}.</p>
<ul class="counts">
{kinds}
</ul>
</header>
<main>
{body}
</main>
<footer>Written by pullquote check.</footer>
</body>
</html>
"""


def _draft(draft: Checked, *, headed: bool) -> str:
    parts = [f"<h2>{escape(draft.name)}</h2>"] if headed else []
    parts += [_article(quotation, check) for quotation, check in draft.checks]
    if draft.unclosed:
        where = ", ".join(map(escape, draft.unclosed))
        parts.append(f'<p class="note">Quotations that are never closed: {where}.</p>')
    parts += [f'<p class="note">{escape(line)}.</p>' for line in draft.ignored]
    return "\n".join(parts)


def _article(quotation: Quotation, check: Check) -> str:
    place = f'<span class="{check.place.replace(" ", "-")}">{check.place}</span>'
    named = f"<span>named: {escape(str(check.named))}</span>" if check.named else ""
    heading = "Nearest passage" if check.match in ("absent", "uncheckable") else "Source"
    source = "\n".join(_source(found, check, heading) for found in check.found)
    if not source:
        heading, words = ("Source", "not looked for") if check.short else (heading, "nothing near")
        source = f'<h3>{heading}</h3>\n<p class="soft">{words}</p>'
    shared = f"<span>{100 * check.similarity:.0f} % alike</span>" if check.found else ""
    kind = f"{check.match} elsewhere" if check.place == "elsewhere" else check.match
    wrong = [(one.quote_start, one.quote_end) for one in check.differences]
    there = (
        []
        if check.match in ("absent", "uncheckable")
        else [(one.quote_start, one.quote_end) for one in check.found]
    )
    note = f'<p class="note">{escape(check.reason)}</p>\n' if check.reason else ""
    return f"""<article class="{kind}">
<header><b class="{check.match}">{check.match}</b> {place if check.place else ""}
<span class="soft">{escape(quotation.where)}</span> {shared} {named}</header>
<div class="sides">
<div><h3>Quote</h3>
<p>{_marked(check.quote, there, wrong)}</p></div>
<div>{source}</div>
</div>
{note}</article>"""


def _source(found: Found, check: Check, heading: str) -> str:
    """A passage of a source with the rest of its sentence around it."""
    wrong = [
        (one.start - found.start, one.end - found.start)
        for one in check.differences
        if found.start <= one.start and one.end <= found.end
    ]
    near = check.match in ("absent", "uncheckable")
    text = _marked(found.text, [] if near else [(0, len(found.text))], [] if near else wrong)
    place = escape(f"{Path(found.at.path).name}, {found.at.within}")
    return (
        f"<h3>{heading}: {place}, characters {found.start}–{found.end}</h3>\n"
        f"<p>{escape(found.before)}{text}{escape(found.after)}</p>"
    )


def _marked(text: str, there: Iterable[Range], wrong: Iterable[Range]) -> str:
    """A text with marks around what is there, and other marks around what differs."""
    kinds = [""] * len(text)
    for ranges, kind in ((there, "<mark>"), (wrong, '<mark class="differs">')):
        for start, end in ranges:
            kinds[start:end] = [kind] * (min(end, len(text)) - start)
    pieces: list[str] = []
    begin = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or kinds[at] != kinds[begin]:
            piece = escape(text[begin:at])
            pieces.append(f"{kinds[begin]}{piece}</mark>" if kinds[begin] else piece)
            begin = at
    return "".join(pieces)
