"""One person with a real client, matrix-nio: signs up, syncs until something is seen, and keeps all that was seen."""

import asyncio
import io
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import nio  # type: ignore[import-untyped]
from PIL import Image

DEADLINE_SECONDS = 20.0  # for any one answer and any one wait; what is waited for takes milliseconds
LONG_POLL_MS = 3_000
PASSWORD = "beacon fires at dusk"

T = TypeVar("T")


async def ok(call: Awaitable[Any], kind: type[T]) -> T:
    """The answer, which must be of this kind. nio gives a refusal back as an object of another kind."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        answer = await call
    assert isinstance(answer, kind), f"wanted {kind.__name__}, got {answer!r}"
    return answer


async def refused(call: Awaitable[Any], *errcodes: str) -> nio.ErrorResponse:
    """The refusal, which must carry one of these error codes (the protocol does not always name the one)."""
    answer = await ok(call, nio.ErrorResponse)
    assert answer.status_code in errcodes, answer
    return answer


async def status_of(call: Awaitable[Any]) -> int:
    """The HTTP status alone, where nio does not tell a refusal or the protocol leaves its code open."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        status: int = (await call).transport_response.status
    return status


async def collect(pages: AsyncIterator[Any]) -> list[Any]:
    """All that nio's paging iterators give."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return [item async for item in pages]


class Person:
    """A signed-in device of somebody.

    `timeline[room_id]` holds every event this device got through sync, oldest first, rooms that it left included, and
    `invites[room_id]` the stripped state of invites; `presence`, `to_device` and `account_data` hold what came of those
    kinds; `left` holds the rooms it is out of. `client` is nio's own, for all that needs no waiting.
    """

    def __init__(self, base_url: str, name: str) -> None:
        config = nio.AsyncClientConfig(
            max_limit_exceeded=0,
            max_timeouts=0,
            request_timeout=DEADLINE_SECONDS,
            encryption_enabled=False,
        )
        self.name = name
        self.client = nio.AsyncClient(base_url, name, config=config)
        self.timeline: dict[str, list[nio.Event]] = defaultdict(list)
        self.invites: dict[str, list[nio.InviteEvent]] = defaultdict(list)
        self.presence: list[nio.PresenceEvent] = []
        self.to_device: list[nio.ToDeviceEvent] = []
        self.account_data: list[nio.AccountDataEvent] = []
        self.left: set[str] = set()

    @property
    def user_id(self) -> str:
        user_id: str = self.client.user_id
        return user_id

    async def sign_up(self) -> None:
        await ok(self.client.register(self.name, PASSWORD, "first device"), nio.RegisterResponse)

    async def sign_in(self, device_name: str = "another device") -> None:
        await ok(self.client.login(PASSWORD, device_name), nio.LoginResponse)

    async def sync(self, timeout_ms: int = 0, **options: Any) -> nio.SyncResponse:
        """One sync from where the last one ended; what it brought is kept."""
        answer = await ok(self.client.sync(timeout=timeout_ms, **options), nio.SyncResponse)
        rooms = answer.rooms
        for room_id, info in [*rooms.join.items(), *rooms.leave.items()]:
            self.timeline[room_id] += info.timeline.events
            self.account_data += info.account_data or []
        for room_id, invite in rooms.invite.items():
            self.invites[room_id] += invite.invite_state
        self.left = (self.left | rooms.leave.keys()) - rooms.join.keys() - rooms.invite.keys()
        self.presence += answer.presence_events
        self.to_device += answer.to_device_events
        self.account_data += answer.account_data_events
        return answer

    async def until(self, what: str, seen: Callable[["Person"], T]) -> T:
        """Syncs until `seen` of this person gives something true, and gives that back. `what` names it if it fails."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (found := seen(self)):
                    await self.sync(LONG_POLL_MS)
        except TimeoutError:
            raise AssertionError(f"{self.name} did not see {what} in {DEADLINE_SECONDS} s") from None
        return found

    async def sees(self, room_id: str, event_id: str) -> nio.Event:
        """Syncs until this event came, and gives it."""
        return await self.until(f"event {event_id}", lambda person: person.find(room_id, event_id))

    def find(self, room_id: str, event_id: str) -> nio.Event | None:
        return next((event for event in self.timeline[room_id] if event.event_id == event_id), None)

    def room(self, room_id: str) -> nio.MatrixRoom:
        """The joined room as nio folded it from every sync. An empty one before the first sync that names it."""
        return self.client.rooms.get(room_id) or nio.MatrixRoom(room_id, self.user_id)

    def bodies(self, room_id: str) -> list[str]:
        """The text of every message seen, oldest first."""
        return [event.body for event in self.timeline[room_id] if isinstance(event, nio.RoomMessage)]

    async def say(self, room_id: str, body: str, **more: Any) -> str:
        """Sends a text message and gives its event id. `more` is further content."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": body, **more})

    async def send(self, room_id: str, event_type: str, content: dict[str, Any]) -> str:
        answer = await ok(self.client.room_send(room_id, event_type, content), nio.RoomSendResponse)
        event_id: str = answer.event_id
        return event_id

    async def set_state(self, room_id: str, event_type: str, content: dict[str, Any], state_key: str = "") -> str:
        call = self.client.room_put_state(room_id, event_type, content, state_key)
        event_id: str = (await ok(call, nio.RoomPutStateResponse)).event_id
        return event_id

    async def create(self, **options: Any) -> str:
        """Creates a room and gives its id."""
        room_id: str = (await ok(self.client.room_create(**options), nio.RoomCreateResponse)).room_id
        return room_id

    async def join(self, room_id_or_alias: str) -> None:
        await ok(self.client.join(room_id_or_alias), nio.JoinResponse)

    async def read(self, room_id: str, event_id: str) -> None:
        """Sets a read receipt that belongs to no thread."""
        await self.request("POST", f"/rooms/{room_id}/receipt/m.read/{event_id}", {})

    async def fetch(self, room_id: str, event_id: str) -> dict[str, Any]:
        """The event as the server gives it now, as JSON."""
        answer = await ok(self.client.room_get_event(room_id, event_id), nio.RoomGetEventResponse)
        source: dict[str, Any] = answer.event.source
        return source

    async def upload(self, data: bytes, content_type: str, file_name: str) -> str:
        """Uploads a file and gives its mxc:// address."""
        call = self.client.upload(io.BytesIO(data), content_type, file_name, filesize=len(data))
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer, _ = await call
        assert isinstance(answer, nio.UploadResponse), answer
        uri: str = answer.content_uri
        return uri

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A call that nio has no method for, through nio's connection. `path` stands below /_matrix/client/v3."""
        data = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.client.access_token}", "Content-Type": "application/json"}
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer = await self.client.send(method, f"/_matrix/client/v3{path}", data, headers)
            content: dict[str, Any] = await answer.json()
        assert answer.status == 200, f"{method} {path}: {answer.status} {content}"
        return content

    async def close(self) -> None:
        await self.client.close()


