"""Whether two results of the pipeline are the same, but for ties and the last digits."""

from __future__ import annotations

from typing import Any

TOLERANCE = 1e-4
NOTHING = 1e-5  # below it, an entry's place in the ranking is decided by rounding


MANY = {"X", "dicts", "several dicts", "examples", "broadcast", "zipped", "generator"}
MANY |= {"dict of lists", "iterator", "generator, extra key"}


def flat(result: Any, form: str) -> list[list[dict[str, Any]]]:
    """A list of rankings, whatever the form of the result; the form of the call says how many."""
    if form in MANY:
        return [[entry] if isinstance(entry, dict) else entry for entry in result]
    return [[result] if isinstance(result, dict) else result]


def difference(theirs: Any, ours: Any, form: str, *, exact: bool) -> str:
    """What differs, in words; "" for nothing.

    Entries without a score to speak of are 4.57.6's junk: which of them there are, and so whether a
    single answer is a dictionary or a list with junk, is compared only if `exact`.
    """
    if type(theirs) is not type(ours) and exact:
        return f"{type(theirs).__name__} and {type(ours).__name__}"
    left, right = flat(theirs, form), flat(ours, form)
    if len(left) != len(right):
        return f"{len(left)} and {len(right)} results"
    for mine, theirs_here in zip(right, left, strict=True):
        # a token without characters is no quote
        other = [e for e in theirs_here if exact or e["answer"] or not e["end"]]
        counts = [sum(entry["score"] >= 2 * NOTHING for entry in x) for x in (other, mine)]
        if counts[0] > len(mine) or counts[1] > len(theirs_here):
            return f"{len(other)} and {len(mine)} answers"
        for place, entry in enumerate(other):
            if entry["score"] < NOTHING:
                break
            # its equal must stand in a place that a tie could have given it
            for at, found in enumerate(mine):
                same = all(entry[key] == found[key] for key in ("answer", "start", "end"))
                if same and abs(entry["score"] - found["score"]) <= TOLERANCE:
                    if at != place and abs(other[at]["score"] - entry["score"]) > TOLERANCE:
                        return f"{entry} in place {at}, not {place}"
                    break
            else:
                return f"{entry} is not among {mine}"
    return ""
