"""People talk through matrix-nio: whatever one does in a room, the others see through their sync."""

import io

import nio  # type: ignore[import-untyped]
from nio.api import RelationshipType  # type: ignore[import-untyped]
from PIL import Image, ImageChops, ImageStat

from tests.clients.person import DEADLINE_SECONDS, People, Person, collect, ok, photo, refused


async def test_text_reaches_everybody(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    text = "봉수대에 불이 올랐다 🔥 – the fire is lit\nsecond line"
    event_id = await alice.say(room_id, text)
    for person in (alice, bob, carol):
        event = await person.sees(room_id, event_id)
        assert isinstance(event, nio.RoomMessageText)
        assert (event.body, event.sender) == (text, alice.user_id)
        assert ("transaction_id" in event.source["unsigned"]) == (person is alice)


async def test_order_is_the_same_for_everybody(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    said = [await speaker.say(room_id, f"line {n}") for n, speaker in enumerate([alice, bob, carol] * 3)]
    orders = []
    for person in (alice, bob, carol):
        await person.sees(room_id, said[-1])
        orders.append([event.event_id for event in person.timeline[room_id] if isinstance(event, nio.RoomMessageText)])
    assert orders == [said, said, said]


async def test_a_repeated_send_is_one_message(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    content = {"msgtype": "m.text", "body": "once"}
    ids = [
        (
            await ok(alice.client.room_send(room_id, "m.room.message", content, tx_id="t1"), nio.RoomSendResponse)
        ).event_id
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    await bob.sees(room_id, await alice.say(room_id, "after"))
    assert bob.bodies(room_id) == ["once", "after"]


async def test_photo(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    data = photo()
    uri = await alice.upload(data, "image/png", "beacon.png")
    info = {"mimetype": "image/png", "w": 640, "h": 480, "size": len(data)}
    content = {"msgtype": "m.image", "body": "beacon.png", "url": uri, "info": info}
    event = await bob.sees(room_id, await alice.send(room_id, "m.room.message", content))
    assert isinstance(event, nio.RoomMessageImage)
    assert event.source["content"] == content
    download = await ok(bob.client.download(event.url), nio.MemoryDownloadResponse)
    assert (download.body, download.content_type, download.filename) == (data, "image/png", "beacon.png")
    await assert_thumbnails(bob, uri, data)


async def assert_thumbnails(person: Person, uri: str, data: bytes) -> None:
    """One that keeps the shape, one cut square; both show the photo."""
    server_name, media_id = uri.removeprefix("mxc://").split("/")
    with Image.open(io.BytesIO(data)) as original:
        for method, width, height in ((nio.ResizingMethod.scale, 320, 240), (nio.ResizingMethod.crop, 96, 96)):
            call = person.client.thumbnail(server_name, media_id, width, height, method)
            thumbnail = await ok(call, nio.ThumbnailResponse)
            assert thumbnail.content_type.startswith("image/")
            with Image.open(io.BytesIO(thumbnail.body)) as image:
                assert image.size == (width, height)
                left = (original.width - original.height * width // height) // 2
                part = original.crop((left, 0, original.width - left, original.height)).resize(image.size)
                difference = ImageChops.difference(part.convert("RGB"), image.convert("RGB"))
                assert max(ImageStat.Stat(difference).mean) < 6


async def test_unknown_media(people: People) -> None:
    (alice,) = await people.sign_up("alice")
    server_name = alice.user_id.partition(":")[2]
    await refused(alice.client.download(f"mxc://{server_name}/nothinghere"), "M_NOT_FOUND")


async def test_reaction(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    event_id = await alice.say(room_id, "dinner at seven?")
    relation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "👍"}}
    reaction_id = await bob.send(room_id, "m.reaction", relation)
    for person in (alice, carol):
        reaction = await person.sees(room_id, reaction_id)
        assert isinstance(reaction, nio.ReactionEvent)
        assert (reaction.reacts_to, reaction.key, reaction.sender) == (event_id, "👍", bob.user_id)
    related = await collect(
        carol.client.room_get_event_relations(room_id, event_id, RelationshipType.annotation, "m.reaction")
    )
    assert [event.event_id for event in related] == [reaction_id]
    await refused(bob.client.room_send(room_id, "m.reaction", relation), "M_DUPLICATE_ANNOTATION")


async def test_edit(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    event_id = await alice.say(room_id, "dinner at sevn")
    edit_id = await alice.say(
        room_id,
        "* dinner at seven",
        **{
            "m.new_content": {"msgtype": "m.text", "body": "dinner at seven"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
        },
    )
    edit = await bob.sees(room_id, edit_id)
    assert edit.source["content"]["m.new_content"]["body"] == "dinner at seven"
    fetched = await bob.fetch(room_id, event_id)
    assert fetched["content"]["body"] == "dinner at sevn"
    assert fetched["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit_id
    phone = await people.another_device(bob)
    await phone.sync(sync_filter={"room": {"timeline": {"limit": 2}}})
    synced = phone.find(room_id, event_id)
    assert synced is not None
    assert synced.source["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit_id


async def test_reply(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    question = await alice.say(room_id, "who brings rice?")
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": question}}}
    answer = await alice.sees(room_id, await bob.say(room_id, "I do", **relation))
    assert answer.source["content"]["m.relates_to"] == relation["m.relates_to"]
    assert (await alice.fetch(room_id, question))["content"]["body"] == "who brings rice?"


async def test_thread(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    root = await alice.say(room_id, "plans for the weekend")
    await alice.say(room_id, "something else")
    relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    replies = [await alice.say(room_id, f"idea {n}", **relation) for n in range(3)]
    await bob.sees(room_id, replies[-1])
    thread = (await bob.fetch(room_id, root))["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (3, replies[-1])
    assert thread["current_user_participated"] is False
    assert (await alice.fetch(room_id, root))["unsigned"]["m.relations"]["m.thread"][
        "current_user_participated"
    ] is True
    assert [event.event_id for event in await collect(bob.client.room_get_threads(room_id))] == [root]
    in_thread = await collect(bob.client.room_get_event_relations(room_id, root, RelationshipType.thread, limit=2))
    assert [event.event_id for event in in_thread] == replies[::-1]


async def test_redaction(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    event_id = await alice.say(room_id, "the code is 1234")
    await bob.sees(room_id, event_id)
    await refused(bob.client.room_redact(room_id, event_id), "M_FORBIDDEN")
    redacted = await ok(alice.client.room_redact(room_id, event_id, "a secret"), nio.RoomRedactResponse)
    for person in (bob, carol):
        redaction = await person.sees(room_id, redacted.event_id)
        assert isinstance(redaction, nio.RedactionEvent)
        assert (redaction.redacts, redaction.reason, redaction.sender) == (event_id, "a secret", alice.user_id)
    left_of_it = await bob.fetch(room_id, event_id)
    assert left_of_it["content"] == {}
    assert left_of_it["unsigned"]["redacted_because"]["event_id"] == redacted.event_id
    newcomer = await people.another_device(carol)
    assert isinstance(await newcomer.sees(room_id, event_id), nio.RedactedEvent)


async def test_redacted_reaction_is_gone(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    event_id = await alice.say(room_id, "dinner?")
    relation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "👍"}}
    reaction_id = await bob.send(room_id, "m.reaction", relation)
    redacted = await ok(bob.client.room_redact(room_id, reaction_id), nio.RoomRedactResponse)
    await alice.sees(room_id, redacted.event_id)
    related = alice.client.room_get_event_relations(room_id, event_id, RelationshipType.annotation)
    assert await collect(related) == []
    await alice.sees(room_id, await bob.send(room_id, "m.reaction", relation))


async def test_read_receipt(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    first, second = await alice.say(room_id, "one"), await alice.say(room_id, "two")
    await bob.read(room_id, first)
    for person in (alice, carol):
        await person.until("the first", lambda person: receipts(person, room_id, bob) == [first])
    await ok(bob.client.update_receipt_marker(room_id, second, thread_id="main"), nio.UpdateReceiptMarkerResponse)
    for person in (alice, carol):
        await person.until("the second", lambda person: receipts(person, room_id, bob) == [first, second])


def receipts(person: Person, room_id: str, reader: Person) -> list[str]:
    """What `person` believes that `reader` has read: in no thread in particular, and in each."""
    room = person.room(room_id)
    unthreaded = [room.read_receipts[reader.user_id]] if reader.user_id in room.read_receipts else []
    threaded = room.threaded_read_receipts.get(reader.user_id, {}).values()
    return [receipt.event_id for receipt in [*unthreaded, *threaded]]


async def test_private_receipt_is_the_readers_own(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    secret = await alice.say(room_id, "read in private")
    call = bob.client.update_receipt_marker(room_id, secret, nio.ReceiptType.read_private)
    await ok(call, nio.UpdateReceiptMarkerResponse)
    await bob.until("his own receipt", lambda bob: secret in receipts(bob, room_id, bob))
    shown = await alice.say(room_id, "read in the open")
    await ok(bob.client.update_receipt_marker(room_id, shown, thread_id="main"), nio.UpdateReceiptMarkerResponse)
    await alice.until("bob's open receipt", lambda alice: shown in receipts(alice, room_id, bob))
    assert receipts(alice, room_id, bob) == [shown]


async def test_read_markers(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    phone = await people.another_device(bob)
    first, second = await alice.say(room_id, "one"), await alice.say(room_id, "two")
    call = bob.client.room_read_markers(room_id, fully_read_event=first, read_event=second)
    await ok(call, nio.RoomReadMarkersResponse)
    for device in (bob, phone):
        await device.until("the marker", lambda device: device.room(room_id).fully_read_marker == first)
    await alice.until("bob's receipt", lambda alice: second in receipts(alice, room_id, bob))
    assert alice.room(room_id).fully_read_marker is None


async def test_unread_counts(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")

    def unread(person: Person) -> tuple[int, int]:
        room = person.room(room_id)
        return room.unread_notifications, room.unread_highlights

    await bob.until("nothing unread", lambda bob: unread(bob) == (0, 0))
    await alice.say(room_id, "one")
    await alice.say(room_id, "two, Bob", **{"m.mentions": {"user_ids": [bob.user_id]}})
    last = await alice.say(room_id, "three")
    await bob.until("three unread, one of them for him", lambda bob: unread(bob) == (3, 1))
    await carol.until("three unread", lambda carol: unread(carol) == (3, 0))
    await bob.read(room_id, last)
    await bob.until("nothing unread", lambda bob: unread(bob) == (0, 0))
    await carol.sync()
    assert unread(carol) == (3, 0)
    assert unread(alice) == (0, 0)


async def test_typing(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    await ok(bob.client.room_typing(room_id, True, timeout=30_000), nio.RoomTypingResponse)
    for person in (alice, carol):
        await person.until("bob typing", lambda person: person.room(room_id).typing_users == [bob.user_id])
    await ok(carol.client.room_typing(room_id, True, timeout=30_000), nio.RoomTypingResponse)
    both = {bob.user_id, carol.user_id}
    await alice.until("both typing", lambda alice: set(alice.room(room_id).typing_users) == both)
    await ok(bob.client.room_typing(room_id, False), nio.RoomTypingResponse)
    await alice.until("bob stopped", lambda alice: alice.room(room_id).typing_users == [carol.user_id])


async def test_typing_ends_by_itself(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    await ok(bob.client.room_typing(room_id, True, timeout=500), nio.RoomTypingResponse)
    await alice.until("bob typing", lambda alice: alice.room(room_id).typing_users == [bob.user_id])
    await alice.until("bob stopped", lambda alice: alice.room(room_id).typing_users == [])


async def test_a_waiting_sync_wakes_for_news(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    for n in range(3):  # news may come before or after the sync began to wait
        event_id = await alice.say(room_id, f"news {n}")
        while bob.find(room_id, event_id) is None:
            await bob.sync(int(DEADLINE_SECONDS * 1000) * 2)  # fails at the deadline if it slept through
