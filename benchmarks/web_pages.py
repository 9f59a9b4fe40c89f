"""Measures what is read of web pages beside trafilatura and readability-lxml.

    git clone https://github.com/mozilla/readability
    python3 -m venv .beside && .beside/bin/pip install trafilatura readability-lxml
    python benchmarks/web_pages.py readability --beside .beside/bin/python

The pages are Readability's own tests: `source.html`, and what its authors expect to be read of it,
`expected.html`. Words are counted wherever they stand: precision is the share of the words read
that are expected, recall the share of the expected words that are read, F1 their harmonic mean,
each the mean over the pages. A round reads all pages with one tool after the other, each in a
process of its own; the time of a page is processor time, the least of the rounds. Prints Markdown
for RESULTS.md; `--worst 10` adds the ten pages with the lowest F1 of ours.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean

TOOLS = ("pullquote", "trafilatura", "readability-lxml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("checkout", type=Path, help="of github.com/mozilla/readability")
    parser.add_argument("--beside", metavar="PYTHON", help="an interpreter with the other tools")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worst", type=int, default=0, metavar="N")
    parser.add_argument("--read", choices=TOOLS, help=argparse.SUPPRESS)  # one round of one tool
    options = parser.parse_args()
    pages = sorted((options.checkout / "test" / "test-pages").iterdir())
    if options.read:
        json.dump(read_all(options.read, pages), sys.stdout)
        return
    pythons = {tool: options.beside for tool in TOOLS if options.beside}
    pythons["pullquote"] = sys.executable
    texts: dict[str, list[str]] = {}
    seconds: dict[str, list[list[float]]] = {tool: [] for tool in pythons}
    for _ in range(options.rounds):
        for tool, python in pythons.items():
            command = [python, __file__, str(options.checkout), "--read", tool]
            texts[tool], times = json.loads(subprocess.check_output(command))
            seconds[tool].append(times)
    expected = [words(all_text((page / "expected.html").read_bytes())) for page in pages]
    print(f"| {len(pages)} pages | precision | recall | F1 | ms a page |\n|---|---|---|---|---|")
    for tool in pythons:
        scores = list(map(score, map(words, texts[tool]), expected))
        precision, recall, f1 = (mean(row[column] for row in scores) for column in range(3))
        least = [min(times) for times in zip(*seconds[tool], strict=True)]
        print(f"| {tool} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {1000 * mean(least):.1f} |")
    ours = zip(map(score, map(words, texts["pullquote"]), expected), pages, strict=True)
    for (precision, recall, f1), page in sorted(ours, key=lambda row: row[0][2])[: options.worst]:
        print(f"F1 {f1:.3f}  precision {precision:.3f}  recall {recall:.3f}  {page.name}")


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


def read_all(tool: str, pages: list[Path]) -> tuple[list[str], list[float]]:
    """The text that a tool reads of each page, and the seconds that it takes."""
    read = READERS[tool]()
    sources = [(page / "source.html").read_bytes() for page in pages]
    read(sources[0])  # loads what is loaded late
    texts, times = [], []
    for source in sources:
        begin = time.process_time()
        texts.append(read(source))
        times.append(time.process_time() - begin)
    return texts, times


def pullquote() -> Callable[[bytes], str]:
    from pullquote.searching.html import read_html

    def read(source: bytes) -> str:
        return "".join(getattr(part, "text", "") for part in read_html(io.BytesIO(source)))

    return read


def trafilatura() -> Callable[[bytes], str]:
    from trafilatura import extract

    return lambda source: extract(source) or ""


def readability_lxml() -> Callable[[bytes], str]:
    from readability import Document

    return lambda source: all_text(Document(source).summary().encode())


READERS = dict(zip(TOOLS, (pullquote, trafilatura, readability_lxml), strict=True))


def all_text(page: bytes) -> str:
    """All text of a page."""
    from lxml import html

    root = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    return " ".join(root.xpath("//text()[not(ancestor::script or ancestor::style)]"))


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W_]+", text.lower()))


def score(found: Counter[str], expected: Counter[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of words."""
    shared = (found & expected).total()
    precision = shared / max(found.total(), 1)
    recall = shared / max(expected.total(), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


if __name__ == "__main__":
    main()
