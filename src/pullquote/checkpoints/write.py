"""Writes model directories: settings, weights and the files copied from a base model.

    with new_directory(out):
        copy_model(source, out, weights=False)
        write_weights(out, {"qa_outputs.bias": bias})

Files are written atomically. Weights are NumPy arrays; torch is not needed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import store_settings
from pullquote.checkpoints.tensor_file import write_tensors
from pullquote.errors import ConfigError
from pullquote.files import atomic_write, replacing, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pullquote.settings import ReaderConfig


def write_base(
    directory: Path,
    files: Mapping[str, bytes],
    model_config: Mapping[str, Any],
    config: ReaderConfig,
) -> None:
    """Write all files of a checkpoint but its weights.

    `files` maps names to contents to copy; `model_config` is the content of config.json.
    """
    for name, content in files.items():
        with atomic_write(directory / name, "wb", links=False) as file:
            file.write(content)
    write_json(directory / layout.CONFIG, dict(model_config), links=False)
    store_settings(directory, config)


def write_weights(directory: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write a state dictionary as safetensors."""
    write_tensors(directory / layout.SAFETENSORS, weights, {"format": "pt"})  # for transformers


@contextlib.contextmanager
def new_directory(out: Path) -> Iterator[None]:
    """Create a directory; on an error, it is emptied, and removed if it is new.

    Raises `ConfigError` where it exists already and is not empty.
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
    """Copy a checkpoint: no file is renamed before all of them are copied.

    Packed and ONNX weights of the target are removed, since readers would prefer them to the new
    ones.
    """
    for older in layout.found(target, (layout.PACKED, *layout.ONNX_PATTERNS)):
        older.unlink()
    with contextlib.ExitStack() as stack:
        for name in layout.CHECKPOINT:
            if (source / name).is_file() and (weights or name != layout.SAFETENSORS):
                shutil.copyfile(
                    source / name, stack.enter_context(replacing(target / name, links=False))
                )
