"""Which rows hold, and what is said of those that do not."""

from __future__ import annotations

import pytest

from pullquote.data import Dataset, examples_from_rows, question_from_row, row_from_example
from pullquote.data.rows import collect
from pullquote.errors import DataError
from pullquote.types import Example, Span

CONTEXT = "The Norse, led by Rollo, came by sea."
GOOD = {
    "id": "good",
    "question": "Who led?",
    "context": CONTEXT,
    "answers": {"text": ["Rollo"], "answer_start": [18]},
}


def answered(**changes: object) -> dict[str, object]:
    """Make a row that holds, but for the changes."""
    return {**GOOD, "id": "changed", **changes}


def reason(row: object) -> str:
    """Say why a row was dropped from a source that is otherwise fine."""
    dataset = examples_from_rows([GOOD, row])  # type: ignore[list-item]
    assert [example.id for example in dataset.examples] == ["good"]
    (dropped,) = dataset.dropped
    assert dropped.where == "row 2"
    return dropped.reason


def test_a_row_is_the_hugging_face_layout_and_comes_back() -> None:
    example = Example("7", "Who led?", CONTEXT, (Span("Rollo", 18, 23),), "Normans")
    row = row_from_example(example)
    assert row == {
        "id": "7",
        "title": "Normans",
        "question": "Who led?",
        "context": CONTEXT,
        "answers": {"text": ["Rollo"], "answer_start": [18]},
    }
    assert examples_from_rows([row]) == Dataset((example,), (), "rows")


@pytest.mark.parametrize(
    "layout",
    [
        {"answers": {"text": ("Rollo",), "answer_start": (18,)}},
        {"answers": [{"text": "Rollo", "answer_start": 18}]},
        {"answers": None, "answer_text": "Rollo", "answer_start": 18.0},
        {"answers": [{"text": "Rollo", "answer_start": 18}], "is_impossible": False},
    ],
)
def test_every_layout_of_answers_means_the_same(layout: dict[str, object]) -> None:
    (example,) = examples_from_rows([answered(**layout)]).examples
    assert example.answers == (Span("Rollo", 18, 23),)


@pytest.mark.parametrize(
    "layout",
    [
        {"answers": {"text": [], "answer_start": []}},
        {"answers": []},
        {"answers": [], "is_impossible": True, "plausible_answers": GOOD["answers"]},
        {"answers": None},
        {"answers": None, "answer_text": "", "answer_start": ""},
    ],
)
def test_no_answers_is_an_unanswerable_example(layout: dict[str, object]) -> None:
    (example,) = examples_from_rows([answered(**layout)]).examples
    assert example.is_impossible


def test_numpy_arrays_as_pandas_gives_them_are_lists() -> None:
    numpy = pytest.importorskip("numpy")
    answers = {"text": numpy.array(["Rollo"], object), "answer_start": numpy.array([18], "int32")}
    (example,) = examples_from_rows([answered(answers=answers)]).examples
    assert example.answers == (Span("Rollo", 18, 23),)
    assert type(example.answers[0].start) is int


def test_a_wrong_offset_is_dropped_saying_what_stands_there_and_where_the_text_is() -> None:
    wrong = {"text": ["Rollo"], "answer_start": [17]}
    assert reason(answered(answers=wrong)) == (
        "no answer holds: answer_start 17: found ' Roll', expected 'Rollo', which stands at 18"
    )
    absent = {"text": ["Ragnar"], "answer_start": [18]}
    assert "found 'Rollo,', expected 'Ragnar', which is nowhere" in reason(answered(answers=absent))


def test_one_bad_answer_of_two_is_dropped_alone() -> None:
    two = {"text": ["Norse", "Rollo"], "answer_start": [5, 18]}
    dataset = examples_from_rows([answered(answers=two)])
    assert dataset.examples[0].answers == (Span("Rollo", 18, 23),)
    assert [(d.id, d.where) for d in dataset.dropped] == [("changed", "row 1, answer 1")]


