"""Spelling: reads a question's misspelt words as words of the text, or else of the vocabulary.

Knows words and a tokenizer, not models.

    spelling = Spelling(encoder)
    spelling.correct("Who built the lighthuose?", [context])
    # Respelt("Who built the lighthouse?", (Correction("lighthuose", "lighthouse"),))

A model takes a misspelt word for a name that the text does not have, which is how unanswerable
questions of SQuAD 2.0 give themselves away. A word is misspelt if neither the vocabulary nor a text
has it, but a text has a word one edit away, or the vocabulary has one that a slip of the fingers
would turn into it. What may well be right is left alone: names (a capital inside a sentence), and
words that differ in an ending ("harbour", "harbours"). The rules were chosen on held-out data
(EXPERIMENTS.md).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pullquote.text import plain_letters
from pullquote.types import Correction

if TYPE_CHECKING:
    from pullquote.reading.encode import Encoder

_SHORTEST = 3  # letters of a word that may be misspelt
_SHORT = 4  # words with fewer letters are only read as one of _COMMON
_LONGEST = 40
_MOST = 8  # unknown words of a question that are looked for in the texts, which takes time
_NEAR_START = 8  # characters before a word that are looked at for the end of a sentence

_COMMON = frozenset(
    (
        *("about", "after", "all", "and", "any", "are", "but", "can", "could", "did", "does"),
        *("for", "from", "get", "had", "has", "have", "her", "his", "how", "is", "its", "just"),
        *("long", "many", "may", "much", "need", "not", "now", "off", "old", "one", "our", "out"),
        *("said", "say", "she", "should", "than", "that", "the", "their", "them", "then", "there"),
        *("they", "this", "time", "too", "two", "use", "was", "way", "were", "what", "when"),
        *("where", "which", "who", "whose", "why", "will", "with", "within", "would", "you"),
        "your",
    )
)
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: {
        other
        for near in _KEYS[max(0, row - 1) : row + 2]
        for other in near[max(0, column - 1) : column + 2]
        if other != key
    }
    for row, keys in enumerate(_KEYS)
    for column, key in enumerate(keys)
}
_VOWELS = frozenset("aeiou")
_SOUNDS = [set(letters) for letters in ("aeiouy", "ckqsz", "mn", "dt", "gj", "fvp")]
_VOWELS_FROM = 7  # letters of a word in which one vowel may stand for another ("seperate")
_ENDINGS = frozenset(("", "s", "d", "r", "y"))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SENTENCE_START = re.compile(r"(?:^|[.?!:]\s)\W*\Z")


class Respelt(NamedTuple):
    """A question as it is read, and what differs from the question as it was asked."""

    question: str
    corrections: tuple[Correction, ...] = ()


class Spelling:
    """Corrects the questions of one encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def correct(self, question: str, texts: Sequence[str]) -> Respelt:
        """The question with its misspelt words replaced; `texts` are what will be read.

        A text with ligatures has the words with plain letters, too.
        """
        texts = [plain_letters(text) for text in texts]
        corrections = []
        read, end = [], 0
        unknown = (
            (start, stop)
            for start, stop in self.encoder.split_words(question)
            if _is_candidate(question, start, question[start:stop])
        )
        for start, stop in itertools.islice(unknown, _MOST):
            word = question[start:stop]
            if better := self._better(word, texts):
                if word[0].isupper():
                    better = better[0].upper() + better[1:]
                corrections.append(Correction(word, better))
                read += [question[end:start], better]
                end = stop
        if not corrections:
            return Respelt(question)
        return Respelt("".join([*read, question[end:]]), tuple(corrections))

    def _better(self, word: str, texts: Sequence[str]) -> str | None:
        """The word that a misspelt one is read as; None where it is not misspelt."""
        if any(_stands_in(word, text) for text in texts):
            return None
        lower = word.lower()
        found = _words_of_length(texts, len(lower))
        if lower in found or lower in _COMMON:
            return None
        slips = _slips(lower)
        if common := [(slips[other], other) for other in _COMMON & slips.keys()]:
            return min(common)[1]
        if len(lower) < _SHORT:
            return None
        near = [
            (cost, -count, other)
            for other, count in found.items()
            if (cost := slips.get(other, _other_cost(lower, other))) is not None
        ]
        if near:
            return min(near)[2]
        known = [
            (slips[other], id, other)
            for other, id in self.encoder.word_ids(slips).items()
            if slips[other] == 0 or other[0] == lower[0]
        ]
        return min(known)[2] if known else None


