"""Decoding: best spans against brute force, scores, thresholds, whole characters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote.errors import ModelError
from pullquote.reading.decode import (
    NO_SPAN,
    Candidates,
    ScoredSpan,
    merge,
    read_window,
    whole_characters,
)
from pullquote.types import Calibration, Prediction, Window

HEAD = 3  # [CLS] question [SEP]


def a_window(offsets: Sequence[tuple[int, int]]) -> Window:
    length = HEAD + len(offsets) + 1
    characters = np.array(offsets, dtype=np.int32).reshape(-1, 2)
    return Window(
        input_ids=np.arange(length),
        token_type_ids=np.zeros(length, dtype=np.int64),
        offsets=characters,
        context_start=HEAD,
    )


def logits(null: float, context: Sequence[float], padding: int = 0) -> np.ndarray:
    """A row of logits in which tokens outside the context have the highest values."""
    row = [null, *[90.0] * (HEAD - 1), *context, *[90.0] * (1 + padding)]
    return np.array(row, dtype=np.float32)


def words_of(context: str) -> list[tuple[int, int]]:
    ends = list(itertools.accumulate(len(word) + 1 for word in context.split(" ")))
    return [(end - 1 - len(w), end - 1) for end, w in zip(ends, context.split(" "), strict=True)]


def read(
    context: str, start: Sequence[float], end: Sequence[float], length: int = 3, limit: int = 5
) -> Candidates:
    return read_window(
        a_window(words_of(context)),
        logits(0.0, start),
        logits(0.0, end),
        context,
        max_answer_length=length,
        limit=limit,
    )


def texts(candidates: Candidates, context: str) -> list[str]:
    return [context[span.start : span.end] for span in candidates.spans]


# ---- spans of a window


def test_the_best_span_by_example() -> None:
    context = "led by Rollo of Norway"
    found = read(context, start=[0, 0, 5, 0, 0], end=[0, 0, 5, 0, 3], limit=2)
    assert found.spans == (ScoredSpan(7, 12, 5.0, 5.0), ScoredSpan(7, 22, 5.0, 3.0))
    assert texts(found, context) == ["Rollo", "Rollo of Norway"]


def test_an_answer_has_at_most_max_answer_length_tokens() -> None:
    context = "a b c d e"
    found = read(context, start=[9, 0, 0, 0, 0], end=[0, 0, 1, 9, 9], length=3, limit=1)
    assert texts(found, context) == ["a b c"]


def test_an_end_before_its_start_is_no_span() -> None:
    context = "a b c"
    found = read(context, start=[0, 0, 9], end=[9, 0, 0], limit=99)
    assert len(found.spans) == 6
    assert all(span.start < span.end for span in found.spans)


def test_among_equals_the_earlier_and_then_the_shorter_comes_first() -> None:
    context = "a b c"
    found = read(context, start=[1, 1, 1], end=[1, 1, 1], limit=4)
    assert texts(found, context) == ["a", "a b", "a b c", "b"]


def test_a_repeated_text_counts_once_regardless_of_case() -> None:
    context = "Rollo and rollo"
    found = read(context, start=[4, 0, 5], end=[4, 0, 5], length=1, limit=3)
    assert texts(found, context) == ["rollo", "and"]


def test_capitals_of_more_than_one_letter_are_folded_too() -> None:
    context = "Straße or STRASSE"
    found = read(context, start=[4, 0, 5], end=[4, 0, 5], length=1, limit=3)
    assert texts(found, context) == ["STRASSE", "or"]


def test_the_null_logits_are_those_of_the_windows_null_token() -> None:
    window = replace(a_window([(0, 1), (2, 3)]), null_index=HEAD + 2)  # as in XLNet, at the end
    start = np.array([90.0, 90.0, 90.0, 1.0, 2.0, 7.0], dtype=np.float32)
    end = np.array([90.0, 90.0, 90.0, 1.0, 2.0, 8.0], dtype=np.float32)
    found = read_window(window, start, end, "a b", max_answer_length=2, limit=1)
    assert (found.null_start, found.null_end, found.null) == (7.0, 8.0, 15.0)


@given(data=st.data())
def test_spans_are_those_of_brute_force(data: st.DataObject) -> None:
    context = " ".join(data.draw(st.lists(st.sampled_from("abABcß"), min_size=1, max_size=12)))
    words = words_of(context)
    for index in data.draw(st.sets(st.integers(0, len(words) - 1), max_size=3)):
        words[index] = (words[index][0], words[index][0])  # a token without characters
    whole = st.integers(-3, 3).map(float)  # many ties
    numbers = st.lists(whole | st.floats(-50, 50, width=32), min_size=20, max_size=20)
    start, end = data.draw(numbers), data.draw(numbers)
    length, limit = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 30))

    spans: list[ScoredSpan] = []
    for first, last in itertools.combinations_with_replacement(range(len(words)), 2):
        blank = words[first][0] == words[first][1] or words[last][0] == words[last][1]
        if last - first < length and not blank:
            spans.append(ScoredSpan(words[first][0], words[last][1], start[first], end[last]))
    distinct: dict[str, ScoredSpan] = {}
    for span in sorted(spans, key=lambda span: (-span.logit, span.start, span.end)):
        distinct.setdefault(context[span.start : span.end].casefold(), span)

    found = read_window(
        a_window(words),
        logits(1.5, start[: len(words)], padding=4),
        logits(2.0, end[: len(words)], padding=4),
        context,
        max_answer_length=length,
        limit=limit,
    )
    assert found == Candidates(tuple(distinct.values())[:limit], null_start=1.5, null_end=2.0)


def test_ties_among_more_spans_than_are_fetched_are_broken_by_place() -> None:
    context = " ".join("abcdefghijklmnopqrstuvwxyz")
    found = read(context, start=[0] * 26, end=[0] * 26, length=26, limit=2)
    assert texts(found, context) == ["a", "a b"]


def test_distinct_texts_are_found_below_many_repetitions() -> None:
    context = "x " * 80 + "y"
    start = [5.0] * 80 + [0.0]
    found = read(context, start, start, length=1, limit=2)
    assert texts(found, context) == ["x", "y"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [0, HEAD, HEAD + 1])
def test_logits_that_are_not_finite_are_a_model_error(bad: float, where: int) -> None:
    row = logits(0.0, [1.0, 2.0])
    broken = row.copy()
    broken[where] = bad
    for start, end in ((row, broken), (broken, row)):
        with pytest.raises(ModelError, match="not finite"):
            read_window(a_window([(0, 1), (2, 3)]), start, end, "a b", max_answer_length=2, limit=1)


def test_a_window_of_tokens_without_characters_has_no_span() -> None:
    row = logits(1.0, [1.0])
    found = read_window(a_window([(0, 0)]), row, row, " ", max_answer_length=2, limit=1)
    assert found == Candidates((), null_start=1.0, null_end=1.0)


# ---- windows merged to a prediction


PLAIN = Calibration()


def window(null: float, *spans: tuple[float, tuple[int, int]]) -> Candidates:
    """The candidates of a window: these spans with these logits."""
    return Candidates(tuple(ScoredSpan(*place, logit, 0.0) for logit, place in spans), null, 0.0)


def merged(
    *windows: Candidates,
    threshold: float = 0.0,
    top_k: int = 9,
    n_best_size: int = 20,
    calibration: Calibration = PLAIN,
) -> Prediction:
    return merge(
        "1",
        "Rollo the duke",
        windows,
        n_best_size=n_best_size,
        top_k=top_k,
        threshold=threshold,
        calibration=calibration,
    )


ROLLO, THE, DUKE = (0, 5), (6, 9), (10, 14)


def test_null_is_the_minimum_over_windows() -> None:
    prediction = merged(window(1.0, (3.0, ROLLO)), window(8.0, (2.0, DUKE)))
    assert prediction.null_score_diff == 1.0 - 3.0
    assert prediction.text == "Rollo"


def test_null_wins_when_every_window_abstains() -> None:
    prediction = merged(window(5.0, (3.0, ROLLO)), window(8.0, (2.0, DUKE)))
    assert (prediction.answer, prediction.text, prediction.null_score_diff) == (None, "", 2.0)
    assert prediction.answers[0].text == "Rollo"


def test_reader_abstains_above_the_threshold_and_not_at_it() -> None:
    rollo = window(4.5, (3.0, ROLLO))  # null_score_diff 1.5
    assert merged(rollo, threshold=1.5).text == "Rollo"
    assert merged(rollo, threshold=1.4999).text == ""
    assert merged(rollo, threshold=math.inf).text == "Rollo"
    assert merged(rollo, threshold=-math.inf).text == ""


def test_no_answer_score_is_one_half_when_null_and_answer_are_equal() -> None:
    assert merged(window(3.0, (3.0, ROLLO))).no_answer_score == 0.5


def test_the_same_text_in_two_windows_counts_once_at_its_highest_logit() -> None:
    context = "rollo or Rollo"
    windows = [window(0.0, (2.0, (0, 5))), window(0.0, (3.0, (9, 14)))]
    prediction = merge(
        "1", context, windows, n_best_size=20, top_k=9, threshold=0.0, calibration=PLAIN
    )
    (answer,) = prediction.answers
    assert (answer.text, answer.start, answer.end) == ("Rollo", 9, 14)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_among_equals_of_several_windows_the_earlier_and_then_the_shorter_comes_first(
    order: tuple[int, ...],
) -> None:
    rollo_the = (0, 9)
    windows = [window(0.0, (3.0, place)) for place in (DUKE, rollo_the, ROLLO)]
    prediction = merged(*(windows[index] for index in order))
    assert [a.text for a in prediction.answers] == ["Rollo", "Rollo the", "duke"]
    assert prediction.text == "Rollo"


def test_only_the_n_best_size_best_answers_share_the_probability() -> None:
    read = window(0.0, (0.0, ROLLO), (0.0, THE), (0.0, DUKE))
    scores = [
        [answer.score for answer in merged(read, n_best_size=size).answers] for size in (1, 2, 3)
    ]
    assert scores == [
        pytest.approx([1 / 2]),
        pytest.approx([1 / 4] * 2),
        pytest.approx([1 / 6] * 3),
    ]


def test_a_context_without_spans_has_no_answer_at_any_threshold() -> None:
    for windows in ([], [window(-9.0)]):
        prediction = merged(*windows, threshold=math.inf)
        expected = Prediction("1", None, (), 1.0, NO_SPAN, len(windows), threshold=math.inf)
        assert prediction == expected


def test_scores_share_the_probability_that_there_is_an_answer() -> None:
    read = window(0.0, (0.0, ROLLO), (0.0, THE), (-math.log(2), DUKE))
    assert [answer.score for answer in merged(read).answers] == pytest.approx([0.2, 0.2, 0.1])
    assert [answer.score for answer in merged(read, top_k=1).answers] == pytest.approx([0.2])


def test_calibration_changes_scores_but_no_decision() -> None:
    read = [window(1.0, (3.0, ROLLO), (2.0, THE)), window(4.0, (1.0, DUKE))]
    shy = Calibration(below=0.5, bias=1.0, windows=2.0, temperature=2.0, windows_temperature=0.5)
    plain, calibrated = merged(*read), merged(*read, calibration=shy)
    assert calibrated.text == plain.text == "Rollo"
    assert calibrated.null_score_diff == plain.null_score_diff
    assert [a.text for a in calibrated.answers] == [a.text for a in plain.answers]
    # d = 1 - 3: 0.5 x -softplus(2) + softplus(-2) + 1 + 2 log 2, and T = 2 x sqrt(2)
    soft = math.log1p(math.exp(-2))
    odds = -0.5 * (2 + soft) + soft + 1 + 2 * math.log(2)
    assert calibrated.no_answer_score == pytest.approx(1 / (1 + math.exp(-odds)))
    weights = [math.exp(-x / (2 * math.sqrt(2))) for x in (0, 1, 2)]
    left = 1 - calibrated.no_answer_score
    assert [a.score for a in calibrated.answers] == pytest.approx(
        [left * weight / sum(weights) for weight in weights]
    )


LOGIT = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)


@given(
    windows=st.lists(
        st.tuples(LOGIT, st.lists(st.tuples(LOGIT, st.sampled_from([ROLLO, THE, DUKE])))),
        min_size=1,
        max_size=5,
    ),
    threshold=st.floats(-20, 20),
    calibration=st.just(PLAIN)
    | st.builds(
        Calibration,
        below=st.floats(0, 3),
        above=st.floats(0, 3),
        spread=st.floats(-3, 3),
        bias=st.floats(-9, 9),
        windows=st.floats(-2, 2),
        temperature=st.floats(0.1, 9),
        windows_temperature=st.floats(-1, 1),
    ),
)
def test_scores_are_probabilities_in_order(
    windows: list[tuple[float, list[tuple[float, tuple[int, int]]]]],
    threshold: float,
    calibration: Calibration,
) -> None:
    prediction = merged(
        *(window(null, *spans) for null, spans in windows),
        threshold=threshold,
        calibration=calibration,
    )
    scores = [answer.score for answer in prediction.answers]
    assert all(0.0 <= score <= 1.0 for score in [*scores, prediction.no_answer_score])
    assert math.fsum(scores) + prediction.no_answer_score <= 1.0 + 1e-9
    assert scores == sorted(scores, reverse=True)
    assert len({answer.text for answer in prediction.answers}) == len(scores)
    if prediction.answers:
        abstains = prediction.null_score_diff > threshold
        assert prediction.answer == (None if abstains else prediction.answers[0])


# ---- whole characters


@pytest.mark.parametrize(
    ("context", "part", "whole"),
    [
        ("  Rollo \t", "  Rollo \t", "Rollo"),
        ("a\r\nb", "a\r\n", "a"),
        ("a\r\nb", "\r\nb", "b"),
        ("東京 city", "東京 ", "東京"),
        ("\u3000東\u00a0", "\u3000東\u00a0", "東"),
        ("cafe\u0301 noir", "cafe", "cafe\u0301"),
        ("x\u0302\u0301y", "\u0301y", "x\u0302\u0301y"),
        ("नमस्ते", "नमस", "नमस्ते"[:4]),
        ("שָׁלוֹם", "ש", "שָׁ"),
        ("مُحَمَّد", "مُحَم", "مُحَمَّ"),
        ("1\ufe0f\u20e3 key", "1", "1\ufe0f\u20e3"),
        ("👍🏽 yes", "👍", "👍🏽"),
        ("👍🏽 yes", "🏽", "👍🏽"),
        ("👩\u200d🚀 flew", "👩", "👩\u200d🚀"),
        ("👩\u200d🚀 flew", "🚀", "👩\u200d🚀"),
        ("👩🏽\u200d❤\ufe0f\u200d👩🏻!", "❤", "👩🏽\u200d❤\ufe0f\u200d👩🏻"),
        ("🇫🇷🇩🇪!", "🇫", "🇫🇷"),
        ("🇫🇷🇩🇪!", "🇩", "🇩🇪"),
        ("🇫🇷🇩🇪!", "🇪", "🇩🇪"),
        ("🏴\U000e0067\U000e007f ", "🏴", "🏴\U000e0067\U000e007f"),
        ("\u1112\u1161\u11ab\u1100\u1173", "\u1161", "\u1112\u1161\u11ab"),
        ("rollo", "ll", "ll"),
        (" \u0301a", "\u0301a", "\u0301a"),
        ("a\u200d\u3000b", "a", "a\u200d"),
    ],
)
def test_answers_are_whole_characters_without_blanks(context: str, part: str, whole: str) -> None:
    first = context.index(part)
    start, end = whole_characters(context, first, first + len(part))
    assert context[start:end] == whole


def test_a_span_of_blanks_is_empty() -> None:
    start, end = whole_characters("a \t\u3000b", 1, 4)
    assert start == end


@settings(max_examples=300)
@given(
    context=st.text(st.sampled_from("a \n\u3000\u0301\u200d😀🏽🇫🇷") | st.characters(), min_size=1),
    data=st.data(),
)
def test_whole_characters_never_ends_in_a_blank_and_is_stable(
    context: str, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(context) - 1))
    last = data.draw(st.integers(first + 1, len(context)))
    start, end = whole_characters(context, first, last)
    assert context[start:end] == context[start:end].strip()
    assert 0 <= start <= end <= len(context)
    assert (start == end) == (not context[first:last].strip())
    assert start == end or whole_characters(context, start, end) == (start, end)
