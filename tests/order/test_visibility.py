"""Who may see what of a room: every history visibility with every way of coming and going, at both workers.

What may be seen is worked out here message by message, straight from the protocol's table, and compared with what a
fresh device, a device that followed, and single requests are shown.
"""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.api.talking import room, segment
from tests.order.model import Json
from tests.order.workers import Device, Person, Workers

WAYS = {
    "never asked": "",
    "invited": "invite",
    "declined": "invite leave",
    "in": "invite join",
    "left": "invite join leave",
    "kicked": "invite join kick",
    "left, then banned": "invite join leave ban",
    "invited again": "invite join leave invite",
    "declined the second time": "invite join leave invite leave",
    "back again": "invite join leave invite join",
    "left for good": "invite join leave invite join leave",
}
VALUES = ("joined", "invited", "shared", "world_readable")
CHANGES = {
    "opened": {3: "world_readable"},
    "closed": {0: "shared", 2: "joined"},
    "shared while ben was away": {0: "joined", 4: "shared"},
    "hidden, then open, then hidden": {0: "joined", 2: "world_readable", 3: "invited"},
}
ACTS_OF_BEN = ("join", "leave")


@dataclass
class Said:
    """A message and the topic set after it; what held when they were sent."""

    message: str
    topic: str
    visibility: str
    membership: str


@dataclass
class Story:
    """A room whose every stage has a message and a topic: before Ben's first step, and after each."""

    ann: Person
    ben: Person
    room_id: str
    device: Device
    steps: list[str]
    said: list[Said] = field(default_factory=list)

    @property
    def membership(self) -> str:
        return self.said[-1].membership

    def seen(self) -> list[str]:
        """The messages Ben may see, by the protocol's table. Who declined and never came in is a stranger again."""
        if self.membership == "leave" and not self.was_in() and self.said[-1].visibility != "world_readable":
            return []
        last_join = max([stage for stage, said in enumerate(self.said) if self._joins(stage)], default=-1)
        return [said.message for stage, said in enumerate(self.said) if _may_see(said, last_join > stage)]

    def _joins(self, stage: int) -> bool:
        return stage > 0 and self.steps[stage - 1] == "join"

    def was_in(self) -> bool:
        return "join" in self.steps

    def told(self) -> list[str]:
        """The messages a sync tells: not beyond Ben's last step, if that led out."""
        beyond = [] if self.membership == "join" else [self.said[-1].message]
        return [message for message in self.seen() if message not in beyond]

    def topics_told(self, *, state_after: bool) -> set[str]:
        """What a sync may leave as the topic. Without `state_after` a visible change in the timeline counts too."""
        shown = {said.topic for said in self.said if said.message in self.told() and not state_after}
        return {self.topic(told=True) or "", *(shown if self.membership != "join" else ())}

    def topic(self, *, told: bool = False) -> str | None:
        """The topic Ben may see: of now for who is in, else of when he left. told: what a sync tells of it."""
        if self.membership == "join":
            return self.said[-1].topic
        if self.said[-1].visibility == "world_readable":
            return self.said[-2 if told else -1].topic
        inside = [stage for stage, said in enumerate(self.said) if said.membership == "join"]
        return self.said[inside[-1]].topic if inside else None


def _may_see(said: Said, joined_later: bool) -> bool:
    if said.visibility == "world_readable" or said.membership == "join":
        return True
    if said.visibility == "shared":
        return joined_later
    return said.visibility == "invited" and said.membership == "invite"


async def tell(workers: Workers, values: dict[int, str], way: str) -> Story:
    """Plays a way of coming and going, now at one worker, now at the other. values: visibility from a stage on."""
    ann, ben = await asyncio.gather(workers.sign_up("ann"), workers.sign_up("ben"))
    first = {"type": "m.room.history_visibility", "content": {"history_visibility": values.get(0, "shared")}}
    room_id = await ann.make_room(initial_state=[first])
    device = await ben.device(room={"timeline": {"limit": 2}})
    story = Story(ann, ben, room_id, device, way.split())
    visibility, membership = values.get(0, "shared"), "leave"
    for stage, step in enumerate(["", *story.steps]):
        if step in ACTS_OF_BEN:
            await ben.change(stage % 2, room_id, step)
        elif step:
            await ann.change(stage % 2, room_id, step, ben)
        membership = {"": "leave", "kick": "leave"}.get(step, step)
        if stage and stage in values:
            visibility = values[stage]
            content = {"history_visibility": visibility}
            await ann.set_state(stage % 2, room_id, "m.room.history_visibility", content)
        message = await ann.say(stage % 2, room_id, f"at stage {stage}")
        topic = await ann.set_state(stage % 2, room_id, "m.room.topic", {"topic": f"{stage}"})
        story.said.append(Said(message, topic, visibility, membership))
        await device.sync(stage % 2)
    return story


def messages(events: list[Json]) -> list[str]:
    return [event["event_id"] for event in events if event["type"] == "m.room.message"]


async def check(story: Story) -> None:
    seen = story.seen()
    for at in (0, 1):
        await story.device.answer(at, story.device.model.next_batch)  # from then on this worker knows all that was done
        await _check_requests(story, at, seen)
        if story.was_in() and story.membership in ("join", "leave", "ban"):
            await _check_sync(story, at)


async def _check_requests(story: Story, at: int, seen: list[str]) -> None:
    page = f"{room(story.room_id)}/messages"
    for direction in ("f", "b"):
        status, answer = await story.ben.ask(at, "GET", page, dir=direction, limit=1000)
        found = messages(answer["chunk"]) if status == 200 else []
        assert found == (seen if direction == "f" else seen[::-1]), f"/messages {direction} at {at}"
    for said in story.said:
        path = f"{room(story.room_id)}/event/{segment(said.message)}"
        status, _ = await story.ben.ask(at, "GET", path)
        assert (status == 200) == (said.message in seen), f"{said} at {at}"
    status, topic = await story.ben.ask(at, "GET", f"{room(story.room_id)}/state/m.room.topic", format="event")
    assert (topic["event_id"] if status == 200 else None) == story.topic()


async def _check_sync(story: Story, at: int) -> None:
    for state_after in (False, True):
        device = await story.ben.device(at, state_after=state_after, room={"include_leave": True})
        await device.sync(at)
        await device.close_gaps(at)
        known = device.model.rooms[story.room_id]
        assert messages([known.events[event_id] for event_id in known.timeline]) == story.told()
        assert known.state["m.room.topic", ""] in story.topics_told(state_after=state_after)
    await story.device.sync(at)
    await story.device.close_gaps(at)
    known = story.device.model.rooms[story.room_id]
    assert messages([known.events[event_id] for event_id in known.timeline]) == story.told()
    assert known.state["m.room.topic", ""] in story.topics_told(state_after=False)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("way", list(WAYS))
async def test_who_may_see_what(workers: Workers, value: str, way: str) -> None:
    await check(await tell(workers, {0: value}, WAYS[way]))


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("way", list(WAYS))
async def test_who_may_see_what_when_the_visibility_changes(workers: Workers, change: str, way: str) -> None:
    await check(await tell(workers, CHANGES[change], WAYS[way]))
