"""Pruned contexts: what is kept, and where it comes from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pullquote import Reader, prune
from pullquote.errors import InputError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.reading.highlight import read_pieces
from pullquote.searching.prune import Pruned, evidence, shares_of
from pullquote.types import Document, Mark, Passage

WHO = "Who led the Norse?"
PASSAGES = [
    "The river ends at the sea. Rollo led them.  She was a duke. It is old.",
    "The sea is old. They came by sea. The king rises.",
    "The hills.",
]


@pytest.fixture(scope="module")
def reader(
    make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, wordpiece: Tokenizer
) -> Reader:
    """Answers "Rollo", "duke" and "king": logits +10, -10, null 0."""
    right = {wordpiece.token_to_id(word) for word in ("rollo", "duke", "king")}

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id in right else -10.0 for id in ids[1:]]
        return row, row

    model = make_model(tmp_path_factory.mktemp("models") / "model")
    return Reader(model, backend=ScriptedBackend(script))


def check(pruned: Pruned, passages: list[str]) -> None:
    """Every character of a part is that of its passage, and the rest joins them."""
    for part in pruned.kept:
        source = passages[part.passage][part.offset :][: part.end - part.start]
        assert pruned.text[part.start : part.end] == source
        assert pruned.origin(part.start) == (part.passage, part.offset)
        assert pruned.origin(part.end - 1) == (part.passage, part.offset + len(source) - 1)
    between = zip(pruned.kept, pruned.kept[1:], strict=False)
    for one, other in between:
        joined = pruned.text[one.end : other.start]
        assert joined == (" … " if one.passage == other.passage else "\n\n")
        assert pruned.origin(one.end) is None


def test_the_sentences_with_the_answer_are_left(reader: Reader) -> None:
    pruned = prune(WHO, PASSAGES, keep=0.9, reader=reader)
    assert pruned.text == "Rollo led them.  She was a duke.\n\nThe king rises."
    assert [part.passage for part in pruned.kept] == [0, 1]
    assert pruned.words == (10, 29)
    assert sum(part.score for part in pruned.kept) == pytest.approx(1, abs=1e-3)
    check(pruned, PASSAGES)


def test_what_is_left_out_within_a_passage_shows(reader: Reader) -> None:
    passages = ["Rollo led. The river ends. The duke came."]
    pruned = prune(WHO, passages, keep=0.9, reader=reader)
    assert pruned.text == "Rollo led. … The duke came."
    check(pruned, passages)


def test_the_best_come_first_until_their_sum_reaches_keep(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = np.array([[math.log(p) / 0.47] for p in (0.1, 0.6, 0.3)])
    assert shares_of(known).tolist() == pytest.approx([0.1, 0.6, 0.3])
    monkeypatch.setattr("pullquote.searching.prune.evidence", lambda *_: known)

    def left(keep: float) -> str:
        return prune(WHO, ["Rollo led. The sea. The king."], keep=keep, reader=reader).text

    assert left(0.59) == "The sea."
    assert left(0.61) == left(0.89) == "The sea. The king."
    assert left(0.91) == "Rollo led. The sea. The king."


def test_the_cost_of_keeping_all_is_linear(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "read_all", lambda *_, **__: iter([[], []]))
    begin = time.process_time()
    pruned = prune(
        WHO, ["Rollo led them here. " * 20_000, "The sea. " * 50_000], keep=1, reader=reader
    )
    assert time.process_time() - begin < 5  # quadratic: 20 s
    assert pruned.words == (180_000, 180_000)


@given(keep=st.floats(0.01, 1))
def test_more_is_kept_with_a_higher_keep(reader: Reader, keep: float) -> None:
    some, more = (prune(WHO, PASSAGES, keep=k, reader=reader) for k in (keep / 2, keep))
    check(some, PASSAGES)
    assert 0 < some.words[0] <= more.words[0] <= more.words[1]


def test_all_is_kept_with_1_and_nothing_of_no_text(reader: Reader) -> None:
    pruned = prune(WHO, [*PASSAGES, " "], keep=1, reader=reader)
    assert pruned.text == "\n\n".join(PASSAGES)
    assert pruned.words == (29, 29)
    for passages in ([], ["", " \n"]):
        assert prune(WHO, passages, reader=reader) == Pruned("", (), (0, 0))


def test_passages_of_documents(reader: Reader) -> None:
    passage = Passage(Document("a.txt", "line"), PASSAGES[0], 120, (Mark(0, 7),))
    pruned = prune(WHO, [passage], keep=0.5, reader=reader)
    place = pruned.origin(0)
    assert place is not None
    assert PASSAGES[0][place[1] :].startswith(pruned.text[:5])


@pytest.mark.parametrize(
    ("question", "passages", "keep", "message"),
    [
        (" ", ["a"], 0.9, "the question is blank"),
        (WHO, "a text", 0.9, "one text, expected a list"),
        (WHO, [3], 0.9, "something else than texts"),
        (WHO, ["a"], 0, "keep is 0, expected a probability"),
        (WHO, ["a"], 1.5, "keep is 1.5"),
        (WHO, ["a"], math.nan, "keep is nan"),
    ],
)
def test_what_it_refuses(
    reader: Reader, question: str, passages: list[str], keep: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        prune(question, passages, keep=keep, reader=reader)


def test_vectors_are_part_of_it_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    class Encoder:
        def encode(self, texts: list[str]) -> np.ndarray:
            return np.array([[1.0, 0.0] if "sea" in text else [0.0, 1.0] for text in texts])

    monkeypatch.setattr("pullquote.searching.prune.bundled", Encoder)
    pieces = list(read_pieces("By sea. By land.", []))
    known = evidence("sea", ["By sea. By land."], [pieces])
    assert known.tolist() == [[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]
    assert shares_of(known)[0] == pytest.approx(1 / (1 + math.exp(-6)))
