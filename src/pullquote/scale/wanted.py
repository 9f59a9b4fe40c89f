"""The columns of a table that is filled out of documents: a TOML file of questions.

    [[question]]
    name = "rent"                                          # the column
    ask = ["How much is the rent?", "What is paid each month?"]
    kind = "amount"                                        # or text (the default), date, yes/no

Knows names and wordings, neither documents nor answers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pullquote.data.toml import read_toml
from pullquote.errors import ConfigError, shown

KINDS = ("text", "date", "amount", "yes/no")
DOCUMENT, ERROR = "document", "error"
BESIDE = ("quote", "place", "score", "note")
"""What stands beside the column of a question, in columns such as "rent quote"."""

_KEYS = ("name", "ask", "kind")
_MOST = 1000  # questions; XLSX has 16,384 columns


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column to fill: its name, the wordings of its question, and the kind of its answer."""

    name: str
    ask: tuple[str, ...]
    kind: str = "text"

    def columns(self) -> tuple[str, ...]:
        """The names of its columns in a table."""
        return (self.name, *(f"{self.name} {beside}" for beside in BESIDE))


def read_wanted(path: str | os.PathLike[str]) -> tuple[Wanted, ...]:
    """The questions of a TOML file. Raises `ConfigError` for a file that is not as above.

    >>> from pathlib import Path
    >>> _ = Path("questions.toml").write_text(
    ...     '[[question]]\\nname = "rent"\\nask = "How much is the rent?"'
    ... )
    >>> read_wanted("questions.toml")
    (Wanted(name='rent', ask=('How much is the rent?',), kind='text'),)
    """
    values = read_toml(os.fspath(path), extra="fill")
    entries = values.pop("question", None)
    if values:
        raise ConfigError(
            f"{path}: unknown key {', '.join(map(shown, values))}; expected [[question]] only"
        )
    if not isinstance(entries, list) or not entries:
        raise ConfigError(
            f"{path}: no questions; expected some, each with [[question]], name and ask"
        )
    if len(entries) > _MOST:
        raise ConfigError(f"{path}: {len(entries):,} questions, expected at most {_MOST:,}")
    wanted = tuple(_one(entry, f"{path}: question {n}") for n, entry in enumerate(entries, 1))
    _check_columns(wanted, f"{path}")
    return wanted


def _one(entry: Any, where: str) -> Wanted:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is {shown(entry)}, expected [[question]] with name and ask")
    if unknown := sorted(set(entry) - set(_KEYS)):
        raise ConfigError(
            f"{where}: unknown key {', '.join(map(shown, unknown))}; expected {', '.join(_KEYS)}"
        )
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{where}: name is {shown(name)}, expected the name of a column")
    ask = entry.get("ask")
    wordings = [ask] if isinstance(ask, str) else ask
    if not isinstance(wordings, list) or not wordings:
        raise ConfigError(
            f"{where} ({name}): no wordings; expected ask = a question, or a list of them"
        )
    for wording in wordings:
        if not isinstance(wording, str) or not wording.strip():
            raise ConfigError(f"{where} ({name}): a wording is {shown(wording)}, expected words")
    kind = entry.get("kind", "text")
    if kind not in KINDS:
        raise ConfigError(f"{where} ({name}): kind is {shown(kind)}, expected {', '.join(KINDS)}")
    return Wanted(" ".join(name.split()), tuple(dict.fromkeys(map(str.strip, wordings))), kind)


def _check_columns(wanted: Sequence[Wanted], where: str) -> None:
    taken = {DOCUMENT: "the table", ERROR: "the table"}
    for one in wanted:
        for column in one.columns():
            if owner := taken.get(column.casefold()):
                raise ConfigError(
                    f"{where}: {one.name!r} would be a second column {column!r}, which {owner} has;"
                    " give it another name"
                )
        taken |= {column.casefold(): f"question {one.name!r}" for column in one.columns()}
