"""Spans that the engine finds beside those of `decode`, and readers with and without them."""

from __future__ import annotations

import ctypes
import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from engine_helpers import random_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote import Example, Prediction, Reader
from pullquote.errors import InputError, ModelError
from pullquote.reading import decode
from pullquote.reading.backends import native_library as c
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.encode import Encoder
from pullquote.serving.workers import AbandonedError, SharedBackend
from pullquote.settings import ReaderConfig
from pullquote.types import Batch, Logits, Window, WindowSpans

pytestmark = pytest.mark.skipif(not c.available(), reason="no engine here: make engine")

NORSE = "The Norse, led by Rollo, came by sea and settled in the north of France in 911."
CONTEXTS = [
    NORSE,
    "",
    " \n ",
    "!!! ... ??? --- ;;; ,,, ((( ))) ::: ''' " * 12,
    "★ ★ ★ Rollo rollo ROLLO ★ ★ ★ " * 20,
    "Cafés, naïve façades: Zürich, Kraków and São Paulo (cafe\u0301) are cities. " * 9,
    "東京は日本の首都である。 The 한국어 word for 東京 is 도쿄. " * 12,
    "👩\u200d👩\u200d👧 came by 👍🏽 🇫🇷🇩🇪 in \ud800 911 \u200d\u200d x " * 12,
    "a\u08d6b is left to tokenizers; the rest of the land is not. " * 8,
    "\u200d".join("abc") * 40,
    (NORSE + " The river rises in the hills and ends at the sea; it is 230 km long. ") * 30,
    "supercalifragilisticexpialidocious" * 20,
]
QUESTIONS = ["Who led the Norse?", "Where is 東京?", "How long is the rivver?", "who " * 90]


class Unfused:
    """A backend without `spans`: the reader takes them from its logits."""

    def __init__(self, backend: NativeBackend) -> None:
        self.backend = backend
        self.workers, self.batch_tokens = backend.workers, 512

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        return self.backend(batch, alone=alone)


@pytest.fixture(scope="module")
def fused() -> Reader:
    return Reader("tiny", threads=2)


@pytest.fixture(scope="module")
def plain(fused: Reader) -> Reader:
    assert isinstance(fused.backend, NativeBackend)
    return Reader("tiny", backend=Unfused(fused.backend))


def assert_same(one: Prediction, other: Prediction) -> None:
    """Equal to the last bit, but for what comes from `log_mass`, a sum in another order."""
    assert len(one.answers) == len(other.answers)
    for a, b in zip(one.answers, other.answers, strict=True):
        assert dataclasses.replace(a, score=b.score) == b
        assert math.isclose(a.score, b.score, rel_tol=1e-9)
    assert math.isclose(one.no_answer_score, other.no_answer_score, rel_tol=1e-9)
    assert math.isclose(one.share, other.share, rel_tol=1e-9)
    for name in ("id", "null_score_diff", "windows", "text", "corrections"):
        assert getattr(one, name) == getattr(other, name)


EXAMPLES = [Example(f"{q}{n}", q, text) for n, text in enumerate(CONTEXTS) for q in QUESTIONS]


@pytest.mark.filterwarnings("ignore::pullquote.errors.PullquoteWarning")
@pytest.mark.parametrize("top_k", [1, 20])
def test_answers_are_those_of_the_logits(fused: Reader, plain: Reader, top_k: int) -> None:
    pairs = zip(
        fused.answer_all(EXAMPLES, top_k=top_k),
        plain.answer_all(EXAMPLES, top_k=top_k),
        strict=True,
    )
    for one, other in pairs:
        assert_same(one, other)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *NORSE.split(),
                "東京",
                "é",
                "cafe\u0301",
                "\u200d",
                "👍🏽",
                "...",
                "★",
                "\u08d6",
                "(",
                ")",
            ]
        ),
        max_size=600,
    ).map(" ".join),
    st.sampled_from(QUESTIONS[:3]),
)
def test_any_context_is_read_as_from_its_logits(
    fused: Reader, plain: Reader, context: str, question: str
) -> None:
    assert_same(fused.answer(question, context, top_k=5), plain.answer(question, context, top_k=5))


