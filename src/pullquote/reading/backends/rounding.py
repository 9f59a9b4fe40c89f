"""What rounding changes: the logits of two backends on the same windows.

    difference(int8, fp32, sample_windows(encoder)).largest

Knows neither weights nor files.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pullquote.errors import PullquoteWarning

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend
    from pullquote.reading.encode import Encoder
    from pullquote.types import Batch

_SAMPLES = (
    (
        "Who led the Norse?",
        "The Norse, led by Rollo, came by sea in 911 and settled in the north of France. Their "
        "land was called Normandy, and within a century they spoke French.",
    ),
    (
        "How long is the notice period?",
        "Either side may end the lease by giving three months' notice in writing, to the end of a "
        "quarter. The rent of 840 pounds is due on the first working day of each month.",
    ),
    (
        "What is the capital of France?",
        "Photosynthesis turns light into chemical energy: plants take in carbon dioxide and water, "
        "and give off oxygen. It takes place in chloroplasts, mostly in leaves.",
    ),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far start and end logits are apart."""

    median: float
    largest: float


def sample_windows(encoder: Encoder) -> Batch:
    """One window of each of three texts, with a question; one of them does not answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PullquoteWarning)  # that a question was cut
        return encoder.batch([next(encoder.windows(*sample)) for sample in _SAMPLES])


def difference(one: Backend, other: Backend, batch: Batch) -> Difference:
    """The difference of two backends on a batch, over the tokens that are not padding."""
    a, b = one(batch), other(batch)
    used = batch.attention_mask.astype(bool)
    gaps = np.abs([(a.start - b.start)[used], (a.end - b.end)[used]])
    return Difference(float(np.median(gaps)), float(gaps.max()))
