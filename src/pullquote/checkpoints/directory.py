"""Finds and checks a model directory: its weights, its tokenizer and its settings.

A name is looked up in this order: a bundled model, a local directory, a repository of the Hugging
Face hub. `layout` lists the files. Only safetensors and ONNX are loaded: unpickling runs any code
that a file holds.

    directory = open_model("small")
    directory.onnx, directory.config.max_length
"""

from __future__ import annotations

import math
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pullquote.checkpoints import bundled, layout
from pullquote.checkpoints.bundled import bundled_models
from pullquote.checkpoints.hub import download, pickle_error
from pullquote.errors import ConfigError, DataError, InputError, ModelError, OldFormError, shown
from pullquote.files import open_file, write_json
from pullquote.json_text import decode_text, parse_json
from pullquote.settings import ReaderConfig

DEFAULT_MODEL = "small"

# Model types whose position embeddings start after the padding id: 514 rows are 512 positions.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl"}
# Model types with relative positions, where `max_position_embeddings` is no limit, unless the
# config says that absolute positions are added to the input, too.
_RELATIVE_POSITIONS = {"deberta", "deberta-v2"}
_LARGEST_JSON = 1 << 24  # bytes; a config.json has some thousands
_LARGEST_SIZE = 2**31 - 1  # of a model in config.json


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """A checked model directory: its files exist and its settings are valid."""

    name: str
    path: Path
    tokenizer: Path
    config: ReaderConfig
    positions: int  # tokens of the longest window that the model can read
    type_vocab_size: int | None  # number of token types; None where the config has none
    vocab_size: int | None
    model_max_length: int  # from the tokenizer's config; very large where it is not set
    context_first: bool  # as in run_squad.py for tokenizers that pad on the left
    onnx: Path | None
    safetensors: Path | None
    packed: Path | None = None

    def __post_init__(self) -> None:
        if self.config.max_length > self.positions:
            raise ConfigError(
                f"{self.path}: max_length is {self.config.max_length}, the model has "
                f"{self.positions} positions"
            )

    @property
    def quantized(self) -> bool:
        """Whether there is an ONNX file with quantised weights."""
        if self.onnx is None:
            return False
        from pullquote.checkpoints.onnx_metadata import quantization  # for ONNX files alone

        return quantization(self.onnx) is not None

    def read_config(self) -> dict[str, Any]:
        """The content of config.json, the model's shape."""
        return _read_json(self.path / layout.CONFIG)

    def check_vocabulary(self, tokens: int) -> None:
        """Raise `ModelError` when the tokenizer has more tokens than the model."""
        if self.vocab_size is not None and tokens > self.vocab_size:
            raise ModelError(
                f"{self.path}: tokenizer.json has {tokens:,} tokens, the model "
                f"{self.vocab_size:,}; they do not belong together"
            )


def open_model(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    onnx: bool = True,
) -> ModelDirectory:
    """Find a model by name and check its files; the module docstring says what a name may be.

    `revision`, `token` and `cache_dir` are passed to huggingface_hub. `onnx=False` requires
    safetensors, even where there is an ONNX file. Raises `ModelError` for missing or unusable
    files, `DownloadError` when the hub is needed and cannot be reached.
    """
    try:
        hub = {"revision": revision, "token": token, "cache_dir": cache_dir}
        directory = _inspect(str(name), _find(name, hub, onnx))
    except OSError as error:  # for example, no permission to list the directory
        raise ModelError(f"{name}: cannot be read ({error.strerror})") from error
    if not onnx and not directory.safetensors:
        raise ModelError(
            f"{directory.path}: no model.safetensors (found {_listing(directory.path)}); packed "
            "or ONNX weights can answer, but not be trained, nor exported again; "
            f"pullquote unpack {name} -o OUT gives a model of ours its checkpoint back"
        )
    return directory


def store_settings(path: str | os.PathLike[str], config: ReaderConfig) -> None:
    """Write `reader.json`, the settings of the model in a directory."""
    write_json(Path(path) / layout.SETTINGS, config.to_json(), links=False)


def find_tokenizer(name: str | os.PathLike[str]) -> Path:
    """The `tokenizer.json` of a directory, which needs no other files, or of a model."""
    file = Path(name) / layout.TOKENIZER
    if name not in bundled_models() and file.is_file():
        return file
    return open_model(name).tokenizer


def _find(name: str | os.PathLike[str], hub: dict[str, Any], onnx: bool) -> Path:
    """The directory of a bundled, local or downloaded model."""
    if not isinstance(name, (str, os.PathLike)):
        raise InputError(f"the model is {type(name).__name__}, expected a name or a path")
    text = str(name)
    if not text.strip():
        raise InputError(f"the model's name is blank; bundled: {', '.join(bundled_models())}")
    if isinstance(name, str) and name in bundled_models():
        return bundled.BUNDLED / name
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path
        if path.exists():
            raise ModelError(f"{text}: a file; expected a model directory, such as {path.parent}")
    # a name too long for the file system, NUL bytes, the home directory of an unknown user
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{text[:80]!r} cannot be a model's name: {error}") from None
    looks_local = path.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1
    if looks_local or not re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII):
        raise ModelError(
            f"{text}: no such model. Bundled: {', '.join(bundled_models())}. Otherwise name a "
            "local directory or a repository of the Hugging Face hub (owner/name)."
        )
    return download(text, hub, onnx=onnx)


