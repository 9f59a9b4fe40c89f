"""The second reading: which sentences are put side by side, and what is said of them."""

from __future__ import annotations

import pytest

from pullquote import Index, Reader, Searcher
from pullquote.reading.decode import Candidates, ScoredSpan
from pullquote.searching.index import RetrievedPassage
from pullquote.searching.search import Ranking, Retrieval
from pullquote.searching.shortlist import Look, Shortlist
from pullquote.types import Document, Example, Mark, Passage

TEXTS = (
    "Ann built\nthe mill. It burnt down.",
    "It rained. Bob owned the mill.",
    "Dan sold it.",
    "Eve saw it.",
)


def passage(text: str, name: str = "a.txt") -> Passage:
    return Passage(Document(name, "line"), text, 0, (Mark(0, 1),))


def span(text: str, quote: str, logit: float = 0.0) -> ScoredSpan:
    start = text.index(quote)
    return ScoredSpan(start, start + len(quote), logit, 0.0)


def window(text: str, null: float = 0.0, **quotes: float) -> Candidates:
    """A window whose quotes have these logits."""
    spans = [span(text, quote, logit) for quote, logit in quotes.items()]
    return Candidates(tuple(sorted(spans, key=lambda s: -s.logit)), null, 0.0, 20.0)


PASSAGES = [passage(text) for text in TEXTS]
BEST = list(zip(PASSAGES, map(span, TEXTS, ("Ann", "Bob", "Dan", "Eve")), strict=True))


def test_the_first_three_sentences_stand_on_lines_of_their_own() -> None:
    shortlist = Shortlist.of(BEST)
    assert shortlist.text == "Ann built the mill.\nBob owned the mill.\nDan sold it.\n"


def test_a_sentence_of_two_documents_is_listed_once() -> None:
    again = passage(TEXTS[0], "copy.txt"), span(TEXTS[0], "Ann")
    shortlist = Shortlist.of([BEST[0], again, *BEST[1:]])
    assert shortlist == Shortlist.of(BEST)


def test_a_quote_has_the_best_logit_of_its_sentence_and_others_have_the_least() -> None:
    shortlist = Shortlist.of(BEST)
    read = [
        window(shortlist.text, null=1.5, Ann=2.0, mill=3.0, Dan=-4.0),
        window(shortlist.text, null=0.5, Ann=2.5),
    ]
    looks = shortlist.looks(read)
    assert looks.of(*BEST[0]) == Look(3.0, 1.5)
    assert looks.of(PASSAGES[0], span(TEXTS[0], "built")) == Look(3.0, 1.5)
    assert looks.of(*BEST[2]) == Look(-4.0, 1.5)
    assert looks.of(*BEST[1]) == Look(-4.0, 1.5)  # it was read, and nothing found
    assert looks.of(*BEST[3]) == Look(-4.0, 1.5)  # it was not read
    assert looks.of(PASSAGES[0], span(TEXTS[0], "burnt")) == Look(-4.0, 1.5)  # another sentence
    assert looks.of(PASSAGES[1], span(TEXTS[0], "Ann")) == Look(-4.0, 1.5)  # another passage


def test_without_quotes_there_is_nothing_to_read_again() -> None:
    shortlist = Shortlist.of([])
    assert shortlist.text == ""
    assert shortlist.looks([]).of(*BEST[0]) == Look(0.0, 0.0)


# ---- as a part of a search


def found() -> tuple[Retrieval, list[list[Candidates]]]:
    """Two passages: Ann is ahead by one logit after the first reading."""
    entries = tuple(RetrievedPassage(one, 5.0) for one in PASSAGES[:2])
    windows = [[window(TEXTS[0], null=2.0, Ann=6.0)], [window(TEXTS[1], null=2.0, Bob=5.0)]]
    return Retrieval("Who?", "Who?", (), entries), windows


def searcher(reader: Reader, **weights: float) -> Searcher:
    return Searcher(reader, Index.in_memory(), ranking=Ranking(**weights))


def test_what_is_better_side_by_side_comes_first(reader: Reader) -> None:
    retrieval, windows = found()
    shortlist = searcher(reader).shortlist(retrieval, windows)
    looks = shortlist.looks([window(shortlist.text, null=1.0, Ann=4.0, Bob=8.0)])

    def order(**weights: float) -> list[str]:
        result = searcher(reader, **weights).decide(retrieval, windows, 2, looks=looks)
        return [hit.text for hit in result.hits]

    assert order(again=0.2) == ["Ann", "Bob"]  # 6 + .8 against 5 + 1.6
    assert order(again=0.3) == ["Bob", "Ann"]  # 6 + 1.2 against 5 + 2.4
    alone = searcher(reader).decide(retrieval, windows, 2)
    assert [hit.text for hit in alone.hits] == ["Ann", "Bob"]


def test_whether_there_is_an_answer_is_decided_by_both_readings(reader: Reader) -> None:
    retrieval, windows = found()
    shortlist = searcher(reader).shortlist(retrieval, windows)
    looks = shortlist.looks([window(shortlist.text, null=1.0, Ann=4.0)])
    result = searcher(reader, null_again=0.5).decide(retrieval, windows, 1, looks=looks)
    assert result.null_score_diff == pytest.approx((2 - 6 + 0.5 * (1 - 4)) / 1.5)
    none = searcher(reader, null_again=0.0).decide(retrieval, windows, 1, looks=looks)
    assert none.null_score_diff == -4


def test_a_search_reads_the_shortlist_of_each_question(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Searcher(reader, ["The Norse came by sea, led by Rollo.", "They led the old king."])

    def read(retrieval: Retrieval, *texts: str) -> list[list[Candidates]]:
        return list(reader.read_all(Example("", retrieval.read_as, text) for text in texts))

    expected = []
    for question in ("Who led the Norse?", "Who led the king?"):
        retrieval = asked.retrieve(question)
        windows = read(retrieval, *(entry.passage.text for entry in retrieval.passages))
        shortlist = asked.shortlist(retrieval, windows)
        expected.append(shortlist.looks(*read(retrieval, shortlist.text)))
    used = []
    monkeypatch.setattr(Searcher, "decide", lambda *_, looks, **__: used.append(looks))
    list(asked.search_all(["Who led the Norse?", "Who led the king?"]))
    assert used == expected
    assert used[0].known
