"""Backups of room keys, so that a new device can read what was said before it came.

POST   /room_keys/version
GET    /room_keys/version
GET    /room_keys/version/{version}
PUT    /room_keys/version/{version}
DELETE /room_keys/version/{version}
PUT, GET, DELETE /room_keys/keys
PUT, GET, DELETE /room_keys/keys/{room_id}
PUT, GET, DELETE /room_keys/keys/{room_id}/{session_id}
"""

from collections.abc import AsyncIterator, Mapping

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import invalid_param, not_found, too_large
from bongsu.core.json import JsonObject, encode
from bongsu.core.key_backup import BackedUpKey, KeyData, backed_up_key, bounded
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Handler, Route, client_routes
from bongsu.store import key_backup as table
from bongsu.store.database import Database
from bongsu.store.key_backup import Backup, Stored, Which


class VersionBody(msgspec.Struct):
    """A backup without its keys. The server reads neither: what they mean is between a person's devices."""

    algorithm: str
    auth_data: JsonObject
    version: str | None = None


class RoomBody(msgspec.Struct):
    sessions: dict[str, KeyData]


class AllBody(msgspec.Struct):
    rooms: dict[str, RoomBody]


class KeyBackup(msgspec.Struct, frozen=True):
    """Keeps room keys that it cannot read."""

    database: Database

    def routes(self) -> list[Route]:
        version, keys = "/room_keys/version", "/room_keys/keys"
        in_room, one_key = f"{keys}/{{room_id}}", f"{keys}/{{room_id}}/{{session_id}}"
        families: list[tuple[str, str, Handler]] = [
            ("POST", version, self.create),
            ("GET", version, self.latest),
            ("GET", f"{version}/{{version}}", self.show),
            ("PUT", f"{version}/{{version}}", self.describe),
            ("DELETE", f"{version}/{{version}}", self.delete),
            ("PUT", keys, self.put_all),
            ("PUT", in_room, self.put_room),
            ("PUT", one_key, self.put_one),
            ("GET", keys, self.get_all),
            ("GET", in_room, self.get_room),
            ("GET", one_key, self.get_one),
            *(("DELETE", path, self.delete_keys) for path in (keys, in_room, one_key)),
        ]
        return [
            route
            for method, path, handler in families
            for route in client_routes(method, path, handler, bucket="key_restore" if method == "GET" else "key_backup")
        ]

    # --- versions ---

    async def create(self, request: Request) -> Response:
        body = await request.read(VersionBody)
        version = await table.create(self.database, request.requester.user_id, *_description(body))
        return reply({"version": str(version)})

    async def latest(self, request: Request) -> Response:
        return _shown(await table.latest(self.database, request.requester.user_id))

    async def show(self, request: Request) -> Response:
        return _shown(await table.one(self.database, request.requester.user_id, _in_path(request)))

    async def describe(self, request: Request) -> Response:
        body = await request.read(VersionBody)
        if body.version is not None and body.version != request.params["version"]:
            raise invalid_param("the version in the body must be that of the path")
        user_id, version = request.requester.user_id, _in_path(request)
        await table.describe(self.database, user_id, version, *_description(body))
        return empty()

    async def delete(self, request: Request) -> Response:
        await table.delete(self.database, request.requester.user_id, _in_path(request))
        return empty()

    # --- storing keys ---

    async def put_all(self, request: Request) -> Response:
        rooms = (await request.read(AllBody)).rooms
        return await self._put(request, _keys_of(rooms))

    async def put_room(self, request: Request) -> Response:
        return await self._put(request, _keys_of({request.params["room_id"]: await request.read(RoomBody)}))

    async def put_one(self, request: Request) -> Response:
        names = request.params["room_id"], request.params["session_id"]
        return await self._put(request, [backed_up_key(*names, await request.read(KeyData))])

    async def _put(self, request: Request, keys: list[BackedUpKey]) -> Response:
        which = _which(request)
        return _changed(await table.put(self.database, which.user_id, which.version, keys))

    async def delete_keys(self, request: Request) -> Response:
        return _changed(await table.delete_keys(self.database, _which(request)))

    # --- giving them back ---

    async def get_one(self, request: Request) -> Response:
        found = await table.page(self.database, _which(request), None, 1)
        if not found:
            raise not_found("there is no such key, or no such backup")
        return Response(_said(found[0]))

    async def get_room(self, request: Request) -> Response:
        return await self._give(request, b'{"sessions":{', b"}}")

    async def get_all(self, request: Request) -> Response:
        return await self._give(request, b'{"rooms":{', b"}}")

    async def _give(self, request: Request, head: bytes, tail: bytes) -> Response:
        """All of them, piece by piece where they are many, so that no backup is ever in memory as a whole."""
        which = _which(request)
        if await table.one(self.database, which.user_id, which.version) is None:
            raise table.no_such_backup()
        first = await self._page(which, None)
        said = _joined if which.room_id is not None else _by_room

        async def pieces() -> AsyncIterator[bytes]:
            yield head
            page, last = first, None
            while page:
                yield said(page, last)
                last = page[-1]
                page = await self._page(which, last) if len(page) == limits.KEY_BACKUP_PAGE_KEYS else []
            yield tail if last is None or which.room_id is not None else b"}}" + tail

        if len(first) < limits.KEY_BACKUP_PAGE_KEYS:
            return Response(b"".join([piece async for piece in pieces()]))
        return Response(pieces())

    async def _page(self, which: Which, after: BackedUpKey | None) -> list[BackedUpKey]:
        return await table.page(self.database, which, after, limits.KEY_BACKUP_PAGE_KEYS)


