"""File names of model directories are listed in one module; reader.json has a format number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pullquote
from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model, store_settings
from pullquote.errors import ConfigError
from pullquote.settings import READER_FORMAT, ReaderConfig

FILE = re.compile(r"(config|tokenizer|reader)\.json|\.safetensors|model\.onnx|recipe\.toml")
NAMES = {
    *(layout.CONFIG, layout.TOKENIZER, layout.TOKENIZER_CONFIG, layout.SETTINGS, layout.CARD),
    *(layout.RECIPE, layout.CURVE, layout.ONNX_DATA, *layout.WEIGHTS, *layout.PICKLES),
    *(*layout.LEGAL, *layout.ONNX_PATTERNS, *layout.SAFETENSORS_PATTERNS),
}


def test_no_other_module_names_the_files() -> None:
    root = Path(pullquote.__file__).parent
    own = root / "checkpoints" / "layout.py"
    # text files without an ending that are documents, too
    documents = root / "searching" / "plain.py"
    for path in sorted(root.rglob("*.py")):
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        named = strings & (NAMES - set(layout.LEGAL) if path == documents else NAMES)
        # patterns, too: a file's name in a longer string without blanks, which is no message
        named |= {text for text in strings if FILE.search(text) and not re.search(r"\s", text)}
        assert path == own or not named, f"{path}: {', '.join(sorted(named))}"


def test_published_files(tmp_path: Path) -> None:
    names = ["README.md", "config.json", "model.onnx", "model.onnx.data", "tokenizer.json"]
    for name in [*names, "recipe.toml", "state.pt", "log.jsonl", "LICENSE"]:
        (tmp_path / name).write_text("x")
    found = [file.name for file in layout.published(tmp_path)]
    assert sorted(found) == sorted([*names, "LICENSE"])


def test_settings_have_a_format(model_dir: Path) -> None:
    config = open_model(model_dir).config
    store_settings(model_dir, config)
    text = (model_dir / "reader.json").read_text()
    assert f'"format": {READER_FORMAT}' in text
    assert open_model(model_dir).config == config


def test_settings_without_a_format_are_of_0_1() -> None:
    assert ReaderConfig.from_json({"max_length": 256}, "reader.json").max_length == 256


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": READER_FORMAT + 1, "new": 1}, "newer pullquote; .* pip install --upgrade"),
        ({"format": 1, "max_lenght": 1}, "unknown setting max_lenght. Known: answerable"),
        ({"format": "1"}, "format is '1', expected a whole number"),
        ({"format": True}, "format is True"),
        ({"format": 0}, "format is 0"),
    ],
)
def test_settings_of_a_newer_format(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^m/reader\.json: .*{message}"):
        ReaderConfig.from_json(values, "m/reader.json")
