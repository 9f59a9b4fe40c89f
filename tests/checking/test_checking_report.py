"""The page: everything escaped, nothing loaded, differences marked on both sides."""

from __future__ import annotations

from pathlib import Path

from pullquote import Checker
from pullquote.checking.report import Checked, counts, write_report

LEASE = "The <b>rent</b> is 840 crowns & due on the third. Dogs are welcome if they are small."
DRAFT = """He said “The <b>rent</b> is 480 crowns & due” (lease.txt), “Dogs are welcome”,
“<script>alert(1)</script> is not at all in there”, and “so”. “open"""


def page(tmp_path: Path) -> str:
    checker = Checker({"id": "lease.txt", "text": LEASE})
    draft = Checked("a<b>.md", list(checker.check_draft(DRAFT, "text")), ["line 2"])
    assert counts([draft]) == {"exact": 1, "drifted": 1, "absent": 1, "uncheckable": 1}
    write_report(tmp_path / "report.html", [draft])
    return (tmp_path / "report.html").read_text("utf-8")


def test_texts_are_escaped(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert "<script" not in found
    assert "<b>rent" not in found
    assert "&lt;b&gt;rent" in found
    assert "<h1>Quotes of a&lt;b&gt;.md</h1>" in found


def test_nothing_is_loaded(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert "default-src 'none'" in found
    assert not any(sign in found for sign in ("src=", "href=", "url(", "http:", "https:"))


def test_differences_are_marked_on_both_sides(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert '<mark class="differs">480</mark>' in found
    assert '<mark class="differs">840</mark>' in found
    assert "<mark>Dogs are welcome</mark> if they are small." in found
    assert "lease.txt, line 1, characters 50–66" in found


def test_it_says_how_many_need_a_look(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert "2 of 4 need a look; 1 never closed, and not checked." in found
    assert "never closed: line 2" in found
