"""The one reader of rows: delimiters, names, cells, and rows that are broken."""

from __future__ import annotations

import bisect
import csv
import gzip
import io
import json
import math
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote.data import examples_from_rows, load
from pullquote.data.tables import BadRow, Row, _Records, parse_repr, read_rows
from pullquote.errors import DataError, PullquoteWarning
from pullquote.text import lines
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


@pytest.mark.parametrize("first", ["sep=;\n", "\ufeffsep=;\r\n", '"sep=;"\n', "SEP=;\r"])
def test_a_first_line_that_tells_the_delimiter_is_no_row(first: str) -> None:
    found = rows(first + "Name,a;Price,b\nTür,x;1,5\n")  # commas would be even, too
    assert found == [Row("line 3", 3, {"Name,a": "Tür,x", "Price,b": "1,5"})]


def test_any_sign_may_be_told_as_the_delimiter() -> None:
    assert values("sep=~\ntext~note\na,b~c\n") == [{"text": "a,b", "note": "c"}]
    assert values("sep=\t\nName\tPrice\na\tb\n") == [{"Name": "a", "Price": "b"}]
    assert values("sep=e;x\nabc;d\n") == [{"sep=e": "abc", "x": "d"}]
    with pytest.raises(DataError, match="empty"):
        rows("sep=;\n")


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


class Counted:
    """Lines that count how often each is handed to the CSV parser, by way of `_Records._pull`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pulls = 0
        pull = _Records._pull

        def counting(records: _Records) -> Iterator[str]:
            for line in pull(records):
                self.pulls += 1
                yield line

        monkeypatch.setattr(_Records, "_pull", counting)


@pytest.mark.parametrize("line", ['x","\n', '"\n', 'a,"\n', '"a\n"b"\n', 'x",""","\n', '"x\n'])
def test_the_cost_of_broken_rows_is_bounded_by_the_size(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    body = line * 3_000
    found = rows("text,note\n" + body)
    assert found or line == '"\n'
    assert counted.pulls <= 10 * body.count("\n") + 1_000  # without a bound 4,500,000


def test_any_line_is_in_a_row_or_in_a_bad_row_at_a_bounded_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(monkeypatch)

    @settings(max_examples=300, deadline=None, database=None)
    @given(st.lists(st.sampled_from(['"', '"', ",", "\n", "x", '","', '"\n']), max_size=400))
    def check(pieces: list[str]) -> None:
        counted.pulls = 0
        # each letter is another one, so that it is known which line has it
        letters = iter(range(0x4E00, 0x9000))
        body = "".join(chr(next(letters)) if piece == "x" else piece for piece in pieces)
        found = rows("text,note\n" + body)
        lines = body.split("\n")
        assert counted.pulls <= 10 * len(lines) + 200
        numbers = [row.number for row in found]
        assert numbers == sorted(set(numbers))
        for number, line in enumerate(lines, 2):
            place = bisect.bisect(numbers, number)
            for letter in filter(str.isalpha, line):
                assert place, "in no row"
                row = found[place - 1]
                assert isinstance(row, BadRow) or letter in str(row.value)

    check()


def test_eight_broken_rows_cost_no_good_one_that_has_many_lines() -> None:
    good = 'a,"one\ntwo"\n'
    found = rows("text,note\n" + good + ('"open,c\n' + good * 2) * 8)
    assert sum(isinstance(row, Row) for row in found) == 17
    assert sum(isinstance(row, BadRow) for row in found) == 8


def test_a_last_line_that_is_cut_inside_a_cell_is_a_bad_row() -> None:
    (row,) = rows('text,note\na,"the river')
    assert isinstance(row, BadRow)


def test_a_header_that_is_repeated_is_reported() -> None:
    assert values("text,note\na,b\n\ufefftext,note\nc,d\n") == [
        {"text": "a", "note": "b"},
        "the names of the columns again",
        {"text": "c", "note": "d"},
    ]
    assert values('{"text": "a"}\n\ufeff{"text": "b"}\n', "jsonl") == [
        {"text": "a"},
        {"text": "b"},
    ]


def test_a_line_of_a_million_delimiters() -> None:
    with pytest.raises(DataError, match="1,000,001 columns, expected at most 10,000"):
        rows("," * 1_000_000)
    assert values("text,note\n" + "," * 1_000_000 + "x\na,b\n") == [
        "1,000,001 columns, expected at most 10,000",
        {"text": "a", "note": "b"},
    ]
    assert values("text,note\na,b" + "," * 16_382 + "\n") == [{"text": "a", "note": "b"}]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_line_ends_of_all_kinds_may_be_cut_by_blocks(size: int) -> None:
    text = "a\r\nb\r\rc\n\nd\n\r\u2028e\r\n"
    blocks = [text[i : i + size] for i in range(0, len(text), size)]
    expected = ["a\r\n", "b\r", "\r", "c\n", "\n", "d\n", "\r", "\u2028e\r\n"]
    assert list(lines(blocks, carriage_returns=True)) == expected
    assert list(lines(blocks)) == ["a\r\n", "b\r\rc\n", "\n", "d\n", "\r\u2028e\r\n"]


def test_old_line_ends_are_read_in_bounded_memory() -> None:
    file = io.BytesIO(b"text,note\r" + b"The river rises in the hills.,x\r" * 60_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(file, "csv")) == 60_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_quotes_inside_a_cell_are_characters() -> None:
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
        "{[1]: 2}",
        "0x" + "f" * 10_000,
        "[" * 10_000 + "]" * 10_000,
        "array(" * 10_000 + "1" + ")" * 10_000,
        "1+" * 100_000 + "1",
        "array([" + "1," * 1_000_000 + "])",
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


SQUAD = {
    "data": [
        {"paragraphs": [{"context": "Müller, über die Brücke.", "qas": [{"question": "Wer?"}]}]}
    ]
}
LIST = [{"question": "Wer?", "context": "Müller, über die Brücke."}]


@pytest.mark.parametrize("root", [SQUAD, LIST], ids=["squad", "list"])
@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_json_is_decoded_as_any_other_text(tmp_path: Path, root: object, name: str) -> None:
    (tmp_path / "x.json").write_bytes(json.dumps(root, ensure_ascii=False).encode(name))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = load(tmp_path / "x.json")
    assert dataset.examples[0].context == "Müller, über die Brücke."
    notes = ["not UTF-8; read as Windows-1252, which is a guess"] if name == "cp1252" else []
    assert [str(warning.message).partition(": ")[2] for warning in told] == notes


@pytest.mark.parametrize("name", ["utf-16", "cp1252"])
def test_a_json_list_of_documents_is_decoded_as_any_other_text(name: str) -> None:
    data = json.dumps(LIST, ensure_ascii=False).encode(name)
    told: list[str] = []
    (row,) = read_rows(io.BytesIO(data), "json", tell=lambda encoding: told.append(encoding.name))
    assert isinstance(row, Row)
    assert row.value == LIST[0]
    assert told == [name]


def test_gzip_is_told_by_content_and_a_cut_one_is_an_error() -> None:
    packed = gzip.compress(b"text,note\n" + b"a,b\n" * 100_000)
    assert len(rows(packed)) == 100_000
    with pytest.raises(DataError, match="broken gzip file"):
        rows(packed[:-9])


def test_a_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullquote.data.tables._ALWAYS_UNPACKED", 1 << 20)
    for kind in ("csv", "jsonl", "json"):
        packed = gzip.compress(b"text,note\n" + b"a,b\n" * 2_000_000)
        (tmp_path / f"x.{kind}.gz").write_bytes(packed)
        tracemalloc.start()
        try:
            with pytest.raises(DataError, match=r"unpacks to more than .* 200 times its size"):
                for _ in read_rows(io.BytesIO(packed), kind):
                    pass
            with pytest.raises(DataError, match=r"unpacks to more than .* 200 times its size"):
                load(tmp_path / f"x.{kind}.gz")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 << 20


def test_json_lines_are_read_in_bounded_memory() -> None:
    file = io.BytesIO(b'{"text": "The river rises in the hills."}\n' * 100_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(file, "jsonl")) == 100_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_parquet_file_that_repeats_a_large_text_is_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["word " * 50_000])
    sink = io.BytesIO()
    parquet.write_table(pa.table({"text": texts}), sink)
    with pytest.raises(DataError, match=r"unpacks to more than 64 MiB"):
        rows(sink.getvalue(), "parquet")


