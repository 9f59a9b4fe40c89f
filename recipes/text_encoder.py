"""Makes the bundled text encoder: the layers of all-MiniLM-L6-v2 in 4 bits, without a words table.

    python recipes/text_encoder.py all-MiniLM-L6-v2 train.json.gz -o build/text-encoder

The words table is that of the bundled reader `small`, which was trained from the same encoder: make
the layers again when `small` changes, since they are rounded for its words.
Layers are rounded by what goes into them (`pullquote.publishing.rounding`) for texts of SQuAD's
training set. A projection keeps the principal components of their vectors.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import EncoderWeights, Linear, Nibbles, Quantized
from pullquote.checkpoints.packed import Weight, pack4, write_packed
from pullquote.checkpoints.read_weights import FAMILIES, read_weights
from pullquote.checkpoints.tensor_file import open_tensors
from pullquote.checkpoints.text_encoder import PROJECTION, SHARED, read_text_encoder
from pullquote.data import load
from pullquote.data.sample import sample
from pullquote.publishing.rounding import (
    INPUT_OF,
    PRODUCTS,
    quantize_array,
    round_matrix,
    second_moments,
)
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.encode import Encoder
from pullquote.reading.vectors import LONGEST
from pullquote.types import Batch, Example

BITS = 4
DIMENSIONS = 256


@click.command(help=__doc__)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("examples", type=click.Path(path_type=Path))
@click.option("--count", default=240, show_default=True, help="Examples to round by.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(checkpoint: Path, examples: Path, count: int, output: Path) -> None:
    """Write the weights, and the files beside them."""
    directory, shared = open_model(checkpoint), open_model(SHARED)
    names = FAMILIES[directory.read_config()["model_type"]]
    assert directory.safetensors is not None
    tensors = open_tensors(directory.safetensors)
    packed: dict[str, Weight] = {}

    def keep(name: str, weight: Weight) -> None:
        packed[names.prefix + name] = weight

    exact = read_text_encoder(directory).encoder
    positions = Quantized(*quantize_array(exact.positions[:LONGEST], axis=1, bits=8))
    keep(names.positions, positions)
    for name in tensors:
        if name.startswith(("encoder.", names.embedding_norm)) or name == names.types:
            keep(name, np.asarray(tensors[name]))

    encoder = Encoder.of(shared)
    parts = load(examples).examples
    ids = _tokens(encoder, sample(parts, count))
    shared_words = replace(exact, words=read_weights(shared).words)
    moments = second_moments(shared_words, _batches(ids))
    layers = [*exact.layers]
    for number, product in itertools.product(range(len(layers)), PRODUCTS):
        linear: Linear = getattr(layers[number], product)
        seen = moments[number, INPUT_OF.get(product, product)]
        found = round_matrix(np.asarray(linear.weight), seen, BITS)
        name = f"{names.layer.format(number)}{getattr(names, product)}.weight"
        keep(name, Nibbles(pack4(found.codes), found.scales))
        layers[number] = replace(layers[number], **{product: Linear(found, linear.bias)})
    rounded = replace(shared_words, layers=tuple(layers))
    projection = _projection(rounded, encoder, parts)
    keep(PROJECTION, Quantized(*quantize_array(projection, axis=1, bits=8)))

    output.mkdir(parents=True, exist_ok=True)
    config = directory.read_config() | {"max_position_embeddings": LONGEST}
    (output / layout.CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    write_packed(output / layout.PACKED, packed, tables=set())
    click.echo(f"{output / layout.PACKED}: {(output / layout.PACKED).stat().st_size:,} bytes")


def _tokens(encoder: Encoder, examples: Sequence[Example]) -> list[NDArray[np.int32]]:
    """Every context and every question by itself."""
    return [encoder.alone(text, LONGEST) for e in examples for text in (e.context, e.question)]


def _projection(
    weights: EncoderWeights, encoder: Encoder, examples: Sequence[Example]
) -> NDArray[np.float32]:
    """(DIMENSIONS, H): the principal components of vectors, rotated.

    The rotation makes all dimensions alike, so that one scale of int8 codes serves them.
    """
    ids = _tokens(encoder, sample(examples, 1000, seed=1))
    lengths = np.array([len(tokens) for tokens in ids], np.int32)
    vectors = NativeBackend(weights).embed(np.concatenate(ids), lengths).astype(np.float64)
    _, components = np.linalg.eigh(vectors.T @ vectors)  # the largest last
    random = np.random.default_rng(0).standard_normal((DIMENSIONS, DIMENSIONS))
    rotation, _ = np.linalg.qr(random)
    projection: NDArray[np.float32] = (rotation @ components[:, -DIMENSIONS:].T).astype(np.float32)
    return projection


def _batches(texts: Sequence[NDArray[np.int32]]) -> Iterator[Batch]:
    for ids in texts:
        row = ids[None].astype(np.int64)
        yield Batch(row, np.ones_like(row), np.zeros_like(row))


if __name__ == "__main__":
    main()
