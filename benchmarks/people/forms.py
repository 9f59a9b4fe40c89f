"""Made forms of a question: lower case, keywords, one typo, two typos. Seeded by the question's id.

    made("Who pays for the lift?", "contract-03-4")
    # {"plain": "Who pays for the lift?", "lower case": "who pays for the lift?",
    #  "keywords": "pays lift", "one typo": "Woh pays for the lift?",
    #  "two typos": "ho pays eor the lift?"}

Knows words, not texts or models.
"""

from __future__ import annotations

import random
import re

from questions import FUNCTION_WORDS

FORMS = ("plain", "lower case", "keywords", "one typo", "two typos")

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: "".join(
        _KEYS[up][left]
        for up in range(row - 1, row + 2)
        for left in range(at - 1, at + 2)
        if (up, left) != (row, at) and 0 <= up < len(_KEYS) and 0 <= left < len(_KEYS[up])
    )
    for row, keys in enumerate(_KEYS)
    for at, key in enumerate(keys)
}
_WORD = re.compile(r"[^\W\d_]{3,}")


def made(question: str, id: str) -> dict[str, str]:
    """All forms of a question; two typos are in two words."""
    dice = random.Random(id)
    words = [found.span() for found in _WORD.finditer(question)]
    chosen = dice.sample(words, min(2, len(words)))
    one = _misspelt(question, chosen[:1], dice)
    two = _misspelt(question, chosen, random.Random(id + " two"))
    return {
        "plain": question,
        "lower case": question.lower(),
        "keywords": " ".join(
            word
            for word in re.findall(r"[^\W_]+(?:[.,:'’-][^\W_]+)*", question.lower())
            if word not in FUNCTION_WORDS
        )
        or question,
        "one typo": one,
        "two typos": two,
    }


def _misspelt(question: str, spans: list[tuple[int, int]], dice: random.Random) -> str:
    for start, end in sorted(spans, reverse=True):
        question = question[:start] + _typo(question[start:end], dice) + question[end:]
    return question


def _typo(word: str, dice: random.Random) -> str:
    """The word with two letters swapped, one left out, one doubled, or a key beside it pressed."""
    kinds = ["swap", "drop", "double", "neighbour"]
    while True:
        kind, at = dice.choice(kinds), dice.randrange(len(word))
        if kind == "swap" and at + 1 < len(word):
            typed = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        elif kind == "drop":
            typed = word[:at] + word[at + 1 :]
        elif kind == "double":
            typed = word[:at] + word[at] + word[at:]
        else:
            key = dice.choice(_NEIGHBOURS.get(word[at].lower(), word[at]))
            typed = word[:at] + (key.upper() if word[at].isupper() else key) + word[at + 1 :]
        if typed != word:
            return typed
