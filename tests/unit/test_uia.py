"""Which stages a request still has to pass, and what a session is bound to."""

import pytest

from bongsu.core import uia
from bongsu.core.uia import DUMMY, PASSWORD, REGISTRATION_TOKEN, Session

TERMS = "m.login.terms"
FLOWS = ((DUMMY,), (REGISTRATION_TOKEN, TERMS))
ID = "the session"


def session(**changes: object) -> Session:
    body = {"devices": ["A", "B"]}
    fields = {
        "session_id": ID,
        "purpose": "POST /delete_devices",
        "user_id": "@a:x",
        "request_hash": uia.request_hash(ID, body),
    }
    return Session(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("completed", "done"),
    [
        ([], False),
        ([DUMMY], True),
        ([REGISTRATION_TOKEN], False),
        ([TERMS], False),
        ([TERMS, REGISTRATION_TOKEN], True),
        ([PASSWORD], False),
    ],
)
def test_one_whole_flow_is_enough(completed: list[str], done: bool) -> None:
    assert uia.is_done(FLOWS, completed) is done


def test_no_flows_are_never_done() -> None:
    assert not uia.is_done((), [DUMMY])


def test_open_stages_are_those_not_completed_each_once() -> None:
    assert uia.open_stages(FLOWS, []) == [DUMMY, REGISTRATION_TOKEN, TERMS]
    assert uia.open_stages(((PASSWORD, TERMS), (PASSWORD,)), []) == [PASSWORD, TERMS]
    assert uia.open_stages(FLOWS, [TERMS]) == [DUMMY, REGISTRATION_TOKEN]


def test_a_session_belongs_to_one_request() -> None:
    assert session().belongs_to(session(completed=[PASSWORD]))
    assert not session().belongs_to(session(purpose="POST /account/deactivate"))
    assert not session().belongs_to(session(user_id="@b:x"))
    assert not session().belongs_to(session(user_id=None))
    assert not session().belongs_to(session(request_hash=uia.request_hash(ID, {"devices": ["A"]})))


def test_the_hash_covers_what_is_asked_and_nothing_else() -> None:
    asked = {"username": "a", "password": "p"}
    same = {"password": "p", "auth": {"type": DUMMY}, "username": "a"}
    assert uia.request_hash(ID, asked) == uia.request_hash(ID, same)
    assert uia.request_hash(ID, asked) != uia.request_hash(ID, {**asked, "password": "q"})
    assert uia.request_hash(ID, asked) != uia.request_hash("another", asked)
    named = {**asked, "initial_device_display_name": "phone"}
    assert uia.request_hash(ID, asked) != uia.request_hash(ID, named)
    assert uia.request_hash(ID, asked) == uia.request_hash(ID, named, ["initial_device_display_name"])


def test_the_challenge_says_what_is_missing() -> None:
    answer = uia.challenge(FLOWS, session(completed=[TERMS]))
    assert answer["flows"] == [{"stages": [DUMMY]}, {"stages": [REGISTRATION_TOKEN, TERMS]}]
    assert (answer["session"], answer["completed"]) == (ID, [TERMS])
