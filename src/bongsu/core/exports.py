"""Tables for other programs, and for paper."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

Cell = str | int | None
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would calculate what begins so
HTML_END: Final = "</tbody></table>"
_BOM: Final = "\ufeff"  # without it some spreadsheets read Korean wrong


def csv_text(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """RFC 4180, every text quoted; what looks like a formula has an apostrophe before it."""
    return _BOM + csv_lines((head, *rows))


def csv_lines(rows: Iterable[Sequence[Cell]]) -> str:
    """More of such a text."""
    return "".join(f"{','.join(_csv(cell) for cell in row)}\r\n" for row in rows)


def _csv(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int):
        return str(cell)
    safe = f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell
    return '"' + safe.replace('"', '""') + '"'


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that reads and prints well; everything in it is escaped."""
    return html_head(caption, head) + html_lines(rows) + HTML_END


def html_head(caption: str, head: Sequence[str]) -> str:
    """Of a table whose lines come by and by, and HTML_END last."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{names}</tr></thead><tbody>"


def html_lines(rows: Iterable[Sequence[Cell]]) -> str:
    return "".join("<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in row) + "</tr>" for row in rows)


def _html(cell: Cell) -> str:
    return "" if cell is None else escape(str(cell))
