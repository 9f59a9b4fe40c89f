"""Makes the vectors that passages of an index lack, and drops those of passages that are gone.

    missing = make_vectors(store, vectors, seconds=1.0)      # so many are left for the next call

Knows tables and vectors, not words or questions. The index may be asked, and written to, meanwhile.
What was made is saved every few seconds, so that a kill costs little.
"""

from __future__ import annotations

import time

import numpy as np

from pullquote.progress import Progress, no_progress
from pullquote.searching.stores import Store
from pullquote.searching.vectors import Rows, Vectors

_AT_ONCE = 16  # passages whose vectors are made together
_SAVE_AFTER = 5.0  # seconds between saves, at least
_SAVING_COSTS = 50  # and so many times as long as the last save took, since it rewrites the file


def make_vectors(
    store: Store,
    vectors: Vectors,
    seconds: float | None = None,
    progress: Progress = no_progress,
) -> int:
    """Give passages their vectors, and return how many passages have none after that.

    Stops after some `seconds`; None means when all are done. Raises `OutputError` if the file
    cannot be written.
    """
    started = saved = time.monotonic()
    with store.guarded(), store.snapshot():
        known = vectors.rows  # first: another process may save newer ones after the snapshot began
        generation = store.generation
        if known.generation == generation:
            return 0
        if known.generation > generation:  # the index was put back to an earlier state
            vectors.drop()
            known = vectors.rows
        ids = np.array(
            [id for (id,) in store.rows("SELECT id FROM passages ORDER BY id")], np.int64
        )
    rows = known.only(ids)
    missing = np.setdiff1d(ids, rows.ids, assume_unique=True)
    made: list[Rows] = []
    done, cost = 0, 0.0
    while done < len(missing) and (seconds is None or time.monotonic() - started < seconds):
        texts = _texts(store, missing[done : done + _AT_ONCE])
        done = min(done + _AT_ONCE, len(missing))
        if texts:
            made.append(vectors.encoded(list(texts), list(texts.values())))
        progress(done, len(missing), "making vectors")
        if time.monotonic() - saved > max(_SAVE_AFTER, _SAVING_COSTS * cost):
            before = time.monotonic()
            rows = known = _save(store, vectors, known, rows.joined(made))
            made, saved = [], time.monotonic()
            cost = saved - before
    left = len(missing) - done
    _save(store, vectors, known, rows.joined(made), -1 if left else generation)
    return left


def count_missing(store: Store, vectors: Vectors) -> int:
    """How many passages have no vector yet."""
    with store.guarded(), store.snapshot():
        rows = vectors.rows
        if rows.generation == store.generation:
            return 0
        every = store.rows("SELECT id FROM passages")
    return len({id for (id,) in every}.difference(rows.ids.tolist()))


def _texts(store: Store, ids: np.ndarray) -> dict[int, str]:
    """The texts of some passages by their ids, of those that are still there."""
    with store.guarded():
        return dict(
            store.rows(
                f"SELECT id, text FROM passages WHERE id {store.AMONG} ORDER BY id", ids.tolist()
            )
        )


def _save(store: Store, vectors: Vectors, known: Rows, rows: Rows, generation: int = -1) -> Rows:
    """Save rows, with those that another process has saved since `known`; what the file has now."""
    with store.guarded():
        if vectors.rows is not known:
            rows = vectors.rows.joined([rows])
        vectors.save(rows, generation)
        return vectors.rows
