"""Google's 24 small BERT models, and the parameters and FLOPs of a BERT of any shape.

Knows arithmetic only. Turc et al. 2019, "Well-Read Students Learn Better".

    shape = Shape.parse("L2-H128")
    shape.parameters, shape.flops(384), shape.hub_id
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pullquote.errors import ConfigError

_NAME = re.compile(r"L(\d{1,3})-H(\d{1,5})")
_HEAD = 64  # the width of an attention head in every miniature
_VOCABULARY, _POSITIONS, _TYPES = 30_522, 512, 2
_SPECIAL = {
    (2, 128): "BERT-Tiny",
    (4, 256): "BERT-Mini",
    (4, 512): "BERT-Small",
    (8, 512): "BERT-Medium",
    (12, 768): "BERT-Base",
}


def encoder_flops(layers: int, width: int, intermediate: int, tokens: int) -> int:
    """FLOPs of an encoder over a window: matrix products, two operations for a multiply-add.

    For each token and layer: 8 H^2 for queries, keys, values and output, 4 H I for the feed-forward
    layer, 4 T H for attention. Embeddings, layer norms and the head are not counted.
    """
    return layers * tokens * (8 * width**2 + 4 * width * intermediate + 4 * tokens * width)


def reader_parameters(layers: int, width: int, intermediate: int, rows: int) -> int:
    """Parameters of a BERT for question answering, without pooler.

    `rows` are those of all embedding tables together: words, positions and token types.
    """
    # four H x H, two H x I, their biases, two layer norms
    layer = 4 * width**2 + 2 * width * intermediate + 9 * width + intermediate
    return (rows + 2) * width + layers * layer + 2 * width + 2


@dataclass(frozen=True, slots=True)
class Shape:
    """A BERT encoder: layers and hidden size. Feed-forward size is 4 x width, head size 64."""

    layers: int
    width: int

    def __post_init__(self) -> None:
        if not 1 <= self.layers <= 48 or self.width % _HEAD or not _HEAD <= self.width <= 4096:
            raise ConfigError(
                f"the shape {self.name}: expected 1 to 48 layers and a width that is a multiple of "
                f"{_HEAD}, such as L2-H128"
            )

    @classmethod
    def parse(cls, name: str) -> Shape | None:
        """The shape that a name such as `L2-H128` means; None for other names."""
        found = _NAME.fullmatch(name)
        return cls(int(found[1]), int(found[2])) if found else None

    @property
    def name(self) -> str:
        return f"L{self.layers}-H{self.width}"

    @property
    def heads(self) -> int:
        return self.width // _HEAD

    @property
    def known_as(self) -> str:
        """Its usual name, such as BERT-Tiny; empty if it has none."""
        return _SPECIAL.get((self.layers, self.width), "")

    @property
    def hub_id(self) -> str:
        """The pretrained encoder of this shape on the Hugging Face hub."""
        return f"google/bert_uncased_L-{self.layers}_H-{self.width}_A-{self.heads}"

    @property
    def parameters(self) -> int:
        """Of an encoder without pooler, and a head of two logits per token."""
        rows = _VOCABULARY + _POSITIONS + _TYPES
        return reader_parameters(self.layers, self.width, 4 * self.width, rows)

    @property
    def bytes(self) -> int:
        """Of the weights in fp32."""
        return 4 * self.parameters

    def flops(self, tokens: int = 384) -> int:
        """Floating-point operations for one window; see `encoder_flops`."""
        return encoder_flops(self.layers, self.width, 4 * self.width, tokens)


FAMILY = tuple(
    Shape(layers, width) for layers in (2, 4, 6, 8, 10, 12) for width in (128, 256, 512, 768)
)
"""The 24 models, sorted by depth and then by width."""
