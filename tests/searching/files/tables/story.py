"""The pages of reportlab.pdf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, Spacer, Table

SIZE = A5


def story() -> list[Any]:
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
    return [
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
