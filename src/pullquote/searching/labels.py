"""The names under which documents are shown, and the documents whose names match a glob.

    /home/ann/contracts/lease.pdf     the path, in an index opened as usual
    contracts/lease.pdf               the same in a private one, where /home/ann/contracts was added

Knows paths and the tables that hold them, not what the documents say.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from pullquote.searching.stores import Store


class Labels:
    """Document names of one index; call within `store.guarded()`."""

    def __init__(self, store: Store, *, private: bool) -> None:
        self._store = store
        self._private = private
        self._cached: tuple[object, dict[int, str]] | None = None  # state, names by document id

    def namer(self) -> Callable[[bytes], str]:
        """The function from a document's path, as stored, to the name that is shown."""
        if not self._private:
            return os.fsdecode
        roots = self._store.rows("SELECT path FROM roots")
        return private_namer(os.fsdecode(path) for (path,) in roots)

    def matching(self, pattern: str) -> Collection[int]:
        """The ids of the documents whose names match a glob, whole or from some folder on."""
        return [id for id, name in self._names().items() if matches(name, pattern)]

    def named(self, name: str) -> int | None:
        """The id of the document that is shown under a name; None if there is none."""
        return next((id for id, shown in self._names().items() if shown == name), None)

    def _names(self) -> dict[int, str]:
        # on a server, another index may have come in the place of this one
        state = self._store.identity, self._store.generation
        if self._cached is None or self._cached[0] != state:
            rows = self._store.rows("SELECT id, path FROM documents WHERE problem IS NULL")
            name = self.namer()
            self._cached = state, {id: name(path) for id, path in rows}
        return self._cached[1]


def matches(name: str, pattern: str) -> bool:
    """Whether a glob matches a name, or its end from some folder on; what is that end does, too.

    >>> matches("letters/2019/rent.txt", "2019/*")
    True
    >>> matches("letters/2019/rent.txt", "19/*")
    False
    >>> matches("letters/rent [draft].txt", "rent [draft].txt")
    True
    """
    globs = pattern, f"*{os.sep}{pattern}"
    same = f"{os.sep}{name}".endswith(f"{os.sep}{pattern}")
    return same or any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def private_namer(roots: Iterable[str]) -> Callable[[bytes], str]:
    """A function that shortens paths to what follows the folder that holds the added root.

    >>> private_namer(["/home/ann/contracts"])(b"/home/ann/contracts/old/lease.pdf")
    'contracts/old/lease.pdf'
    """
    labels: dict[str, str] = {}
    for root in sorted(roots, key=os.fsencode):  # a folder comes before those inside it
        label = base = Path(root).name or "documents"
        number = 1
        while label in labels.values():  # two roots of one name: "contracts", "contracts (2)"
            number += 1
            label = f"{base} ({number})"
        labels[root] = label

    def name(path: bytes) -> str:
        full = os.fsdecode(path)
        for root, label in labels.items():
            if full == root:
                return label
            if full.startswith(inside := root.rstrip(os.sep) + os.sep):
                return f"{label}{os.sep}{full[len(inside) :]}"
        return Path(full).name if Path(full).is_absolute() else full  # not the name of a text

    return name