def _is_candidate(question: str, start: int, word: str) -> bool:
    if not (_SHORTEST <= len(word) <= _LONGEST and word.isalpha() and word.isascii()):
        return False
    if word.islower():
        return True
    # a capital makes a name, but for the first word of a sentence ("Wehn", "hWen")
    begin = _SENTENCE_START.search(question[max(0, start - _NEAR_START) : start])
    return bool(begin) and not word.isupper()


def _stands_in(word: str, text: str) -> bool:
    """Whether a text has the word, written like this."""
    at = text.find(word)
    while at >= 0:
        after = at + len(word)
        if not (at and text[at - 1].isalnum()) and not text[after : after + 1].isalnum():
            return True
        at = text.find(word, after)
    return False


def _words_of_length(texts: Sequence[str], length: int) -> Counter[str]:
    """The words of the texts that are at most one letter longer or shorter, in lower case."""
    shape = re.compile(rf"\b[^\W\d_]{{{max(length - 1, 1)},{length + 1}}}\b")
    return Counter(found[0].lower() for text in texts for found in shape.finditer(text))


def _other_cost(word: str, other: str) -> int | None:
    """2 if a text's word is one edit apart that is no slip: an extra letter, or one that sounds
    alike. Not the first letter, nor an ending alone.
    """
    if word[0] != other[0] or not -1 <= len(other) - len(word) <= 0:
        return None
    same = 0
    while same < len(other) and word[same] == other[same]:
        same += 1
    rest, other_rest = word[same:], other[same:]
    if len(word) == len(other):
        alike = any({rest[0], other_rest[0]} <= sound for sound in _SOUNDS)
        apart = rest[1:] == other_rest[1:] and alike
    else:
        apart = rest[1:] == other_rest
    return 2 if apart and not _is_ending(rest, other_rest) else None


def _is_ending(rest: str, other_rest: str) -> bool:
    """Whether what differs is only a last letter such as the s of a plural, or two of them."""
    return max(len(rest), len(other_rest)) == 1 and {rest, other_rest} <= _ENDINGS


def _slips(word: str) -> dict[str, int]:
    """Words that a slip of the fingers turns into this one, with costs.

    0 for two swapped letters and a doubled one, 1 for a neighbouring key, a missing letter and, in
    a long word, another vowel.
    """
    slips: dict[str, int] = {}
    for i, letter in enumerate(word):
        before, after = word[:i], word[i + 1 :]
        if i:
            slips |= dict.fromkeys([before + missing + word[i:] for missing in _LETTERS], 1)
        for key in _NEIGHBOURS.get(letter, ()):
            if after or not {letter, key} <= _ENDINGS:
                slips[before + key + after] = 1
        if letter in _VOWELS and len(word) >= _VOWELS_FROM:
            slips |= dict.fromkeys([before + vowel + after for vowel in _VOWELS], 1)
    slips |= dict.fromkeys([word + missing for missing in _LETTERS if missing not in _ENDINGS], 1)
    for i, letter in enumerate(word[:-1]):
        if word[i + 1] == letter:
            slips[word[:i] + word[i + 1 :]] = 0
        else:
            slips[word[:i] + word[i + 1] + letter + word[i + 2 :]] = 0
    slips.pop(word, None)
    return slips
