"""Makes the PDFs of this folder: tables, and pages that only look like some, by several makers.

    python tests/searching/files/tables/make.py            # all makers
    python tests/searching/files/tables/make.py chromium   # some of them

A page is a case of `test_searching_pdf_tables.py`. Needs chromium, groff, Ghostscript, pandoc and
LibreOffice as programs, and the packages reportlab and typst; the tests need none of them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> None:
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name](HERE / f"{name}.pdf")


def run(*command: object, stdout: Path | None = None) -> None:
    with open(stdout or "/dev/null", "wb") as file:
        subprocess.run([str(word) for word in command], check=True, cwd=HERE, stdout=file)


def chromium(path: Path) -> None:
    options = "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"
    run("chromium", *options, f"--print-to-pdf={path}", HERE / "chromium.html")


def groff(path: Path) -> None:
    run("groff", "-t", "-e", "-ms", "-Tpdf", "groff.ms", stdout=path)


def ghostscript(path: Path) -> None:
    """The same as groff's, through PostScript."""
    source = path.with_suffix(".ps")
    run("groff", "-t", "-e", "-ms", "-Tps", "groff.ms", stdout=source)
    run("ps2pdf", source, path)
    source.unlink()


def typst(path: Path) -> None:
    import typst

    typst.compile(HERE / "typst.typ", output=path)


def libreoffice(path: Path) -> None:
    """A Word file, which pandoc makes of Markdown."""
    source = path.with_suffix(".docx")
    run("pandoc", "libreoffice.md", "-o", source)
    run("soffice", "--headless", "--convert-to", "pdf:writer_pdf_Export", source)
    source.unlink()


def reportlab(path: Path) -> None:
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

    styles = getSampleStyleSheet()

    def text(words: str, style: str = "BodyText") -> Any:
        return Paragraph(words, styles[style])

    def table(rows: Sequence[Sequence[object]], *style: tuple[object, ...], **more: Any) -> Any:
        return Table(rows, style=style, **more)

    everywhere = (0, 0), (-1, -1)
    head = (0, 0), (-1, 0)
    foot = (0, -1), (-1, -1)
    grid = "GRID", *everywhere, 0.5, colors.black
    rules = [("LINEABOVE", *head, 1, colors.black), ("LINEBELOW", *head, 0.5, colors.black)]
    rules += [("LINEBELOW", *foot, 1, colors.black)]
    numbers = "ALIGN", (1, 0), (-1, -1), "RIGHT"
    members = [(f"M{number}", f"Member {number}", str(1950 + number)) for number in range(1, 46)]
    story = [
        *(text("Tools of the shop", "Heading2"), text(LONG[0])),
        table([("Tool", "Number", "Bought"), *TOOLS], grid),
        *(text(LONG[1]), PageBreak()),
        *(text("Depth of the pond", "Heading2"), text(LONG[2])),
        table(DEPTHS, *rules, numbers),
        *(text(LONG[3]), PageBreak()),
        *(text("Members of the club", "Heading2"), text(LONG[4])),
        table([("Number", "Name", "Since"), *members], grid, repeatRows=1),
        *(text(LONG[5]), PageBreak()),
        *(text("Report of an accident", "Heading2"), text(LONG[6])),
        table(FORM, grid, colWidths=[80, 90, 80, 90], rowHeights=24),
        *(text(LONG[7]), PageBreak()),
        *(text("What a day costs", "Heading2"), text(LONG[8])),
        table(
            COSTS,
            grid,
            *(("SPAN", (0, row), (-1, row)) for row in (1, 4)),
            *(("BACKGROUND", (0, row), (-1, row), colors.lightgrey) for row in (1, 4)),
        ),
        *(text(LONG[9]), PageBreak()),
        *(text("A letter", "Heading2"), text(LONG[10]), Spacer(0, 12)),
        table([["We owed you 1,200 crowns,", "and have paid 800 of them."]]),
        table([["Please find 400 more", "with this letter, and our thanks."]]),
        text(LONG[11]),
    ]
    SimpleDocTemplate(str(path), pagesize=A5, invariant=1).build(story)


TOOLS = [("Plane", "14", "1998"), ("Saw", "9", "2004"), ("Chisel", "31", "2011")]
DEPTHS = [
    ("Place", "Spring", "Summer", "Autumn"),
    ("At the weir", "2.10 m", "1.75 m", "1.90 m"),
    ("In the middle", "3.40 m", "3.05 m", "3.20 m"),
    ("At the bridge", "1.15 m", "0.80 m", "0.95 m"),
]
FORM = [
    ("Name:", "Tomas Lindqvist", "Date:", "3 May 2021"),
    ("Place:", "Saw shed", "Hour:", "14:30"),
    ("Injury:", "Left hand", "Doctor:", ""),
    ("Seen by:", "", "Days off:", "5"),
]
COSTS = [
    ("What", "Week", "Weekend"),
    ("Boats", "", ""),
    ("Rowing boat", "20 crowns", "30 crowns"),
    ("Dinghy", "45 crowns", "60 crowns"),
    ("Gear", "", ""),
    ("Life vest", "", "5 crowns"),
    ("Oars", "8 crowns", "8 crowns"),
]
LONG = [
    "The shop lends these tools to members, who bring them back clean and sharp.",
    "Whoever breaks a tool pays for the half of it, as the meeting has decided.",
    "The pond was measured with a pole from the old boat, on the same day of three seasons.",
    "No season was dry in that year, and in other years the water was lower in summer.",
    "The list has all of the members who had paid their fee before the first of March.",
    "Members who joined later stand on another list, which hangs in the house of the club.",
    "Please fill in this form on the day of the accident and hand it to the office.",
    "The form is kept for ten years, and nobody but the doctor may read all of it.",
    "We let boats from the first of May to the last of September, from nine until six.",
    "Children pay the half, and boats that come back late cost ten crowns an hour.",
    "Dear neighbour, the fence between our gardens was mended in the last week of April.",
    "We hope that it will stand for a long time, and that you will come to see the new gate.",
]
MAKERS = {
    one.__name__: one for one in (chromium, groff, ghostscript, typst, libreoffice, reportlab)
}

if __name__ == "__main__":
    main()
