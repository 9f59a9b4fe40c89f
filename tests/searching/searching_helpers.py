"""What the tests of searching share: where their documents are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

MILL = Path(__file__).parent.parent.parent / "examples" / "mill"
FILES = Path(__file__).parent / "files"

MakeFolder: TypeAlias = Callable[..., Path]
