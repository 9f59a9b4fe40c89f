"""Markdown: what a person reads of it, and where."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.searching.markdown import prose, read_markdown
from pullquote.searching.parts import Guessed, Part
from pullquote.types import line_breaks


def parts(text: str) -> list[Part]:
    return [part for part in read_markdown(io.BytesIO(text.encode())) if isinstance(part, Part)]


def shown(text: str) -> list[tuple[str, int]]:
    return [(part.text.strip(), part.number) for part in parts(text)]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("See [the lease](http://x.example/70000?a=(1)).", "See the lease."),
        ('[a](<b c> "the title")[b]( c )', "ab"),
        ("[![build](https://x/1.svg)](https://x/2) passing", "build passing"),
        ("![the weir](weir.png) in June", "the weir in June"),
        ("[the lease][1] and [a\nb](c)", "the lease and a\nb"),
        ("as noted[^7]", "as noted"),
        ("- [x] done, see [1][2] and [draft]", "- [x] done, see [1][2] and [draft]"),
        ("**840** crowns, *not* __841__, _at_ ***all***", "840 crowns, not 841, at all"),
        (
            "2 * 3 * 4 and snake_case_name and f(*args)",
            "2 * 3 * 4 and snake_case_name and f(*args)",
        ),
        ("`[x](y)` and ``a`b`` and `<b>`", "[x](y) and a`b and <b>"),
        ("`*args*` &amp; `&amp;`", "*args* & &amp;"),
        (r"\*not\* \[a](b)", "*not* [a](b)"),
        ('<p align="center">The <b>mill</b><br/></p>', "The mill"),
        ("<details><summary>When?</summary>In 1641<br>or H<sub>2</sub>O.", "When? In 1641 or H2O."),
        ("a <!-- secret\n70000 --> b", "a \n b"),
        ("a <!-- b, and 1 < 2 > 0", "a <!-- b, and 1 < 2 > 0"),
        ("<https://x.example> and a<b", "<https://x.example> and a<b"),
        ("[a](b", "[a](b"),
        ("]( and [", "]( and ["),
    ],
)
def test_markup_is_left_out(markup: str, expected: str) -> None:
    assert prose(markup).strip() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("the pressure > 80 bar, `a->b`, c > d", "the pressure > 80 bar, a->b, c > d"),
        ("> > quoted, with 1 > 0", "quoted, with 1 > 0"),
        ("press <kbd>Ctrl</kbd>+C", "press Ctrl+C"),
        ("# Learning C# and F# today", "Learning C# and F# today"),
        ("## Learning C#", "Learning C#"),
        ("## Issue # 12 ##", "Issue # 12"),
        ("As noted[^1]: the price", "As noted: the price"),
        ("[^1]: the price", "the price"),
    ],
)
def test_signs_within_a_line_are_no_markup(line: str, expected: str) -> None:
    assert shown(line) == [(expected, 1)]


def test_blocks_and_their_lines() -> None:
    text = (
        "---\ntitle: The boiler\nid: 70000\n---\n\n"  # lines 1 to 5
        "# Lighting it #\nOpen the flap.\n\n"  # 6, 7
        "When it stops\n-------------\n"  # 9
        "<!-- draft:\n\nnot yet -->\n"  # 11 to 13
        "> The flue\n> is blocked.\n\n"  # 14
        "[lease]: http://x.example/70000\n"  # 17
        "```sh\n# not a heading [a](b)\n\nrun\n```\n"  # 18; code from 19
        "| Door | Price |\n|---|--:|\n| oak | 70 |\n\n"  # 23, 25
        "***\n[^1]: The note.\n"  # 27, 28
    )
    assert shown(text) == [
        ("The boiler", 2),
        ("Lighting it", 6),
        ("Open the flap.", 7),
        ("When it stops", 9),
        ("The flue\nis blocked.", 14),
        ("# not a heading [a](b)\n\nrun", 19),
        ("Door: oak; Price: 70", 25),
        ("The note.", 28),
    ]
    assert [part.text.strip() for part in parts(text) if part.open] == [
        *("The boiler", "Lighting it", "When it stops")
    ]


@pytest.mark.parametrize("text", ["---\nThe mill: old\n\nIt is.\n", "---\n\nIt is.\n---\n", "---"])
def test_what_only_begins_as_front_matter_is_read(text: str) -> None:
    assert [word for word, _ in shown(text)] == [
        line for line in ("The mill: old", "It is.") if line in text
    ]


def test_front_matter_in_toml() -> None:
    assert shown("+++\ntitle = 'The boiler'\ndate = 2016\n+++\nIt burns.") == [
        ("The boiler", 2),
        ("It burns.", 5),
    ]


def test_lists_of_links_into_the_same_site_are_left_out() -> None:
    contents = "- [Rent](#rent)\n- [Notice](#notice)\n  1. [How](#how)\n"
    assert shown(f"# Lease\n\n{contents}\nThe rent.") == [("Lease", 1), ("The rent.", 7)]
    assert shown(contents.replace("\n", "\n\n") + "The rent.") == [("The rent.", 7)]
    for kept in ("- [Rent](#rent)\n", "- [A](https://a.example)\n" * 4, "- [A](#a): how\n" * 4):
        assert shown(kept)[0][0].startswith("- ")


def test_an_open_code_block_and_an_open_comment_end_with_the_file() -> None:
    assert shown("~~~\na\n```\nb\n") == [("a\n```\nb", 2)]
    assert shown("The mill.\n\n<!-- a\n\nb\n") == [("The mill.", 1)]
    assert shown("<!-- a\n\nb --> The mill.") == [("The mill.", 3)]


def test_a_guessed_encoding_is_noted() -> None:
    first, part = read_markdown(io.BytesIO("The rent is £840.".encode("cp1252")))
    assert first == Guessed("Windows-1252")
    assert isinstance(part, Part)
    assert "£840" in part.text


@given(st.lists(st.sampled_from([*"[]()!<>`*_\\&#-|:~= \n\r", "a", "<!--", "-->", "---\n", "```"])))
def test_lines_are_those_of_the_file(pieces: list[str]) -> None:
    """Every word of any markup is in the line that it says, and none is made up."""
    text = "".join(f"w{place}" if piece == "a" else piece for place, piece in enumerate(pieces))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for part in parts(text):
        for place in range(len(pieces)):
            if (at := part.text.find(f"w{place}")) >= 0 and pieces[place] == "a":
                number = part.number + line_breaks(part.text, 0, at)
                assert any(f"w{place}" in line for line in lines[number - 1 : number])
