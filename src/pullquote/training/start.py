"""The model that training starts from: a checkpoint, a hub repository, or new weights.

A base encoder gets a new question answering head.

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
    """A model to train, its encoder, and the files to copy beside its weights."""

    model: Any
    encoder: Encoder
    files: dict[str, bytes]
    """Tokenizer, licence and notice: names and contents."""
    embeddings: torch.Tensor | None = None
    """Word embeddings of another checkpoint, (V, its width), for `structure`."""


_LAYER = re.compile(r"(bert\.encoder\.layer\.)(\d+)(\..*)")


def open_start(recipe: Recipe) -> Start:
    """Load or create the model that a recipe names; its seed decides random weights."""
    torch.manual_seed(recipe.seed)
    if not recipe.model:
        raise ConfigError(
            "model is not set: a checkpoint directory, a hub id, tiny, or a shape such as L2-H128"
        )
    if shape := Shape.parse(recipe.model):
        return _new_model(shape, recipe)
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


def _new_model(shape: Shape, recipe: Recipe) -> Start:
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
            source_model: Any = load_checkpoint(source.path, new_head=not recipe.stack)
            if recipe.stack:
                _stack_layers(source_model, model, recipe)
            else:
                embeddings = source_model.get_input_embeddings().weight.detach()
            files += [source.path / name for name in layout.LEGAL]
    _set_dropout(model, recipe.dropout)
    contents = {file.name: file.read_bytes() for file in files if file.is_file()}
    # BERT's own file: that of another family may turn off token types, or pad on the left
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


def _stack_layers(source: Any, target: Any, recipe: Recipe) -> None:
    """Copy embeddings, head and layers; repeat the layers above, with outputs set to zero.

    The deep model then gives the answers of the shallow one at first, and its new layers start
    with trained attention heads (staged training: Shen et al. 2022, section 3.2).
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
    # Mean and standard deviation of the last layer's output; the layer norms above keep them.
    mean, deviation = shift.mean(), (gain.square().mean() + shift.var(correction=0)).sqrt()
    for name, value in weights.items():
        layer = _LAYER.match(name)
        if layer and int(layer[2]) >= theirs.num_hidden_layers and "LayerNorm" in name:
            weights[name] = torch.full_like(value, deviation if "weight" in name else mean)
    target.load_state_dict(weights)


@contextlib.contextmanager
def _safe_source(name: str) -> Iterator[ModelDirectory]:
    """A checkpoint to train; one in the old format (pickle, vocab.txt) is converted first.

    Google's small BERT models have that format. torch reads a pickle of weights without running
    code in it (`weights_only`); readers refuse pickles.
    """
    try:
        source = open_model(name, onnx=False)
    except OldFormError as error:
        refusal = error
    else:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="pullquote-start-") as folder:
        try:
            with quiet_transformers():
                model = transformers.AutoModelForQuestionAnswering.from_pretrained(
                    name, dtype=torch.float32, weights_only=True, trust_remote_code=False
                )
                model.save_pretrained(folder)
            load_tokenizer(name).backend_tokenizer.save(str(Path(folder) / layout.TOKENIZER))
        except Exception as error:
            raise ModelError(
                f"{name}: cannot be converted to safetensors ({first_line(error)}). {refusal}"
            ) from error
        yield open_model(folder, onnx=False)


def _set_dropout(model: torch.nn.Module, rate: float) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate


def resolved_precision(precision: str, device: torch.device) -> str:
    """What "auto" means on a device; any other precision as it is."""
    if precision != "auto":
        return precision
    return "bf16" if has_bf16(device) else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes faster in bf16 than in fp32: AVX-512 BF16, AMX, newer GPUs."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    try:  # torch has no public function for this, and not every build has the private ones
        return bool(
            torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
        )
    except (AttributeError, RuntimeError):
        return False
