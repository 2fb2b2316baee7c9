"""The check of all answers against the specification: that it is at work, and that it can fail."""

import pytest
from tests.api.schema import VARIABLE, Misfit, Specification, specification
from tests.api.talking import V3, Talker


@pytest.fixture
def told() -> Specification:
    found = specification()
    if found is None:
        pytest.skip(f"answers are not checked: the Matrix specification is not here; name its folder in {VARIABLE}")
    return found


async def test_answers_are_checked_against_the_specification(told: Specification, alice: Talker) -> None:
    status, answer = await alice.ask("POST", f"{V3}/createRoom", {})
    assert told.check("POST", f"{V3}/createRoom", status, answer)
    with pytest.raises(Misfit, match="room_id"):
        told.check("POST", f"{V3}/createRoom", status, {**answer, "room_id": "no sigil"})
    status, answer = await alice.ask("GET", f"{V3}/sync", timeout=0)
    assert told.check("GET", f"{V3}/sync", status, answer)
    del answer["rooms"]["join"].popitem()[1]["timeline"]["events"]
    answer["account_data"]["events"][0]["content"]["global"]["override"] = 1
    with pytest.raises(Misfit):
        told.check("GET", f"{V3}/sync", status, answer)


def test_undocumented_refusals_have_the_standard_form(told: Specification) -> None:
    assert told.check("GET", "/nowhere", 404, {"errcode": "M_UNRECOGNIZED", "error": "no"})
    assert told.check("PUT", f"{V3}/createRoom", 405, {"errcode": "M_UNRECOGNIZED"})
    with pytest.raises(Misfit, match="errcode"):
        told.check("GET", "/nowhere", 404, {"error": "no"})
    assert not told.check("GET", "/nowhere", 200, {"anything": 1})


@pytest.mark.parametrize(
    ("path", "file"),
    [
        (f"{V3}/rooms/!r/state/m.room.name/", "rooms.yaml"),
        (f"{V3}/rooms/!r/state/m.room.name", "rooms.yaml"),
        (f"{V3}/rooms/!r/state", "rooms.yaml"),
        (f"{V3}/sync?since=s1", "sync.yaml"),
        (f"{V3}/pushrules/global/", "pushrules.yaml"),
    ],
)
def test_paths_are_found_in_the_specification(told: Specification, path: str, file: str) -> None:
    reference = told.schema_of("GET", path, 200)
    assert reference is not None
    assert f"/{file}#" in reference
