"""Texts that are no files: strings, dicts, rows of tables; their metadata, and filters by it."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from searching_helpers import HashEncoder

from pullquote import Index, Reader, Searcher
from pullquote.errors import IndexFileError, InputError
from pullquote.searching.texts import texts

ROWS = [
    {"id": "lease", "text": "The rent is due.", "year": 2024, "author": "Ann", "paid": True},
    {"id": "note", "text": "The rent was raised.", "year": 2023, "author": "Bob", "paid": None},
    "The rent is low.",
]


@pytest.fixture(params=["memory", "fts5", "tsvector"])
def index(request: pytest.FixtureRequest, place: Callable[[str], Path | str]) -> Iterator[Index]:
    encoder = HashEncoder()
    made = (
        Index.in_memory(encoder=encoder)
        if request.param == "memory"
        else Index.create(place(request.param), encoder=encoder)
    )
    with made as index:
        yield index


def names(index: Index, question: str = "rent", **options: Any) -> set[str]:
    return {found.passage.document.path for found in index.search(question, **options)}


def test_texts_are_documents_with_names_and_metadata(index: Index) -> None:
    done = index.add_texts(ROWS)
    assert (done.added, done.changed, done.unchanged) == (3, 0, 0)
    assert {d.path: dict(d.metadata) for d in index.documents()} == {
        "lease": {"year": 2024, "author": "Ann", "paid": True},
        "note": {"year": 2023, "author": "Bob", "paid": None},
        "text 3": {},
    }
    assert names(index) == {"lease", "note", "text 3"}
    assert index.without_vectors() == 0
    assert names(index, "money", path="lea*") == {"lease"}


def test_a_text_replaces_the_one_of_its_name(index: Index) -> None:
    index.add_texts(ROWS)
    done = index.add_texts([{**ROWS[0], "year": 2025}, ROWS[1], "The rent is low."])  # type: ignore[dict-item]
    assert (done.added, done.changed, done.unchanged) == (1, 1, 1)
    assert names(index, where={"year": 2025}) == {"lease"}
    assert names(index, where={"year": 2024}) == set()
    assert len(index) == 4  # texts without a name are all kept
    assert index.remove(["lease", "nothing"]) == 1
    assert names(index) == {"note", "text 3", "text 5"}
    assert index.without_vectors() == 0


def test_offsets_are_those_of_the_text(index: Index) -> None:
    text = "\ufeffAbout cats.\r\n\r\n" + "They sleep. " * 200 + "\n\nThe rent is due.\ud800"
    index.add_texts([text])
    (passage,) = (f.passage for f in index.search("rent") if "rent" in f.passage.text)
    assert text[passage.start : passage.end].replace("\ud800", "\ufffd") == passage.text
    assert passage.place(passage.text.index("rent")).number == 5


def test_filters(index: Index) -> None:
    index.add_texts(ROWS)
    assert names(index, where={"author": "Ann"}) == {"lease"}
    assert names(index, where={"year": [2023, 2024]}) == {"lease", "note"}
    assert names(index, where={"year": [2023, 2024], "author": "Bob"}) == {"note"}
    assert names(index, where={"paid": True}) == {"lease"}
    assert names(index, where={"paid": None}) == {"note"}
    assert names(index, where={"year": "2024"}) == set()
    assert names(index, where={}) == {"lease", "note", "text 3"}
    assert names(index, where={"author": "Ann"}, path="note") == set()
    with pytest.raises(InputError, match=r"no document has the field 'yaer'; found author, paid, "):
        names(index, where={"yaer": 2024})
    with pytest.raises(InputError, match="no document has the field"):
        names(index, where={'"\ud800': 1})


def test_a_field_of_an_index_without_metadata(index: Index, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent.")
    index.add([tmp_path / "a.txt"])
    with pytest.raises(InputError, match=r"they have no metadata\. No row of a table"):
        names(index, where={"year": 2024})


CITIES = """country;city;rent;note
Norway;Bergen;840;The harbour.
Norway;Oslo;910;"See Bergen. It is near; far"
Sweden;Lund;700;Not in Norway
Norway, Sweden;Halden;500;
"""


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.fixture
def table(index: Index, tmp_path: Path) -> Index:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "cities.csv").write_text(CITIES)
    (tmp_path / "docs" / "old.md").write_text(
        "| city | rent |\n|---|---|\n| Oslo | 10 |\n| Lund | 9 |\n"
    )
    (tmp_path / "docs" / "notes.txt").write_text("city: Oslo; rent: 1")
    index.add([tmp_path / "docs"])
    index.add_texts([{"text": "The rent in Oslo; city: Oslo", "country": "Norway"}])
    return index


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"country": "Norway"}, {"cities.csv 2", "cities.csv 3", "text 4 1"}),
        ({"country": ["Sweden", "Norway, Sweden"]}, {"cities.csv 4", "cities.csv 5"}),
        ({"country": "Norway", "city": "Oslo"}, {"cities.csv 3"}),
        ({"city": "Oslo"}, {"cities.csv 3", "old.md 3"}),
        ({"rent": 840}, {"cities.csv 2"}),
        ({"rent": [840.0, "910"]}, {"cities.csv 2", "cities.csv 3"}),
        ({"rent": 84}, set()),
        ({"note": "The harbour."}, {"cities.csv 2"}),
        ({"note": "See Bergen."}, set()),
        ({"note": "See Bergen. It is near; far"}, {"cities.csv 3"}),
        ({"city": None}, set()),
        ({"city": "os_o"}, set()),
    ],
)
def test_rows_of_files_are_filtered_by_their_columns(
    table: Index, where: dict[str, Any], rows: set[str]
) -> None:
    found = [one.passage.place() for one in table.search("rent", where=where)]
    assert {f"{Path(place.path).name} {place.number}" for place in found} == rows


def test_many_values_are_looked_for_at_once(table: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scan goes through all passages, and others wait for it."""
    scans: list[str] = []
    each = table._store.each
    monkeypatch.setattr(
        table._store, "each", lambda query, *values: scans.append(query) or each(query, *values)
    )
    cities = ["Oslo", "Halden", *(f"Town {number}" for number in range(10_000))]
    found = [one.passage.place().number for one in table.search("rent", where={"city": cities})]
    assert sorted(found) == [3, 3, 5]
    assert len(scans) == 1
    table.add_texts([{"text": "The rent.", "city": f"Town {number}"} for number in range(1_000)])
    begin = time.process_time()
    assert len(table.search("rent", 2000, where={"city": cities})) == 1_003
    assert time.process_time() - begin < 4  # 20 s where each text is compared with each value


