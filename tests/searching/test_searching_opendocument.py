"""OpenDocument texts and presentations."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching_helpers import text_and_notes, zipped

from pullquote.errors import DocumentError

pytest.importorskip("lxml")

NAMES = ("office", "text", "table", "draw", "style", "presentation")
SPACES = " ".join(f'xmlns:{name}="urn:oasis:{name}:1.0"' for name in NAMES)
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def content(body: str, kind: str = "text") -> str:
    return (
        f"<office:document-content {SPACES} {XLINK}><office:body><office:{kind}>{body}"
        f"</office:{kind}></office:body></office:document-content>"
    )


def odt(tmp_path: Path, body: str, **files: str) -> tuple[str, list[str]]:
    named = {name.replace("_", "."): file for name, file in files.items()}
    return text_and_notes(zipped(tmp_path / "a.odt", {"content.xml": content(body), **named}))


def test_paragraphs_with_their_blanks_and_notes(tmp_path: Path) -> None:
    note = "<text:note><text:note-body><text:p>In 1641.</text:p></text:note-body></text:note>"
    body = (
        "<text:h>The mill</text:h>"
        f'<text:p>It<text:s text:c="2"/>was<text:tab/>built{note}<text:line-break/>here.</text:p>'
        "<text:tracked-changes><text:p>Deleted.</text:p></text:tracked-changes>"
        "<text:table-of-content><text:p>The mill 1</text:p></text:table-of-content>"
        "<text:list><text:list-item><text:p>Doors</text:p></text:list-item></text:list>"
        "<text:p><draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box></draw:frame>"
        "</text:p>"
    )
    assert odt(tmp_path, body) == (
        "The mill / It  was built\nhere. / In 1641. / Doors / In a box.",
        [],
    )


def test_headings_belong_to_what_follows(tmp_path: Path) -> None:
    filler = f"<text:p>{'Long ago. ' * 118}</text:p>"
    text, _ = odt(tmp_path, f"{filler}<text:h>The fire</text:h><text:p>It burned.</text:p>")
    assert text.split("\n")[-1] == "The fire / It burned."


def test_rows_have_the_names_of_their_columns(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        inner = (f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in cells)
        return f"<table:table-row>{''.join(inner)}</table:table-row>"

    many = '<table:table-cell table:number-columns-repeated="1000000"/>'
    last = row("door", "oak").replace("</table:table-row>", f"{many}</table:table-row>")
    header = f"<table:table-header-rows>{row('Item', 'Wood')}</table:table-header-rows>"
    assert odt(tmp_path, f"<table:table>{header}{last}</table:table>")[0] == "Item: door; Wood: oak"


def test_equations_and_other_objects(tmp_path: Path) -> None:
    body = (
        '<text:p>So <draw:frame><draw:object xlink:href="./Object 1"/></draw:frame> holds.'
        '<draw:object xlink:href="./Object 2"/></text:p>'
    )
    math = "<math><mi>F</mi><annotation>F = 4200</annotation></math>"
    files = {"content.xml": content(body), "Object 1/content.xml": math}
    assert text_and_notes(zipped(tmp_path / "a.odt", files)) == (
        "So F = 4200 holds.",
        ["./Object 2: an embedded file; save it as a file of its own"],
    )


def test_values_of_charts_are_rows(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        inner = (f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in cells)
        return f"<table:table-row>{''.join(inner)}</table:table-row>"

    head = f"<table:table-header-rows>{row('', 'Oak', 'Pine')}</table:table-header-rows>"
    table = f"<table:table>{head}{row('2019', '840', '31')}{row('2020', '910', '')}</table:table>"
    title = "<chart:title><text:p>Doors sold</text:p></chart:title>"
    inner = content(f'<chart:chart xmlns:chart="urn:c">{title}{table}</chart:chart>', "chart")
    body = '<text:p>So:<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></text:p>'
    files = {"content.xml": content(body), "Object 1/content.xml": inner}
    assert text_and_notes(zipped(tmp_path / "a.odt", files)) == (
        "So:\nDoors sold / 2019; Oak: 840; Pine: 31\nDoors sold / 2020; Oak: 910",
        [],
    )
    cell = body.replace("So:", "So")
    sheet = f"<table:table><table:table-row><table:table-cell>{cell}</table:table-cell>"
    sheet += "</table:table-row></table:table>"
    files["content.xml"] = content(sheet, "spreadsheet")  # which has the values in its cells
    assert text_and_notes(zipped(tmp_path / "a.ods", files)) == ("So", [])


def test_a_chart_is_read_once(tmp_path: Path) -> None:
    """Not within itself, nor twice in each of those that it is in."""

    def shows(*names: str) -> str:
        return "".join(f'<text:p><draw:object xlink:href="{name}"/></text:p>' for name in names)

    files = {"content.xml": content(shows("c0", "c0"))}
    for number in range(20):
        inner = f"<text:p>Chart {number}</text:p>{shows(*[f'c{number + 1}'] * 2, 'c0')}"
        files[f"c{number}/content.xml"] = content(inner, "chart")
    text, notes = text_and_notes(zipped(tmp_path / "a.odt", files))
    assert text == " / ".join(f"Chart {number}" for number in range(20))
    assert notes == ["c20: an embedded file; save it as a file of its own"] * 2


def test_headers_and_footers_are_read_once(tmp_path: Path) -> None:
    header = "<style:header><text:p>Mill Trust</text:p></style:header>"
    styles = (
        f"<office:document-styles {SPACES}><style:master-page>{header}"
        f"{header.replace('header', 'footer')}</style:master-page></office:document-styles>"
    )
    assert odt(tmp_path, "<text:p>Rent.</text:p>", styles_xml=styles)[0] == "Rent. / Mill Trust"


def test_a_document_that_is_one_xml_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fodt"
    path.write_text(content("<text:p>The rent is 840.</text:p>"))
    assert text_and_notes(path) == ("The rent is 840.", [])


def test_an_identifier_may_occur_twice(tmp_path: Path) -> None:
    body = '<text:p xml:id="1">One.</text:p><text:p xml:id="1">Two.</text:p>'
    assert odt(tmp_path, body)[0] == "One. / Two."


def test_slides_with_notes(tmp_path: Path) -> None:
    slides = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>The mill</text:p>'
        "</draw:text-box></draw:frame><presentation:notes><text:p>Be loud.</text:p>"
        "</presentation:notes></draw:page><draw:page><text:p>The end.</text:p></draw:page>"
    )
    path = zipped(tmp_path / "a.odp", {"content.xml": content(slides, "presentation")})
    assert text_and_notes(path)[0] == "The mill / Be loud. / The end."


def test_a_slide_of_pictures_alone_is_told(tmp_path: Path) -> None:
    picture = '<draw:page><draw:frame><draw:image xlink:href="a.png"/></draw:frame></draw:page>'
    slides = f"<draw:page><text:p>The mill</text:p></draw:page>{picture}<draw:page/>"
    path = zipped(tmp_path / "a.odp", {"content.xml": content(slides, "presentation")})
    assert text_and_notes(path) == ("The mill", ["slide 2: no text in it, but pictures"])


def test_files_that_are_something_else(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.odt", {"content.xml": content("", "spreadsheet")})
    with pytest.raises(DocumentError, match="no text in it, but spreadsheet; give it the right"):
        text_and_notes(path)
    manifest = "<m:manifest xmlns:m='urn:m'><m:encryption-data/></m:manifest>"
    files = {"content.xml": "???", "META-INF/manifest.xml": manifest}
    with pytest.raises(DocumentError, match="encrypted; save it without a password"):
        text_and_notes(zipped(tmp_path / "a.odt", files))
