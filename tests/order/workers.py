"""Two workers on one database, people with devices, and the HTTP between them."""

import itertools
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.api.talking import V3, ask, room, segment
from tests.order.model import Json, Model, Told, position
from tests.server import Server

CAUGHT_UP_SECONDS_MAX = 10.0
PAGES_MAX = 100
_names = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count())
_txn_ids = (f"o{number}" for number in itertools.count())


class Workers:
    """The workers, by number. Make it where a loop runs."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers
        self._http = [
            aiohttp.ClientSession(
                server.base_url, timeout=aiohttp.ClientTimeout(60), connector=aiohttp.TCPConnector(limit=0)
            )
            for server in servers
        ]

    async def close(self) -> None:
        for session in self._http:
            await session.close()

    async def ask(
        self, at: int, method: str, path: str, body: Json | None = None, *, token: str = "", **query: Any
    ) -> tuple[int, Any]:
        """(status, JSON) of worker `at`'s answer, which must not be a failure of the server's."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        status, answer = await ask(self._http[at % len(self._http)], method, path, body, headers, **query)
        assert status < 500, f"{method} {path} at {at}: {status} {answer}"
        return status, answer

    async def sign_up(self, name: str) -> "Person":
        username, password = f"{name}-{next(_names)}", secrets.token_hex(8)
        body = {"username": username, "password": password, "auth": {"type": "m.login.dummy"}}
        status, answer = await self.ask(0, "POST", f"{V3}/register", body)
        assert status == 200, answer
        return Person(self, answer["user_id"], password, answer["access_token"])


