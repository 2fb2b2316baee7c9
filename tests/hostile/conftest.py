"""A server that is attacked, two people on it, and what must hold after every attack."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.hostile.attack import REGISTRATION_SECRET, Attacker, Person, nothing_is_logged, sign_up
from tests.server import Server, data_folder


@pytest.fixture(scope="session")
def target() -> Iterator[Server]:
    """A server of its own, which says nothing by itself: what its stream says is what these tests did."""
    with data_folder() as data_dir:
        options = ("--password-hashing", "fast", "--registration-secret", REGISTRATION_SECRET, "--no-presence")
        yield Server.start(data_dir, *options)


@pytest.fixture
def unharmed(target: Server) -> Iterator[None]:
    """After the test no server has logged an error, and the target still answers."""
    with nothing_is_logged():
        yield
    assert target.ready()


@pytest.fixture
async def nobody(target: Server) -> AsyncIterator[Attacker]:
    """Somebody who is not signed in."""
    attacker = Attacker(target)
    yield attacker
    attacker.close()


@pytest.fixture
async def mallory(target: Server) -> AsyncIterator[Person]:
    """Somebody signed in who means harm."""
    person = await sign_up(target, "mallory")
    yield person
    person.close()


@pytest.fixture
async def alice(target: Server) -> AsyncIterator[Person]:
    """Somebody who is to be harmed."""
    person = await sign_up(target, "alice")
    yield person
    person.close()


@pytest.fixture
async def room_id(mallory: Person) -> str:
    """A room of mallory's that anybody may join."""
    return await mallory.makes_room(preset="public_chat")
