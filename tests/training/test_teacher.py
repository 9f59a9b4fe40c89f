"""A teacher's logits: made once, kept by what they depend on, averaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, processors

from lessons import lesson
from pullquote import Reader
from pullquote.errors import ConfigError
from pullquote.files import cache_directory
from pullquote.reading.encode import Encoder
from pullquote.training import teacher as module
from pullquote.training.teacher import check_same_tokens, soft_labels, teacher_answers
from pullquote.training.windows import LabelledWindows, encode
from pullquote.types import Batch, Logits


@pytest.fixture
def reader(model_dir: Path) -> Reader:
    return Reader(model_dir)


@pytest.fixture
def windows(reader: Reader) -> LabelledWindows:
    return encode(lesson(20), reader.encoder)


def test_soft_labels_are_what_the_backend_says_of_each_window(
    reader: Reader, windows: LabelledWindows, tmp_path: Path
) -> None:
    labels = soft_labels([reader], windows, reader.encoder, tmp_path)
    for row in range(len(windows)):
        logits = reader.backend(windows.batch(np.array([row])))
        part = slice(windows.bounds[row], windows.bounds[row + 1])
        np.testing.assert_allclose(labels.start[part], logits.start[0], atol=1e-2)
        np.testing.assert_allclose(labels.end[part], logits.end[0], atol=1e-2)


def test_a_teacher_is_asked_once(
    reader: Reader, windows: LabelledWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WINDOWS_PER_FILE", 8)
    first = soft_labels([reader], windows, reader.encoder, tmp_path)
    assert len(list((tmp_path / "teachers").iterdir())) == 3  # 20 windows in eights

    def asked(batch: Batch, *, alone: bool = True) -> Logits:
        raise AssertionError("asked again")

    monkeypatch.setattr(type(reader.backend), "__call__", lambda self, *a, **k: asked(*a, **k))
    again = soft_labels([reader], windows, reader.encoder, tmp_path)
    assert again.start.tolist() == first.start.tolist()
    with pytest.raises(AssertionError, match="asked again"):  # for what it has not read yet
        soft_labels([reader], windows.part(1, 20), reader.encoder, tmp_path)


def test_other_weights_are_another_teacher(
    reader: Reader, windows: LabelledWindows, tmp_path: Path, onnx_bytes: bytes
) -> None:
    soft_labels([reader], windows, reader.encoder, tmp_path)
    assert reader.directory.onnx is not None
    reader.directory.onnx.write_bytes(onnx_bytes + b"\x1a\x00")
    soft_labels([reader], windows, reader.encoder, tmp_path)
    assert len(list((tmp_path / "teachers").iterdir())) == 2


def test_several_teachers_are_averaged(
    reader: Reader, windows: LabelledWindows, tmp_path: Path, make_model: Callable[..., Path]
) -> None:
    import onnx
    from onnx import numpy_helper

    folder = make_model(tmp_path / "other")
    model = onnx.load(folder / "model.onnx")
    head = next(t for t in model.graph.initializer if t.name == "head")
    head.CopyFrom(numpy_helper.from_array(-2 * numpy_helper.to_array(head), "head"))
    onnx.save(model, folder / "model.onnx")
    cache = tmp_path / "cache"
    one = soft_labels([reader], windows, reader.encoder, cache).start.astype(np.float32)
    both = soft_labels([reader, Reader(folder)], windows, reader.encoder, cache)
    np.testing.assert_allclose(both.start, -0.5 * one, rtol=1e-2, atol=1e-2)  # (1 - 2) / 2


def test_answers_of_a_teacher_are_kept(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = lesson(12)
    first = teacher_answers(reader, examples, tmp_path)
    said = [reader.answer(e.question, e.context).answer for e in examples]
    assert [span.text if span else "" for span in first] == [a.text if a else "" for a in said]
    assert any(first)

    def refuse(_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(reader, "answer_all", refuse)
    assert teacher_answers(reader, examples, tmp_path) == first
    with pytest.raises(AssertionError, match="asked again"):
        teacher_answers(reader, examples[1:], tmp_path)


def test_a_damaged_file_of_the_cache_is_made_again(
    reader: Reader, windows: LabelledWindows, tmp_path: Path
) -> None:
    first = soft_labels([reader], windows, reader.encoder, tmp_path)
    (file,) = (tmp_path / "teachers").iterdir()
    for content in (b"", b"\x93NUMPY nonsense", file.read_bytes()[:300]):
        file.write_bytes(content)
        again = soft_labels([reader], windows, reader.encoder, tmp_path)
        assert again.start.tolist() == first.start.tolist()


@pytest.mark.parametrize(
    "damage",
    [
        lambda spans: [],
        lambda spans: [*spans, None],
        lambda spans: {},
        lambda spans: [["x", -1, 10**30], *spans[1:]],
        lambda spans: [["", False, True], *spans[1:]],
        lambda spans: [["nowhere", 0, 7], *spans[1:]],
        lambda spans: [[[], 0, 1], *spans[1:]],
    ],
)
def test_answers_of_the_cache_that_are_none_are_asked_again(
    reader: Reader, tmp_path: Path, damage: Callable[[Any], Any]
) -> None:
    examples = lesson(4)
    first = teacher_answers(reader, examples, tmp_path)
    (file,) = (tmp_path / "teachers").iterdir()
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    assert teacher_answers(reader, examples, tmp_path) == first
    file.write_text("[" * 200_000)
    assert teacher_answers(reader, examples, tmp_path) == first


def test_a_teacher_must_read_the_same_ids(
    reader: Reader, wordpiece: Tokenizer, tiny_config: object
) -> None:
    content = json.loads(wordpiece.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary["who"], vocabulary["what"] = vocabulary["what"], vocabulary["who"]
    swapped = Encoder(Tokenizer.from_str(json.dumps(content)), reader.config)
    with pytest.raises(ConfigError, match=r"another vocabulary \(2 of its \d+ tokens"):
        check_same_tokens(reader, swapped)

    joined = Tokenizer.from_str(wordpiece.to_str())
    joined.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B [SEP]",
        special_tokens=[(name, wordpiece.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    with pytest.raises(ConfigError, match="joins question and context in another way"):
        check_same_tokens(reader, Encoder(joined, reader.config))

    check_same_tokens(reader, reader.encoder)
    reader.directory = replace(reader.directory, positions=32)
    one_type = Encoder(Tokenizer.from_str(wordpiece.to_str()), reader.config, type_vocab_size=1)
    with pytest.raises(ConfigError, match="joins question and context in another way"):
        check_same_tokens(reader, one_type)
    longer = replace(reader.config, max_length=48)
    with pytest.raises(ConfigError, match=r"reads 32 tokens at once, the student's .* up to 48"):
        check_same_tokens(reader, Encoder(Tokenizer.from_str(wordpiece.to_str()), longer))


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "mine"))
    assert cache_directory() == tmp_path / "mine"
    monkeypatch.delenv("PULLQUOTE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "pullquote"
