"""Reads the quotations of a draft in Markdown, HTML, JSON or plain text.

    draft = read_draft('He wrote: "It is due" (lease.pdf, p. 3).', "md")
    draft.quotations[0].text, draft.quotations[0].citation

Code is no quotation. Each comes with its line (in JSON, its path) and the words near it in which a
source may be named. Knows marks and formats, not sources.
"""

from __future__ import annotations

import bisect
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pullquote.checking.marks import (
    ASIDE,
    ASIDE_END,
    CLOSE,
    JOINED,
    OPEN,
    PARAGRAPH,
    Marked,
    asides,
    quotations,
    shown,
    unsigned,
)
from pullquote.checking.verdicts import UNITS, unit_of
from pullquote.errors import DataError, InputError
from pullquote.errors import shown as brief
from pullquote.json_text import parse_json
from pullquote.reading.sentences import sentence_ends
from pullquote.searching.markdown import prose

_FORMATS = {
    **dict.fromkeys((".md", ".markdown"), "md"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
}
_NEAR = 200  # characters after a quotation in which its source may be named
_BEFORE = 120

_FENCE = re.compile(r"\s{0,3}(?:[-*+] )*(`{3,}|~{3,})")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.{1,1000}?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"\[([^\[\]]{0,1000})\]\(\s{0,5}<?([^()\s<>]{0,1000})>?(?:\s{1,5}(?:\"[^\"]{0,500}\"|'[^']{0,500}'))?\s{0,5}\)"
)
_NOTE = re.compile(r"\[\^([^\[\]\s]{1,100})\](?!:)")
_NOTE_DEFINITION = re.compile(r"^ {0,3}\[\^([^\[\]\s]{1,100})\]:[ \t]*(.{0,500})", re.M)
_TAG = re.compile(r"<(/?)(q|blockquote)\b[^<>]{0,2000}>", re.IGNORECASE)
_CITE = re.compile(r"\bcite\s*=\s*[\"']([^\"'<>]{1,1000})[\"']", re.IGNORECASE)
_CITED = re.compile(
    rf"[^\w([{{]{{0,4}}(?:\([^()]{{1,200}}\)|\[[^\[\]]{{1,200}}\])|{ASIDE}[^{ASIDE_END}]*{ASIDE_END}"
)
_BRACKET = re.compile(r"\s*(?:\([^()]{1,200}\)|\[[^\[\]]{1,200}\])")
_ALERT = re.compile(r"\[!\w{1,20}\]")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,4}[.)])\s")
_ATTRIBUTION = re.compile(r"\s*(?:—|–|--|~|―)\s*\S")
# with a number or the name of a file: "(lease.pdf, p. 3)", "[lease](lease.pdf)."
_BRACKETED = re.compile(
    r"[(\[](?=[^()\[\]]{0,200}?(?:\d|\.\w{2,5}\b|\]\())[^()\[\]]{1,200}[)\]](?:\([^()]{1,1000}\))?\.?"
)
# what makes a text in marks the name of a sheet: "sheet “Prices”", "the “Prices” sheet"
_SHEET_BEFORE = re.compile(r"(?<!\w)(?:(?:work)?sheet|tab|blatt)\s?\Z", re.IGNORECASE)
_SHEET_AFTER = re.compile(r"\s(?:(?:work)?sheet|tab)(?!\w)", re.IGNORECASE)
_LONGEST_SHEET = 31  # characters
FILE_ENDINGS = (
    r"(?:pdf|docx?|pptx?|xls[xm]?|odt|odp|f?ods|rtf|epub|html?|xhtml|txt|text|md|markdown|rst|tex|"
    r"log|eml|mbox|csv|tsv|jsonl?|srt|vtt|parquet)"
)
"""A pattern for what the names of documents end with."""
_FILE_NAME = re.compile(rf"\S*[/\\]\S*|[^\n]{{1,150}}\.{FILE_ENDINGS}", re.IGNORECASE)
_FRONT = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)

