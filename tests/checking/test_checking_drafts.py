"""Drafts: quotations of each format, with their lines and what is cited beside them."""

from __future__ import annotations

import json
import time

import pytest

from pullquote.checking.drafts import format_of, read_draft
from pullquote.errors import InputError


def found(text: str, format: str = "md") -> list[tuple[str, str]]:
    return [(one.text, one.where) for one in read_draft(text, format).quotations]


def test_markdown_without_its_markup() -> None:
    text = '---\ntitle: "front matter"\n---\n\nIt says “the **rent** is\n[due](a.pdf "title")”.\n'
    assert found(text) == [("the rent is due", "line 5")]


@pytest.mark.parametrize(
    "code",
    [
        '```\n"in code"\n```',
        '~~~ py\n"in code"\n\n"more"\n~~~',
        'Say `"in code"` here.',
        'Text.\n\n    "in code"\n    "more"',
        '<!-- "a comment" -->',
        '[link](a.md "a title")',
        '[link](<a b.md> "a title")',
        "> [!NOTE]\n> No quotation.",
    ],
)
def test_code_comments_and_titles_are_no_quotations(code: str) -> None:
    assert found(f"{code}\n\nBut “this one is”.")[:-1] == []
    assert found(f"{code}\n\nBut “this one is”.")[-1][0] == "this one is"


def test_block_quotes_with_their_attribution() -> None:
    text = (
        "As he wrote:\n\n> “The rent\n> is due.”\n>\n> Dogs too.\n>\n> — lease.pdf, page 3\n\nEnd."
    )
    (one,) = read_draft(text).quotations
    assert one.text == "“The rent is due.” Dogs too."
    assert (one.where, one.before) == ("line 3", "As he wrote:")
    assert one.citation.startswith("— lease.pdf, page 3")


def test_a_block_quote_in_marks_is_without_them() -> None:
    assert found("> “The rent is due.”") == [("The rent is due.", "line 1")]


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        (
            '> He wrote: "The excess is 500 euros for each claim."',
            ["The excess is 500 euros for each claim."],
        ),
        ("> Ann: “The rent is due.”", ["The rent is due."]),
        (
            "> “The rent is due on the third,” he wrote, “and so is the fee.”",
            ["The rent is due on the third,", "and so is the fee."],
        ),
        (
            "> “The rent,” he said, is due on the third.",
            ["“The rent,” he said, is due on the third."],
        ),
        ("<blockquote>He wrote: “One of all.”</blockquote>", ["One of all."]),
        ("> > One of\n>  >  all.", ["One of all."]),
    ],
)
def test_a_block_that_is_mostly_in_marks_is_what_the_marks_hold(
    text: str, quotes: list[str]
) -> None:
    assert [one for one, _ in found(text)] == quotes


@pytest.mark.parametrize(
    ("line", "cited"),
    [
        ("(policy.pdf, p. 1)", True),
        ("[policy.pdf, p. 1].", True),
        ("[the policy](policy.pdf)", True),
        ("(but not always)", False),
    ],
)
def test_a_last_line_in_brackets_may_name_the_source(line: str, cited: bool) -> None:
    (one,) = read_draft(f"> The rent is due.\n> {line}\n").quotations
    assert (one.text == "The rent is due.") == cited
    assert ("policy" in one.citation) == cited


def test_code_in_a_block_quote_is_left_out() -> None:
    assert found("> One.\n> ```\n> code\n> ```\n> Two.") == [("One. Two.", "line 1")]


def test_items_and_headings_are_paragraphs() -> None:
    assert found('- a “lone mark\n- an item "with one"\n# A "heading"\n') == [
        ("with one", "line 2"),
        ("heading", "line 3"),
    ]


def test_html_elements_and_marks() -> None:
    text = """<html><head><title>"no"</title><script>"no"</script></head>
<p class="x">He said <q cite="lease.pdf#page=2">the <b>rent</b></q> and &ldquo;no
more&rdquo;, &quot;ever&quot;.</p>
<blockquote><p>One.</p>

<p>Two “x”.</p></blockquote><pre>"no"</pre><code>"no"</code>"""
    assert found(text, "html") == [
        ("the rent", "line 2"),
        ("no more", "line 2"),
        ("ever", "line 3"),
        ("One. Two “x”.", "line 4"),
    ]
    assert "lease.pdf#page=2" in read_draft(text, "html").quotations[0].citation


