"""Export writes a model that answers as its checkpoint does, or leaves everything as it was."""

from __future__ import annotations

import builtins
import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import transformers
from onnx import numpy_helper
from tokenizers import Tokenizer

from pullquote import Reader
from pullquote.errors import ConfigError, ModelError, OutputError, PullquoteError
from pullquote.publishing import export as module
from pullquote.publishing.export import TOLERANCE, export
from pullquote.publishing.quantize import INT8
from pullquote.reading.backends.onnx import OnnxBackend
from pullquote.settings import ReaderConfig
from pullquote.training.recipe import Recipe

FILES = {"config.json", "model.onnx", "reader.json", "tokenizer.json"}
QUESTION, CONTEXT = "Who led the Norse?", "The Norse, led by Rollo, came by sea in the year 911."


@pytest.fixture(scope="module")
def model(wordpiece: Tokenizer) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=1200,
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=1,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    return transformers.BertForQuestionAnswering(config)


@pytest.fixture(scope="module")
def original(
    model: transformers.PreTrainedModel,
    wordpiece: Tokenizer,
    tiny_config: ReaderConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    directory = tmp_path_factory.mktemp("original")
    model.save_pretrained(directory)
    wordpiece.save(str(directory / "tokenizer.json"))
    settings = asdict(replace(tiny_config, no_answer_threshold=1.5, threshold_fitted_on="here"))
    (directory / "reader.json").write_text(json.dumps(settings))
    return directory


@pytest.fixture(scope="module")
def exported(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "new"
    export(original, out)
    return out


@pytest.fixture
def checkpoint(original: Path, tmp_path: Path) -> Path:
    """A checkpoint of one's own, to break."""
    return Path(shutil.copytree(original, tmp_path / "checkpoint"))


@pytest.fixture
def quick(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare torch's exporter its seconds: it would write the same file once more."""
    monkeypatch.setattr(
        module, "_to_onnx", lambda source, path: shutil.copy(exported / "model.onnx", path)
    )


def snapshot(directory: Path) -> dict[str, bytes]:
    """Everything below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in directory.rglob("*")
    }


def test_an_export_answers_without_torch(original: Path, exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    reader = Reader(exported)
    assert isinstance(reader.backend, OnnxBackend)
    readers = (reader, Reader(original, precision="fp32"))
    found, expected = (r.answer(QUESTION, CONTEXT, top_k=5) for r in readers)
    assert [a.text for a in found.answers] == [a.text for a in expected.answers]
    assert found.null_score_diff == pytest.approx(expected.null_score_diff, abs=1e-3)


def test_an_export_does_not_tell_where_it_was_made(exported: Path) -> None:
    content = (exported / "model.onnx").read_bytes()
    assert b"stack_trace" not in content
    for place in (module.__file__, torch.__file__, exported):
        assert str(Path(place).parent).encode() not in content


def test_the_settings_travel_along(original: Path, exported: Path) -> None:
    assert Reader(exported).config == Reader(original).config
    assert Reader(exported).config.threshold_fitted_on == "here"


def test_other_settings_may_replace_them(checkpoint: Path, quick: None, tmp_path: Path) -> None:
    config = ReaderConfig(
        max_length=64, overlap=16, max_question_length=16, max_answer_length=8, n_best_size=7
    )
    export(checkpoint, tmp_path / "out", config=config)
    assert Reader(tmp_path / "out").config == config


def test_settings_that_the_model_cannot_fulfil_are_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="max_length is 384, the model has 64 positions"):
        export(checkpoint, tmp_path / "out", config=ReaderConfig())
    assert not (tmp_path / "out").exists()


def test_int8_is_smaller_and_its_difference_told(
    checkpoint: Path, exported: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = export(checkpoint, tmp_path / "out", scheme=INT8)
    assert capfd.readouterr() == ("", ""), "export is a library function; it prints nothing"
    assert {path.name for path in report.path.iterdir()} == FILES
    assert report.bytes == sum(path.stat().st_size for path in report.path.iterdir())
    int8, fp32 = report.path / "model.onnx", exported / "model.onnx"
    assert int8.stat().st_size < 0.4 * fp32.stat().st_size
    assert report.fp32_difference < TOLERANCE
    assert report.int8_difference is not None
    assert TOLERANCE < report.int8_difference < 0.5
    assert Reader(report.path).answer(QUESTION, CONTEXT).answers


def test_licences_travel_along(checkpoint: Path, quick: None, tmp_path: Path) -> None:
    (checkpoint / "LICENSE").write_text("free")
    (checkpoint / "NOTICE").write_text("by somebody")
    export(checkpoint, tmp_path / "out")
    assert (tmp_path / "out" / "LICENSE").read_text() == "free"
    assert (tmp_path / "out" / "NOTICE").read_text() == "by somebody"


def test_a_checkpoint_in_several_files(
    model: transformers.PreTrainedModel, checkpoint: Path, quick: None, tmp_path: Path
) -> None:
    (checkpoint / "model.safetensors").unlink()
    model.save_pretrained(checkpoint, max_shard_size="50KB")
    assert (checkpoint / "model.safetensors.index.json").exists()
    assert export(checkpoint, tmp_path / "out").fp32_difference < TOLERANCE


@pytest.mark.parametrize("int8", [False, True])
def test_a_model_of_gigabytes_keeps_its_weights_in_a_second_file(
    checkpoint: Path,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quick: None,
    int8: bool,
) -> None:
    def large(source: object, path: Path) -> None:
        onnx.save_model(
            onnx.load(exported / "model.onnx"),
            path,
            save_as_external_data=True,
            location=f"{path.name}.data",
        )

    with monkeypatch.context() as patch:
        patch.setattr(module, "_to_onnx", large)
        report = export(checkpoint, tmp_path / "out", scheme=INT8 if int8 else None)
    assert (tmp_path / "out" / "model.onnx.data").exists() is not int8
    assert report.bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert Reader(tmp_path / "out").answer(QUESTION, CONTEXT).answers
    export(checkpoint, tmp_path / "out")  # a smaller one
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def nudged(exported: Path, by: float) -> Callable[[object, Path], None]:
    """An exporter that gets the last bias wrong."""

    def to_onnx(source: object, path: Path) -> None:
        graph = onnx.load(exported / "model.onnx")
        (bias,) = (t for t in graph.graph.initializer if "qa_outputs.bias" in t.name)
        value = numpy_helper.to_array(bias) + np.float32(by)
        bias.CopyFrom(numpy_helper.from_array(value, bias.name))
        onnx.save(graph, path)

    return to_onnx


@pytest.mark.parametrize("by", [2e-4, float("nan"), float("inf")])
@pytest.mark.parametrize("older", [False, True])
def test_what_differs_is_not_written(
    checkpoint: Path,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by: float,
    older: bool,
) -> None:
    if older:
        shutil.copytree(exported, tmp_path / "out")
    before = snapshot(tmp_path)
    monkeypatch.setattr(module, "_to_onnx", nudged(exported, by))
    with pytest.raises(ModelError, match=r"differs from torch by .* more than 0.0001; nothing was"):
        export(checkpoint, tmp_path / "out")
    assert snapshot(tmp_path) == before


def test_a_rounding_is_no_difference(
    checkpoint: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_to_onnx", nudged(exported, 5e-5))
    assert 4e-5 < export(checkpoint, tmp_path / "out").fp32_difference < 6e-5


@pytest.mark.parametrize("name", ["_to_onnx", "TorchBackend", "quantize", "_difference"])
@pytest.mark.parametrize("older", [False, True])
def test_an_interrupted_export_leaves_nothing(
    checkpoint: Path,
    exported: Path,
    tmp_path: Path,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    older: bool,
) -> None:
    if older:
        shutil.copytree(exported, tmp_path / "out")
    before = snapshot(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(checkpoint, tmp_path / "out", scheme=INT8)
    assert snapshot(tmp_path) == before


def test_a_full_disk_leaves_nothing(
    checkpoint: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = snapshot(tmp_path)
    monkeypatch.setattr(module, "_to_onnx", full)
    with pytest.raises(OutputError, match=r"out: cannot be written \(No space left on device\)"):
        export(checkpoint, tmp_path / "out")
    assert snapshot(tmp_path) == before


def test_a_place_that_cannot_be_written_to(checkpoint: Path, tmp_path: Path, quick: None) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export(checkpoint, tmp_path / "file" / "out")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_place(checkpoint: Path, tmp_path: Path, quick: None) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(OutputError, match="Permission denied"):
        export(checkpoint, tmp_path / "locked" / "out")


def test_places_that_are_something_else(
    checkpoint: Path, exported: Path, tmp_path: Path, quick: None
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    other = Path(shutil.copytree(exported, tmp_path / "other checkpoint"))
    (other / "model.safetensors").write_text("mine")
    before = snapshot(tmp_path)
    for out in (tmp_path / "file", tmp_path / "letters", other):
        with pytest.raises(OutputError, match="exists and is not an older export"):
            export(checkpoint, out)
    assert snapshot(tmp_path) == before


def test_an_empty_directory_is_a_place(checkpoint: Path, tmp_path: Path, quick: None) -> None:
    (tmp_path / "out").mkdir()
    export(checkpoint, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_an_older_export_is_replaced(
    checkpoint: Path, exported: Path, tmp_path: Path, quick: None
) -> None:
    out = Path(shutil.copytree(exported, tmp_path / "out"))
    (out / "model.onnx").write_text("another model's")
    (out / "LICENSE").write_text("another model's")
    (out / "README.md").write_text("mine")
    export(checkpoint, out)
    assert {path.name for path in out.iterdir()} == {*FILES, "README.md"}
    assert snapshot(out) == {**snapshot(exported), "README.md": b"mine"}


@pytest.mark.parametrize("size", ["10GB", "50KB"])
def test_the_weights_may_come_along(
    model: transformers.PreTrainedModel, checkpoint: Path, quick: None, tmp_path: Path, size: str
) -> None:
    """Into a new place and over an older export; the ONNX form still is what answers."""
    (checkpoint / "model.safetensors").unlink()
    model.save_pretrained(checkpoint, max_shard_size=size)
    out = tmp_path / "out"
    export(checkpoint, out)
    export(checkpoint, out, weights=True)
    loaded = transformers.BertForQuestionAnswering.from_pretrained(out).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())
    assert isinstance(Reader(out).backend, OnnxBackend)
    with pytest.raises(OutputError, match="not an older export"):
        export(checkpoint, out)  # which would take them away


def test_a_checkpoint_may_gain_its_onnx_form(checkpoint: Path, quick: None) -> None:
    before = snapshot(checkpoint)
    export(checkpoint, checkpoint)
    after = snapshot(checkpoint)
    assert set(after) == {*before, "model.onnx"}
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert after[name] == before[name]
    assert isinstance(Reader(checkpoint).backend, OnnxBackend)
    export(checkpoint, checkpoint)  # and gain it again
    assert snapshot(checkpoint) == after


def test_an_encoder_that_was_not_fine_tuned_is_refused(
    model: transformers.BertForQuestionAnswering, checkpoint: Path, tmp_path: Path
) -> None:
    model.bert.save_pretrained(checkpoint)
    before = snapshot(tmp_path)
    with pytest.raises(ModelError, match=r"lacks qa_outputs.bias, qa_outputs.weight"):
        export(checkpoint, tmp_path / "out")
    assert snapshot(tmp_path) == before


def test_pickles_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights only"):
        export(checkpoint, tmp_path / "out")


def test_an_export_cannot_be_exported(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model.safetensors to export \(found .*model.onnx\)"):
        export(exported, tmp_path / "out")


def break_weights(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def widen(checkpoint: Path) -> None:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 65}))


def deepen(checkpoint: Path) -> None:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 2}))


def rename(checkpoint: Path) -> None:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "unheard-of"}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_weights, "file not fully covered"),
        (widen, r"has the shape \(\d+,.*config.json asks for \(65,"),
        (deepen, r"lacks bert.encoder.layer.1.attention"),
        (rename, "model type `unheard-of`"),
    ],
)
def test_a_broken_checkpoint_is_told_in_one_line(
    checkpoint: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(checkpoint)
    before = snapshot(tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        export(checkpoint, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert snapshot(tmp_path) == before


def test_code_that_comes_with_a_checkpoint_is_not_run(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(prompt: str = "") -> str:
        pytest.fail(f"somebody at the terminal was asked: {prompt}")

    monkeypatch.setattr(builtins, "input", asked)
    config = json.loads((checkpoint / "config.json").read_text())
    classes = {"AutoConfig": "code.Config", "AutoModelForQuestionAnswering": "code.Model"}
    config |= {"model_type": "unheard-of", "auto_map": classes}
    (checkpoint / "config.json").write_text(json.dumps(config))
    (checkpoint / "code.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n")
    with pytest.raises(ModelError, match="custom code"):
        export(checkpoint, tmp_path / "out")
    assert not (tmp_path / "run").exists()


def test_a_model_that_torch_cannot_export(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand forty lines more")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(PullquoteError, match=r"into ONNX \(RuntimeError: no such operator\)$"):
        export(checkpoint, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_recipe_travels_along_without_the_folders_of_its_maker(
    checkpoint: Path, tmp_path: Path, quick: None
) -> None:
    recipe = Recipe(model="me/base", train=(str(tmp_path / "train.json"),))
    (checkpoint / "recipe.toml").write_text(recipe.to_toml())
    export(checkpoint, tmp_path / "out")
    assert Recipe.from_toml(tmp_path / "out" / "recipe.toml") == recipe.named_only()
    assert str(tmp_path) not in (tmp_path / "out" / "recipe.toml").read_text()
    export(checkpoint, checkpoint)  # where it is still needed to resume the run
    assert Recipe.from_toml(checkpoint / "recipe.toml") == recipe
