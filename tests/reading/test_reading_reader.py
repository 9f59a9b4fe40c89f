"""The reader: order, laziness, batches, windows, options, workers."""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pullquote import Example, Reader, ReaderConfig
from pullquote.errors import ConfigError, InputError, ModelError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.types import Batch, Logits

QUESTION = "Who led the Norse?"
NORSE = "The Norse, led by Rollo, came by sea."
RIVER = "The river rises in the hills and ends at the sea."

MakeModel: TypeAlias = Callable[..., Path]


def random_logits(ids: list[int]) -> np.ndarray:
    """Random logits that depend on the window only."""
    return np.random.default_rng(ids).normal(size=(2, len(ids))) * 3


@pytest.fixture
def reader(model_dir: Path, wordpiece: Tokenizer) -> Reader:
    """Answers "Rollo" where the text has it and abstains elsewhere: logits +10, -10, null 0."""
    rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id == rollo else -10.0 for id in ids[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))


@pytest.fixture(scope="module")
def random_reader(
    tokenizer: Tokenizer, make_model: MakeModel, tmp_path_factory: pytest.TempPathFactory
) -> Reader:
    """A reader with random logits, for each kind of tokenizer."""
    path = make_model(tmp_path_factory.mktemp("models") / "model", tokenizer)
    return Reader(path, backend=ScriptedBackend(random_logits))


# ---- answers


def test_an_answer_is_a_quote_with_its_place(reader: Reader) -> None:
    prediction = reader.answer(QUESTION, NORSE)
    assert prediction.answer is not None
    assert prediction.text == "Rollo"
    assert NORSE[prediction.answer.start : prediction.answer.end] == "Rollo"
    assert prediction.null_score_diff == -20.0
    assert prediction.answer.score > 0.99


def test_no_answer_is_none_and_an_empty_text(reader: Reader) -> None:
    prediction = reader.answer(QUESTION, RIVER)
    assert (prediction.answer, prediction.text) == (None, "")
    assert prediction.no_answer_score > 0.99
    assert prediction.answers[0].score < 0.01


@pytest.mark.parametrize("before", [9, 600])  # more windows than are sorted together at once
def test_an_answer_in_the_last_of_many_windows_is_found(reader: Reader, before: int) -> None:
    context = RIVER * before + " " + NORSE
    answer = reader.answer(QUESTION, context).answer
    assert sum(B for B, _ in reader.backend.batches) > before / 2  # type: ignore[attr-defined]
    assert answer is not None
    assert (answer.text, answer.start) == ("Rollo", context.index("Rollo"))


def test_null_is_the_minimum_over_windows(model_dir: Path, wordpiece: Tokenizer) -> None:
    river = wordpiece.token_to_id("river")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        null = 1.5 if river in ids[3:] else 4.0
        return [null] + [0.0] * (len(ids) - 1), [null] + [1.0] * (len(ids) - 1)

    reader = Reader(model_dir, backend=ScriptedBackend(script))
    assert reader.answer("who", NORSE).null_score_diff == 8.0 - 1.0
    assert reader.answer("who", RIVER).null_score_diff == 3.0 - 1.0
    assert reader.answer("who", NORSE * 4 + RIVER + NORSE * 4).null_score_diff == 3.0 - 1.0


@settings(max_examples=150, deadline=None)
@given(
    context=st.text(
        st.sampled_from(
            "aé東, \n\t\r\u00a0\u3000\x00\u0301\u200b\u200d\ufeff\ufe0f😀👩🏽ﷺשָ한\u1161\ud83d"
        )
        | st.characters(),
        max_size=150,
    )
)
def test_every_answer_is_a_distinct_quote_without_blanks_at_its_ends(
    random_reader: Reader, context: str
) -> None:
    prediction = random_reader.answer(QUESTION, context, top_k=20)
    for answer in prediction.answers:
        assert 0 <= answer.start < answer.end <= len(context)
        assert context[answer.start : answer.end] == answer.text == answer.text.strip()
    assert len({answer.text.casefold() for answer in prediction.answers}) == len(prediction.answers)
    scores = [answer.score for answer in prediction.answers]
    assert scores == sorted(scores, reverse=True)
    assert math.fsum(scores) + prediction.no_answer_score <= 1.0 + 1e-9
    places = sorted((answer.start, answer.end) for answer in prediction.answers)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(places))
    quotable = (c.isalnum() or unicodedata.category(c) in ("So", "Sc") for c in context)
    assert bool(prediction.answers) == any(quotable)
    if prediction.answer:
        assert prediction.answer == prediction.answers[0]