@pytest.mark.parametrize("names", [["text", "Text"], ["body", "text", " text"]])
def test_two_parquet_columns_of_one_name_are_an_error(names: list[str]) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays([pa.array(["a"])] * len(names), names), sink)
    with pytest.raises(DataError, match="two columns have one name: text"):
        rows(sink.getvalue(), "parquet")


def test_a_parquet_date_that_python_cannot_hold_is_an_error() -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    days = pa.array([2**31 - 1], pa.int32()).cast(pa.date32())
    sink = io.BytesIO()
    parquet.write_table(pa.table({"text": ["a"], "when": days}), sink)
    with pytest.raises(DataError, match="not readable as Parquet"):
        rows(sink.getvalue(), "parquet")


def test_texts_that_pandas_writes_for_missing_values(tmp_path: Path) -> None:
    rows = "id,title,question,context\n1,nan,Who?,Rollo did.\n2,a,nan,Rollo did.\n3,a,Who?,NaN\n"
    path = tmp_path / "missing.csv"
    path.write_text(rows)
    dataset = load(path)
    # an empty context is a context, in which nothing is said
    assert [(e.id, e.title, e.context) for e in dataset.examples] == [
        ("1", "", "Rollo did."),
        ("3", "a", ""),
    ]
    assert [str(dropped) for dropped in dataset.dropped] == [
        "line 3 (id '2'): no question; found ['id', 'title', 'context']"
    ]
