"""Sources: files, folders, indexes and texts give the same verdicts and offsets."""

from __future__ import annotations

from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest

from pullquote import Checker, Index, check
from pullquote.checking.sources import Sources
from pullquote.errors import DocumentError, InputError

MILL = Path(__file__).parent.parent.parent / "examples" / "mill"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "mill.db"
    with Index.create(path, encoder=None) as index:
        index.add([MILL])
    return path


QUOTES = [
    ("The turbine that stands in the cellar was installed in 1931.", "exact"),
    ("the flue is blocked. Let the boiler cool for fourty minutes", "drifted"),
    ("The water rose by four metres in less than an hour […] Nobody died", "typographic"),
    (
        "The water rose by four metres in less than an hour; a permit for a week costs 14 crowns",
        "stitched",
    ),
    ("Walruses considered umbrellas beneath glaciers", "absent"),
]


@pytest.mark.parametrize(("quote", "match"), QUOTES)
def test_an_index_gives_what_its_folder_gives(index: Path, quote: str, match: str) -> None:
    of_folder, of_index = check(quote, MILL), check(quote, index)
    assert (of_folder.match, of_index.match) == (match, match)
    assert of_folder.found == of_index.found


def test_a_quote_may_cross_the_passages_of_an_index(tmp_path: Path) -> None:
    sentences = [
        f"Sentence {number} of the story tells of thing {number}." for number in range(200)
    ]
    source = tmp_path / "story.txt"
    source.write_text(" ".join(sentences), "utf-8")
    with Index.create(tmp_path / "a.db", encoder=None) as index:
        index.add([source])
        assert len(index) > 5
        quote = " ".join(sentences[30:130])  # several passages
        found = check(quote, index)
    assert found.match == "exact"
    assert source.read_text("utf-8")[found.found[0].start : found.found[0].end] == quote


def test_the_named_document_of_an_index_is_searched(tmp_path: Path) -> None:
    with Index.in_memory(encoder=None) as index:
        index.add_texts({"id": f"d{n}", "text": f"The rent is due. Page {n}."} for n in range(50))
        found = check("The rent is due", index, document="d33")
    assert (found.place, found.found[0].at.path) == ("as named", "d33")


def test_offsets_hold_in_the_file(tmp_path: Path) -> None:
    text = (
        "First line.\r\n\r\n  The “rent”\r\n  is due.\r\n\r\n\r\n\r\n   Dogs are welcome here.\r\n"
    )
    (tmp_path / "a.txt").write_bytes(text.encode())
    for quote, there in [
        ("The 'rent' is due", "The “rent”\r\n  is due"),
        ("due. Dogs are", "due.\r\n\r\n\r\n\r\n   Dogs are"),
    ]:
        (found,) = check(quote, tmp_path / "a.txt").found
        assert text[found.start : found.end] == there


