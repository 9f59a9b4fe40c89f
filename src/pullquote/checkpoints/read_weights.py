"""Reads the weights of a BERT-like reader, from a checkpoint or from its packed form.

    weights = read_weights(open_model("small"))    # `EncoderWeights`
    unsupported(open_model("./deberta"))           # "the model type 'deberta-v2' is not one of ..."

Each family of models has its own names for the same parts; `Names` has one family's. Knows numpy
and files, neither torch nor onnx.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import ModelDirectory, position_offset
from pullquote.checkpoints.encoder_weights import (
    EncoderWeights,
    Layer,
    Linear,
    Matrix,
    Norm,
    Sevens,
    Table,
    dequantized,
)
from pullquote.checkpoints.packed import Weight, read_packed
from pullquote.checkpoints.tensor_file import open_tensors
from pullquote.errors import ModelError, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Names(NamedTuple):
    """The names of a family's weights: in the checkpoint, and in config.json."""

    prefix: str = "bert."
    """Before all names but those of the head; a checkpoint may leave it out."""
    words: str = "embeddings.word_embeddings.weight"
    positions: str = "embeddings.position_embeddings.weight"
    types: str | None = "embeddings.token_type_embeddings.weight"
    embedding_norm: str = "embeddings.LayerNorm"
    projection: str = "embeddings_project"
    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    intermediate: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    head: str = "qa_outputs"
    layer_count: str = "num_hidden_layers"
    head_count: str = "num_attention_heads"
    activation: str = "hidden_act"


_ROBERTA = Names(prefix="roberta.")
FAMILIES = {
    "bert": Names(),
    "electra": Names(prefix="electra."),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": Names(
        prefix="distilbert.",
        types=None,
        layer="transformer.layer.{}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        output_norm="output_layer_norm",
        layer_count="n_layers",
        head_count="n_heads",
        activation="activation",
    ),
}
"""The names by config.json's model_type."""

# config.json's names of activations, and `EncoderWeights`'
_ACTIVATIONS = {
    **{"gelu": "gelu", "gelu_python": "gelu", "relu": "relu"},
    **dict.fromkeys(["gelu_new", "gelu_fast", "gelu_pytorch_tanh"], "gelu_new"),
}
_DEFAULT_EPSILON = 1e-12  # DistilBERT's, which its config does not have


def unsupported(directory: ModelDirectory) -> str:
    """Why a model is not an encoder that `EncoderWeights` can hold, in words; "" where it is."""
    config = directory.read_config()
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None:
        return (
            f"the model type {shown(config.get('model_type'))} is not one of {', '.join(FAMILIES)}"
        )
    activation = str(config.get(family.activation, "gelu"))
    if activation not in _ACTIVATIONS:
        return f"the activation {activation:.80} is not one of {', '.join(_ACTIVATIONS)}"
    positions = config.get("position_embedding_type") or "absolute"
    if positions != "absolute":
        return f"its positions are {shown(positions)}, not absolute"
    if config.get("is_decoder"):
        return "it is a decoder"
    return ""


def read_weights(directory: ModelDirectory) -> EncoderWeights:
    """The weights of a model: its packed ones, else those of its safetensors checkpoint.

    Arrays are views of the mapped file where the file has them in the form that is wanted. Raises
    `ModelError` for a model that is not supported, and for weights that are damaged, are not all
    there, or do not fit config.json.
    """
    if reason := unsupported(directory):
        raise ModelError(f"{directory.path}: {reason}; such a model is read by torch")
    tensors: Mapping[str, Weight]
    if directory.packed:
        file, tensors = directory.packed, read_packed(directory.packed)
    elif directory.safetensors:
        file, tensors = directory.safetensors, open_tensors(directory.safetensors)
    else:
        raise ModelError(f"{directory.path}: no {layout.PACKED} or {layout.SAFETENSORS}")
    return encoder_weights(tensors, directory, file)


