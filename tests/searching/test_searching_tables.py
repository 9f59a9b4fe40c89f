"""Tables without a column of texts: each row is a passage of its cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from searching_helpers import text_and_notes

from pullquote import Index, Reader, Searcher
from pullquote.searching.documents import SourceFile, find, read


def table(tmp_path: Path, text: str, name: str = "a.csv") -> tuple[str, list[str]]:
    (tmp_path / name).write_text(text)
    return text_and_notes(tmp_path / name)


DOORS = "Item: oak door; Price: 840\nItem: pine door; Price: 310"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_of_any_delimiter_are_named_cells(tmp_path: Path, delimiter: str) -> None:
    text = "Item,Price\noak door,840\n\npine door,310\n".replace(",", delimiter)
    assert table(tmp_path, text) == (DOORS, [])
    (file,) = find([tmp_path])
    assert isinstance(file, SourceFile)
    assert [str(passage.place())[-7:] for passage in read(file)] == [" line 2", " line 4"]


def test_a_price_can_be_quoted(tmp_path: Path) -> None:
    text = "Item,Wood,Price\ndoor,oak,840 crowns\ndoor,pine,310 crowns\nwindow,oak,455 crowns\n"
    (tmp_path / "stock.csv").write_text(text)
    with Index.create(tmp_path / "notes.db") as index:
        index.add([tmp_path / "stock.csv"])
        (hit,) = Searcher(Reader(), index).ask("What is the price of the oak door?")
    assert (hit.text, hit.place.number) == ("840 crowns", 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oak door,840\npine door,310\n", "oak door: 840\npine door: 310"),
        ("oak,door,840\npine,door,310\n", "oak; door; 840\npine; door; 310"),
        ("Country,Capital\nNorway,Oslo\n", "Country: Norway; Capital: Oslo"),
        (
            "Doors of 2019\n\nItem,Price\noak door,840\n",
            "Doors of 2019 / Item: oak door; Price: 840",
        ),
        (
            "Doors of 2019;;\nItem;Wood;Price\ndoor;oak;840\n",
            "Doors of 2019 / Item: door; Wood: oak; Price: 840",
        ),
        ("Country,2019,2020\nNorway,5,6\n", "Country: Norway; 2019: 5; 2020: 6"),
        ("Name\nAnn Lee\nOmar Haddad\n", "Name\nAnn Lee\nOmar Haddad"),
        ("Item,Price,Price\ndoor,840,900\n", "Item: door; Price: 840; Price: 900"),
    ],
)
def test_headers_and_titles(tmp_path: Path, text: str, expected: str) -> None:
    assert table(tmp_path, text) == (expected, [])


def test_a_bad_row_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    text = 'Item,Price\noak door,840\n12,34,56\nshed\n"open,9\npine door,310\n'
    assert table(tmp_path, text) == (
        "Item: oak door; Price: 840\nItem: shed\nItem: pine door; Price: 310",
        [
            "line 3: found 3 cells, expected 2",
            "line 5: not CSV: unexpected end of data in the row at line 5",
        ],
    )


def test_cells_of_any_size_are_passages(tmp_path: Path) -> None:
    long = "The mill was built in 1641. " * 6_000
    (tmp_path / "a.csv").write_text(f"Item,Story\nmill,{long}\npool,It opens at seven.\n")
    text, notes = text_and_notes(tmp_path / "a.csv")
    assert notes == []
    assert text.startswith("Item: mill; Story: The mill was built in 1641. The")
    assert text.endswith("\nItem: pool; Story: It opens at seven.")


def test_a_column_of_texts_is_read_as_before(tmp_path: Path) -> None:
    text = "Title;Text;Price\nMill;It was built in 1641.;840\n"
    assert table(tmp_path, text)[0] == "Mill / It was built in 1641."


def test_objects_without_a_text_are_rows(tmp_path: Path) -> None:
    rows = [
        {"item": "oak door", "price": 840, "size": {"wide": 80, "high": 210}, "sold": False},
        {"item": "shed", "tags": ["old", "new"], "parts": [{"wood": "oak"}, {"wood": "ash"}]},
        {"item": "vector", "values": [0.5] * 384, "photo": None},
        {"text": "A text."},
    ]
    for name in ("a.json", "a.jsonl"):
        text = json.dumps(rows) if name == "a.json" else "\n".join(map(json.dumps, rows))
        assert table(tmp_path, text, name) == (
            "item: oak door; price: 840; size wide: 80; size high: 210; sold: no\n"
            "item: shed; tags: old, new; parts wood: oak; parts wood: ash\n"
            "item: vector\nA text.",
            [],
        )


def test_one_row_that_is_nested_deeply_costs_that_row(tmp_path: Path) -> None:
    deep = '{"a":' * 900 + "1" + "}" * 900
    assert table(tmp_path, f'{deep}\n{{"item": "door"}}\n', "a.jsonl") == (
        "item: door",
        ["line 1: more than 20 objects in objects"],
    )


def test_long_names_are_not_repeated_whole(tmp_path: Path) -> None:
    row = {"name " * 1_000: [{"a": 1}] * 100, "item": "door"}
    text, _ = table(tmp_path, json.dumps(row), "a.jsonl")
    assert text.endswith("item: door")
    assert len(text) < 20_000  # without a limit 500,000


def test_a_question_and_its_answer_are_a_row(tmp_path: Path) -> None:
    text = '{"question": "Who built it?", "answer": "Ann Lee."}\n'
    assert table(tmp_path, text, "a.jsonl")[0] == "question: Who built it? answer: Ann Lee."