@dataclass
class Person:
    """Somebody with an account. `token` is that of their first session, which writes."""

    workers: Workers
    user_id: str
    password: str
    token: str

    async def ask(self, at: int, method: str, path: str, body: Json | None = None, **query: Any) -> tuple[int, Any]:
        return await self.workers.ask(at, method, path, body, token=self.token, **query)

    async def must(self, at: int, method: str, path: str, body: Json | None = None, **query: Any) -> Any:
        """The answer, which must be a success."""
        status, answer = await self.ask(at, method, path, body, **query)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    async def device(self, at: int = 0, *, state_after: bool = False, **filters: Any) -> "Device":
        """A new session that has seen nothing yet. filters: the sync filter."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": self.password}
        status, answer = await self.workers.ask(at, "POST", f"{V3}/login", body)
        assert status == 200, answer
        return Device(self.workers, answer["access_token"], Model(Told(self.user_id, filters, state_after)))

    # --- what people do; each returns when it is committed ---

    async def make_room(self, at: int = 0, **options: Any) -> str:
        return str((await self.must(at, "POST", f"{V3}/createRoom", options))["room_id"])

    async def send(self, at: int, room_id: str, content: Json, kind: str = "m.room.message") -> str:
        path = f"{room(room_id)}/send/{segment(kind)}/{next(_txn_ids)}"
        return str((await self.must(at, "PUT", path, content))["event_id"])

    async def say(self, at: int, room_id: str, text: str) -> str:
        return await self.send(at, room_id, {"msgtype": "m.text", "body": text})

    async def set_state(self, at: int, room_id: str, kind: str, content: Json, state_key: str = "") -> str:
        path = f"{room(room_id)}/state/{segment(kind)}/{segment(state_key)}"
        return str((await self.must(at, "PUT", path, content))["event_id"])

    async def redact(self, at: int, room_id: str, event_id: str) -> str:
        path = f"{room(room_id)}/redact/{segment(event_id)}/{next(_txn_ids)}"
        return str((await self.must(at, "PUT", path, {}))["event_id"])

    async def change(self, at: int, room_id: str, action: str, target: "Person | None" = None) -> None:
        """action: join, leave, forget; with a target: invite, kick, ban, unban."""
        body = {} if target is None else {"user_id": target.user_id}
        await self.must(at, "POST", f"{room(room_id)}/{action}", body)

    async def bring(self, at: int, room_id: str, *others: "Person") -> None:
        """Invites them, and they join."""
        for other in others:
            await self.change(at, room_id, "invite", other)
            await other.change(at, room_id, "join")

    async def read(self, at: int, room_id: str, event_id: str, kind: str = "m.read", **body: Any) -> None:
        await self.must(at, "POST", f"{room(room_id)}/receipt/{kind}/{segment(event_id)}", body)

    async def set_account_data(self, at: int, kind: str, content: Json, room_id: str = "") -> None:
        place = f"/rooms/{segment(room_id)}" if room_id else ""
        path = f"{V3}/user/{segment(self.user_id)}{place}/account_data/{segment(kind)}"
        await self.must(at, "PUT", path, content)


@dataclass
class Device:
    """A session that syncs, and its model. It may ask any worker with the token of any other."""

    workers: Workers
    token: str
    model: Model
    seen: list[str] = field(default_factory=list)

    async def answer(self, at: int, since: str | None, timeout_ms: int = 0, **query: Any) -> Json:
        """One sync of worker `at`, without taking it into the model."""
        told = self.model.told
        status, answer = await self.workers.ask(
            at,
            "GET",
            f"{V3}/sync",
            token=self.token,
            since=since,
            timeout=timeout_ms,
            filter=json.dumps(told.filter) if told.filter else None,
            use_state_after="true" if told.state_after else None,
            set_presence="offline",
            **query,
        )
        assert status == 200, answer
        return dict(answer)

    async def sync(self, at: int = 0, timeout_ms: int = 0, **query: Any) -> Json:
        answer = await self.answer(at, self.model.next_batch, timeout_ms, **query)
        self.model.fold(answer)
        self.seen.append(answer["next_batch"])
        return answer

    async def catch_up(self, to: int, at: int = 0) -> None:
        """Syncs, at one worker after the other, until everything up to this position is known."""
        deadline = time.monotonic() + CAUGHT_UP_SECONDS_MAX
        while self.model.next_batch is None or position(self.model.next_batch) < to:
            assert time.monotonic() < deadline, f"stuck at {self.model.next_batch}, wanted {to}"
            await self.sync(at)
            at += 1

    async def sync_until(self, holds: Callable[[Model], bool], at: int = 0, seconds: float = 2.0) -> float:
        """Long-polls worker `at` until this holds; the seconds it took."""
        begun = time.monotonic()
        while not holds(self.model):
            left = begun + seconds - time.monotonic()
            assert left > 0, f"not seen within {seconds} s at worker {at}"
            await self.sync(at, timeout_ms=int(left * 1000))
        return time.monotonic() - begun

    async def close_gaps(self, at: int = 0, page: int = 50) -> None:
        """Fetches everything that the syncs left out, back to the first event that may be seen."""
        while gaps := self.model.gaps():
            for known, index in gaps:
                await self._close(known.room_id, index, at, page)

    async def _close(self, room_id: str, index: int, at: int, page: int) -> None:
        stretch = self.model.rooms[room_id].stretches[index]
        start: str | None = stretch.prev_batch
        to = stretch.since if index else None
        fetched: list[Json] = []
        for number in range(PAGES_MAX):
            status, answer = await self.messages(at + number, room_id, start, to, page)
            if status == 403 and self.model.rooms[room_id].membership != "join":
                break  # somebody who was never in has no history to fetch
            assert status == 200, answer
            fetched += answer["chunk"]
            start = answer.get("end")
            if start is None:
                break
        assert start is None or status == 403, f"no end after {PAGES_MAX} pages"
        self.model.rooms[room_id].close(index, fetched, at_start=index == 0 or to is not None)
        stretch.prev_batch = None

    async def messages(self, at: int, room_id: str, start: str | None, to: str | None, limit: int) -> tuple[int, Any]:
        wanted = self.model.told.timeline_filter
        query: Json = {
            "from": start,
            "to": to,
            "dir": "b",
            "limit": limit,
            "filter": json.dumps(wanted) if wanted else None,
        }
        return await self.workers.ask(at, "GET", f"{room(room_id)}/messages", token=self.token, **query)
