"""Results for rows: in order, one for each row, whatever the rows hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote import Example, Reader
from pullquote.data.rows import Dropped
from pullquote.errors import ConfigError
from pullquote.scale.answering import Columns, answer_rows

CONTEXT = "The Norse, led by Rollo, came by sea in 911."
READER = Reader("tiny", threads=1)


def test_a_result_has_what_the_reader_answers() -> None:
    items = [
        ("line 2", {"id": 5, "question": "Who led the Norse?", "context": CONTEXT, "team": "B"}),
        ("line 3", {"question": "When?", "context": "", "team": 7}),
    ]
    found = list(answer_rows(READER, items, Columns(("team",), top_k=3)))
    wanted = READER.answer("Who led the Norse?", CONTEXT, top_k=3)
    assert found[0]["answer"] == wanted.text == "Rollo"
    assert wanted.answer
    assert (found[0]["start"], found[0]["end"]) == (18, 23)
    assert found[0]["score"] == wanted.answer.score
    assert found[0]["no_answer_score"] == wanted.no_answer_score
    assert [quote["text"] for quote in found[0]["answers"]] == [q.text for q in wanted.answers]
    assert (found[0]["id"], found[0]["team"]) == ("5", "B")
    assert found[1] == {
        **dict.fromkeys(("answer", "start", "end", "score", "error")),
        **{"id": "2", "team": "7", "no_answer_score": 1.0, "answers": []},
    }


GOOD = st.builds(
    lambda question: ("good", {"question": question, "context": CONTEXT}),
    st.sampled_from(["Who led?", "When?", "How did they come?"]),
)
BAD = st.sampled_from(
    [
        ("no object", 5),
        ("no question", {"context": CONTEXT}),
        ("blank", {"question": " ", "context": CONTEXT}),
        ("no token", {"question": "\x00\u200b", "context": CONTEXT}),
        ("no context", {"question": "Who?"}),
        ("number", {"question": "Who?", "context": 5}),
        ("surrogate", {"question": "Who\ud800?", "context": CONTEXT}),
        Dropped("", "broken", "no JSON"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(GOOD, BAD), max_size=12))
def test_each_row_has_one_result_in_its_place(items: list[object]) -> None:
    found = list(answer_rows(READER, items, Columns(), first=100))  # type: ignore[arg-type]
    assert [result["id"] for result in found] == [str(100 + n) for n in range(len(items))]
    for item, result in zip(items, found, strict=True):
        if not isinstance(item, Dropped) and item[0] == "good":  # type: ignore[index]
            assert result["error"] is None
            assert result["no_answer_score"] is not None
            row = item[1]  # type: ignore[index]
            wanted = READER.answer(row["question"], row["context"]).text
            assert (result["answer"] or "") == wanted
        else:
            assert result["error"]
            assert result["answer"] is result["no_answer_score"] is None


def test_an_error_names_the_place() -> None:
    (found,) = answer_rows(READER, [("line 9", {"question": "", "context": ""})], Columns())
    assert found["error"] == "line 9: the question is blank"


@pytest.mark.parametrize(
    ("keep", "top_k", "message"),
    [
        (("answer",), 1, "answer is a column of the results"),
        (("a", "a"), 1, "a column is kept twice"),
        ((), 0, "top_k is 0"),
    ],
)
def test_impossible_columns(keep: tuple[str, ...], top_k: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Columns(keep, top_k)


def test_decisions_are_those_of_the_reader() -> None:
    items = [("row 1", {"question": "Who led the Swiss?", "context": CONTEXT})]
    (never,) = answer_rows(READER, items, Columns(), threshold=-1000.0)
    (always,) = answer_rows(READER, items, Columns(), threshold=1000.0)
    assert never["answer"] is None
    example = Example("1", "Who led the Swiss?", CONTEXT)
    assert always["answer"] == next(READER.answer_all([example], threshold=1000.0)).text
