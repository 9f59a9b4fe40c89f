"""What fits into so many bytes, and that nothing is taken that loses too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lessons import lesson
from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.errors import DataError, ModelError
from pullquote.publishing import bit_search
from pullquote.publishing.bit_search import (
    WORD_BITS,
    Candidate,
    best_fit,
    directory_bytes,
    measure_forms,
)
from pullquote.publishing.quantize import INT8, Scheme
from pullquote.reading.backends.choose import choose
from pullquote.reading.backends.native_library import available
from pullquote.reading.evaluate import Evaluation
from pullquote.scoring.squad import Scores
from pullquote.scoring.thresholds import BestThreshold
from pullquote.settings import Decision


def tried(name: str, size: int, f1: float) -> Candidate:
    scores = Scores(f1, f1, 1, 0.0, None, None)
    evaluation = Evaluation(scores, Decision(threshold=0.0), BestThreshold(f1, 0.0), 1.0, (), ())
    return Candidate(name, Path("x"), size, evaluation)


FP32 = tried("fp32", 900, 70.0)
FORMS = [
    FP32,
    tried("words 8 bits", 230, 69.9),
    tried("words 5 bits", 165, 69.4),
    tried("words 4 bits", 160, 69.6),
    tried("layers 4 bits", 120, 66.0),
]


def test_the_best_of_what_fits_is_taken() -> None:
    assert best_fit(FORMS, max_bytes=10_000, max_loss=0.5) is FP32
    assert best_fit(FORMS, max_bytes=899, max_loss=0.5).name == "words 8 bits"
    assert best_fit(FORMS, max_bytes=165, max_loss=0.5).name == "words 4 bits"
    # of equals the smaller
    twin = tried("twin", 150, 69.6)
    assert best_fit([*FORMS, twin], max_bytes=165, max_loss=0.5) is twin


def test_what_loses_too_much_is_refused() -> None:
    message = r"layers 4 bits loses 4.00 points of F1 \(70.00 to 66.00\), more than 0.5"
    with pytest.raises(ModelError, match=message):
        best_fit(FORMS, max_bytes=130, max_loss=0.5)
    assert best_fit(FORMS, max_bytes=130, max_loss=4).name == "layers 4 bits"


def test_what_fits_nowhere_names_the_smallest() -> None:
    with pytest.raises(ModelError, match="no form takes 99 bytes or less; the smallest known"):
        best_fit(FORMS, max_bytes=99, max_loss=9)


def test_every_form_is_a_model_directory_that_answers(tmp_path: Path) -> None:
    schemes = (INT8, Scheme(8, 7), Scheme(3, 4))
    seen: dict[str, int] = {}

    def progress(done: int, total: int, doing: str) -> None:
        assert total == 9
        seen[doing] = done

    forms = list(
        measure_forms("tiny", lesson(9), tmp_path, max_bytes=1, schemes=schemes, progress=progress)
    )
    packed = [f"words {bits} bits, layers 7 bits" for bits in WORD_BITS]
    assert [form.name for form in forms] == ["fp32", *packed, *(f"{s}, ONNX" for s in schemes)]
    assert seen == {form.name: 9 for form in forms}
    for names in (["fp32", *packed], [f"{scheme}, ONNX" for scheme in schemes]):
        sizes = [form.bytes for form in forms if form.name in names]
        assert sizes == sorted(sizes, reverse=True)
    for form in forms:
        assert 0 < form.bytes - directory_bytes(form.path) < 1024  # room for notes
        assert Reader(form.path).answer("Who led?", "The Norse, led by Rollo.").answers
        assert form.evaluation.scores.total == 9
    # packing the seventh bit loses nothing
    assert forms[3].f1 == forms[4].f1


def test_packed_weights_that_fit_are_enough(tmp_path: Path) -> None:
    """So that a BERT-like model needs neither torch nor onnx to become small."""
    forms = list(measure_forms("tiny", lesson(9), tmp_path, max_bytes=6 * 2**20))
    assert [form.name for form in forms] == [
        "fp32",
        *(f"words {n} bits, layers 7 bits" for n in (8, 4)),
    ]
    assert choose(open_model(forms[-1].path)).precision == "int8"


def test_the_checkpoint_is_measured_in_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, str] = {}
    original = bit_search.evaluate

    def watched(reader: Reader, *arguments: Any, **options: Any) -> Evaluation:
        read[reader.directory.path.name] = str(getattr(reader.backend, "precision", "fp32"))
        return original(reader, *arguments, **options)

    monkeypatch.setattr(bit_search, "evaluate", watched)
    list(measure_forms("tiny", lesson(9), tmp_path, max_bytes=6 * 2**20))
    assert read["fp32"] == "fp32"
    if available():
        assert read["words 4 bits, layers 7 bits"] == "int8"


def test_data_of_one_kind(tmp_path: Path) -> None:
    answerable = [example for example in lesson(9) if example.answers]
    with pytest.raises(DataError, match="6 questions, all of one kind"):
        next(measure_forms("tiny", answerable, tmp_path, max_bytes=1))
    assert not list(tmp_path.iterdir())
