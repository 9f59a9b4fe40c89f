"""What of a web page is read, and what is left out; each page is the smallest that shows it."""

from __future__ import annotations

import io

import pytest

from pullquote.searching.html import blocks, read_html
from pullquote.searching.parts import Part
from pullquote.searching.passages import passages
from pullquote.types import Document

PROSE = (
    "The mill at Aldwater was built in 1641 by a carpenter's daughter who had learned her trade on "
    "the dykes. It burnt down twice, and was built again of stone. "
)
ARTICLE = f"<h1>The mill</h1><p>{PROSE * 2}</p><p>{PROSE * 3}</p><p>{PROSE}</p>"
MENU = "".join(f'<li><a href="/{word}">{word}</a></li>' for word in ("News", "Shop", "Map", "Help"))


def read(page: str) -> str:
    parts = read_html(io.BytesIO(f"<!DOCTYPE html><body>{page}".encode()))
    return "".join(part.text for part in parts if isinstance(part, Part))


# ---- content that looks like something else


def test_a_page_within_a_form() -> None:
    assert read("<form><p>The pool opens at seven.<p><input value=x></form>").strip() == (
        "The pool opens at seven."
    )
    page = f"<form action=x id=aspnetForm><nav><ul>{MENU}</ul></nav>{ARTICLE}</form>"
    assert read(page).startswith("The mill\n\nThe mill at Aldwater")


@pytest.mark.parametrize(
    "answer",
    [
        "<div hidden>{}</div>",
        "<div hidden=until-found>{}</div>",
        "<details><summary>More</summary>{}</details>",
        "<div role=tabpanel aria-hidden=true hidden>{}</div>",
        "<div id=a class=collapse aria-hidden=true style='display: none'>{}</div>",
        "<template shadowrootmode=open>{}</template>",
    ],
)
def test_an_answer_that_is_collapsed(answer: str) -> None:
    for around in ("{}", f"{ARTICLE}{{}}", f"<main>{ARTICLE}</main>{{}}"):
        page = around.format(answer.format("<p>A ticket costs six crowns.</p>"))
        assert "A ticket costs six crowns." in read(page)


@pytest.mark.parametrize(
    "question",
    [
        "<h3><button>What does a ticket cost?</button></h3>",
        "<h3><span><button>What does a ticket cost?</button></span></h3>",
        "<button aria-expanded=false aria-controls=a>What does a ticket cost?</button>",
        "<button data-toggle=collapse>What does a ticket cost?</button>",
    ],
)
def test_a_question_in_a_button_stays_with_its_answer(question: str) -> None:
    page = f"<body>{question}<div id=a>Six crowns.</div><button>Print</button>"
    first, second = blocks(page)
    assert first == Part("What does a ticket cost?\n\n", 1, open=True)
    assert second == Part("Six crowns.\n\n", 1)


def test_the_title_of_a_tab() -> None:
    page = "<div role=tablist><button role=tab>Prices</button></div><div role=tabpanel>Six.</div>"
    assert read(page) == "Prices\n\nSix.\n\n"


def test_text_beside_the_main_element() -> None:
    beside = "<section><h2>Getting here</h2><p>The bus stops at the bridge.</p></section>"
    for main in ("Welcome to the mill.", ARTICLE):
        page = f"<nav>{MENU}</nav><main>{main}</main>{beside}<footer>Printed in 1990.</footer>"
        text = read(page)
        assert "The bus stops at the bridge." in text
        assert "News" not in text
        assert "Printed" not in text


def test_headers_and_footers_of_parts() -> None:
    page = (
        "<header><p>Aldwater <a href=/>Home</a></header>"
        "<section><header><h2>The fire</h2></header><p>It burnt down.</section>"
        "<blockquote><p>It was hot.</p><footer>Hedda Kroon</footer></blockquote>"
        "<article><p>Built again.</p><footer>By Zoë Brandt, in 1703</footer></article>"
        "<footer>All rights reserved.</footer>"
    )
    assert read(page) == (
        "The fire\n\nIt burnt down.\n\nIt was hot.\n\nHedda Kroon\n\n"
        "Built again.\n\nBy Zoë Brandt, in 1703\n\n"
    )


