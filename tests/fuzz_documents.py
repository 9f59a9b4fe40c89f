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
import struct
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
REAL = [*MILL.iterdir(), Path(__file__).parent / "searching" / "files" / "doors.xls"]
SIZE = 1 << 16
"""The most bytes of a file, or of a part of one."""
SECONDS, MEMORY = 5, 512 << 20
"""Processor time and memory that a file may take: some hundred times what is usual."""

Make: TypeAlias = Callable[[random.Random], bytes]

_TEXTS = (
    *(".", "!", "?", "…", "。", "\n", "\r", "\r\n", " ", "\t", "\x0b", "\f", "\xa0", "\u200d"),
    *("7", "page ", "of", "-", "=", "#", "# ", '"', "'", "(", ")", "[", "]", "[1]", "A. ", "Mr. "),
    *("word ", "Word. ", "é", "水", "e\u0301", "\ufeff", "---\n", "| ", "<!--", "-->", "](", "`"),
    *("[a](b)", "- [a](#b)\n", "```\n", " .... 7\n", "Contents\n", "[Page 7]\n", "a-\n", "ﬁ"),
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
_TABLE = (
    *("<w:tbl>", "<w:tr>", "<w:trPr>", "<w:tblHeader>", "<w:tc>", "<w:tcPr>", "<w:vMerge>"),
    *('<w:gridSpan w:val="99999999999">', '<w:gridSpan w:val="3">', "<w:p>", "<w:r>", "<w:t>"),
    *("<w:del>", "<w:txbxContent>", "<m:oMath>", "<m:f>", "<m:num>", "<m:den>", "<m:sSup>"),
    *("<m:e>", "<m:nary>", "<m:rad>", "<m:d>", "<m:t>", '<w:altChunk r:id="a">'),
)
_SLIDE = (
    *("<p:sp>", '<p:ph type="title">', '<p:ph type="ftr">', "<p:txBody>", "<a:p>", "<a:r>"),
    *("<a:t>", "<a:tbl>", "<a:tr>", "<a:tc>", '<a:tblPr firstRow="1">', "<p:text>"),
)
_OPEN = (
    *("<text:p>", "<text:h>", '<text:s text:c="999999999">', "<text:note>", "<text:span>"),
    *("<table:table>", "<table:table-row>", "<draw:text-box>", "<office:annotation>"),
    *('<table:table-cell table:number-columns-repeated="9999999">', "<table:table-cell>"),
    *('<draw:object xlink:href="a">', "<draw:page>", "<table:table-header-rows>", "<math>"),
)
_RTF = (
    *("{", "}", "\\par ", "\\pard", "\\intbl ", "\\cell ", "\\row ", "\\trowd", "\\'e9", "\\u-1?"),
    *("\\uc99999 ", "\\bin3 ", "\\bin-9 ", "\\f1 ", "{\\footnote ", "{\\header ", "{\\*\\x ", "\\"),
    *("{\\pict ", "{\\stylesheet ", "\\s1 ", "\\plain", "\\ansicpg932 ", "\\'83", "A", "\\line "),
)
_MAIL = (
    *("Content-Type: multipart/mixed; boundary=b\n", "--b\n", "--b--\n", "\n", "Subject: "),
    *("Content-Type: message/rfc822\n", "Content-Transfer-Encoding: base64\n", "=?utf-8?q?"),
    *("Content-Type: text/html; charset=utf-7\n", "?=", "=?x?b?", "A===", ";", "filename*0*="),
    *("Content-Disposition: attachment; filename=a.csv\n", "From x 10:00\n", "\r\n", ">From \n"),
    *("Content-Transfer-Encoding: x-uuencode\nbegin 6 a\n", "Content-ID: <a>\n", " folded\n"),
)
_CUES = (
    *("1\n", "00:00:01,000 --> 00:00:02,000\n", "99:99.9 --> 0:0\n", "<i>", "<v ", "{\\", "}"),
    *("WEBVTT\n", "NOTE\n", "&amp;", "&#9;", "-->", "00:", "<c.a.b>", "<00:01.000>"),
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
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SPACE = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:m="m/math" '
    f'xmlns:r="{_RELATED}"'
)


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


def balanced(random: random.Random, *tags: str) -> str:
    """Elements that are closed in order, with some text in them."""
    room = random.choice([100, 5_000, SIZE])
    deepest = random.choice([3, 20, 200])
    some = random.choices(tags, k=random.choice([2, 5, 20]))
    text: list[str] = []
    open_tags: list[str] = []
    while room > 0:
        if open_tags and (len(open_tags) >= deepest or random.random() < 0.4):
            text.append(f"</{open_tags.pop()[1:-1].split()[0]}>")
        elif open_tags and random.random() < 0.3:
            text.append(random.choice(_TEXTS).translate({60: "x", 38: "x", 8: "", 11: "", 12: ""}))
        else:
            open_tags.append(random.choice(some))
            text.append(open_tags[-1])
        room -= len(text[-1]) + 1
    text += (f"</{tag[1:-1].split()[0]}>" for tag in reversed(open_tags))
    return "".join(text)


def zipped(random: random.Random, files: dict[str, str]) -> bytes:
    """A zip file in which each file is packed by some method."""
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content, random.choice(methods))
    return sink.getvalue()


