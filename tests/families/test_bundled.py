"""The bundled models: their files, their answers, and no paths of the machine that made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullquote import Reader
from pullquote.checkpoints.bundled import BUNDLED, bundled_models

LIGHTHOUSE = Path(__file__).parent.parent.parent / "examples" / "lighthouse.txt"


def test_the_bundled_models_are_small_and_tiny() -> None:
    assert bundled_models() == ["small", "tiny"]


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_has_all_its_files(name: str) -> None:
    files = {file.name for file in (BUNDLED / name).iterdir()}
    assert {"README.md", "LICENSE", "NOTICE", "reader.json", "model.onnx"} <= files
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


def test_small_is_not_fooled_by_a_question_about_something_else() -> None:
    """`tiny` does answer it: see its model card."""
    context = LIGHTHOUSE.read_text(encoding="utf-8")
    assert Reader("small").answer("Who won the football match in Brazil?", context).answer is None


def test_tiny_is_a_bert_tiny_in_both_forms() -> None:
    """A drop-in replacement for BERT-Tiny: same shape, vocabulary and size, loaded the same way."""
    transformers = pytest.importorskip("transformers")
    tiny = BUNDLED / "tiny"
    assert (tiny / "model.safetensors").stat().st_size <= 16.74 * 2**20
    assert (tiny / "model.onnx").stat().st_size <= 4.6 * 2**20
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
