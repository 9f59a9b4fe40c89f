"""Encoders out of checkpoints: names and shapes are checked; other models are refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.read_weights import read_weights, unsupported
from pullquote.checkpoints.tensor_file import write_tensors
from pullquote.errors import ModelError

V, P, H, INNER = 30, 40, 8, 12
CONFIG = {
    "model_type": "bert",
    "vocab_size": V,
    "max_position_embeddings": P,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
SHAPES = {
    "bert.embeddings.word_embeddings.weight": (V, H),
    "bert.embeddings.position_embeddings.weight": (P, H),
    "bert.embeddings.token_type_embeddings.weight": (2, H),
    "bert.embeddings.LayerNorm.weight": (H,),
    "bert.embeddings.LayerNorm.bias": (H,),
    **{
        f"bert.encoder.layer.0.{name}.{part}": (rows, columns)[: 2 if part == "weight" else 1]
        for name, rows, columns in [
            *((f"attention.self.{name}", H, H) for name in ("query", "key", "value")),
            ("attention.output.dense", H, H),
            ("intermediate.dense", INNER, H),
            ("output.dense", H, INNER),
        ]
        for part in ("weight", "bias")
    },
    **{
        f"bert.encoder.layer.0.{name}.LayerNorm.{part}": (H,)
        for name in ("attention.output", "output")
        for part in ("weight", "bias")
    },
    "qa_outputs.weight": (2, H),
    "qa_outputs.bias": (2,),
}
Checkpoint = Callable[..., Path]


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def checkpoint(tmp_path: Path, make_model: Callable[..., Path]) -> Checkpoint:
    """A checkpoint of `weights`; keywords are settings of its config.json, `None` removes one."""

    def checkpoint(weights: dict[str, np.ndarray], **config: object) -> Path:
        path = make_model(tmp_path / "model")
        (path / "model.onnx").unlink()
        kept = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
        (path / "config.json").write_text(json.dumps(kept))
        write_tensors(path / "model.safetensors", weights, {"format": "pt"})
        return path

    return checkpoint


def test_the_parts_of_an_encoder(checkpoint: Checkpoint) -> None:
    given = arrays()
    weights = read_weights(open_model(checkpoint(given)))
    layer = given["bert.encoder.layer.0.output.dense.weight"]
    np.testing.assert_array_equal(weights.layers[0].output.weight, layer)
    key = given["bert.encoder.layer.0.attention.self.key.bias"]
    np.testing.assert_array_equal(weights.layers[0].key.bias, key)
    norm = given["bert.encoder.layer.0.attention.output.LayerNorm.bias"]
    np.testing.assert_array_equal(weights.layers[0].attention_norm.bias, norm)
    np.testing.assert_array_equal(weights.head.weight, given["qa_outputs.weight"])
    assert len(weights.layers) == 1
    assert (weights.heads, weights.activation, weights.epsilon) == (2, "gelu", 1e-5)
    assert weights.projection is None


def test_names_without_the_prefix_and_of_tensorflow(checkpoint: Checkpoint) -> None:
    given = arrays()
    older = {
        name.removeprefix("bert.")
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in given.items()
    }
    weights = read_weights(open_model(checkpoint(older)))
    norm = weights.embedding_norm
    np.testing.assert_array_equal(norm.gain, given["bert.embeddings.LayerNorm.weight"])
    np.testing.assert_array_equal(norm.bias, given["bert.embeddings.LayerNorm.bias"])


def test_the_first_positions_of_roberta_are_never_used(checkpoint: Checkpoint) -> None:
    given = {name.replace("bert.", "roberta.", 1): value for name, value in arrays().items()}
    path = checkpoint(given, model_type="roberta", pad_token_id=3)
    positions = read_weights(open_model(path)).positions
    expected = given["roberta.embeddings.position_embeddings.weight"][4:]
    np.testing.assert_array_equal(positions, expected)


@pytest.mark.parametrize("name", ["gelu_new", "gelu_fast", "gelu_pytorch_tanh"])
def test_activations_with_several_names(checkpoint: Checkpoint, name: str) -> None:
    path = checkpoint(arrays(), hidden_act=name)
    assert read_weights(open_model(path)).activation == "gelu_new"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "deberta-v2"}, "the model type 'deberta-v2' is not one of bert, "),
        ({"model_type": ["bert"]}, "is not one of bert, "),
        ({"model_type": None}, "the model type None is not one of bert, "),
        ({"hidden_act": "silu"}, "the activation silu is not one of gelu, "),
        ({"hidden_act": ["gelu"]}, "is not one of gelu, "),
        ({"position_embedding_type": "relative_key"}, "its positions are 'relative_key', not abs"),
        ({"is_decoder": True}, "it is a decoder"),
    ],
)
def test_other_models_are_refused_in_words(
    checkpoint: Checkpoint, config: dict[str, object], reason: str
) -> None:
    directory = open_model(checkpoint(arrays(), **config))
    assert reason in unsupported(directory)
    with pytest.raises(ModelError, match=r"model: .*; such a model is read by torch"):
        read_weights(directory)


def test_bert_is_supported(checkpoint: Checkpoint) -> None:
    directory = open_model(checkpoint(arrays(), position_embedding_type="absolute"))
    assert unsupported(directory) == ""


@pytest.mark.parametrize("name", SHAPES)
def test_every_weight_is_needed_in_its_shape(checkpoint: Checkpoint, name: str) -> None:
    given = arrays()
    larger = np.zeros([size + 1 for size in given[name].shape], np.float32)
    path = checkpoint({**given, name: larger})
    # of two weights that do not fit each other, either may be named
    with pytest.raises(ModelError, match=r"shape|heads do not divide"):
        read_weights(open_model(path))
    del given[name]
    write_tensors(path / "model.safetensors", given, {})
    with pytest.raises(ModelError, match=r"model\.safetensors: has no bert\..*not whole"):
        read_weights(open_model(path))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_attention_heads": 3}, "3 attention heads do not divide the 8 units"),
        ({"num_attention_heads": None}, "config.json has None as num_attention_heads"),
        ({"num_hidden_layers": 0}, "config.json has 0 as num_hidden_layers"),
        ({"num_hidden_layers": True}, "config.json has True as num_hidden_layers"),
        ({"num_hidden_layers": 2}, "has no bert.encoder.layer.1.intermediate"),
        ({"vocab_size": V + 1}, r"shape \(30, 8\), expected \(31, any\)"),
        ({"max_position_embeddings": P + 1}, r"shape \(40, 8\), expected \(41, 8\)"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps is 'small', expected 0 to 1"),
    ],
)
def test_a_config_that_does_not_fit(
    checkpoint: Checkpoint, config: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_weights(open_model(checkpoint(arrays(), **config)))


def test_weights_that_are_no_floats(checkpoint: Checkpoint) -> None:
    given = {**arrays(), "qa_outputs.weight": np.zeros((2, H), np.int8)}
    with pytest.raises(ModelError, match=r"qa_outputs\.weight is int8, expected float32"):
        read_weights(open_model(checkpoint(given)))


def test_an_onnx_file_alone_has_no_weights_to_read(model_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"no packed\.safetensors or model\.safetensors"):
        read_weights(open_model(model_dir))