# --- what comes in ---


def _description(body: VersionBody) -> tuple[str, bytes]:
    algorithm = ids.check_text(body.algorithm, "the algorithm")
    return algorithm, bounded(body.auth_data, "auth_data", limits.KEY_BACKUP_AUTH_BYTES_MAX)


def _keys_of(rooms: Mapping[str, RoomBody]) -> list[BackedUpKey]:
    if sum(len(room.sessions) for room in rooms.values()) > limits.KEY_BACKUP_KEYS_AT_ONCE_MAX:
        raise too_large(f"at most {limits.KEY_BACKUP_KEYS_AT_ONCE_MAX} keys at once")
    return [
        backed_up_key(room_id, session_id, key)
        for room_id, room in rooms.items()
        for session_id, key in room.sessions.items()
    ]


def _version(text: str) -> int:
    """404 for what was never handed out as a version: they begin at 1."""
    if not (text.isascii() and text.isdigit() and len(text) < 16 and text[0] != "0"):
        raise table.no_such_backup()
    return int(text)


def _in_path(request: Request) -> int:
    return _version(request.params["version"])


def _which(request: Request) -> Which:
    """The version of the query, and what the path names of it."""
    version = _version(request.query.need("version"))
    names = {
        name: ids.check_text(request.params[name], name) for name in ("room_id", "session_id") if name in request.params
    }
    return Which(request.requester.user_id, version, **names)


# --- what goes back ---


def _shown(backup: Backup | None) -> Response:
    if backup is None:
        raise table.no_such_backup()
    return reply(
        {
            "algorithm": backup.algorithm,
            "auth_data": msgspec.Raw(backup.auth_data),
            "count": backup.keys,
            "etag": str(backup.etag),
            "version": str(backup.version),
        }
    )


def _changed(stored: Stored) -> Response:
    return reply({"etag": str(stored.etag), "count": stored.keys})


def _said(key: BackedUpKey) -> bytes:
    return encode(
        {
            "first_message_index": key.first_message_index,
            "forwarded_count": key.forwarded_count,
            "is_verified": key.is_verified,
            "session_data": msgspec.Raw(key.session_data),
        }
    )


def _member(key: BackedUpKey) -> bytes:
    return b"%b:%b" % (encode(key.session_id), _said(key))


def _joined(keys: list[BackedUpKey], last: BackedUpKey | None) -> bytes:
    """Members of one JSON object; last: the one that was said before them."""
    return (b"" if last is None else b",") + b",".join(map(_member, keys))


def _by_room(keys: list[BackedUpKey], last: BackedUpKey | None) -> bytes:
    """Members of one object for each room, the last of which stays open."""
    said = []
    for key in keys:
        if last is not None and last.room_id == key.room_id:
            said.append(b",")
        else:
            said.append(b'%b%b:{"sessions":{' % (b"" if last is None else b"}},", encode(key.room_id)))
        said.append(_member(key))
        last = key
    return b"".join(said)
