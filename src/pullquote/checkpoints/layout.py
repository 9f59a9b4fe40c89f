"""The files of a model directory: their names, and which of them each operation needs.

The layout is that of Hugging Face models:

    config.json             the model's shape, as transformers writes it
    tokenizer.json          the tokenizer; tokenizer_config.json has padding side and inputs
    packed.safetensors      weights: pullquote's packed form,
    model.onnx              an ONNX file,
    model.safetensors       a checkpoint; one of the three or several
    reader.json             the settings of `ReaderConfig`
    README.md               the model card
    LICENSE, NOTICE         the licence and origin of the weights
    recipe.toml, curve.png  how the model was trained

Knows names and patterns, not the contents of the files.
"""

from __future__ import annotations

import re
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
PACKED = "packed.safetensors"
LEGAL = ("LICENSE", "NOTICE")

ONNX_FORMS = (ONNX, f"onnx/{ONNX}")
SAFETENSORS_FORMS = (SAFETENSORS, f"{SAFETENSORS}.index.json")
WEIGHTS = (PACKED, *ONNX_FORMS, *SAFETENSORS_FORMS)
"""Weights that can be loaded, in order of preference."""
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth")
"""Pickled weights. Readers never load these: unpickling runs any code that the file holds."""

ONNX_PATTERNS = tuple(f"{name}*" for name in ONNX_FORMS)
"""ONNX files, and the second files in which large ones keep their weights."""
SAFETENSORS_PATTERNS = ("model*.safetensors", SAFETENSORS_FORMS[1])
"""Safetensors in one file or in several with their index."""

SHARDS = "model-*.safetensors"
"""The files of safetensors weights in several parts, beside their index."""

INHERITED = (TOKENIZER, TOKENIZER_CONFIG, *LEGAL)
"""Files that a model trained from another one copies from it."""
DESCRIPTION = (CONFIG, *INHERITED)
"""Files that another form of the same weights copies."""
CHECKPOINT = (*DESCRIPTION, SETTINGS, SAFETENSORS)
"""Files that a training run writes; the weights come last."""
DOWNLOADED = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, SETTINGS, CARD)
"""Files that a reader needs from a hub repository, apart from the weights."""
_PUBLISHED = (CARD, *LEGAL, CONFIG, SETTINGS, CURVE, TOKENIZER, TOKENIZER_CONFIG)


def found(directory: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of a directory that match any pattern, sorted within each pattern."""
    return [file for pattern in patterns for file in sorted(directory.glob(pattern))]


def may_be_shard(name: str) -> bool:
    """Whether an index may name this file: safetensors, beside it, with a plain name."""
    return re.fullmatch(r"[\w.-]{1,200}\.safetensors", name, re.ASCII) is not None


def published(directory: Path) -> list[Path]:
    """The files of a model to publish: all but its recipe and its training state."""
    return [
        *(directory / name for name in _PUBLISHED if (directory / name).is_file()),
        *sorted(found(directory, (PACKED, *SAFETENSORS_PATTERNS, *ONNX_PATTERNS))),
    ]


def weights(present: Collection[str], *, onnx: bool = True) -> list[str]:
    """The weight files among `present`, preferred first; `onnx=False` allows safetensors only."""
    return [name for name in (WEIGHTS if onnx else SAFETENSORS_FORMS) if name in present]
