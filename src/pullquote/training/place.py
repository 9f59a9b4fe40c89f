"""The directory of a run: whose it is, and its checkpoints, whole or not there at all.

Knows files and torch's state dictionaries, nothing of the loop. What stands there: `train`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.errors import ConfigError, MissingExtraError, TrainingError, first_line
from pullquote.files import atomic_write, cannot_write, replacing, write_json
from pullquote.reading.directory import bundled_models, store_settings
from pullquote.training.recipe import Recipe

try:
    import safetensors.torch
    import torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "safetensors", "train") from error

if TYPE_CHECKING:
    from pullquote.types import ReaderConfig

STATE = "state.pt"
MODEL_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "LICENSE", "NOTICE"),
    *("reader.json", "model.safetensors"),
)
_ONNX = ("model.onnx*", "onnx/model.onnx*")
_REPLACED = ("log.jsonl", "curve.png", "model.safetensors", *_ONNX)


def check_place(out: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> None:
    """Raise `ConfigError` unless `out` is free, or may be overwritten, or holds this very run.

    With `resume` a free place is begun in: a run may have been ended before it left anything.
    """
    start = Path(recipe.model)
    if (
        recipe.model not in bundled_models()  # that is one of ours, whatever lies here
        and out.exists()
        and start.exists()
        and out.samefile(start)
    ):
        raise ConfigError(f"{out}: the model to start from; choose another place to write to")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: a file; expected a directory to write to")
    file = out / "recipe.toml"
    if not _holds_run(out):
        if not overwrite:
            _check_foreign(out)
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
    """A recipe stands in what was exported from a run, too, but then nothing of its last state."""
    return (out / "recipe.toml").exists() and (
        (out / "last").is_dir() or not (out / "config.json").exists()
    )


def _check_foreign(out: Path) -> None:
    """Raise `ConfigError` where a run would replace files that no run has made."""
    if (out / "config.json").exists():
        raise ConfigError(f"{out}: holds a model; choose another place")
    if found := _found(out, ("last", *_REPLACED)):
        raise ConfigError(
            f"{out}: holds {found[0].name}, which is not of a run and would be removed; choose "
            "another place"
        )


def make_place(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make `out` the place of a run: an older one's files go, and what a sudden end left behind."""
    if not resume:
        older = ["recipe.toml", *_REPLACED]
        if _holds_run(out):
            shutil.rmtree(out / "last", ignore_errors=True)
            older += MODEL_FILES  # some of which the new one may not have
        for name in dict.fromkeys(_found(out, older)):
            name.unlink()
    for folder in (out, out / "last"):
        for litter in folder.glob(".pullquote-*"):
            if litter.is_dir():  # of an export
                shutil.rmtree(litter)
            else:
                litter.unlink()
    with atomic_write(out / "recipe.toml") as file:
        file.write(recipe.to_toml())


def _found(out: Path, patterns: Sequence[str]) -> list[Path]:
    return [file for pattern in patterns for file in sorted(out.glob(pattern))]


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
    store_settings(directory, config)


def write_weights(weights: Mapping[str, torch.Tensor], directory: Path) -> None:
    """Write a state dictionary; weights are fp32, whatever the arithmetic of training is."""
    whole = {name: value.contiguous() for name, value in weights.items()}
    with atomic_write(directory / "model.safetensors", "wb") as file:
        file.write(safetensors.torch.save(whole, metadata={"format": "pt"}))


@contextlib.contextmanager
def new_directory(out: Path) -> Iterator[None]:
    """Make a directory; unless all goes well, things are as before.

    Raises `ConfigError` where something stands already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists and is not empty; choose another place")
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for file in out.iterdir():
            file.unlink()
        if new:
            out.rmdir()
        raise


def copy_model(source: Path, target: Path, *, weights: bool = True) -> None:
    """Copy a model directory: every file is whole before the first takes its name."""
    for older in _found(target, _ONNX):  # a reader would prefer it
        older.unlink()
    with contextlib.ExitStack() as stack:
        for name in MODEL_FILES:
            if (source / name).is_file() and (weights or name != "model.safetensors"):
                shutil.copyfile(source / name, stack.enter_context(replacing(target / name)))


def write_state(state: dict[str, Any], out: Path) -> None:
    """Write what `resume` needs; the older state stays whole until this one is."""
    try:
        with atomic_write(out / "last" / STATE, "wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's own word for a full disk
        reason = OSError(first_line(error))
        raise cannot_write(out / "last" / STATE, reason) from error


def read_state(out: Path, device: torch.device) -> dict[str, Any] | None:
    """What `write_state` wrote; None when a run ended before its first save."""
    path = out / "last" / STATE
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"{path}: cannot be read ({first_line(error)}); remove it to begin again"
        ) from error
    return state
