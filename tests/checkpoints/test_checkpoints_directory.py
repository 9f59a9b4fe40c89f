"""Model directories: how names are looked up, and the error for each invalid file."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote import Reader, ReaderConfig
from pullquote.checkpoints import bundled as bundled_module
from pullquote.checkpoints import directory
from pullquote.checkpoints.directory import bundled_models, open_model
from pullquote.errors import ConfigError, InputError, ModelError

MakeModel: TypeAlias = Callable[..., Path]


def test_a_model_directory_answers(model_dir: Path, tiny_config: ReaderConfig) -> None:
    model = open_model(model_dir)
    assert (model.path, model.config) == (model_dir, tiny_config)
    assert model.onnx == model_dir / "model.onnx"
    assert model.safetensors is None
    context = "The Norse, led by Rollo, came by sea."
    (answer,) = Reader(str(model_dir)).answer("Who led the Norse?", context).answers
    assert context[answer.start : answer.end] == answer.text


# ---- names


@pytest.fixture
def bundled(tmp_path: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One bundled model, "small", and a directory "small" in the working directory."""
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(bundled_module, "BUNDLED", tmp_path / "package")
    (tmp_path / "here").mkdir()
    make_model(tmp_path / "here" / "small")
    monkeypatch.chdir(tmp_path / "here")
    return make_model(tmp_path / "package" / "small")


def test_a_bundled_name_comes_before_a_local_directory(bundled: Path) -> None:
    assert bundled_models() == ["small"]
    assert open_model("small").path == bundled
    assert open_model("./small").path.resolve() == Path.cwd() / "small"
    assert open_model(Path("small")).path.resolve() == Path.cwd() / "small"


def test_an_unknown_name_is_an_error_that_names_the_bundled_ones(bundled: Path) -> None:
    with pytest.raises(ModelError, match=r"large: no such model\. Bundled: small"):
        Reader("large")


@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_a_blank_name_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError, match="name is blank"):
        open_model(name)


@pytest.mark.parametrize(
    "name",
    [
        *("a b", "./missing", "a/b/c", "owner/..", "naïve/modèle", "~nobody-is-called-so/x"),
        *("a\x00b", "\ud800", "x" * 5000, "owner/" + "x" * 5000),
    ],
)
def test_an_invalid_name_is_a_model_error(name: str) -> None:
    with pytest.raises(ModelError):
        open_model(name)


def test_a_file_is_no_model_directory(model_dir: Path) -> None:
    with pytest.raises(ModelError, match="a file; expected a model directory, such as"):
        open_model(model_dir / "model.onnx")


def test_a_directory_that_may_not_be_read_is_a_model_error(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(ModelError, match=r"cannot be read \(Permission denied"):
        open_model(model_dir)


# ---- files


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json"])
def test_a_missing_file_is_named_with_what_was_found(model_dir: Path, missing: str) -> None:
    (model_dir / missing).unlink()
    with pytest.raises(ModelError, match=rf"no {missing} \(found .*model.onnx"):
        open_model(model_dir)


def test_missing_weights_are_named_with_what_was_found(model_dir: Path) -> None:
    (model_dir / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"no model.onnx or model.safetensors \(found config"):
        open_model(model_dir)


def test_an_empty_directory_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found nothing"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    "pickle", ["pytorch_model.bin", "model.pt", "pytorch_model.bin.index.json"]
)
def test_a_pickle_is_refused_with_how_to_convert_it(model_dir: Path, pickle: str) -> None:
    (model_dir / "model.onnx").rename(model_dir / pickle)
    with pytest.raises(ModelError, match=r"pickled weights only .*Convert it once.*-safe"):
        open_model(model_dir)


def test_a_pickle_beside_safetensors_is_ignored(model_dir: Path) -> None:
    (model_dir / "pytorch_model.bin").write_bytes(b"\x80\x04would run")
    assert open_model(model_dir).onnx


