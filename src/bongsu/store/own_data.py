"""All that is kept of one person, in pages that fit in memory, read on whichever copy of the database there is."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.json import JsonObject, decode
from bongsu.store import people
from bongsu.store.channels import ledger_of
from bongsu.store.database import Database, Record

_PAGE: Final = limits.OWN_DATA_PAGE


class _Pdu(msgspec.Struct):
    content: msgspec.Raw


_ACCOUNT: Final = """
SELECT user_id, (extract(epoch FROM created_at) * 1000)::bigint AS created_ts, (SELECT coalesce(json_agg(
    json_build_object('medium', medium, 'address', address, 'added_at', added_ms) ORDER BY added_ms)::text, '[]')
    FROM third_party_ids t WHERE t.user_id = u.user_id) AS third_party_ids
FROM users u WHERE user_id = $1
"""
_DEVICES: Final = """
SELECT device_id, display_name, (extract(epoch FROM created_at) * 1000)::bigint AS created_ts,
    (extract(epoch FROM seen_at) * 1000)::bigint AS last_seen_ts, seen_address AS last_seen_ip
FROM devices WHERE user_id = $1 ORDER BY created_at, device_id
"""
_PUSHERS: Final = """
SELECT app_id, kind, app_display_name, device_display_name, lang, device_id FROM pushers WHERE user_id = $1
ORDER BY pusher_id
"""
_ACCOUNT_DATA: Final = """
SELECT room_id, type, content FROM account_data WHERE user_id = $1 AND (room_id, type) > ($2, $3)
ORDER BY room_id, type LIMIT $4
"""
_ROOMS: Final = """
SELECT m.room_id, m.membership, named.pdu AS name FROM members m LEFT JOIN LATERAL (
    SELECT e.pdu FROM events e WHERE e.room_id = m.room_id AND e.type = 'm.room.name' AND e.state_key = ''
        AND (m.membership = 'join' OR e.pos <= m.pos) ORDER BY e.pos DESC LIMIT 1) AS named ON true
WHERE m.user_id = $1 AND m.room_id > $2 ORDER BY m.room_id LIMIT $3
"""
# how far a page of a room's history reaches; what of it is one's own is read apart, for it may be nothing of millions
_REACH: Final = """
SELECT max(pos) AS up_to FROM (SELECT pos FROM events WHERE room_id = $1 AND pos > $2 ORDER BY pos LIMIT $3) p
"""
_SAID: Final = """
SELECT event_id, room_id, type, state_key, ts_ms, pdu FROM events
WHERE room_id = $1 AND pos > $2 AND pos <= $3 AND sender = $4 ORDER BY pos
"""
_CONSENTS: Final = """
SELECT number, content FROM audit_entries WHERE subject = $1 AND number > $2 ORDER BY number LIMIT $3
"""
_PASSKEYS: Final = """
SELECT name, (extract(epoch FROM created_at) * 1000)::bigint AS created_ts,
    (extract(epoch FROM used_at) * 1000)::bigint AS used_ts
