"""Spelling: what is taken for a slip, what is left alone, and what a reader makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pullquote import Reader, ReaderConfig
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.reading.encode import Encoder
from pullquote.reading.spelling import Respelt, Spelling
from pullquote.types import Correction

# The vocabulary of `wordpiece` has none of these words whole.
TEXT = "The first lighthouse in the harbour was painted by Winstanley; 40 boats, a market."


@pytest.fixture(scope="module")
def spelling(wordpiece: Tokenizer, tiny_config: ReaderConfig) -> Spelling:
    return Spelling(Encoder(Tokenizer.from_str(wordpiece.to_str()), tiny_config))


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        # slips of the fingers, to words of the text
        ("lighthuose", "lighthouse"),  # two letters swapped
        ("ilghthouse", "lighthouse"),
        ("lightthouse", "lighthouse"),  # one doubled
        ("lighthose", "lighthouse"),  # one missing
        ("lighthous", "lighthouse"),
        ("lighthiuse", "lighthouse"),  # a neighbouring key
        ("kighthouse", "lighthouse"),  # for the first letter, too
        # other edits, to words of the text
        ("harbiour", "harbour"),  # a letter too many
        ("marcet", "market"),  # one that sounds alike
        ("paintid", "painted"),
        ("winstenley", "winstanley"),
        # slips, to words of the vocabulary
        ("rievr", "river"),
        ("riiver", "river"),
        ("rver", "river"),
        ("rover", "river"),
        ("irver", "river"),
        # short words, to the commonest ones
        ("hte", "the"),
        ("waht", "what"),
        ("whoo", "who"),
        ("wgere", "where"),
    ],
)
def test_a_misspelt_word(spelling: Spelling, asked: str, read: str) -> None:
    found = spelling.correct(f"who led {asked} to rollo?", [TEXT])
    assert found == Respelt(f"who led {read} to rollo?", (Correction(asked, read),))


@pytest.mark.parametrize(
    "word",
    [
        *("lighthouse", "LIGHTHUOSE", "40", "l1ghthouse", "lighthouße", "лighthouse"),
        *("harbours", "painter", "boat", "markets"),  # differ in an ending from a word of the text
        *("rivers", "rive", "land", "lan"),  # the same, from a word of the vocabulary
        *("harpour", "lighthoves", "ligthuose"),  # p is no slip for b; two edits
        *("sxa", "dke"),  # short, and no common word is near
        *("eiver", "xea"),  # another first letter than the vocabulary's word has
        *("zzzzz", "x" * 41, "well-known", "o'neil"),
        *("should", "could"),  # common words, which this vocabulary does not have
    ],
)
def test_a_word_that_stays(spelling: Spelling, word: str) -> None:
    question = f"who led {word} to rollo?"
    assert spelling.correct(question, [TEXT]) == Respelt(question)


def test_names_stay_and_the_first_word_of_a_sentence_need_not_be_one(spelling: Spelling) -> None:
    stays = "who led Lighthuose to Rievr?"
    assert spelling.correct(stays, [TEXT]) == Respelt(stays)
    found = spelling.correct("  Lighthuose? Waht led it", [TEXT])
    assert found.question == "  Lighthouse? What led it"
    assert found.corrections == (
        Correction("Lighthuose", "Lighthouse"),
        Correction("Waht", "What"),
    )


@pytest.mark.parametrize("text", ["The rievr is old.", "Is it “Rievr”?", "rievr_x"])
def test_what_a_text_has_is_right(spelling: Spelling, text: str) -> None:
    question = "what is a rievr?"
    assert spelling.correct(question, ["long and old", text]) == Respelt(question)
    assert spelling.correct(question, ["the grievrs"]).question == "what is a river?"


def test_words_with_ligatures_are_words_of_the_text(spelling: Spelling) -> None:
    assert (
        spelling.correct("an efficint wheel", ["An eﬃcient wheel"]).question == "an efficient wheel"
    )
    assert not spelling.correct("an officy", ["An oﬃcy"]).corrections


def test_words_of_the_text_come_before_those_of_the_vocabulary(spelling: Spelling) -> None:
    """The cheapest edit of all texts, then the commonest word."""
    asked, texts = "who led the rivre?", [TEXT, "a rivret"]
    assert spelling.correct(asked, [TEXT]).corrections[0].read_as == "river"
    assert spelling.correct(asked, texts).corrections[0].read_as == "rivret"
    assert spelling.correct(asked, [*texts, "river"]).corrections[0].read_as == "river"
    alike = "a birt, a bott, a bott"
    assert spelling.correct("who led the bort?", [alike]).corrections[0].read_as == "bott"


def test_questions_keep_everything_else(spelling: Spelling) -> None:
    question = "\n who led  (the lighthuose),\tand hte-king?  "
    found = spelling.correct(question, [TEXT])
    assert found.question == "\n who led  (the lighthouse),\tand the-king?  "
    assert spelling.correct(found.question, [TEXT]) == Respelt(found.question)


@given(question=st.text(st.sampled_from("rivelthous wR.?\n'é0") | st.characters(), max_size=40))
def test_any_question_is_read_with_its_corrections_and_nothing_else(
    spelling: Spelling, question: str
) -> None:
    found = spelling.correct(question, [TEXT])
    rest = found.question
    for correction in found.corrections:
        assert correction.read_as in rest
        assert correction.word in question
    longer = sum(len(c.read_as) - len(c.word) for c in found.corrections)
    assert len(rest) == len(question) + longer
    assert found.corrections or rest == question


@pytest.mark.parametrize("kind", ["byte_level", "unigram"])
def test_other_tokenizers_know_the_words_of_the_text_and_the_commonest(
    kind: str, request: pytest.FixtureRequest, tiny_config: ReaderConfig
) -> None:
    tokenizer = Tokenizer.from_str(request.getfixturevalue(kind).to_str())
    spelling = Spelling(Encoder(tokenizer, tiny_config))
    question = " Waht led the lighthuose, and hte rievr?"
    found = spelling.correct(question, [TEXT])
    assert found.question == " What led the lighthouse, and the rievr?"
    words = [correction.word for correction in found.corrections]
    assert words == ["Waht", "lighthuose", "hte"]


# ---- what a reader makes of it


@pytest.fixture
def asked() -> list[list[int]]:
    """The token ids of every window that `reader` reads."""
    return []


@pytest.fixture
def reader(model_dir: Path, wordpiece: Tokenizer, asked: list[list[int]]) -> Reader:
    """Answers "Rollo" where the text has it, and abstains elsewhere."""
    rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        asked.append(ids)
        row = [0.0] + [10.0 if id == rollo else -10.0 for id in ids[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))


NORSE = "The Norse, led by Rollo, came by sea."


def test_the_reader_reads_the_right_words_and_says_so(
    reader: Reader, asked: list[list[int]]
) -> None:
    prediction = reader.answer("Who led rievr?", NORSE)
    assert prediction.corrections == (Correction("rievr", "river"),)
    assert prediction.to_dict()["corrections"] == [{"word": "rievr", "read_as": "river"}]
    reader.answer("Who led river?", NORSE)
    assert asked[0] == asked[1]
    assert reader.answer("Who led the Norse?", NORSE).corrections == ()
    assert reader.answer("Who led the rievr?", "").corrections == (Correction("rievr", "river"),)


def test_spelling_can_be_turned_off(
    model_dir: Path, reader: Reader, asked: list[list[int]]
) -> None:
    off = Reader(model_dir, spelling=False, backend=reader.backend)
    assert not off.config.spelling
    assert off.answer("Who led rievr?", NORSE).corrections == ()
    reader.answer("Who led river?", NORSE)
    assert asked[0] != asked[1]


def test_only_the_first_unknown_words_are_looked_for(spelling: Spelling) -> None:
    """Each is looked for in the whole text, so that their number is bounded."""
    words = [f"zq{letter}xw" for letter in "abcdefgh"]
    asked = " ".join([*words, "lighthuose"])
    assert spelling.correct(asked, [TEXT]).corrections == ()
    asked = " ".join([*words[:-1], "lighthuose"])
    assert [c.read_as for c in spelling.correct(asked, [TEXT]).corrections] == ["lighthouse"]
