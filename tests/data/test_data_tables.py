"""The one reader of rows: delimiters, names, cells, and rows that are broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import threading
import tracemalloc
from pathlib import Path

import pytest

from pullquote.data import examples_from_rows, load
from pullquote.data.tables import BadRow, Row, parse_repr, read_rows
from pullquote.errors import DataError, PullquoteWarning
from pullquote.types import Example, Span

ROLLO = Example("7", "Who led?", "The Norse, led by Rollo.", (Span("Rollo", 18, 23),))


def rows(data: str | bytes, kind: str = "csv") -> list[Row | BadRow]:
    return list(read_rows(io.BytesIO(data if isinstance(data, bytes) else data.encode()), kind))


def values(data: str | bytes, kind: str = "csv") -> list[object]:
    return [row.value if isinstance(row, Row) else row.reason for row in rows(data, kind)]


# --- delimiters and names


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_delimiter_a_mark_and_names_with_capitals(delimiter: str, mark: str) -> None:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, delimiter=delimiter)
    writer.writerow(["id", "Question", " CONTEXT ", "Answer Text", "answer-start", "My Notes"])
    writer.writerow(["7", "a, b", "c; d", "e\tf|g", "3", "h"])
    row = {"id": "7", "question": "a, b", "context": "c; d", "answer_text": "e\tf|g"}
    assert values(mark + sink.getvalue()) == [{**row, "answer_start": 3.0, "My Notes": "h"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name;age\nx;3\ny,z;4\n", [{"name": "x", "age": "3"}, {"name": "y,z", "age": "4"}]),
        (
            "text\nHello, world\nOne, two, three\n",
            [{"text": "Hello, world"}, {"text": "One, two, three"}],
        ),
        (
            "text,note\na;b;c,d\ne;f;g,h\n",
            [{"text": "a;b;c", "note": "d"}, {"text": "e;f;g", "note": "h"}],
        ),
        (  # a comma cuts all rows into two cells, too, but then no name is known
            "name, title;text\nx, y;a\nz, w;b\n",
            [{"name, title": "x, y", "text": "a"}, {"name, title": "z, w", "text": "b"}],
        ),
        ('text;note\n"one,\ntwo, three";"4, 5"\n', [{"text": "one,\ntwo, three", "note": "4, 5"}]),
    ],
)
def test_the_delimiter_is_told_by_known_names_and_even_rows(
    text: str, expected: list[object]
) -> None:
    assert values(text) == expected


def test_a_tsv_file_has_tabs() -> None:
    assert values("text\tnote\na, b\tc\n", "tsv") == [{"text": "a, b", "note": "c"}]


def test_a_table_with_decimal_commas_and_empty_rows_at_its_end() -> None:
    assert values("text;price\nbread;1,20\n;\n;\n\n") == [{"text": "bread", "price": "1,20"}]


# --- broken rows


def test_an_open_quote_costs_one_row() -> None:
    found = rows('text,note\na,b\n"open,c\nd,e\n\nf,g\n')
    assert [(row.where, type(row)) for row in found] == [
        ("line 2", Row),
        ("line 3", BadRow),
        ("line 4", Row),
        ("line 6", Row),
    ]
    assert "unexpected end of data in the row at line 3" in str(found[1])


def test_many_broken_rows_are_many_bad_rows() -> None:
    found = rows("text,note\n" + '"a"b"c,d\n"x" y,"z\n' * 20_000)
    assert len(found) > 20_000


def test_quotes_in_the_midst_of_a_cell_are_characters() -> None:
    assert values('text,note\nthe "old" mill,b\n"the "old" mill",c\n') == [
        {"text": 'the "old" mill', "note": "b"},
        {"text": 'the old" mill"', "note": "c"},
    ]


def test_cells_too_many_or_too_few() -> None:
    assert values("text,note\na\nb,c,\nd,e,f\n") == [
        "found 1 cells, expected 2",
        {"text": "b", "note": "c"},
        "found 3 cells, expected 2",
    ]


def test_old_line_ends_and_lines_in_cells_are_counted() -> None:
    found = rows('text,note\r"a\rb",c\r\nd\n')
    assert [row.where for row in found] == ["line 2", "line 4"]
    assert isinstance(found[0], Row)
    assert found[0].value == {"text": "a\rb", "note": "c"}


# --- cells


def test_large_cells_in_many_threads_leave_the_global_limit_alone() -> None:
    limit = csv.field_size_limit()
    long = "x" * (limit + 1)
    wrong: list[object] = []

    def check() -> None:
        for _ in range(20):
            if values(f"text,note\n{long},b\n") != [{"text": long, "note": "b"}]:
                wrong.append("row")

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    "cell",
    [
        '{"text": ["Rollo"], "answer_start": [18]}',
        "{'text': ['Rollo'], 'answer_start': [18]}",
        "{'text': array(['Rollo'], dtype=object), 'answer_start': array([18])}",
        "{'text': array(['Rollo'], dtype=object), 'answer_start': array([18], dtype=int32)}",
        "{'answer_start': np.array([np.int64(18)]), 'text': np.array([np.str_('Rollo')])}",
        "[{'text': 'Rollo', 'answer_start': 18}]",
        "{'text': ('Rollo',), 'answer_start': (18,)}",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_answers_as_python_pandas_and_numpy_print_them(
    tmp_path: Path, cell: str, kind: str
) -> None:
    row = {"id": "7", "question": ROLLO.question, "context": ROLLO.context, "answers": cell}
    path = tmp_path / f"x.{kind}"
    with open(path, "w", newline="", encoding="utf-8") as file:
        if kind == "csv":
            writer = csv.DictWriter(file, [*row])
            writer.writeheader()
            writer.writerow(row)
        else:
            file.write(json.dumps(row))
    assert load(path).examples == (ROLLO,)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('x')",
        "array(x)",
        "{**{}}.y",
        "[1]*9",
        "lambda: 0",
        "(" * 5000,
        "-" * 5000 + "1",
        "f'{1}'",
        "array",
    ],
)
def test_a_printed_value_runs_nothing(text: str) -> None:
    assert parse_repr(text) is None


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "null", "None", "<NA>"])
def test_missing_cells_of_csv(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "id,question,context,answer_text,answer_start,is_impossible\n"
        f'7,Who led?,"The Norse, led by Rollo.",Rollo,18.0,{missing}\n'
        f"8,Who followed?,Nobody.,{'' if missing == 'null' else missing},{missing},{missing}\n"
    )
    dataset = load(path)
    assert dataset.examples == (ROLLO, Example("8", "Who followed?", "Nobody."))


def test_nan_of_json_and_of_pandas() -> None:
    assert values('{"title": NaN, "text": "a"}\n', "jsonl") == [{"title": None, "text": "a"}]
    frame = [
        {"Question ": "Who?", "context": "Nobody.", "title": math.nan, "answers": math.nan},
        {"question": "Who?", "context": "Nobody.", "answer_text": None, "answer_start": math.nan},
    ]
    assert [example.title for example in examples_from_rows(frame).examples] == ["", ""]


# --- files


def test_a_list_of_rows_is_data(tmp_path: Path) -> None:
    row = {"id": "7", "Question": ROLLO.question, "context": ROLLO.context}
    answers = {"answer_text": "Rollo", "answer_start": 18}
    (tmp_path / "x.json").write_text(json.dumps([{**row, **answers}, 3]))
    dataset = load(tmp_path / "x.json")
    assert dataset.examples == (ROLLO,)
    assert [str(dropped) for dropped in dataset.dropped] == [
        "row 2: found int 3, expected an object"
    ]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.tsv"])
def test_data_that_is_not_utf_8_is_read_and_told(tmp_path: Path, name: str) -> None:
    text = (
        '{"question": "Wer?", "context": "Müller ging über die Brücke."}\n'
        if name == "x.jsonl"
        else "question\tcontext\nWer?\tMüller ging über die Brücke.\n"
    )
    (tmp_path / name).write_bytes(text.encode("cp1252"))
    with pytest.warns(PullquoteWarning, match=r"x\.\w+: not UTF-8; read as Windows-1252"):
        dataset = load(tmp_path / name)
    assert dataset.examples[0].context == "Müller ging über die Brücke."


def test_squad_json_must_be_utf_8_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes('{"data": "é"}'.encode("cp1252"))
    with pytest.raises(DataError, match="save it again as UTF-8, as JSON must be"):
        load(tmp_path / "x.json")


def test_gzip_is_told_by_content_and_a_cut_one_is_an_error() -> None:
    packed = gzip.compress(b"text,note\n" + b"a,b\n" * 100_000)
    assert len(rows(packed)) == 100_000
    with pytest.raises(DataError, match="broken gzip file"):
        rows(packed[:-9])


def test_json_lines_are_read_in_bounded_memory() -> None:
    file = io.BytesIO(b'{"text": "The river rises in the hills."}\n' * 100_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(file, "jsonl")) == 100_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
