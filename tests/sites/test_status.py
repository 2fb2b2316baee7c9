"""What sites say of each other while one burns, while nobody can write, and afterwards in the record."""

import json
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.sites.trio import NAMES, Trio, answers, level, trio
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("sites")
RECORD_SECONDS_MAX = 90.0


@pytest.fixture
async def sites() -> AsyncIterator[Trio]:
    async with trio() as made:
        for name in NAMES:
            await made.when(name, lambda status: status["level"] == "works")
        yield made


async def _recorded(sites: Trio, site: str) -> dict[str, object]:
    """The one incident of the record, when it has ended."""

    async def newest() -> list[dict[str, object]]:
        found: list[dict[str, object]] = (await sites.status(site))["incidents"]
        return found

    incidents = await until(newest, lambda all_: bool(all_) and all_[0]["ended_ms"] is not None, RECORD_SECONDS_MAX)
    assert len(incidents) == 1, "what several saw at once is one incident"
    return incidents[0]


async def test_a_lost_site_is_said_by_the_others_and_found_by_the_doctor(sites: Trio) -> None:
    before = await sites.status("busan")
    sites.sites["seoul"].kill()
    for name in ("busan", "daejeon"):
        said = await sites.when(name, lambda status: answers(status, "seoul") is False)
        assert said["level"] == "partly"
        assert {one["level"] for one in said["features"]} == {"works"}, "what people use goes on"
        lost = next(one for one in said["sites"] if one["name"] == "seoul")
        assert before["now_ms"] <= lost["since_ms"] <= said["now_ms"]
        assert lost["answered_ms"] <= lost["since_ms"]
        assert said["incident"]["since_ms"] == lost["since_ms"]
        assert list(said["incident"]["parts"]) == ["site:seoul"]
    doctor = sites.say("busan", "doctor", "--json")
    assert doctor.returncode == 2
    found = {one["code"]: one for one in json.loads(doctor.stdout)["findings"]}
    assert found["site_silent"]["values"]["site"] == "seoul"
    assert "one_machine" in found, "this laboratory stands on one machine, and the doctor sees it"

    sites.sites["seoul"].restart()
    healed = await sites.when("busan", lambda status: status["level"] == "works")
    incident = await _recorded(sites, "busan")
    assert incident["seen_by"] == ["busan", "daejeon"]
    assert incident["parts"] == {"site:seoul": "stopped"}
    assert incident["since_ms"] <= healed["now_ms"]
    for name in NAMES:
        assert sites.say(name, "incident", "verify").returncode == 0


async def test_without_a_primary_every_site_says_what_goes_on_and_what_stands_still(sites: Trio) -> None:
    sites.databases.primary.signal(signal.SIGKILL)
    for name in NAMES:
        said = await sites.when(name, lambda status: level(status, "text") == "stopped")
        assert level(said, "database") == "stopped"
        assert {answers(said, other) for other in NAMES} == {True}
        assert "text" in said["incident"]["parts"]
    await sites.databases.promote()
    for name in NAMES:
        await sites.when(name, lambda status: status["level"] == "works")
    incident = await _recorded(sites, "seoul")
    parts = incident["parts"]
    assert isinstance(parts, dict)
    assert parts["text"] == "stopped"
    assert incident["seen_by"] == list(NAMES), "each noted it while nothing could be written, and brought it in"


async def test_the_record_cannot_be_changed_and_a_change_by_force_is_found(sites: Trio) -> None:
    sites.sites["seoul"].kill()
    await sites.when("busan", lambda status: bool(status["incidents"]))
    sites.sites["seoul"].restart()
    await _recorded(sites, "busan")
    assert sites.say("busan", "incident", "verify").returncode == 0

    admin = await sites.databases.primary.admin()
    for statement in (
        "UPDATE incident_entries SET hash = 'x'",
        "DELETE FROM incident_entries",
        "TRUNCATE incident_entries",
    ):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            await admin.execute(statement)
    await admin.execute("ALTER TABLE incident_entries DISABLE TRIGGER ALL")
    await admin.execute("UPDATE incident_entries SET content = content || ' '::bytea WHERE number = 2")
    altered = sites.say("busan", "incident", "verify")
    assert altered.returncode == 2
    assert "entry 2 is not what it was" in altered.stdout

    await admin.execute("DELETE FROM incident_entries WHERE number >= 2")
    cut = sites.say("busan", "incident", "verify")
    assert cut.returncode == 2
    assert "a site has noted entry" in cut.stdout, (
        "a chain that ends early is whole in itself, but others noted its end"
    )
    await sites.when("busan", lambda status: bool(status["record_altered"]))
    doctor = sites.say("busan", "doctor", "--json")
    assert "record_altered" in {one["code"] for one in json.loads(doctor.stdout)["findings"]}
    await admin.close()