FROM passkeys WHERE user_id = $1 ORDER BY created_at
"""
_BOOKINGS: Final = """
SELECT b.booking_id, b.offer_id, o.provider, o.title, o.place, o.area, o.starts_at, o.ends_at, b.state, b.made_at
FROM bookings b JOIN booking_offers o ON o.offer_id = b.offer_id
WHERE b.user_id = $1 AND (b.made_at, b.booking_id) > ($2, $3) ORDER BY b.made_at, b.booking_id LIMIT $4
"""
_WISHES: Final = """
SELECT area, not_before, not_after FROM booking_subscriptions WHERE user_id = $1 ORDER BY subscription_id
"""
_REPORTS: Final = """
SELECT report_id, room_id, event_id, user_id, reason, (extract(epoch FROM made_at) * 1000)::bigint AS made_at
FROM reports WHERE reporter = $1 AND report_id > $2 ORDER BY report_id LIMIT $3
"""
_UPLOADS: Final = """
SELECT m.media_id, m.content_type, m.file_name, (extract(epoch FROM m.created_at) * 1000)::bigint AS created_ts, b.size
FROM media m JOIN blobs b ON b.sha256 = m.sha256
WHERE m.user_id = $1 AND m.media_id > $2 AND m.sha256 IS NOT NULL ORDER BY m.media_id LIMIT $3
"""


class OwnData:
    """Of one person. Each list is an iterator: the next page is read when the one before was taken."""

    def __init__(self, database: Database, user_id: str, server_name: str) -> None:
        self._database = database
        self._user_id = user_id
        self._server_name = server_name

    async def account(self) -> JsonObject:
        row = await self._database.fetchrow(_ACCOUNT, self._user_id)
        return {} if row is None else {**dict(row), "third_party_ids": decode(row["third_party_ids"].encode())}

    async def profile(self) -> JsonObject:
        return await people.profile(self._database, self._user_id)

    async def devices(self) -> list[JsonObject]:
        return [dict(row) for row in await self._database.fetch(_DEVICES, self._user_id)]

    async def pushers(self) -> list[JsonObject]:
        return [dict(row) for row in await self._database.fetch(_PUSHERS, self._user_id)]

    async def passkeys(self) -> list[JsonObject]:
        return [dict(row) for row in await self._database.fetch(_PASSKEYS, self._user_id)]

    async def wishes(self) -> list[JsonObject]:
        """Where and when the person wants to hear of places that become free, in ms."""
        return [dict(row) for row in await self._database.fetch(_WISHES, self._user_id)]

    async def account_data(self) -> AsyncIterator[JsonObject]:
        room_id, kind = "", ""
        while rows := await self._database.fetch(_ACCOUNT_DATA, self._user_id, room_id, kind, _PAGE):
            for row in rows:
                yield {**dict(row), "content": msgspec.Raw(row["content"])}
            room_id, kind = rows[-1]["room_id"], rows[-1]["type"]

    async def rooms(self) -> AsyncIterator[JsonObject]:
        """All that the person is or was in, with what they are called; those that they left, as it was then."""
        last = ""
        while rows := await self._database.fetch(_ROOMS, self._user_id, last, _PAGE):
            for row in rows:
                name = None if row["name"] is None else decode(row["name"])["content"].get("name")
                yield {"room_id": row["room_id"], "membership": row["membership"], "name": name}
            last = rows[-1]["room_id"]

    async def said_in(self, room_id: str) -> AsyncIterator[JsonObject]:
        """The person's own events of a room, oldest first."""
        after = 0
        while (up_to := await self._database.fetchval(_REACH, room_id, after, _PAGE)) is not None:
            for row in await self._database.fetch(_SAID, room_id, after, up_to, self._user_id):
                yield _event(row)
            after = up_to

    async def consents(self) -> AsyncIterator[JsonObject]:
        """What the person agreed to and withdrew, as it stands in their ledger."""
        after = 0
        while rows := await self._database.fetch(_CONSENTS, ledger_of(self._user_id), after, _PAGE):
            for row in rows:
                yield decode(row["content"])
            after = rows[-1]["number"]

    async def bookings(self) -> AsyncIterator[JsonObject]:
        made_at, booking_id = -1, ""
        while rows := await self._database.fetch(_BOOKINGS, self._user_id, made_at, booking_id, _PAGE):
            for row in rows:
                yield dict(row)
            made_at, booking_id = rows[-1]["made_at"], rows[-1]["booking_id"]

    async def reports(self) -> AsyncIterator[JsonObject]:
        """What the person told the operator about others."""
        after = 0
        while rows := await self._database.fetch(_REPORTS, self._user_id, after, _PAGE):
            for row in rows:
                yield {name: value for name, value in row.items() if value != "" and name != "report_id"}
            after = rows[-1]["report_id"]

    async def uploads(self) -> AsyncIterator[JsonObject]:
        last = ""
        while rows := await self._database.fetch(_UPLOADS, self._user_id, last, _PAGE):
            for row in rows:
                fields = dict(row)
                yield {"uri": f"mxc://{self._server_name}/{fields.pop('media_id')}", **fields}
            last = rows[-1]["media_id"]


def _event(row: Record) -> JsonObject:
    state = {} if row["state_key"] is None else {"state_key": row["state_key"]}
    return {
        "event_id": row["event_id"],
        "room_id": row["room_id"],
        "type": row["type"],
        **state,
        "origin_server_ts": row["ts_ms"],
        "content": msgspec.json.decode(row["pdu"], type=_Pdu).content,
    }
