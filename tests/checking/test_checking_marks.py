"""Quotations by their marks: pairs that fit, and what is no quotation."""

from __future__ import annotations

import time

import pytest

from pullquote.checking.marks import quotations


def found(text: str) -> list[str]:
    return [one.text for one in quotations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said "it is due" today.', ["it is due"]),
        ("He said “it is due” today.", ["it is due"]),
        ("Il dit « c’est dû » ici.", ["c’est dû"]),
        ("Er sagt „es ist da“ und »hier auch« noch.", ["es ist da", "hier auch"]),
        ("「今日は雨」と『明日も』言う。", ["今日は雨", "明日も"]),
        ("Han sade ”det är så” i går.", ["det är så"]),
        ("She said ‘it is the tenants’ rent’ today.", ["it is the tenants’ rent"]),
        ("She said 'it is not due' today.", ["it is not due"]),
        ("(“It is due.”)", ["It is due."]),
        ('"a","b"', ["a", "b"]),
        # nested: the outermost
        ("“He said ‘no’ and “never” to us”", ["He said ‘no’ and “never” to us"]),
        ('He said, "I was told, "be quiet", so I was."', ['I was told, "be quiet", so I was.']),
        # over paragraphs, each with a mark of its own
        ("“One.\n\n“Two.”", ["One. Two."]),
        ('"One.\n\n"Two."', ["One. Two."]),
        ("“One\nline”", ["One line"]),
    ],
)
def test_marks_of_every_style(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A 5" pipe and a 7" pipe.', []),
        ('The 5" pipe is "as good as new".', ["as good as new"]),
        ('He said "use the 5" pipe today" loudly.', ['use the 5" pipe today']),
        ("It's the tenants' rent, isn't it?", []),
        ("'Tis the season, rock 'n' roll, the '90s and the tenants' rent.", []),
        ("The O’Briens’ dog is Ann’s.", []),
        ("An unclosed “mark here.\n\nAnd more.", []),
        ('A lone " mark.', []),
        ("“unclosed, but “this is closed” in it", ["this is closed"]),
        ("closed only” here", []),
        ("the 'so-called' one", []),
    ],
)
def test_what_is_no_quotation(text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_marks_that_are_never_closed_are_told() -> None:
    places: list[int] = []
    text = "“One.\n\nTwo “three.\n\nAnd “four”"
    assert [one.text for one in quotations(text, places.append)] == ["four"]
    assert places == [0, text.index("“three")]


def test_places_are_those_of_the_marks() -> None:
    text = "So “it is” here"
    (one,) = quotations(text)
    assert text[one.start : one.end] == "“it is”"


@pytest.mark.parametrize(
    "text",
    [
        "“",
        '"',
        '" ',
        "'a b c ",
        "‘a b c ",
        "“a” ",
        '5" ',
        "“a\n\n",
        "„a“ ",
        "\ue000",
        "\ue000a\ue001",
        "\ue000" + "\n" * 20_000 + "a\ue001",
    ],
)
def test_time_grows_with_the_text(text: str) -> None:
    begin = time.process_time()
    list(quotations(text * (300_000 // len(text))))
    assert time.process_time() - begin < 5
