"""How often `check` is right, how exact its offsets are, and how long it takes.

    python benchmarks/check.py                          # made and blind quotes
    python benchmarks/check.py --others PYTHON          # beside quotecheck, anchorcite, langextract
    python benchmarks/check.py --squad train.json.gz    # in an index of 100,000 passages, too

The others run in an environment of their own: pip install quotecheck anchorcite langextract. All of
them, pullquote included, take turns on the same quotes in one run. Times are processor times.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "check"))

from made import Quote, made  # noqa: E402

from pullquote import Checker, Index  # noqa: E402
from pullquote.checking.verdicts import Check  # noqa: E402
from pullquote.data import load  # noqa: E402
from pullquote.reading.sentences import sentences  # noqa: E402

TEXTS = HERE / "people" / "texts"
SIZE = 200_000  # characters
PASSAGES = 100_000
THERE = ("exact", "typographic", "drifted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=600, help="made quotes")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--others", metavar="PYTHON", help="where the other libraries are")
    parser.add_argument("--beside", type=int, default=50, help="quotes that the others check")
    parser.add_argument("--squad", metavar="FILE", help="SQuAD, for the passages of the index")
    options = parser.parse_args()
    files = sorted(TEXTS.glob("*/*.txt"))
    text = "\n\n".join(file.read_text("utf-8") for file in files)[:SIZE]
    quotes = list(made(text, options.number, options.seed))
    checker = Checker({"id": "texts", "text": text})
    of_made(checker, text, quotes)
    of_blind()
    if options.others:
        beside(checker, text, quotes, options)
    if options.squad:
        in_index(options)


def timed(checker: Checker, quote: str) -> tuple[Check, float]:
    begin = time.process_time()
    found = checker.check(quote)
    return found, (time.process_time() - begin) * 1000


def spread(times: list[float], digits: int) -> str:
    median, most, times = statistics.median(times), max(times), sorted(times)
    return (
        f"median {median:.{digits}f}, 95 % {times[len(times) * 95 // 100]:.{digits}f}, "
        f"most {most:.{digits}f}"
    )


def shares(right: Counter[str], total: Counter[str]) -> str:
    return f"{sum(right.values())} of {sum(total.values())}"


def of_made(checker: Checker, text: str, quotes: list[Quote]) -> None:
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
    print(f"  ms a quote: {spread(times, 2)}; folding the source once {folding:.0f}")


def of_blind() -> None:
    lines = (HERE / "check" / "blind.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    checkers: dict[str, Checker] = {}
    right, total = Counter(), Counter()
    for row in rows:
        checker = checkers.setdefault(row["source"], Checker(TEXTS / row["source"]))
        total[row["match"]] += 1
        right[row["match"]] += checker.check(row["quote"]).match == row["match"]
    print(f"blind quotes: {shares(right, total)} verdicts right")


def beside(checker: Checker, text: str, quotes: list[Quote], options: argparse.Namespace) -> None:
    """Ask all libraries whether quotes are there, exact or with a few changes, or not."""
    some = [quote for quote in quotes if quote.match != "uncheckable"]
    some = random.Random(options.seed).sample(some, min(options.beside, len(some)))
    given = json.dumps({"text": text, "quotes": [quote.quote for quote in some]})
    done = subprocess.run(
        [options.others, str(HERE / "check" / "others.py")],
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    ours = [timed(checker, quote.quote) for quote in some]
    answers["pullquote"] = [[check.match in THERE, took] for check, took in ours]
    print(f"beside others, {len(some)} quotes:")
    for name, rows in sorted(answers.items()):
        right = sum(
            there == (quote.match in THERE) for (there, _), quote in zip(rows, some, strict=True)
        )
        took = statistics.median(row[1] for row in rows)
        print(f"  {name}: {right} of {len(rows)} right, {took:,.2f} ms a quote (median)")


def in_index(options: argparse.Namespace) -> None:
    """Quotes of passages that are six sentences of SQuAD each, drawn by seed."""
    random_ = random.Random(options.seed)
    contexts = list(dict.fromkeys(one.context for one in load(options.squad).examples))
    every = [one.text for context in contexts for one in sentences(context)]
    texts = [" ".join(random_.sample(every, 6)) for _ in range(PASSAGES)]
    with tempfile.TemporaryDirectory() as folder:
        with Index.create(Path(folder, "squad.db"), encoder=None) as index:
            index.add_texts({"id": str(number), "text": text} for number, text in enumerate(texts))
            passages = len(index)
        checker = Checker(Path(folder, "squad.db"))
        right, times = 0, []
        for _ in range(4):
            chosen = random_.sample(range(PASSAGES), 25)
            for number in chosen:
                (quote,) = [
                    one for one in made(texts[number], 14, number) if one.kind == "as it is"
                ] or [None]
                words = texts[number].split()
                at = random_.randrange(len(words) - 25)
                drifted = [*words[at : at + 12], "umbrellas", *words[at + 13 : at + 25]]
                for text in (quote.quote if quote else "", " ".join(drifted)):
                    if not text:
                        continue
                    check, took = timed(checker, text)
                    times.append(took)
                    right += check.match in THERE
        print(
            f"index of {passages:,} passages: {right} of {len(times)} found; "
            f"ms a quote: {spread(times, 1)}"
        )


main()
