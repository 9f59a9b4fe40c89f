"""Makes the documents of examples/mill from the texts in examples/mill-sources, with real tools.

    python -m venv .tools
    .tools/bin/pip install pypandoc_binary==1.17 typst==0.15.2 "pypdf[crypto]==7.1.0"
    .tools/bin/python examples/make_mill.py

pandoc writes DOCX and EPUB, typst sets the PDF, pypdf encrypts one for the tests. What is made is
kept in the repository, so that neither the tutorial nor the tests need these tools.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pypandoc
import pypdf
import typst

HERE = Path(__file__).parent
SOURCES, TARGET = HERE / "mill-sources", HERE / "mill"
TESTS = HERE.parent / "tests" / "searching" / "files"
# pandoc leaves LaTeX's \newpage out of all formats but LaTeX
PAGE_BREAK = ("\\newpage", "```{=typst}\n#pagebreak()\n```")

# a sentence that a page break cuts in two, between page numbers; a word that is hyphenated
SMALL_PAGES = """
#set page(width: 8cm, height: 3.2cm, margin: 1cm, numbering: "1 / 1")
#set text(lang: "en", hyphenate: true, size: 10pt)
#set par(justify: true)
The weir was repaired by masons from Norrhavn, who carried the stones over the frozen river on
sledges and finished their extraordinarily laborious undertaking on the day before the thaw began.

The bill came to ninety crowns.
"""


def main() -> None:
    os.environ["SOURCE_DATE_EPOCH"] = "1712000000"  # the same files every time, but for PDF
    for name in ("visiting.html", "boiler.md", "journal.txt", "ferry.csv", "letters.jsonl"):
        shutil.copyfile(SOURCES / name, TARGET / name)
    pandoc("house-rules.md", "docx", "house-rules.docx")
    pandoc("history.md", "epub3", "history.epub")
    pdf("lease.md", TARGET / "lease.pdf")

    TESTS.mkdir(parents=True, exist_ok=True)
    (TESTS / "pages.typ").write_text(SMALL_PAGES, encoding="utf-8")
    typst.compile(str(TESTS / "pages.typ"), output=str(TESTS / "pages.pdf"))
    (TESTS / "pages.typ").unlink()
    lease = pypdf.PdfWriter(clone_from=TARGET / "lease.pdf")
    lease.encrypt(user_password="mill", owner_password="wheel", algorithm="AES-256")
    lease.write(TESTS / "encrypted.pdf")
    blank = pypdf.PdfWriter()  # pages without text, as those of a scan
    blank.add_blank_page(200, 200)
    blank.add_blank_page(200, 200)
    blank.write(TESTS / "blank.pdf")


def pandoc(source: str, format: str, target: str) -> None:
    pypandoc.convert_file(str(SOURCES / source), format, outputfile=str(TARGET / target))


def pdf(source: str, target: Path) -> None:
    text = (SOURCES / source).read_text(encoding="utf-8").replace(*PAGE_BREAK)
    set_text = pypandoc.convert_text(text, "typst", format="markdown", extra_args=["-s"])
    with tempfile.NamedTemporaryFile("w", suffix=".typ", encoding="utf-8") as file:
        file.write(set_text)
        file.flush()
        typst.compile(file.name, output=str(target))


main()
