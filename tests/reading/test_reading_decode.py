"""Decoding: best spans against brute force, scores, thresholds, whole characters."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote import Reader
from pullquote.errors import ModelError
from pullquote.reading.decode import (
    NEAREST,
    NO_SPAN,
    Candidates,
    ScoredSpan,
    merge,
    read_window,
    whole_characters,
)
from pullquote.settings import Calibration, Decision, LogOdds
from pullquote.types import Example, Prediction, Window

HEAD = 3  # [CLS] question [SEP]
TINY = Reader("tiny", threads=1)


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
    context: str,
    start: Sequence[float],
    end: Sequence[float],
    length: int = 3,
    limit: int = 5,
    *,
    overlapping: bool = False,
) -> Candidates:
    return read_window(
        a_window(words_of(context)),
        logits(0.0, start),
        logits(0.0, end),
        context,
        max_answer_length=length,
        limit=limit,
        overlapping=overlapping,
    )


def texts(candidates: Candidates, context: str) -> list[str]:
    return [context[span.start : span.end] for span in candidates.spans]


# ---- spans of a window


def test_the_best_span_by_example() -> None:
    context = "led by Rollo of Norway"
    start, end = [0, 0, 5, 0, 0], [0, 0, 5, 0, 3]
    found = read(context, start, end, limit=2)
    assert found.spans == (ScoredSpan(7, 12, 5.0, 5.0), ScoredSpan(13, 22, 0.0, 3.0))
    found = read(context, start, end, limit=2, overlapping=True)
    assert found.spans == (ScoredSpan(7, 12, 5.0, 5.0), ScoredSpan(7, 22, 5.0, 3.0))


def test_an_answer_has_at_most_max_answer_length_tokens() -> None:
    context = "a b c d e"
    found = read(context, start=[9, 0, 0, 0, 0], end=[0, 0, 1, 9, 9], length=3, limit=1)
    assert texts(found, context) == ["a b c"]


def test_an_end_before_its_start_is_no_span() -> None:
    context = "a b c"
    found = read(context, start=[0, 0, 9], end=[9, 0, 0], limit=99, overlapping=True)
    assert len(found.spans) == 6
    assert all(span.start < span.end for span in found.spans)


def test_among_equals_the_earlier_and_then_the_shorter_comes_first() -> None:
    context = "a b c"
    found = read(context, start=[1, 1, 1], end=[1, 1, 1], limit=4, overlapping=True)
    assert texts(found, context) == ["a", "a b", "a b c", "b"]
    assert texts(read(context, start=[1, 1, 1], end=[1, 1, 1]), context) == ["a", "b", "c"]


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


@st.composite
def windows(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]], list[float], list[float]]:
    """A context, the places of its words, and their logits."""
    context = " ".join(draw(st.lists(st.sampled_from("abABcß,"), min_size=1, max_size=12)))
    words = words_of(context)
    for index in draw(st.sets(st.integers(0, len(words) - 1), max_size=3)):
        words[index] = (words[index][0], words[index][0])  # a token without characters
    # many ties, and sums that are exact
    number = st.integers(-3, 3).map(float) | st.integers(-900, 900).map(lambda n: n / 16)
    numbers = st.lists(number, min_size=len(words), max_size=len(words))
    return context, words, draw(numbers), draw(numbers)


def all_spans(
    words: list[tuple[int, int]], start: list[float], end: list[float], length: int
) -> list[tuple[int, int, ScoredSpan]]:
    """First and last token, and the span, of all spans; best first, then earlier, then shorter."""
    spans = []
    for first, last in itertools.combinations_with_replacement(range(len(words)), 2):
        blank = words[first][0] == words[first][1] or words[last][0] == words[last][1]
        if last - first < length and not blank:
            span = ScoredSpan(words[first][0], words[last][1], start[first], end[last])
            spans.append((first, last, span))
    return sorted(spans, key=lambda found: (-found[2].logit, *found[:2]))


@pytest.mark.parametrize("overlapping", [False, True])
@given(made=windows(), length=st.integers(1, 14), limit=st.integers(1, 30))
def test_spans_are_those_of_brute_force(
    overlapping: bool,
    made: tuple[str, list[tuple[int, int]], list[float], list[float]],
    length: int,
    limit: int,
) -> None:
    context, words, start, end = made
    taken: set[int] = set()
    distinct: dict[str, ScoredSpan] = {}
    for first, last, span in all_spans(words, start, end, length):
        text = context[span.start : span.end]
        if not overlapping:
            if taken & {*range(first, last + 1)}:
                continue
            taken |= {*range(first, last + 1)}
        if overlapping or any(character.isalnum() for character in text):
            distinct.setdefault(text.casefold(), span)

    found = read_window(
        a_window(words),
        logits(1.5, start, padding=4),
        logits(2.0, end, padding=4),
        context,
        max_answer_length=length,
        limit=limit,
        overlapping=overlapping,
    )
    assert found.spans == tuple(distinct.values())[:limit]
    assert (found.null_start, found.null_end) == (1.5, 2.0)
    # the mass is over all tokens with characters, whatever the length and order of spans
    whole = [index for index, (begins, ends) in enumerate(words) if begins < ends]
    masses = [math.fsum(math.exp(row[index]) for index in whole) for row in (start, end)]
    assert found.log_mass == pytest.approx(sum(math.log(m) if m else -math.inf for m in masses))


def test_no_quote_is_punctuation_alone() -> None:
    context = "- Rollo !"
    row = [9.0, 0.0, 9.0]
    assert texts(read(context, row, row, length=1), context) == ["Rollo"]
    assert texts(read(context, row, row, length=1, overlapping=True), context) == [
        "-",
        "!",
        "Rollo",
    ]


def test_ties_among_more_spans_than_are_fetched_are_broken_by_place() -> None:
    context = " ".join("abcdefghijklmnopqrstuvwxyz")
    found = read(context, start=[0] * 26, end=[0] * 26, length=26, limit=2, overlapping=True)
    assert texts(found, context) == ["a", "a b"]


@pytest.mark.parametrize("overlapping", [False, True])
def test_distinct_texts_are_found_below_many_repetitions(overlapping: bool) -> None:
    context = "x " * 80 + "y"
    start = [5.0] * 80 + [0.0]
    found = read(context, start, start, length=1, limit=2, overlapping=overlapping)
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
    assert found == Candidates((), null_start=1.0, null_end=1.0, log_mass=-math.inf)


# ---- windows merged to a prediction


AT_ZERO = Decision(threshold=0.0)
PLAIN = Calibration()
SHY = Calibration(
    none=LogOdds(bias=1.0, below=0.5, above=1.0, share=0.5, windows=2.0),
    elsewhere=LogOdds(bias=-1.0, share=1.5),
    found=0.5,
    temperature=2.0,
)


def window(null: float, *spans: tuple[float, tuple[int, int]]) -> Candidates:
    """The candidates of a window: these spans with these logits, and no others."""
    found = tuple(ScoredSpan(*place, logit, 0.0) for logit, place in spans)
    return Candidates(found, null, 0.0, log_mass([logit for logit, _ in spans]))


def log_mass(logits: Sequence[float]) -> float:
    highest = max(logits, default=-math.inf)
    if not math.isfinite(highest):
        return highest
    return highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))


def merged(
    *windows: Candidates,
    decision: Decision = AT_ZERO,
    top_k: int = 9,
    limit: int = 9,
    calibration: Calibration = PLAIN,
    context: str = "Rollo the duke",
    overlapping: bool = False,
) -> Prediction:
    return merge(
        "1",
        context,
        windows,
        limit=limit,
        top_k=top_k,
        decision=decision,
        calibration=calibration,
        overlapping=overlapping,
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
    for threshold, text in ((1.5, "Rollo"), (1.4999, ""), (math.inf, "Rollo"), (-math.inf, "")):
        prediction = merged(rollo, decision=Decision(threshold=threshold))
        assert (prediction.text, prediction.threshold) == (text, threshold)


def test_without_a_threshold_the_reader_abstains_where_none_is_likelier_than_the_best_quote() -> (
    None
):
    # null_score_diff 0, and two quotes that look alike: none 1/2, each quote 1/4
    alike = window(3.0, (3.0, ROLLO), (3.0, DUKE))
    half = merged(alike, decision=Decision(0.5))
    assert (half.text, half.threshold, half.answerable) == ("", None, 0.5)
    assert [half.no_answer_score, *(a.score for a in half.answers)] == pytest.approx(
        [1 / 2, 1 / 4, 1 / 4]
    )
    # odds of 2 : 1 : 1 become 2 a' : a : a, with a' = 1 - a
    for answerable, text in ((0.66, ""), (0.67, "Rollo"), (1, "Rollo")):
        prediction = merged(alike, decision=Decision(answerable))
        assert (prediction.text, prediction.answerable) == (text, answerable)


@pytest.mark.parametrize("decision", [Decision(1), Decision(threshold=math.inf)])
def test_the_boldest_decisions_always_answer(decision: Decision) -> None:
    assert merged(window(1e6, (-1e6, ROLLO)), decision=decision).text == "Rollo"


def test_no_answer_score_is_one_half_when_null_and_answer_are_equal() -> None:
    assert merged(window(3.0, (3.0, ROLLO))).no_answer_score == pytest.approx(0.5)


@pytest.mark.parametrize("overlapping", [False, True])
def test_the_same_text_in_two_windows_counts_once_at_its_highest_logit(overlapping: bool) -> None:
    windows = [window(0.0, (2.0, (0, 5))), window(0.0, (3.0, (9, 14)))]
    prediction = merged(*windows, context="rollo or Rollo", overlapping=overlapping)
    (answer,) = prediction.answers
    assert (answer.text, answer.start, answer.end) == ("Rollo", 9, 14)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_among_equals_of_several_windows_the_earlier_and_then_the_shorter_comes_first(
    order: tuple[int, ...],
) -> None:
    rollo_the = (0, 9)
    windows = [window(0.0, (3.0, place)) for place in (DUKE, rollo_the, ROLLO)]
    prediction = merged(*(windows[index] for index in order), overlapping=True)
    assert [a.text for a in prediction.answers] == ["Rollo", "Rollo the", "duke"]
    assert prediction.text == "Rollo"
    prediction = merged(*(windows[index] for index in order))
    assert [a.text for a in prediction.answers] == ["Rollo", "duke"]  # these do not overlap


def test_only_the_best_quotes_share_the_probability_of_another_quote() -> None:
    read = window(0.0, (0.0, ROLLO), (0.0, THE), (0.0, DUKE))  # none 1/2, each quote 1/6
    scores = [[answer.score for answer in merged(read, limit=limit).answers] for limit in (1, 2, 3)]
    assert scores == [
        pytest.approx([1 / 6]),
        pytest.approx([1 / 6, 1 / 6]),  # no quote is likelier than the best one
        pytest.approx([1 / 6] * 3),
    ]


def test_a_context_without_spans_has_no_answer_however_it_is_decided() -> None:
    for decision in (Decision(threshold=math.inf), Decision(1)):
        for windows in ([], [window(-9.0)]):
            assert merged(*windows, decision=decision) == Prediction(
                *("1", None, (), 1.0, NO_SPAN, len(windows)),
                threshold=decision.threshold,
                answerable=decision.answerable,
            )


def test_scores_share_the_probability_that_there_is_an_answer() -> None:
    read = window(0.0, (0.0, ROLLO), (0.0, THE), (-math.log(2), DUKE))
    assert [answer.score for answer in merged(read).answers] == pytest.approx([0.2, 0.2, 0.1])
    assert [answer.score for answer in merged(read, top_k=1).answers] == pytest.approx([0.2])
    assert merged(read).share == pytest.approx(0.4)


def test_calibration_changes_scores_and_not_what_a_threshold_decides() -> None:
    read = [window(1.0, (3.0, ROLLO), (2.0, THE)), window(4.0, (1.0, DUKE))]
    plain, calibrated = merged(*read), merged(*read, calibration=SHY)
    assert calibrated.text == plain.text == "Rollo"
    assert calibrated.null_score_diff == plain.null_score_diff
    assert [a.text for a in calibrated.answers] == [a.text for a in plain.answers]
    # d = 1 - 3, two windows, and the share of the best among all three quotes
    soft, share = math.log1p(math.exp(-2)), 1 / (1 + math.exp(-1) + math.exp(-2))
    none = 1 - 0.5 * (2 + soft) + soft - 0.5 * math.log(share) + 2 * math.log(2)
    elsewhere = -1 - 1.5 * math.log(share / (1 - share))
    weights = [1, math.exp(none), math.exp(elsewhere)]
    right, null, other = (weight / sum(weights) for weight in weights)
    half = 1 / (1 + math.exp(-1 / 2))  # logits 2 and 1, with a temperature of 2
    assert calibrated.no_answer_score == pytest.approx(null)
    assert [a.score for a in calibrated.answers] == pytest.approx(
        [right, 0.5 * other * half, 0.5 * other * (1 - half)]
    )
    assert merged(*read, calibration=SHY, decision=Decision(0.5)).text == ""


# seven words, each a quote, from the likeliest on
SEVEN = "aa bb cc dd ee ff gg"
SPANS = [(float(-n), (3 * n, 3 * n + 2)) for n in range(7)]


@pytest.mark.parametrize(
    ("top_k", "answered", "abstained"), [(1, 1, 5), (3, 3, 5), (5, 5, 5), (6, 6, 6)]
)
def test_an_abstention_has_the_five_nearest_quotes_and_an_answer_top_k(
    top_k: int, answered: int, abstained: int
) -> None:
    for null, count in ((-9.0, answered), (9.0, abstained)):
        prediction = merged(
            window(null, *SPANS), context=SEVEN, top_k=top_k, limit=max(top_k, NEAREST)
        )
        assert (prediction.answer is None) == (null > 0)
        assert [a.text for a in prediction.answers] == SEVEN.split()[:count]


def test_run_squads_lists_have_their_length_whatever_is_decided() -> None:
    for null in (-9.0, 9.0):
        read = window(null, *SPANS)
        prediction = merged(read, context=SEVEN, top_k=2, limit=7, overlapping=True)
        assert [a.text for a in prediction.answers] == ["aa", "bb"]


@pytest.mark.parametrize("overlapping", [False, True])
def test_quotes_are_whole_but_not_in_run_squads_lists(overlapping: bool) -> None:
    context = "after sixty (60) days of notice"
    days, sixty, notice = (13, 21), (6, 11), (25, 31)
    read = window(-9.0, (4.0, days), (3.0, sixty), (2.0, notice))
    prediction = merged(read, context=context, top_k=2, overlapping=overlapping)
    expected = ["60) days", "sixty"] if overlapping else ["sixty (60) days", "notice"]
    assert [a.text for a in prediction.answers] == expected
    assert all(context[a.start : a.end] == a.text for a in prediction.answers)


def test_whole_quotes_are_different() -> None:
    context = "either 1.5 or 1.5 metres"
    read = window(-9.0, (4.0, (7, 8)), (3.0, (16, 17)), (2.0, (18, 24)))  # "1", "5"
    assert [a.text for a in merged(read, context=context).answers] == ["1.5", "metres"]


LOGIT = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)


@given(
    windows=st.lists(
        st.tuples(LOGIT, st.lists(st.tuples(LOGIT, st.sampled_from([ROLLO, THE, DUKE])))),
        min_size=1,
        max_size=5,
    ),
    decision=st.builds(Decision, threshold=st.floats(-20, 20))
    | st.builds(Decision, st.floats(0.01, 1)),
    calibration=st.sampled_from([PLAIN, SHY]),
)
def test_scores_are_probabilities_in_order(
    windows: list[tuple[float, list[tuple[float, tuple[int, int]]]]],
    decision: Decision,
    calibration: Calibration,
) -> None:
    prediction = merged(
        *(window(null, *spans) for null, spans in windows),
        decision=decision,
        calibration=calibration,
    )
    scores = [answer.score for answer in prediction.answers]
    assert all(0.0 <= score <= 1.0 for score in [*scores, prediction.no_answer_score])
    assert math.fsum(scores) + prediction.no_answer_score <= 1.0 + 1e-9
    assert scores == sorted(scores, reverse=True)
    assert len({answer.text for answer in prediction.answers}) == len(scores)
    if prediction.answers:
        value, limit = prediction.decision_value, prediction.decision_limit
        assert prediction.answer == (None if value > limit else prediction.answers[0])


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


@pytest.mark.parametrize("joined", ["\u200d", "\u0301", "\U0001f1eb", "東\u200d", "\u1161"])
def test_what_joins_without_end_is_cut(joined: str) -> None:
    """Otherwise each of many spans takes as long as the whole text, and returns it."""
    context = "a" + joined * 5000 + "b"
    middle = len(context) // 2
    start, end = whole_characters(context, middle, middle + 1)
    assert start <= middle < end
    assert end - start <= 1 + 2 * 64


_ODD = [
    "東\u200d",
    "\u0301",
    "😀\u200d",
    "🇫",
    "한",
    "x" * 101 + " ",
    " ",
    "(",
    "1-",
    "@a",
    "a\u0316",
    "。",
]


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.sampled_from(_ODD), min_size=1, max_size=3), overlapping=st.booleans())
def test_time_is_bounded_by_the_length_whatever_it_holds(
    parts: list[str], overlapping: bool
) -> None:
    piece = "".join(parts)
    example = Example("", "Who led the Norse?", piece * (800 // len(piece)))
    began = time.process_time()
    list(TINY.answer_all([example], top_k=20, overlapping=overlapping))
    assert time.process_time() - began < 2  # joiners took 9 seconds once


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
