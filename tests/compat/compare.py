"""Compares two results of the pipeline; ties and the last digits may differ."""

from __future__ import annotations

from typing import Any

TOLERANCE = 1e-4
NEGLIGIBLE = 1e-5  # the ranking of entries with lower scores depends on rounding


MANY = {"X", "dicts", "several dicts", "examples", "broadcast", "zipped", "generator"}
MANY |= {"dict of lists", "iterator", "generator, extra key"}


def flat(result: Any, form: str) -> list[list[dict[str, Any]]]:
    """A result as a list of rankings; the form of the call determines how many there are."""
    if form in MANY:
        return [[entry] if isinstance(entry, dict) else entry for entry in result]
    return [[result] if isinstance(result, dict) else result]


def difference(theirs: Any, ours: Any, form: str, *, exact: bool) -> str:
    """A description of the difference, or "" if there is none.

    Entries with a negligible score are junk of 4.57.6. Only if `exact`, they are compared, too, and
    with them whether a single answer is a dictionary or a list with junk entries.
    """
    if type(theirs) is not type(ours) and exact:
        return f"{type(theirs).__name__} and {type(ours).__name__}"
    left, right = flat(theirs, form), flat(ours, form)
    if len(left) != len(right):
        return f"{len(left)} and {len(right)} results"
    for mine, theirs_here in zip(right, left, strict=True):
        # a token without characters cannot be a quote
        other = [e for e in theirs_here if exact or e["answer"] or not e["end"]]
        counts = [sum(entry["score"] >= 2 * NEGLIGIBLE for entry in x) for x in (other, mine)]
        if counts[0] > len(mine) or counts[1] > len(theirs_here):
            return f"{len(other)} and {len(mine)} answers"
        for rank, entry in enumerate(other):
            if entry["score"] < NEGLIGIBLE:
                break
            # the same entry must be at a rank that a tie can explain
            for at, found in enumerate(mine):
                same = all(entry[key] == found[key] for key in ("answer", "start", "end"))
                if same and abs(entry["score"] - found["score"]) <= TOLERANCE:
                    if at != rank and abs(other[at]["score"] - entry["score"]) > TOLERANCE:
                        return f"{entry} at rank {at}, not {rank}"
                    break
            else:
                return f"{entry} is not among {mine}"
    return ""