@pytest.mark.filterwarnings("ignore::pullquote.errors.PullquoteWarning")
def test_answers_depend_neither_on_the_batch_nor_on_threads(fused: Reader) -> None:
    shorts = [Example(str(n), QUESTIONS[n % 3], f"{n} ships. {NORSE}") for n in range(500)]
    examples = [*EXAMPLES, *shorts]  # enough windows for several workers
    together = list(fused.answer_all(examples, top_k=5))
    single = Reader("tiny", threads=1)
    assert together == list(single.answer_all(examples, top_k=5))
    for example, found in list(zip(examples, together, strict=True))[: len(EXAMPLES) + 10]:
        alone = single.answer(example.question, example.context, top_k=5)
        assert dataclasses.replace(alone, id=example.id) == found


def test_candidates_for_a_search_are_those_of_the_logits(fused: Reader, plain: Reader) -> None:
    examples = [Example("x", QUESTIONS[0], text) for text in CONTEXTS]
    pairs = zip(fused.read_all(examples), plain.read_all(examples), strict=True)
    for found, expected in pairs:
        for one, other in zip(found, expected, strict=True):
            assert dataclasses.replace(one, log_mass=other.log_mass) == other
            assert math.isclose(one.log_mass, other.log_mass, rel_tol=1e-12)


def test_run_squads_lists_need_no_spans_of_the_backend(fused: Reader, plain: Reader) -> None:
    examples = EXAMPLES[:1]
    (one,) = fused.answer_all(examples, top_k=3, overlapping=True)
    (other,) = plain.answer_all(examples, top_k=3, overlapping=True)
    assert one == other
    assert len(one.answers) == 3


# ---- the spans of a window


def windows_of(lengths: Sequence[int], seed: int = 0) -> list[Window]:
    """Windows of two tokens, a context of a length, and one more; some tokens are empty."""
    rng = np.random.default_rng(seed)
    made = []
    for length in lengths:
        begin = np.cumsum(rng.integers(1, 4, length))
        offsets = np.stack([begin, begin + (rng.random(length) < 0.9)], axis=1).astype(np.int32)
        ids = rng.integers(0, 50, length + 3)
        made.append(Window(ids, np.zeros_like(ids), offsets, 2, null_index=int(rng.integers(3))))
    return made


def expected(backend: NativeBackend, window: Window, longest: int, most: int) -> Any:
    """`decode.read_window`, of a context in which every character is another letter."""
    context = "".join(chr(0x4E00 + i) for i in range(200))
    one = Batch(
        window.input_ids[None], np.ones_like(window.input_ids[None]), window.token_type_ids[None]
    )
    logits = backend(one)
    return decode.read_window(
        window, logits.start[0], logits.end[0], context, max_answer_length=longest, limit=most
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 37), min_size=1, max_size=5),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 100),
)
def test_spans_are_those_of_decode(
    backend: NativeBackend, lengths: list[int], longest: int, most: int, seed: int
) -> None:
    windows = windows_of(lengths, seed)
    found = backend.spans(windows, max_answer_length=longest, most=most)
    for window, spans in zip(windows, found, strict=True):
        wanted = expected(backend, window, longest, most)
        assert list(spans.spans) == [tuple(span) for span in wanted.spans]
        assert (spans.null_start, spans.null_end) == (wanted.null_start, wanted.null_end)
        assert spans.log_mass == pytest.approx(wanted.log_mass, rel=1e-12)
        assert spans.complete == (len(list(spans.spans)) < most)


@pytest.fixture(scope="module")
def backend() -> NativeBackend:
    return NativeBackend(random_weights(), threads=2)


def test_equal_spans_come_in_the_order_of_the_text() -> None:
    weights = random_weights()
    for name in ("weight", "bias"):
        getattr(weights.head, name)[:] = 0  # all logits are equal
    (found,) = NativeBackend(weights).spans(windows_of([6]), max_answer_length=3, most=20)
    assert list(found.spans) == sorted(found.spans)
    assert len(list(found.spans)) > 3
    assert all(span[2:] == (0.0, 0.0) for span in found.spans)


