"""Somebody who talks to the server in plain HTTP, for the tests of rooms.

Every answer is checked against the Matrix specification where that is at hand: see schema.py.
"""

import asyncio
import itertools
import json
import secrets
from typing import Any
from urllib.parse import quote

import aiohttp
from tests.api.schema import specification
from yarl import URL

Json = dict[str, Any]
V3 = "/_matrix/client/v3"
V1 = "/_matrix/client/v1"

_txn_ids = (f"t{number}" for number in itertools.count())


def segment(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe="")


class Refused(AssertionError):
    """An answer that is no success, where one was expected."""


class Talker:
    """A signed-in device. `get`, `put`, `post`, `delete` give the answer's JSON and fail for anything but 200."""

    def __init__(self, http: aiohttp.ClientSession, signed_in: Json, password: str = "") -> None:
        self._http = http
        self._password = password
        self.user_id: str = signed_in["user_id"]
        self.device_id: str = signed_in["device_id"]
        self.access_token: str = signed_in["access_token"]
        self._headers = {"Authorization": f"Bearer {self.access_token}"}

    async def another_device(self) -> "Talker":
        """The same person, signed in once more."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": self._password}
        status, answer = await ask(self._http, "POST", f"{V3}/login", body)
        assert status == 200, answer
        return Talker(self._http, answer, self._password)

    def through(self, http: aiohttp.ClientSession) -> "Talker":
        """The same device, asking another worker."""
        signed_in = {"user_id": self.user_id, "device_id": self.device_id, "access_token": self.access_token}
        return Talker(http, signed_in, self._password)

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """(status, JSON) of any answer. The path is sent as it is."""
        return await ask(self._http, method, path, body, self._headers, **query)

    async def get(self, path: str, **query: Any) -> Any:
        return await self._expect("GET", path, None, **query)

    async def put(self, path: str, body: Json, **query: Any) -> Any:
        return await self._expect("PUT", path, body, **query)

    async def post(self, path: str, body: Json | None = None, **query: Any) -> Any:
        return await self._expect("POST", path, body or {}, **query)

    async def delete(self, path: str) -> Any:
        return await self._expect("DELETE", path, None)

    async def _expect(self, method: str, path: str, body: Json | None, **query: Any) -> Any:
        status, answer = await self.ask(method, path, body, **query)
        if status != 200:
            raise Refused(f"{method} {path}: {status} {answer}")
        return answer

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """(status, errcode) of an answer that must be a refusal."""
        status, answer = await self.ask(method, path, body, **query)
        assert status >= 400, f"{method} {path} was allowed: {answer}"
        return status, answer["errcode"]

    async def sync(self, since: str | None = None, **query: Any) -> Any:
        """One sync, which waits for nothing unless `timeout` says so. filter: as JSON, or a stored one's id."""
        wanted = query.pop("filter", None)
        text = json.dumps(wanted) if isinstance(wanted, dict) else wanted
        return await self.get(f"{V3}/sync", since=since, filter=text, **query)

    # --- rooms ---

    async def sees_somebody_wait(self) -> None:
        """Returns when a sync waits at the server: one that was sent may come there after what was sent later."""
        async with asyncio.timeout(30):
            while not await self._waiting():
                await asyncio.sleep(0.02)

    async def _waiting(self) -> float:
        async with self._http.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("bongsu_parked_syncs "))

    async def make_room(self, **options: Any) -> str:
        room_id: str = (await self.post(f"{V3}/createRoom", options))["room_id"]
        return room_id

    async def invite(self, room_id: str, *others: "Talker") -> None:
        for other in others:
            await self.post(f"{room(room_id)}/invite", {"user_id": other.user_id})

    async def bring(self, room_id: str, *others: "Talker") -> None:
        """Invites them, and they join."""
        await self.invite(room_id, *others)
        for other in others:
            await other.join(room_id)

    async def join(self, room_id: str, **body: Any) -> None:
        await self.post(f"{room(room_id)}/join", body)

    async def leave(self, room_id: str) -> None:
        await self.post(f"{room(room_id)}/leave")

    async def send(self, room_id: str, content: Json, event_type: str = "m.room.message") -> str:
        path = f"{room(room_id)}/send/{segment(event_type)}/{next(_txn_ids)}"
        event_id: str = (await self.put(path, content))["event_id"]
        return event_id

    async def say(self, room_id: str, text: str, **more: Any) -> str:
        return await self.send(room_id, {"msgtype": "m.text", "body": text, **more})

    async def set_state(self, room_id: str, event_type: str, content: Json, state_key: str = "") -> str:
        path = f"{room(room_id)}/state/{segment(event_type)}/{segment(state_key)}"
        event_id: str = (await self.put(path, content))["event_id"]
        return event_id

    async def redact(self, room_id: str, event_id: str, **body: Any) -> str:
        path = f"{room(room_id)}/redact/{segment(event_id)}/{next(_txn_ids)}"
        redaction_id: str = (await self.put(path, body))["event_id"]
        return redaction_id

    async def event(self, room_id: str, event_id: str) -> Any:
        return await self.get(f"{room(room_id)}/event/{segment(event_id)}")

    async def state(self, room_id: str, event_type: str, state_key: str = "", **query: Any) -> Any:
        """The content of a state event, or with format="event" the whole."""
        return await self.get(f"{room(room_id)}/state/{segment(event_type)}/{segment(state_key)}", **query)

    async def messages(self, room_id: str, direction: str = "b", **query: Any) -> Any:
        return await self.get(f"{room(room_id)}/messages", dir=direction, **query)


def room(room_id: str, prefix: str = V3) -> str:
    return f"{prefix}/rooms/{segment(room_id)}"


def relating(rel_type: str, event_id: str, **more: Any) -> Json:
    """Content that makes an event relate to another."""
    return {"m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more}}


async def ask(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    *,
    pruned: bool = False,
    **query: Any,
) -> tuple[int, Any]:
    """(status, JSON) of an answer; query values that are None are left out.

    pruned: the answer lacks what was not asked for, so that it cannot be checked.
    """
    pairs = "&".join(f"{name}={segment(str(value))}" for name, value in query.items() if value is not None)
    url = f"{path}?{pairs}" if pairs else path
    async with http.request(method, _as_it_is(http, url), json=body, headers=headers) as response:
        answer = await response.json()
    told = specification()
    if told is not None and not pruned:
        told.check(method, path, response.status, answer, body)
    return response.status, answer


def _as_it_is(http: aiohttp.ClientSession, path: str) -> URL:
    """The address with its percent-encoding left alone."""
    assert http._base_url is not None
    return URL(str(http._base_url.origin()) + path, encoded=True)


async def sign_up(http: aiohttp.ClientSession, name: str) -> Talker:
    """Somebody new, whose name begins with this one."""
    username, password = f"{name}-{secrets.token_hex(6)}", secrets.token_hex(16)
    body = {"username": username, "password": password, "auth": {"type": "m.login.dummy"}}
    status, answer = await ask(http, "POST", f"{V3}/register", body)
    assert status == 200, answer
    return Talker(http, answer, password)
