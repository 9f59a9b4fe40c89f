"""Tables in PDFs become rows, and pages that only look like tables stay as they are.

The PDFs in `files/tables` were made by several makers, one case a page; `make.py` there tells how.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from searching_helpers import FILES, pdf

from pullquote.searching import pdf as pdf_module
from pullquote.searching import pdf_tables
from pullquote.searching.documents import SourceFile, find, read
from pullquote.searching.parts import Part
from pullquote.searching.pdf import read_pdf
from pullquote.searching.rows import one_line
from pullquote.types import Passage

pytest.importorskip("pypdfium2")

PRICES = [
    "Item: Front door; Wood: Oak; Price: 840 crowns",
    "Item: Back door; Wood: Pine; Price: 310 crowns",
    "Item: Gate; Wood: Larch; Price: 1,250 crowns",
]
BLUE = (
    "A view of the harbour, a desk, a kettle, and a bath that was put in by the owner himself in "
    "the spring of last year"
)
ROOMS = [
    f"Room: Blue; What it has: {BLUE}; Beds: 2; A night: € 95",
    "Room: Green; What it has: A balcony; Beds: 1; A night: € 70",
    "Room: White; What it has: A stove and a shelf of old books; Beds: 2; A night: € 88",
    "Room: Red; What it has: A kitchen of its own; Beds: 4; A night: € 140",
]
FERRIES = [
    "Boat: Marit; Leaves: 06:40; Arrives: 07:20; Seats: 120",
    "Boat: Sea Otter; Leaves: 09:15; Arrives: 09:55; Seats: 80",
    "Boat: Marit; Leaves: 13:00; Arrives: 13:40; Seats: 120",
    "Boat: Hedda; Leaves: 17:30; Arrives: 18:15; Seats: 60",
]
INVOICE = [
    "Description: Oak door, fitted; Quantity: 2; Unit price: 840.00; Amount: 1,680.00",
    "Description: Brass lock; Quantity: 2; Unit price: 65.00; Amount: 130.00",
    "Description: Travel; Quantity: 1; Unit price: 40.00; Amount: 40.00",
]
STAFF = [
    "Name: Amara Nilsen; Task: Director; Days: Monday to Friday",
    "Name: Tomas Lindqvist; Task: Mill and stones; Days: Tuesday, Thursday",
    "Name: Rosa Klein; Task: Letters and papers; Days: Wednesday",
]
SACKS = [
    "Sack: Wheat; Pounds: 140; Kilograms: 63.5",
    "Sack: Rye; Pounds: 132; Kilograms: 59.9",
    "Sack: Oats; Pounds: 96; Kilograms: 43.5",
    "Sack: Barley; Pounds: 118; Kilograms: 53.5",
]
WATER = [
    "Month: January; 2019: 142; 2020: 151; 2021: 148",
    "Month: February; 2019: 139; 2020: 160; 2021: 155",
    "Month: March; 2019: 128; 2020: 144; 2021: 139",
    "Month: April; 2019: 115; 2020: 121; 2021: 126",
]
NOISE = "No music after ten in the evening, except on the night of the summer feast"
BINS = "The bins stand behind the gate and are put out on Tuesdays by the person whose turn it is"
RULES = [
    f"Rule: Noise; What it says: {NOISE}; Since: 2004",
    "Rule: Dogs; What it says: Dogs may stay in the garden if they are on a lead; Since: 2011",
    f"Rule: Bins; What it says: {BINS}; Since: 2015",
]
BERTHS = [
    "Berth: Small; Length: up to 8 m; Fee: 2,400 crowns",
    "Berth: Medium; Length: up to 12 m; Fee: 3,900 crowns",
    "Berth: Large; Length: up to 18 m; Fee: 6,750 crowns",
]
BREAD = [
    "Kind: Rye; Weight: 1,000 g; Loaves: 310; Price: € 4.20",
    "Kind: Wheat; Weight: 750 g; Loaves: 420; Price: € 3.60",
    "Kind: Spelt; Weight: 500 g; Loaves: 95; Price: € 4.80",
]
VISITORS = [
    "Year: 2021; Grown persons: 4,120; Children: 1,310; Income in crowns: 181,000",
    "Year: 2022; Grown persons: 7,940; Children: 2,870; Income in crowns: 352,500",
    "Year: 2023; Grown persons: 8,615; Children: 3,125; Income in crowns: 391,200",
    "Year: 2024; Grown persons: 8,902; Children: 3,018; Income in crowns: 402,750",
]
TOOLS = [
    "Tool: Plane; Number: 14; Bought: 1998",
    "Tool: Saw; Number: 9; Bought: 2004",
    "Tool: Chisel; Number: 31; Bought: 2011",
]
DEPTHS = [
    "Place: At the weir; Spring: 2.10 m; Summer: 1.75 m; Autumn: 1.90 m",
    "Place: In the middle; Spring: 3.40 m; Summer: 3.05 m; Autumn: 3.20 m",
    "Place: At the bridge; Spring: 1.15 m; Summer: 0.80 m; Autumn: 0.95 m",
]
MEMBERS = [f"Number: M{n}; Name: Member {n}; Since: {1950 + n}" for n in range(1, 46)]
COSTS = [
    "What: Boats",
    "What: Rowing boat; Week: 20 crowns; Weekend: 30 crowns",
    "What: Dinghy; Week: 45 crowns; Weekend: 60 crowns",
    "What: Gear",
    "What: Life vest; Weekend: 5 crowns",
    "What: Oars; Week: 8 crowns; Weekend: 8 crowns",
]
HIVES = [
    "Hive: 1; Bees from: Aldwater; Honey: 14.5 kg; Queen since: 2019",
    "Hive: 2; Bees from: Norrhavn; Honey: 9.0 kg; Queen since: 2021",
    "Hive: 3; Bees from: Aldwater; Honey: 17.2 kg; Queen since: 2020",
    "Hive: 4; Bees from: a swarm; Honey: 6.4 kg; Queen since: 2022",
]
LISTS: list[str] = []
"""What the page holds is no table."""
GROFF = {1: SACKS, 2: WATER, 3: LISTS, 4: LISTS, 5: RULES, 6: LISTS, 7: LISTS}
CASES = {
    "chromium": {
        **{1: PRICES, 2: ROOMS, 3: FERRIES, 4: LISTS, 5: INVOICE},
        **{6: LISTS, 7: LISTS, 8: LISTS, 9: LISTS, 10: STAFF},
    },
    "groff": GROFF,
    "ghostscript": GROFF,
    # the second page has a table of words, with one line below its header: not enough to tell
    "libreoffice": {1: HIVES, 2: LISTS, 3: LISTS},
    "typst": {1: BERTHS, 2: BREAD, 3: LISTS, 4: LISTS, 5: VISITORS, 6: LISTS},
    "reportlab": {1: TOOLS, 2: DEPTHS, 3: MEMBERS, 6: LISTS, 7: COSTS, 8: LISTS},
}
PAIRS = [
    "Flag iris: Stands in the ditch, has yellow flowers from May until July, and is poisonous to "
    "cattle.",
    "Cuckoo flower: Grows wherever the meadow is wet. Its leaves taste of cress.",
    "Ragged robin: Was rare for thirty years and has come back since the meadow is cut only once.",
]
PLANTS = "typst", 6
"""Where they stand: no rows with names, but pairs."""


def parts(maker: str) -> list[Part]:
    with open(FILES / "tables" / f"{maker}.pdf", "rb") as file:
        return [part for part in read_pdf(file) if isinstance(part, Part)]


def passages(maker: str) -> list[Passage]:
    return passages_of(FILES / "tables" / f"{maker}.pdf")


def passages_of(path: Path) -> list[Passage]:
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    return list(read(file))


@pytest.mark.parametrize("maker", CASES)
def test_rows_of_tables_and_of_nothing_else(maker: str) -> None:
    pages = sorted(CASES[maker])
    rows: dict[int, list[str]] = {page: [] for page in pages}
    for part in parts(maker):
        if part.alone:
            page = max(page for page in pages if page <= part.number)
            rows[page].append(part.text.split("\n\n")[-2])
    assert rows == CASES[maker]


def test_a_page_without_a_table_is_as_if_nobody_looked_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {maker: parts(maker) for maker in CASES}
    monkeypatch.setattr(pdf_module, "tables", lambda *_: [])
    for maker, pages in CASES.items():
        plain = [page for page, rows in pages.items() if rows is LISTS and (maker, page) != PLANTS]
        assert len(plain) > 1
        for page in plain:
            before = [part for part in parts(maker) if part.number == page]
            assert [part for part in found[maker] if part.number == page] == before


def test_what_stands_around_a_table_is_text() -> None:
    text = one_line("".join(part.text for part in parts("chromium") if part.number == 5))
    assert "Rosa Klein Harbour Street 12 8215 Norrhavn" in text
    assert "Subtotal 1,850.00 Tax (25 %) 462.50 Total 2,312.50" in text
    assert text.index("Amount: 40.00") < text.index("Subtotal") < text.index("Please pay")


def test_pairs_in_a_grid_share_passages() -> None:
    maker, page = PLANTS
    text = "".join(part.text for part in parts(maker) if part.number == page)
    assert text.startswith("Plants of the meadow\n\n" + "\n\n".join(PAIRS))


def test_a_table_goes_on_over_pages_with_its_header() -> None:
    pages = {part.number for part in parts("reportlab") if "Name: Member" in part.text}
    assert len(pages) > 1
    (last,) = [one for one in passages("reportlab") if "Member 45" in one.text]
    assert last.text == MEMBERS[-1]
    assert last.place().number == max(pages)


@pytest.mark.parametrize("maker", CASES)
def test_offsets_are_those_of_the_text_as_shown(maker: str) -> None:
    whole = "".join(part.text for part in parts(maker))
    for passage in passages(maker):
        assert whole[passage.start : passage.end] == passage.text


# ---- pages that are written here, for what no maker shows


def page_of(*lines: tuple[float, float, str], rules: Sequence[str] = ()) -> bytes:
    """A page of texts at x and y, and operators that draw."""
    shown = " ".join(f"1 0 0 1 {x} {y} Tm ({text}) Tj" for x, y, text in lines)
    return zlib.compress(f"{' '.join(rules)} BT /F 12 Tf {shown} ET".encode("latin-1"))


def in_columns(*rows: Sequence[str], top: float = 700, left: float = 72) -> list[Any]:
    """Rows of texts 100 points apart, from the top down."""
    return [
        (left + 100 * column, top - 16 * number, text)
        for number, row in enumerate(rows)
        for column, text in enumerate(row)
        if text
    ]


def read_page(path: Path, *pages: bytes, **more: Any) -> list[str]:
    """The parts of a PDF of some pages; rows in brackets."""
    with open(pdf(path / "a.pdf", *pages, **more), "rb") as file:
        found = [part for part in read_pdf(file) if isinstance(part, Part)]
    return [f"[{part.text.strip()}]" if part.alone else part.text.strip() for part in found]


DOORS = [("Item", "Price"), ("oak door", "840"), ("pine door", "310"), ("gate", "1,250")]
SHOWN = [
    "[Item: oak door; Price: 840]",
    "[Item: pine door; Price: 310]",
    "[Item: gate; Price: 1,250]",
]


def test_columns_with_a_header_above_numbers(tmp_path: Path) -> None:
    assert read_page(tmp_path, page_of(*in_columns(*DOORS))) == SHOWN
    headless = read_page(tmp_path, page_of(*in_columns(*DOORS[1:])))
    assert headless == ["oak door 840 pine door 310 gate 1,250"]
    few = read_page(tmp_path, page_of(*in_columns(*DOORS[:3])))
    assert few == ["Item Price oak door 840 pine door 310"]


UNKNOWN = [("Ben", "in May", "Bath"), ("Cy", "a Monday", "York"), ("Di", "unknown", "Rome")]


@pytest.mark.parametrize(
    "rows",
    [
        [("Chapter", "Page"), ("The mill", "4"), ("The flood", "11"), ("A museum", "25")],
        [("Name", "Born", "Town"), *[("Ann", f"19{n}0", "Oslo") for n in range(5)], *UNKNOWN],
        [("Item", ""), ("oak door", "840"), ("pine door", "310"), ("gate", "1,250")],
        [("Total", "840"), ("Tax", "210"), ("To pay", "1,050"), ("Paid", "500")],
    ],
)
def test_columns_that_are_left_as_they_are(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    (text,) = read_page(tmp_path, page_of(*in_columns(*rows)))
    assert text.split() == " ".join(itertools.chain(*rows)).split()


HARDWARE = [("Item", "Qty", "Price"), ("Oak hinges", "4", "12.00"), ("Brass lock", "1", "65.00")]
HARDWARE += [("Iron nails", "250", "0.10"), ("Steel bolts", "30", "1.40")]


def to_the_right(right: float, text: str) -> float:
    """Where a number of Helvetica begins that ends there."""
    return right - 12 * sum(0.278 if letter == "." else 0.556 for letter in text)


def test_columns_that_stand_as_close_as_words(tmp_path: Path) -> None:
    rows: list[tuple[float, float, str]] = []
    for number, (item, count, price) in enumerate(HARDWARE):
        places: tuple[float, ...] = 72, to_the_right(157, count), to_the_right(193, price)
        places = places if number else (72, 138, 165)
        rows += zip(places, [700 - 16 * number] * 3, (item, count, price), strict=True)
    assert read_page(tmp_path, page_of(*rows)) == [
        f"[Item: {item}; Qty: {count}; Price: {price}]" for item, count, price in HARDWARE[1:]
    ]
    doors = [("Item", "Price"), ("oak door", "840"), ("pine door", "310"), ("elm door", "95")]
    near = [
        (x, 700 - 16 * number, text)
        for number, row in enumerate(doors)
        for x, text in zip((72, 129), row, strict=True)
    ]
    assert read_page(tmp_path, page_of(*near)) == [
        f"[Item: {item}; Price: {price}]" for item, price in doors[1:]
    ]


def test_words_below_each_other_are_no_columns(tmp_path: Path) -> None:
    """Not even with numbers at the same places, unless names stand above them."""
    years = [f"In {year} it had {stones} stones and" for year, stones in ((1702, 4), (1710, 6))]
    years += [f"In {year} it had {stones} stones and" for year, stones in ((1725, 8), (1740, 2))]
    wide = [f"5 Tw ({text}) Tj 0 -16 Td" for text in years]
    page = zlib.compress(f"BT /F 12 Tf 72 700 Td {' '.join(wide)} ET".encode())
    assert "[" not in "".join(read_page(tmp_path, page))


def test_sums_below_a_table_and_a_title_above_it_stay_text(tmp_path: Path) -> None:
    rows = [("Our doors",), *DOORS, ("", "2,400"), ("They are made to order.",)]
    found = read_page(tmp_path, page_of(*in_columns(*rows)))
    assert found == ["Our doors", *SHOWN, "2,400\nThey are made to order."]
    (first, *_) = passages_of(tmp_path / "a.pdf")
    assert first.text == "Our doors\n\nItem: oak door; Price: 840"


def test_the_line_above_a_table_is_its_title(tmp_path: Path) -> None:
    above = [
        (72, 758, "The doors of the mill are made to order, in our own shop and of dry wood."),
        (72, 744, "Ann Lee, chair"),
        (72, 730, "Our doors"),
    ]
    found = read_page(tmp_path, page_of(*above, *in_columns(*DOORS)))
    assert found == [f"{above[0][2]} Ann Lee, chair", "Our doors", *SHOWN]
    assert passages_of(tmp_path / "a.pdf")[1].text == "Our doors\n\nItem: oak door; Price: 840"


def test_lines_of_a_cell_and_of_a_header_are_one(tmp_path: Path) -> None:
    rows = [
        ("", "Price in"),
        ("Item", "crowns"),
        ("oak door", "840", "a strong"),
        ("", "", "wood"),
        ("pine door", "310", "recon-"),
        ("", "", "structed"),
        ("gate", "1,250", "old"),
    ]
    rows[1] = ("Item", "crowns", "Note")
    assert read_page(tmp_path, page_of(*in_columns(*rows))) == [
        "[Item: oak door; Price in crowns: 840; Note: a strong wood]",
        "[Item: pine door; Price in crowns: 310; Note: reconstructed]",
        "[Item: gate; Price in crowns: 1,250; Note: old]",
    ]


def rectangle(left: float, bottom: float, width: float, height: float) -> str:
    return f"{left} {bottom} {width} {height} re S"


def test_merged_cells_of_a_grid(tmp_path: Path) -> None:
    """A cell over two rows is in both of them; one over two columns stands in the first."""
    rules = [
        *(rectangle(70, 696 - 16 * number, 100, 16) for number in (0, 3, 4)),
        rectangle(70, 664, 100, 32),
        *(rectangle(170, 696 - 16 * number, 100, 16) for number in range(4)),
        *(rectangle(270, 696 - 16 * number, 100, 16) for number in range(4)),
        rectangle(170, 632, 200, 16),
    ]
    rows = [
        ("Wood", "Item", "Price"),
        ("Oak", "door", "840"),
        ("", "gate", "910"),
        ("Pine", "door", "310"),
        ("Larch", "sold out"),
    ]
    assert read_page(tmp_path, page_of(*in_columns(*rows), rules=rules)) == [
        "[Wood: Oak; Item: door; Price: 840]",
        "[Wood: Oak; Item: gate; Price: 910]",
        "[Wood: Pine; Item: door; Price: 310]",
        "[Wood: Larch; Item: sold out]",
    ]


def ruled(
    *rows: Sequence[str], top: float = 700, more: Sequence[tuple[float, float, str]] = ()
) -> bytes:
    """A page with a grid of ruling lines around each text, and more lines of text."""
    rules = [
        rectangle(70 + 100 * column, top - 4 - 16 * number, 100, 16)
        for number, row in enumerate(rows)
        for column in range(len(row))
    ]
    return page_of(*in_columns(*rows, top=top), *more, rules=rules)


def test_a_form_in_a_grid_stays_text(tmp_path: Path) -> None:
    assert read_page(tmp_path, ruled(*DOORS)) == SHOWN
    field = ("Subtype/Widget/FT/Tx", 172, 652, "1,300")
    assert "[" not in "".join(read_page(tmp_path, ruled(*DOORS), fields=[field]))
    form = [("Name: Ann", "Born: 1971", "Town: Oslo"), ("Boat: Otter", "Built: 1984", "Berth: 14")]
    assert "[" not in "".join(read_page(tmp_path, ruled(*form)))


def test_a_table_goes_on_over_pages_without_its_header(tmp_path: Path) -> None:
    rest = [("shed door", "95"), ("window", "120")]
    assert read_page(tmp_path, ruled(*DOORS), ruled(*rest)) == [
        *SHOWN,
        "[Item: shed door; Price: 95]",
        "[Item: window; Price: 120]",
    ]
    wider = [("shed door", "95", "pine"), ("window", "120", "oak")]
    assert "[Item: shed door" not in "".join(read_page(tmp_path, ruled(*DOORS), ruled(*wider)))


# ---- tables at the edges of pages, which are no running heads and hold no page numbers


PLACES = "house", "mill", "barn"


def sentence(number: int) -> tuple[float, float, str]:
    """A line of text of its own, below a table at the top of a page."""
    words = ["The wheel turns at night.", "Eels live below the weir.", "Rye is ground in May."]
    return (72, 500, words[number])


def ruled_and_text(*tables: Sequence[Sequence[str]]) -> list[bytes]:
    """Pages that begin with a grid, and go on with a sentence."""
    return [ruled(*table, more=[sentence(n)]) for n, table in enumerate(tables)]


def test_numbers_of_rows_that_count_on_are_no_page_numbers(tmp_path: Path) -> None:
    lamps = [[("Item", "No"), (f"{at} lamp", f"{11 + n}")] for n, at in enumerate(PLACES)]
    rows = [f"[Item: {at} lamp; No: {11 + n}]" for n, at in enumerate(PLACES)]
    assert read_page(tmp_path, *ruled_and_text(*lamps)) == [
        *(rows[0], sentence(0)[2]),
        *(rows[1], sentence(1)[2]),
        *(rows[2], sentence(2)[2]),
    ]
    assert read_page(tmp_path, *(ruled(*table) for table in lamps)) == rows


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7])
def test_a_header_that_pages_repeat_names_the_columns_of_each(tmp_path: Path, count: int) -> None:
    """With however many rows, and with text between the tables or without."""
    pages = [
        [("Item", "Price"), *((f"{at} {n}", f"{100 * n}") for n in range(1, count))]
        for at in PLACES
    ]
    rows = [[f"[Item: {at} {n}; Price: {100 * n}]" for n in range(1, count)] for at in PLACES]
    assert read_page(tmp_path, *(ruled(*page) for page in pages)) == [*itertools.chain(*rows)]
    assert read_page(tmp_path, *ruled_and_text(*pages)) == [
        text for n, page in enumerate(rows) for text in (*page, sentence(n)[2])
    ]


def test_a_grid_that_pages_repeat_as_a_whole_is_a_running_head(tmp_path: Path) -> None:
    letterhead = [("Mill Museum", "Harbour Street"), ("Founded", "in Norrhavn")]
    head = "Mill Museum Harbour Street\nFounded in Norrhavn"
    found = read_page(tmp_path, *ruled_and_text(*[letterhead] * 3))
    assert found == [head, *(sentence(n)[2] for n in range(3))]
    # it stands in the middle of a sentence
    broken = [(72, 500, "The wheel of the mill is built of"), (72, 500, "oak, and turns.")]
    found = read_page(tmp_path, *(ruled(*letterhead, more=[line]) for line in broken))
    assert found == [head, "The wheel of the mill is built of", "oak, and turns."]
    # a row of it that differs makes the whole one a table
    other = [[*letterhead, ("Day", day)] for day in ("Monday", "Tuesday", "Sunday")]
    found = read_page(tmp_path, *ruled_and_text(*other))
    assert found.count("Mill Museum: Harbour Street") == found.count("Founded: in Norrhavn") == 3


def test_the_number_of_a_page_in_a_letterhead(tmp_path: Path) -> None:
    heads = [
        [("Mill Museum", "Rules"), ("In force", f"Page {number} of 9")] for number in range(1, 4)
    ]
    found = read_page(tmp_path, *ruled_and_text(*heads))
    assert found == ["Mill Museum Rules\nIn force", *(sentence(n)[2] for n in range(3))]
    # these do not count on with the pages, and so are said
    others = [[heads[0][0], ("See", f"Page {number}")] for number in (4, 2, 9)]
    found = read_page(tmp_path, *ruled_and_text(*others))
    assert [text for text in found if "See" in text] == [
        "See: Page 4",
        "See: Page 2",
        "See: Page 9",
    ]


def test_other_numbers_in_a_grid_that_pages_repeat_are_no_page_numbers(tmp_path: Path) -> None:
    copies = [
        ruled(("Mill Museum", "Rules"), ("Copy", f"{n}"), more=[(290, 40, f"{n}")])
        for n in range(1, 4)
    ]
    shown = [f"[Mill Museum: Copy; Rules: {n}]" for n in range(1, 4)]
    assert read_page(tmp_path, *copies) == shown
    # and do not speak for numbers of pages elsewhere
    before = page_of((72, 700, "weir 11"), sentence(0))
    lamps = [ruled(("Item", "No"), (f"{at} lamp", f"{n}")) for n, at in enumerate(PLACES, start=12)]
    assert "weir 11" in read_page(tmp_path, before, *lamps)[0]


def test_a_table_among_contents_stays(tmp_path: Path) -> None:
    prices = ruled(
        *(("Item", "Price"), ("door", "95"), ("window", "120")),
        more=[
            (72, 640 - 16 * n, f"{wood} ........ {n}") for n, wood in enumerate(("elm", "ash"), 3)
        ],
    )
    above = page_of(*((72, 700 - 16 * n, f"{wood} ........ {n}") for n, wood in enumerate("abc")))
    shown = ["[Item: door; Price: 95]", "[Item: window; Price: 120]"]
    assert read_page(tmp_path, above, prices) == shown
    # nor is it one of the lines under their heading
    rooms = ("Contents", "lamps 3", "chairs 5", "beds 9")
    above = page_of(*((72, 700 - 16 * n, line) for n, line in enumerate(rooms)))
    found = read_page(tmp_path, above, ruled(("Item", "Price"), ("door", "95"), ("window", "120")))
    assert (" ".join(found[:-2]).split(), found[-2:]) == (" ".join(rooms).split(), shown)


def test_a_long_table_that_pages_repeat_is_no_running_head(tmp_path: Path) -> None:
    long = [*DOORS, ("door", "95")]
    found = read_page(tmp_path, *ruled_and_text(long, long))
    assert found.count("[Item: door; Price: 95]") == 2


def test_numbers_of_pages_go_and_equal_ones_in_tables_stay(tmp_path: Path) -> None:
    pages = [
        ruled(("Item", "Price"), (f"{at} lamp", f"{n}"), more=[(290, 40, f"{n}")])
        for n, at in enumerate(PLACES, start=1)
    ]
    rows = [f"[Item: {at} lamp; Price: {n}]" for n, at in enumerate(PLACES, start=1)]
    assert read_page(tmp_path, *pages) == rows


def test_a_row_that_equals_the_first_one_stays(tmp_path: Path) -> None:
    woods = [("oak", "1"), ("pine", "2"), ("oak", "1"), ("elm", "3")]
    shown = ["oak: 1", "pine: 2", "oak: 1", "elm: 3"]
    assert read_page(tmp_path, ruled(*woods)) == shown
    # on the next page, too, if it names no columns
    rest = [("oak", "1"), ("ash", "4")]
    found = read_page(tmp_path, ruled(*woods), ruled(*rest))
    assert found == [*shown, "oak: 1", "ash: 4"]


def test_tables_after_each_other_over_pages_have_their_own_names(tmp_path: Path) -> None:
    people = [("Name", "Age"), ("Ann", "33"), ("Ben", "41")]
    towns = [("Town", "Mills"), ("Oslo", "4"), ("York", "7")]
    own = [
        *("[Name: Ann; Age: 33]", "[Name: Ben; Age: 41]"),
        *("[Town: Oslo; Mills: 4]", "[Town: York; Mills: 7]"),
    ]
    assert read_page(tmp_path, ruled(*DOORS), ruled(*people), ruled(*towns)) == [*SHOWN, *own]
    # the last of them goes on over a page
    more = [("Rome", "9"), ("Bath", "2")]
    found = read_page(tmp_path, ruled(*DOORS), ruled(*people), ruled(*towns), ruled(*more))
    assert found == [*SHOWN, *own, "[Town: Rome; Mills: 9]", "[Town: Bath; Mills: 2]"]


def test_a_table_goes_on_with_its_header_and_then_without_it(tmp_path: Path) -> None:
    pages = [DOORS, [DOORS[0], ("shed door", "95")], [("window", "120"), ("sill", "30")]]
    assert read_page(tmp_path, *(ruled(*page) for page in pages)) == [
        *SHOWN,
        "[Item: shed door; Price: 95]",
        "[Item: window; Price: 120]",
        "[Item: sill; Price: 30]",
    ]


def test_a_repeated_header_is_none_of_the_rows(tmp_path: Path) -> None:
    """Not where the first page alone looks like a form, either."""
    pages = [
        [DOORS[0], ("oak door", "840 euros"), ("pine door", "sold out")],
        [DOORS[0], *((f"door {n}", f"{n}0 euros") for n in range(1, 12))],
    ]
    found = read_page(tmp_path, *(ruled(*page) for page in pages))
    assert found[:3] == [
        "[Item: oak door; Price: 840 euros]",
        "[Item: pine door; Price: sold out]",
        "[Item: door 1; Price: 10 euros]",
    ]


def test_a_row_alone_on_the_next_page_is_text(tmp_path: Path) -> None:
    total = ruled(("Total", "2,400"))
    assert read_page(tmp_path, ruled(*DOORS), total) == [*SHOWN, "Total 2,400"]
    two = ruled(("window", "120"), ("Total", "2,520"))
    assert read_page(tmp_path, ruled(*DOORS), two)[-1] == "[Item: Total; Price: 2,520]"


def test_names_of_empty_columns_come_once(tmp_path: Path) -> None:
    sheet = [
        ("Name", "Born", "Signature", "Notes"),
        ("Ann", "1971", "", ""),
        ("Ben", "1984", "", ""),
    ]
    assert read_page(tmp_path, ruled(*sheet), ruled(sheet[0], ("Cy", "1990", "", ""))) == [
        *("[Name: Ann; Born: 1971]", "[Name: Ben; Born: 1984]", "[Name: Cy; Born: 1990]"),
        "Signature; Notes",
    ]
    pairs = [("Front", "oak"), ("Back", ""), ("Side", "")]
    assert read_page(tmp_path, ruled(*pairs)) == ["Front: oak", "Back", "Side"]


def test_lines_between_the_rows_in_the_file_are_not_lost(tmp_path: Path) -> None:
    """Rows that were drawn from the bottom up, and a note between them, are no table."""
    header, door, gate = (
        in_columns(row, top=700 - 16 * number)
        for number, row in enumerate([("Item", "Wood"), ("door", "oak"), ("gate", "larch")])
    )
    rules = [f"70 {712 - 16 * number} m 270 {712 - 16 * number} l S" for number in range(4)]
    drawn = [*header, (72, 400, "They are made to order."), *gate, *door]
    text = " ".join(read_page(tmp_path, page_of(*drawn, rules=rules)))
    assert sorted(text.split()) == sorted(" ".join(line for _, _, line in drawn).split())
    assert read_page(tmp_path, page_of(*header, *door, *gate, rules=rules)) == [
        "[Item: door; Wood: oak]",
        "[Item: gate; Wood: larch]",
    ]


def test_text_that_crosses_the_lines_of_a_grid_is_no_table(tmp_path: Path) -> None:
    rows = [*DOORS[:3], ("gate", "as long as it is and far over the edge")]
    assert "[" not in "".join(read_page(tmp_path, ruled(*rows)))


def test_a_sentence_goes_on_behind_a_table_at_the_top_of_a_page(tmp_path: Path) -> None:
    before = page_of((72, 700, "The wheel of the mill is built of"))
    after = page_of(*in_columns(*DOORS), (72, 600, "oak, and turns at night."))
    assert read_page(tmp_path, before, after) == [
        "The wheel of the mill is built of",
        "oak, and turns at night.",
        *SHOWN,
    ]
    assert passages_of(tmp_path / "a.pdf")[0].text.endswith(
        "is built of\n\foak, and turns at night."
    )
    other = page_of(*in_columns(*DOORS), (72, 600, "Oak turns at night."))
    assert read_page(tmp_path, before, other)[1:] == [*SHOWN, "Oak turns at night."]


def test_a_sentence_that_crosses_pages_is_no_heading_of_a_table(tmp_path: Path) -> None:
    for before in ("The wheel of the mill is built of", "The wheel of the mill was recon-"):
        after = page_of((72, 760, "structed of oak, and turns."), *in_columns(*DOORS))
        read_page(tmp_path, page_of((72, 700, before)), after)
        first, *rows = passages_of(tmp_path / "a.pdf")
        assert first.text.endswith("oak, and turns.")
        assert [f"[{row.text}]" for row in rows] == SHOWN


def test_a_drawing_of_many_lines_costs_little(tmp_path: Path) -> None:
    many = [f"{4 * n} 0 m {4 * n} 16000 l S 0 {4 * n} m 16000 {4 * n} l S" for n in range(1, 4_000)]
    begin = time.process_time()
    assert read_page(tmp_path, page_of(*in_columns(*DOORS), rules=many)) == SHOWN
    assert time.process_time() - begin < 3  # each compared with each: 6 s


def test_columns_between_level_lines_without_a_frame(tmp_path: Path) -> None:
    rules = [f"70 {712 - 16 * number} m 270 {712 - 16 * number} l S" for number in (0, 1, 4)]
    words = [("Item", "Wood"), ("door", "oak"), ("gate", "larch"), ("bench", "pine")]
    shown = [f"[Item: {item}; Wood: {wood}]" for item, wood in words[1:]]
    assert read_page(tmp_path, page_of(*in_columns(*words), rules=rules)) == shown
    parted = [*rules, "165 648 m 165 712 l S"]
    assert read_page(tmp_path, page_of(*in_columns(*words), rules=parted)) == shown
    framed = [*rules, "70 648 m 70 712 l S", "270 648 m 270 712 l S"]
    assert "[" not in "".join(read_page(tmp_path, page_of(*in_columns(*words), rules=framed)))


def line(*ends: float) -> str:
    """A ruling line from x, y to x, y."""
    left, bottom, right, top = ends
    return f"{left} {bottom} m {right} {top} l S"


def test_a_line_that_no_row_has_is_not_lost(tmp_path: Path) -> None:
    """The file has the text in another order than the page."""
    rows = [("Item", "Wood", "Price"), ("door", "oak", "840"), ("gate", "larch", "99")]
    header, door, gate = (
        in_columns(row, top=top) for row, top in zip(rows, (700, 680, 660), strict=True)
    )
    said = "IMPORTANT: nothing of this may be sold."
    rules = [line(60, y, 500, y) for y in (714, 694, 674, 654)]
    shown = " ".join(
        read_page(tmp_path, page_of(*header, (72, 500, said), *gate, *door, rules=rules))
    )
    assert said in shown
    assert [shown.count(word) for word in ("oak", "larch", "840", "99")] == [1] * 4


def test_rows_that_lack_a_cell_of_their_lines_are_no_table() -> None:
    firsts = [(0, 0, 1, 1), (8, 0, 9, 1)]
    page = pdf_tables._Page("oak 840\npine 310", firsts, lambda at: (at, 0, at + 1, 1))
    oak, price, pine, other = (page._piece(*ends) for ends in ((0, 3), (4, 7), (8, 12), (13, 16)))
    page._add([0, 1], [[[oak], [price]], [[pine], []]], header=False)
    assert page.tables == []
    page._add([0, 1], [[[oak], [price]], [[pine], [other]]], header=False)
    assert len(page.tables) == 1


def test_a_cell_that_is_merged_around_a_corner_is_not_lost(tmp_path: Path) -> None:
    said = (
        "It is kept dry and out of the sun, and it is oiled",
        "in spring and in autumn, twice, by whoever has a day off.",
    )
    rows = [("Item", "Wood", "Price"), ("gate", "", "12"), ("door",)]
    rows += [("a", "oak", "30"), ("b", "pine", "40"), ("c", "ash", "50")]
    tops = [714 - 30 * number for number in range(7)]
    rules = [line(68, y, 668, y) for y in (*tops[:2], *tops[3:])]
    rules += [line(68, tops[2], 168, tops[2]), line(268, tops[2], 668, tops[2])]
    rules += [line(x, tops[-1], x, tops[0]) for x in (68, 668)]
    rules += [line(168, tops[0], 168, tops[1]), line(168, tops[2], 168, tops[-1])]
    rules += [line(268, tops[0], 268, tops[2]), line(268, tops[3], 268, tops[-1])]
    cells = [
        cell for number, row in enumerate(rows) for cell in in_columns(row, top=698 - 30 * number)
    ]
    cells[6:6] = [(272, 642, said[0]), (272, 628, said[1])]
    shown = read_page(tmp_path, page_of(*cells, rules=rules))
    assert "[Item: c; Wood: ash; Price: 50]" in shown
    assert " ".join(said) in " ".join(shown)


def test_frames_around_each_other_cost_little(tmp_path: Path) -> None:
    rules = [
        rule
        for out in range(0, 1600, 20)
        for rule in (
            rectangle(-out, -out, 595 + 2 * out, 842 + 2 * out),
            line(300, 841 + out, 300, 850.5 + out),
        )
    ]
    lines = [f"1 0 0 1 20 {830 - 0.8 * n} Tm ({'ab cde ' * 100}) Tj" for n in range(300)]
    page = zlib.compress(f"{' '.join(rules)} BT /F 0.3 Tf {' '.join(lines)} ET".encode())
    begin = time.process_time()
    assert "ab cde" in " ".join(read_page(tmp_path, page))
    assert time.process_time() - begin < 3  # if each frame looked at all of the text: seven