def _inspect(name: str, path: Path) -> ModelDirectory:
    """Check the files of a directory and read its configuration."""
    known = (*layout.WEIGHTS, *layout.PICKLES, *layout.DOWNLOADED)
    present = {file for file in known if (path / file).is_file()}
    _check_files(path, present)
    config = _read_json(path / layout.CONFIG)
    limit = _positions(path, config)
    settings = _settings(path, limit)
    tokenizer: dict[str, Any] = {}
    if layout.TOKENIZER_CONFIG in present:
        tokenizer = _read_json(path / layout.TOKENIZER_CONFIG)
    onnx = next((path / file for file in layout.ONNX_FORMS if file in present), None)
    safetensors = next((path / file for file in layout.weights(present, onnx=False)), None)
    return ModelDirectory(
        name=name,
        path=path,
        tokenizer=path / layout.TOKENIZER,
        config=settings,
        positions=limit,
        type_vocab_size=_type_vocab_size(config, tokenizer, path),
        vocab_size=_integer(config, "vocab_size", 0, path) or None,
        model_max_length=_model_max_length(tokenizer, path),
        context_first=tokenizer.get("padding_side") == "left",
        onnx=onnx,
        safetensors=safetensors,
        packed=path / layout.PACKED if layout.PACKED in present else None,
    )


def _check_files(path: Path, present: set[str]) -> None:
    """Raise `ModelError` where weights, config.json or tokenizer.json are missing."""
    if not present & set(layout.WEIGHTS):
        if present & set(layout.PICKLES):
            raise pickle_error(str(path))
        if not path.is_dir():
            raise ModelError(f"{path}: no such directory; expected a model directory")
        raise ModelError(
            f"{path}: no {layout.ONNX} or {layout.SAFETENSORS} (found {_listing(path)}). "
            "Export a checkpoint with: pullquote export MODEL_DIR -o OUT"
        )
    for needed in (layout.CONFIG, layout.TOKENIZER):
        if needed not in present:
            error = OldFormError if needed == layout.TOKENIZER else ModelError
            raise error(
                f"{path}: no {needed} (found {_listing(path)}). "
                "Copy it from the base model, or export again."
            )


def _settings(path: Path, limit: int) -> ReaderConfig:
    """The settings in reader.json, or the defaults for a model that reads `limit` tokens."""
    file = path / layout.SETTINGS
    if file.is_file():
        return ReaderConfig.from_json(_read_json(file), str(file))
    return _default_settings(limit, path)


def _positions(path: Path, config: dict[str, Any]) -> int:
    """The number of tokens in the longest window that the model can read."""
    model_type = str(config.get("model_type"))
    positions = _integer(config, "max_position_embeddings", 0, path)
    relative = model_type in _RELATIVE_POSITIONS and not config.get("position_biased_input", True)
    if not positions or relative:
        return sys.maxsize
    return positions - position_offset(config, path)


def position_offset(config: dict[str, Any], path: Path) -> int:
    """The row of the position embeddings that a window's first token takes."""
    if str(config.get("model_type")) not in _OFFSET_POSITIONS:
        return 0
    return _integer(config, "pad_token_id", 1, path) + 1


def _type_vocab_size(config: dict[str, Any], tokenizer: dict[str, Any], path: Path) -> int | None:
    inputs = tokenizer.get("model_input_names")
    if isinstance(inputs, list) and "token_type_ids" not in inputs:
        return 1  # the model was trained with token types that are all 0
    if config.get("type_vocab_size") is None:
        return None
    return _integer(config, "type_vocab_size", 0, path)


def _model_max_length(tokenizer: dict[str, Any], path: Path) -> int:
    """The entry of tokenizer_config.json; transformers writes 1e30 where there is no limit."""
    value = tokenizer.get("model_max_length")
    if value is None:
        return sys.maxsize
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 1:
        raise ModelError(
            f"{path / layout.TOKENIZER_CONFIG}: model_max_length is {shown(value)}, expected a "
            "number of tokens"
        )
    return int(min(value, sys.maxsize))


def _default_settings(limit: int, path: Path) -> ReaderConfig:
    """The default settings, with shorter lengths for a model that reads few tokens."""
    default = ReaderConfig()
    if limit >= default.max_length:
        return default
    # a quarter for the question, a third as overlap, answers of at most half of the overlap
    overlap = min(default.overlap, limit // 3)
    if overlap < 2:
        raise ConfigError(f"{path}: the model has {limit} positions, too few to read with")
    return replace(
        default,
        max_length=limit,
        overlap=overlap,
        max_question_length=min(default.max_question_length, limit // 4),
        max_answer_length=min(default.max_answer_length, overlap // 2),
    )


def _integer(config: dict[str, Any], key: str, default: int, path: Path) -> int:
    """An entry of config.json that is a whole number of at least 0."""
    value = config.get(key, default)
    if value is None:
        return default
    if type(value) is not int or not 0 <= value <= _LARGEST_SIZE:
        raise ModelError(
            f"{path / layout.CONFIG}: {key} is {shown(value)}, expected a whole number up to "
            f"{_LARGEST_SIZE:,}"
        )
    return value


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file. It is small, so that nothing large is read and nothing unpacked."""
    with open_file(path) as file:
        data = file.read(_LARGEST_JSON + 1)
    if len(data) > _LARGEST_JSON:
        raise ModelError(f"{path}: more than {_LARGEST_JSON >> 20} MiB, expected a small JSON file")
    try:
        value = parse_json(decode_text(data))
    except DataError as error:
        raise ModelError(f"{path}: {error}. Copy it from the model again.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds a {type(value).__name__}, expected a JSON object")
    return value


def _listing(path: Path) -> str:
    """The names of up to 8 files of a directory, for error messages."""
    names = sorted(entry.name for entry in path.iterdir())
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