def test_a_header_of_the_page_with_its_title() -> None:
    page = f"<header><h1>Prices</h1><nav><ul>{MENU}</ul></nav></header><p>A ticket costs six."
    assert read(page) == "Prices\n\nA ticket costs six.\n\n"


def test_an_alert() -> None:
    assert "closed" in read(f"<div role=alert>The mill is closed today.</div>{ARTICLE}")


def test_a_page_under_a_dialog() -> None:
    dialog = "<div role=dialog><p>We use cookies. <button>Accept</button></div>"
    for content in (ARTICLE, "<p>A ticket costs six crowns."):
        text = read(f"<div id=root aria-hidden=true>{content}</div>{dialog}")
        assert "crowns" in text or "The mill at Aldwater" in text
        assert "cookies" not in text


def test_a_page_wholly_in_a_dialog() -> None:
    assert read("<dialog open><p>It opens at seven.</dialog>") == "It opens at seven.\n\n"


@pytest.mark.parametrize("tag", ["header", "footer", "nav", "div class=menu"])
def test_a_page_wholly_in_what_is_else_left_out(tag: str) -> None:
    assert read(f"<{tag}><a href=1>Pool</a> <a href=2>Mill</a></{tag.split()[0]}>") == (
        "Pool Mill\n\n"
    )
    assert read("<noscript>Enable scripts.</noscript>") == ""


def test_letters_of_icons_are_not_read() -> None:
    assert read("<p><span aria-hidden=true>x</span>Six crowns.") == "Six crowns.\n\n"


# ---- lists of links


def test_menus_are_left_out_wherever_they_stand() -> None:
    for menu in (f"<ul>{MENU}</ul>", f"<div class=top><ul>{MENU}</ul></div>", f"<nav>{MENU}</nav>"):
        for page in (menu + "<p>Six crowns.", menu + ARTICLE, ARTICLE + f"<div>{menu}</div>"):
            assert "Shop" not in read(page)


def test_a_list_of_links_after_its_heading_is_content() -> None:
    names = "".join(f"<li><a href=/{n}>Ann Lee {n}</a>" for n in range(8))
    text = read(f"<h2>Millers</h2><ul>{names}</ul>")
    assert "Ann Lee 7" in text
    text = read(f"<main>{ARTICLE}<p>The millers were:</p><ul>{names}</ul></main>")
    assert "Ann Lee 7" in text
    text = read(f"<main>{ARTICLE}<ul><li>Millers <ul>{names}</ul></ul></main>")
    assert "Ann Lee 7" in text


def test_links_within_the_page_are_no_menu() -> None:
    terms = "".join(f"<li><a href='#{n}'>Term {n}</a>" for n in range(8))
    assert "Term 7" in read(f"<ul>{terms}</ul>{ARTICLE}")


def test_a_table_of_links_is_content() -> None:
    rows = "".join(f"<tr><td><a href=x>Door {n}</a><td><a href=x>{n} crowns</a>" for n in "45")
    table = f"<table><tr><th>Item<th>Price{rows}</table>"
    assert "Item: Door 4; Price: 4 crowns" in read(table)
    assert "Item: Door 5; Price: 5 crowns" in read(f"{ARTICLE}<div>{table}</div>")


# ---- what stands around an article


def comments(count: int) -> str:
    said = "I visited the mill last summer with my children and we liked it very much indeed."
    return "".join(f"<div class=comment><p>{said} {n}</p></div>" for n in range(count))


def test_comments_below_an_article_are_left_out() -> None:
    text = read(f"<article>{ARTICLE}</article><div id=comments>{comments(30)}</div>")
    assert "The mill at Aldwater" in text
    assert "last summer" not in text
    assert "last summer" not in read(f"<main>{ARTICLE}<div>{comments(30)}</div></main>")


def test_a_page_of_comments_is_read() -> None:
    text = read(f"<h1>Your visits</h1><div class=comments>{comments(30)}</div>")
    assert text.count("last summer") == 30