@pytest.mark.parametrize(
    "odd", [deep(1_000), {"a": deep(101)}, 10**5_000, [-(10**1_001)]], ids="abcd"
)
def test_metadata_that_a_database_cannot_read_are_refused(index: Index, odd: Any) -> None:
    with pytest.raises(
        InputError, match=r"metadata: (more than 100 levels|a whole number of over)"
    ):
        index.add_texts([{"text": "The rent.", "odd": odd}])
    with pytest.raises(
        InputError, match=r"metadata: (more than 100 levels|a whole number of over)"
    ):
        index.search("rent", where={"odd": odd})
    index.add_texts([{"text": "The rent.", "odd": deep(99), "n": 10**999}])
    assert len(names(index, where={"n": 10**999})) == 1


LETTERS = [
    {
        "text": "The rent is due.",
        "author": "Ann",
        "year": 2024,
        "paid": True,
        "to": {"city": "Oslo"},
    },
    {"text": "The rent was raised. " * 90, "author": "Bob", "year": 2023.0, "tags": ["new", "up"]},
    {"text": "author: Ann; year: 2023", "author": "", "vector": [0.5] * 21, "n": 3},
    {"text": "The rent is low.", "author": "x" * 201, "n": 7, "day": "1 May: noon"},
]


BESIDE: list[tuple[dict[str, Any], set[int]]] = [
    ({"author": "Ann"}, {1}),
    ({"author": ["Ann", "Bob"]}, {1, 2}),
    ({"year": 2024}, {1}),
    ({"year": "2024"}, {1}),
    ({"year": [2023, 2024]}, {1, 2}),
    ({"year": 2023, "author": "Bob"}, {2}),
    ({"year": 202}, set()),
    ({"paid": True}, {1}),
    ({"paid": False}, set()),
    ({"to city": "Oslo"}, {1}),
    ({"tags": "new, up"}, {2}),
    ({"day": "1 May: noon"}, {4}),
    ({"author": "x" * 201}, set()),
]


@pytest.mark.parametrize("engine", ["fts5", "tantivy", "opensearch", "tsvector"])
def test_rows_of_texts_are_filtered_by_what_stands_beside_them(
    place: Callable[[str], Path | str], tmp_path: Path, engine: str
) -> None:
    (tmp_path / "letters.jsonl").write_text("\n".join(map(json.dumps, LETTERS)))
    (tmp_path / "notes.csv").write_text("author,year,text\nAnna,20245,The rent of a note.\n")
    with Index.create(place(engine), engine=engine, encoder=None) as index:
        index.add([tmp_path / "letters.jsonl", tmp_path / "notes.csv"])
        for where, rows in BESIDE:
            found = index.search("rent author", 99, where=where)
            assert {one.passage.place().number for one in found} == rows
            assert len(found) > len(rows) or 2 not in rows  # a long text is chosen whole
        for field in ("text", "vector", "yaer", "Ann"):
            with pytest.raises(InputError, match=r"the field .*; found author, day, .*, year\."):
                names(index, where={field: "Ann"})


@pytest.mark.parametrize("word", ["yes", "true", "True", "TRUE"])
def test_truth_in_rows_as_programs_write_it(index: Index, tmp_path: Path, word: str) -> None:
    no = {"yes": "no", "true": "false", "True": "False", "TRUE": "FALSE"}[word]
    (tmp_path / "a.csv").write_text(f"text,paid\nThe rent.,{word}\nThe note.,{no}\n")
    index.add([tmp_path / "a.csv"])
    for value, text in ((True, "The rent."), (False, "The note.")):
        (found,) = index.search("rent note", 9, where={"paid": value})
        assert found.passage.text == text


def test_rows_of_texts_have_metadata(index: Index, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, LETTERS)))
    (tmp_path / "b.csv").write_text(f"author: ;year;text\nÅsa;2024;{'It is late. ' * 200}\n")
    row = {"text": "Early.", "odd\0\ud800 %{": "a\0\ud800\u2028% {b"}
    (tmp_path / "c.jsonl").write_text(json.dumps(row))
    index.add([tmp_path / name for name in ("a.jsonl", "b.csv", "c.jsonl")])
    passages = index.passages(str(tmp_path / "a.jsonl"))
    assert {one.place().number: one.metadata for one in passages} == {
        1: {"author": "Ann", "year": 2024, "paid": True, "to city": "Oslo"},
        2: {"author": "Bob", "year": 2023.0, "tags": "new, up"},
        3: {"n": 3},
        4: {"n": 7, "day": "1 May: noon"},
    }
    parts = index.passages(str(tmp_path / "b.csv"))
    assert len(parts) > 1
    assert all(one.metadata == {"author": "Åsa", "year": "2024"} for one in parts)
    (passage,) = index.passages(str(tmp_path / "c.jsonl"))
    assert passage.metadata == {"odd\0\ufffd %{": "a\0\ufffd % {b"}
    assert names(index, where={"odd\0\ud800 %{": row["odd\0\ud800 %{"]})


def test_a_field_whose_name_ends_with_that_of_another_is_not_taken_for_it(
    index: Index, tmp_path: Path
) -> None:
    row = {"text": "Early.", 'the "year': "1 May", "a{": '{"year":3', "year": 2024}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    index.add([tmp_path / "a.jsonl"])
    assert names(index, where={"year": 2024})
    assert not names(index, where={"year": 3})


def test_a_field_whose_name_ends_another_name_is_another_field(
    index: Index, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "text": "The rent is due.",
            'school "year': 2023,
            "note": '{"year":2022,"year":2021,',
            "n,": 1,
        },
        {"text": "The rent is low.", "n,": ':{"', "year": 2024},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    index.add([tmp_path / "a.jsonl"])

    def lines(**where: Any) -> set[int]:
        return {one.passage.place().number for one in index.search("rent", where=where)}

    assert lines(year=2024) == {2}
    assert lines(year=[2021, 2022, 2023]) == set()
    assert lines(**{'school "year': 2023}) == {1}
    assert lines(note='{"year":2022,"year":2021,') == {1}
    assert lines(**{"n,": [1, ':{"']}) == {1, 2}


def test_the_end_of_a_value_is_no_name(index: Index, tmp_path: Path) -> None:
    row = {"text": "The rent is due.", "note": "late,", ":paid": 1}  # ..."late,",":paid":1
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    index.add([tmp_path / "a.jsonl"])
    with pytest.raises(InputError, match="no document has the field"):
        index.search("rent", where={",": 1})
    assert len(index.search("rent", where={"note": "late,", ":paid": 1})) == 1


