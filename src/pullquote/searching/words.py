"""Words: the search terms of a question, the form in which texts are indexed, common words.

    query_words("When was the first lighthouse lit?")  # ["first", "lighthouse", "lit"]
    indexed("The oﬃce")                                # "The office"

Knows no index. Words keep their form; the engine stems questions and passages alike.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata

from pullquote.checkpoints.bundled import BUNDLED
from pullquote.checkpoints.layout import TOKENIZER
from pullquote.text import plain_letters

# Words that say how something is asked, not what about. The list is short on purpose: "first",
# "many", "after" or "his" may tell one passage from another.
_STOP_WORDS = """
a an and are as at be been by can could did do does for from had has have how in is it its of on or
that the their these this those to was were what when where which who whom whose why will with would
what's who's where's when's how's why's that's it's there's
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_PLAIN_WORD = re.compile(r"[^\W_]+")
_MOST = 64  # search terms, as many as the tokens of a question that a reader reads


def query_words(question: str) -> list[str]:
    """The words of a question without stop words, each once, in order.

    A question of stop words alone keeps them:

    >>> query_words("Who is the Who?")
    ['Who', 'is', 'the']
    """
    words = dict.fromkeys(_WORD.findall(indexed(question)))
    kept = [word for word in words if word.replace("’", "'").casefold() not in STOP_WORDS]
    return (kept or list(words))[:_MOST]


def indexed(text: str) -> str:
    """A text as its words are indexed and looked up: ligatures and the like as plain letters."""
    return plain_letters(text)


def plain_words(text: str) -> list[str]:
    """The words of a text in small letters without accents, as engines on a server get them.

    >>> plain_words("Café_1: a state-of-the-art lamp.The end")
    ['cafe', '1', 'a', 'state', 'of', 'the', 'art', 'lamp', 'the', 'end']
    """
    text = text.lower()
    if not text.isascii():
        parts = unicodedata.normalize("NFD", text)
        kept = "".join(c for c in parts if not unicodedata.combining(c))
        text = unicodedata.normalize("NFC", kept)
    return _PLAIN_WORD.findall(text)


@functools.cache
def common_words() -> frozenset[str]:
    """Common English words: those that a bundled model has as tokens, in small letters."""
    try:
        tokens = json.loads((BUNDLED / "small" / TOKENIZER).read_bytes())["model"]["vocab"]
    except FileNotFoundError:
        return frozenset()
    return frozenset(token for token in tokens if token.isalpha())