@pytest.mark.parametrize(
    "box",
    [
        "<div class='related-posts'><h3>Related</h3><p>{} <a href=x>More</a></p></div>",
        "<div class=jp-relatedposts><p><a href=x>The weir</a></p><p>{}</p></div>",
        "<aside><a href=1>Eels {}</a> <a href=2>The weir</a></aside>",
        "<form class=newsletter><label>{}</label><input></form>",
        "<div id=cookie-notice>{}</div>",
        "<div><h3><a href=1>Eels</a></h3><p>{}</p><h3><a href=2>Weir</a></h3><p>All.</p></div>",
        "<div><a href=1>More eels</a> {}</div>",
        "<div class='top-ad'>{}</div>",
        "<div class='whats-next robots-nocontent'>{}</div>",
        "<div data-nosnippet>{}</div>",
        "<div style='display: none'>{}</div>",
        "<div class=site-footer>{}</div>",
        "<span class='visually-hidden'>{}</span>",
        "<p class=sr-only>{}</p>",
    ],
)
def test_boxes_around_an_article_are_left_out(box: str) -> None:
    for page in (f"<div>{ARTICLE * 2}</div>{{}}", f"{{}}<main><div>{ARTICLE * 2}</div></main>"):
        text = read(page.format(box.format("We counted thirty-one.")))
        assert "The mill at Aldwater" in text
        assert "thirty-one" not in text


def test_what_a_page_marks_as_no_content_within_an_article() -> None:
    page = f"<div>{ARTICLE}{{}}{ARTICLE}</div>"
    for box in (
        "<div class='story-ad ad'>{}</div>",
        "<p class=screen-reader-text>{}</p>",
        "<aside style='display:none'><p>{}</p></aside>",
    ):
        assert "thirty-one" not in read(page.format(box.format("We counted thirty-one.")))
    for box in (
        "<div style='display:none'><p>{}</p></div>",
        "<h2 class=visually-hidden>{}</h2>",
        "<div class=footer>{}</div>",
    ):
        assert "thirty-one" in read(page.format(box.format("We counted thirty-one.")))
    assert "The mill at" in read(f"<div class=ad>{ARTICLE}</div>")  # the advertisement is the page


def test_names_that_say_nothing_of_a_part() -> None:
    for box in (
        "<section id='sharing-files'><h2>Sharing</h2><p>{}</p></section>",
        "<div class='section' id='comments'><h2>Comments</h2><p>{}</p></div>",
        "<div class='page has-sidebar'><p>{}</p></div>",
        "<div class='page'><p>{}</p></div>",
        "<div class='commentary football railway'><p>{}</p></div>",
        "<aside><p>{} " + PROSE + "</p></aside>",
    ):
        text = read(f"<div>{ARTICLE}{box.format('We counted thirty-one.')}</div>")
        assert "thirty-one" in text


def test_boxes_without_links_and_addresses_are_content() -> None:
    menu = "<div class=menu><h2>Menu</h2><p>Rye bread: six crowns</p></div>"
    contact = "<div><p>Write to <a href=mailto:a@b.example>a@b.example</a></p></div>"
    text = read(f"<main><div>{ARTICLE * 2}</div></main>{menu}{contact}")
    assert "Rye bread: six crowns" in text
    assert "a@b.example" in text


def test_prose_in_a_sidebar_is_not_the_core_of_a_page() -> None:
    links = "<a href=x>Another page of the museum</a> " * 12
    side = f"<div class=sidebar><div><p>{PROSE * 9}</p></div>{links}</div>"
    text = read(f"{side}<div class=text>{ARTICLE}</div>")
    assert text.startswith("The mill\n\n")
    assert text.count("carpenter") == 6


def test_a_title_is_told_once() -> None:
    for title in ("Prices of tickets", "Prices of tickets | Aldwater"):
        page = f"<head><title>{title}</title></head><body><h1>Prices of tickets</h1><p>Six."
        assert "".join(part.text for part in blocks(page)) == "Prices of tickets\n\nSix.\n\n"
    page = "<head><title>Aldwater Mill Museum</title></head><body><h1>Prices</h1><p>Six."
    assert next(blocks(page)) == Part("Aldwater Mill Museum\n\n", 1, open=True)


