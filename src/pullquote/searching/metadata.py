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
from pullquote.searching.stores import DamageError, Store
from pullquote.searching.texts import plain

_NAMED = 10  # fields that an error names


def metadata(store: Store, documents: Collection[int]) -> dict[int, dict[str, Any]]:
    """The metadata of documents by their ids, of those that were added as texts."""
    if store.format < 3:
        return {}
    rows = store.rows(
        f"SELECT document, fields FROM metadata WHERE document {store.AMONG}", list(documents)
    )
    return {document: _fields_in(fields) for document, fields in rows}


def _fields_in(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise DamageError(f"metadata are {text[:20]!r}")
    return fields


def documents_where(store: Store, where: Mapping[str, Any]) -> set[int]:
    """The ids of the documents whose fields have certain values, or one of a list of values.

    Raises `InputError` for a field that no document has.
    """
    if not isinstance(where, Mapping):
        raise InputError(f'where: found {where!r}, expected fields: {{"year": 2024}}')
    if odd := [field for field in where if not isinstance(field, str)]:
        raise InputError(f"where: found {odd[0]!r}, expected the name of a field")
    chosen = [
        _documents_with(store, field, wanted if isinstance(wanted, (list, tuple)) else [wanted])
        for field, wanted in where.items()
    ]
    return set.intersection(*chosen)


def _documents_with(store: Store, field: str, values: Sequence[Any]) -> set[int]:
    fields: list[str] = []
    if store.format >= 3:
        if found := store.documents_with(field, [plain(value) for value in values]):
            return found
        fields = store.metadata_fields()
    if field in fields:
        return set()
    known = f"found {', '.join(fields[:_NAMED])}" if fields else "they have no metadata"
    raise InputError(
        f"where: no document has the field {field!r}; {known}. Columns of files are text: to "
        "filter by them, add the rows as texts"
    )
