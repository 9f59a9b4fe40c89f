"""pullquote check: verdicts on the terminal, as JSON and as a page, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import ROOT, Run

MILL = ROOT / "examples" / "mill"
GOOD = "The turbine was “installed in 1931. It gives eleven kilowatts” (history.epub).\n"
BAD = "The turbine was “installed in 1913. It gives eleven kilowatts” (history.epub).\n"


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    return tmp_path / "draft.md"


def test_all_fine_is_0(call: Run, draft: Path) -> None:
    draft.write_text(GOOD, "utf-8")
    done = call("check", draft, MILL).succeeded()
    first, place, summary = done.out.splitlines()
    assert first == f'exact        {draft}:1  "installed in 1931. It gives eleven kilowatts"'
    assert place.strip().endswith("examples/mill/history.epub, section 4")
    assert summary == "1 quote: 1 exact"


def test_a_changed_word_is_1_and_is_shown(call: Run, draft: Path) -> None:
    draft.write_text(BAD, "utf-8")
    done = call("check", draft, MILL)
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[0].startswith("drifted")
    assert '"1913" for "1931"' in done.out
    assert '"installed in 1931. It gives eleven kilowatts"' in done.out


def test_another_document_than_named_is_1(call: Run, draft: Path) -> None:
    draft.write_text(GOOD.replace("history.epub", "lease.pdf"), "utf-8")
    done = call("check", draft, MILL)
    assert done.code == 1
    assert "named: lease.pdf" in done.out
    assert "1 quote: 1 exact; 1 not where the draft names" in done.out


def test_json(call: Run, draft: Path) -> None:
    draft.write_text(BAD + "\n“open", "utf-8")
    done = call("check", draft, MILL, "--json")
    assert done.code == 1
    assert done.json["fine"] is False
    assert done.json["counts"] == {"drifted": 1}
    (one,) = done.json["drafts"]
    assert (one["draft"], one["unclosed"]) == (str(draft), ["line 3"])
    (quote,) = one["quotes"]
    assert (quote["line"], quote["match"], quote["place"]) == (1, "drifted", "as named")
    assert quote["found"][0]["section"] == 4


def test_a_place_that_is_not_understood_is_told(call: Run, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    quote = "The first mill at Aldwater was built in 1641"
    draft.write_text(json.dumps({"quote": quote, "unit": "chapter", "number": 2}))
    done = call("check", draft, MILL)
    assert done.code == 0
    assert f"{draft}, quote: unit is 'chapter', expected one of page, line" in done.err
    assert "not compared" in done.err
    (one,) = call("check", draft, MILL, "--json").json["drafts"]
    assert one["ignored"][0].startswith("quote: unit is 'chapter'")


def test_a_quotation_that_is_never_closed_is_1(call: Run, draft: Path, tmp_path: Path) -> None:
    draft.write_text(GOOD + "\nIt gives “twelve kilowatts.\n", "utf-8")
    done = call("check", draft, MILL)
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[-2:] == [
        f"unclosed     {draft}, line 3: this quotation is never closed, and was not checked",
        "1 quote: 1 exact; 1 never closed",
    ]
    as_json = call("check", draft, MILL, "--json")
    assert (as_json.code, as_json.json["fine"]) == (1, False)
    assert as_json.json["drafts"][0]["unclosed"] == ["line 3"]


def test_a_page(call: Run, draft: Path, tmp_path: Path) -> None:
    draft.write_text(BAD, "utf-8")
    page = tmp_path / "new" / "report.html"
    done = call("check", draft, MILL, "--report", page)
    assert done.code == 1
    assert f"1 quote: 1 drifted; {page}" in done.out
    assert '<mark class="differs">1913</mark>' in page.read_text("utf-8")


def test_several_drafts_as_pre_commit_gives_them(call: Run, tmp_path: Path) -> None:
    for name, text in (("a.md", GOOD), ("b.html", f"<p>{BAD}</p>"), ("c.txt", "No quotes.")):
        (tmp_path / name).write_text(text, "utf-8")
    done = call(
        "check", "--source", MILL, tmp_path / "a.md", tmp_path / "b.html", tmp_path / "c.txt"
    )
    assert done.code == 1
    assert "2 quotes: 1 exact, 1 drifted" in done.out


def test_a_draft_is_left_out_for_its_own_quotes_only(call: Run, tmp_path: Path) -> None:
    draft, letter = tmp_path / "draft.md", tmp_path / "docs" / "letter.txt"
    letter.parent.mkdir()
    letter.write_text("The rent is due today. He wrote “the dogs are welcome”.", "utf-8")
    draft.write_text("She wrote “the rent is due today” (letter.txt).", "utf-8")
    other = letter.with_name("other.txt")
    other.write_text("Nothing of the kind.", "utf-8")
    done = call("check", draft, letter, "--source", letter.parent, "--json")
    matches = [[one["match"] for one in of["quotes"]] for of in done.json["drafts"]]
    assert matches == [["typographic"], ["absent"]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.md", "block quotes, <q>"),
        ("a.txt", "and block quotes"),
        ("a.json", 'texts under "quote"'),
        ("a.html", "<q> and <blockquote>"),
    ],
)
def test_what_was_looked_for_is_told_where_nothing_is(
    call: Run, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / name).write_text("[1]", "utf-8")
    done = call("check", tmp_path / name, MILL)
    assert (done.code, done.out) == (0, "0 quotes\n")
    assert f"{name}: no quotes; looked for " in done.err
    assert words in done.err


def test_standard_input(run: Run) -> None:
    done = run("check", "-", MILL, stdin=GOOD.encode()).succeeded()
    assert done.out.startswith("exact        -:1  ")


def test_few_words(call: Run, draft: Path) -> None:
    draft.write_text("A “turbine” (history.epub).", "utf-8")
    assert "too short: fewer than 3 words" in call("check", draft, MILL).succeeded().out
    assert call("check", draft, MILL, "--min-words", 1).succeeded().out.startswith("exact")


def test_usage_is_2(call: Run, draft: Path) -> None:
    draft.write_text(GOOD, "utf-8")
    done = call("check", draft)
    assert done.code == 2
    assert "no source: give DRAFT and the documents that it quotes." in done.err


@pytest.mark.parametrize(
    ("name", "content", "sources", "message"),
    [
        ("none.md", None, [MILL], "none.md: no such file"),
        ("blank.md", " ", [MILL], "blank.md: holds no text; expected a draft with quotes"),
        ("a.json", "{", [MILL], "a.json: not JSON"),
        ("a.md", "“x y z”", ["nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_errors_are_one_line(
    call: Run,
    tmp_path: Path,
    name: str,
    content: str | None,
    sources: list[object],
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, "utf-8")
    done = call("check", tmp_path / name, *sources)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err


def test_a_terminal_is_not_controlled_by_a_draft(call: Run, draft: Path) -> None:
    draft.write_text("He said “\x1b[31m red \x9b words are here”.", "utf-8")
    assert "\x1b" not in call("check", draft, MILL).out