def test_optimum_puts_the_onnx_file_in_a_folder_of_its_own(model_dir: Path) -> None:
    (model_dir / "onnx").mkdir()
    moved = (model_dir / "model.onnx").rename(model_dir / "onnx" / "model.onnx")
    assert open_model(model_dir).onnx == moved


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"\x80\x04pickle",
        b'{"version": "1.0"}',
        b"[" * 99999,
    ],
)
def test_an_invalid_tokenizer_file_is_a_model_error(model_dir: Path, content: bytes) -> None:
    (model_dir / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"tokenizer.json: "):
        Reader(model_dir)


def test_a_tokenizer_file_cut_short_is_a_model_error(model_dir: Path) -> None:
    path = model_dir / "tokenizer.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"tokenizer.json: "):
            Reader(model_dir)


@pytest.mark.parametrize("file", ["config.json", "reader.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"not json"])
def test_settings_that_are_not_json_are_a_model_error(
    model_dir: Path, file: str, content: bytes
) -> None:
    (model_dir / file).write_bytes(content)
    with pytest.raises(ModelError, match=f"{file}: not (JSON|UTF-8)"):
        open_model(model_dir)


@pytest.mark.parametrize("file", ["config.json", "reader.json"])
@pytest.mark.parametrize("content", ["[]", "3", "null", '"text"'])
def test_settings_that_are_not_an_object_are_a_model_error(
    model_dir: Path, file: str, content: str
) -> None:
    (model_dir / file).write_text(content)
    with pytest.raises(ModelError, match=f"{file}: holds a .*expected a JSON object"):
        open_model(model_dir)


@pytest.mark.parametrize(
    "key", ["max_position_embeddings", "vocab_size", "type_vocab_size", "pad_token_id"]
)
@pytest.mark.parametrize("value", ["512", "9" * 5000, -1, 1.5, True, [1], 2**31, 10**30])
def test_an_invalid_number_in_the_config_is_a_model_error(
    make_model: MakeModel, tmp_path: Path, key: str, value: object
) -> None:
    config = {"model_type": "roberta", "max_position_embeddings": 514, key: value}
    with pytest.raises(ModelError, match=f"config.json: {key} is .*expected a whole number"):
        open_model(make_model(tmp_path / "model", **config))


# ---- settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_lenght": 384}, "unknown setting max_lenght. Known: answerable, answerable_ch"),
        ({"max_length": "384"}, "max_length is '384', expected a number"),
        ({"max_length": True}, "max_length is True, expected a number"),
        ({"max_length": 30.5}, "max_length is 30.5, expected a number"),
        ({"overlap": None}, "overlap is None, expected a number"),
        ({"n_best_size": 0}, "n_best_size is 0, expected at least 1"),
        ({"no_answer_threshold": "0"}, "no_answer_threshold is '0', expected a number"),
        ({"no_answer_threshold": float("nan")}, "no_answer_threshold is nan, expected a logit"),
        ({"no_answer_threshold": float("inf")}, "no_answer_threshold is inf, expected a logit"),
        ({"no_answer_threshold": 10**400}, "no_answer_threshold is 1.*, expected a logit"),
        ({"threshold_fitted_on": 3}, "threshold_fitted_on is 3, expected a string"),
        ({"calibration": 1.0}, "calibration is 1.0, expected an object"),
        ({"calibration": {"none": {"bais": 1}}}, "calibration: none: unknown setting bais. Known"),
        ({"overlap": 7}, "overlap is 7, expected at least 2 x max_answer_length = 8"),
        ({"max_length": 16}, "max_length is 16, which leaves no room to advance"),
    ],
)
def test_bad_settings_are_a_config_error_that_names_the_file(
    model_dir: Path, changes: dict[str, object], message: str
) -> None:
    settings = json.loads((model_dir / "reader.json").read_text())
    (model_dir / "reader.json").write_text(json.dumps({**settings, **changes}))
    with pytest.raises(ConfigError, match=f"reader.json: {message}"):
        open_model(model_dir)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, -1, "512", True, [512]])
