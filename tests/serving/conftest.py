"""A reader that needs no weights, an application around it, and the real thing as a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving_helpers import MakeClient, Server, serving
from starlette.testclient import TestClient
from tokenizers import Tokenizer

from pullquote import Index, Reader
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving.app import create_app
from pullquote.serving.settings import Settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Servers have limits of time and memory, which other tests would use up."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("alone")


@pytest.fixture
def reader(model_dir: Path, wordpiece: Tokenizer) -> Reader:
    """Quotes "Rollo" wherever it stands and abstains elsewhere: logits +10, -10, and 0 for null."""
    rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id == rollo else -10.0 for id in ids[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))


@pytest.fixture
def make_client(reader: Reader) -> MakeClient:
    """Give a context manager: an application with such settings, and a client of it."""

    @contextmanager
    def make_client(**settings: object) -> Iterator[TestClient]:
        app = create_app(reader, Settings(**settings))  # type: ignore[arg-type]
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client

    return make_client


@pytest.fixture
def client(make_client: MakeClient) -> Iterator[TestClient]:
    with make_client() as client:
        yield client


@pytest.fixture(scope="session")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the example documents."""
    file = tmp_path_factory.mktemp("index") / "mill.db"
    with Index.create(file) as index:
        index.add([Path(__file__).parents[2] / "examples" / "mill"])
    return file


@pytest.fixture(scope="session")
def server(mill: Path) -> Iterator[Server]:
    """`tiny` with documents, as anybody would serve it."""
    with serving("--index", str(mill)) as server:
        yield server
