"""Data augmentation: new training examples made from existing ones.

Knows examples only; each kind is a function of the data and a seed.

    moved     a question with another paragraph of its article, without the answer: unanswerable
    elsewhere a question with a paragraph of another article, without the answer: unanswerable
    swapped   a name or number of the question replaced by another of its article: unanswerable
    opposed   a word of the question replaced by its antonym: unanswerable
    shuffled  the sentences of the paragraph in another order: the answer stays the same
    cloze     a sentence of the paragraph with a name or number as the question word: answerable
    teacher   as `moved`, but labelled with the answer of a teacher
    misspelt  the question with one or two typing errors: the answer stays the same
    keywords  the question as a search query, without function words: the answer stays the same

The kinds follow the types of SQuAD 2.0's own unanswerable questions (Rajpurkar, Jia and Liang 2018,
table 2: 21 % entity swaps, 20 % antonyms; mutually exclusive and impossible conditions are close
to `moved`). Those are all about the topic of their paragraph; `elsewhere` is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pullquote.errors import ConfigError
from pullquote.reading.sentences import sentence_around, sentences
from pullquote.training.rough import keywords, misspelt
from pullquote.types import Example, Span

REWORDED = ("misspelt", "keywords")
"""The kinds whose question asks the same of the same text as that of their origin."""
_REWORDED_ID = re.compile(rf"(.+)-(?:{'|'.join(REWORDED)})(?:[1-9][0-9]*)?", re.DOTALL)

_YEAR = re.compile(r"\b1[0-9]{3}\b|\b20[0-9]{2}\b")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_NAME = re.compile(r"(?<=[\w,;:] )(?:[A-Z][\w'’-]+)(?: (?:[A-Z][\w'’-]+))*")
# in this order, since a year is also a number
_KINDS = {"year": _YEAR, "number": _NUMBER, "name": _NAME}
_QUESTION_WORD = {"year": "what year", "number": "how many", "name": "what"}
_LONGEST_SENTENCE = 240

_OPPOSITES = """
    first-last before-after north-south northern-southern east-west eastern-western above-below
    largest-smallest larger-smaller highest-lowest higher-lower most-least more-fewer high-low
    increase-decrease increased-decreased rose-fell growth-decline began-ended begin-end
    start-stop started-stopped opened-closed open-close won-lost win-lose winner-loser
    earliest-latest earlier-later early-late oldest-youngest older-younger longest-shortest
    longer-shorter best-worst better-worse strongest-weakest stronger-weaker strong-weak
    good-bad positive-negative male-female men-women man-woman boys-girls father-mother
    brother-sister brothers-sisters son-daughter sons-daughters king-queen husband-wife
    major-minor majority-minority maximum-minimum public-private urban-rural rich-poor
    wealthy-poor hot-cold warm-cool hottest-coldest wet-dry upper-lower top-bottom inside-outside
    internal-external domestic-foreign import-export imports-exports imported-exported
    allowed-forbidden allow-prevent legal-illegal possible-impossible common-rare
    likely-unlikely successful-unsuccessful similar-different with-without include-exclude
    included-excluded accept-reject accepted-rejected support-oppose supported-opposed
    create-destroy created-destroyed built-destroyed cause-prevent caused-prevented
    agree-disagree attack-defend attacked-defended victory-defeat always-never
    same-opposite modern-ancient true-false fastest-slowest faster-slower fast-slow wide-narrow
    summer-winter day-night advantage-disadvantage advantages-disadvantages strength-weakness
    benefits-drawbacks gained-lost gain-lose found-lost founded-abolished added-removed
    buy-sell bought-sold appointed-dismissed entered-left joined-left arrived-left front-back
    beginning-end start-end past-future heavy-light hard-soft liberal-conservative active-passive
    """


def _symmetric(pairs: str) -> dict[str, tuple[str, ...]]:
    opposites: dict[str, tuple[str, ...]] = {}
    for pair in pairs.split():
        one, other = pair.split("-")
        opposites[one] = (*opposites.get(one, ()), other)
        opposites[other] = (*opposites.get(other, ()), one)
    return opposites


_OPPOSITE = _symmetric(_OPPOSITES)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Article:
    """The paragraphs of an article, and the names and numbers in them, by kind."""

    contexts: tuple[str, ...]
    mentions: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Corpus:
    """All articles, and the paragraphs of all of them."""

    articles: dict[str, _Article]
    contexts: tuple[str, ...]

    def article(self, example: Example) -> _Article:
        return self.articles[_article_of(example)]


def augmented(
    examples: Sequence[Example],
    kinds: Sequence[str],
    share: float,
    seed: int,
    teacher: Callable[[Sequence[Example]], Sequence[Span | None]] | None = None,
) -> list[Example]:
    """New examples of each kind, at most `share` times as many as `examples`; deterministic.

    The id of a new example is that of its origin with the kind appended. `teacher` answers
    examples. Raises `ConfigError` when `teacher` is among the kinds and is not given.
    """
    if not kinds:
        return []
    corpus = _corpus(examples)
    made: list[Example] = []
    for kind in kinds:
        random = np.random.default_rng([seed, *kind.encode()])
        new = _generate(_MAKERS[kind], examples, corpus, random, round(share * len(examples)), kind)
        if kind == "teacher":
            if teacher is None:
                raise ConfigError("augment names teacher, which needs one; set teacher")
            new = [
                replace(example, answers=(span,) if span else ())
                for example, span in zip(new, teacher(new), strict=True)
            ]
        made += new
    return made


def origin_of(id: str) -> str | None:
    """The id of the example that a `REWORDED` one was made from; None for any other example.

    What a teacher says of the origin, its logits for instance, holds for the reworded question.

    >>> origin_of("56be-misspelt2")
    '56be'
    """
    match = _REWORDED_ID.fullmatch(id)
    return match[1] if match else None


def _generate(
    maker: Callable[[Example, _Corpus, np.random.Generator], Example | None],
    examples: Sequence[Example],
    corpus: _Corpus,
    random: np.random.Generator,
    wanted: int,
    kind: str,
) -> list[Example]:
    """Apply `maker` to examples in random order until enough are made; skip duplicates."""
    made: dict[tuple[str, str], Example] = {}
    for round_ in range(max(1, -(-wanted // max(len(examples), 1)))):
        for index in random.permutation(len(examples)):
            if len(made) >= wanted:
                return list(made.values())
            example = examples[index]
            if new := maker(example, corpus, random):
                new = replace(new, id=f"{example.id}-{kind}{round_ or ''}")
                made.setdefault((new.question, new.context), new)
    return list(made.values())


def _moved(example: Example, corpus: _Corpus, random: np.random.Generator) -> Example | None:
    contexts = corpus.article(example).contexts
    if example.is_impossible or len(contexts) < 2:
        return None
    for index in random.permutation(len(contexts)):
        if _without_answer(example, contexts[index]):
            return replace(example, context=contexts[index], answers=())
    return None


def _elsewhere(example: Example, corpus: _Corpus, random: np.random.Generator) -> Example | None:
    context = corpus.contexts[random.integers(len(corpus.contexts))]
    if context in corpus.article(example).contexts or not _without_answer(example, context):
        return None
    return replace(example, context=context, answers=())


def _without_answer(example: Example, context: str) -> bool:
    """Whether a text contains none of the answers; one that does may answer the question."""
    lowered = context.lower()
    return not any(answer.text.lower() in lowered for answer in example.answers)


def _swapped(example: Example, corpus: _Corpus, random: np.random.Generator) -> Example | None:
    if example.is_impossible:
        return None
    article = corpus.article(example)
    for kind, start, end in _mentions(example.question):
        mention = example.question[start:end]
        others = [
            other
            for other in article.mentions[kind]
            if other not in example.question
            and mention not in other
            # 942 for 911, but not 3: a number of another length counts something else
            and (kind == "name" or len(other) == len(mention))
        ]
        # only mentions of the paragraph: otherwise the new question has nothing to do with it
        if mention in example.context and others:
            other = others[random.integers(len(others))]
            question = example.question[:start] + other + example.question[end:]
            return replace(example, question=question, answers=())
    return None


def _opposed(example: Example, _: _Corpus, random: np.random.Generator) -> Example | None:
    if example.is_impossible:
        return None
    context_words = set(_WORD.findall(example.context.lower()))
    choices = [
        (match.span(), opposite)
        for match in _WORD.finditer(example.question)
        for opposite in _OPPOSITE.get(match.group(), ())
        # where the context has both words, the new question may be answerable
        if opposite not in context_words
    ]
    if not choices:
        return None
    (start, end), opposite = choices[random.integers(len(choices))]
    question = example.question[:start] + opposite + example.question[end:]
    return replace(example, question=question, answers=())


def _shuffled(example: Example, _: _Corpus, random: np.random.Generator) -> Example | None:
    parts = list(sentences(example.context))
    order = random.permutation(len(parts))
    if len(parts) < 2 or (np.diff(order) == 1).all():
        return None
    context, answers = "", []
    for part in (parts[index] for index in order):
        context += " " if context else ""
        for answer in example.answers:
            if part.start <= answer.start and answer.end <= part.end:
                start = len(context) + answer.start - part.start
                answers.append(Span(answer.text, start, start + len(answer.text)))
        context += part.text
    if len(answers) < len(example.answers):  # an answer that spans two sentences
        return None
    return replace(example, context=context, answers=tuple(answers))


def _cloze(example: Example, _: _Corpus, random: np.random.Generator) -> Example | None:
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


def _misspelt(example: Example, _: _Corpus, random: np.random.Generator) -> Example | None:
    question = misspelt(example.question, random)
    return replace(example, question=question) if question else None


def _keywords(example: Example, _: _Corpus, random: np.random.Generator) -> Example | None:
    question = keywords(example.question, random)
    return replace(example, question=question) if question else None


_MAKERS = {
    "moved": _moved,
    "elsewhere": _elsewhere,
    "swapped": _swapped,
    "opposed": _opposed,
    "shuffled": _shuffled,
    "cloze": _cloze,
    "teacher": _moved,
    "misspelt": _misspelt,
    "keywords": _keywords,
}


def _article_of(example: Example) -> str:
    """The key of an example's article: its title, or its context where it has none."""
    return example.title or example.context


def _corpus(examples: Sequence[Example]) -> _Corpus:
    contexts: dict[str, dict[str, None]] = defaultdict(dict)
    for example in examples:
        contexts[_article_of(example)][example.context] = None
    articles = {
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
    return _Corpus(articles, tuple(text for texts in contexts.values() for text in texts))


def _mentions(text: str) -> Iterator[tuple[str, int, int]]:
    """Names, years and other numbers: kind, start and end in characters, sorted by kind."""
    taken: list[tuple[int, int]] = []
    for kind, pattern in _KINDS.items():
        for match in pattern.finditer(text):
            start, end = match.span()
            if not any(start < other and begin < end for begin, other in taken):
                taken.append((start, end))
                yield kind, start, end