@pytest.fixture(scope="module")
def rollo_reader(
    wordpiece: Tokenizer, make_model: MakeModel, tmp_path_factory: pytest.TempPathFactory
) -> Reader:
    """As `reader`, for many texts."""
    model_dir = make_model(tmp_path_factory.mktemp("models") / "model")
    rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id == rollo else -10.0 for id in ids[1:]]
        return row, row

    return Reader(model_dir, backend=ScriptedBackend(script))


WORDS = st.lists(
    st.sampled_from(["river", "Zoë,", "e\u0301", "x9", "東京", "\n", "😀"]), max_size=60
)


@given(before=WORDS, after=WORDS)
def test_offsets_of_later_windows_are_those_of_the_context(
    rollo_reader: Reader, before: list[str], after: list[str]
) -> None:
    context = " ".join([*before, "Rollo", *after])
    answer = rollo_reader.answer(QUESTION, context).answer
    assert answer is not None
    assert (answer.text, answer.start) == ("Rollo", context.index("Rollo"))


# ---- many questions


def examples(contexts: list[str]) -> list[Example]:
    return [Example(str(index), QUESTION, context) for index, context in enumerate(contexts)]


def test_predictions_come_in_the_order_of_the_examples(reader: Reader) -> None:
    contexts = [NORSE * (index % 7) + RIVER * (index % 3) for index in range(600)]
    predictions = list(reader.answer_all(examples(contexts)))
    assert [prediction.id for prediction in predictions] == [str(index) for index in range(600)]
    assert [prediction.text for prediction in predictions] == [
        "Rollo" if "Rollo" in context else "" for context in contexts
    ]


def test_a_blank_context_has_no_answer_in_its_place(reader: Reader) -> None:
    contexts = ["", NORSE, " \n", "\u3000", NORSE, ""]
    predictions = list(reader.answer_all(examples(contexts)))
    assert [prediction.text for prediction in predictions] == ["", "Rollo", "", "", "Rollo", ""]
    blank = predictions[0]
    assert (blank.answers, blank.no_answer_score, blank.answer) == ((), 1.0, None)
    assert reader.answer(QUESTION, "", threshold=math.inf).answer is None


def test_no_examples_give_no_predictions(reader: Reader) -> None:
    assert list(reader.answer_all([])) == []


def test_examples_are_pulled_as_predictions_are(reader: Reader) -> None:
    pulled: list[int] = []

    def endless() -> Iterator[Example]:
        for index in itertools.count():
            pulled.append(index)
            yield Example(str(index), QUESTION, NORSE)

    predictions = reader.answer_all(endless())
    assert pulled == []
    assert next(predictions).text == "Rollo"
    assert len(pulled) < 300
    assert [p.id for p in itertools.islice(predictions, 700)] == [str(n) for n in range(1, 701)]
    assert len(pulled) < 1100


def test_batched_predictions_equal_those_one_by_one(random_reader: Reader) -> None:
    contexts = [RIVER * (index % 5) + NORSE * (index % 3) + str(index) for index in range(40)]
    together = list(random_reader.answer_all(examples(contexts), top_k=5))
    assert together == [
        replace(random_reader.answer(QUESTION, context, top_k=5), id=str(index))
        for index, context in enumerate(contexts)
    ]


