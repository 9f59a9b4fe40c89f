"""Names of sources near a quotation."""

from __future__ import annotations

import pytest

from pullquote.checking.drafts import Quotation, read_draft
from pullquote.checking.naming import Names, named
from pullquote.types import Place

NAMES = Names(["/a/lease.pdf", "/a/b/House Rules.docx", "/a/old/notes.txt", "/a/notes.txt"])


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("“x y z” (lease.pdf, p. 3).", ("/a/lease.pdf", "page", 3)),
        ("“x y z” (lease.pdf, pages 3–4).", ("/a/lease.pdf", "page", 3)),
        ("“x y z” [the lease](a/lease.pdf#page=3)", ("/a/lease.pdf", "page", 3)),
        ("“x y z” [LEASE.PDF, S. 9]", ("/a/lease.pdf", "page", 9)),
        ("As lease.pdf (p. 4) says, “x y z”.", ("/a/lease.pdf", "page", 4)),
        ("As House Rules.docx says, “x y z”.", ("/a/b/House Rules.docx", "", None)),
        ("> x y z\n> — House rules, paragraph 2", ("/a/b/House Rules.docx", "paragraph", 2)),
        ("“x y z” (lease)", ("/a/lease.pdf", "", None)),
        ("“x y z” (old/notes.txt:12)", ("/a/old/notes.txt", "line", 12)),
        ("“x y z”[^1]\n\n[^1]: lease.pdf, line 9", ("/a/lease.pdf", "line", 9)),
    ],
)
def test_a_named_source(draft: str, expected: tuple[str, str, int | None]) -> None:
    found = named(read_draft(draft).quotations[0], NAMES)
    assert found
    assert (*found.documents, found.unit, found.number) == expected


@pytest.mark.parametrize(
    "draft",
    [
        "The lease says “x y z”.",
        "“x y z” and the lease too.",
        "lease.pdf is long. He said “x y z”.",
        "“x y z” (he laughed)",
        "“x y z” costs 3.50",
    ],
)
def test_no_named_source(draft: str) -> None:
    assert named(read_draft(draft).quotations[0], NAMES) is None


def test_a_name_of_several_documents_is_any_of_them() -> None:
    found = named(Quotation("x", "line 1", citation="(notes.txt)"), NAMES)
    assert found
    assert found.documents == ("/a/old/notes.txt", "/a/notes.txt")


def test_a_name_that_is_not_among_the_sources_has_no_documents() -> None:
    found = named(Quotation("x", "line 1", source="other.pdf", unit="page", number=2), NAMES)
    assert found
    assert (found.name, found.documents, str(found)) == ("other.pdf", (), "other.pdf, page 2")


def test_a_page_by_itself() -> None:
    found = named(Quotation("x", "line 1", citation="(p. 7)"), NAMES)
    assert found
    assert found.is_at(Place("any.pdf", "page", 6), Place("any.pdf", "page", 7))
    assert not found.is_at(Place("any.pdf", "page", 8), Place("any.pdf", "page", 8))


def test_a_page_of_a_document_without_pages_is_not_held_against_it() -> None:
    found = named(Quotation("x", "line 1", citation="(lease.pdf, p. 7)"), NAMES)
    assert found
    assert found.is_at(Place("/a/lease.pdf", "line", 1), Place("/a/lease.pdf", "line", 1))
