"""The bundled models: whole, at work, and silent about where they were made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullquote import Reader
from pullquote.reading.directory import BUNDLED, bundled_models

LIGHTHOUSE = Path(__file__).parent.parent.parent / "examples" / "lighthouse.txt"


def test_what_is_bundled() -> None:
    assert bundled_models() == ["small"]


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_is_whole(name: str) -> None:
    files = {file.name for file in (BUNDLED / name).iterdir()}
    assert {"README.md", "LICENSE", "NOTICE", "recipe.toml", "reader.json", "model.onnx"} <= files
    config = Reader(name).config
    assert "tune" in config.threshold_fitted_on
    for text in ("README.md", "recipe.toml", "reader.json"):
        assert "/" + "work" not in (BUNDLED / name / text).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_answers_and_abstains(name: str) -> None:
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    reader = Reader(name)
    assert reader.answer("Who built the first lighthouse?", context).text == "Henry Winstanley"
    assert reader.answer("Who won the football match in Brazil?", context).answer is None
