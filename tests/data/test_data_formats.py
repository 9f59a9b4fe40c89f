"""Files: what is written comes back, what is broken is named."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pullquote.data import load, save
from pullquote.errors import (
    DataError,
    MissingExtraError,
    OutputError,
    PullquoteError,
    PullquoteWarning,
)
from pullquote.types import Example, Span

NAMES = [
    f"x.{kind}" for kind in ("json", "json.gz", "jsonl", "jsonl.gz", "csv", "csv.gz", "parquet")
]
ROLLO = Example(
    "1", "Who led?", "The Norse, led by Rollo.", (Span("Rollo", 18, 23),), title="Normans"
)
NOBODY = Example("2", "Who followed?", "The Norse, led by Rollo.", title="Normans")
AWKWARD = Example(
    'l\'id, "3"',
    'A "quote",\r\na return\r and\u2028a \x85 line?\n',
    "\ufeff=1+1;\t🌊 e\u0301 \\n\x0b\x1f\n\n שלום 東京 ",
    (Span("\ufeff=1+1", 0, 5), Span("東京", 24, 26), Span("東京", 24, 26)),
)


def squad(*entries: object) -> dict[str, list[object]]:
    paragraph = {"context": ROLLO.context, "qas": list(entries)}
    return {"data": [{"title": "Normans", "paragraphs": [paragraph]}]}


def entry(id: str = "1", start: int = 18) -> dict[str, object]:
    return {
        "id": id,
        "question": "Who led?",
        "answers": [{"text": "Rollo", "answer_start": start}],
    }


Write: TypeAlias = Callable[[str, object], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: object) -> Path:
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


# --- round trips


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("examples", [[], [ROLLO], [NOBODY], [ROLLO, NOBODY, AWKWARD]])
def test_every_format_gives_back_what_it_was_given(
    name: str, examples: list[Example], tmp_path: Path
) -> None:
    save(examples, tmp_path / name)
    dataset = load(tmp_path / name)
    assert dataset.examples == tuple(examples)
    assert dataset.dropped == ()
    assert dataset.source == str(tmp_path / name)


texts = st.text(max_size=12) | st.text(alphabet='"\n\r,a\ufeff\u2028\\\0é🌊', max_size=12)


@st.composite
def example_lists(draw: st.DrawFn) -> list[Example]:
    ids = draw(st.lists(texts.filter(bool), unique=True, max_size=3))
    examples = []
    for id in ids:
        context, spans = draw(texts), []
        for _ in range(draw(st.integers(0, 2)) if context else 0):
            start = draw(st.integers(0, len(context) - 1))
            end = draw(st.integers(start + 1, len(context)))
            spans.append(Span(context[start:end], start, end))
        question = draw(texts.filter(str.strip))
        examples.append(Example(id, question, context, tuple(spans), draw(texts)))
    return examples


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "parquet"])
def test_any_text_survives_every_format(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / f"x.{kind}"

    @settings(max_examples=40, deadline=None, database=None)
    @given(example_lists())
    def check(examples: list[Example]) -> None:
        if kind == "csv":  # where these stand for a text that is not given
            texts = {t for e in examples for t in (e.id, e.question, e.context, e.title)}
            assume(not texts & {"nan", "NaN", "<NA>", "None"})
        if kind == "csv" and "\0" in repr([*examples]).replace("\\x00", "\0"):
            with pytest.raises(OutputError, match="CSV file cannot hold NUL"):
                save(examples, path)
        else:
            save(examples, path)
            assert load(path).examples == tuple(examples)

    check()


def test_squad_json_groups_neighbours_and_names_its_version(tmp_path: Path) -> None:
    other = Example("3", "?", "Another.", title="Else")
    save([ROLLO, NOBODY, other], tmp_path / "v2.json")
    v2 = json.loads((tmp_path / "v2.json").read_text("utf-8"))
    assert v2["version"] == "v2.0"
    assert [article["title"] for article in v2["data"]] == ["Normans", "Else"]
    (paragraph,) = v2["data"][0]["paragraphs"]
    assert [(q["id"], q["is_impossible"]) for q in paragraph["qas"]] == [("1", False), ("2", True)]
    save([ROLLO], tmp_path / "v1.json")
    v1 = json.loads((tmp_path / "v1.json").read_text("utf-8"))
    assert v1["version"] == "1.1"
    assert "is_impossible" not in v1["data"][0]["paragraphs"][0]["qas"][0]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_examples_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    save([ROLLO, NOBODY], tmp_path / name)
    first = (tmp_path / name).read_bytes()
    os.utime(tmp_path / name, (0, 0))
    save([ROLLO, NOBODY], tmp_path / name)
    assert (tmp_path / name).read_bytes() == first
    if name.endswith(".gz"):
        assert first[4:8] == b"\0\0\0\0"  # gzip's time stamp


def test_parquet_has_the_columns_of_hugging_face(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    save([ROLLO], tmp_path / "x.parquet")
    schema = parquet.read_schema(tmp_path / "x.parquet")
    assert schema.names == ["id", "title", "question", "context", "answers"]
    assert "int32" in str(schema.field("answers").type)


def test_format_overrides_the_name(tmp_path: Path) -> None:
    save([ROLLO], tmp_path / "x.data", format="jsonl")
    assert load(tmp_path / "x.data", format="jsonl").examples == (ROLLO,)


def test_a_byte_order_mark_and_upper_case_names_are_fine(tmp_path: Path) -> None:
    save([NOBODY], tmp_path / "x.csv")
    (tmp_path / "BOM.CSV").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "x.csv").read_bytes())
    assert load(tmp_path / "BOM.CSV").examples == (NOBODY,)


def test_long_csv_cells_are_read_and_the_global_limit_is_left_alone(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = Example("1", "?", "x" * (limit + 1))
    save([long], tmp_path / "x.csv")
    assert load(tmp_path / "x.csv").examples == (long,)
    assert csv.field_size_limit() == limit


# --- what save refuses


@pytest.mark.parametrize(
    ("examples", "why"),
    [
        ([ROLLO, ROLLO], "duplicate id, kept at example 1"),
        ([ROLLO, Example("3", "half \ud83d", "x")], "lone surrogate, U\\+D83D at 5"),
        ([ROLLO, Example("3", "?", "x", (Span("y", 0, 1),))], "found 'x', expected 'y'"),
        ([ROLLO, Example("3", "?", "x", (Span("x", 0, 9),))], "an end that is not start"),
        ([Example("", "?", "x")], "the id is empty"),
    ],
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.csv", "x.parquet"])
def test_save_refuses_what_load_would_drop_and_keeps_the_old_file(
    name: str, examples: list[Example], why: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(OutputError, match=why):
        save(examples, tmp_path / name)
    assert (tmp_path / name).read_text() == "old"


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """Let the operating system refuse files that grow over `size` bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("old")
    with disk_with_room_for(1000), pytest.raises(OutputError, match="cannot be written"):
        save([Example("1", "?", "x" * 100_000)], tmp_path / "x.jsonl")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x.jsonl", "old")]


