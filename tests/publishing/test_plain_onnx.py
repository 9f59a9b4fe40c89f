"""ONNX files of standard operators, made of the weights that the engine reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from pullquote import Reader
from pullquote.checkpoints.bundled import BUNDLED, bundled_models
from pullquote.checkpoints.directory import open_model
from pullquote.errors import ConfigError, InputError, ModelError
from pullquote.publishing import plain_onnx as module
from pullquote.publishing.plain_onnx import plain_onnx
from pullquote.reading.backends.onnx import OnnxBackend

LIGHTHOUSE = Path(__file__).parent.parent.parent / "examples" / "lighthouse.txt"
QUESTIONS = [
    "Who built the first lighthouse?",
    "When was the first lighthouse lit?",
    "What is the capital of France?",
]


@pytest.fixture(scope="module", params=bundled_models())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plain(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundled model in int8."""
    return plain_onnx(name, tmp_path_factory.mktemp("plain") / name).path


def test_all_operators_are_standard_and_weights_are_in_int8(plain: Path) -> None:
    model = onnx.load(plain / "model.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    large = [tensor for tensor in model.graph.initializer if np.prod(tensor.dims) > 10_000]
    floats = [t.name for t in large if t.data_type == onnx.TensorProto.FLOAT]
    assert floats == ["words.scales", "positions"]
    assert len(large) > 5
    assert open_model(plain).quantized


def test_answers_are_the_engine_s(name: str, plain: Path) -> None:
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    ours, theirs = Reader(name), Reader(plain)
    assert isinstance(theirs.backend, OnnxBackend)
    for question in QUESTIONS:
        mine = ours.answer(question, context)
        other = theirs.answer(question, context)
        assert (mine.answer is None) == (other.answer is None)
        assert mine.best_text == other.best_text
        assert mine.no_answer_score == pytest.approx(other.no_answer_score, abs=0.05)


def test_batches_are_read_as_their_rows(plain: Path) -> None:
    reader = Reader(plain)
    windows = [
        next(reader.encoder.windows(question, text))
        for question, text in (("Who came?", "Rollo came."), (QUESTIONS[0], "It was built." * 9))
    ]
    together = reader.backend(reader.encoder.batch(windows))
    for row, window in enumerate(windows):
        alone = reader.backend(reader.encoder.batch([window]))
        used = len(window.input_ids)
        np.testing.assert_allclose(together.start[row, :used], alone.start[0], atol=0.02)
        np.testing.assert_allclose(together.end[row, :used], alone.end[0], atol=0.02)


def test_fp32_takes_the_checkpoint_and_gives_its_logits(tmp_path: Path) -> None:
    report = plain_onnx("tiny", tmp_path / "out", precision="fp32")
    assert report.difference < 1e-4
    assert report.bytes > (BUNDLED / "tiny" / "model.safetensors").stat().st_size
    exact = Reader("tiny", precision="fp32")
    batch = exact.encoder.batch([next(exact.encoder.windows(QUESTIONS[0], "It was Winstanley."))])
    ours, theirs = exact.backend(batch), OnnxBackend(report.path / "model.onnx")(batch)
    np.testing.assert_allclose(ours.start, theirs.start, atol=1e-4)
    np.testing.assert_allclose(ours.end, theirs.end, atol=1e-4)


@pytest.mark.parametrize("family", ["roberta", "distilbert", "electra"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_other_families_and_activations(
    family: str, precision: str, base: Path, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    shape = {"vocab_size": open_model(base).vocab_size, "max_position_embeddings": 66}
    if family == "distilbert":
        sizes = {"dim": 32, "hidden_dim": 64, "n_heads": 2, "n_layers": 2, "activation": "relu"}
    else:
        sizes = {
            **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
            **{"num_attention_heads": 2, "hidden_act": "gelu_new", "embedding_size": 16},
        }
    config = transformers.AutoConfig.for_model(family, **shape, **sizes)
    source = tmp_path / family
    transformers.AutoModelForQuestionAnswering.from_config(config).save_pretrained(source)
    for file in ("tokenizer.json", "reader.json"):
        shutil.copyfile(base / file, source / file)
    report = plain_onnx(source, tmp_path / "out", precision=precision)
    assert report.difference < {"fp32": 1e-5, "int8": 0.05}[precision]


def test_what_differs_from_the_engine_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_UNSEEN", 1.0)  # padding is read
    with pytest.raises(ModelError, match=r"differs by .* in a logit, more than 0\.001"):
        plain_onnx("tiny", tmp_path / "out", precision="fp32")
    assert not (tmp_path / "out").exists()


def test_errors_say_what_to_do(tmp_path: Path, model_dir: Path) -> None:
    with pytest.raises(InputError, match="precision is 'fp16', expected fp32 or int8"):
        plain_onnx("tiny", tmp_path / "out", precision="fp16")
    with pytest.raises(ModelError, match=r"no packed\.safetensors or model\.safetensors"):
        plain_onnx(model_dir, tmp_path / "out")
    with pytest.raises(ConfigError, match="is not empty"):
        plain_onnx("tiny", model_dir)
