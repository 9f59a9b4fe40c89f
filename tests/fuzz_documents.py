"""Fuzzing of the readers of documents: odd and hostile files of every format, each within a budget.

    python tests/fuzz_documents.py --minutes 10 --seed 1

Files are made of repeated and nested pieces of their format, or are real ones with broken bytes. A
file fails if its reader crashes, takes more processor time or memory than the budget, has a fault
(an exception that nobody foresaw), or gives passages that are not in order. Files that fail are
kept, and the exit code is 1.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from pullquote.errors import DocumentError
from pullquote.searching import pool
from pullquote.searching.documents import SourceFile, find

MILL = Path(__file__).parent.parent / "examples" / "mill"
SIZE = 1 << 16
"""The most bytes of a file, or of a part of one."""
SECONDS, MEMORY = 5, 512 << 20
"""Processor time and memory that a file may take: some hundred times what is usual."""

Make: TypeAlias = Callable[[random.Random], bytes]

_TEXTS = (
    *(".", "!", "?", "…", "。", "\n", "\r", "\r\n", " ", "\t", "\x0b", "\f", "\xa0", "\u200d"),
    *("7", "page ", "of", "-", "=", "#", "# ", '"', "'", "(", ")", "[", "]", "[1]", "A. ", "Mr. "),
    *("word ", "Word. ", "é", "水", "e\u0301", "\ufeff", "---\n", "| ", "<!--", "-->", "](", "`"),
)
_TAGS = (
    *("<p>", "<div>", "<header>", "<a href=x>", "<b>", "<td>", "<table>", "<ul>", "<li>", "<pre>"),
    *("<br>", "<main>", "<article>", "<h1>", "<font>", "<svg>", "<select>", "<option>", "<form>"),
    *("</p>", "</div>", "</a>", "</table>", "</b>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;"),
    *("&#x110000;", "<", ">", "<p a=1", " b='2'", '<meta charset="punycode">', "<?xml ?>"),
)
_WORD = (
    *("<w:p>", "</w:p>", "<w:r>", "</w:r>", "<w:t>", "</w:t>", "<w:tbl>", "</w:tbl>", "<w:tr>"),
    *("</w:tr>", "<w:tc>", "</w:tc>", "<w:p/>", "<w:txbxContent>", "</w:txbxContent>", "<w:br/>"),
)
_DATA = (
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    '"text"',
    '{"text": "a"}\n',
    "\\u0000",
    "\\ud800",
    "1e9",
)
_SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def repeated(random: random.Random, *pieces: str) -> str:
    """Text of pieces: runs of one or a few of them, and sometimes a mix."""
    text: list[str] = []
    room = random.choice([100, 5_000, SIZE])
    while room > 0:
        some = random.choices(pieces, k=random.choice([1, 1, 2, 3]))
        times = random.choice([1, 3, 50, SIZE]) if room > 100 else 1
        run = ("".join(some) * times)[:room]
        text.append(run)
        room -= max(len(run), 1)
    return "".join(text)


def nested(random: random.Random, *pairs: tuple[str, str]) -> str:
    """Elements in elements, with some text inside."""
    depth = random.choice([3, 200, 2_000, 5_000])
    some = random.choices(pairs, k=random.choice([1, 2]))
    begin = "".join(one for one, _ in some) * depth
    end = "".join(other for _, other in reversed(some)) * depth
    return begin + repeated(random, *_TEXTS) + (end if random.random() < 0.7 else "")


def page(random: random.Random) -> str:
    """A page of HTML."""
    tags = [tag for tag in _TAGS if tag.startswith("<") and tag[1:-1].isalnum()]
    if random.random() < 0.5:
        return nested(random, *((tag, f"</{tag[1:]}") for tag in tags))
    return repeated(random, *_TAGS, *_TEXTS)


def zipped(random: random.Random, files: dict[str, str]) -> bytes:
    """A zip file in which each file is packed by some method."""
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content, random.choice(methods))
    return sink.getvalue()


def docx(random: random.Random) -> bytes:
    pairs = [(tag, f"</{tag[1:]}") for tag in _WORD if tag[1:2] == "w" and not tag.endswith("/>")]
    inner = nested(random, *pairs) if random.random() < 0.5 else repeated(random, *_WORD)
    return zipped(
        random,
        {"word/document.xml": f"<w:document {_SPACE}><w:body>{inner}</w:body></w:document>"},
    )


def epub(random: random.Random) -> bytes:
    count = random.choice([1, 3, 200])
    items = "".join(f'<item id="c{n}" href="{n % 5}.html"/>' for n in range(count))
    order = "".join(f'<itemref idref="c{random.randrange(count + 2)}"/>' for _ in range(count))
    package = f"<manifest>{items}</manifest><spine>{order}</spine>"
    files = {
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
        'container"><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>',
        "p.opf": f'<package xmlns="http://www.idpf.org/2007/opf">{package}</package>',
    }
    return zipped(random, files | {f"{number}.html": page(random) for number in range(4)})


def pdf(random: random.Random) -> bytes:
    """A page that shows some lines, without the table of its objects, which PDFium makes again."""
    lines = repeated(random, "(x) Tj T* ", "(7) Tj T* ", "(.) Tj ", "( ) Tj ", "q ", "Q ", "BT ")
    body = f"BT /F 12 Tf 72 700 Td 14 TL {lines} ET"
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    kids = "3 0 R " * random.choice([1, 1, 50])
    return (
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        f"2 0 obj<</Type/Pages/Kids[{kids}]/Count {len(kids) // 6}>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        f"/Resources<</Font<</F {font}>>>>>>endobj\n"
        f"4 0 obj<</Length {len(body)}>>stream\n{body}\nendstream endobj\ntrailer<</Root 1 0 R>>"
    ).encode("latin-1")


def texts(*pieces: str, start: str = "") -> Make:
    """Makes files of some pieces, in one of several encodings."""

    def make(random: random.Random) -> bytes:
        encoding = random.choice(["utf-8", "utf-8", "utf-16", "cp1252", "koi8_r"])
        return (start + repeated(random, *pieces)).encode(encoding, "replace")

    return make


MAKERS: dict[str, Make] = {
    ".txt": texts(*_TEXTS),
    ".md": texts(*_TEXTS),
    ".html": lambda random: page(random).encode("utf-8", "replace"),
    ".docx": docx,
    ".epub": epub,
    ".pdf": pdf,
    ".jsonl": texts(*_DATA, *_TEXTS),
    ".json": texts(*_DATA, *_TEXTS, start='["'),
    ".csv": texts('"', ",", ";", "\n", "a", '""', " ", start="text\n"),
}


def broken(random: random.Random) -> tuple[str, bytes]:
    """A real file with some bytes changed, taken out or repeated."""
    path = random.choice(sorted(MILL.iterdir()))
    data = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 5, 50])):
        at = random.randrange(len(data))
        size = random.choice([1, 4, 100])
        data[at : at + size] = random.choice(
            [random.randbytes(size), b"", data[at : at + size] * 20, b"\xff" * size, b"\0" * size]
        )
    return path.suffix, bytes(data)


def files(seed: int) -> Iterator[tuple[str, bytes]]:
    """Endings and contents of files, without end."""
    source = random.Random(seed)
    while True:
        if source.random() < 0.2:
            yield broken(source)
        else:
            ending = source.choice(sorted(MAKERS))
            yield ending, MAKERS[ending](source)


def complaint(path: Path) -> str:
    """What is wrong with how a file is read; "" if nothing is, also if the file cannot be read."""
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    begin, last = time.process_time(), -1
    with pool.Pool([file]) as readers:
        try:
            for passage in readers.read(file):
                if passage.start <= last or not passage.text.strip() or passage.marks[0].offset:
                    return f"a passage at {passage.start} after one at {last}"
                last = passage.start
        except DocumentError as error:
            if any(words in str(error) for words in ("its reader", "more memory")):
                return str(error)
    taken = time.process_time() - begin
    return f"{taken:.1f} s of processor time" if taken > SECONDS else ""


def fuzz(seconds: float, seed: int, keep: Path) -> tuple[int, list[str]]:
    """Read made files for some seconds: how many, and what was wrong. Bad files are kept."""
    pool.SECONDS, pool.MEMORY = SECONDS, MEMORY
    end, complaints, count = time.monotonic() + seconds, [], 0
    for number, (ending, content) in enumerate(files(seed)):
        if time.monotonic() > end:
            break
        count += 1
        path = keep / f"{seed}-{number}{ending}"
        path.write_bytes(content)
        if found := complaint(path):
            complaints.append(f"{path}: {found}")
        else:
            path.unlink()
    return count, complaints


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    keep = Path(tempfile.mkdtemp(prefix="fuzz-"))
    count, complaints = fuzz(60 * options.minutes, options.seed, keep)
    print(f"{count:,} files with seed {options.seed}: {len(complaints)} failed")
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
