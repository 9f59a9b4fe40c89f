"""Asks questions of texts and of folders, and marks every quote: right or wrong.

Knows readers and where evidence stands, not what is computed from the marks.

    asked = ask_texts(Reader("small"), [on_text(question) for question in load()])

A quote is right if its F1 with one of the good quotes is above 0.5 and it overlaps the evidence.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from questions import HERE, Question, evidence_place, examples

from pullquote import Example, Index, Prediction, Reader, Searcher
from pullquote.reading.calibrate import recalibrated
from pullquote.reading.decode import NEAREST
from pullquote.scoring.squad import best_over_golds
from pullquote.searching.documents import SourceFile, find, read
from pullquote.types import Passage

Place = tuple[int, int]  # characters of a text, half open


@dataclass(frozen=True, slots=True)
class Asking:
    """A question to ask of a text, and what is known of it."""

    example: Example
    text: str  # the name of the text, or of what it is a part of
    kind: str
    wording: str = ""
    sort: str = ""
    places: tuple[Place, ...] = ()  # of the evidence; none if it is unanswerable


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval found for an answerable question of a folder."""

    evidence: int  # the rank of the first passage with the evidence, from 1; 0 if there is none
    document: int  # the same for passages of the document with the evidence
    quoted: bool  # the best quote is from that document


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked: the decision, and which quotes are right."""

    id: str
    text: str
    kind: str
    wording: str
    sort: str
    answerable: bool
    answered: bool
    quotes: tuple[str, ...]  # best first, at most five
    right: tuple[bool, ...]  # of each quote
    score: float | None = None  # of the best quote
    no_answer_score: float | None = None
    log_odds: float | None = None  # of no answer against the best quote, at answerable=0.5
    found: Found | None = None  # only for answerable questions of folders

    @property
    def best_right(self) -> bool:
        return self.right[:1] == (True,)


def on_text(question: Question, form: str | None = None) -> Asking:
    """A question on a single text, as it is or in another form."""
    (example,) = examples([question])
    return Asking(
        replace(example, question=form or question.question),
        question.text,
        question.kind,
        question.wording,
        question.sort,
        (evidence_place(question, example.context),) if question.answers else (),
    )


def is_right(
    quote: str, start: int, end: int, golds: Sequence[str], places: Iterable[Place]
) -> bool:
    """Whether a quote counts as right: see above."""
    if not any(start < place_end and begin < end for begin, place_end in places):
        return False
    return best_over_golds(quote, golds)[1] > 0.5


def ask_texts(reader: Reader, askings: Sequence[Asking]) -> list[Asked]:
    """Each question of its text, at the decision that is stored with the model."""
    predictions = list(reader.answer_all((a.example for a in askings), top_k=NEAREST))
    neutral = (replace(p, threshold=None, answerable=0.5) for p in predictions)
    at_half = recalibrated(reader.config.calibration, neutral)
    return [
        _asked(asking, prediction, half.decision_value)
        for asking, prediction, half in zip(askings, predictions, at_half, strict=True)
    ]


def _asked(asking: Asking, prediction: Prediction, log_odds: float) -> Asked:
    golds = [span.text for span in asking.example.answers]
    quotes = prediction.answers[:NEAREST]
    return Asked(
        id=asking.example.id,
        text=asking.text,
        kind=asking.kind,
        wording=asking.wording,
        sort=asking.sort,
        answerable=bool(golds),
        answered=prediction.answer is not None,
        quotes=tuple(q.text for q in quotes),
        right=tuple(is_right(q.text, q.start, q.end, golds, asking.places) for q in quotes),
        score=quotes[0].score if quotes else 0.0,
        no_answer_score=prediction.no_answer_score,
        log_odds=log_odds,
    )


# ---- folders


def ask_folders(reader: Reader, questions: Sequence[Question]) -> list[Asked]:
    """Each question of its folder, which is indexed in a temporary directory."""
    asked = []
    for name in dict.fromkeys(q.text for q in questions):
        folder = HERE / name
        with (
            tempfile.TemporaryDirectory() as directory,
            Index.create(Path(directory, "index.db")) as index,
        ):
            index.add([folder])
            searcher = Searcher(reader, index)
            asked += [_ask_folder(searcher, q, folder) for q in questions if q.text == name]
    return asked


def _ask_folder(searcher: Searcher, question: Question, folder: Path) -> Asked:
    retrieval = searcher.retrieve(question.question)
    contexts = (Example("", retrieval.read_as, p.passage.text) for p in retrieval.passages)
    windows = list(searcher.reader.read_all(contexts))
    shortlist = searcher.shortlist(retrieval, windows)
    (again,) = searcher.reader.read_all([Example("", retrieval.read_as, shortlist.text)])
    looks = shortlist.looks(again)
    result = searcher.decide(retrieval, windows, NEAREST, looks=looks)
    half = searcher.decide(retrieval, windows, NEAREST, looks=looks, answerable=0.5)
    place = place_in_document(question, folder) if question.answers else None
    hits = result.hits[:NEAREST]
    best_at_half = half.hits[0].score if half.hits else 0.0
    found = None
    if place:
        passages = [entry.passage for entry in retrieval.passages]
        found = Found(
            _rank([_holds(passage, question.document, place) for passage in passages]),
            _rank([_name(passage) == question.document for passage in passages]),
            bool(hits) and _name(hits[0].passage) == question.document,
        )
    return Asked(
        id=question.id,
        text=question.text,
        kind=question.kind,
        wording=question.wording,
        sort=question.sort,
        answerable=bool(question.answers),
        answered=result.answered,
        quotes=tuple(hit.text for hit in hits),
        right=tuple(
            place is not None
            and _name(hit.passage) == question.document
            and is_right(hit.text, hit.start, hit.end, question.answers, [place])
            for hit in hits
        ),
        score=hits[0].score if hits else 0.0,
        no_answer_score=result.no_answer_score,
        log_odds=math.log(max(half.no_answer_score, 1e-12) / max(best_at_half, 1e-12)),
        found=found,
    )


def place_in_document(question: Question, folder: Path) -> Place:
    """Where the evidence stands in the text that is read from its document.

    Only letters and digits are compared, since a PDF breaks lines and words where it likes.
    """
    (file,) = find([folder / question.document])
    assert isinstance(file, SourceFile), file
    text: list[str] = []
    for passage in read(file):  # passages may overlap; only whitespace is between them
        text[passage.start :] = [" "] * (passage.start - len(text)) + list(passage.text)
    signs = [(sign, at) for at, c in enumerate(text) for sign in c.casefold() if sign.isalnum()]
    evidence = "".join(sign for sign in question.evidence.casefold() if sign.isalnum())
    flat = "".join(sign for sign, _ in signs)
    if flat.count(evidence) != 1:
        raise ValueError(f"{question.id}: the evidence stands {flat.count(evidence)} times there")
    first = flat.index(evidence)
    return signs[first][1], signs[first + len(evidence) - 1][1] + 1


def _holds(passage: Passage, document: str, place: Place) -> bool:
    return _name(passage) == document and passage.start <= place[0] and place[1] <= passage.end


def _name(passage: Passage) -> str:
    return Path(passage.document.path).name


def _rank(fits: Sequence[bool]) -> int:
    return fits.index(True) + 1 if True in fits else 0


# ---- transformers' pipeline


def from_pipeline(askings: Sequence[Asking], said: dict[str, dict]) -> list[Asked]:
    """What side_hf4.py printed, marked in the same way; of an abstention no quote is known."""
    asked = []
    for asking in askings:
        answer = said[asking.example.id]
        golds = [span.text for span in asking.example.answers]
        text, start, end = answer["answer"], answer["start"], answer["end"]
        asked.append(
            Asked(
                id=asking.example.id,
                text=asking.text,
                kind=asking.kind,
                wording=asking.wording,
                sort=asking.sort,
                answerable=bool(golds),
                answered=text != "",
                quotes=(text,) if text else (),
                right=(is_right(text, start, end, golds, asking.places),) if text else (),
            )
        )
    return asked
