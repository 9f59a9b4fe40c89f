"""A question in words that are worth searching for. Knows English stop words, no index.

    query_words("When was the first lighthouse lit?")  # ["first", "lighthouse", "lit"]

The words stay as they were written; stemming is the engine's, for texts and questions alike.
"""

from __future__ import annotations

import re
import unicodedata

# Words that say how a question is asked rather than what about. Short: "first", "many", "after",
# "his" or "will" may be what tells one passage from another.
_STOP_WORDS = """
a an and are as at be been by can could did do does for from had has have how in is it its of on or
that the their these this those to was were what when where which who whom whose why will with would
what's who's where's when's how's why's that's it's there's
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_MOST = 64  # words of a question that are searched for, as many as a reader reads tokens


def query_words(question: str) -> list[str]:
    """The words of a question without stop words, each once, in order; all if none is left.

    >>> query_words("Who is the Who?")
    ['Who', 'is', 'the']
    """
    words = dict.fromkeys(_WORD.findall(unicodedata.normalize("NFC", question)))
    kept = [word for word in words if word.replace("’", "'").casefold() not in STOP_WORDS]
    return (kept or list(words))[:_MOST]
