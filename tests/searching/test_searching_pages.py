"""Running heads, page numbers, hyphens at the end of lines, and paragraphs."""

from __future__ import annotations

import pytest

from pullquote.searching.pages import Words, goes_on, paragraphs, running


def text_of(pages: list[list[str]]) -> list[list[str]]:
    return [list(page.lines) for page in running(pages)]


def heads_of(pages: list[list[str]]) -> list[tuple[str, ...]]:
    return [page.heads for page in running(pages)]


@pytest.mark.parametrize(
    "numbers",
    [
        ["1", "2", "3", "4"],
        ["- 6 -", "- 7 -", "- 8 -", "- 9 -"],
        ["Page 1 of 4", "Page 2 of 4", "Page 3 of 4", "Page 4 of 4"],
        ["iii", "iv", "v", "vi"],
        ["(1).", "(2).", "(3).", "(4)."],
        ["[p. 7.]", "[p. 8.]", "[p. 9.]", "[p. 10.]"],
        ["9/20", "10/20", "11/20", "12/20"],
    ],
)
def test_numbers_that_count_on_are_those_of_pages(numbers: list[str]) -> None:
    words = ["It rose", "in the hills", "and ended", "at sea."]
    for pages in (
        [[word, number] for word, number in zip(words, numbers, strict=True)],
        [[number, word] for word, number in zip(words, numbers, strict=True)],
    ):
        assert text_of(pages) == [[word] for word in words]
        assert heads_of(pages) == [()] * 4


@pytest.mark.parametrize(
    "pages",
    [
        [["Invoice", "Total", "12400"]],
        [["Total", "840"]],
        [["1984", "by George Orwell"], ["It was a bright cold day", "in April."]],
        [["Doors", "12"], ["Windows", "40"], ["Roofs", "3"]],
        [["12. The tenant pays."], ["13. The owner repairs."], ["14. Both may leave."]],
        [["The gate is 4"], ["metres wide and 5"], ["high, and weighs 6"], ["tons"]],
        [["In 1641 it was built"], ["of stone"]],
        [["of 1,041"], ["of 1,042"], ["of 1,043"]],
    ],
)
def test_other_numbers_stay(pages: list[list[str]]) -> None:
    if pages[0] == ["The gate is 4"]:  # these count on, and nothing tells them from a page's
        assert sum(heads_of(pages), ()) == ("The gate is", "metres wide and", "high, and weighs")
    else:
        assert text_of(pages) == pages


def test_heads_and_feet_are_taken_out_and_shown_once() -> None:
    pages = [
        ["The Mill Manual", "The wheel turns when", "Rev. B   1"],
        ["The Mill Manual", "the gate is open and", "stops", "Rev. B   2"],
        ["The Mill Manual", "at night.", "Rev. B   3"],
    ]
    assert text_of(pages) == [
        ["The wheel turns when"],
        ["the gate is open and", "stops"],
        ["at night."],
    ]
    assert heads_of(pages) == [("The Mill Manual", "Rev. B"), (), ()]


def test_heads_of_chapters_with_numbers_are_each_shown_once() -> None:
    pages = [
        ["10 CHAPTER 1. WATER", "a"],
        ["1.1. WEIRS 11", "b"],
        ["12 CHAPTER 1. WATER", "c"],
        ["1.2. GATES 13", "d"],
        ["14 CHAPTER 1. WATER", "e"],
    ]
    assert text_of(pages) == [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert heads_of(pages) == [
        ("CHAPTER 1. WATER",),
        ("1.1. WEIRS",),
        (),
        ("1.2. GATES",),
        (),
    ]


def test_a_line_that_begins_with_the_number_of_its_page_stays_beside_it() -> None:
    words = ["miles", "eels", "gates", "tons", "wheels"]
    pages = [[f"text {n}a", f"{n} {word}", str(n)] for n, word in enumerate(words, start=1)]
    assert text_of(pages) == [page[:2] for page in pages]


def test_a_line_that_two_pages_of_many_begin_with_stays() -> None:
    pages = [["Synopsis", "a"], ["b"], ["Synopsis", "c"], ["d"]]
    assert text_of(pages) == pages


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Anna Berg-", "Larsen of Oslo", "-"),
        ("must satisfy ISO-", "9001 at all times", "-"),
        ("the number AX-", "77B on its plate", "-"),
        ("the years 1939-", "1945", "-"),
        ("the price-", "determining factors", "-"),
        ("completely recon-", "structed in 1702", ""),
        ("at the INTER-", "NATIONAL fair", ""),
        ("a well-", "known house", "-"),
        ("a co-", "operative bank", ""),
        ("state-of-", "the-art pumps", "-"),
        ("the Mühlen-", "wehr broke", ""),
        ("a soft\u00ad", "ware", ""),
        ("twice --", "or never", None),
        ("the end -", "and more", None),
        ("it ends here", "and goes on", None),
        ("one-", "(or two)", None),
    ],
)
def test_hyphens_at_the_end_of_lines(before: str, after: str, expected: str | None) -> None:
    words = Words(["It is well-known that INTERNATIONAL trade and a cooperative last."])
    assert words.joined(before, after) == expected


