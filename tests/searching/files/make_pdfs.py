"""Makes the PDFs of the folders `tables` and `paragraphs`, by several makers.

    python tests/searching/files/make_pdfs.py tables              # by all makers
    python tests/searching/files/make_pdfs.py paragraphs typst    # by some of them

A page is a case of `test_searching_pdf_tables.py` or `test_searching_pdf_paragraphs.py`. Needs
chromium, groff, Ghostscript, pandoc and LibreOffice as programs, and the packages reportlab and
typst; the tests need none of them.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path


def main() -> None:
    folder = Path(__file__).parent / sys.argv[1]
    for name in sys.argv[2:] or MAKERS:
        MAKERS[name](folder / f"{name}.pdf")


def run(*command: object, stdout: Path | None = None) -> None:
    with open(stdout or "/dev/null", "wb") as file:
        subprocess.run([str(word) for word in command], check=True, stdout=file)


def chromium(path: Path) -> None:
    options = "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"
    run("chromium", *options, f"--print-to-pdf={path}", path.with_suffix(".html"))


def groff(path: Path) -> None:
    run("groff", "-t", "-e", "-ms", "-Tpdf", path.with_name("groff.ms"), stdout=path)


def ghostscript(path: Path) -> None:
    """The same as groff's, through PostScript."""
    source = path.with_suffix(".ps")
    run("groff", "-t", "-e", "-ms", "-Tps", path.with_name("groff.ms"), stdout=source)
    run("ps2pdf", source, path)
    source.unlink()


def typst(path: Path) -> None:
    import typst

    typst.compile(path.with_suffix(".typ"), output=path)


def libreoffice(path: Path) -> None:
    """A Word file, which pandoc makes of Markdown."""
    source = path.with_suffix(".docx")
    run("pandoc", path.with_suffix(".md"), "-o", source)
    to_pdf = "--convert-to", "pdf:writer_pdf_Export", "--outdir", path.parent
    run("soffice", "--headless", *to_pdf, source)
    source.unlink()


def reportlab(path: Path) -> None:
    from reportlab.platypus import SimpleDocTemplate

    made = runpy.run_path(str(path.with_name("story.py")))
    SimpleDocTemplate(str(path), pagesize=made["SIZE"], invariant=1).build(made["story"]())


MAKERS = {
    one.__name__: one for one in (chromium, groff, ghostscript, typst, libreoffice, reportlab)
}

if __name__ == "__main__":
    main()
