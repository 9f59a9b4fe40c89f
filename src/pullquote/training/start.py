"""Where training starts: a checkpoint, a hub repository, or a shape with random weights.

Knows torch and transformers; a base encoder gets a new head for question answering.

    start = open_start(Recipe(model="L2-H128"))
    start.model, start.tokenizer_json
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.errors import ConfigError, MissingExtraError
from pullquote.reading.backends.torch import load_checkpoint
from pullquote.reading.directory import find_tokenizer, open_model
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
    files: tuple[Path, ...]  # tokenizer, licence and notice of the start


def open_start(recipe: Recipe) -> Start:
    """Load or make the model that a recipe names; random weights come from its seed."""
    torch.manual_seed(recipe.seed)
    config = recipe.reader_config()
    if shape := Shape.parse(recipe.model):
        tokenizer = find_tokenizer(recipe.tokenizer)
        encoder = Encoder.from_file(tokenizer, config, type_vocab_size=2)
        model: Any = transformers.BertForQuestionAnswering(
            transformers.BertConfig(
                vocab_size=encoder.vocab_size,
                hidden_size=shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=4 * shape.width,
            )
        )
        files = [tokenizer, tokenizer.with_name("tokenizer_config.json")]
    else:
        source = open_model(recipe.model, onnx=False)
        encoder = Encoder.from_file(
            source.tokenizer,
            config,
            type_vocab_size=source.type_vocab_size,
            context_first=source.context_first,
        )
        if config.max_length > source.positions:
            raise ConfigError(
                f"max_length is {config.max_length}, {recipe.model} has {source.positions} "
                "positions"
            )
        model = load_checkpoint(source.path, new_head=True)
        names = ("tokenizer.json", "tokenizer_config.json", "LICENSE", "NOTICE")
        files = [source.path / name for name in names]
    _set_dropout(model, recipe.dropout)
    return Start(model, encoder, tuple(file for file in files if file.is_file()))


def _set_dropout(model: torch.nn.Module, rate: float) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate


def has_bf16() -> bool:
    """Whether this machine multiplies bf16 faster than fp32: AVX-512 BF16, AMX, or a GPU."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
    )
