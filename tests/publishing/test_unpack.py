"""A checkpoint out of an ONNX form: the same answers, every weight back under its own name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from pullquote import Reader
from pullquote.errors import ConfigError, ModelError
from pullquote.publishing.export import export
from pullquote.publishing.quantize import INT8, Scheme, quantize
from pullquote.publishing.unpack import unpack

TEXT = "The Norse, led by Rollo, came by sea. They settled in Normandy."


@pytest.fixture
def trained(base: Path, tmp_path: Path) -> Path:
    """A checkpoint with words enough to be quantised, and no two tensors equal."""
    folder = Path(shutil.copytree(base, tmp_path / "trained"))
    torch.manual_seed(1)
    config = transformers.BertConfig.from_pretrained(base, vocab_size=1200)
    model = transformers.BertForQuestionAnswering(config)
    with torch.no_grad():
        for tensor in model.parameters():  # as they come, all biases are 0
            tensor += 0.1 * torch.randn_like(tensor)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def fp32(trained: Path, tmp_path: Path) -> Path:
    """Its ONNX form alone."""
    return export(trained, tmp_path / "fp32").path


@pytest.mark.parametrize(
    ("scheme", "off"), [(None, 0), (INT8, 0.015), (Scheme(5, 6), 0.07), (Scheme(8, 4), 0.15)]
)
def test_weights_come_back_rounded_as_they_were(
    fp32: Path, trained: Path, tmp_path: Path, scheme: Scheme | None, off: float
) -> None:
    if scheme:
        quantize(fp32 / "model.onnx", fp32 / "model.onnx", scheme)
    out = unpack(fp32, tmp_path / "out")
    before, after = load_file(trained / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() <= after.keys()
    for name, tensor in before.items():
        assert (after[name] - tensor).norm() <= off * tensor.norm(), name
    assert Reader(out).config == Reader(fp32).config


def test_a_bundled_model_answers_as_before(tmp_path: Path) -> None:
    question = "Who led the Norse?"
    there = Reader("small").answer(question, TEXT)
    here = Reader(unpack("small", tmp_path / "small")).answer(question, TEXT)
    assert here.text == there.text == "Rollo"
    assert abs(here.null_score_diff - there.null_score_diff) < 1


def test_what_cannot_be_unpacked_leaves_nothing_behind(
    fp32: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="has a checkpoint already"):
        unpack(trained, out)
    with pytest.raises(ConfigError, match="fp32: exists and is not empty"):
        unpack(fp32, fp32)
    whole = (fp32 / "model.onnx").read_bytes()
    (fp32 / "model.onnx").write_bytes(whole[:5000])
    with pytest.raises(ModelError, match="cannot be read"):
        unpack(fp32, out)
    renamed = whole.replace(b"query.bias", b"other.bias")
    (fp32 / "model.onnx").write_bytes(renamed)
    with pytest.raises(ModelError, match="not all of its weights are known by name"):
        unpack(fp32, out)
    assert not out.exists()
