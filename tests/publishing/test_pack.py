"""Packed weights: the codes and scales of the ONNX file, and the answers of the model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import transformers

from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import Nibbles, Quantized, Sevens, dequantized
from pullquote.checkpoints.packed import read_packed
from pullquote.checkpoints.read_weights import read_weights
from pullquote.errors import ModelError
from pullquote.publishing.export import export
from pullquote.publishing.pack import pack
from pullquote.publishing.quantize import INT8, Scheme, quantize
from pullquote.publishing.unpack import unpack
from pullquote.reading.backends.numpy import NumpyBackend
from pullquote.reading.backends.torch import TorchBackend

TEXT = "The Norse, led by Rollo, came by sea. They settled in Normandy in 911."
WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def fp32(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX form of a model with words enough to be quantised, and no two tensors equal."""
    folder = Path(shutil.copytree(base, tmp_path_factory.mktemp("pack") / "trained"))
    torch.manual_seed(1)
    config = transformers.BertConfig.from_pretrained(base, vocab_size=1200)
    model = transformers.BertForQuestionAnswering(config)
    with torch.no_grad():
        for tensor in model.parameters():  # as they come, all biases are 0
            tensor += 0.1 * torch.randn_like(tensor)
    model.save_pretrained(folder)
    return export(folder, folder.parent / "fp32").path


@pytest.fixture(params=[INT8, Scheme(words=4, layers=7)], ids=str)
def quantized(request: pytest.FixtureRequest, fp32: Path, tmp_path: Path) -> tuple[Path, Scheme]:
    folder = Path(shutil.copytree(fp32, tmp_path / "model"))
    quantize(fp32 / "model.onnx", folder / "model.onnx", request.param)
    return folder, request.param


def test_codes_and_scales_are_those_of_the_onnx_file(
    quantized: tuple[Path, Scheme], fp32: Path, tmp_path: Path
) -> None:
    folder, scheme = quantized
    # the same numbers, not packed: of layers, 7 bits are used in either case
    if scheme.layers == 7:
        quantize(fp32 / "model.onnx", tmp_path / "plain.onnx", replace(scheme, layers=8))
    else:
        shutil.copy(folder / "model.onnx", tmp_path / "plain.onnx")
    stored = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(tmp_path / "plain.onnx").graph.initializer
    }
    # ONNX has (in, out) with a scale a column, the packed form (out, in) with a scale a row
    matrices = {
        (value.T.shape, value.T.tobytes(), stored[f"{name[:-5]}.scales"].tobytes())
        for name, value in stored.items()
        if name.endswith(".int8") and WORDS not in name
    }
    packed = read_packed(pack(folder))
    found = {
        (weight.shape, weight.unpacked().codes.tobytes(), weight.scales.tobytes())
        for weight in packed.values()
        if isinstance(weight, Sevens)
    }
    assert len(found) == 12
    assert found == matrices
    words = packed[WORDS]
    assert isinstance(words, Nibbles if scheme.words == 4 else Quantized)
    scales = stored[f"int8.model.{WORDS}.scales"]
    np.testing.assert_array_equal(words.scales, scales[:, 0])
    if scheme.words == 8:
        np.testing.assert_array_equal(words.codes, stored[f"int8.model.{WORDS}.int8"])


def test_a_packed_model_reads_as_torch_reads_its_weights(
    quantized: tuple[Path, Scheme], tmp_path: Path
) -> None:
    folder, _ = quantized
    pack(folder)
    (folder / "model.onnx").unlink()
    reader = Reader(folder, backend=NumpyBackend(read_weights(open_model(folder))))
    batch = reader.encoder.batch(list(reader.encoder.windows("Who led the Norse?", TEXT * 2)))
    exact = TorchBackend(unpack(folder, tmp_path / "out"))(batch)
    found, real = reader.backend(batch), batch.attention_mask.astype(bool)
    np.testing.assert_allclose(found.start[real], exact.start[real], atol=1e-4)
    np.testing.assert_allclose(found.end[real], exact.end[real], atol=1e-4)
    assert exact.start[real].std() > 0.1  # so that the tolerance means something


def test_words_of_4_bits_are_those_that_onnx_unpacks(fp32: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fp32, tmp_path / "model"))
    quantize(fp32 / "model.onnx", folder / "model.onnx", Scheme(words=4, layers=7))
    unpacked = unpack(folder, tmp_path / "out")
    exact = transformers.AutoModelForQuestionAnswering.from_pretrained(unpacked)
    words = read_packed(pack(folder))[WORDS]
    theirs = exact.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(dequantized(words), theirs)


def test_what_cannot_be_packed(fp32: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.onnx to pack"):
        pack(base)
    folder = Path(shutil.copytree(fp32, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mpnet"}))
    with pytest.raises(ModelError, match="cannot be packed: the model type 'mpnet'"):
        pack(folder)
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ModelError, match=r"has no bert\.encoder\.layer\.2"):
        pack(folder)
    assert open_model(folder).packed is None
