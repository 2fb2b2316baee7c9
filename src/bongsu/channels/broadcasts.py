"""Broadcasts to all followers, under /_bongsu/v1/channels/{channel_id}.

GET       /audience                      how many would get one
POST, GET /broadcasts · GET /broadcasts.csv
GET       /broadcasts/{broadcast_id}     its progress · POST …/cancel
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bongsu.channels import texts
from bongsu.channels.access import ONE, channel_for, locked_for, subject
from bongsu.channels.forms import Button, NewBroadcast, id_of, picture_of, text_of
from bongsu.core import channels as rules
from bongsu.core import limits
from bongsu.core.channels import LIVE, Action, Deed, State
from bongsu.core.errors import full, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.paging import next_token
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route
from bongsu.store import audit, timers
from bongsu.store import broadcasts as table
from bongsu.store.broadcasts import Broadcast, Counts
from bongsu.store.channels import Channel
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.store.timers import Timer
from bongsu.workflow.lists import csv_answer, page_of
from bongsu.workflow.times import time_of
from bongsu.workflow.writes import Writes

BEGIN: Final = "channel.broadcast"
_ALL: Final = f"{ONE}/broadcasts"
_BROADCAST: Final = f"{_ALL}/{{broadcast_id}}"
_HEAD: Final = (
    "broadcast_id",
    "state",
    "advertising",
    "starts_at",
    "began_ts",
    "ended_ts",
    "audience",
    "sent",
    "refused",
)


class AudienceSaid(msgspec.Struct):
    followers: int
    advertising: int
    advertising_at_night: int


class BroadcastSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """left: who is still to get it, those included who are held until their night or quiet hours are over.

    refused: who had gone, or cannot be written to. delivered, read: told of one that is asked for by itself.
    """

    broadcast_id: str
    channel_id: str
    author: str
    body: str
    advertising: bool
    state: State
    starts_at: int
    made_ts: int
    audience: int = 0
    sent: int = 0
    refused: int = 0
    left: int = 0
    held: int = 0
    began_ts: int | None = None
    ended_ts: int | None = None
    delivered: int | None = None
    read: int | None = None


class BroadcastsSaid(msgspec.Struct):
    broadcasts: list[BroadcastSaid]
    next_batch: str | None = None


class Broadcasts:
    """What a channel's owner and editors send to all who follow it. What is sent is in channels/sending.py.

    after: there is one to send now.
    """

    def __init__(
        self, database: Database, writes: Writes, now_ms: Callable[[], int], after: Callable[[], None]
    ) -> None:
        self._database = database
        self._writes = writes
        self._now_ms = now_ms
        self._after = after
        self._counted: OrderedDict[str, tuple[float, Counts]] = OrderedDict()

    def routes(self) -> list[Route]:
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        read: dict[str, Any] = {"bucket": "read", "tier": Tier.SERVICE}
        errors = {409: ("BONGSU_CHANNEL_CLOSED", "BONGSU_WRONG_STATE")}
        send = Described("Sends to all followers", {201: BroadcastSaid}, NewBroadcast, errors=errors, is_write=True)
        listed = Described("What was and will be sent", {200: BroadcastsSaid}, query=("limit", "from"))
        one = Described("How far it is", {200: BroadcastSaid})
        cancel = Described("Stops it", {200: BroadcastSaid}, errors=errors, is_write=True)
        audience = Described("How many would get one", {200: AudienceSaid})
        return [
            Route("GET", f"{ONE}/audience", self.audience, **read, described=audience),
            Route("POST", _ALL, self.send, **write, described=send),
            Route("GET", _ALL, self.all, **read, described=listed),
            Route("GET", f"{_ALL}.csv", self.csv, **read, described=Described("What was sent", {200: None})),
            Route("GET", _BROADCAST, self.one, **read, described=one),
            Route("POST", f"{_BROADCAST}/cancel", self.cancel, **write, described=cancel),
        ]

    async def audience(self, request: Request) -> Response:
        channel = await channel_for(self._database, request, Deed.SEE_FOLLOWERS)
        return reply(msgspec.to_builtins(AudienceSaid(*await table.audience(self._database, channel.channel_id))))

    async def send(self, request: Request) -> Response:
        form = checked(await request.read(NewBroadcast))
        now_ms = self._now_ms()
        starts_at = now_ms if form.starts_at is None else max(now_ms, time_of(form.starts_at, "starts_at"))
        if starts_at > now_ms + limits.BROADCAST_AHEAD_MS:
            raise invalid_param("starts_at is within a year")

        async def work(connection: Connection) -> Answer:
            channel = await locked_for(connection, request, Deed.BROADCAST)
            if await table.live_count(connection, channel.channel_id) >= limits.BROADCASTS_LIVE_MAX:
                most = limits.BROADCASTS_LIVE_MAX
                raise full(f"a channel has at most {most} broadcasts to come")
            broadcast = _new(channel, request.requester.user_id, form, starts_at, now_ms)
            await table.add(connection, broadcast)
            await self._start(connection, broadcast, now_ms)
            await self._note(connection, request, broadcast, "broadcast")
            return await self._answer(connection, broadcast.broadcast_id, 201)

        answer = await self._writes.once(request, work)
        self._after()
        return answer

    async def _start(self, connection: Connection, broadcast: Broadcast, now_ms: int) -> None:
        if broadcast.starts_at <= now_ms:
            await table.begin(connection, broadcast, now_ms)
            return
        named = {"broadcast_id": broadcast.broadcast_id}
        await timers.put(connection, [Timer(_timer(broadcast.broadcast_id), BEGIN, broadcast.starts_at, named)])

    async def all(self, request: Request) -> Response:
        page = page_of(request)
        channel = await channel_for(self._database, request, Deed.BROADCAST)
        found = await table.of_channel(self._database, channel.channel_id, page)
        held = await table.held_count(self._database, [each.broadcast_id for each in found])
        places = [(each.made_ts, each.broadcast_id) for each in found]
        said = [broadcast_said(each, held.get(each.broadcast_id, 0)) for each in found]
        return reply({"broadcasts": said, **next_token(page, places)})

    async def csv(self, request: Request) -> Response:
        channel = await channel_for(self._database, request, Deed.BROADCAST)
        found = await table.table_of(self._database, channel.channel_id, _HEAD, limits.EXPORT_ROWS_MAX)
        rows = ([_cell(value) for value in row.values()] for row in found)
        return csv_answer(f"{channel.channel_id}-broadcasts", _HEAD, rows)

    async def one(self, request: Request) -> Response:
        channel = await channel_for(self._database, request, Deed.BROADCAST)
        broadcast = _of(channel, await table.one(self._database, id_of(request, "broadcast_id")))
        held = await table.held_count(self._database, [broadcast.broadcast_id])
        counts = await self._count(broadcast.broadcast_id)
        said = broadcast_said(broadcast, held.get(broadcast.broadcast_id, 0))
        return reply({**said, "delivered": counts.delivered, "read": counts.read})

    async def _count(self, broadcast_id: str) -> Counts:
        """Seldom: it looks at every follower who got it."""
        known, now = self._counted.get(broadcast_id), time.monotonic()
        if known is not None and now - known[0] < limits.BROADCAST_COUNTED_SECONDS:
            return known[1]
        counts = await table.counts(self._database, broadcast_id)
        self._counted[broadcast_id] = (now, counts)
        self._counted.move_to_end(broadcast_id)
        if len(self._counted) > limits.BROADCASTS_COUNTED_MAX:
            self._counted.popitem(last=False)
        return counts

    async def cancel(self, request: Request) -> Response:
        """Those whose turn is just now, a slice at most, still get it. Cancelled already is fine."""

        async def work(connection: Connection) -> Answer:
            channel = await locked_for(connection, request, Deed.BROADCAST, may_be_closed=True)
            found = await table.lock(connection, id_of(request, "broadcast_id"))
            broadcast = _of(channel, found)
            if broadcast.state is not State.CANCELLED:
                state = rules.move(broadcast.state, Action.CANCEL)
                await timers.drop(connection, [_timer(broadcast.broadcast_id)])
                await self._note(connection, request, broadcast, "broadcast_cancelled")
                await table.end(connection, broadcast.broadcast_id, state, self._now_ms())
            return await self._answer(connection, broadcast.broadcast_id, 200)

        return await self._writes.once(request, work)

    async def begin(self, connection: Connection, timer: Timer) -> None:
        """The timer's: its time has come."""
        broadcast = await table.lock(connection, timer.payload["broadcast_id"])
        if broadcast is not None and broadcast.state is State.SCHEDULED:
            await table.begin(connection, broadcast, self._now_ms())

    async def _answer(self, connection: Connection, broadcast_id: str, status: int) -> Answer:
        stored = await table.one(connection, broadcast_id)
        assert stored is not None
        return Answer(status, broadcast_said(stored, 0))

    async def _note(self, connection: Connection, request: Request, broadcast: Broadcast, action: str) -> None:
        details = {"broadcast_id": broadcast.broadcast_id, "advertising": broadcast.advertising}
        deed = audit.Deed(request.requester.user_id, action, details)
        await audit.add(connection, subject(broadcast.channel_id), [deed], self._now_ms())