def test_what_is_content_as_a_whole() -> None:
    page = f"<body><style>p {{}}</style><nav>{MENU}</nav><aside>A note.</aside><footer>The end."
    text = "".join(part.text for part in blocks(page, 3, whole=True))
    assert text == "News\nShop\nMap\nHelp\nA note.\n\nThe end.\n\n"


def test_tab_panels_begin_with_their_tabs() -> None:
    tabs = (
        "<ul role=tablist><li><a role=tab href='#a'>Opening hours</a><li><button role=tab "
        "aria-controls=b>Prices</button><li><button role=tab aria-controls=x>More</button></ul>"
    )
    panels = (
        "<div role=tabpanel id=a><p>From seven to nine.</p></div><p>Between.</p>"
        "<div role=tabpanel id=b hidden><p>Six crowns.</p></div>"
    )
    assert [text for text in read(tabs + panels).split("\n") if text] == [
        *("More", "Opening hours", "From seven to nine.", "Between.", "Prices", "Six crowns.")
    ]


# ---- tables


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (
            "<tr><th>Item<th>Price<tr><td>oak door<td>840 crowns<tr><td>latch<td>",
            ["Item: oak door; Price: 840 crowns", "Item: latch"],
        ),
        (
            "<caption>Doors</caption><thead><tr><td>Item<td>Price</thead><tr><td>oak<td><p>840",
            ["Doors\n\nItem: oak; Price: 840"],
        ),
        ("<tr><td><b>Item</b><td><b>Price</b><tr><td>oak<td>840", ["Item: oak; Price: 840"]),
        ("<tr><td>Item<td>Price<tr><td>oak<td>840<tr><td>pine<td>310", None),  # as numbers tell
        ("<tr><th>Height<td>12 m<tr><th>Built<td>", ["Height: 12 m", "Built"]),
        ("<tr><td>Height:<td>12 m<tr><td>Built:<td>1641", ["Height: 12 m", "Built: 1641"]),
        ("<tr><td>Ann<td>Lee<tr><td>Bob<td>Kim", ["Ann; Lee", "Bob; Kim"]),
        (
            "<tr><th rowspan=2>Item<th colspan=2>Price<tr><th>2023<th>2024<tr><td>oak<td>8<td>9",
            ["Item: oak; Price – 2023: 8; Price – 2024: 9"],
        ),
        (
            "<tr><th>Day<th>Opens<th>Closes<tr><td rowspan=2>Monday<td>9<td>12<tr><td>14<td>18",
            ["Day: Monday; Opens: 9; Closes: 12", "Day: Monday; Opens: 14; Closes: 18"],
        ),
        (
            "<tr><th>Item<th>Price<tr><th colspan=2>Doors<tr><td>oak<td>840",
            ["Doors\n\nItem: oak; Price: 840"],
        ),
        (
            "<tr><th>Item<th>Price<tr><td rowspan=2>oak<td>840<tr><td colspan=2>310",
            ["Item: oak; Price: 840", "Item: oak; Price: 310"],
        ),
        (
            "<tr><th>Item<th>Price<tr><th>Wood<td><tr><td>oak<td>840",
            ["Item: Wood", "Item: oak; Price: 840"],
        ),
        ("<tr><th>Doors<td><tr><td>oak<td>840 crowns", ["Doors", "oak; 840 crowns"]),
        ("<tr><th><th>Price<tr><th>oak<td>840", ["oak; Price: 840"]),
        ("<tr><th>Item<th>Price", ["Item; Price"]),
    ],
)
def test_rows_of_tables(table: str, rows: list[str] | None) -> None:
    rows = rows or ["Item: oak; Price: 840", "Item: pine; Price: 310"]
    found = [part for part in blocks(f"<body><table>\n{table}</table>") if isinstance(part, Part)]
    assert [part.text.strip() for part in found] == rows


