"""Following, under /_bongsu/v1/channels.

PUT, DELETE /{channel_id}/follow         follow, and what one agrees to; stop
DELETE      /{channel_id}/advertising    refuse advertising with one tap
PUT, DELETE /{channel_id}/block · POST /{channel_id}/report
GET         /following · /blocked        what one follows, and blocks
GET         /consents · /consents.csv · /consents/texts    one's own ledger, and what is agreed to
GET         /{channel_id}/followers · /{channel_id}/followers.csv    for those who run the channel
GET         /{channel_id}/followers/{user_id}/consents    what one of them agreed to, to be shown when it is doubted
GET         /reports                     for administrators
"""

import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from bongsu.channels import consents
from bongsu.channels.access import BASE, ONE, channel_for, channel_seen, check_may_begin, closed
from bongsu.channels.forms import (
    Agreement,
    ChannelsSaid,
    Complaining,
    Empty,
    FollowersSaid,
    Mine,
    channel_said,
    mine_said,
    text_of,
)
from bongsu.core import channels as rules
from bongsu.core import ids, limits
from bongsu.core.channels import TEXT_VERSION, TEXTS, Agreed, Consent, Deed
from bongsu.core.errors import Refusal, forbidden
from bongsu.core.exports import Cell
from bongsu.core.paging import next_token
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.store import audit
from bongsu.store import channels as table
from bongsu.store.channels import Channel, Complaint
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.workflow.chains import QUERY, AuditSaid, after, audited, paged, verified
from bongsu.workflow.lists import csv_in_pieces, page_of, whole_list
from bongsu.workflow.writes import Writes

_PAGED: Final = ("limit", "from")
_HOW: Final = "request"
_BLOCKED: Final = "block"
_LEDGER: Final = ("number", "at_ms", "action", "consent", "channel_id", "channel", "how", "text_version", "text_sha256")
_FOLLOWERS: Final = ("user_id", "since_ts", "advertising", "advertising_at_night")


class TextSaid(msgspec.Struct):
    consent: Consent
    korean: str
    english: str
    sha256: str


class TextsSaid(msgspec.Struct):
    text_version: str
    texts: list[TextSaid]


class ReportsSaid(msgspec.Struct):
    reports: list[Complaint]
    next_batch: str | None = None


