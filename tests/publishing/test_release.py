"""One call exports a checkpoint, measures it, and fits its settings."""

from __future__ import annotations

from pathlib import Path

from lessons import lesson
from pullquote import Reader
from pullquote.publishing.quantize import INT8
from pullquote.publishing.release import release
from pullquote.reading.evaluate import evaluate, evaluate_checkpoint

TUNE = lesson(60)
USE = [example for example in lesson(30, first=500) if example.answers]


def test_an_export_is_calibrated_and_has_a_share_where_data_for_it_is_given(
    base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = release(
        *(base, out),
        examples=TUNE,
        source="tune.json",
        fit_threshold=True,
        use=USE,
        use_source="use.json",
    )
    config = Reader(out).config
    assert config.calibration.fitted_on.startswith("tune.json: likelihood over 60 questions")
    assert config.threshold_fitted_on.startswith("tune.json: best F1 over 60 questions")
    assert found.exported is not None
    assert config.no_answer_threshold == found.exported.limit
    assert config.answerable is not None
    assert config.answerable_chosen_on.startswith("use.json: most right minus wrong answers")
    assert not Reader(base).config.calibration.fitted_on  # the source stays as it was


def test_without_a_fit_an_export_keeps_its_settings_and_is_measured_by_them(
    base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = release(base, out, scheme=INT8, examples=TUNE[:9])
    assert Reader(out).config == Reader(base).config
    assert found.exported is not None
    assert found.exported.scores == evaluate(Reader(out), TUNE[:9]).scores
    assert found.checkpoint is not None
    assert found.checkpoint.scores == evaluate_checkpoint(base, TUNE[:9]).scores
