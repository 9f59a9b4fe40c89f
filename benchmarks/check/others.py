"""What quotecheck, anchorcite and langextract say of quotes, and how long each takes.

Reads {"text": ..., "quotes": [...]} from standard input, and writes for each library and quote
whether it is "there", "nearly" there or "absent", where it begins and ends, as far as the library
tells, and the processor time in milliseconds. Each runs as it comes, on the whole text.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TypeAlias

Said: TypeAlias = "tuple[str, int | None, int | None]"  # the verdict, the first and last character


def quotecheck(text: str) -> Callable[[str], Said]:
    """It tells where a quote begins."""
    from quotecheck import check

    verdicts = {"found": "there", "interleaved": "there", "drift": "nearly"}

    def ask(quote: str) -> Said:
        found = check(quote, text)
        verdict = verdicts.get(found.status, "absent")
        return verdict, found.offset if verdict != "absent" else None, None

    return ask


def anchorcite(text: str) -> Callable[[str], Said]:
    """It tells the sentences that hold a quote; its verifier of meaning needs a model."""
    from anchorcite.split import split_sentences_with_offsets
    from anchorcite.verbatim import find_verbatim_span

    spans = split_sentences_with_offsets(text)  # once

    def ask(quote: str) -> Said:
        found = find_verbatim_span(quote, spans, text)
        if found is None:
            return "absent", None, None
        verdict = "there" if found.score == 1 else "nearly"
        return verdict, found.start_offset, found.end_offset

    return ask


def langextract(text: str) -> Callable[[str], Said]:
    from langextract.core.data import Extraction
    from langextract.resolver import Resolver

    resolver = Resolver()

    def ask(quote: str) -> Said:
        (found,) = resolver.align([Extraction("quote", quote)], text, 0, 0)
        if found.alignment_status is None or found.char_interval is None:
            return "absent", None, None
        verdict = "there" if found.alignment_status.name == "MATCH_EXACT" else "nearly"
        return verdict, found.char_interval.start_pos, found.char_interval.end_pos

    return ask


def main() -> None:
    given = json.load(sys.stdin)
    answers = {}
    for library in (quotecheck, anchorcite, langextract):
        ask = library(given["text"])
        rows = []
        for number, quote in enumerate(given["quotes"], 1):
            begin = time.process_time()
            said = ask(quote)
            rows.append([*said, (time.process_time() - begin) * 1000])
            if number % 25 == 0:
                print(f"{library.__name__}: {number}", file=sys.stderr, flush=True)
        answers[f"{library.__name__} {version(library.__name__)}"] = rows
    json.dump(answers, sys.stdout)


main()
