"""What fits into so many bytes, and that nothing is taken that loses too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from lessons import lesson
from pullquote import Reader
from pullquote.errors import DataError, ModelError
from pullquote.publishing.bit_search import Candidate, best_fit, directory_bytes, measure_schemes
from pullquote.publishing.quantize import INT8, Scheme
from pullquote.reading.evaluate import Evaluation
from pullquote.scoring.squad import Scores
from pullquote.scoring.thresholds import BestThreshold
from pullquote.settings import Decision


def tried(scheme: Scheme | None, size: int, f1: float) -> Candidate:
    scores = Scores(f1, f1, 1, 0.0, None, None)
    evaluation = Evaluation(scores, Decision(threshold=0.0), BestThreshold(f1, 0.0), 1.0, (), ())
    return Candidate(scheme, Path("x"), size, evaluation)


FP32 = tried(None, 900, 70.0)
FORMS = [
    FP32,
    tried(INT8, 230, 69.9),
    tried(Scheme(5, 6), 165, 69.4),
    tried(Scheme(4, 7), 160, 69.6),
    tried(Scheme(4, 4), 120, 66.0),
]


def test_the_best_of_what_fits_is_taken() -> None:
    assert best_fit(FORMS, max_bytes=10_000, max_loss=0.5) is FP32
    assert best_fit(FORMS, max_bytes=899, max_loss=0.5).scheme == INT8
    assert best_fit(FORMS, max_bytes=165, max_loss=0.5).scheme == Scheme(4, 7)
    # of equals the smaller
    twin = tried(Scheme(4, 6), 150, 69.6)
    assert best_fit([*FORMS, twin], max_bytes=165, max_loss=0.5) is twin


def test_what_loses_too_much_is_refused() -> None:
    message = r"words 4 bits, layers 4 loses 4.00 points of F1 \(70.00 to 66.00\), more than 0.5"
    with pytest.raises(ModelError, match=message):
        best_fit(FORMS, max_bytes=130, max_loss=0.5)
    assert best_fit(FORMS, max_bytes=130, max_loss=4).scheme == Scheme(4, 4)


def test_what_fits_nowhere_names_the_smallest() -> None:
    with pytest.raises(ModelError, match="no form takes 99 bytes or less; the smallest known"):
        best_fit(FORMS, max_bytes=99, max_loss=9)


def test_every_form_is_a_model_directory_that_answers(tmp_path: Path) -> None:
    schemes = (INT8, Scheme(8, 7), Scheme(3, 4))
    seen: dict[str, int] = {}

    def progress(done: int, total: int, doing: str) -> None:
        assert total == 9
        seen[doing] = done

    forms = list(measure_schemes("tiny", lesson(9), tmp_path, schemes=schemes, progress=progress))
    assert [form.name for form in forms] == ["fp32", *map(str, schemes)]
    assert seen == {form.name: 9 for form in forms}
    sizes = [form.bytes for form in forms]
    assert sizes == sorted(sizes, reverse=True)
    for form in forms:
        assert 0 < form.bytes - directory_bytes(form.path) < 1024  # room for notes
        assert Reader(form.path).answer("Who led?", "The Norse, led by Rollo.").answers
        assert form.evaluation.scores.total == 9
    # packing the seventh bit loses nothing
    assert forms[1].f1 == forms[2].f1


def test_data_of_one_kind(tmp_path: Path) -> None:
    answerable = [example for example in lesson(9) if example.answers]
    with pytest.raises(DataError, match="6 questions, all of one kind"):
        next(measure_schemes("tiny", answerable, tmp_path))
    assert not list(tmp_path.iterdir())
