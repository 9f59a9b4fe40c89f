"""One answer from many passages: ranking, abstaining, spelling, places; and the demo corpus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from searching_helpers import MILL, MakeFolder
from tokenizers import Tokenizer

from pullquote import Index, Prediction, PullquoteWarning, Reader, Searcher
from pullquote.errors import IndexFileError, InputError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.reading.decode import Candidates, ScoredSpan
from pullquote.searching.index import RetrievedPassage
from pullquote.searching.search import Ranking, Retrieval
from pullquote.types import Correction, Document, Mark, Passage

WHO = "Who led the Norse?"
ALL = {"threshold": 9999.0}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "i.db") as index:
        yield index


def added(index: Index, folder: Path) -> Index:
    index.add([folder])
    return index


def test_the_quote_its_place_and_its_passage(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder(
        {
            "norse.txt": "Of ships.\n\nThe Norse came by sea,\nled by Rollo, in 911.",
            "river.txt": "The river rises in the hills.",
        }
    )
    (hit,) = Searcher(reader, added(index, folder)).ask(WHO)
    assert hit.text == "Rollo"
    assert hit.place.link == f"{folder}/norse.txt:4"
    text = (folder / "norse.txt").read_text()
    assert text[hit.start : hit.end] == "Rollo"
    assert hit.passage.text[hit.offset :].startswith("Rollo")
    assert 0.5 < hit.score <= 1


def test_no_passage_supports_an_answer(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder({"a.txt": "The Norse came by sea.", "b.txt": "They led the old king."})
    searcher = Searcher(reader, added(index, folder))
    assert searcher.ask(WHO, top_k=3) == []
    result = searcher.search(WHO, top_k=3)
    assert not result.answered
    assert result.hits  # the nearest, none of which is an answer
    assert result.no_answer_score > 0.99
    assert result.passages == 2
    assert searcher.ask(WHO, threshold=9999.0)
    # no word of it is anywhere
    nothing = searcher.search("Zebra?")
    assert (nothing.hits, nothing.no_answer_score, nothing.passages) == ((), 1.0, 0)


def test_a_search_abstains_above_the_threshold_and_not_at_it(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder({"a.txt": "The Norse were led by Rollo."})
    searcher = Searcher(reader, added(index, folder))
    diff = searcher.search(WHO).null_score_diff
    assert searcher.search(WHO, threshold=diff).answered
    assert not searcher.search(WHO, threshold=float(np.nextafter(diff, -np.inf))).answered


def test_equal_answers_are_one_hit_that_names_the_other_places(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder(
        {
            "a.txt": "The Norse were led by Rollo.",
            "b.txt": "Rollo led the Norse, who came by sea.",
            "c.txt": "The Norse were led by a duke.",
        }
    )
    hits = Searcher(reader, added(index, folder)).ask(WHO, top_k=3)
    assert [hit.text.casefold() for hit in hits][:2] == ["rollo", "duke"]
    places = [hits[0].place, *hits[0].also]
    assert sorted(Path(place.path).name for place in places) == ["a.txt", "b.txt"]
    assert hits[1].also == ()
    assert hits[0].score > 0.9  # not shared with itself


def test_overlapping_passages_give_a_place_once(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    sentence = "The river rises in the hills and the Norse ends at the sea. "
    folder = make_folder(
        {"a.txt": sentence * 17 + "The Norse, led by Rollo, came. " + sentence * 17}
    )
    added(index, folder)
    seen_twice = [f for f in index.search(WHO) if "Rollo" in f.passage.text]
    assert len(seen_twice) == 2
    hits = Searcher(reader, index).ask(WHO, top_k=5, **ALL)
    places = [(hit.start, hit.end) for hit in hits]
    assert all(a[1] <= b[0] or b[1] <= a[0] for a in places for b in places if a != b)
    assert [hit.text for hit in hits].count("Rollo") == 1
    assert hits[0].also == ()


def test_a_quote_far_down_in_a_document_has_its_place_there(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    text = "The river rises in the hills.\n\n" * 100 + "The Norse, led by Rollo, came."
    folder = make_folder({"a.txt": text})
    (hit,) = Searcher(reader, added(index, folder)).ask(WHO)
    assert (hit.start, hit.end) == (text.index("Rollo"), text.index("Rollo") + 5)
    assert hit.place.number == 201
    assert hit.passage.start + hit.offset == hit.start > len(hit.passage.text)


def test_all_passages_are_read_in_one_go(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder({f"{n}.txt": f"The Norse of {n}." for n in range(30)})
    searcher = Searcher(reader, added(index, folder), ranking=Ranking(passages=12))
    assert searcher.search(WHO).passages == 12
    backend = reader.backend
    assert isinstance(backend, ScriptedBackend)
    assert [rows for rows, _ in backend.batches] == [12, 1]  # then the best sentences once more


def reading(model_dir: Path, wordpiece: Tokenizer, logits: dict[str, float], null: float) -> Reader:
    """A reader that gives words their logits where "sea" stands, with a null logit of its own."""
    ids = {wordpiece.token_to_id(word): logit for word, logit in logits.items()}
    sea = wordpiece.token_to_id("sea")

    def script(tokens: list[int]) -> tuple[list[float], list[float]]:
        row = [null if sea in tokens else 0.0] + [ids.get(id, -10.0) for id in tokens[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))


def test_a_quote_is_measured_from_the_null_logit_of_its_own_window(
    index: Index, make_folder: MakeFolder, model_dir: Path, wordpiece: Tokenizer
) -> None:
    folder = make_folder({"a.txt": "The Norse sea duke.", "b.txt": "The Norse hills king."})
    reader = reading(model_dir, wordpiece, {"duke": 5.0, "king": 4.0}, null=6.0)
    added(index, folder)
    plain = Ranking(null=0.0, retrieval=0.0)
    assert Searcher(reader, index, ranking=plain).ask("Norse?", **ALL)[0].text == "duke"
    half = Ranking(null=0.5, retrieval=0.0)  # 10 - 6 for the duke, 8 - 0 for the king
    (hit,) = Searcher(reader, index, ranking=half).ask("Norse?")
    assert hit.text == "king"


def test_retrieval_and_reading_are_weighed(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder(
        {
            "a.txt": "The Norse and the Norse and the Norse led a duke of the Norse.",
            "b.txt": "Led, Rollo; " + "the river rises in the hills and ends at the sea " * 5,
            **{f"{n}.txt": "The river rises in the hills." for n in range(20)},
        }
    )
    added(index, folder)
    for retrieval, expected in ((0.0, "Rollo"), (9.0, "duke")):
        ranking = Ranking(retrieval=retrieval)
        assert Searcher(reader, index, ranking=ranking).ask(WHO)[0].text == expected


def test_a_quote_is_as_likely_where_another_document_says_the_same(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    scores = []
    for number in range(3):
        added(index, make_folder({f"{number}.txt": f"The Norse were led by Rollo {number}."}))
        scores.append(Searcher(reader, index).ask(WHO)[0].score)
    assert scores == pytest.approx([scores[0]] * 3, abs=0.01)


def test_an_abstention_has_the_five_nearest_quotes(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    folder = make_folder({f"{n}.txt": f"The Norse of the {n}th sea." for n in range(9)})
    searcher = Searcher(reader, added(index, folder))
    for top_k, count in ((1, 5), (3, 5), (7, 7)):
        result = searcher.search(WHO, top_k)
        assert not result.answered
        assert len(result.hits) == len({hit.text for hit in result.hits}) == count
    assert len(searcher.search(WHO, 3, **ALL).hits) == 3


@pytest.mark.parametrize("config", [{"no_answer_threshold": -50.0}, {"answerable": 1e-9}])
def test_the_stored_decision_counts_unless_another_is_given(
    index: Index, make_folder: MakeFolder, reader: Reader, config: dict[str, float]
) -> None:
    added(index, make_folder({"a.txt": "The Norse were led by Rollo."}))
    shy = Reader(
        reader.directory.path, config=replace(reader.config, **config), backend=reader.backend
    )
    searcher = Searcher(shy, index)
    stored = searcher.search(WHO)
    assert (stored.answered, stored.threshold) == (False, config.get("no_answer_threshold"))
    assert stored.answerable == config.get("answerable", 0.5)
    for given in ({"threshold": 0.0}, {"answerable": 0.5}):
        found = searcher.search(WHO, **given)
        assert (found.answered, found.threshold) == (True, given.get("threshold"))
        assert searcher.ask(WHO, **given)[0].text == "Rollo"
    with pytest.raises(InputError, match="two ways to decide"):
        searcher.ask(WHO, threshold=0.0, answerable=0.5)


def test_where_probabilities_decide_none_must_be_likelier_than_the_best_quote(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    added(index, make_folder({"a.txt": "The Norse came by sea.", "b.txt": "They led the king."}))
    seen = set()
    for answerable in (0.5, 0.9, 0.999, 1 - 1e-9, 1 - 1e-12, 1):
        result = Searcher(reader, index).search(WHO, answerable=answerable)
        assert result.answered == (result.no_answer_score <= result.hits[0].score)
        assert result.answerable == answerable
        seen.add(result.answered)
    assert seen == {True, False}
    assert result.no_answer_score == 0


# ---- misspelt questions


def test_a_question_is_read_with_the_words_of_the_passages_and_retrieved_again(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    """The word that tells the passages apart is misspelt."""
    folder = make_folder(
        {
            "a.txt": "The Norse of the old market in the new city were led by Rollo.",
            **{
                f"{n}.txt": f"The Norse of the {n}th sea were led by Maximilian, an archduke there."
                for n in range(9)
            },
        }
    )
    searcher = Searcher(reader, added(index, folder), ranking=Ranking(passages=10))
    asked = "Norse marekt?"
    retrieval = searcher.retrieve(asked)
    assert (retrieval.question, retrieval.read_as) == (asked, "Norse market?")
    assert retrieval.corrections == (Correction("marekt", "market"),)
    assert "market" not in index.search(asked, 10)[0].passage.text
    assert "market" in retrieval.passages[0].passage.text
    result = searcher.search(asked)
    assert (result.question, result.corrections) == (asked, retrieval.corrections)
    assert result.to_dict()["corrections"] == [{"word": "marekt", "read_as": "market"}]
    assert result.hits == searcher.search("Norse market?").hits
    assert searcher.search("Norse?").corrections == ()


def test_a_question_of_misspelt_words_alone_is_read_with_the_vocabulary(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    added(index, make_folder({"a.txt": "The river rises in the hills."}))
    assert index.search("rievr") == []
    retrieval = Searcher(reader, index).retrieve("rievr")
    assert (retrieval.read_as, len(retrieval.passages)) == ("river", 1)


def test_spelling_can_be_turned_off(index: Index, make_folder: MakeFolder, reader: Reader) -> None:
    added(index, make_folder({"a.txt": "The Norse of the market were led by Rollo."}))
    off = Reader(reader.directory.path, spelling=False, backend=reader.backend)
    retrieval = Searcher(off, index).retrieve("Norse marekt?")
    assert (retrieval.read_as, retrieval.corrections) == ("Norse marekt?", ())


# ---- quotes and scores


def test_quotes_are_whole_and_do_not_overlap(index: Index, reader: Reader) -> None:
    text = "after sixty (60) days of notice"
    days, sixty, notice = (ScoredSpan(*place, 4.0, 0.0) for place in ((13, 21), (6, 11), (25, 31)))
    spans = (days, sixty._replace(start_logit=3.0), notice._replace(start_logit=2.0))
    passage = Passage(Document("a.txt", "line"), text, 70, (Mark(0, 1),))
    retrieval = Retrieval(WHO, WHO, (), (RetrievedPassage(passage, 0.0),))
    windows = [[Candidates(spans, 0.0, 0.0, log_mass=5.0)]]
    result = Searcher(reader, index).decide(retrieval, windows, top_k=3, answerable=1)
    assert [hit.text for hit in result.hits] == ["sixty (60) days", "notice"]
    for hit in result.hits:
        assert text[hit.offset :].startswith(hit.text)
        assert (hit.start, hit.end) == (70 + hit.offset, 70 + hit.offset + len(hit.text))


def test_a_quote_of_a_row_keeps_within_one_cell(index: Index, reader: Reader) -> None:
    text = "Item: oak door; Price: $840; Stock: 22"
    crossing = ScoredSpan(text.index("Price"), text.index("; Stock"), 4.0, 0.0)
    passage = Passage(Document("a.csv", "line"), text, 70, (Mark(0, 2),))
    retrieval = Retrieval(WHO, WHO, (), (RetrievedPassage(passage, 0.0),))
    windows = [[Candidates((crossing,), 0.0, 0.0, log_mass=5.0)]]
    (hit,) = Searcher(reader, index).decide(retrieval, windows, top_k=1, answerable=1).hits
    assert (hit.text, hit.start) == ("$840", 70 + text.index("$"))
    text = "Open: Monday to Friday from 8; Saturdays: from 9"  # of a plain text: no row
    span = ScoredSpan(6, len(text), 4.0, 0.0)
    passage = Passage(Document("a.txt", "line"), text, 0, (Mark(0, 1),))
    retrieval = Retrieval(WHO, WHO, (), (RetrievedPassage(passage, 0.0),))
    windows = [[Candidates((span,), 0.0, 0.0, log_mass=5.0)]]
    (hit,) = Searcher(reader, index).decide(retrieval, windows, top_k=1, answerable=1).hits
    assert hit.text == text[6:]


def test_a_question_that_is_cut_is_noted_once(index: Index, reader: Reader) -> None:
    added(index, MILL)
    with pytest.warns(PullquoteWarning, match="only the first 8 are read") as noted:
        Searcher(reader, index).search("Who led the mill to the weir and to the sea?")
    assert len(noted) == 1


def test_scores_and_no_answer_sum_to_at_most_one(index: Index, reader: Reader) -> None:
    searcher = Searcher(reader, added(index, MILL))
    result = searcher.search("Who led the mill?", top_k=500, threshold=9999.0)
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores[: reader.config.n_best_size]) + result.no_answer_score <= 1 + 1e-9


def test_the_shown_quotes_share_what_is_left_of_the_best_one(index: Index, reader: Reader) -> None:
    document = Document("a.txt", "line")
    words = [f"w{n}" for n in range(25)]
    passages = tuple(
        RetrievedPassage(Passage(document, word, 3 * n, (Mark(0, 1),)), 0.0)
        for n, word in enumerate(words)
    )
    # each window has one word, and nothing but it
    logits = [1.0 - n / 100 for n in range(25)]
    windows = [
        [Candidates((ScoredSpan(0, len(word), logit, 0.0),), 0.0, 0.0, log_mass=logit)]
        for word, logit in zip(words, logits, strict=True)
    ]
    retrieval = Retrieval(WHO, WHO, (), passages)
    for top_k, shown in ((1, 1), (5, 5), (25, 25)):
        result = Searcher(reader, index).decide(retrieval, windows, top_k, answerable=1)
        scores = [hit.score for hit in result.hits]
        assert [hit.text for hit in result.hits] == words[:shown]
        assert scores == sorted(scores, reverse=True)
        share = 1 / sum(math.exp(logit - 1.0) for logit in logits)
        assert scores[0] == pytest.approx(share)
        # but no quote is likelier than the best one, as some of the five would be
        assert (sum(scores) == pytest.approx(1)) == (shown == 25)


def test_the_json_form_of_a_result(index: Index, make_folder: MakeFolder, reader: Reader) -> None:
    folder = make_folder({"a.txt": "The Norse were led by Rollo.", "b.txt": "The Norse came."})
    searcher = Searcher(reader, added(index, folder))
    answered = searcher.search(WHO, top_k=2)
    assert answered.to_dict() == {
        "answer": answered.hits[0].to_dict(),
        "answers": [hit.to_dict() for hit in answered.hits],
        "no_answer_score": answered.no_answer_score,
        "answerable": 0.5,
        "null_score_diff": answered.null_score_diff,
        "threshold": answered.threshold,
        "passages": 2,
        "corrections": [],
    }
    abstained = searcher.search(WHO, top_k=2, threshold=-9999.0).to_dict()
    assert (abstained["answer"], abstained["threshold"]) == (None, -9999.0)
    assert abstained["answers"][:2] == answered.to_dict()["answers"] != []
    # the keys of a prediction, so that one program can read both
    assert Prediction("7", None, (), 1.0, 9.0).to_dict().keys() <= abstained.keys()


@pytest.mark.parametrize("top_k", [0, -1, 1.5, True])
def test_options_that_make_no_sense(index: Index, reader: Reader, top_k: object) -> None:
    with pytest.raises(InputError, match="top_k"):
        Searcher(reader, index).ask(WHO, top_k)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="blank"):
        Searcher(reader, index).ask("  ")
    with pytest.raises(InputError, match="passages"):
        Ranking(passages=0)
    with pytest.raises(IndexFileError, match="an empty index"):
        Searcher(reader, index).ask(WHO)


@pytest.mark.parametrize("engine", ["fts5", "tantivy"])
def test_the_demo_is_answered_from_every_kind_of_file(tmp_path: Path, engine: str) -> None:
    index = added(Index.create(tmp_path / "mill.db", engine=engine), MILL)
    searcher = Searcher(Reader(), index)
    for question, answer, link in [
        ("How long is the notice period?", "three months", "lease.pdf#page=3"),
        ("Who built the first mill?", "Hedda Kroon", "history.epub"),
        ("How many eels were counted?", "thirty-one", "journal.txt:4"),
        ("Who mended the gate?", "the smith, Ivo Marek", "letters.jsonl:1"),
        ("When does the ferry leave?", "7.15, 12.40 and 18.05", "ferry.csv:2"),
    ]:
        (hit,) = searcher.ask(question)
        assert (hit.text, Path(hit.place.link).name) == (answer, link)
    assert searcher.ask("Who is the mayor of Norrhavn?") == []
    assert searcher.ask("Who built the first mill?", path="*.txt") == []
    with pytest.raises(InputError, match=r"path=\*\.xyz: none of the documents matches"):
        searcher.ask("Who built the first mill?", path="*.xyz")
    index.close()


def test_passages_far_behind_the_best_are_not_read(
    index: Index, make_folder: MakeFolder, reader: Reader
) -> None:
    files = {f"{n}.txt": f"The Norse came by sea {n}." for n in range(8)}
    folder = make_folder({**files, "a.txt": "The Norse were led by Rollo."})
    added(index, folder)
    scores = [found.score for found in index.search(WHO)]
    assert len(scores) == 9
    gap = scores[0] - scores[1]
    assert gap > scores[1] - scores[-1]
    few = Searcher(reader, index, ranking=Ranking(margin=gap / 2))
    every = Searcher(reader, index, ranking=Ranking(margin=100.0))
    assert (len(few.retrieve(WHO).passages), few.retrieve(WHO).unread) == (1, 8)
    assert (len(every.retrieve(WHO).passages), every.retrieve(WHO).unread) == (9, 0)
    assert few.search(WHO).passages == 1
    # the margin is in logits, the gap in units of the score
    half = Searcher(reader, index, ranking=Ranking(margin=gap / 2, retrieval=0.4))
    assert half.search(WHO).passages == 9
    # what was not read counts among the chances of a quote to be the best
    hits = [searcher.search(WHO, **ALL).hits[0] for searcher in (few, every)]
    assert [hit.text for hit in hits] == ["Rollo", "Rollo"]
    assert hits[0].score == pytest.approx(hits[1].score, abs=0.01)


def test_among_passages_that_something_else_has_found(tmp_path: Path) -> None:
    """All are read, whatever their words; with `each`, every passage has its own best quote."""
    texts = ["The lighthouse.", "Rollo led the Norse.", "The Norse, led by Rollo, came.", " "]
    passages = [
        Passage(Document(str(n), "line"), text, 0, (Mark(0, 1),)) for n, text in enumerate(texts)
    ]
    searcher = Searcher(Reader())
    result = searcher.search_among("Who led the Norse?", passages, 2)
    assert result.answered
    assert (result.hits[0].text, result.passages) == ("Rollo", 4)
    assert len(result.hits[0].also) == 1

    each = searcher.search_among("Who led the Norse?", passages, 3, each=True)
    assert {hit.place.path for hit in each.hits} == {"0", "1", "2"}
    assert [hit.text for hit in each.hits[:2]] == ["Rollo", "Rollo"]
    assert all(texts[int(hit.place.path)][hit.start : hit.end] == hit.text for hit in each.hits)
    assert each.no_answer_score == pytest.approx(result.no_answer_score)

    assert searcher.search_among("Who?", []).hits == ()
    assert searcher.search_among("Where is the lighthuose?", passages).corrections
    with pytest.raises(InputError, match="blank"):
        searcher.search_among(" ", passages)
    with pytest.raises(InputError, match="top_k is 0"):
        searcher.search_among("Who?", passages, 0)