def _timer(broadcast_id: str) -> str:
    return f"{BEGIN}/{broadcast_id}"


def _of(channel: Channel, broadcast: Broadcast | None) -> Broadcast:
    if broadcast is None or broadcast.channel_id != channel.channel_id:
        raise not_found("the channel has no such broadcast")
    return broadcast


def _cell(value: Any) -> str | int | None:
    return int(value) if isinstance(value, bool) else value


def broadcast_said(broadcast: Broadcast, held: int) -> JsonObject:
    known = {name: getattr(broadcast, name) for name in BroadcastSaid.__struct_fields__ if hasattr(broadcast, name)}
    left = max(0, broadcast.audience - broadcast.sent - broadcast.refused) if broadcast.state in LIVE else 0
    said: JsonObject = msgspec.to_builtins(BroadcastSaid(**known, left=left, held=held))
    return {"audience": 0, "sent": 0, "refused": 0, "left": 0, "held": 0, **said}


def _new(channel: Channel, author: str, form: NewBroadcast, starts_at: int, now_ms: int) -> Broadcast:
    broadcast_id = f"b{secrets.token_hex(8)}"
    return Broadcast(
        broadcast_id=broadcast_id,
        channel_id=channel.channel_id,
        author=author,
        content=texts.content(channel, broadcast_id, form),
        body=form.body,
        advertising=form.advertising,
        state=State.SCHEDULED,
        starts_at=starts_at,
        made_ts=now_ms,
    )


def checked(form: NewBroadcast) -> NewBroadcast:
    """What can be sent. The mark of advertising is put by the server, and by nobody else."""
    body = text_of(form.body, "body", limits.BROADCAST_CHARACTERS_MAX)
    bare = body.replace(" ", "").lower()
    if not form.advertising and bare.startswith((texts.ADVERTISING, "[광고]", "<광고>")):
        raise invalid_param("this is advertising: say so with advertising: true")
    body = body.removeprefix(texts.ADVERTISING).strip()
    if not body:
        raise invalid_param("body is empty")
    if len(form.buttons) > limits.BROADCAST_BUTTONS_MAX:
        raise invalid_param(f"there are at most {limits.BROADCAST_BUTTONS_MAX} buttons")
    if form.picture is not None:
        _check_picture(form)
    return msgspec.structs.replace(form, body=body, buttons=[_button(button) for button in form.buttons])


def _check_picture(form: NewBroadcast) -> None:
    picture = form.picture
    assert picture is not None
    if picture_of(picture.url) is None or not picture.mimetype.startswith("image/") or len(picture.mimetype) > 100:
        raise invalid_param("picture has an mxc:// address and the mimetype of an image")
    if any(not 0 <= measure <= limits.INTEGER_MAX for measure in (picture.size, picture.w, picture.h)):
        raise invalid_param("size, w and h of a picture are whole numbers from 0")


def _button(button: Button) -> Button:
    label = text_of(button.label, "label", limits.BROADCAST_LABEL_CHARACTERS_MAX)
    url = text_of(button.url, "url", limits.BROADCAST_URL_CHARACTERS_MAX)
    if "\n" in label or not url.startswith("https://") or any(letter.isspace() for letter in url):
        raise invalid_param("a button has a line of text, and an address that begins with https://")
    return Button(label, url)