def test_a_folder_that_is_none_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save([ROLLO], tmp_path / "file" / "x.jsonl")


@pytest.mark.parametrize("name", ["x.txt", "x", "x.gz"])
def test_an_unknown_ending_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.json \(SQuAD\), \.jsonl and \.csv.* \.parquet"):
        load(tmp_path / name)
    with pytest.raises(DataError, match="unknown format 'xml'; known"):
        save([ROLLO], tmp_path / name, format="xml")


# --- SQuAD JSON


def test_bad_questions_are_listed_by_article_paragraph_and_question(write: Write) -> None:
    root = squad(
        entry("1"),
        entry("2", start=17),
        "no object",
        {**entry("3"), "question": None},
        {**entry("4"), "question": " "},
    )
    root["data"] += [{"title": "no paragraphs"}, {"paragraphs": [{"context": "no qas"}]}, None]
    dataset = load(write("x.json", root))
    assert dataset.examples == (ROLLO,)
    assert [(d.id, d.where) for d in dataset.dropped] == [
        ("2", "article 1, paragraph 1, question 2"),
        ("", "article 1, paragraph 1, question 3"),
        ("3", "article 1, paragraph 1, question 4"),
        ("4", "article 1, paragraph 1, question 5"),
        ("", "article 2"),
        ("", "article 3, paragraph 1"),
        ("", "article 4"),
    ]
    assert dataset.dropped[4].reason == (
        "found an object with keys ['title'], expected an object with a \"paragraphs\" list"
    )


def test_plausible_answers_are_no_answers(write: Write) -> None:
    plausible = [{"text": "Rollo", "answer_start": 18}]
    question = {"id": "2", "question": "Who followed?", "is_impossible": True, "answers": []}
    path = write("x.json", squad({**question, "plausible_answers": plausible}))
    assert load(path).examples == (NOBODY,)


def test_a_question_without_answers_key_is_kept_unlabelled(write: Write) -> None:
    assert load(write("x.json", squad({"id": "2", "question": "Who followed?"}))).examples == (
        NOBODY,
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"56ddde6b": "France"}, "not SQuAD: found an object with keys .'56ddde6b'.*\"data\" list"),
        ({"data": {}}, 'not SQuAD: .*"data" list'),
        ([1, 2], r"not SQuAD: found list \[1, 2\]"),
        ("", "not JSON"),
        ('{"data": [', "not JSON"),
        ('{"id": 1}\n{"id": 2}\n', "not JSON .*line 2.*load it as jsonl"),
        ("[" * 200_000, "not JSON"),
        ('{"data": "raw \0 NUL"}', "not JSON .*control character"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a binary file; expected JSON"),
        (gzip.compress(b'{"data": []}', mtime=0)[:-9], "broken gzip file"),
        (gzip.compress(b'{"data": []}', mtime=0) + b"tail", "broken gzip file"),
    ],
)
def test_a_file_that_is_not_squad_says_what_it_is(write: Write, content: object, why: str) -> None:
    with pytest.raises(DataError, match=f"x.json: {why}"):
        load(write("x.json", content))