class Following:
    """Each person changes and reads what is their own; who follows a channel is for its staff."""

    def __init__(self, database: Database, writes: Writes, limiter: RateLimiter, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._writes = writes
        self._limiter = limiter
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [*self._writing(), *self._reading()]

    def _writing(self) -> list[Route]:
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        errors = {409: ("BONGSU_OTHER_TEXT", "BONGSU_BLOCKED", "BONGSU_CHANNEL_CLOSED")}
        follow = Described("Follows, and says what one agrees to", {200: Mine}, Agreement, errors=errors, is_write=True)
        stop = Described("Follows no more", {200: Mine}, is_write=True)
        refuse = Described("Refuses advertising", {200: Mine}, is_write=True)
        block = Described("Hears nothing of it any more", {200: Mine}, is_write=True)
        unblock = Described("May hear of it again", {200: Mine}, is_write=True)
        report = Described("Tells those who run the server of it", {200: Empty}, Complaining, is_write=True)
        return [
            Route("PUT", f"{ONE}/follow", self.follow, **write, described=follow),
            Route("DELETE", f"{ONE}/follow", self.unfollow, **write, described=stop),
            Route("DELETE", f"{ONE}/advertising", self.refuse, **write, described=refuse),
            Route("PUT", f"{ONE}/block", self.block, **write, described=block),
            Route("DELETE", f"{ONE}/block", self.unblock, **write, described=unblock),
            Route("POST", f"{ONE}/report", self.report, bucket="report", tier=Tier.SERVICE, described=report),
        ]

    def _reading(self) -> list[Route]:
        read: dict[str, Any] = {"bucket": "read", "tier": Tier.SERVICE}
        following = Described("What one follows", {200: ChannelsSaid}, query=_PAGED)
        blocked = Described("What one has blocked", {200: ChannelsSaid}, query=_PAGED)
        ledger = Described("What one agreed to and withdrew", {200: AuditSaid}, query=QUERY)
        texts = Described("What is agreed to", {200: TextsSaid})
        followers = Described("Who follows it", {200: FollowersSaid}, query=_PAGED)
        reports = Described("What people reported", {200: ReportsSaid}, query=_PAGED)
        csv = Described("What one agreed to and withdrew", {200: None})
        followers_csv = Described("Who follows it", {200: None})
        proof = Described("What somebody agreed to for it", {200: AuditSaid}, query=("verify", *_PAGED))
        return [
            Route("GET", f"{BASE}/following", self.following, **read, described=following),
            Route("GET", f"{BASE}/blocked", self.blocked, **read, described=blocked),
            Route("GET", f"{BASE}/consents", self.ledger, **read, described=ledger),
            Route("GET", f"{BASE}/consents.csv", self.ledger_csv, **read, described=csv),
            Route("GET", f"{BASE}/consents/texts", self.texts, Auth.NONE, **read, described=texts),
            Route("GET", f"{ONE}/followers", self.followers, **read, described=followers),
            Route("GET", f"{ONE}/followers.csv", self.followers_csv, **read, described=followers_csv),
            Route("GET", f"{ONE}/followers/{{user_id}}/consents", self.proof, **read, described=proof),
            Route("GET", f"{BASE}/reports", self.reports, **read, described=reports),
        ]

    # --- what one agrees to ---

    async def follow(self, request: Request) -> Response:
        form = await request.read(Agreement)
        check_may_begin(request, "follow")
        wanted = Agreed(True, form.advertising, form.advertising_at_night)
        rules.check_agreed(wanted)
        if form.text_version != TEXT_VERSION:
            raise Refusal(
                409, "BONGSU_OTHER_TEXT", "the texts have changed: show those of /consents/texts, and ask again"
            )

        async def work(connection: Connection) -> Answer:
            user_id = request.requester.user_id
            await table.lock_person(connection, user_id)
            channel = await channel_seen(connection, request)
            if channel.closed_ts is not None:
                raise closed()
            if await table.is_blocked(connection, channel.channel_id, user_id):
                raise Refusal(409, "BONGSU_BLOCKED", "you have blocked this channel: unblock it first")
            agreed = await consents.change(connection, channel, user_id, wanted, _HOW, self._now_ms())
            return Answer(200, msgspec.to_builtins(mine_said(agreed)))

        return await self._writes.once(request, work)

    async def unfollow(self, request: Request) -> Response:
        return await self._withdraw(request, Consent.FOLLOW)

    async def refuse(self, request: Request) -> Response:
        return await self._withdraw(request, Consent.ADVERTISING)

    async def _withdraw(self, request: Request, consent: Consent) -> Response:
        async def work(connection: Connection) -> Answer:
            user_id = request.requester.user_id
            await table.lock_person(connection, user_id)
            channel = await channel_seen(connection, request)
            await consents.withdraw(connection, channel, user_id, consent, _HOW, self._now_ms())
            return await self._mine(connection, channel, user_id)

        return await self._writes.once(request, work)

    async def block(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            user_id = request.requester.user_id
            await table.lock_person(connection, user_id)
            channel = await channel_seen(connection, request)
            await consents.withdraw(connection, channel, user_id, Consent.FOLLOW, _BLOCKED, self._now_ms())
            await table.block(connection, channel.channel_id, user_id, self._now_ms())
            return await self._mine(connection, channel, user_id)

        return await self._writes.once(request, work)

    async def unblock(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            user_id = request.requester.user_id
            await table.lock_person(connection, user_id)
            channel = await channel_seen(connection, request)
            await table.unblock(connection, channel.channel_id, user_id)
            return await self._mine(connection, channel, user_id)

        return await self._writes.once(request, work)

    async def _mine(self, connection: Connection, channel: Channel, user_id: str) -> Answer:
        agreed = await table.agreed(connection, channel.channel_id, user_id)
        blocked = await table.is_blocked(connection, channel.channel_id, user_id)
        return Answer(200, msgspec.to_builtins(mine_said(agreed, blocked=blocked)))

    async def report(self, request: Request) -> Response:
        form = await request.read(Complaining)
        reason = text_of(form.reason, "reason", limits.CHANNEL_REASON_CHARACTERS_MAX)

        async def work(connection: Connection) -> Answer:
            channel = await channel_seen(connection, request)
            complaint = Complaint(
                f"r{secrets.token_hex(8)}", channel.channel_id, request.requester.user_id, reason, self._now_ms()
            )
            await table.report(connection, complaint)
            return Answer(200, {})

        return await self._writes.once(request, work)

    # --- reads ---

    async def following(self, request: Request) -> Response:
        page = page_of(request)
        found = await table.followed(self._database, request.requester.user_id, page)
        marks = await table.marks_of(self._database, [channel.channel_id for channel, _ in found])
        now_ms = self._now_ms()
        said = [channel_said(each, now_ms, marks.get(each.channel_id), mine_said(agreed)) for each, agreed in found]
        return reply({"channels": said, **next_token(page, [(0, each.channel_id) for each, _ in found])})

    async def blocked(self, request: Request) -> Response:
        page, now_ms = page_of(request), self._now_ms()
        found = await table.blocked(self._database, request.requester.user_id, page)
        said = [channel_said(each, now_ms, mine=Mine(blocked=True)) for each in found]
        return reply({"channels": said, **next_token(page, [(0, each.channel_id) for each in found])})

    async def ledger(self, request: Request) -> Response:
        page = page_of(request)
        named = table.ledger_of(request.requester.user_id)
        return reply(await audited(self._database, self._limiter, request, named, page))

    async def ledger_csv(self, request: Request) -> Response:
        named = table.ledger_of(request.requester.user_id)
        return csv_in_pieces("consents", _LEDGER, self._ledger_rows(named))

    async def _ledger_rows(self, named: str) -> AsyncIterator[list[list[Cell]]]:
        pieces = whole_list(
            lambda page: audit.entries(self._database, named, after(page), page.count), lambda entry: (entry.number, "")
        )
        async for found in pieces:
            yield [_ledger_row(entry, _LEDGER) for entry in found]

    async def texts(self, _: Request) -> Response:
        texts = [TextSaid(each, *TEXTS[each], consents.text_hash(each)) for each in Consent]
        return reply(msgspec.to_builtins(TextsSaid(TEXT_VERSION, texts)))

    async def followers(self, request: Request) -> Response:
        page = page_of(request)
        channel = await channel_for(self._database, request, Deed.SEE_FOLLOWERS)
        found = await table.followers(self._database, channel.channel_id, page)
        return reply(
            {"followers": msgspec.to_builtins(found), **next_token(page, [(0, each.user_id) for each in found])}
        )

    async def followers_csv(self, request: Request) -> Response:
        channel = await channel_for(self._database, request, Deed.SEE_FOLLOWERS)
        return csv_in_pieces(f"{channel.channel_id}-followers", _FOLLOWERS, self._follower_rows(channel.channel_id))

    async def _follower_rows(self, channel_id: str) -> AsyncIterator[list[tuple[Cell, ...]]]:
        pieces = whole_list(
            lambda page: table.followers(self._database, channel_id, page), lambda each: (0, each.user_id)
        )
        async for found in pieces:
            yield [
                (each.user_id, each.since_ts, int(each.advertising), int(each.advertising_at_night)) for each in found
            ]

    async def proof(self, request: Request) -> Response:
        """Of what the person agreed to elsewhere nothing is told, but that the ledger is whole, or what is wrong."""
        page = page_of(request)
        channel = await channel_for(self._database, request, Deed.SEE_FOLLOWERS)
        ledger = table.ledger_of(ids.check_user_id(request.params["user_id"]))
        about = ("channel_id", channel.channel_id)
        found = await audit.entries_about(self._database, ledger, about, after(page), page.count)
        return reply({**paged(found, page), **await verified(self._database, self._limiter, request, ledger)})

    async def reports(self, request: Request) -> Response:
        if not request.requester.is_admin:
            raise forbidden("this is for administrators")
        page = page_of(request)
        found = await table.reports(self._database, page)
        places = [(each.made_ts, each.report_id) for each in found]
        return reply({"reports": msgspec.to_builtins(found), **next_token(page, places)})


def _ledger_row(entry: audit.AuditEntry, head: tuple[str, ...]) -> list[Cell]:
    known: dict[str, Any] = {
        "number": entry.number,
        "at_ms": entry.at_ms,
        "action": entry.deed.action,
        **entry.deed.details,
    }
    return [known.get(name) for name in head]
