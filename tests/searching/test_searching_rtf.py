"""RTF files."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching_helpers import text_and_notes

from pullquote.errors import DocumentError


def rtf(tmp_path: Path, body: str | bytes, head: str = r"\rtf1\ansi\ansicpg1252") -> str:
    data = body if isinstance(body, bytes) else body.encode("latin-1")
    (tmp_path / "a.rtf").write_bytes(b"{" + head.encode() + b" " + data + b"}")
    text, notes = text_and_notes(tmp_path / "a.rtf")
    assert notes == []
    return text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            r"The rent is {\b 840} crowns.\par It is due.\par",
            "The rent is 840 crowns. / It is due.",
        ),
        (r"Caf\'e9 \'80840 \u8212?\u-10179?\u-8694? end", "Café €840 —\U0001f60a end"),
        (r"{\uc0\u233}{\uc2\u233xx}{\uc1\u233\'e9}!", "ééé!"),
        (r"a\tab b\line c\~d\_e\{f\}\\\emdash", "a b\nc\xa0d\u2011e{f}\\—"),
        (r"{\*\generator Word}{\info{\title T}}{\*\xyz q}Text{\pict\bin4 }}}}}.", "Text."),
        (r"{\field{\*\fldinst HYPERLINK 'u'}{\fldrslt link}} here", "link here"),
        (r"Built{\footnote In 1641.} here.\par End.", "In 1641. / Built here. / End."),
        (r"{\header Trust\par}{\headerf Trust}A.\par B.", "Trust / A. / B."),
        (r"{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt In a box.\par}}}Out.", "In a box. / Out."),
        (r"{\deleted old}new", "new"),
        ("one\r\ntwo", "onetwo"),
        ("raw byte \xe9", "raw byte é"),
    ],
)
def test_words_and_signs(tmp_path: Path, body: str, expected: str) -> None:
    assert rtf(tmp_path, body) == expected


def test_encodings_of_fonts(tmp_path: Path) -> None:
    fonts = r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}{\f2\fcharset128 C;}}"
    assert rtf(tmp_path, fonts + r"{\f1 \'ec\'e5\'eb\'fc} caf\'e9") == "мель café"
    # the second byte of a Japanese character may be a letter: 0x83 0x41 is "ア"
    assert rtf(tmp_path, fonts + r"\f2 \'83A\'83\'41") == "アア"
    assert rtf(tmp_path, fonts + r"\'ec\'e5\'eb\'fc", r"\rtf1\ansi\deff1") == "мель"
    assert rtf(tmp_path, r"\'8e", r"\rtf1\mac") == "é"


def test_rows_have_the_names_of_their_columns(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        return r"\trowd\pard\intbl " + "".join(rf"{cell}\cell " for cell in cells) + r"\row "

    table = row("Item", "Price") + row("oak door", "840") + row(r"pine\par door", "310")
    assert rtf(tmp_path, rf"Doors:\par {table}\pard End.\par") == (
        "Doors: / Item: oak door; Price: 840\nDoors: / Item: pine door; Price: 310\nEnd."
    )
    words = row("Item", "Wood").replace("trowd", "trowd\\trhdr") + row("door", "oak")
    assert rtf(tmp_path, words) == "Item: door; Wood: oak"


def test_headings_belong_to_what_follows(tmp_path: Path) -> None:
    styles = r"{\stylesheet{\s1 heading 1;}{\s2 Normal;}}"
    filler = "Long ago. " * 118
    body = rf"{styles}\pard\s2 {filler}\par\pard\s1 The fire\par\pard\s2 It burned.\par"
    assert rtf(tmp_path, body).split("\n")[-1] == "The fire / It burned."


def test_odd_files_are_reported_or_read(tmp_path: Path) -> None:
    (tmp_path / "a.rtf").write_text("The rent.")
    with pytest.raises(DocumentError, match="not RTF"):
        text_and_notes(tmp_path / "a.rtf")
    assert rtf(tmp_path, "a }}}} b") == "a  b"
    assert rtf(tmp_path, "a {{{ b") == "a  b"
    with pytest.raises(DocumentError, match="more than 10,000 groups in groups"):
        rtf(tmp_path, "{" * 20_000)
