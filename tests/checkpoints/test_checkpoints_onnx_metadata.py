"""The quantisation of an ONNX file is read from its metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.onnx_metadata import QUANTIZATION, Quantization, quantization
from pullquote.errors import ModelError
from pullquote.publishing.quantize import Scheme, quantize, quantized_weights


@pytest.fixture
def base_onnx(tmp_path: Path) -> Path:
    """Two linear layers in fp32."""
    random = np.random.default_rng(0)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("MatMul", ["h", "v"], ["y"]),
        ],
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, 8])],
        [
            numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
            for name, shape in (("w", (16, 24)), ("v", (24, 8)))
        ],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / "fp32.onnx")
    return tmp_path / "fp32.onnx"


def test_a_file_says_how_it_was_quantised(base_onnx: Path, tmp_path: Path) -> None:
    quantize(base_onnx, tmp_path / "int8.onnx", Scheme(words=5, layers=6))
    found = quantization(tmp_path / "int8.onnx")
    assert found is not None
    assert (found.words, found.layers) == (5, 6)
    # what the metadata names is what the names of constants say, as in files without metadata
    model = onnx.load(tmp_path / "int8.onnx")
    assert list(found.weights) == quantized_weights(model) != []
    del model.metadata_props[:]
    assert quantized_weights(model) == list(found.weights)


def test_fp32_files_and_other_files_have_no_quantisation(base_onnx: Path, tmp_path: Path) -> None:
    assert quantization(base_onnx) is None
    for content in (b"", b"\xff" * 99, b"not ONNX at all", b"\x3a\xff\xff\xff\xff\xff\x0f"):
        (tmp_path / "model.onnx").write_bytes(content)
        assert quantization(tmp_path / "model.onnx") is None


def test_files_of_0_1_are_known_by_their_operators(base_onnx: Path, model_dir: Path) -> None:
    quantize(base_onnx, model_dir / "model.onnx")
    model = onnx.load(model_dir / "model.onnx")
    del model.metadata_props[:]  # 0.1 wrote none
    onnx.save(model, model_dir / "model.onnx")
    assert quantization(model_dir / "model.onnx") == Quantization(None, None)
    assert open_model(model_dir).quantized


ENTRY = '{"format": 1, "words": 8, "layers": 8, "weights": %s}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "not what pullquote writes") for text in ("{", "[]", "1e999", "[" * 99_999)),
        ('{"words": 8, "layers": 8, "weights": []}', "not what pullquote writes .*format"),
        (ENTRY % '"abc"', "whole numbers and a list of names"),
        (ENTRY % "[1]", "whole numbers and a list of names"),
        ((ENTRY % "[]").replace("8", "1e999"), "whole numbers"),
        ((ENTRY % "[]").replace('"format": 1', '"format": 2'), "newer pullquote; .* --upgrade"),
    ],
)
def test_damaged_or_newer_metadata_is_an_error(
    base_onnx: Path, tmp_path: Path, text: str, message: str
) -> None:
    model = onnx.load(base_onnx)
    helper.set_model_props(model, {QUANTIZATION: text})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=message):
        quantization(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=message):
        quantized_weights(model)


@pytest.mark.parametrize("size", [2**31, 2**62, 2**63, 2**69])
def test_a_size_beyond_the_end_of_the_file(tmp_path: Path, size: int) -> None:
    varint = bytes(size >> shift & 0x7F | 0x80 for shift in range(0, 63, 7)) + b"\1"
    for field in (7, 8, 14):
        (tmp_path / "model.onnx").write_bytes(bytes([field << 3 | 2]) + varint + b"abc")
        assert quantization(tmp_path / "model.onnx") is None