# of JSON, in small letters without signs
_QUOTE_KEYS = tuple(
    f"{key}{end}"
    for key in ("quote", "quotation", "quotedtext", "excerpt", "verbatim")
    for end in ("", "s")
)
_SOURCE_KEYS = ("source", "document", "file", "path", "sourcefile", "filename", "url")
_BESIDE = (*_SOURCE_KEYS, *UNITS, "sheet", "unit", "number")
_LONGEST_PLACE = 40  # characters
_DEEPEST = 3  # objects in one another that name a source, for each of which all in it are looked at
_LONGEST_SIGN = 2  # of a unit, such as "pp", which is no key


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quotation of a draft."""

    text: str
    where: str
    """"line 12", or the path in JSON: "claims[0].quote"."""
    line: int | None = None
    citation: str = ""
    """What follows it, in which a source may be named."""
    before: str = ""
    source: str = ""
    """The source that JSON or HTML names for it."""
    unit: str = ""
    number: int | None = None
    sheet: str = ""
    until: int | None = None
    """The last number, if JSON names several: "3-5"."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The quotations of a draft in order, and the places of marks that are never closed."""

    quotations: tuple[Quotation, ...]
    unclosed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    """Places and sources beside quotations of JSON that are not understood."""


def format_of(name: str) -> str:
    """The format of a draft by its name: "md", "html", "json" or "text".

    Standard input is taken as Markdown, of which plain text is the simplest case.
    """
    if name == "-":
        return "md"
    return _FORMATS.get(Path(name).suffix.lower(), "text")


def read_draft(text: str, format: str = "md") -> Draft:
    """The quotations of a draft. Raises `InputError` for what is no JSON.

    >>> [one.text for one in read_draft("> Dogs are welcome.\\n\\nHe said “no” twice.").quotations]
    ['Dogs are welcome.', 'no']
    """
    if format == "json":
        return _read_json(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\ue000-\ue005]", "\ufffd", text)
    plain = _of_html(text) if format == "html" else _of_markdown(text, format == "md")
    return _read_plain(plain)


def _read_plain(text: str, path: str = "") -> Draft:
    ends = [found.start() for found in re.finditer("\n", text)]

    def where(at: int) -> str:
        return path or f"line {line(at)}"

    def line(at: int) -> int:
        return bisect.bisect_left(ends, at) + 1

    unclosed: list[str] = []
    marked = quotations(text, lambda at: unclosed.append(where(at)))
    found = [one for one in marked if not _is_name(text, one)]
    quoted = []
    for number, one in enumerate(found):
        limit = found[number + 1].start if number + 1 < len(found) else len(text)
        since = found[number - 1].end if number else 0
        after = text[one.end : min(limit, one.end + _NEAR)]
        if cited := _CITED.match(text, since, one.start) if number else None:
            since = cited.end()
        before = text[max(since, one.start - _BEFORE) : one.start]
        if not one.block:
            after = re.split(rf"\n\s*\n|{PARAGRAPH}", after)[0]
            if number + 1 < len(found) and one.end + len(after) == found[number + 1].start:
                after = _own_sentence(one.text, after)
            before = re.split(rf"\n\s*\n|{PARAGRAPH}", before)[-1]
        # the line of its first word
        at = one.start + 1
        while at < one.end - 1 and (text[at].isspace() or text[at] in PARAGRAPH):
            at += 1
        quoted.append(
            Quotation(
                one.text,
                where(at),
                None if path else line(at),
                f"{asides(text[one.start : one.end])} {unsigned(after)}".strip(),
                _last_sentence(unsigned(before)),
            )
        )
    return Draft(tuple(quoted), tuple(unclosed))


def _is_name(text: str, marked: Marked) -> bool:
    """Whether what stands in marks is the name of a file or a sheet."""
    if _FILE_NAME.fullmatch(marked.text):
        return True
    before, after = text[: marked.start][-12:], text[marked.end :][:12]
    near = _SHEET_BEFORE.search(before) or _SHEET_AFTER.match(after)
    return near is not None and len(marked.text) <= _LONGEST_SHEET and not marked.block


