"""Filled tables: cells, notes, resuming, decisions, and what goes wrong."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from pullquote import Index, Reader, Searcher
from pullquote.errors import ConfigError, DataError, InputError, OutputError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.scale.fill import (
    NO_ANSWER,
    Decided,
    FillColumns,
    Filling,
    Source,
    decide,
    fill,
    question_keys,
    shade,
    sources_of,
    table,
)
from pullquote.scale.output import write
from pullquote.scale.review import read_decisions
from pullquote.scale.wanted import Wanted

LED = Wanted("led", ("Who led the Norse?", "Who led them?"))
CAME = Wanted("came", ("Did the Norse come?",), "yes/no")
TEXTS = {
    "a.txt": "The Norse came by sea.\n\nIt rained. Rollo led them.",
    "b.txt": "The old king led a duke.",
}


@pytest.fixture
def searcher(
    make_model: Callable[..., Path], tmp_path: Path, wordpiece: Tokenizer
) -> Iterator[Searcher]:
    """Answers "Rollo" where the text has it and abstains elsewhere."""
    rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id == rollo else -10.0 for id in ids[1:]]
        return row, row

    reader = Reader(make_model(tmp_path / "model"), backend=ScriptedBackend(script))
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    with Index.create(tmp_path / "i.db") as index:
        index.add([folder])
        yield Searcher(reader, index)


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    return [Source(str(tmp_path / "docs" / name), name, (1, 2, 3)) for name in TEXTS]


def rows(
    searcher: Searcher, sources: list[Source], wanted: list[Wanted], out: Path, **options: Any
) -> list[dict[str, Any]]:
    keys = question_keys(searcher, wanted)
    with Filling(out) as filling:
        fill(searcher, keys, sources, filling)
        return list(table(keys, sources, filling, **options))


def test_a_row_for_each_document(searcher: Searcher, sources: list[Source], tmp_path: Path) -> None:
    broken = Source(str(tmp_path / "docs" / "c.pdf"), "c.pdf", (), "not readable as a PDF")
    first, second, third = rows(searcher, [*sources, broken], [LED], tmp_path / "x.csv")
    assert tuple(first) == tuple(FillColumns((LED,)).types())
    assert (first["led"], first["led quote"], first["led place"]) == ("Rollo", "Rollo", "line 3")
    assert 0.5 < first["led score"] <= 1
    assert (first["led note"], first["error"]) == ("", None)
    assert (second["led"], second["led quote"], second["led score"]) == ("no answer", "", None)
    assert (third["document"], third["led"], third["error"]) == (
        *("c.pdf", ""),
        "not readable as a PDF",
    )


def test_low_scores_and_yes_or_no(
    searcher: Searcher, sources: list[Source], tmp_path: Path
) -> None:
    yes = Wanted("rollo", ("Did Rollo lead them?",), "yes/no")
    row, _ = rows(searcher, sources, [LED, yes], tmp_path / "x.csv", low=1.0)
    assert row["led note"] == row["rollo note"] == "low score"
    assert row["rollo"] == row["rollo quote"] == "Rollo led them."
    assert shade(row, "led") == "low"
    assert shade(row, "led quote") == ""
    assert shade({"led": "no answer"}, "led") == "none"


def test_dates_and_amounts(tmp_path: Path) -> None:
    pytest.importorskip("dateutil")
    cell = {"answered": True, "quote": "03/04/2025", "unit": "page", "number": 2, "score": 0.9}
    with Filling(tmp_path / "x.csv") as filling:
        source, wanted = Source("/a", "a", (1,)), Wanted("when", ("When?",), "date")
        filling.add(source, {"k": cell, "n": {**cell, "quote": "1,250\ncrowns"}})
        keys = {wanted: "k", Wanted("rent", ("How much?",), "amount"): "n"}
        (row,) = table(keys, [source], filling)
        assert (row["when"], row["when note"]) == ("03/04/2025", "day or month first?")
        assert row["when place"] == "page 2"
        assert (row["rent"], row["rent quote"]) == ("1250", "1,250\ncrowns")
        (row,) = table(keys, [source], filling, numbers=True)
        assert row["rent"] == 1250.0


def test_amounts_of_more_digits_than_a_workbook_keeps_stay_texts(tmp_path: Path) -> None:
    cell = {"answered": True, "unit": "page", "number": 2, "score": 0.9}
    quotes = ("123456789012345", "1234567890123.45", "1234567890123456", "12345678901234.56")
    with Filling(tmp_path / "x.csv") as filling:
        source = Source("/a", "a", (1,))
        filling.add(source, {quote: {**cell, "quote": quote} for quote in quotes})
        keys = {Wanted(f"sum {quote}", ("How much?",), "amount"): quote for quote in quotes}
        (row,) = table(keys, [source], filling, numbers=True)
    assert [row[one.name] for one in keys] == [
        *(123456789012345.0, 1234567890123.45),
        *("1234567890123456", "12345678901234.56"),
    ]


def test_sources_are_the_versions_that_the_index_has(searcher: Searcher, tmp_path: Path) -> None:
    docs, index, out = tmp_path / "docs", searcher.index, tmp_path / "docs" / "x.csv"
    keys = question_keys(searcher, [LED])

    def led() -> list[str]:
        sources = sources_of([docs], index, without=[out])
        with Filling(out) as filling:
            fill(searcher, keys, sources, filling)
            return [row["led"] for row in table(keys, sources, filling)]

    out.write_text("document,led\n")
    assert led() == ["Rollo", NO_ANSWER]
    (docs / "b.txt").write_text("Rollo led them, too.")
    assert led() == ["Rollo", NO_ANSWER]  # of the version that was read
    index.add()
    assert led() == ["Rollo", "Rollo"]


def test_sources_with_the_reasons_of_what_was_not_read(searcher: Searcher, tmp_path: Path) -> None:
    docs, index = tmp_path / "docs", searcher.index
    (docs / "old").mkdir()
    (docs / "old" / "rows.jsonl").write_text('{"text": "Rollo led them."}\n{"text":\n')
    (docs / "old" / "empty.txt").touch()
    index.add()
    (docs / "new.txt").write_text("Rollo came late.")
    sources = sources_of([docs / "a.txt", docs / "old", docs / "new.txt"], index)
    assert [(source.name, source.readable, source.partly) for source in sources] == [
        *(("a.txt", True, False), ("new.txt", False, False)),
        *(("old/empty.txt", False, False), ("old/rows.jsonl", True, True)),
    ]
    _, new, empty, rows = (source.problem for source in sources)
    assert new.startswith("is not in the index")
    assert "0 bytes" in empty
    assert "line 2: not JSON" in rows
    assert not any(source.stamp for source in sources if not source.readable)


def test_nothing_is_asked_twice(
    searcher: Searcher,
    sources: list[Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    original = searcher.search_all

    def watched(questions: list[str], **options: Any) -> Any:
        asked.extend(questions)
        return original(questions, **options)

    monkeypatch.setattr(searcher, "search_all", watched)
    out = tmp_path / "x.csv"
    first = rows(searcher, sources, [LED], out)
    assert len(asked) == 4
    renamed = Wanted("leader", LED.ask)
    again = rows(searcher, sources, [renamed], out)
    assert len(asked) == 4
    assert again[0]["leader"] == first[0]["led"]
    rows(searcher, sources, [LED, CAME], out)  # a new column
    assert asked[4:] == [*CAME.ask, *CAME.ask]
    changed = [Source(sources[0].path, "a.txt", (9, 9, 9)), sources[1]]  # a new version
    rows(searcher, changed, [LED, CAME], out)
    assert asked[6:] == [*LED.ask, *CAME.ask]
    keys = question_keys(searcher, [LED], answerable=0.9)  # another decision
    with Filling(out) as filling:
        assert fill(searcher, keys, sources, filling, answerable=0.9) == 2


def test_a_kill_costs_the_document_that_was_asked(
    searcher: Searcher, sources: list[Source], tmp_path: Path
) -> None:
    out = tmp_path / "x.csv"
    keys = question_keys(searcher, [LED])
    with Filling(out) as filling:
        fill(searcher, keys, sources, filling)
    whole = filling.path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 40, whole.index(b"\n", 20) + 1):
        filling.path.write_bytes(whole[:cut])
        with Filling(out) as filling:
            assert fill(searcher, keys, sources, filling) == 1
        assert filling.path.read_bytes() == whole


def test_decisions_come_into_the_table_and_stay(
    searcher: Searcher, sources: list[Source], tmp_path: Path
) -> None:
    out = tmp_path / "x.csv"
    keys = question_keys(searcher, [LED])
    with Filling(out) as filling:
        fill(searcher, keys, sources, filling)
        nearest = filling.cells(sources[1])[keys[LED]]["quote"]
        decisions = [
            Decided("a.txt", "led", "Rollo", "rejected"),
            Decided("b.txt", "led", nearest, "accepted"),
            Decided("a.txt", "led", "another quote", "accepted"),
            Decided("z.txt", "led", "Rollo", "accepted"),
        ]
        assert decide(decisions, keys, sources, filling) == 2
        assert filling.decision(sources[0], "led", "Rollo") == "rejected"
        assert filling.decision(sources[0], "led", "another quote") == ""
        with pytest.raises(InputError, match="none of the decisions is on a quote of this table"):
            decide(decisions[2:], keys, sources, filling)
    first, second = rows(searcher, sources, [LED], out)
    assert (first["led"], first["led quote"], first["led note"]) == ("", "Rollo", "rejected")
    assert (second["led"], second["led note"]) == (nearest, "accepted")
    with Filling(out) as filling:  # taken back
        decide([Decided("a.txt", "led", "Rollo", "")], keys, sources, filling)
    assert rows(searcher, sources, [LED], out)[0]["led"] == "Rollo"


def test_decisions_stay_when_a_folder_is_added(tmp_path: Path) -> None:
    cell = {"asked": "How much?", "answered": True, "quote": "840", "sentence": "840."}
    cell |= {"passage": "840.", "offset": 0, "sentence_offset": 0}
    cell |= {"unit": "line", "number": 1, "score": 0.9}
    wanted = Wanted("rent", ("How much?",))
    alone, below = (Source(f"/x/docs/{name}", name, (1,)) for name in ("a.txt", "b/a.txt"))
    with Filling(tmp_path / "x.csv") as filling:
        filling.add(alone, {"k": cell})
        filling.add(below, {"k": cell})
        decided = [Decided("a.txt", "rent", "840", "accepted")]
        assert decide(decided, {wanted: "k"}, [alone, below], filling) == 0
    with Filling(tmp_path / "x.csv") as filling:
        added = [replace(source, name=f"docs/{source.name}") for source in (alone, below)]
        first, second = table({wanted: "k"}, added, filling)
        assert (first["rent note"], second["rent note"]) == ("accepted", "")


def test_what_is_decided_already_is_not_written_again(tmp_path: Path) -> None:
    source, twice = Source("/a", "a", (1,)), Decided("a", "rent", "840", "rejected")
    with Filling(tmp_path / "x.csv") as filling:
        filling.decide([(source, replace(twice, decision="accepted"))])
        before = filling.path.read_text()
        filling.decide([(source, twice), (source, replace(twice, decision="accepted"))])
        filling.decide([(source, Decided("a", "other", "840", ""))])
        assert filling.path.read_text() == before
        filling.decide([(source, twice)])
        assert filling.decision(source, "rent", "840") == "rejected"


def test_newer_rules_of_reading_ask_again(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = question_keys(searcher, [LED])
    monkeypatch.setattr("pullquote.scale.fill.READING", 10**6)
    assert question_keys(searcher, [LED]) != before


def test_the_file_of_what_was_found(tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    with Filling(out) as filling, pytest.raises(OutputError, match="another process is writing"):
        Filling(out).__enter__()
    for text, message in (
        ('{"format": 2}\n', "written by a newer pullquote"),
        ("not JSON\n", "is damaged"),
        ("[]\n", "is damaged"),
        ('{"format": 1}\n{"document": "a"}\n', "is damaged"),
        ('{"format": 1}\n{"decided": {"x": 1}}\n', "is damaged"),
        ('{"format": 1}\n' + "[" * 100_000 + "\n", "is damaged"),
    ):
        filling.path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            Filling(out).__enter__()
    with pytest.raises(OutputError, match="cannot be written"):
        Filling(filling.path / "x.csv").__enter__()


ODD = (None, "x", [], {}, True, -1, -2, 10**30, 1.5, 1e308, float("nan"), float("inf"), "9" * 5000)


def test_a_damaged_cell_is_seen_when_the_file_is_opened(searcher: Searcher, tmp_path: Path) -> None:
    keys = question_keys(searcher, [LED])
    with Filling(tmp_path / "x.csv") as filling:
        fill(searcher, keys, sources_of([tmp_path / "docs"], searcher.index), filling)
    sound = filling.path.read_text()
    with Filling(tmp_path / "x.csv"):
        pass
    line = json.loads(sound.splitlines()[1])
    cell = line["cells"][keys[LED]]
    assert cell["quote"]
    free = {"asked": str, "answered": bool, "unit": str}  # of which any may stand there
    cells = [
        {**cell, field: odd} for field in cell for odd in ODD if type(odd) is not free.get(field)
    ]
    cells += [{name: value for name, value in cell.items() if name != left} for left in cell]
    cells += [{**cell, "sheet": odd} for odd in ODD if not isinstance(odd, str)]
    lines = [{**line, "cells": {"k": cell}} for cell in (*cells, *ODD)]
    lines += [
        {**line, name: odd}
        for name in ("document", "stamp", "cells")
        for odd in ODD
        if not (name == "document" and isinstance(odd, str)) and odd not in ([], {})
    ]
    lines += [{**line, "stamp": [odd]} for odd in ODD if type(odd) is not int]
    decided = {"document": "a", "question": "led", "quote": "Rollo", "decision": "accepted"}
    lines += [
        {"decided": {**decided, name: odd}, "path": "/a"}
        for name in decided
        for odd in ODD
        if not (isinstance(odd, str) and name != "decision")
    ]
    lines += [{"decided": odd, "path": "/a"} for odd in ODD]
    lines += [{"decided": decided, "path": odd} for odd in ODD if not isinstance(odd, str)]
    lines += [{"decided": {**decided, "more": 1}, "path": "/a"}]
    for odd_line in (*lines, *ODD):
        filling.path.write_text(f'{{"format": 1}}\n{json.dumps(odd_line)}\n')
        with pytest.raises(ConfigError, match=r"line 2 is damaged .*remove the line") as raised:
            Filling(tmp_path / "x.csv").__enter__()
        assert len(str(raised.value)) < 1000, odd_line


@pytest.mark.skipif(os.name == "nt", reason="has no pipes with names in folders")
@pytest.mark.parametrize("what", ["pipe", "link", "dangling", "link to a pipe", "folder", "socket"])
def test_what_is_no_file_in_the_place_of_what_was_found(tmp_path: Path, what: str) -> None:
    """A pipe would be waited for, and through a link another file be written to."""
    other = tmp_path / "other"
    other.write_text("not\nwritten to")
    path = tmp_path / ".x.csv.filled"
    match what:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(other)
        case "dangling":
            path.symlink_to(tmp_path / "new")
        case "link to a pipe":
            os.mkfifo(tmp_path / "pipe")
            path.symlink_to(tmp_path / "pipe")
        case "folder":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(os.path.relpath(path))
    with pytest.raises(OutputError, match=r"x\.csv\.filled: cannot be written"):
        Filling(tmp_path / "x.csv").__enter__()
    assert other.read_text() == "not\nwritten to"
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_not_of_a_table_stays_as_it_is(tmp_path: Path) -> None:
    """It is known before a last line without an end is removed."""
    (tmp_path / ".x.csv.filled").write_text("a diary\nof mine")
    with pytest.raises(ConfigError, match="line 1 is damaged"):
        Filling(tmp_path / "x.csv").__enter__()
    assert (tmp_path / ".x.csv.filled").read_text() == "a diary\nof mine"


@pytest.mark.parametrize("name", ["start", "end", "score", "number", "answers", "no_answer_score"])
def test_a_question_may_have_the_name_of_a_column_of_answers(tmp_path: Path, name: str) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    wanted = Wanted(name, ("How much?",))
    cell = {"answered": True, "quote": "840", "unit": "line", "number": 1, "score": 0.75}
    with Filling(tmp_path / "x.csv") as filling:
        filling.add(source := Source("/a", "a", (1,)), {"k": cell})
        rows = list(table({wanted: "k"}, [source], filling))
    write(tmp_path / "x.parquet", rows, FillColumns((wanted,)))
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == rows
    write(tmp_path / "x.csv", rows, FillColumns((wanted,)))
    _, line = (tmp_path / "x.csv").read_text().splitlines()
    assert line == "a,840,840,line 1,0.75,,"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "not JSON"),
        ("[]", "no decisions of a review"),
        ('{"format": 2, "decisions": []}', "has format 2, of a newer pullquote"),
        ('{"format": 1}', "no decisions of a review"),
        ('{"format": 1, "decisions": [{"document": "a"}]}', "no decisions of a review"),
        (
            json.dumps(
                {
                    "format": 1,
                    "decisions": [dict.fromkeys(("document", "question", "quote", "decision"), 3)],
                }
            ),
            "no decisions of a review",
        ),
        (
            json.dumps(
                {
                    "format": 1,
                    "decisions": [
                        dict.fromkeys(("document", "question", "quote", "decision"), "maybe")
                    ],
                }
            ),
            "a decision is 'maybe', expected accepted",
        ),
    ],
)
def test_files_that_are_no_decisions(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_decisions(tmp_path / "d.json")


def test_names_of_files_that_are_no_unicode(tmp_path: Path) -> None:
    source = Source("/a\udcff", "a\udcff", (1,))
    with Filling(tmp_path / "x.csv") as filling:
        filling.add(source, {})
        assert next(table({}, [source], filling))["document"].isprintable()
