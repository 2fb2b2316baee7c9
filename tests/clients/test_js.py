"""matrix-js-sdk: three people talk in one run of js/chat.mjs; each step reports what the others saw, judged here.

The last test has a person with matrix-nio and one with matrix-js-sdk in the same room.
"""

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nio  # type: ignore[import-untyped]
import pytest
from PIL import Image

from tests.clients.node import puppet, run
from tests.clients.person import People, ok, photo

pytestmark = pytest.mark.xdist_group("js")  # one conversation for the whole file, whoever runs the tests
Saw = Callable[[str], Any]


@pytest.fixture(scope="module")
async def saw(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Saw:
    """What a step of the conversation reported."""
    photo_path: Path = tmp_path_factory.mktemp("js") / "beacon.png"
    photo_path.write_bytes(photo())
    lines, said = await run("chat.mjs", base_url, str(photo_path))
    errors = "\n".join(line for line in said.splitlines() if line[:1].isalpha())  # without stack traces
    steps = {line["step"]: line for line in lines}

    def saw(step: str) -> Any:
        assert step in steps, f"{step} was not reported\n{errors}"
        assert "error" not in steps[step], f"{steps[step]['error']}\n{errors}"
        return steps[step]["saw"]

    return saw


async def test_push_rules(saw: Saw) -> None:
    rules = saw("push_rules_come_with_the_first_sync")
    needed = {
        ".m.rule.master",
        ".m.rule.suppress_notices",
        ".m.rule.invite_for_me",
        ".m.rule.member_event",
        ".m.rule.is_user_mention",
        ".m.rule.is_room_mention",
        ".m.rule.tombstone",
        ".m.rule.room_one_to_one",
        ".m.rule.message",
    }
    assert needed <= set(rules["fetched"])
    assert set(rules["fetched"]) <= set(rules["synced"])


async def test_group(saw: Saw) -> None:
    assert saw("group")["invites"] == [{"name": "Fishing", "inviter": "alice"}] * 2


async def test_text(saw: Saw) -> None:
    text = "불이 올랐다 🔥"
    assert saw("text")["seen"] == [["alice", {"msgtype": "m.text", "body": text}]] * 3
    assert saw("text")["bodies"] == [[text]] * 3  # hers once too: the echo of the server replaced her own


async def test_photo(saw: Saw) -> None:
    seen = saw("photo")
    assert seen["msgtype"] == "m.image"
    assert seen["full"] == {"status": 200, "contentType": "image/png", "sha256": hashlib.sha256(photo()).hexdigest()}
    assert seen["withoutToken"] == 401
    assert seen["thumbnail"]["status"] == 200
    with Image.open(io.BytesIO(base64.b64decode(seen["thumbnail"]["data"]))) as thumbnail:
        assert thumbnail.size == (320, 240)


async def test_reaction(saw: Saw) -> None:
    assert saw("reaction") == {"fetched": True, "left": {"👍": 1}}


async def test_edit(saw: Saw) -> None:
    assert saw("edit") == {"first": "dinner at sevn", "edited": "dinner at seven", "onPhone": "dinner at seven"}


async def test_redaction(saw: Saw) -> None:
    assert saw("redaction") == [{"content": {}, "by": "alice", "reason": "a secret"}] * 2


async def test_receipt(saw: Saw) -> None:
    assert saw("receipt") == {"readers": ["bob"]}


async def test_unread_counts(saw: Saw) -> None:
    assert saw("unread") == {"highlights": 1, "before": [3, 1], "after": [0, 0]}


async def test_typing(saw: Saw) -> None:
    assert saw("typing") == {"seen": True}


async def test_thread(saw: Saw) -> None:
    assert saw("thread") == {"listed": [True], "inMainTimeline": [], "unreadOnPhone": 0}


async def test_scrollback(saw: Saw) -> None:
    seen = saw("scrollback")
    assert seen["atFirst"] == seen["said"][-8:]
    assert seen["bodies"] == seen["said"] == [f"message {n}" for n in range(30)]
    assert seen["first"] == "m.room.create"


async def test_context(saw: Saw) -> None:
    seen = saw("context")
    assert 10 in seen["around"]
    assert seen["paged"] == list(range(seen["around"][-1] + 5 + 1))


async def test_tags(saw: Saw) -> None:
    assert saw("tags") == {"set": {"m.favourite": {"order": 0.5}}}


async def test_account_data(saw: Saw) -> None:
    assert saw("account_data") == {"theme": {"dark": True}, "colour": {"colour": "red"}, "stored": {"dark": True}}


async def test_muted_room(saw: Saw) -> None:
    assert saw("muted_room") == {"notify": False, "unread": [0, 0]}


async def test_name_and_topic(saw: Saw) -> None:
    assert saw("name_and_topic") == [["해돋이 낚시", "five o'clock"]] * 2


async def test_direct_room(saw: Saw) -> None:
    assert saw("direct_room") == {"inviter": "bob", "guess": "bob"}


async def test_profile(saw: Saw) -> None:
    assert saw("profile") == {"shown": "앨리스", "displayname": "앨리스", "picture": True}


async def test_presence(saw: Saw) -> None:
    assert saw("presence") == {"before": "online", "after": "online", "status": "by the sea"}


async def test_members_are_loaded_on_demand(saw: Saw) -> None:
    assert saw("members_are_loaded_on_demand") == ["alice", "bob", "carol"]


async def test_kick_and_ban(saw: Saw) -> None:
    assert saw("kick_and_ban") == {"refused": "M_FORBIDDEN", "reason": "spam"}


async def test_alias_and_directory(saw: Saw) -> None:
    assert saw("alias_and_directory") == {"found": [True], "resolved": True}


async def test_room_upgrade(saw: Saw) -> None:
    upgraded = {"tombstone": True, "predecessor": True, "version": "12", "name": "Old house", "closed": "M_FORBIDDEN"}
    assert saw("room_upgrade") == upgraded


async def test_logout(saw: Saw) -> None:
    assert saw("logout") == {"before": True, "after": False, "refused": "M_UNKNOWN_TOKEN", "noticed": True}


async def test_two_kinds_of_client_in_one_room(people: People, base_url: str) -> None:
    (alice,) = await people.sign_up("alice")
    async with puppet(base_url, "bob") as bob:
        room_id = await alice.create(preset=nio.RoomPreset.private_chat, invite=[bob.user_id])
        await bob.join(room_id)

        hers = await alice.say(room_id, "who is there?")
        await bob.sees(room_id, hers, body="who is there?", sender=alice.user_id)
        his = await bob.say(room_id, "It is me, Bob")
        assert (await alice.sees(room_id, his)).source["content"] == {"msgtype": "m.text", "body": "It is me, Bob"}

        data = photo(200, 150)
        uri = await alice.upload(data, "image/png", "hers.png")
        content = {"msgtype": "m.image", "body": "hers.png", "url": uri}
        await bob.sees(room_id, await alice.send(room_id, "m.room.message", content), body="hers.png", url=uri)
        assert await bob.download(uri) == (data, "image/png")
        image = await alice.sees(room_id, await bob.send_photo(room_id, data, "his.png"))
        assert isinstance(image, nio.RoomMessageImage)
        assert (await ok(alice.client.download(image.url), nio.MemoryDownloadResponse)).body == data

        relation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": his, "key": "👋"}}
        wave = await alice.send(room_id, "m.reaction", relation)
        await bob.sees(room_id, his, reactions={"👋": 1})
        reaction = await alice.sees(room_id, await bob.react(room_id, hers, "🔥"))
        assert (reaction.reacts_to, reaction.key) == (hers, "🔥")

        await alice.say(
            room_id,
            "* who is here?",
            **{
                "m.new_content": {"msgtype": "m.text", "body": "who is here?"},
                "m.relates_to": {"rel_type": "m.replace", "event_id": hers},
            },
        )
        await bob.sees(room_id, hers, body="who is here?")
        edit = await alice.sees(room_id, await bob.edit(room_id, his, "It is I, Bob"))
        assert edit.source["content"]["m.new_content"]["body"] == "It is I, Bob"

        await ok(alice.client.room_redact(room_id, wave), nio.RoomRedactResponse)
        await bob.sees(room_id, his, reactions={})
        await ok(alice.client.room_redact(room_id, hers), nio.RoomRedactResponse)
        await bob.sees(room_id, hers, redacted=True, body=None)
        redaction = await alice.sees(room_id, await bob.redact(room_id, his))
        assert (redaction.redacts, redaction.sender) == (his, bob.user_id)
        assert (await alice.fetch(room_id, his))["content"] == {}
