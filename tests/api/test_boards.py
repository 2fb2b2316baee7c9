"""The bed board: a night on it, who may do what, races over two workers, waits that nobody answers, mute rooms."""

import asyncio
import time
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.api.boards import Board, told
from tests.api.talking import Json, Talker, segment
from tests.api.talking import room as room_path
from tests.server import SERVER_NAME, Server
from tests.waiting import until
from yarl import URL

from bongsu.boards import answers
from bongsu.config import Settings
from bongsu.core import limits
from bongsu.main import open_worker
from bongsu.store import boards as table
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.workflow.chains import AuditSaid


async def test_from_wish_to_closing(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish(patient="P-17")
    waiting = await board.state(request_id)
    assert (waiting["state"], waiting["owner"]) == ("waiting", board.people["coordinator"].user_id)
    assert waiting["due"] <= waiting["deadline"]
    found = await board.done("coordinator", "GET", f"/requests/{request_id}/suggestions")
    assert [each["bed_id"] for each in found["suggestions"]] == [bed_id]
    at = f"/requests/{request_id}"
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": bed_id})
    assert (await board.state(request_id))["owner"] == board.people["provider"].user_id
    assert (await board.ask("provider", "POST", f"{at}/decline", {}))[1]["errcode"] == "M_MISSING_PARAM"
    await board.done("provider", "POST", f"{at}/decline", {"reason": "의료진 부족"})
    assert (await board.done("coordinator", "GET", f"{at}/suggestions"))["suggestions"] == []
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"{at}/accept")
    stats = await board.done("observer", "GET", "/stats")
    assert stats["time_to_assign_ms"]["count"] == 1
    assert stats["waiting_now"] == 0
    await board.done("requester", "POST", f"{at}/arrive")
    await board.done("requester", "POST", f"{at}/close")
    assert (await board.ask("provider", "POST", f"{at}/accept"))[0] == 409
    beds = (await board.done("observer", "GET", "/beds"))["beds"]
    assert [(each["places"], each["free"]) for each in beds] == [(0, 0)]  # somebody lay in it
    said = [each["io.bongsu.board"]["what"] for each in await board.texts()]
    assert said[:7] == ["close", "arrive", "accept", "assign", "decline", "assign", "request"]
    assert all("P-17" not in each["body"] for each in await board.texts())
    audit = await board.done("coordinator", "GET", "/audit?verify=true")
    assert audit["faults"] == []
    assert audit["entries"][-1]["deed"]["action"] == "close"