def test_two_words_that_a_document_has_are_not_made_one() -> None:
    assert Words(["a kiln of brick", "the lid is shut"]).joined("the kiln-", "lid is") == "-"
    assert Words(["nothing of it"]).joined("the kiln-", "lid is") == ""


def test_halves_of_broken_words_are_no_words_of_the_document() -> None:
    """Else two breaks of one word would speak for two words."""
    words = Words(["the kron-", "lade and the kron-", "lade"])
    assert words.joined("a kron-", "lade") == ""


def test_lines_are_joined_where_they_are_full() -> None:
    lines = [
        "The mill stands by the river and was built",
        "of stone from the quarry at Norrhavn by a",
        "carpenter.",
        "Hedda Kroon",
        "12 Weir Lane",
        "It was rebuilt after the flood of 1702, which",
        "took the wheel.",
    ]
    assert paragraphs(lines, Words(lines)) == [
        "The mill stands by the river and was built of stone from the quarry at Norrhavn by a "
        "carpenter.",
        "Hedda Kroon\n12 Weir Lane\nIt was rebuilt after the flood of 1702, which took the wheel.",
    ]


def test_items_of_a_list_begin_lines_and_empty_lines_end_paragraphs() -> None:
    lines = ["• oak and ash and elm and", "• pine and fir and spruce", "", "2) birch"]
    assert paragraphs(lines, Words(lines)) == [
        "• oak and ash and elm and\n• pine and fir and spruce",
        "2) birch",
    ]


def test_chinese_lines_are_joined_without_a_blank() -> None:
    lines = ["磨坊建于一六四一年由一位", "木匠的女儿建造于河流之旁"]
    assert paragraphs(lines, Words(lines)) == ["".join(lines)]


def test_two_pages_out_of_a_longer_document() -> None:
    def lines(*numbers: str) -> list[tuple[str, ...]]:
        texts = ("The mill was built.", "The fire")
        return [
            page.lines for page in running([[t, n] for t, n in zip(texts, numbers, strict=True)])
        ]

    assert (
        lines("12", "13")
        == lines("Page 12", "Page 13")
        == [("The mill was built.",), ("The fire",)]
    )
    assert lines("12", "14") == [("The mill was built.", "12"), ("The fire", "14")]
    assert lines("in 12", "in 13") == [("The mill was built.", "in 12"), ("The fire", "in 13")]


def test_a_paragraph_goes_on_in_the_next_page_unless_it_ends_early() -> None:
    page = [
        "The wheel of the mill is built of oak and turns",
        "The gate is of oak, and its",
        "Keys",
    ]
    assert goes_on(page[:1], ["", "In winter it stands still."], page=page)
    assert goes_on(page[:2], ["wheel, too."], page=page)
    assert not goes_on(page, ["There are three keys."], page=page)  # a heading
    assert not goes_on(page, ["2. The keys"], page=page)
    assert not goes_on([*page, "It is shut."], ["and so is the gate"], page=page)
    assert not goes_on(page, ["", ""], page=page)


def test_lines_of_a_form_stay_lines() -> None:
    lines = ["Invoice date: 9 October 2026", "Due date: 8 November 2026", "Customer: Fenwick Trust"]
    assert paragraphs(lines, Words(lines)) == ["\n".join(lines)]