def encoder_weights(
    tensors: Mapping[str, Weight], directory: ModelDirectory, file: Path, *, head: bool = True
) -> EncoderWeights:
    """The weights of a supported model out of `tensors` with the checkpoint's names.

    `head=False` reads no question-answering head.
    """
    config = directory.read_config()
    names = FAMILIES[config["model_type"]]
    source = _Source(tensors, file, names.prefix)
    words, E = source.table(names.words, directory.vocab_size)
    table, _ = source.table(names.positions, config.get("max_position_embeddings"), E)
    positions = dequantized(table)[position_offset(config, directory.path) :]
    H = source.matrix(f"{names.layer.format(0)}{names.query}.weight", (None, None)).shape[0]
    heads = _count(config, names.head_count, directory)
    if H % heads:
        raise ModelError(
            f"{directory.path}: {heads} attention heads do not divide the {H} units of {file.name}"
        )
    epsilon = config.get("layer_norm_eps", _DEFAULT_EPSILON)
    if not (isinstance(epsilon, float) and 0 < epsilon < 1):
        raise ModelError(f"{directory.path}: layer_norm_eps is {shown(epsilon)}, expected 0 to 1")

    def layer(number: int) -> Layer:
        start = names.layer.format(number)
        intermediate = source.linear(start + names.intermediate, None, H)
        return Layer(
            query=source.linear(start + names.query, H, H),
            key=source.linear(start + names.key, H, H),
            value=source.linear(start + names.value, H, H),
            attention_output=source.linear(start + names.attention_output, H, H),
            attention_norm=source.norm(start + names.attention_norm, H),
            intermediate=intermediate,
            output=source.linear(start + names.output, H, len(intermediate.bias)),
            output_norm=source.norm(start + names.output_norm, H),
        )

    return EncoderWeights(
        words=words,
        positions=positions,
        types=source.array(names.types, (None, E)) if names.types else None,
        embedding_norm=source.norm(names.embedding_norm, E),
        projection=source.linear(names.projection, H, E) if E != H else None,
        layers=tuple(map(layer, range(_count(config, names.layer_count, directory)))),
        head=source.linear(names.head, 2, H) if head else None,
        heads=heads,
        activation=_ACTIVATIONS[str(config.get(names.activation, "gelu"))],
        epsilon=epsilon,
    )


class _Source(NamedTuple):
    """Takes weights by name, and checks their shapes; in a shape, `None` is any size."""

    tensors: Mapping[str, Weight]
    file: Path
    prefix: str

    def get(self, name: str) -> Weight:
        for full in (self.prefix + name, name):
            if full in self.tensors:
                return self.tensors[full]
        raise ModelError(
            f"{self.file}: has no {self.prefix}{name}; it is not whole, or not fine-tuned for "
            "question answering"
        )

    def expect(self, name: str, found: tuple[int, ...], expected: tuple[int | None, ...]) -> None:
        fits = len(found) == len(expected) and all(
            size in (None, actual) for actual, size in zip(found, expected, strict=True)
        )
        if not fits or 0 in found:
            sizes = ", ".join("any" if size is None else str(size) for size in expected)
            raise ModelError(
                f"{self.file}: {name} has the shape {found}, expected ({sizes}) as config.json and "
                "the other weights have it; they do not belong together"
            )

    def table(self, name: str, rows: int | None, columns: int | None = None) -> tuple[Table, int]:
        """A table, and the width of its rows."""
        weight = self.get(name)
        self.expect(name, weight.shape, (rows, columns))
        matrix = self.checked(name, weight)
        if isinstance(matrix, Sevens):
            raise ModelError(f"{self.file}: {name} is a matrix in 7 bits, expected a table")
        return matrix, matrix.shape[1]

    def matrix(self, name: str, shape: tuple[int | None, ...]) -> Matrix:
        weight = self.get(name)
        self.expect(name, weight.shape, shape)
        return self.checked(name, weight)

    def array(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        weight = self.matrix(name, shape)
        if not isinstance(weight, np.ndarray):
            raise ModelError(f"{self.file}: {name} is quantised, expected float32")
        return weight

    def checked(self, name: str, weight: Weight) -> Matrix:
        if isinstance(weight, np.ndarray) and weight.dtype != np.float32:
            raise ModelError(
                f"{self.file}: {name} is {weight.dtype}, expected float32, float16 or bfloat16"
            )
        return weight

    def linear(self, name: str, rows: int | None, columns: int) -> Linear:
        weight = self.matrix(f"{name}.weight", (rows, columns))
        return Linear(weight, self.array(f"{name}.bias", (weight.shape[0],)))

    def norm(self, name: str, size: int) -> Norm:
        # checkpoints converted from TensorFlow have its names
        older = any(f"{prefix}{name}.gamma" in self.tensors for prefix in (self.prefix, ""))
        gain, bias = ("gamma", "beta") if older else ("weight", "bias")
        return Norm(self.array(f"{name}.{gain}", (size,)), self.array(f"{name}.{bias}", (size,)))


def _count(config: Mapping[str, Any], key: str, directory: ModelDirectory) -> int:
    value = config.get(key)
    if type(value) is not int or value < 1:
        raise ModelError(
            f"{directory.path}: config.json has {shown(value)} as {key}, expected a number above 0"
        )
    return value
