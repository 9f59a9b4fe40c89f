"""Measures how PDFs are read, beside other programs, against the texts they were made from.

    python benchmarks/pdf.py FOLDER --beside "pdftotext=pdftotext {} -" -o FILE

FOLDER holds pairs: NAME.pdf and NAME.txt, the words of its source (a manual page, HTML, ODT, ...).
NAME begins with its maker: "groff-grep.pdf". Reported for each maker and program, in per cent:

    words    F1 of the words, without regard to their order
    order    F1 of all runs of five words
    hyphens  words that were put together wrongly at a line's end, for each 10,000 words

Words that only the pages have (heads, page numbers) count against precision, as they do for all.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pullquote.searching.parts import Part
from pullquote.searching.pdf import read_pdf

RUN = 5  # words

_WORD = re.compile(r"\w+(?:-\w+)*")
_BREAK = re.compile(r"(?<=\w)[-\u2010\u00ad]\s*\n\s*(?=\w)")

Reads = Callable[[Path], str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a program that prints the text of the PDF named in place of {}",
    )
    parser.add_argument("--each", action="store_true", help="print each document, too")
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for all figures")
    options = parser.parse_args()
    programs: dict[str, Reads] = {"pullquote": read, "pypdfium2": read_plainly}
    for name, _, command in (given.partition("=") for given in options.beside):
        programs[name] = program(command)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for pdf in sorted(options.folder.glob("*.pdf")):
        source = pdf.with_suffix(".txt").read_text(encoding="utf-8", errors="replace")
        found[pdf.stem] = {name: measure(read, pdf, source) for name, read in programs.items()}
        if options.each:
            print_row(pdf.stem, [found[pdf.stem]], programs)
    print_table(found, list(programs))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read(pdf: Path) -> str:
    with open(pdf, "rb") as file:
        return "".join(part.text for part in read_pdf(file) if isinstance(part, Part))


def read_plainly(pdf: Path) -> str:
    """What PDFium gives by itself."""
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_range() for page in document]
    return "\n".join(texts).replace("\ufffe", "-\n").replace("\r", "")


def program(command: str) -> Reads:
    def run(pdf: Path) -> str:
        words = [word.replace("{}", str(pdf)) for word in shlex.split(command)]
        done = subprocess.run(words, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "replace")

    return run


def measure(read: Reads, pdf: Path, source: str) -> dict[str, float]:
    begin = time.perf_counter()
    text = read(pdf)
    seconds = time.perf_counter() - begin
    mine, wanted = normal(text), normal(source)
    words, expected = re.findall(r"\w+", mine), re.findall(r"\w+", wanted)
    return {
        "words": f1(words, expected),
        "order": f1(runs(words), runs(expected)),
        "hyphens": wrong_hyphens(mine, wanted) / max(len(words), 1) * 10_000,
        "seconds": seconds,
    }


def normal(text: str) -> str:
    """Text in small plain letters, with the two halves of a word on one line."""
    text = unicodedata.normalize("NFKC", text.replace("\u00ad\n", "-\n")).casefold()
    text = text.replace("\u2010", "-").replace("\u2011", "-").replace("\u00ad", "")
    return _BREAK.sub("-", text)


def f1(found: Iterable[object], expected: Iterable[object]) -> float:
    have, want = Counter(found), Counter(expected)
    return 200 * (have & want).total() / max(have.total() + want.total(), 1)


def runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)]


def wrong_hyphens(text: str, source: str) -> int:
    """Words that the source does not have, but has with other hyphens."""
    known = set(_WORD.findall(source))
    compounds = {word.replace("-", "") for word in known if "-" in word}
    return sum(
        word not in known and (word.replace("-", "") in known or word in compounds)
        for word in _WORD.findall(text)
    )


def print_table(found: dict[str, dict[str, dict[str, float]]], programs: list[str]) -> None:
    makers: dict[str, list[dict[str, dict[str, float]]]] = defaultdict(list)
    for stem, figures in found.items():
        makers[stem.partition("-")[0]].append(figures)
    print("| maker | documents | " + " | ".join(programs) + " |")
    print("|---|---|" + "---|" * len(programs))
    for maker, documents in sorted(makers.items()):
        print_row(maker, documents, programs)
    print_row("all", list(found.values()), programs)


def print_row(
    name: str, documents: list[dict[str, dict[str, float]]], programs: Iterable[str]
) -> None:
    """A row of means: words / order / hyphens, and seconds in all."""
    cells = []
    for program in programs:
        means = [
            sum(one[program][figure] for one in documents) / len(documents)
            for figure in ("words", "order", "hyphens")
        ]
        seconds = sum(one[program]["seconds"] for one in documents)
        cells.append("{:.1f} / {:.1f} / {:.1f} ".format(*means) + f"({seconds:.1f} s)")
    print(f"| {name} | {len(documents)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
