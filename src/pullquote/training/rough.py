"""Rough wording: a question as people type it, in a hurry or into a search field.

    misspelt("Who ruled Normandy?", random)              # "Who ruled Nornandy?"
    keywords("When was the White Tower built?", random)  # "white tower built"

Knows English words and a QWERTY keyboard, no examples. Both functions draw from a generator that
is given, and return None for a question of which nothing can be made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from pullquote.searching.words import STOP_WORDS

_T = TypeVar("_T")

# each row stands half a key to the right of the one above: S touches W and E, Z and X
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: "".join(
        _ROWS[other][place]
        for other, place in (
            *((row - 1, column), (row - 1, column + 1), (row, column - 1), (row, column + 1)),
            *((row + 1, column - 1), (row + 1, column)),
        )
        if 0 <= other < len(_ROWS) and 0 <= place < len(_ROWS[other])
    )
    for row, keys in enumerate(_ROWS)
    for column, key in enumerate(keys)
}

# letters, with apostrophes and hyphens between them; never part of a word with digits
_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:['’-][^\W\d_]+)*(?!\w)")
_MARKS = "'’-"
_MARK_WEIGHT = 5  # an apostrophe is forgotten more often than a letter
_SHORTEST = 4  # letters of a word that is misspelt

_PREPOSITION_LIST = """
about as at by for from in into of on onto to upon with within
"""
_PREPOSITIONS = frozenset(_PREPOSITION_LIST.split())
# Dropped beside these and the stop words of the search. Not among them: "not", "before", "after",
# "between", "many", "first", without which the question is another one.
_FUNCTION_WORD_LIST = """
being am may might must shall should i you he she we they me him them my your her our mine
yours hers ours theirs himself herself itself themselves there here some any such so if
but then also whatever whichever whoever they're he's she's i'm you're we're
"""
_FUNCTION_WORDS = STOP_WORDS | _PREPOSITIONS | frozenset(_FUNCTION_WORD_LIST.split())
_MEASURED_LIST = """
many much old long large far big tall high deep often fast heavy hot cold wide late
"""
_MEASURED = frozenset(_MEASURED_LIST.split())
_QUOTES = "\"“”„«»()[]{}`'‘’"


def misspelt(question: str, random: np.random.Generator) -> str | None:
    """The question with one typing error, or in a third of the cases two, in different words.

    In a quarter it also is in lower case, lacks the final question mark, or both. Errors are in
    words of four letters or more, in proportion to their length. None where there is no such word.
    """
    words = [places for match in _WORD.finditer(question) if (places := _places(question, match))]
    if not words:
        return None
    first = _one([place for places in words for place in places], random)
    chosen = [first]
    others = [place for places in words if first not in places for place in places]
    if random.integers(3) == 0 and others:
        chosen.append(_one(others, random))
    rough = question
    for place in sorted(chosen, reverse=True):  # from the right: places to the left stay valid
        rough = _mistyped(rough, place, random)
    careless = random.integers(12)  # 0: lower case, 1: no question mark, 2: both
    if careless in (0, 2):
        rough = rough.lower()
    if careless in (1, 2):
        rough = rough.rstrip("? ")
    return rough


def _places(question: str, match: re.Match[str]) -> list[int]:
    """Where a typing error can be in a word: its letters, its marks, and the blank after it."""
    word, (start, end) = match.group(), match.span()
    if sum(map(str.isalpha, word)) < _SHORTEST:
        return []
    places = [start + i for i, char in enumerate(word) if char.lower() in _NEIGHBOURS]
    places += [start + i for i, char in enumerate(word) if char in _MARKS] * _MARK_WEIGHT
    if places and question[end : end + 1] == " " and question[end + 1 : end + 2].isalpha():
        places.append(end)
    return places


def _mistyped(text: str, place: int, random: np.random.Generator) -> str:
    """The text with one typing error: what is typed for the character at `place`.

    For the first "o" of "tower" one of:
        "i" (or another neighbour on the keyboard), "", "oo", and "wo" for "ow"
    """
    char, after = text[place], text[place + 1 : place + 2]
    if char.lower() not in _NEIGHBOURS:  # a blank, apostrophe or hyphen
        return text[:place] + text[place + 1 :]
    typed = [(_cased(_one(_NEIGHBOURS[char.lower()], random), char), 1), ("", 1), (char * 2, 1)]
    if after.lower() in _NEIGHBOURS and after.lower() != char.lower():
        typed.append((_cased(after, char) + _cased(char, after), 2))  # "Rollo": "Orllo"
    new, length = _one(typed, random)
    return text[:place] + new + text[place + length :]


def _cased(letter: str, like: str) -> str:
    return letter.upper() if like.isupper() else letter.lower()


def keywords(question: str, random: np.random.Generator) -> str | None:
    """The question without function words, as a search query; in four fifths in lower case.

    In a fifth, prepositions stay, except at the ends:
        "In what year was the Duke of Normandy born?"   "year duke normandy born"
                                                        "year duke of normandy born"
    None where fewer than two words remain, or none is dropped.
    """
    dropped = _FUNCTION_WORDS if random.integers(5) else _FUNCTION_WORDS - _PREPOSITIONS
    lower = random.integers(5) > 0
    bare = [word for part in question.replace("?", " ").split() if (word := _bare(part))]
    # a capital inside the question makes a name of it: "Will Smith", "The Who", "Vitamin A"
    known = [
        word.replace("’", "'").lower() if not i or word.islower() else word
        for i, word in enumerate(bare)
    ]
    kept = [
        i for i, word in enumerate(known) if word not in dropped or _asks_how_much(known[i : i + 2])
    ]
    while kept and known[kept[0]] in _PREPOSITIONS:
        kept.pop(0)
    while kept and known[kept[-1]] in _PREPOSITIONS:
        kept.pop()
    if not 2 <= len(kept) < len(bare):
        return None
    query = " ".join(bare[i] for i in kept)
    return query.lower() if lower else query


def _asks_how_much(words: Sequence[str]) -> bool:
    """Whether they are "how many", "how old": without "how", the rest asks nothing."""
    return len(words) == 2 and words[0] == "how" and words[1] in _MEASURED


def _bare(part: str) -> str:
    """A word without the punctuation around it; "St." and "U.S." keep their full stops."""
    word = part.strip(_QUOTES + ",;:!…–—-")
    word = re.sub(r"((?<=\w{4})|(?<=\d))\.+$", "", word)
    return word if re.search(r"\w", word) else ""


def _one(options: Sequence[_T], random: np.random.Generator) -> _T:
    return options[int(random.integers(len(options)))]