@pytest.mark.parametrize(
    ("name", "text", "quote", "rendered"),
    [
        (
            "a.csv",
            "name,role,phone\r\nAda Ek,baker,555-0100\r\nAnna Pohl,cook,555-0101\r\n",
            "Anna Pohl,cook,555-0101",
            "name: Anna Pohl; role: cook",
        ),
        (
            "a.md",
            "# Rooms\n\n| room | size | year |\n|---|---|---|\n| Cellar | 18 | 2021 |\n",
            "Cellar | 18 | 2021",
            "room: Cellar; size: 18",
        ),
    ],
)
def test_a_row_of_a_table_may_be_quoted_as_it_is_read_or_as_it_stands(
    tmp_path: Path, name: str, text: str, quote: str, rendered: str
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    checker = Checker(tmp_path)
    found = checker.check(quote)
    (one,) = found.found
    line = text[: text.index(quote)].count("\n") + 1
    assert (found.match, one.raw, text[one.start : one.end]) == ("exact", True, quote)
    assert (one.at.number, one.last.number) == (line, line)
    found = checker.check(rendered)
    assert (found.match, found.found[0].raw) == ("exact", False)
    assert checker.check(quote.replace("1", "7")).match in ("drifted", "absent")


def test_a_text_that_is_given_is_no_file_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("Dogs are welcome here.", "utf-8")
    source = {"id": "a.txt", "text": "The rent is due."}
    assert check("Dogs are welcome here.", source).match == "absent"


def test_places_are_those_of_the_passages(tmp_path: Path) -> None:
    lines = [f"Line {n} of this long file." for n in range(1, 400)]
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    found = check("Line 377 of this long file.", tmp_path).found[0]
    assert str(found.at).endswith("a.txt, line 377")


def test_the_draft_is_no_source_of_its_own_quotes(tmp_path: Path) -> None:
    draft = tmp_path / "draft.md"
    draft.write_text("He said “the rent is due today”.", "utf-8")
    with pytest.raises(DocumentError, match="no text beside the draft"):
        Sources(tmp_path).without(draft)
    (tmp_path / "b.txt").write_text("Another text.", "utf-8")
    sources = Sources(tmp_path)
    for some, match in ((sources.without(draft), "absent"), (sources, "exact")):
        assert Checker(some).check("the rent is due today").match == match


def test_a_draft_in_an_index_is_no_source_of_its_own_quotes(tmp_path: Path) -> None:
    draft = tmp_path / "draft.txt"
    draft.write_text("He said: the rent is due today.", "utf-8")
    (tmp_path / "b.txt").write_text("Another text.", "utf-8")
    with Index.in_memory(encoder=None) as index:
        index.add([tmp_path])
        sources = Sources(index)
        assert len(sources.names) == 2
        checker = Checker(sources.without(draft))
        assert checker.check("the rent is due today").match == "absent"
        assert checker.named("draft.txt").documents == ()


def test_what_cannot_be_opened_leaves_no_index_open(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(Index, "close", lambda self: closed.append(self))
    with pytest.raises(DocumentError, match="no such file or folder"):
        Sources([index, "nowhere"])
    assert len(closed) == 1


def test_what_cannot_be_read_is_told_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent is due.", "utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    checker = Checker(tmp_path)
    assert [Path(problem.path).name for problem in checker.sources.problems] == ["broken.pdf"]
    found = checker.check("Walruses like umbrellas", named=checker.named("broken.pdf"))
    assert found.match == "uncheckable"
    assert found.reason.startswith("broken.pdf was not read: ")


@pytest.mark.parametrize("text", ["", " \n"])
def test_empty_sources_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text, "utf-8")
    with pytest.raises(DocumentError, match="no text"):
        Sources(tmp_path / "a.txt")


def test_an_empty_index_is_an_error() -> None:
    with Index.in_memory(encoder=None) as index, pytest.raises(DocumentError, match="no text"):
        Sources(index)


def test_sources_of_another_type_are_an_error() -> None:
    with pytest.raises(InputError, match="found int, expected a path"):
        Sources([7])  # type: ignore[list-item]
    with pytest.raises(DocumentError, match="no such file or folder"):
        Sources("nowhere")


@pytest.mark.parametrize(
    ("name", "rows", "quote", "around"),
    [
        ("a.csv", "name,role\nAnna Pohl,cook\nBen Roth,smith\n", "Pohl,cook", ("Anna ", "")),
        (
            "a.md",
            "|name|role|\n|-|-|\n|Anna Pohl|cook|\n|Ben Roth|smith|\n",
            "Anna Pohl|cook",
            ("|", "|"),
        ),
        ("a.txt", "The cook is\nAnna Pohl. She is old.", "Anna Pohl", ("The cook is\n", ".")),
    ],
)
def test_what_stands_around_a_quote_of_a_row_is_its_line(
    tmp_path: Path, name: str, rows: str, quote: str, around: tuple[str, str]
) -> None:
    (tmp_path / name).write_text(rows)
    found = Checker(tmp_path / name, min_words=1).check(quote).found[0]
    assert (found.before, found.text, found.after) == (around[0], quote, around[1])


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    folder = tmp_path / "mails"
    folder.mkdir()
    for number, text in enumerate(("The rent is due on the third.", "Dogs may stay in the yard.")):
        mail = EmailMessage()
        mail["Subject"] = f"Offer {number}"
        mail.set_content("As attached.")
        mail.add_attachment(text, filename=f"Offer {number} v2.txt")
        mail.add_attachment(b"PK", "application", "zip", filename="My broken.docx")
        (folder / f"{number}.eml").write_bytes(mail.as_bytes())
    return folder


@pytest.mark.parametrize("kind", ["folder", "index"])
@pytest.mark.parametrize(
    ("draft", "place"),
    [
        ("“The rent is due on the third” (Offer 0 v2.txt).", "as named"),
        ("“The rent is due on the third” (Offer 0 v2.txt, p. 3).", "as named"),
        ("As Offer 0 v2.txt says, “the rent is due on the third”.", "as named"),
        ("“The rent is due on the third” (v2.txt).", "elsewhere"),
        ("“The rent is due on the third” (0.eml).", "as named"),
        ("“The rent is due on the third” (Offer 1 v2.txt).", "elsewhere"),
        ("“The rent is due on the third” (offer.txt).", "elsewhere"),
    ],
)
def test_an_attachment_is_a_name_of_its_mail(
    mails: Path, tmp_path: Path, kind: str, draft: str, place: str
) -> None:
    sources: Path | Index = mails
    if kind == "index":
        sources = Index.create(tmp_path / "i.db", encoder=None)
        sources.add([mails])
    checker = Checker(sources)
    ((_, found),) = checker.check_draft(draft)
    assert (found.match, found.place) == ("exact" if "As" not in draft else "typographic", place)
    assert checker.named("Offer 1 v2.txt").documents == (str(mails / "1.eml"),)
    if "offer.txt" in draft:
        assert found.reason == "offer.txt is not among the sources"


@pytest.mark.parametrize("kind", ["folder", "index"])
def test_attachments_of_the_draft_itself_are_no_names(
    mails: Path, tmp_path: Path, kind: str
) -> None:
    given: Path | Index = mails
    if kind == "index":
        given = Index.create(tmp_path / "i.db", encoder=None)
        given.add([mails])
    with closing(Sources(given)) as sources:
        assert sources.attachments("v2.txt") == {
            f"Offer {number} v2.txt": [str(mails / f"{number}.eml")] for number in range(2)
        }
        found = sources.without(mails / "0.eml").attachments("v2.txt")
        assert {name: paths for name, paths in found.items() if paths} == {
            "Offer 1 v2.txt": [str(mails / "1.eml")]
        }


@pytest.mark.parametrize("name", ["broken.docx", "My broken.docx"])
def test_a_quote_of_an_attachment_that_was_not_read_is_uncheckable(mails: Path, name: str) -> None:
    ((_, found),) = Checker(mails).check_draft(f"“Walruses considered umbrellas” ({name}).")
    assert found.match == "uncheckable"
    assert found.reason.startswith(
        "broken.docx was not read: message 1, attachment My broken.docx: "
    )
