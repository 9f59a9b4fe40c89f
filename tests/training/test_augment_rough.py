"""Rough wording: what is changed, what never is, and how often."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pullquote.training.augment import REWORDED, augmented, origin_of
from pullquote.training.recipe import AUGMENTATIONS
from pullquote.training.rough import keywords, misspelt
from pullquote.types import Example, Span

# QWERTY, read off a keyboard: the keys that touch a key
TOUCHES = {"e": "wrsd", "l": "kop", "a": "qwsz", "m": "njk", "g": "tyfhvb", "p": "ol"}
QUESTION = "Who won at Picquigny in 942, after Longsword's well-armed men left the 3rd island?"
CONTEXT = "Rollo ruled Normandy."


def misspellings(question: str, draws: int = 3000) -> list[str]:
    random = np.random.default_rng(0)
    return [made for _ in range(draws) if (made := misspelt(question, random))]


def queries(question: str, draws: int = 300) -> set[str | None]:
    random = np.random.default_rng(0)
    return {keywords(question, random) for _ in range(draws)}


def errors(question: str, made: str) -> int:
    """Typing errors of an answer of `misspelt`: edits, of which an exchange is one.

    >>> errors("Who ruled Rouen?", "who rulde roen")
    2
    """
    old, new = question.lower().rstrip("? "), made.lower().rstrip("? ")
    cost = np.zeros((len(old) + 1, len(new) + 1), dtype=int)
    for i in range(len(old) + 1):
        for j in range(len(new) + 1):
            ways = [max(i, j)] if not i or not j else []
            if i and j:
                ways += [cost[i - 1, j] + 1, cost[i, j - 1] + 1]
                ways.append(cost[i - 1, j - 1] + (old[i - 1] != new[j - 1]))
            if i > 1 and j > 1 and old[i - 2 : i] == new[j - 2 : j][::-1]:
                ways.append(cost[i - 2, j - 2] + 1)
            cost[i, j] = min(ways)
    return int(cost[-1, -1])


def test_a_typing_error_is_a_neighbouring_key_or_a_letter_too_few_too_many_or_too_early() -> None:
    word = "Gamel"
    possible = set()
    for i, letter in enumerate(word):
        before, after = word[:i], word[i + 1 :]
        for key in TOUCHES[letter.lower()]:
            possible.add(before + (key.upper() if letter.isupper() else key) + after)
        possible |= {before + after, before + letter + word[i:]}
    possible |= {"Agmel", "Gmael", "Gaeml", "Gamle"}  # the capital stays in front
    careless = {w.lower() for w in possible}
    assert set(misspellings("Gamel")) == possible | careless
    # the words around it are too short, and the digits are none of its letters
    for made in misspellings("In 911, was 5million or AIDS2 a Gamel?"):
        assert re.fullmatch(r"In 911, was 5million or AIDS2 a \w{4,6}\??", made, re.I)


def test_blanks_apostrophes_and_hyphens_get_lost() -> None:
    made = set(misspellings(QUESTION))
    for old, new in [
        ("Longsword's", "Longswords"),
        ("well-armed", "wellarmed"),
        ("well-armed men", "well-armedmen"),
        ("left the", "leftthe"),
    ]:
        assert QUESTION.replace(old, new) in made
    # neither between short words, nor before digits or punctuation
    assert not [q for q in made if re.search(r"whowon|wonat|in942|942,after|the3", q.lower())]
    assert not [q for q in misspellings("What 10 men?") if "10" not in q.split()]
    # five times as often as a given letter is mistyped: in "who's" half of the time
    lost = Counter(q.lower().rstrip("?") == "whos he" for q in misspellings("Who's he?"))
    assert 0.4 < lost[True] / 3000 < 0.6


def test_a_misspelt_question_has_one_error_or_two_and_its_digits_and_short_words() -> None:
    counts: Counter[int] = Counter()
    for made in misspellings(QUESTION, 1500):
        assert made != QUESTION
        counts[errors(QUESTION, made)] += 1
        assert re.findall(r"\d+(?:rd)?", made) == ["942", "3rd"]
        assert re.match(r"Who won at ", made, re.I)
    assert set(counts) == {1, 2}
    assert counts[2] / 1500 == pytest.approx(1 / 3, abs=0.05)
    # two errors are in two words; there is only one here
    assert {errors("Was Longsword 5?", q) for q in misspellings("Was Longsword 5?", 300)} == {1}


def test_a_quarter_is_in_lower_case_or_without_question_mark_or_both() -> None:
    counts = Counter((q.islower(), q.endswith("?")) for q in misspellings(QUESTION))
    assert counts[False, True] / 3000 == pytest.approx(3 / 4, abs=0.03)
    for careless in [(True, True), (False, False), (True, False)]:
        assert counts[careless] / 3000 == pytest.approx(1 / 12, abs=0.03)


def test_longer_words_are_misspelt_more_often() -> None:
    counts: Counter[str] = Counter()
    for made in misspellings("ruin, Constantinople"):
        same = difflib.SequenceMatcher(None, "ruin, Constantinople".lower(), made.lower())
        changed = {
            "ruin" if start < 5 else "Constantinople"
            for tag, start, *_ in same.get_opcodes()
            if tag != "equal"
        }
        if len(changed) == 1:
            counts.update(changed)
    assert counts["Constantinople"] / counts["ruin"] == pytest.approx(14 / 4, rel=0.2)


@pytest.mark.parametrize(
    "question", ["Who is he?", "1066?", "", "Кто правил Нормандией?", "谁统治诺曼底？"]
)
def test_nothing_is_misspelt_without_a_word_of_four_latin_letters(question: str) -> None:
    assert misspellings(question, 20) == []


@pytest.mark.parametrize(
    ("question", "without", "inside"),
    [
        (
            "In what year was the Duke of Normandy born?",
            "year Duke Normandy born",
            "year Duke of Normandy born",
        ),
        # at the end, in a name, or with a meaning of its own
        ("What is the Tower made of?", "Tower made", "Tower made"),
        (
            "Is Will Smith of The Who in the U.S.?",
            "Will Smith The Who U.S.",
            "Will Smith of The Who in U.S.",
        ),
        ("Who did not rule before 1066?", "not rule before 1066", "not rule before 1066"),
        ("What’s her first husband’s town?", "first husband’s town", "first husband’s town"),
        ("Should they then be so rich, himself poor?", "rich poor", "rich poor"),
        # punctuation
        (
            "Who said: “Rollo, (the) duke of St. Clair, can’t”? .",
            "said Rollo duke St. Clair can’t",
            "said Rollo duke of St. Clair can’t",
        ),
        ("Rollo's $5 - a C++ of 9/11 whom?", "Rollo's $5 C++ 9/11", "Rollo's $5 C++ of 9/11"),
        (
            "Name the duke who ruled Normandy.",
            "Name duke ruled Normandy",
            "Name duke ruled Normandy",
        ),
        ("Name a duke before 911.", "Name duke before 911", "Name duke before 911"),
    ],
)
def test_a_query_has_the_words_that_mean_something(
    question: str, without: str, inside: str
) -> None:
    assert queries(question) == {without, inside, without.lower(), inside.lower()}


def test_most_queries_are_in_lower_case_and_a_fifth_has_prepositions() -> None:
    random = np.random.default_rng(0)
    made = [keywords("Who was the Duke of Normandy?", random) or "" for _ in range(3000)]
    counts = Counter((q.islower(), " of " in q) for q in made)
    assert {*made} == {"duke normandy", "duke of normandy", "Duke Normandy", "Duke of Normandy"}
    assert (counts[True, False] + counts[True, True]) / 3000 == pytest.approx(0.8, abs=0.03)
    assert (counts[False, True] + counts[True, True]) / 3000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    "question",
    ["Who was Rollo?", "Where is it?", "", "? -", "rollo ruled normandy", "Кто правил Нормандией?"],
)
def test_no_query_has_fewer_than_two_words_or_all_of_them(question: str) -> None:
    assert queries(question) == {None}


def test_a_reworded_question_keeps_text_and_answers_and_tells_its_origin() -> None:
    answered = Example("a-1", "Who ruled in Normandy?", CONTEXT, (Span("Rollo", 0, 5),), "Normans")
    examples = [answered, replace(answered, id="b", question="Whom ruled Rollo over?", answers=())]
    origins = {example.id: example for example in examples}
    assert set(REWORDED) <= set(AUGMENTATIONS)
    for kind in REWORDED:
        made = augmented(examples, [kind], 3.0, 0)
        assert {origin_of(new.id) for new in made} == {"a-1", "b"}
        assert len({new.id for new in made}) == len(made) > 2
        for new in made:
            old = origins[origin_of(new.id) or ""]
            assert new == replace(old, id=new.id, question=new.question)
            assert new.question != old.question
        assert made == augmented(examples, [kind], 3.0, 0)
        assert made != augmented(examples, [kind], 3.0, 1)
    queries = augmented(examples, ["keywords"], 1.0, 0)
    assert {new.question.lower() for new in queries} == {"ruled normandy", "ruled rollo over"}
    # nothing can be made of these
    assert augmented([replace(answered, question="Who is he?")], REWORDED, 1.0, 0) == []


@pytest.mark.parametrize(
    ("id", "origin"),
    [
        ("56be-misspelt", "56be"),
        ("56be-keywords12", "56be"),
        ("a-b\nc-keywords", "a-b\nc"),
        ("56be-misspelt-keywords1", "56be-misspelt"),
        *((f"56be-{kind}", None) for kind in AUGMENTATIONS if kind not in REWORDED),
        ("56be", None),
        ("misspelt", None),
        ("-misspelt", None),
        ("56be-misspelt0", None),
        ("56be-misspelt-moved", None),
        ("56be-misspelt1a", None),
    ],
)
def test_only_reworded_questions_have_an_origin(id: str, origin: str | None) -> None:
    assert origin_of(id) == origin
