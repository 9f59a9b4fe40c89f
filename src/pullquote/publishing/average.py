"""Averages the weights of checkpoints that were fine-tuned from the same one (a model soup).

The mean of the weights usually answers better than each of the runs (Wortsman et al. 2022). This
does not hold for runs that started from different checkpoints.

    average(["runs/one", "runs/two"], "runs/both")
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import ModelDirectory, open_model, store_settings
from pullquote.checkpoints.write import copy_model, new_directory, write_weights
from pullquote.errors import (
    ConfigError,
    MissingExtraError,
    ModelError,
    PullquoteWarning,
    first_line,
)
from pullquote.settings import Calibration
from pullquote.training.recipe import read_recipe

try:
    import safetensors.torch
    import torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "safetensors", "train") from error


def average(models: Sequence[str | Path], out: str | Path) -> Path:
    """Write a checkpoint whose weights are the mean of those of `models`, in fp32.

    Other files are those of the first model; threshold and calibration are reset. Raises
    `ConfigError` for fewer than two models and for an `out` that is not empty, `ModelError` for
    weights of other names or shapes and for another tokenizer.

    >>> from pullquote.publishing.average import average  # doctest: +SKIP
    >>> path = average(["runs/one", "runs/two"], "runs/both")  # doctest: +SKIP
    """
    if len(models) < 2:
        raise ConfigError(f"{len(models)} model(s) to average, expected two or more")
    directories = [open_model(model, onnx=False) for model in models]
    first = directories[0]
    starts = {start for directory in directories if (start := _starting_model(directory))}
    if len(starts) > 1:
        warnings.warn(
            f"these runs started from {' and '.join(sorted(starts))}; the mean of weights of "
            "different starts answers worse than each of them",
            PullquoteWarning,
            stacklevel=2,
        )
    total = {name: tensor.double() for name, tensor in _weights(first).items()}
    for other in directories[1:]:
        if other.tokenizer.read_bytes() != first.tokenizer.read_bytes():
            raise ModelError(f"{other.path}: has another tokenizer.json than {first.path}")
        weights = _weights(other)
        if _shapes(weights) != _shapes(total):
            raise ModelError(
                f"{other.path}: has weights of other names or shapes than {first.path}; only "
                "checkpoints of one shape can be averaged"
            )
        for name, tensor in weights.items():
            total[name] += tensor
    unfitted = replace(
        first.config,
        no_answer_threshold=0.0,
        threshold_fitted_on="",
        calibration=Calibration(),
        answerable=None,
        answerable_chosen_on="",
    )
    out = Path(out)
    with new_directory(out):
        copy_model(first.path, out, weights=False)
        store_settings(out, unfitted)
        mean = {name: (tensor / len(models)).float().numpy() for name, tensor in total.items()}
        write_weights(out, mean)
    return out


def _starting_model(directory: ModelDirectory) -> str:
    """The model that a run started from, by its recipe; empty without a recipe."""
    recipe = read_recipe(directory.path)
    return recipe.model if recipe else ""


def _weights(directory: ModelDirectory) -> dict[str, torch.Tensor]:
    assert directory.safetensors is not None  # open_model guarantees it
    if directory.safetensors.name != layout.SAFETENSORS:
        raise ModelError(f"{directory.safetensors}: weights in several files cannot be averaged")
    try:
        return safetensors.torch.load_file(directory.safetensors)
    except Exception as error:
        raise ModelError(
            f"{directory.safetensors}: cannot be read ({first_line(error)}); the file may be cut "
            "short"
        ) from error


def _shapes(weights: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}