def test_html_in_markdown() -> None:
    text = "He said <q>the rent</q>.\n\n<blockquote>\n\nOne.\n\nTwo.\n\n</blockquote>\n"
    assert [one for one, _ in found(text)] == ["the rent", "One. Two."]


def test_json_with_quotes_and_texts() -> None:
    text = """{"claims": [
        {"quote": "The rent is due", "source": "lease.pdf", "page": 3},
        {"claim": "He said “yes indeed”."}],
      "quotes": ["a b c", {"text": "d e f", "document": "b.txt", "line": 7}],
      "settings": {"mode": "fast"}}"""
    quotations = read_draft(text, "json").quotations
    assert [(one.text, one.where) for one in quotations] == [
        ("The rent is due", "claims[0].quote"),
        ("yes indeed", "claims[1].claim"),
        ("a b c", "quotes[0]"),
        ("d e f", "quotes[1].text"),
    ]
    assert [(one.source, one.unit, one.number) for one in quotations] == [
        ("lease.pdf", "page", 3),
        ("", "", None),
        ("", "", None),
        ("b.txt", "line", 7),
    ]


def test_answers_about_a_single_text() -> None:
    answer = '{"text": "due on the third", "start": 3, "score": 0.9, "start_logit": 4.0}'
    text = f'{{"question": "When?", "answer": {answer}, "answers": [{answer}]}}'
    assert found(text, "json") == [
        ("due on the third", "answer.text"),
        ("due on the third", "answers[0].text"),
    ]


def test_json_lines() -> None:
    assert found('{"quote": "a b c"}\n{"quote": "d e f"}\n', "json") == [
        ("a b c", "line 1.quote"),
        ("d e f", "line 2.quote"),
    ]


@pytest.mark.parametrize(
    "text", ['{"a": ', "[" * 100_000, "1\n" + "[" * 200_000, "[" * 5000 + "]" * 5000, "nothing"]
)
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="expected a draft"):
        read_draft(text, "json")


def test_plain_text_keeps_stars_and_indented_lines() -> None:
    assert found('    He said "the *rent* is due".', "text") == [("the *rent* is due", "line 1")]


def test_a_footnote_is_cited_where_its_mark_stands() -> None:
    (one,) = read_draft("It says “the rent is due”[^1].\n\n[^1]: lease.pdf, p. 3\n").quotations
    assert "lease.pdf, p. 3" in one.citation


def test_what_one_quotation_cites_is_not_cited_by_the_next() -> None:
    first, second = read_draft("“One” (a.pdf, p. 1) and “two” (p. 2).").quotations
    assert (first.citation, second.before) == ("(a.pdf, p. 1) and", "and")


def test_marks_without_an_end_are_told_by_line() -> None:
    assert read_draft("One.\n\n“Two.\n\nThree “four”.").unclosed == ("line 3",)


@pytest.mark.parametrize(
    ("text", "format"),
    [("<p>One.</p>\n\n<blockquote>Two “three”.", "html"), ("One.\n\n<q>Two “three”.", "md")],
)
def test_elements_without_an_end_are_told_by_line(text: str, format: str) -> None:
    draft = read_draft(text, format)
    assert draft.unclosed == ("line 3",)
    assert [one.text for one in draft.quotations] == ["three"]


