"""The whole story as one operation: every room and message in one commit, or nothing.

Its parts are the operations that clients' requests become, each run at the time its step names, so that the demo's
history reaches back over days. They run in the order of those times, as they would have come.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from bongsu.core import creation, events, versions
from bongsu.core.creation import Options, StateInput
from bongsu.core.events import Draft
from bongsu.core.ids import user_id
from bongsu.core.json import JsonObject
from bongsu.demo.people import PEOPLE
from bongsu.demo.steps import File, RoomPlan, Step, ago_ms
from bongsu.rooms.batch import RoomBatch, Transaction
from bongsu.rooms.creation import CreateRoom
from bongsu.rooms.sending import Redact, SendEvent, SendState
from bongsu.store.batch import Wanted

_DEVICE = "DEMO"


class Told(msgspec.Struct, frozen=True):
    """A room that was told: its id, its named events, and the last one ("")."""

    room_id: str
    events: dict[str, str]


class TellStory(msgspec.Struct, frozen=True):
    """files: by the names the steps use. The result: a Told for each plan, in their order."""

    plans: Sequence[RoomPlan]
    files: dict[str, File]
    now_ms: int

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> list[Told]:
        tales = [_Tale(batch, plan, self.files) for plan in self.plans]
        acts: list[tuple[int, _Tale, Step | None]] = []
        for tale in tales:
            acts.append((ago_ms(tale.plan.when, self.now_ms), tale, None))
            acts += [(ago_ms(step.when, self.now_ms), tale, step) for step in tale.plan.steps]
        present_ms = batch.now_ms
        try:
            for time_ms, tale, step in sorted(acts, key=itemgetter(0)):
                batch.now_ms = time_ms
                await (tale.begin() if step is None else step.tell(tale))
        finally:
            batch.now_ms = present_ms
        return [Told(tale.room_id, tale.events) for tale in tales]


class _Tale:
    """One room while it is told (steps.Tale)."""

    def __init__(self, batch: RoomBatch, plan: RoomPlan, files: dict[str, File]) -> None:
        self.plan = plan
        self.room_id = ""
        self.events: dict[str, str] = {}
        self._batch = batch
        self._files = files
        self._count = 0

    def user(self, localpart: str) -> str:
        return user_id(localpart, self._batch.server_name)

    def display_name(self, localpart: str) -> str:
        return next(person.name for person in PEOPLE if person.localpart == localpart)

    def event(self, name: str) -> str:
        return self.events[name]

    def file(self, name: str) -> File:
        return self._files[name]

    async def begin(self) -> None:
        options = _options(self.plan, self._files)
        creation.check(options)
        version = versions.version(versions.DEFAULT)
        assert version.room_id_is_hash
        self.room_id = await CreateRoom(self.user(self.plan.creator), version, options, None).run(self._batch)

    async def do(self, operation: Any) -> None:
        await operation.run(self._batch)

    async def send(self, who: str, event_type: str, content: JsonObject, name: str = "") -> None:
        draft = Draft(type=event_type, sender=self.user(who), content=content)
        operation = SendEvent(self.room_id, draft, self._transaction(who))
        event_id = await operation.run(self._batch)
        self.events[name] = event_id
        if draft.type == events.MESSAGE:
            self.events[""] = event_id

    async def state(self, who: str, event_type: str, content: JsonObject) -> None:
        draft = Draft(type=event_type, sender=self.user(who), content=content, state_key="")
        await SendState(self.room_id, draft).run(self._batch)

    async def redact(self, who: str, name: str) -> None:
        await Redact(self.room_id, self.event(name), {}, self._transaction(who)).run(self._batch)

    def _transaction(self, who: str) -> Transaction:
        self._count += 1
        return Transaction(self.user(who), _DEVICE, str(self._count))


def _options(plan: RoomPlan, files: dict[str, File]) -> Options:
    """What a client would put into POST /createRoom."""
    initial = []
    if plan.avatar is not None:
        initial.append(StateInput(events.AVATAR, {"url": files[plan.avatar].uri, "info": files[plan.avatar].info}))
    if plan.join_rule == "knock":
        initial.append(StateInput(events.JOIN_RULES, {"join_rule": plan.join_rule}))
    return Options(
        visibility="public" if plan.is_published else "private",
        preset=_preset(plan),
        room_alias_name=plan.alias,
        name=plan.name,
        topic=plan.topic,
        initial_state=initial,
        is_direct=bool(plan.between),
    )


def _preset(plan: RoomPlan) -> str:
    if plan.between:
        return "trusted_private_chat"
    return "public_chat" if plan.join_rule == "public" else "private_chat"
