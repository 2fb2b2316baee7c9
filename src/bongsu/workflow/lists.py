"""Pages and exports of a service's lists, as they are asked for and answered."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from bongsu.core import limits, paging
from bongsu.core.exports import Cell, csv_lines, csv_text
from bongsu.core.paging import Page, Place
from bongsu.http.request import Request
from bongsu.http.response import Response

T = TypeVar("T")


def page_of(request: Request) -> Page:
    """?limit= and ?from=, which is the `next_batch` of the page before."""
    count = request.query.integer("limit", limits.PAGE_DEFAULT, low=1, high=limits.PAGE_MAX)
    after = request.query.get("from")
    return Page(count, None if after is None else paging.place(after))


def csv_answer(name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A file to keep. name: ASCII, without its ending."""
    return _file(name, csv_text(head, rows).encode())


def csv_in_pieces(name: str, head: Sequence[str], pieces: AsyncIterable[Iterable[Sequence[Cell]]]) -> Response:
    """As csv_answer(), of very many rows: no more than a piece is in memory, and messages go on in between."""
    return _file(name, _in_pieces(csv_text(head, ()), pieces))


async def whole_list(read: Callable[[Page], Awaitable[list[T]]], place: Callable[[T], Place]) -> AsyncIterator[list[T]]:
    """Of a list that comes in pages all there is, as far as an export goes. place: behind which one goes on."""
    page = Page(limits.EXPORT_PIECE_ROWS, None)
    for _ in range(limits.EXPORT_ROWS_MAX // page.count):
        found = await read(page)
        yield found
        if len(found) < page.count:
            return
        page = Page(page.count, place(found[-1]))


async def _in_pieces(first: str, pieces: AsyncIterable[Iterable[Sequence[Cell]]]) -> AsyncIterator[bytes]:
    yield first.encode()
    async for rows in pieces:
        yield csv_lines(rows).encode()


def _file(name: str, body: bytes | AsyncIterator[bytes]) -> Response:
    return Response(
        body,
        content_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{name}.csv"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )
