"""Comparing two readers: counts, differences, and the sentence about significance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pullquote.errors import DataError
from pullquote.scoring.compare import Answers, Comparison, compare
from pullquote.scoring.squad import score_questions
from pullquote.types import Example, Span

NORSE = "led by Rollo"


def asked(count: int, paragraphs: int) -> list[Example]:
    """Questions; those with odd numbers have the answer "Rollo"."""
    return [
        Example(
            str(i), "Who led?", f"{i % paragraphs}: {NORSE}", (Span("Rollo", 10, 15),) * (i % 2)
        )
        for i in range(count)
    ]


def said(examples: list[Example], *texts: str) -> Answers:
    predictions = {e.id: text for e, text in zip(examples, texts, strict=True)}
    return Answers(texts, tuple(score_questions(examples, predictions)))


def right_on(examples: list[Example], rows: np.ndarray) -> Answers:
    """Right on some of the questions, and a wrong quote on the others."""
    texts = (
        (e.answers[0].text if e.answers else "") if row else "the sea"
        for e, row in zip(examples, rows, strict=True)
    )
    return said(examples, *texts)


def test_questions_are_counted_by_which_reader_is_right() -> None:
    examples = asked(4, 4)
    comparison = compare(
        examples, said(examples, "", "", "sea", "Rollo"), said(examples, "", "Rollo", "", "the sea")
    )
    assert (comparison.both_right, comparison.both_wrong) == (1, 0)
    assert [(d.example.id, d.a, d.b) for d in comparison.only_a] == [("3", "Rollo", "the sea")]
    assert [(d.example.id, d.a, d.b) for d in comparison.only_b] == [
        ("1", "", "Rollo"),
        ("2", "sea", ""),
    ]
    assert comparison.a["exact"].value == 50.0
    assert comparison.b["exact"].value == 75.0
    assert comparison.difference["exact"].value == 25.0
    assert comparison.difference["HasAns_f1"].value == 0.0
    assert comparison.difference["NoAns_f1"].value == 50.0


def test_a_reader_compared_with_itself_has_no_difference() -> None:
    examples = asked(60, 20)
    same = right_on(examples, np.random.default_rng(0).random(60) < 0.5)
    comparison = compare(examples, same, same)
    for found in comparison.difference.values():
        assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)
    assert comparison.only_a == comparison.only_b == ()
    assert comparison.both_right + comparison.both_wrong == 60
    assert comparison.sentence("x", "y") == "There is no difference in F1."


def of(share_a: float, share_b: float) -> Comparison:
    examples, random = asked(600, 150), np.random.default_rng(0)
    first, second = (right_on(examples, random.random(600) < p) for p in (share_a, share_b))
    return compare(examples, first, second)


def test_a_clear_difference_is_more_than_chance_and_names_the_better() -> None:
    assert of(0.4, 0.7).sentence("x", "y").startswith("y is better than x by ")
    assert of(0.7, 0.4).sentence("x", "y").startswith("x is better than y by ")
    assert "more than chance" in of(0.4, 0.7).sentence("x", "y")


def test_a_small_difference_may_be_chance() -> None:
    sentence = of(0.50, 0.51).sentence("x", "y")
    assert "may be chance" in sentence
    assert "better" not in sentence


def test_a_paired_interval_finds_a_difference_that_two_separate_ones_miss() -> None:
    """B has ten more questions right than A, and agrees on the others."""
    examples, random = asked(600, 150), np.random.default_rng(0)
    rows = random.random(600) < 0.5
    better = rows.copy()
    better[np.flatnonzero(~rows)[:10]] = True
    comparison = compare(examples, right_on(examples, rows), right_on(examples, better))
    a, b, difference = comparison.a["f1"], comparison.b["f1"], comparison.difference["f1"]
    assert b.low < a.high  # type: ignore[operator]
    assert difference.excludes_zero
    assert difference.value == pytest.approx(100 * 10 / 600)


def test_fewer_than_ten_paragraphs_allow_no_conclusion() -> None:
    examples = asked(40, 4)
    all_or_none = (right_on(examples, np.full(40, right)) for right in (False, True))
    comparison = compare(examples, *all_or_none)
    assert comparison.difference["f1"].value == 100.0
    assert "cannot be said" in comparison.sentence("x", "y")


def test_prediction_files_must_answer_everything(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    examples = asked(2, 2)
    path.write_text(json.dumps({"0": "", "1": "rollo"}))
    answers = Answers.of_file(examples, path)
    assert answers.texts == ("", "rollo")
    assert [mark.exact for mark in answers.scores] == [1.0, 1.0]
    path.write_text(json.dumps({"0": ""}))
    with pytest.raises(DataError, match=r"p\.json: 1 of 2 questions have no prediction.*'1'"):
        Answers.of_file(examples, path)
    with pytest.raises(DataError, match="no questions"):
        compare([], answers, answers)
