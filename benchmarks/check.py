"""How often `check` is right, how exact its offsets are, and how long it takes.

    python benchmarks/check.py                          # made and blind quotes
    python benchmarks/check.py --others PYTHON          # beside quotecheck, anchorcite, langextract
    python benchmarks/check.py --squad train.json.gz    # in an index of 100,000 passages, too
    python benchmarks/check.py -o FILE                  # writes what was measured, too

The others run in an environment of their own: pip install quotecheck anchorcite langextract. All of
them, pullquote included, get the same quotes, the same number of each verdict. Times are processor
times.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "check"))

from machine import machine  # noqa: E402
from made import Quote, made  # noqa: E402

from pullquote import Checker, Index  # noqa: E402
from pullquote.checking.verdicts import Check  # noqa: E402
from pullquote.data import load  # noqa: E402
from pullquote.files import write_json  # noqa: E402
from pullquote.reading.sentences import sentences  # noqa: E402

TEXTS = HERE / "people" / "texts"
SIZE = 200_000  # characters
PASSAGES = 100_000
SAYS = {"exact": "there", "typographic": "there", "drifted": "nearly"}  # else "absent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=600, help="made quotes")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--others", metavar="PYTHON", help="where the other libraries are")
    parser.add_argument("--beside", type=int, default=25, help="quotes of each verdict for them")
    parser.add_argument("--squad", metavar="FILE", help="SQuAD, for the passages of the index")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    files = sorted(TEXTS.glob("*/*.txt"))
    text = "\n\n".join(file.read_text("utf-8") for file in files)[:SIZE]
    quotes = list(made(text, options.number, options.seed))
    checker = Checker({"id": "texts", "text": text})
    given = ["PYTHON" if one == options.others else one for one in sys.argv[1:]]
    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "benchmarks/check.py", *given]),
        "machine": machine(),
        "made": of_made(checker, text, quotes),
        "blind": of_blind(),
    }
    if options.others:
        result["beside"] = beside(checker, text, options)
    if options.squad:
        result["index"] = in_index(options)
    if options.output:
        write_json(options.output, result)


def timed(checker: Checker, quote: str) -> tuple[Check, float]:
    begin = time.process_time()
    found = checker.check(quote)
    return found, (time.process_time() - begin) * 1000


def spread(times: list[float]) -> dict[str, float]:
    times = sorted(times)
    found = {"median": statistics.median(times), "95 %": times[len(times) * 95 // 100]}
    return {name: round(value, 2) for name, value in {**found, "most": times[-1]}.items()}


def shares(right: Counter[str], total: Counter[str]) -> str:
    return f"{sum(right.values())} of {sum(total.values())}"


def of_made(checker: Checker, text: str, quotes: list[Quote]) -> dict[str, Any]:
    begin = time.process_time()
    checker.check("not in the text at all")  # folds it
    folding = (time.process_time() - begin) * 1000
    right, total, exact, found_ones = Counter(), Counter(), 0, 0
    times = []
    for quote in quotes:
        check, took = timed(checker, quote.quote)
        times.append(took)
        total[quote.kind] += 1
        right[quote.kind] += check.match == quote.match
        if check.match == quote.match and quote.spans:
            found_ones += 1
            # the same words may stand elsewhere, too
            there = [(one.start, one.end) for one in check.found]
            exact += [text[a:b] for a, b in quote.spans] == [text[a:b] for a, b in there]
    print(f"made quotes in {len(text):,} characters: {shares(right, total)} verdicts right")
    for kind in total:
        if right[kind] < total[kind]:
            print(f"  {kind}: {right[kind]} of {total[kind]}")
    print(f"  offsets exact: {exact} of {found_ones}")
    print(f"  ms a quote: {spread(times)}; folding the source once {folding:.0f}")
    return {
        "quotes": total.total(),
        "right": right.total(),
        "found": found_ones,
        "offsets exact": exact,
        "ms": spread(times),
        "ms of folding": round(folding),
    }


def of_blind() -> dict[str, int]:
    lines = (HERE / "check" / "blind.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    checkers: dict[str, Checker] = {}
    right, total = Counter(), Counter()
    for row in rows:
        checker = checkers.setdefault(row["source"], Checker(TEXTS / row["source"]))
        total[row["match"]] += 1
        right[row["match"]] += checker.check(row["quote"]).match == row["match"]
    print(f"blind quotes: {shares(right, total)} verdicts right")
    return {"quotes": total.total(), "right": right.total()}


def beside(checker: Checker, text: str, options: argparse.Namespace) -> dict[str, Any]:
    """Ask all libraries whether quotes are there, nearly there, or absent, and where."""
    some: dict[str, list[Quote]] = {}
    for quote in made(text, 40 * options.beside, options.seed + 1):
        if quote.match != "uncheckable":
            some.setdefault(quote.match, []).append(quote)
    random_ = random.Random(options.seed)
    chosen = [one for of in some.values() for one in random_.sample(of, options.beside)]
    given = json.dumps({"text": text, "quotes": [quote.quote for quote in chosen]})
    done = subprocess.run(
        [options.others, str(HERE / "check" / "others.py")],
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = {"pullquote": [ours(checker, quote.quote) for quote in chosen]}
    answers |= json.loads(done.stdout)
    print(f"beside others, {options.beside} quotes of each verdict: verdicts right / places right")
    print(f"| | {' | '.join(some)} | ms a quote, median |\n|---|{'---:|' * (len(some) + 1)}")
    result = {}
    for name, rows in answers.items():
        right: dict[str, list[int]] = {match: [0, 0] for match in some}
        for quote, (said, start, end, _) in zip(chosen, rows, strict=True):
            right[quote.match][0] += said == SAYS.get(quote.match, "absent")
            holds = name.startswith("anchorcite")
            right[quote.match][1] += is_place(text, quote, start, end, sentences=holds)
        took = [row[3] for row in rows]
        cells = [f"{a} / {b}" if match in SAYS else f"{a}" for match, (a, b) in right.items()]
        print(f"| {name} | {' | '.join(cells)} | {statistics.median(took):,.1f} |")
        result[name] = {"verdicts and places right": right, "ms": spread(took)}
    return {"quotes of each verdict": options.beside, "libraries": result}


def ours(checker: Checker, quote: str) -> list[Any]:
    """What `check` says, in the form of the others."""
    check, took = timed(checker, quote)
    says = SAYS.get(check.match, "absent")
    place = [None, None] if says == "absent" else [check.found[0].start, check.found[-1].end]
    return [says, *place, took]


def is_place(
    text: str, quote: Quote, start: int | None, end: int | None, *, sentences: bool
) -> bool:
    """Whether a place has what the quote was made of, or a text that reads the same.

    Where a library has no end, the beginning counts; of `sentences`, that they hold the quote.
    """
    if start is None or not quote.spans:
        return False
    first, last = quote.spans[0][0], quote.spans[-1][1]
    if sentences:
        return end is not None and text[first:last] in text[start:end]
    return text[start : start + last - first if end is None else end] == text[first:last]


def in_index(options: argparse.Namespace) -> dict[str, Any]:
    """Quotes of 25 words, as they are and with a changed word, of passages drawn by seed.

    A passage is six sentences of SQuAD.
    """
    random_ = random.Random(options.seed)
    contexts = list(dict.fromkeys(one.context for one in load(options.squad).examples))
    every = [one.text for context in contexts for one in sentences(context)]
    texts = [" ".join(random_.sample(every, 6)) for _ in range(PASSAGES)]
    with tempfile.TemporaryDirectory() as folder:
        with Index.create(Path(folder, "squad.db"), encoder=None) as index:
            index.add_texts({"id": str(number), "text": text} for number, text in enumerate(texts))
            passages = len(index)
        checker = Checker(Path(folder, "squad.db"))
        found, times = Counter(), []
        for number in random_.sample(range(PASSAGES), 100):
            words = texts[number].split()
            at = random_.randrange(max(len(words) - 25, 1))
            quote = words[at : at + 25]
            drifted = [*quote[:12], "umbrellas", *quote[13:]]
            for match, one in (("exact", quote), ("drifted", drifted)):
                check, took = timed(checker, " ".join(one))
                times.append(took)
                there = match == "exact" and check.match == "typographic"  # blanks
                found[match] += there or check.match == match
        print(
            f"index of {passages:,} passages: {found.total()} of {len(times)} right; "
            f"ms a quote: {spread(times)}"
        )
    return {"passages": passages, "quotes": len(times), "right": dict(found), "ms": spread(times)}


main()
