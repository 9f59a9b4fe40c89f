"""Reads TOML files.

    read_toml("recipe.toml")["learning_rate"]

Python 3.10 needs `tomli` for it, of the extras `train` and `fill`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pullquote.data.formats import read_bytes
from pullquote.errors import ConfigError, DataError, MissingExtraError
from pullquote.json_text import decode_text
from pullquote.urls import without_password


def read_toml(path: str | Path, *, extra: str = "train") -> dict[str, Any]:
    """The keys and values of a TOML file; `extra` is the one with `tomli`, which an error names."""
    try:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
    except ImportError as error:
        raise MissingExtraError("tomli", extra) from error
    try:
        values: dict[str, Any] = tomllib.loads(decode_text(read_bytes(path)))
        return values
    except DataError as error:
        raise ConfigError(f"{without_password(path)}: {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{without_password(path)}: not TOML ({error})") from None