def _own_sentence(quote: str, after: str) -> str:
    """What follows a quotation, without the sentence that leads to the next one, but for brackets.

    >>> _own_sentence("The rent is due", " (a.pdf). In b.pdf he writes ")
    ' (a.pdf).'
    >>> _own_sentence("The rent is due.", " In b.pdf he writes "), _own_sentence("x", " and ")
    ('', ' and ')
    """
    ends = [*sentence_ends(f"{after} X")]
    if not ends and quote[-1:] in ".!?" and after.lstrip()[:1].isupper():
        ends = [0]
    if not ends:
        return after
    bracket = _BRACKET.match(after, min(ends[-1], len(after)))
    return after[: bracket.end()] if bracket else after[: ends[-1]]


def _last_sentence(text: str) -> str:
    """What stands in the sentence of a quotation before it, rather than what others cite."""
    ends = [0, *sentence_ends(f"{text} X")]
    return text[ends[-1] :].strip()


# ---- Markdown and plain text


def _of_markdown(text: str, markup: bool) -> str:
    """The text of Markdown with its line breaks, block quotes between signs, and no code."""
    if markup:
        text = _FRONT.sub(_only_breaks, text)
        text = _without_comments(text)
    notes = dict(_NOTE_DEFINITION.findall(text)) if markup else {}
    pieces: list[str] = []
    for kind, lines in _line_blocks(text.split("\n"), markup):
        block = "\n".join(lines)
        if kind == "code":
            pieces.append(PARAGRAPH + "\n" * block.count("\n"))
        elif kind == "quote":
            pieces.append(_block_quote(lines, markup, notes))
        else:
            pieces.append(_inline(block, notes) if markup else block)
    return "\n".join(pieces)


def _line_blocks(lines: list[str], markup: bool) -> Iterator[tuple[str, list[str]]]:
    """Runs of lines of one kind: "code", "quote" or "prose"; together they are all lines."""
    kind = ""
    held: list[str] = []
    fence = ""
    blank, in_list = True, False
    for line in lines:
        opened = _FENCE.match(line) if markup else None
        if fence:
            now = "code"
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opened:
            now, fence = "code", opened[1]
        elif re.match(r" {0,3}>", line):
            now = "quote"
        elif (
            markup
            and not in_list
            and re.match(r"(?: {4}|\t)\s*\S", line)
            and (blank or kind == "code")
        ):
            now = "code"
        else:
            now = "prose"
        if line.strip():
            in_list = bool(_ITEM.match(line)) or (in_list and line[:1].isspace())
        blank = not line.strip()
        # each item, heading and row is a paragraph
        parted = markup and now == "prose" and bool(_ITEM.match(line) or re.match(r"\s*[#|]", line))
        if held and (now != kind or parted):
            yield kind, held
            held = []
            if parted and kind == now:
                line = PARAGRAPH + line
        kind = now
        held.append(line)
    if held:
        yield kind, held


def _block_quote(lines: list[str], markup: bool, notes: dict[str, str]) -> str:
    """A block quote between signs; its last line may name the source."""
    inner = [re.sub(r"^(?: {0,3}> ?)+", "", line) for line in lines]
    if _ALERT.match(inner[0].strip()):
        return PARAGRAPH + "\n".join(inner) + PARAGRAPH
    last = len(inner)
    while last > 1 and not inner[last - 1].strip():
        last -= 1
    names = _ATTRIBUTION.match(inner[last - 1]) or _BRACKETED.fullmatch(inner[last - 1].strip())
    named = last - 1 if last > 1 and names else last
    inside, after = "\n".join(inner[:named]), "\n".join(inner[named:])
    if markup:
        fenced = [
            line
            for kind, some in _line_blocks(inner[:named], True)
            if kind != "code"
            for line in some
        ]
        if len(fenced) < named:  # code within
            inside = "\n".join(fenced) + "\n" * (named - len(fenced))
        inside, after = _inline(inside, notes), _inline(after, notes)
    end = "\n" if named < len(inner) else ""
    return f"{PARAGRAPH}{OPEN}{inside}{CLOSE}{end}{after}"


