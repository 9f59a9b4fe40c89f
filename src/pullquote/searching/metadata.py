"""The metadata of documents that were added as texts: fields with values, as JSON has them.

    metadata(store, [3])                              # {3: {"year": 2024, "author": "Ann"}}
    documents_where(store, {"year": [2023, 2024]})    # {3}

Knows one table; call within `store.guarded()`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pullquote.errors import InputError
from pullquote.searching.store import Store, damaged
from pullquote.searching.texts import plain

_NAMED = 10  # fields that an error names


def metadata(store: Store, documents: Collection[int]) -> dict[int, dict[str, Any]]:
    """The metadata of documents by their ids, of those that were added as texts."""
    if store.format < 3:
        return {}
    rows = store.rows(
        "SELECT document, fields FROM metadata WHERE document IN (SELECT value FROM json_each(?))",
        json.dumps(list(documents)),
    )
    return {document: _fields_in(fields) for document, fields in rows}


def _fields_in(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise damaged(f"metadata are {text[:20]!r}")
    return fields


def documents_where(store: Store, where: Mapping[str, Any]) -> set[int]:
    """The ids of the documents whose fields have certain values, or one of a list of values.

    Raises `InputError` for a field that no document has.
    """
    if odd := [field for field in where if not isinstance(field, str)]:
        raise InputError(f"where: found {odd[0]!r}, expected the name of a field")
    chosen = [
        _documents_with(store, field, wanted if isinstance(wanted, (list, tuple)) else [wanted])
        for field, wanted in where.items()
    ]
    return set.intersection(*chosen)


def _documents_with(store: Store, field: str, values: Sequence[Any]) -> set[int]:
    if store.format >= 3:
        rows = store.rows(
            "SELECT m.document FROM metadata m, json_each(m.fields) f WHERE f.key = ? "
            "AND EXISTS (SELECT 1 FROM json_each(?) v WHERE v.value IS f.value)",
            field.encode("utf-8", "replace").decode(),
            json.dumps([plain(value) for value in values]),
        )
        if rows:
            return {document for (document,) in rows}
    fields = _fields(store)
    if field in fields:
        return set()
    found = f"found {', '.join(fields[:_NAMED])}" if fields else "they have no metadata"
    raise InputError(f"where: no document has the field {field!r}; {found}")


def _fields(store: Store) -> list[str]:
    if store.format < 3:
        return []
    rows = store.rows("SELECT DISTINCT f.key FROM metadata m, json_each(m.fields) f ORDER BY 1")
    return [field for (field,) in rows]
