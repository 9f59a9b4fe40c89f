"""Rounding by what goes into a matrix changes its products less than rounding to the nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import Sevens, dequantized
from pullquote.checkpoints.read_weights import read_weights
from pullquote.errors import ConfigError, DataError, ModelError
from pullquote.publishing import rounding
from pullquote.publishing.pack import pack_checkpoint
from pullquote.publishing.rounding import quantize_array, round_matrix, second_moments
from pullquote.types import Example

CONTEXT = "The Norse, led by Rollo, came by sea. They settled in Normandy in 911."
QUESTIONS = ("Who led?", "When?", "Where?")
EXAMPLES = [Example(str(i), question, CONTEXT, ()) for i, question in enumerate(QUESTIONS)]


@pytest.mark.parametrize("seed", range(5))
def test_products_change_less_than_by_rounding_to_the_nearest(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(24, 24)) @ np.diag(np.geomspace(4, 0.1, 24))
    x = (random.normal(size=(500, 24)) @ mixed).astype(np.float32)  # inputs that vary together
    weight = random.normal(size=(16, 24)).astype(np.float32)
    found = round_matrix(weight, x.T.astype(float) @ x)
    monkeypatch.setattr(rounding, "_COLUMNS", 7)  # a part of the columns at a time: the same
    parts = round_matrix(weight, x.T.astype(float) @ x)
    np.testing.assert_array_equal(parts.codes, found.codes)
    codes, scales = quantize_array(weight, axis=1, bits=7)
    np.testing.assert_allclose(found.scales, scales, rtol=1e-6)
    assert np.abs(found.codes).max() == 63

    def change(rounded: np.ndarray) -> float:
        return float(np.square(x @ (rounded - weight).T).sum())

    nearest = codes * scales[:, None]
    assert change(dequantized(found)) < 0.7 * change(nearest)


def test_inputs_that_never_vary_are_rounded_to_the_nearest() -> None:
    weight = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    found = round_matrix(weight, np.eye(16))
    np.testing.assert_array_equal(found.codes, quantize_array(weight, axis=1, bits=7)[0])


def test_moments_are_those_of_all_tokens(base: Path) -> None:
    reader = Reader(base, precision="fp32")
    batches = [reader.encoder.batch([next(reader.encoder.windows(q, CONTEXT))]) for q in QUESTIONS]
    weights = read_weights(open_model(base))
    together = second_moments(weights, batches)
    assert {layer for layer, _ in together} == set(range(len(weights.layers)))
    assert {name for _, name in together} == {"query", "attention_output", "intermediate", "output"}
    for key, moments in together.items():
        alone = sum(second_moments(weights, [batch])[key] for batch in batches)
        np.testing.assert_allclose(moments, alone, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(moments, moments.T, rtol=1e-5, atol=1e-4)


def test_a_checkpoint_is_packed_and_answers_as_before(base: Path, tmp_path: Path) -> None:
    file = pack_checkpoint(base, tmp_path / "packed", EXAMPLES, words=8)
    assert file.parent == tmp_path / "packed"
    packed = read_weights(open_model(file.parent))
    assert isinstance(packed.layers[0].query.weight, Sevens)
    before = [Reader(base, precision="fp32").answer(q, CONTEXT) for q in QUESTIONS]
    for old, question in zip(before, QUESTIONS, strict=True):
        new = Reader(file.parent).answer(question, CONTEXT)
        assert new.null_score_diff == pytest.approx(old.null_score_diff, abs=0.05)
    with pytest.raises(ConfigError, match="exists and is not empty; choose another place"):
        pack_checkpoint(base, tmp_path / "packed", EXAMPLES)
    with pytest.raises(ModelError, match=r"no model\.safetensors to pack"):
        pack_checkpoint(file.parent, tmp_path / "again", EXAMPLES)
    with pytest.raises(DataError, match="no example has a text"):
        pack_checkpoint(base, tmp_path / "empty", [Example("0", "Who led?", " ", ())])
    assert not (tmp_path / "empty").exists()
