"""Whole quotes: each rule by example, and what holds for any text."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pullquote.reading.quotes import _EMAIL, _OTHERS, _WHOLE, whole_quote

LONG = f"https://acme.example/{'a/' * 100}end"


def whole(context: str, part: str) -> str:
    start = context.index(part)
    first, last = whole_quote(context, start, start + len(part))
    return context[first:last]


@pytest.mark.parametrize(
    ("context", "part", "quote"),
    [
        # addresses
        ("Write to priya.k@acme.example.", "@acme.example", "priya.k@acme.example"),
        ("Write to priya.k@acme.example.", "priya", "priya.k@acme.example"),
        ("See https://acme.example/a?b=1, or ask", "acme", "https://acme.example/a?b=1"),
        ("See (www.acme.example).", "example", "www.acme.example"),
        (f"See {LONG} now", "acme", LONG),
        ("From Priya <priya@acme.example> today", "Priya <priya", "Priya <priya@acme.example>"),
        ("Ask @priya_k. Or not", "priya_k", "@priya_k"),
        ("Filed as #q3-report.", "report", "#q3-report"),
        # numbers
        ("It costs $1,250.50 a month", "250", "$1,250.50"),
        ("It costs £840.", "840", "£840"),
        ("Growth of 3.5% a year", "3", "3.5%"),
        ("at 12:40 or 18:05", "40", "12:40"),
        ("It fell to -5 °C.", "5", "-5 °C"),
        ("a change of −12%", "12", "−12%"),
        ("The total (1.5) is final", "1", "1.5"),
        # dates, times and codes
        ("Due on 2026-11-27.", "2026-11", "2026-11-27"),
        ("Due on 2026-11-27.", "27", "2026-11-27"),
        ("Paid: 2026-11-27T12:30:05Z; by", "2026", "2026-11-27T12:30:05Z"),
        ("in 2026-11 and later", "11", "2026-11"),
        ("am 27.11.2026 fällig", "27.11", "27.11.2026"),
        ("on 11/27/2026 at", "2026", "11/27/2026"),
        ("Python 3.11.2 runs", "3.11", "3.11.2"),
        ("call 555-010-1234 now", "010", "555-010-1234"),
        ("meets ISO-9001 and", "9001", "ISO-9001"),
        ("meets ISO-9001 and", "ISO", "ISO-9001"),
        ("Part: PQ-AX-77B/2; Price", "77B", "PQ-AX-77B/2"),
        ("meets ISO-9001.The next", "ISO", "ISO-9001"),
        ("take 1/2 cup", "1", "1/2"),
        # numbers and their units
        ("after 30 days", "30", "30 days"),
        ("a disk of 12 GB", "GB", "12 GB"),
        ("at 21 °C", "21", "21 °C"),
        ("for 5 million crowns", "million", "5 million"),
        # a day and its month
        ("On 12 March 2020 it rained", "March", "12 March"),
        ("On 12 March 2020 it rained", "12", "12 March"),
        ("On March 3rd it rained", "3rd", "March 3rd"),
        # brackets and quotation marks
        ("the Mill (built in 1882) stands", "Mill (built in 1882", "Mill (built in 1882)"),
        ("the Mill (built in 1882) stands", "in 1882)", "(built in 1882)"),
        ("called “the old mill” by all", "called “the old", "called “the old mill”"),
        ("after sixty (60) days", "60) days", "sixty (60) days"),
        ("after twenty-one (21) days", "(21) days", "twenty-one (21) days"),
    ],
)
def test_a_quote_is_widened(context: str, part: str, quote: str) -> None:
    assert whole(context, part) == quote


@pytest.mark.parametrize(
    ("context", "part"),
    [
        ("On 12 March 2020 it rained", "2020"),  # whoever asks for a year wants the year
        ("for $5 million in cash", "$5"),
        ("<5 minutes or >10 minutes", "<5 minutes"),  # less and more, not brackets
        ("from 1882 to 1890", "1882"),
        ("rooms 3, 4 and 5", "3"),
        ("The end. Next", "end."),
        ("a (b) c", "a (b) c"),
        ("a) first, b) second", "first, b) second"),  # no bracket opens
        ("(a) b) c", "b)"),  # another closes before
        ("see (the\nlong list) there", "list)"),  # on another line
        ("smile :-( and go on", "smile :-( and"),
        ("(" + "x" * 80 + ")", "x)"),  # far away
        ("((a b))", "((a"),  # two are open
        ("in 12\nMarch", "12"),
        ("the well-known mill", "known"),
        ("naïve café", "café"),
        ("open 1882-1890 only", "1882"),  # a range: whoever asks for a year wants the year
        ("a 10-year plan", "10"),
        ("in the mid-1990s", "1990s"),
        ("at 40 km/h", "h"),
        ("CD and/or DVD", "or"),
        ("5%off", "off"),  # after a number
    ],
)
def test_a_quote_stays_as_it_is(context: str, part: str) -> None:
    assert whole(context, part) == part


PIECES = st.sampled_from(
    [
        *("sixty ", "60", " March", " days", " million", "°C", "$", "%", "@", "#", "www."),
        *("http://", "2026-11", "-27", "T12:30", "ISO", "/2"),
    ]
)
SIGNS = st.sampled_from(",.:-_+ \n5aé")
BRACKETS = st.sampled_from("()[]<>{}“”«»")


def spans(pieces: st.SearchStrategy[str], most: int) -> st.SearchStrategy[tuple[str, int, int]]:
    """A context of at most so many pieces, and a span of at least one character."""

    def of(context: str) -> st.SearchStrategy[tuple[str, int, int]]:
        starts = st.integers(0, len(context) - 1)
        return starts.flatmap(
            lambda start: st.tuples(
                st.just(context), st.just(start), st.integers(start + 1, len(context))
            )
        )

    return st.lists(pieces, min_size=1, max_size=most).map("".join).filter(bool).flatmap(of)


@given(spans(PIECES | SIGNS | BRACKETS | st.characters(), 40))
def test_a_whole_quote_holds_the_span_and_grows_little(made: tuple[str, int, int]) -> None:
    context, start, end = made
    first, last = whole_quote(context, start, end)
    assert 0 <= first <= start < end <= last <= len(context)
    assert start - first <= 200
    assert last - end <= 200
    if context[start:end] == context[start:end].strip():
        assert context[first:last] == context[first:last].strip()


@example(("x" * 70 + ".a@acme.org", 0, 1))
@given(spans(PIECES | SIGNS | st.sampled_from(["May", "@acme.org"]), 20))
def test_what_is_common_to_all_parts_rules_none_out(made: tuple[str, int, int]) -> None:
    plain, quick = (re.compile(text) for text in (f"{_EMAIL}|{_OTHERS}", _WHOLE))
    found = [match.span() for match in quick.finditer(made[0])]
    assert found == [match.span() for match in plain.finditer(made[0])]


@given(spans(PIECES | SIGNS, 8))
def test_a_whole_quote_is_whole(made: tuple[str, int, int]) -> None:
    """Without brackets, since the other half of one may bring in another, and in a short text."""
    first, last = whole_quote(*made)
    assert whole_quote(made[0], first, last) == (first, last)


@pytest.mark.parametrize(
    "piece", ["(", "()", "1", "1,", "a.b@", "http://", "a", "sixty (60) ", "1-1-", "A1-"]
)
def test_a_long_text_costs_no_more_than_its_quote(piece: str) -> None:
    """A search that goes back over the text would take minutes here."""
    context = piece * (1_000_000 // len(piece))
    for start in (0, 500_000, 999_000):
        first, last = whole_quote(context, start, start + 3)
        assert start - 2100 <= first <= start < last <= start + 2103
    assert whole_quote(context, 0, len(context)) == (0, len(context))