def test_rows_of_a_file_in_an_email_have_metadata(index: Index, tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Letters"
    mail.add_attachment(
        "text,author\nThe rent is due.,Ann\nIt was raised.,Bob\n", "csv", filename="a.csv"
    )
    (tmp_path / "a.eml").write_bytes(mail.as_bytes())
    index.add([tmp_path / "a.eml"])
    for author in ("Ann", "Bob"):
        (found,) = index.search("rent raised", where={"author": author})
        assert found.passage.metadata == {"author": author}


def test_what_stands_beside_a_text_takes_little_space(index: Index, tmp_path: Path) -> None:
    wide = {f"column {number}": "y" * 100 for number in range(5_000)}
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "The rent."} | wide | {"z": 1}))
    index.add([tmp_path / "a.jsonl"])
    (passage,) = index.passages(str(tmp_path / "a.jsonl"))
    assert 5 < len(passage.metadata) < 20
    assert passage.metadata["z"] == 1
    more = len(passage.metadata) - 10
    with pytest.raises(InputError, match=rf"found column 0, .* and {more} more\."):
        names(index, where={"y": 1})


def test_a_path_and_a_column_filter_together(table: Index) -> None:
    assert {Path(n).name for n in names(table, where={"city": "Oslo"}, path="*.csv")} == {
        "cities.csv"
    }
    assert names(table, where={"country": "Norway"}, path="*.md") == set()
    for field in ("", "contry", "\ud800", "near", "Oslo"):
        with pytest.raises(InputError, match="no document has the field"):
            names(table, where={field: "Norway"})


def test_a_long_row_is_chosen_whole(index: Index, tmp_path: Path) -> None:
    about = "; ".join(f"It has {number} streets with rent." for number in range(200))
    (tmp_path / "a.csv").write_text(
        f'country,about,city\nNorway,"{about}",Oslo\nSweden,"{about}",Lund\n'
    )
    index.add([tmp_path / "a.csv"])
    found = index.search("rent streets", 99, where={"country": "Norway"})
    assert len(found) == len(index) / 2 > 2
    assert found == index.search("rent streets", 99, where={"city": "Oslo", "country": "Norway"})
    assert {one.passage.place().number for one in found} == {2}


@pytest.mark.parametrize("name", ["\ud800", 7, None])
def test_what_no_document_is_called_is_refused_and_nothing_removed(index: Index, name: Any) -> None:
    index.add_texts(ROWS)
    with pytest.raises(InputError, match=r"names: found .*, expected the name of a document"):
        index.remove(["lease", name])
    assert "lease" in names(index)
    assert index.stretches(["\ud800"]) == []


def test_files_and_texts_in_one_index(index: Index, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The rent of a file.")
    index.add_texts([{"id": f"{tmp_path}/docs/b.txt", "text": "The rent of a text.", "n": 1}])
    index.add([tmp_path / "docs"])
    index.add()  # does not take the text for a file that is gone
    assert {Path(name).name for name in names(index)} == {"a.txt", "b.txt"}
    assert {Path(name).name for name in names(index, where={"n": 1})} == {"b.txt"}


def test_a_private_index_keeps_names_of_texts(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.db", encoder=None) as index:
        index.add_texts([{"id": "ann/7", "text": "The rent."}])
    with Index.open(tmp_path / "i.db", private=True) as index:
        assert names(index) == {"ann/7"}


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("one text", "found one str, expected a list"),
        ({"text": "one"}, "found one dict, expected a list"),
        (["a", 7], r"texts\[1\]: found int, expected a text or a dict"),
        ([{"body": "a", "n": 1}], r'texts\[0\]: found body, n, expected "text" among its keys'),
        ([{}], "found nothing"),
        ([{"text": 7}], "its text is int, expected words"),
    ],
)
def test_what_is_no_text_is_refused(sources: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(texts(sources))


class Pandas:
    """What a pandas DataFrame has of use here."""

    columns = ("id", "text", "year", "score", "day")

    def itertuples(self, *, index: bool, name: None) -> Iterator[tuple[Any, ...]]:
        assert not index
        day = datetime.date(2024, 5, 1)
        yield (np.int64(7), "The rent.", np.int64(2024), np.float64("nan"), day)


class Polars:
    def iter_rows(self, *, named: bool) -> Iterator[dict[str, Any]]:
        assert named
        yield {"id": 7, "text": "The rent.", "tags": ["a", np.float32(0.5)]}


def test_rows_of_data_frames() -> None:
    (row,) = texts(Pandas())  # type: ignore[arg-type]
    assert (row.name, row.text) == ("7", "The rent.")
    assert row.metadata == {"year": 2024, "score": None, "day": "2024-05-01"}
    (row,) = texts(Polars())  # type: ignore[arg-type]
    assert (row.name, row.metadata) == ("7", {"tags": ["a", 0.5]})


def test_missing_cells_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "text": pandas.array(["The rent.", None], dtype="string"),
            "day": pandas.to_datetime(["2024-05-01", None]),
            "rooms": pandas.array([3, None], dtype="Int64"),
        }
    )
    first, second = texts(frame)
    assert first.metadata == {"day": "2024-05-01 00:00:00", "rooms": 3}
    assert second.problem == "texts[1]: its text is blank, expected words"
    assert second.metadata == {"day": None, "rooms": None}


