"""What quotecheck, anchorcite and langextract say of quotes, and how long each takes.

Reads {"text": ..., "quotes": [...]} from standard input, and writes for each library whether it
finds each quote (with a few changes at most), and its processor time in milliseconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def quotecheck(text: str) -> Callable[[str], bool]:
    from quotecheck import check

    return lambda quote: check(quote, text).status != "absent"


def anchorcite(text: str) -> Callable[[str], bool]:
    from anchorcite.split import split_sentences_with_offsets
    from anchorcite.verbatim import find_verbatim_span

    spans = split_sentences_with_offsets(text)  # once; its verifier of meaning needs a model
    return lambda quote: find_verbatim_span(quote, spans, text) is not None


def langextract(text: str) -> Callable[[str], bool]:
    from langextract.core.data import Extraction
    from langextract.resolver import Resolver

    resolver = Resolver()

    def there(quote: str) -> bool:
        found = list(resolver.align([Extraction("quote", quote)], text, 0, 0))
        status = found[0].alignment_status
        return status is not None and status.name in ("MATCH_EXACT", "MATCH_FUZZY")

    return there


def main() -> None:
    given = json.load(sys.stdin)
    answers = {}
    for library in (quotecheck, anchorcite, langextract):
        ask = library(given["text"])
        rows = []
        for quote in given["quotes"]:
            begin = time.process_time()
            there = ask(quote)
            rows.append([there, (time.process_time() - begin) * 1000])
        answers[library.__name__] = rows
    json.dump(answers, sys.stdout)


main()
