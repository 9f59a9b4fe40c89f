"""A random sample of examples. Knows nothing of what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def sample(items: Sequence[Item], count: int, seed: int = 0) -> list[Item]:
    """`count` items without replacement, in their old order; all of them for 0 or too many.

    >>> sample("abcdef", 3)
    ['d', 'e', 'f']
    """
    if not 0 < count < len(items):
        return list(items)
    chosen = np.random.default_rng(seed).choice(len(items), count, replace=False)
    return [items[index] for index in np.sort(chosen)]
