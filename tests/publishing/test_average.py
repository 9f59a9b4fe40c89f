"""Averaged checkpoints: the mean of the weights, the rest as it was, or nothing at all."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from pullquote import Reader
from pullquote.checkpoints.directory import store_settings
from pullquote.errors import ConfigError, ModelError, OutputError, PullquoteWarning
from pullquote.publishing.average import average
from pullquote.training.recipe import Recipe


@pytest.fixture
def runs(base: Path, tmp_path: Path) -> list[Path]:
    """Three checkpoints whose weights are once, twice and six times the same."""
    folders = []
    for factor in (1, 2, 6):
        folder = Path(shutil.copytree(base, tmp_path / f"run{factor}"))
        weights = load_file(folder / "model.safetensors")
        scaled = {name: factor * tensor for name, tensor in weights.items()}
        save_file(scaled, folder / "model.safetensors", metadata={"format": "pt"})
        folders.append(folder)
    return folders


def test_weights_are_the_mean_and_the_rest_is_the_first_ones(
    runs: list[Path], base: Path, tmp_path: Path
) -> None:
    chosen = replace(Reader(runs[0]).config, answerable=0.8, answerable_chosen_on="use.json")
    store_settings(runs[0], chosen)
    out = average(runs, tmp_path / "out")
    once, mean = load_file(base / "model.safetensors"), load_file(out / "model.safetensors")
    assert once.keys() == mean.keys()
    for name, tensor in mean.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, 3 * once[name])
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    before = Reader(base).config
    assert Reader(out).config.max_length == before.max_length
    assert Reader(out).config.threshold_fitted_on == ""
    assert (Reader(out).config.answerable, Reader(out).config.answerable_chosen_on) == (None, "")
    transformers.BertForQuestionAnswering.from_pretrained(out)


def test_runs_of_different_starts_are_noted(
    runs: list[Path], recipe: Recipe, tmp_path: Path
) -> None:
    for run, model in zip(runs, ("one", "one", "other"), strict=True):
        (run / "recipe.toml").write_text(replace(recipe, model=model).to_toml())
    average(runs[:2], tmp_path / "alike")
    with pytest.warns(PullquoteWarning, match="started from one and other"):
        average(runs, tmp_path / "mixed")


def test_what_cannot_be_averaged_leaves_nothing_behind(
    runs: list[Path], base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"1 model\(s\) to average, expected two or more"):
        average(runs[:1], out)
    weights = load_file(runs[1] / "model.safetensors")
    narrow = {name: tensor[..., :1].contiguous() for name, tensor in weights.items()}
    save_file(narrow, runs[1] / "model.safetensors")
    with pytest.raises(ModelError, match="run2: has weights of other names or shapes than"):
        average(runs, out)
    (runs[1] / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(ModelError, match=r"run2.*: cannot be read"):
        average(runs, out)
    (runs[2] / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"run6: has another tokenizer.json than"):
        average([runs[0], runs[2]], out)
    assert not out.exists()
    with pytest.raises(ConfigError, match="exists and is not empty"):
        average([runs[0], base], runs[1])


def test_a_full_disk_leaves_nothing_behind(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def full(file: int) -> None:
        if os.fstat(file).st_size > 10_000:  # the weights
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left"):
        average(runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
