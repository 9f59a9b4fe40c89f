"""Evaluation: its scores are those of the reader's own predictions, at any threshold."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from pullquote import Example, PullquoteWarning, Reader, Span
from pullquote.errors import DataError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.reading.calibrate import recalibrated
from pullquote.reading.evaluate import evaluate
from pullquote.scoring.squad import score
from pullquote.scoring.thresholds import fit_threshold
from pullquote.settings import Calibration, Decision, LogOdds

NORSE = "The Norse, led by Rollo, came by sea."
RIVER = "The river rises in the hills and ends at the sea."

# Answerable and not, on texts of one window and of several.
EXAMPLES = [
    Example("1", "Who led?", NORSE, (Span("Rollo", 18, 23),)),
    Example("2", "Who led the river?", RIVER),
    Example("3", "Where?", f"{RIVER} {NORSE} {RIVER}", (Span("the hills", 19, 28),)),
    Example("4", "When was it?", f"{NORSE} {RIVER} {NORSE}"),
    Example("5", "How?", NORSE, (Span("by sea", 30, 36), Span("sea", 33, 36))),
    Example("6", "What was new?", " \n"),
    Example("7", "What rises?", RIVER, (Span("river", 4, 9),)),
    Example("8", "What was old?", RIVER),
]


@pytest.fixture(params=range(4))
def reader(model_dir: Path, request: pytest.FixtureRequest) -> Reader:
    """A reader with random logits, for each of four seeds."""

    def script(ids: list[int]) -> np.ndarray:
        return np.random.default_rng([request.param, *ids]).normal(size=(2, len(ids))) * 2

    return Reader(model_dir, backend=ScriptedBackend(script))


@pytest.fixture
def rollo(model_dir: Path, wordpiece: Tokenizer) -> Reader:
    """Answers "Rollo" where the text has it (null odds -20), and abstains elsewhere (+20)."""
    id_of_rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id == id_of_rollo else -10.0 for id in ids[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))


def by_hand(reader: Reader, threshold: float | None, **options: float) -> dict[str, float | int]:
    """The scores of the texts that the reader gives at a threshold, or decided otherwise."""
    predictions = reader.answer_all(EXAMPLES, threshold=threshold, **options)
    return score(EXAMPLES, {p.id: p.text for p in predictions}).as_dict()


@pytest.mark.parametrize("threshold", [-math.inf, -1.5, -0.3, 0.0, 0.7, 1.0, 3.0, math.inf])
def test_evaluation_is_the_score_of_the_readers_answers(reader: Reader, threshold: float) -> None:
    evaluation = evaluate(reader, EXAMPLES, threshold=threshold)
    found = evaluation.scores.as_dict()
    expected = by_hand(reader, threshold)
    assert {key: found[key] for key in expected} == expected
    assert found["total"] == len(EXAMPLES)
    assert evaluation.decision == Decision(threshold=threshold)
    assert evaluation.limit == threshold


@pytest.mark.parametrize("answerable", [0.01, 0.3, 0.5, 0.8, 0.97, 1])
def test_so_it_is_where_probabilities_decide(reader: Reader, answerable: float) -> None:
    evaluation = evaluate(reader, EXAMPLES, answerable=answerable)
    expected = by_hand(reader, None, answerable=answerable)
    found = evaluation.scores.as_dict()
    assert {key: found[key] for key in expected} == expected
    assert (evaluation.decision, evaluation.limit) == (Decision(answerable), 0.0)
    if answerable == 1:
        assert all(p.answer for p in evaluation.predictions if p.answers)


def test_a_fitted_threshold_decides_the_predictions(reader: Reader) -> None:
    evaluation = evaluate(reader, EXAMPLES, fit=True)
    assert evaluation.fitted is not None
    threshold = evaluation.fitted.threshold
    assert evaluation.decision == Decision(threshold=threshold)
    expected = reader.answer_all(EXAMPLES, threshold=threshold)
    assert [p.text for p in evaluation.predictions] == [p.text for p in expected]
    texts = {p.id: p.text for p in evaluation.predictions}
    assert evaluation.scores.f1 == pytest.approx(score(EXAMPLES, texts).f1)


def test_the_stored_threshold_is_the_default(reader: Reader) -> None:
    stored = reader.config.no_answer_threshold
    assert evaluate(reader, EXAMPLES).scores == evaluate(reader, EXAMPLES, threshold=stored).scores
    assert evaluate(reader, EXAMPLES).decision == Decision(threshold=stored)


def test_a_stored_share_is_the_default(model_dir: Path, reader: Reader) -> None:
    config = replace(reader.config, answerable=0.9)
    sure = Reader(model_dir, backend=reader.backend, config=config)
    evaluation = evaluate(sure, EXAMPLES)
    assert evaluation.decision == Decision(0.9)
    assert evaluation.scores == evaluate(reader, EXAMPLES, answerable=0.9).scores


def test_no_threshold_beats_the_best_one(reader: Reader) -> None:
    evaluation = evaluate(reader, EXAMPLES)
    best = evaluation.scores.best_f1
    assert best is not None
    assert by_hand(reader, best.threshold)["f1"] == pytest.approx(best.score)
    odds = [p.null_score_diff for p in reader.answer_all(EXAMPLES)]
    for threshold in [*odds, -math.inf]:
        assert by_hand(reader, threshold)["f1"] <= best.score + 1e-9


def test_the_fitted_threshold_is_that_of_both_classes_weighted_equally(reader: Reader) -> None:
    fitted = evaluate(reader, EXAMPLES).fitted
    assert fitted is not None
    predictions = list(reader.answer_all(EXAMPLES))
    f1 = [
        score([example], {example.id: p.answers[0].text if p.answers else ""}).f1 / 100
        for example, p in zip(EXAMPLES, predictions, strict=True)
    ]
    has_answer = [not example.is_impossible for example in EXAMPLES]
    assert fitted == fit_threshold(f1, has_answer, [p.null_score_diff for p in predictions])


def test_the_scores_of_a_reader_that_knows_one_word(rollo: Reader) -> None:
    evaluation = evaluate(rollo, EXAMPLES)
    scores = evaluation.scores
    assert scores.has_answer is not None
    assert scores.no_answer is not None
    assert scores.has_answer.exact == 25.0  # question 1 of 1, 3, 5 and 7
    assert scores.no_answer.exact == 75.0  # all but question 4, where Rollo stands too
    assert scores.avna == 100 * (3 + 3) / 8  # it answers 1, 3 and 5, and not 2, 6 and 8
    # half of 25 and half of 75, which never answering would reach as well (0 and 100)
    assert evaluation.fitted is not None
    assert evaluation.fitted.score == 50.0


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_of_question_has_no_fitted_threshold(reader: Reader, kind: bool) -> None:
    kept = [example for example in EXAMPLES if example.is_impossible == kind]
    evaluation = evaluate(reader, kept)
    assert evaluation.fitted is None
    assert (evaluation.scores.has_answer is None) == kind


def test_evaluate_does_not_warn_about_prediction_files(reader: Reader) -> None:
    """Also at a threshold of 1, where `score` would warn that null odds are no probabilities."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", PullquoteWarning)
        evaluate(reader, EXAMPLES, threshold=1.0)


