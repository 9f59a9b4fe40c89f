"""Training questions that nobody wrote: moved, swapped, cut out of sentences, teacher-labelled.

Knows examples alone; each kind is a function of the data and a seed.

    moved     a question on another paragraph of its article, where its answer does not stand
    swapped   a question with a name or number exchanged for another of its article: unanswerable
    cloze     a sentence of the text with a name or number replaced by a question word: answerable
    teacher   a moved question with whatever a teacher answers there

`moved` and `swapped` follow what makes SQuAD 2.0's own unanswerable questions (Rajpurkar, Jia and
Liang 2018, table 2: entity swaps are 21 % of them, mutually exclusive conditions and impossible
ones are near to `moved`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pullquote.errors import ConfigError
from pullquote.reading.sentences import sentence_around
from pullquote.types import Example, Span

_YEAR = re.compile(r"\b1[0-9]{3}\b|\b20[0-9]{2}\b")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_NAME = re.compile(r"(?<=[\w,;:] )(?:[A-Z][\w'’-]+)(?: (?:[A-Z][\w'’-]+))*")
# in this order: a year is a number, too
_KINDS = {"year": _YEAR, "number": _NUMBER, "name": _NAME}
_QUESTION_WORD = {"year": "what year", "number": "how many", "name": "what"}
_LONGEST_SENTENCE = 240


@dataclass(frozen=True, slots=True)
class _Article:
    """The paragraphs of an article, and the names and numbers that stand in them."""

    contexts: tuple[str, ...]
    mentions: dict[str, tuple[str, ...]]


def augmented(
    examples: Sequence[Example],
    kinds: Sequence[str],
    share: float,
    seed: int,
    teacher: Callable[[Sequence[Example]], Sequence[Span | None]] | None = None,
) -> list[Example]:
    """New examples of each kind, at most `share` times as many as `examples`; the same each time.

    An example of any kind has its origin's id with the kind appended. `teacher` gives the answers
    to examples. Raises `ConfigError` when it is among the kinds and there is none.
    """
    if not kinds:
        return []
    articles = _articles(examples)
    made: list[Example] = []
    for kind in kinds:
        random = np.random.default_rng([seed, *kind.encode()])
        new = _made(_MAKERS[kind], examples, articles, random, round(share * len(examples)), kind)
        if kind == "teacher":
            if teacher is None:
                raise ConfigError("augment names teacher, which needs one; set teacher")
            new = [
                replace(example, answers=(span,) if span else ())
                for example, span in zip(new, teacher(new), strict=True)
            ]
        made += new
    return made


def _made(
    maker: Callable[[Example, _Article, np.random.Generator], Example | None],
    examples: Sequence[Example],
    articles: dict[str, _Article],
    random: np.random.Generator,
    wanted: int,
    kind: str,
) -> list[Example]:
    """Try the examples in a random order, several times if need be; no question comes twice."""
    made: dict[tuple[str, str], Example] = {}
    for turn in range(max(1, -(-wanted // max(len(examples), 1)))):
        for index in random.permutation(len(examples)):
            if len(made) >= wanted:
                return list(made.values())
            example = examples[index]
            if new := maker(example, articles[_article_of(example)], random):
                new = replace(new, id=f"{example.id}-{kind}{turn or ''}")
                made.setdefault((new.question, new.context), new)
    return list(made.values())


def _moved(example: Example, article: _Article, random: np.random.Generator) -> Example | None:
    if example.is_impossible or len(article.contexts) < 2:
        return None
    for index in random.permutation(len(article.contexts)):
        below = article.contexts[index].lower()
        # where its answer stands, the question may well have it
        if not any(answer.text.lower() in below for answer in example.answers):
            return replace(example, context=article.contexts[index], answers=())
    return None


def _swapped(example: Example, article: _Article, random: np.random.Generator) -> Example | None:
    if example.is_impossible:
        return None
    for kind, start, end in _mentions(example.question):
        mention = example.question[start:end]
        others = [
            other
            for other in article.mentions[kind]
            if other not in example.question
            and mention not in other
            # 942 for 911, but not 3: what has another number of digits is another kind of thing
            and (kind == "name" or len(other) == len(mention))
        ]
        # what the text does not say itself is no trap: the question would be about something else
        if mention in example.context and others:
            other = others[random.integers(len(others))]
            question = example.question[:start] + other + example.question[end:]
            return replace(example, question=question, answers=())
    return None


def _cloze(example: Example, article: _Article, random: np.random.Generator) -> Example | None:
    mentions = list(_mentions(example.context))
    if not mentions:
        return None
    kind, start, end = mentions[random.integers(len(mentions))]
    sentence = sentence_around(example.context, start, end)
    if sentence.end - sentence.start > _LONGEST_SENTENCE:
        return None
    before = example.context[sentence.start : start]
    after = example.context[end : sentence.end].rstrip(" .!?;:")
    answer = Span(example.context[start:end], start, end)
    question = f"{before}{_QUESTION_WORD[kind]}{after}?"
    return replace(example, question=question, answers=(answer,))


_MAKERS = {"moved": _moved, "swapped": _swapped, "cloze": _cloze, "teacher": _moved}


def _article_of(example: Example) -> str:
    """What an example is of: its title, or without one its text alone."""
    return example.title or example.context


def _articles(examples: Sequence[Example]) -> dict[str, _Article]:
    contexts: dict[str, dict[str, None]] = defaultdict(dict)
    for example in examples:
        contexts[_article_of(example)][example.context] = None
    return {
        title: _Article(
            tuple(texts),
            {
                name: tuple(
                    dict.fromkeys(
                        text[start:end]
                        for text in texts
                        for kind, start, end in _mentions(text)
                        if kind == name
                    )
                )
                for name in _KINDS
            },
        )
        for title, texts in contexts.items()
    }


def _mentions(text: str) -> Iterator[tuple[str, int, int]]:
    """Names, years and other numbers: kind and characters, in the order of the kinds."""
    taken: list[tuple[int, int]] = []
    for kind, pattern in _KINDS.items():
        for match in pattern.finditer(text):
            start, end = match.span()
            if not any(start < other and begin < end for begin, other in taken):
                taken.append((start, end))
                yield kind, start, end
