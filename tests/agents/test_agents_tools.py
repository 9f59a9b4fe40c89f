"""What the tools for agents return, and what they refuse."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pullquote import Index, Reader, Searcher
from pullquote.agents.tools import NOTE, CitedQuote, Tools
from pullquote.errors import InputError


@pytest.fixture(scope="module")
def tools(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    file = tmp_path_factory.mktemp("index") / "i.db"
    with Index.create(file) as index:
        index.add([folder])
    with Index.open(file, private=True) as index:
        yield Tools(Searcher(Reader(), index))


def test_an_answer_with_its_place(tools: Tools) -> None:
    result = tools.ask("Who led the Norse?")
    quote = result.quotes[0]
    assert result.answered
    assert (quote.text, quote.document, quote.unit, quote.number) == (
        *("Rollo", "sagas/north/norse.txt"),
        *("line", 3),
    )
    assert quote.score > result.no_answer_score
    assert quote.sentence == "The Norse, led by Rollo, came."
    part = tools.read_passage(quote.document).part
    assert part.text[quote.start - part.start : quote.end - part.start] == "Rollo"


def test_no_answer_says_so(tools: Tools) -> None:
    result = tools.ask("Who wrote the history of the Normans?", top_k=2)
    assert not result.answered
    assert result.no_answer_score > 0.5
    assert len(result.quotes) <= 2


def test_filters(tools: Tools) -> None:
    assert tools.ask("Who led the Norse?", path="river*").answered is False
    found = tools.search("river hills", limit=3, path="river*")
    assert {one.document for one in found.passages} == {"sagas/river.txt"}
    with pytest.raises(InputError, match="none of the documents matches"):
        tools.ask("Who led the Norse?", path="*.pdf")
    with pytest.raises(InputError, match="year"):
        tools.ask("Who led the Norse?", where={"year": 2024})


def test_a_long_document_is_read_part_by_part(tools: Tools, folder: Path) -> None:
    text = (folder / "river.txt").read_text()
    start: int | None = 0
    parts = 0
    read = [" "] * len(text)
    while start is not None:
        result = tools.read_passage("sagas/river.txt", start)
        part = result.part
        assert part.end - part.start == len(part.text) <= 6_000
        read[part.start : part.end] = part.text
        assert result.next_start is None or result.next_start > start
        start, parts = result.next_start, parts + 1
    assert parts > 1
    assert "".join(read).split() == text.split()
    assert tools.read_passage("sagas/river.txt", 3_000).part.start <= 3_000


def test_a_table_of_short_rows_is_read_to_its_end(tmp_path: Path) -> None:
    """Each row is a passage, and many more than are fetched at first fit into a part."""
    rows = "\n".join(f"lamp {n},{n} crowns" for n in range(300))
    (tmp_path / "prices.csv").write_text(f"item,price\n{rows}\n")
    with Index.in_memory() as index:
        index.add([tmp_path / "prices.csv"])
        (document,) = index.documents()
        few = Tools(Searcher(Reader(), index))
        first = few.read_passage(document.path)
        assert 5_900 < first.part.end <= 6_000
        assert first.next_start is not None
        second = few.read_passage(document.path, first.next_start)
    assert second.part.start == first.next_start
    assert "lamp 299" in second.part.text
    assert second.next_start is None


def test_documents_that_were_not_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / "prices.csv").write_text("item,price\nlamp,12\n")
    with Index.create(tmp_path / "i.db") as index:
        index.add([tmp_path / "broken.pdf", tmp_path / "prices.csv"])
    with Index.open(tmp_path / "i.db", private=True) as index:
        listed = Tools(Searcher(Reader(), index)).list_documents()
    (document,) = listed.documents
    assert (document.document, document.unit) == ("prices.csv", "line")
    (broken,) = listed.not_read
    assert broken.document == "broken.pdf"
    assert "PDF" in broken.reason
    assert str(tmp_path) not in broken.reason


def test_a_quote_that_cannot_be_checked_has_a_reason(tools: Tools) -> None:
    short, exact = tools.check_quotes(["Rollo", "The Norse, led by Rollo, came."]).quotes
    assert (short.match, exact.reason) == ("uncheckable", "")
    assert "too short" in short.reason


def test_all_documents_are_listed_a_page_at_a_time(tools: Tools) -> None:
    every = tools.list_documents()
    assert every.total == len(every.documents) == 5
    second = tools.list_documents(first=1, limit=2)
    assert second.documents == every.documents[1:3]
    assert second.total == 5
    (only,) = tools.list_documents(path="north/*").documents
    assert (only.document, only.unit) == ("sagas/north/norse.txt", "line")


def test_nothing_is_told_of_the_disk(tools: Tools, folder: Path) -> None:
    """No path above the folder, in any result."""
    above = str(folder.parent)
    for result in (
        tools.ask("Who led the Norse?"),
        tools.search("river"),
        tools.list_documents(),
        tools.read_passage("sagas/order.md"),
    ):
        assert above not in json.dumps(dataclasses.asdict(result))
        assert result.note == NOTE
    with pytest.raises(InputError, match="no document"):
        tools.read_passage(str(folder / "north" / "norse.txt"))
    with pytest.raises(InputError, match="no document"):
        tools.read_passage("../../etc/passwd")


def test_results_can_be_sent_whatever_names_and_metadata_hold(tools: Tools) -> None:
    with Index.in_memory() as index:
        index.add_texts([{"id": "ferry", "text": "The ferry \ud800 costs 12.", "by": "\ud800"}])
        few = Tools(Searcher(Reader(), index))
        results = [few.ask("How much is it?"), few.read_passage("ferry"), few.list_documents()]
    for result in results:
        json.dumps(dataclasses.asdict(result), ensure_ascii=False).encode()
    names = [one.document for one in tools.list_documents().documents]
    assert "sagas/caf\ufffd.txt" in names
    assert tools.read_passage("sagas/caf\ufffd.txt").part.text == "The cafe closes at noon."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tools: tools.ask(" "), "question is blank"),
        (lambda tools: tools.ask("x" * 2001), "2,001 characters, expected at most 2,000"),
        (lambda tools: tools.ask("Who?", top_k=0), "top_k is 0, expected 1 to 20"),
        (lambda tools: tools.search("river", limit=51), "limit is 51, expected 1 to 50"),
        (lambda tools: tools.read_passage("sagas/order.md", -1), "start is -1, expected from 0"),
        (lambda tools: tools.read_passage("sagas/order.md", 10**6), "expected less"),
        (lambda tools: tools.read_passage("nowhere.txt"), "nowhere.txt: no document"),
        (lambda tools: tools.check_quotes([]), "number of quotes is 0, expected 1 to 50"),
        (lambda tools: tools.check_quotes(["x " * 1001]), "at most 2,000"),
        (lambda tools: tools.highlight("", "sagas/order.md"), "question is blank"),
        (lambda tools: tools.list_documents(limit=501), "limit is 501, expected 1 to 500"),
    ],
)
def test_bad_arguments(tools: Tools, call: Callable[[Tools], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(tools)


def test_quotes_are_checked(tools: Tools) -> None:
    exact, drifted, absent = tools.check_quotes(
        [
            "The Norse, led by Rollo, came.",
            "the river runs on through the high hills",
            "a king of the north who never came back from the sea",
        ]
    ).quotes
    assert (exact.match, exact.differences) == ("exact", [])
    (place,) = exact.found
    assert (place.document, place.number) == ("sagas/north/norse.txt", 3)
    part = tools.read_passage(place.document).part
    assert part.text[place.start - part.start : place.end - part.start] == exact.quote
    assert drifted.match == "drifted"
    assert drifted.differences == ['added "high"']
    assert absent.match == "absent"


def test_quotes_are_checked_where_they_are_cited(tools: Tools) -> None:
    quote = "The Norse, led by Rollo, came."
    named = CitedQuote(quote=quote, document="norse.txt", unit="line", number=3)
    found = tools.check_quotes(
        [
            quote,
            named,
            dataclasses.replace(named, number=4),
            dataclasses.replace(named, document="sagas/river.txt"),
            dataclasses.replace(named, document="other.txt"),
        ]
    ).quotes
    assert [one.place for one in found] == ["", "as named", "elsewhere", "elsewhere", "elsewhere"]
    assert {one.match for one in found} == {"exact"}
    with pytest.raises(InputError, match="number is 3, without the unit that it counts"):
        tools.check_quotes([CitedQuote(quote=quote, number=3)])


def test_sentences_that_bear_on_a_question_with_their_places(tools: Tools) -> None:
    result = tools.highlight("Who led the Norse?", "sagas/north/norse.txt")
    assert [one.text for one in result.sentences] == ["The Norse, led by Rollo, came."]
    (found,) = result.sentences
    assert (found.number, result.next_start) == (3, None)
    assert 0.3 <= found.score <= 1
    part = tools.read_passage("sagas/north/norse.txt").part
    assert part.text[found.start - part.start : found.end - part.start] == found.text
    later = tools.highlight("What runs on?", "sagas/river.txt", 5_000)
    assert all(one.start >= 4_000 for one in later.sentences)