def test_titles_in_tables_stay_with_the_rows_below() -> None:
    table = (
        "<caption>Prices</caption><tr><th>Item<th>Price<tr><th colspan=2>Doors<tr><td>oak<td>8"
        "<tr><td>pine<td>7<tr><th colspan=2>Gates<tr><td>oak<td>9"
    )
    assert list(blocks(f"<body><table>{table}</table>")) == [
        Part("Prices\n\nDoors\n\nItem: oak; Price: 8\n\n", 1, alone=True),
        Part("Prices\n\nDoors\n\nItem: pine; Price: 7\n\n", 1, alone=True),
        Part("Prices\n\nGates\n\nItem: oak; Price: 9\n\n", 1, alone=True),
    ]


DOORS = "<table><tr><th>Item<th>Price<tr><td>oak<td>8<tr><td>pine<td>7</table>"


@pytest.mark.parametrize(
    "inside",
    [
        "<details><summary>Old</summary>{}</details>",
        "<fieldset><legend>Old</legend>{}</fieldset>",
        "<dl><dt>Old<dd>{}</dl>",
        "<aside><h3>Old</h3>{}</aside>",
        "<article><h3>Old</h3>{}</article>",
        "<div role=tabpanel><h3>Old</h3>{}</div>",
        "<blockquote><h3>Old</h3><h4>Older</h4>{}</blockquote>",
    ],
)
def test_a_heading_stands_above_what_is_inside_its_element_alone(inside: str) -> None:
    def rows(page: str) -> list[str]:
        return [one.text for one in passages(Document("a.html", "block"), blocks(page))]

    title = "Older" if "Older" in inside else "Old"
    new = ["New\n\nItem: oak; Price: 8", "New\n\nItem: pine; Price: 7"]
    old = [row.replace("New", title) for row in new]
    page = f"<body><h2>New</h2>{inside.format(DOORS)}{DOORS}"
    assert [row for row in rows(page) if "Item" in row][1:] == [old[1], *new]
    page = f"<body><h2>New</h2>{inside.format('<p>It is gone.</p>')}{DOORS}"
    assert rows(page)[-2:] == new
    page = f"<body>{inside.format('')}{DOORS}"
    assert rows(page) == [title if title == "Old" else "Old\n\nOlder", *(row[5:] for row in new)]


def test_rows_have_their_lines_and_code_in_cells_is_left_out() -> None:
    page = "<body>\n<table><tr><th>Item<th>Price\n<tr><td>oak<script>x</script>\n<td>840</table>end"
    row, end = blocks(page)
    assert row == Part("Item: oak; Price: 840\n\n", 3, alone=True)
    assert end.text == "end\n\n"


def test_tables_for_the_layout_are_read_as_the_page() -> None:
    cells = "<td><h2>Prices</h2><p>Six crowns.<td><h2>Hours</h2><p>At seven."
    expected = "Prices\n\nSix crowns.\n\nHours\n\nAt seven.\n\n"
    for table in (f"<table><tr>{cells}<tr>{cells}</table>", f"<table><tr>{cells}</table>"):
        assert read(table).startswith(expected)
    table = "<table><tr> <td> A <b> b </b> </td> <td> </td> <td>C</td> <td><p>D</p></td></table>end"
    assert read(table) == "A b; C\n\nD\n\nend\n\n"
    assert read("<table><tr><td><p>x<tr><td>Grade: <td>SNB22") == "x\n\nGrade: SNB22\n"
    inner = "<table><tr><th>Item<th>Price<tr><td>oak<td>840</table>"
    assert "Item: oak; Price: 840" in read(f"<table><tr><td>{inner}<td>{inner}</table>")
    assert "A: b" not in read("<table role=presentation><tr><th>A<th>B<tr><td>b<td>c</table>")


# ---- formulas


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("<mfrac><mn>1</mn><mn>2</mn></mfrac>", "1/2"),
        ("<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>", "(a+b)^2"),
        ("<msqrt><mn>2</mn></msqrt>", "√(2)"),
        ("<munderover><mo>∑</mo><mn>0</mn><mi>n</mi></munderover>", "∑_0^n"),
        ("<semantics><mi>x</mi><annotation>\\it x</annotation></semantics>", "x"),
        ("<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr></mtable>", "1 0"),
    ],
)
def test_formulas(formula: str, text: str) -> None:
    assert read(f"<p>It is <math>{formula}</math> metres.") == f"It is {text} metres.\n\n"