def _inline(text: str, notes: dict[str, str]) -> str:
    """Some lines of Markdown without markup; marks in code, and titles of links, are no marks."""

    def code(found: re.Match[str]) -> str:
        return found[1] + re.sub("[\"'“”„‘’«»「」『』]", " ", found[2]) + found[1]

    def tag(found: re.Match[str]) -> str:
        if found[1]:
            return CLOSE
        cite = _CITE.search(found[0])
        return (f"{ASIDE}{cite[1]}{ASIDE_END}" if cite else "") + OPEN

    def note(found: re.Match[str]) -> str:
        return f"{ASIDE} ({notes.get(found[1], '')}) {ASIDE_END}"

    text = _CODE.sub(code, text)
    text = _TAG.sub(tag, text)
    text = _NOTE_DEFINITION.sub(lambda found: "\n" * found[0].count("\n"), text)
    text = _NOTE.sub(note, text)
    text = _LINK.sub(rf"\1{ASIDE} (\2) {ASIDE_END}", text)
    return prose(text)


def _without_comments(text: str) -> str:
    pieces: list[str] = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin)) >= 0:
        pieces += [text[at:begin], "\n" * text.count("\n", begin, end)]
        at = end + 3
    return "".join([*pieces, text[at:]])


def _only_breaks(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


# ---- HTML


class _Page(HTMLParser):
    """The text of a page with its line breaks, and signs around quotations."""

    _LEFT_OUT = frozenset(("script", "style", "template", "pre", "code", "textarea", "title"))
    _BLOCKS = frozenset(
        [
            "p",
            "div",
            "li",
            "ul",
            "ol",
            "dl",
            "dt",
            "dd",
            "table",
            "tr",
            "td",
            "th",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "section",
            "article",
            "main",
            "header",
            "footer",
            "nav",
            "aside",
            "figure",
            "figcaption",
            "form",
            "hr",
            "br",
            "body",
            "address",
            "details",
            "summary",
        ]
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._line = 1
        self._depth = 0  # of elements that are left out
        self._quotes: list[str] = []

    def _add(self, text: str) -> None:
        line, _ = self.getpos()
        if line > self._line:
            self.pieces.append("\n" * (line - self._line))
            self._line = line
        self.pieces.append(text)
        self._line += text.count("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._LEFT_OUT:
            self._depth += 1
        elif tag in ("q", "blockquote"):
            cite = dict(attrs).get("cite")
            self._quotes.append(cite or "")
            self._add(OPEN)
        elif tag in self._BLOCKS:
            self._add(" " if self._quotes else PARAGRAPH)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._LEFT_OUT:
            self._depth = max(0, self._depth - 1)
        elif tag in ("q", "blockquote") and self._quotes:
            cite = self._quotes.pop()
            self._add(CLOSE + (f"{ASIDE}({cite}){ASIDE_END}" if cite else ""))
        elif tag in self._BLOCKS:
            self._add(" " if self._quotes else PARAGRAPH)

    def handle_data(self, data: str) -> None:
        self._add("\n" * data.count("\n") if self._depth else data)


def _of_html(text: str) -> str:
    page = _Page()
    page.feed(_with_ends(text))
    page.close()

    def joined(found: re.Match[str]) -> str:
        return found[1].replace("\n", f"\n{JOINED}") + "\n"

    return re.sub(r"(\n\s*)\n", joined, "".join(page.pieces))


def _with_ends(text: str) -> str:
    """HTML in which every comment and tag has an end, as far as one of its kind follows.

    The parser looks for each end in all of the rest, which took 17 s for 200 KB of "<!--".
    """
    text = text.replace("<![", "<?")  # sections, which HTML ends at the next ">", too
    for sign, end in (("<!--", "-->"), ("<", ">")):
        last = text.rfind(end) + 1
        text = text[:last] + text[last:].replace(sign, f"&lt;{sign[1:]}")
    return text


# ---- JSON


def _read_json(text: str) -> Draft:
    try:
        values = [("", parse_json(text))]
    except DataError as error:
        try:  # JSON Lines
            lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
            values = [(f"line {n}", parse_json(line)) for n, line in lines]
        except DataError:
            raise InputError(f"{error}; expected a draft in JSON or JSON Lines") from None
    collected = _Collected()
    try:
        for path, value in values:
            collected.walk(value, path, {})
    except RecursionError:
        raise InputError("JSON that is nested too deeply; expected a draft") from None
    return collected.draft()


class _Collected:
    """What is found in the values of a draft in JSON."""

    def __init__(self) -> None:
        self._quotations: list[Quotation] = []
        self._unclosed: list[str] = []
        self._ignored: dict[tuple[str, str], list[str]] = {}  # of a kind, which is told once

    def draft(self) -> Draft:
        ignored = (
            f"{found[0]}{f' (and of {len(found) - 1:,} more)' if len(found) > 1 else ''}"
            for found in self._ignored.values()
        )
        return Draft(tuple(self._quotations), tuple(self._unclosed), tuple(ignored))

    def walk(self, value: Any, path: str, near: dict[str, Any], *, quoted: bool = False) -> None:
        """Collect the quotations of a value; `near` are the source and place named beside it.

        `quoted` is an object that stands for a quote: {"quotes": [{"text": ..., "page": 3}]}.
        """
        if isinstance(value, str):
            draft = _read_plain(_of_markdown(html.unescape(value), True), path or "text")
            self._quotations += draft.quotations
            self._unclosed += draft.unclosed
        elif isinstance(value, list):
            for number, one in enumerate(value):
                self.walk(one, f"{path}[{number}]", near)
        elif isinstance(value, dict):
            own = _named_in(value)
            if any(key in _SOURCE_KEYS for key in own):
                near = {}  # whose place was another
            elif own:
                near = {key: near[key] for key in _SOURCE_KEYS if key in near}
            near = near | own
            # of `pullquote ask --json`: an answer names its document, if there were several
            answer = "document" in value or "start_logit" in value
            bare = quoted and not any(_known(key) in _QUOTE_KEYS for key in value)
            of_answer = ("text",) if answer or bare else ()
            for key, one in value.items():
                below = f"{path}.{key}" if path else str(key)
                if (known := _known(key)) in (*_QUOTE_KEYS, *of_answer):
                    for number, text in enumerate(one if isinstance(one, list) else [one]):
                        place = f"{below}[{number}]" if isinstance(one, list) else below
                        if isinstance(text, str):
                            self._explicit(text, place, near)
                        else:
                            before = len(self._quotations)
                            self.walk(text, place, near, quoted=True)
                            if len(self._quotations) == before and _has_texts(text):
                                expected = "a text, or an object with one under text or quote"
                                self._ignore(place, known, text, expected, "not checked")
                elif (
                    known not in _BESIDE or isinstance(one, (dict, list)) or _is_content(known, one)
                ):
                    self.walk(one, below, near)

    def _explicit(self, text: str, path: str, near: dict[str, Any]) -> None:
        """Collect a text that is a quotation as a whole."""
        if not (text := shown(text)):
            return
        if near.get("number") is not None and (said := near.get("unit")):
            if unit := unit_of(said) if isinstance(said, str) else "":
                given = {key: value for key, value in near.items() if value is not None}
                near = {unit: near["number"]} | given
            else:
                self._ignore(path, "unit", said, f"one of {', '.join(UNITS)}")
        unit, number, until = "", None, None
        for key in UNITS:
            value = near.get(key)
            first, last = _integers(value)
            if first is None and value not in (None, ""):
                self._ignore(path, key, value, 'a number, such as 3 or "3-5"')
            if number is None and first is not None:
                unit, number, until = key, first, last
        sheet = near.get("sheet") or ""
        if not isinstance(sheet, (str, int)) or sheet is True:
            self._ignore(path, "sheet", sheet, "a name, or a number")
            sheet = ""
        named = [(key, near[key]) for key in _SOURCE_KEYS if near.get(key)]
        source = next((one for _, one in named if isinstance(one, str)), "")
        if named and not source and not isinstance(named[0][1], dict):
            self._ignore(path, *named[0], "one name of a file")
        self._quotations.append(
            Quotation(
                text,
                path,
                source=source,
                unit=unit,
                number=number,
                sheet=str(sheet).strip(),
                until=until,
            )
        )

    def _ignore(
        self, path: str, key: str, value: object, expected: str, so: str = "not compared"
    ) -> None:
        told = f"{path}: {key} is {brief(value)}, expected {expected}; {so}"
        self._ignored.setdefault((key, expected), []).append(told)


def _has_texts(value: object) -> bool:
    """Whether an object under the name of a quote has texts, of which none is the quote."""
    if not isinstance(value, dict):
        return False
    return not any(_known(key) in ("text", *_QUOTE_KEYS) for key in value) and any(
        isinstance(one, str) and _known(key) not in _BESIDE for key, one in value.items()
    )


def _known(key: str) -> str:
    """A key of JSON in the style of the keys above.

    >>> [_known(key) for key in ("pageNumber", "page-no", "Lines", "quoted_text", "Mode")]
    ['page', 'page', 'line', 'quotedtext', 'mode']
    """
    name = re.sub(r"[\W_]+", "", key).casefold()
    unit = re.sub(r"(?<=.)(?:numbers?|no|nr|num)\Z", "", name)
    return unit_of(unit) if len(unit) > _LONGEST_SIGN and unit_of(unit) else name


def _named_in(value: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """The source and place that an object names, by the keys that are known."""
    own: dict[str, Any] = {}
    for key, one in value.items():
        if (known := _known(key)) in _BESIDE and not _is_content(known, one):
            own.setdefault(known, one)
    for key in _SOURCE_KEYS:
        one = own.get(key)
        if isinstance(one, list) and len(one) == 1:
            own[key] = one = one[0]
        if isinstance(one, dict) and depth < _DEEPEST:  # {"name": "lease.pdf", "page": 3}
            inner = _named_in(one, depth + 1)
            names = (inner.pop(name, None) for name in _SOURCE_KEYS)
            given = next((name for name in (*names, one.get("name")) if isinstance(name, str)), "")
            if given:
                own[key] = given
                own = inner | own
    return own


def _is_content(key: str, value: object) -> bool:
    """Whether what stands under the key of a place is no place, but a part of the draft.

    >>> _is_content("section", [{"quote": "a b c"}]), _is_content("page", {"from": 3, "to": 5})
    (True, False)
    """
    if key not in UNITS:
        return False
    if isinstance(value, dict):
        return any(
            _known(name) in _QUOTE_KEYS or isinstance(one, (dict, list))
            for name, one in value.items()
        )
    held = value if isinstance(value, list) else [value]
    return any(
        isinstance(one, (dict, list)) or (isinstance(one, str) and len(one) > _LONGEST_PLACE)
        for one in held
    )


def _integers(value: Any) -> tuple[int | None, int | None]:
    """A number of JSON, also in words such as "p. 3", and the last of several.

    >>> [_integers(value) for value in (3, "3", "p. 3", "112-14", "iv", True, None)]
    [(3, None), (3, None), (3, None), (112, 114), (None, None), (None, None), (None, None)]
    >>> _integers([3, 5]), _integers(3.0)
    ((3, 5), (3, None))
    """
    if isinstance(value, list):
        numbers = [_integers(one)[0] for one in value]
        if not numbers or None in numbers:
            return None, None
        return numbers[0], range_end(str(numbers[0]), str(numbers[-1]))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        found = re.match(r"\D{0,12}(\d{1,6})(?!\d)(?:\s?[-‐-―]\s?(\d{1,6})(?!\d))?", value)
        return (int(found[1]), range_end(*found.groups())) if found else (None, None)
    return (value if isinstance(value, int) and not isinstance(value, bool) else None), None


def range_end(first: str, last: str | None) -> int | None:
    """The last number of a range; None if that is no greater than the first.

    >>> range_end("3", "5"), range_end("112", "14"), range_end("3", None), range_end("5", "3")
    (5, 114, None, None)
    """
    if last and len(last) < len(first):  # "112-14"
        last = first[: -len(last)] + last
    return int(last) if last and int(last) > int(first) else None
