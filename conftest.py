"""Examples in docstrings are tests: where they are looked for, and the folder that they run in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SRC = Path(__file__).parent / "src"
RUNS = re.compile(r"^ *>>> (?!.*# doctest: \+SKIP$)", re.M)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip modules of the package without an example that runs.

    To look for examples, pytest imports a module. Most have none, and some import torch.
    """
    if collection_path.suffix != ".py" or SRC not in collection_path.parents:
        return None
    return None if RUNS.search(collection_path.read_text(encoding="utf-8")) else True


@pytest.fixture(autouse=True)
def _examples_write_elsewhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Run an example in a folder of its own, since it may write files."""
    if isinstance(request.node, pytest.DoctestItem):
        patch = request.getfixturevalue("monkeypatch")
        patch.chdir(tmp_path_factory.mktemp("example"))
