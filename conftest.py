"""The environment of all tests; examples in docstrings are tests, too: where they are looked for.

Of several processes (pytest-xdist) each has a cache of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

import pullquote

SRC = Path(__file__).parent / "src"
RUNS = re.compile(r"^ *>>> (?!.*# doctest: \+SKIP$)", re.M)

# Where the engine was not built, the note that says so would be in the output of every test.
if not (Path(pullquote.__file__).parent / "reading" / "backends" / "_engine").is_dir():
    os.environ.setdefault("PULLQUOTE_ENGINE", "off")

# Vectors take most of the time of an index; tests that are about them ask for them.
os.environ.setdefault("PULLQUOTE_VECTORS", "off")

# What was kept of folders by another version changes what commands say.
CACHE = tempfile.mkdtemp(prefix="pullquote-tests-")
os.environ["PULLQUOTE_CACHE"] = CACHE


def pytest_unconfigure() -> None:
    """Remove the cache of this process."""
    shutil.rmtree(CACHE, ignore_errors=True)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look for examples only in modules of the package that have one that runs, and for tests.

    With --doctest-modules, pytest would import every file. Most have no examples, some import
    torch, and some beside the tests are programs for another environment.
    """
    if collection_path.suffix != ".py":
        return None
    if SRC in collection_path.parents:
        wanted = RUNS.search(collection_path.read_text(encoding="utf-8")) is not None
    else:
        wanted = collection_path.name.startswith("test_")
    return None if wanted else True


@pytest.fixture(autouse=True)
def _examples_write_elsewhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Run an example in a folder of its own, since it may write files."""
    if isinstance(request.node, pytest.DoctestItem):
        patch = request.getfixturevalue("monkeypatch")
        patch.chdir(tmp_path_factory.mktemp("example"))
