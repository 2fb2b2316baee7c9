"""A whole assignment of a bed between people with matrix-nio and with matrix-js-sdk, who only write and react."""

import json
from typing import Any

import nio  # type: ignore[import-untyped]
import pytest

from tests.clients.node import puppet
from tests.clients.person import People, Person

pytestmark = pytest.mark.xdist_group("js")


async def said(person: Person, room_id: str, what: str) -> nio.Event:
    """The board's newest word of this kind, once there is one."""

    def find(person: Person) -> nio.Event | None:
        found = [each for each in person.timeline[room_id] if _board(each).get("what") == what]
        return found[-1] if found else None

    return await person.until(f"{what} is said", find)


async def ask(person: Person, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What no client knows: the board is made over HTTP, and its audit read."""
    headers = {"Authorization": f"Bearer {person.client.access_token}", "Content-Type": "application/json"}
    answer = await person.client.send(method, f"/_bongsu/v1/boards/{path}", json.dumps(body) if body else None, headers)
    assert answer.status in (200, 201), await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


def _board(event: nio.Event) -> dict[str, Any]:
    field: dict[str, Any] = event.source.get("content", {}).get("io.bongsu.board", {})
    return field


async def test_from_request_to_closing(base_url: str, people: People) -> None:
    head, centre = await people.sign_up("head", "centre")
    async with puppet(base_url, "hospital") as hospital:
        room_id = await head.create(name="Beds", invite=[centre.user_id, hospital.user_id])
        await centre.join(room_id)
        await hospital.join(room_id)
        await ask(head, "POST", room_id, {"title": "Night"})
        await head.say(room_id, f"!bed role {centre.user_id} requester")
        await head.say(room_id, f"!bed role {hospital.user_id} provider hospital=한빛병원 oncall")
        given = await said(head, room_id, "appoint")
        await hospital.sees(room_id, given.event_id, sender=given.sender)

        await hospital.say(room_id, "!병상 공개 중환자,격리 빈자리=1 지역=서울")
        published = await said(centre, room_id, "publish")
        assert "Bed 1 published by 한빛병원 [icu, isolation], 1 free" in published.body
        await centre.say(room_id, "!bed request critical icu area=서울 patient=P-9")
        wanted = await said(head, room_id, "request")
        assert head.user_id in wanted.source["content"]["m.mentions"]["user_ids"]
        await head.say(room_id, "!bed assign 1 1")
        offered = await said(head, room_id, "assign")
        await hospital.sees(room_id, offered.event_id, sender=offered.sender)
        await hospital.react(room_id, offered.event_id, "✅")
        accepted = await said(centre, room_id, "accept")
        arrived = {"m.relates_to": {"rel_type": "m.annotation", "event_id": accepted.event_id, "key": "🏥"}}
        await centre.send(room_id, "m.reaction", arrived)
        await said(head, room_id, "arrive")
        await head.say(room_id, "!bed close 1")
        closed = await said(head, room_id, "close")
        await hospital.sees(room_id, closed.event_id, body=closed.body)

        audit = await ask(head, "GET", f"{room_id}/audit?verify=true")
        assert audit["faults"] == []
        acts = [(each["deed"]["action"], each["deed"]["actor"]) for each in audit["entries"]]
        assert acts[-6:] == [
            ("publish", hospital.user_id),
            ("request", centre.user_id),
            ("assign", head.user_id),
            ("accept", hospital.user_id),
            ("arrive", centre.user_id),
            ("close", head.user_id),
        ]