def related(**targets: str) -> str:
    """A file of relationships, by their ids, each with a kind of the same name."""
    inner = "".join(
        f'<Relationship Id="{id}" Type="x/{id}" Target="{target}"/>'
        for id, target in targets.items()
    )
    return f'<r:Relationships xmlns:r="r">{inner}</r:Relationships>'.replace("<R", "<r:R")


def docx(random: random.Random) -> bytes:
    pairs = [(tag, f"</{tag[1:]}") for tag in _WORD if tag[1:2] == "w" and not tag.endswith("/>")]
    inner = random.choice(
        [
            lambda: nested(random, *pairs),
            lambda: repeated(random, *_WORD),
            lambda: balanced(random, *_TABLE),
        ]
    )()
    main = f"<w:document {_SPACE}><w:body>{inner}</w:body></w:document>"
    files = {
        "word/document.xml": main,
        "word/header1.xml": main,
        "word/_rels/document.xml.rels": related(
            a=random.choice(["a.htm", "document.xml", "a.txt"])
        ),
        "word/a.htm": page(random),
    }
    return zipped(random, files)


def pptx(random: random.Random) -> bytes:
    count = random.choice([1, 3, 100])
    ids = "".join(f'<p:sldId r:id="s{random.randrange(count + 2)}"/>' for _ in range(count))
    space = f'{_SPACE} xmlns:p="p" xmlns:a="a/main"'
    files = {
        "ppt/presentation.xml": f"<p:presentation {space}>{ids}</p:presentation>",
        "ppt/_rels/presentation.xml.rels": related(
            **{f"s{n}": f"{n % 3}.xml" for n in range(count)}
        ),
    }
    for number in range(3):
        files[f"ppt/{number}.xml"] = f"<p:sld {space}>{balanced(random, *_SLIDE)}</p:sld>"
        files[f"ppt/_rels/{number}.xml.rels"] = related(notesSlide="0.xml")
    return zipped(random, files)


def open_document(kind: str) -> Make:
    """Makes texts or presentations."""

    def make(random: random.Random) -> bytes:
        names = ("office", "text", "table", "draw", "xlink")
        spaces = " ".join(f'xmlns:{name}="{name}"' for name in names)
        content = (
            f"<office:document {spaces}><office:body><office:{kind}>{balanced(random, *_OPEN)}"
            f"</office:{kind}></office:body></office:document>"
        )
        return zipped(random, {"content.xml": content, "a/content.xml": "<math>x</math>"})

    return make


def xlsx(random: random.Random) -> bytes:
    places = ("A1", "B1", "A2", "C3", "B2", "Z99", "A", "1", "", "ZZZZ9", "A0", "AZ1000")
    kinds = ("s", "inlineStr", "str", "n", "b", "e", "d", "x")

    def cell() -> str:
        value = random.choice(["0", "1", "-1", "1e308", "9e999", "x", "43597.5", "4294967296", ""])
        text = random.choice(_TEXTS).translate({60: "x", 38: "x", 8: "", 11: "", 12: ""})
        return (
            f'<c r="{random.choice(places)}" t="{random.choice(kinds)}" '
            f's="{random.choice([0, 1, 9, -1])}"><v>{value}</v><is><t>{text}</t></is></c>'
        )

    count = random.choice([1, 10, 300])
    rows = "".join(
        f'<row r="{random.choice([number, number, 1, 0, 1048576])}">{cell()}{cell()}</row>'
        for number in range(count)
    )
    merges = random.choice(["", "A1:A3", "C3:A1", "A1:XFD1048576", "x"])
    sheet = (
        f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData>'
        f'<mergeCells><mergeCell ref="{merges}"/></mergeCells></worksheet>'
    )
    return zipped(
        random,
        {
            "[Content_Types].xml": "<Types/>",
            "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_RELATED}"><sheets>'
            '<sheet name="A" sheetId="1" r:id="a"/><sheet name="B" sheetId="2" r:id="a"/>'
            "</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/'
            f'package/2006/relationships"><Relationship Id="a" Type="{_RELATED}/worksheet" '
            'Target="a.xml"/></Relationships>',
            "xl/a.xml": sheet,
            "xl/sharedStrings.xml": f'<sst xmlns="{_SHEET}"><si><t>a</t></si></sst>',
        },
    )


