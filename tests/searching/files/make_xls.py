"""Makes `doors.xls`: two sheets of an old workbook, with what their cells can hold.

python tests/searching/files/make_xls.py        # needs xlwt
"""

from __future__ import annotations

import datetime
from pathlib import Path

import xlwt


def main() -> None:
    book = xlwt.Workbook()
    doors = book.add_sheet("Doors")
    style = xlwt.easyxf
    doors.write(0, 0, "Our doors")
    for column, name in enumerate(("Wood", "Item", "Price", "Since", "Off", "Sold")):
        doors.write(2, column, name)
    doors.write_merge(3, 4, 0, 0, "oak")
    doors.write(3, 1, "front door")
    doors.write(3, 2, 840, style(num_format_str='"€ "#,##0.00'))
    doors.write(3, 3, datetime.date(2019, 5, 12), style(num_format_str="d mmm yyyy"))
    doors.write(3, 4, 0.15, style(num_format_str="0%"))
    doors.write(3, 5, True)
    doors.write(4, 1, "gate\nwith a lock")
    doors.write(4, 2, 1250.5)
    doors.write(5, 0, "pine")
    doors.write(5, 2, 310)
    staff = book.add_sheet("Staff")
    for row, cells in enumerate([("Name", "Born"), ("Åsa Ødegård", 1971), ("Пётр", 1984)]):
        for column, value in enumerate(cells):
            staff.write(row, column, value)
    book.save(str(Path(__file__).parent / "doors.xls"))


if __name__ == "__main__":
    main()