def test_progress_counts_every_prediction(rollo: Reader) -> None:
    seen: list[tuple[int, int, str]] = []
    evaluation = evaluate(rollo, EXAMPLES, progress=lambda *told: seen.append(told))
    assert seen == [(done, len(EXAMPLES), "answering") for done in range(1, len(EXAMPLES) + 1)]
    assert evaluation.seconds > 0
    assert evaluation.questions_per_second == pytest.approx(8 / evaluation.seconds)


def test_no_examples_and_repeated_ids_are_data_errors(rollo: Reader) -> None:
    with pytest.raises(DataError, match="no questions"):
        evaluate(rollo, [])
    with pytest.raises(DataError, match="two questions have the id"):
        evaluate(rollo, [EXAMPLES[0], EXAMPLES[0]])


def test_answers_have_the_scores_of_the_evaluation(reader: Reader) -> None:
    evaluation = evaluate(reader, EXAMPLES, threshold=-0.3)
    answers = evaluation.answers
    assert answers.texts == tuple(p.text for p in reader.answer_all(EXAMPLES, threshold=-0.3))
    assert 100 * np.mean([mark.f1 for mark in answers.scores]) == pytest.approx(
        evaluation.scores.f1
    )


def test_average_precisions_rank_by_the_probability_of_no_answer(rollo: Reader) -> None:
    # Sure of an answer on 1, 3, 4 and 5, of which 1 is right and 4 is unanswerable. Question 7 is
    # the only answerable one of the rest; all have the same probability, so are answered last.
    evaluation = evaluate(rollo, EXAMPLES)
    same = (replace(p, no_answer_score=round(p.no_answer_score, 9)) for p in evaluation.predictions)
    found = replace(evaluation, predictions=tuple(same)).average_precisions
    assert set(found) == {"pr_exact_ap", "pr_f1_ap", "pr_oracle_ap"}
    assert found["pr_exact_ap"] == pytest.approx(100 * 1 / 4 * 1 / 4, rel=1e-6)
    assert evaluate(rollo, EXAMPLES[1:2]).average_precisions == {}


def test_raw_scores_are_those_of_a_reader_without_calibration(
    model_dir: Path, reader: Reader
) -> None:
    fitted = Calibration(
        none=LogOdds(bias=-0.2, below=0.4, above=0.7, share=0.3, windows=0.1),
        elsewhere=LogOdds(bias=0.2, share=0.8),
        found=0.7,
        temperature=3.0,
    )
    raw, calibrated = (
        Reader(
            model_dir,
            backend=reader.backend,
            config=replace(reader.config, calibration=calibration),
        )
        for calibration in (Calibration(), fitted)
    )
    most = reader.config.n_best_size
    expected = list(raw.answer_all(EXAMPLES, top_k=most))
    said = list(calibrated.answer_all(EXAMPLES, top_k=most))
    assert said != expected
    for found, wanted in zip(recalibrated(Calibration(), said), expected, strict=True):
        assert (found.text, found.null_score_diff) == (wanted.text, wanted.null_score_diff)
        assert found.no_answer_score == pytest.approx(wanted.no_answer_score)
        scores = [answer.score for answer in wanted.answers]
        assert [answer.score for answer in found.answers] == pytest.approx(scores)
    for found, wanted in zip(recalibrated(fitted, expected), said, strict=True):
        assert found.no_answer_score == pytest.approx(wanted.no_answer_score)


def test_an_analysis_has_raw_scores_beside_calibrated_ones(reader: Reader) -> None:
    evaluation = evaluate(reader, EXAMPLES, top_k=reader.config.n_best_size)
    analysis = evaluation.analyse(EXAMPLES)
    assert analysis.raw is None  # this reader's are the raw ones
    assert analysis.scores["f1"].value == pytest.approx(evaluation.scores.f1)
    assert analysis.decision == evaluation.decision


def test_the_old_name_of_calibration_metrics(rollo: Reader) -> None:
    evaluation = evaluate(rollo, EXAMPLES)
    with pytest.warns(DeprecationWarning, match=r"Evaluation\.trust is now .*calibration_metrics"):
        assert evaluation.trust == evaluation.calibration_metrics
