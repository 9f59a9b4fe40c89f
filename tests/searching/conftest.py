"""Folders of documents, places for an index, and a reader that quotes what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from searching_helpers import MakeFolder
from tokenizers import Tokenizer

from pullquote import Reader
from pullquote.reading.backends.scripted import ScriptedBackend


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write files, texts or bytes by their names, into a folder of their own."""

    def make_folder(files: dict[str, str | bytes], name: str = "documents") -> Path:
        for path, content in files.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            file.write_bytes(data)
        return tmp_path / name

    return make_folder


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path | str]:
    """Where an index with an engine is made: a file, or a name on a server."""

    def place(engine: str) -> Path | str:
        if engine == "opensearch":
            request.getfixturevalue("opensearch_url")
        if engine != "tsvector":
            return tmp_path / "i.db"
        url: str = request.getfixturevalue("new_url")
        return url

    return place


@pytest.fixture
def reader(model_dir: Path, wordpiece: Tokenizer) -> Reader:
    """Quotes "rollo" surely and "duke" less so; has no answer elsewhere (logit 0 for null)."""
    logits = {wordpiece.token_to_id("rollo"): 9.0, wordpiece.token_to_id("duke"): 5.0}

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [logits.get(id, -10.0) for id in ids[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))