def test_escaped_lone_surrogates_are_listed_and_escaped_nul_is_text(write: Write) -> None:
    half = {**entry("half"), "question": "\ud800?"}
    nul = {"id": "nul", "question": "\0?", "answers": []}
    dataset = load(write("x.json", squad(half, nul)))
    assert [example.question for example in dataset.examples] == ["\0?"]
    assert "lone surrogate, U+D800" in dataset.dropped[0].reason


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x.json: no such file"):
        load(tmp_path / "x.json")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="a folder, expected a data file"):
        load(tmp_path / "d.csv")


# --- JSON Lines


def test_a_broken_line_is_dropped_with_its_number_and_blank_lines_count(write: Write) -> None:
    good = {**entry(), "context": ROLLO.context, "title": "Normans"}
    path = write("x.jsonl", f'{json.dumps(good)}\r\n\r\n{{"id": \n[]\n')
    dataset = load(path)
    assert dataset.examples == (ROLLO,)
    assert [d.where for d in dataset.dropped] == ["line 3", "line 4"]
    assert "not JSON" in dataset.dropped[0].reason


# --- CSV


def test_flat_csv_columns_as_pandas_writes_them(write: Write) -> None:
    path = write(
        "x.csv",
        "id,title,question,context,answer_text,answer_start,is_impossible\n"
        '1,Normans,Who led?,"The Norse, led by Rollo.",Rollo,18.0,False\n'
        '2,Normans,Who followed?,"The Norse, led by Rollo.",,,True\n',
    )
    assert load(path).examples == (ROLLO, NOBODY)


def test_csv_rows_are_placed_by_the_line_they_begin_in(write: Write) -> None:
    path = write(
        "x.csv",
        "question,context,answers\n"
        '"Who\nled?",Rollo led.,"{""text"": [""Rollo""], ""answer_start"": [0]}"\n'
        "\n"
        "one cell\n"
        "Who?,Rollo led.,['Rollo']\n",
    )
    dataset = load(path)
    assert dataset.examples == (Example("1", "Who\nled?", "Rollo led.", (Span("Rollo", 0, 5),)),)
    assert [str(d) for d in dataset.dropped] == [
        "line 5: found 1 cells, expected 3",
        "line 6: answers: not JSON (Expecting value: line 1 column 2 (char 1))",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "empty; expected a first line"),
        ("id%question%context\n1%Who?%Rollo.\n", "none of its questions .* no context"),
        ("question,question,context\na,b,c\n", "two columns have one name"),
        ('question,context\nopen,"quote\n\n', "unexpected end of data in the row .* 2"),
        ("question,context\nWho?,x\0y\n", "NUL byte in line 2"),
        (
            "question,context,answer_text,answer_start\nWho?,Rollo,Rollo,\n",
            "answer_start is str '', expected a whole number",
        ),
    ],
)
def test_what_is_no_csv_of_questions_is_an_error(write: Write, content: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        load(write("x.csv", content))


# --- Parquet


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pullquote\[parquet\]"):
        save([ROLLO], tmp_path / "x.parquet")
    with pytest.raises(MissingExtraError, match=r"pullquote\[parquet\]"):
        load(write("y.parquet", b"PAR1"))


def test_a_file_that_is_not_parquet_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match="not readable as Parquet"):
        load(write("x.parquet", b"id,question,context\n"))


# --- everything


@settings(max_examples=100, deadline=None, database=None)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_damaged_files_never_escape_the_exception_tree(
    data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / name
    save([ROLLO, NOBODY, AWKWARD], path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PullquoteWarning)  # of a guessed encoding
            dataset = load(path)
    except PullquoteError:
        return
    for example in dataset.examples:
        for span in example.answers:
            assert example.context[span.start : span.end] == span.text


def test_importing_the_room_loads_neither_pyarrow_nor_the_network() -> None:
    code = (
        "import sys, pullquote.data; "
        "print([m for m in ('pyarrow', 'numpy', 'urllib.request', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SHARED = os.environ.get("PULLQUOTE_SHARED")


@pytest.mark.skipif(not SHARED, reason="PULLQUOTE_SHARED names no folder with the full data")
@pytest.mark.parametrize(
    ("name", "questions", "unanswerable"),
    [("dev-v2.0", 11_873, 5_945), ("tune", 8_461, 2_526), ("train", 121_907, 40_243)],
)
def test_the_full_files_hold(name: str, questions: int, unanswerable: int, tmp_path: Path) -> None:
    dataset = load(Path(str(SHARED)) / "data" / "squad2" / f"{name}.json.gz")
    expected = f"{questions:,} questions ({unanswerable:,} unanswerable), 0 dropped"
    assert dataset.summary() == expected
    if name == "dev-v2.0":
        for file in NAMES:
            save(dataset.examples, tmp_path / file)
            assert load(tmp_path / file).examples == dataset.examples