def test_batches_hold_windows_of_like_length(model_dir: Path) -> None:
    tokens: list[int] = []

    def script(ids: list[int]) -> np.ndarray:
        tokens.append(len(ids))
        return random_logits(ids)

    backend = ScriptedBackend(script)
    contexts = ["a " * (index * 7 % 20 + 1) for index in range(400)]
    list(Reader(model_dir, backend=backend).answer_all(examples(contexts)))
    assert len(tokens) == 400
    assert len(backend.batches) < 40
    assert max(B * T for B, T in backend.batches) <= backend.batch_tokens
    # in the order of the examples, padding would be half as much again as tokens
    assert sum(B * T for B, T in backend.batches) < 1.25 * sum(tokens)


def test_a_blank_question_among_others_is_an_input_error(reader: Reader) -> None:
    with pytest.raises(InputError, match="question is blank"):
        list(reader.answer_all([Example("1", " ", NORSE)]))


# ---- options


def test_top_k_bounds_the_answers_and_not_the_scores(random_reader: Reader) -> None:
    """Up to 5; of more quotes, each gets less."""
    many = random_reader.answer(QUESTION, RIVER, top_k=9, answerable=1)
    five = random_reader.answer(QUESTION, RIVER, top_k=5, answerable=1)
    assert len(many.answers) > len(five.answers) == 5
    for top_k in range(1, 5):
        few = random_reader.answer(QUESTION, RIVER, top_k=top_k, answerable=1)
        assert few == replace(five, answers=five.answers[:top_k])
    assert (many.no_answer_score, many.answer) == (five.no_answer_score, five.answer)
    assert [a.text for a in many.answers[:5]] == [a.text for a in five.answers]


@pytest.mark.parametrize("decision", [{"threshold": -math.inf}, {"answerable": 1e-9}])
def test_an_abstention_has_the_five_nearest_quotes(
    random_reader: Reader, decision: dict[str, float]
) -> None:
    prediction = random_reader.answer(QUESTION, RIVER, **decision)
    assert prediction.answer is None
    assert len({answer.text for answer in prediction.answers}) == 5
    places = sorted((answer.start, answer.end) for answer in prediction.answers)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(places))
    (best,) = random_reader.answer(QUESTION, RIVER, answerable=1).answers
    assert prediction.best_text == best.text
    assert len(random_reader.answer(QUESTION, "a", **decision).answers) == 1


def test_run_squads_lists_hold_the_best_spans_with_their_overlaps(random_reader: Reader) -> None:
    example = Example("1", QUESTION, NORSE)
    (prediction,) = random_reader.answer_all([example], top_k=20, overlapping=True)
    assert len(prediction.answers) == 20
    logits = [answer.start_logit + answer.end_logit for answer in prediction.answers]
    assert logits == sorted(logits, reverse=True)
    (best,) = random_reader.answer_all([example], overlapping=True)
    assert best.answers == prediction.answers[:1]
    (other,) = random_reader.answer_all([example], top_k=20)
    assert len(other.answers) < 20
    assert (other.null_score_diff, other.share) == (prediction.null_score_diff, prediction.share)


def test_threshold_replaces_the_stored_one(model_dir: Path, reader: Reader) -> None:
    assert reader.answer(QUESTION, NORSE, threshold=-20.0).text == "Rollo"
    assert reader.answer(QUESTION, NORSE, threshold=-20.1).text == ""
    assert reader.answer(QUESTION, NORSE, threshold=-math.inf).text == ""
    assert reader.answer(QUESTION, RIVER, threshold=math.inf).text != ""
    stern = replace(reader.config, no_answer_threshold=-21)
    assert Reader(model_dir, config=stern, backend=reader.backend).answer("who", NORSE).text == ""


