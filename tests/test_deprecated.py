"""Names of 0.1 that moved still import, and say where they are now."""

from __future__ import annotations

import importlib
import sys

import pytest

MODULES = {
    "pullquote.reading.directory": "pullquote.checkpoints.directory",
    "pullquote.training.export": "pullquote.publishing.export",
    "pullquote.training.quantize": "pullquote.publishing.quantize",
    "pullquote.training.shrink": "pullquote.publishing.bit_search",
    "pullquote.training.unpack": "pullquote.publishing.unpack",
    "pullquote.training.soup": "pullquote.publishing.average",
    "pullquote.training.card": "pullquote.publishing.card",
    "pullquote.training.push": "pullquote.publishing.push",
}
NAMES = {
    "pullquote.searching.documents.File": "pullquote.searching.documents.SourceFile",
    "pullquote.searching.index.Found": "pullquote.searching.index.RetrievedPassage",
    "pullquote.types.ReaderConfig": "pullquote.settings.ReaderConfig",
    "pullquote.scoring.thresholds.Goal": "pullquote.scoring.operating_points.Goal",
    "pullquote.training.release.evaluate_checkpoint": (
        "pullquote.reading.evaluate.evaluate_checkpoint"
    ),
}


@pytest.mark.parametrize(("old", "new"), MODULES.items())
def test_an_old_module_is_the_new_one(old: str, new: str) -> None:
    sys.modules.pop(old, None)
    try:
        with pytest.warns(DeprecationWarning, match=rf"{old} is now {new}; .* 0\.3"):
            module = importlib.import_module(old)
        assert module is importlib.import_module(new)
    finally:
        sys.modules.pop(old, None)


@pytest.mark.parametrize(("old", "new"), NAMES.items())
def test_an_old_name_is_the_new_one(old: str, new: str) -> None:
    (module, _, name), (home, _, attribute) = old.rpartition("."), new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(home), attribute)
    with pytest.raises(AttributeError, match="has no attribute 'Gaol'"):
        _ = importlib.import_module(module).Gaol


def test_names_that_stay_where_they_are() -> None:
    from pullquote.searching.documents import Problem, find, read

    assert callable(find)
    assert callable(read)
    assert str(Problem("a.txt", "empty")) == "a.txt: empty"
