"""The small BERT family: its numbers are those of the models themselves."""

from __future__ import annotations

import pytest
import torch
import transformers

from pullquote.errors import ConfigError
from pullquote.training.family import FAMILY, Shape


def test_there_are_24_miniatures() -> None:
    assert len({shape.name for shape in FAMILY}) == 24
    assert FAMILY[0].hub_id == "google/bert_uncased_L-2_H-128_A-2"
    assert FAMILY[0].known_as == "BERT-Tiny"


@pytest.mark.parametrize("name", ["L2-H128", "L4-H256", "L12-H768"])
def test_parameters_are_counted_as_transformers_counts_them(name: str) -> None:
    shape = Shape.parse(name)
    assert shape is not None
    with torch.device("meta"):
        model = transformers.BertForQuestionAnswering(
            transformers.BertConfig(
                hidden_size=shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=4 * shape.width,
            )
        )
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert shape.bytes == 4 * shape.parameters


def test_operations_are_those_of_the_literature() -> None:
    """453 MFLOP for BERT-Tiny and 21.7 GFLOP for L8-H512 at 384 tokens."""
    flops = {shape.name: shape.flops(384) / 1e6 for shape in FAMILY}
    assert flops["L2-H128"] == pytest.approx(453, abs=0.5)
    assert flops["L8-H512"] == pytest.approx(21744, abs=1)


def test_what_is_no_shape_and_what_is_no_bert() -> None:
    assert Shape.parse("small") is None
    assert Shape.parse("google/bert_uncased_L-2_H-128_A-2") is None
    with pytest.raises(ConfigError, match=r"the shape L2-H100: expected .* multiple of 64"):
        Shape.parse("L2-H100")
    with pytest.raises(ConfigError, match="1 to 48 layers"):
        Shape.parse("L0-H128")