def test_a_window_of_empty_tokens_has_no_span(backend: NativeBackend) -> None:
    (window,) = windows_of([5])
    window.offsets[:, 1] = window.offsets[:, 0]
    (found,) = backend.spans([window], max_answer_length=3, most=2)
    assert (list(found.spans), found.log_mass, found.complete) == ([], -math.inf, True)


def test_spans_depend_neither_on_the_batch_nor_on_threads(backend: NativeBackend) -> None:
    windows = windows_of([1, 30, 7, 37, 2] * 20)
    together = backend.spans(windows, max_answer_length=5, most=4)
    assert together == backend.spans(windows, max_answer_length=5, most=4, alone=False)
    for window, spans in zip(windows[:5], together, strict=False):
        assert backend.spans([window], max_answer_length=5, most=4) == [spans]


def test_a_pause_loses_no_window(backend: NativeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = windows_of([1, 30, 7, 37, 2])
    whole = backend.spans(windows, max_answer_length=5, most=4)
    monkeypatch.setattr("pullquote.reading.backends.native._PAUSE", 1e-9)
    assert backend.spans(windows, max_answer_length=5, most=4, alone=False) == whole


def test_weights_that_are_no_numbers_are_a_model_error() -> None:
    weights = random_weights()
    weights.head.bias[1] = np.nan
    with pytest.raises(ModelError, match="not finite; its weights are broken"):
        NativeBackend(weights).spans(windows_of([4]), max_answer_length=3, most=2)


def test_a_deadline_ends_the_search() -> None:
    slow = NativeBackend(random_weights(hidden=128, intermediate=512, layers=4), kernels="portable")
    with pytest.raises(TimeoutError, match="deadline"):
        slow.spans(windows_of([37] * 3000), max_answer_length=3, most=2, deadline=0.2)


def test_windows_that_the_model_cannot_read_are_refused(backend: NativeBackend) -> None:
    with pytest.raises(InputError, match="window 1 has 41 tokens; expected 1 to 40"):
        backend.spans(windows_of([3, 38]), max_answer_length=3, most=2)
    backend_closed = NativeBackend(random_weights())
    backend_closed.close()
    with pytest.raises(ModelError, match="closed"):
        backend_closed.spans(windows_of([3]), max_answer_length=3, most=2)


# ---- where the engine's spans are too few


def test_a_window_is_read_from_its_logits_where_spans_are_rejected(fused: Reader) -> None:
    """Of a context of little but punctuation, the engine's best spans hold no word."""
    calls = 0

    class Counting(Unfused):
        spans = staticmethod(fused.backend.spans)  # type: ignore[attr-defined]

        def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
            nonlocal calls
            calls += 1
            return super().__call__(batch, alone=alone)

    assert isinstance(fused.backend, NativeBackend)
    counting = Reader("tiny", backend=Counting(fused.backend))
    plain = Reader("tiny", backend=Unfused(fused.backend))
    context = "? ! " * 40 + "Rollo, " * 5 + "? ! " * 40
    found = counting.answer("Who?", context, top_k=5)
    assert calls == 1
    assert_same(found, plain.answer("Who?", context, top_k=5))


def test_spans_that_are_too_few_are_told_from_all_that_there_are() -> None:
    spans = [(0, 1, 3.0, 3.0), (2, 3, 2.0, 2.0), (4, 5, 1.0, 1.0)]
    some = WindowSpans(spans, -1.0, -2.0, 5.0, complete=False)
    assert decode.read_spans(some, "a . b", limit=3) is None
    found = decode.read_spans(dataclasses.replace(some, complete=True), "a . b", limit=3)
    assert found is not None
    assert [(span.start, span.end) for span in found.spans] == [(0, 1), (4, 5)]
    assert decode.read_spans(some, "a . b", limit=2) == found


# ---- behind a server


def test_a_shared_backend_finds_spans_where_its_own_does(fused: Reader) -> None:
    shared = SharedBackend(fused.backend)
    reader = Reader("tiny", backend=shared)
    assert reader.answer(QUESTIONS[0], NORSE) == fused.answer(QUESTIONS[0], NORSE)
    assert isinstance(fused.backend, NativeBackend)
    assert SharedBackend(Unfused(fused.backend)).spans is None
    with pytest.raises(AbandonedError), shared.reading(1, lambda: 0.0):
        reader.answer(QUESTIONS[0], NORSE)


def test_the_deadline_of_a_server_ends_a_batch_within_a_second() -> None:
    slow = NativeBackend(random_weights(hidden=128, intermediate=512, layers=4), kernels="portable")
    shared = SharedBackend(slow)
    assert shared.spans is not None
    windows = windows_of([37] * 3000)
    batch = Batch(*(np.ones((3000, 40), np.int64) for _ in range(3)))
    for read in (
        lambda: shared.spans(windows, alone=True, max_answer_length=3, most=2),
        lambda: shared(batch),
    ):
        began = time.thread_time()  # the machine may be busy
        with shared.reading(1, lambda: 0.2), pytest.raises(AbandonedError):
            read()
        assert time.thread_time() - began < 1


# ---- the C interface


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"longest": 0}, {}, "spans of up to 0 tokens"),
        ({"most": -1}, {}, "-1 a window"),
        ({"places": None}, {}, "NULL"),
        ({"offsets": None}, {}, "NULL"),
        ({"offset_count": 3}, {}, "but offsets of 3"),
        ({"offset_count": -1}, {}, "but offsets of -1"),
        ({"windows.tokens": 4}, {}, "windows of 5 tokens in all, but 4 ids"),
        ({"windows.tokens": 2**60}, {}, "windows of 5 tokens in all"),
        ({"windows.windows": -1}, {}, "windows of 0 tokens"),
        ({}, {"first": -1}, "context tokens from -1"),
        ({}, {"first": 6}, "context tokens from 6"),
        ({}, {"count": -1}, "-1 context tokens"),
        ({}, {"count": 4}, "4 context tokens"),
        ({}, {"count": 2**31 - 1}, "2147483647 context tokens"),
        ({}, {"null_index": 5}, "null token 5"),
        ({}, {"null_index": -1}, "null token -1"),
    ],
)
def test_damaged_requests_are_refused(
    backend: NativeBackend, changes: dict[str, Any], place: dict[str, int], message: str
) -> None:
    ids, lengths = np.ones(5, np.int32), np.array([5], np.int32)
    offsets = np.array([[0, 1], [1, 2]], np.int32)
    places = (c.CPlace * 1)(c.CPlace(first=2, count=2, null_index=0))
    request = c.CFindRequest(
        windows=c.CRequest(
            ids=ids.ctypes.data, lengths=lengths.ctypes.data, tokens=5, windows=1, threads=1
        ),
        places=ctypes.addressof(places),
        offsets=offsets.ctypes.data,
        offset_count=2,
        longest=3,
        most=2,
    )
    spans, found = (c.CSpan * 2)(), (c.CFound * 1)()
    done, text = ctypes.c_int32(), ctypes.create_string_buffer(300)
    results = (spans, found, ctypes.byref(done), text, 300)
    call = c.load_library().pq_find
    assert call(backend._model, ctypes.byref(request), *results) == c.OK
    assert done.value == 1
    for name, value in changes.items():
        part = request.windows if name.startswith("windows.") else request
        setattr(part, name.removeprefix("windows."), value)
    for name, number in place.items():
        setattr(places[0], name, number)
    assert call(backend._model, ctypes.byref(request), *results) == c.INVALID
    assert message in text.value.decode()
    assert call(None, ctypes.byref(request), *results) == c.INVALID
    assert call(backend._model, None, *results) == c.INVALID
    assert call(backend._model, ctypes.byref(request), None, *results[1:]) == c.INVALID


def test_an_encoders_windows_are_searched_whole() -> None:
    """The places and offsets of real windows: every token of a context can be an answer."""
    reader = Reader(
        "tiny",
        config=ReaderConfig(max_length=40, overlap=8, max_question_length=12, max_answer_length=3),
    )
    encoder: Encoder = reader.encoder
    windows = list(encoder.windows("who", NORSE * 3))
    assert len(windows) > 1
    assert isinstance(reader.backend, NativeBackend)
    found = reader.backend.spans(windows, max_answer_length=1, most=100)
    for window, spans in zip(windows, found, strict=True):
        places = sorted(span[:2] for span in spans.spans)
        assert places == [tuple(place) for place in window.offsets.tolist()]