def test_a_longest_input_that_is_no_number_is_a_model_error(model_dir: Path, value: object) -> None:
    (model_dir / "tokenizer_config.json").write_text(json.dumps({"model_max_length": value}))
    with pytest.raises(ModelError, match=r"model_max_length is .*, expected a number of tokens"):
        open_model(model_dir)


def test_a_longest_input_without_a_limit_is_that_of_transformers(model_dir: Path) -> None:
    for text in ('{"model_max_length": 1000000000000000019884624838656}', "{}"):
        (model_dir / "tokenizer_config.json").write_text(text)
        assert open_model(model_dir).model_max_length == sys.maxsize


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "reader.json"])
def test_a_file_of_settings_cannot_fill_the_memory(model_dir: Path, file: str) -> None:
    path = model_dir / file
    path.write_bytes(gzip.compress(b"[" + b"[]," * 15_000_000 + b"0]"))
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=rf"{file}: not UTF-8 text"):
            open_model(model_dir)
        os.truncate(path, 1 << 30)
        with pytest.raises(ModelError, match=rf"{file}: more than 16 MiB"):
            open_model(model_dir)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


def test_a_setting_that_is_not_stored_is_the_default(model_dir: Path) -> None:
    (model_dir / "reader.json").write_text('{"no_answer_threshold": 2.5}')
    assert open_model(model_dir).config == ReaderConfig(no_answer_threshold=2.5)


def test_settings_are_read_back_as_they_were_written(model_dir: Path) -> None:
    config = ReaderConfig(overlap=99, no_answer_threshold=-1.5, threshold_fitted_on="half of dev")
    (model_dir / "reader.json").write_text(json.dumps(asdict(config)))
    assert open_model(model_dir).config == config


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": ["bert"], "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 0}, 513),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 130}, 128),
    ],
)
def test_windows_are_bounded_by_the_positions_of_the_model(
    make_model: MakeModel, tmp_path: Path, config: dict[str, object], positions: int
) -> None:
    model = make_model(tmp_path / "model", **config)
    settings = {"max_length": positions, "overlap": 8, "max_answer_length": 4}
    (model / "reader.json").write_text(json.dumps(settings))
    assert open_model(model).config.max_length == positions
    (model / "reader.json").write_text(json.dumps({**settings, "max_length": positions + 1}))
    with pytest.raises(
        ConfigError, match=f"max_length is {positions + 1}, the model has {positions} positions"
    ):
        open_model(model)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {
            "model_type": "deberta-v2",
            "max_position_embeddings": 512,
            "position_biased_input": False,
        },
    ],
)
def test_relative_positions_do_not_limit_windows(
    make_model: MakeModel, tmp_path: Path, config: dict[str, object]
) -> None:
    model = make_model(tmp_path / "model", **config)
    (model / "reader.json").write_text('{"max_length": 1024}')
    assert open_model(model).config.max_length == 1024


def test_without_settings_the_defaults_are_fitted_to_a_short_model(
    make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model(tmp_path / "model", max_position_embeddings=64)
    (model / "reader.json").unlink()
    config = Reader(model).config
    assert (config.max_length, config.overlap, config.max_question_length) == (64, 21, 16)
    shutil.rmtree(model)
    model = make_model(tmp_path / "model", max_position_embeddings=512)
    (model / "reader.json").unlink()
    assert Reader(model).config == ReaderConfig()


@given(limit=st.integers(-2, 600))
def test_default_settings_are_valid_or_the_model_is_too_short(limit: int) -> None:
    if limit < 6:
        with pytest.raises(ConfigError, match="too few to read with"):
            directory._default_settings(limit, Path("model"))
    else:  # ReaderConfig checks itself
        assert directory._default_settings(limit, Path("model")).max_length == min(limit, 384)