# ---- asking


def test_a_searcher_takes_texts_and_reports_metadata(reader: Reader) -> None:
    rows = [{"id": "a", "text": "The Norse, led by Rollo, came.", "year": 911}, "The old king."]
    searcher = Searcher(reader, rows)
    (hit,) = searcher.ask("Who led the Norse?")
    assert (hit.text, hit.place.path, hit.place.number) == ("Rollo", "a", 1)
    assert hit.to_dict()["metadata"] == {"year": 911}
    assert searcher.ask("Who led the Norse?", where={"year": 911}) == [hit]
    with pytest.raises(InputError, match="'age'"):
        searcher.ask("Who led the Norse?", where={"age": 1})
    with pytest.raises(IndexFileError, match="an empty index"):
        Searcher(reader, []).ask("Who led the Norse?")


def test_many_questions_are_answered_as_each_alone(reader: Reader) -> None:
    searcher = Searcher(reader, ["The Norse, led by Rollo, came.", "The duke led the king."])
    questions = ["Who led the Norse?", "Zebra?", "Who led the king?", "The river?"] * 5
    every = list(searcher.search_all(questions, top_k=2))
    assert every == [searcher.search(question, top_k=2) for question in questions]
    assert list(searcher.ask_all(questions)) == [searcher.ask(question) for question in questions]
    assert list(searcher.ask_all([])) == []
    with pytest.raises(InputError, match="questions is one text"):
        list(searcher.ask_all("Who led the Norse?"))


def test_a_name_that_a_text_would_get_by_itself_may_be_taken() -> None:
    with Index.in_memory() as index:
        index.add_texts([{"id": "text 2", "text": "The rent is 840 crowns."}, "Ann built it."])
        assert {document.path for document in index.documents()} == {"text 2", "text 3"}


def test_arrays_are_lists_in_metadata() -> None:
    (found,) = texts([{"text": "The rent.", "years": np.array([1990, 1991])}])
    assert found.metadata == {"years": [1990, 1991]}


def test_one_name_is_no_list_of_names() -> None:
    with Index.in_memory() as index, pytest.raises(InputError, match="expected a list of names"):
        index.remove("lease")


def test_a_blank_text_is_a_problem_and_costs_no_other(index: Index) -> None:
    index.add_texts([{"id": "a", "text": "The rent is due.", "year": 2024}])
    done = index.add_texts(
        [ROWS[0], "  ", {"id": "a", "text": None}, {"text": float("nan")}, "Rent."]
    )
    assert [str(problem) for problem in done.problems] == [
        "text 3: texts[1]: its text is blank, expected words",
        "a: texts[2]: its text is blank, expected words",
        "text 5: texts[3]: its text is blank, expected words",
    ]
    assert done.added == 2
    assert names(index) == {"lease", "text 6"}
    assert [problem.path for problem in index.problems()] == ["a", "text 3", "text 5"]


def test_a_text_comes_back_after_a_blank_one_of_its_name(index: Index) -> None:
    index.add_texts([ROWS[0]])
    done = index.add_texts([{"id": "lease", "text": " "}, ROWS[0]])
    assert (done.changed, done.unchanged, len(done.problems)) == (1, 0, 1)
    assert names(index) == {"lease"}


def test_a_searcher_warns_of_blank_texts() -> None:
    with pytest.warns(UserWarning, match=r"1 text is not searched; text 1: texts\[0\]: its text"):
        searcher = Searcher(Reader(), ["", "The rent is 840 crowns."])
    assert len(searcher.index) == 1