def test_offsets_count_characters_not_bytes_or_utf16_units() -> None:
    row = answered(context="🌊é Rollo", answers={"text": ["Rollo"], "answer_start": [3]})
    assert examples_from_rows([row]).examples[0].answers == (Span("Rollo", 3, 8),)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"question": None}, "no question; found ['id', 'context', 'answers']"),
        ({"context": 5}, "context is int 5, expected text"),
        ({"title": ["x"]}, "title is list ['x'], expected text"),
        ({"id": ""}, "the id is empty"),
        ({"id": True}, "id is bool True"),
        ({"id": "good"}, "duplicate id, kept at row 1"),
        ({"question": "Who\ud800?"}, "lone surrogate, U+D800 at 3"),
        ({"answers": "Rollo"}, "answers is 'Rollo', expected"),
        ({"answers": {"text": ["Rollo"], "answer_start": []}}, "of one length"),
        ({"answers": {"text": ["Rollo"]}}, "of one length"),
        ({"answers": ["e"]}, "answer_start is missing"),
        ({"answers": [{"text": "", "answer_start": 0}]}, "text is str '', expected some text"),
        ({"answers": [{"text": ".", "answer_start": -1}]}, "answer_start is int -1"),
        ({"answers": [{"text": "h", "answer_start": True}]}, "answer_start is bool True"),
        ({"answers": [{"text": "h", "answer_start": 1.5}]}, "answer_start is float 1.5"),
        ({"is_impossible": True}, "is_impossible is true, with 1 answers"),
        ({"is_impossible": False, "answers": []}, "is_impossible is false, with 0 answers"),
        ({"is_impossible": "no"}, "is_impossible is str 'no', expected true or false"),
    ],
)
def test_a_bad_row_is_dropped_and_the_reason_given(
    changes: dict[str, object], expected: str
) -> None:
    assert expected in reason(answered(**changes))


def test_a_misnamed_answer_column_is_not_taken_for_no_answers() -> None:
    row = {"id": "x", "question": "Who led?", "context": CONTEXT, "answer": "Rollo"}
    assert reason(row) == "found ['answer'], expected answers or answer_text"


def test_what_is_no_row_is_dropped() -> None:
    assert reason("Who led?") == "found str 'Who led?', expected an object"


def test_missing_ids_become_row_numbers_and_whole_numbers_are_ids() -> None:
    without = {key: value for key, value in GOOD.items() if key != "id"}
    rows = [answered(id=None), answered(id=17), without]
    assert [example.id for example in examples_from_rows(rows).examples] == ["1", "17", "3"]


def test_when_nothing_holds_the_first_reason_is_the_error() -> None:
    with pytest.raises(DataError, match=r"none .*\(2 dropped\); the first: row 1 .*no context"):
        examples_from_rows([{"frage": "Wer?"}, {"frage": "Wo?"}])


def test_no_rows_are_no_error() -> None:
    assert examples_from_rows([]).summary() == "0 questions (0 unanswerable), 0 dropped"


def test_the_summary_counts_and_a_dropped_row_reads_as_a_line() -> None:
    dataset = examples_from_rows([answered(answers=[]), GOOD, GOOD])
    assert dataset.summary() == "2 questions (1 unanswerable), 1 dropped"
    assert str(dataset.dropped[0]) == "row 3 (id 'good'): duplicate id, kept at row 2"


# ---- rows without labels, and answers without a place


def test_an_answer_that_stands_once_needs_no_start() -> None:
    row = {"question": "Who?", "context": CONTEXT, "answer_text": "Rollo"}
    (example,) = examples_from_rows([row]).examples
    assert example.answers == (Span("Rollo", 18, 23),)
    row |= {"context": CONTEXT * 2}
    with pytest.raises(DataError, match="answer_start is missing"):
        examples_from_rows([row])
    # "aa" stands twice in "aaa", though str.count finds one
    with pytest.raises(DataError, match="answer_start is missing"):
        examples_from_rows([row | {"context": "aaa", "answer_text": "aa"}])


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"answer": "Rollo"},
        {"answer_text": "nowhere"},
        {"answers": "Rollo"},
        {"answers": {"text": ["Rollo"], "answer_start": [3]}},
        {"is_impossible": "perhaps"},
        {"answer_text": "Rollo", "answer_start": 18, "is_impossible": True},
    ],
)
def test_a_question_is_asked_whatever_its_labels_say(labels: dict[str, object]) -> None:
    row = {"question": "Who?", "context": CONTEXT, **labels}
    assert question_from_row(row, 7) == Example("7", "Who?", CONTEXT)
    dataset = collect([("row 1", row)], "rows", labels=False)
    assert [example.id for example in dataset.examples] == ["1"]
    assert not dataset.dropped


@pytest.mark.parametrize("context", ["", None])
def test_an_empty_context_is_one(context: str | None) -> None:
    assert question_from_row({"question": "Who?", "context": context}, 1).context == ""
    with pytest.raises(DataError, match="no context; found"):
        question_from_row({"question": "Who?"}, 1)
