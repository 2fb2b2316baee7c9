"""The manners of the drill's clients, against a real server and addresses where nobody answers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bongsu.drill.checker import Stretch
from bongsu.drill.client import Account, Client, Doors
from bongsu.drill.reader import Reader, Remembered
from bongsu.drill.record import ROWS, Attempt, Kind, Outcome, Record, read_rows
from bongsu.drill.shown import Filed
from tests.durability.load import Crowd
from tests.server import free_port

PATIENCE_SECONDS = 1.5  # with a door that is silent; the open one needs up to half a second on a busy machine
LOOK_SECONDS = 0.3


@pytest.fixture
async def silent_url() -> AsyncIterator[str]:
    """Takes connections and requests, and says nothing: a frozen site."""
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@pytest.fixture
async def crowd(base_url: str) -> AsyncIterator[Crowd]:
    crowd = Crowd(Doors([base_url]), senders=1, rooms=1, readers=0)
    await crowd.gather(f"manners-{uuid.uuid4().hex[:8]}-")  # the server may have seen this test before
    yield crowd
    crowd.close()


async def test_silence_and_refusal_lead_to_the_next_site_with_the_same_transaction_id(
    base_url: str, silent_url: str, crowd: Crowd, tmp_path: Path
) -> None:
    doors = Doors([silent_url, f"http://127.0.0.1:{free_port()}", base_url])
    account = (await crowd.another_device(0)).account
    record = Record(tmp_path, ["silent", "shut", "open"])
    record.name_room(crowd.rooms[0])
    client = Client(doors, record, account, number=record.enrol(account.user_id), patience_seconds=PATIENCE_SECONDS)
    attempt = record.begin(client.number, crowd.rooms[0])
    event_id = await client.deliver(attempt)
    again = await Client(Doors([base_url]), record, account).deliver(attempt)
    client.close()
    record.close()
    tries = read_rows(tmp_path / "tries.rows", ROWS["tries"][1])
    assert tries["outcome"].tolist() == [Outcome.SILENT, Outcome.REFUSED, 200, 200]
    assert tries["site"].tolist() == [0, 1, 2, 0]
    assert tries["send"].tolist() == [attempt.number] * 4
    assert again == event_id


async def test_who_hangs_up_may_have_sent_or_not_and_a_retry_makes_it_one(base_url: str, crowd: Crowd) -> None:
    device = await crowd.another_device(0)
    attempt = Attempt(1, crowd.rooms[0], "hung up on 1")
    for _ in range(3):
        await device.hang_up(attempt, 0.02)
    event_id = await device.deliver(attempt)
    reader = Reader("late", device, crowd.rooms, Remembered())
    await reader.sync()
    shown = [seen for seen in reader.fold.reading(crowd.rooms[0]).events if seen.body == attempt.body]
    assert [seen.event_id for seen in shown] == [event_id]


async def test_a_pinned_client_asks_no_other_site(base_url: str, tmp_path: Path) -> None:
    record = Record(tmp_path, ["shut", "open"])
    doors = Doors([f"http://127.0.0.1:{free_port()}", base_url])
    client = Client(doors, record, Account("@nobody", ""), pinned=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            await client.call("GET", "/login", kind=Kind.LOOK)
    record.close()
    assert set(read_rows(tmp_path / "tries.rows", ROWS["tries"][1])["site"].tolist()) == {0}


async def test_what_a_reader_files_is_read_back_as_it_was(base_url: str, crowd: Crowd, tmp_path: Path) -> None:
    device = await crowd.another_device(0)
    for number in range(5):
        await device.deliver(Attempt(number, crowd.rooms[0], f"said {number}"))
    filed = Filed(tmp_path, "reader", {crowd.rooms[0]: 0}, {device.account.user_id: 0})
    remembered = Remembered()
    for shown in (filed, remembered):
        await Reader("late", device, crowd.rooms, shown, timeline=2, page=2).sync()
    ours, theirs = filed.stretches(crowd.rooms[0]), remembered.stretches(crowd.rooms[0])
    assert [seen.body for stretch in ours for seen in stretch.events if seen.body][-5:] == [
        f"said {number}" for number in range(5)
    ]
    assert _bounds(ours) == _bounds(theirs)
    assert [seen for stretch in ours for seen in stretch.events] == [
        seen for stretch in theirs for seen in stretch.events
    ]


def _bounds(stretches: Sequence[Stretch]) -> list[tuple[str, str]]:
    """Where they begin and end; but the last ends where its sync did, and the stream goes on between two syncs."""
    bounds = [(one.begins, one.ends) for one in stretches if one.events]
    return [*bounds[:-1], (bounds[-1][0], "")]
