"""The source and the page that a draft names beside a quotation.

    name = named('(lease.pdf, p. 3)', "", Names(["/home/ann/lease.pdf"]))
    str(name)                                    # "lease.pdf, page 3"

The name of a file counts anywhere near; in brackets or after a dash, so does one without its
ending. Knows names of documents and words, not what documents say.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pullquote.checking.drafts import Quotation
from pullquote.checking.verdicts import Named

_SHORTEST = 3  # characters of a name without its ending
_AFTER = 40  # characters after a name in which its page may stand

_FILE = re.compile(
    r"(?<![\w/@])(?:file://)?([\w.~%/+-]*[\w%-]\."
    r"(?:pdf|docx?|pptx?|xlsx?|odt|odp|ods|rtf|epub|html?|xhtml|txt|text|md|markdown|rst|tex|log|"
    r"eml|mbox|csv|tsv|jsonl?|srt|vtt|parquet))\b(?:#page=(\d{1,6})|:(\d{1,6}))?",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<!\w)(?:#page=|(pages?|pp?\.?|pg\.?|seite|s\.|lines?|ll?\.|slide|section|paragraph|row)"
    r"\s?)(\d{1,6})(?!\w)",
    re.IGNORECASE,
)
# brackets or a dash at once after the quotation, and what they hold
_CITED = re.compile(r"\W{0,4}(?:\(([^()]{1,150})\)|\[([^\[\]]{1,150})\]|[—–―~-]{1,3}\s*(.{1,150}))")


class Names:
    """The names of documents, by which a draft may name them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        stems: dict[str, list[str]] = defaultdict(list)
        for path in dict.fromkeys(paths):
            name = Path(path).name
            self._by_name[name.casefold()].append(path)
            stem = _words(Path(path).stem)
            if len(stem) >= _SHORTEST:
                stems[stem].append(path)
        self._stems = stems
        self._spaced = [name for name in self._by_name if " " in name]

    def with_blanks(self, text: str) -> re.Match[str] | None:
        """Where a text has the name of a document with blanks in it."""
        low = text.casefold()
        for name in self._spaced:
            if name in low and (found := re.search(re.escape(name), text, re.IGNORECASE)):
                return found
        return None

    def documents(self, name: str) -> tuple[str, ...]:
        """The documents whose path is a name, or ends with it.

        >>> Names(["/a/old/lease.pdf", "/a/lease.pdf"]).documents("old/lease.pdf")
        ('/a/old/lease.pdf',)
        """
        name = name.split("#")[0].removeprefix("./").replace("%20", " ")
        end = os.sep + name.lstrip("./").casefold()
        same = self._by_name.get(Path(name).name.casefold(), [])
        return tuple(path for path in same if (os.sep + path.casefold()).endswith(end))

    def titled(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The name in some words, without an ending, and its documents.

        >>> Names(["/a/house-rules.docx"]).titled("House rules, p. 2")
        ('House rules', ('/a/house-rules.docx',))
        """
        title = re.split(r"[,;:]|\s(?:pp?\.|page|line|#)", text)[0].strip(' ."“”*_')
        return title, tuple(self._stems.get(_words(title), ()))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def named(quotation: Quotation, names: Names) -> Named | None:
    """What a draft names as the source of a quotation; None if it names nothing."""
    if quotation.source:
        return _explicit(quotation, names)
    cited = _CITED.match(quotation.citation)
    words = next((one for one in cited.groups() if one), "") if cited else ""
    for text in (words, quotation.citation, quotation.before):
        if file := names.with_blanks(text):
            number = _number(text[file.end() :][:_AFTER])
            return Named(file[0], names.documents(file[0]), *number)
        files = list(_FILE.finditer(text))
        # of what stands before it, the last name is the nearest
        if files and (file := files[-1 if text is quotation.before else 0]):
            if file[2] or file[3]:
                number = ("page", int(file[2])) if file[2] else ("line", int(file[3]))
            else:
                number = _number(text[file.end() :][:_AFTER])
            return Named(file[1], names.documents(file[1]), *number)
    title, documents = names.titled(words) if words else ("", ())
    if documents:
        return Named(title, documents, *_number(words))
    if words and (found := _NUMBER.match(words.strip())):
        return Named("", (), *_number(found[0]))
    return None


def _explicit(quotation: Quotation, names: Names) -> Named:
    documents = names.documents(quotation.source) or names.titled(quotation.source)[1]
    unit, number = quotation.unit, quotation.number
    if number is None:
        unit, number = _number(quotation.source)
    return Named(quotation.source, documents, unit, number)


def _number(text: str) -> tuple[str, int | None]:
    """The unit and number in some words.

    >>> _number("p. 3"), _number("lines 12-14"), _number("")
    (('page', 3), ('line', 12), ('', None))
    """
    found = _NUMBER.search(text)
    if not found:
        return "", None
    word = (found[1] or "page").casefold().rstrip(".")
    if word in ("slide", "section", "paragraph", "row"):
        return word, int(found[2])
    return ("line" if word.startswith("l") else "page"), int(found[2])
