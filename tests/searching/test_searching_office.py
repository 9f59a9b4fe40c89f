"""Word and PowerPoint files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from searching_helpers import RELATED, related, text_and_notes, zipped

from pullquote.errors import DocumentError

pytest.importorskip("lxml")

W = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    f'xmlns:r="{RELATED}"'
)
STRICT = 'xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"'
MAIN = "word/document.xml"


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str) -> str:
    return f"<w:p>{''.join(runs)}</w:p>"


def document(body: str, space: str = W) -> str:
    return f"<w:document {space}><w:body>{body}</w:body></w:document>"


def docx(path: Path, body: str, main: str = MAIN, more: Mapping[str, str] | None = None) -> Path:
    relations = {"_rels/.rels": related(("rId1", "officeDocument", main))}
    return zipped(path, relations | {main: document(body)} | dict(more or {}))


BODY = paragraph(run("The rent is 840 crowns."))


@pytest.mark.parametrize(
    "main", ["word/document2.xml", "document.xml", "word/Document.xml", "/word/document.xml"]
)
def test_the_main_part_is_where_the_package_says(tmp_path: Path, main: str) -> None:
    path = docx(tmp_path / "a.docx", BODY, main=main.lstrip("/"))
    assert text_and_notes(path) == ("The rent is 840 crowns.", [])


def test_a_package_that_says_nothing_has_the_usual_main_part(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.docx", {MAIN: document(BODY, STRICT)})
    assert text_and_notes(path) == ("The rent is 840 crowns.", [])


def test_another_package_says_what_it_is(tmp_path: Path) -> None:
    files = {"_rels/.rels": related(("a", "officeDocument", "x.xml")), "x.xml": "<workbook/>"}
    with pytest.raises(DocumentError, match=r"no Word document in it .*, but <workbook>; give it"):
        text_and_notes(zipped(tmp_path / "a.docx", files))


def test_equations_are_text(tmp_path: Path) -> None:
    power = (
        "<m:sSup><m:e><m:r><m:t>v</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
    )
    fraction = f"<m:f><m:num>{power}</m:num><m:den><m:r><m:t>2r</m:t></m:r></m:den></m:f>"
    equation = f"<m:oMath><m:r><m:t>a=</m:t></m:r>{fraction}</m:oMath>"
    root = "<m:rad><m:deg/><m:e><m:r><m:t>16</m:t></m:r></m:e></m:rad>"
    alone = f"<m:oMathPara><m:oMath>{root}</m:oMath></m:oMathPara>"
    body = paragraph(run("So "), equation, run(" holds.")) + paragraph(alone)
    assert text_and_notes(docx(tmp_path / "a.docx", body))[0] == "So a=(v^2)/2r holds. / √16"


def test_what_stands_around_the_text_is_read_after_it(tmp_path: Path) -> None:
    def part(root: str, text: str) -> str:
        return f"<w:{root} {W}>{paragraph(run(text))}</w:{root}>"

    comment = f"<w:comment>{paragraph(run('Too much?'))}</w:comment>"
    more = {
        "word/header1.xml": part("hdr", "Aldwater Mill Trust"),
        "word/header2.xml": part("hdr", "Aldwater Mill Trust"),  # of the first page
        "word/footer1.xml": part("ftr", "Contract 77-B"),
        "word/comments.xml": f"<w:comments {W}>{comment}</w:comments>",
        "word/notes9.xml": part("footnotes", "Without heating."),
        "word/_rels/document.xml.rels": related(("a", "footnotes", "notes9.xml")),
    }
    text, notes = text_and_notes(docx(tmp_path / "a.docx", BODY, more=more))
    assert text.split(" / ") == [
        "The rent is 840 crowns.",
        "Aldwater Mill Trust",
        "Contract 77-B",
        "Without heating.",
        "Too much?",
    ]
    assert notes == []


def test_tables_of_contents_are_not_read(tmp_path: Path) -> None:
    styles = (
        f'<w:styles {W}><w:style w:styleId="V1"><w:name w:val="toc 1"/></w:style>'
        '<w:style w:styleId="V2"><w:name w:val="Normal"/></w:style></w:styles>'
    )
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{run(text)}</w:p>'
        for style, text in [("V1", "Rent ..... 7"), ("V2", "It is 840.")]
    )
    path = docx(tmp_path / "a.docx", body, more={"word/styles.xml": styles})
    assert text_and_notes(path)[0] == "It is 840."


def table(*rows: str, header: str = "") -> str:
    """Rows of cells; "^" is a cell that goes on below."""
    text = ""
    for number, row in enumerate(rows):
        cells = "".join(
            f"<w:tc><w:tcPr><w:vMerge/></w:tcPr>{paragraph()}</w:tc>"
            if cell == "^"
            else f"<w:tc>{paragraph(run(cell))}</w:tc>"
            for cell in row.split(",")
        )
        text += f"<w:tr>{header if number == 0 else ''}{cells}</w:tr>"
    return f"<w:tbl>{text}</w:tbl>"


def test_rows_have_the_names_of_their_columns(tmp_path: Path) -> None:
    body = table("Item,Wood,Price", "door,oak,840", "^,pine,310")
    assert text_and_notes(docx(tmp_path / "a.docx", body))[0] == (
        "Item: door; Wood: oak; Price: 840\nItem: door; Wood: pine; Price: 310"
    )


def test_a_long_cell_is_not_repeated_in_the_rows_that_it_spans(tmp_path: Path) -> None:
    body = table("Item,Wood,Price", f"{'word ' * 30},oak,840", "^,pine,310", "^,ash,95")
    assert text_and_notes(docx(tmp_path / "a.docx", body))[0].split("\n")[1:] == [
        "Wood: pine; Price: 310",
        "Wood: ash; Price: 95",
    ]


@pytest.mark.parametrize("said", ["0", "-1", "x", "1" * 5000])
def test_a_cell_that_spans_no_number_of_columns_takes_one(tmp_path: Path, said: str) -> None:
    cell = f'<w:tc><w:tcPr><w:gridSpan w:val="{said}"/></w:tcPr>{paragraph(run("shed"))}</w:tc>'
    row = f"<w:tr>{cell}<w:tc>{paragraph(run('7'))}</w:tc></w:tr>"
    body = table("Item,Price", "door,840").replace("</w:tbl>", f"{row}</w:tbl>")
    assert text_and_notes(docx(tmp_path / "a.docx", body))[0].endswith("Item: shed; Price: 7")


def test_a_table_may_say_that_it_has_a_header(tmp_path: Path) -> None:
    said = "<w:trPr><w:tblHeader/></w:trPr>"
    body = table("Country,Capital", "Norway,Oslo")
    assert text_and_notes(docx(tmp_path / "a.docx", body))[0] == "Country: Capital / Norway: Oslo"
    body = table("Country,Capital", "Norway,Oslo", header=said)
    assert text_and_notes(docx(tmp_path / "b.docx", body))[0] == "Country: Norway; Capital: Oslo"


def test_a_cell_over_several_columns_takes_their_places(tmp_path: Path) -> None:
    wide = f'<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>{paragraph(run("none"))}</w:tc>'
    first, last = (f"<w:tc>{paragraph(run(cell))}</w:tc>" for cell in ("shed", "7"))
    row = f"<w:tr>{first}{wide}{last}</w:tr>"
    body = table("Item,Wood,Glass,Price", "door,oak,no,840").replace("</w:tbl>", f"{row}</w:tbl>")
    assert "Item: shed; Wood: none; Price: 7" in text_and_notes(docx(tmp_path / "a.docx", body))[0]


def test_a_frame_around_paragraphs_is_no_table(tmp_path: Path) -> None:
    body = (
        f"<w:tbl><w:tr><w:tc>{paragraph(run('One.'))}{paragraph(run('Two.'))}</w:tc></w:tr></w:tbl>"
    )
    assert text_and_notes(docx(tmp_path / "a.docx", body))[0] == "One. / Two."


def chunk(path: Path, name: str, data: bytes) -> tuple[str, list[str]]:
    body = f'{BODY}<w:altChunk r:id="c"/>{paragraph(run("After."))}'
    zipped(
        path,
        {
            MAIN: document(body),
            f"word/{name}": data,
            "word/_rels/document.xml.rels": related(("c", "aFChunk", name)),
        },
    )
    return text_and_notes(path)


def test_parts_in_other_formats(tmp_path: Path) -> None:
    page = b"<html><form><h1>Doors</h1><p>An oak door is 840.</p></form></html>"
    path = tmp_path / "a.docx"
    assert chunk(path, "a.htm", page) == (
        "The rent is 840 crowns. / Doors / An oak door is 840. / After.",
        [],
    )
    assert chunk(path, "a.txt", "Renée pays £840 a month.".encode("cp1252")) == (
        "The rent is 840 crowns. / Renée pays £840 a month. / After.",
        ["read as Windows-1252"],
    )
    inner = docx(tmp_path / "inner.docx", paragraph(run("Inside."))).read_bytes()
    assert chunk(path, "a.docx", inner) == ("The rent is 840 crowns. / Inside. / After.", [])
    assert chunk(path, "a.xyz", b"?") == (
        "The rent is 840 crowns. / After.",
        ["word/a.xyz: a part in another format (.xyz), which is not read"],
    )


def test_a_page_saved_with_its_pictures(tmp_path: Path) -> None:
    mht = (
        b"Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n"
        b"<p>An oak door.</p>\n--b\nContent-Type: image/png\nContent-ID: <a>\n\nx\n--b--\n"
    )
    assert chunk(tmp_path / "a.docx", "a.mht", mht)[0].split(" / ")[1] == "An oak door."


def test_titles_of_charts(tmp_path: Path) -> None:
    drawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
    more = {
        "word/c.xml": f'<c xmlns:a="{drawing}"><a:p><a:r><a:t>Eels a day</a:t></a:r></a:p></c>',
        "word/_rels/document.xml.rels": related(("c", "chart", "c.xml")),
    }
    path = docx(tmp_path / "a.docx", BODY, more=more)
    assert text_and_notes(path)[0] == "The rent is 840 crowns. / Eels a day"


def titled(text: str) -> str:
    rich = f"<c:rich><a:p><a:r><a:t>{text}</a:t></a:r></a:p></c:rich>"
    return f"<c:title><c:tx>{rich}</c:tx></c:title>"


def test_a_slide_of_pictures_alone_is_told(tmp_path: Path) -> None:
    picture = "<p:pic><p:nvPicPr/></p:pic>"
    slides = pptx(tmp_path / "a.pptx", shape("The mill") + picture, picture, "<p:sp/>")
    assert text_and_notes(slides) == ("The mill", ["slide 2: no text in it, but pictures"])


CHART = (
    '<c:chartSpace xmlns:c="urn:c" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
    f"<c:chart>{titled('Doors sold')}<c:plotArea><c:barChart>%s%s</c:barChart>"
    f"<c:lineChart>%s</c:lineChart><c:valAx>{titled('Doors a year')}</c:valAx></c:plotArea>"
    "</c:chart></c:chartSpace>"
)


def series(name: str, code: str, *values: str) -> str:
    points = "".join(f'<c:pt idx="{n}"><c:v>{value}</c:v></c:pt>' for n, value in enumerate(values))
    labels = "".join(f'<c:pt idx="{n}"><c:v>{2019 + n}</c:v></c:pt>' for n in range(2))
    return (
        f"<c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>{name}</c:v></c:pt></c:strCache>"
        f"</c:strRef></c:tx><c:cat><c:strRef><c:strCache>{labels}</c:strCache></c:strRef></c:cat>"
        f"<c:val><c:numRef><c:numCache><c:formatCode>{code}</c:formatCode>{points}</c:numCache>"
        "</c:numRef></c:val></c:ser>"
    )


def test_values_of_charts_are_rows(tmp_path: Path) -> None:
    chart = CHART % (
        series("Oak", "General", "840", "910"),
        series("Pine", "General", "31"),
        series("Share", "0%", ".25", ".5"),
    )
    above = "Doors a year / Doors sold"
    shown = f"{above} / 2019; Oak: 840; Pine: 31; Share: 25%\n{above} / 2020; Oak: 910; Share: 50%"
    more = {
        "word/c.xml": chart,
        "word/_rels/document.xml.rels": related(("c", "chart", "c.xml")),
    }
    word = docx(tmp_path / "a.docx", BODY, more=more)
    assert text_and_notes(word)[0] == f"The rent is 840 crowns.\n{shown}"
    more = {
        "ppt/slides/c.xml": chart,
        "ppt/slides/_rels/slide0.xml.rels": related(("c", "chart", "c.xml")),
    }
    slides = pptx(tmp_path / "a.pptx", shape("Our year", "title"), more=more)
    assert text_and_notes(slides)[0] == shown.replace(above, f"Our year / {above}")


def test_the_first_label_of_series_without_names_is_no_header(tmp_path: Path) -> None:
    chart = CHART % (series("", "General", "840", "910"), series("", "General", "31"), "")
    links = related(("c", "chart", "c.xml"))
    more = {"word/c.xml": chart, "word/_rels/document.xml.rels": links}
    said, _ = text_and_notes(docx(tmp_path / "a.docx", BODY, more=more))
    assert said.endswith("2019; 840; 31 / 2020; 910")


def test_labels_of_several_levels_are_put_together(tmp_path: Path) -> None:
    def level(*labels: tuple[int, str]) -> str:
        points = (f'<c:pt idx="{at}"><c:v>{label}</c:v></c:pt>' for at, label in labels)
        return f"<c:lvl>{''.join(points)}</c:lvl>"

    halves = level((0, "spring"), (1, "autumn"), (2, "spring"), (3, "autumn"))
    levels = f"{halves}{level((0, '2019'), (2, '2020'))}"
    labelled = series("Oak", "General", "840", "910", "31", "32")
    start, end = labelled.index("<c:cat>"), labelled.index("</c:cat>")
    labelled = (
        f"{labelled[:start]}<c:cat><c:multiLvlStrRef>{levels}</c:multiLvlStrRef>{labelled[end:]}"
    )
    more = {
        "word/c.xml": CHART % (labelled, "", ""),
        "word/_rels/document.xml.rels": related(("c", "chart", "c.xml")),
    }
    said, _ = text_and_notes(docx(tmp_path / "a.docx", BODY, more=more))
    rows = [line.rpartition(" / ")[2] for line in said.splitlines()[1:]]
    assert rows == [
        "2019 spring; Oak: 840",
        "2019 autumn; Oak: 910",
        "2020 spring; Oak: 31",
        "2020 autumn; Oak: 32",
    ]


def test_a_chart_of_many_series_takes_no_time_of_their_square(tmp_path: Path) -> None:
    many = "".join(
        f'<c:ser><c:val><c:pt idx="{number}"><c:v>{number}</c:v></c:pt></c:val></c:ser>'
        for number in range(3000)
    )
    chart = f'<c:chartSpace xmlns:c="urn:c"><c:chart>{many}</c:chart></c:chartSpace>'
    links = related(("c", "chart", "c.xml"))
    more = {"word/c.xml": chart, "word/_rels/document.xml.rels": links}
    said, notes = text_and_notes(docx(tmp_path / "a.docx", BODY, more=more))
    assert said.endswith(" 254")  # Excel's charts have at most 255
    assert notes == ["a chart: 3,000 series, of which 255 are read"]
    more = {"ppt/slides/c.xml": chart, "ppt/slides/_rels/slide0.xml.rels": links}
    said, notes = text_and_notes(pptx(tmp_path / "a.pptx", shape("Year", "title"), more=more))
    assert said.endswith(" 254")
    assert notes == ["slide 1, a chart: 3,000 series, of which 255 are read"]


def test_a_chart_of_many_levels_and_with_a_title_is_told(tmp_path: Path) -> None:
    levels = "".join(f'<c:lvl><c:pt idx="0"><c:v>{n}</c:v></c:pt></c:lvl>' for n in range(10))
    one = f'<c:ser><c:cat>{levels}</c:cat><c:val><c:pt idx="0"><c:v>7</c:v></c:pt></c:val></c:ser>'
    chart = CHART % (one, "", "")
    more = {
        "word/c.xml": chart,
        "word/_rels/document.xml.rels": related(("c", "chart", "c.xml")),
    }
    said, notes = text_and_notes(docx(tmp_path / "a.docx", BODY, more=more))
    assert said.endswith("7 6 5 4 3 2 1 0: 7")
    assert notes == ["the chart “Doors sold”: labels of 10 levels, of which 8 are read"]


def test_series_within_series_are_not_read_again(tmp_path: Path) -> None:
    points = "".join(f'<c:pt idx="{number}"><c:v>7</c:v></c:pt>' for number in range(20))
    many = f"{'<c:ser><c:val>' * 100}{points}{'</c:val></c:ser>' * 100}"
    chart = f'<c:chartSpace xmlns:c="urn:c"><c:chart>{many}</c:chart></c:chartSpace>'
    links = related(("c", "chart", "c.xml"))
    more = {"word/c.xml": chart, "word/_rels/document.xml.rels": links}
    said, _ = text_and_notes(docx(tmp_path / "a.docx", BODY, more=more))
    assert said.count("7") == 20


def test_documents_in_documents_end(tmp_path: Path) -> None:
    inner = tmp_path / "inner.docx"
    chunk(inner, "a.docx", docx(tmp_path / "b.docx", BODY).read_bytes())
    text, notes = chunk(tmp_path / "a.docx", "a.docx", inner.read_bytes())
    assert text.count("840") == 2
    assert notes == ["word/a.docx: a part in another format (.docx), which is not read"]


# --- PPTX

A = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:p="urn:p" '
    f'xmlns:r="{RELATED}"'
)


def shape(text: str, kind: str = "body") -> str:
    return (
        f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>'
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def pptx(path: Path, *slides: str, more: Mapping[str, str] | None = None) -> Path:
    """A presentation; an empty slide is missing."""
    ids = "".join(f'<p:sldId id="{n}" r:id="s{n}"/>' for n in range(len(slides)))
    targets = [(f"s{n}", "slide", f"slides/slide{n}.xml") for n in range(len(slides))]
    files = {
        "ppt/presentation.xml": f"<p:presentation {A}><p:sldIdLst>{ids}<p:extLst/></p:sldIdLst>"
        "</p:presentation>",
        "ppt/_rels/presentation.xml.rels": related(*targets),
    }
    for n, slide in enumerate(slides):
        if slide:
            files[f"ppt/slides/slide{n}.xml"] = f"<p:sld {A}><p:spTree>{slide}</p:spTree></p:sld>"
    return zipped(path, files | dict(more or {}))


def test_slides_in_order_with_notes(tmp_path: Path) -> None:
    path = pptx(
        tmp_path / "a.pptx",
        shape("The mill", "ctrTitle") + shape("It was built in 1641.") + shape("12 May", "dt"),
        shape("7", "sldNum") + shape("It burned in 1702.") + shape("12 May", "dt"),
        "",
        more={
            "ppt/slides/_rels/slide0.xml.rels": related(("n", "notesSlide", "../notes.xml")),
            "ppt/notes.xml": f"<p:notes {A}>{shape('Thank the miller.')}</p:notes>",
        },
    )
    expected = "The mill / It was built in 1641. / 12 May / Thank the miller. / It burned in 1702."
    assert text_and_notes(path) == (expected, ["slide 3: missing from the file"])


def test_slides_that_a_section_lists_again_are_read_once(tmp_path: Path) -> None:
    path = pptx(tmp_path / "a.pptx", shape("The mill."))
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    again = b'<p:section><p:sldIdLst><p:sldId id="0"/></p:sldIdLst></p:section></p:presentation>'
    main = "ppt/presentation.xml"
    files[main] = files[main].replace(b"</p:presentation>", again)
    assert text_and_notes(zipped(path, files)) == ("The mill.", [])


def test_tables_and_shapes_for_older_programs(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        inner = (
            f"<a:tc><a:txBody><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>"
            for cell in cells
        )
        return f"<a:tr>{''.join(inner)}</a:tr>"

    table = f'<a:tbl><a:tblPr firstRow="1"/>{row("Item", "Wood")}{row("door", "oak")}</a:tbl>'
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = (
        f"<mc:AlternateContent {mc}><mc:Choice>{shape('New.')}</mc:Choice>"
        f"<mc:Fallback>{shape('Old.')}</mc:Fallback></mc:AlternateContent>"
    )
    assert (
        text_and_notes(pptx(tmp_path / "a.pptx", table + both))[0] == "Item: door; Wood: oak\nNew."
    )


def test_an_old_file_or_one_with_a_password_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.pptx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(DocumentError, match=r"an old \.ppt; save it as \.pptx without a password"):
        text_and_notes(tmp_path / "a.pptx")
