"""Pages and exports of a service's lists, as they are asked for and answered."""

from collections.abc import AsyncIterable, Iterable, Sequence

from bongsu.core import limits, paging
from bongsu.core.exports import Cell, csv_lines, csv_text
from bongsu.core.paging import Page
from bongsu.http.request import Request
from bongsu.http.response import Response


def page_of(request: Request) -> Page:
    """?limit= and ?from=, which is the `next_batch` of the page before."""
    count = request.query.integer("limit", limits.PAGE_DEFAULT, low=1, high=limits.PAGE_MAX)
    after = request.query.get("from")
    return Page(count, None if after is None else paging.place(after))


def csv_answer(name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A file to keep. name: ASCII, without its ending."""
    return _file(name, csv_text(head, rows))


async def csv_in_pieces(name: str, head: Sequence[str], pieces: AsyncIterable[Iterable[Sequence[Cell]]]) -> Response:
    """As csv_answer(), of very many rows that are read in pieces: messages go on in between."""
    text = [csv_text(head, ())]
    async for rows in pieces:
        text.append(csv_lines(rows))
    return _file(name, "".join(text))


def _file(name: str, text: str) -> Response:
    return Response(
        text.encode(),
        content_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{name}.csv"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )
