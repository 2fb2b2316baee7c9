"""A conversation on paper and in other programs: GET …/desk/conversations/{conversation_id}/transcript, transcript.csv

As the customer saw it, so that it can be given to the customer. ?internal=true: with who answered, and agents' notes.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from bongsu.channels.desk import DESK, Desk
from bongsu.channels.desk_forms import MessageSaid
from bongsu.core import limits
from bongsu.core.exports import HTML_END, html_head, html_lines
from bongsu.core.paging import Page
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.page import HEADERS, HTML, language_of
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Route
from bongsu.store import desk as table
from bongsu.store.channels import Channel
from bongsu.store.desk import Conversation, Note
from bongsu.workflow.lists import csv_in_pieces

_TRANSCRIPT: Final = f"{DESK}/conversations/{{conversation_id}}/transcript"
_HEAD: Final = ("time", "who", "text")
_ZONE: Final = timedelta(hours=9)  # Korean time, which is said with it
_WORDS: Final = {
    "ko": {
        "title": "대화 기록", "time": "시각", "who": "보낸 사람", "text": "내용", "customer": "고객",
        "other": "다른 사람", "note": "내부 메모", "deleted": "(삭제됨)", "sealed": "(암호화된 메시지)",
    },
    "en": {
        "title": "Transcript", "time": "Time", "who": "From", "text": "Text", "customer": "Customer",
        "other": "Somebody else", "note": "internal note", "deleted": "(deleted)", "sealed": "(encrypted message)",
    },
}  # fmt: skip
Line = tuple[int, str, str]  # when, who, what
Pieces = AsyncIterator[Sequence[Sequence[str]]]  # of lines as they are shown


class Transcripts:
    """For those who answer at the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        page = Described("A conversation for the printer", {200: None}, query=("lang", "internal"))
        csv = Described("A conversation as CSV", {200: None}, query=("lang", "internal"))
        return [
            Route("GET", _TRANSCRIPT, self.page, Auth.KEYED, None, Tier.SERVICE, page),
            Route("GET", f"{_TRANSCRIPT}.csv", self.csv, Auth.KEYED, None, Tier.SERVICE, csv),
        ]

    async def page(self, request: Request) -> Response:
        language = language_of(request)
        words = _WORDS[language]
        channel, found, pieces = await self._lines(request, words)
        title = escape(f"{words['title']}: {channel.name}, {found.customer}")

        async def page() -> AsyncIterator[bytes]:
            yield f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{title}</title>'.encode()
            yield f"<h1>{title}</h1>{html_head(words['title'], [words[name] for name in _HEAD])}".encode()
            async for rows in pieces:
                yield html_lines(rows).encode()
            yield f"{HTML_END}</html>".encode()

        return Response(page(), content_type=HTML, headers={**HEADERS, "cache-control": "no-store"})

    async def csv(self, request: Request) -> Response:
        _, found, pieces = await self._lines(request, _WORDS[language_of(request)])
        return csv_in_pieces(f"{found.conversation_id}", _HEAD, pieces)

    async def _lines(self, request: Request, words: dict[str, str]) -> tuple[Channel, Conversation, Pieces]:
        is_internal = request.query.flag("internal")
        channel, found, said = await self._desk.whole(request)
        notes: Sequence[Note] = ()
        if is_internal:
            notes = await table.notes(self._desk.database, found.conversation_id, Page(limits.DESK_NOTES_MAX, None))
        noted = deque(_noted(notes, words))

        async def pieces() -> Pieces:
            async for some in said:
                lines = [_line(each, channel, words, is_internal=is_internal) for each in some]
                yield [_shown(line) for line in _merged(lines, noted)]
            yield [_shown(line) for line in noted]

        return channel, found, pieces()


def _merged(lines: Sequence[Line], noted: deque[Line]) -> Iterator[Line]:
    """With those notes before them that are older, which are taken away."""
    for line in lines:
        while noted and noted[0][0] <= line[0]:
            yield noted.popleft()
        yield line


def _shown(line: Line) -> Sequence[str]:
    at, who, text = line
    return _when(at), who, text


def _line(said: MessageSaid, channel: Channel, words: dict[str, str], *, is_internal: bool) -> Line:
    who = channel.name if said.sender == "channel" else words[said.sender]
    if is_internal and said.author is not None:
        who = f"{who} ({said.author})"
    body = said.content.get("body")
    text = words["deleted"] if said.deleted else words["sealed"] if said.sealed else str(body or "")
    return said.sent_ts, who, text


def _noted(notes: Sequence[Note], words: dict[str, str]) -> list[Line]:
    return [(each.made_ts, f"{each.author} ({words['note']})", each.body) for each in notes]


def _when(ms: int) -> str:
    return (datetime.fromtimestamp(ms / 1000, UTC) + _ZONE).strftime("%Y-%m-%d %H:%M:%S KST")
