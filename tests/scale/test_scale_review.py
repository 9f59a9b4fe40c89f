"""The review in a real browser: quotes in their passages, decisions, and hostile documents.

Needs a Chromium (Debian: apt-get install chromium); skipped without one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pullquote.scale.fill import Decided, Filling, Source, decide, table
from pullquote.scale.review import read_decisions, review, write_review
from pullquote.scale.wanted import Wanted

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MUST = bool(os.environ.get("PULLQUOTE_NEEDS_CHROMIUM"))
pytestmark = pytest.mark.skipif(
    not CHROMIUM and not MUST, reason="no chromium to test the page with: apt-get install chromium"
)

HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)> {{code}}"
PASSAGE = f"😀 The rent is 840 crowns. {HOSTILE} Dogs are welcome."
RENT, PETS = Wanted("rent", ("How much?",)), Wanted("pets", ("Dogs?",), "yes/no")
KEYS = {RENT: "r", PETS: "p"}
SOURCES = [Source("/a", "a.txt", (1,)), Source("/b", "b.txt", (1,)), Source("/c", HOSTILE, (), "?")]


def cell(quote: str, sentence: str, *, answered: bool = True, score: float = 0.9) -> dict[str, Any]:
    return {
        "asked": "How much?",
        "answered": answered,
        "quote": quote,
        "offset": PASSAGE.index(quote),
        "sentence": sentence,
        "sentence_offset": PASSAGE.index(sentence),
        "passage": PASSAGE,
        "unit": "page",
        "number": 2,
        "score": score,
    }


@pytest.fixture
def filling(tmp_path: Path) -> Iterator[Filling]:
    with Filling(tmp_path / "x.csv") as filling:
        rent, pets = (
            cell("840 crowns", "The rent is 840 crowns."),
            cell("Dogs", "Dogs are welcome."),
        )
        filling.add(SOURCES[0], {"r": rent, "p": {**pets, "score": 0.2}})
        nothing = {"asked": "Dogs?", "answered": False, "quote": ""}
        filling.add(SOURCES[1], {"r": {**rent, "answered": False, "score": 0.1}, "p": nothing})
        yield filling


def test_decisions_are_made_saved_and_applied(filling: Filling, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    page_file = tmp_path / "review.html"
    write_review(page_file, review(KEYS, SOURCES, filling))
    with playwright.sync_playwright() as run:
        assert CHROMIUM, "no chromium: apt-get install chromium"
        browser = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text))
        page.goto(page_file.as_uri())

        marks = page.locator("mark").all_text_contents()
        assert marks == ["840 crowns", "Dogs are welcome.", "840 crowns"]
        assert page.locator("blockquote").first.text_content() == PASSAGE
        assert page.locator("h2").all_text_contents() == ["a.txt", "b.txt", HOSTILE]
        assert page.title() == "Review"  # no script of a document ran
        assert page.locator("#count").text_content() == "0 of 3 cells decided"
        assert page.locator("article.low").count() == 1
        assert page.get_by_text("nearest quote, page 2, score 0.10").count() == 1

        page.get_by_role("button", name="Accept").first.click()
        page.get_by_role("button", name="No", exact=True).click()
        page.get_by_role("button", name="Reject").last.click()
        page.get_by_role("button", name="Reject").last.click()  # taken back
        assert page.locator("#count").text_content() == "2 of 3 cells decided"
        page.locator("#show").select_option("open")
        assert page.locator("article:visible").count() == 1
        with page.expect_download() as download:
            page.get_by_role("button", name="Save decisions").click()
        download.value.save_as(tmp_path / "decisions.json")
        browser.close()
    assert complaints == []

    decided = read_decisions(tmp_path / "decisions.json")
    assert decided == [
        Decided("a.txt", "rent", "840 crowns", "accepted"),
        Decided("a.txt", "pets", "Dogs are welcome.", "no"),
    ]
    assert decide(decided, KEYS, SOURCES, filling) == 0
    row = next(table(KEYS, SOURCES, filling))
    assert (row["rent"], row["rent note"]) == ("840 crowns", "accepted")
    assert (row["pets"], row["pets note"]) == ("no", "no")
    (first, *_) = review(KEYS, SOURCES, filling)
    assert [one["decision"] for one in first["cells"]] == ["accepted", "no"]


def test_the_page_is_one_file_that_loads_nothing(filling: Filling, tmp_path: Path) -> None:
    write_review(tmp_path / "review.html", review(KEYS, SOURCES, filling))
    text = (tmp_path / "review.html").read_text(encoding="utf-8")
    assert text.count("<script") == 2  # those of documents are escaped
    assert "default-src 'none'" in text
    start = text.index('id="data">') + len('id="data">')
    assert json.loads(text[start : text.index("</script>", start)])[2]["document"] == HOSTILE