async def test_answers_are_as_they_are_described(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish(patient="P-17")
    described = {
        "": answers.WholeBoard,
        "/beds": answers.BedsSaid,
        "/requests": answers.RequestsSaid,
        f"/requests/{request_id}": answers.RequestSaid,
        f"/requests/{request_id}/suggestions": answers.SuggestionsSaid,
        "/stats": answers.StatsSaid,
        "/audit?dir=b&limit=2": AuditSaid,
        "/access": answers.AccessesSaid,
    }
    for path, known in described.items():
        answer = await board.done("coordinator", "GET", path)
        assert msgspec.to_builtins(msgspec.convert(answer, known)).keys() >= answer.keys(), path
    given = await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    assert msgspec.convert(given, answers.RequestNow).offer_id is not None


async def test_the_boards_of_ones_rooms(board: Board, alice: Talker) -> None:
    await board.wish()
    known = (await board.people["provider"].get("/_bongsu/v1/boards"))["boards"]
    found = msgspec.convert(known, list[answers.BoardSaid])
    assert [(each.room_id, each.title, each.role, each.waiting) for each in found] == [
        (board.room_id, "수도권", "provider", 1)
    ]
    assert (await alice.get("/_bongsu/v1/boards"))["boards"] == []


async def test_boards_people_and_looks_come_in_pages(board: Board, database: asyncpg.Connection) -> None:
    provider = board.people["provider"]
    await board.people["coordinator"].bring(await _with_board(board.people["coordinator"]), provider)
    named = [each["room_id"] for each in await pages(provider, "/_bongsu/v1/boards", "boards")]
    assert len(named) == len(set(named)) == 2
    people = await pages(provider, board.path, "people")
    assert [each["user_id"] for each in people] == sorted(
        board.people[role].user_id for role in ("coordinator", "provider", "requester")
    )
    assert (await board.done("provider", "GET", ""))["hospital"] == "한빛병원"
    rows = [(board.room_id, f"@old{number}:x", what, 1) for number in range(2) for what in ("see", "sheet")]
    await database.executemany("INSERT INTO board_access VALUES ($1, $2, $3, $4, 1)", rows)
    looks = await pages(board.people["coordinator"], f"{board.path}/access", "access")
    assert [(each["user_id"], each["what"]) for each in looks if each["day"] == 1] == [row[1:3] for row in rows]
    assert [each["day"] for each in looks] == sorted((each["day"] for each in looks), reverse=True)


async def _with_board(person: Talker) -> str:
    room_id = await person.make_room()
    assert (await person.ask("POST", f"/_bongsu/v1/boards/{segment(room_id)}", {}))[0] == 201
    return room_id


async def pages(person: Talker, path: str, name: str) -> list[Json]:
    """All of a list, one after the other."""
    found: list[Json] = []
    after: Json = {}
    while True:
        answer = await person.get(path, limit=1, **after)
        found += answer[name]
        if "next_batch" not in answer:
            return found
        after = {"from": answer["next_batch"]}


async def test_some_requests_by_name_in_whatever_state(board: Board) -> None:
    one, other = await board.wish(), await board.wish()
    await board.done("requester", "POST", f"/requests/{one}/close")
    listed = await board.done("observer", "GET", f"/requests?ids={one},{other}")
    assert {each["request_id"]: each["state"] for each in listed["requests"]} == {one: "closed", other: "waiting"}
    assert "next_batch" not in listed
    assert (await board.ask("observer", "GET", "/requests?ids=x"))[0] == 404
    assert (await board.ask("observer", "GET", f"/requests?ids={','.join([one] * 101)}"))[0] == 400


async def test_the_record_is_read_from_its_end(board: Board) -> None:
    await board.wish()
    first = await board.done("coordinator", "GET", "/audit?dir=b&limit=1")
    second = await board.done("coordinator", "GET", f"/audit?dir=b&limit=1&from={first['next_batch']}")
    assert [page["entries"][0]["deed"]["action"] for page in (first, second)] == ["request", "appoint"]
    stats = await board.done("observer", "GET", "/stats")
    assert (sum(stats["waiting_counts"]), sum(stats["counts"])) == (1, 0)
    assert len(stats["counts"]) == len(stats["bins_ms"]) + 1


async def test_a_withdrawn_bed_sends_its_patients_back_in_line(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    began = (await board.state(request_id))["waiting_since"]
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{request_id}/accept")
    answer = await board.done("provider", "POST", f"/beds/{bed_id}/withdraw", {"reason": "fire"})
    assert answer["waiting_again"] == [request_id]
    again = await board.state(request_id)
    assert (again["state"], again["waiting_since"], again["bed_id"]) == ("waiting", began, None)
    assert (await board.done("observer", "GET", "/stats"))["waiting_now"] == 1
    status, answer = await board.ask("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    assert (status, answer["errcode"]) == (409, "BONGSU_BED_GONE")


async def test_who_leaves_the_room_sees_nothing_more(board: Board) -> None:
    await board.people["provider"].leave(board.room_id)
    assert (await board.ask("provider", "GET", "/requests"))[0] == 403
    assert (await board.ask("provider", "POST", "/beds", {"kinds": ["icu"]}))[0] == 403


async def test_a_role_ends_with_the_stay_in_the_room(board: Board) -> None:
    person = board.people["provider"]
    await board.people["coordinator"].post(f"{room_path(board.room_id)}/kick", {"user_id": person.user_id})
    await board.people["coordinator"].bring(board.room_id, person)
    assert (await board.done("provider", "GET", ""))["role"] == "observer"
    assert (await board.ask("provider", "POST", "/beds", {"kinds": ["icu"]}))[0] == 403
    listed = (await board.done("coordinator", "GET", ""))["people"]
    assert person.user_id not in [each["user_id"] for each in listed]


async def test_a_provider_publishes_for_their_own_hospital_alone(board: Board, http: aiohttp.ClientSession) -> None:
    person = await board.join_as("provider", http)  # of no hospital
    board.people["independent"] = person
    status, answer = await board.ask("independent", "POST", "/beds", {"kinds": ["icu"], "hospital": "한빛병원"})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    bed_id = (await board.done("independent", "POST", "/beds", {"kinds": ["icu"]}))["bed_id"]
    assert (await board.ask("provider", "POST", "/beds", {"bed_id": bed_id}))[0] == 403
    beds = (await board.done("observer", "GET", "/beds"))["beds"]
    assert [each["hospital"] for each in beds] == [person.user_id]


async def test_a_patient_is_shown_to_those_who_have_to_do_with_them(board: Board, http: aiohttp.ClientSession) -> None:
    board.people["other requester"] = await board.join_as("requester", http)
    board.people["other provider"] = await board.join_as("provider", http, hospital="다른병원")
    request_id = await board.wish(patient="P-17", note="n", place={"lat": 37.1, "lon": 127.1, "area": "서울"})

    async def who_sees() -> set[str]:
        seen: set[str] = set()
        for role in board.people:
            one = await board.done(role, "GET", f"/requests/{request_id}")
            (listed,) = (await board.done(role, "GET", "/requests"))["requests"]
            shown = (one["patient"], one["note"], one["place"]["lat"])
            assert shown == (listed["patient"], listed["note"], listed["place"]["lat"])
            assert shown in (("P-17", "n", 37.1), ("", "", None))
            assert one["place"]["area"] == "서울"
            seen |= {role} if shown[0] else set()
        return seen

    assert await who_sees() == {"coordinator", "requester"}
    bed_id = await board.bed()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    assert await who_sees() == {"coordinator", "requester", "provider"}


async def test_a_room_that_anybody_may_read_has_no_board(alice: Talker) -> None:
    closed = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    for options in ({"preset": "public_chat"}, {"initial_state": [closed]}):
        room_id = await alice.make_room(**options)
        assert await alice.refused("POST", f"/_bongsu/v1/boards/{segment(room_id)}", {}) == (403, "M_FORBIDDEN")


async def test_fifty_coordinators_want_one_bed(board: Board, elsewhere: aiohttp.ClientSession) -> None:
    bed_id = await board.bed()
    wishes = [await board.wish() for _ in range(50)]
    here = board.people["coordinator"]
    there = here.through(elsewhere)
    asked = [
        (here, there)[number % 2].ask("POST", f"{board.path}/requests/{wish}/assignment", {"bed_id": bed_id})
        for number, wish in enumerate(wishes)
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(status for status, _ in answers) == [200] + [409] * 49
    assert {answer["errcode"] for status, answer in answers if status == 409} == {"BONGSU_BED_TAKEN"}
    rows = (await board.done("observer", "GET", "/requests", None))["requests"]
    assert [each["state"] for each in rows].count("offered") == 1


async def test_no_second_row_for_a_bed_can_stand_in_the_table(board: Board, database: asyncpg.Connection) -> None:
    bed_id, one, other = await board.bed(), await board.wish(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{one}/assignment", {"bed_id": bed_id})
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute(
            "INSERT INTO board_assignments (request_id, bed_id, place, assigned_by, assigned_ms)"
            " SELECT $2, bed_id, place, '', 0 FROM board_assignments WHERE bed_id = $1",
            *(bed_id, other),
        )


async def test_an_unanswered_wait_goes_further_once(
    board: Board, database: asyncpg.Connection, elsewhere: aiohttp.ClientSession
) -> None:
    person = board.people["requester"]
    body = {"role": "requester", "on_call": True}
    await board.done("coordinator", "PUT", f"/roles/{person.user_id}", body)
    request_id = await board.wish()
    for tier in ("coordinators", "on_call", "contacts", "contacts"):
        assert (await board.let_wait(database, request_id))["tier"] == tier
    await asyncio.sleep(1.5)  # both workers have looked again
    said = [each for each in await board.texts() if each["io.bongsu.board"]["what"] == "escalate"]
    assert [each["io.bongsu.board"]["tier"] for each in said] == ["contacts", "contacts", "on_call", "coordinators"]
    assert person.user_id in said[2]["m.mentions"]["user_ids"]
    assert person.user_id not in said[3]["m.mentions"]["user_ids"]
    directly = await told(person)  # whatever they have set for the room
    assert "on_call" in {each["io.bongsu.board"]["tier"] for each in directly}
    assert "coordinators" not in {each["io.bongsu.board"]["tier"] for each in directly}
    entries = (await board.done("coordinator", "GET", "/audit"))["entries"]
    assert entries[-1]["deed"]["details"]["heard"] == "room"


@pytest.mark.parametrize("how", ["encrypted", "sent away", "silenced"])
async def test_a_wait_is_heard_of_when_the_room_is_mute(board: Board, database: asyncpg.Connection, how: str) -> None:
    here, request_id = board.people["coordinator"], await board.wish()
    own = "@bed-board:" + here.user_id.partition(":")[2]
    if how == "encrypted":
        await here.set_state(board.room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    elif how == "sent away":
        await here.post(f"{room_path(board.room_id)}/kick", {"user_id": own})
    else:
        levels = await here.state(board.room_id, "m.room.power_levels")
        await here.set_state(board.room_id, "m.room.power_levels", {**levels, "events_default": 50})
    await board.let_wait(database, request_id)
    (call,) = await told(here)
    assert call["io.bongsu.board"]["request_id"] == request_id
    assert call["body"].startswith("수도권\n")
    assert await board.said("escalate") == []
    entries = (await board.done("coordinator", "GET", "/audit"))["entries"]
    assert (entries[-1]["deed"]["action"], entries[-1]["deed"]["details"]["heard"]) == ("escalate", "direct")


async def escalated(board: Board, request_id: str) -> Json:
    """Once its wait has gone a tier further than its owner."""
    async with asyncio.timeout(20):
        while (row := await board.state(request_id))["tier"] == "owner":
            await asyncio.sleep(0.1)
    return row


@pytest.mark.parametrize("how", ["leaves", "is another role"])
async def test_a_wait_whose_owner_goes_waits_no_step_for_another(
    board: Board, http: aiohttp.ClientSession, how: str
) -> None:
    other, request_id = await board.join_as("coordinator", http), await board.wish()
    first, named = board.people["coordinator"], (await board.state(request_id))["owner"]
    owner, stays = (first, other) if named == first.user_id else (other, first)
    if how == "leaves":
        await owner.leave(board.room_id)
    else:
        path = f"{board.path}/roles/{owner.user_id}"
        assert (await stays.ask("PUT", path, {"role": "observer"}))[0] == 200
    row = await escalated(board, request_id)
    assert (row["tier"], row["owner"]) == ("coordinators", stays.user_id)
    (call,) = await until(lambda: board.said("escalate"), bool, 20)
    assert call["m.mentions"]["user_ids"] == [stays.user_id]


async def test_who_is_locked_out_owns_no_wait(
    board: Board, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    first, other = board.people["coordinator"].user_id, (await board.join_as("coordinator", http)).user_id
    colleague = (await board.join_as("provider", http, hospital="한빛병원", on_call=True)).user_id
    for out in (other, colleague):
        await database.execute("UPDATE users SET suspended = true WHERE user_id = $1", out)
    wishes = [await board.wish() for _ in range(3)]
    assert {(await board.state(each))["owner"] for each in wishes} == {first}
    bed_id = await board.bed()
    given = await board.done("coordinator", "POST", f"/requests/{wishes[0]}/assignment", {"bed_id": bed_id})
    assert given["owner"] == board.people["provider"].user_id, "and nobody who cannot answer is asked"


async def test_a_board_whose_last_coordinator_left_calls_who_may_name_another(board: Board) -> None:
    deputy = board.people["observer"]
    levels = await board.people["coordinator"].state(board.room_id, "m.room.power_levels")
    users = {**levels.get("users", {}), deputy.user_id: 50}
    await board.people["coordinator"].set_state(board.room_id, "m.room.power_levels", {**levels, "users": users})
    request_id = await board.wish()
    await board.people["coordinator"].leave(board.room_id)
    await escalated(board, request_id)
    (call,) = await until(lambda: board.said("escalate"), bool, 20)
    assert deputy.user_id in call["m.mentions"]["user_ids"]
    body = {"role": "coordinator"}
    await board.done("observer", "PUT", f"/roles/{deputy.user_id}", body)


async def test_a_board_goes_with_its_room(board: Board, database: asyncpg.Connection) -> None:
    request_id, bed_id = await board.wish(), await board.bed()
    old_room, old_path = board.room_id, board.path
    upgraded = await board.people["coordinator"].post(f"{room_path(old_room)}/upgrade", {"new_version": "11"})
    board.room_id = upgraded["replacement_room"]
    board.path = f"/_bongsu/v1/boards/{segment(board.room_id)}"
    for method, body in (("GET", None), ("POST", {"severity": "urgent"})):
        status, answer = await board.people["provider"].ask(method, f"{old_path}/requests", body)
        assert (status, answer["errcode"]) == (404, "BONGSU_BOARD_MOVED")
        assert answer["replacement_room"] == board.room_id
    assert (await board.ask("provider", "GET", "/requests"))[0] == 403  # has not followed yet
    await board.people["coordinator"].bring(board.room_id, board.people["provider"], board.people["observer"])
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    row = await board.let_wait(database, request_id)
    assert (row["state"], row["tier"]) == ("offered", "coordinators")
    assert len(await until(lambda: board.said("escalate"), bool, 20)) == 1
    audit = await board.done("coordinator", "GET", "/audit?verify=true")
    assert audit["faults"] == []
    assert [each["deed"]["action"] for each in audit["entries"]][:2] == ["create", "appoint"]
    assert audit["entries"][-1]["deed"]["action"] == "escalate"


async def test_an_offer_goes_to_the_hospital_people_who_are_there(board: Board, http: aiohttp.ClientSession) -> None:
    bed_id, request_id = await board.bed(free=2), await board.wish()
    night = await board.join_as("provider", http, hospital="한빛병원", on_call=True)
    board.people["night"] = night
    offer = await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    assert offer["owner"] == night.user_id  # on call
    (said,) = await board.said("assign")
    assert said["m.mentions"]["user_ids"] == [night.user_id, board.people["provider"].user_id]
    await board.people["provider"].leave(board.room_id)
    await night.leave(board.room_id)
    other = await board.wish()
    offer = await board.done("coordinator", "POST", f"/requests/{other}/assignment", {"bed_id": bed_id})
    assert offer["owner"] == board.people["coordinator"].user_id  # nobody of the hospital is there: they telephone


async def test_a_bed_that_was_given_meanwhile_is_not_published_again(board: Board) -> None:
    bed_id, request_id = await board.bed(free=2), await board.wish()
    assignment = await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    status, answer = await board.ask("provider", "POST", "/beds", {"bed_id": bed_id, "free": 2})
    assert (status, answer["errcode"]) == (409, "BONGSU_BED_CHANGED")
    assert (answer["places"], answer["free"]) == (2, 1)

    async def bed() -> Json:
        found: Json = (await board.done("observer", "GET", "/beds"))["beds"][0]
        return found

    await board.done("provider", "POST", "/beds", {"bed_id": bed_id})  # only says that it is still so
    assert ((await bed())["places"], (await bed())["free"]) == (2, 1)
    seen = (await bed())["version"]
    body = {"bed_id": bed_id, "reason": "r", "offer_id": assignment["offer_id"]}
    await board.done("provider", "POST", f"/requests/{request_id}/decline", body)
    stale = {"bed_id": bed_id, "free": 1, "version": seen}
    assert (await board.ask("provider", "POST", "/beds", stale))[1]["errcode"] == "BONGSU_BED_CHANGED"
    told = await board.done("provider", "POST", "/beds", {**stale, "version": (await bed())["version"]})
    assert (await bed())["free"] == 1
    await board.done("provider", "POST", "/beds", {"bed_id": bed_id, "free": 3})  # nothing happened meanwhile
    assert (await bed())["free"] == 3
    assert (await bed())["version"] > told["version"]


async def test_a_patient_waits_once(board: Board, elsewhere: aiohttp.ClientSession) -> None:
    here = board.people["requester"]
    asked = [
        who.ask("POST", f"{board.path}/requests", {"severity": "urgent", "patient": "P-17"})
        for who in (here, here.through(elsewhere), here, here.through(elsewhere))
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409]
    (request_id,) = [answer["request_id"] for status, answer in answers if status == 201]
    refused = [answer for status, answer in answers if status == 409]
    assert {(each["errcode"], each["request_id"]) for each in refused} == {("BONGSU_PATIENT_WAITS", request_id)}
    await board.done("requester", "POST", f"/requests/{request_id}/close")
    await board.wish(patient="P-17")


async def test_a_late_answer_does_not_hit_another_offer(board: Board) -> None:
    first, second, request_id = await board.bed(), await board.bed(), await board.wish()
    at = f"/requests/{request_id}"
    one = await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": first})
    late = {"reason": "full", "bed_id": first}
    await board.done("provider", "POST", f"{at}/decline", late)
    assert (await board.ask("provider", "POST", f"{at}/decline", late))[0] == 409
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": second})
    for act, body in (
        ("decline", late),
        ("accept", {"bed_id": first}),
        ("transfer", late),
        ("arrive", {"bed_id": first}),
    ):
        status, answer = await board.ask("provider", "POST", f"{at}/{act}", body)
        assert (status, answer["errcode"]) == (409, "BONGSU_WRONG_STATE"), act
    assert (await board.state(request_id))["bed_id"] == second
    await board.done("coordinator", "POST", f"{at}/decline", {"reason": "r", "bed_id": second})
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": first})
    again = {**late, "offer_id": one["offer_id"]}  # the same bed, and another offer
    assert (await board.ask("provider", "POST", f"{at}/decline", again))[0] == 409
    await board.done("provider", "POST", f"{at}/accept", {"offer_id": (await board.state(request_id))["offer_id"]})


async def test_a_declined_wait_stays_where_it_was_and_its_deadline_counts(
    board: Board, database: asyncpg.Connection
) -> None:
    bed_id, request_id = await board.bed(), await board.wish(severity="ordinary")
    soon = int(time.time() * 1_000) + 60_000
    await database.execute(
        "UPDATE board_requests SET tier = 3, deadline_ms = $2 WHERE request_id = $1", request_id, soon
    )
    for act, role, body in (
        ("assignment", "coordinator", {"bed_id": bed_id}),
        ("decline", "provider", {"reason": "r"}),
    ):
        await board.done(role, "POST", f"/requests/{request_id}/{act}", body)
        row = await board.state(request_id)
        assert (row["tier"], row["due"]) == ("contacts", soon), act
    await database.execute("UPDATE board_requests SET tier = 0, deadline_ms = 1 WHERE request_id = $1", request_id)
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{request_id}/decline", {"reason": "r"})
    assert (await board.state(request_id))["tier"] == "coordinators"  # late: not one person alone


async def test_a_transfer_after_arrival_is_a_new_wait(board: Board, database: asyncpg.Connection) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{request_id}/accept")
    await board.done("provider", "POST", f"/requests/{request_id}/arrive")
    await database.execute("UPDATE board_requests SET tier = 3, deadline_ms = 1 WHERE request_id = $1", request_id)
    await board.done("provider", "POST", f"/requests/{request_id}/transfer", {"reason": "r"})
    row = await board.state(request_id)
    assert row["tier"] == "owner"
    assert row["waiting_since"] < row["due"] <= row["deadline"]


async def test_a_ward_that_burns_is_said_once(board: Board) -> None:
    bed_id = await board.bed(free=3)
    wishes = [await board.wish() for _ in range(3)]
    for wish in wishes:
        await board.done("coordinator", "POST", f"/requests/{wish}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{wishes[0]}/accept")
    await board.done("provider", "POST", f"/requests/{wishes[0]}/arrive")
    answer = await board.done("provider", "POST", f"/beds/{bed_id}/withdraw", {"reason": "fire"})
    assert answer["waiting_again"] == wishes[1:]
    assert [(await board.state(each))["state"] for each in wishes] == ["arrived", "waiting", "waiting"]
    (said,) = await board.said("lost")
    assert said["io.bongsu.board"]["request_ids"] == wishes[1:]
    assert said["m.mentions"]["user_ids"] == [board.people["coordinator"].user_id]
    audit = await board.done("coordinator", "GET", "/audit?verify=true")
    assert [each["deed"]["action"] for each in audit["entries"]][-3:] == ["withdraw", "lost", "lost"]
    assert audit["faults"] == []


async def test_who_waits_comes_before_who_has_a_bed(board: Board) -> None:
    bed_id, first, second, third = await board.bed(), await board.wish(), await board.wish(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{first}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{first}/accept")
    seen: list[str] = []
    more = ""
    for _ in range(4):
        page = await board.done("observer", "GET", f"/requests?limit=1{more}")
        seen += [each["request_id"] for each in page["requests"]]
        more = f"&from={page.get('next_batch', '')}"
    assert seen == [second, third, first]


async def test_a_look_waits_for_no_write_and_is_written_down_later(board: Board, database: asyncpg.Connection) -> None:
    request_id = await board.wish()
    async with asyncio.timeout(60):
        async with database.transaction():
            await database.execute("LOCK TABLE board_access IN EXCLUSIVE MODE")  # as if no commit came back
            await board.done("observer", "GET", "/requests")
        await database.execute("ALTER TABLE board_access RENAME TO board_access_away")  # now writing fails
        try:
            await board.done("observer", "GET", f"/requests/{request_id}")
            await asyncio.sleep(0.5)
        finally:
            await database.execute("ALTER TABLE board_access_away RENAME TO board_access")
        looked = {
            ("see", board.people["observer"].user_id),
            (f"request {request_id}", board.people["observer"].user_id),
        }
        while True:
            access = (await board.done("coordinator", "GET", "/access"))["access"]
            if looked <= {(each["what"], each["user_id"]) for each in access}:
                break
            await asyncio.sleep(0.1)


async def test_a_retry_gets_the_first_answer(board: Board, http: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {board.people['requester'].access_token}", "Idempotency-Key": "k1"}
    url = f"{board.path}/requests"
    answers = []
    for note in ("a", "a", "b"):
        body = {"severity": "urgent", "note": note}
        async with http.post(http._base_url.join(_encoded(url)), json=body, headers=headers) as response:  # type: ignore[union-attr]
            answers.append((response.status, await response.json()))
    assert answers[0] == answers[1]
    assert (answers[2][0], answers[2][1]["errcode"]) == (409, "BONGSU_IDEMPOTENCY_KEY_REUSED")


def _encoded(path: str) -> URL:
    return URL(path, encoded=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/requests", {"severity": "urgent", "patient": "900101-1234567"}),
        ("/requests", {"severity": "urgent", "note": "call 010-1234-5678"}),
        ("/requests", {"severity": "very"}),
        ("/requests", {}),
        ("/requests", {"severity": "urgent", "sevirity": "critical"}),
        ("/requests", {"severity": "urgent", "patient": "홍길동-1"}),
        ("/requests", {"severity": "urgent", "note": "０１０–１２３４–５６７８"}),
        ("/beds", {}),
        ("/beds", {"kinds": ["icu"], "fere": 2}),
        ("/requests", {"severity": "urgent", "needs": "icu"}),
        ("/requests", {"severity": "urgent", "needs": ["x"] * 100}),
        ("/requests", {"severity": "urgent", "place": {"lat": 1e9, "lon": 0}}),
        ("/requests", {"severity": "urgent", "deadline": 1}),
        ("/requests", {"severity": "urgent", "deadline": 2**53 - 1}),
        ("/beds", {"kinds": ["icu"], "free": -1}),
        ("/beds", {"kinds": ["icu"], "free": 10**6}),
        ("/beds", {"kinds": ["icu"], "free": "2"}),
        ("/beds", {"kinds": ["\u0000"]}),
        ("/beds", {"kinds": ["icu"], "hospital": "a\u0000b"}),
        ("/beds", {"kinds": ["icu"], "valid_until": 1}),
    ],
)
async def test_bad_input_changes_nothing(board: Board, path: str, body: Json) -> None:
    status, answer = await board.ask("coordinator", "POST", path, body)
    assert (status, answer["errcode"][:2]) == (400, "M_"), answer
    assert (await board.done("observer", "GET", path))[path[1:]] == []


async def test_ids_from_elsewhere(board: Board, alice: Talker) -> None:
    for path in ("/requests/%00/accept", f"/requests/{'x' * 300}/accept", "/beds/%00/withdraw"):
        assert (await board.ask("coordinator", "POST", path, {}))[0] in (400, 404)
    assert (await board.ask("coordinator", "POST", "/beds", {"bed_id": "mine"}))[0] == 404
    for path in ("/beds?from=%00", "/beds?from=x", "/requests?from=x", "/audit?from=x"):
        assert (await board.ask("coordinator", "GET", path))[1]["errcode"] == "M_INVALID_PARAM", path
    for room_id in ("!none:test.example", "%00"):
        for method in ("GET", "POST"):
            assert await alice.refused(method, f"/_bongsu/v1/boards/{room_id}", None) == (403, "M_FORBIDDEN")


async def test_what_is_repeated_is_answered_as_before_and_said_once(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    at = f"/requests/{request_id}"
    for role, act, body in (
        ("coordinator", "assignment", {"bed_id": bed_id}),
        ("provider", "accept", {}),
        ("requester", "arrive", {}),
        ("requester", "close", {}),
    ):
        first = await board.done(role, "POST", f"{at}/{act}", body)
        assert await board.done(role, "POST", f"{at}/{act}", body) == first
    said = [each["io.bongsu.board"]["what"] for each in await board.texts()]
    assert said[:5] == ["close", "arrive", "accept", "assign", "request"]
    await board.done("provider", "POST", f"/beds/{bed_id}/withdraw", {})
    await board.done("provider", "POST", f"/beds/{bed_id}/withdraw", {})
    assert len(await board.said("withdraw")) == 1


async def test_beds_that_are_as_they_were_are_no_news(board: Board) -> None:
    bed_id = await board.bed()
    assert (await board.ask("provider", "POST", "/beds", {"bed_id": bed_id}))[0] == 200
    assert len(await board.said("publish")) == 1
    await board.done("provider", "POST", "/beds", {"bed_id": bed_id, "kinds": ["투석"]})
    [bed] = (await board.done("observer", "GET", "/beds"))["beds"]
    assert (bed["kinds"], bed["number"]) == (["dialysis"], 1)
    assert "병상 1" in (await board.said("publish"))[0]["body"]


async def test_who_got_no_bed_is_in_the_figures(board: Board) -> None:
    first, second = await board.wish(), await board.wish()
    await board.done("requester", "POST", f"/requests/{first}/close", {"reason": "보호자 요청"})
    stats = await board.done("observer", "GET", "/stats")
    assert stats["without_bed_ms"]["count"] == 1
    assert stats["without_bed_ms"]["longest"] is not None
    assert (stats["time_to_assign_ms"]["count"], stats["waiting_now"]) == (0, 1)
    assert "보호자" not in str(await board.done("coordinator", "GET", "/audit"))
    assert [(await board.state(each))["number"] for each in (first, second)] == [1, 2]


async def test_nobody_is_called_for_ever(board: Board, database: asyncpg.Connection) -> None:
    request_id = await board.wish()
    await database.execute("UPDATE board_requests SET deadline_ms = 1, due_ms = 1 WHERE request_id = $1", request_id)
    async with asyncio.timeout(30):
        while (await board.state(request_id))["state"] != "closed":
            await asyncio.sleep(0.1)
    assert "30 days" in (await board.said("close"))[0]["body"]
    entries = (await board.done("coordinator", "GET", "/audit"))["entries"]
    assert entries[-1]["deed"]["action"] == "give_up"


async def test_what_nobody_closes_is_closed_after_a_month(
    board: Board, server: Server, database: asyncpg.Connection, tmp_path: Path
) -> None:
    """Or what is known of the patient would stay for ever."""
    beds = [await board.bed() for _ in range(3)]
    accepted, arrived, fresh = [await board.wish() for _ in range(3)]
    for request_id, bed_id in zip((accepted, arrived, fresh), beds, strict=True):
        await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
        await board.done("provider", "POST", f"/requests/{request_id}/accept")
    await board.done("provider", "POST", f"/requests/{arrived}/arrive")
    old = [accepted, arrived]
    await database.execute("UPDATE board_assignments SET assigned_ms = 1 WHERE request_id = ANY($1)", old)
    await database.execute("UPDATE board_requests SET deadline_ms = 1 WHERE request_id = ANY($1)", old)
    dsn = await EmbeddedPostgres(server.data_dir).start()
    settings = Settings(dsn=dsn, data=tmp_path, server_name=SERVER_NAME)
    async with open_worker(settings, lambda _: None) as worker:
        await worker.waiting.forget()
    states = [(await board.state(each))["state"] for each in (*old, fresh)]
    assert states == ["closed", "closed", "accepted"]
    assert ["30 days" in each["body"] for each in await board.said("close")] == [True, True]
    places = {each["bed_id"]: each["places"] for each in (await board.done("observer", "GET", "/beds"))["beds"]}
    assert [places[each] for each in beds] == [0, 0, 1], "the hospital says when they are free again"
    entries = (await board.done("coordinator", "GET", "/audit"))["entries"]
    assert [each["deed"]["action"] for each in entries[-2:]] == ["forget", "forget"]
    await table.sweep(database, int(time.time() * 1_000) + (limits.BOARD_KEPT_DAYS + 1) * 86_400_000)
    patients = [(await board.done("coordinator", "GET", f"/requests/{each}"))["patient"] for each in (*old, fresh)]
    assert [bool(each) for each in patients] == [False, False, True]


async def test_who_keeps_a_bed_hears_that_the_request_is_over(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.done("requester", "POST", f"/requests/{request_id}/close", {"reason": "stays"})
    (said,) = await board.said("close")
    assert said["m.mentions"]["user_ids"] == [board.people["provider"].user_id]
    assert "사유: stays" in said["body"]


async def test_a_pseudonym_leads_nobody_else_to_the_request(board: Board, http: aiohttp.ClientSession) -> None:
    request_id = await board.wish(patient="P-17")
    await board.join_as("requester", http)
    peer, body = await board.join_as("requester", http), {"severity": "urgent", "patient": "P-17"}
    status, answer = await peer.ask("POST", f"{board.path}/requests", body)
    assert (status, answer["errcode"]) == (409, "BONGSU_PATIENT_WAITS")
    assert "request_id" not in answer
    for role in ("requester", "coordinator"):
        assert (await board.ask(role, "POST", "/requests", body))[1]["request_id"] == request_id


async def test_a_full_board_is_no_matter_of_rights(board: Board, database: asyncpg.Connection) -> None:
    fill = "INSERT INTO board_people (room_id, user_id, role) SELECT $1, '@p' || n || ':x', 'observer'"
    fill += " FROM generate_series(1, $2::integer) n"
    await database.execute(fill, board.room_id, limits.BOARD_PEOPLE_MAX - 3)
    person = board.people["observer"]
    body = {"role": "requester"}
    status, answer = await board.ask("coordinator", "PUT", f"/roles/{person.user_id}", body)
    assert (status, answer["errcode"]) == (409, "BONGSU_BOARD_FULL")
    await board.done("coordinator", "PUT", f"/roles/{board.people['provider'].user_id}", body)  # is listed already


async def test_old_reasons_and_looks_are_forgotten(board: Board, database: asyncpg.Connection) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{request_id}/decline", {"reason": "보호자"})
    await database.execute("UPDATE board_assignments SET ended_ms = 1 WHERE request_id = $1", request_id)
    await database.execute("INSERT INTO board_access VALUES ($1, '@old:x', 'see', 1, 1)", board.room_id)
    await table.sweep(database, int(time.time() * 1_000))
    assert await database.fetchval("SELECT reason FROM board_assignments WHERE request_id = $1", request_id) == ""
    assert not await database.fetchval("SELECT count(*) FROM board_access WHERE user_id = '@old:x'")


async def test_the_chain_is_read_as_a_whole_for_who_asks_for_that(board: Board) -> None:
    first = await board.done("coordinator", "GET", "/audit?limit=1")
    assert "faults" not in first
    assert (await board.done("coordinator", "GET", "/audit?limit=1&verify=true"))["faults"] == []
    second = await board.done("coordinator", "GET", f"/audit?from={first['next_batch']}")
    assert second["entries"][0]["number"] == 2


async def test_an_encrypted_room_has_no_board(alice: Talker) -> None:
    room_id = await alice.make_room()
    await alice.set_state(room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    assert await alice.refused("POST", f"/_bongsu/v1/boards/{segment(room_id)}", {}) == (403, "M_FORBIDDEN")


async def test_it_is_described(http: aiohttp.ClientSession) -> None:
    async with http.get("/_bongsu/v1/openapi.json") as response:
        paths = (await response.json())["paths"]
    ours = [path for path in paths if path.startswith("/_bongsu/v1/boards/")]
    assert len(ours) == 19
    assert "/_bongsu/v1/boards" in paths
    assert "409" in paths["/_bongsu/v1/boards/{room_id}/requests/{request_id}/assignment"]["post"]["responses"]