def test_formats_by_name() -> None:
    names = ["a.md", "A.HTML", "a.json", "a.jsonl", "a.txt", "a", "-"]
    assert [format_of(name) for name in names] == [
        *("md", "html", "json", "json", "text", "text", "md"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "> “a\n\n",
        "[a](",
        "`",
        "<q>",
        "<blockquote>\n",
        "[^1]",
        "> > ",
        "    x\n\n",
        "<!-- ",
        "[" * 50,
    ],
)
def test_time_grows_with_the_draft(text: str) -> None:
    begin = time.process_time()
    read_draft(text * (200_000 // len(text)))
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("end", ["", ">", "'>", "]>", "-->"])
@pytest.mark.parametrize("text", ["<!--", "<!", "<![CDATA[", "<?", "</a", "<a b=", "<a b='", "<"])
def test_time_grows_with_markup_that_has_no_end(text: str, end: str) -> None:
    begin = time.process_time()
    draft = read_draft(f"<p>“It is due”</p>{text * (100_000 // len(text))}{end}", "html")
    assert time.process_time() - begin < 1.5
    assert draft.quotations[0].text == "It is due"


@pytest.mark.parametrize("format", ["md", "html", "text"])
@pytest.mark.parametrize(
    "text", ["“a" + "\n" * 20_000 + "b”", "> a\n" * 10_000, "<q>a" + " \n" * 100_000 + "b</q>"]
)
def test_time_grows_with_blank_lines(text: str, format: str) -> None:
    begin = time.process_time()
    read_draft(text, format)
    assert time.process_time() - begin < 2


def test_ten_thousand_quotations() -> None:
    draft = read_draft("He said “the rent is due” (lease.pdf).\n\n" * 10_000)
    assert len(draft.quotations) == 10_000
    assert draft.quotations[-1].line == 19_999


@pytest.mark.parametrize(
    "draft", ["(see sheet “Prices”)", "(the 'Prices for 2027 only' sheet)", 'tab "Prices"']
)
def test_the_name_of_a_sheet_is_no_quotation(draft: str) -> None:
    assert read_draft(draft).quotations == ()


@pytest.mark.parametrize(
    "draft", ["In “a/b/lease.pdf” we read", 'See "Minutes of 2 November.md".', "“c/d/e” is gone"]
)
def test_the_name_of_a_file_is_no_quotation(draft: str) -> None:
    assert read_draft(draft).quotations == ()


@pytest.mark.parametrize(
    ("draft", "citations"),
    [
        ("“a b c” stands there. In b.pdf he says “x y z”.", ["stands there.", "."]),
        ("“a b c.” In b.pdf he says “x y z”.", ["", "."]),
        ("“a b c” (a.pdf). See b.pdf, p. 2: “x y z”", ["(a.pdf).", ""]),
        ("“a b c” in a.pdf and “x y z” in b.pdf.", ["in a.pdf and", "in b.pdf."]),
        ("“a b c.” See a.pdf, p. 2.\n\n“x y z”", ["See a.pdf, p. 2.", ""]),
        ("“a b c” he says. (a.pdf, p. 2) Then “x y z”", ["he says. (a.pdf, p. 2)", ""]),
        ("“a b c.” (a.pdf) In b.pdf “x y z”", ["(a.pdf) In b.pdf", ""]),
        ("“a b c.”[^1] In b.pdf “x y z”\n\n[^1]: a.pdf", ["(a.pdf) In b.pdf", ""]),
    ],
)
def test_the_sentence_that_leads_to_the_next_quotation_cites_nothing_for_the_one_before(
    draft: str, citations: list[str]
) -> None:
    assert [one.citation for one in read_draft(draft).quotations] == citations


@pytest.mark.parametrize(
    ("draft", "texts"),
    [
        ({"Quote": "a b c"}, ["a b c"]),
        ({"quotedText": "a b c"}, ["a b c"]),
        ({"quote": ["a b c", "d e f"]}, ["a b c", "d e f"]),
        ({"excerpts": ["a b c", {"quote": "d e f"}]}, ["a b c", "d e f"]),
        ({"quotes": [{"text": "a b c", "page": 3}, {"Text": "d e f"}]}, ["a b c", "d e f"]),
        ({"quote": {"text": "a b c", "note": {"text": "d e f"}}}, ["a b c"]),
        ({"quotes": [{"quote": "a b c", "text": "d e f"}]}, ["a b c"]),
        ({"paragraph": "In the third year they said “a b c” to us all."}, ["a b c"]),
        ({"paragraph": "pp. 3-5", "quote": "a b c"}, ["a b c"]),
    ],
)
def test_keys_of_json_in_other_styles(draft: dict[str, object], texts: list[str]) -> None:
    read = read_draft(json.dumps(draft), "json")
    assert ([one.text for one in read.quotations], read.ignored) == (texts, ())


@pytest.mark.parametrize(
    ("draft", "told"),
    [
        ({"quotes": [{"value": "a b c", "page": 3}]}, 1),
        ({"quote": {"content": "a b c"}}, 1),
        ({"quote": {"content": "In the third year they said “a b c” to us all."}}, 0),
        ({"quote": {"text": ""}}, 0),
        ({"quote": {"price": 42.5, "unit": "EUR"}}, 0),
        ({"quote": 42.5}, 0),
        ({"quote": None}, 0),
    ],
)
def test_an_object_that_stands_for_a_quote_and_has_none_is_told(
    draft: dict[str, object], told: int
) -> None:
    ignored = read_draft(json.dumps(draft), "json").ignored
    assert len(ignored) == told
    assert all("expected a text, or an object with one under text or quote" in o for o in ignored)


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"unit": "chapter", "number": 4}, "unit is 'chapter', expected one of page, line, slide"),
        ({"unit": "EUR"}, None),
        ({"unit": "page", "number": "iv"}, "page is 'iv', expected a number, such as 3 or \"3-5\""),
        ({"section": "Rent"}, "section is 'Rent', expected a number"),
        ({"page": True}, "page is True, expected a number"),
        ({"page": [3, "iv"]}, "page is [3, 'iv'], expected a number"),
        ({"page": None}, None),
        ({"page": ""}, None),
        ({"message": "The third year was the best of all, they said."}, None),
        ({"sheet": ["a"]}, "sheet is ['a'], expected a name"),
        ({"source": ["a.pdf", "b.pdf"]}, "source is ['a.pdf', 'b.pdf'], expected one name"),
        ({"source": 7}, "source is 7, expected one name"),
        ({"document": {"text": "It is late."}}, None),
    ],
)
def test_what_json_says_beside_a_quote_and_nobody_understands_is_told(
    beside: dict[str, object], told: str | None
) -> None:
    (one, *more) = read_draft(json.dumps({"quote": "a b c", **beside}), "json").ignored or [""]
    assert more == []
    assert one.startswith(f"quote: {told}") if told else one == ""
    many = read_draft(json.dumps([{"quote": "a b c", **beside}] * 3), "json").ignored
    assert len(many) == bool(told)
    assert all(note.endswith("; not compared (and of 2 more)") for note in many)


