"""Histories: what people do in rooms and when their devices sync, drawn by hypothesis and played on the workers.

A step names people, rooms and events by number, taken modulo what there is, so that any list of steps can be played
and shrinks well. Mostly those act who may; being refused is fine all the same, only a failure of the server is not.
"""

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.api.talking import V3, relating, room, segment
from tests.order.model import Json, Model, Told, differences, position
from tests.order.workers import Device, Person, Workers

PEOPLE = 4
ROOM_VERSIONS = ("12", "1", "3", "6", "9")  # one of each form of event ids, and of rules
ROOMS_MAX = 4
VISIBILITIES = ("shared", "invited", "joined", "world_readable")
JOIN_RULES = ("public", "invite", "knock")
_TALK = ("send", "react", "edit", "thread", "receipt", "fully_read", "redact", "member")
_RULE = ("invite", "kick", "ban", "unban", "state", "power", "visibility", "join_rule")
_often = ("sync",) * 9 + ("send",) * 6 + ("join",) * 3 + ("invite", "leave", "receipt", "state", "redact") * 2
_seldom = (
    *(*_TALK, *_RULE, "knock", "forget", "account_data", "room_account_data", "tag", "untag", "profile", "room"),
    *("nap", "nap"),
)
KINDS = tuple(dict.fromkeys(_often)) + _often + _seldom


@dataclass(frozen=True)
class Step:
    """Something somebody does. who, whom, room, pick: numbers; at: the worker asked."""

    kind: str
    who: int = 0
    room: int = 0
    pick: int = 0
    at: int = 0


@dataclass(frozen=True)
class Phone:
    """A device that follows a history. who: whose; the rest: how it asks."""

    who: int = 0
    limit: int = 20
    lazy: bool = False
    state_after: bool = False
    threads: bool = False
    shows: str = "everything"

    def filter(self) -> Json:
        timeline: Json = {"limit": self.limit}
        wanted: Json = {"timeline": timeline, "state": {}}
        if self.lazy:
            wanted["state"]["lazy_load_members"] = True
        if self.threads:
            timeline["unread_thread_notifications"] = True
        if self.shows == "messages":
            timeline["types"] = ["m.room.message", "m.room.redaction"]
        elif self.shows == "no names":
            timeline["not_types"] = ["m.room.name", "m.room.member"]
        elif self.shows == "no ephemera":
            wanted["ephemeral"] = {"types": []}
        elif self.shows == "left too":
            wanted["include_leave"] = True
        return {"room": wanted}


_txn_ids = (f"h{number}" for number in itertools.count())
SHOWS = ("everything", "messages", "no names", "no ephemera", "left too")
steps: SearchStrategy[Step] = st.builds(
    Step,
    kind=st.sampled_from(KINDS),
    who=st.integers(0, PEOPLE - 1),
    room=st.integers(0, ROOMS_MAX - 1),
    pick=st.integers(0, 11),
    at=st.integers(0, 1),
)
phones: SearchStrategy[Phone] = st.builds(
    Phone,
    who=st.integers(0, PEOPLE - 1),
    limit=st.integers(1, 20),
    lazy=st.booleans(),
    state_after=st.booleans(),
    threads=st.booleans(),
    shows=st.sampled_from(SHOWS),
)


def scripts(chapters: int) -> SearchStrategy[list[Step]]:
    """About seven steps a chapter."""
    chapter = st.lists(steps, max_size=14)
    return st.tuples(*[chapter] * chapters).map(lambda found: list(itertools.chain(*found)))


@dataclass
class Place:
    """A room of a history: who made it, who is in (as far as one can tell who acts at once), what was sent to it."""

    room_id: str
    creator: int
    inside: list[int]
    sent: list[str] = field(default_factory=list)

    def see(self, number: int, action: str) -> None:
        if action == "join" and number not in self.inside:
            self.inside.append(number)
        elif action in ("leave", "kick", "ban") and number in self.inside:
            self.inside.remove(number)