class People:
    """Signs people up for one test. Names carry a random part, for a server may have been used before."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._all: list[Person] = []

    async def sign_up(self, *names: str) -> list[Person]:
        people = [self.stranger(f"{name}-{uuid.uuid4().hex[:8]}") for name in names]
        for person in people:
            await person.sign_up()
        return people

    def stranger(self, name: str) -> Person:
        """Somebody with a client who is not signed in."""
        person = Person(self.base_url, name)
        self._all.append(person)
        return person

    async def another_device(self, person: Person) -> Person:
        """The same person signed in on a second device."""
        device = self.stranger(person.name)
        await device.sign_in()
        return device

    async def group(self, *names: str, **options: Any) -> tuple[str, list[Person]]:
        """New people in a new room that the first one created: each has joined, and each has seen all the others."""
        people = await self.sign_up(*names)
        first, *others = people
        options = {"preset": nio.RoomPreset.private_chat, "invite": [other.user_id for other in others], **options}
        room_id = await first.create(**options)
        for other in others:
            await other.join(room_id)
        for person in people:
            await person.until("everybody in the room", lambda person: _all_joined(person, room_id, people))
        return room_id, people

    async def close(self) -> None:
        for person in self._all:
            await person.close()


@asynccontextmanager
async def people_on(base_url: str) -> AsyncIterator[People]:
    people = People(base_url)
    try:
        yield people
    finally:
        await people.close()


def photo(width: int = 640, height: int = 480) -> bytes:
    """A real PNG: a colour gradient, so that a wrong or empty thumbnail would be seen."""
    gradient = Image.linear_gradient("L").resize((width, height))
    out = io.BytesIO()
    Image.merge("RGB", [gradient, gradient.rotate(180), gradient.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]).save(
        out, "PNG"
    )
    return out.getvalue()


def _all_joined(person: Person, room_id: str, people: list[Person]) -> bool:
    users = person.room(room_id).users
    return all(other.user_id in users and not users[other.user_id].invited for other in people)