def test_a_share_replaces_what_is_stored(model_dir: Path, reader: Reader) -> None:
    """The null logit is 0 and the best quote's 20: none is likelier below a share of e^-20."""
    sure, unsure = (
        reader.answer(QUESTION, NORSE, answerable=share) for share in (math.exp(-19), math.exp(-21))
    )
    assert (sure.text, sure.threshold, sure.answerable) == ("Rollo", None, math.exp(-19))
    assert (unsure.text, unsure.answerable) == ("", math.exp(-21))
    assert sure.no_answer_score == pytest.approx(1 / (1 + math.exp(1)), abs=1e-3)
    always = Reader(model_dir, answerable=1, backend=reader.backend)
    assert always.config == replace(reader.config, answerable=1)
    assert always.answer(QUESTION, RIVER).text != ""
    assert always.answer(QUESTION, RIVER).no_answer_score == 0
    assert always.answer(QUESTION, RIVER, threshold=0.0).text == ""
    with pytest.raises(InputError, match="answerable is 2, expected"):
        Reader(model_dir, answerable=2)


def test_a_threshold_and_a_share_together_are_refused(reader: Reader) -> None:
    with pytest.raises(InputError, match="two ways to decide"):
        reader.answer(QUESTION, NORSE, threshold=0.0, answerable=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 0},
        {"top_k": -1},
        {"top_k": 21},
        {"top_k": 1.5},
        {"top_k": "3"},
        {"threshold": math.nan},
        {"threshold": "0"},
        {"answerable": 0},
        {"answerable": 1.5},
    ],
)
def test_bad_options_are_input_errors_before_anything_is_read(
    reader: Reader, options: dict[str, object]
) -> None:
    (name,) = options
    with pytest.raises(InputError, match=name):
        reader.answer(QUESTION, NORSE, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=name):
        reader.answer_all([], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("context", [NORSE, "", RIVER * 900 + "  \n" * 5])
def test_progress_rises_to_the_length_of_the_context(reader: Reader, context: str) -> None:
    parts: list[int] = []

    def progress(done: int, total: int, doing: str) -> None:
        assert (total, doing) == (len(context), "reading")
        parts.append(done)

    reader.answer(QUESTION, context, progress=progress)
    assert parts == sorted(parts)
    assert all(0 < part <= len(context) for part in parts) or not context
    assert parts[-1] == len(context)
    assert len(parts) > 2 or len(context) < 1000


# ---- the parts of a reader


def test_config_replaces_the_stored_settings(model_dir: Path, reader: Reader) -> None:
    config = ReaderConfig(max_length=24, overlap=4, max_question_length=8, max_answer_length=1)
    short = Reader(model_dir, config=config, backend=ScriptedBackend(random_logits))
    assert short.config == config
    short.answer(QUESTION, RIVER * 5)
    assert short.backend.batches[0][1] == 24  # type: ignore[attr-defined]


def test_windows_beyond_the_positions_of_the_model_are_refused(
    make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model(tmp_path / "model", max_position_embeddings=64)
    with pytest.raises(ConfigError, match="max_length is 384, the model has 64 positions"):
        Reader(model, config=ReaderConfig())


def test_a_tokenizer_of_another_model_is_refused(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", vocab_size=100)
    with pytest.raises(ModelError, match=r"tokenizer.json has 1\d\d tokens, the model 100"):
        Reader(model)


@pytest.mark.parametrize("threads", [0, -1, 10**12])
def test_an_invalid_number_of_threads_is_refused(model_dir: Path, threads: int) -> None:
    with pytest.raises(InputError, match="threads"):
        Reader(model_dir, threads=threads)


def test_an_unknown_device_is_refused(model_dir: Path) -> None:
    with pytest.raises(InputError, match="device 'tpu' is not available"):
        Reader(model_dir, device="tpu")


# ---- workers


class ThreadedBackend(ScriptedBackend):
    """A backend with several workers and random delays, so that batches end in any order."""

    workers = 3

    def __init__(self) -> None:
        super().__init__(random_logits)
        self.running = self.most = 0
        self.threads: set[int] = set()  # that called it
        self.broken_after = math.inf
        self.lock = threading.Lock()

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        with self.lock:
            self.running += 1
            self.threads.add(threading.get_ident())
            self.most = max(self.most, self.running)
            assert not (alone and self.running > 1)
            if len(self.batches) > self.broken_after:
                raise ModelError("broken")
        time.sleep(random.random() / 1000)
        try:
            return super().__call__(batch)
        finally:
            with self.lock:
                self.running -= 1


def test_workers_change_neither_answers_nor_their_order(model_dir: Path) -> None:
    contexts = ["sea " * (index * 7 % 20 + 1) + RIVER for index in range(1000)]
    backend = ThreadedBackend()
    threaded = list(Reader(model_dir, backend=backend).answer_all(examples(contexts), top_k=3))
    plain = Reader(model_dir, backend=ScriptedBackend(random_logits))
    assert threaded == list(plain.answer_all(examples(contexts), top_k=3))
    assert backend.most == 3
    assert len(backend.threads) == 3
    assert threading.get_ident() in backend.threads  # rather than to wait for the others


def test_a_model_that_fails_in_a_worker_is_an_error_here(model_dir: Path) -> None:
    backend = ThreadedBackend()
    backend.broken_after = 40
    answers = Reader(model_dir, backend=backend).answer_all(examples([RIVER] * 2000))
    with pytest.raises(ModelError, match="broken"):
        list(answers)


def test_closing_the_iterator_early_stops_the_workers(model_dir: Path) -> None:
    backend = ThreadedBackend()
    answers = Reader(model_dir, backend=backend).answer_all(examples([RIVER] * 5000))
    next(answers)
    answers.close()  # type: ignore[attr-defined]  # a generator, though typed as an iterator
    done = len(backend.batches)
    time.sleep(0.05)
    assert len(backend.batches) == done


def test_a_blank_question_raises_after_the_answers_before_it(reader: Reader) -> None:
    asked = [*examples([NORSE] * 3), Example("fourth", "\u200b", NORSE), *examples([NORSE])]
    answers = reader.answer_all(asked)
    assert [next(answers).text for _ in range(3)] == ["Rollo"] * 3
    with pytest.raises(InputError, match="example 'fourth': the question is blank"):
        next(answers)


@pytest.mark.parametrize("backend", [ScriptedBackend(random_logits), ThreadedBackend()])
def test_an_error_of_the_iterable_is_raised_after_the_answers_before_it(
    model_dir: Path, backend: ScriptedBackend
) -> None:
    def read() -> Iterator[Example]:
        yield from examples([RIVER] * 300)
        raise OSError("the file is gone")

    answers = Reader(model_dir, backend=backend).answer_all(read())
    assert len(list(itertools.islice(answers, 300))) == 300
    with pytest.raises(OSError, match="the file is gone"):
        next(answers)


# ---- what answer_all takes


def test_pairs_and_dictionaries_are_examples() -> None:
    reader = Reader("tiny", threads=1)
    question, context = "Who led the Norse?", "The Norse, led by Rollo, came by sea."
    given = [
        Example("mine", question, context),
        (question, context),
        {"question": question, "context": context, "title": "x"},
        {"id": 7, "question": question, "context": context},
        {"id": 0, "question": question, "context": context},
    ]
    found = list(reader.answer_all(given))
    assert [prediction.id for prediction in found] == ["mine", "2", "3", "7", "0"]
    assert {prediction.text for prediction in found} == {"Rollo"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"question": "Who?"}, "example 1 has no context, only question; expected question and"),
        (("Who?",), "found tuple, expected an Example, a pair"),
        ("Who?", "found str, expected an Example, a pair"),
        (("Who?", 5), "the context is int, expected text"),
        ({"question": None, "context": "x"}, "the question is NoneType, expected text"),
    ],
)
def test_what_is_no_example_is_an_input_error(item: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(Reader("tiny", threads=1).answer_all([item]))