class History:
    """Plays steps. Everybody acts with their first session; devices only follow."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.people: list[Person] = []
        self.rooms: list[Place] = []
        self.devices: list[Device] = []
        self._asleep: int | None = None
        self._plays: dict[str, Callable[[Step], Awaitable[None]]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    async def begin(self, phones: Sequence[Phone]) -> None:
        """Four people; a public room where three of them are, a private one with two; devices that have synced once."""
        self.people = [await self.workers.sign_up(name) for name in ("ann", "ben", "cho", "dan")]
        await self._make_room(0, preset="public_chat")
        await self._make_room(1, preset="private_chat", invite=[self.people[0].user_id], name="den")
        for number in (1, 2):
            await self.people[number].change(0, self.rooms[0].room_id, "join")
            self.rooms[0].see(number, "join")
        self.devices = [
            await self.people[phone.who].device(phone.who, state_after=phone.state_after, **phone.filter())
            for phone in phones
        ]
        for device in self.devices:
            await device.sync()

    async def play(self, step: Step) -> None:
        await self._plays[step.kind](step)

    def wake(self) -> None:
        """Lets a worker that was put to sleep go on: it then sees at once what happened meanwhile."""
        if self._asleep is not None:
            self.workers.servers[self._asleep].send_signal(signal.SIGCONT)
            self._asleep = None

    async def end(self) -> None:
        """Every device catches up, closes its gaps, and must then know what one that has just arrived knows."""
        now = await self.now()
        for number, device in enumerate(self.devices):
            await device.catch_up(now, number)
            await device.close_gaps(number)
        for device in self.devices:
            for at in (0, 1):
                found = differences(device.model, await self._arrived(device.model.told, at, now))
                assert not found, f"at worker {at}, {device.model.told}:\n" + "\n".join(found)

    async def now(self) -> int:
        """The newest position either worker shows."""
        probes = [await self.people[0].device(at) for at in (0, 1)]
        return max([position((await probe.answer(at, None))["next_batch"]) for at, probe in enumerate(probes)])

    async def _arrived(self, told: Told, at: int, now: int) -> Model:
        """What a new device of the same person, asking in the same way, is told."""
        person = next(person for person in self.people if person.user_id == told.user_id)
        wanted = {**told.filter, "room": {**told.filter.get("room", {}), "include_leave": True}}
        device = await person.device(at, state_after=told.state_after, **wanted)
        while device.model.next_batch is None or position(device.model.next_batch) < now:
            device.model = Model(device.model.told)
            await device.sync(at)
        await device.close_gaps(at)
        return device.model

    # --- who, where, what ---

    def _person(self, step: Step) -> Person:
        """Who acts: for what needs to be inside somebody who is, for what needs power who made the room."""
        place = self._place(step)
        if step.pick == 11 or not place.inside or step.kind not in (*_TALK, *_RULE):
            return self.people[step.who]
        if step.kind in (*_RULE, "redact") and place.creator in place.inside and step.pick % 3:
            return self.people[place.creator]
        return self.people[place.inside[step.who % len(place.inside)]]

    def _target(self, step: Step) -> int:
        return (step.who + step.pick) % len(self.people)

    def _at(self, step: Step) -> int:
        """The worker that is asked: the other one while this one sleeps."""
        return step.at if self._asleep is None else 1 - self._asleep

    def _place(self, step: Step) -> Place:
        return self.rooms[step.room % len(self.rooms)]

    async def _make_room(self, creator: int, at: int = 0, **options: Any) -> None:
        self.rooms.append(Place(await self.people[creator].make_room(at, **options), creator, [creator]))

    async def _ask(self, step: Step, method: str, path: str, body: Json | None = None) -> Json:
        status, answer = await self._person(step).ask(self._at(step), method, path, body)
        assert status in (200, 400, 403, 404), f"{step}: {status} {answer}"
        return dict(answer)

    async def _send(self, step: Step, content: Json, kind: str = "m.room.message") -> None:
        place = self._place(step)
        path = f"{room(place.room_id)}/send/{segment(kind)}/{next(_txn_ids)}"
        answer = await self._ask(step, "PUT", path, content)
        if "event_id" in answer:
            place.sent.append(answer["event_id"])

    async def _set_state(self, step: Step, kind: str, content: Json, state_key: str = "") -> None:
        place = self._place(step)
        answer = await self._ask(step, "PUT", f"{room(place.room_id)}/state/{kind}/{segment(state_key)}", content)
        if "event_id" in answer:
            place.sent.append(answer["event_id"])

    def _event(self, step: Step) -> str:
        """One of the newest events of the room."""
        sent = self._place(step).sent
        return sent[-1 - step.pick % len(sent)] if sent else "$" + "A" * 43

    async def _change(self, step: Step, target: int | None = None) -> None:
        place = self._place(step)
        body = {} if target is None else {"user_id": self.people[target].user_id}
        answer = await self._ask(step, "POST", f"{room(place.room_id)}/{step.kind}", body)
        if "errcode" not in answer:
            place.see(step.who if target is None else target, step.kind)

    # --- steps ---

    async def do_nap(self, step: Step) -> None:
        """One worker stops until the next nap, and then reads much at once."""
        if self._asleep is None:
            self._asleep = step.at
            self.workers.servers[step.at].send_signal(signal.SIGSTOP)
        else:
            self.wake()

    async def do_sync(self, step: Step) -> None:
        """A device syncs. Now and then its first answer is lost on the way, or it asks for the whole state."""
        if not self.devices:
            return
        device = self.devices[step.who % len(self.devices)]
        if step.pick == 11:
            await device.sync(self._at(step), full_state="true")
            return
        if step.pick >= 9:
            lost = device.model.copy()
            other = self._at(step) + 1 if self._asleep is None else self._at(step)
            lost.fold(await device.answer(other, lost.next_batch))
        await device.sync(self._at(step))

    async def do_send(self, step: Step) -> None:
        await self._send(step, {"msgtype": "m.text", "body": f"{step.pick}"})

    async def do_react(self, step: Step) -> None:
        await self._send(step, relating("m.annotation", self._event(step), key=str(step.pick % 3)), "m.reaction")

    async def do_edit(self, step: Step) -> None:
        new = {"msgtype": "m.text", "body": "new"}
        await self._send(step, {**new, "m.new_content": new, **relating("m.replace", self._event(step))})

    async def do_thread(self, step: Step) -> None:
        await self._send(step, {"msgtype": "m.text", "body": "aside", **relating("m.thread", self._event(step))})

    async def do_state(self, step: Step) -> None:
        kind = ("m.room.topic", "m.room.name", "org.bongsu.test")[step.pick % 3]
        content = {kind.rsplit(".", 1)[1]: f"{step.pick // 3}" if step.pick else ""}
        await self._set_state(step, kind, content, "" if kind.startswith("m.") else f"key{step.pick % 2}")

    async def do_member(self, step: Step) -> None:
        """Somebody gives themselves a name in one room."""
        user_id = self._person(step).user_id
        content = {"membership": "join", "displayname": f"nick{step.pick % 4}"}
        await self._set_state(step, "m.room.member", content, user_id)

    async def do_redact(self, step: Step) -> None:
        place = self._place(step)
        path = f"{room(place.room_id)}/redact/{segment(self._event(step))}/{next(_txn_ids)}"
        await self._ask(step, "PUT", path, {})

    async def do_join(self, step: Step) -> None:
        await self._change(step)

    async def do_leave(self, step: Step) -> None:
        await self._change(step)

    async def do_forget(self, step: Step) -> None:
        """Often right after leaving, before other devices have heard of it."""
        if step.pick % 2:
            await self._change(replace(step, kind="leave"))
        await self._change(step)

    async def do_knock(self, step: Step) -> None:
        await self._ask(step, "POST", f"{V3}/knock/{segment(self._place(step).room_id)}", {})

    async def do_invite(self, step: Step) -> None:
        await self._change(step, self._target(step))

    async def do_kick(self, step: Step) -> None:
        await self._change(step, self._target(step))

    async def do_ban(self, step: Step) -> None:
        await self._change(step, self._target(step))

    async def do_unban(self, step: Step) -> None:
        await self._change(step, self._target(step))

    async def do_power(self, step: Step) -> None:
        target = self.people[self._target(step)].user_id
        path = f"{room(self._place(step).room_id)}/state/m.room.power_levels"
        present = await self._ask(step, "GET", path)
        if "users" in present:
            await self._ask(step, "PUT", path, {**present, "users": {**present["users"], target: 50 * (step.pick % 2)}})

    async def do_visibility(self, step: Step) -> None:
        value = VISIBILITIES[step.pick % len(VISIBILITIES)]
        await self._set_state(step, "m.room.history_visibility", {"history_visibility": value})

    async def do_join_rule(self, step: Step) -> None:
        await self._set_state(step, "m.room.join_rules", {"join_rule": JOIN_RULES[step.pick % len(JOIN_RULES)]})

    async def do_receipt(self, step: Step) -> None:
        kind = ("m.read", "m.read.private")[step.pick % 2]
        body = {} if step.pick < 6 else {"thread_id": "main" if step.pick < 9 else self._event(step)}
        path = f"{room(self._place(step).room_id)}/receipt/{kind}/{segment(self._event(step))}"
        await self._ask(step, "POST", path, body)

    async def do_fully_read(self, step: Step) -> None:
        await self._ask(
            step, "POST", f"{room(self._place(step).room_id)}/read_markers", {"m.fully_read": self._event(step)}
        )

    def _of(self, step: Step) -> str:
        return f"{V3}/user/{segment(self._person(step).user_id)}"

    async def do_account_data(self, step: Step) -> None:
        await self._ask(step, "PUT", f"{self._of(step)}/account_data/org.bongsu.{step.pick % 2}", {"v": step.pick})

    async def do_room_account_data(self, step: Step) -> None:
        path = f"{self._of(step)}/rooms/{segment(self._place(step).room_id)}/account_data/org.bongsu.{step.pick % 2}"
        await self._ask(step, "PUT", path, {"v": step.pick})

    async def do_tag(self, step: Step) -> None:
        path = f"{self._of(step)}/rooms/{segment(self._place(step).room_id)}/tags/u.{step.pick % 3}"
        await self._ask(step, "PUT", path, {"order": step.pick / 12})

    async def do_untag(self, step: Step) -> None:
        path = f"{self._of(step)}/rooms/{segment(self._place(step).room_id)}/tags/u.{step.pick % 3}"
        await self._ask(step, "DELETE", path)

    async def do_profile(self, step: Step) -> None:
        path = f"{V3}/profile/{segment(self._person(step).user_id)}/displayname"
        await self._ask(step, "PUT", path, {"displayname": f"name{step.pick % 3}"})

    async def do_room(self, step: Step) -> None:
        if len(self.rooms) >= ROOMS_MAX:
            return
        preset = ("public_chat", "private_chat", "trusted_private_chat")[step.pick % 3]
        visible = {"history_visibility": VISIBILITIES[step.pick % len(VISIBILITIES)]}
        state = [{"type": "m.room.history_visibility", "state_key": "", "content": visible}]
        guests = [self.people[self._target(step)].user_id] if step.pick % 2 else []
        await self._make_room(
            step.who,
            self._at(step),
            preset=preset,
            initial_state=state if step.pick > 2 else [],
            invite=guests,
            room_version=ROOM_VERSIONS[step.pick % len(ROOM_VERSIONS)],
        )


async def one_after_the_other(
    workers: Workers, phones: Sequence[Phone], script: Sequence[Step], kind: type[History] = History
) -> None:
    history = kind(workers)
    await history.begin(phones)
    try:
        for step in script:
            await history.play(step)
    finally:
        history.wake()
    await history.end()


async def all_at_once(
    workers: Workers, phones: Sequence[Phone], script: Sequence[Step], crowd: int, kind: type[History] = History
) -> None:
    """`crowd` steps at a time, while every device waits for news at one worker and then at the other."""
    history = kind(workers)
    await history.begin(phones)
    over = asyncio.Event()
    following = [asyncio.ensure_future(_follow(device, number, over)) for number, device in enumerate(history.devices)]
    acts = [step for step in script if step.kind not in ("sync", "nap")]
    try:
        for first in range(0, len(acts), crowd):
            await asyncio.gather(*(history.play(step) for step in acts[first : first + crowd]))
    finally:
        over.set()
        await asyncio.gather(*following)
    await history.end()


async def _follow(device: Device, at: int, over: asyncio.Event) -> None:
    while not over.is_set():
        await device.sync(at, timeout_ms=200)
        at += 1