def xls(random: random.Random) -> bytes:
    """Records of an old workbook: their numbers, their sizes, and what they hold."""
    numbers = (0x0A, 0x85, 0xFC, 0xFD, 0x3C, 0xE0, 0xE5, 0x1C, 0x5D, 0x1B6, 0x203, 0x204, 0x205)
    numbers += (0x208, 0x27E, 0xBD, 0x41E, 0x200, 0x31, 0x22, 0x42, 0x06, 0x207, 0x809, 0x2F)
    data = bytearray.fromhex("09081000000605000000000000000000c100000006040000")
    for _ in range(random.choice([5, 100, 3_000])):
        size = random.choice([0, 1, 4, 8, 14, 20, 300])
        held = random.choice([bytes(size), random.randbytes(size), b"\xff" * size])
        said = random.choice([size, size, size, size + 1, 0xFFFF])
        data += struct.pack("<HH", random.choice(numbers), said) + held
    return bytes(data)


def ods(random: random.Random) -> bytes:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )

    def cell() -> str:
        times = random.choice([1, 1, 1, 2, 1_000, -1, 1 << 33])
        kind = random.choice(["string", "float", "date", "percentage", "x"])
        return (
            f'<table:table-cell table:number-columns-repeated="{times}" '
            f'office:value-type="{kind}" office:value="{times}"><text:p>a</text:p>'
            "</table:table-cell>"
        )

    rows = "".join(
        f'<table:table-row table:number-rows-repeated="{random.choice([1, 1, 2, 1_000])}">'
        f"{cell()}{cell()}</table:table-row>"
        for _ in range(random.choice([1, 5, 50]))
    )
    return zipped(
        random,
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": f"<office:document-content {names}><office:body><office:spreadsheet>"
            f'<table:table table:name="A">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        },
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
    text = "(x) Tj T* ", "(7) Tj T* ", "(.) Tj ", "( ) Tj ", "q ", "Q ", "BT "
    columns = "90 0 Td (7) Tj ", "-90 -14 Td (x) Tj ", "1 0 0 1 72 650 Tm ", "(Price: 840) Tj "
    lines = repeated(random, *random.choice([text, columns]))
    rules = random.choice(["", "72 600 90 14 re S ", "1 0 0 1 9 0 cm 0 0 m 0 800 l S "])
    rules += random.choice(["", "1 0 0 1 0 9 cm 0 0 m 600 0 l S "])
    rules *= random.choice([1, 30, 400])
    body = f"q {rules} Q BT /F 12 Tf 72 700 Td 14 TL {lines} ET"
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
    ".pptx": pptx,
    ".odt": open_document("text"),
    ".odp": open_document("presentation"),
    ".xlsx": xlsx,
    ".xls": xls,
    ".ods": ods,
    ".rtf": texts(*_RTF, *_TEXTS, start="{\\rtf1 "),
    ".eml": texts(*_MAIL, *_TEXTS, start="Subject: x\n"),
    ".mbox": texts(*_MAIL, *_TEXTS, start="From x Mon May 12 10:00:00 2019\nSubject: x\n"),
    ".srt": texts(*_CUES, *_TEXTS),
    ".vtt": texts(*_CUES, *_TEXTS, start="WEBVTT\n\n"),
    ".jsonl": texts(*_DATA, *_TEXTS),
    ".json": texts(*_DATA, *_TEXTS, start='["'),
    ".csv": texts('"', ",", ";", "\n", "a", '""', " ", start="text\n"),
    ".tsv": texts('"', "\t", ",", "|", "\n", "7", "a", '""', " ", "2019-05-12"),
}


def broken(random: random.Random) -> tuple[str, bytes]:
    """A real or made file with some bytes changed, taken out or repeated."""
    if random.random() < 0.5:
        ending = random.choice(sorted(MAKERS))
        data = bytearray(MAKERS[ending](random))
    else:
        path = random.choice(sorted(REAL))
        ending, data = path.suffix, bytearray(path.read_bytes())
    for _ in range(random.choice([1, 5, 50])):
        at = random.randrange(len(data) + 1)
        size = random.choice([1, 4, 100])
        data[at : at + size] = random.choice(
            [random.randbytes(size), b"", data[at : at + size] * 20, b"\xff" * size, b"\0" * size]
        )
    return ending, bytes(data)


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
    parser.add_argument("--only", nargs="*", help="endings of the formats that are made")
    options = parser.parse_args()
    for ending in set(MAKERS) - set(options.only or MAKERS):
        del MAKERS[ending]
    keep = Path(tempfile.mkdtemp(prefix="fuzz-"))
    count, complaints = fuzz(60 * options.minutes, options.seed, keep)
    print(f"{count:,} files with seed {options.seed}: {len(complaints)} failed")
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