@pytest.mark.parametrize(
    "draft",
    [
        {"sections": [{"title": "Rent", "quotes": ["a b c"]}]},
        {"content": {"paragraphs": [{"quote": "a b c"}]}},
        {"section": {"title": "Rent", "quote": "a b c"}},
        {"section": {"title": "Rent", "said": [{"quote": "a b c"}]}},
        {"lines": ["The third year was the best of all, they said.", {"quote": "a b c"}]},
    ],
)
def test_parts_of_a_draft_in_json_are_no_places(draft: dict[str, object]) -> None:
    read = read_draft(json.dumps({"source": "lease.pdf", "page": 3, "all": draft}), "json")
    (quotation,) = read.quotations
    assert read.ignored == ()
    assert (quotation.source, quotation.unit, quotation.number) == ("lease.pdf", "page", 3)


@pytest.mark.parametrize("key", ["source", "document"])
def test_a_source_of_json_may_be_an_object_in_a_list(key: str) -> None:
    draft = {"quote": "a b c", key: [{"name": "lease.pdf", "pages": [3, 4]}]}
    (found,) = read_draft(json.dumps(draft), "json").quotations
    assert (found.source, found.unit, found.number, found.until) == ("lease.pdf", "page", 3, 4)


def test_time_grows_with_sources_in_sources() -> None:
    draft: dict[str, object] = {}
    for _ in range(400):
        draft = {"quote": "a b c", "source": draft}
    text = json.dumps([draft] * 5)
    begin = time.process_time()
    assert len(read_draft(text, "json").quotations) == 2000
    assert time.process_time() - begin < 2


def test_what_stands_below_a_source_or_place_in_json_is_read() -> None:
    draft = {"document": {"text": "He said “a b c”."}, "section": [{"quote": "x y z"}]}
    found = read_draft(json.dumps(draft), "json").quotations
    assert [(one.text, one.where) for one in found] == [
        ("a b c", "document.text"),
        ("x y z", "section[0].quote"),
    ]


@pytest.mark.parametrize("name", ["lease.pdf", "my notes.text", "film.srt", "prices.fods"])
def test_the_name_of_a_file_in_marks_is_no_quotation(name: str) -> None:
    (quotation,) = read_draft(f"In “{name}” it says “the rent is due”.").quotations
    assert quotation.text == "the rent is due"
