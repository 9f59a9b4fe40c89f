"""The bundled models: their files, their answers, and no paths of the machine that made them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pullquote import Reader
from pullquote.checkpoints.bundled import BUNDLED, bundled_models
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.read_weights import read_weights
from pullquote.publishing.unpack import unpack
from pullquote.reading.backends.numpy import NumpyBackend

LIGHTHOUSE = Path(__file__).parent.parent.parent / "examples" / "lighthouse.txt"


def test_the_bundled_models_are_small_and_tiny() -> None:
    assert bundled_models() == ["small", "tiny"]


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_has_all_its_files(name: str) -> None:
    files = {file.name for file in (BUNDLED / name).iterdir()}
    assert {"README.md", "LICENSE", "NOTICE", "reader.json", "packed.safetensors"} <= files
    config = Reader(name).config
    assert "tune" in config.threshold_fitted_on
    assert "tune" in config.calibration.fitted_on
    for text in files & {"README.md", "recipe.toml", "reader.json"}:
        assert "/" + "work" not in (BUNDLED / name / text).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_answers_and_abstains(name: str) -> None:
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    reader = Reader(name)
    assert reader.answer("Who built the first lighthouse?", context).text == "Henry Winstanley"
    assert reader.answer("What is the capital of France?", context).answer is None


def test_small_is_no_larger_than_a_bert_tiny_checkpoint() -> None:
    size = sum(file.stat().st_size for file in (BUNDLED / "small").iterdir())
    assert size <= 16.74 * 2**20


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_needs_neither_onnx_nor_torch(name: str) -> None:
    code = (
        f"import sys; from pullquote import Reader; print(Reader({name!r}).answer("
        "'Who led the Norse?', 'The Norse, led by Rollo, came by sea.').text, "
        "*{module.split('.')[0] for module in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answer, *modules = done.stdout.split()
    assert answer == "Rollo"
    assert not {"onnx", "onnxruntime", "torch", "safetensors"} & set(modules)


def test_a_checkpoint_is_read_where_neither_torch_nor_onnxruntime_is_installed(
    tmp_path: Path,
) -> None:
    others = shutil.ignore_patterns("packed.safetensors", "model.onnx")
    shutil.copytree(BUNDLED / "tiny", tmp_path / "tiny", ignore=others)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnxruntime', 'safetensors'])); "
        f"from pullquote import Reader; print(Reader({str(tmp_path / 'tiny')!r}).answer("
        "'Who led the Norse?', 'The Norse, led by Rollo, came by sea.').text)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Rollo\n"


@pytest.mark.parametrize("name", bundled_models())
def test_packed_weights_read_as_torch_reads_them(name: str, tmp_path: Path) -> None:
    torch_backend = pytest.importorskip("pullquote.reading.backends.torch").TorchBackend
    directory = tmp_path / "packed"
    shutil.copytree(BUNDLED / name, directory, ignore=shutil.ignore_patterns("model.safetensors"))
    reader = Reader(directory, backend=NumpyBackend(read_weights(open_model(directory))))
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    batch = reader.encoder.batch(list(reader.encoder.windows("Who built it?", 3 * context)))
    theirs = torch_backend(unpack(directory, tmp_path / "unpacked"))(batch)
    ours, real = reader.backend(batch), batch.attention_mask.astype(bool)
    assert len(batch.input_ids) > 2
    np.testing.assert_allclose(ours.start[real], theirs.start[real], atol=1e-4)
    np.testing.assert_allclose(ours.end[real], theirs.end[real], atol=1e-4)


def test_numpy_reads_the_fp32_form_of_tiny_as_torch_does() -> None:
    torch_backend = pytest.importorskip("pullquote.reading.backends.torch").TorchBackend
    directory = replace(open_model("tiny"), packed=None)
    numpy_backend = NumpyBackend(read_weights(directory))
    encoder = Reader("tiny", backend=numpy_backend).encoder
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    batch = encoder.batch(list(encoder.windows("Who built it?", context)))
    ours, theirs = numpy_backend(batch), torch_backend(directory.path)(batch)
    np.testing.assert_allclose(ours.start, theirs.start, atol=1e-4)
    np.testing.assert_allclose(ours.end, theirs.end, atol=1e-4)


def test_small_is_not_fooled_by_a_question_about_something_else() -> None:
    """`tiny` does answer it: see its model card."""
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    assert Reader("small").answer("Who won the football match in Brazil?", context).answer is None


def test_tiny_is_a_bert_tiny_in_both_forms() -> None:
    """A drop-in replacement for BERT-Tiny: same shape, vocabulary and size, loaded the same way."""
    transformers = pytest.importorskip("transformers")
    tiny = BUNDLED / "tiny"
    assert (tiny / "model.safetensors").stat().st_size <= 16.74 * 2**20
    assert (tiny / "packed.safetensors").stat().st_size <= 4.6 * 2**20
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(tiny)
    config = model.config
    assert type(model).__name__ == "BertForQuestionAnswering"
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, 128, 2)
    assert (config.intermediate_size, config.vocab_size) == (512, 30522)
    assert (config.max_position_embeddings, config.type_vocab_size) == (512, 2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny)
    question = "Who built the first lighthouse?"
    feed = tokenizer(question, LIGHTHOUSE.read_text(encoding="utf-8"), return_tensors="pt")
    logits = model(**feed)
    start, end = logits.start_logits.argmax(), logits.end_logits.argmax()
    assert tokenizer.decode(feed.input_ids[0, start : end + 1]) == "henry winstanley"
