"""Fields of documents and of rows, with values: what filters of a search look at.

    metadata(store, [3])                              # {3: {"year": 2024, "author": "Ann"}}
    passages_where(store, {"year": [2023, 2024]})     # {17, 18}

Documents that were added as texts have metadata, which are stored. The rows of tables in files
have columns, which are in the text of their passages, "Country: Norway; City: Bergen", and are
found there: such filters take no space in the index. What stands beside the text in rows of files
of texts is kept with the marks of their passages. Call within `store.guarded()`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pullquote.errors import InputError, shown
from pullquote.searching.passages import OVERLAP
from pullquote.searching.plain import is_plain
from pullquote.searching.rows import cell_of, values_of
from pullquote.searching.stores import DamageError, Store, decode_marks, encode_name, field_in
from pullquote.searching.texts import plain
from pullquote.text import without_surrogates

_NAMED = 10  # fields that an error names
_LOOKED_AT = 1000  # rows, for their names


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


def passages_of(store: Store, documents: Collection[int]) -> set[int]:
    """The ids of the passages of some documents."""
    rows = store.rows(f"SELECT id FROM passages WHERE document {store.AMONG}", list(documents))
    return {id for (id,) in rows}


def passages_where(store: Store, where: Mapping[str, Any]) -> set[int]:
    """The ids of the passages whose fields have certain values, or one of a list of values.

    Raises `InputError` for a field that no document and no row has.
    """
    if not isinstance(where, Mapping):
        raise InputError(f'where: found {where!r}, expected fields: {{"year": 2024}}')
    if odd := [field for field in where if not isinstance(field, str)]:
        raise InputError(f"where: found {odd[0]!r}, expected the name of a field")
    chosen = [
        _passages_with(store, field, wanted if isinstance(wanted, (list, tuple)) else [wanted])
        for field, wanted in where.items()
    ]
    return set.intersection(*chosen)


def _passages_with(store: Store, field: str, values: Sequence[Any]) -> set[int]:
    values = [plain(value) for value in values]
    found: set[int] = set()
    fields: list[str] = []
    if store.format >= 3:
        if documents := store.documents_with(field, values):
            found = passages_of(store, documents)
        fields = [] if found else store.metadata_fields()
    if column := cell_of(field):
        found |= _rows_with(store, field, values)
    if found or field in fields:
        return found
    if column and any(True for _ in _with_column(store, column, column)):
        return found
    fields = [*dict.fromkeys(fields + _fields_of_rows(store))]
    more = f" and {len(fields) - _NAMED:,} more" if len(fields) > _NAMED else ""
    known = f"found {', '.join(fields[:_NAMED])}{more}" if fields else "they have no metadata"
    raise InputError(
        f"where: no document has the field {shown(field)}; {known}. No row of a table has such a "
        "column: see what they have with pullquote passages PATH"
    )


def _fields_of_rows(store: Store) -> list[str]:
    """Fields of rows of files of texts, sorted: of the first ones, for all take long."""
    rows = store.rows(
        f"SELECT marks FROM passages WHERE {store.FIND}(marks, ?) > 0 LIMIT {_LOOKED_AT}", "{"
    )
    return sorted({name for (marks,) in rows for name, _ in decode_marks(marks)[0].fields})


def _rows_with(store: Store, field: str, values: Iterable[Any]) -> set[int]:
    """The ids of the passages of the rows that have one of some values in a column.

    Where a row is too long for one passage, these are all of its passages.
    """
    column = cell_of(field)
    cells = {cell_of(field, value) for value in set().union(*map(_shown, values))}
    if not cells:
        return set()
    # one scan, however many values there are
    begin = next(iter(cells)) if len(cells) == 1 else column
    wanted = {without_surrogates(cell)[len(column) :] for cell in cells}
    found: set[int] = set()
    cut: set[int] = set()  # may be parts of a row: these share some text
    for id, text, values in _with_column(store, column, begin):
        if not wanted.isdisjoint(values):
            found.add(id)
            if 2 * len(text.encode()) > OVERLAP:
                cut.add(id)
    while cut := _overlapping(store, cut) - found:
        found |= cut
    return found


def _shown(value: Any) -> set[str]:
    """What a row may show of a value: texts as they are, numbers and truth as files have them."""
    if isinstance(value, bool):
        return {"yes", "true", "True", "TRUE"} if value else {"no", "false", "False", "FALSE"}
    if isinstance(value, (int, float)):
        return {str(value), str(int(value))} if value == int(value) else {str(value)}
    return {value} if isinstance(value, str) and value.strip() else set()


def _with_column(store: Store, column: str, begin: str) -> Iterator[tuple[int, str, set[str]]]:
    """The ids and texts of the passages of files that have rows with a column, and its values.

    `begin` is how a cell of it begins. Lines of plain texts are no rows.
    """
    column = without_surrogates(column)
    name = column[:-2]  # without ": "
    value_in = field_in(name)
    is_text = functools.cache(is_plain)  # asked for each row of a file
    no_text = "AND NOT EXISTS (SELECT 1 FROM metadata m WHERE m.document = d.id)"
    rows = store.each(
        "SELECT p.id, d.path, p.text, p.marks FROM passages p JOIN documents d "
        f"ON d.id = p.document WHERE ({store.FIND}(p.text, ?) > 0 OR {store.FIND}(p.marks, ?) > 0) "
        f"{no_text if store.format >= 3 else ''}",
        without_surrogates(begin),
        encode_name(name),
    )
    for id, path, text, marks in rows:
        if "{" in marks:  # fields: the text is prose, which has no cells
            values = _shown(value_in(marks))
        else:
            values = set() if is_text(os.fsdecode(path)) else set(values_of(text, column))
        if values:
            yield id, text, values


def _overlapping(store: Store, ids: Collection[int]) -> set[int]:
    """The ids of the passages that share text with some: one paragraph or row was cut."""
    rows = store.rows(
        "SELECT q.id FROM passages p JOIN passages q ON q.document = p.document "
        "AND ((q.id = p.id + 1 AND q.start < p.start + length(p.text)) "
        "OR (q.id = p.id - 1 AND p.start < q.start + length(q.text))) "
        f"WHERE p.id {store.AMONG}",
        list(ids),
    )
    return {id for (id,) in rows}
