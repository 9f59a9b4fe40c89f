"""Fitting a reader's settings: what is stored, and that it is the best of what could be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from tokenizers import Tokenizer

from lessons import lesson
from pullquote import Answer, Prediction, PullquoteWarning, Reader
from pullquote.errors import DataError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.reading.calibrate import agreements, calibrate, choose_answerable, readings
from pullquote.reading.evaluate import evaluate, fit_and_store
from pullquote.scoring.operating_points import Goal
from pullquote.scoring.squad import best_over_golds
from pullquote.settings import Calibration, ReaderConfig
from pullquote.types import Example, Span

LESSON = lesson(120)  # a third is unanswerable
SHORT = [replace(example, title="") for example in LESSON]  # no article, so no long texts
USE = [example for example in lesson(90, first=500) if not example.is_impossible]


@pytest.fixture
def reader(model_dir: Path, wordpiece: Tokenizer) -> Reader:
    """Quotes what follows "by", with so much noise that it is wrong now and then."""
    by = wordpiece.token_to_id("by")

    def script(ids: list[int]) -> np.ndarray:
        rows = np.random.default_rng(ids).normal(size=(2, len(ids))) * 2
        if by in ids:
            rows[:, ids.index(by) + 1] += 4
        rows[:, 0] += 4
        return rows

    return Reader(model_dir, backend=ScriptedBackend(script))


def test_threshold_and_calibration_are_stored_and_decide(model_dir: Path, reader: Reader) -> None:
    evaluation = fit_and_store(reader, SHORT, source="some/tune.json")
    assert evaluation.fitted is not None
    stored = Reader(model_dir).config
    assert stored.no_answer_threshold == evaluation.fitted.threshold
    assert stored.threshold_fitted_on.startswith("tune.json: best F1 over 120 questions, 40 of")
    assert stored.calibration.fitted_on.startswith("tune.json: likelihood over 120 questions")
    assert stored.answerable is None
    # the predictions of the evaluation are used again, and are those that another reading gives
    assert stored.calibration == calibrate(reader, SHORT, source="tune.json").config.calibration
    fitted = Reader(model_dir, backend=reader.backend)
    assert evaluate(fitted, SHORT).scores == evaluation.scores
    before, after = (
        evaluate(asked, SHORT, answerable=2 / 3).calibration_metrics["no answer"]
        for asked in (reader, fitted)
    )
    assert after.brier < 0.7 * before.brier


def test_a_share_is_chosen_on_data_that_looks_like_use(model_dir: Path, reader: Reader) -> None:
    fit_and_store(reader, LESSON, source="tune.json", use=USE, use_source="some/use.json")
    stored = Reader(model_dir).config
    assert stored.answerable is not None
    assert stored.answerable > 0.5  # all have an answer
    assert stored.answerable_chosen_on == (
        "use.json: most right minus wrong answers over 60 questions, 60 of them answerable"
    )
    fitted = Reader(model_dir, backend=reader.backend)
    assert evaluate(fitted, LESSON).decision.threshold is None
    # a threshold that is fitted afterwards decides again
    fit_and_store(fitted, LESSON, source="tune.json")
    assert Reader(model_dir).config.answerable is None


def test_no_other_share_gives_more_right_answers_and_fewer_wrong_ones(
    model_dir: Path, reader: Reader
) -> None:
    fit_and_store(reader, SHORT, source="tune.json", use=SHORT, use_source="use.json")
    calibrated = Reader(model_dir, backend=reader.backend)
    gained = {}
    for share in (number / 20 for number in range(1, 20)):
        predictions = calibrated.answer_all(SHORT, answerable=share)
        gained[share] = sum(
            2 * (best_over_golds(p.text, [a.text for a in e.answers])[1] > 0.5) - 1
            for e, p in zip(SHORT, predictions, strict=True)
            if p.answer
        )
    good = [share for share, gain in gained.items() if gain >= max(gained.values()) - 0.03 * 120]
    assert calibrated.config.answerable == max(good)
    assert len(good) < 10  # or it would not matter


def test_right_quotes_that_no_share_answers_are_abstentions() -> None:
    def case(number: int, text: str, score: float, *golds: str) -> tuple[Example, Prediction]:
        """A question with these gold answers, and its best quote, likely or not."""
        spans = tuple(Span(gold, 0, len(gold)) for gold in golds)
        quote = Answer(text, 0, len(text), score, 0.0, 0.0)
        prediction = Prediction(str(number), None, (quote,), 1 - score, 0.0)
        return Example(str(number), "Who?", "Rollo or Emma", spans), prediction

    cases = [
        case(0, "Rollo", 0.9, "Rollo"),
        case(1, "Rollo", 0.8, "Rollo", "Emma"),  # half of two people agree
        case(2, "Rollo", 0.9, "Emma"),
        case(3, "Rollo", 0.9, "Rollo"),
        case(4, "Emma", 0.001, "Emma"),  # right, but answered from a share of 0.999
        case(5, "Emma", 0.001),
    ]
    examples, predictions = zip(*cases, strict=True)

    class Asked:
        config = ReaderConfig()

        def answer_all(self, asked: object, *, answerable: float) -> Iterator[Prediction]:
            assert (asked, answerable) == (examples, 0.5)
            return iter(predictions)

    chosen = choose_answerable(cast(Reader, Asked()), examples, source="a/use.csv")
    assert (chosen.right, chosen.wrong, chosen.abstained) == (3, 1, 2)
    assert chosen.config.answerable_chosen_on.startswith("use.csv: most right minus wrong")


def test_a_goal_decides_by_a_threshold(reader: Reader) -> None:
    sure = Reader(reader.directory.path, answerable=0.9, backend=reader.backend)
    assert calibrate(sure, LESSON).config.answerable == 0.9
    found = calibrate(sure, LESSON, source="tune.json", goal=Goal.parse("coverage=0.5"))
    assert found.point is not None
    assert found.config.no_answer_threshold == found.point.threshold
    assert found.config.answerable is None


def test_too_few_questions_fit_a_threshold_and_leave_the_calibration(
    model_dir: Path, reader: Reader
) -> None:
    with pytest.warns(
        PullquoteWarning, match=r"few.json: scores stay uncalibrated: .* at least 20"
    ):
        fit_and_store(reader, LESSON[:30], source="few.json")
    stored = Reader(model_dir).config
    assert stored.threshold_fitted_on.startswith("few.json")
    assert stored.calibration == Calibration()


def test_one_kind_of_question_is_refused_and_nothing_stored(
    model_dir: Path, reader: Reader
) -> None:
    before = (model_dir / "reader.json").read_bytes()
    with pytest.raises(DataError, match=r"use.json: a threshold needs answerable and unanswerable"):
        fit_and_store(reader, USE, source="use.json")
    with pytest.raises(DataError, match="no questions to choose answerable on"):
        choose_answerable(reader, [])
    assert (model_dir / "reader.json").read_bytes() == before


def test_blank_texts_are_left_out_of_the_fit(reader: Reader) -> None:
    blank = [replace(SHORT[2], id=f"blank {n}", context=" ") for n in range(9)]
    fitted = calibrate(reader, [*SHORT, *blank]).config.calibration
    assert replace(fitted, fitted_on="") == replace(
        calibrate(reader, SHORT).config.calibration, fitted_on=""
    )


def test_quotes_as_a_table() -> None:
    """Of two questions: one with two quotes, the other with one."""
    rollo, duke = (
        Answer(text, 0, 5, 0.5, 3.0, 1.0 + n) for n, text in enumerate(["Rollo", "duke"])
    )
    one = Prediction("1", rollo, (rollo, duke), 0.1, -2.0, windows=3, share=0.25)
    other = Prediction("2", None, (duke,), 0.9, 2.0)
    table = readings([one, other])
    assert table.logits.tolist() == [[4.0, 5.0], [5.0, -np.inf]]
    assert (table.null_score_diff.tolist(), table.share.tolist()) == ([-2.0, 2.0], [0.25, 1.0])
    assert table.windows.tolist() == [3, 1]
    golds = (Span("Rollo", 0, 5), Span("duke", 0, 4), Span("duke", 0, 4))
    examples = [Example("1", "?", "", golds), Example("2", "?", "")]
    shares = agreements([*itertools.zip_longest(examples, [one, other])])
    assert shares == pytest.approx(np.array([[1 / 3, 2 / 3], [0, 0]]))


def test_a_share_cannot_be_chosen_on_questions_without_answers(reader: Reader) -> None:
    nothing = [example for example in SHORT if example.is_impossible]
    assert nothing
    with pytest.raises(DataError, match=r"none of the .* questions has an answer"):
        choose_answerable(reader, nothing)


def test_a_share_of_the_caller_has_not_the_stored_one_s_description() -> None:
    assert Reader("tiny").config.answerable_chosen_on
    config = Reader("tiny", answerable=0.3).config
    assert (config.answerable, config.answerable_chosen_on) == (0.3, "")
