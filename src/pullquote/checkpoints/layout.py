"""The files of a model directory: the one list of their names, and of what each use needs.

A directory is laid out as Hugging Face's are:

    config.json             the model's shape, as transformers writes it
    tokenizer.json          the tokenizer; tokenizer_config.json says what the model expects of it
    model.onnx              weights, or model.safetensors, or both
    reader.json             the settings of `ReaderConfig`
    README.md               the model card
    LICENSE, NOTICE         whose weights they are
    recipe.toml, curve.png  how it was trained

Knows names and patterns, nothing of what stands in the files.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SETTINGS = "reader.json"
CARD = "README.md"
RECIPE = "recipe.toml"
CURVE = "curve.png"
ONNX = "model.onnx"
ONNX_DATA = "model.onnx.data"
SAFETENSORS = "model.safetensors"
LEGAL = ("LICENSE", "NOTICE")

ONNX_FORMS = (ONNX, f"onnx/{ONNX}")
SAFETENSORS_FORMS = (SAFETENSORS, f"{SAFETENSORS}.index.json")
WEIGHTS = (*ONNX_FORMS, *SAFETENSORS_FORMS)
"""Weights that are opened; the first that is there is preferred."""
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth")
"""Weights that are never opened by readers: opening a pickle runs whatever code it holds."""

ONNX_PATTERNS = tuple(f"{name}*" for name in ONNX_FORMS)
"""ONNX files with the data that large ones keep in a second file."""
SAFETENSORS_PATTERNS = ("model*.safetensors", SAFETENSORS_FORMS[1])
"""Safetensors in one file or in several with their index."""

INHERITED = (TOKENIZER, TOKENIZER_CONFIG, *LEGAL)
"""What a model that is trained from another takes over."""
DESCRIPTION = (CONFIG, *INHERITED)
"""What another form of the same weights takes over."""
CHECKPOINT = (*DESCRIPTION, SETTINGS, SAFETENSORS)
"""What a training run writes; the weights come last."""
DOWNLOADED = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, SETTINGS, CARD)
"""What reading needs of a hub repository beside weights."""
_PUBLISHED = (CARD, *LEGAL, CONFIG, SETTINGS, CURVE, TOKENIZER, TOKENIZER_CONFIG)


def found(directory: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of a directory that match, pattern by pattern, sorted within each."""
    return [file for pattern in patterns for file in sorted(directory.glob(pattern))]


def published(directory: Path) -> list[Path]:
    """The files of a model that others need: without the state of its training and its recipe."""
    return [
        *(directory / name for name in _PUBLISHED if (directory / name).is_file()),
        *sorted(found(directory, (*SAFETENSORS_PATTERNS, *ONNX_PATTERNS))),
    ]


def weights(present: Collection[str], *, onnx: bool = True) -> list[str]:
    """The names of weights that are present, the preferred first; `onnx=False`: safetensors."""
    return [name for name in (WEIGHTS if onnx else SAFETENSORS_FORMS) if name in present]
