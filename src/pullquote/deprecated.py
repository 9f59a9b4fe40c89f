"""Deprecated names and modules, with a `DeprecationWarning` that gives the new name.

__getattr__ = moved_names(__name__, {"Goal": "pullquote.scoring.operating_points.Goal"})
moved_module(__name__, "pullquote.publishing.export")     # the only code of an old module
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def moved_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` for names that have moved: old name to new full path."""

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_moved(f"{module}.{name}", names[name])
        new_module, _, attribute = names[name].rpartition(".")
        return getattr(importlib.import_module(new_module), attribute)

    return __getattr__


def moved_module(old: str, new: str) -> None:
    """Replace the module `old`, which is being imported, by the module `new`."""
    warn_moved(old, new)
    sys.modules[old] = importlib.import_module(new)


def warn_moved(old: str, new: str) -> None:
    """Warn the caller of the calling function that it used an old name."""
    warnings.warn(
        f"{old} is now {new}; the old name goes in pullquote 0.3", DeprecationWarning, stacklevel=3
    )
