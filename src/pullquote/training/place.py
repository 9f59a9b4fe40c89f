"""The directory of a run: whose it is, and its checkpoints, whole or not there at all.

Knows files and torch's state dictionaries, nothing of the loop. What stands there: `train`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.errors import ConfigError, MissingExtraError
from pullquote.files import atomic_write, replacing, write_json
from pullquote.training.recipe import Recipe

try:
    import safetensors.torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "safetensors", "train") from error

if TYPE_CHECKING:
    from pullquote.types import ReaderConfig

STATE = "state.pt"


def check_place(out: Path, recipe: Recipe, resume: bool) -> None:
    """Raise `ConfigError` unless `out` is free, or with `resume` the place of this very run."""
    file = out / "recipe.toml"
    if not resume:
        if out.exists() and (not out.is_dir() or file.exists() or (out / "config.json").exists()):
            holds = "holds another run" if file.exists() else "is no empty folder"
            raise ConfigError(
                f"{out}: {holds}; choose another place, remove it, or go on with --resume"
            )
        return
    if not file.exists():
        raise ConfigError(f"{out}: no run to resume (no recipe.toml); start one without --resume")
    before = Recipe.from_toml(file)
    for spec in fields(Recipe):
        old, new = getattr(before, spec.name), getattr(recipe, spec.name)
        if old != new:
            raise ConfigError(
                f"{out}: holds a run with {spec.name} = {old!r}, this one has {new!r}; resume with "
                f"the same recipe ({file}), or choose another place"
            )


def write_recipe(out: Path, recipe: Recipe) -> None:
    """Make `out` the place of a run."""
    with atomic_write(out / "recipe.toml") as file:
        file.write(recipe.to_toml())


def forget_run(out: Path) -> None:
    """Remove what another run wrote to `out`; files of others stay."""
    shutil.rmtree(out / "last", ignore_errors=True)
    for name in ("recipe.toml", "log.jsonl", "curve.png", "config.json", "model.safetensors"):
        (out / name).unlink(missing_ok=True)


def write_base(
    directory: Path, files: Mapping[str, bytes], model: Any, config: ReaderConfig
) -> None:
    """Write what stands beside the weights of a checkpoint."""
    for name, content in files.items():
        with atomic_write(directory / name, "wb") as file:
            file.write(content)
    write_json(
        directory / "config.json",
        {
            **model.config.to_diff_dict(),
            "architectures": [type(model).__name__],
        },
    )
    write_json(directory / "reader.json", asdict(config))


def write_weights(model: Any, directory: Path) -> None:
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    with replacing(directory / "model.safetensors") as path:
        safetensors.torch.save_file(weights, path, metadata={"format": "pt"})


def copy_model(source: Path, target: Path) -> None:
    """Copy a model directory: every file is whole before the first takes its name."""
    with contextlib.ExitStack() as stack:
        for file in sorted(source.iterdir()):
            if file.name != STATE:
                shutil.copyfile(file, stack.enter_context(replacing(target / file.name)))
