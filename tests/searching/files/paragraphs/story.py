"""The pages of reportlab.pdf."""

from __future__ import annotations

from typing import Any

from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph

SIZE = A5
STYLES = getSampleStyleSheet()
WIDE = ParagraphStyle("wide", fontName="Times-Roman", fontSize=11, leading=22, spaceAfter=6)
SMALL = ParagraphStyle("small", fontName="Helvetica", fontSize=7, leading=12)


def text(words: str, style: str = "BodyText") -> Any:
    return Paragraph(words, STYLES[style])


def story() -> list[Any]:
    return [
        text("Minutes of the meeting", "Heading1"),
        text(
            "The chair opened the meeting at seven and read the minutes of the last one, which "
            "were approved."
        ),
        text("The treasurer reported that the club has 1,204 crowns"),
        text("Boats", "Heading3"),
        text(
            "The members agreed to buy a second boat. It may cost nine hundred crowns, and it "
            "must be of wood, as the first one is."
        ),
        text("Nobody spoke against it"),
        text("The meeting ended at nine."),
        PageBreak(),
        Paragraph(
            "The draft is set with two lines of room, so that the editor can write between its "
            "lines with a pencil, as editors do.",
            WIDE,
        ),
        Paragraph(
            "The second paragraph follows after no more room than six points, and it ends the "
            "draft.",
            WIDE,
        ),
        PageBreak(),
        text("Notice", "Heading2"),
        text(
            "The bridge beside the mill is closed for all carts from the first of June on, since "
            "two of its beams have cracked. People on foot may cross it."
        ),
        text("Whoever drives a cart takes the road by the quarry"),
        Paragraph(
            "Small print follows below the notice. It is set in small letters and holds for "
            "everybody who has read it, and for all of the others as well.",
            SMALL,
        ),
        text("The council"),
    ]
