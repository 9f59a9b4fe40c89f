"""Run directory: checks before a run writes to it, and its saved state.

Knows files, nothing of the training loop. The module `train` lists the files of a run.
"""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from pullquote.checkpoints import layout
from pullquote.checkpoints.bundled import bundled_models
from pullquote.errors import ConfigError, MissingExtraError, TrainingError, first_line
from pullquote.files import atomic_write, cannot_write, open_file
from pullquote.training.recipe import Recipe

try:
    import torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

STATE = "state.pt"
_REPLACED = ("log.jsonl", layout.CURVE, layout.SAFETENSORS, layout.PACKED, *layout.ONNX_PATTERNS)


def check_run_directory(out: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> None:
    """Raise `ConfigError` unless `out` is free, may be overwritten, or holds the run to resume.

    `resume` accepts an empty directory: a run may have ended before its first save.
    """
    start = Path(recipe.model)
    if (
        recipe.model not in bundled_models()  # a bundled model, even where a folder has its name
        and out.exists()
        and start.exists()
        and out.samefile(start)
    ):
        raise ConfigError(f"{out}: the model to start from; choose another place to write to")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: a file; expected a directory to write to")
    file = out / layout.RECIPE
    if not _holds_run(out):
        if not overwrite:
            _check_other_files(out)
        return
    if not resume:
        if not overwrite:
            raise ConfigError(
                f"{out}: holds another run; choose another place, remove it, or go on with --resume"
            )
        return
    before = Recipe.from_toml(file)
    for spec in fields(Recipe):
        old, new = getattr(before, spec.name), getattr(recipe, spec.name)
        if old != new:
            raise ConfigError(
                f"{out}: holds a run with {spec.name} = {old!r}, this one has {new!r}; resume with "
                f"the same recipe ({file}), or choose another place"
            )


def _holds_run(out: Path) -> bool:
    """Whether `out` is a run, and not a model exported from one, which has a recipe as well."""
    return (out / layout.RECIPE).exists() and (
        (out / "last").is_dir() or not (out / layout.CONFIG).exists()
    )


def _check_other_files(out: Path) -> None:
    """Raise `ConfigError` where a run would replace files that are not from a run."""
    if (out / layout.CONFIG).exists():
        raise ConfigError(f"{out}: holds a model; choose another place")
    if found := layout.found(out, ("last", *_REPLACED)):
        raise ConfigError(
            f"{out}: holds {found[0].name}, which is not of a run and would be removed; choose "
            "another place"
        )


def make_run_directory(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Create the directory of a run; remove the files of an older run, and temporary ones."""
    if not resume:
        older = [layout.RECIPE, *_REPLACED]
        if _holds_run(out):
            shutil.rmtree(out / "last", ignore_errors=True)
            older += layout.CHECKPOINT  # the new model may not have all of them
        for name in dict.fromkeys(layout.found(out, older)):
            name.unlink()
    for folder in (out, out / "last"):
        for leftover in folder.glob(".pullquote-*"):
            if leftover.is_dir():  # of an export
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
    with atomic_write(out / layout.RECIPE, links=False) as file:
        file.write(recipe.to_toml())


def write_state(state: dict[str, Any], out: Path) -> None:
    """Write the saved state; the older one is replaced only when this one is complete."""
    try:
        with atomic_write(out / "last" / STATE, "wb", links=False) as file:
            torch.save(state, file)
    except RuntimeError as error:  # what torch raises on a full disk
        reason = OSError(first_line(error))
        raise cannot_write(out / "last" / STATE, reason) from error


def read_state(out: Path, device: torch.device) -> dict[str, Any] | None:
    """The state that `write_state` wrote; None when a run ended before its first save."""
    path = out / "last" / STATE
    if not path.exists():
        return None
    try:
        with open_file(path) as file:
            state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"{path}: cannot be read ({first_line(error)}); remove it to begin again"
        ) from error
    return state
