"""Verdicts: one example of each rule, and offsets that hold in the original text."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from pullquote import Checker, Index, check
from pullquote.checking.verdicts import Check
from pullquote.errors import InputError

LEASE = """LEASE

1. The rent is 840 crowns a month, due on the third. The tenant, Ms O’Brien, pays it by
bank trans-
fer.[2] Late rent costs 5 % a week.

2. The well-known garden is shared. Dogs are welcome if they are small — and do not bark at night.
He said “no cats”, twice, and meant it.

3. The landlord, who lives abroad for most of the year and reads no letters, keeps the roof tight.
Either party may end this lease by giving the other four weeks’ written notice.
"""


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker({"id": "lease.txt", "text": LEASE})


def texts(found: Check) -> list[str]:
    assert all(LEASE[one.start : one.end] == one.text for one in found.found)
    return [one.text for one in found.found]


@pytest.mark.parametrize(
    ("quote", "there"),
    [
        ("The rent is 840 crowns a month", "The rent is 840 crowns a month"),
        ("Dogs are welcome if they are small — and do not bark at night.",) * 2,
        ("“no cats”, twice", "“no cats”, twice"),
    ],
)
def test_exact(checker: Checker, quote: str, there: str) -> None:
    found = checker.check(quote)
    assert (found.match, texts(found), found.similarity) == ("exact", [there], 1.0)


@pytest.mark.parametrize(
    ("quote", "there"),
    [
        ("the rent is 840 crowns", ["The rent is 840 crowns"]),
        ("[t]he tenant, Ms O'Brien", ["The tenant, Ms O’Brien"]),
        ("pays it by bank transfer", ["pays it by\nbank trans-\nfer"]),
        ("by bank transfer. Late rent", ["by\nbank trans-\nfer.[2] Late rent"]),
        ("small - and do not bark", ["small — and do not bark"]),
        ("He said ‘no cats’, twice", ["He said “no cats”, twice"]),
        ("'no cats', twice", ["“no cats”, twice"]),
        ("The rent is […] due on the third", ["The rent is", "due on the third"]),
        ("The rent is ... due on the third …", ["The rent is", "due on the third"]),
        ("… the rent is 840 crowns a month", ["The rent is 840 crowns a month"]),
        ("due on the third,", ["due on the third"]),
        ("the well known garden", ["The well-known garden"]),
        ("due on the third;", ["due on the third"]),
    ],
)
def test_typographic(checker: Checker, quote: str, there: list[str]) -> None:
    found = checker.check(quote)
    assert (found.match, texts(found), found.differences) == ("typographic", there, ())


@pytest.mark.parametrize(
    ("quote", "source"),
    [
        ("he was not able to come", "He was notable to come."),
        ("he was notable to come", "He was not able to come."),
        ("now here to be seen", "It is nowhere to be seen."),
        ("see invoice 1 12 of May", "See invoice 11 2 of May."),
        ("the rent is 84 0 crowns", "The rent is 840 crowns."),
        ("the rent is 840 crowns", "The rent is 84\n0 crowns."),
        ("version 1.5 dogs", "Version 1. 5 dogs."),
        ("it is 102 metres wide", "It is 10² metres wide."),
        ("we were not able […] and nowhere else", "We were not able to go, and now here else."),
        (
            "the dogs there fore stay outside with no cats",
            "The dogs therefore stay outside with no",
        ),
    ],
)
def test_words_are_not_joined_or_split(quote: str, source: str) -> None:
    found = check(quote, {"text": source})
    assert not found.fine
    assert found.match in ("drifted", "absent")


@pytest.mark.parametrize(
    ("quote", "source"),
    [
        ("a well known old house", "A well-known old house."),
        ("a wellknown old house", "A well-\nknown old house."),
        ("five % of 40 km", "Five\n%  of\n40 km."),
        ("so it is — now", "So it is - now"),
        ("a 19 year lease", "A 19-year lease"),
        ("東京 と 京都 に行く", "東京と京都に行く"),
    ],
)
def test_blanks_and_hyphens_of_other_kinds_are_typography(quote: str, source: str) -> None:
    assert check(quote, {"text": source}).match == "typographic"


@pytest.mark.parametrize(
    ("quote", "there", "differences"),
    [
        (
            "The rent is 480 crowns a month",
            "The rent is 840 crowns a month",
            ['"480" for "840"'],
        ),
        ("The fee is 840 crowns a month", "The rent is 840 crowns a month", ['"fee" for "rent"']),
        ("Dogs are welcome if small and do not bark", None, ['left out "they are"']),
        ("The rent is just 840 crowns a month", "The rent is 840 crowns a month", ['added "just"']),
        # a changed word at either end is part of the place
        ("Our rent is 840 crowns a month", "The rent is 840 crowns a month", ['"Our" for "The"']),
        ("Late rent costs 5 % a day.", "Late rent costs 5 % a week.", ['"day" for "week"']),
        # a comma is no word, but it is not typography
        ("The tenant Ms O’Brien pays it", "The tenant, Ms O’Brien, pays it", None),
        ("He said “no cats” twice, and meant it", None, ['left out ","']),
        ("Late rent costs 5 a week", "Late rent costs 5 % a week", ['left out "%"']),
    ],
)
def test_drifted(
    checker: Checker, quote: str, there: str | None, differences: list[str] | None
) -> None:
    found = checker.check(quote)
    assert found.match == "drifted"
    assert there is None or texts(found) == [there]
    assert differences is None or [str(one) for one in found.differences] == differences
    for one in found.differences:
        assert quote[one.quote_start : one.quote_end] == one.quote
        assert LEASE[one.start : one.end] == one.source


def test_four_fifths_of_the_words_are_drifted_and_fewer_are_absent(checker: Checker) -> None:
    ten = "The rent is 840 crowns a month, due on the"  # ten words
    words = ten.split()
    eight = " ".join([*words[:3], "x", *words[4:7], "y", *words[8:]])
    seven = " ".join([*words[:3], "x", *words[4:6], "z", "y", *words[8:]])
    assert [checker.check(quote).match for quote in (eight, seven)] == ["drifted", "absent"]


def test_words_left_out_without_a_sign_are_drift_up_to_a_dozen() -> None:
    def verdict(left_out: int) -> str:
        middle = " ".join(f"word{number}" for number in range(left_out))
        text = f"The rent is due on the third {middle} and dogs are welcome in the garden"
        quote = "The rent is due on the third and dogs are welcome in the garden"
        return check(quote, {"text": text}).match

    assert [verdict(12), verdict(13)] == ["drifted", "stitched"]


def test_the_place_is_no_longer_than_it_has_to_be() -> None:
    text = "Needles of 12 mm and 4 mm long, or a circular one in brown wool, as you like it best."
    (found,) = check("mm long, or a circular one in red wool, as you like it", {"text": text}).found
    assert found.text == "mm long, or a circular one in brown wool, as you like it"


def test_stitched(checker: Checker) -> None:
    found = checker.check("The landlord keeps dogs, and the rent is 840 crowns a month")
    assert found.match == "absent"  # three words are no piece
    found = checker.check("dogs are welcome if they are small; the rent is 840 crowns a month")
    assert found.match == "stitched"
    assert texts(found) == ["Dogs are welcome if they are small", "The rent is 840 crowns a month"]


def test_pieces_may_come_from_several_documents() -> None:
    sources = [
        {"id": "a", "text": "The rent is due on the third."},
        {"id": "b", "text": "Dogs are welcome in the garden."},
    ]
    found = check("The rent is due on the third and dogs are welcome in the garden", sources)
    assert (found.match, [one.at.path for one in found.found]) == ("stitched", ["a", "b"])


def test_absent_with_the_nearest_passage(checker: Checker) -> None:
    found = checker.check(
        "Either party may leave this flat whenever the other has had enough of it"
    )
    assert found.match == "absent"
    assert [text.startswith("Either party may") for text in texts(found)] == [True]
    assert checker.check("Walruses considered umbrellas beneath glaciers").found == ()


@pytest.mark.parametrize("quote", ["the rent", "“rent”", "… the rent …", "---", "東京"])
def test_what_is_too_short_is_uncheckable_and_fine(checker: Checker, quote: str) -> None:
    found = checker.check(quote)
    assert (found.match, found.fine) == ("uncheckable", True)
    assert found.reason == "too short: fewer than 3 words"


def test_a_part_of_a_word_is_no_quote() -> None:
    assert check("he rent is du", {"text": "The rent is due"}).match != "exact"
    assert check("rent is due", {"text": "The rent is due"}).match == "exact"


def test_the_order_of_elided_parts_counts() -> None:
    lease = {"text": "The rent is due on the third. Dogs are welcome in the garden today."}
    right = check("The rent is due on […] welcome in the garden today", lease)
    wrong = check("welcome in the garden today […] The rent is due on", lease)
    assert (right.match, wrong.match) == ("typographic", "stitched")


def test_far_parts_are_not_one_quote() -> None:
    text = "The rent is due on the third. " + "x " * 4000 + "Dogs are welcome in the garden."
    quote = "The rent is due on the third […] Dogs are welcome in the garden."
    assert check(quote, {"text": text}).match == "stitched"


def test_the_place_is_as_named_or_elsewhere() -> None:
    text = "The rent is due on the third.\n\n" + "Other words.\n\n" * 3
    sources = [
        {"id": "a/lease.txt", "text": text},
        {"id": "b/lease.txt", "text": "Nothing at all."},
    ]
    quote = "The rent is due"

    def place(document: str | None = None) -> str:
        return check(quote, sources, document=document).place

    assert [place(), place("lease.txt"), place("a/lease.txt")] == ["", "as named", "as named"]
    assert place("b/lease.txt") == "elsewhere"
    found = check(quote, sources, document="other.txt")
    assert (found.match, found.place, found.fine) == ("exact", "elsewhere", False)
    assert found.reason == "other.txt is not among the sources"


def test_of_several_places_the_named_one_is_found() -> None:
    sources = [{"id": name, "text": "Well. The rent is due."} for name in ("a.txt", "b.txt")]
    found = check("The rent is due", sources, document="b.txt")
    assert (found.found[0].at.path, found.place) == ("b.txt", "as named")


def test_a_source_that_is_not_there_is_uncheckable() -> None:
    found = check("Walruses like umbrellas", {"id": "a", "text": "Dogs."}, document="lease.pdf")
    assert (found.match, found.fine) == ("uncheckable", False)
    assert found.reason == "lease.pdf is not among the sources"


def test_the_line_of_a_quote_is_that_of_the_source(checker: Checker) -> None:
    found = checker.check("Dogs are welcome if they are small").found[0]
    assert (str(found.at), found.before) == ("lease.txt, line 7", "")
    assert found.after == " — and do not bark at night."


def test_a_blank_quote_is_an_error(checker: Checker) -> None:
    with pytest.raises(InputError, match="the quote is blank"):
        checker.check(" \n")


def test_json_has_all_of_it(checker: Checker) -> None:
    found = checker.check("The rent is 480 crowns a month").to_dict()
    assert found["match"] == "drifted"
    assert found["place"] is None
    assert found["found"][0]["document"] == "lease.txt"
    assert found["found"][0]["line"] == 3
    assert found["differences"][0] == {
        "quote": "480",
        "source": "840",
        "quote_start": 12,
        "quote_end": 15,
        "start": LEASE.index("840"),
        "end": LEASE.index("840") + 3,
    }


@pytest.mark.parametrize(
    "quote",
    [
        "x" * 1_000_000,
        "a b " * 100_000,
        "… " * 200_000,
        "the … " * 20_000,
        "[" * 300_000 + " a b c d e",
        "- " * 200_000 + "a b c d e",
        "👩‍👩‍👧‍👦 🌱 🐳 " * 5000,
        "שלום עולם טוב " * 5000,
        "東京は今日も雨だ" * 5000,
        "e" + "\u0301" * 100_000 + " b c",
        "\ud800 \0 \x85 a b c",
    ],
    ids=lambda quote: repr(quote[:8]),
)
def test_what_a_quote_costs_is_bounded_by_its_size(quote: str) -> None:
    begin = time.process_time()
    check(quote, {"text": "The rent … is due. " * 2000})
    assert time.process_time() - begin < 5


def test_a_long_quote_with_changes_is_found() -> None:
    words = [f"word{number % 997}x{number % 7}" for number in range(20_000)]
    changed = [word if number % 20 else "other" for number, word in enumerate(words, 1)]
    begin = time.process_time()
    found = check(" ".join(changed), {"text": " ".join(words)})
    assert time.process_time() - begin < 5
    assert (found.match, len(found.differences)) == ("drifted", 1000)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("東京は今日も雨だった。明日は晴れる。", "今日も雨だった"),
        ("היום יורד גשם בתל אביב ומחר לא", "יורד גשם בתל אביב"),
        ("We saw 🐳 and 🌱 near the 👩‍👩‍👧‍👦 today", "🐳 and 🌱 near the 👩‍👩‍👧‍👦"),
    ],
)
def test_other_scripts(text: str, quote: str) -> None:
    found = check(quote, {"text": text})
    assert (found.match, found.found[0].start) == ("exact", text.index(quote))


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """Two sheets that differ in their prices only."""
    pytest.importorskip("lxml")
    path = tmp_path / "stock.fods"

    def row(*cells: str) -> str:
        inner = "".join(f"<t:table-cell><x:p>{cell}</x:p></t:table-cell>" for cell in cells)
        return f"<t:table-row>{inner}</t:table-row>"

    sheets = "".join(
        f'<t:table t:name="{name}">{row("Item", "Wood", "Price")}'
        f"{row('barn door', 'larch', price)}{row('gate', 'oak', '95 crowns')}</t:table>"
        for name, price in (("2026", "1200 crowns"), ("Prices 2027", "1440 crowns"))
    )
    name = "urn:oasis:names:tc:opendocument:xmlns"
    path.write_text(
        f'<o:document xmlns:o="{name}:office:1.0" xmlns:t="{name}:table:1.0" '
        f'xmlns:x="{name}:text:1.0"><o:body><o:spreadsheet>{sheets}</o:spreadsheet></o:body>'
        "</o:document>"
    )
    return path


@pytest.mark.parametrize("indexed", [False, True])
def test_a_quote_is_looked_for_in_the_sheet_that_is_named(workbook: Path, indexed: bool) -> None:
    if indexed:
        with Index.create(workbook.with_name("i.db"), encoder=None) as index:
            index.add([workbook])
    checker = Checker(workbook.with_name("i.db") if indexed else workbook)
    draft = """
        “gate, oak, 95 crowns” (stock.fods, sheet Prices 2027)
        “gate, oak, 95 crowns” (stock.fods, sheet 2026, row 3)
        “gate, oak, 95 crowns” (stock.fods, sheet 2026, row 2)
        “gate, oak, 95 crowns” (stock.fods, sheet Prices 2027, row 2)
        “barn door, larch, 1440 crowns” (stock.fods, sheet 2026)
        “barn door, larch, 1400 crowns” (stock.fods, sheet Prices 2027)
        “barn door, larch, 1400 crowns” (stock.fods, sheet Costs)
        “gate, oak, 95 crowns” (stock.fods)"""
    found = [
        (one.match, one.place, one.found[0].at.within, "".join(map(str, one.differences)))
        for _, one in checker.check_draft(textwrap.dedent(draft))
    ]
    checker.sources.close()
    assert found == [
        ("typographic", "as named", "sheet Prices 2027, row 3", ""),
        ("typographic", "as named", "sheet 2026, row 3", ""),
        ("typographic", "elsewhere", "sheet 2026, row 3", ""),
        ("typographic", "elsewhere", "sheet Prices 2027, row 3", ""),
        ("typographic", "elsewhere", "sheet Prices 2027, row 2", ""),
        ("drifted", "as named", "sheet Prices 2027, row 2", '"1400" for "1440"'),
        ("drifted", "elsewhere", "sheet 2026, row 2", '"1400" for "1200"'),
        ("typographic", "as named", "sheet 2026, row 3", ""),
    ]


def test_a_sheet_and_a_row_in_python(workbook: Path) -> None:
    where = {"document": "stock.fods", "sheet": "Prices 2027", "unit": "row"}
    assert check("gate, oak, 95 crowns", workbook, **where, number=3).place == "as named"
    other = check("gate, oak, 95 crowns", workbook, **where, number=2)
    assert (other.place, other.to_dict()["named"]["sheet"]) == ("elsewhere", "Prices 2027")


def test_a_drifted_quote_of_words_that_stand_twice_is_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "rent.csv").write_text(
        "Flat,Rent\nthe small back room,840\nthe small back room,910\n"
    )
    checker = Checker(tmp_path / "rent.csv")
    for line, rent in ((2, "840"), (3, "910")):
        named = checker.named("rent.csv", unit="line", number=line)
        found = checker.check("the small back room, 480", named=named)
        assert (found.match, found.place) == ("drifted", "as named")
        assert str(found.differences[0]) == f'"480" for "{rent}"'


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"unit": "lines", "number": 9}, "unit is 'lines', expected one of page, line, slide"),
        ({"unit": "", "number": 9}, "unit is '', expected one of page"),
        ({"unit": "line", "number": "9"}, "the number of the line is '9', expected an integer"),
        ({"page": 3, "number": 9}, "page is 3 and number is 9, expected one of them"),
    ],
)
def test_a_place_that_no_document_has_is_an_error(
    checker: Checker, place: dict[str, Any], told: str
) -> None:
    """A quote of line 3 would be where "lines 9" says, for no document has "lines"."""
    with pytest.raises(InputError, match=told):
        checker.named("lease.txt", **place)
    assert checker.named("lease.txt", 3, unit="line").unit == "page"
