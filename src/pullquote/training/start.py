"""Where training starts: a checkpoint, a hub repository, or a shape with new weights.

Knows torch and transformers; a base encoder gets a new head for question answering.

    start = open_start(Recipe(model="L2-H128"))
    start.model, start.encoder
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import ModelDirectory, find_tokenizer, open_model
from pullquote.errors import ConfigError, MissingExtraError, ModelError, OldFormError, first_line
from pullquote.reading.backends.torch import load_checkpoint, load_tokenizer, quiet_transformers
from pullquote.reading.encode import Encoder
from pullquote.training.family import Shape

try:
    import torch
    import transformers
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.training.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A model to train, its encoder, and the files that travel with it."""

    model: Any
    encoder: Encoder
    files: dict[str, bytes]
    """Tokenizer, licence and notice: names and contents."""
    embeddings: torch.Tensor | None = None
    """Word embeddings of another checkpoint, (V, its width), for `structure`."""


_LAYER = re.compile(r"(bert\.encoder\.layer\.)(\d+)(\..*)")


def open_start(recipe: Recipe) -> Start:
    """Load or make the model that a recipe names; random weights come from its seed."""
    torch.manual_seed(recipe.seed)
    if not recipe.model:
        raise ConfigError(
            "model is not set: a checkpoint directory, a hub id, tiny, or a shape such as L2-H128"
        )
    if shape := Shape.parse(recipe.model):
        return _new(shape, recipe)
    for name in ("stack", "embeddings"):
        if getattr(recipe, name):
            raise ConfigError(
                f"{name} is {getattr(recipe, name)}, but {recipe.model} has layers and embeddings "
                "of its own; expected a shape such as L2-H128 as model"
            )
    config = recipe.reader_config()
    with _safe_source(recipe.model) as source:
        encoder = Encoder.of(source, config=config)
        _check_length(recipe, source.positions)
        model = load_checkpoint(source.path, new_head=True)
        files = [source.path / name for name in layout.INHERITED]
        _set_dropout(model, recipe.dropout)
        return Start(model, encoder, {f.name: f.read_bytes() for f in files if f.is_file()})


def _new(shape: Shape, recipe: Recipe) -> Start:
    tokenizer = find_tokenizer(recipe.tokenizer)
    encoder = Encoder.from_file(tokenizer, recipe.reader_config(), type_vocab_size=2)
    model = transformers.BertForQuestionAnswering(
        transformers.BertConfig(
            vocab_size=encoder.vocab_size,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width,
        )
    )
    _check_length(recipe, model.config.max_position_embeddings)
    files = [tokenizer]
    embeddings = None
    if origin := recipe.stack or recipe.embeddings:
        with _safe_source(origin) as source:
            _check_vocabulary(source, encoder, recipe)
            given: Any = load_checkpoint(source.path, new_head=not recipe.stack)
            if recipe.stack:
                _stack(given, model, recipe)
            else:
                embeddings = given.get_input_embeddings().weight.detach()
            files += [source.path / name for name in layout.LEGAL]
    _set_dropout(model, recipe.dropout)
    contents = {file.name: file.read_bytes() for file in files if file.is_file()}
    # BERT's own: that of another family may say that there are no token types, or pad on the left
    contents[layout.TOKENIZER_CONFIG] = json.dumps({"tokenizer_class": "BertTokenizer"}).encode()
    return Start(model, encoder, contents, embeddings)


def _check_length(recipe: Recipe, positions: int) -> None:
    if recipe.max_length > positions:
        raise ConfigError(
            f"max_length is {recipe.max_length}, {recipe.model} has {positions} positions"
        )


def _check_vocabulary(source: ModelDirectory, encoder: Encoder, recipe: Recipe) -> None:
    theirs = Encoder.from_file(source.tokenizer, recipe.reader_config())
    if theirs.tokenizer.get_vocab() != encoder.tokenizer.get_vocab():
        raise ConfigError(
            f"{source.name} has another vocabulary than the tokenizer of {recipe.tokenizer} "
            f"({theirs.vocab_size:,} and {encoder.vocab_size:,} tokens); expected the same, so "
            "that its word embeddings belong to the same words: set tokenizer"
        )


def _stack(source: Any, target: Any, recipe: Recipe) -> None:
    """Copy embeddings, head and layers; layers above are copies that write nothing yet.

    The deep model thus answers as the shallow one does from the first step on, and its new layers
    find heads that look at something (staged training: Shen et al. 2022, section 3.2).
    """
    mine, theirs = target.config, source.config
    for name in ("model_type", "hidden_size", "intermediate_size", "vocab_size"):
        if getattr(mine, name) != getattr(theirs, name):
            raise ConfigError(
                f"stack: {recipe.stack} has {name} {getattr(theirs, name)}, {recipe.model} has "
                f"{getattr(mine, name)}; expected the same"
            )
    known = source.state_dict()
    weights = {}
    for name, value in target.state_dict().items():
        layer = _LAYER.match(name)
        if not layer:
            weights[name] = known.get(name, value)
            continue
        depth, part = int(layer[2]), layer[3]
        origin = depth % theirs.num_hidden_layers
        weights[name] = known[f"{layer[1]}{origin}{part}"]
        if depth >= theirs.num_hidden_layers and "output.dense" in part:
            weights[name] = torch.zeros_like(value)
    last = f"bert.encoder.layer.{theirs.num_hidden_layers - 1}.output.LayerNorm."
    gain, shift = known[f"{last}weight"], known[f"{last}bias"]
    # What the last layer gives has about this mean and deviation; norms above keep them.
    mean, deviation = shift.mean(), (gain.square().mean() + shift.var(correction=0)).sqrt()
    for name, value in weights.items():
        layer = _LAYER.match(name)
        if layer and int(layer[2]) >= theirs.num_hidden_layers and "LayerNorm" in name:
            weights[name] = torch.full_like(value, deviation if "weight" in name else mean)
    target.load_state_dict(weights)


@contextlib.contextmanager
def _safe_source(name: str) -> Iterator[ModelDirectory]:
    """A checkpoint to train on; one of the old form (pickle, vocab.txt) is converted first.

    Google's miniatures were published so. torch opens a pickle of weights without running code
    that it may hold (`weights_only`); readers open none at all.
    """
    try:
        source = open_model(name, onnx=False)
    except OldFormError as error:
        refusal = error
    else:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="pullquote-start-") as place:
        try:
            with quiet_transformers():
                model = transformers.AutoModelForQuestionAnswering.from_pretrained(
                    name, dtype=torch.float32, weights_only=True, trust_remote_code=False
                )
                model.save_pretrained(place)
            load_tokenizer(name).backend_tokenizer.save(str(Path(place) / layout.TOKENIZER))
        except Exception as error:
            raise ModelError(
                f"{name}: cannot be converted to safetensors ({first_line(error)}). {refusal}"
            ) from error
        yield open_model(place, onnx=False)


def _set_dropout(model: torch.nn.Module, rate: float) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 faster than fp32: AVX-512 BF16, AMX, newer GPUs."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    try:  # torch has no public word for it, and not every build the private ones
        return bool(
            torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
        )
    except (AttributeError, RuntimeError):
        return False
